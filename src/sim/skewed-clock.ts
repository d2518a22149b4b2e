import type { Clock } from "../time/clock.js";

const MILLION = 1_000_000;
/** Beyond it a clock is none: half or one and a half times as fast. */
const MAX_SKEW_PPM = 500_000;

/**
 * A host's own clock on the simulation's: a constant offset and a constant skew, in whole microseconds. A host whose
 * clock runs slow reaches each of its deadlines later in virtual time.
 */
export class SkewedClock implements Clock {
  readonly #virtual: Clock;
  readonly #skewPpm: number;
  readonly #offsetUs: number;

  /** Throws RangeError when the skew is not an integer of -500,000 to 500,000, or the offset is no integer. */
  constructor(virtual: Clock, skewPpm: number, offsetUs: number) {
    if (!Number.isInteger(skewPpm) || Math.abs(skewPpm) > MAX_SKEW_PPM) {
      throw new RangeError(`clock skew ${skewPpm} ppm: not an integer of -${MAX_SKEW_PPM} to ${MAX_SKEW_PPM}`);
    }
    if (!Number.isSafeInteger(offsetUs)) throw new RangeError(`clock offset ${offsetUs} us: not an integer`);
    this.#virtual = virtual;
    this.#skewPpm = skewPpm;
    this.#offsetUs = offsetUs;
  }

  nowUs(): number {
    return this.hostUs(this.#virtual.nowUs());
  }

  /** What the host's clock shows at a virtual time. */
  hostUs(virtualUs: number): number {
    if (this.#skewPpm === 0) return virtualUs + this.#offsetUs;
    const seconds = Math.floor(virtualUs / MILLION);
    const rest = virtualUs - seconds * MILLION;
    return this.#offsetUs + virtualUs + seconds * this.#skewPpm + this.#gained(rest);
  }

  /** The first virtual time at which the host's clock shows `hostUs` or more. */
  virtualUs(hostUs: number): number {
    const shown = hostUs - this.#offsetUs;
    if (this.#skewPpm === 0) return shown;
    // In a virtual second the clock advances by exactly this much, so only the rest needs a search.
    const perSecond = MILLION + this.#skewPpm;
    const seconds = Math.floor(shown / perSecond);
    const rest = shown - seconds * perSecond;
    let us = Math.floor((rest * MILLION) / perSecond);
    while (us > 0 && us - 1 + this.#gained(us - 1) >= rest) us--;
    while (us + this.#gained(us) < rest) us++;
    return seconds * MILLION + us;
  }

  /** What the clock gains on the virtual one in `us` microseconds, less than a second. */
  #gained(us: number): number {
    return Math.floor((us * this.#skewPpm) / MILLION);
  }
}
