import type { MemoryWindow } from "../mem/window.js";
import {
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
} from "./transport.js";

/** A pool of connection rows in the window, that begin with the common words. State 0 is that of a free row. */
export class ConnectionRows {
  /** First word of row 0. */
  readonly base: number;
  /** Words from row to row. */
  readonly stride: number;
  readonly capacity: number;
  protected readonly i32: Int32Array;
  /** Head of the free rows + 1, linked through C_SESSION; 0 at the end. */
  #free = 0;
  #fresh = 0;
  #used = 0;

  /** Reserves `capacity` rows of `words` words under `name`. Throws RangeError when the window is full. */
  constructor(window: MemoryWindow, name: string, capacity: number, words: number) {
    this.capacity = capacity;
    this.stride = words;
    this.i32 = window.i32;
    this.base = window.reserve(name, capacity * words * 4) >> 2;
  }

  /** Rows in use. */
  get used(): number {
    return this.#used;
  }

  /** Word index of a row. */
  row(c: ConnectionIndex): number {
    return this.base + c * this.stride;
  }

  /** A cleared row for these ends, without session; -1 when all are in use. No `remote`: a listener. */
  protected allocRow(state: number, fib: number, local: Endpoint, remote?: Endpoint): ConnectionIndex {
    const { i32 } = this;
    let c = this.#free - 1;
    if (c >= 0) this.#free = i32[this.row(c) + C_SESSION];
    else if (this.#fresh < this.capacity) c = this.#fresh++;
    else return -1;
    this.#used++;
    const r = this.row(c);
    for (let i = r; i < r + this.stride; i++) i32[i] = 0;
    i32[r + C_SESSION] = -1;
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
    this.i32[r + C_FLAGS] = 0;
    this.i32[r + C_STATE] = 0;
    this.i32[r + C_SESSION] = this.#free;
    this.#free = c + 1;
    this.#used--;
  }
}
