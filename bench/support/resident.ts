import { readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Bytes in use on JavaScript's heap, all garbage collected. */
export function heapBytes(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let i = 0; i < 3; i++) collect();
  return process.memoryUsage().heapUsed;
}

/**
 * Resident bytes of the one run of adjoining mappings that is exactly `bytes` long: a memory window among everything
 * else that a process has.
 */
export function residentBytes(bytes: number): number {
  let start = 0;
  let end = 0;
  let resident = 0;
  for (const line of readFileSync("/proc/self/smaps", "utf8").split("\n")) {
    const range = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line);
    if (range !== null) {
      const from = Number.parseInt(range[1], 16);
      if (end - start === bytes) return resident;
      if (from !== end) {
        start = from;
        resident = 0;
      }
      end = Number.parseInt(range[2], 16);
      continue;
    }
    const kilobytes = /^Rss: +(\d+) kB/.exec(line);
    if (kilobytes !== null) resident += Number(kilobytes[1]) * 1024;
  }
  if (end - start !== bytes) throw new Error("no mapping of the window's size");
  return resident;
}
