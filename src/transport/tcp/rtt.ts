import type { ConnectionIndex } from "../transport.js";
import { C_FLAGS, C_STATE } from "../transport.js";
import {
  ESTABLISHED,
  RF_REO_TIMER,
  RF_TLP_TIMER,
  RF_WAS_LIMITED,
  SYN_RCVD,
  SYN_SENT,
  T_BACKOFF,
  T_PROGRESS_MS,
  T_RACK_XMIT_US,
  T_RECOVERY,
  T_RTO_US,
  T_RTT_SEQ,
  T_RTTVAR_US,
  T_SND_NXT,
  T_SND_UNA,
  T_SND_WND,
  T_SRTT_US,
  T_TIMEOUTS,
  T_USER_TIMEOUT_MS,
  TF_ANSWERED,
  TF_APP_CLOSED,
  TF_CWND_LIMITED,
  TF_TIMESTAMPS,
} from "./connection.js";
import { type TcpCore, TIMER_RETRANSMIT } from "./core.js";
import { updateMinRtt } from "./rack.js";
import type { Segment } from "./segment.js";

/** Clock granularity G of RFC 6298, microseconds: a tick of the timer wheel. */
const GRANULARITY_US = 100;
/** A sample beyond this is a clock gone wrong, not a round trip. */
const MAX_RTT_US = 60_000_000;

/** Longer than any timeout. */
const FOREVER_MS = 0x7fff_ffff;

/** A new connection: no sample yet (RFC 6298 2.1). */
export function initRtt(core: TcpCore, r: number): void {
  core.window.i32[r + T_RTO_US] = core.config.rtoInitialMs * 1000;
}

/** Takes a round-trip sample (RFC 6298 2.2, 2.3). */
export function sampleRtt(core: TcpCore, r: number, rttUs: number): void {
  if (rttUs < 0 || rttUs > MAX_RTT_US) return;
  const { i32 } = core.window;
  let srtt = i32[r + T_SRTT_US];
  let rttvar = i32[r + T_RTTVAR_US];
  if (srtt === 0) {
    srtt = Math.max(rttUs, 1);
    rttvar = rttUs >> 1;
  } else {
    const error = rttUs - srtt;
    rttvar += ((error < 0 ? -error : error) - rttvar) >> 2;
    srtt = Math.max(srtt + (error >> 3), 1);
  }
  i32[r + T_SRTT_US] = srtt;
  i32[r + T_RTTVAR_US] = rttvar;
  const rto = srtt + Math.max(GRANULARITY_US, 4 * rttvar);
  i32[r + T_RTO_US] = Math.min(Math.max(rto, core.config.rtoMinMs * 1000), core.config.rtoMaxMs * 1000);
}

/** A SYN is sent, just now: its answer gives the first sample. */
export function startSynTiming(core: TcpCore, r: number): void {
  core.window.i32[r + T_RACK_XMIT_US] = core.nowUs32();
}

/** Our SYN is acknowledged: takes the first sample, unless it was sent more than once (Karn, RFC 6298 3). */
export function stopSynTiming(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  if (i32[r + T_TIMEOUTS] > 0) return;
  const rttUs = (core.nowUs32() - i32[r + T_RACK_XMIT_US]) | 0;
  sampleRtt(core, r, rttUs);
  updateMinRtt(core, r, rttUs);
}

/**
 * An acknowledgement moved sndUna: takes a sample once for each round trip, and the first after a timeout, from what was sent only once (Karn), or
 * from the echoed timestamp when retransmissions are among it (RFC 7323 4.1). A timeout that was backed off stays so
 * until then (RFC 6298 5).
 */
export function takeRtt(core: TcpCore, r: number, seg: Segment): void {
  const { i32 } = core.window;
  const { delivery } = core;
  let rttUs = -1;
  if (delivery.hasOriginal && !delivery.hasRetrans) {
    rttUs = (core.nowUs32() - delivery.firstSentUs) | 0;
  } else if ((i32[r + C_FLAGS] & TF_TIMESTAMPS) !== 0 && seg.hasTimestamps && seg.tsEcr !== 0) {
    rttUs = ((core.tsNow(r) - seg.tsEcr) | 0) * 1000;
  }
  const isSameRound = ((i32[r + T_SND_UNA] - i32[r + T_RTT_SEQ]) | 0) <= 0;
  if (rttUs < 0 || (isSameRound && i32[r + T_BACKOFF] === 0)) return;
  sampleRtt(core, r, rttUs);
  i32[r + T_RTT_SEQ] = i32[r + T_SND_NXT];
  i32[r + T_BACKOFF] = 0;
  nextRound(i32, r);
}

/** A round trip begins. Whether cwnd was used up in the last one counts on: a whole window's ACKs may come in one turn. */
function nextRound(i32: Int32Array, r: number): void {
  i32[r + T_RECOVERY] &= ~RF_WAS_LIMITED;
  if ((i32[r + C_FLAGS] & TF_CWND_LIMITED) === 0) return;
  i32[r + T_RECOVERY] |= RF_WAS_LIMITED;
  i32[r + C_FLAGS] &= ~TF_CWND_LIMITED;
}

/** R2 in the present state, milliseconds: how long a lack of answers is borne (RFC 9293 3.8.3). */
function giveUpMs(core: TcpCore, r: number): number {
  const { i32 } = core.window;
  const state = i32[r + C_STATE];
  const ownMs = i32[r + T_USER_TIMEOUT_MS];
  if (state === SYN_RCVD) return core.config.synRcvdTimeoutMs;
  if (state === SYN_SENT) return ownMs || core.config.connectTimeoutMs;
  const isOrphan = (i32[r + C_FLAGS] & TF_APP_CLOSED) !== 0 && i32[r + T_SND_WND] === 0;
  return isOrphan ? core.config.closingTimeoutMs : ownMs || core.config.userTimeoutMs;
}

/** Something is sent that asks for an answer: when the peer owed none so far, its time begins now. */
export function startPatience(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  if (i32[r + T_SND_UNA] !== i32[r + T_SND_NXT] && (i32[r + C_FLAGS] & TF_ANSWERED) === 0) return;
  i32[r + T_PROGRESS_MS] = core.engine.nowMs;
  i32[r + C_FLAGS] &= ~TF_ANSWERED;
}

/** Milliseconds until the connection is given up, 0 or less when it is to be now; it is not while all is answered. */
export function patienceMs(core: TcpCore, r: number): number {
  const { i32 } = core.window;
  if ((i32[r + C_FLAGS] & TF_ANSWERED) !== 0) return FOREVER_MS;
  return giveUpMs(core, r) - ((core.engine.nowMs - i32[r + T_PROGRESS_MS]) | 0);
}

/** Starts the retransmission timer with the backed-off timeout (RFC 6298 5.1, 5.5), or for the end of patience. */
export function armRetransmit(core: TcpCore, c: ConnectionIndex, r: number): void {
  const { i32 } = core.window;
  i32[r + T_RECOVERY] &= ~(RF_REO_TIMER | RF_TLP_TIMER);
  const backoff = i32[r + T_BACKOFF];
  const maxUs = core.config.rtoMaxMs * 1000;
  const rto = i32[r + T_RTO_US];
  // The shift cannot overflow: a backoff that matters is cut by rtoMax long before 2^31 us.
  let us = backoff > 15 || rto > maxUs >> backoff ? maxUs : rto << backoff;
  if (backoff > 0 || i32[r + C_STATE] < ESTABLISHED) us = Math.min(us, patienceMs(core, r) * 1000);
  core.startTimerUs(c, TIMER_RETRANSMIT, us);
}
