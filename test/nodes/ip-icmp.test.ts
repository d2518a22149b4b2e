import { describe, expect, it } from "vitest";
import {
  ip4IcmpEchoReply,
  ip4IcmpEchoRequest,
  ip6IcmpEchoReply,
  ip6IcmpEchoRequest,
} from "../../nodes/ip-icmp-echo.js";
import { ip4IcmpError, ip6IcmpError } from "../../nodes/ip-icmp-error.js";
import { ip4IcmpErrorInput, ip6IcmpErrorInput } from "../../nodes/ip-icmp-error-input.js";
import { ip4IcmpInput, ip6IcmpInput } from "../../nodes/ip-icmp-input.js";
import { F_CHECKSUM_PARTIAL, M_CONN, M_FIB, M_FLAGS, M_RX_IF } from "../../src/graph/packet-pool.js";
import { formatAddress } from "../../src/ip/address.js";
import type { EchoReply } from "../../src/ip/echo.js";
import { addressBytes, be, icmp4, icmp6, ip4, ip6, pattern, pseudo, sum16, tcp, udp } from "../ip/packets.js";
import { expectCountersHit, IpHarness } from "./ip-harness.js";

const A4 = "198.18.0.1";
const OWN4 = "198.18.0.2";
const A6 = "2001:db8::1";
const OWN6 = "2001:db8::2";

expectCountersHit([
  ip4IcmpEchoRequest,
  ip6IcmpEchoRequest,
  ip4IcmpEchoReply,
  ip6IcmpEchoReply,
  ip4IcmpError,
  ip6IcmpError,
  ip4IcmpErrorInput,
  ip6IcmpErrorInput,
  ip4IcmpInput,
  ip6IcmpInput,
]);

const echo4 = (data: number[], id = 7, seq = 9): number[] => icmp4(8, 0, [...be(id, 2), ...be(seq, 2), ...data]);
const echo6 = (data: number[], src = A6, dst = OWN6): number[] => icmp6(src, dst, 128, 0, [0, 7, 0, 9, ...data]);

/** Puts received fragments together the simple way: they come in order. */
function join(packets: readonly number[][]): number[] {
  return packets.flatMap((packet) => packet.slice(packet[0] >>> 4 === 4 ? 20 : packet[6] === 44 ? 48 : 40));
}

