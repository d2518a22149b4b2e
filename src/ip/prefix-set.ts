import { type Family, maskWord, type Prefix } from "./address.js";
import { LEAF_SLOTS, type PrefixLeaves } from "./prefix-leaves.js";

/** Two leaves that hold no more than this together become one. */
const MERGE_SLOTS = LEAF_SLOTS >> 1;
/** Words of a leaf's entry in the index, besides the first address in it: where it lies, and how many slots it fills. */
const INDEX_WORDS = 2;
const FIRST_LEAVES = 4;

/** The last of the lengths in a word of a mask that is not 0, from 1 on. */
function lastLength(mask: number): number {
  // Not mask & -mask: the least int32 has no negative.
  return 1 + Math.clz32(mask ^ (mask & ((mask - 1) | 0)));
}

/**
 * A set of prefixes of one family, of lengths from 1 on, that tells the longest one that covers an address. It is a sorted
 * list in two levels: leaves in the window, and an index of the first address in each. Prefixes stand in order of address,
 * then length, so the last one at or below an address is within all that cover it; with each goes a mask of the lengths
 * of those that it is within, its own the last. A lookup is two binary searches and a look at that mask: its cost does
 * not depend on how many lengths there are, nor on what covers what. To add or to remove one moves words within a leaf,
 * and goes over the prefixes within it.
 */
export class PrefixSet {
  readonly #words: number;
  readonly #leaves: PrefixLeaves;
  readonly #i32: Int32Array;
  /** Words of an entry of the index. */
  readonly #stride: number;
  #index: Int32Array;
  #leafCount = 0;
  #entries = 0;
  /** Where the last search ended: a leaf by its place in the index, and a slot of it. */
  #leafAt = 0;
  #slot = 0;

  constructor(leaves: PrefixLeaves) {
    this.#words = leaves.words;
    this.#leaves = leaves;
    this.#i32 = leaves.window.i32;
    this.#stride = leaves.words + INDEX_WORDS;
    this.#index = new Int32Array(FIRST_LEAVES * this.#stride);
  }

  /** Prefixes in the set. */
  get entries(): number {
    return this.#entries;
  }

  // ---- Hot path ----

  /** Length of the longest prefix that covers an IPv4 address, 0 when none does. */
  longest4(address: number): number {
    const index = this.#index;
    let low = 0;
    let high = this.#leafCount;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (index[middle * 3] >>> 0 <= address >>> 0) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return 0;
    const i32 = this.#i32;
    const at = (low - 1) * 3 + 1;
    const leaf = index[at];
    low = 0;
    high = index[at + 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (i32[leaf + middle] >>> 0 <= address >>> 0) low = middle + 1;
      else high = middle;
    }
    const slot = leaf + low - 1;
    const mask = i32[slot + LEAF_SLOTS] & maskWord(Math.clz32(i32[slot] ^ address), 0);
    return mask === 0 ? 0 : lastLength(mask);
  }

