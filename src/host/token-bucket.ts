/** Lets something happen so often in a second, and as much at once. */
export class TokenBucket {
  readonly #perSecond: number;
  #tokens: number;
  #lastUs = 0;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
  }

  /** Takes a token at a moment of a clock that does not go back; false when there is none. */
  take(nowUs: number): boolean {
    const gained = ((nowUs - this.#lastUs) * this.#perSecond) / 1e6;
    this.#tokens = Math.min(this.#perSecond, this.#tokens + gained);
    this.#lastUs = nowUs;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
