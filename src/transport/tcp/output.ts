import { FRAME_SIZE, type Frame } from "../../graph/frame.js";
import type { BufferIndex } from "../../graph/packet-pool.js";
import { TCP_FLAG_ACK, TCP_FLAG_FIN } from "../../wire/tcp.js";
import { C_FLAGS, C_STATE, CF_IP6, type ConnectionIndex } from "../transport.js";
import {
  CLOSE_WAIT,
  ESTABLISHED,
  FIN_WAIT_1,
  LAST_ACK,
  P_RETRANSMIT,
  T_OCTETS_RETRANS,
  T_CWND,
  T_LAST_SENT_MS,
  T_PENDING,
  T_PROGRESS_MS,
  T_RTO_US,
  T_SND_MAX,
  T_SND_MSS,
  T_SND_NXT,
  T_SND_UNA,
  T_SND_WND,
  T_SND_WND_MAX,
  TF_ANSWERED,
  TF_CWND_LIMITED,
  TF_FAST_RECOVERY,
  TF_FIN_SENT,
  TF_FIN_WANTED,
  TF_PROBE_NOW,
  TIME_WAIT,
} from "./connection.js";
import { type TcpCore, TIMER_RETRANSMIT, TIMERS } from "./core.js";
import { acknowledge } from "./delayed-ack.js";
import { armRetransmit, cancelTiming, startTiming } from "./rtt.js";
import { reportIsDue } from "./sack-report.js";
import { controlSegment, dataSegment, payloadOf, setPush } from "./segment-out.js";

/** States in which data (and FIN) may be on its way. */
function maySend(state: number): boolean {
  return state >= ESTABLISHED && state < TIME_WAIT;
}

/**
 * What may be sent now is decided here and nowhere else: a retransmission first, then new data within the windows, FIN
 * behind the last byte, and an ACK when nothing carried it. Fills `frame` with at most `budget` packets; true when
 * more could go at once.
 */
export function transmit(core: TcpCore, c: ConnectionIndex, frame: Frame, budget: number): boolean {
  const { i32 } = core.window;
  const r = core.connections.row(c);
  const room = Math.min(budget, FRAME_SIZE - frame.count);
  const next = (i32[r + C_FLAGS] & CF_IP6) !== 0 ? 1 : 0;
  const limit = frame.count + room;
  // Data carries no SACK blocks: beside a full MSS they would not fit. What is to be reported goes ahead of it.
  if (reportIsDue(core, r)) acknowledge(core, c, r, frame, next, limit);
  if (maySend(i32[r + C_STATE])) {
    if ((i32[r + T_PENDING] & P_RETRANSMIT) !== 0 && frame.count < limit) retransmitHead(core, c, r, frame, next);
    restartIdle(core, r);
    while (frame.count < limit) {
      const b = nextSegment(core, c, r);
      if (b < 0) break;
      frame.add(b, next);
      if (frame.count === limit) return true;
    }
  }
  acknowledge(core, c, r, frame, next, limit);
  return false;
}

/** Sends the first unacknowledged segment again. */
function retransmitHead(core: TcpCore, c: ConnectionIndex, r: number, frame: Frame, next: number): void {
  const { i32 } = core.window;
  const una = i32[r + T_SND_UNA];
  const outstanding = (i32[r + T_SND_MAX] - una) | 0;
  const finBytes = (i32[r + C_FLAGS] & TF_FIN_SENT) !== 0 ? 1 : 0;
  i32[r + T_PENDING] &= ~P_RETRANSMIT;
  if (outstanding === 0) return;
  cancelTiming(core, r);
  const data = Math.min(outstanding - finBytes, i32[r + T_SND_MSS]);
  let b: BufferIndex;
  if (data > 0) {
    b = dataSegment(core, c, r, una, 0, data, 0);
    if (b >= 0) i32[r + T_OCTETS_RETRANS] += data;
  } else b = controlSegment(core, c, r, una, TCP_FLAG_FIN | TCP_FLAG_ACK);
  if (b < 0) i32[r + T_PENDING] |= P_RETRANSMIT;
  else frame.add(b, next);
  // RFC 6298 5.1: data is outstanding, so the timer must run.
  if (!core.timers.isRunning(c * TIMERS + TIMER_RETRANSMIT)) armRetransmit(core, c, r);
}

