/** Bits for each entry at least: at most every sixteenth hash that was not added is taken for one that was. */
const BITS = 16;
const FIRST_BITS = 1 << 14;
/** Entries that may have been removed while their bits are still set, besides as many as there are. */
const MAX_GONE = 1024;

/**
 * Tells of most hashes that they were never added: a Bloom filter with one bit for each (Bloom, 1970). It fits in a cache that
 * the table behind it does not fit in, and spares its probes. What was removed keeps its bit; when there is too much
 * of that, or too little room, the filter wants to be filled anew ({@link isWorn}).
 */
export class RuleFilter {
  /** Its bits, and what masks a hash to one of them: for the loop that asks. */
  bits = new Int32Array(FIRST_BITS >> 5);
  mask = FIRST_BITS - 1;
  #entries = 0;
  #gone = 0;

  /** Adds a hash. */
  add(hash: number): void {
    const bit = hash & this.mask;
    this.bits[bit >>> 5] |= 1 << (bit & 31);
    this.#entries++;
  }

  /** A hash that was added was removed. */
  remove(): void {
    this.#entries--;
    this.#gone++;
  }

  /** Whether {@link clear}, and all entries again, would make it better. */
  get isWorn(): boolean {
    return this.#entries * BITS > this.mask + 1 || this.#gone > this.#entries + MAX_GONE;
  }

  /** Forgets everything, and makes room for twice as many entries as there were if it was too small. */
  clear(): void {
    if (this.#entries * BITS > this.mask + 1) {
      this.mask = this.mask * 2 + 1;
      this.bits = new Int32Array((this.mask + 1) >> 5);
    } else this.bits.fill(0);
    this.#entries = this.#gone = 0;
  }
}
