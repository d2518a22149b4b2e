import type { Frame } from "../../graph/frame.js";
import { TCP_FLAG_ACK } from "../../wire/tcp.js";
import { C_FLAGS, C_STATE, type ConnectionIndex } from "../transport.js";
import {
  CLOSED,
  P_ACK,
  P_ACK_DELAYED,
  P_ACK_QUEUED,
  P_DUPACK_MAX,
  P_QUICK_ONE,
  SYN_RCVD,
  T_LAST_ACK_SENT,
  T_PENDING,
  T_RCV_MSS,
  T_RCV_NXT,
  T_RTO_US,
  T_SND_MSS,
  T_TS_RECENT_MS,
  TF_SACK,
} from "./connection.js";
import { type TcpCore, TICKS_PER_MS } from "./core.js";
import { acceptableSeq, controlSegment, oweAck } from "./segment-out.js";

/** Receive MSS before a longer segment was seen (RFC 9293 MUST-15: what every peer can send). */
const INITIAL_RCV_MSS = 536;

/** A new connection: its first segments are acknowledged at once, and how long its segments are is not known. */
export function initDelayedAck(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  i32[r + T_RCV_MSS] = Math.min(INITIAL_RCV_MSS, i32[r + T_SND_MSS]);
  quicken(core, r);
}

/** The next segments are acknowledged at once: the peer cannot do without (RFC 5681 4.2), or its window is small yet. */
export function quicken(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  i32[r + T_PENDING] = (i32[r + T_PENDING] & (P_QUICK_ONE - 1)) | (core.config.quickAcks * P_QUICK_ONE);
}

/**
 * An acceptable segment came. After a silence longer than a retransmission timeout the peer begins with a small window
 * again (RFC 5681 4.1). With timestamps it is TS.Recent that is timed: only to be called when that is taken.
 */
export function noteHeard(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  const { nowMs } = core.engine;
  const silentMs = (nowMs - i32[r + T_TS_RECENT_MS]) | 0;
  i32[r + T_TS_RECENT_MS] = nowMs;
  // No timeout is shorter than the least one: T_RTO_US lies on another cache line.
  if (silentMs > core.config.rtoMinMs && silentMs > i32[r + T_RTO_US] / 1000) quicken(core, r);
}

/**
 * `len` bytes of text went into the rx fifo in order. Their ACK goes at once when two full segments are waiting for one
 * (RFC 5681 4.2; a superframe is as good as two), or quick ACKs are left; else with the next data, or when the timer
 * fires.
 */
export function acknowledgeText(core: TcpCore, c: ConnectionIndex, r: number, len: number): void {
  const { i32 } = core.window;
  let rcvMss = i32[r + T_RCV_MSS];
  // Longer than what we send ourselves is most likely a superframe: how its segments are cut is not known.
  if (len > rcvMss && len <= i32[r + T_SND_MSS]) i32[r + T_RCV_MSS] = rcvMss = len;
  const pending = i32[r + T_PENDING];
  if (pending >= P_QUICK_ONE || ((i32[r + T_RCV_NXT] - i32[r + T_LAST_ACK_SENT]) | 0) >= 2 * rcvMss) {
    oweAck(core, c, r);
  } else if ((pending & (P_ACK | P_ACK_DELAYED)) === 0) delay(core, c, r);
}

/** The ACK waits for company, not longer than RFC 1122 4.2.3.2 allows. */
function delay(core: TcpCore, c: ConnectionIndex, r: number): void {
  if (core.config.delayedAckMs === 0) {
    oweAck(core, c, r);
    return;
  }
  const { i32 } = core.window;
  // A place that is left, for an ACK that went with data meanwhile, comes up the sooner.
  if ((i32[r + T_PENDING] & P_ACK_QUEUED) !== 0) i32[r + T_PENDING] |= P_ACK_DELAYED;
  else if (core.delayedAcks.push(c, (core.engine.tick + core.config.delayedAckMs * TICKS_PER_MS) | 0)) {
    i32[r + T_PENDING] |= P_ACK_DELAYED | P_ACK_QUEUED;
  } else oweAck(core, c, r);
}

/** ACKs have waited long enough at `tick`: at most `limit` of them, so that other work has its turn. */
export function expireDelayedAcks(core: TcpCore, tick: number, limit: number): void {
  const { i32 } = core.window;
  for (let i = 0; i < limit; i++) {
    const c = core.delayedAcks.shift(tick);
    if (c < 0) return;
    const r = core.connections.row(c);
    // The place may be that of a connection that had this row before: then an ACK goes early, which does no harm.
    i32[r + T_PENDING] &= ~P_ACK_QUEUED;
    if (i32[r + C_STATE] !== CLOSED && (i32[r + T_PENDING] & P_ACK_DELAYED) !== 0) oweAck(core, c, r);
  }
}

/**
 * Sends the ACK that is owed unless data carried it; to a peer without SACK one for each segment out of order (RFC 5681
 * 4.2).
 */
export function acknowledge(
  core: TcpCore,
  c: ConnectionIndex,
  r: number,
  frame: Frame,
  next: number,
  limit: number,
): void {
  const { i32 } = core.window;
  const pending = i32[r + T_PENDING];
  if (i32[r + C_STATE] < SYN_RCVD) return;
  let count = (pending >>> 8) & P_DUPACK_MAX;
  if (count === 0) count = pending & P_ACK;
  else if ((i32[r + C_FLAGS] & TF_SACK) !== 0) count = 1;
  for (; count > 0 && frame.count < limit; count--) {
    const b = controlSegment(core, c, r, acceptableSeq(core, r), TCP_FLAG_ACK);
    if (b < 0) break;
    frame.add(b, next);
  }
  // One that may wait still waits, when nothing went.
  i32[r + T_PENDING] &= ~(P_ACK | (P_DUPACK_MAX << 8));
}
