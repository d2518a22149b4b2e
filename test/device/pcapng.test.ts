import { describe, expect, it } from "vitest";
import { readCapture } from "../../src/device/pcap-read.js";

/** A block of little-endian words with its lengths filled in. */
function block(type: number, ...words: readonly number[]): number[] {
  const length = 12 + 4 * words.length;
  return [type, length, ...words, length];
}

const file = (...blocks: readonly number[][]): Uint8Array => new Uint8Array(Int32Array.from(blocks.flat()).buffer);
const SECTION = block(0x0a0d0d0a, 0x1a2b3c4d, 1, -1, -1);
const ETHERNET = block(1, 1, 0);

/** A packet of the four bytes 1 2 3 4 on interface `index` at `units`. */
function packet(index: number, units: bigint): number[] {
  return block(6, index, Number(units >> 32n) | 0, Number(units & 0xffff_ffffn) | 0, 4, 4, 0x04030201);
}

describe("pcapng", () => {
  it.each([
    ["microseconds when nothing is said", [], 1_500_000_000_123_456n, [1_500_000_000, 123_456_000]],
    ["nanoseconds", [0x0001_0009, 9], 1_500_000_000_123_456_789n, [1_500_000_000, 123_456_789]],
    ["whole seconds", [0x0001_0009, 0], 1_500_000_000n, [1_500_000_000, 0]],
    ["picoseconds, cut", [0x0001_0009, 12], 1_500_000_123_456_789n, [1500, 123_456]],
    ["powers of two", [0x0001_0009, 0x80 | 20], (5n << 20n) | (1n << 19n), [5, 500_000_000]],
    ["an offset", [0x0001_0009, 6, 0x0008_000e, 1000, 0], 2_000_001n, [1002, 1000]],
  ])("reads times in %s", (_, options, units, [seconds, nanoseconds]) => {
    const { frames } = readCapture(file(SECTION, block(1, 1, 0, ...options), packet(0, units)));
    expect(frames).toMatchObject([{ seconds, nanoseconds, bytes: Uint8Array.of(1, 2, 3, 4) }]);
  });

  it("refuses a time that is none", () => {
    const before1970 = block(1, 1, 0, 0x0008_000e, -5, -1);
    expect(() => readCapture(file(SECTION, before1970, packet(0, 1n)))).toThrow("second -5 is no time");
    const seconds = block(1, 1, 0, 0x0001_0009, 0);
    expect(() => readCapture(file(SECTION, seconds, packet(0, -1n)))).toThrow("is no time");
  });

  it("counts interfaces anew in each section", () => {
    const raw = block(1, 101, 0);
    const { interfaces, frames } = readCapture(
      file(SECTION, ETHERNET, packet(0, 1n), SECTION, raw, ETHERNET, packet(0, 2n), packet(1, 3n)),
    );
    expect(interfaces.map(({ linkType }) => linkType)).toEqual([1, 101, 1]);
    expect(frames.map(({ interfaceIndex }) => interfaceIndex)).toEqual([0, 1, 2]);
  });

  it("reads simple packets, cut at the interface's limit, with the time of the frame before", () => {
    const limited = block(1, 1, 2);
    const { frames } = readCapture(file(SECTION, limited, packet(0, 7_000_000n), block(3, 1000, 0x0000_0201)));
    expect(frames[1]).toMatchObject({ seconds: 7, bytes: Uint8Array.of(1, 2), originalBytes: 1000 });
  });

  it("reads obsolete packets", () => {
    const old = block(2, 0x0003_0000, 0, 9, 4, 4, 0x04030201);
    expect(readCapture(file(SECTION, ETHERNET, old)).frames).toMatchObject([
      { seconds: 0, nanoseconds: 9000, bytes: Uint8Array.of(1, 2, 3, 4), interfaceIndex: 0 },
    ]);
  });

  it("takes the counters of the last statistics", () => {
    const statistics = (received: number, dropped: number) =>
      block(5, 0, 0, 0, 0x0008_0004, received, 0, 0x0008_0005, dropped, 1, 0);
    const { interfaces } = readCapture(file(SECTION, ETHERNET, statistics(1, 2), statistics(30, 4)));
    expect(interfaces).toMatchObject([{ received: 30, dropped: 2 ** 32 + 4 }]);
  });

  it("steps over blocks it does not know", () => {
    const { frames } = readCapture(
      file(SECTION, block(4, 1, 2, 3), ETHERNET, block(0xbad, 9), packet(0, 1n), block(11)),
    );
    expect(frames).toHaveLength(1);
  });
});
