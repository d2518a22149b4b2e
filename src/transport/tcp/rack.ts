import { C_FLAGS, type ConnectionIndex } from "../transport.js";
import {
  RF_DSACK_ROUND,
  RF_REO_TIMER,
  RF_REORDERED,
  RF_TLP_TIMER,
  T_DUPACKS,
  T_MIN_RTT_MS,
  T_MIN_RTT_US,
  T_RACK_END,
  T_RACK_FACK,
  T_RACK_REO,
  T_RACK_RTT_US,
  T_RACK_XMIT_US,
  T_RECOVERY,
  T_SACKED,
  T_DSACK_ROUND,
  T_SB_OLDEST,
  T_SND_MSS,
  T_SND_NXT,
  T_SND_UNA,
  T_SRTT_US,
  TF_FAST_RECOVERY,
  TF_LOSS_RECOVERY,
  TF_SACK,
  TF_TIMESTAMPS,
} from "./connection.js";
import { type TcpCore, TIMER_RETRANSMIT } from "./core.js";
import { R_END, R_FLAGS, R_LATER, R_SENT_US, RANGE_RETRANS } from "./scoreboard.js";
import type { Segment } from "./segment.js";

/** Segments above a hole that make it a loss while no reordering has been seen (RFC 8985 6.2, RFC 5681). */
export const DUPACK_THRESHOLD = 3;
/** Recoveries for which an enlarged reordering window persists (RFC 8985 6.2 step 4). */
const REO_PERSIST = 16;
/** Most multiples of a quarter round trip: the window itself is bounded by SRTT. */
const REO_MULTIPLIER_MAX = 255;
/** How long a least round trip counts: RFC 8985 6.2 step 1 asks for a window that follows changes of the path. */
const MIN_RTT_WINDOW_MS = 300_000;

/** Whether losses of this connection are detected by time (RFC 8985). */
export function usesRack(core: TcpCore, r: number): boolean {
  return core.config.rack && (core.window.i32[r + C_FLAGS] & TF_SACK) !== 0;
}

/** A new connection. */
export function initRack(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  i32[r + T_RACK_FACK] = i32[r + T_SND_UNA];
  i32[r + T_RACK_END] = i32[r + T_SND_UNA];
  i32[r + T_RACK_REO] = 1;
}

/** RFC 8985 6.2 step 1: the least round trip of the last minutes. */
export function updateMinRtt(core: TcpCore, r: number, rttUs: number): void {
  const { i32 } = core.window;
  const ageMs = (core.engine.nowMs - i32[r + T_MIN_RTT_MS]) | 0;
  const least = i32[r + T_MIN_RTT_US];
  if (least !== 0 && rttUs > least && ageMs < MIN_RTT_WINDOW_MS) return;
  i32[r + T_MIN_RTT_US] = Math.max(rttUs, 1);
  i32[r + T_MIN_RTT_MS] = core.engine.nowMs;
}

/** Whether the acknowledgement of a retransmission is more likely that of an earlier transmission (RFC 8985 6.2 step 2). */
function isOfEarlier(core: TcpCore, r: number, ageUs: number, seg: Segment): boolean {
  const { i32 } = core.window;
  if (ageUs < i32[r + T_MIN_RTT_US]) return true;
  if ((i32[r + C_FLAGS] & TF_TIMESTAMPS) === 0 || !seg.hasTimestamps) return false;
  // The peer echoes a time before this transmission; milliseconds round.
  return ((core.tsNow(r) - seg.tsEcr) | 0) > Math.floor(ageUs / 1000) + 1;
}

/** RFC 8985 6.2 steps 1 to 4 (the third first, while RACK.rtt is that of the segments before), for what `core.delivery` says of acknowledgement `seg`. */
export function rackUpdate(core: TcpCore, r: number, seg: Segment): void {
  const { i32 } = core.window;
  const { delivery } = core;
  if (delivery.hasLatest) {
    // Step 3: something sent once arrived behind what was sent after it.
    const fack = i32[r + T_RACK_FACK];
    if (delivery.hasOriginal && ((delivery.lowestOriginalEnd - fack) | 0) < 0) noteReordering(core, r);
    if (((delivery.highestEnd - fack) | 0) > 0) i32[r + T_RACK_FACK] = delivery.highestEnd;
    const ageUs = (core.nowUs32() - delivery.latestSentUs) | 0;
    if (!delivery.latestIsRetrans) updateMinRtt(core, r, ageUs);
    if (!delivery.latestIsRetrans || !isOfEarlier(core, r, ageUs, seg)) {
      noteDelivered(core, r, delivery.latestSentUs, delivery.latestEnd);
    } else if (delivery.hasOriginal) noteDelivered(core, r, delivery.originalSentUs, delivery.originalEnd);
  }
  if (delivery.hasDsack) widenReorderingWindow(core, r);
  // The round is over: 2^31 bytes later it would seem to lie ahead.
  else if (((i32[r + T_SND_UNA] - i32[r + T_DSACK_ROUND]) | 0) >= 0) i32[r + T_RECOVERY] &= ~RF_DSACK_ROUND;
}

