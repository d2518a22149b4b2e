import type { MemoryWindow } from "../mem/window.js";
import { maskWord } from "./address.js";
import type { FibIndex } from "./fib4.js";
import type { LbIndex } from "./load-balance.js";

/** Limits of the IPv6 tables. */
export interface Fib6Options {
  /** Tables, one per interface for link scope included (default 64). */
  readonly maxTables?: number;
  /** Routes of all tables (default 262,144). */
  readonly maxRoutes?: number;
  /** Mixed into the hash, so that outsiders cannot aim at a bucket (default 0). */
  readonly seed?: number;
}

// A table's row: the default route's load balance, how many prefix lengths are in use, then these as bytes, longest first.
const T_DEFAULT = 0;
const T_COUNT = 1;
const T_LENGTHS = 2;
const TABLE_WORDS = 36;

// An entry of the hash: masked address, key (`fib << 8 | length`, plus 1; 0: free), load balance.
const E_KEY = 4;
const E_LB = 5;
const ENTRY_SHIFT = 3;
const FIRST_ENTRIES = 64;

function keyOf(fib: FibIndex, length: number): number {
  return ((fib << 8) | length) + 1;
}

function hash(seed: number, key: number, w0: number, w1: number, w2: number, w3: number): number {
  let h = Math.imul(seed ^ key, 0x9e3779b1 | 0) ^ w0;
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b | 0) ^ w1;
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35 | 0) ^ w2;
  h = Math.imul(h ^ (h >>> 16), 0x27d4eb2f | 0) ^ w3;
  h = Math.imul(h ^ (h >>> 15), 0x165667b1 | 0);
  return h ^ (h >>> 13);
}

/**
 * The IPv6 forwarding tables: longest-prefix match to a load balance as VPP does it, one hash of (table, prefix) for all
 * tables, asked for each prefix length in use, longest first. Open addressing; it doubles when it is half full.
 */
export class Fib6 {
  readonly maxTables: number;
  readonly #window: MemoryWindow;
  readonly #rows: number;
  readonly #seed: number;
  readonly #maxRoutes: number;
  /** Four mask words per prefix length. */
  readonly #masks = new Int32Array(129 * 4);
  /** Routes per length of each table. */
  readonly #lengths: (Int32Array | undefined)[] = [];
  #entries: number;
  #mask = FIRST_ENTRIES - 1;
  #count = 0;

  constructor(window: MemoryWindow, options: Fib6Options = {}) {
    const { maxTables = 64, maxRoutes = 262_144, seed = 0 } = options;
    this.maxTables = maxTables;
    this.#window = window;
    this.#seed = seed;
    this.#maxRoutes = maxRoutes;
    this.#rows = window.reserve("ip6 fib tables", maxTables * TABLE_WORDS * 4) >> 2;
    this.#entries = window.reserve("ip6 fib", FIRST_ENTRIES << (ENTRY_SHIFT + 2)) >> 2;
    for (let length = 0; length <= 128; length++) {
      for (let i = 0; i < 4; i++) this.#masks[(length << 2) + i] = maskWord(length, i);
    }
  }

  /** Routes in all tables, default routes aside. */
  get routes(): number {
    return this.#count;
  }

  /** A new table whose default route is `defaultLb`. Throws RangeError at the limit. */
  addTable(defaultLb: LbIndex): FibIndex {
    let fib = this.#lengths.indexOf(undefined);
    if (fib < 0) fib = this.#lengths.length;
    if (fib >= this.maxTables) throw new RangeError(`more than ${this.maxTables} ip6 tables`);
    this.#lengths[fib] = new Int32Array(129);
    const row = this.#rows + fib * TABLE_WORDS;
    this.#window.i32.fill(0, row, row + TABLE_WORDS);
    this.#window.i32[row + T_DEFAULT] = defaultLb;
    return fib;
  }

  /** Takes a table away; nothing may name it any more, and its routes must be gone. */
  removeTable(fib: FibIndex): void {
    this.#lengths[fib] = undefined;
  }

