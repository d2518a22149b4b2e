// Runs benchmarks, each in a process and scheduling group of its own: node dist/bench/run.js [NAME...] [--json FILE]
import { spawn, spawnSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { onCpu, OUR_CPU, OWN_GROUP } from "./support/protect.js";

/** Longest that one benchmark may take, milliseconds. */
const LIMIT_MS = 300_000;

const DIRECTORY = dirname(fileURLToPath(import.meta.url));

/** One line of a benchmark's output. */
interface Result {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

/** The programs beside this one. */
function benchmarks(): string[] {
  return readdirSync(DIRECTORY)
    .filter((file) => /^[a-z0-9-]+\.js$/.test(file) && file !== "run.js")
    .map((file) => file.slice(0, -3))
    .sort();
}

/** Where and of what the figures are. */
function machine(): Record<string, string | number> {
  const git = (args: readonly string[]): string =>
    spawnSync("git", args, { cwd: DIRECTORY, encoding: "utf8" }).stdout?.trim() ?? "";
  return {
    commit: git(["rev-parse", "HEAD"]) + (git(["status", "--porcelain"]) === "" ? "" : "+changes"),
    date: new Date().toISOString(),
    processor: cpus()[0]?.model ?? "unknown",
    processors: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
  };
}

/** Runs one benchmark, passing its output on; its results, or undefined when it failed. */
async function run(name: string): Promise<Result[] | undefined> {
  const [program = "", ...args] = onCpu(OUR_CPU, [process.execPath, join(DIRECTORY, `${name}.js`)]);
  // Detached: a session, and so a scheduling group, of its own.
  const child = spawn(program, args, {
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, [OWN_GROUP]: "1" },
  });
  const end = (): void => void child.kill("SIGTERM");
  const limit = setTimeout(end, LIMIT_MS);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, end);
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    text += part;
    process.stdout.write(part);
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  clearTimeout(limit);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, end);
  if (code !== 0) return undefined;
  return text
    .split("\n")
    .map((line) => /^(\S+) (-?[\d.]+) (\S+)$/.exec(line))
    .filter((match) => match !== null)
    .map(([, result = "", value = "", unit = ""]) => ({ name: result, value: Number(value), unit }));
}

function fail(message: string): never {
  console.error(`weft: bench: ${message}`);
  process.exit(2);
}

function chosen(): { names: string[]; json: string | undefined } {
  try {
    const { values, positionals } = parseArgs({ options: { json: { type: "string" } }, allowPositionals: true });
    const all = benchmarks();
    for (const name of positionals) {
      if (!all.includes(name)) throw new Error(`no benchmark "${name}": there are ${all.join(", ")}`);
    }
    return { names: positionals.length > 0 ? positionals : all, json: values.json };
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

const { names, json } = chosen();
const results: Result[] = [];
for (const name of names) {
  const found = await run(name);
  if (found === undefined) {
    console.error(`weft: bench: ${name} failed`);
    process.exitCode = 1;
  } else results.push(...found);
}
if (json !== undefined) writeFileSync(json, `${JSON.stringify({ ...machine(), results }, undefined, 2)}\n`);
