import type { BufferIndex } from "../../graph/packet-pool.js";
import { TCP_FLAG_ACK, TCP_FLAG_FIN } from "../../wire/tcp.js";
import { C_FLAGS, type ConnectionIndex } from "../transport.js";
import {
  RF_REO_TIMER,
  RF_RESCUED,
  RF_RTO_NOW,
  T_CWND,
  T_OCTETS_RETRANS,
  T_RECOVERY,
  T_SB_FIRST,
  T_SB_LAST,
  T_SEGS_RETRANS,
  T_SND_MSS,
  T_SND_UNA,
  T_SND_WND,
  TF_FAST_RECOVERY,
  TF_PROBE_NOW,
  TF_SACK,
} from "./connection.js";
import { type TcpCore, TIMER_RETRANSMIT } from "./core.js";
import { usesRack } from "./rack.js";
import { armRetransmit, startPatience } from "./rtt.js";
import { R_END, R_FLAGS, R_START, RANGE_RETRANS, RANGE_SACKED } from "./scoreboard.js";
import { controlSegment, dataSegment, payloadOf, setPush } from "./segment-out.js";
import { noteRetransmission } from "./undo.js";

/**
 * Sends the first lost range, or as much of it as cwnd, the peer's window (RFC 9293 SHLD-16) and `allowance` of pacing let go;
 * -1 when nothing may. After a timeout one segment goes whatever cwnd says; a window probe is one byte whatever the window says.
 */
export function lostSegment(core: TcpCore, c: ConnectionIndex, r: number, allowance: number): BufferIndex {
  const { i32 } = core.window;
  const range = core.scoreboard.nextLost(i32[r + T_SB_FIRST]);
  if (range === 0) return -1;
  const mss = i32[r + T_SND_MSS];
  const offset = (i32[range + R_START] - i32[r + T_SND_UNA]) | 0;
  const data = Math.min((core.scoreboard.lostEnd(range) - i32[range + R_START]) | 0, core.queued(r) - offset);
  if (data <= 0) return lostFin(core, c, r, range);
  let cwndRoom = i32[r + T_CWND] - core.scoreboard.pipe(r);
  let windowRoom = i32[r + T_SND_WND] - offset;
  if ((i32[r + C_FLAGS] & TF_PROBE_NOW) !== 0) {
    windowRoom = Math.max(windowRoom, 1);
    cwndRoom = mss;
  } else if ((i32[r + T_RECOVERY] & RF_RTO_NOW) !== 0) cwndRoom = Math.max(cwndRoom, mss);
  const usable = Math.min(cwndRoom, windowRoom);
  // RFC 6675 5 step C: cwnd has room for a segment. A window that shrank lets through what lies inside it.
  if (usable <= 0 || cwndRoom < Math.min(mss, data)) return -1;
  let bytes = Math.min(usable, data, core.config.maxGsoBytes, Math.max(allowance, mss));
  if (bytes > mss && bytes !== data) bytes -= bytes % mss;
  i32[r + T_RECOVERY] &= ~RF_RTO_NOW;
  i32[r + C_FLAGS] &= ~TF_PROBE_NOW;
  return sendAgain(core, c, r, range, bytes);
}

function lostFin(core: TcpCore, c: ConnectionIndex, r: number, range: number): BufferIndex {
  const { i32 } = core.window;
  const isForced = (i32[r + C_FLAGS] & TF_PROBE_NOW) !== 0 || (i32[r + T_RECOVERY] & RF_RTO_NOW) !== 0;
  if (!isForced && i32[r + T_CWND] - core.scoreboard.pipe(r) <= 0) return -1;
  i32[r + T_RECOVERY] &= ~RF_RTO_NOW;
  i32[r + C_FLAGS] &= ~TF_PROBE_NOW;
  return sendFinAgain(core, c, r, range);
}

