import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Random, randomBelow, randomFill } from "../../src/random/random.js";
import { SeededRandom } from "../../src/random/seeded.js";

const unsigned = (random: Random) => random.nextInt32() >>> 0;

describe("SeededRandom", () => {
  it("is xoshiro128** 1.1: outputs of the reference implementation", () => {
    const random = new SeededRandom(0);
    random.restore(Int32Array.of(0x964d_4a0c, 0xd40a_b895, 0xad7f_decb, 0x3006_f0f0));
    const outputs = [unsigned(random), unsigned(random), unsigned(random), unsigned(random)];
    expect(outputs).toEqual([0xf139_1922, 0x6fe5_3806, 0xa5be_2840, 0xf510_ee70]);
    const state = new Int32Array(4);
    random.save(state);
    expect(state).toEqual(Int32Array.of(0xfc65_379c, 0x5200_6d70, 0x8748_7639, 0xf190_8343));
  });

  it("repeats from its seed, and differs from another seed's", () => {
    const sequence = (seed: number) => {
      const random = new SeededRandom(seed);
      return Array.from({ length: 20 }, () => random.nextInt32());
    };
    expect(sequence(7)).toEqual(sequence(7));
    const first = new Set(Array.from({ length: 1000 }, (_, seed) => sequence(seed)[0]));
    expect(first.size).toBe(1000);
  });

  it("continues from a saved state, and never sticks at zero", () => {
    const random = new SeededRandom(3);
    random.nextInt32();
    const state = new Int32Array(6);
    random.save(state, 2);
    const expected = [random.nextInt32(), random.nextInt32()];
    const other = new SeededRandom(99);
    other.restore(state, 2);
    expect([other.nextInt32(), other.nextInt32()]).toEqual(expected);
    other.restore(new Int32Array(4));
    expect(new Set(Array.from({ length: 50 }, () => other.nextInt32())).size).toBeGreaterThan(40);
  });

  it("forks a generator of its own", () => {
    const fork = new SeededRandom(5).fork();
    const same = new SeededRandom(5).fork();
    expect(fork.nextInt32()).toBe(same.nextInt32());
    expect(fork.nextInt32()).not.toBe(new SeededRandom(5).nextInt32());
  });

  it("spreads evenly: every bit is set about half the time", () => {
    const random = new SeededRandom(11);
    const counts = new Int32Array(32);
    for (let i = 0; i < 10_000; i++) {
      const bits = random.nextInt32();
      for (let bit = 0; bit < 32; bit++) counts[bit] += (bits >>> bit) & 1;
    }
    for (const count of counts) expect(Math.abs(count - 5000)).toBeLessThan(300);
  });
});

describe("randomBelow", () => {
  it("stays below n, for any n and source, even one that is stuck", () => {
    const bound = fc.integer({ min: 1, max: 0x7fff_ffff });
    const source = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
    fc.assert(
      fc.property(bound, source, (n, stuck) => {
        const value = randomBelow({ nextInt32: () => stuck }, n);
        expect(value >= 0 && value < n && Number.isInteger(value)).toBe(true);
      }),
      { seed: 1 },
    );
    expect(randomBelow(new SeededRandom(1), 1)).toBe(0);
    expect(randomBelow(new SeededRandom(1), 0)).toBe(0);
    expect(randomBelow(new SeededRandom(1), -5)).toBe(0);
  });

  it("gives each value its share", () => {
    const random = new SeededRandom(2);
    const counts = new Int32Array(7);
    for (let i = 0; i < 7000; i++) counts[random.nextBelow(7)]++;
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(130);
  });
});

describe("randomFill", () => {
  it("writes every byte, four of a draw, lowest first", () => {
    for (let len = 0; len < 12; len++) {
      const u8 = new Uint8Array(len);
      let draw = 0;
      randomFill({ nextInt32: () => (draw++ === 0 ? 0x0403_0201 : 0x8786_8584 | 0) }, u8);
      const all = [1, 2, 3, 4, 0x84, 0x85, 0x86, 0x87, 0x84, 0x85, 0x86, 0x87];
      expect(Array.from(u8)).toEqual(all.slice(0, len));
    }
    const filled = new Uint8Array(1001);
    new SeededRandom(4).fill(filled);
    expect(new Set(filled).size).toBeGreaterThan(240);
  });
});
