import type { SeededRandom } from "../random/seeded.js";

/** Draws what scenarios are made of. */
export class Draw {
  readonly random: SeededRandom;

  constructor(random: SeededRandom) {
    this.random = random;
  }

  /** True so many times in a thousand. */
  chance(permille: number): boolean {
    return this.random.nextBelow(1000) < permille;
  }

  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.random.nextBelow(high - low + 1);
  }

  /** As {@link between} (low at least 1), but small numbers as likely as large ones: even over the logarithm. */
  size(low: number, high: number): number {
    const bits = this.between(31 - Math.clz32(low), 31 - Math.clz32(high));
    const value = (1 << bits) + this.random.nextBelow(1 << bits);
    return Math.max(low, Math.min(high, value));
  }

  /** One of a list. */
  oneOf<T>(list: readonly T[]): T {
    return list[this.random.nextBelow(list.length)];
  }

  /** A share from 0 to `mostPermille` thousandths, in steps of a tenth of one. */
  rate(mostPermille: number): number {
    return this.between(0, mostPermille * 10) / 10_000;
  }
}