describe("echo", () => {
  it.each([0, 1, 56, 57, 1471, 1472])("of %i bytes is answered with the same data", (bytes) => {
    const host = new IpHarness();
    const data = pattern(bytes);
    host.input([ip4({ src: A4, dst: OWN4, protocol: 1, ttl: 1, tos: 0xb9, fragment: 0x4000 }, echo4(data))]);
    const [four] = host.packets();
    expect(four.slice(20)).toEqual(icmp4(0, 0, [0, 7, 0, 9, ...data]));
    expect(sum16(four.slice(0, 20))).toBe(0xffff);
    expect([four[1], four[6], four[8], four.slice(12, 20)]).toEqual([0xb8, 0, 64, [198, 18, 0, 2, 198, 18, 0, 1]]);
    const size = Math.min(bytes, 1452);
    host.input([ip6({ src: A6, dst: OWN6, nextHeader: 58, hopLimit: 0, trafficClass: 0xb9 }, echo6(pattern(size)))]);
    const reply = icmp6(OWN6, A6, 129, 0, [0, 7, 0, 9, ...pattern(size)]);
    expect(host.packets()).toEqual([[...ip6({ src: OWN6, dst: A6, nextHeader: 58, trafficClass: 0xb8 }, reply)]]);
    host.done();
  });

  it.each([4000, 65_507])("of %i bytes is put together and answered in fragments", (bytes) => {
    const host = new IpHarness();
    const size = Math.min(bytes, 65_487);
    const [four, six] = [echo4(pattern(bytes)), echo6(pattern(size))];
    for (let at = 0; at < four.length; at += 1480) {
      const fragment = (at >> 3) | (at + 1480 < four.length ? 0x2000 : 0);
      host.input([ip4({ src: A4, dst: OWN4, protocol: 1, fragment }, four.slice(at, at + 1480))]);
    }
    for (let at = 0; at < six.length; at += 1448) {
      const more = at + 1448 < six.length ? 1 : 0;
      const header = [58, 0, ...be(at | more, 2), 0, 0, 0, 5];
      host.input([ip6({ src: A6, dst: OWN6, nextHeader: 44 }, [...header, ...six.slice(at, at + 1448)])]);
    }
    const packets = host.packets();
    const [out4, out6] = [packets.filter((p) => p[0] >>> 4 === 4), packets.filter((p) => p[0] >>> 4 === 6)];
    expect(join(out4)).toEqual(icmp4(0, 0, [0, 7, 0, 9, ...pattern(bytes)]));
    expect(join(out6)).toEqual(icmp6(OWN6, A6, 129, 0, [0, 7, 0, 9, ...pattern(size)]));
    expect(Math.max(...packets.map((packet) => packet.length))).toBeLessThanOrEqual(1500);
    expect(new Set(out4.map((packet) => packet.slice(4, 6).join())).size).toBe(1);
    host.done();
  });

  it("is answered without the request's options and extension headers", () => {
    const host = new IpHarness();
    host.input([ip4({ src: A4, dst: OWN4, protocol: 1, options: [7, 7, 4, 0, 0, 0, 0, 0] }, echo4([1, 2, 3]))]);
    host.input([ip6({ src: A6, dst: OWN6, nextHeader: 60 }, [58, 0, 1, 4, 0, 0, 0, 0, ...echo6([1, 2, 3])])]);
    const [four, six] = host.packets();
    expect([four[0], four.length, sum16(four.slice(20))]).toEqual([0x45, 31, 0xffff]);
    expect(six).toEqual([
      ...ip6({ src: OWN6, dst: A6, nextHeader: 58 }, icmp6(OWN6, A6, 129, 0, [0, 7, 0, 9, 1, 2, 3])),
    ]);
    host.done();
  });

  it("to a broadcast or group is not answered in IPv4", () => {
    const host = new IpHarness();
    const all = [255, 255, 255, 255, 255, 255];
    for (const [dst, mac] of [
      ["255.255.255.255", all],
      ["198.18.0.255", all],
      ["224.0.0.1", [1, 0, 0x5e, 0, 0, 1]],
    ] as const) {
      host.input([ip4({ src: A4, dst, protocol: 1 }, echo4([1]))], 0, mac);
    }
    expect(host.errors("ip4-icmp-echo-request")).toEqual({ multicast: 3 });
    expect(host.sent(0)).toEqual([]);
    host.done();
  });

  it("to a group is answered from a unicast address in IPv6, whose checksum is right", () => {
    const host = new IpHarness();
    for (const src of [A6, "fe80::1"]) {
      const own = src === A6 ? OWN6 : "fe80::ff:fe00:10";
      const meta = [{}, { [M_FLAGS]: F_CHECKSUM_PARTIAL }];
      for (const each of meta) {
        const message = echo6([1, 2, 3], src, "ff02::1");
        const partial = M_FLAGS in each;
        if (partial) message.splice(2, 2, ...be(pseudo(src, "ff02::1", 58, message.length), 2));
        host.input([ip6({ src, dst: "ff02::1", nextHeader: 58 }, message)], 0, [0x33, 0x33, 0, 0, 0, 1], each);
      }
      host.run();
      const [whole] = host.packets();
      expect(whole).toEqual([
        ...ip6({ src: own, dst: src, nextHeader: 58 }, icmp6(own, src, 129, 0, [0, 7, 0, 9, 1, 2, 3])),
      ]);
    }
    expect(host.errors("ip6-icmp-echo-request")).toEqual({ replies_sent: 4 });
    host.done();
  });

  it("whose checksum was left to a device is answered with a whole one: devices complete none of ICMP", () => {
    const host = new IpHarness();
    const meta = { [M_FLAGS]: F_CHECKSUM_PARTIAL };
    const [four, six] = [echo4([1, 2, 3]), echo6([1, 2, 3])];
    four.splice(2, 2, 0, 0);
    six.splice(2, 2, ...be(pseudo(A6, OWN6, 58, six.length), 2));
    host.input([ip4({ src: A4, dst: OWN4, protocol: 1 }, four)], 0, undefined, meta);
    host.input([ip6({ src: A6, dst: OWN6, nextHeader: 58 }, six)], 0, undefined, meta);
    host.run();
    const [out4, out6] = host.packets();
    expect(out4.slice(20)).toEqual(icmp4(0, 0, [0, 7, 0, 9, 1, 2, 3]));
    expect(out6.slice(40)).toEqual(icmp6(OWN6, A6, 129, 0, [0, 7, 0, 9, 1, 2, 3]));
    host.done();
  });

  it("to a group on an interface without address is not answered", () => {
    const host = new IpHarness();
    const message = echo6([1]);
    host.addInterface();
    host.put("ip6-icmp-echo-request", Uint8Array.from(message), { [M_RX_IF]: 2 });
    const b = host.put("ip6-icmp-echo-request", ip6({ src: A6, dst: "ff02::1", nextHeader: 58 }, message), {
      [M_RX_IF]: 2,
    });
    host.setMeta(b, 5, host.meta(b, 0));
    host.setMeta(b, 0, host.meta(b, 0) + 40);
    host.setMeta(b, 1, message.length);
    const first = host.pool.inUse().find((each) => each !== b) as number;
    host.setMeta(first, 5, host.meta(b, 5));
    host.run();
    expect(host.errors("ip6-icmp-echo-request")).toEqual({ no_source_address: 2 });
    host.done();
  });

  it("replies reach who waits for them", () => {
    const host = new IpHarness();
    const replies: EchoReply[] = [];
    expect(host.ip.echo.listen(7, (reply) => replies.push(reply))).toBe(true);
    host.input([
      ip4({ src: A4, dst: OWN4, protocol: 1, ttl: 33 }, icmp4(0, 0, [0, 7, 0, 9, 1, 2, 3])),
      ip6({ src: A6, dst: OWN6, nextHeader: 58, hopLimit: 44 }, icmp6(A6, OWN6, 129, 0, [0, 7, 0, 10])),
      ip4({ src: A4, dst: OWN4, protocol: 1 }, icmp4(0, 0, [0, 8, 0, 9])),
      ip6({ src: A6, dst: OWN6, nextHeader: 58 }, icmp6(A6, OWN6, 129, 0, [0, 8, 0, 9])),
    ]);
    expect(
      replies.map(({ family, source, seq, dataBytes, hopLimit }) => [
        formatAddress({ family, words: source }),
        seq,
        dataBytes,
        hopLimit,
      ]),
    ).toEqual([
      [A4, 9, 3, 33],
      [A6, 10, 0, 44],
    ]);
    expect(host.errors("ip4-icmp-echo-reply")).toEqual({ replies_received: 1, unknown_id: 1 });
    expect(host.errors("ip6-icmp-echo-reply")).toEqual({ replies_received: 1, unknown_id: 1 });
    host.done();
  });
});

