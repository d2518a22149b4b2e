import { assert, describe, it } from "vitest";
import { drawCase, runCase } from "./hostile-transfer.js";

/** Cases of one run of the tests; the environment variable WEFT_CASES, `from-to`, explores others. */
const DEFAULT_CASES = [1, 40] as const;
/** A pipe below 0 after a partial ACK without SACK. */
const ONCE_BROKEN = [102];

function cases(): readonly [number, number] {
  const [from, to] = (process.env.WEFT_CASES ?? "").split("-").map(Number);
  return to > from ? [from, to] : DEFAULT_CASES;
}

describe("transfers over hostile links", () => {
  it("complete, and at each instant the scoreboard is whole, sums are not negative, and a timer runs for what is outstanding", () => {
    const [from, to] = cases();
    for (const seed of [...ONCE_BROKEN, ...Array.from({ length: to - from }, (_, i) => from + i)]) {
      const drawn = drawCase(seed);
      try {
        runCase(drawn);
      } catch (error) {
        assert.fail(`case ${JSON.stringify(drawn)}: ${String(error)}`);
      }
    }
  }, 600_000);
});
