import { TCP_FLAG_ACK, TCP_FLAG_PSH } from "../../wire/tcp.js";
import { C_FLAGS, C_RX_FIFO, C_SESSION, type ConnectionIndex } from "../transport.js";
import {
  T_DATA_SEGS_IN,
  T_LAST_ACK_SENT,
  T_RCV_EDGE,
  T_RCV_NXT,
  T_SCALES,
  T_SEGS_IN,
  T_SND_UNA,
  T_SND_WL1,
  T_SND_WL2,
  T_SND_WND,
  T_TS_RECENT,
  TF_APP_CLOSED,
  TF_OOO,
  TF_PEER_FIN,
  TF_TIMESTAMPS,
} from "./connection.js";
import type { TcpCore } from "./core.js";
import { acknowledgeText, noteHeard } from "./delayed-ack.js";
import { TCP_ERROR } from "./errors.js";
import { oweAck } from "./segment-out.js";

/** NOP, NOP, timestamps, length 10 (RFC 7323 appendix A). */
const ALIGNED_TIMESTAMPS = 0x0101_080a;

/** Not what was expected: the full procedure (arrive.ts) is to look at the segment, of which nothing was taken. */
export const NOT_PREDICTED = 0;
/** The segment is done with. */
export const PREDICTED = 1;
/** The segment is done with; fifo memory sufficed for a part of it only, which is counted. */
export const PREDICTED_IN_PART = 2;

/**
 * Header prediction: the segment of `bytes` at `at` is the next expected data in ESTABLISHED, and nothing else is new.
 * What becomes of it is the same as by the full procedure, row for row.
 */
export function predicted(core: TcpCore, c: ConnectionIndex, r: number, at: number, bytes: number): number {
  const { i32, dv } = core.window;
  const flags = i32[r + C_FLAGS];
  const word = dv.getInt32(at + 12);
  const hasTimestamps = (flags & TF_TIMESTAMPS) !== 0;
  const headerLen = hasTimestamps ? 32 : 20;
  // Data offset, flags ACK (and perhaps PSH).
  if ((word & ~(TCP_FLAG_PSH << 16)) >>> 16 !== ((headerLen << 10) | TCP_FLAG_ACK)) return NOT_PREDICTED;
  const rcvNxt = i32[r + T_RCV_NXT];
  const len = bytes - headerLen;
  if (dv.getInt32(at + 4) !== rcvNxt || len <= 0 || len > ((i32[r + T_RCV_EDGE] - rcvNxt) | 0)) return NOT_PREDICTED;
  if (dv.getInt32(at + 8) !== i32[r + T_SND_UNA]) return NOT_PREDICTED;
  // The window as it was; a closed one has a meaning of its own.
  const window = (word & 0xffff) << (i32[r + T_SCALES] >> 8);
  if (window === 0 || window !== i32[r + T_SND_WND]) return NOT_PREDICTED;
  if ((flags & (TF_APP_CLOSED | TF_PEER_FIN | TF_OOO)) !== 0) return NOT_PREDICTED;
  if (hasTimestamps) {
    if (dv.getInt32(at + 20) !== ALIGNED_TIMESTAMPS) return NOT_PREDICTED;
    const tsVal = dv.getInt32(at + 24);
    if (((tsVal - i32[r + T_TS_RECENT]) | 0) < 0) return NOT_PREDICTED;
    if (((rcvNxt - i32[r + T_LAST_ACK_SENT]) | 0) <= 0) {
      i32[r + T_TS_RECENT] = tsVal;
      noteHeard(core, r);
    }
  } else noteHeard(core, r);
  const moved = core.fifos.enqueue(i32[r + C_RX_FIFO], at + headerLen, len);
  if (moved === 0) return NOT_PREDICTED; // No memory: the full procedure counts it.
  i32[r + T_SEGS_IN]++;
  i32[r + T_DATA_SEGS_IN]++;
  i32[r + T_RCV_NXT] = (rcvNxt + moved) | 0;
  // The window is the same; but left behind, WL1 would seem to lie ahead after 2^31 bytes, and no update would count.
  if (((rcvNxt - i32[r + T_SND_WL1]) | 0) >= 0) {
    i32[r + T_SND_WL1] = rcvNxt;
    i32[r + T_SND_WL2] = i32[r + T_SND_UNA];
  }
  core.upcalls.received(i32[r + C_SESSION]);
  if (moved >= len) {
    acknowledgeText(core, c, r, len);
    return PREDICTED;
  }
  oweAck(core, c, r);
  core.events.count(TCP_ERROR.partially_enqueued);
  return PREDICTED_IN_PART;
}
