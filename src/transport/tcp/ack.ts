import { C_FLAGS, C_SESSION, C_TX_FIFO, type ConnectionIndex } from "../transport.js";
import { TCP_HAS_SACK, TCP_OPT_PRESENT } from "../../wire/tcp-options.js";
import {
  P_ACK,
  P_DUPACK_MAX,
  RF_REO_TIMER,
  RF_TLP_OUT,
  RF_TLP_TIMER,
  T_BACKOFF,
  T_DUP_ACKS_IN,
  T_DUPACKS,
  T_LOST,
  T_PENDING,
  T_PROGRESS_MS,
  T_RECOVERY,
  T_SCALES,
  T_SND_NXT,
  T_SND_UNA,
  T_SND_WL1,
  T_SND_WL2,
  T_SND_WND,
  T_SND_WND_MAX,
  TF_ANSWERED,
  TF_APP_CLOSED,
  TF_FAST_RECOVERY,
  TF_FIN_SENT,
  TF_FIN_WANTED,
  TF_SACK,
  TF_SMALL_SENT,
} from "./connection.js";
import { answerBadAck } from "./challenge.js";
import { type TcpCore, TIMER_RETRANSMIT } from "./core.js";
import { TCP_ERROR } from "./errors.js";
import { countDuplicate, detectLosses, forgetDuplicates, loseAll } from "./loss-detection.js";
import { rackUpdate, usesRack } from "./rack.js";
import { afterAck } from "./recovery.js";
import { armRetransmit, takeRtt } from "./rtt.js";
import { processSack } from "./sack-in.js";
import type { Segment } from "./segment.js";
import { armTimer, probeAnswered } from "./tail-loss-probe.js";
import { tryUndo } from "./undo.js";

/** The ACK is unacceptable: the segment is dropped. */
export const ACK_DROP = 0;
/** The segment's text is to be processed. */
export const ACK_CONTINUE = 1;
/** As {@link ACK_CONTINUE}, and our FIN is acknowledged. */
export const ACK_FIN_ACKED = 2;

/** An ACK is owed, or duplicates of one. */
const OWED = P_ACK | (P_DUPACK_MAX << 8);

/** RFC 9293 3.10.7.4, fifth: the ACK field, in the synchronized states from ESTABLISHED on. */
export function processAck(core: TcpCore, c: ConnectionIndex, r: number, seg: Segment): number {
  const { i32 } = core.window;
  const una = i32[r + T_SND_UNA];
  const acked = (seg.ack - una) | 0;
  if (((seg.ack - i32[r + T_SND_NXT]) | 0) > 0) {
    core.events.count(TCP_ERROR.ack_future);
    answerBadAck(core, c, r);
    return ACK_DROP;
  }
  // RFC 5961 5: an ACK from long ago is a sign of injection.
  if (acked < 0 && -acked > i32[r + T_SND_WND_MAX]) {
    core.events.count(TCP_ERROR.ack_invalid);
    answerBadAck(core, c, r);
    return ACK_DROP;
  }
  if (acked < 0) {
    core.events.count(TCP_ERROR.ack_old);
    // Overtaken by later ones, it may still be the only one to report something.
    const hasSack = (seg.options[TCP_OPT_PRESENT] & TCP_HAS_SACK) !== 0;
    if (hasSack && i32[r + T_SND_NXT] !== una) acknowledge(core, c, r, seg, acked);
    else if (hasSack) acknowledgeAgain(core, r, seg);
    return ACK_CONTINUE;
  }
  let isFinAcked = false;
  if (acked > 0 || i32[r + T_SND_NXT] !== una) isFinAcked = acknowledge(core, c, r, seg, acked);
  else acknowledgeAgain(core, r, seg);
  updateWindow(core, c, r, seg);
  return isFinAcked ? ACK_FIN_ACKED : ACK_CONTINUE;
}

/**
 * Something is outstanding, or was: takes the cumulative acknowledgement of `acked` sequence numbers and the selective
 * ones to the scoreboard, detects losses, and lets recovery and congestion control follow. True when FIN is acknowledged.
 * Below 0, `acked` says that the acknowledgement is an old one.
 */
