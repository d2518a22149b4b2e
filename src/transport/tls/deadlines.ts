import type { ConnectionIndex } from "../transport.js";
import { TLS_DUE, type TlsConnections } from "./connection.js";

/**
 * Connections that have so much time for something: a list through their rows, oldest first. All have equally much. A
 * connection is in one list at a time.
 */
export class TlsDeadlines {
  readonly #i32: Int32Array;
  readonly #rows: TlsConnections;
  readonly #ticks: number;
  /** The words of the list in a row: when its time is over, the next, the previous one. */
  readonly #due: number;
  readonly #next: number;
  readonly #previous: number;
  /** Connection + 1, 0 when the list is empty. */
  #head = 0;
  #tail = 0;
  #count = 0;

  /** `ticks`: how much time they have; `words`: the first of three in a row that such lists have. */
  constructor(i32: Int32Array, rows: TlsConnections, ticks: number, words = TLS_DUE) {
    this.#i32 = i32;
    this.#rows = rows;
    this.#ticks = ticks;
    this.#due = words;
    this.#next = words + 1;
    this.#previous = words + 2;
  }

  /** Connections in the list. */
  get count(): number {
    return this.#count;
  }

  /** A connection's time begins. */
  add(c: ConnectionIndex, tick: number): void {
    const i32 = this.#i32;
    const r = this.#rows.row(c);
    i32[r + this.#due] = (tick + this.#ticks) | 0;
    i32[r + this.#next] = 0;
    i32[r + this.#previous] = this.#tail;
    if (this.#tail === 0) this.#head = c + 1;
    else i32[this.#rows.row(this.#tail - 1) + this.#next] = c + 1;
    this.#tail = c + 1;
    this.#count++;
  }

  /** Whether a connection is in the list. */
  has(c: ConnectionIndex): boolean {
    return this.#i32[this.#rows.row(c) + this.#previous] !== 0 || this.#head === c + 1;
  }

  /** It is done in time. Nothing, when it is not in this list. */
  remove(c: ConnectionIndex): void {
    const i32 = this.#i32;
    const r = this.#rows.row(c);
    const next = i32[r + this.#next];
    const previous = i32[r + this.#previous];
    if (previous === 0 && this.#head !== c + 1) return;
    if (previous === 0) this.#head = next;
    else i32[this.#rows.row(previous - 1) + this.#next] = next;
    if (next === 0) this.#tail = previous;
    else i32[this.#rows.row(next - 1) + this.#previous] = previous;
    i32[r + this.#next] = i32[r + this.#previous] = 0;
    this.#count--;
  }

  /** All of them, as a copy. */
  all(): ConnectionIndex[] {
    const found: ConnectionIndex[] = [];
    for (let next = this.#head; next > 0; next = this.#i32[this.#rows.row(next - 1) + this.#next]) found.push(next - 1);
    return found;
  }

  /** The oldest one if its time is over; -1: none is. */
  overdue(tick: number): ConnectionIndex {
    return this.nextExpiry(tick) === 0 ? this.#head - 1 : -1;
  }

  /** Ticks until that of the oldest is; -1: the list is empty. */
  nextExpiry(tick: number): number {
    if (this.#head === 0) return -1;
    const ticks = (this.#i32[this.#rows.row(this.#head - 1) + this.#due] - tick) | 0;
    return ticks > 0 ? ticks : 0;
  }
}