/** Step 2: what was sent at `sentUs` up to `end` has arrived. */
function noteDelivered(core: TcpCore, r: number, sentUs: number, end: number): void {
  const { i32 } = core.window;
  i32[r + T_RACK_RTT_US] = (core.nowUs32() - sentUs) | 0;
  if (!isSentAfter(sentUs, end, i32[r + T_RACK_XMIT_US], i32[r + T_RACK_END])) return;
  i32[r + T_RACK_XMIT_US] = sentUs;
  i32[r + T_RACK_END] = end;
}

/**
 * Reordering was seen. Beyond RFC 8985 its extent is, too: the window becomes no less than what this segment was late,
 * so that the next one like it does not have to be sent again for nothing before the window adapts.
 */
function noteReordering(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  i32[r + T_RECOVERY] |= RF_REORDERED;
  const quarterUs = Math.max(i32[r + T_MIN_RTT_US] >> 2, 1);
  const lateUs = ((core.nowUs32() - core.delivery.lowestOriginalUs) | 0) - i32[r + T_RACK_RTT_US];
  const multiplier = Math.min(Math.ceil(lateUs / quarterUs), REO_MULTIPLIER_MAX);
  if (multiplier > (i32[r + T_RACK_REO] & 0xff)) i32[r + T_RACK_REO] = multiplier | (REO_PERSIST << 8);
}

/**
 * Step 4: a D-SACK, or an echoed timestamp (RFC 3522), says that something was sent again for nothing: the reordering
 * window was too small. At most one step for each round trip.
 */
export function widenReorderingWindow(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  const isSameRound = ((i32[r + T_SND_UNA] - i32[r + T_DSACK_ROUND]) | 0) < 0;
  if ((i32[r + T_RECOVERY] & RF_DSACK_ROUND) !== 0 && isSameRound) return;
  i32[r + T_RECOVERY] |= RF_DSACK_ROUND;
  i32[r + T_DSACK_ROUND] = i32[r + T_SND_NXT];
  const multiplier = Math.min((i32[r + T_RACK_REO] & 0xff) + 1, REO_MULTIPLIER_MAX);
  i32[r + T_RACK_REO] = multiplier | (REO_PERSIST << 8);
}

/** A recovery has ended: after some the reordering window falls back to its least (step 4). */
export function rackRecovered(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  const persist = i32[r + T_RACK_REO] >> 8;
  i32[r + T_RACK_REO] = persist > 1 ? i32[r + T_RACK_REO] - (1 << 8) : 1;
}

/** RACK.reo_wnd, microseconds: how much later than its successors a segment may arrive. */
export function reorderingWindowUs(core: TcpCore, r: number): number {
  const { i32 } = core.window;
  if ((i32[r + T_RECOVERY] & RF_REORDERED) === 0) {
    const isRecovering = (i32[r + C_FLAGS] & (TF_FAST_RECOVERY | TF_LOSS_RECOVERY)) !== 0;
    if (isRecovering || hasDupThresh(core, r)) return 0;
  }
  const window = (i32[r + T_MIN_RTT_US] >> 2) * (i32[r + T_RACK_REO] & 0xff);
  return Math.min(window, i32[r + T_SRTT_US]);
}

/** Whether as much was selectively acknowledged as three duplicate ACKs stand for (RFC 6675 DupThresh). */
export function hasDupThresh(core: TcpCore, r: number): boolean {
  const { i32 } = core.window;
  if (i32[r + T_DUPACKS] >= DUPACK_THRESHOLD) return true;
  return i32[r + T_SACKED] > (DUPACK_THRESHOLD - 1) * i32[r + T_SND_MSS];
}

function isSentAfter(us1: number, end1: number, us2: number, end2: number): boolean {
  const later = (us1 - us2) | 0;
  return later > 0 || (later === 0 && ((end1 - end2) | 0) > 0);
}

/**
 * RFC 8985 6.2 step 5: what was sent before the segment delivered last, and is a reordering window overdue, is lost.
 * Starts the reordering timer for what is not overdue yet; tells `core.delivery` of the losses.
 */
export function rackDetect(core: TcpCore, c: ConnectionIndex, r: number): void {
  const { i32 } = core.window;
  const now = core.nowUs32();
  const xmitUs = i32[r + T_RACK_XMIT_US];
  const end = i32[r + T_RACK_END];
  const allowanceUs = i32[r + T_RACK_RTT_US] + reorderingWindowUs(core, r);
  let waitUs = 0;
  for (let range = i32[r + T_SB_OLDEST]; range !== 0; ) {
    if (!isSentAfter(xmitUs, end, i32[range + R_SENT_US], i32[range + R_END])) break;
    const later = i32[range + R_LATER];
    const remainingUs = allowanceUs - ((now - i32[range + R_SENT_US]) | 0);
    if (remainingUs <= 0) {
      core.delivery.takeLost(i32[range + R_SENT_US], (i32[range + R_FLAGS] & RANGE_RETRANS) !== 0);
      core.scoreboard.markLost(r, range);
    } else if (remainingUs > waitUs) waitUs = remainingUs;
    range = later;
  }
  if (waitUs > 0) {
    i32[r + T_RECOVERY] = (i32[r + T_RECOVERY] & ~RF_TLP_TIMER) | RF_REO_TIMER;
    core.startTimerUs(c, TIMER_RETRANSMIT, waitUs);
  } else if ((i32[r + T_RECOVERY] & RF_REO_TIMER) !== 0) {
    i32[r + T_RECOVERY] &= ~RF_REO_TIMER;
    core.stopTimer(c, TIMER_RETRANSMIT);
  }
}