function acknowledge(core: TcpCore, c: ConnectionIndex, r: number, seg: Segment, acked: number): boolean {
  const { i32 } = core.window;
  const { delivery } = core;
  const flight = (i32[r + T_SND_NXT] - i32[r + T_SND_UNA]) | 0;
  const isSack = (i32[r + C_FLAGS] & TF_SACK) !== 0;
  delivery.begin();
  const isFinAcked = acked > 0 && advance(core, r, seg.ack, acked);
  if (isSack && (seg.options[TCP_OPT_PRESENT] & TCP_HAS_SACK) !== 0) processSack(core, r, seg);
  if (delivery.hasOriginal) delivery.rttUs = (core.nowUs32() - delivery.originalSentUs) | 0;
  const isDuplicate = acked === 0 && countIfDuplicate(core, r, seg, isSack);
  const ackedBytes = Math.max(acked, 0);
  if (acked > 0) {
    if (seg.len === 0) core.events.count(TCP_ERROR.ack_ok);
    i32[r + T_DUPACKS] = 0;
    if (!isSack) forgetDuplicates(core, r, acked);
    takeRtt(core, r, seg);
  } else if (!isDuplicate && !delivery.hasLatest && !delivery.hasDsack) {
    return false; // A window update, or data: nothing new about what we sent.
  }
  if (usesRack(core, r)) rackUpdate(core, r, seg);
  detectLosses(core, c, r, ackedBytes);
  probeAnswered(core, r, ackedBytes, flight);
  afterAck(core, r, ackedBytes, flight, seg);
  restartTimer(core, c, r, ackedBytes);
  if (acked > 0 && i32[r + C_SESSION] >= 0) core.upcalls.acknowledged(i32[r + C_SESSION]);
  wakeSender(core, c, r);
  return isFinAcked;
}

/**
 * Nothing is outstanding. A duplicate ACK may still tell that what was sent again had arrived before: a probe that
 * repaired nothing (RFC 8985 7.4), a recovery that was for nothing (RFC 3708).
 */
function acknowledgeAgain(core: TcpCore, r: number, seg: Segment): void {
  const { i32 } = core.window;
  const { delivery } = core;
  const hasSack = (seg.options[TCP_OPT_PRESENT] & TCP_HAS_SACK) !== 0;
  const isProbed = (i32[r + T_RECOVERY] & RF_TLP_OUT) !== 0;
  if ((i32[r + C_FLAGS] & TF_SACK) === 0 || (!hasSack && !(isProbed && isPlain(core, r, seg)))) return;
  delivery.begin();
  if (hasSack) processSack(core, r, seg);
  if (hasSack && !delivery.hasDsack) return;
  if (usesRack(core, r)) rackUpdate(core, r, seg);
  probeAnswered(core, r, 0, 0);
  tryUndo(core, r, 0, seg);
}

/** Moves sndUna to `ack`: what the peer has leaves the tx fifo. True when FIN is among it. */
function advance(core: TcpCore, r: number, ack: number, acked: number): boolean {
  const { i32 } = core.window;
  const fifo = i32[r + C_TX_FIFO];
  const queued = fifo === 0 ? 0 : core.fifos.maxDequeue(fifo);
  const bytes = acked < queued ? acked : queued;
  if (bytes > 0) core.fifos.drop(fifo, bytes);
  const isFinAcked = acked > queued && (i32[r + C_FLAGS] & TF_FIN_SENT) !== 0;
  if (isFinAcked) i32[r + C_FLAGS] &= ~(TF_FIN_SENT | TF_FIN_WANTED);
  core.scoreboard.acknowledge(r, ack, core.delivery);
  i32[r + T_SND_UNA] = ack;
  i32[r + T_PROGRESS_MS] = core.engine.nowMs;
  if (ack === i32[r + T_SND_NXT]) i32[r + C_FLAGS] &= ~TF_SMALL_SENT;
  return isFinAcked;
}

/**
 * Whether an ACK that acknowledges nothing new counts as a duplicate: with SACK when it reports something new (RFC 6675
 * 2), else by RFC 5681 2: no data, no new window, data outstanding.
 */
function countIfDuplicate(core: TcpCore, r: number, seg: Segment, isSack: boolean): boolean {
  const { i32 } = core.window;
  const isDuplicate = isPlain(core, r, seg);
  if (isDuplicate || (isSack && core.delivery.sackedBytes > 0)) {
    core.events.count(TCP_ERROR.ack_dup);
    i32[r + T_DUP_ACKS_IN]++;
  }
  if (isSack) {
    if (core.delivery.sackedBytes > 0) i32[r + T_DUPACKS]++;
    return isDuplicate;
  }
  if (!isDuplicate) return false;
  i32[r + T_DUPACKS]++;
  countDuplicate(core, r);
  return true;
}

