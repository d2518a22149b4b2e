import type { MemoryWindow } from "../../mem/window.js";
import {
  C_COMMON_WORDS,
  C_FIB,
  C_FLAGS,
  C_LCL,
  C_PORTS,
  C_RMT,
  C_SESSION,
  C_STATE,
  CF_IP6,
  CF_USED,
  type ConnectionIndex,
  type Endpoint,
} from "../transport.js";

/** The row is free. */
export const CT_CLOSED = 0;
/** Takes connects of applications of this stack. */
export const CT_LISTEN = 1;
/** The client's end, until the server has answered. */
export const CT_CONNECTING = 2;
/** The server's end, until its application has answered. */
export const CT_ACCEPTING = 3;
/** Both applications know the session. */
export const CT_OPENED = 4;

/** The names of the states, by number. */
export const CT_STATE_NAMES: readonly string[] = ["CLOSED", "LISTEN", "CONNECTING", "ACCEPTING", "OPENED"];

/** The application writes no more: half-closed or closed. */
export const CTF_END_SENT = 1 << 8;
/** The application closed: it reads no more either. */
export const CTF_APP_CLOSED = 1 << 9;

/** Row of the other end, a connection index; -1 of listeners. */
export const CT_PEER = C_COMMON_WORDS;
/** Of the client's end: what {@link TransportUpcalls.connected} wants back. */
export const CT_CONTEXT = C_COMMON_WORDS + 1;
/** Tail of the tx fifo of which the peer was told last. */
export const CT_TOLD = C_COMMON_WORDS + 2;
/** Of an end that waits for the other to close: tick when it has waited long enough. */
export const CT_DUE = C_COMMON_WORDS + 3;
/** Next that waits + 1, 0 at the end. */
export const CT_NEXT = C_COMMON_WORDS + 4;
/** Previous that waits + 1, 0 at the start. */
export const CT_PREVIOUS = C_COMMON_WORDS + 5;
const ROW_WORDS = 24;

/** The connection rows of one stack: two for each cut-through session pair, one for each listener. */
export class CtConnections {
  /** First word of row 0. */
  readonly base: number;
  /** Words from row to row. */
  readonly stride = ROW_WORDS;
  readonly capacity: number;
  readonly #i32: Int32Array;
  /** Head of the free rows + 1, linked through C_SESSION; 0 at the end. */
  #free = 0;
  #fresh = 0;
  #used = 0;

  /** Reserves the rows. Throws RangeError when the window is full. */
  constructor(window: MemoryWindow, capacity: number) {
    this.capacity = capacity;
    this.#i32 = window.i32;
    this.base = window.reserve("cut-through connections", capacity * ROW_WORDS * 4) >> 2;
  }

  /** Rows in use. */
  get used(): number {
    return this.#used;
  }

  /** Word index of a row. */
  row(c: ConnectionIndex): number {
    return this.base + c * ROW_WORDS;
  }

  /** A row for these ends, without session and peer; -1 when all are in use. No `remote`: a listener. */
  alloc(state: number, fib: number, local: Endpoint, remote?: Endpoint): ConnectionIndex {
    const i32 = this.#i32;
    let c = this.#free - 1;
    if (c >= 0) this.#free = i32[this.row(c) + C_SESSION];
    else if (this.#fresh < this.capacity) c = this.#fresh++;
    else return -1;
    this.#used++;
    const r = this.row(c);
    for (let i = r; i < r + ROW_WORDS; i++) i32[i] = 0;
    i32[r + C_SESSION] = i32[r + CT_PEER] = -1;
    i32[r + C_FLAGS] = local.family === 6 ? CF_USED | CF_IP6 : CF_USED;
    i32[r + C_STATE] = state;
    i32[r + C_FIB] = fib;
    i32[r + C_PORTS] = (local.port << 16) | (remote?.port ?? 0);
    for (let i = 0; i < 4; i++) {
      i32[r + C_LCL + i] = local.address[i];
      i32[r + C_RMT + i] = remote?.address[i] ?? 0;
    }
    return c;
  }

  /** Gives a row back. */
  free(c: ConnectionIndex): void {
    const r = this.row(c);
    this.#i32[r + C_FLAGS] = 0;
    this.#i32[r + C_STATE] = CT_CLOSED;
    this.#i32[r + C_SESSION] = this.#free;
    this.#free = c + 1;
    this.#used--;
  }
}
