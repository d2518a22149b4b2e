import { MemoryWindow } from "../../../src/mem/window.js";
import {
  T_CWND,
  T_SND_MSS,
  T_SND_NXT,
  T_SND_UNA,
  T_SRTT_US,
  T_SSTHRESH,
  TcpConnections,
} from "../../../src/transport/tcp/connection.js";

/** The row of one connection and a clock: all that congestion control sees. */
export class CongestionRow {
  readonly window = MemoryWindow.plain(1 << 16);
  readonly r: number;
  nowMs = 0;

  constructor(mss = 1000) {
    const rows = new TcpConnections(this.window, 1);
    this.r = rows.row(rows.alloc());
    this.set(T_SND_MSS, mss);
  }

  word(field: number): number {
    return this.window.i32[this.r + field];
  }

  set(field: number, value: number): void {
    this.window.i32[this.r + field] = value;
  }

  get cwnd(): number {
    return this.word(T_CWND);
  }

  set cwnd(bytes: number) {
    this.set(T_CWND, bytes);
  }

  get ssthresh(): number {
    return this.word(T_SSTHRESH);
  }

  set ssthresh(bytes: number) {
    this.set(T_SSTHRESH, bytes);
  }

  set rttMs(ms: number) {
    this.set(T_SRTT_US, ms * 1000);
  }

  /** Moves what is sent and what is acknowledged. */
  move(una: number, nxt: number): void {
    this.set(T_SND_UNA, una);
    this.set(T_SND_NXT, nxt);
  }
}
