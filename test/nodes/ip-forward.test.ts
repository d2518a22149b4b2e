import { describe, expect, it } from "vitest";
import { ip4Lookup, ip6Lookup } from "../../nodes/ip-lookup.js";
import { ip4Rewrite, ip6Rewrite } from "../../nodes/ip-rewrite.js";
import { punt } from "../../nodes/punt.js";
import { GSO_TCP4, GSO_TCP6, M_GSO, M_TX_IF } from "../../src/graph/packet-pool.js";
import { parseAddress } from "../../src/ip/address.js";
import { flowHash4 } from "../../src/ip/flow-hash.js";
import { ip4, ip6, pattern, sum16, tcp, udp } from "../ip/packets.js";
import type { HarnessOptions } from "./graph-harness.js";
import { expectCountersHit, IpHarness, peerMac } from "./ip-harness.js";

const A4 = "198.18.0.1";
const B4 = "198.18.1.1";
const A6 = "2001:db8::1";
const B6 = "2001:db8:1::1";
const ROUTER: HarnessOptions = { ip: { forward4: true, forward6: true } };

expectCountersHit([ip4Lookup, ip6Lookup, ip4Rewrite, ip6Rewrite, punt]);

function fourUdp(ttl: number, extra: Partial<Parameters<typeof ip4>[0]> = {}, bytes = 4): Uint8Array {
  return ip4({ src: A4, dst: B4, ttl, ...extra }, udp(A4, B4, 1000, 7, pattern(bytes)));
}

function sixUdp(hopLimit: number, src = A6, dst = B6, bytes = 4): Uint8Array {
  return ip6({ src, dst, hopLimit }, udp(src, dst, 1000, 7, pattern(bytes)));
}

