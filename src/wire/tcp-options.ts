import { TCP_HEADER_LEN, tcpHeaderLen } from "./tcp.js";

// TCP options: RFC 9293 3.2 (MSS), 7323 (window scale, timestamps), 2018 (SACK), 7413 (fast open).

/** End of the option list. */
export const TCP_OPTION_END = 0;
/** Padding of one byte. */
export const TCP_OPTION_NOP = 1;
/** Maximum segment size, 4 bytes. */
export const TCP_OPTION_MSS = 2;
/** Window scale, 3 bytes. */
export const TCP_OPTION_WSCALE = 3;
/** SACK permitted, 2 bytes. */
export const TCP_OPTION_SACK_PERMITTED = 4;
/** SACK blocks, 2 + 8n bytes. */
export const TCP_OPTION_SACK = 5;
/** Timestamps, 10 bytes. */
export const TCP_OPTION_TIMESTAMPS = 8;
/** Fast open, 2 bytes (cookie request) or 6..18. */
export const TCP_OPTION_FAST_OPEN = 34;

/** Result: which options are there, TCP_HAS_ bits. */
export const TCP_OPT_PRESENT = 0;
/** Result: maximum segment size as sent, 0..65535. */
export const TCP_OPT_MSS = 1;
/** Result: window scale, 0..14 (a larger one is used as 14, RFC 7323 2.3). */
export const TCP_OPT_WSCALE = 2;
/** Result: TSval. */
export const TCP_OPT_TS_VAL = 3;
/** Result: TSecr. */
export const TCP_OPT_TS_ECR = 4;
/** Result: number of SACK blocks, 0..4. */
export const TCP_OPT_SACK_COUNT = 5;
/** Result: left edge of the first SACK block; its right edge and three more pairs follow. */
export const TCP_OPT_SACK = 6;
/** Result: absolute offset of the fast open cookie. */
export const TCP_OPT_COOKIE_AT = 14;
/** Result: bytes of the fast open cookie, 0 for a request. */
export const TCP_OPT_COOKIE_LEN = 15;
/** Words of a result. */
export const TCP_OPT_WORDS = 16;

/** Maximum segment size. */
export const TCP_HAS_MSS = 1;
/** Window scale. */
export const TCP_HAS_WSCALE = 2;
/** SACK permitted. */
export const TCP_HAS_SACK_PERMITTED = 4;
/** At least one SACK block. */
export const TCP_HAS_SACK = 8;
/** Timestamps. */
export const TCP_HAS_TIMESTAMPS = 16;
/** Fast open cookie or request. */
export const TCP_HAS_FAST_OPEN = 32;

/** The list was read to its end. */
export const TCP_OPT_OK = 0;
/** The list breaks off at a length of 0 or 1, or past the header: what came before it counts. */
export const TCP_OPT_MALFORMED = 1;

/** NOP, NOP, timestamps, length 10: how every stack starts the options of a data segment (RFC 7323 appendix A). */
const ALIGNED_TIMESTAMPS = 0x0101_080a;

/**
 * Reads the options of the header at `off`, which passed tcpCheck, into `out` (TCP_OPT_WORDS words of the caller's): only words
 * whose TCP_HAS_ bit is set in out[TCP_OPT_PRESENT] count. Unknown options, and known ones of a wrong length, are
 * skipped; a repeated one replaces the first. Whether an option may stand in this segment (MSS, scale,
 * SACK permitted and fast open only in a SYN) is the caller's to judge.
 */
export function tcpParseOptions(dv: DataView, u8: Uint8Array, off: number, out: Int32Array): number {
  const headerLen = tcpHeaderLen(dv, off);
  out[TCP_OPT_PRESENT] = 0;
  out[TCP_OPT_SACK_COUNT] = 0;
  if (headerLen === TCP_HEADER_LEN) return TCP_OPT_OK;
  if (headerLen === 32 && dv.getInt32(off + TCP_HEADER_LEN) === ALIGNED_TIMESTAMPS) {
    out[TCP_OPT_PRESENT] = TCP_HAS_TIMESTAMPS;
    out[TCP_OPT_TS_VAL] = dv.getInt32(off + 24);
    out[TCP_OPT_TS_ECR] = dv.getInt32(off + 28);
    return TCP_OPT_OK;
  }
  return parseList(dv, u8, (off + TCP_HEADER_LEN) | 0, (off + headerLen) | 0, out);
}

/** Every step advances by at least 1, so a list takes at most 40 of them. */
function parseList(dv: DataView, u8: Uint8Array, start: number, end: number, out: Int32Array): number {
  let at = start;
  while (at < end) {
    const kind = u8[at];
    if (kind === TCP_OPTION_END) return TCP_OPT_OK;
    if (kind === TCP_OPTION_NOP) {
      at = (at + 1) | 0;
      continue;
    }
    if (at + 1 >= end) return TCP_OPT_MALFORMED;
    const len = u8[at + 1];
    if (len < 2 || at + len > end) return TCP_OPT_MALFORMED;
    parseOption(dv, u8, at, kind, len, out);
    at = (at + len) | 0;
  }
  return TCP_OPT_OK;
}

