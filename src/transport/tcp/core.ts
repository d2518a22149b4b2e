import type { BufferIndex, PacketPool } from "../../graph/packet-pool.js";
import type { FifoOffset } from "../../mem/fifo-layout.js";
import type { FifoTable } from "../../mem/fifo-table.js";
import type { MemoryWindow } from "../../mem/window.js";
import type { Random } from "../../random/random.js";
import type { SessionLookup } from "../../session/lookup.js";
import { type TimerIndex, TimerWheel } from "../../time/timer-wheel.js";
import {
  C_FLAGS,
  C_RX_FIFO,
  C_SESSION,
  C_STATE,
  C_TX_FIFO,
  CF_IP6,
  type ConnectionIndex,
  type SessionIndex,
  TRANSPORT_TCP,
  type TransportUpcalls,
} from "../transport.js";
import { ChosenCongestion } from "./congestion-choice.js";
import type { TcpConfig } from "./config.js";
import { CLOSED, T_TS_OFFSET, TcpConnections, TF_HALF_OPEN } from "./connection.js";
import { DelayedAckQueue } from "./delayed-ack-queue.js";
import { Delivery } from "./delivery.js";
import { TcpEvents } from "./errors.js";
import { Scoreboard } from "./scoreboard.js";
import { Segment } from "./segment.js";
import { SynCookies } from "./syn-cookie.js";

/** The engine as TCP sees it. */
export interface TcpEngine {
  readonly nowUs: number;
  readonly nowMs: number;
  readonly tick: number;
  /** Reads the clock: for calls that come from outside a turn. */
  refreshClock(): void;
  /** Puts a packet on its way to a node. */
  inject(node: string, buffer: BufferIndex): void;
  /** Where a node can send packets to, by next index. */
  nextNames(node: string): readonly string[];
}

/** What TCP is built upon. */
export interface TcpParts {
  readonly window: MemoryWindow;
  readonly pool: PacketPool;
  readonly engine: TcpEngine;
  readonly fifos: FifoTable;
  readonly lookup: SessionLookup;
  readonly upcalls: TransportUpcalls;
  readonly random: Random;
  readonly config: TcpConfig;
  /** MTU of the interface behind which the remote address of connection row `r` is, bytes. */
  linkMtu(r: number): number;
  /** Nothing comes back from the remote address of connection row `r`: its next hop may be dead (RFC 1122 3.3.1.4). */
  doubtPath(r: number): void;
}

// Timers of a connection. In the wheel those of one kind stand together, so that an idle connection touches the memory of no
// kind that it never starts.
/** Retransmission, tail loss probe or reordering window. */
export const TIMER_RETRANSMIT = 0;
/** Ends states that may not last: FIN_WAIT_2, TIME_WAIT, …; in others, keepalive. */
export const TIMER_WAIT = 1;
/** What pacing held back may be sent. */
export const TIMER_PACE = 2;
/** Timers per connection. */
const TIMERS = 3;
/** Ticks of 100 us in a millisecond. */
export const TICKS_PER_MS = 10;
const TICK_US = 100;

/** What the files of this folder share: one per stack. Functions take it first, then the connection and its row. */
export class TcpCore {
  readonly window: MemoryWindow;
  readonly pool: PacketPool;
  readonly engine: TcpEngine;
  readonly fifos: FifoTable;
  readonly lookup: SessionLookup;
  readonly upcalls: TransportUpcalls;
  readonly config: TcpConfig;
  readonly connections: TcpConnections;
  readonly timers: TimerWheel;
  readonly delayedAcks: DelayedAckQueue;
  readonly scoreboard: Scoreboard;
  readonly congestion: ChosenCongestion;
  /** What the acknowledgement being processed has delivered. */
  readonly delivery = new Delivery();
  readonly events = new TcpEvents();
  /** The segment being processed. */
  readonly segment = new Segment();
  /** Key of initial sequence numbers (RFC 6528). */
  readonly isnKey: Int32Array;
  /** By how much the clock of initial sequence numbers has skipped ahead; see time-wait.ts. */
  isnSkip = 0;
  /** Connections that are asked for while there are too many half-open ones. */
  readonly synCookies: SynCookies;
  /** Key of timestamp offsets (RFC 7323 7.1). */
  readonly timestampKey: Int32Array;
  /** Scratch for tail spans: four (offset, length) pairs. */
  readonly spans = new Int32Array(8);
  /** Connections of listener sessions. */
  readonly listeners = new Map<SessionIndex, ConnectionIndex>();
  readonly #parts: TcpParts;
  readonly #dead: ConnectionIndex[] = [];
  /** Budget of the second that began at #challengeMs; none has begun yet. */
  #challengeTokens = 0;
  #challengeMs = -1000;

  constructor(parts: TcpParts) {
    this.#parts = parts;
    this.window = parts.window;
    this.pool = parts.pool;
    this.engine = parts.engine;
    this.fifos = parts.fifos;
    this.lookup = parts.lookup;
    this.upcalls = parts.upcalls;
    this.config = parts.config;
    this.connections = new TcpConnections(parts.window, parts.config.maxConnections);
    this.timers = new TimerWheel(parts.window, "tcp timers", parts.config.maxConnections * TIMERS, parts.engine.tick);
    this.delayedAcks = new DelayedAckQueue(parts.window, parts.config.maxConnections);
    this.scoreboard = new Scoreboard(parts.window, parts.config.maxSentRanges);
    this.congestion = new ChosenCongestion(parts.window, parts.engine, parts.config);
    this.isnKey = Int32Array.from({ length: 4 }, () => parts.random.nextInt32());
    this.synCookies = new SynCookies(parts.window, this.isnKey);
    this.timestampKey = Int32Array.from({ length: 4 }, () => parts.random.nextInt32());
  }

