import { PROTOCOL_ICMP6, PROTOCOL_TCP, PROTOCOL_UDP } from "./ip4.js";
import { IP6_DST, IP6_HEADER_LEN, IP6_NEXT_HEADER, ip6TotalLen } from "./ip6.js";

// IPv6 extension headers (RFC 8200 4): one bounded walk from the fixed header to the upper layer.

/** Hop-by-hop options. */
export const IP6_HOP_BY_HOP = 0;
/** Routing header. */
export const IP6_ROUTING = 43;
/** Fragment header. */
export const IP6_FRAGMENT = 44;
/** Authentication header; stepped over, not verified. */
export const IP6_AUTHENTICATION = 51;
/** No next header: nothing follows. */
export const IP6_NO_NEXT_HEADER = 59;
/** Destination options. */
export const IP6_DESTINATION = 60;

/** Bytes of a fragment header. */
export const IP6_FRAGMENT_LEN = 8;
/** Most extension headers walked. */
export const IP6_EXT_MAX_HEADERS = 8;
/** Most options, padding apart, read in one header (RFC 8504 5.3). */
export const IP6_EXT_MAX_OPTIONS = 8;
/** Most consecutive bytes of padding (RFC 8504 5.3). */
export const IP6_EXT_MAX_PADDING = 7;

/** Result: protocol number of the upper layer (or IP6_NO_NEXT_HEADER, or what a later fragment's header names). */
export const IP6_EXT_PROTOCOL = 0;
/** Result: absolute offset of the upper layer; of the fragment's bytes when the walk ended at a later fragment. */
export const IP6_EXT_L4 = 1;
/** Result: absolute offset of the fragment header, 0 when there is none. */
export const IP6_EXT_FRAGMENT_AT = 2;
/** Result: absolute offset of the next-header byte that names the fragment header (reassembly takes it out there). */
export const IP6_EXT_FRAGMENT_NAMED_AT = 3;
/** Result: number of extension headers. */
export const IP6_EXT_COUNT = 4;
/** Result: for a Parameter Problem, the offset from the fixed header of the byte at fault. */
export const IP6_EXT_POINTER = 5;
/** Result: offset from the fixed header of the next-header byte that names the upper layer, for an unknown protocol. */
export const IP6_EXT_PROTOCOL_NAMED_AT = 6;
/** Words of a result. */
export const IP6_EXT_WORDS = 7;

/** The whole chain is valid. */
export const IP6_EXT_OK = 0;
/** A header runs past the end. */
export const IP6_EXT_TRUNCATED = 1;
/** More than {@link IP6_EXT_MAX_HEADERS} headers. */
export const IP6_EXT_TOO_MANY = 2;
/** Hop-by-hop options not in the first place (RFC 8200 4.1): Parameter Problem, code 1. */
export const IP6_EXT_MISPLACED = 3;
/** An option runs past its header, too many options, or too much padding: dropped in silence. */
export const IP6_EXT_BAD_OPTION = 4;
/** An unknown option asks for silent discard. */
export const IP6_EXT_OPTION_DROP = 5;
/** An unknown option asks for a Parameter Problem, code 2 (and the destination allows it). */
export const IP6_EXT_OPTION_PROBLEM = 6;
/** A routing header with segments left (RFC 8200 4.4, RFC 5095): Parameter Problem, code 0. */
export const IP6_EXT_ROUTING_PROBLEM = 7;
/** A first fragment without the upper-layer header (RFC 7112): Parameter Problem, code 3. */
export const IP6_EXT_FIRST_INCOMPLETE = 8;

/** Code of the ICMPv6 Parameter Problem that answers a walk's status, -1 when it is dropped in silence. */
export function ip6ExtProblemCode(status: number): number {
  switch (status) {
    case IP6_EXT_ROUTING_PROBLEM:
      return 0;
    case IP6_EXT_MISPLACED:
      return 1;
    case IP6_EXT_OPTION_PROBLEM:
      return 2;
    case IP6_EXT_FIRST_INCOMPLETE:
      return 3;
    default:
      return -1;
  }
}

