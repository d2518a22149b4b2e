import { FRAME_SIZE, type Frame } from "../../graph/frame.js";
import type { BufferIndex } from "../../graph/packet-pool.js";
import { TICK_US } from "../../time/clock.js";
import { TCP_FLAG_ACK, TCP_FLAG_FIN } from "../../wire/tcp.js";
import { C_FLAGS, C_STATE, CF_IP6, type ConnectionIndex } from "../transport.js";
import {
  CLOSE_WAIT,
  ESTABLISHED,
  FIN_WAIT_1,
  LAST_ACK,
  RF_FRTO,
  RF_FRTO_NEW,
  RF_TLP_NOW,
  RF_TLP_TIMER,
  T_CWND,
  T_LAST_SENT_MS,
  T_LOST,
  T_PENDING,
  T_PRR_OUT,
  T_RACK_END,
  T_RACK_XMIT_US,
  T_RECOVERY,
  T_RTO_US,
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
  TF_NO_DELAY,
  TF_PROBE_NOW,
  TF_SMALL_SENT,
  TIME_WAIT,
} from "./connection.js";
import { type TcpCore, TIMER_PACE, TIMER_RETRANSMIT } from "./core.js";
import { acknowledge } from "./delayed-ack.js";
import { paceAllowance, paceSent, paceWaitUs } from "./pacing.js";
import { lostSegment, rescueSegment, tailSegment } from "./retransmit.js";
import { armRetransmit, startPatience } from "./rtt.js";
import { reportIsDue } from "./sack-report.js";
import { controlSegment, dataSegment, payloadOf, setPush } from "./segment-out.js";
import { armTimer, probeSent } from "./tail-loss-probe.js";

/** States in which data (and FIN) may be on its way. */
function maySend(state: number): boolean {
  return state >= ESTABLISHED && state < TIME_WAIT;
}

/**
 * What may be sent now is decided here and nowhere else: a probe, what is lost, then new data within the windows, FIN
 * behind the last byte, and an ACK when nothing carried it. Fills `frame` with at most `budget` packets, and begins none
 * after `bytes`; true when more could go at once.
 */
export function transmit(core: TcpCore, c: ConnectionIndex, frame: Frame, budget: number, bytes: number): boolean {
  const { i32 } = core.window;
  const r = core.connections.row(c);
  const room = Math.min(budget, FRAME_SIZE - frame.count);
  const next = (i32[r + C_FLAGS] & CF_IP6) !== 0 ? 1 : 0;
  const limit = frame.count + room;
  // Data carries no SACK blocks: beside a full MSS they would not fit. What is to be reported goes ahead of it.
  if (reportIsDue(core, r)) {
    acknowledge(core, c, r, frame, next, limit);
    if (frame.count === limit) return true;
  }
  if (maySend(i32[r + C_STATE])) {
    restartIdle(core, r);
    let left = bytes;
    while (frame.count < limit) {
      const b = nextSegment(core, c, r);
      if (b < 0) break;
      frame.add(b, next);
      left = (left - core.pool.length(b)) | 0;
      if (frame.count === limit || left <= 0) return true;
    }
  }
  acknowledge(core, c, r, frame, next, limit);
  return false;
}

/** RFC 5681 4.1: after an idle RTO the old window says nothing about the path. */
function restartIdle(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  if (i32[r + T_SND_NXT] !== i32[r + T_SND_UNA] || i32[r + T_LAST_SENT_MS] === 0) return;
  const idleMs = (core.engine.nowMs - i32[r + T_LAST_SENT_MS]) | 0;
  if (idleMs > i32[r + T_RTO_US] / 1000) {
    core.congestion.idleRestart(r, idleMs);
    i32[r + T_LAST_SENT_MS] = 0;
  }
}

