import { MemoryWindow } from "../../../src/mem/window.js";
import {
  T_LOST,
  T_SACKED,
  T_SB_FIRST,
  T_SND_NXT,
  T_SND_UNA,
  TcpConnections,
} from "../../../src/transport/tcp/connection.js";
import { Delivery } from "../../../src/transport/tcp/delivery.js";
import {
  R_END,
  R_FLAGS,
  R_NEXT,
  R_SENT_US,
  R_START,
  RANGE_LOST,
  RANGE_RETRANS,
  RANGE_SACKED,
  Scoreboard,
} from "../../../src/transport/tcp/scoreboard.js";

/** A range as a test sees it: edges relative to the first byte, flags as letters of S, L and R, time sent. */
export type Seen = readonly [start: number, end: number, flags: string, sentUs: number];

/** A scoreboard and the rows of some connections that begin at sequence number `first`, without the rest of TCP. */
export class Board {
  readonly window = MemoryWindow.plain(4 << 20);
  readonly scoreboard: Scoreboard;
  readonly delivery = new Delivery();
  readonly rows: readonly number[];
  readonly first: number;

  constructor(capacity: number, connections = 1, first = 1000) {
    const rows = new TcpConnections(this.window, connections);
    this.scoreboard = new Scoreboard(this.window, capacity);
    this.first = first;
    this.rows = Array.from({ length: connections }, () => {
      const r = rows.row(rows.alloc());
      this.window.i32[r + T_SND_UNA] = this.window.i32[r + T_SND_NXT] = first;
      return r;
    });
  }

  /** Row of the first connection. */
  get r(): number {
    return this.rows[0];
  }

  word(field: number, r = this.r): number {
    return this.window.i32[r + field];
  }

  /** `bytes` are sent for the first time. */
  send(bytes: number, sentUs: number, r = this.r): boolean {
    const end = (this.word(T_SND_NXT, r) + bytes) | 0;
    if (!this.scoreboard.append(r, end, sentUs)) return false;
    this.window.i32[r + T_SND_NXT] = end;
    return true;
  }

  /** Everything below relative `ack` has arrived. */
  ack(ack: number, r = this.r): void {
    this.delivery.begin();
    this.scoreboard.acknowledge(r, (this.first + ack) | 0, this.delivery);
    this.window.i32[r + T_SND_UNA] = (this.first + ack) | 0;
  }

  /** Relative [start, end) has arrived. */
  sack(start: number, end: number, r = this.r): void {
    this.delivery.begin();
    this.scoreboard.sack(r, (this.first + start) | 0, (this.first + end) | 0, this.delivery);
  }

  /** The ranges of a connection, in order. */
  ranges(r = this.r): number[] {
    const found: number[] = [];
    for (let range = this.word(T_SB_FIRST, r); range !== 0; range = this.window.i32[range + R_NEXT]) found.push(range);
    return found;
  }

  /** The range that begins at relative `start`. */
  at(start: number, r = this.r): number {
    return this.ranges(r).find((range) => this.window.i32[range + R_START] === ((this.first + start) | 0)) ?? 0;
  }

  /** What the ranges say. */
  seen(r = this.r): Seen[] {
    const { i32 } = this.window;
    return this.ranges(r).map((range) => {
      const flags = i32[range + R_FLAGS];
      const letters =
        ((flags & RANGE_SACKED) !== 0 ? "S" : "") +
        ((flags & RANGE_LOST) !== 0 ? "L" : "") +
        ((flags & RANGE_RETRANS) !== 0 ? "R" : "");
      return [
        (i32[range + R_START] - this.first) | 0,
        (i32[range + R_END] - this.first) | 0,
        letters,
        i32[range + R_SENT_US],
      ];
    });
  }

  /** What is wrong with any connection's lists, sums or the pool; undefined when nothing is. */
  problem(): string | undefined {
    let used = 0;
    for (const r of this.rows) {
      const problem = this.scoreboard.validate(r);
      if (problem !== undefined) return problem;
      const flight = (this.word(T_SND_NXT, r) - this.word(T_SND_UNA, r)) | 0;
      if (this.scoreboard.pipe(r) !== flight - this.word(T_SACKED, r) - this.word(T_LOST, r)) return "pipe is wrong";
      if (this.scoreboard.pipe(r) < 0) return "pipe is negative";
      used += this.ranges(r).length;
    }
    return used === this.scoreboard.used ? undefined : `${used} ranges, ${this.scoreboard.used} in use`;
  }
}

/** One byte of a {@link Model}: what became of it. */
interface ByteState {
  state: "flight" | "lost" | "sacked";
  sentUs: number;
  isRetrans: boolean;
}

/** The same, byte by byte, with no lists: what a scoreboard of unlimited rows must say. Positions are relative. */
export class Model {
  una = 0;
  readonly bytes: ByteState[] = [];

  get nxt(): number {
    return this.una + this.bytes.length;
  }

  count(state: ByteState["state"]): number {
    return this.bytes.filter((each) => each.state === state).length;
  }

  send(bytes: number, sentUs: number): void {
    for (let i = 0; i < bytes; i++) this.bytes.push({ state: "flight", sentUs, isRetrans: false });
  }

  /** Returns the bytes of which this is news. */
  ack(ack: number): ByteState[] {
    const gone = this.bytes.splice(0, ack - this.una);
    this.una = ack;
    return gone.filter(({ state }) => state !== "sacked");
  }

  sack(start: number, end: number): ByteState[] {
    const news = this.slice(start, end).filter(({ state }) => state !== "sacked");
    const before = news.map((each) => ({ ...each }));
    for (const each of news) each.state = "sacked";
    return before;
  }

  slice(start: number, end: number): ByteState[] {
    return this.bytes.slice(Math.max(0, start - this.una), Math.max(0, end - this.una));
  }
}
