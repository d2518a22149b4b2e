import { C_FLAGS, type ConnectionIndex } from "../transport.js";
import {
  P_RETRANSMIT,
  T_DUPACKS,
  T_FAST_RETRAN,
  T_PENDING,
  T_RECOVER,
  T_SND_MAX,
  T_SND_UNA,
  TF_CWND_LIMITED,
  TF_FAST_RECOVERY,
  TF_LOSS_RECOVERY,
} from "./connection.js";
import type { TcpCore } from "./core.js";

/** Duplicate ACKs that mean a loss (RFC 5681 3.2). */
const DUPACK_THRESHOLD = 3;

/** A duplicate ACK arrived (RFC 5681 3.2, RFC 6582 3.2 step 2). */
export function duplicateAck(core: TcpCore, c: ConnectionIndex, r: number): void {
  const { i32 } = core.window;
  const count = ++i32[r + T_DUPACKS];
  if ((i32[r + C_FLAGS] & TF_FAST_RECOVERY) !== 0) {
    core.congestion.duplicateAck(r);
    core.wantTransmit(c);
    return;
  }
  // RFC 6582: duplicates of what was sent before the last recovery ended tell of the old loss, not of a new one.
  if (count !== DUPACK_THRESHOLD || ((i32[r + T_SND_UNA] - i32[r + T_RECOVER]) | 0) < 0) return;
  i32[r + T_RECOVER] = i32[r + T_SND_MAX];
  i32[r + C_FLAGS] |= TF_FAST_RECOVERY;
  i32[r + T_FAST_RETRAN]++;
  i32[r + T_PENDING] |= P_RETRANSMIT;
  core.congestion.enterRecovery(r, (i32[r + T_SND_MAX] - i32[r + T_SND_UNA]) | 0);
  core.wantTransmit(c);
}

/** New data was acknowledged; sndUna has moved. `ackedBytes` and the flight before tell by how much. */
export function newAck(core: TcpCore, r: number, ackedBytes: number, flightBytes: number): void {
  const { i32 } = core.window;
  const flags = i32[r + C_FLAGS];
  i32[r + T_DUPACKS] = 0;
  const recovered = ((i32[r + T_SND_UNA] - i32[r + T_RECOVER]) | 0) >= 0;
  if ((flags & TF_FAST_RECOVERY) !== 0) {
    if (recovered) {
      i32[r + C_FLAGS] &= ~TF_FAST_RECOVERY;
      core.congestion.exitRecovery(r, (i32[r + T_SND_MAX] - i32[r + T_SND_UNA]) | 0);
    } else {
      // RFC 6582 3.2 step 3: the next hole begins where this ACK ends.
      i32[r + T_PENDING] |= P_RETRANSMIT;
      core.congestion.partialAck(r, ackedBytes);
    }
    return;
  }
  if (recovered) {
    i32[r + C_FLAGS] &= ~TF_LOSS_RECOVERY;
    // It follows along: 2^31 bytes later it would seem to lie ahead, and no loss would be repaired fast.
    i32[r + T_RECOVER] = i32[r + T_SND_UNA];
  }
  // An application that sends little proves nothing about a larger window (RFC 7661 3).
  if ((flags & TF_CWND_LIMITED) !== 0) core.congestion.acked(r, ackedBytes, flightBytes);
  i32[r + C_FLAGS] &= ~TF_CWND_LIMITED;
}

/** The retransmission timer expired: all that is outstanding counts as lost (RFC 5681 3.1, RFC 6582 4). */
export function timeoutLoss(core: TcpCore, r: number, isFirst: boolean): void {
  const { i32 } = core.window;
  core.congestion.timeout(r, (i32[r + T_SND_MAX] - i32[r + T_SND_UNA]) | 0, isFirst);
  i32[r + C_FLAGS] = (i32[r + C_FLAGS] & ~TF_FAST_RECOVERY) | TF_LOSS_RECOVERY;
  i32[r + T_RECOVER] = i32[r + T_SND_MAX];
  i32[r + T_DUPACKS] = 0;
  i32[r + T_PENDING] &= ~P_RETRANSMIT;
}