describe("icmp input", () => {
  it.each([
    ["too_short", [8, 0, 0xf7, 0xff]],
    ["bad_checksum", [8, 0, 1, 2, 0, 1, 0, 1]],
    ["unknown_type", icmp4(40, 0, [0, 0, 0, 0])],
    ["unknown_type", icmp4(13, 0, [0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0])],
    ["redirect_ignored", icmp4(5, 1, [198, 18, 0, 9, ...ip4({ src: OWN4, dst: "8.8.8.8" }, pattern(8))])],
    ["source_quench_ignored", icmp4(4, 0, [0, 0, 0, 0])],
  ])("of ip4 drops %s in silence", (symbol, message) => {
    const host = new IpHarness();
    host.input([ip4({ src: A4, dst: OWN4, protocol: 1 }, message)]);
    expect(host.errors("ip4-icmp-input")).toEqual({ [symbol]: 1 });
    expect(host.sent(0)).toEqual([]);
    host.done();
  });

  it.each([
    ["too_short", [128, 0, 1, 2]],
    ["bad_checksum", [128, 0, 1, 2, 0, 1, 0, 1]],
    ["bad_checksum", icmp4(128, 0, [0, 1, 0, 1])],
    ["unknown_type", icmp6(A6, OWN6, 100, 0, [0, 0, 0, 0])],
    ["unknown_type", icmp6(A6, OWN6, 200, 0, [0, 0, 0, 0])],
    ["router_solicitation_ignored", icmp6(A6, OWN6, 133, 0, [0, 0, 0, 0])],
    ["router_advertisement_ignored", icmp6(A6, OWN6, 134, 0, pattern(12))],
    ["redirect_ignored", icmp6(A6, OWN6, 137, 0, pattern(36))],
    ["mld_ignored", icmp6(A6, OWN6, 130, 0, pattern(20))],
    ["mld_ignored", icmp6(A6, OWN6, 143, 0, pattern(4))],
  ])("of ip6 drops %s in silence", (symbol, message) => {
    const host = new IpHarness();
    host.input([ip6({ src: A6, dst: OWN6, nextHeader: 58 }, message)]);
    expect(host.errors("ip6-icmp-input")).toEqual({ [symbol]: 1 });
    expect(host.sent(0)).toEqual([]);
    host.done();
  });

  it("hands on neighbor discovery, unless it came in a fragment (RFC 6980)", () => {
    const host = new IpHarness();
    const [ns, na] = [135, 136].map((type) => icmp6(A6, OWN6, type, 0, pattern(20)));
    host.input([ip6({ src: A6, dst: OWN6, nextHeader: 58 }, ns), ip6({ src: A6, dst: OWN6, nextHeader: 58 }, na)]);
    expect(host.caught("icmp6-neighbor-solicitation").map(({ bytes }) => [...bytes])).toEqual([ns]);
    expect(host.caught("icmp6-neighbor-advertisement").map(({ bytes }) => [...bytes])).toEqual([na]);
    host.input([ip6({ src: A6, dst: OWN6, nextHeader: 44 }, [58, 0, 0, 0, 0, 0, 0, 1, ...ns])]);
    expect(host.errors("ip6-icmp-input")).toEqual({ fragmented_nd: 1 });
    host.done();
  });
});

