import { SESSION_E_ALLOC, SESSION_E_REFUSED } from "../../session/session-errors.js";
import {
  TCP_HAS_MSS,
  TCP_HAS_SACK_PERMITTED,
  TCP_HAS_TIMESTAMPS,
  TCP_HAS_WSCALE,
  TCP_OPT_MSS,
  TCP_OPT_PRESENT,
  TCP_OPT_WSCALE,
} from "../../wire/tcp-options.js";
import { TCP_FLAG_ACK, TCP_FLAG_RST, TCP_FLAG_SYN } from "../../wire/tcp.js";
import {
  C_FIB,
  C_FLAGS,
  C_SESSION,
  C_STATE,
  CF_IP6,
  type ConnectionIndex,
  type ConnectRequest,
  TRANSPORT_TCP,
} from "../transport.js";
import { inheritAttributes } from "./attributes.js";
import {
  ESTABLISHED,
  SYN_RCVD,
  SYN_SENT,
  T_BACKOFF,
  T_CONTEXT,
  T_INITIAL_WND,
  T_IRS,
  T_ISS,
  T_KEEPALIVE_MS,
  T_LAST_ACK_SENT,
  T_LISTENER,
  T_MSS,
  T_PROGRESS_MS,
  T_RCV_EDGE,
  T_RCV_NXT,
  T_RECOVER,
  T_RTO_US,
  T_RTT_SEQ,
  T_SCALES,
  T_SEGS_IN,
  T_SND_MSS,
  T_SND_NXT,
  T_SND_UNA,
  T_SND_WL1,
  T_SND_WL2,
  T_SND_WND,
  T_SND_WND_MAX,
  T_TS_RECENT,
  T_TS_RECENT_MS,
  TF_HALF_OPEN,
  TF_SACK,
  TF_TIMESTAMPS,
  TF_WSCALE,
} from "./connection.js";
import { type TcpCore, TIMER_RETRANSMIT } from "./core.js";
import { initDelayedAck } from "./delayed-ack.js";
import { TCP_ERROR } from "./errors.js";
import { initialSequence } from "./isn.js";
import { updateKeepalive } from "./keepalive.js";
import { scaleFor } from "./receive-window.js";
import { initPacing } from "./pacing.js";
import { initRack } from "./rack.js";
import { armRetransmit, initRtt, startSynTiming, stopSynTiming } from "./rtt.js";
import type { Segment } from "./segment.js";
import { optionBytes, oweAck, ownMss, sendReset, sendSyn } from "./segment-out.js";
import { initTimestampOffset } from "./timestamp-offset.js";

/** Send MSS without an option from the peer (RFC 9293 MUST-15). */
const DEFAULT_MSS4 = 536;
const DEFAULT_MSS6 = 1220;
/** Least MSS taken from a peer: below it headers would outweigh data without bound. */
const LEAST_MSS = 64;

/** Timeout of the first data when the SYN's had expired (RFC 6298 5.7). */
export const RTO_AFTER_SYN_LOSS_US = 3_000_000;

/** Fills what a new connection starts with; tuple, FIB and family are in its row already. */
function initConnection(
  core: TcpCore,
  r: number,
  rxFifoBytes: number,
  scale: number,
  iss = initialSequence(core, r),
): void {
  const { i32 } = core.window;
  i32[r + T_ISS] = i32[r + T_SND_UNA] = iss;
  i32[r + T_SND_NXT] = (iss + 1) | 0;
  i32[r + T_RECOVER] = (iss + 1) | 0;
  i32[r + T_INITIAL_WND] = Math.min(rxFifoBytes, 65535);
  i32[r + T_SCALES] = core.config.windowScale ? scale : 0;
  i32[r + T_PROGRESS_MS] = core.engine.nowMs;
  if (core.config.windowScale) i32[r + C_FLAGS] |= TF_WSCALE;
  if (core.config.timestamps) i32[r + C_FLAGS] |= TF_TIMESTAMPS;
  if (core.config.sack) i32[r + C_FLAGS] |= TF_SACK;
  initTimestampOffset(core, r);
  initRtt(core, r);
}

