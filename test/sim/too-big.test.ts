import { describe, expect, test } from "vitest";
import { ICMP4_OK, icmp4Check, icmp4Mtu } from "../../src/wire/icmp4.js";
import { ICMP6_OK, icmp6Check, icmp6Mtu } from "../../src/wire/icmp6.js";
import { IP4_OK, ip4Check, ip4Dst, ip4Src, ip4TotalLen } from "../../src/wire/ip4.js";
import { IP6_OK, ip6Check, ip6Dst, ip6Src, ip6TotalLen } from "../../src/wire/ip6.js";
import { DESTINATION4, Line, SOURCE4, udpFrame } from "./line.js";

/** A frame in a buffer that words can be read from. */
function viewOf(frame: Uint8Array): { u8: Uint8Array; i32: Int32Array; dv: DataView } {
  const buffer = new ArrayBuffer((frame.length + 3) & ~3);
  const u8 = new Uint8Array(buffer);
  u8.set(frame);
  return { u8, i32: new Int32Array(buffer), dv: new DataView(buffer) };
}

describe("a narrow link", () => {
  test("carries packets of its MTU, and loses larger ones in silence", () => {
    const line = new Line({ mtu: 1400 });
    line.send(udpFrame(1, { length: 1414 }));
    line.send(udpFrame(2, { length: 1415 }));
    line.send(udpFrame(3, { length: 1415, family: 6 }));
    line.runTo(1);
    expect(line.arrivals.map(({ n }) => n)).toEqual([1]);
    expect(line.lost("mtu")).toEqual([2, 3]);
    expect(line.answers).toEqual([]);
  });

  test("does not count a tag or padding as the packet's", () => {
    const line = new Line({ mtu: 80 });
    const tagged = new Uint8Array(98);
    const inner = udpFrame(1, { length: 94 });
    tagged.set(inner.subarray(0, 12));
    tagged.set([0x81, 0, 0, 5], 12);
    tagged.set(inner.subarray(12), 16);
    const padded = new Uint8Array(120);
    padded.set(inner);
    line.send(tagged);
    line.send(padded);
    line.runTo(1);
    expect(line.arrivals).toHaveLength(2);
  });

  test("answers with fragmentation needed, the next hop's MTU, and as much of the packet as fits 576 bytes", () => {
    const line = new Line({ mtu: 1400, mtuAnswer: "icmp" });
    const sent = udpFrame(1, { length: 1514 });
    line.send(sent);
    expect(line.answers).toHaveLength(1);
    const frame = line.answers[0];
    const { u8, i32, dv } = viewOf(frame);
    expect(frame).toHaveLength(14 + 576);
    // To the sender's hardware address, from one that is not the destination's.
    expect(u8.slice(0, 6)).toEqual(sent.slice(6, 12));
    expect(u8.slice(6, 12)).not.toEqual(sent.slice(0, 6));
    expect(ip4Check(dv, 14, frame.length - 14)).toBe(IP4_OK);
    expect(ip4TotalLen(dv, 14)).toBe(576);
    expect([ip4Src(dv, 14), ip4Dst(dv, 14)]).toEqual([(DESTINATION4 & ~255) | 254, SOURCE4]);
    expect(icmp4Check(u8, i32, 34, 556)).toBe(ICMP4_OK);
    expect([u8[34], u8[35], icmp4Mtu(dv, 34)]).toEqual([3, 4, 1400]);
    expect(u8.slice(42, 590)).toEqual(sent.slice(14, 14 + 548));
  });

  test("answers with packet too big, and as much as fits 1280 bytes", () => {
    const line = new Line({ mtu: 1400, mtuAnswer: "icmp" });
    const sent = udpFrame(1, { length: 1514, family: 6 });
    line.send(sent);
    const frame = line.answers[0];
    const { u8, i32, dv } = viewOf(frame);
    expect(frame).toHaveLength(14 + 1280);
    expect(ip6Check(dv, 14, frame.length - 14)).toBe(IP6_OK);
    expect(ip6TotalLen(dv, 14)).toBe(1280);
    expect([0, 1, 2, 3].map((i) => ip6Dst(dv, 14, i))).toEqual([0x2001_0db8, 0, 0, 1]);
    expect([0, 1, 2, 3].map((i) => ip6Src(dv, 14, i))).toEqual([0x2001_0db8, 0, 0, 254]);
    expect(icmp6Check(dv, u8, i32, 14, 54, 1240)).toBe(ICMP6_OK);
    expect([u8[54], u8[55], icmp6Mtu(dv, 54)]).toEqual([2, 0, 1400]);
    expect(u8.slice(62, 14 + 1280)).toEqual(sent.slice(14, 14 + 1232));
  });

  test.each<[string, (frame: Uint8Array) => void, 4 | 6]>([
    ["an IPv4 packet that may be cut", (frame) => frame.set([0], 20), 4],
    ["a later fragment", (frame) => frame.set([0x40, 1], 20), 4],
    ["an ICMP error", (frame) => (frame.set([1], 23), frame.set([3], 34)), 4],
    ["a packet to a group", (frame) => frame.set([224], 30), 4],
    ["a broadcast frame", (frame) => frame.fill(0xff, 0, 6), 4],
    ["an ICMPv6 error", (frame) => (frame.set([58], 20), frame.set([1], 54)), 6],
    ["a packet to an IPv6 group", (frame) => frame.set([0xff], 38), 6],
  ])("answers nothing to %s", (_what, alter, family) => {
    const line = new Line({ mtu: 1400, mtuAnswer: "icmp" });
    const frame = udpFrame(1, { length: 1514, family });
    alter(frame);
    line.send(frame);
    expect(line.direction.counters.lost.mtu).toBe(1);
    expect(line.answers).toEqual([]);
  });
});
