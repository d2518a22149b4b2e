import type { MemoryWindow } from "../mem/window.js";

// A slot of a ply is one word. Bit 0 set: a leaf, `value << 7 | prefix length << 1 | 1`. Clear: `word index of a ply << 1`.
// Reading, with the root's shift (24 or 16) as `shift`:
//     let slot = i32[root + (address >>> shift)];
//     while ((slot & 1) === 0) slot = i32[(slot >>> 1) + ((address >>> (shift -= 8)) & 255)];
//     value = slot >>> MTRIE_VALUE_SHIFT;
/** Where a leaf's value starts. */
export const MTRIE_VALUE_SHIFT = 7;
/** Values lie below this. */
export const MTRIE_MAX_VALUE = 1 << 24;

const PLY_WORDS = 256;
const PLIES_PER_REGION = 16;
/** A prefix needs at most this many new plies: 8-8-8-8 has three below its root. */
const MAX_NEW_PLIES = 3;

function leafOf(value: number, length: number): number {
  return (value << MTRIE_VALUE_SHIFT) | (length << 1) | 1;
}

/** The 1 KiB plies of all mtries of a stack: taken from the window 16 at a time when they are needed. */
export class PlyPool {
  readonly window: MemoryWindow;
  readonly limit: number;
  readonly #free: number[] = [];
  #made = 0;

  /** At most `limit` plies of 1 KiB. */
  constructor(window: MemoryWindow, limit: number) {
    this.window = window;
    this.limit = limit;
  }

  /** Plies in use. */
  get used(): number {
    return this.#made - this.#free.length;
  }

  /** Makes sure that `count` plies can be taken. Throws RangeError at the limit, or when the window is full. */
  provide(count: number): void {
    while (this.#free.length < count) {
      const more = Math.min(PLIES_PER_REGION, this.limit - this.#made);
      if (more <= 0) throw new RangeError(`ip4 fib: more than ${this.limit} plies`);
      const base = this.window.reserve("ip4 fib plies", more * PLY_WORDS * 4) >> 2;
      for (let i = more - 1; i >= 0; i--) this.#free.push(base + i * PLY_WORDS);
      this.#made += more;
    }
  }

  /** A ply all of whose slots are `leaf`; only after {@link provide}. Returns its word index. */
  take(leaf: number): number {
    const ply = this.#free.pop();
    if (ply === undefined) throw new RangeError("ip4 fib: no ply was provided");
    this.window.i32.fill(leaf, ply, ply + PLY_WORDS);
    return ply;
  }

  /** Gives a ply back. */
  give(ply: number): void {
    this.#free.push(ply);
  }
}

/**
 * A multiway trie over IPv4 prefixes (VPP ip4_mtrie). It starts as 8-8-8-8, a few KiB for a host's table, and
 * {@link widen} makes it 16-8-8, whose root takes 256 KiB, for tables with many routes. Control plane: nodes read the
 * slots themselves. The owner knows the routes; the trie only holds what a lookup needs.
 */
export class Mtrie {
  /** Word index of the root. */
  root: number;
  /** Bits right of the root's index: 24 for an 8-bit root, 16 for a 16-bit one. */
  shift = 24;
  readonly #plies: PlyPool;
  readonly #i32: Int32Array;

  /** All addresses map to `value` (the default route's). Throws RangeError when there is no ply left. */
  constructor(plies: PlyPool, value: number) {
    this.#plies = plies;
    this.#i32 = plies.window.i32;
    plies.provide(1);
    this.root = plies.take(leafOf(value, 0));
  }

  /** Gives the plies back. A 16-bit root stays where it is: regions are never given back. */
  clear(): void {
    const slots = 1 << (32 - this.shift);
    for (let i = 0; i < slots; i++) this.#giveBelow(this.root + i);
    if (this.shift === 24) this.#plies.give(this.root);
  }

  #giveBelow(at: number): void {
    const slot = this.#i32[at];
    if ((slot & 1) !== 0) return;
    for (let i = 0; i < PLY_WORDS; i++) this.#giveBelow((slot >>> 1) + i);
    this.#plies.give(slot >>> 1);
  }

