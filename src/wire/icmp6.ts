import { checksumAdd, checksumPseudo6, checksumUpdate16 } from "./checksum.js";
import { PROTOCOL_ICMP6 } from "./ip4.js";
import { IP6_HEADER_LEN } from "./ip6.js";

// Internet Control Message Protocol version 6 (RFC 4443). Neighbour discovery messages are in nd.ts.

/** Type: 1 byte. */
export const ICMP6_TYPE = 0;
/** Code: 1 byte. */
export const ICMP6_CODE = 1;
/** Checksum, over the pseudo header too: 2 bytes. */
export const ICMP6_CHECKSUM = 2;
/** Echo identifier: 2 bytes. */
export const ICMP6_ID = 4;
/** Echo sequence number: 2 bytes. */
export const ICMP6_SEQ = 6;
/** MTU of "packet too big", pointer of a parameter problem: 4 bytes. */
export const ICMP6_WORD = 4;
/** Bytes before the body of an echo and before the packet an error quotes. */
export const ICMP6_HEADER_LEN = 8;

/** Destination unreachable. */
export const ICMP6_UNREACHABLE = 1;
/** Packet too big. */
export const ICMP6_PACKET_TOO_BIG = 2;
/** Time exceeded. */
export const ICMP6_TIME_EXCEEDED = 3;
/** Parameter problem. */
export const ICMP6_PARAMETER_PROBLEM = 4;
/** Echo request. */
export const ICMP6_ECHO_REQUEST = 128;
/** Echo reply. */
export const ICMP6_ECHO_REPLY = 129;
/** Multicast listener query (RFC 2710, RFC 3810). */
export const ICMP6_MLD_QUERY = 130;
/** Router solicitation. */
export const ICMP6_ROUTER_SOLICITATION = 133;
/** Router advertisement. */
export const ICMP6_ROUTER_ADVERTISEMENT = 134;
/** Neighbor solicitation. */
export const ICMP6_NEIGHBOR_SOLICITATION = 135;
/** Neighbor advertisement. */
export const ICMP6_NEIGHBOR_ADVERTISEMENT = 136;
/** Redirect. */
export const ICMP6_REDIRECT = 137;
/** Version 2 multicast listener report (RFC 3810). */
export const ICMP6_MLD2_REPORT = 143;

/** Unreachable: no route. */
export const ICMP6_NO_ROUTE = 0;
/** Unreachable: administratively prohibited. */
export const ICMP6_PROHIBITED = 1;
/** Unreachable: address. */
export const ICMP6_ADDRESS_UNREACHABLE = 3;
/** Unreachable: port. */
export const ICMP6_PORT_UNREACHABLE = 4;
/** Time exceeded: hop limit in transit. */
export const ICMP6_HOP_LIMIT_EXCEEDED = 0;
/** Time exceeded: in reassembly. */
export const ICMP6_REASSEMBLY_EXCEEDED = 1;
/** Parameter problem: erroneous header field. */
export const ICMP6_BAD_FIELD = 0;
/** Parameter problem: unrecognised next header. */
export const ICMP6_UNKNOWN_NEXT_HEADER = 1;
/** Parameter problem: unrecognised option. */
export const ICMP6_UNKNOWN_OPTION = 2;
/** Parameter problem: first fragment with an incomplete header chain (RFC 7112). */
export const ICMP6_INCOMPLETE_CHAIN = 3;

/** A valid message. */
export const ICMP6_OK = 0;
/** Shorter than its header, or than the packet it must quote. */
export const ICMP6_TOO_SHORT = 1;
/** Checksum is wrong. */
export const ICMP6_BAD_CHECKSUM = 2;
/** The quoted packet has no valid header. */
export const ICMP6_BAD_QUOTE = 3;

/** The checksum over the message as it stands and its pseudo header: 0 when right. */
function icmp6Sum(dv: DataView, u8: Uint8Array, i32: Int32Array, ipOff: number, off: number, len: number): number {
  return ~checksumAdd(u8, i32, off, len, checksumPseudo6(dv, ipOff, PROTOCOL_ICMP6, len)) & 0xffff;
}

