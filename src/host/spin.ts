/** How long to look for more work before sleeping, microseconds: waking from sleep costs 30 to 50. */
export const SPIN_US = 50;
/** Spinning is worth it while it finds work now and then: points that a success adds and that it can have at most. */
const GAIN = 4;
const MAX = 32;
/** Without points, one sleep in so many is preceded by a trial: at first, and at most after trials in vain. */
const TRIAL_FIRST = 64;
const TRIAL_MOST = 1024;
/** Successes after which it is looked at how they came about; the look costs a system call. */
const CHECKED_SUCCESSES = 16;

/** How often this process lost its processor to another one. */
function timesPreempted(): number {
  return process.resourceUsage().involuntaryContextSwitches;
}

/**
 * Whether it pays to poll for a moment before sleeping: it does when the peer runs on another processor, and never does
 * when both share one. There the peer's work is found too, but only after the system has given it the processor: if
 * a quarter of the successes came about so, they are none.
 */
export class Spin {
  readonly #timesPreempted: () => number;
  #score = MAX;
  #sleepsBetween = TRIAL_FIRST;
  /** Until the next trial. */
  #sleeps = TRIAL_FIRST;
  /** Since the last look at how they came about. */
  #successes = 0;
  /** What {@link timesPreempted} was then. */
  #preempted: number;

  /** `preempted` counts how often this process lost its processor to another one. */
  constructor(preempted: () => number = timesPreempted) {
    this.#timesPreempted = preempted;
    this.#preempted = preempted();
  }

  /** Whether to try now. */
  get isWorthIt(): boolean {
    return this.#score > 0 || this.#sleeps <= 0;
  }

  /** Polling begins: {@link succeeded} or {@link failed} follows. */
  begin(): void {
    if (this.#score > 0) return;
    this.#preempted = this.#timesPreempted();
    this.#successes = 0;
  }

  /** It found work. */
  succeeded(): void {
    this.#successes++;
    const isLookedAt = this.#score === 0 || this.#successes === CHECKED_SUCCESSES;
    if (isLookedAt && this.#wasPreempted()) {
      this.#score = 0;
      this.#waitLonger();
      return;
    }
    this.#score = Math.min(this.#score + GAIN, MAX);
    this.#sleeps = this.#sleepsBetween = TRIAL_FIRST;
  }

  /** Whether a quarter of what was found since the last look was found after the processor had been taken away. */
  #wasPreempted(): boolean {
    const before = this.#preempted;
    const found = this.#successes;
    this.#preempted = this.#timesPreempted();
    this.#successes = 0;
    return (this.#preempted - before) * 4 >= found;
  }

  /** It found none. */
  failed(): void {
    if (this.#score > 0) this.#score--;
    else this.#waitLonger();
  }

  #waitLonger(): void {
    this.#sleepsBetween = Math.min(2 * this.#sleepsBetween, TRIAL_MOST);
    this.#sleeps = this.#sleepsBetween;
  }

  /** The thread goes to sleep. */
  slept(): void {
    if (this.#score === 0) this.#sleeps--;
  }
}
