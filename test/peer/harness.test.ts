import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lacks, PYTHON } from "../needs.js";
import { FAMILIES, TapStack } from "../support/weft.js";

const HARNESS = join(import.meta.dirname, "harness.py");

describe.skipIf(lacks("netns", "tun", "ip", "scapy"))("wire-level checks of TCP", () => {
  let host: TapStack;
  beforeAll(async () => {
    // The tester makes frames itself: a superframe would be no frame on any wire.
    host = await TapStack.start({ offloads: { checksum: false, gso: false } });
  });
  afterAll(() => host.end());

  /** Runs the checks, or those of `only`, and returns the lines of the verdicts. */
  async function verdicts(literal: string, only: readonly string[] = []): Promise<RegExpExecArray[]> {
    const args = [HARNESS, "run", `${literal}:7001`, "--iface", "tap0", "--only", only.join(",")];
    const { stdout, stderr } = await host.netns.run(PYTHON, args, 85_000);
    expect(stderr).toBe("");
    return [...stdout.matchAll(/^(PASS|FAIL|SKIP) (\w+) (.*)$/gm)];
  }

  it.each(FAMILIES)("all pass over $family", { timeout: 180_000 }, async ({ literal }) => {
    const all = await verdicts(literal);
    expect(all).toHaveLength(16);
    const isMissed = ([, verdict]: RegExpExecArray): boolean => verdict !== "PASS";
    let missed = all.filter(isMissed);
    // The tester reads a segment in 10 to 30 ms when its processor is shared, and some checks allow 190 ms in all: a
    // check that failed has one more try by itself.
    if (missed.length > 0)
      missed = (
        await verdicts(
          literal,
          missed.map(([, , name]) => name),
        )
      ).filter(isMissed);
    expect(missed.map(([line]) => line)).toEqual([]);
  });
});