  /** Adds the prefix, or changes its value. Throws RangeError, with nothing changed, when there is no ply left. */
  set(prefix: number, length: number, value: number): void {
    this.#plies.provide(MAX_NEW_PLIES);
    this.#write(this.root, this.shift, prefix, length, -1, leafOf(value, length));
  }

  /** Takes the prefix out; its addresses then belong to the next shorter prefix, `coverLength` with `coverValue`. Needs no ply. */
  remove(prefix: number, length: number, coverLength: number, coverValue: number): void {
    this.#write(this.root, this.shift, prefix, length, length, leafOf(coverValue, coverLength));
  }

  /** With `only` -1 replaces leaves that are not longer than the prefix, else only leaves of exactly that length. */
  #write(ply: number, shift: number, prefix: number, length: number, only: number, leaf: number): void {
    const slots = ply === this.root ? 1 << (32 - shift) : PLY_WORDS;
    const depth = 32 - shift;
    if (length <= depth) {
      const count = Math.min(slots, 1 << (depth - length));
      const first = (prefix >>> shift) & (slots - 1) & ~(count - 1);
      for (let i = first; i < first + count; i++) this.#cover(ply + i, depth, length, only, leaf);
      return;
    }
    const at = ply + ((prefix >>> shift) & (slots - 1));
    let slot = this.#i32[at];
    if ((slot & 1) !== 0) {
      slot = this.#plies.take(slot) << 1;
      this.#i32[at] = slot;
    }
    this.#write(slot >>> 1, shift - 8, prefix, length, only, leaf);
    if (only >= 0) this.#collapse(at, depth);
  }

  #cover(at: number, depth: number, length: number, only: number, leaf: number): void {
    const slot = this.#i32[at];
    if ((slot & 1) !== 0) {
      const known = (slot >>> 1) & 63;
      if (only >= 0 ? known === only : known <= length) this.#i32[at] = leaf;
      return;
    }
    for (let i = 0; i < PLY_WORDS; i++) this.#cover((slot >>> 1) + i, depth + 8, length, only, leaf);
    if (only >= 0) this.#collapse(at, depth);
  }

  /** Puts a leaf in place of a ply that says the same everywhere, when the prefix is not longer than the slot. */
  #collapse(at: number, depth: number): void {
    const slot = this.#i32[at];
    if ((slot & 1) !== 0) return;
    const ply = slot >>> 1;
    const leaf = this.#i32[ply];
    if ((leaf & 1) === 0 || ((leaf >>> 1) & 63) > depth) return;
    for (let i = 1; i < PLY_WORDS; i++) if (this.#i32[ply + i] !== leaf) return;
    this.#i32[at] = leaf;
    this.#plies.give(ply);
  }

  /** Makes the root 16 bits wide. Throws RangeError, with nothing changed, when the window has no 256 KiB left. */
  widen(): void {
    if (this.shift === 16) return;
    const root = this.#plies.window.reserve("ip4 fib root", 65536 * 4) >> 2;
    for (let i = 0; i < 256; i++) {
      const slot = this.#i32[this.root + i];
      const to = root + (i << 8);
      if ((slot & 1) !== 0) this.#i32.fill(slot, to, to + PLY_WORDS);
      else {
        this.#i32.copyWithin(to, slot >>> 1, (slot >>> 1) + PLY_WORDS);
        this.#plies.give(slot >>> 1);
      }
    }
    this.#plies.give(this.root);
    this.root = root;
    this.shift = 16;
  }

  /** The value for an address. */
  lookup(address: number): number {
    let shift = this.shift;
    let slot = this.#i32[this.root + (address >>> shift)];
    while ((slot & 1) === 0) {
      shift -= 8;
      slot = this.#i32[(slot >>> 1) + ((address >>> shift) & 255)];
    }
    return slot >>> MTRIE_VALUE_SHIFT;
  }
}
