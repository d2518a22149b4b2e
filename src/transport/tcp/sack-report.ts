import { C_FLAGS, C_RX_FIFO, type ConnectionIndex } from "../transport.js";
import {
  P_ACK,
  P_DUPACK_MAX,
  P_DUPACK_ONE,
  T_DSACK_END,
  T_DSACK_START,
  T_PENDING,
  T_RCV_NXT,
  TF_DSACK,
  TF_OOO,
  TF_SACK,
} from "./connection.js";
import type { TcpCore } from "./core.js";
import { sackBlockRoom } from "./sack-option.js";
import { oweAck, sendAck } from "./segment-out.js";

// What our acknowledgements tell the peer beyond rcvNxt: data held out of order (RFC 2018) and duplicates (RFC 2883).

/** Whether an ACK is owed that reports more than rcvNxt: data cannot take it along. */
export function reportIsDue(core: TcpCore, r: number): boolean {
  const { i32 } = core.window;
  const flags = i32[r + C_FLAGS];
  if ((flags & TF_SACK) === 0 || (flags & (TF_OOO | TF_DSACK)) === 0) return false;
  return (i32[r + T_PENDING] & (P_ACK | (P_DUPACK_MAX << 8))) !== 0;
}

/**
 * Sequence numbers [start, end) came again. The next ACK reports them; when it has to report others already that do not
 * touch them, an ACK for those goes now.
 */
export function noteDuplicate(core: TcpCore, c: ConnectionIndex, r: number, start: number, end: number): void {
  const { i32 } = core.window;
  if ((i32[r + C_FLAGS] & TF_SACK) === 0) return;
  if ((i32[r + C_FLAGS] & TF_DSACK) !== 0) {
    if (((start - i32[r + T_DSACK_END]) | 0) <= 0 && ((i32[r + T_DSACK_START] - end) | 0) <= 0) {
      if (((i32[r + T_DSACK_START] - start) | 0) > 0) i32[r + T_DSACK_START] = start;
      if (((end - i32[r + T_DSACK_END]) | 0) > 0) i32[r + T_DSACK_END] = end;
      return;
    }
    sendAck(core, c, r);
  }
  i32[r + C_FLAGS] |= TF_DSACK;
  i32[r + T_DSACK_START] = start;
  i32[r + T_DSACK_END] = end;
}

/** The first part of `len` bytes at `seq`, none of them below rcvNxt, that is held already came again. */
export function noteHeldAgain(core: TcpCore, c: ConnectionIndex, r: number, seq: number, len: number): void {
  const { i32 } = core.window;
  const flags = i32[r + C_FLAGS];
  if ((flags & TF_SACK) === 0 || (flags & TF_OOO) === 0) return;
  // One report for each segment: what was cut off its front comes first (RFC 2883 4).
  if ((flags & TF_DSACK) !== 0 && i32[r + T_DSACK_END] === seq) return;
  const { spans } = core;
  const rcvNxt = i32[r + T_RCV_NXT];
  if (!core.fifos.oooOverlap(i32[r + C_RX_FIFO], (seq - rcvNxt) | 0, len, spans)) return;
  const start = (rcvNxt + spans[0]) | 0;
  noteDuplicate(core, c, r, start, (start + spans[1]) | 0);
}

/**
 * Text went into the rx fifo out of order. RFC 5681 4.2 asks for a duplicate ACK for each segment; with SACK one for all
 * segments of a turn says as much, as long as its blocks have room for every interval that grew: then one goes now.
 * `grewNewest`: the interval is the one that grew last.
 */
export function acknowledgeHeld(core: TcpCore, c: ConnectionIndex, r: number, grewNewest: boolean): void {
  const { i32 } = core.window;
  const flags = i32[r + C_FLAGS];
  const count = (i32[r + T_PENDING] >>> 8) & P_DUPACK_MAX;
  const isCounted = (flags & TF_SACK) === 0 || !grewNewest || count === 0;
  if (isCounted && count < P_DUPACK_MAX) i32[r + T_PENDING] += P_DUPACK_ONE;
  if ((flags & TF_SACK) !== 0 && ((i32[r + T_PENDING] >>> 8) & P_DUPACK_MAX) >= sackBlockRoom(flags))
    sendAck(core, c, r);
  else oweAck(core, c, r);
}
