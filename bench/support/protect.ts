import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";

/** Set by run.js for the programs it starts in a scheduling group of their own. */
export const OWN_GROUP = "WEFT_BENCH_GROUP";

/** The processor of the stack under test, or of the kernel's part that stands in for it. */
export const OUR_CPU = 0;
/**
 * The processor of the other end, in measurements on two: the same when there is but one. Asks for the machine's
 * processors: availableParallelism() counts only those that this process is bound to.
 */
export const PEER_CPU = cpus().length > 1 ? 1 : OUR_CPU;

/** The command line that runs a command on one processor; without `taskset` as it is. */
export function onCpu(cpu: number, command: readonly string[]): string[] {
  return hasTaskset() ? ["taskset", "-c", String(cpu), ...command] : [...command];
}

function hasTaskset(): boolean {
  return spawnSync("taskset", ["-V"], { stdio: "ignore" }).status === 0;
}

/**
 * Binds this process, with all its threads, to a processor and puts its scheduling group before all others: autogroups
 * share a processor evenly, whatever their nice values, so a compiler in some other terminal takes half of it.
 */
export function protect(cpu = OUR_CPU): void {
  if (hasTaskset()) spawnSync("taskset", ["-a", "-c", "-p", String(cpu), String(process.pid)], { stdio: "ignore" });
  if (process.env[OWN_GROUP] === undefined) return;
  try {
    writeFileSync("/proc/self/autogroup", "-20");
  } catch {
    console.error("bench: no precedence over other programs: figures may be low");
  }
}