/** Whether a next-header value is one this walk steps over; TCP, UDP and ICMPv6 are not. */
export function ip6IsExtension(nextHeader: number): boolean {
  return (
    nextHeader === IP6_HOP_BY_HOP ||
    nextHeader === IP6_DESTINATION ||
    nextHeader === IP6_FRAGMENT ||
    nextHeader === IP6_ROUTING ||
    nextHeader === IP6_AUTHENTICATION
  );
}

/**
 * Walks the extension headers of the packet at `off`, which passed ip6Check, and writes what it found to `out`
 * (IP6_EXT_WORDS words of the caller's). Options are judged by RFC 8200 4.2. A fragment with an offset ends the walk; behind
 * the header of a first fragment only the form of the chain is checked, its options are judged after reassembly.
 * Returns IP6_EXT_OK, or an error: then only the fragment words, the count and, for a problem to report, the pointer hold.
 */
export function ip6ExtWalk(dv: DataView, u8: Uint8Array, off: number, out: Int32Array): number {
  const end = (off + ip6TotalLen(dv, off)) | 0;
  let namedAt = (off + IP6_NEXT_HEADER) | 0;
  let at = (off + IP6_HEADER_LEN) | 0;
  let protocol = u8[namedAt];
  let isPart = false;
  out[IP6_EXT_FRAGMENT_AT] = 0;
  out[IP6_EXT_FRAGMENT_NAMED_AT] = 0;
  out[IP6_EXT_COUNT] = 0;
  out[IP6_EXT_POINTER] = 0;
  while (ip6IsExtension(protocol)) {
    out[IP6_EXT_COUNT] = (out[IP6_EXT_COUNT] + 1) | 0;
    out[IP6_EXT_POINTER] = (namedAt - off) | 0;
    if (out[IP6_EXT_COUNT] > IP6_EXT_MAX_HEADERS) return IP6_EXT_TOO_MANY;
    const len = at + 8 > end ? 8 : ip6ExtLen(u8, protocol, at);
    if (at + len > end) return isPart ? firstIncomplete(out) : IP6_EXT_TRUNCATED;
    if (protocol === IP6_HOP_BY_HOP && namedAt !== ((off + IP6_NEXT_HEADER) | 0)) return IP6_EXT_MISPLACED;
    if (protocol === IP6_FRAGMENT) {
      const field = dv.getUint16(at + 2);
      out[IP6_EXT_FRAGMENT_AT] = at;
      out[IP6_EXT_FRAGMENT_NAMED_AT] = namedAt;
      isPart = (field & 0xfff9) !== 0;
      if ((field & 0xfff8) !== 0) {
        protocol = u8[at];
        namedAt = at;
        at = (at + len) | 0;
        break;
      }
    } else if (protocol === IP6_ROUTING) {
      if (!isPart && u8[at + 3] !== 0) {
        out[IP6_EXT_POINTER] = (at + 2 - off) | 0;
        return IP6_EXT_ROUTING_PROBLEM;
      }
    } else if (protocol !== IP6_AUTHENTICATION && !isPart) {
      const status = checkOptions(u8, off, at, (at + len) | 0, out);
      if (status !== IP6_EXT_OK) return status;
    }
    protocol = u8[at];
    namedAt = at;
    at = (at + len) | 0;
  }
  out[IP6_EXT_PROTOCOL] = protocol;
  out[IP6_EXT_L4] = at;
  out[IP6_EXT_PROTOCOL_NAMED_AT] = (namedAt - off) | 0;
  const isFirst = isPart && (dv.getUint16(out[IP6_EXT_FRAGMENT_AT] + 2) & 0xfff8) === 0;
  if (isFirst && at + upperHeaderLen(protocol) > end) return firstIncomplete(out);
  return IP6_EXT_OK;
}

/** RFC 7112 5: the Parameter Problem points at offset 0. */
function firstIncomplete(out: Int32Array): number {
  out[IP6_EXT_POINTER] = 0;
  return IP6_EXT_FIRST_INCOMPLETE;
}

