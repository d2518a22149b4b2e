import fc from "fast-check";
import { expect, it } from "vitest";
import {
  seqAdd,
  seqDiff,
  seqGreater,
  seqGreaterOrEqual,
  seqInWindow,
  seqLess,
  seqLessOrEqual,
  seqMax,
  seqMin,
  seqOverlap,
} from "../../src/wire/seq.js";
import { word32 } from "./guard.js";

const distance = fc.integer({ min: -0x7fff_ffff, max: 0x7fff_ffff });
const size = fc.integer({ min: 0, max: 0x7fff_ffff });

it("orders numbers by their distance, across the wrap", () => {
  fc.assert(
    fc.property(word32, distance, (a, d) => {
      const b = seqAdd(a, d);
      expect(seqDiff(b, a)).toBe(d);
      expect(seqLess(a, b)).toBe(d > 0);
      expect(seqLessOrEqual(a, b)).toBe(d >= 0);
      expect(seqGreater(a, b)).toBe(d < 0);
      expect(seqGreaterOrEqual(a, b)).toBe(d <= 0);
      expect(seqMax(a, b)).toBe(d > 0 ? b : a);
      expect(seqMin(a, b)).toBe(d < 0 ? b : a);
    }),
  );
  expect(seqLess(0x7fff_ffff, -0x8000_0000)).toBe(true);
  expect(seqLess(-1, 0)).toBe(true);
});

it("knows what a window holds", () => {
  fc.assert(
    fc.property(word32, fc.integer({ min: -2000, max: 2000 }), fc.nat(1000), (first, d, n) => {
      expect(seqInWindow(seqAdd(first, d), first, n)).toBe(d >= 0 && d < n);
    }),
  );
  expect(seqInWindow(5, 5, 0)).toBe(false);
  fc.assert(fc.property(word32, size, (first, n) => seqInWindow(seqAdd(first, n), first, n) === false));
});

it("knows when two ranges share a number", () => {
  fc.assert(
    fc.property(word32, fc.integer({ min: -30, max: 30 }), fc.nat(20), fc.nat(20), (a, d, aSize, bSize) => {
      const shared = Math.min(aSize, d + bSize) - Math.max(0, d) > 0;
      expect(seqOverlap(a, aSize, seqAdd(a, d), bSize)).toBe(shared);
    }),
  );
});
