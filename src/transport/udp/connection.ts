import type { MemoryWindow } from "../../mem/window.js";
import { ConnectionRows } from "../connection-rows.js";
import { C_COMMON_WORDS, C_IP_FIELDS, type ConnectionIndex, type Endpoint } from "../transport.js";

/** The row is free. */
export const UDP_CLOSED = 0;
/** Takes datagrams of any peer. */
export const UDP_LISTEN = 1;
/** Exchanges datagrams with one peer. */
export const UDP_OPENED = 2;
/** The application closed; what it wrote is still being sent. */
export const UDP_CLOSING = 3;

/** The names of the states, by number. */
export const UDP_STATE_NAMES: readonly string[] = ["CLOSED", "LISTEN", "OPENED", "CLOSING"];

/** Datagrams that found room in the rx fifo. */
export const U_IN_DATAGRAMS = C_COMMON_WORDS;
/** Their octets of payload. */
export const U_IN_OCTETS = C_COMMON_WORDS + 1;
/** Datagrams that found none. */
export const U_IN_ERRORS = C_COMMON_WORDS + 2;
/** Datagrams that left as packets. */
export const U_OUT_DATAGRAMS = C_COMMON_WORDS + 3;
/** Their octets of payload. */
export const U_OUT_OCTETS = C_COMMON_WORDS + 4;
const ROW_WORDS = 24;

/** The connection rows of one stack: behind the common words, only what is counted. */
export class UdpConnections extends ConnectionRows {
  /** Reserves the rows. Throws RangeError when the window is full. */
  constructor(window: MemoryWindow, capacity: number) {
    super(window, "udp connections", capacity, ROW_WORDS);
  }

  /** A row for these ends, without session; -1 when all are in use. No `remote`: a listener. */
  alloc(state: number, fib: number, hopLimit: number, local: Endpoint, remote?: Endpoint): ConnectionIndex {
    const c = this.allocRow(state, fib, local, remote);
    if (c >= 0) this.i32[this.row(c) + C_IP_FIELDS] = hopLimit << 8;
    return c;
  }
}
