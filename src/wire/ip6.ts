// Internet Protocol version 6, the fixed header (RFC 8200 3). An address is four int32 words, w0 the first on the wire.

/** Version, traffic class, flow label: 4 bytes. */
export const IP6_VERSION = 0;
/** Payload length, extension headers included: 2 bytes. */
export const IP6_PAYLOAD_LEN = 4;
/** Next header: 1 byte. */
export const IP6_NEXT_HEADER = 6;
/** Hop limit: 1 byte. */
export const IP6_HOP_LIMIT = 7;
/** Source address: 16 bytes. */
export const IP6_SRC = 8;
/** Destination address: 16 bytes. */
export const IP6_DST = 24;
/** Bytes of the fixed header. */
export const IP6_HEADER_LEN = 40;

/** A valid header, and all of the packet is there. */
export const IP6_OK = 0;
/** Shorter than the fixed header. */
export const IP6_TOO_SHORT = 1;
/** Version is not 6. */
export const IP6_BAD_VERSION = 2;
/** Payload length past the end. */
export const IP6_BAD_LENGTH = 3;

/**
 * Checks a packet within [off, off + len): IP6_OK or an error. Afterwards the fixed header and {@link ip6TotalLen}
 * bytes lie within; bytes past that are link padding. Jumbograms (RFC 2675) are not supported.
 */
export function ip6Check(dv: DataView, off: number, len: number): number {
  if (len < IP6_HEADER_LEN) return IP6_TOO_SHORT;
  if (dv.getUint8(off) >>> 4 !== 6) return IP6_BAD_VERSION;
  return IP6_HEADER_LEN + dv.getUint16(off + IP6_PAYLOAD_LEN) > len ? IP6_BAD_LENGTH : IP6_OK;
}

/** Traffic class (DSCP and ECN). */
export function ip6TrafficClass(dv: DataView, off: number): number {
  return (dv.getUint16(off) >>> 4) & 0xff;
}

/** Flow label, 20 bits. */
export function ip6FlowLabel(dv: DataView, off: number): number {
  return dv.getInt32(off) & 0xfffff;
}

/** Bytes after the fixed header. */
export function ip6PayloadLen(dv: DataView, off: number): number {
  return dv.getUint16(off + IP6_PAYLOAD_LEN);
}

/** Bytes of the whole packet. */
export function ip6TotalLen(dv: DataView, off: number): number {
  return (dv.getUint16(off + IP6_PAYLOAD_LEN) + IP6_HEADER_LEN) | 0;
}

/** What follows the fixed header: an extension header or a protocol. */
export function ip6NextHeader(dv: DataView, off: number): number {
  return dv.getUint8(off + IP6_NEXT_HEADER);
}

/** Hop limit. */
export function ip6HopLimit(dv: DataView, off: number): number {
  return dv.getUint8(off + IP6_HOP_LIMIT);
}

/** Word `index` (0..3) of the source address. */
export function ip6Src(dv: DataView, off: number, index: number): number {
  return dv.getInt32(off + IP6_SRC + (index << 2));
}

/** Word `index` (0..3) of the destination address. */
export function ip6Dst(dv: DataView, off: number, index: number): number {
  return dv.getInt32(off + IP6_DST + (index << 2));
}

/** Whether the 16 bytes at `at` are a multicast address, ff00::/8. */
export function ip6IsMulticast(dv: DataView, at: number): boolean {
  return dv.getUint8(at) === 0xff;
}

/** Whether the 16 bytes at `at` are a link-local unicast address, fe80::/10. */
export function ip6IsLinkLocal(dv: DataView, at: number): boolean {
  return (dv.getUint16(at) & 0xffc0) === 0xfe80;
}

/** Whether the 16 bytes at `at` are all zero: the unspecified address. */
export function ip6IsUnspecified(dv: DataView, at: number): boolean {
  return (dv.getInt32(at) | dv.getInt32(at + 4) | dv.getInt32(at + 8) | dv.getInt32(at + 12)) === 0;
}

/** Whether the 16 bytes at `at` are a solicited-node multicast address, ff02::1:ff00:0/104 (RFC 4291 2.7.1). */
export function ip6IsSolicitedNode(dv: DataView, at: number): boolean {
  return (
    dv.getInt32(at) === (0xff02_0000 | 0) &&
    dv.getInt32(at + 4) === 0 &&
    dv.getInt32(at + 8) === 1 &&
    dv.getUint8(at + 12) === 0xff
  );
}

/** Whether the 16 bytes at `a` equal those at `b`. */
export function ip6AddressEqual(dv: DataView, a: number, b: number): boolean {
  return (
    dv.getInt32(a) === dv.getInt32(b) &&
    dv.getInt32(a + 4) === dv.getInt32(b + 4) &&
    dv.getInt32(a + 8) === dv.getInt32(b + 8) &&
    dv.getInt32(a + 12) === dv.getInt32(b + 12)
  );
}

/** Writes an address at `at`. */
export function ip6EmitAddress(dv: DataView, at: number, w0: number, w1: number, w2: number, w3: number): void {
  dv.setInt32(at, w0);
  dv.setInt32(at + 4, w1);
  dv.setInt32(at + 8, w2);
  dv.setInt32(at + 12, w3);
}

/**
 * Writes a fixed header without its addresses ({@link ip6EmitAddress} at off + IP6_SRC and off + IP6_DST), from fields in the
 * order of the wire; returns its length.
 */
export function ip6Emit(
  dv: DataView,
  off: number,
  trafficClass: number,
  flowLabel: number,
  payloadLen: number,
  nextHeader: number,
  hopLimit: number,
): number {
  dv.setInt32(off, 0x6000_0000 | (trafficClass << 20) | (flowLabel & 0xfffff));
  dv.setInt32(off + IP6_PAYLOAD_LEN, (payloadLen << 16) | (nextHeader << 8) | hopLimit);
  return IP6_HEADER_LEN;
}

/** Lowers the hop limit, which must be above 0, by one. */
export function ip6DecrementHopLimit(dv: DataView, off: number): void {
  dv.setUint8(off + IP6_HOP_LIMIT, dv.getUint8(off + IP6_HOP_LIMIT) - 1);
}
