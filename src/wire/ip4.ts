import { checksumFinish, checksumUpdate16, checksumWord } from "./checksum.js";

// Internet Protocol version 4 (RFC 791). Addresses are int32.

/** Version and header length in words: 1 byte. */
export const IP4_VERSION_IHL = 0;
/** Type of service: 1 byte. */
export const IP4_TOS = 1;
/** Total length: 2 bytes. */
export const IP4_TOTAL_LEN = 2;
/** Identification: 2 bytes. */
export const IP4_ID = 4;
/** Flags and fragment offset: 2 bytes. */
export const IP4_FRAGMENT = 6;
/** Time to live: 1 byte. */
export const IP4_TTL = 8;
/** Protocol: 1 byte. */
export const IP4_PROTOCOL = 9;
/** Header checksum: 2 bytes. */
export const IP4_CHECKSUM = 10;
/** Source address: 4 bytes. */
export const IP4_SRC = 12;
/** Destination address: 4 bytes. */
export const IP4_DST = 16;
/** Bytes of a header without options, where the options start. */
export const IP4_HEADER_LEN = 20;
/** Most bytes of a header. */
export const IP4_MAX_HEADER_LEN = 60;

/** More fragments follow. */
export const IP4_MF = 0x2000;
/** Do not fragment. */
export const IP4_DF = 0x4000;

/** ICMP. */
export const PROTOCOL_ICMP4 = 1;
/** TCP. */
export const PROTOCOL_TCP = 6;
/** UDP. */
export const PROTOCOL_UDP = 17;
/** ICMPv6. */
export const PROTOCOL_ICMP6 = 58;

/** A valid header, and all of the packet is there. */
export const IP4_OK = 0;
/** Shorter than a header. */
export const IP4_TOO_SHORT = 1;
/** Version is not 4. */
export const IP4_BAD_VERSION = 2;
/** Header length below 20 bytes, or past the end. */
export const IP4_BAD_IHL = 3;
/** Total length below the header's, or past the end. */
export const IP4_BAD_LENGTH = 4;
/** Header checksum is wrong. */
export const IP4_BAD_CHECKSUM = 5;

/**
 * Checks a header within [off, off + len), all but its checksum: IP4_OK or an error. Afterwards header, options and
 * the payload up to {@link ip4TotalLen} lie within; bytes past that are link padding.
 */
export function ip4CheckHeader(dv: DataView, off: number, len: number): number {
  if (len < IP4_HEADER_LEN) return IP4_TOO_SHORT;
  const first = dv.getUint8(off);
  if (first >>> 4 !== 4) return IP4_BAD_VERSION;
  const headerLen = (first & 15) << 2;
  if (headerLen < IP4_HEADER_LEN || headerLen > len) return IP4_BAD_IHL;
  const total = dv.getUint16(off + IP4_TOTAL_LEN);
  return total < headerLen || total > len ? IP4_BAD_LENGTH : IP4_OK;
}

/** {@link ip4CheckHeader}, and the header checksum (RFC 1122 3.2.1.2). */
export function ip4Check(dv: DataView, off: number, len: number): number {
  const status = ip4CheckHeader(dv, off, len);
  if (status !== IP4_OK) return status;
  return ip4HeaderSum(dv, off) === 0 ? IP4_OK : IP4_BAD_CHECKSUM;
}

/** The checksum over the header as it stands: 0 when the field is right, the field's value when it was zero. */
export function ip4HeaderSum(dv: DataView, off: number): number {
  let sum = 0;
  for (let at = off | 0, end = (off + ip4HeaderLen(dv, off)) | 0; at < end; at += 4) {
    sum = (sum + checksumWord(dv.getInt32(at))) | 0;
  }
  return checksumFinish(sum);
}

/** Bytes of the header with its options, 20..60. */
export function ip4HeaderLen(dv: DataView, off: number): number {
  return (dv.getUint8(off) & 15) << 2;
}

/** Type of service (DSCP and ECN). */
export function ip4Tos(dv: DataView, off: number): number {
  return dv.getUint8(off + IP4_TOS);
}

/** Bytes of header and payload. */
export function ip4TotalLen(dv: DataView, off: number): number {
  return dv.getUint16(off + IP4_TOTAL_LEN);
}

/** Identification, 0..65535. */
export function ip4Id(dv: DataView, off: number): number {
  return dv.getUint16(off + IP4_ID);
}

/** Flags and fragment offset as they stand. */
export function ip4FragmentField(dv: DataView, off: number): number {
  return dv.getUint16(off + IP4_FRAGMENT);
}

/** Whether this is a part of a datagram: more fragments, or an offset (the don't-fragment flag does not matter). */
export function ip4IsFragment(dv: DataView, off: number): boolean {
  return (dv.getUint16(off + IP4_FRAGMENT) & 0x3fff) !== 0;
}