  /** MTU towards the remote address of row `r`, bytes. */
  linkMtu(r: number): number {
    return Math.min(this.#parts.linkMtu(r), this.config.mtuBytes);
  }

  /** Negative advice to IP about the path of row `r`. */
  doubtPath(r: number): void {
    this.#parts.doubtPath(r);
  }

  /** Microseconds modulo 2^32, for differences up to half an hour. */
  nowUs32(): number {
    return Math.floor(this.engine.nowUs) | 0;
  }

  /** Sends a packet of connection row `r` to tcp-output. */
  output(r: number, b: BufferIndex): void {
    this.engine.inject(this.#outputNode(r), b);
  }

  /** Where packets of row `r` can go from there, by next index. */
  outputNexts(r: number): readonly string[] {
    return this.engine.nextNames(this.#outputNode(r));
  }

  #outputNode(r: number): string {
    return (this.window.i32[r + C_FLAGS] & CF_IP6) !== 0 ? "tcp6-output" : "tcp4-output";
  }

  /** Asks for the connection's turn in session-queue. */
  wantTransmit(c: ConnectionIndex): void {
    this.upcalls.wantTransmit(TRANSPORT_TCP, c);
  }

  /** Likewise, for the end of its stream, with no data before it. */
  wantControl(c: ConnectionIndex): void {
    this.upcalls.wantControl(TRANSPORT_TCP, c);
  }

  /** The wheel's number of a connection's timer. */
  timerOf(c: ConnectionIndex, timer: number): TimerIndex {
    return Math.imul(timer, this.config.maxConnections) + c;
  }

  /** Whether a timer of a connection runs. */
  isTimerRunning(c: ConnectionIndex, timer: number): boolean {
    return this.timers.isRunning(this.timerOf(c, timer));
  }

  /** Starts a timer of a connection. */
  startTimer(c: ConnectionIndex, timer: number, ms: number): void {
    this.timers.start(this.timerOf(c, timer), ms * TICKS_PER_MS);
  }

  /** The same with microseconds, rounded up to ticks. */
  startTimerUs(c: ConnectionIndex, timer: number, us: number): void {
    this.timers.start(this.timerOf(c, timer), Math.max(1, Math.ceil(us / TICK_US)));
  }

  /** Our timestamp now, on the connection's own clock (RFC 7323 7.1). */
  tsNow(r: number): number {
    return (this.engine.nowMs + this.window.i32[r + T_TS_OFFSET]) | 0;
  }

  /** Stops a timer of a connection. */
  stopTimer(c: ConnectionIndex, timer: number): void {
    this.timers.stop(this.timerOf(c, timer));
  }

  /**
   * Takes one token for a challenge ACK; false when the second's share is used up (RFC 5961 7). The share is chosen anew
   * for each second, between half and one and a half of the limit: who could count on it might learn from what is left
   * for himself whether a guess about somebody else's connection was right (CVE-2016-5696).
   */
  takeChallenge(): boolean {
    const { challengeAcksPerSecond: limit } = this.config;
    const elapsedMs = (this.engine.nowMs - this.#challengeMs) | 0;
    if (elapsedMs >= 1000 || elapsedMs < 0) {
      this.#challengeMs = this.engine.nowMs;
      this.#challengeTokens = ((limit + 1) >> 1) + this.#parts.random.nextBelow(limit);
    }
    if (this.#challengeTokens <= 0) return false;
    this.#challengeTokens--;
    return true;
  }

  /** Unread bytes of the connection's rx fifo. */
  unread(r: number): number {
    const fifo: FifoOffset = this.window.i32[r + C_RX_FIFO];
    return fifo === 0 ? 0 : this.fifos.maxDequeue(fifo);
  }

  /** Bytes of the connection's tx fifo: unacknowledged and unsent. */
  queued(r: number): number {
    const fifo: FifoOffset = this.window.i32[r + C_TX_FIFO];
    return fifo === 0 ? 0 : this.fifos.maxDequeue(fifo);
  }

  /**
   * Ends a connection: no segment finds it any more, its session is told. The row itself stays readable until
   * {@link reap}, because a last segment of it may still be on its way to tcp-output. Its state says CLOSED at once:
   * further segments of the vector, and timers that expired together, name it still.
   */
  remove(c: ConnectionIndex): void {
    const { i32 } = this.window;
    const r = this.connections.row(c);
    this.stopTimer(c, TIMER_RETRANSMIT);
    this.stopTimer(c, TIMER_WAIT);
    this.stopTimer(c, TIMER_PACE);
    this.scoreboard.clear(r);
    if ((i32[r + C_FLAGS] & TF_HALF_OPEN) !== 0) this.lookup.delHalfOpen(TRANSPORT_TCP, c);
    else this.lookup.delEstablished(TRANSPORT_TCP, c);
    const session = i32[r + C_SESSION];
    // While the row still says what went over it.
    if (session >= 0) this.upcalls.deleted(session);
    i32[r + C_STATE] = CLOSED;
    i32[r + C_SESSION] = -1;
    i32[r + C_RX_FIFO] = i32[r + C_TX_FIFO] = 0;
    this.#dead.push(c);
  }

  /** Frees the rows of connections that ended in the last turn. */
  reap(): void {
    if (this.#dead.length === 0) return;
    for (let i = 0; i < this.#dead.length; i++) this.connections.free(this.#dead[i]);
    this.#dead.length = 0;
  }
}
