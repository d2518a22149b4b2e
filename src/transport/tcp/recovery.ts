import { C_FLAGS } from "../transport.js";
import {
  RF_FRTO,
  RF_FRTO_NEW,
  RF_RESCUED,
  RF_RTO_NOW,
  RF_TLP_NOW,
  RF_TLP_OUT,
  RF_WAS_LIMITED,
  T_CWND,
  T_DUPACKS,
  T_FAST_RETRAN,
  T_RACK_RTT_US,
  T_RECOVER,
  T_RECOVERY,
  T_REDUCED_US,
  T_SB_FIRST,
  T_SB_OLDEST,
  T_SND_NXT,
  T_SND_UNA,
  T_SSTHRESH,
  TF_CWND_LIMITED,
  TF_FAST_RECOVERY,
  TF_LOSS_RECOVERY,
  TF_SACK,
} from "./connection.js";
import type { TcpCore } from "./core.js";
import { detectLosses, loseAll } from "./loss-detection.js";
import { initPrr, updatePrr } from "./prr.js";
import { rackRecovered, reorderingWindowUs, usesRack } from "./rack.js";
import { R_FLAGS, R_LATER, R_SENT_US, RANGE_SACKED } from "./scoreboard.js";
import type { Segment } from "./segment.js";
import { endRecovery, rememberForUndo, tryUndo } from "./undo.js";

/**
 * After an acknowledgement was taken to the scoreboard and losses were marked: moves the connection between open, fast
 * recovery (after loss seen by acknowledgements) and loss recovery (after a timeout), and lets cwnd follow.
 * `ackedBytes` were acknowledged cumulatively, `flightBytes` were in flight before.
 */
export function afterAck(core: TcpCore, r: number, ackedBytes: number, flightBytes: number, seg: Segment): void {
  const { i32 } = core.window;
  const { delivery } = core;
  const before = i32[r + C_FLAGS];
  if ((before & TF_LOSS_RECOVERY) !== 0 && (i32[r + T_RECOVERY] & (RF_FRTO | RF_FRTO_NEW)) !== 0) {
    forwardRto(core, r, ackedBytes);
  }
  // What is still missing may be lost all the same; the acknowledgement that says so need not be followed by another.
  if (tryUndo(core, r, ackedBytes, seg)) detectLosses(core, core.connections.at(r), r, ackedBytes);
  const isPast = ((i32[r + T_SND_UNA] - i32[r + T_RECOVER]) | 0) >= 0;
  if ((i32[r + C_FLAGS] & (TF_FAST_RECOVERY | TF_LOSS_RECOVERY)) !== 0 && isPast) leaveRecovery(core, r);
  const flags = i32[r + C_FLAGS];
  if ((flags & TF_FAST_RECOVERY) !== 0) {
    reduceAgain(core, r, flightBytes);
    // RFC 6582 3.2 step 3: without SACK a partial ACK names the one hole that is known, and it goes at once.
    const isForced = (flags & TF_SACK) === 0 && delivery.hasLoss;
    updatePrr(core, r, delivery.bytes, ackedBytes > 0 && !delivery.hasLoss, isForced);
  } else if ((flags & TF_LOSS_RECOVERY) === 0 && delivery.hasLoss) {
    enterRecovery(core, r, flightBytes);
    updatePrr(core, r, delivery.bytes, false);
  } else if ((before & TF_FAST_RECOVERY) === 0 && (ackedBytes > 0 || delivery.rttUs >= 0)) {
    // In slow start half a window in flight is enough: it doubles each round trip, ahead of what the sender uses.
    const isLimited =
      (flags & (TF_CWND_LIMITED | TF_LOSS_RECOVERY)) !== 0 ||
      (i32[r + T_RECOVERY] & RF_WAS_LIMITED) !== 0 ||
      (i32[r + T_CWND] < i32[r + T_SSTHRESH] && flightBytes * 2 > i32[r + T_CWND]);
    core.congestion.acked(r, ackedBytes, flightBytes, isLimited, delivery.rttUs);
  }
  // It follows along: 2^31 bytes later it would seem to lie ahead, and recoveries would never end.
  if ((i32[r + C_FLAGS] & (TF_FAST_RECOVERY | TF_LOSS_RECOVERY)) === 0 && isPast)
    i32[r + T_RECOVER] = i32[r + T_SND_UNA];
}

/** The reordering timer has marked losses, of which `core.delivery` tells. */
export function lossByTime(core: TcpCore, r: number, flightBytes: number): void {
  const { i32 } = core.window;
  const { delivery } = core;
  const flags = i32[r + C_FLAGS];
  if (!delivery.hasLoss || (flags & TF_LOSS_RECOVERY) !== 0) return;
  if ((flags & TF_FAST_RECOVERY) === 0) enterRecovery(core, r, flightBytes);
  else reduceAgain(core, r, flightBytes);
  updatePrr(core, r, 0, false);
}

/** In recovery: a retransmission that was sent after the last decrease, most often in the same turn, was lost (RFC 8985 9.3). */
function reduceAgain(core: TcpCore, r: number, flightBytes: number): void {
  const { delivery } = core;
  const since = (delivery.lostRetransUs - core.window.i32[r + T_REDUCED_US]) | 0;
  if (delivery.hasLostRetrans && since >= 0) reduce(core, r, flightBytes);
}

