import fc from "fast-check";
import { expect, test } from "vitest";
import { PAGE_BYTES, PageRanges } from "../../src/mem/page-ranges.js";

test("ranges do not overlap, and all pages come back as one", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(40)), { maxLength: 200 }), (steps) => {
      const pages = new PageRanges(PAGE_BYTES, 101 * PAGE_BYTES);
      const taken: { from: number; bytes: number }[] = [];
      for (const [isTake, n] of steps) {
        if (isTake) {
          const bytes = n * 1000 + 1;
          const from = pages.take(bytes);
          if (from < 0) continue;
          const whole = Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
          if (from < PAGE_BYTES || from + whole > 101 * PAGE_BYTES || from % PAGE_BYTES !== 0)
            throw new Error("outside");
          for (const other of taken) {
            if (from < other.from + other.bytes && other.from < from + whole) throw new Error("overlaps");
          }
          taken.push({ from, bytes });
        } else if (taken.length > 0) {
          const [gone] = taken.splice(n % taken.length, 1);
          pages.give(gone.from, gone.bytes);
        }
      }
      for (const { from, bytes } of taken) pages.give(from, bytes);
      expect(pages.freeBytes).toBe(100 * PAGE_BYTES);
      expect(pages.take(100 * PAGE_BYTES)).toBe(PAGE_BYTES);
    }),
    { seed: 3, numRuns: 100 },
  );
});

test("nothing is taken that is not there, or of no length", () => {
  const pages = new PageRanges(0, 4 * PAGE_BYTES);
  expect([pages.take(0), pages.take(-1), pages.take(Number.NaN), pages.take(4 * PAGE_BYTES + 1)]).toEqual([
    -1, -1, -1, -1,
  ]);
  expect(new PageRanges(PAGE_BYTES, PAGE_BYTES).take(1)).toBe(-1);
});
