import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hash3, hashWords } from "../../src/random/half-sip-hash.js";
import { isnHash3, isnHashWords } from "../../src/random/isn-hash.js";
import { SeededRandom } from "../../src/random/seeded.js";

const rotate = (x: number, n: number) => (x << n) | (x >>> (32 - n));

/** HalfSipHash-c-d as its paper and reference implementation describe it, with c and d as parameters. */
function reference(c: number, d: number, k0: number, k1: number, bytes: ArrayLike<number>): number {
  let v0 = k0;
  let v1 = k1;
  let v2 = 0x6c79_6765 ^ k0;
  let v3 = 0x7465_6462 ^ k1;
  const rounds = (n: number) => {
    for (let i = 0; i < n; i++) {
      v0 = (v0 + v1) | 0;
      v1 = rotate(v1, 5) ^ v0;
      v0 = rotate(v0, 16);
      v2 = (v2 + v3) | 0;
      v3 = rotate(v3, 8) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = rotate(v3, 7) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = rotate(v1, 13) ^ v2;
      v2 = rotate(v2, 16);
    }
  };
  const absorb = (m: number) => {
    v3 ^= m;
    rounds(c);
    v0 ^= m;
  };
  const words = bytes.length >> 2;
  for (let i = 0; i < words; i++) {
    absorb(bytes[4 * i] | (bytes[4 * i + 1] << 8) | (bytes[4 * i + 2] << 16) | (bytes[4 * i + 3] << 24));
  }
  let last = bytes.length << 24;
  for (let i = 4 * words; i < bytes.length; i++) last |= bytes[i] << (8 * (i & 3));
  absorb(last);
  v2 ^= 0xff;
  rounds(d);
  return (v1 ^ v3) >>> 0;
}

const K0 = 0x0302_0100;
const K1 = 0x0706_0504;
const counting = (len: number) => Array.from({ length: len }, (_, i) => i);
const countingWords = (count: number) =>
  Int32Array.from({ length: count }, (_, i) => (0x0302_0100 + Math.imul(i, 0x0404_0404)) | 0);

// Key bytes 00..07, message bytes 00, 01, 02, ...: HalfSipHash-2-4 of lengths 0 to 15 (reference vectors, vectors_hsip32).
const VECTORS_2_4 = [
  0x5b9f_35a9, 0xb85a_4727, 0x03a6_62fa, 0x04e7_fe8a, 0x8946_6e2a, 0x69b6_fac5, 0x23fc_6358, 0xc563_cf8b, 0x8f84_b8d0,
  0x79e7_06f8, 0x3479_b094, 0x5030_0808, 0x2f87_f057, 0xff63_e677, 0x7cf8_ffd6, 0x972b_fe74,
];

// The same key and messages: HalfSipHash-1-3 of lengths 0, 4, 8, ... 60 (those Linux tests its hsiphash with on 32 bits).
const VECTORS_1_3 = [
  0x5814_c896, 0x7e05_9ea6, 0x5779_99b1, 0x6b28_096c, 0x8b31_d501, 0x911b_b605, 0x5715_0ad7, 0x0a41_00d0, 0xbc6d_da8d,
  0x7c46_fb7f, 0x0532_7eb2, 0x1179_5ab1, 0x0077_83eb, 0xc368_dda6, 0x53ec_d77e, 0x88b4_c4cc,
];

describe("HalfSipHash", () => {
  it("as the tests compute it gives the published 2-4 vectors", () => {
    expect(VECTORS_2_4.map((_, len) => reference(2, 4, K0, K1, counting(len)))).toEqual(VECTORS_2_4);
  });

  it("hashWords gives the published 1-3 vectors", () => {
    expect(VECTORS_1_3.map((_, n) => hashWords(K0, K1, countingWords(n), 0, n) >>> 0)).toEqual(VECTORS_1_3);
    const [a, b, c] = countingWords(3);
    expect(hash3(K0, K1, a, b, c) >>> 0).toBe(VECTORS_1_3[3]);
  });

  it("hashWords and hash3 equal the general form for any key and words", () => {
    const word = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
    fc.assert(
      fc.property(word, word, fc.array(word, { minLength: 3, maxLength: 12 }), fc.nat(4), (k0, k1, list, from) => {
        const words = Int32Array.from([...Array<number>(from).fill(1), ...list, 2]);
        const bytes = list.flatMap((w) => [w & 255, (w >> 8) & 255, (w >> 16) & 255, w >>> 24]);
        const hash = hashWords(k0, k1, words, from, list.length);
        expect(hash).toBe(hash | 0);
        expect(hash >>> 0).toBe(reference(1, 3, k0, k1, bytes));
        const three = hashWords(k0, k1, words, from, 3);
        expect(hash3(k0, k1, list[0], list[1], list[2])).toBe(three);
      }),
      { seed: 2 },
    );
  });

  it("depends on every bit of key and message", () => {
    const base = [1, 2, 3, 4, 5];
    const of = (w: number[]) => hash3(w[0], w[1], w[2], w[3], w[4]);
    const results = new Set([of(base)]);
    for (let bit = 0; bit < 160; bit++) {
      const changed = [...base];
      changed[bit >> 5] ^= 1 << (bit & 31);
      results.add(of(changed));
    }
    expect(results.size).toBe(161);
  });

  it("spreads flows that differ in one port over buckets", () => {
    const counts = new Int32Array(64);
    for (let port = 0; port < 6400; port++) counts[hash3(7, 9, 0x0a00_0001, 0x0a00_0002, port) & 63]++;
    for (const count of counts) expect(Math.abs(count - 100)).toBeLessThan(50);
  });
});

describe("isnHash", () => {
  it("needs all four words of the key, and is alike for both forms", () => {
    const key = Int32Array.of(11, 22, 33, 44);
    const words = Int32Array.of(5, 6, 7);
    const base = isnHash3(key, 5, 6, 7);
    expect(isnHashWords(key, words, 0, 3)).toBe(base);
    for (let i = 0; i < 4; i++) {
      const other = key.slice();
      other[i] ^= 1;
      expect(isnHash3(other, 5, 6, 7)).not.toBe(base);
    }
    expect(base).toBe(hash3(33 ^ hash3(11, 22, 5, 6, 7), 44, 5, 6, 7));
  });

  it("gives connections unrelated numbers", () => {
    const key = new Int32Array(4);
    const random = new SeededRandom(6);
    for (let i = 0; i < 4; i++) key[i] = random.nextInt32();
    const numbers = Array.from({ length: 2000 }, (_, port) => isnHash3(key, 1, 2, port));
    expect(new Set(numbers).size).toBe(2000);
    const steps = new Set(numbers.slice(1).map((n, i) => (n - numbers[i]) | 0));
    expect(steps.size).toBe(1999);
  });
});
