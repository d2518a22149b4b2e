import { C_FLAGS, C_RX_FIFO, CF_USED } from "../transport.js";
import { T_INITIAL_WND, T_LAST_ACK_SENT, T_RCV_EDGE, T_RCV_NXT, T_SCALES, T_SND_MSS } from "./connection.js";
import type { TcpCore } from "./core.js";

/** Largest window field. */
const MAX_FIELD = 65535;

/** The window scale to offer for an rx fifo of `fifoBytes` (RFC 7323 2.3): 0 to 14. */
export function scaleFor(fifoBytes: number): number {
  let scale = 0;
  while (scale < 14 && fifoBytes >> scale > MAX_FIELD) scale++;
  return scale;
}

/**
 * What a scaled window keeps back of the fifo: one part in 32. The edge that the peer sees is as uneven as rcvNxt, so with
 * each segment it must move by up to a unit of the scale, to the right. Segments of 32 units and more never use this up.
 */
const RESERVE_SHIFT = 5;

/** The right edge that the free space of the rx fifo allows, less what is kept back for the scale's coarseness. */
function possibleEdge(core: TcpCore, r: number): number {
  const { i32 } = core.window;
  const fifo = i32[r + C_RX_FIFO];
  if (fifo === 0) return (i32[r + T_RCV_NXT] + i32[r + T_INITIAL_WND]) | 0;
  const unit = 1 << (i32[r + T_SCALES] & 0xff);
  const reserve = unit === 1 ? 0 : Math.max(unit - 1, core.fifos.capBytes(fifo) >> RESERVE_SHIFT);
  const room = Math.min(core.fifos.maxEnqueue(fifo) - reserve, MAX_FIELD * unit);
  return (i32[r + T_RCV_NXT] + (room <= 0 ? 0 : room & -unit)) | 0;
}

/** Least step of the right edge: silly-window avoidance (RFC 9293 3.8.6.2.2). */
function leastStep(core: TcpCore, r: number): number {
  const { i32 } = core.window;
  const fifo = i32[r + C_RX_FIFO];
  const capBytes = fifo === 0 ? i32[r + T_INITIAL_WND] : core.fifos.capBytes(fifo);
  return Math.max(1, Math.min(capBytes >> 1, i32[r + T_SND_MSS]));
}

/**
 * The window field of the next segment: moves the right edge when it may move by a useful step, never to the left.
 * The field rounds up to the scale's unit, so that a peer does not see the edge move left by rounding, as long as the
 * fifo has room for that (see RESERVE_SHIFT). Then it rounds down (RFC 7323 2.4), and what was announced is still taken.
 */
export function windowField(core: TcpCore, r: number): number {
  const { i32 } = core.window;
  const rcvNxt = i32[r + T_RCV_NXT];
  const scale = i32[r + T_SCALES] & 0xff;
  const possible = possibleEdge(core, r);
  let edge = i32[r + T_RCV_EDGE];
  if (((possible - edge) | 0) >= leastStep(core, r)) edge = possible;
  const window = (edge - rcvNxt) | 0;
  let field = (window + (1 << scale) - 1) >> scale;
  const fifo = i32[r + C_RX_FIFO];
  if (fifo !== 0 && field << scale > core.fifos.maxEnqueue(fifo)) field = window >> scale;
  field = Math.min(field, MAX_FIELD);
  // With the field cut to 65535 the old edge stands: it was announced.
  const shown = (rcvNxt + (field << scale)) | 0;
  i32[r + T_RCV_EDGE] = ((shown - edge) | 0) > 0 ? shown : edge;
  i32[r + T_LAST_ACK_SENT] = rcvNxt;
  return field;
}

/** Receive window, bytes: what is left up to the announced right edge. */
export function receiveWindow(core: TcpCore, r: number): number {
  const { i32 } = core.window;
  return (i32[r + T_RCV_EDGE] - i32[r + T_RCV_NXT]) | 0;
}

/**
 * Whether the application's reading makes a window update worth a segment: a closed (or nearly closed) window opens by
 * a useful step, or the edge could move by a quarter of the fifo.
 */
export function updateIsDue(core: TcpCore, r: number): boolean {
  const { i32 } = core.window;
  const fifo = i32[r + C_RX_FIFO];
  if (fifo === 0 || (i32[r + C_FLAGS] & CF_USED) === 0) return false;
  const gain = (possibleEdge(core, r) - i32[r + T_RCV_EDGE]) | 0;
  if (gain < leastStep(core, r)) return false;
  return gain >= core.fifos.capBytes(fifo) >> 2 || receiveWindow(core, r) < i32[r + T_SND_MSS];
}
