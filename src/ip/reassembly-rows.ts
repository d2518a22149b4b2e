import type { MemoryWindow } from "../mem/window.js";

// One row of 32 words per datagram; rows are named by their word index.
/** Source (4 words), destination (4), identification, protocol (IPv4) or 0x100 (IPv6), FIB index. */
export const R_KEY = 0;
/** Words of a key. */
export const KEY_WORDS = 11;
/** A STATE_ number. */
export const R_STATE = 11;
/** Fragment row of the lowest offset, -1: none. */
export const R_HEAD = 12;
/** Fragment row of the highest offset, -1: none. */
export const R_TAIL = 13;
/** Fragments held. */
export const R_COUNT = 14;
/** Bytes held. */
export const R_RECEIVED = 15;
/** Bytes of the datagram, -1 while unknown. */
export const R_TOTAL = 16;
/** Tick at which it ends. */
export const R_EXPIRY = 17;
/** One bit per ECN code point seen. */
export const R_ECN = 18;
const R_BUCKET = 19;
const R_CHAIN = 20;
const R_OLDER = 21;
const R_YOUNGER = 22;
const R_FAMILY = 23;
const ROW_WORDS = 32;

/** The row is in use, fragments are welcome. */
export const STATE_LIVE = 1;
/** The datagram was given up: its fragments are refused until its time is over. */
export const STATE_DEAD = 2;

// One row of 4 words per fragment.
/** Buffer that holds it, M_L4 at its payload. */
export const F_BUFFER = 0;
/** Where it belongs in the datagram, bytes. */
export const F_OFFSET = 1;
/** Bytes of payload. */
export const F_BYTES = 2;
/** Fragment row of the next higher offset, -1: none. */
export const F_NEXT = 3;
const FRAGMENT_WORDS = 4;

/** The rows of reassembly: datagrams in a chained hash and in the order of their age, fragments in lists. */
export class ReassemblyRows {
  /** Datagrams in use. */
  used = 0;
  /** Fragments in use. */
  fragments = 0;
  /** Fragment row of the last {@link insert}. */
  lastInserted = -1;
  readonly #i32: Int32Array;
  readonly #capacity: number;
  readonly #maxFragments: number;
  readonly #heads: number;
  readonly #mask: number;
  #freeRow = -1;
  #freeFragment = -1;
  /** Oldest and youngest datagram of IPv4, then of IPv6. */
  readonly #ends = new Int32Array(4).fill(-1);

  constructor(window: MemoryWindow, capacity: number, maxFragments: number) {
    this.#i32 = window.i32;
    this.#capacity = capacity;
    this.#maxFragments = maxFragments;
    const buckets = 1 << (32 - Math.clz32(capacity - 1 || 1));
    this.#mask = buckets - 1;
    this.#heads = window.reserve("reassembly buckets", buckets << 2) >> 2;
    this.#i32.fill(-1, this.#heads, this.#heads + buckets);
    const rows = window.reserve("reassembly", (capacity * ROW_WORDS) << 2) >> 2;
    for (let i = capacity - 1; i >= 0; i--) {
      this.#i32[rows + i * ROW_WORDS + R_CHAIN] = this.#freeRow;
      this.#freeRow = rows + i * ROW_WORDS;
    }
    const fragments = window.reserve("reassembly fragments", (maxFragments * FRAGMENT_WORDS) << 2) >> 2;
    for (let i = maxFragments - 1; i >= 0; i--) {
      this.#i32[fragments + i * FRAGMENT_WORDS + F_NEXT] = this.#freeFragment;
      this.#freeFragment = fragments + i * FRAGMENT_WORDS;
    }
  }

  /** No row for another datagram. */
  get isFull(): boolean {
    return this.used === this.#capacity;
  }

  /** No row for another fragment. */
  get fragmentsFull(): boolean {
    return this.fragments === this.#maxFragments;
  }

