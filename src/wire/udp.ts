import { checksumAdd, checksumPseudo4, checksumPseudo6 } from "./checksum.js";
import { PROTOCOL_UDP } from "./ip4.js";

// User Datagram Protocol (RFC 768).

/** Source port: 2 bytes. */
export const UDP_SRC_PORT = 0;
/** Destination port: 2 bytes. */
export const UDP_DST_PORT = 2;
/** Bytes of header and data: 2 bytes. */
export const UDP_LENGTH = 4;
/** Checksum, 0 for none: 2 bytes. */
export const UDP_CHECKSUM = 6;
/** Bytes of the header. */
export const UDP_HEADER_LEN = 8;

/** A valid datagram. */
export const UDP_OK = 0;
/** Shorter than the header. */
export const UDP_TOO_SHORT = 1;
/** Length below 8 or past the end. */
export const UDP_BAD_LENGTH = 2;
/** Checksum is wrong. */
export const UDP_BAD_CHECKSUM = 3;
/** Over IPv6 and without a checksum (RFC 8200 8.1). */
export const UDP_NO_CHECKSUM = 4;

/** Checks header and length within [off, off + len): afterwards {@link udpLength} bytes lie within; the rest is to be cut. */
export function udpCheck(dv: DataView, off: number, len: number): number {
  if (len < UDP_HEADER_LEN) return UDP_TOO_SHORT;
  const length = dv.getUint16(off + UDP_LENGTH);
  return length < UDP_HEADER_LEN || length > len ? UDP_BAD_LENGTH : UDP_OK;
}

/** After udpCheck, verifies the checksum of a datagram whose IPv4 header is at `ipOff`; 0 means none, and is right. */
export function udpCheckSum4(dv: DataView, u8: Uint8Array, i32: Int32Array, ipOff: number, off: number): number {
  if (dv.getUint16(off + UDP_CHECKSUM) === 0) return UDP_OK;
  const len = dv.getUint16(off + UDP_LENGTH);
  const sum = checksumAdd(u8, i32, off, len, checksumPseudo4(dv, ipOff, PROTOCOL_UDP, len));
  return sum === 0xffff ? UDP_OK : UDP_BAD_CHECKSUM;
}

/** After udpCheck, verifies the checksum of a datagram whose IPv6 header is at `ipOff`; none is an error. */
export function udpCheckSum6(dv: DataView, u8: Uint8Array, i32: Int32Array, ipOff: number, off: number): number {
  if (dv.getUint16(off + UDP_CHECKSUM) === 0) return UDP_NO_CHECKSUM;
  const len = dv.getUint16(off + UDP_LENGTH);
  const sum = checksumAdd(u8, i32, off, len, checksumPseudo6(dv, ipOff, PROTOCOL_UDP, len));
  return sum === 0xffff ? UDP_OK : UDP_BAD_CHECKSUM;
}

/** Source port; 0 when the sender wants no answer. */
export function udpSrcPort(dv: DataView, off: number): number {
  return dv.getUint16(off + UDP_SRC_PORT);
}

/** Destination port. */
export function udpDstPort(dv: DataView, off: number): number {
  return dv.getUint16(off + UDP_DST_PORT);
}

/** Bytes of header and data. */
export function udpLength(dv: DataView, off: number): number {
  return dv.getUint16(off + UDP_LENGTH);
}

/** Writes a header with a zero checksum; `length` counts header and data. Returns the header's length. */
export function udpEmit(dv: DataView, off: number, srcPort: number, dstPort: number, length: number): number {
  dv.setInt32(off, (srcPort << 16) | dstPort);
  dv.setInt32(off + UDP_LENGTH, length << 16);
  return UDP_HEADER_LEN;
}

/** The value of the checksum field for a folded sum over datagram and pseudo header: a computed 0 is sent as 0xffff. */
export function udpFinish(sum: number): number {
  return sum === 0xffff ? 0xffff : ~sum & 0xffff;
}

/** Computes and stores the checksum of the finished datagram at `off`, its IPv4 header at `ipOff` written. */
export function udpEmitChecksum4(dv: DataView, u8: Uint8Array, i32: Int32Array, ipOff: number, off: number): void {
  const len = dv.getUint16(off + UDP_LENGTH);
  dv.setUint16(off + UDP_CHECKSUM, 0);
  const sum = checksumAdd(u8, i32, off, len, checksumPseudo4(dv, ipOff, PROTOCOL_UDP, len));
  dv.setUint16(off + UDP_CHECKSUM, udpFinish(sum));
}

/** Computes and stores the checksum of the finished datagram at `off`, its IPv6 header at `ipOff` written. */
export function udpEmitChecksum6(dv: DataView, u8: Uint8Array, i32: Int32Array, ipOff: number, off: number): void {
  const len = dv.getUint16(off + UDP_LENGTH);
  dv.setUint16(off + UDP_CHECKSUM, 0);
  const sum = checksumAdd(u8, i32, off, len, checksumPseudo6(dv, ipOff, PROTOCOL_UDP, len));
  dv.setUint16(off + UDP_CHECKSUM, udpFinish(sum));
}
