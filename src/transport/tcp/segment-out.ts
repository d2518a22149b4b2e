import {
  type BufferIndex,
  F_CHECKSUM_PARTIAL,
  F_IP6,
  F_LOCAL_ORIGIN,
  F_NO_CHECKSUM_OFFLOAD,
  FRAME_OFFSET,
  GSO_TCP4,
  GSO_TCP6,
  M_CONN,
  M_DATA,
  M_FIB,
  M_FLAGS,
  M_GSO,
  M_L4,
  M_LEN,
  M_SLOT,
  MAX_TAILS,
} from "../../graph/packet-pool.js";
import {
  TCP_HAS_MSS,
  TCP_HAS_SACK_PERMITTED,
  TCP_HAS_TIMESTAMPS,
  TCP_HAS_WSCALE,
  TCP_TIMESTAMPS_LEN,
  tcpEmitSynOptions,
  tcpEmitTimestamps,
  tcpSynOptionsLen,
} from "../../wire/tcp-options.js";
import {
  TCP_FLAG_ACK,
  TCP_FLAG_PSH,
  TCP_FLAG_RST,
  TCP_FLAG_SYN,
  TCP_HEADER_LEN,
  tcpEmitHeader,
} from "../../wire/tcp.js";
import {
  C_FIB,
  C_FLAGS,
  C_PORTS,
  C_TX_FIFO,
  CF_IP6,
  CF_NO_CHECKSUM_OFFLOAD,
  type ConnectionIndex,
} from "../transport.js";
import {
  P_ACK,
  T_DATA_SEGS_OUT,
  P_ACK_DELAYED,
  P_DUPACK_MAX,
  P_QUICK_ONE,
  T_INITIAL_WND,
  T_ISS,
  T_MSS,
  T_PENDING,
  T_RCV_NXT,
  T_SCALES,
  T_SEGS_OUT,
  T_SND_NXT,
  T_SND_MSS,
  T_SND_UNA,
  T_SND_WND,
  T_TS_RECENT,
  TF_NO_GSO,
  TF_SACK,
  TF_TIMESTAMPS,
  TF_URGENT_OUT,
  TF_WSCALE,
} from "./connection.js";
import type { TcpCore } from "./core.js";
import { TCP_ERROR } from "./errors.js";
import { windowField } from "./receive-window.js";
import { emitSackOption } from "./sack-option.js";
import { writeUrgent } from "./urgent.js";

/** Room for Ethernet with a tag and an IPv6 header in front of the TCP header; keeps the latter 4-byte aligned. */
const LOWER_HEADERS = 14 + 40;
/** Payload up to here is copied behind the header: cheaper than one more span for the device. */
const COPY_BYTES = 256;

/** A buffer for a segment of row `r`, its M_DATA where the TCP header goes; -1 when the pool is empty. */
function newPacket(core: TcpCore, c: ConnectionIndex, r: number): BufferIndex {
  const b = core.pool.alloc();
  if (b < 0) {
    core.events.count(TCP_ERROR.no_buffer);
    return -1;
  }
  const { i32 } = core.window;
  const m = core.pool.meta + (b << 4);
  const at = i32[m + M_SLOT] + FRAME_OFFSET + LOWER_HEADERS;
  const flags = i32[r + C_FLAGS];
  i32[m + M_DATA] = at;
  i32[m + M_L4] = at;
  i32[m + M_FLAGS] =
    F_LOCAL_ORIGIN |
    F_CHECKSUM_PARTIAL |
    ((flags & CF_IP6) !== 0 ? F_IP6 : 0) |
    ((flags & CF_NO_CHECKSUM_OFFLOAD) !== 0 ? F_NO_CHECKSUM_OFFLOAD : 0);
  i32[m + M_FIB] = i32[r + C_FIB];
  i32[m + M_CONN] = c;
  i32[r + T_SEGS_OUT]++;
  return b;
}

/** Bytes of options in every segment of row `r`. */
export function optionBytes(core: TcpCore, r: number): number {
  return (core.window.i32[r + C_FLAGS] & TF_TIMESTAMPS) !== 0 ? TCP_TIMESTAMPS_LEN : 0;
}

/** Bytes of the header of a segment of row `r` that carries no SACK option. */
function headerLenOf(core: TcpCore, r: number): number {
  return TCP_HEADER_LEN + optionBytes(core, r);
}

/**
 * Writes the header of a segment in a synchronized state, with timestamps when negotiated; clears the ACK that is owed.
 * A SACK option of `sackBytes` stands behind the timestamps already.
 */
