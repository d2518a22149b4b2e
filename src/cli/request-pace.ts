/** When a request may be answered: at most so many a second of all clients together, and some at once after a rest. */
export class RequestPace {
  readonly #intervalMs: number;
  readonly #burstMs: number;
  /** When the next request would be due if none had come early. */
  #nextMs = 0;

  /** `burst`: requests at once. */
  constructor(perSecond: number, burst: number) {
    this.#intervalMs = 1000 / perSecond;
    this.#burstMs = this.#intervalMs * burst;
  }

  /** Milliseconds that a request of this moment must wait; its turn is taken. */
  waitMs(nowMs: number): number {
    const dueMs = Math.max(this.#nextMs, nowMs - this.#burstMs) + this.#intervalMs;
    this.#nextMs = dueMs;
    return Math.max(0, dueMs - nowMs);
  }
}
