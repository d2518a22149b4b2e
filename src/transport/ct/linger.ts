import type { ConnectionIndex } from "../transport.js";
import { CT_DUE, CT_NEXT, CT_PREVIOUS, type CtConnections } from "./connection.js";

/** 30 s in ticks of 100 us: as TCP stays in FIN-WAIT-2. */
const LINGER_TICKS = 300_000;

/**
 * Ends whose application has closed while the other has not: a list through their rows, oldest first. All wait equally
 * long, so the list is in order of time.
 */
export class CtLinger {
  readonly #i32: Int32Array;
  readonly #rows: CtConnections;
  /** Connection + 1, 0 when the list is empty. */
  #head = 0;
  #tail = 0;

  constructor(i32: Int32Array, rows: CtConnections) {
    this.#i32 = i32;
    this.#rows = rows;
  }

  #has(r: number, c: ConnectionIndex): boolean {
    return this.#i32[r + CT_PREVIOUS] !== 0 || this.#head === c + 1;
  }

  /** Lets an end wait, unless it does. */
  add(c: ConnectionIndex, tick: number): void {
    const i32 = this.#i32;
    const r = this.#rows.row(c);
    if (this.#has(r, c)) return;
    i32[r + CT_DUE] = (tick + LINGER_TICKS) | 0;
    i32[r + CT_NEXT] = 0;
    i32[r + CT_PREVIOUS] = this.#tail;
    if (this.#tail === 0) this.#head = c + 1;
    else i32[this.#rows.row(this.#tail - 1) + CT_NEXT] = c + 1;
    this.#tail = c + 1;
  }

  /** An end waits no more. */
  remove(c: ConnectionIndex): void {
    const i32 = this.#i32;
    const r = this.#rows.row(c);
    if (!this.#has(r, c)) return;
    const next = i32[r + CT_NEXT];
    const previous = i32[r + CT_PREVIOUS];
    if (previous === 0) this.#head = next;
    else i32[this.#rows.row(previous - 1) + CT_NEXT] = next;
    if (next === 0) this.#tail = previous;
    else i32[this.#rows.row(next - 1) + CT_PREVIOUS] = previous;
    i32[r + CT_NEXT] = i32[r + CT_PREVIOUS] = 0;
  }

  /** Ticks until the first has waited long enough; -1: none waits. */
  nextExpiry(tick: number): number {
    if (this.#head === 0) return -1;
    const ticks = (this.#i32[this.#rows.row(this.#head - 1) + CT_DUE] - tick) | 0;
    return ticks > 0 ? ticks : 0;
  }

  /** Takes one out that has waited long enough; -1: none has. */
  shift(tick: number): ConnectionIndex {
    if (this.nextExpiry(tick) !== 0) return -1;
    const c = this.#head - 1;
    this.remove(c);
    return c;
  }
}