/** Builds the next segment that may go; -1 when none may. */
function nextSegment(core: TcpCore, c: ConnectionIndex, r: number): BufferIndex {
  const { i32 } = core.window;
  const recovery = i32[r + T_RECOVERY];
  if ((recovery & RF_TLP_NOW) !== 0) return tailLossProbe(core, c, r);
  const isForced = (i32[r + C_FLAGS] & TF_PROBE_NOW) !== 0;
  const allowance = paceAllowance(core, r);
  if (allowance <= 0 && !isForced) return waitForPace(core, c, r);
  const before = i32[r + T_SND_NXT];
  let b: BufferIndex;
  if (i32[r + T_LOST] > 0 && (recovery & RF_FRTO_NEW) === 0) b = lostSegment(core, c, r, allowance);
  else {
    b = newSegment(core, c, r, allowance);
    if (b < 0) b = rescueSegment(core, c, r);
  }
  if (b < 0) {
    // F-RTO needs new data; there is none, so the losses are repaired (RFC 5682 2.1 step 2).
    if ((i32[r + T_RECOVERY] & RF_FRTO) === 0 || (recovery & RF_FRTO_NEW) === 0) return -1;
    i32[r + T_RECOVERY] &= ~(RF_FRTO | RF_FRTO_NEW);
    return i32[r + T_LOST] > 0 ? lostSegment(core, c, r, allowance) : -1;
  }
  const bytes = payloadOf(core, r, b);
  paceSent(core, r, bytes);
  if ((i32[r + C_FLAGS] & TF_FAST_RECOVERY) !== 0) i32[r + T_PRR_OUT] += bytes;
  if ((recovery & RF_FRTO_NEW) !== 0 && before !== i32[r + T_SND_NXT]) i32[r + T_RECOVERY] &= ~RF_FRTO;
  return b;
}

/** Pacing holds segments back, if there are any: a timer lets them go. */
function waitForPace(core: TcpCore, c: ConnectionIndex, r: number): BufferIndex {
  const { i32 } = core.window;
  const unsent = core.queued(r) - ((i32[r + T_SND_NXT] - i32[r + T_SND_UNA]) | 0);
  if (unsent <= 0 && i32[r + T_LOST] === 0 && (i32[r + C_FLAGS] & TF_FIN_WANTED) === 0) return -1;
  if ((i32[r + C_FLAGS] & (TF_FIN_WANTED | TF_FIN_SENT)) === TF_FIN_WANTED && unsent === 0)
    return finSegment(core, c, r);
  const waitUs = paceWaitUs(core, r);
  const timer = core.timerOf(c, TIMER_PACE);
  const runsTicks = (core.timers.expiryTick(timer) - core.engine.tick) | 0;
  if (!core.timers.isRunning(timer) || runsTicks * TICK_US > waitUs) core.startTimerUs(c, TIMER_PACE, waitUs);
  return -1;
}

/** RFC 8985 7.3: new data when there is some that the window lets go, else the last segment again. */
function tailLossProbe(core: TcpCore, c: ConnectionIndex, r: number): BufferIndex {
  const { i32 } = core.window;
  i32[r + T_RECOVERY] &= ~RF_TLP_NOW;
  const inFlight = (i32[r + T_SND_NXT] - i32[r + T_SND_UNA]) | 0;
  // All was acknowledged meanwhile.
  if (inFlight <= 0) return nextSegment(core, c, r);
  const unsent = core.queued(r) - inFlight;
  const bytes = Math.min(unsent, i32[r + T_SND_MSS]);
  const isNew = bytes > 0 && i32[r + T_SND_WND] - inFlight >= bytes;
  const b = isNew ? sendNew(core, c, r, bytes, unsent) : tailSegment(core, c, r);
  if (b < 0) return retryLater(core, c, r);
  probeSent(core, c, r, !isNew);
  return b;
}

