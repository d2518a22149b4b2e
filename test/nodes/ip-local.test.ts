import { describe, expect, it } from "vitest";
import { ip4Local, ip6Local } from "../../nodes/ip-local.js";
import {
  F_CHECKSUM_PARTIAL,
  F_L4_CHECKSUM_OK,
  M_DATA,
  M_FIB,
  M_FLAGS,
  M_L3,
  M_L4,
  M_PROTO,
  M_RX_IF,
  M_TAIL,
} from "../../src/graph/packet-pool.js";
import { be, ip4, ip6, pattern, tcp, udp } from "../ip/packets.js";
import { expectCountersHit, IpHarness } from "./ip-harness.js";

const A4 = "198.18.0.1";
const OWN4 = "198.18.0.2";
const A6 = "2001:db8::1";
const OWN6 = "2001:db8::2";

expectCountersHit([ip4Local, ip6Local]);

/** An extension header of 8 bytes that holds the options. */
function options(next: number, ...bytes: number[]): number[] {
  return [next, 0, ...bytes, ...new Array<number>(6 - bytes.length).fill(0)];
}

describe("transport checksums", () => {
  it("are verified, with or without padding of odd length", () => {
    const host = new IpHarness();
    for (let n = 0; n < 9; n++) {
      host.input([
        ip4({ src: A4, dst: OWN4 }, udp(A4, OWN4, 1, 2, pattern(n, 200))),
        ip4({ src: A4, dst: OWN4, protocol: 6 }, tcp(A4, OWN4, 1, 2, pattern(n, 200))),
        ip6({ src: A6, dst: OWN6 }, udp(A6, OWN6, 1, 2, pattern(n, 200))),
        ip6({ src: A6, dst: OWN6, nextHeader: 6 }, tcp(A6, OWN6, 1, 2, pattern(n, 200))),
      ]);
    }
    for (const node of ["udp4-input", "tcp4-input", "udp6-input", "tcp6-input"])
      expect(host.caught(node)).toHaveLength(9);
    host.done();
  });

  it("are found wrong whichever byte is wrong, unless the device vouches for them", () => {
    const host = new IpHarness();
    const four = ip4({ src: A4, dst: OWN4, protocol: 6 }, tcp(A4, OWN4, 1, 2, [1, 2, 3]));
    const six = ip6({ src: A6, dst: OWN6 }, udp(A6, OWN6, 1, 2, [1, 2, 3]));
    let bad = 0;
    for (let at = 20; at < four.length; at++) {
      const packet = four.slice();
      packet[at] ^= 0x40;
      host.input([packet]);
      bad++;
    }
    expect(host.errors("ip4-local")).toEqual({ tcp_checksum: bad });
    const packet = six.slice();
    packet[50] ^= 1;
    const segment = tcp(A6, OWN6, 1, 2, [1, 2, 3]);
    segment[22] ^= 1;
    host.input([packet, ip6({ src: A6, dst: OWN6, nextHeader: 6 }, segment)]);
    expect(host.errors("ip6-local")).toEqual({ udp_checksum: 1, tcp_checksum: 1 });
    expect(host.caught("tcp4-input")).toEqual([]);
    const wrong = four.slice();
    wrong[40] ^= 1;
    for (const flags of [F_L4_CHECKSUM_OK, F_CHECKSUM_PARTIAL])
      host.input([wrong, packet], 0, undefined, { [M_FLAGS]: flags });
    expect(host.caught("tcp4-input")).toHaveLength(2);
    expect(host.caught("udp6-input")).toHaveLength(2);
    host.done();
  });

  it("may be missing in UDP over IPv4 only", () => {
    const host = new IpHarness();
    const [four, six] = [udp(A4, OWN4, 1, 2, [9]), udp(A6, OWN6, 1, 2, [9])];
    four.fill(0, 6, 8);
    six.fill(0, 6, 8);
    host.input([ip4({ src: A4, dst: OWN4 }, four), ip6({ src: A6, dst: OWN6 }, six)]);
    expect(host.caught("udp4-input")).toHaveLength(1);
    expect(host.errors("ip6-local")).toEqual({ udp_zero_checksum: 1 });
    host.done();
  });

  it("cover tails and ignore what UDP's length leaves out", () => {
    const host = new IpHarness();
    for (const cut of [29, 30, 31, 33]) {
      const packet = ip4({ src: A4, dst: OWN4 }, [...udp(A4, OWN4, 1, 2, pattern(40)), 7, 7, 7]);
      const rest = host.window.reserve("a test's tail", 64);
      const b = host.put("ip4-local", packet.subarray(0, cut), { [M_RX_IF]: 0, [M_FIB]: 0 });
      host.window.u8.set(packet.subarray(cut, cut + 7), rest);
      host.window.u8.set(packet.subarray(cut + 7), rest + 20);
      host.pool.addTail(b, rest, 7);
      host.pool.addTail(b, rest + 20, packet.length - cut - 7);
      host.run();
      const [caught] = host.caught("udp4-input");
      expect(caught.bytes).toHaveLength(packet.length - 20);
    }
    const [bad] = [udp(A4, OWN4, 1, 2, pattern(40))];
    bad[30] ^= 1;
    const b = host.put("ip4-local", ip4({ src: A4, dst: OWN4 }, bad).subarray(0, 28), { [M_RX_IF]: 0, [M_FIB]: 0 });
    const rest = host.window.reserve("a test's tail", 64);
    host.window.u8.set(bad.slice(8), rest);
    host.pool.addTail(b, rest, 40);
    host.run();
    expect(host.errors("ip4-local")).toEqual({ udp_checksum: 1 });
    host.done();
  });

  it.each([[4], [7], [13], [0xffff]])("are not looked at when UDP's length is %i of 12", (length) => {
    const host = new IpHarness();
    const [four, six] = [udp(A4, OWN4, 1, 2, [1, 2, 3, 4]), udp(A6, OWN6, 1, 2, [1, 2, 3, 4])];
    four.splice(4, 2, ...be(length, 2));
    six.splice(4, 2, ...be(length, 2));
    host.input([
      ip4({ src: A4, dst: OWN4 }, four),
      ip6({ src: A6, dst: OWN6 }, six),
      ip4({ src: A4, dst: OWN4 }, [1, 2, 3]),
    ]);
    expect(host.errors("ip4-local")).toEqual({ udp_length: 2 });
    expect(host.errors("ip6-local")).toEqual({ udp_length: 1 });
    host.done();
  });
});