/** RFC 5681 4.1: after an idle RTO the old window says nothing about the path. */
function restartIdle(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  if (i32[r + T_SND_MAX] !== i32[r + T_SND_UNA] || i32[r + T_LAST_SENT_MS] === 0) return;
  const idleMs = (core.engine.nowMs - i32[r + T_LAST_SENT_MS]) | 0;
  if (idleMs > i32[r + T_RTO_US] / 1000) {
    core.congestion.idleRestart(r);
    i32[r + T_LAST_SENT_MS] = 0;
  }
}

/**
 * Builds the next segment that the windows let go, and moves sndNxt; -1 when nothing may be sent (then the persist
 * timer runs when that is the peer's window's fault).
 */
function nextSegment(core: TcpCore, c: ConnectionIndex, r: number): BufferIndex {
  const { i32 } = core.window;
  const flags = i32[r + C_FLAGS];
  const una = i32[r + T_SND_UNA];
  const nxt = i32[r + T_SND_NXT];
  const mss = i32[r + T_SND_MSS];
  const inFlight = (nxt - una) | 0;
  const queued = core.queued(r);
  const unsent = queued - inFlight;
  if (unsent < 0) return -1; // FIN is out, and nothing follows it.
  const isLast = unsent === 0;
  if (isLast) return (flags & TF_FIN_WANTED) !== 0 ? finSegment(core, c, r, nxt) : -1;
  const window = Math.min(i32[r + T_SND_WND], i32[r + T_CWND]);
  let usable = window - inFlight;
  if ((flags & TF_PROBE_NOW) !== 0) {
    i32[r + C_FLAGS] &= ~TF_PROBE_NOW;
    // RFC 9293 3.8.6.1: one byte past the window, or what fits a window too small for a segment.
    if (i32[r + T_SND_WND] < inFlight + Math.min(mss, unsent)) usable = Math.max(usable, 1);
    if (usable <= 0) return -1;
  } else if (!isUseful(core, r, usable, unsent, mss, inFlight, nxt !== i32[r + T_SND_MAX])) {
    noteBlocked(core, c, r, usable, mss, inFlight);
    return -1;
  }
  let bytes = Math.min(usable, unsent, core.config.maxGsoBytes);
  // Whole segments, but for the last one: a superframe is cut on arrival at multiples of the MSS (SHLD-28).
  if (bytes > mss) bytes -= bytes === unsent ? 0 : bytes % mss;
  const isRecovering = (flags & TF_FAST_RECOVERY) !== 0;
  if (isRecovering && bytes > mss) bytes = mss;
  const b = dataSegment(core, c, r, nxt, inFlight, bytes, 0);
  if (b < 0) return retryLater(core, c, r);
  const sent = payloadOf(core, r, b);
  if (sent === unsent) setPush(core, b);
  if (usable - sent < mss && usable < unsent && i32[r + T_CWND] <= i32[r + T_SND_WND]) {
    i32[r + C_FLAGS] |= TF_CWND_LIMITED;
  }
  advance(core, c, r, nxt, (nxt + sent) | 0);
  return b;
}

/**
 * Silly-window avoidance of the sender (RFC 9293 3.8.6.2.1): a full segment, or all that is queued, or half of the
 * largest window seen, or anything that was sent before. Small segments are not held back by unacknowledged data (the Nagle algorithm is not there yet).
 */
