import { T_CWND, T_SND_MSS, T_SSTHRESH, T_TIMEOUTS } from "./connection.js";

/** Ceiling of cwnd, well inside int32 sums with a window of 1 GiB. */
export const MAX_CWND_BYTES = 1 << 29;

/**
 * RFC 6928 2: at most `segments`, and no more than 14600 bytes unless that is less than two segments; with `isNew` one
 * segment after a SYN that was lost more than once, which is a sign of congestion.
 */
export function initialWindow(i32: Int32Array, r: number, segments: number, isNew: boolean): number {
  const mss = i32[r + T_SND_MSS];
  if (isNew && i32[r + T_TIMEOUTS] > 1) return mss;
  return Math.min(segments * mss, Math.max(2 * mss, segments * 1460));
}

/**
 * RFC 5681 3.1 by bytes (RFC 3465): cwnd grows by what was acknowledged, up to ssthresh. A superframe's ACK covers many
 * segments at once and each of them counts. Returns the bytes that are left for congestion avoidance.
 */
export function slowStart(i32: Int32Array, r: number, ackedBytes: number): number {
  const cwnd = i32[r + T_CWND];
  const room = i32[r + T_SSTHRESH] - cwnd;
  if (room <= 0) return ackedBytes;
  const growth = Math.min(ackedBytes, room);
  i32[r + T_CWND] = Math.min(cwnd + growth, MAX_CWND_BYTES);
  return ackedBytes - growth;
}
