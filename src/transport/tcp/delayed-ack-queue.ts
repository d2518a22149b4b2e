import type { MemoryWindow } from "../../mem/window.js";
import type { ConnectionIndex } from "../transport.js";

/** Most places: with so many ACKs waiting at once, further ones do not wait. */
const MOST_PLACES = 65_536;

const ENTRY_SHIFT = 1;
const DUE_TICK = 1;

/**
 * Connections whose ACK waits, in the order in which they are due: a ring. All wait equally long, so a place is two
 * words written next to the last ones, where a timer of a wheel would be several lines of memory that no cache holds.
 */
export class DelayedAckQueue {
  /** Number of places. */
  readonly capacity: number;
  readonly #window: MemoryWindow;
  readonly #base: number;
  #first = 0;
  #length = 0;

  /** Reserves 8 bytes for each of `maxConnections`, 512 KiB at most. Throws RangeError when the window is full. */
  constructor(window: MemoryWindow, maxConnections: number) {
    this.capacity = Math.min(maxConnections, MOST_PLACES);
    this.#window = window;
    this.#base = window.reserve("tcp delayed acks", this.capacity << (ENTRY_SHIFT + 2)) >> 2;
  }

  /** Places taken. */
  get length(): number {
    return this.#length;
  }

  /** Takes a place for `c` until `dueTick`, which is not before that of the last place; false when none is left. */
  push(c: ConnectionIndex, dueTick: number): boolean {
    if (this.#length === this.capacity) return false;
    let place = this.#first + this.#length++;
    if (place >= this.capacity) place -= this.capacity;
    const at = this.#base + (place << ENTRY_SHIFT);
    this.#window.i32[at] = c;
    this.#window.i32[at + DUE_TICK] = dueTick;
    return true;
  }

  /** Takes out the connection that has been due longest at `tick`, which may have ended meanwhile; -1 when none is. */
  shift(tick: number): ConnectionIndex {
    if (this.nextExpiry(tick) !== 0) return -1;
    const c = this.#window.i32[this.#base + (this.#first << ENTRY_SHIFT)];
    if (++this.#first === this.capacity) this.#first = 0;
    this.#length--;
    return c;
  }

  /** Ticks from `tick` until the first is due, -1 when nobody waits. */
  nextExpiry(tick: number): number {
    if (this.#length === 0) return -1;
    return Math.max(0, (this.#window.i32[this.#base + (this.#first << ENTRY_SHIFT) + DUE_TICK] - tick) | 0);
  }
}
