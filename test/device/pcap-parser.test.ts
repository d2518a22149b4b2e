import { join } from "node:path";
import { Readable } from "node:stream";
import { parse } from "pcap-parser";
import { describe, expect, it } from "vitest";
import type { Capture } from "../../src/device/capture.js";
import { readCapture } from "../../src/device/pcap-read.js";
import { writeCapture } from "../../src/device/pcap-write.js";
import { captureNames, PCAPS, readNamed } from "../support/captures.js";

type Seen = readonly [seconds: number, microseconds: number, original: number, bytes: string];

/** The frames pcap-parser finds. It drops a truncated last record without a word. */
function parsed(input: string | Readable): Promise<Seen[]> {
  return new Promise((resolve, reject) => {
    const seen: Seen[] = [];
    parse(input)
      .on("packet", ({ header, data }) => {
        seen.push([header.timestampSeconds, header.timestampMicroseconds, header.originalLength, data.toString("hex")]);
      })
      .on("end", () => resolve(seen))
      .on("error", reject);
  });
}

function ours(capture: Capture): Seen[] {
  return capture.frames.map(({ seconds, nanoseconds, originalBytes, bytes }) => [
    seconds,
    nanoseconds / 1000,
    originalBytes,
    Buffer.from(bytes).toString("hex"),
  ]);
}

const microsecondCaptures = captureNames().filter((name) => {
  const { format, resolution } = readNamed(name);
  return format === "pcap" && resolution === "us";
});

describe("our reader and pcap-parser agree", () => {
  it("on at least six captures", () => {
    expect(microsecondCaptures.length).toBeGreaterThanOrEqual(6);
  });

  it.each(microsecondCaptures)("%s", async (name) => {
    const capture = readNamed(name);
    expect(capture.frames.length).toBeGreaterThan(10);
    expect(await parsed(join(PCAPS, name))).toEqual(ours(capture));
  });

  it("on big-endian files", async () => {
    const { frames } = readNamed("udp.pcap");
    const file = writeCapture({ format: "pcap", byteOrder: "big" }, frames);
    expect(await parsed(Readable.from([Buffer.from(file)]))).toEqual(ours(readCapture(file)));
  });
});
