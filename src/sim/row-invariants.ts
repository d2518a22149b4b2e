import {
  CLOSED,
  ESTABLISHED,
  LISTEN,
  SYN_SENT,
  T_CWND,
  T_IRS,
  T_ISS,
  T_RCV_EDGE,
  T_RCV_NXT,
  T_SND_MSS,
  T_SND_NXT,
  T_SND_UNA,
  TIME_WAIT,
} from "../transport/tcp/connection.js";
import { C_FLAGS, C_PORTS, C_STATE, CF_USED } from "../transport/transport.js";
import type { SimHost } from "./host.js";
import type { Fail } from "./workload.js";

/** What was seen of a row at the instant before; words of {@link RowInvariants}' memory. */
const B_IDENTITY = 0;
const B_RCV_NXT = 1;
const B_RCV_EDGE = 2;
const B_SND_UNA = 3;
const B_WORDS = 4;

/** Packets that a host may hold between turns: those that wait for a neighbour, and fragments. */
const MAX_HELD_PACKETS = 256;

/** Checks the connection rows of one host whenever it has settled. */
export class RowInvariants {
  readonly #host: SimHost;
  readonly #fail: Fail;
  readonly #before: Int32Array;
  readonly #fifoBytes: number;
  readonly #freeAtStart: number;

  /** At the start of a run, while all packet buffers are free. */
  constructor(host: SimHost, fifoBytes: number, fail: Fail) {
    this.#host = host;
    this.#fail = fail;
    this.#fifoBytes = fifoBytes;
    const { tcp, pool } = host.stack.host;
    this.#before = new Int32Array(tcp.core.connections.capacity * B_WORDS);
    this.#freeAtStart = pool.freeSmall + pool.freeLarge;
  }

  /** Looks at every row in use. */
  check(): void {
    const { tcp, pool, fifos } = this.#host.stack.host;
    const { connections } = tcp.core;
    let left = connections.used;
    for (let c = 0; left > 0 && c < connections.capacity; c++) {
      const r = connections.row(c);
      if ((this.#host.stack.host.window.i32[r + C_FLAGS] & CF_USED) === 0) continue;
      left--;
      this.#row(c, r);
    }
    // What a busy host was given meanwhile waits for its next turn.
    if (this.#host.isBusy) return;
    const held = this.#freeAtStart - pool.freeSmall - pool.freeLarge;
    if (held > MAX_HELD_PACKETS + this.#host.stack.host.sessions.flows.undecided)
      this.#broken("bounded-memory", -1, `${held} packets held between turns`);
    if (fifos.inUse() > this.#fifoBytes) this.#broken("bounded-memory", -1, `${fifos.inUse()} bytes of fifos`);
  }

  #row(c: number, r: number): void {
    const { i32 } = this.#host.stack.host.window;
    const state = i32[r + C_STATE];
    if (state === LISTEN || state === CLOSED) return;
    const una = i32[r + T_SND_UNA];
    const nxt = i32[r + T_SND_NXT];
    if (((nxt - una) | 0) < 0) this.#broken("send-order", c, `sndUna ${una}, sndNxt ${nxt}`);
    if (state === SYN_SENT) return;
    if (state >= ESTABLISHED && state !== TIME_WAIT) {
      const cwnd = i32[r + T_CWND];
      const mss = i32[r + T_SND_MSS];
      if (mss <= 0 || cwnd < mss) this.#broken("congestion-window", c, `cwnd ${cwnd}, MSS ${mss}`);
    }
    this.#compare(c, r, una, i32[r + T_RCV_NXT], i32[r + T_RCV_EDGE]);
  }

  /** What may not go back since the last instant. */
  #compare(c: number, r: number, una: number, rcvNxt: number, edge: number): void {
    const { i32 } = this.#host.stack.host.window;
    const before = this.#before;
    const b = c * B_WORDS;
    const identity = i32[r + T_ISS] ^ Math.imul(i32[r + T_IRS], 0x9e37_79b1) ^ i32[r + C_PORTS];
    if (before[b + B_IDENTITY] === identity) {
      if (((rcvNxt - before[b + B_RCV_NXT]) | 0) < 0) {
        this.#broken("receive-order", c, `rcvNxt back from ${before[b + B_RCV_NXT]} to ${rcvNxt}`);
      }
      if (((edge - before[b + B_RCV_EDGE]) | 0) < 0) {
        this.#broken("right-edge", c, `the right edge moved left from ${before[b + B_RCV_EDGE]} to ${edge}`);
      }
      if (((una - before[b + B_SND_UNA]) | 0) < 0) {
        this.#broken("send-order", c, `sndUna back from ${before[b + B_SND_UNA]} to ${una}`);
      }
    }
    before[b + B_IDENTITY] = identity;
    before[b + B_RCV_NXT] = rcvNxt;
    before[b + B_RCV_EDGE] = edge;
    before[b + B_SND_UNA] = una;
  }

  #broken(invariant: string, c: number, text: string): void {
    const where = c < 0 ? "" : ` connection row ${c}:`;
    this.#fail(invariant, `${this.#host.name}:${where} ${text}`);
  }
}
