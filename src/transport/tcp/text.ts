import { C_FLAGS, C_RX_FIFO, C_SESSION, C_STATE, type ConnectionIndex } from "../transport.js";
import {
  ESTABLISHED,
  FIN_WAIT_1,
  FIN_WAIT_2,
  P_DUPACK_MAX,
  P_DUPACK_ONE,
  T_PENDING,
  T_RCV_NXT,
  TF_APP_CLOSED,
} from "./connection.js";
import type { TcpCore } from "./core.js";
import { TCP_ERROR } from "./errors.js";
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
  const ahead = (seg.seq - i32[r + T_RCV_NXT]) | 0;
  if (ahead > 0) {
    const isHeld = core.fifos.enqueueOoo(fifo, ahead, seg.data, seg.dataLen) > 0;
    core.events.count(isHeld ? TCP_ERROR.enqueued_ooo : TCP_ERROR.fifo_full);
    // One duplicate ACK for each (RFC 5681 4.2).
    if (((i32[r + T_PENDING] >>> 8) & P_DUPACK_MAX) < P_DUPACK_MAX) i32[r + T_PENDING] += P_DUPACK_ONE;
    core.wantTransmit(c);
    return true;
  }
  const moved = core.fifos.enqueue(fifo, seg.data, seg.dataLen);
  if (moved > 0) {
    i32[r + T_RCV_NXT] = (i32[r + T_RCV_NXT] + moved) | 0;
    core.upcalls.received(i32[r + C_SESSION]);
  }
  if (moved >= seg.dataLen) core.events.count(TCP_ERROR.enqueued);
  else core.events.count(moved > 0 ? TCP_ERROR.partially_enqueued : TCP_ERROR.fifo_full);
  oweAck(core, c, r);
  return true;
}