describe("forwarding", () => {
  it.each([2, 3, 64, 128, 255])(
    "counts ttl %i down, keeps the checksum right, and writes the link-layer header",
    (ttl) => {
      const host = new IpHarness(ROUTER);
      for (let id = 0; id < 0x10000; id += 257) host.input([fourUdp(ttl, { id })]);
      const frames = host.sent(1);
      expect(frames).toHaveLength(256);
      for (const [i, frame] of frames.entries()) {
        const id = i * 257;
        expect([...frame.subarray(0, 14)]).toEqual([...peerMac(1), 2, 0, 0, 0, 0, 0x11, 8, 0]);
        expect([...frame.subarray(14)]).toEqual([...fourUdp(ttl - 1, { id })]);
      }
      host.done();
    },
  );

  it("keeps checksums right where they wrap: 0xfeff, 0xffff and 0x0000", () => {
    const host = new IpHarness(ROUTER);
    const sums = new Set<number>();
    for (let id = 0; id < 0x10000; id++) {
      const packet = fourUdp(64, { id });
      const sum = packet[10] * 256 + packet[11];
      if (![0xfeff, 0xff00, 0xfefe, 0xffff, 0, 1].includes(sum)) continue;
      sums.add(sum);
      host.input([packet]);
    }
    const sent = host.packets(1);
    expect(sent.length).toBe(sums.size);
    expect(sums.size).toBeGreaterThan(3);
    for (const packet of sent) expect(sum16(packet.slice(0, 20))).toBe(0xffff);
    host.done();
  });

  it("counts the hop limit down and leaves the rest of an ip6 packet as it is", () => {
    const host = new IpHarness(ROUTER);
    host.input([sixUdp(64), sixUdp(2)]);
    const [first, second] = host.packets(1);
    expect(first).toEqual([...sixUdp(63)]);
    expect(second).toEqual([...sixUdp(1)]);
    host.done();
  });

  it.each([0, 1])("answers ttl %i with time exceeded from the receiving interface", (ttl) => {
    const host = new IpHarness(ROUTER);
    host.input([fourUdp(ttl), sixUdp(ttl)]);
    const [four, six] = host.packets(0);
    expect(four.slice(12, 20)).toEqual([198, 18, 0, 2, 198, 18, 0, 1]);
    expect(four.slice(20, 22)).toEqual([11, 0]);
    expect(four.slice(28)).toEqual([...fourUdp(ttl)]);
    expect(sum16(four.slice(20))).toBe(0xffff);
    expect(six.slice(40, 42)).toEqual([3, 0]);
    expect(six.slice(8, 24)).toEqual([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    expect(six.slice(48)).toEqual([...sixUdp(ttl)]);
    expect(host.sent(1)).toEqual([]);
    expect(host.errors("ip4-rewrite")).toEqual({ time_expired: 1 });
    expect(host.errors("ip6-rewrite")).toEqual({ time_expired: 1 });
    host.done();
  });

  it("is off by default: packets for others vanish without an answer", () => {
    const host = new IpHarness();
    host.input([fourUdp(64), sixUdp(64), fourUdp(64, { dst: "8.8.8.8" }), sixUdp(64, A6, "2a00::8")]);
    expect([host.sent(0), host.sent(1)]).toEqual([[], []]);
    expect(host.errors("ip4-lookup")).toEqual({ not_forwarded: 2 });
    expect(host.errors("ip6-lookup")).toEqual({ not_forwarded: 2 });
    host.done();
  });

  it("answers packets to nowhere with net unreachable and no route, blackholes with nothing", () => {
    const host = new IpHarness(ROUTER);
    host.ip.fib.apply({ kind: "route", table: 0, prefix: "20.0.0.0/8", add: true, paths: "drop" });
    host.ip.fib.apply({ kind: "route", table: 0, prefix: "2a00:20::/32", add: true, paths: "drop" });
    host.input([fourUdp(64, { dst: "8.8.8.8" }), sixUdp(64, A6, "2a00::8")]);
    const [four, six] = host.packets(0);
    expect(four.slice(20, 22)).toEqual([3, 0]);
    expect(six.slice(40, 42)).toEqual([1, 0]);
    host.input([fourUdp(64, { dst: "20.8.8.8" }), sixUdp(64, A6, "2a00:20::8")]);
    expect(host.sent(0)).toEqual([]);
    expect(host.errors("ip4-lookup")).toEqual({ no_route: 1, blackhole: 1 });
    expect(host.errors("ip6-lookup")).toEqual({ no_route: 1, blackhole: 1 });
    host.done();
  });

  it("does not forward link-layer broadcasts, groups, subnet broadcasts, or what is of link scope", () => {
    const host = new IpHarness(ROUTER);
    const all = [255, 255, 255, 255, 255, 255];
    host.input([fourUdp(64), sixUdp(64)], 0, all);
    host.input([fourUdp(64, { dst: "224.9.9.9" }), sixUdp(64, A6, "ff0e::99"), sixUdp(64, A6, "fe80::1")]);
    host.input([fourUdp(64, { dst: "198.18.1.255" })]);
    host.input([sixUdp(64, "fe80::1")]);
    expect(host.sent(1)).toEqual([]);
    expect(host.errors("ip4-lookup")).toEqual({ l2_multicast: 1, no_group: 1, broadcast: 1 });
    expect(host.errors("ip6-lookup")).toEqual({ l2_multicast: 1, no_group: 1, not_forwarded: 1 });
    expect(host.errors("ip6-rewrite")).toEqual({ beyond_scope: 1 });
    const [answer] = host.packets(0);
    expect(answer.slice(40, 42)).toEqual([1, 2]);
    host.done();
  });

  it("takes the subnet's broadcast on its own interface as its own", () => {
    const host = new IpHarness(ROUTER);
    const packet = ip4({ src: A4, dst: "198.18.0.255" }, udp(A4, "198.18.0.255", 1, 2, [3]));
    host.input([packet], 0, [255, 255, 255, 255, 255, 255]);
    expect(host.caught("udp4-input")).toHaveLength(1);
    host.done();
  });

  it("spreads flows over the paths of a route, each flow always over the same", () => {
    const host = new IpHarness(ROUTER);
    const paths = [{ via: "198.18.0.1" }, { via: "198.18.1.1" }];
    host.ip.fib.apply({ kind: "route", table: 0, prefix: "20.0.0.0/8", add: true, paths });
    host.ip.fib.apply({
      kind: "route",
      table: 0,
      prefix: "2a00::/16",
      add: true,
      paths: [{ via: "2001:db8::1" }, { via: "2001:db8:1::1" }],
    });
    const counts = [0, 0];
    for (let port = 1; port <= 200; port++) {
      const packet = ip4({ src: A4, dst: "20.0.0.1", ttl: 9 }, udp(A4, "20.0.0.1", port, 7, []));
      host.input([packet, packet]);
      const out = [host.sent(0).length, host.sent(1).length];
      expect(out).toContain(2);
      counts[out.indexOf(2)]++;
      expect(out.indexOf(2)).toBe(flowHash4(new DataView(packet.buffer), 0, packet.length) & 1);
    }
    expect(Math.min(...counts)).toBeGreaterThan(60);
    for (let port = 1; port <= 50; port++)
      host.input([ip6({ src: A6, dst: "2a00::1" }, udp(A6, "2a00::1", port, 7, []))]);
    const six = [host.sent(0).length, host.sent(1).length];
    expect(six[0] + six[1]).toBe(50);
    expect(Math.min(...six)).toBeGreaterThan(10);
    host.done();
  });

  it("punts what a route punts", () => {
    const host = new IpHarness();
    host.ip.fib.apply({ kind: "route", table: 0, prefix: "20.0.0.0/8", add: true, paths: "punt" });
    host.input([fourUdp(64, { dst: "20.0.0.1" })]);
    expect(host.errors("punt")).toEqual({ no_taker: 1 });
    host.done();
  });
});

describe("packets larger than the link", () => {
  it("draw fragmentation needed with the MTU when they must not be cut", () => {
    const host = new IpHarness(ROUTER, [1500, 1300]);
    const big = fourUdp(64, { fragment: 0x4000 }, 1400);
    host.input([big, fourUdp(64, { fragment: 0x4000 }, 1272), fourUdp(64, { fragment: 0x4000 }, 1273)]);
    expect(host.packets(1).map((packet) => packet.length)).toEqual([1300]);
    const answers = host.packets(0);
    expect(answers.map((packet) => packet.slice(20, 28))).toEqual(
      answers.map((packet) => [3, 4, packet[22], packet[23], 0, 0, 1300 >> 8, 1300 & 255]),
    );
    expect(answers).toHaveLength(2);
    expect(answers[0].slice(28)).toEqual([...big.subarray(0, 548)]);
    expect(host.errors("ip4-rewrite")).toEqual({ mtu_exceeded: 2 });
    host.done();
  });

  it("draw packet too big in IPv6, which routers never cut", () => {
    const host = new IpHarness(ROUTER, [1500, 1300]);
    const big = sixUdp(64, A6, B6, 1253);
    host.input([big, sixUdp(64, A6, B6, 1252)]);
    expect(host.packets(1).map((packet) => packet.length)).toEqual([1300]);
    const [answer] = host.packets(0);
    expect(answer.slice(40, 42)).toEqual([2, 0]);
    expect(answer.slice(44, 48)).toEqual([0, 0, 1300 >> 8, 1300 & 255]);
    expect(answer.slice(48)).toEqual([...big.subarray(0, 1232)]);
    expect(answer).toHaveLength(1280);
    host.done();
  });

  it("may be superframes whose segments fit", () => {
    const host = new IpHarness(ROUTER, [1500, 1500], true);
    const four = ip4({ src: A4, dst: B4, protocol: 6, fragment: 0x4000 }, tcp(A4, B4, 1, 2, pattern(1400)));
    const six = ip6({ src: A6, dst: B6, nextHeader: 6 }, tcp(A6, B6, 1, 2, pattern(1400)));
    host.ip.fib.apply({ kind: "mtu", interface: 1, mtu: 1300 });
    for (const [size, fits] of [
      [1260, true],
      [1261, false],
    ] as const) {
      host.input([four.slice()], 0, undefined, { [M_GSO]: size | (GSO_TCP4 << 16) });
      expect(host.packets(1).length > 0).toBe(fits);
      expect(host.packets(0).length > 0).toBe(!fits);
    }
    for (const [size, fits] of [
      [1240, true],
      [1241, false],
    ] as const) {
      host.input([six.slice()], 0, undefined, { [M_GSO]: size | (GSO_TCP6 << 16) });
      expect(host.packets(1).length > 0).toBe(fits);
      expect(host.packets(0).length > 0).toBe(!fits);
    }
    expect(host.errors("ip4-rewrite")).toEqual({ mtu_exceeded: 1 });
    expect(host.errors("ip6-rewrite")).toEqual({ mtu_exceeded: 1 });
    host.done();
  });
});

describe("packets of this host", () => {
  it("keep their TTL", () => {
    const host = new IpHarness();
    const four = ip4({ src: "198.18.0.2", dst: A4, ttl: 1 }, udp("198.18.0.2", A4, 1, 2, [3]));
    const six = ip6({ src: "2001:db8::2", dst: A6, hopLimit: 1 }, udp("2001:db8::2", A6, 1, 2, [3]));
    host.output(four);
    host.output(six);
    expect(host.packets()).toEqual([[...four], [...six]]);
    host.done();
  });

  it("go to groups and to the limited broadcast by the interface named, else the first", () => {
    const host = new IpHarness();
    const four = (dst: string): Uint8Array =>
      ip4({ src: "198.18.0.2", dst, ttl: 1 }, udp("198.18.0.2", dst, 1, 2, [3]));
    host.output(four("239.129.2.3"));
    host.output(four("255.255.255.255"), { [M_TX_IF]: 1 });
    host.output(ip6({ src: "fe80::ff:fe00:10", dst: "ff02::1:ff12:3456" }, [1]));
    host.output(ip6({ src: "fe80::ff:fe00:11", dst: "ff02::1" }, [1]), { [M_TX_IF]: 1 });
    expect(host.sent(0).map((frame) => [...frame.subarray(0, 14)])).toEqual([
      [1, 0, 0x5e, 1, 2, 3, 2, 0, 0, 0, 0, 0x10, 8, 0],
      [0x33, 0x33, 0xff, 0x12, 0x34, 0x56, 2, 0, 0, 0, 0, 0x10, 0x86, 0xdd],
    ]);
    expect(host.sent(1).map((frame) => [...frame.subarray(0, 6)])).toEqual([
      [255, 255, 255, 255, 255, 255],
      [0x33, 0x33, 0, 0, 0, 1],
    ]);
    host.done();
  });

  it("reach link-local neighbours by the interface named", () => {
    const host = new IpHarness();
    for (const index of [0, 1])
      host.output(ip6({ src: `fe80::ff:fe00:1${index}`, dst: "fe80::1" }, [1]), { [M_TX_IF]: index });
    expect(host.sent(0).map((frame) => [...frame.subarray(0, 6)])).toEqual([[...peerMac(0)]]);
    expect(host.sent(1).map((frame) => [...frame.subarray(0, 6)])).toEqual([[...peerMac(1)]]);
    host.done();
  });

  it("are dropped with a counter when there is no interface for them, or they go to a subnet's broadcast", () => {
    const bare = new IpHarness({}, []);
    bare.output(ip4({ src: "10.0.0.1", dst: "224.0.0.9" }, [1]));
    bare.output(ip6({ src: "fe80::1", dst: "ff02::1" }, [1]));
    bare.output(ip6({ src: "fe80::1", dst: "fe80::2" }, [1]));
    expect(bare.errors("ip4-lookup")).toEqual({ no_interface: 1 });
    expect(bare.errors("ip6-lookup")).toEqual({ no_interface: 2 });
    bare.done();
    const host = new IpHarness();
    host.output(ip4({ src: "198.18.0.2", dst: "198.18.0.255" }, [1]));
    expect(host.errors("ip4-lookup")).toEqual({ broadcast: 1 });
    host.done();
  });

  it("come back to this host when they are for it", () => {
    const host = new IpHarness();
    host.output(ip4({ src: "198.18.0.2", dst: "198.18.1.2" }, udp("198.18.0.2", "198.18.1.2", 1, 2, [3])));
    host.output(ip4({ src: "127.0.0.1", dst: "127.0.0.1" }, udp("127.0.0.1", "127.0.0.1", 1, 2, [3])));
    host.output(ip6({ src: "::1", dst: "::1" }, udp("::1", "::1", 1, 2, [3])));
    expect(host.caught("udp4-input")).toHaveLength(2);
    expect(host.caught("udp6-input")).toHaveLength(1);
    host.done();
  });

  it("to nowhere tell this host's transports", () => {
    const host = new IpHarness();
    const heard: number[][] = [];
    host.ip.icmpErrors.add(17, {
      icmpError: (family, kind, _fib, ipAt, l4At) => heard.push([family, kind, l4At - ipAt]) > 0,
    });
    host.output(ip4({ src: "198.18.0.2", dst: "8.8.8.8" }, udp("198.18.0.2", "8.8.8.8", 1, 2, [3])));
    host.output(ip6({ src: "2001:db8::2", dst: "2a00::8" }, udp("2001:db8::2", "2a00::8", 1, 2, [3])));
    expect(heard).toEqual([
      [4, 0, 20],
      [6, 0, 40],
    ]);
    host.done();
  });

  it("are too big for a link only with DF, and then this host's transport hears of the MTU", () => {
    const host = new IpHarness();
    const heard: number[][] = [];
    host.ip.icmpErrors.add(17, {
      icmpError: (family, kind, _f, _i, _l, _n, mtu) => heard.push([family, kind, mtu]) > 0,
    });
    host.output(ip4({ src: "198.18.0.2", dst: A4, fragment: 0x4000 }, udp("198.18.0.2", A4, 1, 2, pattern(1473))));
    expect(heard).toEqual([[4, 4, 1500]]);
    expect(host.sent(0)).toEqual([]);
    host.done();
  });
});

describe("neighbours", () => {
  it("are found by glean and then by their own entry", () => {
    const host = new IpHarness(ROUTER);
    host.neighbours.setStatic(1, parseAddress("198.18.1.50"), Uint8Array.of(2, 0, 0, 0, 0, 0x50));
    host.input([fourUdp(64, { dst: "198.18.1.50" })]);
    expect([...host.sent(1)[0].subarray(0, 6)]).toEqual([2, 0, 0, 0, 0, 0x50]);
    host.input([fourUdp(64, { dst: "198.18.1.51" })]);
    // A solicitation, while the packet waits.
    expect(host.sent(1).map((frame) => [frame[12], frame[13]])).toEqual([[8, 6]]);
    host.pass(10_000_000);
    expect(
      host
        .packets(0)
        .filter((packet) => packet[0] >>> 4 === 4)
        .map((packet) => packet.slice(20, 22)),
    ).toEqual([[3, 1]]);
    host.sent(1);
    host.done();
  });
});