/** Checks length and checksum of the message in [off, off + len) of the packet whose fixed header is at `ipOff`. */
export function icmp6Check(
  dv: DataView,
  u8: Uint8Array,
  i32: Int32Array,
  ipOff: number,
  off: number,
  len: number,
): number {
  if (len < ICMP6_HEADER_LEN) return ICMP6_TOO_SHORT;
  return icmp6Sum(dv, u8, i32, ipOff, off, len) === 0 ? ICMP6_OK : ICMP6_BAD_CHECKSUM;
}

/**
 * Checks the packet that the error in [off, off + len) quotes: a version 6 fixed header and 8 bytes after it are there.
 * Afterwards the ip6 readers hold at off + ICMP6_HEADER_LEN (its payload length does not: a quote is cut).
 */
export function icmp6CheckQuote(dv: DataView, off: number, len: number): number {
  if (len < ICMP6_HEADER_LEN + IP6_HEADER_LEN + 8) return ICMP6_TOO_SHORT;
  return dv.getUint8(off + ICMP6_HEADER_LEN) >>> 4 === 6 ? ICMP6_OK : ICMP6_BAD_QUOTE;
}

/** Whether a type is an error message: the highest bit is clear (RFC 4443 2.1). */
export function icmp6IsError(type: number): boolean {
  return type < 128;
}

/** Type. */
export function icmp6Type(dv: DataView, off: number): number {
  return dv.getUint8(off + ICMP6_TYPE);
}

/** Code. */
export function icmp6Code(dv: DataView, off: number): number {
  return dv.getUint8(off + ICMP6_CODE);
}

/** Identifier of an echo. */
export function icmp6Id(dv: DataView, off: number): number {
  return dv.getUint16(off + ICMP6_ID);
}

/** Sequence number of an echo. */
export function icmp6Seq(dv: DataView, off: number): number {
  return dv.getUint16(off + ICMP6_SEQ);
}

/** MTU of "packet too big", as an int32: a value of 2^31 or more reads negative. */
export function icmp6Mtu(dv: DataView, off: number): number {
  return dv.getInt32(off + ICMP6_WORD);
}

/** Offset at fault of a parameter problem, as an int32. */
export function icmp6Pointer(dv: DataView, off: number): number {
  return dv.getInt32(off + ICMP6_WORD);
}

/** Writes a header with a zero checksum; `rest` is the second word (id and seq, MTU, pointer). Returns its length. */
export function icmp6Emit(dv: DataView, off: number, type: number, code: number, rest: number): number {
  dv.setInt32(off, (type << 24) | (code << 16));
  dv.setInt32(off + 4, rest);
  return ICMP6_HEADER_LEN;
}

/** Computes the checksum of the finished message in [off, off + len), its IPv6 header at `ipOff` written, and stores it. */
export function icmp6EmitChecksum(
  dv: DataView,
  u8: Uint8Array,
  i32: Int32Array,
  ipOff: number,
  off: number,
  len: number,
): void {
  dv.setUint16(off + ICMP6_CHECKSUM, 0);
  dv.setUint16(off + ICMP6_CHECKSUM, icmp6Sum(dv, u8, i32, ipOff, off, len));
}

/**
 * Turns an echo request into its reply in place. The checksum is updated, not computed (RFC 1624): it stays right when
 * the caller swaps source and destination, but not when it answers from another address.
 */
export function icmp6MakeEchoReply(dv: DataView, off: number): void {
  const before = dv.getUint16(off + ICMP6_TYPE);
  const after = (ICMP6_ECHO_REPLY << 8) | (before & 0xff);
  dv.setUint16(off + ICMP6_TYPE, after);
  dv.setUint16(off + ICMP6_CHECKSUM, checksumUpdate16(dv.getUint16(off + ICMP6_CHECKSUM), before, after));
}
