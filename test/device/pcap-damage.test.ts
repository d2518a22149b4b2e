import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Capture, CaptureError } from "../../src/device/capture.js";
import { readCapture } from "../../src/device/pcap-read.js";
import { type CaptureFormat, writeCapture } from "../../src/device/pcap-write.js";
import { anyFormat, anyFrame } from "../support/pcap-arbitraries.js";

const FRAMES = [3, 0, 17].map((length, i) => ({
  seconds: 1_700_000_000 + i,
  nanoseconds: 5000 * i,
  bytes: Uint8Array.from({ length }, (_, at) => at * 7 + i),
  comments: [`frame ${i}`],
}));
const FORMATS: CaptureFormat[] = (["pcap", "pcapng"] as const).flatMap((format) =>
  (["little", "big"] as const).map(
    (byteOrder): CaptureFormat => ({ format, byteOrder, comments: ["made for a test"] }),
  ),
);

/** What reading gives: a capture, or the error that says why not. Anything else is the reader's fault. */
function attempt(bytes: Uint8Array): Capture | CaptureError {
  try {
    return readCapture(bytes);
  } catch (error) {
    if (error instanceof CaptureError) return error;
    throw error;
  }
}

/** Lengths at which a file of these frames is whole: after the header and after each frame. */
function wholeLengths(format: CaptureFormat): number[] {
  return [0, 1, 2, 3].map((count) => writeCapture(format, FRAMES.slice(0, count)).length);
}

/** Bytes of the section header a file starts with, -1 when its format has none. */
function sectionBytes(format: CaptureFormat): number {
  const file = writeCapture(format, []);
  return format.format === "pcapng" ? new DataView(file.buffer).getUint32(4, format.byteOrder === "little") : -1;
}

describe("a damaged capture", () => {
  it.each(FORMATS)("$format $byteOrder: cut at any byte it is refused, with the whole frames before", (format) => {
    const file = writeCapture(format, FRAMES);
    const whole = wholeLengths(format);
    const results = Array.from(file, (_, length) => {
      const result = attempt(file.slice(0, length));
      const isError = result instanceof CaptureError;
      const isSaid = isError && result.offset <= length && / \(at byte \d+\)$/.test(result.message);
      const capture = isError ? result.partial : result;
      return [length, isError ? isSaid : "whole", capture?.frames.length ?? 0];
    });
    expect(results).toEqual(
      Array.from(file, (_, length) => [
        length,
        // A section header on its own is a whole pcapng file.
        whole.includes(length) || length === sectionBytes(format) ? "whole" : true,
        Math.max(0, whole.filter((bytes) => bytes <= length).length - 1),
      ]),
    );
  });

  it("never gets the reader to throw anything else, hang or read outside the file", () => {
    fc.assert(
      fc.property(
        anyFormat,
        fc.array(anyFrame, { minLength: 1, maxLength: 4 }),
        fc.array(fc.tuple(fc.nat(), fc.constantFrom(0, 1, 4, 0x7f, 0x80, 0xff), fc.boolean()), { maxLength: 6 }),
        (format, frames, changes) => {
          const file = writeCapture(format, frames);
          for (const [at, value, isHeader] of changes) file[(at % (isHeader ? 60 : file.length)) % file.length] = value;
          const result = attempt(file);
          const capture = result instanceof CaptureError ? result.partial : result;
          let held = 0;
          for (const { bytes } of capture?.frames ?? []) held += bytes.length;
          expect(held).toBeLessThanOrEqual(file.length);
        },
      ),
      { seed: 2, numRuns: 1500 },
    );
  });

  it("never gets the reader to throw anything else when it is noise", () => {
    const starts = [
      [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0],
      [0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0],
    ];
    fc.assert(
      fc.property(fc.constantFrom(...starts), fc.uint8Array({ maxLength: 200 }), (start, rest) => {
        const result = attempt(Uint8Array.from([...start, ...rest]));
        expect(result).toBeDefined();
      }),
      { seed: 3, numRuns: 1000 },
    );
  });
});

describe("what is wrong is said", () => {
  const little = (words: readonly number[]) =>
    words.flatMap((word) => [word & 255, (word >>> 8) & 255, (word >>> 16) & 255, word >>> 24]);
  const pcapHeader = [0xa1b2c3d4, 0x0004_0002, 0, 0, 65535, 1];
  const section = [0x0a0d0d0a, 28, 0x1a2b3c4d, 1, -1, -1, 28];
  const description = [1, 20, 1, 0, 20];

  it.each([
    ["an empty file", [], "not a capture: 0 bytes (at byte 0)"],
    ["another file", [0x464c457f], "not a capture: it starts with 0x7f454c46 (at byte 0)"],
    ["an old version", [0xa1b2c3d4, 0x0003_0002, 0, 0, 65535, 1], "pcap version 2.3 is not 2.4 (at byte 4)"],
    ["a fraction of 1", [...pcapHeader, 0, 1_000_000, 0, 0], "frame 1: 1000000 is not a part of a second (at byte 24)"],
    ["a frame of 4 GiB", [...pcapHeader, 0, 0, -1, 1], "frame 1: 4294967295 bytes are more than 262144 (at byte 24)"],
    ["a frame cut off", [...pcapHeader, 0, 0, 9, 9, 0], "frame 1: 9 bytes, and only 4 follow (at byte 24)"],
    ["a header cut off", [...pcapHeader, 0, 0], "frame 1: its header is cut off (at byte 24)"],
    ["no byte order", [0x0a0d0d0a, 28, 7, 1, -1, -1, 28], "section has no byte order (at byte 0)"],
    ["another pcapng", [0x0a0d0d0a, 28, 0x1a2b3c4d, 2, -1, -1, 28], "pcapng version 2.0 is not 1 (at byte 0)"],
    ["a block of 0 bytes", [...section, 1, 0, 0], "a block cannot have 0 bytes (at byte 28)"],
    ["a block of 13 bytes", [...section, 9, 13, 0, 13], "a block cannot have 13 bytes (at byte 28)"],
    ["a block that is too long", [...section, 9, 400, 0], "block of 400 bytes, and only 12 are there (at byte 28)"],
    ["two lengths", [...section, 9, 12, 16], "block of 12 bytes says at its end that it has 16 (at byte 28)"],
    ["no interface", [...section, 6, 32, 0, 0, 0, 0, 0, 32], "there is no interface 0 (at byte 28)"],
    ["an interface cut off", [...section, 1, 12, 12], "interface block has 0 bytes, 8 are the least (at byte 28)"],
    [
      "a frame longer than its block",
      [...section, ...description, 6, 32, 0, 0, 0, 5, 5, 32],
      "frame 1: 5 bytes, and its block has room for 0 (at byte 48)",
    ],
    [
      "a simple packet longer than its block",
      [...section, ...description, 3, 16, 5, 16],
      "frame 1: 5 bytes, and its block has room for 0 (at byte 48)",
    ],
    [
      "an option that leaves its block",
      [...section, 1, 24, 1, 0, 0x0010_0002, 24],
      "option 2 of 16 bytes leaves its block (at byte 28)",
    ],
    [
      "secrets that leave theirs",
      [...section, 10, 20, 1, 1, 20],
      "secrets of 1 bytes, and their block has room for 0 (at byte 28)",
    ],
  ])("%s", (_, words, message) => {
    const result = attempt(Uint8Array.from(little(words)));
    expect(result).toBeInstanceOf(CaptureError);
    expect((result as CaptureError).message).toBe(message);
  });
});
