import { TCP_FLAG_RST, TCP_FLAG_URG, TCP_OFFSET_FLAGS, TCP_URGENT } from "../../wire/tcp.js";
import { C_FLAGS, C_SESSION, C_STATE, type ConnectionIndex } from "../transport.js";
import {
  CLOSE_WAIT,
  CLOSING,
  ESTABLISHED,
  FIN_WAIT_1,
  FIN_WAIT_2,
  LAST_ACK,
  P_ACK,
  T_PENDING,
  T_RCV_NXT,
  T_RCV_UP,
  T_SND_UNA,
  T_SND_UP,
  TF_URGENT,
  TF_URGENT_OUT,
  TIME_WAIT,
} from "./connection.js";
import type { TcpCore } from "./core.js";
import type { Segment } from "./segment.js";

// RFC 9293 3.8.5. An urgent pointer names the byte after the urgent data (MUST-62), which is of any length (MUST-31) and
// stays in the stream, in order: the application is told where it ends, nothing more.

/** Farthest that an urgent pointer can point. */
const MAX_POINTER = 65_535;

/** Sequence number of the byte that the application reads next. */
function nextRead(core: TcpCore, r: number): number {
  const { i32 } = core.window;
  const state = i32[r + C_STATE];
  const isFinTaken = state === CLOSE_WAIT || state === LAST_ACK || state === CLOSING || state === TIME_WAIT;
  return (i32[r + T_RCV_NXT] - core.unread(r) - (isFinTaken ? 1 : 0)) | 0;
}

/** RFC 9293 3.10.7.4, sixth: the urgent pointer. The application is told when it is ahead and has advanced (MUST-32). */
export function processUrgent(core: TcpCore, r: number, seg: Segment): void {
  if ((seg.flags & TCP_FLAG_URG) === 0) return;
  const { i32 } = core.window;
  const state = i32[r + C_STATE];
  if (state !== ESTABLISHED && state !== FIN_WAIT_1 && state !== FIN_WAIT_2) return;
  const pointer = (seg.seq + seg.urgent) | 0;
  if ((i32[r + C_FLAGS] & TF_URGENT) !== 0 && ((pointer - i32[r + T_RCV_UP]) | 0) <= 0) return;
  if (((pointer - nextRead(core, r)) | 0) <= 0) return;
  i32[r + C_FLAGS] |= TF_URGENT;
  i32[r + T_RCV_UP] = pointer;
  core.upcalls.urgent(i32[r + C_SESSION]);
}

/** Bytes that the application has to read to be past the peer's urgent data, also those still to come (MUST-33). */
export function urgentBytes(core: TcpCore, r: number): number {
  const { i32 } = core.window;
  if ((i32[r + C_FLAGS] & TF_URGENT) === 0) return 0;
  return Math.max(0, (i32[r + T_RCV_UP] - nextRead(core, r)) | 0);
}

/** The application has read: urgent mode ends behind the urgent data. For connections with TF_URGENT. */
export function urgentRead(core: TcpCore, r: number): void {
  if (urgentBytes(core, r) === 0) core.window.i32[r + C_FLAGS] &= ~TF_URGENT;
}

/** RFC 9293 3.10.2: what the tx fifo holds is urgent, up to its end. False when there is nothing to say. */
export function markUrgent(core: TcpCore, c: ConnectionIndex, r: number): boolean {
  const { i32 } = core.window;
  const state = i32[r + C_STATE];
  const queued = core.queued(r);
  if ((state !== ESTABLISHED && state !== CLOSE_WAIT) || queued === 0) return false;
  i32[r + T_SND_UP] = (i32[r + T_SND_UNA] + queued) | 0;
  i32[r + C_FLAGS] |= TF_URGENT_OUT;
  i32[r + T_PENDING] |= P_ACK; // While the window is closed, an ACK alone tells of it.
  core.wantTransmit(c);
  return true;
}

/**
 * A segment with sequence number `seq` is being written to `at`: while it lies in front of the end of our urgent data, it
 * says where that is. Retransmissions say it too, until all is acknowledged. For connections with TF_URGENT_OUT.
 */
export function writeUrgent(core: TcpCore, r: number, at: number, seq: number): void {
  const { i32, dv, u8 } = core.window;
  if (((i32[r + T_SND_UP] - i32[r + T_SND_UNA]) | 0) <= 0) {
    i32[r + C_FLAGS] &= ~TF_URGENT_OUT;
    return;
  }
  const ahead = (i32[r + T_SND_UP] - seq) | 0;
  if (ahead <= 0 || (u8[at + TCP_OFFSET_FLAGS + 1] & TCP_FLAG_RST) !== 0) return;
  u8[at + TCP_OFFSET_FLAGS + 1] |= TCP_FLAG_URG;
  dv.setUint16(at + TCP_URGENT, ahead < MAX_POINTER ? ahead : MAX_POINTER);
}