describe("icmp errors received", () => {
  function listening(): { host: IpHarness; heard: number[][] } {
    const host = new IpHarness();
    const heard: number[][] = [];
    host.ip.icmpErrors.add(6, {
      icmpError: (family, kind, fib, ipAt, l4At, l4Bytes, mtu) => {
        const { dv } = host.window;
        const isOurs = dv.getUint16(l4At) === 80;
        heard.push([family, kind, fib, l4At - ipAt, l4Bytes, mtu, dv.getUint16(l4At), dv.getInt32(l4At + 4)]);
        return isOurs;
      },
    });
    return { host, heard };
  }
  const quote4 = (port = 80): number[] => [
    ...ip4({ src: OWN4, dst: A4, protocol: 6, totalLen: 1500 }, tcp(OWN4, A4, port, 99).slice(0, 8)),
  ];
  const quote6 = (port = 80): number[] => [
    ...ip6({ src: OWN6, dst: A6, nextHeader: 6, payloadLen: 1400 }, tcp(OWN6, A6, port, 99)),
  ];

  it.each([
    [3, 3, 0, 3, 0],
    [3, 4, 1280, 4, 1280],
    [3, 4, 0, 4, 0],
    [11, 0, 0, 6, 0],
    [12, 0, 0, 7, 0],
    [3, 13, 0, 5, 0],
  ])("of ip4, %i/%i with %i, reach the transport", (type, code, word, kind, mtu) => {
    const { host, heard } = listening();
    host.input([ip4({ src: A4, dst: OWN4, protocol: 1 }, icmp4(type, code, [...be(word, 4), ...quote4()]))]);
    expect(heard).toEqual([[4, kind, 0, 20, 8, mtu, 80, 1000]]);
    expect(host.errors("ip4-icmp-error-input")).toEqual({ delivered: 1 });
    host.done();
  });

  it.each([
    [1, 4, 0, 3, 0],
    [2, 0, 1280, 4, 1280],
    [2, 0, 0xffff_ffff, 4, 65_535],
    [2, 0, 100_000, 4, 65_535],
    [3, 0, 0, 6, 0],
    [4, 1, 40, 2, 0],
  ])("of ip6, %i/%i with %i, reach the transport", (type, code, word, kind, mtu) => {
    const { host, heard } = listening();
    host.input([
      ip6({ src: A6, dst: OWN6, nextHeader: 58 }, icmp6(A6, OWN6, type, code, [...be(word, 4), ...quote6()])),
    ]);
    expect(heard).toEqual([[6, kind, 0, 40, 20, mtu, 80, 1000]]);
    host.done();
  });

  it("are read behind options and extension headers", () => {
    const { host, heard } = listening();
    const four = ip4({ src: OWN4, dst: A4, protocol: 6, options: [1, 1, 1, 1] }, tcp(OWN4, A4, 80, 99).slice(0, 8));
    const six = ip6({ src: OWN6, dst: A6, nextHeader: 60 }, [
      44,
      0,
      1,
      4,
      0,
      0,
      0,
      0,
      6,
      0,
      0,
      1,
      0,
      0,
      0,
      9,
      ...tcp(OWN6, A6, 80, 99),
    ]);
    host.input([ip4({ src: A4, dst: OWN4, protocol: 1 }, icmp4(3, 3, [0, 0, 0, 0, ...four]))]);
    host.input([ip6({ src: A6, dst: OWN6, nextHeader: 58 }, icmp6(A6, OWN6, 1, 4, [0, 0, 0, 0, ...six]))]);
    expect(heard.map(([, , , l4]) => l4)).toEqual([24, 56]);
    host.done();
  });

  it("are dropped when the quote is cut, a later fragment, of no transport or of no connection", () => {
    const { host, heard } = listening();
    const error4 = (quote: readonly number[]): Uint8Array =>
      ip4({ src: A4, dst: OWN4, protocol: 1 }, icmp4(3, 3, [0, 0, 0, 0, ...quote]));
    const error6 = (quote: readonly number[]): Uint8Array =>
      ip6({ src: A6, dst: OWN6, nextHeader: 58 }, icmp6(A6, OWN6, 1, 4, [0, 0, 0, 0, ...quote]));
    for (let length = 0; length < 28; length++) host.input([error4(quote4().slice(0, length))]);
    for (let length = 0; length < 48; length++) host.input([error6(quote6().slice(0, length))]);
    expect(host.errors("ip4-icmp-error-input")).toEqual({ bad_quote: 28 });
    expect(host.errors("ip6-icmp-error-input")).toEqual({ bad_quote: 48 });
    expect(heard).toEqual([]);
    const chain = ip6({ src: OWN6, dst: A6, nextHeader: 60 }, [60, 0, 1, 4, 0, 0, 0, 0, 6, 3, 0, 0, 0, 0, 0, 0]);
    host.input([
      error6([...chain]),
      error6([...ip6({ src: OWN6, dst: A6, nextHeader: 60 }, [60, 0, 1, 4, 0, 0, 0, 0])]),
    ]);
    host.input([
      error4([...ip4({ src: OWN4, dst: A4, protocol: 6, fragment: 5 }, pattern(8))]),
      error6([...ip6({ src: OWN6, dst: A6, nextHeader: 44 }, [6, 0, 0, 8, 0, 0, 0, 0, ...pattern(8)])]),
      error4([...ip4({ src: OWN4, dst: A4, protocol: 253 }, pattern(8))]),
      error6([...ip6({ src: OWN6, dst: A6, nextHeader: 253 }, pattern(8))]),
      error4(quote4(81)),
      error6(quote6(81)),
    ]);
    expect(host.errors("ip4-icmp-error-input")).toEqual({
      bad_quote: 28,
      later_fragment: 1,
      no_transport: 1,
      no_connection: 1,
    });
    expect(host.errors("ip6-icmp-error-input")).toEqual({
      bad_quote: 50,
      later_fragment: 1,
      no_transport: 1,
      no_connection: 1,
    });
    host.done();
  });
});

