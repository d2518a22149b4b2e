import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { main } from "../../src/cli/program/main.js";
import { readCapture } from "../../src/device/pcap-read.js";
import { drawCase } from "../../src/sim/draw-case.js";
import { runScenario } from "../../src/sim/runner.js";
import { SCENARIOS } from "../../src/sim/scenarios/index.js";
import type { SimCase } from "../../src/sim/sim-case.js";

let directory: string;

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function sim(...args: readonly string[]): Promise<Ran> {
  const said = { out: "", err: "" };
  const streams = (["out", "err"] as const).map((name) =>
    vi.spyOn(name === "out" ? process.stdout : process.stderr, "write").mockImplementation((text) => {
      said[name] += String(text);
      return true;
    }),
  );
  try {
    return { code: await main(["sim", ...args]), ...said };
  } finally {
    for (const stream of streams) stream.mockRestore();
  }
}

/** Connects that fail later than the runner, told of no timeout, allows: a case that fails for certain. */
const FAILING: SimCase = { ...drawCase("bulk", 7), link: { delayUs: 1000, lossRate: 1 }, tcp: {} };

function written(of: unknown): string {
  const file = join(directory, "case.json");
  writeFileSync(file, JSON.stringify({ case: of }));
  return file;
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "weft-sim-"));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

describe("weft sim", () => {
  it("lists the scenarios", async () => {
    const { code, out } = await sim();
    expect(code).toBe(0);
    for (const name of [...SCENARIOS.map((each) => each.name), "random"]) expect(out).toContain(`\n${name} `);
  });

  it("prints a line for each seed and what they came to", async () => {
    const { code, out } = await sim("half-close", "--seed", "5", "--runs", "2");
    const results = [runScenario("half-close", 5), runScenario("half-close", 6)];
    expect(code).toBe(0);
    const lines = out.split("\n");
    expect(lines.slice(0, 2)).toEqual(results.map(({ seed, hash }) => `seed ${seed} hash ${hash} ok`));
    const connections = results[0].connections + results[1].connections;
    expect(lines[2]).toMatch(
      new RegExp(`^2 runs, 0 failed, ${connections} connections, \\d+ completed, .* [\\d.]+ s$`),
    );
  });

  it("prints JSON", async () => {
    const { out } = await sim("abort", "--json");
    const [run, sum] = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(run).toEqual(JSON.parse(JSON.stringify(runScenario("abort", 1))));
    expect(sum).toMatchObject({ runs: 1, failed: 0, connections: run["connections"] });
  });

  it("leaves evidence of a failure, which its command repeats", async () => {
    const out = join(directory, "out");
    const failed = await sim("--case", written(FAILING), "--out", out, "--shrink");
    expect(failed.code).toBe(1);
    expect(failed.out).toMatch(/^seed 7 hash [0-9a-f]{16} FAILED: connect-timeout: connection \d+ client: /);
    const command = /^ {2}repeat: weft sim (--case .*)$/m.exec(failed.out)?.[1] ?? "";
    expect(command).toBe(`--case ${join(out, "bulk-7.json")}`);
    const script = JSON.parse(readFileSync(join(out, "bulk-7.json"), "utf8")) as Record<string, unknown>;
    expect(script).toMatchObject({ case: { connections: 1 }, failure: { invariant: "connect-timeout" } });
    const { frames } = readCapture(readFileSync(join(out, "bulk-7.pcapng")));
    expect(frames.some(({ comments }) => comments.includes("dropped: loss"))).toBe(true);
    const repeated = await sim(...command.split(" "));
    expect(repeated.code).toBe(1);
    expect(repeated.out.split(" ")[3]).toBe(script["hash"]);
  });

  it("says how to repeat a failure without leaving anything", async () => {
    const file = written(FAILING);
    const { code, out } = await sim("--case", file);
    expect(code).toBe(1);
    expect(out).toContain(`\n  repeat: weft sim --case ${file}\n`);
    expect(existsSync(join(directory, "out"))).toBe(false);
  });

  it.each([
    ["nonsense", "nonsense: unknown scenario (weft sim lists them)"],
    ["bulk --seed x", '--seed: not a whole number from 0 to 2147483647: "x"'],
    ["bulk --runs 0", '--runs: not a whole number from 1 to 2147483647: "0"'],
    ["bulk --seed 2147483647 --runs 2", '--runs: not a whole number from 1 to 1: "2"'],
    ["bulk --shrink", "--shrink: needs --out"],
    ["bulk --case x.json", "bulk: not together with --case"],
    ["bulk --frob", "--frob: unknown option"],
  ])("refuses %s", async (args, line) => {
    expect(await sim(...args.split(" "))).toEqual({ code: 2, out: "", err: `weft: ${line}\n` });
  });

  it("names what is wrong with a case file", async () => {
    const missing = join(directory, "missing.json");
    expect((await sim("--case", missing)).err).toMatch(new RegExp(`^weft: ${missing}: ENOENT`));
    const file = written({ ...FAILING, family: 5 });
    expect(await sim("--case", file)).toMatchObject({
      code: 2,
      err: expect.stringContaining(`${file}: case.family: `),
    });
  });
});
