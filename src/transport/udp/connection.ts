import type { MemoryWindow } from "../../mem/window.js";
import {
  C_COMMON_WORDS,
  C_FIB,
  C_FLAGS,
  C_IP_FIELDS,
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
export const UDP_CLOSED = 0;
/** Takes datagrams of any peer. */
export const UDP_LISTEN = 1;
/** Exchanges datagrams with one peer. */
export const UDP_OPENED = 2;
/** The application closed; what it wrote is still being sent. */
export const UDP_CLOSING = 3;

/** The names of the states, by number. */
export const UDP_STATE_NAMES: readonly string[] = ["CLOSED", "LISTEN", "OPENED", "CLOSING"];

/** The connection rows of one stack: the common words are all they need. */
export class UdpConnections {
  /** First word of row 0. */
  readonly base: number;
  /** Words from row to row. */
  readonly stride = C_COMMON_WORDS;
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
    this.base = window.reserve("udp connections", capacity * C_COMMON_WORDS * 4) >> 2;
  }

  /** Rows in use. */
  get used(): number {
    return this.#used;
  }

  /** Word index of a row. */
  row(c: ConnectionIndex): number {
    return this.base + c * C_COMMON_WORDS;
  }

  /** A row for these ends, without session; -1 when all are in use. No `remote`: a listener. */
  alloc(state: number, fib: number, hopLimit: number, local: Endpoint, remote?: Endpoint): ConnectionIndex {
    const i32 = this.#i32;
    let c = this.#free - 1;
    if (c >= 0) this.#free = i32[this.row(c) + C_SESSION];
    else if (this.#fresh < this.capacity) c = this.#fresh++;
    else return -1;
    this.#used++;
    const r = this.row(c);
    for (let i = r; i < r + C_COMMON_WORDS; i++) i32[i] = 0;
    i32[r + C_SESSION] = -1;
    i32[r + C_FLAGS] = local.family === 6 ? CF_USED | CF_IP6 : CF_USED;
    i32[r + C_STATE] = state;
    i32[r + C_FIB] = fib;
    i32[r + C_IP_FIELDS] = hopLimit << 8;
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
    this.#i32[r + C_STATE] = UDP_CLOSED;
    this.#i32[r + C_SESSION] = this.#free;
    this.#free = c + 1;
    this.#used--;
  }
}