describe("sources", () => {
  it("that are this host's own, a broadcast address, or blackholed are refused", () => {
    const host = new IpHarness();
    host.ip.fib.apply({ kind: "route", table: 0, prefix: "20.0.0.0/8", add: true, paths: "drop" });
    host.ip.fib.apply({ kind: "route", table: 0, prefix: "2a00::/16", add: true, paths: "drop" });
    const four = (src: string): Uint8Array => ip4({ src, dst: OWN4 }, udp(src, OWN4, 1, 2, [3]));
    const six = (src: string): Uint8Array => ip6({ src, dst: OWN6 }, udp(src, OWN6, 1, 2, [3]));
    host.input([four(OWN4), four("198.18.1.2"), four("198.18.0.255"), four("198.18.0.0"), four("20.0.0.1")]);
    expect(host.errors("ip4-local")).toEqual({ spoofed_local_packets: 2, bad_source: 3 });
    host.input([six(OWN6), six("fe80::ff:fe00:10"), six("2a00::1")]);
    expect(host.errors("ip6-local")).toEqual({ spoofed_local_packets: 2, bad_source: 1 });
    expect(host.caught("udp4-input")).toEqual([]);
    // Routed to nowhere is no reason; and another link's broadcast address is a host's here as good as any.
    host.input([four("8.8.8.8"), four(A4), six("2b00::1"), six("fe80::7"), six(A6)]);
    expect(host.caught("udp4-input")).toHaveLength(2);
    expect(host.caught("udp6-input")).toHaveLength(3);
    host.done();
  });

  it("do not matter in packets to an IPv4 host in a link-layer broadcast: these are refused", () => {
    const host = new IpHarness();
    host.input([ip4({ src: A4, dst: OWN4 }, udp(A4, OWN4, 1, 2, [3]))], 0, [255, 255, 255, 255, 255, 255]);
    expect(host.errors("ip4-local")).toEqual({ l2_multicast: 1 });
    host.done();
  });
});

