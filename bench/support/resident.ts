import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { MemoryWindow } from "../../src/mem/window.js";

const PAGE_BYTES = 4096;

/** Bytes in use on JavaScript's heap, all garbage collected. */
export function heapBytes(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let i = 0; i < 3; i++) collect();
  return process.memoryUsage().heapUsed;
}

/** Most bytes of memory that this process ever had at a time. */
export function peakBytes(): number {
  return process.resourceUsage().maxRSS * 1024;
}

/** Adjoining mappings of this process: a memory window among everything else that it has. */
interface Mapping {
  readonly start: number;
  readonly residentBytes: number;
}

/** The one run of adjoining mappings that is exactly `bytes` long. */
function findMapping(bytes: number): Mapping {
  let start = 0;
  let end = 0;
  let resident = 0;
  for (const line of readFileSync("/proc/self/smaps", "utf8").split("\n")) {
    const range = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line);
    if (range !== null) {
      const from = Number.parseInt(range[1], 16);
      if (end - start === bytes) break;
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
  return { start, residentBytes: resident };
}

/** Resident bytes of the one run of adjoining mappings that is exactly `bytes` long: a window's. */
export function residentBytes(bytes: number): number {
  return findMapping(bytes).residentBytes;
}

/** Resident bytes of the heap of C, of which all that is not a large piece of its own is taken. */
export function cHeapBytes(): number {
  const [, kilobytes = "0"] = /\[heap\]\n(?:.*\n)*?Rss: +(\d+) kB/.exec(readFileSync("/proc/self/smaps", "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}

/**
 * Resident bytes of each region of the window of `bytes`, by name; regions of one name together. A page counts for the
 * region that its first byte is in.
 */
export function residentRegions(window: MemoryWindow, bytes: number): Map<string, number> {
  const { start } = findMapping(bytes);
  const found = new Map<string, number>();
  const pages = openSync("/proc/self/pagemap", "r");
  for (const region of window.regions) {
    const first = Math.ceil(region.offset / PAGE_BYTES);
    const count = Math.ceil((region.offset + region.bytes) / PAGE_BYTES) - first;
    const entries = Buffer.alloc(Math.max(count, 0) * 8);
    readSync(pages, entries, 0, entries.length, (start / PAGE_BYTES + first) * 8);
    let resident = 0;
    // Bit 63 of an entry of 8 bytes: the page is present.
    for (let i = 7; i < entries.length; i += 8) if (entries[i] >= 0x80) resident += PAGE_BYTES;
    found.set(region.name, (found.get(region.name) ?? 0) + resident);
  }
  closeSync(pages);
  return found;
}
