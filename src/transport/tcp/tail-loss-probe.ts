import { C_FLAGS, type ConnectionIndex } from "../transport.js";
import {
  RF_REO_TIMER,
  RF_TLP_OUT,
  RF_TLP_RETRANS,
  RF_TLP_TIMER,
  T_BACKOFF,
  T_PROGRESS_MS,
  T_RECOVERY,
  T_RTO_US,
  T_SACKED,
  T_SND_MSS,
  T_SND_NXT,
  T_SND_UNA,
  T_SND_WND,
  T_SRTT_US,
  T_TLP_END,
  TF_FAST_RECOVERY,
  TF_LOSS_RECOVERY,
} from "./connection.js";
import { type TcpCore, TIMER_RETRANSMIT } from "./core.js";
import { usesRack } from "./rack.js";
import { probeRepaired } from "./recovery.js";
import { armRetransmit } from "./rtt.js";

/** How much longer a lone segment waits for its acknowledgement, which the peer may delay (RFC 8985 7.2 TLP.max_ack_delay). */
const MAX_ACK_DELAY_US = 200_000;
/** Probe timeout without a round-trip sample. */
const NO_SAMPLE_US = 1_000_000;

/** Whether a tail loss probe may be scheduled (RFC 8985 7.2): one at a time, and only while nothing looks like a loss. */
function mayProbe(core: TcpCore, r: number): boolean {
  const { i32 } = core.window;
  if (!usesRack(core, r) || (i32[r + C_FLAGS] & (TF_FAST_RECOVERY | TF_LOSS_RECOVERY)) !== 0) return false;
  return (
    i32[r + T_SACKED] === 0 &&
    i32[r + T_BACKOFF] === 0 &&
    i32[r + T_SND_WND] > 0 &&
    (i32[r + T_RECOVERY] & RF_TLP_OUT) === 0
  );
}

/** Starts the timer of outstanding data: for a tail loss probe when there may be one, else for the retransmission. */
export function armTimer(core: TcpCore, c: ConnectionIndex, r: number): void {
  const { i32 } = core.window;
  if (!mayProbe(core, r)) {
    armRetransmit(core, c, r);
    return;
  }
  const flight = (i32[r + T_SND_NXT] - i32[r + T_SND_UNA]) | 0;
  const srtt = i32[r + T_SRTT_US];
  const delay = srtt === 0 ? NO_SAMPLE_US : 2 * srtt + (flight <= i32[r + T_SND_MSS] ? MAX_ACK_DELAY_US : 0);
  // New data does not put off the retransmission timer, which would have started when the peer was heard last.
  const silentUs = ((core.engine.nowMs - i32[r + T_PROGRESS_MS]) | 0) * 1000;
  i32[r + T_RECOVERY] = (i32[r + T_RECOVERY] & ~RF_REO_TIMER) | RF_TLP_TIMER;
  core.startTimerUs(c, TIMER_RETRANSMIT, Math.min(delay, i32[r + T_RTO_US] - silentUs));
}

/** A probe was sent: the next that comes of it is its acknowledgement or the retransmission timer (RFC 8985 7.3). */
export function probeSent(core: TcpCore, c: ConnectionIndex, r: number, isRetrans: boolean): void {
  const { i32 } = core.window;
  i32[r + T_TLP_END] = i32[r + T_SND_NXT];
  i32[r + T_RECOVERY] = (i32[r + T_RECOVERY] & ~RF_TLP_RETRANS) | RF_TLP_OUT | (isRetrans ? RF_TLP_RETRANS : 0);
  armRetransmit(core, c, r);
}

/**
 * RFC 8985 7.4: what an acknowledgement says of the outstanding probe. When it was a retransmission that the peer did not
 * have yet, it has repaired a loss in silence: cwnd is reduced all the same.
 */
export function probeAnswered(core: TcpCore, r: number, ackedBytes: number, flightBytes: number): void {
  const { i32 } = core.window;
  if ((i32[r + T_RECOVERY] & RF_TLP_OUT) === 0) return;
  const beyond = (i32[r + T_SND_UNA] - i32[r + T_TLP_END]) | 0;
  if (beyond < 0) return;
  if ((i32[r + T_RECOVERY] & RF_TLP_RETRANS) === 0 || core.delivery.hasProbeDsack) {
    i32[r + T_RECOVERY] &= ~RF_TLP_OUT;
  } else if (beyond > 0) {
    i32[r + T_RECOVERY] &= ~RF_TLP_OUT;
    probeRepaired(core, r, flightBytes);
  } else if (ackedBytes === 0 && core.delivery.sackedBytes === 0) {
    // A duplicate of the acknowledgement for everything: the original and the probe have both arrived.
    i32[r + T_RECOVERY] &= ~RF_TLP_OUT;
  }
}
