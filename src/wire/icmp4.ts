import { checksum, checksumUpdate16 } from "./checksum.js";
import { IP4_HEADER_LEN } from "./ip4.js";

// Internet Control Message Protocol (RFC 792). Every message has a header of 8 bytes: type, code, checksum, four more.

/** Type: 1 byte. */
export const ICMP4_TYPE = 0;
/** Code: 1 byte. */
export const ICMP4_CODE = 1;
/** Checksum: 2 bytes. */
export const ICMP4_CHECKSUM = 2;
/** Echo identifier: 2 bytes. */
export const ICMP4_ID = 4;
/** Echo sequence number: 2 bytes. */
export const ICMP4_SEQ = 6;
/** Path MTU in "fragmentation needed" (RFC 1191): 2 bytes. */
export const ICMP4_MTU = 6;
/** Gateway of a redirect: 4 bytes. */
export const ICMP4_GATEWAY = 4;
/** Offset at fault in a parameter problem: 1 byte. */
export const ICMP4_POINTER = 4;
/** Bytes of the header; an error quotes the packet from here. */
export const ICMP4_HEADER_LEN = 8;

/** Echo reply. */
export const ICMP4_ECHO_REPLY = 0;
/** Destination unreachable. */
export const ICMP4_UNREACHABLE = 3;
/** Source quench, obsolete (RFC 6633). */
export const ICMP4_SOURCE_QUENCH = 4;
/** Redirect. */
export const ICMP4_REDIRECT = 5;
/** Echo request. */
export const ICMP4_ECHO_REQUEST = 8;
/** Time exceeded. */
export const ICMP4_TIME_EXCEEDED = 11;
/** Parameter problem. */
export const ICMP4_PARAMETER_PROBLEM = 12;

/** Unreachable: network. */
export const ICMP4_NET_UNREACHABLE = 0;
/** Unreachable: host. */
export const ICMP4_HOST_UNREACHABLE = 1;
/** Unreachable: protocol. */
export const ICMP4_PROTOCOL_UNREACHABLE = 2;
/** Unreachable: port. */
export const ICMP4_PORT_UNREACHABLE = 3;
/** Unreachable: fragmentation needed and not allowed. */
export const ICMP4_FRAGMENTATION_NEEDED = 4;
/** Unreachable: administratively prohibited. */
export const ICMP4_PROHIBITED = 13;
/** Time exceeded: in transit. */
export const ICMP4_TTL_EXCEEDED = 0;
/** Time exceeded: in reassembly. */
export const ICMP4_REASSEMBLY_EXCEEDED = 1;

/** A valid message. */
export const ICMP4_OK = 0;
/** Shorter than its header, or than the packet it must quote. */
export const ICMP4_TOO_SHORT = 1;
/** Checksum is wrong. */
export const ICMP4_BAD_CHECKSUM = 2;
/** The quoted packet has no valid header. */
export const ICMP4_BAD_QUOTE = 3;

/** Checks length and checksum of the message in [off, off + len): ICMP4_OK or an error. */
export function icmp4Check(u8: Uint8Array, i32: Int32Array, off: number, len: number): number {
  if (len < ICMP4_HEADER_LEN) return ICMP4_TOO_SHORT;
  return checksum(u8, i32, off, len) === 0 ? ICMP4_OK : ICMP4_BAD_CHECKSUM;
}

/**
 * Checks the packet that the error in [off, off + len) quotes: a version 4 header and 8 bytes of its payload are there.
 * Afterwards the ip4 readers hold at off + ICMP4_HEADER_LEN (its total length does not: a quote is cut), and the ports
 * of a quoted TCP or UDP header, and the sequence number of TCP, may be read.
 */
export function icmp4CheckQuote(dv: DataView, off: number, len: number): number {
  const room = (len - ICMP4_HEADER_LEN) | 0;
  if (room < IP4_HEADER_LEN + 8) return ICMP4_TOO_SHORT;
  const first = dv.getUint8(off + ICMP4_HEADER_LEN);
  const headerLen = (first & 15) << 2;
  if (first >>> 4 !== 4 || headerLen < IP4_HEADER_LEN) return ICMP4_BAD_QUOTE;
  return headerLen + 8 > room ? ICMP4_TOO_SHORT : ICMP4_OK;
}

/** Whether a type is an error message: never answered with another (RFC 1122 3.2.2). */
export function icmp4IsError(type: number): boolean {
  return (
    type === ICMP4_UNREACHABLE ||
    type === ICMP4_TIME_EXCEEDED ||
    type === ICMP4_PARAMETER_PROBLEM ||
    type === ICMP4_REDIRECT ||
    type === ICMP4_SOURCE_QUENCH
  );
}

/** Type. */
export function icmp4Type(dv: DataView, off: number): number {
  return dv.getUint8(off + ICMP4_TYPE);
}

/** Code. */
export function icmp4Code(dv: DataView, off: number): number {
  return dv.getUint8(off + ICMP4_CODE);
}

/** Identifier of an echo. */
export function icmp4Id(dv: DataView, off: number): number {
  return dv.getUint16(off + ICMP4_ID);
}

/** Sequence number of an echo. */
export function icmp4Seq(dv: DataView, off: number): number {
  return dv.getUint16(off + ICMP4_SEQ);
}

/** Next-hop MTU of "fragmentation needed"; 0 from routers older than RFC 1191. */
export function icmp4Mtu(dv: DataView, off: number): number {
  return dv.getUint16(off + ICMP4_MTU);
}

/** Gateway of a redirect. */
export function icmp4Gateway(dv: DataView, off: number): number {
  return dv.getInt32(off + ICMP4_GATEWAY);
}

/** Offset at fault of a parameter problem. */
export function icmp4Pointer(dv: DataView, off: number): number {
  return dv.getUint8(off + ICMP4_POINTER);
}

/** Writes a header with a zero checksum; `rest` is the second word (id and seq, MTU, gateway, pointer). Returns its length. */
export function icmp4Emit(dv: DataView, off: number, type: number, code: number, rest: number): number {
  dv.setInt32(off, (type << 24) | (code << 16));
  dv.setInt32(off + 4, rest);
  return ICMP4_HEADER_LEN;
}

/** Computes the checksum of the finished message in [off, off + len) and stores it. */
export function icmp4EmitChecksum(dv: DataView, u8: Uint8Array, i32: Int32Array, off: number, len: number): void {
  dv.setUint16(off + ICMP4_CHECKSUM, 0);
  dv.setUint16(off + ICMP4_CHECKSUM, checksum(u8, i32, off, len));
}

/** Turns an echo request into its reply in place; the checksum is updated, not computed (RFC 1624). */
export function icmp4MakeEchoReply(dv: DataView, off: number): void {
  const before = dv.getUint16(off + ICMP4_TYPE);
  const after = (ICMP4_ECHO_REPLY << 8) | (before & 0xff);
  dv.setUint16(off + ICMP4_TYPE, after);
  const sum = checksumUpdate16(dv.getUint16(off + ICMP4_CHECKSUM), before, after);
  // A message all of zeros sums to 0, whose complement the update cannot tell from that of 0xffff: this is right for both.
  dv.setUint16(off + ICMP4_CHECKSUM, sum === 0 ? 0xffff : sum);
}
