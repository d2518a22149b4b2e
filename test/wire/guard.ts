import fc from "fast-check";
import { expect } from "vitest";

fc.configureGlobal({ seed: 20260, numRuns: 300 });

/** The three views of a window, as the codecs take them. */
export interface Views {
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly dv: DataView;
}

/** Views over `bytes` bytes (rounded up to a multiple of 4), each set to `fill`. */
export function views(bytes: number, fill = 0): Views {
  const u8 = new Uint8Array((bytes + 3) & ~3).fill(fill);
  return { u8, i32: new Int32Array(u8.buffer), dv: new DataView(u8.buffer) };
}

/** Views with `packet` at offset `off` and `fill` around it. */
export function place(packet: ArrayLike<number>, off = 64, fill = 0xdb): Views {
  const window = views(off + packet.length + 64, fill);
  window.u8.set(packet, off);
  return window;
}

/**
 * Runs `read` on `packet` at the very end of the window (a DataView throws past it) and with three kinds of poison around
 * it; all four must answer alike, so nothing outside the packet was read. Returns the answer.
 */
export function guarded<T>(packet: ArrayLike<number>, read: (w: Views, off: number, len: number) => T): T {
  const atEnd = views(packet.length + 64, 0x77);
  const off = atEnd.u8.length - packet.length;
  atEnd.u8.set(packet, off);
  const answer = read(atEnd, off, packet.length);
  for (const fill of [0x00, 0x45, 0xff]) {
    expect(read(place(packet, off, fill), off, packet.length)).toEqual(answer);
  }
  return answer;
}

/** {@link guarded} for each of the packet's beginnings, from nothing to all of it; the answers in order of length. */
export function truncated<T>(packet: ArrayLike<number>, read: (w: Views, off: number, len: number) => T): T[] {
  const bytes = Array.from(packet);
  return [...bytes, 0].map((_, len) => guarded(bytes.slice(0, len), read));
}

/** Numbers from hexadecimal digits with any spacing. */
export function hex(text: string): Uint8Array {
  const digits = text.replace(/[^0-9a-f]/gi, "");
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}

/** A checksum by the definition of RFC 1071, byte by byte. */
export function naiveSum(bytes: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += bytes[i] * 256 + (i + 1 < bytes.length ? bytes[i + 1] : 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
}

/** Any uint8. */
export const byte = fc.integer({ min: 0, max: 0xff });
/** Any uint16. */
export const word16 = fc.integer({ min: 0, max: 0xffff });
/** Any int32. */
export const word32 = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
/** The four words of an IPv6 address. */
export const address6 = fc.tuple(word32, word32, word32, word32);

/** Bytes of a valid packet with a few of them changed, and cut anywhere: what a fuzzer sends. */
export function mutations(packet: ArrayLike<number>): fc.Arbitrary<number[]> {
  const bytes = Array.from(packet);
  const changes = fc.array(fc.tuple(fc.nat({ max: Math.max(0, bytes.length - 1) }), byte), { maxLength: 4 });
  return fc.tuple(changes, fc.nat({ max: bytes.length })).map(([list, len]) => {
    const changed = [...bytes];
    for (const [at, value] of list) changed[at] = value;
    return changed.slice(0, len);
  });
}
