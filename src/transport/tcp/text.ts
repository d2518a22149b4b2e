import type { FifoOffset } from "../../mem/fifo-layout.js";
import { C_FLAGS, C_RX_FIFO, C_SESSION, C_STATE, type ConnectionIndex } from "../transport.js";
import { ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, T_RCV_NXT, TF_APP_CLOSED, TF_OOO } from "./connection.js";
import type { TcpCore } from "./core.js";
import { acknowledgeText, quicken } from "./delayed-ack.js";
import { TCP_ERROR } from "./errors.js";
import { acknowledgeHeld, noteHeldAgain } from "./sack-report.js";
import type { Segment } from "./segment.js";
import { oweAck, sendReset } from "./segment-out.js";

/** States that take text from the peer. */
export function mayReceive(state: number): boolean {
  return state === ESTABLISHED || state === FIN_WAIT_1 || state === FIN_WAIT_2;
}

/**
 * RFC 9293 3.10.7.4, seventh: the segment's text, which lies in the window, goes into the rx fifo. False when the
 * connection is gone: the application has closed, so data is answered by a reset (SHLD-3).
 */
export function processText(core: TcpCore, c: ConnectionIndex, r: number, seg: Segment): boolean {
  const { i32 } = core.window;
  if (seg.dataLen === 0 || !mayReceive(i32[r + C_STATE])) return true;
  const fifo = i32[r + C_RX_FIFO];
  if ((i32[r + C_FLAGS] & TF_APP_CLOSED) !== 0 || fifo === 0) {
    core.events.count(TCP_ERROR.connection_closed);
    sendReset(core, c, r);
    core.remove(c);
    return false;
  }
  noteHeldAgain(core, c, r, seg.seq, seg.dataLen);
  const ahead = (seg.seq - i32[r + T_RCV_NXT]) | 0;
  if (ahead > 0) {
    holdText(core, c, r, fifo, ahead, seg);
    return true;
  }
  const fillsGap = (i32[r + C_FLAGS] & TF_OOO) !== 0;
  const moved = core.fifos.enqueue(fifo, seg.data, seg.dataLen);
  if (moved > 0) {
    i32[r + T_RCV_NXT] = (i32[r + T_RCV_NXT] + moved) | 0;
    core.upcalls.received(i32[r + C_SESSION]);
  }
  if (moved >= seg.dataLen) core.events.count(TCP_ERROR.enqueued);
  else core.events.count(moved > 0 ? TCP_ERROR.partially_enqueued : TCP_ERROR.fifo_full);
  if (fillsGap) {
    if (core.fifos.oooCount(fifo) === 0) i32[r + C_FLAGS] &= ~TF_OOO;
    quicken(core, r);
  }
  // At once while a gap is being filled (RFC 5681 4.2), or when the peer sends more than there is memory for.
  if (fillsGap || moved < seg.dataLen) oweAck(core, c, r);
  else acknowledgeText(core, c, r, seg.dataLen);
  return true;
}

/** Text that lies `ahead` bytes past rcvNxt waits in the fifo for what comes before it. */
function holdText(core: TcpCore, c: ConnectionIndex, r: number, fifo: FifoOffset, ahead: number, seg: Segment): void {
  const { i32 } = core.window;
  const { fifos, spans } = core;
  // The interval that grew last, as (start, length).
  const hadNewest = fifos.oooNewest(fifo, spans, 1) > 0;
  const isHeld = fifos.enqueueOoo(fifo, ahead, seg.data, seg.dataLen) > 0;
  core.events.count(isHeld ? TCP_ERROR.enqueued_ooo : TCP_ERROR.fifo_full);
  if (isHeld) {
    i32[r + C_FLAGS] |= TF_OOO;
    fifos.oooNewest(fifo, spans, 1, 2);
  }
  const grewNewest = hadNewest && isHeld && spans[2] <= spans[0] && spans[2] + spans[3] >= spans[0] + spans[1];
  quicken(core, r);
  acknowledgeHeld(core, c, r, grewNewest);
}
