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

  it.each(FAMILIES)("all pass over $family but the blocks of SACK", { timeout: 180_000 }, async ({ literal }) => {
    const args = [HARNESS, "run", `${literal}:7001`, "--iface", "tap0"];
    const { stdout, stderr } = await host.netns.run(PYTHON, args, 170_000);
    const verdicts = [...stdout.matchAll(/^(PASS|FAIL|SKIP) (\w+) (.*)$/gm)];
    const notPassed = verdicts.filter(([, verdict, name]) => verdict !== "PASS" && name !== "sack_blocks");
    expect(notPassed.map(([line]) => line)).toEqual([]);
    expect([verdicts.length, stderr]).toEqual([16, ""]);
  });
});
