import type { Timed } from "../../graph/engine.js";
import type { Frame } from "../../graph/frame.js";
import {
  ICMP_PORT_UNREACHABLE,
  ICMP_PROHIBITED,
  ICMP_PROTOCOL_UNREACHABLE,
  ICMP_TOO_BIG,
} from "../../ip/icmp-error-sink.js";
import { SESSION_E_ALLOC, SESSION_E_REFUSED, SESSION_E_TIMEDOUT } from "../../session/session-errors.js";
import {
  C_FIB,
  C_FLAGS,
  C_LCL,
  C_PORTS,
  C_RMT,
  C_SESSION,
  C_STATE,
  CF_IP6,
  type ConnectionAttribute,
  type ConnectionIndex,
  type ConnectRequest,
  type Endpoint,
  type SessionIndex,
  type Transport,
  TRANSPORT_TCP,
} from "../transport.js";
import {
  ESTABLISHED,
  FIN_WAIT_2,
  LISTEN,
  SYN_RCVD,
  SYN_SENT,
  type TcpConnections,
  T_CONTEXT,
  T_INITIAL_WND,
  T_LISTENER,
  T_SND_NXT,
  T_SND_MSS,
  T_SND_UNA,
  TF_APP_CLOSED,
  TF_TIMESTAMPS,
  TF_URGENT,
  TIME_WAIT,
  T_SCALES,
  T_SRTT_US,
} from "./connection.js";
import { attribute, initAttributes, setAttribute, setAttributes } from "./attributes.js";
import { TcpCore, type TcpParts, TIMER_WAIT } from "./core.js";
import { formatConnection } from "./format.js";
import { loseAll } from "./loss-detection.js";
import { activeOpen, refuse } from "./open.js";
import { transmit, wantFin } from "./output.js";
import { receiveWindow, scaleFor, updateIsDue } from "./receive-window.js";
import { oweAck, sendReset } from "./segment-out.js";
import { softError } from "./soft-error.js";
import { connectionStatistics } from "./statistics.js";
import { mayReceive } from "./text.js";
import { expireTimers } from "./timers.js";
import { markUrgent, urgentRead } from "./urgent.js";

/** Timers that one turn acts on; the rest come in the next. */
const MAX_EXPIRED = 1024;

/** TCP (RFC 9293) behind the session layer. */
export class TcpTransport implements Transport, Timed {
  readonly name = "tcp";
  readonly proto = TRANSPORT_TCP;
  readonly isDatagram = false;
  readonly rows: TcpConnections;
  /** What TCP's nodes and files share. */
  readonly core: TcpCore;
  readonly #expired = new Int32Array(MAX_EXPIRED);

  constructor(parts: TcpParts) {
    this.core = new TcpCore(parts);
    this.rows = this.core.connections;
    parts.lookup.registerRows(TRANSPORT_TCP, this.rows);
  }

  startListen(
    session: SessionIndex,
    local: Endpoint,
    fib: number,
    rxFifoBytes: number,
    maxRxFifoBytes: number,
  ): ConnectionIndex {
    const { core } = this;
    const c = core.connections.alloc();
    if (c < 0) return SESSION_E_ALLOC;
    const { i32 } = core.window;
    const r = core.connections.row(c);
    i32[r + C_SESSION] = session;
    i32[r + C_FIB] = fib;
    i32[r + C_STATE] = LISTEN;
    i32[r + C_PORTS] = local.port << 16;
    i32.set(local.address, r + C_LCL);
    if (local.family === 6) i32[r + C_FLAGS] |= CF_IP6;
    i32[r + T_INITIAL_WND] = rxFifoBytes;
    i32[r + T_SCALES] = scaleFor(maxRxFifoBytes);
    initAttributes(core, r);
    core.listeners.set(session, c);
    return c;
  }

  stopListen(listener: ConnectionIndex): void {
    const { core } = this;
    const { i32 } = core.window;
    const session = i32[core.connections.row(listener) + C_SESSION];
    core.engine.refreshClock();
    for (const c of core.connections) {
      const r = core.connections.row(c);
      if (i32[r + C_STATE] !== SYN_RCVD || i32[r + T_LISTENER] !== session) continue;
      sendReset(core, c, r);
      refuse(core, c, r, SESSION_E_TIMEDOUT);
    }
    core.listeners.delete(session);
    core.connections.free(listener);
  }

  connect(request: ConnectRequest): ConnectionIndex {
    const { core } = this;
    const c = core.connections.alloc();
    if (c < 0) return SESSION_E_ALLOC;
    core.engine.refreshClock();
    const { i32 } = core.window;
    const r = core.connections.row(c);
    i32[r + C_FIB] = request.fib;
    i32[r + C_PORTS] = (request.local.port << 16) | request.remote.port;
    i32.set(request.local.address, r + C_LCL);
    i32.set(request.remote.address, r + C_RMT);
    if (request.remote.family === 6) i32[r + C_FLAGS] |= CF_IP6;
    i32[r + T_CONTEXT] = request.context;
    initAttributes(core, r);
    const error = setAttributes(core, c, r, request.attributes);
    if (error < 0) {
      core.connections.free(c);
      return error;
    }
    if (!core.lookup.addHalfOpen(TRANSPORT_TCP, c)) {
      core.connections.free(c);
      return SESSION_E_ALLOC;
    }
    activeOpen(core, c, request);
    return c;
  }

  halfClose(c: ConnectionIndex): void {
    this.core.engine.refreshClock();
    wantFin(this.core, c, this.core.connections.row(c));
  }

