import { C_FLAGS, C_SESSION, C_TX_FIFO, type ConnectionIndex } from "../transport.js";
import {
  T_BACKOFF,
  T_PENDING,
  T_PROGRESS_MS,
  T_SCALES,
  T_SND_MAX,
  T_SND_NXT,
  T_SND_UNA,
  T_SND_WL1,
  T_SND_WL2,
  T_SND_WND,
  T_SND_WND_MAX,
  TF_ANSWERED,
  TF_APP_CLOSED,
  TF_FIN_SENT,
  TF_FIN_WANTED,
} from "./connection.js";
import { answerBadAck } from "./challenge.js";
import { type TcpCore, TIMER_RETRANSMIT } from "./core.js";
import { TCP_ERROR } from "./errors.js";
import { duplicateAck, newAck } from "./loss-detection.js";
import { armRetransmit, stopTiming } from "./rtt.js";
import type { Segment } from "./segment.js";

/** The ACK is unacceptable: the segment is dropped. */
export const ACK_DROP = 0;
/** The segment's text is to be processed. */
export const ACK_CONTINUE = 1;
/** As {@link ACK_CONTINUE}, and our FIN is acknowledged. */
export const ACK_FIN_ACKED = 2;

/** RFC 9293 3.10.7.4, fifth: the ACK field, in the synchronized states from ESTABLISHED on. */
export function processAck(core: TcpCore, c: ConnectionIndex, r: number, seg: Segment): number {
  const { i32 } = core.window;
  const una = i32[r + T_SND_UNA];
  const acked = (seg.ack - una) | 0;
  if (((seg.ack - i32[r + T_SND_MAX]) | 0) > 0) {
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
  if (acked > 0) {
    const isFinAcked = acknowledge(core, c, r, seg.ack, acked);
    updateWindow(core, c, r, seg);
    if (seg.len === 0) core.events.count(TCP_ERROR.ack_ok);
    return isFinAcked ? ACK_FIN_ACKED : ACK_CONTINUE;
  }
  const sameWindow = seg.window << (i32[r + T_SCALES] >> 8) === i32[r + T_SND_WND];
  if (acked < 0) core.events.count(TCP_ERROR.ack_old);
  else {
    // RFC 5681 2: no data, no new window, data outstanding.
    if (seg.len === 0 && sameWindow && i32[r + T_SND_MAX] !== una && i32[r + T_SND_WND] !== 0) {
      core.events.count(TCP_ERROR.ack_dup);
      duplicateAck(core, c, r);
    }
    updateWindow(core, c, r, seg);
  }
  return ACK_CONTINUE;
}

/** `acked` sequence numbers up to `ack` are acknowledged for the first time. True when FIN is among them. */
function acknowledge(core: TcpCore, c: ConnectionIndex, r: number, ack: number, acked: number): boolean {
  const { i32 } = core.window;
  const fifo = i32[r + C_TX_FIFO];
  const flight = (i32[r + T_SND_MAX] - i32[r + T_SND_UNA]) | 0;
  const queued = fifo === 0 ? 0 : core.fifos.maxDequeue(fifo);
  const bytes = acked < queued ? acked : queued;
  if (bytes > 0) core.fifos.drop(fifo, bytes);
  const isFinAcked = acked > queued && (i32[r + C_FLAGS] & TF_FIN_SENT) !== 0;
  if (isFinAcked) i32[r + C_FLAGS] &= ~(TF_FIN_SENT | TF_FIN_WANTED);
  stopTiming(core, r, ack);
  i32[r + T_SND_UNA] = ack;
  if (((i32[r + T_SND_NXT] - ack) | 0) < 0) i32[r + T_SND_NXT] = ack;
  i32[r + T_PROGRESS_MS] = core.engine.nowMs;
  newAck(core, r, acked, flight);
  // RFC 6298 5.2, 5.3.
  if (ack === i32[r + T_SND_MAX]) core.stopTimer(c, TIMER_RETRANSMIT);
  else armRetransmit(core, c, r);
  if (i32[r + C_SESSION] >= 0) core.upcalls.acknowledged(i32[r + C_SESSION]);
  const unsent = queued - bytes - ((i32[r + T_SND_NXT] - ack) | 0);
  if (unsent > 0 || i32[r + T_PENDING] !== 0 || (i32[r + C_FLAGS] & TF_FIN_WANTED) !== 0) core.wantTransmit(c);
  return isFinAcked;
}

/** RFC 9293 3.10.7.4: the newest segment's window counts, by WL1 and WL2. */
function updateWindow(core: TcpCore, c: ConnectionIndex, r: number, seg: Segment): void {
  const { i32 } = core.window;
  const newer = (i32[r + T_SND_WL1] - seg.seq) | 0;
  if (newer > 0 || (newer === 0 && ((i32[r + T_SND_WL2] - seg.ack) | 0) > 0)) return;
  const before = i32[r + T_SND_WND];
  const window = seg.window << (i32[r + T_SCALES] >> 8);
  i32[r + T_SND_WND] = window;
  i32[r + T_SND_WL1] = seg.seq;
  i32[r + T_SND_WL2] = seg.ack;
  if (window > i32[r + T_SND_WND_MAX]) i32[r + T_SND_WND_MAX] = window;
  // MUST-37: while probes are answered the connection lives, however long the window stays closed. But nobody waits for
  // one that the application has closed.
  if (window === 0 && (i32[r + C_FLAGS] & TF_APP_CLOSED) === 0) i32[r + C_FLAGS] |= TF_ANSWERED;
  if (window > before && core.queued(r) > 0) {
    if (before === 0) reopen(core, c, r);
    core.wantTransmit(c);
  }
}

/** A closed window opened: probes lost on the way are no sign of congestion; what is outstanding goes again at once. */
function reopen(core: TcpCore, c: ConnectionIndex, r: number): void {
  const { i32 } = core.window;
  i32[r + T_BACKOFF] = 0;
  i32[r + T_SND_NXT] = i32[r + T_SND_UNA];
  core.stopTimer(c, TIMER_RETRANSMIT);
}
