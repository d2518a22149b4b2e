import { describe, expect, it } from "vitest";
import { readCapture } from "../../src/device/pcap-read.js";
import { drawCase } from "../../src/sim/draw-case.js";
import { evidenceOf, type SimScript } from "../../src/sim/evidence.js";
import { type RunHooks, type RunResult, runCase } from "../../src/sim/runner.js";
import { shrinkCase } from "../../src/sim/shrink.js";
import type { SimCase } from "../../src/sim/sim-case.js";
import { flipsPayload } from "./injected.js";

/** Only a segment of some size is altered, so that not every case fails. */
const prepare = flipsPayload(1000);
const FAILING: SimCase = {
  ...drawCase("bulk", 7),
  link: { delayUs: 5000, lossRate: 0.02, jitterUs: 300, duplicateRate: 0.01 },
  skewPpm: [100, -100],
  changes: [
    { atUs: 300_000, kind: "partition" },
    { atUs: 400_000, kind: "heal" },
  ],
};

function run(of: SimCase, hooks: RunHooks = {}): RunResult {
  return runCase(of, { ...hooks, prepare });
}

/** As {@link run}, but it takes longer to fail. */
function runLonger(of: SimCase, hooks: RunHooks = {}): RunResult {
  return runCase(of, { ...hooks, prepare: flipsPayload(1000, 150) });
}

describe("shrinking", () => {
  it("leaves out all that the failure does not need", () => {
    const found = run(FAILING);
    expect(found.failure?.invariant).toBe("unaltered");
    const shrunk = shrinkCase(FAILING, found, { prepare });
    expect(shrunk.result.failure?.invariant).toBe("unaltered");
    expect(shrunk.case).toMatchObject({ connections: 1, changes: [], skewPpm: [], link: {}, family: 4 });
    expect(shrunk.case.sizePermille).toBeLessThan(1000);
    expect(shrunk.result.frames).toBeLessThan(found.frames);
    expect(run(shrunk.case)).toEqual(shrunk.result);
  });

  it("ends after the tries it was given", () => {
    const shrunk = shrinkCase(FAILING, run(FAILING), { prepare }, 3);
    expect(shrunk.tries).toBe(3);
    expect(shrunk.result.failure?.invariant).toBe("unaltered");
  });
});

describe("what a failure leaves", () => {
  const command = "weft sim bulk --seed 7";
  const found = runLonger(FAILING);
  const { capture, script } = evidenceOf(FAILING, command, runLonger);

  it("is a capture with the fate of each frame", () => {
    const { frames, format, comments, interfaces } = readCapture(capture);
    expect(format).toBe("pcapng");
    expect(comments).toEqual([command, `unaltered: ${found.failure?.text}`]);
    expect(interfaces.map(({ name }) => name)).toEqual(["sim"]);
    expect(frames.length).toBeGreaterThan(100);
    const said = frames.map((frame) => frame.comments);
    expect(said[0][0]).toMatch(/^(?:server > \w+|\w+ > server)$/);
    expect(said.filter(([, fate]) => fate === "dropped: loss").length).toBeGreaterThan(0);
    expect(said.filter(([, fate]) => /^arrives after \d+ us$/.test(fate)).length).toBeGreaterThan(100);
    expect(said.some(([, , note]) => note === "duplicate")).toBe(true);
  });

  it("is a script that runs again to the same frames", () => {
    const read = JSON.parse(script) as SimScript;
    expect(read).toMatchObject({ command, hash: found.hash, failure: found.failure });
    expect(runLonger(read.case)).toEqual(found);
  });
});
