import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createStack } from "../../src/index.js";
import type { LiveStack } from "../../src/node/live-stack.js";
import { lacks, PYTHON } from "../needs.js";
import { Netns } from "../support/netns.js";
import type { Program } from "../support/program.js";
import { KERNEL4, KERNEL6, STACK4, STACK6 } from "../support/weft.js";
import { TapRounds } from "./tap-rounds.js";

/** WEFT_ROUNDS makes it another number: acceptance runs 10000. */
const ROUNDS = Number(process.env["WEFT_ROUNDS"] ?? "300");
/** Rounds from one look at the process to the next. */
const STEP = Math.max(300, ROUNDS / 10);
/** What the process may grow by from a fifth of many rounds to the end. */
const NOISE_MIB = 24;
const MANY_ROUNDS = 5000;

const TIMEOUTS = {
  timeWaitMs: 50,
  finWait2Ms: 1000,
  closingTimeoutMs: 1000,
  synRcvdTimeoutMs: 1000,
  connectTimeoutMs: 1000,
  userTimeoutMs: 3000,
  rtoMaxMs: 1000,
};

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** What the process holds. */
function held(): { readonly rssMiB: number; readonly heapMiB: number; readonly descriptors: number } {
  collectGarbage();
  const { rss, heapUsed } = process.memoryUsage();
  const descriptors = readdirSync("/proc/self/fd").length;
  return { rssMiB: Math.round(rss / 2 ** 20), heapMiB: Math.round(heapUsed / 2 ** 20), descriptors };
}

describe.skipIf(lacks("netns", "tun", "ip", "python3"))("rounds over a TAP", () => {
  const errors: unknown[] = [];
  let netns: Netns;
  let peer: Program;
  let stack: LiveStack;
  let rounds: TapRounds;

  beforeAll(async () => {
    netns = await Netns.create();
    const host = { addresses: [`${KERNEL4}/24`, `${KERNEL6}/64`] };
    const addresses = [`${STACK4}/24`, `${STACK6}/64`];
    stack = await createStack(
      {
        interfaces: [{ name: "tap0", kind: "tap", netns: netns.name, addresses, host }],
        limits: { fifoBytes: 16 << 20, appSegmentBytes: 8 << 20, smallPackets: 2048 },
        session: { maxSessions: 600, maxListeners: 128, maxApplications: 48, maxAppWorkers: 4, maxNamespaces: 4 },
        tcp: { maxConnections: 600, ...TIMEOUTS },
        udp: { maxConnections: 32 },
      },
      { onError: (error) => errors.push(error) },
    );
    peer = netns.start(PYTHON, join(import.meta.dirname, "rounds-peer.py"));
    await peer.waitFor(/^ready$/m);
    rounds = new TapRounds(stack, errors, 1);
    await rounds.start();
  });
  afterAll(async () => {
    try {
      await stack.close();
    } finally {
      await netns.remove();
    }
  });

  it(`leave the stack as it was, ${ROUNDS} of them`, { timeout: 60_000 + ROUNDS * 200 }, async () => {
    const before = rounds.census();
    const samples: ReturnType<typeof held>[] = [];
    const startMs = performance.now();
    while (rounds.rounds < ROUNDS && rounds.failures.length === 0) {
      await rounds.play(Math.min(STEP, ROUNDS - rounds.rounds));
      expect([await rounds.settle(), peer.stderr]).toEqual(["", ""]);
      samples.push(held());
      console.log(`${rounds.rounds} rounds`, samples.at(-1), rounds.figures);
    }
    const seconds = (performance.now() - startMs) / 1000;
    console.log(`${seconds.toFixed(1)} s, held before and after:`, before);
    expect(rounds.failures).toEqual([]);
    expect(errors).toEqual([]);
    expect(rounds.census()).toEqual(before);
    const { connections, sessions, bytes, datagrams } = rounds.figures;
    expect(connections).toBeGreaterThan(ROUNDS);
    expect(sessions).toBeGreaterThan(ROUNDS / 2);
    expect(datagrams).toBeGreaterThan(ROUNDS / 10);
    expect(bytes).toBeGreaterThan(ROUNDS * 1000);
    expect(new Set(samples.map(({ descriptors }) => descriptors)).size).toBe(1);
    const grown = (samples.at(-1)?.rssMiB ?? 0) - (samples[1]?.rssMiB ?? 0);
    expect(grown).toBeLessThan(ROUNDS < MANY_ROUNDS ? Number.POSITIVE_INFINITY : NOISE_MIB);
    rounds.end();
    const { status, stdout, stderr } = await peer.finished;
    expect([status, stderr]).toEqual([0, ""]);
    console.log(stdout);
  });
});
