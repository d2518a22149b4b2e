import { describe, expect, it } from "vitest";
import { ip4Input, ip6Input } from "../../nodes/ip-input.js";
import { F_IP6, F_L3_MULTICAST, M_FIB, M_L3, M_LEN } from "../../src/graph/packet-pool.js";
import { frame, icmp4, ip4, ip6, udp } from "../ip/packets.js";
import { hasFlags } from "./graph-harness.js";
import { expectCountersHit, IpHarness } from "./ip-harness.js";

const SRC4 = "198.18.0.1";
const OWN4 = "198.18.0.2";
const SRC6 = "2001:db8::1";
const OWN6 = "2001:db8::2";
const data4 = udp(SRC4, OWN4, 5, 7, [1, 2, 3]);
const data6 = udp(SRC6, OWN6, 5, 7, [1, 2, 3]);

expectCountersHit([ip4Input, ip6Input]);

describe("ip4-input", () => {
  it.each([
    ["too_short", ip4({ src: SRC4, dst: OWN4 }).subarray(0, 19)],
    ["version", ip4({ src: SRC4, dst: OWN4, version: 5 }, data4)],
    ["bad_header_length", ip4({ src: SRC4, dst: OWN4, ihl: 4 }, data4)],
    ["bad_header_length", ip4({ src: SRC4, dst: OWN4, ihl: 15 }, data4)],
    ["bad_length", ip4({ src: SRC4, dst: OWN4, totalLen: 19 }, data4)],
    ["bad_length", ip4({ src: SRC4, dst: OWN4, totalLen: 32 }, data4)],
    ["bad_length", ip4({ src: SRC4, dst: OWN4, options: [1, 1, 1, 1], totalLen: 23 }, data4)],
    ["bad_checksum", ip4({ src: SRC4, dst: OWN4, checksum: 0x1234 }, data4)],
    ["bad_checksum", ip4({ src: SRC4, dst: OWN4, options: [1, 1, 1, 0], checksum: 1 }, data4)],
    ["source_route", ip4({ src: SRC4, dst: OWN4, options: [131, 7, 4, 1, 2, 3, 4, 0] }, data4)],
    ["source_route", ip4({ src: SRC4, dst: OWN4, options: [1, 137, 7, 4, 1, 2, 3, 4] }, data4)],
    ["bad_source", ip4({ src: "224.0.0.5", dst: OWN4 }, data4)],
    ["bad_source", ip4({ src: "255.255.255.255", dst: OWN4 }, data4)],
    ["bad_source", ip4({ src: "240.0.0.1", dst: OWN4 }, data4)],
    ["bad_source", ip4({ src: "0.0.0.0", dst: OWN4 }, data4)],
    ["bad_source", ip4({ src: "0.0.0.7", dst: "255.255.255.255" }, data4)],
    ["martian", ip4({ src: "127.0.0.1", dst: OWN4 }, data4)],
    ["martian", ip4({ src: SRC4, dst: "127.0.0.1" }, data4)],
  ])("drops %s in silence", (symbol, packet) => {
    const host = new IpHarness();
    host.input([packet]);
    expect(host.errors("ip4-input")).toEqual({ [symbol]: 1 });
    expect(host.caught("udp4-input")).toEqual([]);
    expect(host.sent(0)).toEqual([]);
    host.done();
  });

  it.each([
    [[7, 0, 1, 1], 20],
    [[1, 7, 1, 1], 21],
    [[1, 1, 1, 148], 23],
    [[148, 9, 0, 0], 20],
  ])("answers malformed options %j with a parameter problem that points there", (options, pointer) => {
    const host = new IpHarness();
    host.input([ip4({ src: SRC4, dst: OWN4, options }, data4)]);
    const [answer] = host.packets();
    expect(answer.slice(20, 22)).toEqual([12, 0]);
    expect(answer.slice(24, 28)).toEqual([pointer, 0, 0, 0]);
    expect(host.errors("ip4-input")).toEqual({ bad_options: 1 });
    host.done();
  });

  it("does not answer malformed options of a broadcast", () => {
    const host = new IpHarness();
    host.input([ip4({ src: SRC4, dst: "255.255.255.255", options: [7, 0, 0, 0] }, data4)]);
    expect(host.sent(0)).toEqual([]);
    host.done();
  });

  it.each([
    [[]],
    [[1, 1, 1, 0]],
    [[148, 4, 0, 0]],
    [[150, 3, 9, 1]],
    [[7, 7, 4, 0, 0, 0, 0, 0]],
    [new Array<number>(40).fill(1)],
  ])("takes packets with options %j, cuts off padding, whatever the TTL", (options) => {
    const host = new IpHarness();
    const packet = ip4({ src: SRC4, dst: OWN4, options, ttl: 0, fragment: 0xc000 }, data4);
    host.input([Uint8Array.from([...packet, ...new Array<number>(46).fill(0xee)])]);
    const [taken] = host.caught("udp4-input");
    expect([...taken.bytes]).toEqual(data4);
    expect(taken.meta[M_LEN]).toBe(data4.length);
    host.done();
  });

  it("marks packets to groups, and takes 0.0.0.0 as source of a limited broadcast", () => {
    const host = new IpHarness();
    const query = (src: string, dst: string): Uint8Array => ip4({ src, dst }, udp(src, dst, 68, 67, [1]));
    host.input([query("0.0.0.0", "255.255.255.255"), query(SRC4, "224.0.0.1"), ip4({ src: SRC4, dst: OWN4 }, data4)]);
    expect(host.caught("udp4-input").map((packet) => hasFlags(packet, F_L3_MULTICAST))).toEqual([true, true, false]);
    host.done();
  });

  it("takes packets to the FIB of their interface, and by the features of the arc", () => {
    const host = new IpHarness();
    host.ip.fib.apply({ kind: "table", table: 9, add: true });
    host.addInterface();
    host.ip.fib.apply({ kind: "interface-table", interface: 2, table: 9 });
    host.ip.fib.apply({ kind: "address", interface: 2, prefix: "198.18.0.2/24", add: true });
    host.input([ip4({ src: SRC4, dst: OWN4 }, data4)], 2);
    expect(host.caught("udp4-input").map(({ meta }) => meta[M_FIB])).toEqual([1]);
    host.done();
  });

  it("gives a promiscuous interface's packets to this host, whoever they are for", () => {
    const host = new IpHarness();
    const iface = host.interfaces.at(0);
    if (iface !== undefined) iface.promiscuous = true;
    host.input([ip4({ src: SRC4, dst: "8.8.8.8" }, udp(SRC4, "8.8.8.8", 5, 53, [1]))]);
    host.input([ip6({ src: SRC6, dst: "2a00::8" }, udp(SRC6, "2a00::8", 5, 53, [1]))]);
    expect(host.caught("udp4-input")).toHaveLength(1);
    expect(host.caught("udp6-input")).toHaveLength(1);
    host.done();
  });
});

