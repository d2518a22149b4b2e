import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Capture } from "../../src/device/capture.js";
import type { CaptureFormat } from "../../src/device/pcap-write.js";
import { CaptureFile, readCaptureFile } from "../../src/host/pcap-file.js";
import { lacks } from "../needs.js";
import { captureNames, PCAPS, readNamed } from "../support/captures.js";
import { mustRun } from "../support/program.js";

const directory = mkdtempSync(join(tmpdir(), "weft-captures-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** What tshark makes of a file: time, lengths, comment and bytes of each frame. */
async function seenByTshark(file: string): Promise<string[]> {
  const fields = ["frame.time_epoch", "frame.cap_len", "frame.len", "frame.comment"].flatMap((name) => ["-e", name]);
  const table = await mustRun("tshark", ["-n", "-r", file, "-T", "fields", ...fields]);
  const packets = JSON.parse(await mustRun("tshark", ["-n", "-r", file, "-T", "json", "-x", "-j", "frame"])) as {
    _source: { layers: { frame_raw: [string] } };
  }[];
  return table
    .replace(/\n$/, "")
    .split("\n")
    .map((row, i) => `${row}\t${packets[i]._source.layers.frame_raw[0]}`);
}

function expected({ frames }: Capture): string[] {
  return frames.map(({ seconds, nanoseconds, bytes, originalBytes, comments }) => {
    const time = `${seconds}.${String(nanoseconds).padStart(9, "0")}`;
    return [time, bytes.length, originalBytes, comments.join(","), Buffer.from(bytes).toString("hex")].join("\t");
  });
}

const FORMATS: CaptureFormat[] = [
  { format: "pcap", resolution: "us" },
  { format: "pcap", resolution: "ns" },
  { format: "pcap", resolution: "us", byteOrder: "big" },
  { format: "pcap", resolution: "ns", byteOrder: "big" },
  { format: "pcapng", interfaceName: "tap0", comments: ["written by a test"] },
  { format: "pcapng", byteOrder: "big" },
];

describe.skipIf(lacks("tshark"))("files we wrote", () => {
  it.each(FORMATS)("mean the same to tshark and capinfos: $format $resolution $byteOrder", async (format) => {
    const path = join(directory, "ours.pcap");
    const { frames } = readNamed("ping4.pcap");
    const file = new CaptureFile(path, format);
    frames.forEach((frame, i) =>
      file.write({ ...frame, originalBytes: frame.bytes.length + i, comments: i % 3 === 0 ? [`frame ${i}`] : [] }),
    );
    file.close();
    expect([file.frames, file.bytes]).toEqual([frames.length, statSync(path).size]);
    const capture = readCaptureFile(path);
    expect(await seenByTshark(path)).toEqual(expected(capture));
    const info = await mustRun("capinfos", ["-M", "-t", "-c", "-E", path]);
    expect(info).toMatch(format.format === "pcapng" ? /pcapng/ : format.resolution === "ns" ? /nsecpcap/ : /pcap/);
    expect(info).toContain(`Number of packets:   ${frames.length}`);
  });
});

describe.skipIf(lacks("tshark"))("the repository's captures", () => {
  it.each(captureNames())("%s: we read what tshark reads", async (name) => {
    expect(await seenByTshark(join(PCAPS, name))).toEqual(expected(readNamed(name)));
  });
});