/** Bytes of the extension header of kind `protocol` at `at`: at least 8; its first two bytes must be readable. */
function ip6ExtLen(u8: Uint8Array, protocol: number, at: number): number {
  if (protocol === IP6_FRAGMENT) return IP6_FRAGMENT_LEN;
  // RFC 4302 2.2: the length of an authentication header counts words of 4 bytes.
  if (protocol === IP6_AUTHENTICATION) return Math.max(8, (u8[at + 1] + 2) << 2);
  return (u8[at + 1] + 1) << 3;
}

/** The least an upper-layer header takes in a first fragment (RFC 7112). */
function upperHeaderLen(protocol: number): number {
  switch (protocol) {
    case PROTOCOL_TCP:
      return 20;
    case PROTOCOL_UDP:
      return 8;
    case PROTOCOL_ICMP6:
      return 4;
    default:
      return 0;
  }
}

/** Judges the options of a header in [at, end) whose packet starts at `off` (RFC 8200 4.2). */
function checkOptions(u8: Uint8Array, off: number, header: number, end: number, out: Int32Array): number {
  let at = (header + 2) | 0;
  let padding = 0;
  let count = 0;
  while (at < end) {
    const kind = u8[at];
    const len = kind === 0 ? 1 : at + 1 < end ? u8[at + 1] + 2 : 256;
    if (at + len > end) return IP6_EXT_BAD_OPTION;
    if (kind <= 1) {
      padding = (padding + len) | 0;
      if (padding > IP6_EXT_MAX_PADDING) return IP6_EXT_BAD_OPTION;
    } else {
      padding = 0;
      count = (count + 1) | 0;
      if (count > IP6_EXT_MAX_OPTIONS) return IP6_EXT_BAD_OPTION;
      const action = unknownAction(u8, off, kind);
      if (action !== IP6_EXT_OK) {
        out[IP6_EXT_POINTER] = (at - off) | 0;
        return action;
      }
    }
    at = (at + len) | 0;
  }
  return IP6_EXT_OK;
}

/** What the two highest bits of an option ask of a node that does not know it; every option but padding is unknown. */
function unknownAction(u8: Uint8Array, off: number, kind: number): number {
  switch (kind >>> 6) {
    case 0:
      return IP6_EXT_OK;
    case 1:
      return IP6_EXT_OPTION_DROP;
    case 2:
      return IP6_EXT_OPTION_PROBLEM;
    default:
      return u8[off + IP6_DST] === 0xff ? IP6_EXT_OPTION_DROP : IP6_EXT_OPTION_PROBLEM;
  }
}

/** Offset in bytes of the fragment whose header is at `at`, 0..65528. */
export function ip6FragmentOffset(dv: DataView, at: number): number {
  return dv.getUint16(at + 2) & 0xfff8;
}

/** Whether fragments follow the one whose header is at `at`. */
export function ip6MoreFragments(dv: DataView, at: number): boolean {
  return (dv.getUint16(at + 2) & 1) !== 0;
}

/** Whether a fragment header makes its packet a part of a datagram; if not it is an atomic fragment (RFC 6946). */
export function ip6IsFragment(dv: DataView, at: number): boolean {
  return (dv.getUint16(at + 2) & 0xfff9) !== 0;
}

/** Identification of the fragment whose header is at `at`, int32. */
export function ip6FragmentId(dv: DataView, at: number): number {
  return dv.getInt32(at + 4);
}

/** Writes a fragment header; `offset` in bytes, a multiple of 8. Returns its length. */
export function ip6EmitFragment(
  dv: DataView,
  at: number,
  nextHeader: number,
  offset: number,
  more: boolean,
  id: number,
): number {
  dv.setUint16(at, nextHeader << 8);
  dv.setUint16(at + 2, (offset & 0xfff8) | (more ? 1 : 0));
  dv.setInt32(at + 4, id);
  return IP6_FRAGMENT_LEN;
}