/** Fragment offset in bytes, 0..65528. */
export function ip4FragmentOffset(dv: DataView, off: number): number {
  return (dv.getUint16(off + IP4_FRAGMENT) & 0x1fff) << 3;
}

/** Whether fragments follow this one. */
export function ip4MoreFragments(dv: DataView, off: number): boolean {
  return (dv.getUint16(off + IP4_FRAGMENT) & IP4_MF) !== 0;
}

/** Whether the packet must not be fragmented. */
export function ip4DontFragment(dv: DataView, off: number): boolean {
  return (dv.getUint16(off + IP4_FRAGMENT) & IP4_DF) !== 0;
}

/** Time to live. */
export function ip4Ttl(dv: DataView, off: number): number {
  return dv.getUint8(off + IP4_TTL);
}

/** Protocol of the payload. */
export function ip4Protocol(dv: DataView, off: number): number {
  return dv.getUint8(off + IP4_PROTOCOL);
}

/** Source address. */
export function ip4Src(dv: DataView, off: number): number {
  return dv.getInt32(off + IP4_SRC);
}

/** Destination address. */
export function ip4Dst(dv: DataView, off: number): number {
  return dv.getInt32(off + IP4_DST);
}

/** Writes a header without options, with its checksum, from fields in the order of the wire; returns its length. */
export function ip4Emit(
  dv: DataView,
  off: number,
  tos: number,
  totalLen: number,
  id: number,
  fragment: number,
  ttl: number,
  protocol: number,
  src: number,
  dst: number,
): number {
  const w0 = 0x4500_0000 | (tos << 16) | totalLen | 0;
  const w1 = (id << 16) | fragment | 0;
  const w2 = (ttl << 24) | (protocol << 16) | 0;
  const sum = checksumWord(w0) + checksumWord(w1) + checksumWord(w2) + checksumWord(src) + checksumWord(dst);
  dv.setInt32(off, w0);
  dv.setInt32(off + IP4_ID, w1);
  dv.setInt32(off + IP4_TTL, w2 | checksumFinish(sum));
  dv.setInt32(off + IP4_SRC, src);
  dv.setInt32(off + IP4_DST, dst);
  return IP4_HEADER_LEN;
}

/** Computes the checksum over a finished header, options included, and stores it. */
export function ip4EmitChecksum(dv: DataView, off: number): void {
  dv.setUint16(off + IP4_CHECKSUM, 0);
  dv.setUint16(off + IP4_CHECKSUM, ip4HeaderSum(dv, off));
}

/** Lowers the time to live, which must be above 0, by one and updates the checksum (RFC 1624). */
export function ip4DecrementTtl(dv: DataView, off: number): void {
  const before = dv.getUint16(off + IP4_TTL);
  const after = (before - 0x100) & 0xffff;
  dv.setUint16(off + IP4_TTL, after);
  dv.setUint16(off + IP4_CHECKSUM, checksumUpdate16(dv.getUint16(off + IP4_CHECKSUM), before, after));
}

/** End of the option list. */
export const IP4_OPTION_END = 0;
/** Padding of one byte. */
export const IP4_OPTION_NOP = 1;
/** Record route (RFC 791). */
export const IP4_OPTION_RECORD_ROUTE = 7;
/** Timestamp (RFC 791). */
export const IP4_OPTION_TIMESTAMP = 68;
/** Loose source route (RFC 791). */
export const IP4_OPTION_LOOSE_ROUTE = 131;
/** Strict source route (RFC 791). */
export const IP4_OPTION_STRICT_ROUTE = 137;
/** Router alert (RFC 2113). */
export const IP4_OPTION_ROUTER_ALERT = 148;

/**
 * Length of the option at `at` in a list that ends at `end`: 1 for a NOP, 0 at the end of the list, -1 when malformed
 * (a length of 0 or 1, or past the end). `for (at = off + 20; (n = ip4OptionLen(u8, at, end)) > 0; at += n)` visits
 * each option; every step advances, so a list is never more than 40 steps (RFC 1122 3.2.1.8).
 */
export function ip4OptionLen(u8: Uint8Array, at: number, end: number): number {
  if (at >= end) return 0;
  const kind = u8[at];
  if (kind === IP4_OPTION_END) return 0;
  if (kind === IP4_OPTION_NOP) return 1;
  if (at + 1 >= end) return -1;
  const len = u8[at + 1];
  return len < 2 || at + len > end ? -1 : len;
}

/** Offset from the header of the first malformed option, -1 when there is none (RFC 1122 3.2.2.5). */
export function ip4OptionsFault(u8: Uint8Array, off: number): number {
  const end = (off + ((u8[off] & 15) << 2)) | 0;
  let at = (off + IP4_HEADER_LEN) | 0;
  for (;;) {
    const len = ip4OptionLen(u8, at, end);
    if (len <= 0) return len === 0 ? -1 : (at - off) | 0;
    at = (at + len) | 0;
  }
}