  /** Adds or changes a route (`words` without host bits). Throws RangeError, with nothing changed, at the limits. */
  set(fib: FibIndex, words: Int32Array, length: number, lb: LbIndex): void {
    const { i32 } = this.#window;
    const lengths = this.#lengths[fib];
    if (lengths === undefined) throw new RangeError(`no ip6 fib ${fib}`);
    if (length === 0) {
      i32[this.#rows + fib * TABLE_WORDS + T_DEFAULT] = lb;
      return;
    }
    const key = keyOf(fib, length);
    let at = this.#find(key, words[0], words[1], words[2], words[3]);
    if (i32[at + E_KEY] === 0) {
      if (this.#count >= this.#maxRoutes) throw new RangeError(`more than ${this.#maxRoutes} ip6 routes`);
      if ((this.#count + 1) << 1 > this.#mask) {
        this.#grow();
        at = this.#find(key, words[0], words[1], words[2], words[3]);
      }
      i32.set(words, at);
      i32[at + E_KEY] = key;
      this.#count++;
      if (lengths[length]++ === 0) this.#order(fib, lengths);
    }
    i32[at + E_LB] = lb;
  }

  /** Takes a route out; false when there is none. The default route is changed by {@link set} only. */
  remove(fib: FibIndex, words: Int32Array, length: number): boolean {
    const { i32 } = this.#window;
    const lengths = this.#lengths[fib];
    if (lengths === undefined || length === 0) return false;
    let hole = this.#find(keyOf(fib, length), words[0], words[1], words[2], words[3]);
    if (i32[hole + E_KEY] === 0) return false;
    // Open addressing without tombstones: later entries of the run move up into the hole when they may.
    for (let at = this.#after(hole); i32[at + E_KEY] !== 0; at = this.#after(at)) {
      const home = this.#home(i32[at + E_KEY], i32[at], i32[at + 1], i32[at + 2], i32[at + 3]);
      if (((at - home) & this.#span) >= ((at - hole) & this.#span)) {
        i32.copyWithin(hole, at, at + 8);
        hole = at;
      }
    }
    i32[hole + E_KEY] = 0;
    this.#count--;
    if (--lengths[length] === 0) this.#order(fib, lengths);
    return true;
  }

  /** The prefix lengths of a table, longest first, as the lookup walks them. */
  #order(fib: FibIndex, lengths: Int32Array): void {
    const row = this.#rows + fib * TABLE_WORDS;
    let count = 0;
    for (let length = 128; length > 0; length--) {
      if (lengths[length] > 0) this.#window.u8[((row + T_LENGTHS) << 2) + count++] = length;
    }
    this.#window.i32[row + T_COUNT] = count;
  }

  /** Distances in words are counted modulo the table's size. */
  get #span(): number {
    return (this.#mask << ENTRY_SHIFT) | 7;
  }

  #after(at: number): number {
    return this.#entries + ((at - this.#entries + 8) & this.#span);
  }

  #home(key: number, w0: number, w1: number, w2: number, w3: number): number {
    return this.#entries + ((hash(this.#seed, key, w0, w1, w2, w3) & this.#mask) << ENTRY_SHIFT);
  }

  /** The entry of the prefix, or the free one where it belongs. */
  #find(key: number, w0: number, w1: number, w2: number, w3: number): number {
    const { i32 } = this.#window;
    let at = this.#home(key, w0, w1, w2, w3);
    while (i32[at + E_KEY] !== 0) {
      if (i32[at + E_KEY] === key && i32[at] === w0 && i32[at + 1] === w1 && i32[at + 2] === w2 && i32[at + 3] === w3) {
        break;
      }
      at = this.#after(at);
    }
    return at;
  }

  #grow(): void {
    const { i32 } = this.#window;
    const old = this.#entries;
    const count = this.#mask + 1;
    this.#entries = this.#window.reserve("ip6 fib", count << (ENTRY_SHIFT + 3)) >> 2;
    this.#mask = count * 2 - 1;
    for (let at = old; at < old + (count << ENTRY_SHIFT); at += 8) {
      if (i32[at + E_KEY] === 0) continue;
      i32.copyWithin(this.#find(i32[at + E_KEY], i32[at], i32[at + 1], i32[at + 2], i32[at + 3]), at, at + 8);
    }
  }

  /** The load balance for a destination. */
  lookup(fib: FibIndex, w0: number, w1: number, w2: number, w3: number): LbIndex {
    const { i32, u8 } = this.#window;
    const masks = this.#masks;
    const row = this.#rows + fib * TABLE_WORDS;
    const lengths = (row + T_LENGTHS) << 2;
    const entries = this.#entries;
    const mask = this.#mask;
    for (let i = 0, count = i32[row + T_COUNT]; i < count; i++) {
      const length = u8[lengths + i];
      const m0 = w0 & masks[length << 2];
      const m1 = w1 & masks[(length << 2) + 1];
      const m2 = w2 & masks[(length << 2) + 2];
      const m3 = w3 & masks[(length << 2) + 3];
      const key = ((fib << 8) | length) + 1;
      let slot = hash(this.#seed, key, m0, m1, m2, m3) & mask;
      for (;;) {
        const at = entries + (slot << ENTRY_SHIFT);
        const known = i32[at + E_KEY];
        if (known === 0) break;
        if (known === key && i32[at] === m0 && i32[at + 1] === m1 && i32[at + 2] === m2 && i32[at + 3] === m3) {
          return i32[at + E_LB];
        }
        slot = (slot + 1) & mask;
      }
    }
    return i32[row + T_DEFAULT];
  }
}
