import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readCapture } from "../../src/device/pcap-read.js";
import { CaptureWriter, writeCapture } from "../../src/device/pcap-write.js";
import { PCAPNG_TLS_KEY_LOG } from "../../src/device/pcapng-format.js";
import { anyFormat, anyFrame } from "../support/pcap-arbitraries.js";

describe("a capture that was written", () => {
  it("reads back the same, in both formats, resolutions and byte orders", () => {
    fc.assert(
      fc.property(anyFormat, fc.array(anyFrame, { maxLength: 6 }), (format, frames) => {
        const capture = readCapture(writeCapture(format, frames));
        const isNg = format.format === "pcapng";
        expect(capture.format).toBe(format.format);
        expect(capture.byteOrder).toBe(format.byteOrder);
        expect(capture.resolution).toBe(isNg ? "ns" : format.resolution);
        expect(capture.comments).toEqual(isNg ? format.comments : []);
        expect(capture.interfaces).toEqual([
          {
            linkType: format.linkType,
            snapBytes: 262144,
            name: isNg ? format.interfaceName : "",
            received: -1,
            dropped: -1,
          },
        ]);
        const step = isNg || format.resolution === "ns" ? 1 : 1000;
        expect(capture.frames).toEqual(
          frames.map((frame) => ({
            ...frame,
            nanoseconds: Math.floor(frame.nanoseconds / step) * step,
            interfaceIndex: 0,
            comments: isNg ? frame.comments : [],
          })),
        );
      }),
      { seed: 1, numRuns: 150 },
    );
  });

  it("keeps a TLS key log beside the frames it is for", () => {
    const writer = new CaptureWriter({ format: "pcapng" });
    const log = Uint8Array.from("CLIENT_RANDOM 00 11\n", (character) => character.charCodeAt(0));
    const frame = writer.frame({ seconds: 1, nanoseconds: 2, bytes: Uint8Array.of(1, 2, 3) });
    const { secrets, frames } = readCapture(
      Uint8Array.from([...writer.header(), ...writer.secrets(PCAPNG_TLS_KEY_LOG, log), ...frame]),
    );
    expect(secrets).toEqual([{ type: PCAPNG_TLS_KEY_LOG, bytes: log }]);
    expect(frames.map(({ bytes }) => [...bytes])).toEqual([[1, 2, 3]]);
  });

  it("starts with the bytes that the format prescribes", () => {
    const file = writeCapture({ format: "pcap" }, [{ seconds: 2, nanoseconds: 3_000_999, bytes: Uint8Array.of(7) }]);
    const header = "d4c3b2a1020004000000000000000000" + "0000040001000000";
    expect(Buffer.from(file).toString("hex")).toBe(header + "02000000b80b00000100000001000000" + "07");
  });

  it.each([
    [{ seconds: -1, nanoseconds: 0, bytes: new Uint8Array(1) }, /is not a time/],
    [{ seconds: 2 ** 32, nanoseconds: 0, bytes: new Uint8Array(1) }, /is not a time/],
    [{ seconds: 1, nanoseconds: 1e9, bytes: new Uint8Array(1) }, /is not a time/],
    [{ seconds: 1.5, nanoseconds: 0, bytes: new Uint8Array(1) }, /is not a time/],
    [{ seconds: 1, nanoseconds: 0, bytes: new Uint8Array(262145) }, /too long/],
    [{ seconds: 1, nanoseconds: 0, bytes: new Uint8Array(1), comments: ["x".repeat(65536)] }, /too long/],
  ])("refuses what a capture cannot hold (%#)", (frame, message) => {
    expect(() => writeCapture({ format: "pcapng" }, [frame])).toThrow(message);
  });
});
