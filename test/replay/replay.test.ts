import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { captureUs } from "../../src/device/capture.js";
import { readCapture } from "../../src/device/pcap-read.js";
import { captureNames, PCAPS, readNamed } from "../support/captures.js";
import { mustRun } from "../support/program.js";
import { compareReplay } from "../support/replay-compare.js";
import { WEFT } from "../support/weft.js";

const CONFIG = join(import.meta.dirname, "host-b.yaml");
const MAC = "020000000002";
const directory = mkdtempSync(join(tmpdir(), "weft-replay-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Replayed {
  readonly file: Buffer;
  readonly counters: string;
}

/** Replays a capture by the command: the file it wrote, and its counters. */
async function replay(name: string, run: string): Promise<Replayed> {
  const out = join(directory, `${name}.${run}`);
  const args = [WEFT, "replay", join(PCAPS, name), "--config", CONFIG, "--out", out, "--json"];
  const counters = await mustRun(process.execPath, args);
  return { file: readFileSync(out), counters };
}

describe.each(captureNames())("%s", (name) => {
  let first: Replayed;
  let second: Replayed;
  beforeAll(async () => {
    [first, second] = await Promise.all([replay(name, "first"), replay(name, "second")]);
  });

  it("gets from the stack what it got from the kernel, field by field", () => {
    const { frames } = readNamed(name);
    const sent = readCapture(first.file).frames;
    const differences = compareReplay(
      frames,
      sent.map((frame) => ({ timeUs: captureUs(frame, frames[0]), bytes: frame.bytes })),
      {
        mac: MAC,
        tcp: name.startsWith("tcp") ? "streams" : "slots",
        ignoresNeighborQuestions: !["arp.pcap", "nd.pcapng"].includes(name),
      },
    );
    expect(differences).toEqual([]);
  });

  it("gets the same bytes at the same times, and the same counters, each time", () => {
    expect(first.file.length).toBeGreaterThan(24);
    expect(second.file.equals(first.file)).toBe(true);
    expect(second.counters).toBe(first.counters);
    expect(JSON.parse(first.counters)).toBeTypeOf("object");
  });
});
