import type { MemoryWindow } from "../mem/window.js";
import { C_FIB, C_LCL, C_PORTS, C_RMT, type ConnectionIndex, MAX_TRANSPORTS } from "../transport/transport.js";

/** Where each transport keeps its rows: what a table needs to compare keys. */
export class ConnectionRows {
  /** Word index of row 0, by protocol. */
  readonly base = new Int32Array(MAX_TRANSPORTS);
  /** Words from row to row, by protocol. */
  readonly stride = new Int32Array(MAX_TRANSPORTS);
}

/** Slots of the first table; each further one has twice as many. */
const FIRST_SLOTS = 1024;
/** Slots of the old table that each insertion clears while a table grows: 2 would do to be done in time. */
const MOVED_SLOTS = 8;
/** Words of a slot: tag and value. */
const SLOT_WORDS = 2;

/** Bits of a tag above those that choose the slot, in which tags of protocols differ. */
const PROTO_SHIFT = 29;

/**
 * The tag of a key in a table, but for its protocol: the keyed hash, with the FIB mixed in so that equal tuples in many
 * FIBs spread.
 */
export function tableTag(hash: number, fib: number): number {
  return hash ^ Math.imul(fib, 0x9e37_79b1);
}

/**
 * Finds connections by their five-tuple and FIB: open addressing with linear probing and backward-shift deletion, at
 * most half full. A slot is a tag (the keyed hash, the protocol in its top bits) and a connection + 1, 0 when empty; the
 * key itself is compared in the connection's row, whose first line the caller is about to read anyhow. So a slot takes 8
 * bytes, whatever the family. Equal keys of two protocols have different tags, so a row compared by mistake never matches.
 *
 * A table that fills up starts one of twice the size; every insertion moves a few slots over, and until all are moved a
 * lookup that misses in the new one tries the old one. Slots before the cursor are empty, and because a moved
 * entry leaves by backward shift, no probe sequence is broken on the way.
 */
export class ConnectionTable {
  readonly #i32: Int32Array;
  readonly #rowBase: Int32Array;
  readonly #rowStride: Int32Array;
  readonly #base: number;
  readonly #maxEntries: number;
  readonly #maxSlots: number;
  #table: number;
  #mask: number;
  #old = 0;
  /** -1 while no table is being replaced. */
  #oldMask = -1;
  #cursor = 0;
  #entries = 0;

  /** Reserves (untouched until used) room for `maxEntries`, 24 to 48 bytes each. Throws RangeError without room. */
  constructor(window: MemoryWindow, name: string, rows: ConnectionRows, maxEntries: number) {
    let slots = FIRST_SLOTS;
    while (slots < maxEntries * 2) slots *= 2;
    this.#i32 = window.i32;
    this.#rowBase = rows.base;
    this.#rowStride = rows.stride;
    this.#maxEntries = maxEntries;
    this.#maxSlots = slots;
    // Two places in turn, for the largest size and for the one before: a table that was moved is empty, so the next but one
    // takes its place.
    const smaller = slots > FIRST_SLOTS ? slots >> 1 : 0;
    this.#base = window.reserve(name, (slots + smaller) * SLOT_WORDS * 4) >> 2;
    this.#table = this.#placeOf(FIRST_SLOTS);
    this.#mask = FIRST_SLOTS - 1;
  }

  /** Connections in the table. */
  get entries(): number {
    return this.#entries;
  }

  /** Slots of the newest table. */
  get slots(): number {
    return this.#mask + 1;
  }

  /** Whether a table is being replaced by a larger one. */
  get isGrowing(): boolean {
    return this.#oldMask >= 0;
  }

  /** Reads the first slot that a lookup of `tag` will read, so that the line is on its way. */
  touch(tag: number): number {
    return this.#i32[this.#table + ((tag & this.#mask) << 1)];
  }

  /**
   * Touch passes over the tags of a vector: reads a word of each first slot, then one of the row that a lookup will
   * compare: in a table that is half full every fourth is not that of the first slot. Small loops, so that many misses are
   * under way at once.
   */
  touchAll(tags: Int32Array, count: number, proto: number): number {
    const i32 = this.#i32;
    const values = this.#table + 1;
    const mask = this.#mask;
    const base = this.#rowBase[proto] + C_PORTS;
    const stride = this.#rowStride[proto];
    let touch = 0;
    for (let i = 0; i < count; i++) touch ^= i32[(values + ((tags[i] & mask) << 1)) | 0];
    for (let i = 0; i < count; i++) {
      const full = tags[i] ^ (proto << PROTO_SHIFT);
      let slot = full & mask;
      let at = (values + (slot << 1)) | 0;
      while (i32[at - 1] !== full && i32[at] !== 0) {
        slot = (slot + 1) & mask;
        at = (values + (slot << 1)) | 0;
      }
      const c = (i32[at] - 1) | 0;
      if (c >= 0) touch ^= i32[(base + Math.imul(c, stride)) | 0];
    }
    return touch;
  }