describe("icmp errors sent", () => {
  const LATER = 5;
  /** Packets about which there must be no error, each otherwise of a protocol that nobody takes. */
  const SILENT4: [string, Uint8Array, number[]?][] = [
    ["about_icmp_error", ip4({ src: A4, dst: "8.8.8.8", protocol: 1 }, icmp4(3, 3, pattern(30)))],
    ["about_icmp_error", ip4({ src: A4, dst: "8.8.8.8", protocol: 1 }, icmp4(77, 3, pattern(30)))],
    ["about_multicast", ip4({ src: A4, dst: "255.255.255.255", protocol: 253 }, [1]), [255, 255, 255, 255, 255, 255]],
    ["about_multicast", ip4({ src: A4, dst: "198.18.0.255", protocol: 253 }, [1]), [255, 255, 255, 255, 255, 255]],
    ["about_fragment", ip4({ src: A4, dst: "8.8.8.8", fragment: LATER }, pattern(30))],
  ];

  it.each(SILENT4)("are not %s in IPv4", (symbol, packet, mac) => {
    const host = new IpHarness({ ip: { forward4: true } });
    host.input([packet], 0, mac);
    expect(host.errors("ip4-icmp-error")).toEqual({ [symbol]: 1 });
    expect(host.sent(0)).toEqual([]);
    host.done();
  });

  it("are sent about queries and echo replies", () => {
    const host = new IpHarness({ ip: { forward4: true, forward6: true } });
    host.input([
      ip4({ src: A4, dst: "8.8.8.8", protocol: 1 }, echo4([1])),
      ip4({ src: A4, dst: "8.8.8.8", protocol: 1 }, icmp4(13, 0, pattern(16))),
    ]);
    host.input([ip6({ src: A6, dst: "2a00::1", nextHeader: 58 }, echo6([1], A6, "2a00::1"))]);
    expect(host.packets()).toHaveLength(3);
    host.done();
  });

  it("are not sent to sources that name no single host", () => {
    const host = new IpHarness({ ip: { forward4: true, forward6: true } });
    // Asked for directly: the nodes before would have dropped them.
    for (const src of ["0.0.0.0", "198.18.0.255", "224.0.0.1", "127.0.0.1"]) {
      host.put("ip4-icmp-error", ip4({ src, dst: "8.8.8.8" }, [1]), { [M_RX_IF]: 0, [M_FIB]: 0, [M_CONN]: 3 << 24 });
    }
    for (const src of ["::", "ff02::1"]) {
      host.put("ip6-icmp-error", ip6({ src, dst: "2a00::1" }, [1]), { [M_RX_IF]: 0, [M_FIB]: 0, [M_CONN]: 1 << 24 });
    }
    host.run();
    expect(host.errors("ip4-icmp-error")).toEqual({ about_source: 4 });
    expect(host.errors("ip6-icmp-error")).toEqual({ about_source: 2 });
    host.done();
  });

  it("are not about ICMPv6 errors and redirects, wherever they are in the packet", () => {
    const host = new IpHarness({ ip: { forward6: true } });
    for (const type of [1, 100, 137]) {
      host.input([ip6({ src: A6, dst: "2a00::1", nextHeader: 58 }, [type, 0, 0, 0, 0, 0, 0, 0])]);
      host.input([ip6({ src: A6, dst: "2a00::1", nextHeader: 60 }, [58, 0, 1, 4, 0, 0, 0, 0, type, 0, 0, 0])]);
    }
    expect(host.errors("ip6-icmp-error")).toEqual({ about_icmp_error: 6 });
    host.input([ip6({ src: A6, dst: "ff02::1", nextHeader: 253 }, [1, 2])], 0, [0x33, 0x33, 0, 0, 0, 1]);
    expect(host.errors("ip6-icmp-error")).toEqual({ about_icmp_error: 6, about_multicast: 1 });
    expect(host.sent(0)).toEqual([]);
    host.input([ip6({ src: A6, dst: "2a00::1", nextHeader: 44 }, [58, 0, 0, 8, 0, 0, 0, 0, 1, 0, 0, 0])]);
    expect(host.packets()).toHaveLength(1);
    host.done();
  });

  it("quote what fits 576 bytes, or 1280", () => {
    const host = new IpHarness({ ip: { forward4: true, forward6: true } });
    const four = ip4({ src: A4, dst: "8.8.8.8" }, pattern(1400));
    const six = ip6({ src: A6, dst: "2a00::1" }, pattern(1400));
    host.input([four]);
    host.input([six]);
    const [a, b] = host.packets();
    expect([a.length, a.slice(28)]).toEqual([576, [...four.subarray(0, 548)]]);
    expect([b.length, b.slice(48)]).toEqual([1280, [...six.subarray(0, 1232)]]);
    expect([sum16(a.slice(0, 20)), sum16(a.slice(20))]).toEqual([0xffff, 0xffff]);
    expect(sum16(b.slice(40), pseudo(OWN6, A6, 58, 1240))).toBe(0xffff);
    expect(a[1]).toBe(0xc0);
    host.done();
  });

  it("come from the address that was spoken to, else of the receiving interface, else of any", () => {
    const host = new IpHarness({ ip: { forward4: true, forward6: true } });
    const from = (packet: number[]): number[] => (packet[0] >>> 4 === 4 ? packet.slice(12, 16) : packet.slice(8, 24));
    host.input([ip4({ src: A4, dst: "198.18.1.2", protocol: 253 }, [1])]);
    host.input([ip6({ src: A6, dst: "2001:db8:1::2", nextHeader: 253 }, [1])]);
    host.input([ip6({ src: "fe80::1", dst: "fe80::ff:fe00:10", nextHeader: 253 }, [1])]);
    host.input([ip4({ src: A4, dst: "9.9.9.9" }, [1])]);
    host.input([ip6({ src: A6, dst: "2a00::1" }, [1])]);
    expect(host.packets().map(from)).toEqual(
      ["198.18.1.2", "2001:db8:1::2", "fe80::ff:fe00:10", OWN4, OWN6].map(addressBytes),
    );
    host.addInterface();
    host.input([ip4({ src: A4, dst: "9.9.9.9" }, [1])], 2);
    expect(host.packets().map(from)).toEqual([addressBytes(OWN4)]);
    host.done();
    const bare = new IpHarness({ ip: { forward4: true, forward6: true } }, []);
    bare.addInterface();
    bare.input([ip4({ src: A4, dst: "9.9.9.9" }, [1]), ip6({ src: A6, dst: "2a00::1" }, [1])]);
    expect(bare.errors("ip4-icmp-error")).toEqual({ no_source_address: 1 });
    expect(bare.errors("ip6-icmp-error")).toEqual({ no_source_address: 1 });
    bare.done();
  });

  it("are rate limited, in both families together", () => {
    const host = new IpHarness({ ip: { icmpErrors: { perSecond: 10, burst: 20 } } });
    host.input(Array.from({ length: 1000 }, () => ip4({ src: A4, dst: OWN4, protocol: 253 }, [1])));
    host.input(Array.from({ length: 5 }, () => ip6({ src: A6, dst: OWN6, nextHeader: 253 }, [1])));
    expect(host.packets()).toHaveLength(20);
    expect(host.errors("ip4-icmp-error")).toEqual({ unreachable_sent: 20, rate_limited: 980 });
    expect(host.errors("ip6-icmp-error")).toEqual({ rate_limited: 5 });
    host.clock.advanceUs(1_000_000);
    host.input(Array.from({ length: 100 }, () => ip4({ src: A4, dst: OWN4, protocol: 253 }, [1])));
    expect(host.packets()).toHaveLength(10);
    host.input([ip4({ src: A4, dst: OWN4, protocol: 1 }, echo4([1]))]);
    expect(host.packets()).toHaveLength(1);
    host.done();
  });

  it("need a buffer", () => {
    const host = new IpHarness({ small: 1, large: 0 });
    host.input([ip4({ src: A4, dst: OWN4, protocol: 253 }, [1])]);
    host.input([ip6({ src: A6, dst: OWN6, nextHeader: 253 }, [1])]);
    expect(host.errors("ip4-icmp-error")).toEqual({ no_buffer: 1 });
    expect(host.errors("ip6-icmp-error")).toEqual({ no_buffer: 1 });
    host.done();
  });

  it("of each kind are counted", () => {
    const host = new IpHarness({ ip: { forward4: true, forward6: true } });
    for (const [type, code] of [
      [3, 4],
      [11, 0],
      [12, 0],
    ]) {
      const meta = { [M_RX_IF]: 0, [M_FIB]: 0, [M_CONN]: (type << 24) | (code << 16) | 20 };
      host.put("ip4-icmp-error", ip4({ src: A4, dst: "9.9.9.9" }, udp(A4, "9.9.9.9", 1, 2, [])), meta);
    }
    for (const type of [1, 2, 3, 4]) {
      const meta = { [M_RX_IF]: 0, [M_FIB]: 0, [M_CONN]: (type << 24) | 20 };
      host.put("ip6-icmp-error", ip6({ src: A6, dst: "2a00::1" }, udp(A6, "2a00::1", 1, 2, [])), meta);
    }
    host.run();
    expect(host.errors("ip4-icmp-error")).toEqual({
      too_big_sent: 1,
      time_exceeded_sent: 1,
      parameter_problem_sent: 1,
    });
    expect(Object.values(host.errors("ip6-icmp-error"))).toEqual([1, 1, 1, 1]);
    expect(host.packets().map((packet) => packet.slice(packet[0] >>> 4 === 4 ? 24 : 44).slice(0, 4))).toEqual(
      [[0, 0, 0, 20], [0, 0, 0, 20], [20, 0, 0, 0], ...Array.from({ length: 4 }, () => [0, 0, 0, 20])].map(
        (bytes, i) => (i === 1 ? [0, 0, 0, 20] : bytes),
      ),
    );
    host.done();
  });
});
