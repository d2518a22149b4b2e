import { TCP_FLAG_ACK, TCP_FLAG_PSH } from "../../wire/tcp.js";
import { C_FLAGS, C_RX_FIFO, C_SESSION, type ConnectionIndex } from "../transport.js";
import {
  T_LAST_ACK_SENT,
  T_RCV_EDGE,
  T_RCV_NXT,
  T_SCALES,
  T_SND_UNA,
  T_SND_WND,
  T_TS_RECENT,
  T_TS_RECENT_MS,
  TF_APP_CLOSED,
  TF_PEER_FIN,
  TF_TIMESTAMPS,
} from "./connection.js";
import type { TcpCore } from "./core.js";
import { TCP_ERROR } from "./errors.js";
import { oweAck } from "./segment-out.js";

/** NOP, NOP, timestamps, length 10 (RFC 7323 appendix A). */
const ALIGNED_TIMESTAMPS = 0x0101_080a;

/**
 * Header prediction: the next expected data in ESTABLISHED, nothing else new. True when the segment of `bytes` at `at`
 * was that and is done with; false leaves everything to the full procedure (arrive.ts), whose results are the same.
 */
export function predicted(core: TcpCore, c: ConnectionIndex, r: number, at: number, bytes: number): boolean {
  const { i32, dv } = core.window;
  const flags = i32[r + C_FLAGS];
  const word = dv.getInt32(at + 12);
  const hasTimestamps = (flags & TF_TIMESTAMPS) !== 0;
  const headerLen = hasTimestamps ? 32 : 20;
  // Data offset, flags ACK (and perhaps PSH), and the window as it was.
  if ((word & ~(TCP_FLAG_PSH << 16)) >>> 16 !== ((headerLen << 10) | TCP_FLAG_ACK)) return false;
  const rcvNxt = i32[r + T_RCV_NXT];
  const len = bytes - headerLen;
  if (dv.getInt32(at + 4) !== rcvNxt || len <= 0 || len > ((i32[r + T_RCV_EDGE] - rcvNxt) | 0)) return false;
  if (dv.getInt32(at + 8) !== i32[r + T_SND_UNA]) return false;
  if (
    (word & 0xffff) << (i32[r + T_SCALES] >> 8) !== i32[r + T_SND_WND] ||
    (flags & (TF_APP_CLOSED | TF_PEER_FIN)) !== 0
  )
    return false;
  if (hasTimestamps) {
    if (dv.getInt32(at + 20) !== ALIGNED_TIMESTAMPS) return false;
    const tsVal = dv.getInt32(at + 24);
    if (((tsVal - i32[r + T_TS_RECENT]) | 0) < 0) return false;
    if (((rcvNxt - i32[r + T_LAST_ACK_SENT]) | 0) <= 0) {
      i32[r + T_TS_RECENT] = tsVal;
      i32[r + T_TS_RECENT_MS] = core.engine.nowMs;
    }
  }
  const moved = core.fifos.enqueue(i32[r + C_RX_FIFO], at + headerLen, len);
  if (moved === 0) return false; // No memory: the full procedure counts it.
  if (moved < len) core.events.count(TCP_ERROR.partially_enqueued);
  i32[r + T_RCV_NXT] = (rcvNxt + moved) | 0;
  core.upcalls.received(i32[r + C_SESSION]);
  oweAck(core, c, r);
  return true;
}
