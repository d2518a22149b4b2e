import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  checksum,
  checksumAdd,
  checksumAddOdd,
  checksumFinish,
  checksumFold,
  checksumPseudo4,
  checksumPseudo6,
  checksumUpdate16,
  checksumUpdate32,
} from "../../src/wire/checksum.js";
import { hex, naiveSum, place, views, word16, word32 } from "./guard.js";

/** The same value modulo 65535: 0 and 0xffff are both zero in one's complement. */
function same(a: number, b: number): boolean {
  return a % 0xffff === b % 0xffff;
}

/** Deterministic bytes that are not all alike. */
function pattern(len: number, seed: number): Uint8Array {
  let x = seed;
  return Uint8Array.from({ length: len }, () => {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) | 0;
    return x >>> 24;
  });
}

describe("checksumAdd", () => {
  it("sums the example of RFC 1071 3", () => {
    const { u8, i32 } = place(hex("0001 f203 f4f5 f6f7"), 64);
    expect(checksumAdd(u8, i32, 64, 8, 0)).toBe(0xddf2);
    expect(checksum(u8, i32, 64, 8)).toBe(0x220d);
  });

  it("equals the byte by byte sum at every alignment and length from 0 to 200", () => {
    for (let align = 0; align < 8; align++) {
      for (let len = 0; len <= 200; len++) {
        const bytes = pattern(len, align * 1000 + len);
        const { u8, i32 } = place(bytes, 64 + align, 0xff);
        const sum = checksumAdd(u8, i32, 64 + align, len, 0);
        if (sum !== naiveSum(bytes)) throw new Error(`align ${align} len ${len}: ${sum} is not ${naiveSum(bytes)}`);
      }
    }
  });

  it("equals the byte by byte sum of up to 70000 bytes at any alignment, on top of any sum", () => {
    fc.assert(
      fc.property(fc.nat(70_000), fc.nat(7), word32, fc.nat(0x3fff_ffff), (len, align, seed, start) => {
        const bytes = pattern(len, seed);
        const { u8, i32 } = place(bytes, 64 + align);
        const sum = checksumAdd(u8, i32, 64 + align, len, start);
        expect(sum >= 0 && sum <= 0xffff).toBe(true);
        expect(same(sum, naiveSum(bytes) + (start % 0xffff))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it("does not overflow on the largest values", () => {
    for (const len of [65_535, 65_536, 300_001]) {
      const { u8, i32 } = views(len + 8, 0xff);
      for (let align = 0; align < 4; align++) {
        expect(checksumAdd(u8, i32, align, len, 0x3fff_ffff)).toBe(
          checksumFold(naiveSum(u8.subarray(0, len)) + checksumFold(0x3fff_ffff)),
        );
      }
    }
  });

  it("of pieces equals the sum of the whole, odd pieces continued by checksumAddOdd", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(40), { maxLength: 5 }), fc.nat(3), word32, (lengths, align, seed) => {
        const total = lengths.reduce((a, b) => a + b, 0);
        const bytes = pattern(total, seed);
        let sum = 0;
        let from = 0;
        for (const len of lengths) {
          const { u8, i32 } = place(bytes.subarray(from, from + len), 64 + align);
          const add = (from & 1) === 0 ? checksumAdd : checksumAddOdd;
          sum = add(u8, i32, 64 + align, len, sum);
          from += len;
        }
        expect(sum).toBe(naiveSum(bytes));
      }),
    );
  });
});

describe("pseudo headers", () => {
  it("equal the sum of their written-out form", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 40, maxLength: 40 }), fc.nat(255), fc.nat(200_000), (ip, proto, len) => {
        const { dv } = place(ip, 65);
        const length = [len >>> 24, (len >>> 16) & 255, (len >>> 8) & 255, len & 255];
        const four = [...ip.subarray(12, 20), 0, proto, ...length];
        const six = [...ip.subarray(8, 40), ...length, 0, 0, 0, proto];
        expect(checksumPseudo4(dv, 65, proto, len)).toBe(naiveSum(four));
        expect(checksumPseudo6(dv, 65, proto, len)).toBe(naiveSum(six));
      }),
    );
  });
});

describe("incremental update", () => {
  it("follows the example of RFC 1624 4", () => {
    expect(checksumUpdate16(0xdd2f, 0x5555, 0x3285)).toBe(0x0000);
  });

  it("equals a full computation after a field of 16 or 32 bits changed", () => {
    const message = fc.uint8Array({ minLength: 8, maxLength: 40 });
    fc.assert(
      fc.property(message, fc.nat(1), word16, word32, (bytes, at, new16, new32) => {
        const { u8, i32, dv } = place(bytes, 64);
        const before = checksum(u8, i32, 64, bytes.length);
        const field = 64 + at * 2;
        const old16 = dv.getUint16(field);
        dv.setUint16(field, new16);
        const middle = checksum(u8, i32, 64, bytes.length);
        expect(same(checksumUpdate16(before, old16, new16), middle)).toBe(true);
        const old32 = dv.getInt32(field);
        dv.setInt32(field, new32);
        expect(same(checksumUpdate32(middle, old32, new32), checksum(u8, i32, 64, bytes.length))).toBe(true);
      }),
    );
  });
});

it("checksumFinish folds and complements", () => {
  expect(checksumFinish(0)).toBe(0xffff);
  expect(checksumFinish(0xffff)).toBe(0);
  expect(checksumFinish(0x2_fffe)).toBe(0xfffe);
  expect(checksumFinish(0x7fff_ffff)).toBe(0x8000);
});
