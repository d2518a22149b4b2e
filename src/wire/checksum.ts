/** Words summed before a fold: 8192 words of two halves stay below 2^30, so the sums never leave int32. */
const BLOCK_BYTES = 32768;

/**
 * The parity of a start address whose native-order sum has its bytes swapped: even on little-endian machines, odd on
 * big-endian ones (RFC 1071 2(B)).
 */
const SWAPPED_PARITY = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 0 : 1;

/** Folds a sum of up to 2^31 - 1 into 16 bits, keeping its value modulo 65535 (RFC 1071 4.1). */
export function checksumFold(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

/** Swaps the two bytes of a folded sum: the sum of the same bytes moved by an odd distance (RFC 1071 2(B)). */
export function checksumSwap(sum: number): number {
  return ((sum & 0xff) << 8) | ((sum >>> 8) & 0xff);
}

/** Turns a sum into the value of a checksum field: folded and complemented, 0..0xffff. */
export function checksumFinish(sum: number): number {
  return ~checksumFold(sum) & 0xffff;
}

/**
 * The 16-bit one's complement sum of bytes [off, off + len) plus `sum` (0..2^30), folded to 0..0xffff and not
 * complemented. Any alignment, any length; an odd last byte counts as the high half of a word. Both views lie over the
 * same memory. To go on after a piece of odd length use {@link checksumAddOdd} (RFC 1071).
 */
export function checksumAdd(u8: Uint8Array, i32: Int32Array, off: number, len: number, sum: number): number {
  // Sums in the machine's own byte order, two halves of a word at a time, and swaps once at the end (RFC 1071 2(B)).
  let at = off | 0;
  let left = len | 0;
  let native = 0;
  while ((at & 3) !== 0 && left > 0) {
    native = (native + (u8[at] << (((at & 1) ^ SWAPPED_PARITY) << 3))) | 0;
    at = (at + 1) | 0;
    left = (left - 1) | 0;
  }
  while (left >= 8) {
    const bytes = left < BLOCK_BYTES ? left & ~7 : BLOCK_BYTES;
    const end = ((at + bytes) | 0) >>> 2;
    let first = 0;
    let second = 0;
    for (let w = at >>> 2; w < end; w += 2) {
      const a = i32[w];
      const b = i32[w + 1];
      first = (first + (a & 0xffff) + (a >>> 16)) | 0;
      second = (second + (b & 0xffff) + (b >>> 16)) | 0;
    }
    native = (checksumFold(native) + checksumFold(first) + checksumFold(second)) | 0;
    at = (at + bytes) | 0;
    left = (left - bytes) | 0;
  }
  if (left >= 4) {
    const a = i32[at >>> 2];
    native = (native + (a & 0xffff) + (a >>> 16)) | 0;
    at = (at + 4) | 0;
    left = (left - 4) | 0;
  }
  while (left > 0) {
    native = (native + (u8[at] << (((at & 1) ^ SWAPPED_PARITY) << 3))) | 0;
    at = (at + 1) | 0;
    left = (left - 1) | 0;
  }
  native = checksumFold(native);
  return checksumFold((((off & 1) === SWAPPED_PARITY ? checksumSwap(native) : native) + sum) | 0);
}

/** {@link checksumAdd} for a piece that starts at an odd position of the message, as after a tail span of odd length. */
export function checksumAddOdd(u8: Uint8Array, i32: Int32Array, off: number, len: number, sum: number): number {
  return checksumFold((checksumSwap(checksumAdd(u8, i32, off, len, 0)) + sum) | 0);
}

/** The checksum of [off, off + len): what belongs in the field when the field itself was zero; 0 when all is right. */
export function checksum(u8: Uint8Array, i32: Int32Array, off: number, len: number): number {
  return ~checksumAdd(u8, i32, off, len, 0) & 0xffff;
}

/** The sum of the 16-bit halves of a 32-bit field, at most 2^17 - 2; for a pseudo header built by hand. */
export function checksumWord(word: number): number {
  return ((word & 0xffff) + (word >>> 16)) | 0;
}

/**
 * The pseudo-header sum of an IPv4 packet whose header is at `ipOff` (addresses are read from it), for `len` bytes of
 * `protocol`; folded. This, not complemented, is also what a partial checksum of a superframe holds (RFC 9293 3.1).
 */
export function checksumPseudo4(dv: DataView, ipOff: number, protocol: number, len: number): number {
  const src = dv.getInt32(ipOff + 12);
  const dst = dv.getInt32(ipOff + 16);
  return checksumFold((checksumWord(src) + checksumWord(dst) + protocol + checksumWord(len)) | 0);
}

/** The pseudo-header sum of an IPv6 packet whose fixed header is at `ipOff`, for `len` bytes of `protocol` (RFC 8200 8.1). */
export function checksumPseudo6(dv: DataView, ipOff: number, protocol: number, len: number): number {
  let sum = (protocol + checksumWord(len)) | 0;
  for (let at = (ipOff + 8) | 0, end = (ipOff + 40) | 0; at < end; at += 4) {
    sum = (sum + checksumWord(dv.getInt32(at))) | 0;
  }
  return checksumFold(sum);
}

/** The checksum field after one 16-bit field of the message changed (RFC 1624 equation 3). */
export function checksumUpdate16(field: number, before: number, after: number): number {
  return ~checksumFold(((~field & 0xffff) + (~before & 0xffff) + (after & 0xffff)) | 0) & 0xffff;
}

/** The checksum field after one 32-bit field at an even position of the message changed (RFC 1624 equation 3). */
export function checksumUpdate32(field: number, before: number, after: number): number {
  return ~checksumFold(((~field & 0xffff) + checksumWord(~before) + checksumWord(after)) | 0) & 0xffff;
}