  close(c: ConnectionIndex): void {
    const { core } = this;
    const { i32 } = core.window;
    const r = core.connections.row(c);
    // RFC 9293 3.6.1, SHLD-3: data that nobody will read was lost; the peer must know.
    if (core.unread(r) > 0) {
      this.reset(c);
      return;
    }
    core.engine.refreshClock();
    if (i32[r + C_STATE] === SYN_SENT || i32[r + C_STATE] === SYN_RCVD) {
      this.reset(c);
      return;
    }
    i32[r + C_FLAGS] |= TF_APP_CLOSED;
    // After a half-close the peer's FIN may be all that lacks: nobody waits for it any more.
    if (i32[r + C_STATE] === FIN_WAIT_2) core.startTimer(c, TIMER_WAIT, core.config.finWait2Ms);
    wantFin(core, c, r);
  }

  reset(c: ConnectionIndex): void {
    const { core } = this;
    const { i32 } = core.window;
    const r = core.connections.row(c);
    const state = i32[r + C_STATE];
    core.engine.refreshClock();
    // RFC 9293 3.10.5: SYN_SENT has nothing to reset at the peer.
    if (state !== SYN_SENT && state !== TIME_WAIT) sendReset(core, c, r);
    core.remove(c);
  }

  transmit(c: ConnectionIndex, frame: Frame, budget: number, bytes: number): boolean {
    return transmit(this.core, c, frame, budget, bytes);
  }

  roundTripUs(c: ConnectionIndex): number {
    const { core } = this;
    return core.window.i32[core.connections.row(c) + T_SRTT_US];
  }

  promisedBytes(c: ConnectionIndex): number {
    return Math.max(0, receiveWindow(this.core, this.core.connections.row(c)));
  }

  rxDequeued(c: ConnectionIndex): void {
    const { core } = this;
    const r = core.connections.row(c);
    if ((core.window.i32[r + C_FLAGS] & TF_URGENT) !== 0) urgentRead(core, r);
    // Behind the peer's FIN nothing comes that a window could be for; in TIME_WAIT an ACK may find nobody, and draw a reset.
    if (mayReceive(core.window.i32[r + C_STATE]) && updateIsDue(core, r)) oweAck(core, c, r);
  }

  /**
   * RFC 9293 3.9.2.2 with RFC 5927's checks: the quoted segment must be in flight. Hard errors end an open only; to a
   * connection all are soft (RFC 5927 6).
   */
  icmpError(c: ConnectionIndex, kind: number, sequence: number, mtu: number): void {
    const { core } = this;
    const { i32 } = core.window;
    const r = core.connections.row(c);
    const offset = (sequence - i32[r + T_SND_UNA]) | 0;
    if (offset < 0 || offset >= ((i32[r + T_SND_NXT] - i32[r + T_SND_UNA]) | 0)) return;
    if (i32[r + C_STATE] === SYN_SENT && kind !== ICMP_TOO_BIG) {
      if (kind === ICMP_PORT_UNREACHABLE || kind === ICMP_PROTOCOL_UNREACHABLE || kind === ICMP_PROHIBITED) {
        refuse(core, c, r, SESSION_E_REFUSED);
      }
      return;
    }
    if (kind === ICMP_TOO_BIG) this.#pathMtu(c, r, mtu);
    else softError(core, r, kind);
  }

  /** RFC 1191, 8201: segments shrink to the path; what was too big is sent again. */
  #pathMtu(c: ConnectionIndex, r: number, mtu: number): void {
    const { core } = this;
    const { i32 } = core.window;
    const isIp6 = (i32[r + C_FLAGS] & CF_IP6) !== 0;
    const least = isIp6 ? 1280 : 576;
    const headers = (isIp6 ? 60 : 40) + ((i32[r + C_FLAGS] & TF_TIMESTAMPS) !== 0 ? 12 : 0);
    const mss = Math.max(mtu, least) - headers;
    if (mss >= i32[r + T_SND_MSS]) return;
    i32[r + T_SND_MSS] = mss;
    if (i32[r + C_STATE] < ESTABLISHED) return;
    loseAll(core, r);
    core.wantTransmit(c);
  }

  attribute(c: ConnectionIndex, name: ConnectionAttribute): number {
    return attribute(this.core, this.core.connections.row(c), name);
  }

  setAttribute(c: ConnectionIndex, name: ConnectionAttribute, value: number): number {
    this.core.engine.refreshClock();
    return setAttribute(this.core, c, this.core.connections.row(c), name, value);
  }

  markUrgent(c: ConnectionIndex): number {
    markUrgent(this.core, c, this.core.connections.row(c));
    return 0;
  }

  statistics(c: ConnectionIndex): Readonly<Record<string, number>> {
    return connectionStatistics(this.core, this.core.connections.row(c));
  }

  format(c: ConnectionIndex, verbose: number): string {
    return formatConnection(this.core, c, verbose);
  }

  setNow(tick: number): void {
    this.core.timers.setNow(tick);
  }

  expire(tick: number): void {
    this.core.reap();
    expireTimers(this.core, tick, this.#expired);
  }

  nextExpiry(tick: number): number {
    const { timers, delayedAcks } = this.core;
    const timerTicks = timers.nextExpiry(tick);
    const ackTicks = delayedAcks.nextExpiry(tick);
    if (timerTicks < 0 || ackTicks < 0) return Math.max(timerTicks, ackTicks);
    return Math.min(timerTicks, ackTicks);
  }
}
