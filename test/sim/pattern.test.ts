import { describe, expect, it } from "vitest";
import { Pattern } from "../../src/sim/pattern.js";

const pattern = new Pattern();

/** Bytes [offset, offset + length) of a stream. */
function piece(key: number, offset: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => pattern.byte(key, offset + i));
}

describe("the bytes of a stream", () => {
  const key = Pattern.key(7, 0);

  it("are verified wherever they begin", () => {
    for (const offset of [0, 1, 4095, 4096, 1_000_000, 0x7fff_f000]) {
      expect(pattern.verify(piece(key, offset, 9000), 0, 9000, key, offset)).toBe(-1);
    }
  });

  it("show the first that differs", () => {
    const bytes = piece(key, 100, 9000);
    bytes[8000] ^= 1;
    bytes[8500] ^= 1;
    expect(pattern.verify(bytes, 0, 9000, key, 100)).toBe(8100);
  });

  it.each([1, 2, 1448, 4095, 4096, 8192, 65_536])("are others %i bytes further on", (shift) => {
    expect(pattern.verify(piece(key, shift, 4000), 0, 4000, key, 0)).toBeLessThan(20);
    expect(pattern.verify(piece(key, shift, 4000), 0, 4000, key, 0)).toBeGreaterThanOrEqual(0);
  });

  it("are others of each connection and direction", () => {
    for (const other of [Pattern.key(7, 1), Pattern.key(8, 0), Pattern.key(6, 1)]) {
      expect(pattern.verify(piece(other, 0, 1000), 0, 1000, key, 0)).toBeGreaterThanOrEqual(0);
    }
  });
});