describe("protocols", () => {
  it("that nobody takes draw protocol unreachable, or a parameter problem at the next header", () => {
    const host = new IpHarness();
    const four = ip4({ src: A4, dst: OWN4, protocol: 253, options: [1, 1, 1, 1] }, pattern(20));
    host.input([four]);
    host.input([ip6({ src: A6, dst: OWN6, nextHeader: 253 }, pattern(20))]);
    host.input([ip6({ src: A6, dst: OWN6, nextHeader: 60 }, [...options(253, 1, 4), ...pattern(8)])]);
    const [a, b, c] = host.packets();
    expect(a.slice(20, 22)).toEqual([3, 2]);
    expect(a.slice(28)).toEqual([...four]);
    expect(b.slice(40, 48)).toEqual([4, 1, b[42], b[43], 0, 0, 0, 6]);
    expect(c.slice(40, 48)).toEqual([4, 1, c[42], c[43], 0, 0, 0, 40]);
    expect(host.errors("ip4-local")).toEqual({ unknown_protocol: 1 });
    expect(host.errors("ip6-local")).toEqual({ unknown_protocol: 2 });
    host.done();
  });

  it("get the packet from their header on, and know where the IP header is", () => {
    const host = new IpHarness();
    host.input([ip4({ src: A4, dst: OWN4, options: [1, 1, 1, 1], protocol: 6 }, tcp(A4, OWN4, 7, 8, [5]))]);
    const [caught] = host.caught("tcp4-input");
    expect([caught.bytes[0], caught.bytes[1], caught.bytes.length]).toEqual([0, 7, 21]);
    expect(caught.meta[M_L4]).toBe(caught.meta[M_DATA]);
    expect(caught.meta[M_L3]).toBe(caught.meta[M_DATA] - 24);
    expect(caught.meta[M_PROTO]).toBe(6);
    host.done();
  });

  it("are reached by a feature of the arc", () => {
    const host = new IpHarness({
      features: [
        ["ip4-local", "ip4-local-end-of-arc"],
        ["ip6-local", "ip6-local-end-of-arc"],
      ],
    });
    host.engine.arc("ip4-local").enable("ip4-local-end-of-arc", 0, true);
    host.engine.arc("ip6-local").enable("ip6-local-end-of-arc", 0, true);
    host.input([
      ip4({ src: A4, dst: OWN4 }, udp(A4, OWN4, 1, 2, [3])),
      ip6({ src: A6, dst: OWN6 }, udp(A6, OWN6, 1, 2, [3])),
    ]);
    expect(host.caught("udp4-input")).toHaveLength(1);
    expect(host.caught("udp6-input")).toHaveLength(1);
    const passed = host.engine.runtime().find(({ name }) => name === "ip4-local-end-of-arc");
    expect(passed?.packets).toBe(1);
    host.done();
  });
});

