import { SESSION_E_REFUSED, SESSION_E_UNKNOWN } from "../../session/session-errors.js";
import { TCP_FLAG_ACK, TCP_FLAG_FIN, TCP_FLAG_RST, TCP_FLAG_SYN } from "../../wire/tcp.js";
import { C_FLAGS, C_SESSION, C_STATE, type ConnectionIndex } from "../transport.js";
import { checkSequence } from "./acceptability.js";
import { ACK_DROP, ACK_FIN_ACKED, processAck } from "./ack.js";
import { sendChallengeAck } from "./challenge.js";
import {
  CLOSE_WAIT,
  CLOSING,
  ESTABLISHED,
  FIN_WAIT_1,
  FIN_WAIT_2,
  LAST_ACK,
  SYN_RCVD,
  T_DATA_SEGS_IN,
  T_IRS,
  T_PEER_FIN,
  T_RCV_NXT,
  T_SEGS_IN,
  TF_APP_CLOSED,
  TF_PEER_FIN,
  TIME_WAIT,
} from "./connection.js";
import { type TcpCore, TIMER_RETRANSMIT, TIMER_WAIT } from "./core.js";
import { TCP_ERROR } from "./errors.js";
import { establish, isSynAcked, refuse } from "./open.js";
import type { Segment } from "./segment.js";
import { oweAck, sendSyn } from "./segment-out.js";
import { recordTimestamp } from "./paws.js";
import { mayReceive, processText } from "./text.js";
import { processUrgent } from "./urgent.js";

/** The segment is done with. */
export const ARRIVED = 0;
/** The segment is to be answered by <SEQ=SEG.ACK><CTL=RST>. */
export const ARRIVED_RESET = 1;

/**
 * RFC 9293 3.10.7.4: a segment arrives in SYN_RCVD or a later state. The steps stand in the RFC's order, one function
 * each; whichever ends the segment returns.
 */
export function segmentArrives(core: TcpCore, c: ConnectionIndex, r: number, seg: Segment): number {
  const { i32 } = core.window;
  i32[r + T_SEGS_IN]++;
  if (seg.dataLen > 0) i32[r + T_DATA_SEGS_IN]++;
  if (i32[r + C_STATE] === SYN_RCVD && (seg.flags & TCP_FLAG_SYN) !== 0 && !repeatedSyn(core, c, r, seg))
    return ARRIVED;
  // Fourth, the SYN bit, first of all: it is challenged whatever its sequence number and timestamp (RFC 5961 4). Its
  // sender may have forgotten the connection, and must hear of it (RFC 9293 3.5.1, figure 9).
  if ((seg.flags & (TCP_FLAG_SYN | TCP_FLAG_RST)) === TCP_FLAG_SYN) {
    core.events.count(TCP_ERROR.spurious_syn);
    sendChallengeAck(core, c, r);
    return ARRIVED;
  }
  const { seq } = seg;
  // First, the sequence number.
  if (!checkSequence(core, c, r, seg)) {
    if (i32[r + C_STATE] === TIME_WAIT) repeatedFin(core, c, r, seg);
    return ARRIVED;
  }
  // Second, the RST bit; third, security (not there).
  if ((seg.flags & TCP_FLAG_RST) !== 0) {
    processReset(core, c, r, seg);
    return ARRIVED;
  }
  // Fifth, the ACK field.
  if ((seg.flags & TCP_FLAG_ACK) === 0) {
    core.events.count(TCP_ERROR.no_ack);
    return ARRIVED;
  }
  if (i32[r + C_STATE] === SYN_RCVD) {
    if (!isSynAcked(core, r, seg)) {
      core.events.count(TCP_ERROR.ack_invalid);
      return ARRIVED_RESET;
    }
    if (!establish(core, c, r, seg)) return ARRIVED;
  }
  const verdict = processAck(core, c, r, seg);
  if (verdict === ACK_DROP) return ARRIVED;
  recordTimestamp(core, r, seg, seq);
  if (verdict === ACK_FIN_ACKED && !finAcked(core, c, r)) return ARRIVED;
  // Sixth, the URG bit; seventh, the text; eighth, the FIN bit.
  processUrgent(core, r, seg);
  if (!processText(core, c, r, seg)) return ARRIVED;
  if ((seg.flags & TCP_FLAG_FIN) !== 0) rememberFin(core, c, r, seg);
  if ((i32[r + C_FLAGS] & TF_PEER_FIN) !== 0) processFin(core, c, r);
  return ARRIVED;
}

/**
 * The peer's SYN again, in SYN_RCVD. Alone it says that our SYN-ACK was lost; with an ACK it ends a simultaneous open
 * (RFC 9293 3.5 figure 8), and the rest of it counts: true.
 */
