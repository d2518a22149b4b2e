import type { MemoryWindow } from "../../mem/window.js";
import { ConnectionRows } from "../connection-rows.js";
import { C_COMMON_WORDS, type ConnectionIndex, type Endpoint } from "../transport.js";

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
export class CtConnections extends ConnectionRows {
  /** Reserves the rows. Throws RangeError when the window is full. */
  constructor(window: MemoryWindow, capacity: number) {
    super(window, "cut-through connections", capacity, ROW_WORDS);
  }

  /** A row for these ends, without session and peer; -1 when all are in use. No `remote`: a listener. */
  alloc(state: number, fib: number, local: Endpoint, remote?: Endpoint): ConnectionIndex {
    const c = this.allocRow(state, fib, local, remote);
    if (c >= 0) this.i32[this.row(c) + CT_PEER] = -1;
    return c;
  }
}