/** Takes the peer's SYN: its sequence number, options, and an unscaled window. */
function takeSyn(core: TcpCore, r: number, seg: Segment): void {
  const { i32 } = core.window;
  const { options } = seg;
  const present = options[TCP_OPT_PRESENT];
  i32[r + T_SEGS_IN]++;
  i32[r + T_IRS] = seg.seq;
  i32[r + T_RCV_NXT] = i32[r + T_LAST_ACK_SENT] = (seg.seq + 1) | 0;
  i32[r + T_RCV_EDGE] = (seg.seq + 1 + i32[r + T_INITIAL_WND]) | 0;
  i32[r + T_SND_WND] = i32[r + T_SND_WND_MAX] = seg.window;
  i32[r + T_SND_WL1] = seg.seq;
  i32[r + T_SND_WL2] = seg.ack;
  // RFC 7323 2.2 and 3.2, RFC 2018 2: an option is in force only when both offered it.
  if ((present & TCP_HAS_SACK_PERMITTED) === 0) i32[r + C_FLAGS] &= ~TF_SACK;
  if ((present & TCP_HAS_WSCALE) === 0) {
    i32[r + C_FLAGS] &= ~TF_WSCALE;
    i32[r + T_SCALES] = 0;
  } else if ((i32[r + C_FLAGS] & TF_WSCALE) !== 0) i32[r + T_SCALES] |= options[TCP_OPT_WSCALE] << 8;
  if ((present & TCP_HAS_TIMESTAMPS) === 0) i32[r + C_FLAGS] &= ~TF_TIMESTAMPS;
  else i32[r + T_TS_RECENT] = seg.tsVal;
  i32[r + T_TS_RECENT_MS] = core.engine.nowMs;
  const isIp6 = (i32[r + C_FLAGS] & CF_IP6) !== 0;
  const offered = (present & TCP_HAS_MSS) !== 0 ? options[TCP_OPT_MSS] : isIp6 ? DEFAULT_MSS6 : DEFAULT_MSS4;
  const peerMss = Math.max(offered, LEAST_MSS);
  i32[r + T_MSS] = (i32[r + T_MSS] & ~0xffff) | peerMss;
  // RFC 9293 3.7.1, MUST-16: options come out of the MSS.
  i32[r + T_SND_MSS] = Math.min(peerMss, ownMss(core, r)) - optionBytes(core, r);
  initDelayedAck(core, r);
}

/**
 * RFC 9293 3.10.7.2: a SYN reached listener `listener`; the new row `c` has its tuple, FIB and family and is in the
 * lookup table. Answers it.
 */
export function passiveOpen(core: TcpCore, c: ConnectionIndex, listener: ConnectionIndex, seg: Segment): void {
  const r = core.connections.row(c);
  receiveSyn(core, r, listener, seg);
  startSynTiming(core, r);
  sendSyn(core, c, r, true);
  armRetransmit(core, c, r);
}

/** Row `r` becomes the half-open connection that a SYN asks listener `listener` for. */
function receiveSyn(core: TcpCore, r: number, listener: ConnectionIndex, seg: Segment, iss?: number): void {
  const { i32 } = core.window;
  const l = core.connections.row(listener);
  i32[r + C_FIB] = i32[l + C_FIB];
  i32[r + T_LISTENER] = i32[l + C_SESSION];
  i32[r + C_STATE] = SYN_RCVD;
  inheritAttributes(core, r, l);
  initConnection(core, r, i32[l + T_INITIAL_WND], i32[l + T_SCALES], iss);
  if (iss !== undefined) {
    // A cookie says nothing of these.
    i32[r + C_FLAGS] &= ~(TF_WSCALE | TF_TIMESTAMPS | TF_SACK);
    i32[r + T_SCALES] = 0;
  }
  takeSyn(core, r, seg);
}

/** Answers a SYN by a SYN-ACK whose sequence number is a cookie, and keeps nothing: the row goes. */
export function answerByCookie(core: TcpCore, c: ConnectionIndex, listener: ConnectionIndex, syn: Segment): void {
  const r = core.connections.row(c);
  receiveSyn(core, r, listener, syn, core.synCookies.make(r, syn, core.engine.nowMs));
  sendSyn(core, c, r, true);
  // It never counted as half-open.
  core.window.i32[r + T_LISTENER] = -1;
  core.remove(c);
}

/**
 * The ACK that brings back a cookie reached listener `listener`: the new row `c`, with its tuple, FIB and family, becomes what
 * it would be after the SYN-ACK that {@link answerByCookie} sent, and the ACK can arrive. `syn` is what the cookie tells.
 */
export function openByCookie(
  core: TcpCore,
  c: ConnectionIndex,
  listener: ConnectionIndex,
  syn: Segment,
  ack: Segment,
): void {
  receiveSyn(core, core.connections.row(c), listener, syn, (ack.ack - 1) | 0);
  armRetransmit(core, c, core.connections.row(c));
}

/** Starts an active open on row `c`, which has its tuple, FIB, family and context, and is in the half-open table. */
export function activeOpen(core: TcpCore, c: ConnectionIndex, request: ConnectRequest): void {
  const { i32 } = core.window;
  const r = core.connections.row(c);
  i32[r + C_STATE] = SYN_SENT;
  i32[r + C_FLAGS] |= TF_HALF_OPEN;
  initConnection(core, r, request.rxFifoBytes, scaleFor(request.maxRxFifoBytes));
  startSynTiming(core, r);
  sendSyn(core, c, r, false);
  armRetransmit(core, c, r);
}

/** What tcp-syn-sent makes of a segment: the RST it asks for has SEQ=SEG.ACK. */
export const SYN_SENT_DONE = 0;
/** The ACK is unacceptable: to be answered by a reset. */
export const SYN_SENT_RESET = 1;

