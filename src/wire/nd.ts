import {
  ICMP6_NEIGHBOR_ADVERTISEMENT,
  ICMP6_NEIGHBOR_SOLICITATION,
  ICMP6_REDIRECT,
  ICMP6_ROUTER_ADVERTISEMENT,
  ICMP6_ROUTER_SOLICITATION,
  icmp6Emit,
  icmp6Type,
} from "./icmp6.js";
import {
  IP6_DST,
  IP6_SRC,
  ip6AddressEqual,
  ip6EmitAddress,
  ip6HopLimit,
  ip6IsLinkLocal,
  ip6IsMulticast,
  ip6IsSolicitedNode,
  ip6IsUnspecified,
} from "./ip6.js";
import { ND_HAS_SOURCE_LINK, ND_OPT_PRESENT, ndParseOptions } from "./nd-options.js";

// Neighbor discovery (RFC 4861): the five messages and the validity rules of sections 6.1, 7.1 and 8.1.

/** Target address of a neighbor solicitation, advertisement and redirect: 16 bytes. */
export const ND_TARGET = 8;
/** Destination address of a redirect: 16 bytes. */
export const ND_DESTINATION = 24;
/** Bytes of a neighbor solicitation or advertisement before its options. */
export const ND_NEIGHBOR_LEN = 24;
/** Bytes of a router solicitation before its options. */
export const ND_ROUTER_SOLICITATION_LEN = 8;
/** Bytes of a router advertisement before its options. */
export const ND_ROUTER_ADVERTISEMENT_LEN = 16;
/** Bytes of a redirect before its options. */
export const ND_REDIRECT_LEN = 40;

/** Neighbor advertisement: the sender is a router. */
export const ND_FLAG_ROUTER = 0x80;
/** Neighbor advertisement: the answer to a solicitation. */
export const ND_FLAG_SOLICITED = 0x40;
/** Neighbor advertisement: replaces a cached link-layer address. */
export const ND_FLAG_OVERRIDE = 0x20;

/** A valid message. */
export const ND_OK = 0;
/** Not a neighbor discovery type. */
export const ND_NOT_ND = 1;
/** Hop limit is not 255: the message crossed a router. */
export const ND_BAD_HOP_LIMIT = 2;
/** Code is not 0. */
export const ND_BAD_CODE = 3;
/** Shorter than its fixed part. */
export const ND_TOO_SHORT = 4;
/** An option has length 0 or runs past the end (RFC 4861 4.6). */
export const ND_BAD_OPTION = 5;
/** The source address does not suit the message. */
export const ND_BAD_SOURCE = 6;
/** The destination address does not suit the message. */
export const ND_BAD_DESTINATION = 7;
/** The target address does not suit the message. */
export const ND_BAD_TARGET = 8;

/** Bytes before the options of a message of this ICMPv6 type, 0 when the type is not neighbor discovery. */
export function ndFixedLen(type: number): number {
  switch (type) {
    case ICMP6_ROUTER_SOLICITATION:
      return ND_ROUTER_SOLICITATION_LEN;
    case ICMP6_ROUTER_ADVERTISEMENT:
      return ND_ROUTER_ADVERTISEMENT_LEN;
    case ICMP6_NEIGHBOR_SOLICITATION:
    case ICMP6_NEIGHBOR_ADVERTISEMENT:
      return ND_NEIGHBOR_LEN;
    case ICMP6_REDIRECT:
      return ND_REDIRECT_LEN;
    default:
      return 0;
  }
}

/**
 * Checks the message in [off, off + len), which passed icmp6Check, of the packet whose fixed header is at `ipOff`, and
 * reads its options into `out` (ND_OPT_WORDS words of the caller's). ND_OK says that the message is valid and its fixed
 * part readable. What depends on the receiver (is the target mine, is the source my router) is not judged.
 */
export function ndCheck(
  dv: DataView,
  u8: Uint8Array,
  ipOff: number,
  off: number,
  len: number,
  out: Int32Array,
): number {
  const type = icmp6Type(dv, off);
  const fixedLen = ndFixedLen(type);
  if (fixedLen === 0) return ND_NOT_ND;
  if (ip6HopLimit(dv, ipOff) !== 255) return ND_BAD_HOP_LIMIT;
  if (u8[off + 1] !== 0) return ND_BAD_CODE;
  if (len < fixedLen) return ND_TOO_SHORT;
  if (ndParseOptions(dv, u8, (off + fixedLen) | 0, (off + len) | 0, out) < 0) return ND_BAD_OPTION;
  switch (type) {
    case ICMP6_ROUTER_SOLICITATION:
      return checkUnspecified(dv, ipOff, out);
    case ICMP6_ROUTER_ADVERTISEMENT:
      return ip6IsLinkLocal(dv, ipOff + IP6_SRC) ? ND_OK : ND_BAD_SOURCE;
    case ICMP6_NEIGHBOR_SOLICITATION:
      return checkSolicitation(dv, ipOff, off, out);
    case ICMP6_NEIGHBOR_ADVERTISEMENT:
      return checkAdvertisement(dv, ipOff, off);
    default:
      return checkRedirect(dv, ipOff, off);
  }
}

/** RFC 4861 6.1.1, 7.1.1: from the unspecified address no source link-layer address. */
function checkUnspecified(dv: DataView, ipOff: number, out: Int32Array): number {
  if (!ip6IsUnspecified(dv, ipOff + IP6_SRC)) return ND_OK;
  return (out[ND_OPT_PRESENT] & ND_HAS_SOURCE_LINK) === 0 ? ND_OK : ND_BAD_SOURCE;
}

