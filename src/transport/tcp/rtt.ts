import type { ConnectionIndex } from "../transport.js";
import { C_FLAGS, C_STATE } from "../transport.js";
import {
  ESTABLISHED,
  SYN_SENT,
  T_BACKOFF,
  T_PROGRESS_MS,
  T_RTO_US,
  T_RTT_SEQ,
  T_RTT_START_US,
  T_RTTVAR_US,
  T_SND_WND,
  T_SRTT_US,
  T_USER_TIMEOUT_MS,
  TF_ANSWERED,
  TF_APP_CLOSED,
  TF_TIMING,
} from "./connection.js";
import { TICKS_PER_MS, type TcpCore, TIMER_RETRANSMIT, TIMERS } from "./core.js";

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

/** Times the segment that ends at `endSeq`, sent just now, unless one is being timed already. */
export function startTiming(core: TcpCore, r: number, endSeq: number): void {
  const { i32 } = core.window;
  if ((i32[r + C_FLAGS] & TF_TIMING) !== 0) return;
  i32[r + C_FLAGS] |= TF_TIMING;
  i32[r + T_RTT_SEQ] = endSeq;
  i32[r + T_RTT_START_US] = core.nowUs32();
}

/** `ack` arrived: takes the sample when it covers the timed segment. */
export function stopTiming(core: TcpCore, r: number, ack: number): void {
  const { i32 } = core.window;
  if ((i32[r + C_FLAGS] & TF_TIMING) === 0 || ((ack - i32[r + T_RTT_SEQ]) | 0) < 0) return;
  i32[r + C_FLAGS] &= ~TF_TIMING;
  sampleRtt(core, r, (core.nowUs32() - i32[r + T_RTT_START_US]) | 0);
  // RFC 6298 5: a timeout that was backed off stays so until a round trip was measured.
  i32[r + T_BACKOFF] = 0;
}

/** Karn's rule (RFC 6298 3): what is sent again is not timed. */
export function cancelTiming(core: TcpCore, r: number): void {
  core.window.i32[r + C_FLAGS] &= ~TF_TIMING;
}

/** R2 in the present state, milliseconds: how long a lack of answers is borne (RFC 9293 3.8.3). */
function giveUpMs(core: TcpCore, r: number): number {
  const { i32 } = core.window;
  const state = i32[r + C_STATE];
  const ownMs = i32[r + T_USER_TIMEOUT_MS];
  // SYN_RCVD has a timer of its own.
  if (state < ESTABLISHED) return state === SYN_SENT ? ownMs || core.config.connectTimeoutMs : FOREVER_MS;
  const isOrphan = (i32[r + C_FLAGS] & TF_APP_CLOSED) !== 0 && i32[r + T_SND_WND] === 0;
  return isOrphan ? core.config.closingTimeoutMs : ownMs || core.config.userTimeoutMs;
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
  const backoff = i32[r + T_BACKOFF];
  const maxUs = core.config.rtoMaxMs * 1000;
  const rto = i32[r + T_RTO_US];
  // The shift cannot overflow: a backoff that matters is cut by rtoMax long before 2^31 us.
  let us = backoff > 15 || rto > maxUs >> backoff ? maxUs : rto << backoff;
  if (backoff > 0) us = Math.min(us, patienceMs(core, r) * 1000);
  core.timers.start(c * TIMERS + TIMER_RETRANSMIT, Math.max(1, Math.ceil((us * TICKS_PER_MS) / 1000)));
}