/** RFC 9293 3.10.7.3: a segment arrives in SYN_SENT. */
export function processSynSent(core: TcpCore, c: ConnectionIndex, r: number, seg: Segment): number {
  const { i32 } = core.window;
  const hasAck = (seg.flags & TCP_FLAG_ACK) !== 0;
  const isReset = (seg.flags & TCP_FLAG_RST) !== 0;
  // First, the ACK bit: ISS is all that was sent.
  if (hasAck && seg.ack !== i32[r + T_SND_NXT]) {
    core.events.count(TCP_ERROR.ack_invalid);
    return isReset ? SYN_SENT_DONE : SYN_SENT_RESET;
  }
  // Second, the RST bit: without an acceptable ACK it is a blind guess.
  if (isReset) {
    if (hasAck) {
      core.events.count(TCP_ERROR.rst_rcvd);
      refuse(core, c, r, SESSION_E_REFUSED);
    } else core.events.count(TCP_ERROR.segment_invalid);
    return SYN_SENT_DONE;
  }
  // Fourth, the SYN bit.
  if ((seg.flags & TCP_FLAG_SYN) === 0) {
    core.events.count(TCP_ERROR.dispatch);
    return SYN_SENT_DONE;
  }
  if (!core.lookup.addEstablished(TRANSPORT_TCP, c)) {
    core.events.count(TCP_ERROR.create_session_fail);
    refuse(core, c, r, SESSION_E_ALLOC);
    return SYN_SENT_RESET;
  }
  core.lookup.delHalfOpen(TRANSPORT_TCP, c);
  i32[r + C_FLAGS] &= ~TF_HALF_OPEN;
  takeSyn(core, r, seg);
  if (!hasAck) {
    // Simultaneous open (RFC 9293 3.5, MUST-10): answer with the same ISN.
    core.events.count(TCP_ERROR.syns_rcvd);
    i32[r + C_STATE] = SYN_RCVD;
    i32[r + T_PROGRESS_MS] = core.engine.nowMs;
    sendSyn(core, c, r, true);
    armRetransmit(core, c, r);
    return SYN_SENT_DONE;
  }
  core.events.count(TCP_ERROR.syn_acks_rcvd);
  if (establish(core, c, r, seg)) oweAck(core, c, r);
  return SYN_SENT_DONE;
}

/** Whether the ACK of a segment is acceptable in SYN_RCVD: SND.UNA < SEG.ACK <= SND.NXT. */
export function isSynAcked(core: TcpCore, r: number, seg: Segment): boolean {
  return seg.ack === core.window.i32[r + T_SND_NXT];
}

/** Our SYN is acknowledged: ESTABLISHED, with a session. False when there was no room for one: reset and gone. */
export function establish(core: TcpCore, c: ConnectionIndex, r: number, seg: Segment): boolean {
  const { i32 } = core.window;
  core.stopTimer(c, TIMER_RETRANSMIT);
  stopSynTiming(core, r);
  i32[r + T_SND_UNA] = seg.ack;
  i32[r + T_RTT_SEQ] = seg.ack;
  initRack(core, r);
  i32[r + C_STATE] = ESTABLISHED;
  // Not otherwise: the memory of a timer that never ran is not looked at.
  if (i32[r + T_KEEPALIVE_MS] > 0) updateKeepalive(core, c, r);
  if (i32[r + T_BACKOFF] > 0) {
    // RFC 6298 5.7: the path may be slower than the timeout of the SYN.
    i32[r + T_RTO_US] = Math.max(i32[r + T_RTO_US], RTO_AFTER_SYN_LOSS_US);
    i32[r + T_BACKOFF] = 0;
  }
  core.congestion.init(r);
  initPacing(core, r);
  // The window of a SYN-ACK is unscaled; that of the ACK which ends a passive open is scaled.
  const scale = (seg.flags & TCP_FLAG_SYN) !== 0 ? 0 : i32[r + T_SCALES] >> 8;
  i32[r + T_SND_WND] = seg.window << scale;
  i32[r + T_SND_WND_MAX] = Math.max(i32[r + T_SND_WND_MAX], i32[r + T_SND_WND]);
  i32[r + T_SND_WL1] = seg.seq;
  i32[r + T_SND_WL2] = seg.ack;
  const listener = i32[r + T_LISTENER];
  const isPassive = listener >= 0;
  i32[r + T_LISTENER] = -1;
  const error = isPassive
    ? core.upcalls.accepted(TRANSPORT_TCP, c, listener)
    : core.upcalls.connected(TRANSPORT_TCP, c, i32[r + T_CONTEXT], 0);
  if (error === 0) {
    if (isPassive) core.events.count(TCP_ERROR.conn_accepted);
    return true;
  }
  core.events.count(TCP_ERROR.create_session_fail);
  sendReset(core, c, r);
  core.remove(c);
  return false;
}

/** A connection that was never established ends: the caller of an active open is told, a passive one just goes. */
export function refuse(core: TcpCore, c: ConnectionIndex, r: number, error: number): void {
  const { i32 } = core.window;
  if (i32[r + T_LISTENER] >= 0) core.upcalls.halfOpenEnded(i32[r + T_LISTENER]);
  else core.upcalls.connected(TRANSPORT_TCP, c, i32[r + T_CONTEXT], error);
  core.remove(c);
}
