// npm run bench [-- NAME… [--json FILE]]: runs the benchmarks named, or all, one after the other, each as a process in a
// scheduling group of its own that goes before all others.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { packageRoot, raiseGroup } from "./support/machine.js";

/** Longest that one benchmark may take, milliseconds. */
const LIMIT_MS = 300_000;

const HERE = fileURLToPath(new URL(".", import.meta.url));

/** A line of output: `NAME VALUE UNIT`. */
interface Result {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

const all = readdirSync(HERE)
  .filter((file) => file.endsWith(".js") && file !== "run.js")
  .map((file) => file.slice(0, -3))
  .sort();

let current: ChildProcess | undefined;
const end = (): void => {
  current?.kill("SIGTERM");
};
process.on("exit", end);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(1));

/** Runs one benchmark, its output ours; the results on it, and whether it succeeded. */
async function runOne(name: string, results: Result[]): Promise<boolean> {
  const child = spawn(process.execPath, ["--expose-gc", join(HERE, `${name}.js`)], {
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  current = child;
  if (child.pid !== undefined) raiseGroup(child.pid);
  const timer = setTimeout(() => {
    console.error(`bench: ${name}: not done after ${LIMIT_MS / 1000} s`);
    child.kill("SIGTERM");
  }, LIMIT_MS);
  let rest = "";
  child.stdout.on("data", (data: Buffer) => {
    process.stdout.write(data);
    const lines = (rest + data.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const match = /^(\S+) (-?[\d.]+) (\S.*)$/.exec(line);
      if (match !== null) results.push({ name: match[1], value: Number(match[2]), unit: match[3] });
    }
  });
  const code = await new Promise<number | null>((resolve) => {
    child.once("error", () => resolve(null));
    child.once("close", resolve);
  });
  clearTimeout(timer);
  current = undefined;
  if (code !== 0) console.error(`bench: ${name}: failed`);
  return code === 0;
}

function commit(): string {
  try {
    const git = (...args: readonly string[]): string =>
      execFileSync("git", args, { cwd: packageRoot(), encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
    return git("rev-parse", "HEAD") + (git("status", "--porcelain", "--untracked-files=no") === "" ? "" : "-dirty");
  } catch {
    return "unknown";
  }
}

function machine(): object {
  const list = cpus();
  return {
    cpu: list[0]?.model ?? "unknown",
    cpus: list.length,
    memoryBytes: totalmem(),
    kernel: release(),
    arch: process.arch,
    node: process.version,
    v8: process.versions.v8,
  };
}

const { values, positionals } = parseArgs({ options: { json: { type: "string" } }, allowPositionals: true });
const unknown = positionals.filter((name) => !all.includes(name));
if (unknown.length > 0) {
  console.error(`bench: no benchmark "${unknown[0]}"; there are: ${all.join(" ")}`);
  process.exit(2);
}
const results: Result[] = [];
for (const name of positionals.length > 0 ? positionals : all) {
  if (!(await runOne(name, results))) process.exitCode = 1;
}
if (values.json !== undefined) {
  const report = { machine: machine(), commit: commit(), date: new Date().toISOString(), results };
  writeFileSync(values.json, `${JSON.stringify(report, undefined, 2)}\n`);
}