/** The next segment of new data, or FIN behind it, that the windows let go; -1 when none may. */
function newSegment(core: TcpCore, c: ConnectionIndex, r: number, allowance: number): BufferIndex {
  const { i32 } = core.window;
  const flags = i32[r + C_FLAGS];
  const mss = i32[r + T_SND_MSS];
  const inFlight = (i32[r + T_SND_NXT] - i32[r + T_SND_UNA]) | 0;
  const unsent = core.queued(r) - inFlight;
  if (unsent < 0) return -1; // FIN is out, and nothing follows it.
  if (unsent === 0) return (flags & TF_FIN_WANTED) !== 0 ? finSegment(core, c, r) : -1;
  const windowRoom = i32[r + T_SND_WND] - inFlight;
  const cwndRoom = congestionRoom(core, r, mss);
  let usable = Math.min(windowRoom, cwndRoom);
  if ((flags & TF_PROBE_NOW) !== 0) {
    i32[r + C_FLAGS] &= ~TF_PROBE_NOW;
    // RFC 9293 3.8.6.1: one byte past the window, or what fits a window too small for a segment.
    if (windowRoom < Math.min(mss, unsent)) usable = Math.max(usable, 1);
    if (usable <= 0) return -1;
  } else if (!isUseful(core, r, usable, unsent, mss, inFlight)) {
    noteBlocked(core, c, r, windowRoom, cwndRoom, mss, inFlight);
    return -1;
  }
  let bytes = Math.min(usable, unsent, core.config.maxGsoBytes, Math.max(allowance, mss));
  // Whole segments, but for the last one: a superframe is cut on arrival at multiples of the MSS (SHLD-28).
  if (bytes > mss && (bytes !== unsent || nagleHolds(flags, inFlight))) bytes -= bytes % mss;
  const b = sendNew(core, c, r, bytes, unsent);
  if (b < 0) return retryLater(core, c, r);
  if (cwndRoom - bytes < mss && cwndRoom < unsent && cwndRoom <= windowRoom) i32[r + C_FLAGS] |= TF_CWND_LIMITED;
  return b;
}

/** What cwnd leaves; F-RTO may send two segments beside it (RFC 5682 2.1 step 2b). */
function congestionRoom(core: TcpCore, r: number, mss: number): number {
  const { i32 } = core.window;
  const recovery = i32[r + T_RECOVERY];
  if ((recovery & RF_FRTO_NEW) !== 0) return (recovery & RF_FRTO) !== 0 ? 2 * mss : 0;
  return i32[r + T_CWND] - core.scoreboard.pipe(r);
}

/** Sends `bytes` of the `unsent` new ones; -1 without memory. */
function sendNew(core: TcpCore, c: ConnectionIndex, r: number, bytes: number, unsent: number): BufferIndex {
  const { i32 } = core.window;
  const nxt = i32[r + T_SND_NXT];
  const pending = i32[r + T_PENDING];
  const b = dataSegment(core, c, r, nxt, (nxt - i32[r + T_SND_UNA]) | 0, bytes, 0);
  if (b < 0) return -1;
  const sent = payloadOf(core, r, b);
  if (!advance(core, c, r, (nxt + sent) | 0)) {
    core.pool.free(b);
    i32[r + T_PENDING] = pending; // The ACK that it carried is still owed.
    return -1;
  }
  if (sent === unsent) setPush(core, b);
  if (sent % i32[r + T_SND_MSS] !== 0) i32[r + C_FLAGS] |= TF_SMALL_SENT;
  return b;
}

/**
 * Silly-window avoidance of the sender (RFC 9293 3.8.6.2.1): a full segment, or all that is queued, or half of the
 * largest window seen. The Nagle algorithm (3.7.4) holds small segments back while one is outstanding, unless they are
 * the last; the small end of a large write does not wait for the write's full segments.
 */
function isUseful(core: TcpCore, r: number, usable: number, unsent: number, mss: number, inFlight: number): boolean {
  if (usable <= 0) return false;
  if (usable >= mss && unsent >= mss) return true;
  const { i32 } = core.window;
  if (nagleHolds(i32[r + C_FLAGS], inFlight)) return false;
  if (usable >= unsent) return true;
  // Only the peer's window makes windows silly: cwnd grows with the next ACK.
  return usable >= i32[r + T_SND_WND_MAX] >> 1 && (inFlight === 0 || i32[r + T_SND_WND] <= i32[r + T_CWND]);
}