/** No data, and the window that is known, which is open. */
function isPlain(core: TcpCore, r: number, seg: Segment): boolean {
  const window = core.window.i32[r + T_SND_WND];
  return seg.len === 0 && window !== 0 && seg.window << (core.window.i32[r + T_SCALES] >> 8) === window;
}

/** RFC 6298 5.2, 5.3; the timer may run for a tail loss probe or the reordering window instead. */
function restartTimer(core: TcpCore, c: ConnectionIndex, r: number, acked: number): void {
  const { i32 } = core.window;
  if (i32[r + T_SND_UNA] === i32[r + T_SND_NXT]) {
    i32[r + T_RECOVERY] &= ~(RF_REO_TIMER | RF_TLP_TIMER);
    core.stopTimer(c, TIMER_RETRANSMIT);
    return;
  }
  if ((i32[r + T_RECOVERY] & RF_REO_TIMER) !== 0) return;
  // A selective acknowledgement means that there is no tail to probe.
  if (acked > 0 || !core.isTimerRunning(c, TIMER_RETRANSMIT)) armTimer(core, c, r);
  else if ((i32[r + T_RECOVERY] & RF_TLP_TIMER) !== 0 && core.delivery.sackedBytes > 0) armRetransmit(core, c, r);
}

/** Lets output look for what may go now. */
function wakeSender(core: TcpCore, c: ConnectionIndex, r: number): void {
  const { i32 } = core.window;
  const unsent = core.queued(r) - ((i32[r + T_SND_NXT] - i32[r + T_SND_UNA]) | 0);
  const isWaiting = unsent > 0 || i32[r + T_LOST] > 0 || (i32[r + T_PENDING] & OWED) !== 0;
  // In recovery by counting the last segment may have to go again, though nothing is known to be lost.
  const mayRescue = (i32[r + C_FLAGS] & TF_FAST_RECOVERY) !== 0 && !usesRack(core, r);
  if (isWaiting || mayRescue || (i32[r + C_FLAGS] & TF_FIN_WANTED) !== 0) core.wantTransmit(c);
}

/**
 * RFC 9293 3.10.7.4: the newest segment's window counts, by WL1 and WL2. So does that of a later acknowledgement in an old
 * segment: the window is counted from sndUna, which has moved, and the edge must not move with it.
 */
function updateWindow(core: TcpCore, c: ConnectionIndex, r: number, seg: Segment): void {
  const { i32 } = core.window;
  const isOld = ((i32[r + T_SND_WL1] - seg.seq) | 0) > 0;
  const later = (seg.ack - i32[r + T_SND_WL2]) | 0;
  if (later < 0 || (isOld && later === 0)) return;
  const before = i32[r + T_SND_WND];
  const window = seg.window << (i32[r + T_SCALES] >> 8);
  i32[r + T_SND_WND] = window;
  if (!isOld) i32[r + T_SND_WL1] = seg.seq;
  i32[r + T_SND_WL2] = seg.ack;
  if (window > i32[r + T_SND_WND_MAX]) i32[r + T_SND_WND_MAX] = window;
  // MUST-37: while probes are answered the connection lives, however long the window stays closed. But nobody waits for
  // one that the application has closed.
  if (window === 0 && (i32[r + C_FLAGS] & TF_APP_CLOSED) === 0) i32[r + C_FLAGS] |= TF_ANSWERED;
  // Into a closed window no tail loss probe goes, but a probe of the window: after an RTO (RFC 9293 SHLD-29).
  if (window === 0 && (i32[r + T_RECOVERY] & RF_TLP_TIMER) !== 0) armRetransmit(core, c, r);
  if (window > before && core.queued(r) > 0) {
    if (before === 0) reopen(core, c, r);
    core.wantTransmit(c);
  }
}

/** A closed window opened: probes lost on the way are no sign of congestion; what is outstanding goes again at once. */
function reopen(core: TcpCore, c: ConnectionIndex, r: number): void {
  const { i32 } = core.window;
  i32[r + T_BACKOFF] = 0;
  loseAll(core, r);
  i32[r + T_RECOVERY] &= ~(RF_REO_TIMER | RF_TLP_TIMER);
  // All that is outstanding may be what the peer reports to hold: then nothing is sent now that would start the timer.
  if (i32[r + T_SND_UNA] === i32[r + T_SND_NXT]) core.stopTimer(c, TIMER_RETRANSMIT);
  else armRetransmit(core, c, r);
}