/** Sends the last segment again, as a tail loss probe (RFC 8985 7.3); -1 when the peer has it, or without memory. */
export function tailSegment(core: TcpCore, c: ConnectionIndex, r: number): BufferIndex {
  const { i32 } = core.window;
  let range = i32[r + T_SB_LAST];
  if (range === 0 || (i32[range + R_FLAGS] & RANGE_SACKED) !== 0) return -1;
  const data = core.queued(r) - ((i32[range + R_START] - i32[r + T_SND_UNA]) | 0);
  if (data <= 0) return sendFinAgain(core, c, r, range);
  const start = (i32[range + R_END] - i32[r + T_SND_MSS]) | 0;
  if (((start - i32[range + R_START]) | 0) > 0) range = core.scoreboard.split(r, range, start) || range;
  const length = (i32[range + R_END] - i32[range + R_START]) | 0;
  const bytes = Math.min(
    length,
    i32[r + T_SND_MSS],
    core.queued(r) - ((i32[range + R_START] - i32[r + T_SND_UNA]) | 0),
  );
  return bytes > 0 ? sendAgain(core, c, r, range, bytes) : sendFinAgain(core, c, r, range);
}

/** RFC 6675 4 NextSeg (4): without RACK the last segment goes again once in a recovery that would otherwise stall. */
export function rescueSegment(core: TcpCore, c: ConnectionIndex, r: number): BufferIndex {
  const { i32 } = core.window;
  const flags = i32[r + C_FLAGS];
  if ((flags & (TF_FAST_RECOVERY | TF_SACK)) !== (TF_FAST_RECOVERY | TF_SACK) || usesRack(core, r)) return -1;
  if ((i32[r + T_RECOVERY] & RF_RESCUED) !== 0) return -1;
  const last = i32[r + T_SB_LAST];
  if (last === 0 || (i32[last + R_FLAGS] & RANGE_RETRANS) !== 0) return -1;
  if (i32[r + T_CWND] - core.scoreboard.pipe(r) < i32[r + T_SND_MSS]) return -1;
  i32[r + T_RECOVERY] |= RF_RESCUED;
  return tailSegment(core, c, r);
}

function sendAgain(core: TcpCore, c: ConnectionIndex, r: number, range: number, bytes: number): BufferIndex {
  const { i32 } = core.window;
  const start = i32[range + R_START];
  const offset = (start - i32[r + T_SND_UNA]) | 0;
  const b = dataSegment(core, c, r, start, offset, bytes, 0);
  if (b < 0) return retryLater(core, c, r);
  const sent = payloadOf(core, r, b);
  if (offset + sent === core.queued(r)) setPush(core, b);
  i32[r + T_OCTETS_RETRANS] += sent;
  noteSentAgain(core, c, r, range, sent);
  return b;
}

function sendFinAgain(core: TcpCore, c: ConnectionIndex, r: number, range: number): BufferIndex {
  const b = controlSegment(core, c, r, core.window.i32[range + R_START], TCP_FLAG_FIN | TCP_FLAG_ACK);
  if (b < 0) return retryLater(core, c, r);
  noteSentAgain(core, c, r, range, 1);
  return b;
}

function noteSentAgain(core: TcpCore, c: ConnectionIndex, r: number, range: number, bytes: number): void {
  const { i32 } = core.window;
  i32[r + T_SEGS_RETRANS]++;
  const isHead = i32[range + R_START] === i32[r + T_SND_UNA] && (i32[r + T_RECOVERY] & RF_REO_TIMER) === 0;
  core.scoreboard.retransmitted(r, range, bytes, core.nowUs32());
  noteRetransmission(core, r, bytes);
  startPatience(core, r);
  // RFC 6298 5.1: data is outstanding, so the timer must run. For what was just sent again it runs anew: the answer takes
  // a round trip, and much of the timeout has gone by while the loss was noticed.
  if (isHead || !core.isTimerRunning(c, TIMER_RETRANSMIT)) armRetransmit(core, c, r);
}

/** There was no packet buffer: the retransmission timer tries again. */
function retryLater(core: TcpCore, c: ConnectionIndex, r: number): BufferIndex {
  if (!core.isTimerRunning(c, TIMER_RETRANSMIT)) armRetransmit(core, c, r);
  return -1;
}
