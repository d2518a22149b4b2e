import { C_FLAGS, type ConnectionIndex } from "../transport.js";
import {
  T_DUPACKS,
  T_RECOVER,
  T_SACKED,
  T_SB_FIRST,
  T_SB_LAST,
  T_SND_MSS,
  T_SND_NXT,
  T_SND_UNA,
  TF_FAST_RECOVERY,
  TF_LOSS_RECOVERY,
  TF_SACK,
} from "./connection.js";
import type { TcpCore } from "./core.js";
import { DUPACK_THRESHOLD, hasDupThresh, rackDetect, usesRack } from "./rack.js";
import { R_END, R_FLAGS, R_START, RANGE_LOST, RANGE_RETRANS, RANGE_SACKED } from "./scoreboard.js";

/**
 * Marks what an acknowledgement shows to be lost, by the strongest means that the peer allows: time (RFC 8985), counting
 * selective acknowledgements (RFC 6675), or counting duplicate ones (RFC 5681, 6582). `core.delivery` tells of losses.
 */
export function detectLosses(core: TcpCore, c: ConnectionIndex, r: number, ackedBytes: number): void {
  if (usesRack(core, r)) rackDetect(core, c, r);
  else if ((core.window.i32[r + C_FLAGS] & TF_SACK) !== 0) countDetect(core, r);
  else if (ackedBytes > 0) partialAck(core, r);
  else duplicateDetect(core, r);
}

/**
 * RFC 6675 4 IsLost and 5: what has three segments above it that arrived, in pieces or in bytes. Retransmissions are
 * left to the timer.
 */
function countDetect(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  if (i32[r + T_SACKED] === 0) return;
  const enough = (DUPACK_THRESHOLD - 1) * i32[r + T_SND_MSS];
  let pieces = 0;
  let bytes = 0;
  let range = i32[r + T_SB_LAST];
  while (range !== 0) {
    const previous = core.scoreboard.previous(range);
    const flags = i32[range + R_FLAGS];
    if ((flags & RANGE_SACKED) !== 0) {
      pieces++;
      bytes += (i32[range + R_END] - i32[range + R_START]) | 0;
    } else if ((flags & (RANGE_LOST | RANGE_RETRANS)) === 0 && (pieces >= DUPACK_THRESHOLD || bytes > enough)) {
      lose(core, r, range);
    }
    range = previous;
  }
  const first = i32[r + T_SB_FIRST];
  const isOpen = (i32[r + C_FLAGS] & (TF_FAST_RECOVERY | TF_LOSS_RECOVERY)) === 0;
  if (isOpen && !core.delivery.hasLoss && hasDupThresh(core, r) && (i32[first + R_FLAGS] & RANGE_SACKED) === 0) {
    loseHead(core, r);
  }
}

function lose(core: TcpCore, r: number, range: number): void {
  core.delivery.takeLost(0, false);
  core.scoreboard.markLost(r, range);
}

/** The first unacknowledged segment is lost, unless it was sent again already. */
function loseHead(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  const first = i32[r + T_SB_FIRST];
  if (first === 0 || (i32[first + R_FLAGS] & (RANGE_LOST | RANGE_RETRANS)) !== 0) return;
  core.delivery.takeLost(0, false);
  core.scoreboard.markHeadLost(r, first, i32[r + T_SND_MSS]);
}

/** Without SACK: three duplicate ACKs, but not of what was sent before the last recovery ended (RFC 6582 3.2 step 2). */
function duplicateDetect(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  if ((i32[r + C_FLAGS] & (TF_FAST_RECOVERY | TF_LOSS_RECOVERY)) !== 0) return;
  if (i32[r + T_DUPACKS] < DUPACK_THRESHOLD || ((i32[r + T_SND_UNA] - i32[r + T_RECOVER]) | 0) < 0) return;
  loseHead(core, r);
}

/** Without SACK, in recovery: the next hole begins where a partial ACK ends (RFC 6582 3.2 step 3). */
function partialAck(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  if ((i32[r + C_FLAGS] & TF_FAST_RECOVERY) === 0) return;
  if (((i32[r + T_SND_UNA] - i32[r + T_RECOVER]) | 0) >= 0) return;
  loseHead(core, r);
}

/**
 * Without SACK each duplicate ACK tells of one segment that arrived, nobody knows which: T_SACKED counts them, as long
 * as one segment remains that may be lost.
 */
export function countDuplicate(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  const mss = i32[r + T_SND_MSS];
  const bytes = Math.min(mss, mostDuplicates(core, r) - i32[r + T_SACKED]);
  if (bytes > 0) i32[r + T_SACKED] += bytes;
  core.delivery.bytes += Math.min(mss, (i32[r + T_SND_NXT] - i32[r + T_SND_UNA]) | 0);
}

/** Without SACK: of `ackedBytes` newly acknowledged bytes all but the hole's segment were counted as duplicates before. */
export function forgetDuplicates(core: TcpCore, r: number, ackedBytes: number): void {
  const { i32 } = core.window;
  const counted = Math.min(i32[r + T_SACKED], Math.max(ackedBytes - i32[r + T_SND_MSS], 0));
  core.delivery.bytes -= counted;
  // Outside recovery whatever they told of is acknowledged now.
  if ((i32[r + C_FLAGS] & TF_FAST_RECOVERY) === 0) i32[r + T_SACKED] = 0;
  else i32[r + T_SACKED] -= counted;
  i32[r + T_SACKED] = Math.max(0, Math.min(i32[r + T_SACKED], mostDuplicates(core, r)));
}

/** Without SACK: bytes that may have arrived when one segment more is lost. */
function mostDuplicates(core: TcpCore, r: number): number {
  const { i32 } = core.window;
  const flight = (i32[r + T_SND_NXT] - i32[r + T_SND_UNA]) | 0;
  return flight - core.scoreboard.lost(r) - i32[r + T_SND_MSS];
}

/** Everything that the peer has not reported is lost; without SACK that is everything, whatever duplicate ACKs told. */
export function loseAll(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  if ((i32[r + C_FLAGS] & TF_SACK) === 0) i32[r + T_SACKED] = 0;
  core.scoreboard.markAllLost(r);
}