/** RFC 4861 7.1.1. */
function checkSolicitation(dv: DataView, ipOff: number, off: number, out: Int32Array): number {
  if (ip6IsMulticast(dv, off + ND_TARGET)) return ND_BAD_TARGET;
  if (ip6IsUnspecified(dv, ipOff + IP6_SRC) && !ip6IsSolicitedNode(dv, ipOff + IP6_DST)) return ND_BAD_DESTINATION;
  return checkUnspecified(dv, ipOff, out);
}

/** RFC 4861 7.1.2. */
function checkAdvertisement(dv: DataView, ipOff: number, off: number): number {
  if (ip6IsMulticast(dv, off + ND_TARGET)) return ND_BAD_TARGET;
  const solicited = (ndFlags(dv, off) & ND_FLAG_SOLICITED) !== 0;
  return solicited && ip6IsMulticast(dv, ipOff + IP6_DST) ? ND_BAD_DESTINATION : ND_OK;
}

/** RFC 4861 8.1. */
function checkRedirect(dv: DataView, ipOff: number, off: number): number {
  if (!ip6IsLinkLocal(dv, ipOff + IP6_SRC)) return ND_BAD_SOURCE;
  if (ip6IsMulticast(dv, off + ND_DESTINATION)) return ND_BAD_DESTINATION;
  const target = (off + ND_TARGET) | 0;
  return ip6IsLinkLocal(dv, target) || ip6AddressEqual(dv, target, off + ND_DESTINATION) ? ND_OK : ND_BAD_TARGET;
}

/** Flags of a neighbor advertisement, ND_FLAG_ bits. */
export function ndFlags(dv: DataView, off: number): number {
  return dv.getUint8(off + 4);
}

/** Word `index` (0..3) of the target address. */
export function ndTarget(dv: DataView, off: number, index: number): number {
  return dv.getInt32(off + ND_TARGET + (index << 2));
}

/** Word `index` (0..3) of the destination address of a redirect. */
export function ndDestination(dv: DataView, off: number, index: number): number {
  return dv.getInt32(off + ND_DESTINATION + (index << 2));
}

/** Router advertisement: hop limit for the host's packets, 0 for unspecified. */
export function ndCurHopLimit(dv: DataView, off: number): number {
  return dv.getUint8(off + 4);
}

/** Router advertisement: the managed (0x80) and other (0x40) flags. */
export function ndRouterFlags(dv: DataView, off: number): number {
  return dv.getUint8(off + 5);
}

/** Router advertisement: how long the router is a default router, in seconds; 0 when it is none. */
export function ndRouterLifetimeS(dv: DataView, off: number): number {
  return dv.getUint16(off + 6);
}

/** Router advertisement: reachable time in milliseconds, 0 for unspecified; 2^31 or more reads negative. */
export function ndReachableTimeMs(dv: DataView, off: number): number {
  return dv.getInt32(off + 8);
}

/** Router advertisement: retransmission timer in milliseconds, 0 for unspecified; 2^31 or more reads negative. */
export function ndRetransTimerMs(dv: DataView, off: number): number {
  return dv.getInt32(off + 12);
}

/** Writes a neighbor solicitation for the target t0..t3 without options and checksum; returns its length, 24. */
export function ndEmitSolicitation(dv: DataView, off: number, t0: number, t1: number, t2: number, t3: number): number {
  icmp6Emit(dv, off, ICMP6_NEIGHBOR_SOLICITATION, 0, 0);
  ip6EmitAddress(dv, off + ND_TARGET, t0, t1, t2, t3);
  return ND_NEIGHBOR_LEN;
}

/** Writes a neighbor advertisement with ND_FLAG_ bits `flags` without options and checksum; returns its length, 24. */
export function ndEmitAdvertisement(
  dv: DataView,
  off: number,
  flags: number,
  t0: number,
  t1: number,
  t2: number,
  t3: number,
): number {
  icmp6Emit(dv, off, ICMP6_NEIGHBOR_ADVERTISEMENT, 0, flags << 24);
  ip6EmitAddress(dv, off + ND_TARGET, t0, t1, t2, t3);
  return ND_NEIGHBOR_LEN;
}

/** Writes a router solicitation without options and checksum; returns its length, 8. */
export function ndEmitRouterSolicitation(dv: DataView, off: number): number {
  return icmp6Emit(dv, off, ICMP6_ROUTER_SOLICITATION, 0, 0);
}

/** Writes a router advertisement, from fields in the order of the wire, without options and checksum; returns 16. */
export function ndEmitRouterAdvertisement(
  dv: DataView,
  off: number,
  curHopLimit: number,
  flags: number,
  routerLifetimeS: number,
  reachableTimeMs: number,
  retransTimerMs: number,
): number {
  const rest = (curHopLimit << 24) | (flags << 16) | routerLifetimeS;
  icmp6Emit(dv, off, ICMP6_ROUTER_ADVERTISEMENT, 0, rest);
  dv.setInt32(off + 8, reachableTimeMs);
  dv.setInt32(off + 12, retransTimerMs);
  return ND_ROUTER_ADVERTISEMENT_LEN;
}

/**
 * Writes the fixed part of a redirect without checksum; target and destination are copied from the 16 bytes at `targetAt` and
 * `destinationAt`, neither in the message. Returns its length, 40.
 */
export function ndEmitRedirect(
  dv: DataView,
  u8: Uint8Array,
  off: number,
  targetAt: number,
  destinationAt: number,
): number {
  icmp6Emit(dv, off, ICMP6_REDIRECT, 0, 0);
  u8.copyWithin(off + ND_TARGET, targetAt, targetAt + 16);
  u8.copyWithin(off + ND_DESTINATION, destinationAt, destinationAt + 16);
  return ND_REDIRECT_LEN;
}
