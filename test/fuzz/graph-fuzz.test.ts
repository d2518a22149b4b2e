import { describe, expect, it } from "vitest";
import { ALL_NODES } from "../../nodes/index.js";
import { censusChange, censusOf } from "../../src/sim/census.js";
import { stillServes } from "./after.js";
import { FuzzHost } from "./fuzz-host.js";
import { storm } from "./storm.js";
import { UNREACHED, UNREACHED_NODES } from "./unreached.js";

const FRAMES = 1_000_000;
const SEED = 20_261_121;

describe("a million mutated frames", () => {
  it("are survived without a throw, a leak or an unnamed drop", { timeout: 240_000 }, async () => {
    const host = new FuzzHost(SEED);
    await host.apps.start();
    await storm(host, FRAMES);
    const { engine, host: parts } = host.stack;
    const missed = engine
      .forms()
      .flatMap((form) => form.errors.map((error) => `${form.name} ${error.symbol}`))
      .filter((name) => engine.errorCount(...(name.split(" ") as [string, string])) === 0);
    // Nodes of kind sched may have no packets of their own: they push.
    const idle = engine.runtime().filter(({ kind, calls, packets }) => (kind === "sched" ? calls : packets) === 0);
    expect(host.reported).toBe(host.apps.thrown);
    expect(host.verifier.faults).toEqual([]);
    expect(parts.pool.doubleFrees).toBe(0);
    expect(engine.cutTurns).toBe(0);
    expect(missed.filter((name) => !UNREACHED.has(name))).toEqual([]);
    expect([...UNREACHED.keys()].filter((name) => !missed.includes(name))).toEqual([]);
    expect(idle.map(({ name }) => name).filter((name) => !UNREACHED_NODES.has(name))).toEqual([]);
    expect([...UNREACHED_NODES.keys()].filter((name) => !idle.some((node) => node.name === name))).toEqual([]);

    // The storm is over: service resumes, and everything that was held is given back.
    expect(stillServes(host)).toEqual({ ping: true, stream: "hello" });
    host.stop();
    host.pass(300_000);
    expect(censusChange(censusOf(host.stack.host))).toBe("");
  });

  it("do the same every time", async () => {
    const results: unknown[] = [];
    for (let run = 0; run < 2; run++) {
      const host = new FuzzHost(SEED + 1);
      await host.apps.start();
      const frames = await storm(host, 20_000);
      results.push([
        frames,
        host.verifier.frames,
        host.verifier.digest,
        host.clock.nowUs(),
        host.stack.engine.errors(),
      ]);
    }
    expect(results[0]).toEqual(results[1]);
  });

  it("are told apart by counters of nodes that exist", () => {
    const names = new Set(ALL_NODES.flatMap((form) => form.errors.map((error) => `${form.name} ${error.symbol}`)));
    expect([...UNREACHED.keys()].filter((name) => !names.has(name))).toEqual([]);
  });
});
