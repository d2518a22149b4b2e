// Ethernet II frame, with at most two tags (IEEE 802.1Q, 802.1ad). A MAC address is two numbers: `hi`, its first two
// bytes (0..0xffff), and `lo`, the other four (int32).

/** Destination address: 6 bytes. */
export const ETH_DST = 0;
/** Source address: 6 bytes. */
export const ETH_SRC = 6;
/** Type, or the tag protocol identifier of the first tag: 2 bytes. */
export const ETH_TYPE = 12;
/** Bytes of a header without tags. */
export const ETH_HEADER_LEN = 14;
/** Bytes of one tag. */
export const ETH_TAG_LEN = 4;
/** Most tags that are read. */
export const ETH_MAX_TAGS = 2;

/** Below this a type field is the length of an 802.3 frame. */
export const ETHERTYPE_MIN = 0x600;
/** IPv4. */
export const ETHERTYPE_IP4 = 0x0800;
/** ARP. */
export const ETHERTYPE_ARP = 0x0806;
/** 802.1Q customer tag. */
export const ETHERTYPE_VLAN = 0x8100;
/** IPv6. */
export const ETHERTYPE_IP6 = 0x86dd;
/** 802.1ad service tag. */
export const ETHERTYPE_QINQ = 0x88a8;

/** A whole header is there. */
export const ETH_OK = 0;
/** Shorter than a header. */
export const ETH_TOO_SHORT = 1;
/** A tag is not followed by a type. */
export const ETH_TAG_TRUNCATED = 2;
/** More than {@link ETH_MAX_TAGS} tags. */
export const ETH_TOO_MANY_TAGS = 3;

/** Whether a type field announces a tag. */
export function ethIsTag(type: number): boolean {
  return type === ETHERTYPE_VLAN || type === ETHERTYPE_QINQ;
}

/** Checks that the header with all its tags lies within [off, off + len): ETH_OK or an error. */
export function ethCheck(dv: DataView, off: number, len: number): number {
  if (len < ETH_HEADER_LEN) return ETH_TOO_SHORT;
  if (!ethIsTag(dv.getUint16(off + ETH_TYPE))) return ETH_OK;
  if (len < ETH_HEADER_LEN + ETH_TAG_LEN) return ETH_TAG_TRUNCATED;
  if (!ethIsTag(dv.getUint16(off + ETH_TYPE + ETH_TAG_LEN))) return ETH_OK;
  if (len < ETH_HEADER_LEN + 2 * ETH_TAG_LEN) return ETH_TAG_TRUNCATED;
  return ethIsTag(dv.getUint16(off + ETH_TYPE + 2 * ETH_TAG_LEN)) ? ETH_TOO_MANY_TAGS : ETH_OK;
}

/** Bytes of the header with its tags: 14, 18 or 22. */
export function ethHeaderLen(dv: DataView, off: number): number {
  if (!ethIsTag(dv.getUint16(off + ETH_TYPE))) return ETH_HEADER_LEN;
  return ethIsTag(dv.getUint16(off + ETH_TYPE + ETH_TAG_LEN))
    ? ETH_HEADER_LEN + 2 * ETH_TAG_LEN
    : ETH_HEADER_LEN + ETH_TAG_LEN;
}

/** The first type field: a tag protocol identifier when the frame is tagged. */
export function ethOuterType(dv: DataView, off: number): number {
  return dv.getUint16(off + ETH_TYPE);
}

/** The type of what follows a header of `headerLen` bytes ({@link ethHeaderLen}). */
export function ethType(dv: DataView, off: number, headerLen: number): number {
  return dv.getUint16(off + headerLen - 2);
}

/** Tag control information of tag `index` (0 the outer one); only for a tag the header has. */
export function ethTagControl(dv: DataView, off: number, index: number): number {
  return dv.getUint16(off + ETH_HEADER_LEN + index * ETH_TAG_LEN);
}

/** VLAN identifier, 0..4095, of tag control information. */
export function ethVlanId(control: number): number {
  return control & 0xfff;
}

/** Priority code point, 0..7, of tag control information. */
export function ethPriority(control: number): number {
  return (control >>> 13) & 7;
}

/** First two bytes of the destination. */
export function ethDstHi(dv: DataView, off: number): number {
  return dv.getUint16(off + ETH_DST);
}

/** Last four bytes of the destination. */
export function ethDstLo(dv: DataView, off: number): number {
  return dv.getInt32(off + ETH_DST + 2);
}

/** First two bytes of the source. */
export function ethSrcHi(dv: DataView, off: number): number {
  return dv.getUint16(off + ETH_SRC);
}

/** Last four bytes of the source. */
export function ethSrcLo(dv: DataView, off: number): number {
  return dv.getInt32(off + ETH_SRC + 2);
}

/** Whether an address, given by its first two bytes, names a group (multicast or broadcast). */
export function macIsGroup(hi: number): boolean {
  return (hi & 0x0100) !== 0;
}

/** Whether an address is ff:ff:ff:ff:ff:ff. */
export function macIsBroadcast(hi: number, lo: number): boolean {
  return hi === 0xffff && (lo | 0) === -1;
}

/** Writes a header without tags; returns its length. */
export function ethEmit(
  dv: DataView,
  off: number,
  dstHi: number,
  dstLo: number,
  srcHi: number,
  srcLo: number,
  type: number,
): number {
  dv.setUint16(off + ETH_DST, dstHi);
  dv.setInt32(off + ETH_DST + 2, dstLo);
  dv.setUint16(off + ETH_SRC, srcHi);
  dv.setInt32(off + ETH_SRC + 2, srcLo);
  dv.setUint16(off + ETH_TYPE, type);
  return ETH_HEADER_LEN;
}

/** Writes a tag at `at`, where the type field was, and the type after it; returns 4, what the header grew by. */
export function ethEmitTag(dv: DataView, at: number, tagType: number, control: number, type: number): number {
  dv.setUint16(at, tagType);
  dv.setUint16(at + 2, control);
  dv.setUint16(at + 4, type);
  return ETH_TAG_LEN;
}
