import fc from "fast-check";
import type { CaptureFormat, WrittenFrame } from "../../src/device/pcap-write.js";

/** Any frame a capture can hold, with comments for pcapng. */
export const anyFrame: fc.Arbitrary<WrittenFrame> = fc.record({
  seconds: fc.integer({ min: 0, max: 0xffff_ffff }),
  nanoseconds: fc.integer({ min: 0, max: 999_999_999 }),
  bytes: fc.uint8Array({ maxLength: 90 }),
  originalBytes: fc.integer({ min: 90, max: 0xffff_ffff }),
  comments: fc.array(fc.string({ unit: "grapheme", maxLength: 12 }), { maxLength: 3 }),
});

/** Every way a capture can be written. */
export const anyFormat: fc.Arbitrary<CaptureFormat> = fc.record({
  format: fc.constantFrom("pcap", "pcapng"),
  resolution: fc.constantFrom("us", "ns"),
  byteOrder: fc.constantFrom("little", "big"),
  linkType: fc.constantFrom(1, 101, 113, 276),
  interfaceName: fc.string({ maxLength: 9 }),
  comments: fc.array(fc.string({ unit: "grapheme", maxLength: 12 }), { maxLength: 2 }),
});