  /** As {@link longest4}; an IPv6 address as big-endian words. */
  longest6(w0: number, w1: number, w2: number, w3: number): number {
    const index = this.#index;
    let low = 0;
    let high = this.#leafCount;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isAbove(index, middle * 6, w0, w1, w2, w3)) high = middle;
      else low = middle + 1;
    }
    if (low === 0) return 0;
    const i32 = this.#i32;
    const at = (low - 1) * 6 + 4;
    const leaf = index[at];
    low = 0;
    high = index[at + 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isAbove(i32, leaf + (middle << 2), w0, w1, w2, w3)) high = middle;
      else low = middle + 1;
    }
    const key = leaf + ((low - 1) << 2);
    const masks = key + (LEAF_SLOTS << 2);
    let word = 0;
    let difference = i32[key] ^ w0;
    if (difference === 0) {
      word = 1;
      difference = i32[key + 1] ^ w1;
      if (difference === 0) {
        word = 2;
        difference = i32[key + 2] ^ w2;
        if (difference === 0) {
          word = 3;
          difference = i32[key + 3] ^ w3;
        }
      }
    }
    let mask = i32[masks + word] & maskWord(Math.clz32(difference), 0);
    while (mask === 0 && word > 0) mask = i32[masks + --word];
    return mask === 0 ? 0 : (word << 5) + lastLength(mask);
  }

  // ---- Control ----

  /** The longest prefix that covers an address, of length 0 when none does. */
  longest(address: Int32Array): number {
    const [w0, w1, w2, w3] = address;
    return this.#words === 1 ? this.longest4(w0) : this.longest6(w0, w1, w2, w3);
  }

  /** Whether a prefix is in the set. */
  has(address: Int32Array, length: number): boolean {
    return this.#search(address, length);
  }

  /**
   * Adds a prefix, the bits behind which are 0. False when it is there. Throws RangeError, with nothing changed, when the
   * window is full.
   */
  add(address: Int32Array, length: number): boolean {
    if (this.#search(address, length)) return false;
    this.#leaves.provide();
    if (this.#leafCount === 0) this.#insertLeaf(0, 0);
    else if (this.#used(this.#leafAt) === LEAF_SLOTS) this.#split();
    this.#insertSlot(address, length);
    this.#mark(address, length, true);
    this.#entries++;
    return true;
  }

  /** Takes a prefix out. False when it was not there. */
  remove(address: Int32Array, length: number): boolean {
    if (!this.#search(address, length)) return false;
    this.#mark(address, length, false);
    this.#removeSlot();
    this.#entries--;
    return true;
  }

  /** Takes all prefixes out. */
  clear(): void {
    for (let at = 0; at < this.#leafCount; at++) this.#leaves.give(this.#leaf(at));
    this.#leafCount = this.#entries = 0;
  }

  /** The prefixes, by address and length. What comes or goes meanwhile may be left out, or come twice. */
  *[Symbol.iterator](): Generator<Prefix> {
    const words = this.#words;
    const family: Family = words === 1 ? 4 : 6;
    for (let at = 0; at < this.#leafCount; at++) {
      for (let slot = 0; at < this.#leafCount && slot < this.#used(at); slot++) {
        const key = this.#leaf(at) + slot * words;
        const address = new Int32Array(4);
        address.set(this.#i32.subarray(key, key + words));
        yield { address: { family, words: address }, length: this.#lengthAt(this.#leaf(at), slot) };
      }
    }
  }

  #leaf(at: number): number {
    return this.#index[at * this.#stride + this.#words];
  }

  #used(at: number): number {
    return this.#index[at * this.#stride + this.#words + 1];
  }

  #setUsed(at: number, used: number): void {
    this.#index[at * this.#stride + this.#words + 1] = used;
    this.#index.set(this.#i32.subarray(this.#leaf(at), this.#leaf(at) + this.#words), at * this.#stride);
  }

  /** Word index of a slot's mask. */
  #maskAt(leaf: number, slot: number): number {
    return leaf + (LEAF_SLOTS + slot) * this.#words;
  }

  #lengthAt(leaf: number, slot: number): number {
    const at = this.#maskAt(leaf, slot);
    let word = this.#words - 1;
    while (this.#i32[at + word] === 0) word--;
    return (word << 5) + lastLength(this.#i32[at + word]);
  }

  /** Below 0 when what is in a slot comes before a prefix, above 0 when it comes after it. */
  #compare(leaf: number, slot: number, address: Int32Array, length: number): number {
    const key = leaf + slot * this.#words;
    for (let i = 0; i < this.#words; i++) {
      if (this.#i32[key + i] !== address[i]) return this.#i32[key + i] >>> 0 < address[i] >>> 0 ? -1 : 1;
    }
    return this.#lengthAt(leaf, slot) - length;
  }

  /** Finds a prefix, or where it belongs: behind what comes before it. */
  #search(address: Int32Array, length: number): boolean {
    let low = 0;
    let high = this.#leafCount;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compare(this.#leaf(middle), 0, address, length) <= 0) low = middle + 1;
      else high = middle;
    }
    this.#leafAt = Math.max(low - 1, 0);
    this.#slot = 0;
    if (low === 0) return false;
    const leaf = this.#leaf(this.#leafAt);
    low = 0;
    high = this.#used(this.#leafAt);
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compare(leaf, middle, address, length) < 0) low = middle + 1;
      else high = middle;
    }
    this.#slot = low;
    return low < this.#used(this.#leafAt) && this.#compare(leaf, low, address, length) === 0;
  }

  /** Makes a leaf of `used` slots at a place of the index. */
  #insertLeaf(at: number, used: number): number {
    const stride = this.#stride;
    if ((this.#leafCount + 1) * stride > this.#index.length) {
      const larger = new Int32Array(this.#index.length * 2);
      larger.set(this.#index);
      this.#index = larger;
    }
    this.#index.copyWithin((at + 1) * stride, at * stride, this.#leafCount * stride);
    this.#leafCount++;
    const leaf = this.#leaves.take();
    this.#index[at * stride + this.#words] = leaf;
    this.#index[at * stride + this.#words + 1] = used;
    return leaf;
  }

  #removeLeaf(at: number): void {
    this.#leaves.give(this.#leaf(at));
    this.#index.copyWithin(at * this.#stride, (at + 1) * this.#stride, this.#leafCount * this.#stride);
    this.#leafCount--;
  }

  /** Moves slots, addresses and masks. */
  #move(from: number, slot: number, count: number, to: number, toSlot: number): void {
    const words = this.#words;
    for (const [a, b] of [
      [from + slot * words, to + toSlot * words],
      [this.#maskAt(from, slot), this.#maskAt(to, toSlot)],
    ]) {
      this.#i32.copyWithin(b, a, a + count * words);
    }
  }

  /** Halves the full leaf where the search ended, which then ends in one of the halves. */
  #split(): void {
    const at = this.#leafAt;
    const leaf = this.#leaf(at);
    const half = LEAF_SLOTS >> 1;
    const upper = this.#insertLeaf(at + 1, 0);
    this.#move(leaf, half, LEAF_SLOTS - half, upper, 0);
    this.#setUsed(at, half);
    this.#setUsed(at + 1, LEAF_SLOTS - half);
    if (this.#slot <= half) return;
    this.#leafAt++;
    this.#slot -= half;
  }

  /** Puts a prefix where the search ended: it is within what the one before it is within, as far as they agree. */
  #insertSlot(address: Int32Array, length: number): void {
    const words = this.#words;
    const leaf = this.#leaf(this.#leafAt);
    const slot = this.#slot;
    const used = this.#used(this.#leafAt);
    this.#move(leaf, slot, used - slot, leaf, slot + 1);
    this.#i32.set(address.subarray(0, words), leaf + slot * words);
    this.#setUsed(this.#leafAt, used + 1);
    const at = this.#maskAt(leaf, slot);
    // Nothing comes before the first slot of the first leaf; others are never inserted into at slot 0.
    const shared = slot === 0 ? 0 : Math.min(this.#common(leaf, slot - 1, address), length - 1);
    for (let i = 0; i < words; i++) {
      const before = slot === 0 ? 0 : this.#i32[this.#maskAt(leaf, slot - 1) + i];
      this.#i32[at + i] = before & maskWord(shared, i);
    }
    this.#i32[at + ((length - 1) >> 5)] |= 1 << (-length & 31);
  }

  /** Bits that the address in a slot and another one have in common. */
  #common(leaf: number, slot: number, address: Int32Array): number {
    const key = leaf + slot * this.#words;
    for (let i = 0; i < this.#words; i++) {
      const difference = this.#i32[key + i] ^ address[i];
      if (difference !== 0) return (i << 5) + Math.clz32(difference);
    }
    return this.#words << 5;
  }

  /** Tells the prefixes within the one where the search ended that they are, or are no more. */
  #mark(address: Int32Array, length: number, isWithin: boolean): void {
    const word = (length - 1) >> 5;
    const bit = 1 << (-length & 31);
    let slot = this.#slot + 1;
    for (let at = this.#leafAt; at < this.#leafCount; at++) {
      const leaf = this.#leaf(at);
      for (const used = this.#used(at); slot < used; slot++) {
        if (this.#common(leaf, slot, address) < length) return;
        const mask = this.#maskAt(leaf, slot) + word;
        this.#i32[mask] = isWithin ? this.#i32[mask] | bit : this.#i32[mask] & ~bit;
      }
      slot = 0;
    }
  }

  #removeSlot(): void {
    const at = this.#leafAt;
    const leaf = this.#leaf(at);
    const used = this.#used(at);
    this.#move(leaf, this.#slot + 1, used - this.#slot - 1, leaf, this.#slot);
    this.#setUsed(at, used - 1);
    if (used === 1) this.#removeLeaf(at);
    else if (!this.#merge(at)) this.#merge(at - 1);
  }

  /** Makes one leaf of two neighbours that are small enough. */
  #merge(at: number): boolean {
    if (at < 0 || at + 1 >= this.#leafCount) return false;
    const used = this.#used(at);
    const more = this.#used(at + 1);
    if (used + more > MERGE_SLOTS) return false;
    this.#move(this.#leaf(at + 1), 0, more, this.#leaf(at), used);
    this.#setUsed(at, used + more);
    this.#removeLeaf(at + 1);
    return true;
  }
}

/** Whether an IPv6 address in an array comes after another one. */
function isAbove(array: Int32Array, at: number, w0: number, w1: number, w2: number, w3: number): boolean {
  if (array[at] !== w0) return array[at] >>> 0 > w0 >>> 0;
  if (array[at + 1] !== w1) return array[at + 1] >>> 0 > w1 >>> 0;
  if (array[at + 2] !== w2) return array[at + 2] >>> 0 > w2 >>> 0;
  return array[at + 3] >>> 0 > w3 >>> 0;
}