  /** The row with that key, -1 when there is none. */
  find(hash: number, key: Int32Array): number {
    const i32 = this.#i32;
    for (let row = i32[this.#heads + (hash & this.#mask)]; row >= 0; row = i32[row + R_CHAIN]) {
      let i = 0;
      while (i < KEY_WORDS && i32[row + i] === key[i]) i++;
      if (i === KEY_WORDS) return row;
    }
    return -1;
  }

  /** A new live row, the youngest; only when not full. */
  add(hash: number, key: Int32Array, isIp6: boolean): number {
    const i32 = this.#i32;
    const row = this.#freeRow;
    const bucket = this.#heads + (hash & this.#mask);
    const ends = isIp6 ? 2 : 0;
    this.#freeRow = i32[row + R_CHAIN];
    this.used++;
    for (let i = 0; i < KEY_WORDS; i++) i32[row + i] = key[i];
    i32[row + R_STATE] = STATE_LIVE;
    i32[row + R_HEAD] = i32[row + R_TAIL] = i32[row + R_TOTAL] = -1;
    i32[row + R_COUNT] = i32[row + R_RECEIVED] = i32[row + R_ECN] = 0;
    i32[row + R_BUCKET] = bucket;
    i32[row + R_CHAIN] = i32[bucket];
    i32[bucket] = row;
    i32[row + R_FAMILY] = ends;
    i32[row + R_YOUNGER] = -1;
    i32[row + R_OLDER] = this.#ends[ends + 1];
    if (this.#ends[ends + 1] >= 0) i32[this.#ends[ends + 1] + R_YOUNGER] = row;
    else this.#ends[ends] = row;
    this.#ends[ends + 1] = row;
    return row;
  }

  /** Gives a row without fragments back. */
  remove(row: number): void {
    const i32 = this.#i32;
    let at = i32[row + R_BUCKET];
    if (i32[at] === row) i32[at] = i32[row + R_CHAIN];
    else {
      at = i32[at];
      while (i32[at + R_CHAIN] !== row) at = i32[at + R_CHAIN];
      i32[at + R_CHAIN] = i32[row + R_CHAIN];
    }
    const older = i32[row + R_OLDER];
    const younger = i32[row + R_YOUNGER];
    const ends = i32[row + R_FAMILY];
    if (older >= 0) i32[older + R_YOUNGER] = younger;
    else this.#ends[ends] = younger;
    if (younger >= 0) i32[younger + R_OLDER] = older;
    else this.#ends[ends + 1] = older;
    i32[row + R_STATE] = 0;
    i32[row + R_CHAIN] = this.#freeRow;
    this.#freeRow = row;
    this.used--;
  }

  /** The row of a family that was added first, -1 when there is none. */
  oldest(isIp6: boolean): number {
    return this.#ends[isIp6 ? 2 : 0];
  }

  /** The next row of the same family that was added after `row`, -1 when there is none. */
  younger(row: number): number {
    return this.#i32[row + R_YOUNGER];
  }

  /** Puts a fragment behind fragment row `before` (-1: in front); only when there is room. */
  insert(row: number, before: number, buffer: number, offset: number, bytes: number): void {
    const i32 = this.#i32;
    const at = this.#freeFragment;
    this.#freeFragment = i32[at + F_NEXT];
    this.fragments++;
    this.lastInserted = at;
    i32[at + F_BUFFER] = buffer;
    i32[at + F_OFFSET] = offset;
    i32[at + F_BYTES] = bytes;
    i32[at + F_NEXT] = before < 0 ? i32[row + R_HEAD] : i32[before + F_NEXT];
    if (before < 0) i32[row + R_HEAD] = at;
    else i32[before + F_NEXT] = at;
    if (i32[at + F_NEXT] < 0) i32[row + R_TAIL] = at;
    i32[row + R_COUNT]++;
  }

  /** Gives the fragment rows of a datagram back (their buffers are the caller's). */
  clearFragments(row: number): void {
    const i32 = this.#i32;
    const head = i32[row + R_HEAD];
    if (head < 0) return;
    i32[i32[row + R_TAIL] + F_NEXT] = this.#freeFragment;
    this.#freeFragment = head;
    this.fragments -= i32[row + R_COUNT];
    i32[row + R_HEAD] = i32[row + R_TAIL] = -1;
    i32[row + R_COUNT] = i32[row + R_RECEIVED] = 0;
  }
}
