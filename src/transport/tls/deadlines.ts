import type { ConnectionIndex } from "../transport.js";
import { TLS_DUE, TLS_NEXT, TLS_PREVIOUS, type TlsConnections } from "./connection.js";

/**
 * Connections that have so much time for something: a list through their rows, oldest first. All have equally much. A
 * connection is in one list at a time.
 */
export class TlsDeadlines {
  readonly #i32: Int32Array;
  readonly #rows: TlsConnections;
  readonly #ticks: number;
  /** Connection + 1, 0 when the list is empty. */
  #head = 0;
  #tail = 0;
  #count = 0;

  /** `ticks`: how much time they have. */
  constructor(i32: Int32Array, rows: TlsConnections, ticks: number) {
    this.#i32 = i32;
    this.#rows = rows;
    this.#ticks = ticks;
  }

  /** Connections in the list. */
  get count(): number {
    return this.#count;
  }

  /** A connection's time begins. */
  add(c: ConnectionIndex, tick: number): void {
    const i32 = this.#i32;
    const r = this.#rows.row(c);
    i32[r + TLS_DUE] = (tick + this.#ticks) | 0;
    i32[r + TLS_NEXT] = 0;
    i32[r + TLS_PREVIOUS] = this.#tail;
    if (this.#tail === 0) this.#head = c + 1;
    else i32[this.#rows.row(this.#tail - 1) + TLS_NEXT] = c + 1;
    this.#tail = c + 1;
    this.#count++;
  }

  /** It is done in time. Nothing, when it is not in this list. */
  remove(c: ConnectionIndex): void {
    const i32 = this.#i32;
    const r = this.#rows.row(c);
    const next = i32[r + TLS_NEXT];
    const previous = i32[r + TLS_PREVIOUS];
    if (previous === 0 && this.#head !== c + 1) return;
    if (previous === 0) this.#head = next;
    else i32[this.#rows.row(previous - 1) + TLS_NEXT] = next;
    if (next === 0) this.#tail = previous;
    else i32[this.#rows.row(next - 1) + TLS_PREVIOUS] = previous;
    i32[r + TLS_NEXT] = i32[r + TLS_PREVIOUS] = 0;
    this.#count--;
  }

  /** All of them, as a copy. */
  all(): ConnectionIndex[] {
    const found: ConnectionIndex[] = [];
    for (let next = this.#head; next > 0; next = this.#i32[this.#rows.row(next - 1) + TLS_NEXT]) found.push(next - 1);
    return found;
  }

  /** The oldest one if its time is over; -1: none is. */
  overdue(tick: number): ConnectionIndex {
    return this.nextExpiry(tick) === 0 ? this.#head - 1 : -1;
  }

  /** Ticks until that of the oldest is; -1: the list is empty. */
  nextExpiry(tick: number): number {
    if (this.#head === 0) return -1;
    const ticks = (this.#i32[this.#rows.row(this.#head - 1) + TLS_DUE] - tick) | 0;
    return ticks > 0 ? ticks : 0;
  }
}