function nagleHolds(flags: number, inFlight: number): boolean {
  return inFlight > 0 && (flags & (TF_NO_DELAY | TF_FIN_WANTED | TF_SMALL_SENT)) === TF_SMALL_SENT;
}

/** Nothing may go: remembers whose fault it is. With nothing in flight only a probe can reopen the peer's window. */
function noteBlocked(
  core: TcpCore,
  c: ConnectionIndex,
  r: number,
  windowRoom: number,
  cwndRoom: number,
  mss: number,
  inFlight: number,
): void {
  const { i32 } = core.window;
  if (cwndRoom <= windowRoom && cwndRoom < mss) i32[r + C_FLAGS] |= TF_CWND_LIMITED;
  if (inFlight === 0 && !core.isTimerRunning(c, TIMER_RETRANSMIT)) {
    i32[r + C_FLAGS] |= TF_ANSWERED;
    armRetransmit(core, c, r); // SHLD-29: the first probe after one RTO.
  }
}

/** There was no packet buffer: the retransmission timer tries again, for no ACK will come that could. */
function retryLater(core: TcpCore, c: ConnectionIndex, r: number): BufferIndex {
  const { i32 } = core.window;
  // The peer owes nothing: its silence so far does not count.
  if (i32[r + T_SND_NXT] === i32[r + T_SND_UNA]) i32[r + C_FLAGS] |= TF_ANSWERED;
  if (!core.isTimerRunning(c, TIMER_RETRANSMIT)) armRetransmit(core, c, r);
  return -1;
}

function finSegment(core: TcpCore, c: ConnectionIndex, r: number): BufferIndex {
  const { i32 } = core.window;
  const nxt = i32[r + T_SND_NXT];
  const pending = i32[r + T_PENDING];
  const b = controlSegment(core, c, r, nxt, TCP_FLAG_FIN | TCP_FLAG_ACK);
  if (b < 0) return retryLater(core, c, r);
  if (!advance(core, c, r, (nxt + 1) | 0)) {
    core.pool.free(b);
    i32[r + T_PENDING] = pending;
    return retryLater(core, c, r);
  }
  i32[r + C_FLAGS] |= TF_FIN_SENT;
  return b;
}

/** Bookkeeping after a segment [sndNxt, to) was built; false when the scoreboard has no room for it. */
function advance(core: TcpCore, c: ConnectionIndex, r: number, to: number): boolean {
  const { i32 } = core.window;
  if (!core.scoreboard.append(r, to, core.nowUs32())) return false;
  startPatience(core, r);
  if (i32[r + T_SND_NXT] === i32[r + T_SND_UNA]) {
    // Nothing sent from now on was sent before what was delivered last: after half an hour's silence it would seem so.
    i32[r + T_RACK_XMIT_US] = core.nowUs32();
    i32[r + T_RACK_END] = i32[r + T_SND_UNA];
  }
  i32[r + T_SND_NXT] = to;
  i32[r + T_LAST_SENT_MS] = core.engine.nowMs | 1;
  const isProbeTimer = (i32[r + T_RECOVERY] & RF_TLP_TIMER) !== 0;
  if (isProbeTimer || !core.isTimerRunning(c, TIMER_RETRANSMIT)) armTimer(core, c, r);
  return true;
}

/** The application has closed its sending side: FIN follows what is queued (RFC 9293 3.10.4). */
export function wantFin(core: TcpCore, c: ConnectionIndex, r: number): void {
  const { i32 } = core.window;
  if (i32[r + C_STATE] === ESTABLISHED) i32[r + C_STATE] = FIN_WAIT_1;
  else if (i32[r + C_STATE] === CLOSE_WAIT) i32[r + C_STATE] = LAST_ACK;
  else return;
  i32[r + C_FLAGS] |= TF_FIN_WANTED;
  if (core.queued(r) === ((i32[r + T_SND_NXT] - i32[r + T_SND_UNA]) | 0)) core.wantControl(c);
  else core.wantTransmit(c);
}