function writeHeader(core: TcpCore, r: number, b: BufferIndex, seq: number, flags: number, sackBytes: number): void {
  const { i32, dv } = core.window;
  const m = core.pool.meta + (b << 4);
  const at = i32[m + M_DATA];
  const ports = i32[r + C_PORTS];
  const hasTimestamps = (i32[r + C_FLAGS] & TF_TIMESTAMPS) !== 0;
  const headerLen = headerLenOf(core, r) + sackBytes;
  const window = windowField(core, r);
  tcpEmitHeader(dv, at, ports >>> 16, ports & 0xffff, seq, i32[r + T_RCV_NXT], headerLen, flags, window);
  if (hasTimestamps) tcpEmitTimestamps(dv, at + TCP_HEADER_LEN, core.tsNow(r), i32[r + T_TS_RECENT]);
  if ((i32[r + C_FLAGS] & TF_URGENT_OUT) !== 0) writeUrgent(core, r, at, seq);
  i32[m + M_LEN] = headerLen;
  const pending = i32[r + T_PENDING];
  const isQuick = (pending & P_ACK) !== 0 && pending >= P_QUICK_ONE;
  i32[r + T_PENDING] = (isQuick ? pending - P_QUICK_ONE : pending) & ~(P_ACK | P_ACK_DELAYED);
}

/**
 * A segment with up to `bytes` of payload that starts `offset` bytes behind the head of the tx fifo. Beyond the MSS it
 * is a superframe. Returns the buffer, -1 without memory; {@link payloadOf} tells how much it holds.
 */
export function dataSegment(
  core: TcpCore,
  c: ConnectionIndex,
  r: number,
  seq: number,
  offset: number,
  bytes: number,
  flags: number,
): BufferIndex {
  const b = newPacket(core, c, r);
  if (b < 0) return -1;
  writeHeader(core, r, b, seq, flags | TCP_FLAG_ACK, 0);
  const { i32 } = core.window;
  const m = core.pool.meta + (b << 4);
  const fifo = i32[r + C_TX_FIFO];
  const mss = i32[r + T_SND_MSS];
  i32[r + T_DATA_SEGS_OUT]++;
  if (bytes <= COPY_BYTES && bytes <= mss) {
    i32[m + M_LEN] += core.fifos.peek(fifo, offset, i32[m + M_DATA] + i32[m + M_LEN], bytes);
    return b;
  }
  const { spans } = core;
  // Whoever cuts a superframe does not move urgent pointers.
  const most = (i32[r + C_FLAGS] & (TF_URGENT_OUT | TF_NO_GSO)) !== 0 && bytes > mss ? mss : bytes;
  const count = core.fifos.spans(fifo, offset, most, spans, MAX_TAILS);
  let total = 0;
  for (let i = 0; i < count; i++) {
    core.pool.addTail(b, spans[i * 2], spans[i * 2 + 1]);
    total += spans[i * 2 + 1];
  }
  if (total > mss) i32[m + M_GSO] = mss | (((i32[r + C_FLAGS] & CF_IP6) !== 0 ? GSO_TCP6 : GSO_TCP4) << 16);
  return b;
}

/** Payload bytes that {@link dataSegment} put into `b`: fewer than asked when the fifo lies in many pieces. */
export function payloadOf(core: TcpCore, r: number, b: BufferIndex): number {
  return core.pool.length(b) - headerLenOf(core, r);
}

/** Sets PSH on a built segment: it ends what the application has written (RFC 9293 MUST-61). */
export function setPush(core: TcpCore, b: BufferIndex): void {
  const { i32, u8 } = core.window;
  u8[i32[core.pool.meta + (b << 4) + M_L4] + 13] |= TCP_FLAG_PSH;
}

/**
 * A segment without payload: ACK, FIN or RST by `flags`. A pure ACK carries SACK blocks when there is something to
 * report. -1 without memory.
 */
export function controlSegment(core: TcpCore, c: ConnectionIndex, r: number, seq: number, flags: number): BufferIndex {
  const b = newPacket(core, c, r);
  if (b < 0) return -1;
  const at = core.window.i32[core.pool.meta + (b << 4) + M_DATA] + headerLenOf(core, r);
  writeHeader(core, r, b, seq, flags, flags === TCP_FLAG_ACK ? emitSackOption(core, r, at) : 0);
  return b;
}