describe("ip6-input", () => {
  it.each([
    ["too_short", ip6({ src: SRC6, dst: OWN6 }).subarray(0, 39)],
    ["version", ip6({ src: SRC6, dst: OWN6, version: 4 }, data6)],
    ["bad_length", ip6({ src: SRC6, dst: OWN6, payloadLen: 12 }, data6)],
    ["bad_source", ip6({ src: "ff02::1", dst: OWN6 }, data6)],
    ["bad_source", ip6({ src: "::", dst: OWN6 }, data6)],
    ["bad_source", ip6({ src: "::1", dst: OWN6 }, data6)],
    ["bad_source", ip6({ src: "::ffff:198.18.0.1", dst: OWN6 }, data6)],
    ["bad_source", ip6({ src: "::198.18.0.1", dst: OWN6 }, data6)],
    ["bad_destination", ip6({ src: SRC6, dst: "::" }, data6)],
    ["bad_destination", ip6({ src: SRC6, dst: "::1" }, data6)],
    ["bad_destination", ip6({ src: SRC6, dst: "::ffff:198.18.0.2" }, data6)],
    ["bad_destination", ip6({ src: SRC6, dst: "ff01::1" }, data6)],
    ["bad_destination", ip6({ src: SRC6, dst: "ff00::1" }, data6)],
  ])("drops %s in silence", (symbol, packet) => {
    const host = new IpHarness();
    // Type IPv6 whatever the version says.
    const bytes = frame(packet);
    bytes.set([0x86, 0xdd], 12);
    host.receive(0, bytes);
    host.run();
    expect(host.errors("ip6-input")).toEqual({ [symbol]: 1 });
    expect(host.caught("udp6-input")).toEqual([]);
    expect(host.sent(0)).toEqual([]);
    host.done();
  });

  it("takes packets, cuts off padding, and marks what it knows", () => {
    const host = new IpHarness();
    const packet = ip6({ src: SRC6, dst: OWN6, hopLimit: 0 }, data6);
    host.input([Uint8Array.from([...packet, 9, 9, 9])]);
    const [taken] = host.caught("udp6-input");
    expect([...taken.bytes]).toEqual(data6);
    expect(hasFlags(taken, F_IP6)).toBe(true);
    expect(taken.meta[M_L3]).toBe(taken.meta[0] - 40);
    host.done();
  });

  it("lets :: be the source of a packet to a group", () => {
    const host = new IpHarness();
    host.input([ip6({ src: "::", dst: "ff02::1" }, udp("::", "ff02::1", 1, 2, [3]))], 0, [0x33, 0x33, 0, 0, 0, 1]);
    const [taken] = host.caught("udp6-input");
    expect(hasFlags(taken, F_L3_MULTICAST)).toBe(true);
    host.done();
  });
});

describe("both", () => {
  it("leave other traffic alone when a frame of many packets has bad ones among them", () => {
    const host = new IpHarness();
    const good = ip4({ src: SRC4, dst: OWN4 }, data4);
    const bad = ip4({ src: SRC4, dst: OWN4, checksum: 1 }, data4);
    host.input(Array.from({ length: 300 }, (_, i) => (i % 3 === 0 ? bad : good)));
    expect(host.caught("udp4-input")).toHaveLength(200);
    expect(host.errors("ip4-input")).toEqual({ bad_checksum: 100 });
    host.input([ip4({ src: SRC4, dst: OWN4, protocol: 1 }, icmp4(8, 0, [0, 1, 0, 1]))]);
    expect(host.packets()).toHaveLength(1);
    host.done();
  });
});
