import { describe, expect, it } from "vitest";
import { drawCase, RANDOM_SCENARIO } from "../../src/sim/draw-case.js";
import { runCase } from "../../src/sim/runner.js";
import { checkShares } from "../../src/sim/scenarios/fair.js";
import type { ConnectionRecord, EndRecord } from "../../src/sim/workload.js";

const END: EndRecord = { outcome: "complete", error: "", sentBytes: 0, receivedBytes: 0, openedUs: 0, endedUs: 0 };

/** A connection whose server had all after `tookUs`. */
function record(number: number, tookUs: number): ConnectionRecord {
  return { number, startedUs: 1000, client: END, server: { ...END, endedUs: 1000 + tookUs } };
}

describe("one greedy and 999 polite connections", () => {
  // The sending host is the bottleneck, then the link.
  it.each([
    [3, 50_000],
    [5, 1000],
  ])(
    "each polite one has its share within a tenth, the greedy one the rest: seed %i",
    (seed, turnUs) => {
      const of = drawCase("fair", seed);
      expect(of.turnUs[1]).toBe(turnUs);
      const { records, completed, failure } = runCase(of);
      expect([failure, completed, records.length]).toEqual([undefined, 1000, 1000]);
      const [greedy, ...polite] = records.map(({ client, server, startedUs }) => ({
        bytes: client.sentBytes,
        us: (server?.endedUs ?? 0) - startedUs,
      }));
      const bytesPerUs = polite.map(({ bytes, us }) => bytes / us).sort((a, b) => a - b);
      expect(bytesPerUs[0]).toBeGreaterThan(0.9 * (bytesPerUs.at(-1) ?? 0));
      expect(greedy.bytes / greedy.us).toBeGreaterThan(20 * bytesPerUs[0]);
    },
    120_000,
  );

  it("a share that takes a tenth longer than at its rate, and more, is a failure", () => {
    const of = drawCase("fair", 3);
    const failures: string[] = [];
    const fail = (invariant: string, text: string): void => void failures.push(`${invariant}: ${text}`);
    // 10 messages, one each 150 ms.
    checkShares([record(0, 1e9), record(1, 1_500_000), record(2, 1_660_000)], of, fail);
    expect(failures).toEqual([]);
    checkShares([record(7, 1_680_000)], of, fail);
    checkShares([{ ...record(8, 0), server: undefined }], of, fail);
    expect(failures).toEqual([
      "fair-share: connection 7: its share took 1680000 us, at its rate 1500000 us",
      "fair-share: connection 8: its share took Infinity us, at its rate 1500000 us",
    ]);
  });

  it("are not drawn for a hostile network, which owes nobody a share", () => {
    const drawn = Array.from({ length: 200 }, (_, i) => drawCase(RANDOM_SCENARIO, i).workload);
    expect(drawn).toContain("bulk");
    expect(drawn).not.toContain("fair");
  });
});
