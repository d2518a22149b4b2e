import type { InterfaceIndex } from "../device/interface.js";
import type { Flavor } from "../mem/flavor.js";
import type { MemoryWindow } from "../mem/window.js";
import { hash3, hashWords } from "../random/half-sip-hash.js";
import type { Random } from "../random/random.js";
import type { Family } from "./address.js";

/** Names a row of the neighbour table; -1 means none. */
export type NeighbourIndex = Flavor<"NeighbourIndex">;

// One 64-byte row per neighbour: 16 words at `i32[rows.base + (row << 4) + FIELD]`.
/** The NB_ state. */
export const N_STATE = 0;
/** Interface whose link it is on. */
export const N_IF = 1;
/** 4 or 6. */
export const N_FAMILY = 2;
/** Four words of address; IPv4 has the first, the others are 0. */
export const N_ADDRESS = 3;
/** Hardware address, first two bytes. */
export const N_MAC_HI = 7;
/** Hardware address, last four bytes. */
export const N_MAC_LO = 8;
/** Its adjacency. */
export const N_ADJ = 9;
/** Solicitations sent without an answer. */
export const N_PROBES = 10;
/** The NF_ flags. */
export const N_FLAGS = 11;
/** Hash of the key. */
export const N_HASH = 12;
/** Row before it on its list, -1 for none. */
export const N_PREVIOUS = 13;
/** Row after it on its list, -1 for none; of a free row, the next free one. */
export const N_NEXT = 14;
/** Tick at which the state began, or reachability was confirmed. */
export const N_SINCE = 15;

/** The neighbour says that it is a router (RFC 4861 4.4, the R flag). */
export const NF_ROUTER = 1;
/** The FIB has an entry of its own for the neighbour. */
export const NF_ROUTED = 2;

/** Not in use. */
export const NB_FREE = 0;
/** Being asked for; packets wait (RFC 4861 7.3.2). */
export const NB_INCOMPLETE = 1;
/** Confirmed lately. */
export const NB_REACHABLE = 2;
/** Its hardware address is known, and was not used since it was last confirmed. */
export const NB_STALE = 3;
/** Used while stale: confirmation from above is waited for. */
export const NB_DELAY = 4;
/** Being probed by unicast. */
export const NB_PROBE = 5;
/** Not resolved and nobody asks: did not answer, or a route names it and no packet has come yet. */
export const NB_FAILED = 6;
/** Configured: never learned, probed or aged. */
export const NB_STATIC = 7;

const ROW_SHIFT = 4;
const IDLE_LIST = 0;
const INCOMPLETE_LIST = 1;

/** Whether rows of a state are on a list. */
function isListed(state: number): boolean {
  return state === NB_STALE || state === NB_FAILED || state === NB_INCOMPLETE;
}

/**
 * The rows of the neighbour table: storage, a keyed-hash index (open addressing, linear probing) by interface and
 * address, and per family two lists from which victims are taken, oldest first: idle rows (stale and failed ones) and
 * incomplete ones.
 */
export class NeighbourRows {
  /** Word index of row 0. */
  readonly base: number;
  readonly capacity: number;
  readonly #i32: Int32Array;
  readonly #slots: number;
  readonly #mask: number;
  readonly #k0: number;
  readonly #k1: number;
  readonly #key: Int32Array = new Int32Array(5);
  readonly #heads = new Int32Array(4).fill(-1);
  readonly #tails = new Int32Array(4).fill(-1);
  readonly #counts = new Int32Array(2);
  #free = -1;

  /** Room for `capacity` rows of both families together. */
  constructor(window: MemoryWindow, capacity: number, random: Random) {
    this.capacity = capacity;
    this.#i32 = window.i32;
    this.base = window.reserve("neighbours", capacity << (ROW_SHIFT + 2)) >> 2;
    const slots = 1 << (32 - Math.clz32(Math.max(capacity, 8) * 2 - 1));
    this.#mask = slots - 1;
    this.#slots = window.reserve("neighbour index", slots << 2) >> 2;
    this.#k0 = random.nextInt32();
    this.#k1 = random.nextInt32();
    for (let row = capacity - 1; row >= 0; row--) this.#release(row);
  }

  /** Rows of a family in use. */
  count(family: Family): number {
    return this.#counts[family === 4 ? 0 : 1];
  }

  /** Reads a field. */
  get(row: NeighbourIndex, field: number): number {
    return this.#i32[this.base + (row << ROW_SHIFT) + field];
  }

  /** Writes a field. Not for keys and list links. */
  set(row: NeighbourIndex, field: number, value: number): void {
    this.#i32[this.base + (row << ROW_SHIFT) + field] = value;
  }