/** Sends the ACK that is owed, or not yet, at once: an earlier one than the end of the turn would bring. */
export function sendAck(core: TcpCore, c: ConnectionIndex, r: number): void {
  const b = controlSegment(core, c, r, acceptableSeq(core, r), TCP_FLAG_ACK);
  if (b < 0) {
    oweAck(core, c, r);
    return;
  }
  core.window.i32[r + T_PENDING] &= ~(P_DUPACK_MAX << 8);
  core.output(r, b);
}

/** Owes the peer an ACK: sent once per turn, or carried by data. */
export function oweAck(core: TcpCore, c: ConnectionIndex, r: number): void {
  core.window.i32[r + T_PENDING] |= P_ACK;
  core.wantTransmit(c);
}

/**
 * RFC 9293's SND.NXT for a segment without data: the highest sent plus one, not our sndNxt, which goes back after a
 * timeout (the peer may have all that is sent again, and would refuse an ACK numbered before it). But not past the
 * peer's window, where a zero-window probe leads: it would refuse that, too.
 */
export function acceptableSeq(core: TcpCore, r: number): number {
  const { i32 } = core.window;
  const edge = (i32[r + T_SND_UNA] + i32[r + T_SND_WND]) | 0;
  return ((i32[r + T_SND_NXT] - edge) | 0) > 0 ? edge : i32[r + T_SND_NXT];
}

/** Sends a reset for a connection of ours: <SEQ=SND.NXT><ACK=RCV.NXT><CTL=RST,ACK>. */
export function sendReset(core: TcpCore, c: ConnectionIndex, r: number): void {
  const b = controlSegment(core, c, r, acceptableSeq(core, r), TCP_FLAG_RST | TCP_FLAG_ACK);
  if (b < 0) return;
  core.events.count(TCP_ERROR.rst_sent);
  core.output(r, b);
}

/**
 * Least MSS of our own, that of a packet of 128 bytes: 8 of data beside the longest IPv4 and TCP headers, 60 bytes each. RFC
 * 9293 3.7.1 and RFC 6691 name none; with less, options could leave no room for data.
 */
export const LEAST_OWN_MSS = 88;

/** Our MSS option: what one packet of the link holds (RFC 9293 MUST-67), and no more than the application's bound. */
export function ownMss(core: TcpCore, r: number): number {
  const { i32 } = core.window;
  const headers = (i32[r + C_FLAGS] & CF_IP6) !== 0 ? 60 : 40;
  const mss = Math.max(core.linkMtu(r) - headers, LEAST_OWN_MSS);
  const bound = i32[r + T_MSS] >>> 16;
  return bound !== 0 && bound < mss ? bound : mss;
}

/**
 * Sends a SYN, or with `isAnswer` a SYN-ACK. Options: MSS always; window scale, timestamps and SACK permitted as configured,
 * in an answer only when the peer offered them (then the connection's flags say so).
 */
export function sendSyn(core: TcpCore, c: ConnectionIndex, r: number, isAnswer: boolean): void {
  const b = newPacket(core, c, r);
  if (b < 0) return;
  const { i32, dv } = core.window;
  const m = core.pool.meta + (b << 4);
  const flags = i32[r + C_FLAGS];
  let present = TCP_HAS_MSS;
  if ((flags & TF_WSCALE) !== 0) present |= TCP_HAS_WSCALE;
  if ((flags & TF_TIMESTAMPS) !== 0) present |= TCP_HAS_TIMESTAMPS;
  if ((flags & TF_SACK) !== 0) present |= TCP_HAS_SACK_PERMITTED;
  const at = i32[m + M_DATA];
  const headerLen = TCP_HEADER_LEN + tcpSynOptionsLen(present);
  const ports = i32[r + C_PORTS];
  // The window of a SYN is never scaled (RFC 7323 2.2).
  const window = i32[r + T_INITIAL_WND];
  const ack = isAnswer ? i32[r + T_RCV_NXT] : 0;
  const bits = isAnswer ? TCP_FLAG_SYN | TCP_FLAG_ACK : TCP_FLAG_SYN;
  tcpEmitHeader(dv, at, ports >>> 16, ports & 0xffff, i32[r + T_ISS], ack, headerLen, bits, window);
  const tsEcr = isAnswer ? i32[r + T_TS_RECENT] : 0;
  const scale = i32[r + T_SCALES] & 0xff;
  tcpEmitSynOptions(dv, at + TCP_HEADER_LEN, present, ownMss(core, r), scale, core.tsNow(r), tsEcr);
  i32[m + M_LEN] = headerLen;
  core.output(r, b);
}