function isUseful(
  core: TcpCore,
  r: number,
  usable: number,
  unsent: number,
  mss: number,
  inFlight: number,
  isRepeated: boolean,
): boolean {
  if (usable <= 0) return false;
  // A window that shrank below what is in flight: what lies inside is sent again, however little (SHLD-16).
  if (usable >= mss || usable >= unsent || isRepeated) return true;
  const { i32 } = core.window;
  // Only the peer's window makes windows silly: cwnd grows with the next ACK.
  return usable >= i32[r + T_SND_WND_MAX] >> 1 && (inFlight === 0 || i32[r + T_SND_WND] <= i32[r + T_CWND]);
}

/** Nothing may go: remembers whose fault it is. With nothing in flight only a probe can reopen the peer's window. */
function noteBlocked(
  core: TcpCore,
  c: ConnectionIndex,
  r: number,
  usable: number,
  mss: number,
  inFlight: number,
): void {
  const { i32 } = core.window;
  if (i32[r + T_CWND] <= i32[r + T_SND_WND] && usable < mss) i32[r + C_FLAGS] |= TF_CWND_LIMITED;
  if (inFlight === 0 && !core.timers.isRunning(c * TIMERS + TIMER_RETRANSMIT)) {
    if (i32[r + T_SND_MAX] === i32[r + T_SND_UNA]) i32[r + C_FLAGS] |= TF_ANSWERED;
    armRetransmit(core, c, r); // SHLD-29: the first probe after one RTO.
  }
}

/** There was no packet buffer: the retransmission timer tries again, for no ACK will come that could. */
function retryLater(core: TcpCore, c: ConnectionIndex, r: number): BufferIndex {
  if (!core.timers.isRunning(c * TIMERS + TIMER_RETRANSMIT)) armRetransmit(core, c, r);
  return -1;
}

function finSegment(core: TcpCore, c: ConnectionIndex, r: number, nxt: number): BufferIndex {
  const b = controlSegment(core, c, r, nxt, TCP_FLAG_FIN | TCP_FLAG_ACK);
  if (b < 0) return retryLater(core, c, r);
  core.window.i32[r + C_FLAGS] |= TF_FIN_SENT;
  advance(core, c, r, nxt, (nxt + 1) | 0);
  return b;
}

/** Bookkeeping after a segment [from, to) was built. */
function advance(core: TcpCore, c: ConnectionIndex, r: number, from: number, to: number): void {
  const { i32 } = core.window;
  const max = i32[r + T_SND_MAX];
  if (i32[r + T_SND_UNA] === max || (i32[r + C_FLAGS] & TF_ANSWERED) !== 0) {
    i32[r + T_PROGRESS_MS] = core.engine.nowMs;
    i32[r + C_FLAGS] &= ~TF_ANSWERED;
  }
  i32[r + T_SND_NXT] = to;
  i32[r + T_LAST_SENT_MS] = core.engine.nowMs | 1;
  if (((to - max) | 0) > 0) {
    i32[r + T_SND_MAX] = to;
    // Only what was never sent before is timed (Karn).
    if (from === max) startTiming(core, r, to);
  } else i32[r + T_OCTETS_RETRANS] += (to - from) | 0;
  if (!core.timers.isRunning(c * TIMERS + TIMER_RETRANSMIT)) armRetransmit(core, c, r);
}

/** The application has closed its sending side: FIN follows what is queued (RFC 9293 3.10.4). */
export function wantFin(core: TcpCore, c: ConnectionIndex, r: number): void {
  const { i32 } = core.window;
  if (i32[r + C_STATE] === ESTABLISHED) i32[r + C_STATE] = FIN_WAIT_1;
  else if (i32[r + C_STATE] === CLOSE_WAIT) i32[r + C_STATE] = LAST_ACK;
  else return;
  i32[r + C_FLAGS] |= TF_FIN_WANTED;
  core.wantTransmit(c);
}

/** Everything is to be sent again from sndUna: after a timeout (RFC 5681 3.1), or because it was too big. */
export function goBack(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  i32[r + T_SND_NXT] = i32[r + T_SND_UNA];
  cancelTiming(core, r);
}
