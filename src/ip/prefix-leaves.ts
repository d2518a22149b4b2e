import type { MemoryWindow } from "../mem/window.js";

/** Prefixes that a leaf holds at most. */
export const LEAF_SLOTS = 64;
/** Leaves that are taken from the window at once, at least. */
const MIN_LEAVES = 16;

/**
 * The leaves of the {@link PrefixSet}s of one family: first the addresses of up to {@link LEAF_SLOTS} prefixes in order,
 * then as many masks of as many words. They are taken from the window when they are needed.
 */
export class PrefixLeaves {
  readonly window: MemoryWindow;
  /** Words of an address. */
  readonly words: number;
  readonly #free: number[] = [];
  #made = 0;

  /** For addresses of `words` words: 1 (IPv4) or 4. */
  constructor(window: MemoryWindow, words: number) {
    this.window = window;
    this.words = words;
  }

  /** Bytes of one leaf. */
  get leafBytes(): number {
    return LEAF_SLOTS * this.words * 2 * 4;
  }

  /** Bytes of the leaves that were taken from the window. */
  get bytes(): number {
    return this.#made * this.leafBytes;
  }

  /** Makes sure that a leaf can be taken. Throws RangeError when the window is full. */
  provide(): void {
    if (this.#free.length > 0) return;
    const more = Math.max(MIN_LEAVES, this.#made >> 3);
    const base = this.window.reserve("prefix leaves", more * this.leafBytes) >> 2;
    for (let i = more - 1; i >= 0; i--) this.#free.push(base + i * (this.leafBytes >> 2));
    this.#made += more;
  }

  /** The word index of a leaf; only after {@link provide}. */
  take(): number {
    const leaf = this.#free.pop();
    if (leaf === undefined) throw new RangeError("no prefix leaf was provided");
    return leaf;
  }

  /** Gives a leaf back. */
  give(leaf: number): void {
    this.#free.push(leaf);
  }
}
