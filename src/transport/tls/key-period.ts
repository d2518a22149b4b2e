/** Ticks of 100 us in a millisecond. */
const TICKS_PER_MS = 10;

/**
 * Changes a key in time, of which the one before is still taken and older ones are not. Looked at when a handshake begins, so
 * that a stack on which nothing happens sleeps.
 */
export class KeyPeriod {
  readonly #change: () => void;
  readonly #ticks: number;
  #isStarted = false;
  #changedTick = 0;

  /** `ms`: how long a key is the newest one; 0: it is never changed. */
  constructor(change: () => void, ms: number) {
    this.#change = change;
    this.#ticks = ms * TICKS_PER_MS;
  }

  /** A handshake begins. */
  look(tick: number): void {
    if (this.#ticks === 0) return;
    if (!this.#isStarted) {
      this.#isStarted = true;
      this.#changedTick = tick;
    }
    const age = (tick - this.#changedTick) | 0;
    if (age >= 0 && age < this.#ticks) return;
    this.#changedTick = tick;
    this.#change();
    // So long ago (or longer than a tick can tell) that the last one is too old, too.
    if (age < 0 || age >= 2 * this.#ticks) this.#change();
  }
}
