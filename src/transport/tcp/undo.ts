import { C_FLAGS } from "../transport.js";
import {
  RF_FRTO,
  RF_FRTO_NEW,
  RF_REORDERED,
  RF_REPAIRED,
  RF_RESCUED,
  RF_RTO_NOW,
  RF_UNDO,
  T_BACKOFF,
  T_CWND,
  T_DUPACKS,
  T_LOST,
  T_PRIOR_CWND,
  T_PRIOR_SSTHRESH,
  T_RECOVERY,
  T_REDUCED_US,
  T_RETRANS_STAMP,
  T_SACKED,
  T_SND_UNA,
  T_SPURIOUS,
  T_SRTT_US,
  T_SSTHRESH,
  T_UNDO_MARKER,
  T_UNDO_RETRANS,
  TF_FAST_RECOVERY,
  TF_LOSS_RECOVERY,
  TF_SACK,
  TF_TIMESTAMPS,
} from "./connection.js";
import type { TcpCore } from "./core.js";
import { TCP_ERROR } from "./errors.js";
import { usesRack, widenReorderingWindow } from "./rack.js";
import type { Segment } from "./segment.js";

/** A recovery takes a round trip, and the D-SACK for its last retransmission another one. */
const PENDING_ROUND_TRIPS = 3;

/** cwnd is about to be reduced: what it is now comes back if the loss turns out to be none. */
export function rememberForUndo(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  if (isPending(core, r)) return;
  const isOpen = (i32[r + C_FLAGS] & (TF_FAST_RECOVERY | TF_LOSS_RECOVERY)) === 0;
  // A timeout in fast recovery that was for nothing leaves that recovery's reduction as it is.
  i32[r + T_PRIOR_CWND] = isOpen ? i32[r + T_CWND] : i32[r + T_SSTHRESH];
  i32[r + T_PRIOR_SSTHRESH] = i32[r + T_SSTHRESH];
  core.congestion.remember(r);
  i32[r + T_UNDO_MARKER] = i32[r + T_SND_UNA];
  i32[r + T_UNDO_RETRANS] = 0;
  i32[r + T_RETRANS_STAMP] = 0;
  i32[r + T_RECOVERY] = (i32[r + T_RECOVERY] & ~RF_REPAIRED) | RF_UNDO;
}

/**
 * Whether a recovery has just ended whose D-SACKs are still to come: the next one joins it, so that both are undone when
 * the peer had everything, or neither.
 */
function isPending(core: TcpCore, r: number): boolean {
  const { i32 } = core.window;
  if ((i32[r + C_FLAGS] & (TF_FAST_RECOVERY | TF_LOSS_RECOVERY)) !== 0) return false;
  if ((i32[r + T_RECOVERY] & RF_UNDO) === 0 || i32[r + T_UNDO_RETRANS] === 0) return false;
  return ((core.nowUs32() - i32[r + T_REDUCED_US]) | 0) < PENDING_ROUND_TRIPS * i32[r + T_SRTT_US];
}

/** `bytes` are sent again. */
export function noteRetransmission(core: TcpCore, r: number, bytes: number): void {
  const { i32 } = core.window;
  if ((i32[r + T_RECOVERY] & RF_UNDO) === 0) return;
  i32[r + T_UNDO_RETRANS] += bytes;
  // 0 means that there was none yet.
  if (i32[r + T_RETRANS_STAMP] === 0) i32[r + T_RETRANS_STAMP] = core.tsNow(r) || 1;
}

/**
 * Takes a reduction of cwnd back that an acknowledgement shows to have been for nothing: it was sent before the first
 * retransmission (Eifel, RFC 3522), the peer had each retransmission already (D-SACK, RFC 3708), or F-RTO says so (RFC 5682).
 * What was taken for lost is in flight again (RFC 4015). True when it did.
 */
export function tryUndo(core: TcpCore, r: number, ackedBytes: number, seg: Segment): boolean {
  const { i32 } = core.window;
  const { delivery } = core;
  if ((i32[r + T_RECOVERY] & RF_UNDO) === 0) return false;
  const isRetransmitted = i32[r + T_RETRANS_STAMP] !== 0;
  const isRecovering = (i32[r + C_FLAGS] & (TF_FAST_RECOVERY | TF_LOSS_RECOVERY)) !== 0;
  const isEcho = isRetransmitted && isRecovering && ackedBytes > 0 && isFromBefore(core, r, seg);
  // A retransmission came first: most likely it was needed. Only D-SACKs for all of them can tell otherwise now.
  if (delivery.hasAckedRetrans && !isEcho) i32[r + T_RECOVERY] |= RF_REPAIRED;
  // What was lost has arrived before it could be sent again.
  const isFoundInTime = !isRetransmitted && i32[r + T_LOST] === 0 && delivery.bytes > 0;
  const isForNothing =
    delivery.isSpuriousTimeout ||
    (isFoundInTime && (i32[r + C_FLAGS] & TF_FAST_RECOVERY) !== 0) ||
    (isRetransmitted && delivery.hasUndoDsack && i32[r + T_UNDO_RETRANS] === 0) ||
    // While others are under way, some of them may be needed: it is for the last to tell.
    (isEcho && (i32[r + T_RECOVERY] & RF_REPAIRED) === 0 && !core.scoreboard.hasRetransmissions(r));
  if (!isForNothing) return false;
  if (usesRack(core, r) && !delivery.isSpuriousTimeout) widenReorderingWindow(core, r);
  // The original came behind what was sent after it: that is reordering, though RFC 8985 6.2 step 3 does not count it.
  if (isEcho && !delivery.isSpuriousTimeout) i32[r + T_RECOVERY] |= RF_REORDERED;
  i32[r + T_RECOVERY] &= ~RF_UNDO;
  i32[r + T_SPURIOUS]++;
  core.events.count(TCP_ERROR.spurious_retransmit);
  i32[r + T_CWND] = Math.max(i32[r + T_CWND], i32[r + T_PRIOR_CWND]);
  i32[r + T_SSTHRESH] = Math.max(i32[r + T_SSTHRESH], i32[r + T_PRIOR_SSTHRESH]);
  core.congestion.undo(r);
  core.scoreboard.clearLost(r);
  delivery.hasLoss = false;
  if ((i32[r + C_FLAGS] & TF_LOSS_RECOVERY) !== 0) i32[r + T_BACKOFF] = 0;
  endRecovery(core, r);
  return true;
}

/** RFC 3522 3.2 step 4: the echoed timestamp is older than the first retransmission. */
function isFromBefore(core: TcpCore, r: number, seg: Segment): boolean {
  const { i32 } = core.window;
  if ((i32[r + C_FLAGS] & TF_TIMESTAMPS) === 0 || !seg.hasTimestamps || seg.tsEcr === 0) return false;
  return ((seg.tsEcr - i32[r + T_RETRANS_STAMP]) | 0) < 0;
}

/** Back to the open state; cwnd is the caller's. */
export function endRecovery(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  i32[r + C_FLAGS] &= ~(TF_FAST_RECOVERY | TF_LOSS_RECOVERY);
  i32[r + T_RECOVERY] &= ~(RF_FRTO | RF_FRTO_NEW | RF_RESCUED | RF_RTO_NOW);
  i32[r + T_DUPACKS] = 0;
  if ((i32[r + C_FLAGS] & TF_SACK) === 0) i32[r + T_SACKED] = 0;
}
