import { describe, expect, test } from "vitest";
import { DecodedPacket } from "../../src/sim/decoded-packet.js";
import { TCP_FLAG_ACK, TCP_FLAG_SYN } from "../../src/wire/tcp.js";
import { segmentFrame, type Tuple, type WireSegment } from "../transport/tcp/segment-codec.js";
import { udpFrame } from "./line.js";

const TUPLES: Record<4 | 6, Tuple> = {
  4: { family: 4, source: "10.0.0.1", destination: "10.0.0.2", sourcePort: 1000, destinationPort: 80 },
  6: { family: 6, source: "2001:db8::1", destination: "2001:db8::2", sourcePort: 1000, destinationPort: 80 },
};

function segment(more: Partial<WireSegment>): WireSegment {
  return { flags: "A", seq: 1, ack: 2, window: 500, urgent: 0, options: [], data: new Uint8Array(0), ...more };
}

describe.each([4, 6] as const)("a frame of IPv%i", (family) => {
  test("as a TCP segment with its options", () => {
    const options = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 7, 255, 255, 255, 255, 1, 3, 3, 9];
    const frame = segmentFrame(
      TUPLES[family],
      segment({ flags: "SA", seq: 0xffff_ffff, options, data: Uint8Array.of(1, 2) }),
    );
    const packet = new DecodedPacket(frame, 12);
    const { source, destination } = TUPLES[family];
    expect(packet).toMatchObject({ n: 12, family, protocol: 6, ecn: 0, isFragment: false, source, destination });
    expect(packet.udp).toBeUndefined();
    expect(packet.tcp).toMatchObject({
      srcPort: 1000,
      dstPort: 80,
      seq: -1,
      ack: 2,
      flags: TCP_FLAG_SYN | TCP_FLAG_ACK,
      window: 500,
      length: 2,
      sequenceLength: 3,
      options: { mss: 1460, windowScale: 9, sackPermitted: true, timestamps: { value: 7, echo: -1 }, sack: [] },
    });
    expect(frame.slice(packet.tcp?.dataAt)).toEqual(Uint8Array.of(1, 2));
  });

  test("as a TCP segment with SACK blocks", () => {
    const options = [1, 1, 5, 18, 0, 0, 0, 10, 0, 0, 0, 20, 0, 0, 0, 30, 255, 255, 255, 255];
    const { tcp } = new DecodedPacket(segmentFrame(TUPLES[family], segment({ options })));
    expect(tcp?.options).toEqual({
      mss: undefined,
      windowScale: undefined,
      sackPermitted: false,
      timestamps: undefined,
      sack: [
        [10, 20],
        [30, -1],
      ],
    });
  });

  test("as a UDP datagram, with its ECN field", () => {
    const packet = new DecodedPacket(udpFrame(9, { family, ecn: 2 }));
    expect(packet).toMatchObject({ n: 0, family, protocol: 17, ecn: 2, dontFragment: true });
    expect(packet.udp).toEqual({ srcPort: 9, dstPort: 7, length: family === 4 ? 58 : 38 });
    expect(packet.tcp).toBeUndefined();
  });

  test("cut short anywhere it is no more than what is whole", () => {
    const frame = segmentFrame(TUPLES[family], segment({ options: [2, 4, 5, 180] }));
    for (let length = 0; length < frame.length; length++) {
      const packet = new DecodedPacket(frame.slice(0, length));
      expect([packet.tcp, packet.udp, packet.source]).toEqual([undefined, undefined, ""]);
    }
  });
});

describe("other frames", () => {
  test("a later fragment has no ports", () => {
    const frame = udpFrame(1);
    frame.set([0, 5], 20);
    const packet = new DecodedPacket(frame);
    expect(packet).toMatchObject({ isFragment: true, l4At: -1, protocol: 17, dontFragment: false });
    expect(packet.udp).toBeUndefined();
  });

  test("ARP is no IP packet", () => {
    const packet = new DecodedPacket(
      Uint8Array.from([...new Array<number>(12).fill(2), 8, 6, ...new Array<number>(28).fill(0)]),
    );
    expect(packet).toMatchObject({ etherType: 0x0806, family: 0, protocol: -1, ipLength: 0, source: "", ecn: 0 });
    expect(packet.dontFragment).toBe(false);
  });

  test("a frame shorter than its header is nothing", () => {
    expect(new DecodedPacket(new Uint8Array(5))).toMatchObject({ etherType: 0, family: 0 });
  });
});
