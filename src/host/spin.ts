/** How long to look for more work before sleeping, microseconds: waking from sleep costs 30 to 50. */
export const SPIN_US = 50;
/** Spinning is worth it while it finds work now and then: points that a success adds and that it can have at most. */
const GAIN = 4;
const MAX = 32;
/** Without points, one sleep in so many is preceded by a trial. */
const TRIAL = 64;
/** Successes after which it is looked at how they came about; the look costs a system call. */
const CHECKED_SUCCESSES = 16;

/** How often this process lost its processor to another one. */
function timesPreempted(): number {
  return process.resourceUsage().involuntaryContextSwitches;
}

/**
 * Whether it pays to poll for a moment before sleeping: it does when the peer runs on another processor, and never does
 * when both share one. There the peer's work is found too, but only after the system has given it the processor: if
 * half of the successes came about so, they are none.
 */
export class Spin {
  readonly #timesPreempted: () => number;
  #score = MAX;
  #sleeps = 0;
  #successes = 0;
  #preempted: number;

  constructor(preempted: () => number = timesPreempted) {
    this.#timesPreempted = preempted;
    this.#preempted = preempted();
  }

  /** Whether to try now. */
  get isWorthIt(): boolean {
    if (this.#score > 0) return true;
    if (this.#sleeps % TRIAL !== 0) return false;
    this.#preempted = this.#timesPreempted();
    this.#successes = CHECKED_SUCCESSES - 1;
    return true;
  }

  /** It found work. */
  succeeded(): void {
    if (++this.#successes >= CHECKED_SUCCESSES && this.#wasPreempted()) this.#score = 0;
    else this.#score = Math.min(this.#score + GAIN, MAX);
  }

  /** Whether at least a quarter of what was found since the last look was found after the processor had been taken away. */
  #wasPreempted(): boolean {
    const before = this.#preempted;
    this.#preempted = this.#timesPreempted();
    const found = this.#score === 0 ? 1 : this.#successes;
    this.#successes = 0;
    return (this.#preempted - before) * 4 >= found;
  }

  /** It found none. */
  failed(): void {
    if (this.#score > 0) this.#score--;
  }

  /** The thread goes to sleep. */
  slept(): void {
    this.#sleeps++;
  }
}
