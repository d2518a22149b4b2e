import {
  MAX_PACE_SHIFT,
  RF_NO_PACING,
  T_CWND,
  T_MAX_PACE,
  T_PACE_TOKENS,
  T_PACE_US,
  T_RECOVERY,
  T_SND_MSS,
  T_SRTT_US,
  T_SSTHRESH,
} from "./connection.js";
import type { TcpCore } from "./core.js";

/** Pacing is of use for round trips beyond this: below, the timer's tick is too coarse, and a window is a burst. */
const LEAST_RTT_US = 1000;
/** The bucket holds what flows in this time, so that a tick that comes late costs nothing. */
const BUCKET_US = 1000;
/** And at least an initial window. */
const BUCKET_SEGMENTS = 10;
/** As fast as twice the window per round trip in slow start, 1.25 times the window after it. */
const SLOW_START_QUARTERS = 8;
const AVOIDANCE_QUARTERS = 5;
/** More than any segment: pacing does not hold it back. */
const UNLIMITED = 0x3fff_ffff;

/** Whether the window and the round trip set a pace. */
function followsWindow(core: TcpCore, r: number): boolean {
  const { i32 } = core.window;
  return (i32[r + T_RECOVERY] & RF_NO_PACING) === 0 && i32[r + T_SRTT_US] >= LEAST_RTT_US;
}

/** The application's bound, kilobytes per second; 0: none. */
function bound(core: TcpCore, r: number): number {
  return core.window.i32[r + T_MAX_PACE] >>> MAX_PACE_SHIFT;
}

/** Bytes per second at which segments may leave, where something sets a pace. */
function rate(core: TcpCore, r: number): number {
  const { i32 } = core.window;
  const most = bound(core, r) * 1000;
  if (!followsWindow(core, r)) return most;
  const quarters = i32[r + T_CWND] < i32[r + T_SSTHRESH] ? SLOW_START_QUARTERS : AVOIDANCE_QUARTERS;
  const perSecond = Math.floor((i32[r + T_CWND] * quarters * 250_000) / i32[r + T_SRTT_US]);
  return most !== 0 && most < perSecond ? most : perSecond;
}

/** Bytes that may leave now: a token bucket that fills at the pacing rate. */
export function paceAllowance(core: TcpCore, r: number): number {
  if (!followsWindow(core, r) && bound(core, r) === 0) return UNLIMITED;
  const { i32 } = core.window;
  const perSecond = rate(core, r);
  const capBytes = Math.min(
    Math.max(BUCKET_SEGMENTS * i32[r + T_SND_MSS], Math.floor((perSecond * BUCKET_US) / 1e6)),
    UNLIMITED,
  );
  const now = core.nowUs32();
  const elapsedUs = (now - i32[r + T_PACE_US]) | 0;
  // Out of reach of the clock's differences: full.
  const gained = elapsedUs < 0 ? capBytes : Math.floor((perSecond * elapsedUs) / 1e6);
  // What is too little for a byte is not forgotten.
  if (gained > 0) {
    i32[r + T_PACE_US] = now;
    i32[r + T_PACE_TOKENS] = Math.min(i32[r + T_PACE_TOKENS] + gained, capBytes);
  }
  return i32[r + T_PACE_TOKENS];
}

/** A connection is established: its bucket is full. */
export function initPacing(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  i32[r + T_PACE_TOKENS] = BUCKET_SEGMENTS * i32[r + T_SND_MSS];
  i32[r + T_PACE_US] = core.nowUs32();
}

/** `bytes` have left. The bucket may owe a part of a segment. */
export function paceSent(core: TcpCore, r: number, bytes: number): void {
  if (followsWindow(core, r) || bound(core, r) !== 0) core.window.i32[r + T_PACE_TOKENS] -= bytes;
}

/** Microseconds until a segment may leave. */
export function paceWaitUs(core: TcpCore, r: number): number {
  const { i32 } = core.window;
  const missing = 1 - i32[r + T_PACE_TOKENS];
  return missing <= 0 ? 0 : Math.ceil((missing * 1e6) / Math.max(rate(core, r), 1));
}
