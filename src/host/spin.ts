/** How long to look for more work before sleeping, microseconds: waking from sleep costs 30 to 50. */
export const SPIN_US = 50;
/** Spinning is worth it while it finds work now and then: points that a success adds and that it can have at most. */
const GAIN = 4;
const MAX = 32;
/** Without points, one sleep in so many is preceded by a trial: at first, and at most after trials in vain. */
const TRIAL_FIRST = 64;
const TRIAL_MOST = 1024;

/**
 * Whether it pays to poll for a moment before sleeping: it does when the peer runs on another processor, and never does
 * when both share one.
 */
export class Spin {
  #score = MAX;
  #sleepsBetween = TRIAL_FIRST;
  /** Until the next trial. */
  #sleeps = TRIAL_FIRST;

  /** Whether to try now. */
  get isWorthIt(): boolean {
    return this.#score > 0 || this.#sleeps <= 0;
  }

  /** It found work. */
  succeeded(): void {
    this.#score = Math.min(this.#score + GAIN, MAX);
    this.#sleeps = this.#sleepsBetween = TRIAL_FIRST;
  }

  /** It found none. */
  failed(): void {
    if (this.#score > 0) this.#score--;
    else {
      this.#sleepsBetween = Math.min(2 * this.#sleepsBetween, TRIAL_MOST);
      this.#sleeps = this.#sleepsBetween;
    }
  }

  /** The thread goes to sleep. */
  slept(): void {
    if (this.#score === 0) this.#sleeps--;
  }
}
