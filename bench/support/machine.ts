import { existsSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Processor of the stack, and that of its peer: the same when there is but one. */
export const STACK_CPU = 0;
/** Processor of the peer. */
export const PEER_CPU = availableParallelism() > 1 ? 1 : 0;

/** The package's root: the directory with package.json above this file. */
export function packageRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, "package.json"))) directory = dirname(directory);
  return directory;
}

/**
 * Puts the scheduling group of process `pid` before all others: with autogroups, nice values count only inside a group.
 * Returns false where the kernel has no such groups or refuses.
 */
export function raiseGroup(pid: number): boolean {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, "-20");
    return true;
  } catch {
    return false;
  }
}
