import { checksumAdd, checksumPseudo4, checksumPseudo6 } from "./checksum.js";
import { PROTOCOL_TCP } from "./ip4.js";

// Transmission Control Protocol, the header (RFC 9293 3.1). Options are in tcp-options.ts. Sequence numbers are int32.

/** Source port: 2 bytes. */
export const TCP_SRC_PORT = 0;
/** Destination port: 2 bytes. */
export const TCP_DST_PORT = 2;
/** Sequence number: 4 bytes. */
export const TCP_SEQ = 4;
/** Acknowledgment number: 4 bytes. */
export const TCP_ACK = 8;
/** Data offset in words (4 bits), reserved bits and flags: 2 bytes. */
export const TCP_OFFSET_FLAGS = 12;
/** Window: 2 bytes. */
export const TCP_WINDOW = 14;
/** Checksum: 2 bytes. */
export const TCP_CHECKSUM = 16;
/** Urgent pointer: 2 bytes. */
export const TCP_URGENT = 18;
/** Bytes of a header without options, where the options start. */
export const TCP_HEADER_LEN = 20;
/** Most bytes of a header. */
export const TCP_MAX_HEADER_LEN = 60;

/** No more data from the sender. */
export const TCP_FLAG_FIN = 1;
/** Synchronize sequence numbers. */
export const TCP_FLAG_SYN = 2;
/** Reset the connection. */
export const TCP_FLAG_RST = 4;
/** Push. */
export const TCP_FLAG_PSH = 8;
/** The acknowledgment number counts. */
export const TCP_FLAG_ACK = 16;
/** The urgent pointer counts. */
export const TCP_FLAG_URG = 32;
/** ECN echo (RFC 3168). */
export const TCP_FLAG_ECE = 64;
/** Congestion window reduced (RFC 3168). */
export const TCP_FLAG_CWR = 128;
/** Accurate ECN (RFC 9768). */
export const TCP_FLAG_AE = 256;

/** A whole header is there. */
export const TCP_OK = 0;
/** Shorter than a header. */
export const TCP_TOO_SHORT = 1;
/** Data offset below 20 bytes or past the end. */
export const TCP_BAD_OFFSET = 2;
/** Checksum is wrong. */
export const TCP_BAD_CHECKSUM = 3;

/** Checks the header within [off, off + len): afterwards {@link tcpHeaderLen} bytes lie within, the rest is data. */
export function tcpCheck(dv: DataView, off: number, len: number): number {
  if (len < TCP_HEADER_LEN) return TCP_TOO_SHORT;
  const headerLen = tcpHeaderLen(dv, off);
  return headerLen < TCP_HEADER_LEN || headerLen > len ? TCP_BAD_OFFSET : TCP_OK;
}

/** Verifies the checksum of the segment in [off, off + len) whose IPv4 header is at `ipOff`. */
export function tcpCheckSum4(
  dv: DataView,
  u8: Uint8Array,
  i32: Int32Array,
  ipOff: number,
  off: number,
  len: number,
): number {
  const sum = checksumAdd(u8, i32, off, len, checksumPseudo4(dv, ipOff, PROTOCOL_TCP, len));
  return sum === 0xffff ? TCP_OK : TCP_BAD_CHECKSUM;
}

/** Verifies the checksum of the segment in [off, off + len) whose IPv6 header is at `ipOff`. */
export function tcpCheckSum6(
  dv: DataView,
  u8: Uint8Array,
  i32: Int32Array,
  ipOff: number,
  off: number,
  len: number,
): number {
  const sum = checksumAdd(u8, i32, off, len, checksumPseudo6(dv, ipOff, PROTOCOL_TCP, len));
  return sum === 0xffff ? TCP_OK : TCP_BAD_CHECKSUM;
}

/** Source port. */
export function tcpSrcPort(dv: DataView, off: number): number {
  return dv.getUint16(off + TCP_SRC_PORT);
}

/** Destination port. */
export function tcpDstPort(dv: DataView, off: number): number {
  return dv.getUint16(off + TCP_DST_PORT);
}

/** Sequence number. */
export function tcpSeq(dv: DataView, off: number): number {
  return dv.getInt32(off + TCP_SEQ);
}

/** Acknowledgment number. */
export function tcpAck(dv: DataView, off: number): number {
  return dv.getInt32(off + TCP_ACK);
}

/** Bytes of the header with its options, 20..60 in a checked header. */
export function tcpHeaderLen(dv: DataView, off: number): number {
  return (dv.getUint8(off + TCP_OFFSET_FLAGS) >>> 4) << 2;
}

/** The nine flags. */
export function tcpFlags(dv: DataView, off: number): number {
  return dv.getUint16(off + TCP_OFFSET_FLAGS) & 0x1ff;
}

/** Window as it stands, unscaled. */
export function tcpWindow(dv: DataView, off: number): number {
  return dv.getUint16(off + TCP_WINDOW);
}

/** Urgent pointer. */
export function tcpUrgent(dv: DataView, off: number): number {
  return dv.getUint16(off + TCP_URGENT);
}

/** Length of a segment in sequence space: its data, and one each for SYN and FIN (RFC 9293 3.4). */
export function tcpSegmentLen(flags: number, dataLen: number): number {
  return (dataLen + (flags & TCP_FLAG_FIN) + ((flags & TCP_FLAG_SYN) >>> 1)) | 0;
}

/**
 * Writes a header with zero checksum and urgent pointer from fields in the order of the wire. `headerLen`, a multiple of 4, counts
 * the options, which the caller writes from off + TCP_HEADER_LEN. Returns `headerLen`.
 */
export function tcpEmitHeader(
  dv: DataView,
  off: number,
  srcPort: number,
  dstPort: number,
  seq: number,
  ack: number,
  headerLen: number,
  flags: number,
  window: number,
): number {
  dv.setInt32(off, (srcPort << 16) | dstPort);
  dv.setInt32(off + TCP_SEQ, seq);
  dv.setInt32(off + TCP_ACK, ack);
  dv.setInt32(off + TCP_OFFSET_FLAGS, (headerLen << 26) | (flags << 16) | window);
  dv.setInt32(off + TCP_CHECKSUM, 0);
  return headerLen;
}

/** Computes and stores the checksum of the finished segment in [off, off + len), its IPv4 header at `ipOff` written. */
export function tcpEmitChecksum4(
  dv: DataView,
  u8: Uint8Array,
  i32: Int32Array,
  ipOff: number,
  off: number,
  len: number,
): void {
  dv.setUint16(off + TCP_CHECKSUM, 0);
  const sum = checksumAdd(u8, i32, off, len, checksumPseudo4(dv, ipOff, PROTOCOL_TCP, len));
  dv.setUint16(off + TCP_CHECKSUM, ~sum & 0xffff);
}

/** Computes and stores the checksum of the finished segment in [off, off + len), its IPv6 header at `ipOff` written. */
export function tcpEmitChecksum6(
  dv: DataView,
  u8: Uint8Array,
  i32: Int32Array,
  ipOff: number,
  off: number,
  len: number,
): void {
  dv.setUint16(off + TCP_CHECKSUM, 0);
  const sum = checksumAdd(u8, i32, off, len, checksumPseudo6(dv, ipOff, PROTOCOL_TCP, len));
  dv.setUint16(off + TCP_CHECKSUM, ~sum & 0xffff);
}
