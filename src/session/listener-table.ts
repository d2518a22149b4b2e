import type { MemoryWindow } from "../mem/window.js";
import type { SessionIndex } from "../transport/transport.js";

/** Words of a slot: four of address, protocol and port, FIB, session + 1, spare. */
const SLOT_WORDS = 8;
const L_NAME = 4;
const L_FIB = 5;
const L_SESSION = 6;

/**
 * Listeners of both families by FIB, protocol, local address (all zero: any) and port, in open addressing with linear
 * probing, at most half full. Only applications of this host can put something in, so a cheap hash will do; it is keyed
 * all the same.
 */
export class ListenerTable {
  readonly #window: MemoryWindow;
  readonly #base: number;
  readonly #mask: number;
  readonly #maxEntries: number;
  readonly #key: number;
  #entries = 0;
  #proxies = 0;

  /** Reserves room for `maxEntries` listeners. Throws RangeError when the window is full. */
  constructor(window: MemoryWindow, name: string, maxEntries: number, key: number) {
    let slots = 64;
    while (slots < maxEntries * 2) slots *= 2;
    this.#window = window;
    this.#mask = slots - 1;
    this.#maxEntries = maxEntries;
    this.#key = key | 1;
    this.#base = window.reserve(name, slots * SLOT_WORDS * 4) >> 2;
  }

  /** Listeners in the table. */
  get entries(): number {
    return this.#entries;
  }

  /** Listeners on port 0, which take every port. */
  get proxies(): number {
    return this.#proxies;
  }

  #home(a: number, b: number, c: number, d: number, name: number, fib: number): number {
    let h = Math.imul(a ^ Math.imul(b, 5) ^ Math.imul(c, 17) ^ Math.imul(d, 257) ^ (fib << 20) ^ name, this.#key);
    h = Math.imul(h ^ (h >>> 15), 0x2c1b_3c6d);
    return (h ^ (h >>> 12)) & this.#mask;
  }

  /** The listener with exactly this key, -1 when there is none. IPv4 addresses pass 0 for the last three words. */
  find(
    fib: number,
    proto: number,
    isIp6: number,
    a: number,
    b: number,
    c: number,
    d: number,
    port: number,
  ): SessionIndex {
    const at = this.#slot(fib, (proto << 17) | (isIp6 << 16) | port, a, b, c, d);
    return (this.#window.i32[at + L_SESSION] - 1) | 0;
  }

  /** Word index of the slot that holds the key, or of the empty one where it would be. */
  #slot(fib: number, name: number, a: number, b: number, c: number, d: number): number {
    const { i32 } = this.#window;
    for (let slot = this.#home(a, b, c, d, name, fib); ; slot = (slot + 1) & this.#mask) {
      const at = this.#base + (slot << 3);
      if (
        i32[at + L_SESSION] === 0 ||
        (i32[at + L_NAME] === name &&
          i32[at] === a &&
          i32[at + 1] === b &&
          i32[at + 2] === c &&
          i32[at + 3] === d &&
          i32[at + L_FIB] === fib)
      ) {
        return at;
      }
    }
  }

  /** Adds a listener. False when the key is taken or the table is full. */
  add(fib: number, proto: number, isIp6: number, address: Int32Array, port: number, session: SessionIndex): boolean {
    const { i32 } = this.#window;
    const name = (proto << 17) | (isIp6 << 16) | port;
    const at = this.#slot(fib, name, address[0], address[1], address[2], address[3]);
    if (i32[at + L_SESSION] !== 0 || this.#entries === this.#maxEntries) return false;
    for (let i = 0; i < 4; i++) i32[at + i] = address[i];
    i32[at + L_NAME] = name;
    i32[at + L_FIB] = fib;
    i32[at + L_SESSION] = session + 1;
    this.#entries++;
    if (port === 0) this.#proxies++;
    return true;
  }

  /** Removes a listener. False when there is none with this key. */
  remove(fib: number, proto: number, isIp6: number, address: Int32Array, port: number): boolean {
    const { i32 } = this.#window;
    const name = (proto << 17) | (isIp6 << 16) | port;
    const at = this.#slot(fib, name, address[0], address[1], address[2], address[3]);
    if (i32[at + L_SESSION] === 0) return false;
    this.#entries--;
    if (port === 0) this.#proxies--;
    let hole = (at - this.#base) >> 3;
    for (let next = (hole + 1) & this.#mask; ; next = (next + 1) & this.#mask) {
      const from = this.#base + (next << 3);
      if (i32[from + L_SESSION] === 0) break;
      const home = this.#home(
        i32[from],
        i32[from + 1],
        i32[from + 2],
        i32[from + 3],
        i32[from + L_NAME],
        i32[from + L_FIB],
      );
      if (((next - home) & this.#mask) >= ((next - hole) & this.#mask)) {
        i32.copyWithin(this.#base + (hole << 3), from, from + SLOT_WORDS);
        hole = next;
      }
    }
    i32[this.#base + (hole << 3) + L_SESSION] = 0;
    return true;
  }
}
