/** How long to look for more work before sleeping, microseconds: waking from sleep costs 30 to 50. */
export const SPIN_US = 50;
/** Spinning is worth it while it finds work now and then: points that a success adds and that it can have at most. */
const GAIN = 4;
const MAX = 32;
/** Without points, one sleep in so many is preceded by a trial. */
const TRIAL = 64;

/**
 * Whether it pays to poll for a moment before sleeping: it does when the peer runs on another processor, and never does
 * when both share one.
 */
export class Spin {
  #score = MAX;
  #sleeps = 0;

  /** Whether to try now. */
  get isWorthIt(): boolean {
    return this.#score > 0 || this.#sleeps % TRIAL === 0;
  }

  /** It found work. */
  succeeded(): void {
    this.#score = Math.min(this.#score + GAIN, MAX);
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