  #hash(ifIndex: InterfaceIndex, family: Family, w0: number, w1: number, w2: number, w3: number): number {
    if (family === 4) return hash3(this.#k0, this.#k1, ifIndex, 4, w0);
    const key = this.#key;
    key[0] = ifIndex;
    key[1] = w0;
    key[2] = w1;
    key[3] = w2;
    key[4] = w3;
    return hashWords(this.#k0, this.#k1, key, 0, 5);
  }

  /** The row of that neighbour, -1 when there is none. */
  find(ifIndex: InterfaceIndex, family: Family, w0: number, w1: number, w2: number, w3: number): NeighbourIndex {
    const i32 = this.#i32;
    const hash = this.#hash(ifIndex, family, w0, w1, w2, w3);
    for (let at = hash & this.#mask; ; at = (at + 1) & this.#mask) {
      const row = i32[this.#slots + at] - 1;
      if (row < 0) return -1;
      const r = this.base + (row << ROW_SHIFT);
      if (
        i32[r + N_HASH] === hash &&
        i32[r + N_ADDRESS] === w0 &&
        i32[r + N_ADDRESS + 1] === w1 &&
        i32[r + N_ADDRESS + 2] === w2 &&
        i32[r + N_ADDRESS + 3] === w3 &&
        i32[r + N_IF] === ifIndex &&
        i32[r + N_FAMILY] === family
      ) {
        return row;
      }
    }
  }

  /** A row for a neighbour that has none, in state NB_FREE until the caller sets one; -1 when all are in use. */
  insert(ifIndex: InterfaceIndex, family: Family, w0: number, w1: number, w2: number, w3: number): NeighbourIndex {
    const i32 = this.#i32;
    const row = this.#free;
    if (row < 0) return -1;
    const r = this.base + (row << ROW_SHIFT);
    this.#free = i32[r + N_NEXT];
    i32.fill(0, r, r + (1 << ROW_SHIFT));
    const hash = this.#hash(ifIndex, family, w0, w1, w2, w3);
    i32[r + N_IF] = ifIndex;
    i32[r + N_FAMILY] = family;
    i32[r + N_ADDRESS] = w0;
    i32[r + N_ADDRESS + 1] = w1;
    i32[r + N_ADDRESS + 2] = w2;
    i32[r + N_ADDRESS + 3] = w3;
    i32[r + N_ADJ] = -1;
    i32[r + N_HASH] = hash;
    i32[r + N_PREVIOUS] = -1;
    i32[r + N_NEXT] = -1;
    let at = hash & this.#mask;
    while (i32[this.#slots + at] !== 0) at = (at + 1) & this.#mask;
    i32[this.#slots + at] = row + 1;
    this.#counts[family === 4 ? 0 : 1]++;
    return row;
  }

  /** Forgets a row. */
  remove(row: NeighbourIndex): void {
    this.setState(row, NB_FREE, 0);
    const r = this.base + (row << ROW_SHIFT);
    this.#counts[this.#i32[r + N_FAMILY] === 4 ? 0 : 1]--;
    this.#unindex(row);
    this.#release(row);
  }

  #release(row: NeighbourIndex): void {
    this.#i32[this.base + (row << ROW_SHIFT) + N_NEXT] = this.#free;
    this.#free = row;
  }

  /** Takes a row out of the index and moves those behind it up, so that no search stops early. */
  #unindex(row: NeighbourIndex): void {
    const i32 = this.#i32;
    const mask = this.#mask;
    let hole = i32[this.base + (row << ROW_SHIFT) + N_HASH] & mask;
    while (i32[this.#slots + hole] !== row + 1) hole = (hole + 1) & mask;
    for (let at = (hole + 1) & mask; i32[this.#slots + at] !== 0; at = (at + 1) & mask) {
      const home = i32[this.base + ((i32[this.#slots + at] - 1) << ROW_SHIFT) + N_HASH] & mask;
      // An entry may move up to the hole when its home does not lie behind the hole, up to where it is.
      if (((at - home) & mask) >= ((at - hole) & mask)) {
        i32[this.#slots + hole] = i32[this.#slots + at];
        hole = at;
      }
    }
    i32[this.#slots + hole] = 0;
  }

  /** Puts a row into a state that began at `tick`, and at the young end of the state's list. */
  setState(row: NeighbourIndex, state: number, tick: number): void {
    const r = this.base + (row << ROW_SHIFT);
    this.#unlink(r);
    this.#i32[r + N_STATE] = state;
    this.#i32[r + N_SINCE] = tick;
    if (isListed(state)) this.#link(row, r);
  }

  /** Puts a listed row at the young end of its list. */
  touch(row: NeighbourIndex): void {
    const r = this.base + (row << ROW_SHIFT);
    this.#unlink(r);
    this.#link(row, r);
  }

  #listOf(r: number): number {
    const list = this.#i32[r + N_STATE] === NB_INCOMPLETE ? INCOMPLETE_LIST : IDLE_LIST;
    return this.#i32[r + N_FAMILY] === 4 ? list : list + 2;
  }

  #link(row: NeighbourIndex, r: number): void {
    const i32 = this.#i32;
    const list = this.#listOf(r);
    const last = this.#tails[list];
    i32[r + N_PREVIOUS] = last;
    i32[r + N_NEXT] = -1;
    if (last >= 0) i32[this.base + (last << ROW_SHIFT) + N_NEXT] = row;
    else this.#heads[list] = row;
    this.#tails[list] = row;
  }

  #unlink(r: number): void {
    const i32 = this.#i32;
    if (!isListed(i32[r + N_STATE])) return;
    const list = this.#listOf(r);
    const previous = i32[r + N_PREVIOUS];
    const next = i32[r + N_NEXT];
    if (previous >= 0) i32[this.base + (previous << ROW_SHIFT) + N_NEXT] = next;
    else this.#heads[list] = next;
    if (next >= 0) i32[this.base + (next << ROW_SHIFT) + N_PREVIOUS] = previous;
    else this.#tails[list] = previous;
  }

  /** The row that has been incomplete, or else idle (stale or failed), for longest; -1 when none is. */
  oldest(family: Family, incomplete: boolean): NeighbourIndex {
    return this.#heads[(incomplete ? INCOMPLETE_LIST : IDLE_LIST) + (family === 4 ? 0 : 2)];
  }

  /** The row after `row` on its list, -1 at the young end. */
  younger(row: NeighbourIndex): NeighbourIndex {
    return this.#i32[this.base + (row << ROW_SHIFT) + N_NEXT];
  }
}
