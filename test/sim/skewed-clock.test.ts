import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../src/random/seeded.js";
import { SkewedClock } from "../../src/sim/skewed-clock.js";
import { ManualClock } from "../../src/time/manual-clock.js";

describe("a skewed clock", () => {
  test.each([
    [0, 0, 1_000_000, 1_000_000],
    [0, 7, 1_000_000, 1_000_007],
    [100, 0, 1_000_000, 1_000_100],
    [-100, 0, 1_000_000, 999_900],
    [50, -20, 3_600_000_000, 3_600_179_980],
    [1, 0, 999_999, 999_999],
    [-1, 0, 1, 0],
  ])("of %i ppm and %i us shows, at %i us, %i us", (ppm, offsetUs, atUs, shownUs) => {
    expect(new SkewedClock(new ManualClock(atUs), ppm, offsetUs).nowUs()).toBe(shownUs);
  });

  test.each([-500_000, -123_457, -100, -1, 0, 1, 33, 100, 123_457, 500_000])(
    "of %i ppm never goes back, and its inverse is the first moment",
    (ppm) => {
      const random = new SeededRandom(ppm);
      const clock = new SkewedClock(new ManualClock(), ppm, 12_345);
      for (let i = 0; i < 2000; i++) {
        // Up to 34 years.
        const at = random.nextBelow(1_000_000_000) * (1 + random.nextBelow(1_000_000));
        const shown = clock.hostUs(at);
        expect(clock.hostUs(at + 1)).toBeGreaterThanOrEqual(shown);
        const first = clock.virtualUs(shown);
        expect(clock.hostUs(first)).toBeGreaterThanOrEqual(shown);
        expect(clock.hostUs(first - 1)).toBeLessThan(shown);
        expect(first).toBeLessThanOrEqual(at);
      }
    },
  );

  test("refuses what is no skew", () => {
    expect(() => new SkewedClock(new ManualClock(), 0.5, 0)).toThrow("clock skew 0.5 ppm");
    expect(() => new SkewedClock(new ManualClock(), 500_001, 0)).toThrow("clock skew 500001 ppm");
    expect(() => new SkewedClock(new ManualClock(), 0, 0.5)).toThrow("clock offset 0.5 us");
  });
});
