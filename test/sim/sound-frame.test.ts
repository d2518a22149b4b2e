import { describe, expect, it } from "vitest";
import { isSoundSegment } from "../../src/sim/sound-frame.js";
import { twoHosts } from "./two-hosts.js";

/** The first data segment from one host to another. */
function segment(family: 4 | 6): Uint8Array {
  const { sim, a, b } = twoHosts();
  const frames: Uint8Array[] = [];
  sim.onFrame = ({ bytes }) => frames.push(bytes.slice());
  b.attach({ name: "b" }, { accept: () => true })
    .listen(family === 4 ? "tcp://0.0.0.0/80" : "tcp://::/80")
    .catch(() => {});
  a.attach({ name: "a" }, { connected: (session) => session?.write(new Uint8Array(701).fill(7)) })
    .connect(family === 4 ? "tcp://10.0.0.2/80" : "tcp://[2001:db8::2]:80")
    .catch(() => {});
  sim.runSync({ untilUs: 1_000_000 });
  return frames.find((frame) => frame.length > 700) as Uint8Array;
}

describe.each([4, 6] as const)("a segment of IPv%i of which a bit was flipped", (family) => {
  const frame = segment(family);
  const flipped = (at: number): Uint8Array => frame.map((byte, i) => (i === at ? byte ^ 1 : byte));

  it("is sound as it was", () => {
    expect(isSoundSegment(frame)).toBe(true);
  });

  it("is not sound where a checksum covers the bit", () => {
    // TTL, an address, a port, the last byte.
    for (const at of [...(family === 4 ? [22] : []), 30, family === 4 ? 35 : 55, frame.length - 1]) {
      expect(isSoundSegment(flipped(at))).toBe(false);
    }
  });

  it("is sound where none does: IPv6's flow label and hop limit", () => {
    for (const at of [16, 21]) expect(isSoundSegment(flipped(at))).toBe(family === 6);
  });
});
