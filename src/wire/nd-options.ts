// Options of neighbor discovery messages (RFC 4861 4.6, RFC 8106): type, length in units of 8 bytes, value.

/** Source link-layer address. */
export const ND_OPTION_SOURCE_LINK = 1;
/** Target link-layer address. */
export const ND_OPTION_TARGET_LINK = 2;
/** Prefix information. */
export const ND_OPTION_PREFIX = 3;
/** Redirected header. */
export const ND_OPTION_REDIRECTED = 4;
/** MTU. */
export const ND_OPTION_MTU = 5;
/** Recursive DNS servers (RFC 8106). */
export const ND_OPTION_RDNSS = 25;

/** Most prefixes read from one message; more are counted, not kept. */
export const ND_MAX_PREFIXES = 8;
/** Bytes of a link-layer address option on Ethernet. */
export const ND_LINK_OPTION_LEN = 8;
/** Bytes of a prefix information option. */
export const ND_PREFIX_OPTION_LEN = 32;
/** Bytes of an MTU option. */
export const ND_MTU_OPTION_LEN = 8;

/** Result: which options are there, ND_HAS_ bits. */
export const ND_OPT_PRESENT = 0;
/** Result: source link-layer address, first two bytes; its last four follow. */
export const ND_OPT_SOURCE_HI = 1;
/** Result: source link-layer address, last four bytes. */
export const ND_OPT_SOURCE_LO = 2;
/** Result: target link-layer address, first two bytes; its last four follow. */
export const ND_OPT_TARGET_HI = 3;
/** Result: target link-layer address, last four bytes. */
export const ND_OPT_TARGET_LO = 4;
/** Result: MTU as an int32; 2^31 or more reads negative. */
export const ND_OPT_MTU = 5;
/** Result: absolute offset of the redirected header option. */
export const ND_OPT_REDIRECTED_AT = 6;
/** Result: absolute offset of the first recursive DNS server option. */
export const ND_OPT_RDNSS_AT = 7;
/** Result: number of prefix options met; the first ND_MAX_PREFIXES are kept. */
export const ND_OPT_PREFIX_COUNT = 8;
/** Result: absolute offset of the first prefix option; seven more follow. */
export const ND_OPT_PREFIX_AT = 9;
/** Words of a result. */
export const ND_OPT_WORDS = 17;

/** Source link-layer address. */
export const ND_HAS_SOURCE_LINK = 1;
/** Target link-layer address. */
export const ND_HAS_TARGET_LINK = 2;
/** At least one prefix. */
export const ND_HAS_PREFIX = 4;
/** Redirected header. */
export const ND_HAS_REDIRECTED = 8;
/** MTU. */
export const ND_HAS_MTU = 16;
/** Recursive DNS servers. */
export const ND_HAS_RDNSS = 32;

/**
 * Reads the options in [at, end) into `out` (ND_OPT_WORDS words of the caller's): only words whose ND_HAS_ bit is set in
 * out[ND_OPT_PRESENT] count. Returns 0, or -1 when an option has length 0 or runs past the end: the whole message is to
 * be discarded (RFC 4861 4.6). Unknown options, and known ones of a wrong length, are skipped. Each step advances by at
 * least 8 bytes.
 */
export function ndParseOptions(dv: DataView, u8: Uint8Array, at: number, end: number, out: Int32Array): number {
  out[ND_OPT_PRESENT] = 0;
  out[ND_OPT_PREFIX_COUNT] = 0;
  let p = at | 0;
  while (p < end) {
    if (p + 8 > end) return -1;
    const len = u8[p + 1] << 3;
    if (len === 0 || p + len > end) return -1;
    parseOption(dv, p, u8[p], len, out);
    p = (p + len) | 0;
  }
  return 0;
}

