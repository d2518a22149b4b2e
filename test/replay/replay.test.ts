import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

it("knows the session rules of the configuration", async () => {
  const file = join(directory, "rules.yaml");
  const rules = "session: { rtBackend: rule-table }\nrules: [{ proto: tcp, remote: 0.0.0.0/0, action: drop }]\n";
  writeFileSync(file, `${readFileSync(CONFIG, "utf8")}${rules}`);
  const text = await mustRun(process.execPath, [
    WEFT,
    "replay",
    join(PCAPS, "tcp-transfer.pcap"),
    "--config",
    file,
    "--json",
  ]);
  const { errors } = JSON.parse(text) as { errors: { node: string; symbol: string }[] };
  expect(errors).toContainEqual(expect.objectContaining({ node: "tcp4-input", symbol: "filtered" }));
});

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
