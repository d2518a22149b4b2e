import type { Frame } from "../../graph/frame.js";
import { TCP_FLAG_ACK } from "../../wire/tcp.js";
import { C_FLAGS, C_STATE, type ConnectionIndex } from "../transport.js";
import { P_ACK, P_DUPACK_MAX, SYN_RCVD, T_PENDING, TF_SACK } from "./connection.js";
import type { TcpCore } from "./core.js";
import { acceptableSeq, controlSegment } from "./segment-out.js";

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
  i32[r + T_PENDING] &= ~(P_ACK | (P_DUPACK_MAX << 8));
}
