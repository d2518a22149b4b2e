import { describe, expect, it } from "vitest";
import { SystemClock } from "../../src/host/system-clock.js";
import { SystemRandom } from "../../src/host/system-random.js";

describe("SystemClock", () => {
  it("counts microseconds and never goes back", () => {
    const clock = new SystemClock();
    const start = clock.nowUs();
    let last = start;
    while (last < start + 2000) {
      const now = clock.nowUs();
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
    }
  });
});

describe("SystemRandom", () => {
  it("gives int32 of every size, past the end of its store", () => {
    const random = new SystemRandom();
    const seen = new Set<number>();
    let negative = 0;
    for (let i = 0; i < 5000; i++) {
      const word = random.nextInt32();
      expect(word).toBe(word | 0);
      if (word < 0) negative++;
      seen.add(word);
    }
    expect(seen.size).toBeGreaterThan(4990);
    expect(negative).toBeGreaterThan(2000);
    expect(negative).toBeLessThan(3000);
  });

  it("stays below a bound and fills bytes", () => {
    const random = new SystemRandom();
    for (let i = 0; i < 1000; i++) expect(random.nextBelow(7)).toBeLessThan(7);
    const bytes = new Uint8Array(64);
    random.fill(bytes);
    expect(bytes.some((byte) => byte !== 0)).toBe(true);
  });
});