/** Reads one option whose `len` bytes at `at` lie within the message. */
function parseOption(dv: DataView, at: number, kind: number, len: number, out: Int32Array): void {
  switch (kind) {
    case ND_OPTION_SOURCE_LINK:
      if (len === ND_LINK_OPTION_LEN) readLink(dv, at, ND_OPT_SOURCE_HI, ND_HAS_SOURCE_LINK, out);
      return;
    case ND_OPTION_TARGET_LINK:
      if (len === ND_LINK_OPTION_LEN) readLink(dv, at, ND_OPT_TARGET_HI, ND_HAS_TARGET_LINK, out);
      return;
    case ND_OPTION_PREFIX: {
      if (len !== ND_PREFIX_OPTION_LEN) return;
      const count = out[ND_OPT_PREFIX_COUNT];
      if (count < ND_MAX_PREFIXES) out[ND_OPT_PREFIX_AT + count] = at;
      out[ND_OPT_PREFIX_COUNT] = (count + 1) | 0;
      out[ND_OPT_PRESENT] |= ND_HAS_PREFIX;
      return;
    }
    case ND_OPTION_REDIRECTED:
      out[ND_OPT_REDIRECTED_AT] = at;
      out[ND_OPT_PRESENT] |= ND_HAS_REDIRECTED;
      return;
    case ND_OPTION_MTU:
      if (len !== ND_MTU_OPTION_LEN) return;
      out[ND_OPT_MTU] = dv.getInt32(at + 4);
      out[ND_OPT_PRESENT] |= ND_HAS_MTU;
      return;
    case ND_OPTION_RDNSS:
      // RFC 8106 5.1: at least one address, so 3 units or more, an odd number.
      if (len < 24 || (len & 8) === 0 || (out[ND_OPT_PRESENT] & ND_HAS_RDNSS) !== 0) return;
      out[ND_OPT_RDNSS_AT] = at;
      out[ND_OPT_PRESENT] |= ND_HAS_RDNSS;
      return;
    default:
  }
}

function readLink(dv: DataView, at: number, field: number, bit: number, out: Int32Array): void {
  out[field] = dv.getUint16(at + 2);
  out[field + 1] = dv.getInt32(at + 4);
  out[ND_OPT_PRESENT] |= bit;
}

/** Prefix option: bits of the prefix, as sent, 0..255. */
export function ndPrefixLen(dv: DataView, at: number): number {
  return dv.getUint8(at + 2);
}

/** Prefix option: the on-link (0x80) and autonomous (0x40) flags. */
export function ndPrefixFlags(dv: DataView, at: number): number {
  return dv.getUint8(at + 3);
}

/** Prefix option: valid lifetime in seconds as an int32; -1 is for ever, other negatives 2^31 or more. */
export function ndPrefixValidS(dv: DataView, at: number): number {
  return dv.getInt32(at + 4);
}

/** Prefix option: preferred lifetime in seconds as an int32; -1 is for ever, other negatives 2^31 or more. */
export function ndPrefixPreferredS(dv: DataView, at: number): number {
  return dv.getInt32(at + 8);
}

/** Prefix option: word `index` (0..3) of the prefix. */
export function ndPrefixWord(dv: DataView, at: number, index: number): number {
  return dv.getInt32(at + 16 + (index << 2));
}

/** Writes a link-layer address option of kind `option` (source or target); returns its length, 8. */
export function ndEmitLink(dv: DataView, at: number, option: number, hi: number, lo: number): number {
  dv.setInt32(at, (option << 24) | 0x1_0000 | hi);
  dv.setInt32(at + 4, lo);
  return ND_LINK_OPTION_LEN;
}

/** Writes an MTU option; returns its length, 8. */
export function ndEmitMtu(dv: DataView, at: number, mtuBytes: number): number {
  dv.setInt32(at, (ND_OPTION_MTU << 24) | 0x1_0000);
  dv.setInt32(at + 4, mtuBytes);
  return ND_MTU_OPTION_LEN;
}

/** Writes a prefix option without its prefix (16 bytes at `at` + 16, ip6EmitAddress); returns its length, 32. */
export function ndEmitPrefix(
  dv: DataView,
  at: number,
  prefixLen: number,
  flags: number,
  validS: number,
  preferredS: number,
): number {
  dv.setInt32(at, (ND_OPTION_PREFIX << 24) | 0x4_0000 | (prefixLen << 8) | flags);
  dv.setInt32(at + 4, validS);
  dv.setInt32(at + 8, preferredS);
  dv.setInt32(at + 12, 0);
  return ND_PREFIX_OPTION_LEN;
}