describe("extension headers", () => {
  const data = udp(A6, OWN6, 1, 2, [3]);
  const six = (nextHeader: number, payload: number[], dst = OWN6): Uint8Array =>
    ip6({ src: A6, dst, nextHeader }, payload);

  it.each([
    ["hop-by-hop", 0, options(17, 1, 4)],
    ["destination options", 60, options(17, 0x1e, 4, 1, 2, 3, 4)],
    ["two of them", 60, [...options(60, 1, 4), ...options(17, 0, 1, 2, 0, 0)]],
    ["a routing header with no segments left", 43, [17, 0, 0, 0, 0, 0, 0, 0]],
    ["an atomic fragment", 44, [17, 0, 0, 0, 1, 2, 3, 4]],
    ["all kinds", 0, [...options(43, 1, 4), 60, 0, 9, 0, 0, 0, 0, 0, ...options(44, 1, 4), 17, 0, 0, 0, 0, 0, 0, 9]],
  ])("%s are stepped over", (_name, first, headers) => {
    const host = new IpHarness();
    host.input([six(first, [...headers, ...data])]);
    const [caught] = host.caught("udp6-input");
    expect([...caught.bytes]).toEqual(data);
    expect(caught.meta[M_L3]).toBe(caught.meta[M_DATA] - 40 - headers.length);
    host.done();
  });

  it.each([
    ["an unknown option that asks for it", 60, options(17, 0x80, 4, 1, 2, 3, 4), 2, 42],
    ["an unknown option that asks for it unless multicast", 60, options(17, 0xc1, 4, 1, 2, 3, 4), 2, 42],
    ["hop-by-hop options in second place", 60, [...options(0, 1, 4), ...options(17, 1, 4)], 1, 40],
    ["segments left in a routing header", 43, [17, 0, 0, 1, 0, 0, 0, 0], 0, 42],
  ])("%s draws a parameter problem", (_name, first, headers, code, pointer) => {
    const host = new IpHarness();
    host.input([six(first, [...headers, ...data])]);
    const [answer] = host.packets();
    expect(answer.slice(40, 42)).toEqual([4, code]);
    expect(answer.slice(44, 48)).toEqual([0, 0, 0, pointer]);
    expect(host.errors("ip6-local")).toEqual({ ext_problem: 1 });
    host.done();
  });

  it("of packets to groups draw one for 10 options only", () => {
    const host = new IpHarness();
    const group = [0x33, 0x33, 0, 0, 0, 1];
    host.input([six(60, [...options(17, 0x80, 4, 1, 2, 3, 4), ...data], "ff02::1")], 0, group);
    expect(host.packets().map((packet) => packet.slice(40, 42))).toEqual([[4, 2]]);
    host.input([six(60, [...options(17, 0xc1, 4, 1, 2, 3, 4), ...data], "ff02::1")], 0, group);
    host.input([six(43, [17, 0, 0, 1, 0, 0, 0, 0, ...data], "ff02::1")], 0, group);
    expect(host.sent(0)).toEqual([]);
    host.done();
  });

  it.each([
    ["truncated", 60, [17, 1, 1, 4]],
    ["truncated", 0, [17]],
    ["ext_too_many", 60, Array.from({ length: 9 }, () => options(60, 1, 4)).flat()],
    ["ext_option", 60, [...options(17, 1, 9), ...data]],
    ["ext_option", 60, [...options(17, 0x41, 0), ...data]],
    ["no_next_header", 59, [1, 2, 3]],
    ["no_next_header", 60, [...options(59, 1, 4), 1, 2, 3]],
  ])("that are %s are dropped in silence", (symbol, first, payload) => {
    const host = new IpHarness();
    host.input([six(first, payload)]);
    expect(host.errors("ip6-local")).toEqual({ [symbol]: 1 });
    expect(host.sent(0)).toEqual([]);
    host.done();
  });

  it("of packets with tails are read after linearize, which may fail", () => {
    const host = new IpHarness({ small: 2, large: 0 });
    const packet = six(60, [...options(17, 1, 4), ...data]);
    const rest = host.window.reserve("a test's tail", 64);
    host.window.u8.set(packet.subarray(44), rest);
    const put = (): void => {
      const b = host.put("ip6-local", packet.subarray(0, 44), { [M_RX_IF]: 0, [M_FIB]: 0 });
      host.pool.addTail(b, rest, packet.length - 44);
    };
    put();
    host.run();
    expect(host.caught("udp6-input").map(({ bytes, meta }) => [[...bytes], meta[M_TAIL]])).toEqual([[data, 0]]);
    put();
    const b = host.pool.alloc();
    host.run();
    expect(host.errors("ip6-local")).toEqual({ no_buffer: 1 });
    host.pool.free(b);
    host.done();
  });
});
