/** How many ICMP errors may be sent. */
export interface IcmpLimiterOptions {
  /** Errors per second (default 1000, Linux's icmp_msgs_per_sec). 0: none. */
  readonly perSecond?: number;
  /** Errors at once after a pause (default 50, Linux's icmp_msgs_burst). */
  readonly burst?: number;
}

const MS_PER_SECOND = 1000;
/** A pause of more fills any bucket; also keeps the arithmetic within int32. */
const LONGEST_MS = 1_000_000;

/**
 * Token bucket for the ICMP errors of a stack, both families (RFC 4443 2.4(f), RFC 1812 4.3.2.8). Counted in
 * milli-errors, so that a thousandth of a second at any rate is a whole number.
 */
export class IcmpLimiter {
  readonly #perSecond: number;
  readonly #full: number;
  #tokens: number;
  #lastMs = 0;
  #started = false;
  /** Errors that were not sent. */
  limited = 0;

  /** Throws RangeError for rates above 1,000,000 per second. */
  constructor(options: IcmpLimiterOptions = {}) {
    const { perSecond = 1000, burst = 50 } = options;
    for (const value of [perSecond, burst]) {
      if (!Number.isInteger(value) || value < 0 || value > 1_000_000) throw new RangeError(`ICMP error rate ${value}`);
    }
    this.#perSecond = perSecond;
    this.#full = burst * MS_PER_SECOND;
    this.#tokens = this.#full;
  }

  /** Takes a token at `nowMs` (int32, wraps); false when there is none. */
  allow(nowMs: number): boolean {
    if (!this.#started) {
      this.#started = true;
      this.#lastMs = nowMs;
    }
    const passed = (nowMs - this.#lastMs) | 0;
    if (passed !== 0) {
      this.#lastMs = nowMs;
      const gained = passed < 0 || passed > LONGEST_MS ? this.#full : passed * this.#perSecond;
      this.#tokens = Math.min(this.#full, this.#tokens + gained);
    }
    if (this.#tokens < MS_PER_SECOND) {
      this.limited++;
      return false;
    }
    this.#tokens -= MS_PER_SECOND;
    return true;
  }
}
