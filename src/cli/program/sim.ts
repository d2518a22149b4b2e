import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { drawCase, RANDOM_SCENARIO } from "../../sim/draw-case.js";
import { evidenceOf } from "../../sim/evidence.js";
import { type RunResult, runCase } from "../../sim/runner.js";
import { SCENARIOS } from "../../sim/scenarios/index.js";
import { shrinkCase } from "../../sim/shrink.js";
import type { SimCase } from "../../sim/sim-case.js";
import { tableLines } from "../../sim/table.js";
import { columns } from "../columns.js";
import { EXIT_FAILED, EXIT_OK, UsageError } from "./failure.js";
import { readCaseFile } from "./sim-case-file.js";

/** The options of `weft sim`. */
export interface SimCommandOptions {
  readonly seed?: string;
  readonly runs?: string;
  readonly out?: string;
  readonly case?: string;
  readonly shrink?: boolean;
  readonly json?: boolean;
  readonly table?: boolean;
}

const MAX_SEED = 0x7fff_ffff;

/** Seeds of which each is one run. */
interface Batch {
  readonly cases: Iterable<SimCase>;
  /** The line that repeats one of them. */
  command(of: SimCase): string;
}

/** What all runs of a batch came to. */
interface Tally {
  runs: number;
  failed: number;
  connections: number;
  completed: number;
  frames: number;
}

/** `weft sim`: runs a scenario over simulated networks, one for each seed. */
export async function sim(scenario: string | undefined, options: SimCommandOptions): Promise<number> {
  if (options.table === true) return table();
  if (scenario === undefined && options.case === undefined) return list();
  if (options.shrink === true && options.out === undefined) throw new UsageError("--shrink", "needs --out");
  const todo = batch(scenario, options);
  const tally: Tally = { runs: 0, failed: 0, connections: 0, completed: 0, frames: 0 };
  const startMs = performance.now();
  for (const of of todo.cases) {
    const result = runCase(of);
    count(tally, result);
    print(result, options);
    if (result.failure !== undefined) leave(of, result, todo.command(of), options);
    // The promises that the applications were given settle between runs.
    await Promise.resolve();
  }
  const wallMs = Math.round(performance.now() - startMs);
  process.stdout.write(options.json === true ? `${JSON.stringify({ ...tally, wallMs })}\n` : summary(tally, wallMs));
  return tally.failed === 0 ? EXIT_OK : EXIT_FAILED;
}

function list(): number {
  const rows = SCENARIOS.map(({ name, about }) => [name, about]);
  rows.push([RANDOM_SCENARIO, "any of these over a hostile network, all drawn from the seed"]);
  process.stdout.write(`${columns(["Scenario", "About"], rows)}\n`);
  return EXIT_OK;
}

function table(): number {
  for (const line of tableLines()) process.stdout.write(`${line}\n`);
  return EXIT_OK;
}

function batch(scenario: string | undefined, options: SimCommandOptions): Batch {
  const { case: file, seed: seedText = "1", runs: runsText = "1" } = options;
  if (file !== undefined) {
    if (scenario !== undefined) throw new UsageError(scenario, "not together with --case");
    return { cases: [readCaseFile(file)], command: () => `weft sim --case ${file}` };
  }
  const name = scenario ?? "";
  if (name !== RANDOM_SCENARIO && !SCENARIOS.some((each) => each.name === name)) {
    throw new UsageError(name, "unknown scenario (weft sim lists them)");
  }
  const seed = wholeNumber("--seed", seedText, 0, MAX_SEED);
  const runs = wholeNumber("--runs", runsText, 1, MAX_SEED - seed + 1);
  return { cases: drawn(name, seed, runs), command: (of) => `weft sim ${name} --seed ${of.seed}` };
}

function* drawn(scenario: string, seed: number, runs: number): Generator<SimCase> {
  for (let i = 0; i < runs; i++) yield drawCase(scenario, seed + i);
}

function wholeNumber(option: string, text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : -1;
  if (value >= least && value <= most) return value;
  throw new UsageError(option, `not a whole number from ${least} to ${most}: ${JSON.stringify(text)}`);
}

function count(tally: Tally, { connections, completed, frames, failure }: RunResult): void {
  tally.runs++;
  tally.connections += connections;
  tally.completed += completed;
  tally.frames += frames;
  if (failure !== undefined) tally.failed++;
}

function print(result: RunResult, { json }: SimCommandOptions): void {
  const { seed, hash, failure } = result;
  const end = failure === undefined ? "ok" : `FAILED: ${failure.invariant}: ${failure.text}`;
  process.stdout.write(json === true ? `${JSON.stringify(result)}\n` : `seed ${seed} hash ${hash} ${end}\n`);
}

/** Leaves what tells of a failed run in `--out`, made smaller with `--shrink`, and says how to repeat it. */
function leave(of: SimCase, result: RunResult, command: string, { out, shrink, json }: SimCommandOptions): void {
  const say = (line: string): void => {
    if (json !== true) process.stdout.write(`  ${line}\n`);
  };
  if (out === undefined) return say(`repeat: ${command}`);
  mkdirSync(out, { recursive: true });
  const path = join(out, `${of.scenario}-${of.seed}`);
  let left = { of, command };
  if (shrink === true) {
    const shrunk = shrinkCase(of, result);
    left = { of: shrunk.case, command: `weft sim --case ${path}.json` };
    say(`shrunk to ${shrunk.case.connections} connections in ${shrunk.tries} tries`);
  }
  const { capture, script } = evidenceOf(left.of, left.command);
  writeFileSync(`${path}.pcapng`, capture);
  writeFileSync(`${path}.json`, script);
  say(`left: ${path}.pcapng ${path}.json`);
  say(`repeat: ${left.command}`);
}

function summary(tally: Tally, wallMs: number): string {
  const { runs, failed, connections, completed, frames } = tally;
  const seconds = (wallMs / 1000).toFixed(1);
  const counts = `${connections} connections, ${completed} completed, ${frames} frames`;
  return `${runs} runs, ${failed} failed, ${counts}, ${seconds} s\n`;
}