  /** The connection with this IPv4 key, -1 when there is none. `ports` is local << 16 | remote. */
  find4(tag: number, fib: number, proto: number, lcl: number, rmt: number, ports: number): ConnectionIndex {
    const i32 = this.#i32;
    const full = tag ^ (proto << PROTO_SHIFT);
    let table = this.#table;
    let mask = this.#mask;
    for (;;) {
      for (let slot = full & mask; ; slot = (slot + 1) & mask) {
        const at = (table + (slot << 1)) | 0;
        const c = (i32[at + 1] - 1) | 0;
        if (c < 0) break;
        if (i32[at] === full) {
          const row = (this.#rowBase[proto] + Math.imul(c, this.#rowStride[proto])) | 0;
          if (
            i32[row + C_PORTS] === ports &&
            i32[row + C_RMT] === rmt &&
            i32[row + C_LCL] === lcl &&
            i32[row + C_FIB] === fib
          ) {
            return c;
          }
        }
      }
      if (this.#oldMask < 0 || table === this.#old) return -1;
      table = this.#old;
      mask = this.#oldMask;
    }
  }

  /** The connection with this IPv6 key, -1 when there is none. */
  find6(
    tag: number,
    fib: number,
    proto: number,
    l0: number,
    l1: number,
    l2: number,
    l3: number,
    r0: number,
    r1: number,
    r2: number,
    r3: number,
    ports: number,
  ): ConnectionIndex {
    const i32 = this.#i32;
    const full = tag ^ (proto << PROTO_SHIFT);
    let table = this.#table;
    let mask = this.#mask;
    for (;;) {
      for (let slot = full & mask; ; slot = (slot + 1) & mask) {
        const at = (table + (slot << 1)) | 0;
        const c = (i32[at + 1] - 1) | 0;
        if (c < 0) break;
        if (i32[at] === full) {
          const row = (this.#rowBase[proto] + Math.imul(c, this.#rowStride[proto])) | 0;
          if (
            i32[row + C_PORTS] === ports &&
            i32[row + C_RMT + 3] === r3 &&
            i32[row + C_RMT + 2] === r2 &&
            i32[row + C_RMT + 1] === r1 &&
            i32[row + C_RMT] === r0 &&
            i32[row + C_LCL + 3] === l3 &&
            i32[row + C_LCL + 2] === l2 &&
            i32[row + C_LCL + 1] === l1 &&
            i32[row + C_LCL] === l0 &&
            i32[row + C_FIB] === fib
          ) {
            return c;
          }
        }
      }
      if (this.#oldMask < 0 || table === this.#old) return -1;
      table = this.#old;
      mask = this.#oldMask;
    }
  }

  /** Adds a connection whose key is not in the table. False when the table is full. */
  add(tag: number, proto: number, c: ConnectionIndex): boolean {
    if (this.#entries === this.#maxEntries) return false;
    this.#entries++;
    if (this.#oldMask >= 0) this.#move();
    else if (this.#entries * 2 > this.#mask + 1 && this.#mask + 1 < this.#maxSlots) this.#grow();
    this.#insert(tag ^ (proto << PROTO_SHIFT), c + 1);
    return true;
  }

  /** Removes a connection. False when it is not in the table. */
  remove(tag: number, proto: number, c: ConnectionIndex): boolean {
    const full = tag ^ (proto << PROTO_SHIFT);
    const found =
      this.#removeFrom(this.#table, this.#mask, full, c + 1) ||
      (this.#oldMask >= 0 && this.#removeFrom(this.#old, this.#oldMask, full, c + 1));
    if (found) this.#entries--;
    return found;
  }

  #insert(tag: number, value: number): void {
    const i32 = this.#i32;
    let slot = tag & this.#mask;
    while (i32[this.#table + (slot << 1) + 1] !== 0) slot = (slot + 1) & this.#mask;
    i32[this.#table + (slot << 1)] = tag;
    i32[this.#table + (slot << 1) + 1] = value;
  }

  #removeFrom(table: number, mask: number, tag: number, value: number): boolean {
    const i32 = this.#i32;
    for (let slot = tag & mask; ; slot = (slot + 1) & mask) {
      const at = table + (slot << 1);
      if (i32[at + 1] === 0) return false;
      if (i32[at + 1] === value && i32[at] === tag) {
        this.#clear(table, mask, slot);
        return true;
      }
    }
  }

  /** Empties a slot and moves back those behind it that would no longer be found (Knuth, volume 3, 6.4 algorithm R). */
  #clear(table: number, mask: number, slot: number): void {
    const i32 = this.#i32;
    let hole = slot;
    for (let next = (hole + 1) & mask; i32[table + (next << 1) + 1] !== 0; next = (next + 1) & mask) {
      const home = i32[table + (next << 1)] & mask;
      if (((next - home) & mask) >= ((next - hole) & mask)) {
        i32[table + (hole << 1)] = i32[table + (next << 1)];
        i32[table + (hole << 1) + 1] = i32[table + (next << 1) + 1];
        hole = next;
      }
    }
    i32[table + (hole << 1) + 1] = 0;
  }

  /** Where the table of `slots` slots lies, by how often it can still double. */
  #placeOf(slots: number): number {
    const isOdd = ((Math.clz32(slots) - Math.clz32(this.#maxSlots)) & 1) !== 0;
    return isOdd ? this.#base + this.#maxSlots * SLOT_WORDS : this.#base;
  }

  #grow(): void {
    const slots = (this.#mask + 1) * 2;
    this.#old = this.#table;
    this.#oldMask = this.#mask;
    this.#cursor = 0;
    this.#table = this.#placeOf(slots);
    this.#mask = slots - 1;
    this.#move();
  }

  #move(): void {
    const i32 = this.#i32;
    for (let i = 0; i < MOVED_SLOTS; i++) {
      const at = this.#old + (this.#cursor << 1);
      while (i32[at + 1] !== 0) {
        this.#insert(i32[at], i32[at + 1]);
        this.#clear(this.#old, this.#oldMask, this.#cursor);
      }
      if (this.#cursor++ === this.#oldMask) {
        this.#oldMask = -1;
        return;
      }
    }
  }
}