/** Losses were seen by acknowledgements or by the reordering timer: fast recovery begins (RFC 6675 5, RFC 6937). */
function enterRecovery(core: TcpCore, r: number, flightBytes: number): void {
  const { i32 } = core.window;
  rememberForUndo(core, r);
  i32[r + C_FLAGS] |= TF_FAST_RECOVERY;
  i32[r + T_RECOVERY] &= ~(RF_TLP_NOW | RF_TLP_OUT | RF_RESCUED);
  i32[r + T_FAST_RETRAN]++;
  reduce(core, r, flightBytes);
}

/** One multiplicative decrease. */
function reduce(core: TcpCore, r: number, flightBytes: number): void {
  const { i32 } = core.window;
  i32[r + T_RECOVER] = i32[r + T_SND_NXT];
  i32[r + T_REDUCED_US] = core.nowUs32();
  core.congestion.enterRecovery(r, flightBytes);
  initPrr(core, r, flightBytes);
}

/** All that was outstanding when recovery began is acknowledged. */
function leaveRecovery(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  // RFC 6937 3: PRR ends at ssthresh. After a timeout slow start goes on where it is.
  if ((i32[r + C_FLAGS] & TF_FAST_RECOVERY) !== 0) i32[r + T_CWND] = i32[r + T_SSTHRESH];
  endRecovery(core, r);
  if (usesRack(core, r)) rackRecovered(core, r);
}

/**
 * The tail loss probe, a retransmission, has repaired a loss that nobody else noticed: a loss is a sign of congestion
 * (RFC 8985 7.4.2).
 */
export function probeRepaired(core: TcpCore, r: number, flightBytes: number): void {
  const { i32 } = core.window;
  core.congestion.enterRecovery(r, flightBytes);
  i32[r + T_CWND] = Math.min(i32[r + T_CWND], i32[r + T_SSTHRESH]);
  i32[r + T_REDUCED_US] = core.nowUs32();
}

/**
 * The retransmission timer expired (RFC 5681 3.1, RFC 6675 5.1, RFC 8985 6.3): cwnd is one segment, and what must be taken
 * for lost is marked. F-RTO watches when this may be no loss (RFC 5682 2.1 step 1).
 */
export function timeoutLoss(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  const isFirst = (i32[r + C_FLAGS] & TF_LOSS_RECOVERY) === 0;
  const isOpen = (i32[r + C_FLAGS] & (TF_FAST_RECOVERY | TF_LOSS_RECOVERY)) === 0;
  if (isFirst) rememberForUndo(core, r);
  core.congestion.timeout(r, (i32[r + T_SND_NXT] - i32[r + T_SND_UNA]) | 0, isFirst);
  i32[r + C_FLAGS] = (i32[r + C_FLAGS] & ~TF_FAST_RECOVERY) | TF_LOSS_RECOVERY;
  i32[r + T_RECOVERY] &= ~(RF_TLP_NOW | RF_TLP_OUT | RF_RESCUED | RF_FRTO | RF_FRTO_NEW);
  i32[r + T_RECOVERY] |= isOpen ? RF_FRTO | RF_RTO_NOW : RF_RTO_NOW;
  i32[r + T_RECOVER] = i32[r + T_SND_NXT];
  i32[r + T_REDUCED_US] = core.nowUs32();
  i32[r + T_DUPACKS] = 0;
  markTimedOut(core, r);
}

/** With RACK only the first range is surely lost, the rest by time; without it everything that the peer has not reported. */
function markTimedOut(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  const { scoreboard } = core;
  const first = i32[r + T_SB_FIRST];
  // The peer holds the next byte and does not acknowledge it: it has dropped what it reported (RFC 2018 8).
  if (first !== 0 && (i32[first + R_FLAGS] & RANGE_SACKED) !== 0) scoreboard.renege(r);
  if (!usesRack(core, r)) {
    loseAll(core, r);
    return;
  }
  const allowanceUs = i32[r + T_RACK_RTT_US] + reorderingWindowUs(core, r);
  const now = core.nowUs32();
  for (let range = i32[r + T_SB_OLDEST]; range !== 0; ) {
    const later = i32[range + R_LATER];
    const isOverdue = ((now - i32[range + R_SENT_US]) | 0) >= allowanceUs;
    if (range === first || isOverdue) scoreboard.markLost(r, range);
    range = later;
  }
}

/**
 * RFC 5682 2.1 and 3: the first acknowledgement after the timeout lets new segments go instead of retransmissions; when
 * the next tells that something arrived which was sent only once, the timeout was spurious, and {@link tryUndo} says so.
 */
function forwardRto(core: TcpCore, r: number, ackedBytes: number): void {
  const { i32 } = core.window;
  const { delivery } = core;
  const isFirst = (i32[r + T_RECOVERY] & RF_FRTO_NEW) === 0;
  if (isFirst) {
    // The first may cover what had arrived behind a true loss, and duplicates tell nothing yet: only the second decides.
    if (ackedBytes === 0 && !delivery.hasLoss) return;
  } else if (delivery.hasOriginal && ((delivery.lowestOriginalEnd - i32[r + T_RECOVER]) | 0) <= 0) {
    delivery.isSpuriousTimeout = true;
    return;
  }
  i32[r + T_RECOVERY] &= ~(RF_FRTO | RF_FRTO_NEW);
  const isPast = ((i32[r + T_SND_UNA] - i32[r + T_RECOVER]) | 0) >= 0;
  if (isFirst && ackedBytes > 0 && !isPast && !delivery.hasLoss) i32[r + T_RECOVERY] |= RF_FRTO | RF_FRTO_NEW;
}
