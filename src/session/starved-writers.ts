import type { SessionIndex } from "../transport/transport.js";
import { EV_TX } from "./event-queue.js";
import type { SessionCore } from "./session-core.js";
import type { SessionHandle } from "./session-handle.js";
import { S_FLAGS, S_TX_FIFO, SF_STARVED, SF_WANT_TX } from "./session-table.js";

/** Ticks of 100 us after which writers that found no fifo memory try again: 10 ms. */
const STARVED_RETRY_TICKS = 100;

/** Writers that wait for room, and those among them whom no acknowledgement will wake: it is memory that they lack. */
export class StarvedWriters {
  readonly #core: SessionCore;
  readonly #handles: SessionHandle[] = [];
  #dueTick = 0;

  constructor(core: SessionCore) {
    this.#core = core;
  }

  /** Writers that wait for memory; those whose session went meanwhile are counted until their time has come. */
  get length(): number {
    return this.#handles.length;
  }

  /** Notes that a write was cut short: the application is to hear by tx when there is room. */
  wantTx(s: SessionIndex, tick: number): void {
    const { i32, table, fifos } = this.#core;
    const r = table.row(s);
    i32[r + S_FLAGS] |= SF_WANT_TX;
    // Nothing under way will come back acknowledged: it is memory that lacks, so try again in a while.
    if (fifos.maxDequeue(i32[r + S_TX_FIFO]) > 0 || (i32[r + S_FLAGS] & SF_STARVED) !== 0) return;
    i32[r + S_FLAGS] |= SF_STARVED;
    if (this.#handles.length === 0) this.#dueTick = (tick + STARVED_RETRY_TICKS) | 0;
    this.#handles.push(table.handle(s));
  }

  /** Lets those whose time has come try again. */
  expire(tick: number): void {
    if (this.#handles.length === 0 || ((tick - this.#dueTick) | 0) < 0) return;
    const { i32, table } = this.#core;
    for (const handle of this.#handles.splice(0)) {
      const s = table.find(handle);
      if (s < 0) continue;
      i32[table.row(s) + S_FLAGS] &= ~SF_STARVED;
      this.#core.raise(s, EV_TX);
    }
  }

  /** Ticks until {@link expire} has work; -1: none waits. */
  nextExpiry(tick: number): number {
    if (this.#handles.length === 0) return -1;
    const ticks = (this.#dueTick - tick) | 0;
    return ticks > 0 ? ticks : 0;
  }
}
