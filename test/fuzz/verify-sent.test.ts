import { describe, expect, it } from "vitest";
import { datagram, OUR4, packet } from "./frames.js";
import { FuzzDevice, type Sent } from "./fuzz-device.js";
import { OUR_MAC } from "./frames.js";
import { repairChecksums } from "./repair.js";
import { SeededRandom } from "../../src/random/seeded.js";
import { SentVerifier } from "./verify-sent.js";

const PEER = [0xc6120109 | 0];

/** What the verifier says of a frame that a device without offloads sends. */
function faultsOf(sent: Partial<Sent> & { readonly frame: Uint8Array }): string[] {
  const device = new FuzzDevice(OUR_MAC, { hasOffloads: false });
  const verifier = new SentVerifier();
  verifier.watch(device, () => {});
  device.onSent({ isOwn: true, partialAt: -1, gso: 0, ...sent });
  return verifier.faults;
}

/** A sound frame from the host to its peer. */
function sound(made: Uint8Array): Uint8Array {
  made.set(OUR_MAC, 6);
  made.set([2, 0, 0, 0, 0, 9], 0);
  repairChecksums(made);
  return made;
}

function echoReply(): Uint8Array {
  const [frame, at] = packet(false, [OUR4[0]], PEER, 1, 20);
  frame.set([0, 0, 0, 0, 0, 7, 0, 9, 1, 2, 3], at);
  return sound(frame);
}

function segment(flags: number, options: readonly number[] = []): Uint8Array {
  const [frame, at] = packet(false, [OUR4[0]], PEER, 6, 20 + options.length);
  frame.set([0, 80, 16, 0, 0, 0, 0, 1, 0, 0, 0, 2, (5 + options.length / 4) << 4, flags, 255, 255], at);
  frame.set(options, at + 20);
  return sound(frame);
}

describe("the verifier of sent frames", () => {
  it("takes sound ones", () => {
    const udp = sound(datagram(new SeededRandom(1), false, [OUR4[0]], PEER, 9, 30));
    for (const frame of [echoReply(), segment(0x10), segment(2 | 16, [2, 4, 5, 0xb4]), udp]) {
      expect(faultsOf({ frame })).toEqual([]);
    }
  });

  it("sees every damaged bit behind the destination's hardware address", () => {
    for (const make of [echoReply, () => segment(0x10)]) {
      const { length } = make();
      for (let bit = 6 * 8; bit < length * 8; bit++) {
        const frame = make();
        frame[bit >> 3] ^= 1 << (bit & 7);
        expect(faultsOf({ frame }), `bit ${bit}`).toHaveLength(1);
      }
    }
  });

  it.each<[string, Partial<Sent> & { frame: Uint8Array }]>([
    ["another's source address", { frame: sound(datagram(new SeededRandom(1), false, PEER, PEER, 9, 30)) }],
    ["freed memory", { frame: echoReply().fill(0xdb, 30) }],
    ["more than the MTU", { frame: sound(datagram(new SeededRandom(1), false, [OUR4[0]], PEER, 9, 1500)) }],
    ["an unfinished checksum", { frame: segment(0x10), partialAt: 34 }],
    ["a superframe", { frame: segment(0x10), gso: 500 }],
    ["a SYN without MSS", { frame: segment(2) }],
    ["SYN and RST together", { frame: segment(6, [2, 4, 5, 0xb4]) }],
    ["an MSS without SYN", { frame: segment(0x10, [2, 4, 5, 0xb4]) }],
    ["an unknown option", { frame: segment(0x10, [30, 4, 0, 0]) }],
    ["an option of length 0", { frame: segment(0x10, [8, 0, 0, 0]) }],
    ["no flag at all", { frame: segment(0) }],
  ])("sees %s", (_what, sent) => {
    expect(faultsOf(sent)).toHaveLength(1);
  });
});