function repeatedSyn(core: TcpCore, c: ConnectionIndex, r: number, seg: Segment): boolean {
  if (seg.seq !== core.window.i32[r + T_IRS]) return true;
  if ((seg.flags & TCP_FLAG_ACK) === 0) {
    core.events.count(TCP_ERROR.spurious_syn);
    sendSyn(core, c, r, true);
    return false;
  }
  seg.flags &= ~TCP_FLAG_SYN;
  seg.seq = (seg.seq + 1) | 0;
  seg.len--;
  return true;
}

/** The peer's FIN again, in TIME_WAIT: its ACK was lost, so 2 MSL start anew (RFC 9293 3.10.7.4, eighth). */
function repeatedFin(core: TcpCore, c: ConnectionIndex, r: number, seg: Segment): void {
  const isFin = (seg.flags & (TCP_FLAG_FIN | TCP_FLAG_SYN | TCP_FLAG_RST)) === TCP_FLAG_FIN;
  if (!isFin || ((seg.seq + seg.len) | 0) !== core.window.i32[r + T_RCV_NXT]) return;
  core.startTimer(c, TIMER_WAIT, core.config.timeWaitMs);
}

/** Second: a reset counts at rcvNxt exactly; elsewhere in the window it is challenged (RFC 5961 3). */
function processReset(core: TcpCore, c: ConnectionIndex, r: number, seg: Segment): void {
  const { i32 } = core.window;
  if (seg.seq !== i32[r + T_RCV_NXT]) {
    core.events.count(TCP_ERROR.rst_challenged);
    sendChallengeAck(core, c, r);
    return;
  }
  core.events.count(TCP_ERROR.rst_rcvd);
  if (i32[r + C_STATE] === SYN_RCVD) {
    refuse(core, c, r, SESSION_E_REFUSED);
    return;
  }
  // In TIME_WAIT both streams are through (RFC 9293 3.10.7.4, second: the connection goes, nobody is told).
  if (i32[r + C_SESSION] >= 0 && i32[r + C_STATE] !== TIME_WAIT)
    core.upcalls.reset(i32[r + C_SESSION], SESSION_E_UNKNOWN);
  core.remove(c);
}

/** Our FIN is acknowledged: the next state of figure 5. False when the connection is gone. */
function finAcked(core: TcpCore, c: ConnectionIndex, r: number): boolean {
  const { i32 } = core.window;
  const state = i32[r + C_STATE];
  if (state === FIN_WAIT_1) {
    i32[r + C_STATE] = FIN_WAIT_2;
    // RFC 9293 3.6: a closed application does not wait for ever; a half-closed one may.
    if ((i32[r + C_FLAGS] & TF_APP_CLOSED) !== 0) core.startTimer(c, TIMER_WAIT, core.config.finWait2Ms);
  } else if (state === CLOSING) enterTimeWait(core, c, r);
  else if (state === LAST_ACK) {
    if (i32[r + C_SESSION] >= 0) core.upcalls.closed(i32[r + C_SESSION]);
    core.remove(c);
    return false;
  }
  return true;
}

/** A FIN arrived, perhaps ahead of data that is still missing. */
function rememberFin(core: TcpCore, c: ConnectionIndex, r: number, seg: Segment): void {
  const { i32 } = core.window;
  oweAck(core, c, r);
  if (!mayReceive(i32[r + C_STATE])) return; // Behind the peer's FIN nothing follows.
  i32[r + T_PEER_FIN] = (seg.seq + seg.dataLen) | 0;
  i32[r + C_FLAGS] |= TF_PEER_FIN;
}

/** Eighth: FIN, when everything before it is there. */
function processFin(core: TcpCore, c: ConnectionIndex, r: number): void {
  const { i32 } = core.window;
  if (i32[r + T_PEER_FIN] !== i32[r + T_RCV_NXT]) return;
  const state = i32[r + C_STATE];
  i32[r + C_FLAGS] &= ~TF_PEER_FIN;
  core.events.count(TCP_ERROR.fin_rcvd);
  i32[r + T_RCV_NXT] = (i32[r + T_RCV_NXT] + 1) | 0;
  if (i32[r + C_SESSION] >= 0) core.upcalls.closing(i32[r + C_SESSION]);
  if (state === ESTABLISHED) i32[r + C_STATE] = CLOSE_WAIT;
  else if (state === FIN_WAIT_1) i32[r + C_STATE] = CLOSING;
  else enterTimeWait(core, c, r);
}

/** Both FINs are through: what is left is to answer the peer's retransmissions for 2 MSL. */
export function enterTimeWait(core: TcpCore, c: ConnectionIndex, r: number): void {
  const { i32 } = core.window;
  i32[r + C_STATE] = TIME_WAIT;
  core.stopTimer(c, TIMER_RETRANSMIT);
  core.startTimer(c, TIMER_WAIT, core.config.timeWaitMs);
  if (i32[r + C_SESSION] >= 0) core.upcalls.closed(i32[r + C_SESSION]);
}
