import { tcpEmitSack } from "../../wire/tcp-options.js";
import { C_FLAGS, C_RX_FIFO } from "../transport.js";
import { T_DSACK_END, T_DSACK_START, T_RCV_NXT, TF_DSACK, TF_OOO, TF_SACK, TF_TIMESTAMPS } from "./connection.js";
import type { TcpCore } from "./core.js";

/** SACK blocks that fit beside timestamps in 40 bytes of options, and without them. */
const BLOCKS_WITH_TIMESTAMPS = 3;
const BLOCKS_ALONE = 4;

/** SACK blocks for held data that one ACK has room for, by the flags of its row: one fewer while a duplicate is to be reported. */
export function sackBlockRoom(flags: number): number {
  const room = (flags & TF_TIMESTAMPS) !== 0 ? BLOCKS_WITH_TIMESTAMPS : BLOCKS_ALONE;
  return (flags & TF_DSACK) !== 0 ? room - 1 : room;
}

/**
 * Writes the SACK option at `at`, as the state of row `r` asks for it; returns its bytes, 0 when there is nothing to
 * report. The duplicate counts as reported (RFC 2883 4: once only).
 */
export function emitSackOption(core: TcpCore, r: number, at: number): number {
  const { i32, dv } = core.window;
  const flags = i32[r + C_FLAGS];
  if ((flags & TF_SACK) === 0 || (flags & (TF_OOO | TF_DSACK)) === 0) return 0;
  const { spans } = core;
  const fifo = i32[r + C_RX_FIFO];
  const rcvNxt = i32[r + T_RCV_NXT];
  const hasDuplicate = (flags & TF_DSACK) !== 0;
  const first = hasDuplicate ? 2 : 0;
  const held =
    fifo === 0 || (flags & TF_OOO) === 0 ? 0 : core.fifos.oooNewest(fifo, spans, sackBlockRoom(flags), first);
  for (let i = first; i < first + 2 * held; i += 2) {
    spans[i] = (rcvNxt + spans[i]) | 0;
    spans[i + 1] = (spans[i] + spans[i + 1]) | 0;
  }
  if (hasDuplicate) {
    i32[r + C_FLAGS] &= ~TF_DSACK;
    spans[0] = i32[r + T_DSACK_START];
    spans[1] = i32[r + T_DSACK_END];
    bringForward(spans, held);
  }
  const count = held + (hasDuplicate ? 1 : 0);
  return count === 0 ? 0 : tcpEmitSack(dv, at, spans, 0, count);
}

/** RFC 2883 4: the block that contains the duplicate, one of the `held` behind it, comes second. */
function bringForward(edges: Int32Array, held: number): void {
  for (let i = 2; i <= 2 * held; i += 2) {
    if (((edges[0] - edges[i]) | 0) < 0 || ((edges[i + 1] - edges[1]) | 0) < 0) continue;
    const start = edges[i];
    const end = edges[i + 1];
    edges.copyWithin(4, 2, i);
    edges[2] = start;
    edges[3] = end;
    return;
  }
}