/** Reads one option whose `len` bytes at `at` lie within the header. */
function parseOption(dv: DataView, u8: Uint8Array, at: number, kind: number, len: number, out: Int32Array): void {
  switch (kind) {
    case TCP_OPTION_MSS:
      if (len !== 4) return;
      out[TCP_OPT_PRESENT] |= TCP_HAS_MSS;
      out[TCP_OPT_MSS] = dv.getUint16(at + 2);
      return;
    case TCP_OPTION_WSCALE:
      if (len !== 3) return;
      out[TCP_OPT_PRESENT] |= TCP_HAS_WSCALE;
      out[TCP_OPT_WSCALE] = u8[at + 2] > 14 ? 14 : u8[at + 2];
      return;
    case TCP_OPTION_SACK_PERMITTED:
      if (len === 2) out[TCP_OPT_PRESENT] |= TCP_HAS_SACK_PERMITTED;
      return;
    case TCP_OPTION_SACK: {
      // At most 40 bytes of options leave room for at most four blocks.
      if (len < 10 || ((len - 2) & 7) !== 0) return;
      const count = (len - 2) >>> 3;
      out[TCP_OPT_PRESENT] |= TCP_HAS_SACK;
      out[TCP_OPT_SACK_COUNT] = count;
      for (let i = 0; i < count << 1; i++) out[TCP_OPT_SACK + i] = dv.getInt32(at + 2 + (i << 2));
      return;
    }
    case TCP_OPTION_TIMESTAMPS:
      if (len !== 10) return;
      out[TCP_OPT_PRESENT] |= TCP_HAS_TIMESTAMPS;
      out[TCP_OPT_TS_VAL] = dv.getInt32(at + 2);
      out[TCP_OPT_TS_ECR] = dv.getInt32(at + 6);
      return;
    case TCP_OPTION_FAST_OPEN:
      // RFC 7413 4.1.1: a cookie has 4 to 16 bytes, an even number.
      if (len !== 2 && (len < 6 || len > 18 || (len & 1) !== 0)) return;
      out[TCP_OPT_PRESENT] |= TCP_HAS_FAST_OPEN;
      out[TCP_OPT_COOKIE_AT] = (at + 2) | 0;
      out[TCP_OPT_COOKIE_LEN] = (len - 2) | 0;
      return;
    default:
  }
}

/** Bytes that {@link tcpEmitSynOptions} writes for the same `present` bits: a multiple of 4, at most 20. */
export function tcpSynOptionsLen(present: number): number {
  let len = (present & TCP_HAS_MSS) !== 0 ? 4 : 0;
  if ((present & TCP_HAS_TIMESTAMPS) !== 0) len += 12;
  else if ((present & TCP_HAS_SACK_PERMITTED) !== 0) len += 4;
  if ((present & TCP_HAS_WSCALE) !== 0) len += 4;
  return len;
}

/**
 * Writes the options of a SYN at `at`: MSS, SACK permitted, timestamps, window scale, those of which the TCP_HAS_ bit is
 * set in `present`, each group aligned to 4 bytes. SACK permitted takes the place of the padding before timestamps.
 * Returns the bytes written.
 */
export function tcpEmitSynOptions(
  dv: DataView,
  at: number,
  present: number,
  mss: number,
  wscale: number,
  tsVal: number,
  tsEcr: number,
): number {
  let p = at | 0;
  if ((present & TCP_HAS_MSS) !== 0) {
    dv.setInt32(p, 0x0204_0000 | mss);
    p = (p + 4) | 0;
  }
  const sackPermitted = (present & TCP_HAS_SACK_PERMITTED) !== 0;
  if ((present & TCP_HAS_TIMESTAMPS) !== 0) {
    dv.setInt32(p, sackPermitted ? 0x0402_080a : ALIGNED_TIMESTAMPS);
    dv.setInt32(p + 4, tsVal);
    dv.setInt32(p + 8, tsEcr);
    p = (p + 12) | 0;
  } else if (sackPermitted) {
    dv.setInt32(p, 0x0101_0402);
    p = (p + 4) | 0;
  }
  if ((present & TCP_HAS_WSCALE) !== 0) {
    dv.setInt32(p, 0x0103_0300 | wscale);
    p = (p + 4) | 0;
  }
  return (p - at) | 0;
}

/** Bytes of {@link tcpEmitTimestamps}. */
export const TCP_TIMESTAMPS_LEN = 12;

/** Writes NOP, NOP, timestamps at `at`, as in every segment after the SYN; returns 12. */
export function tcpEmitTimestamps(dv: DataView, at: number, tsVal: number, tsEcr: number): number {
  dv.setInt32(at, ALIGNED_TIMESTAMPS);
  dv.setInt32(at + 4, tsVal);
  dv.setInt32(at + 8, tsEcr);
  return TCP_TIMESTAMPS_LEN;
}

/**
 * Writes NOP, NOP and `count` (1..4; 3 beside timestamps) SACK blocks, pairs of edges in `edges` from index `from`;
 * returns 4 + 8 * count.
 */
export function tcpEmitSack(dv: DataView, at: number, edges: Int32Array, from: number, count: number): number {
  dv.setInt32(at, 0x0101_0500 | (2 + (count << 3)));
  for (let i = 0; i < count << 1; i++) dv.setInt32(at + 4 + (i << 2), edges[from + i]);
  return 4 + (count << 3);
}

/** Writes a fast open option with the `len` (0 for a request, else 4..16, even) cookie bytes at `from`, padded to 4 bytes. */
export function tcpEmitFastOpen(dv: DataView, u8: Uint8Array, at: number, from: number, len: number): number {
  const padded = (len + 5) & ~3;
  dv.setInt32(at + padded - 4, 0x0101_0101);
  dv.setUint16(at, (TCP_OPTION_FAST_OPEN << 8) | (len + 2));
  u8.copyWithin(at + 2, from, from + len);
  return padded;
}
