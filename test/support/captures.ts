import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Capture } from "../../src/device/capture.js";
import { readCaptureFile } from "../../src/host/pcap-file.js";

/** Where the repository's captures are. */
export const PCAPS = join(import.meta.dirname, "..", "..", "pcaps");

/** File names of all captures, sorted. */
export function captureNames(): string[] {
  return readdirSync(PCAPS)
    .filter((name) => /\.pcap(?:ng)?$/.test(name))
    .sort();
}

/** One of the repository's captures. */
export function readNamed(name: string): Capture {
  return readCaptureFile(join(PCAPS, name));
}
