import { describe, expect, it } from "vitest";
import { arpInput } from "../../nodes/arp-input.js";
import { arpReply } from "../../nodes/arp-reply.js";
import { deviceInput } from "../../nodes/device-input.js";
import { drop } from "../../nodes/drop.js";
import { ethernetInput } from "../../nodes/ethernet-input.js";
import { interfaceOutput } from "../../nodes/interface-output.js";
import { interfaceTx } from "../../nodes/interface-tx.js";
import { ip4Arp } from "../../nodes/ip-discover-neighbor.js";
import { ip4Glean } from "../../nodes/ip-glean.js";
import { ipNeighborProcess } from "../../nodes/ip-neighbor-process.js";
import { F_LOCAL_ORIGIN, M_ADJ, M_CONN, M_DATA, M_FLAGS, M_L3 } from "../../src/graph/packet-pool.js";
import { A_TYPE, ADJ_ARP, ADJ_REWRITE } from "../../src/ip/adjacency.js";
import { formatAddress, ip4Address, parseAddress } from "../../src/ip/address.js";
import { bytesOf, Harness, type HarnessOptions } from "./graph-harness.js";

const OWN = "020000000010";
const PEER = "020000000099";
const OTHER = "020000000077";
const ALL = "ffffffffffff";
const ZERO = "000000000000";
const HEADER = "0001080006 04".replaceAll(" ", "");

const NODES = [
  deviceInput,
  ethernetInput,
  arpInput,
  arpReply,
  ip4Arp,
  ip4Glean,
  ipNeighborProcess,
  interfaceOutput,
  interfaceTx,
  drop,
];

function setUp(options: HarnessOptions = {}): Harness {
  const host = new Harness(NODES, options);
  host.addInterface(["198.18.0.1/24", "198.18.1.1/24"]);
  return host;
}

function hex(address: string): string {
  return Buffer.from(address.split(".").map(Number)).toString("hex");
}

/** An ARP frame: link-layer destination and source, then operation, sender and target. */
function arp(
  [to, from]: readonly [string, string],
  operation: "0001" | "0002",
  [senderMac, sender]: readonly [string, string],
  [targetMac, target]: readonly [string, string],
): Uint8Array {
  return bytesOf(to, from, "0806", HEADER, operation, senderMac, hex(sender), targetMac, hex(target));
}

const whoHas = (target: string, sender = "198.18.0.9", mac = PEER): Uint8Array =>
  arp([ALL, mac], "0001", [mac, sender], [ZERO, target]);
const isAt = (sender: string, mac = PEER, to = OWN): Uint8Array =>
  arp([to, mac], "0002", [mac, sender], [to, "198.18.0.1"]);

function receive(host: Harness, frame: Uint8Array): void {
  host.receive(0, frame);
  host.run();
}

function states(host: Harness): Record<string, string> {
  return Object.fromEntries(
    host.neighbours
      .list()
      .map(({ address, state, mac }) => [
        formatAddress(address),
        `${state} ${Buffer.from(mac).toString("hex").replace(/^0+$/, "-")}`,
      ]),
  );
}

/** An IPv4 packet to `destination`, sent into the subnet's glean adjacency. */
function send(host: Harness, destination: string, id = 0, flags = F_LOCAL_ORIGIN): number {
  const lb = host.ip.fib.lookup(4, 0, parseAddress(destination).words);
  const adj = host.ip.loadBalances.choose(lb, 0);
  const node = host.ip.adjacencies.typeName(adj) === "glean" ? "ip4-glean" : "ip4-arp";
  const packet = bytesOf("45000014", [id >> 8, id & 255], "0000 40110000 c6120001", hex(destination));
  const b = host.put(node, packet, { [M_ADJ]: adj, [M_FLAGS]: flags });
  host.setMeta(b, M_L3, host.meta(b, M_DATA));
  return b;
}

describe("requests", () => {
  it("are answered, to the asker alone, and the asker becomes a stale neighbour", () => {
    const host = setUp();
    receive(host, whoHas("198.18.0.1"));
    expect(host.sent(0)).toEqual([arp([PEER, OWN], "0002", [OWN, "198.18.0.1"], [PEER, "198.18.0.9"])]);
    expect(states(host)).toEqual({ "198.18.0.9": `stale ${PEER}` });
    receive(host, whoHas("198.18.1.1"));
    expect(host.sent(0)).toEqual([arp([PEER, OWN], "0002", [OWN, "198.18.1.1"], [PEER, "198.18.0.9"])]);
    expect(host.errors("arp-reply")).toEqual({ replies_sent: 2 });
    host.expectNoLeaks();
  });

  it("are answered when they come with a priority tag", () => {
    const host = setUp();
    const plain = whoHas("198.18.0.1");
    receive(host, bytesOf(plain.slice(0, 12), "8100e000", plain.slice(12)));
    expect(host.sent(0)).toEqual([arp([PEER, OWN], "0002", [OWN, "198.18.0.1"], [PEER, "198.18.0.9"])]);
    host.expectNoLeaks();
  });

  it("for other addresses are not answered and teach only about known neighbours", () => {
    const host = setUp();
    receive(host, whoHas("198.18.0.5"));
    expect(states(host)).toEqual({});
    receive(host, whoHas("198.18.0.1"));
    receive(host, whoHas("198.18.0.5", "198.18.0.9", OTHER));
    expect(states(host)).toEqual({ "198.18.0.9": `stale ${OTHER}` });
    expect(host.sent(0).length).toBe(1);
    expect(host.errors("arp-reply")).toEqual({ replies_sent: 1, l3_dst_address_not_local: 2 });
    host.expectNoLeaks();
  });

  it("from addresses that are not on the link are dropped", () => {
    const host = setUp();
    for (const sender of ["198.18.2.9", "198.18.0.255", "198.18.0.0", "224.0.0.1", "127.0.0.1"]) {
      receive(host, whoHas("198.18.0.1", sender));
    }
    expect(host.errors("arp-reply")).toEqual({ l3_src_address_not_local: 5 });
    expect(states(host)).toEqual({});
    host.expectNoLeaks();
  });

  it("that probe for an address (RFC 5227) are answered but teach nothing", () => {
    const host = setUp();
    receive(host, whoHas("198.18.0.1", "0.0.0.0"));
    expect(host.sent(0)).toEqual([arp([PEER, OWN], "0002", [OWN, "198.18.0.1"], [PEER, "0.0.0.0"])]);
    receive(host, whoHas("198.18.0.5", "0.0.0.0"));
    expect(host.sent(0)).toEqual([]);
    expect(states(host)).toEqual({});
    host.expectNoLeaks();
  });

  it("on an interface without addresses are dropped", () => {
    const host = setUp();
    host.addInterface();
    host.receive(1, whoHas("198.18.0.1"));
    host.run();
    expect(host.errors("arp-reply")).toEqual({ interface_not_ip_enabled: 1 });
    host.expectNoLeaks();
  });
});

it("messages that are not ARP for IPv4 over Ethernet from whom they say are dropped", () => {
  const host = setUp();
  const good = whoHas("198.18.0.1");
  for (let length = 14; length < good.length; length++) receive(host, good.slice(0, length));
  expect(host.errors("arp-input")).toEqual({ too_short: 28 });
  host.engine.clearErrors();
  const patched = (at: number, value: string): void => {
    const frame = good.slice();
    frame.set(bytesOf(value), at);
    receive(host, frame);
  };
  patched(14, "0006");
  patched(16, "86dd");
  patched(18, "05");
  patched(19, "10");
  patched(20, "0003");
  patched(22, "03");
  patched(22, ZERO);
  patched(27, "98");
  expect(host.errors("arp-input")).toEqual({
    l2_type_not_ethernet: 2,
    l3_type_not_ip4: 2,
    opcode_not_request: 1,
    sender_not_unicast: 2,
    l2_address_mismatch: 1,
  });
  expect(Object.keys(host.errors("arp-input")).length + 1).toBe(arpInput.errors.length);
  expect(host.sent(0)).toEqual([]);
  expect(states(host)).toEqual({});
  host.expectNoLeaks();
});

describe("our own address", () => {
  it("in another's mouth is counted and defended, once in ten seconds", () => {
    const host = setUp();
    const claim = whoHas("198.18.0.1", "198.18.0.1");
    receive(host, claim);
    const announcement = arp([ALL, OWN], "0001", [OWN, "198.18.0.1"], [ZERO, "198.18.0.1"]);
    expect(host.sent(0)).toEqual([announcement]);
    receive(host, claim);
    host.pass(9_000_000);
    receive(host, isAt("198.18.0.1"));
    expect(host.sent(0)).toEqual([]);
    host.pass(1_100_000);
    receive(host, claim);
    expect(host.sent(0)).toEqual([announcement]);
    expect(host.errors("arp-reply")).toEqual({ l3_src_address_is_local: 4 });
    expect(states(host)).toEqual({});
    host.expectNoLeaks();
  });

  it("in our own message that came back is ignored", () => {
    const host = setUp();
    receive(host, arp([ALL, OWN], "0001", [OWN, "198.18.0.1"], [ZERO, "198.18.0.1"]));
    expect(host.errors("arp-reply")).toEqual({ reflected: 1 });
    expect(host.sent(0)).toEqual([]);
    host.expectNoLeaks();
  });
});

describe("resolution", () => {
  it("holds packets, asks once, and sends them in order when the answer comes", () => {
    const host = setUp();
    for (let id = 1; id <= 3; id++) send(host, "198.18.1.9", id);
    host.run();
    expect(host.sent(0)).toEqual([arp([ALL, OWN], "0001", [OWN, "198.18.1.1"], [ZERO, "198.18.1.9"])]);
    expect(states(host)).toEqual({ "198.18.1.9": "incomplete -" });
    expect(host.neighbours.queued).toBe(3);
    receive(host, isAt("198.18.1.9"));
    const out = host.caught("ip4-rewrite");
    expect(out.map(({ bytes }) => bytes[5])).toEqual([1, 2, 3]);
    const adj = out[0].meta[M_ADJ];
    expect(host.ip.adjacencies.get(adj, A_TYPE)).toBe(ADJ_REWRITE);
    expect(host.ip.adjacencies.rewriteOf(adj)).toEqual(bytesOf(PEER, OWN, "0800"));
    expect(states(host)).toEqual({ "198.18.1.9": `reachable ${PEER}` });
    expect(host.errors("arp-reply")).toEqual({ replies_received: 1 });
    expect(host.errors("ip4-glean")).toEqual({ requests_sent: 1 });
    host.expectNoLeaks();
  });

  it("gives the neighbour a FIB entry of its own, which goes with it", () => {
    const host = setUp();
    send(host, "198.18.0.9");
    host.run();
    receive(host, isAt("198.18.0.9"));
    const [{ meta }] = host.caught("ip4-rewrite");
    const found = (): number =>
      host.ip.loadBalances.choose(host.ip.fib.lookup(4, 0, parseAddress("198.18.0.9").words), 0);
    expect(found()).toBe(meta[M_ADJ]);
    expect(host.neighbours.delete(0, parseAddress("198.18.0.9"))).toBe(true);
    expect(host.neighbours.delete(0, parseAddress("198.18.0.9"))).toBe(false);
    expect(host.ip.adjacencies.typeName(found())).toBe("glean");
    host.expectNoLeaks();
  });

  it("asks three times, a second apart, then forwarded packets draw ICMP errors and own ones are dropped", () => {
    const host = setUp();
    send(host, "198.18.0.9", 1, 0);
    send(host, "198.18.0.9", 2);
    host.run();
    expect(host.sent(0).length).toBe(1);
    host.pass(900_000);
    expect(host.sent(0).length).toBe(0);
    host.pass(200_000);
    expect(host.sent(0).length).toBe(1);
    host.pass(1_000_000);
    expect(host.sent(0).length).toBe(1);
    expect(host.caught("ip4-icmp-error")).toEqual([]);
    host.pass(1_000_000);
    const [error, ...more] = host.caught("ip4-icmp-error");
    expect(more).toEqual([]);
    expect(error.bytes[5]).toBe(1);
    expect(error.meta[M_CONN]).toBe((3 << 24) | (1 << 16));
    expect(host.errors("ip-neighbor-process")).toEqual({ requests_sent: 2, unreachable: 2 });
    expect(states(host)).toEqual({});
    expect(host.engine.nextExpiry()).toBe(-1);
    host.expectNoLeaks();
  });

  it("keeps the newest packets of a neighbour, and no more than the limit of all", () => {
    const host = setUp({ neighbours: { perNeighbour: 2, queued: 3 } });
    for (let id = 1; id <= 4; id++) send(host, "198.18.0.9", id);
    send(host, "198.18.0.8", 5);
    send(host, "198.18.0.7", 6);
    send(host, "198.18.0.8", 7);
    host.run();
    expect(host.errors("ip4-glean")).toEqual({ requests_sent: 3, queue_replaced: 3, queue_full: 1 });
    receive(host, isAt("198.18.0.9"));
    receive(host, isAt("198.18.0.8"));
    receive(host, isAt("198.18.0.7"));
    expect(host.caught("ip4-rewrite").map(({ bytes }) => bytes[5])).toEqual([3, 4, 7]);
    host.expectNoLeaks();
  });

  it("copies the tails of what it holds", () => {
    const host = setUp();
    const region = host.window.reserve("fifo", 4096);
    host.window.u8.fill(7, region, region + 100);
    const b = send(host, "198.18.0.9");
    host.pool.addTail(b, region, 100);
    host.run();
    host.window.u8.fill(0, region, region + 100);
    receive(host, isAt("198.18.0.9"));
    const [packet] = host.caught("ip4-rewrite");
    expect(packet.bytes.slice(20)).toEqual(new Uint8Array(100).fill(7));
    host.expectNoLeaks();
  });

  it("goes on without buffers, and asks again later", () => {
    const host = new Harness(NODES, { small: 4, large: 0 });
    host.addInterface(["198.18.0.1/24"]);
    send(host, "198.18.0.9");
    const taken = [host.pool.alloc(), host.pool.alloc(), host.pool.alloc()];
    host.run();
    expect(host.errors("ip4-glean")).toEqual({ no_buffers: 1 });
    host.pass(1_100_000);
    expect(host.errors("ip-neighbor-process")).toEqual({ not_sent: 1 });
    for (const b of taken) host.pool.free(b);
    host.pass(1_000_000);
    expect(host.sent(0).length).toBe(1);
    receive(host, isAt("198.18.0.9"));
    expect(host.caught("ip4-rewrite").length).toBe(1);
    host.expectNoLeaks();
  });

  it("without an address to ask from is counted", () => {
    const host = setUp();
    const bare = host.addInterface();
    const adj = host.neighbours.adjacencyFor(bare.index, 4, parseAddress("198.18.9.9").words);
    host.put("ip4-arp", bytesOf("45"), { [M_ADJ]: adj, [M_FLAGS]: F_LOCAL_ORIGIN });
    host.run();
    expect(host.errors("ip4-arp")).toEqual({ no_source_address: 1 });
    host.pass(3_100_000);
    expect(host.errors("ip-neighbor-process")).toEqual({ not_sent: 2, unreachable: 1 });
    host.expectNoLeaks();
  });

  it("drops packets for a neighbour that was forgotten meanwhile", () => {
    const host = setUp();
    const adj = host.neighbours.adjacencyFor(0, 4, parseAddress("198.18.0.9").words);
    host.neighbours.delete(0, parseAddress("198.18.0.9"));
    host.put("ip4-arp", bytesOf("45"), { [M_ADJ]: adj });
    host.run();
    expect(host.errors("ip4-arp")).toEqual({ no_neighbor: 1 });
    host.expectNoLeaks();
  });
});

describe("learning", () => {
  it("ignores answers to questions that were not asked", () => {
    const host = setUp();
    receive(host, isAt("198.18.0.9"));
    receive(host, arp([ALL, PEER], "0002", [PEER, "198.18.0.9"], [ALL, "198.18.0.9"]));
    receive(host, whoHas("198.18.0.9", "198.18.0.9"));
    expect(states(host)).toEqual({});
    expect(host.errors("arp-reply")).toEqual({ unsolicited_reply: 1, gratuitous_arp: 2 });
    host.expectNoLeaks();
  });

  it("takes announcements of known neighbours, as stale", () => {
    const host = setUp();
    send(host, "198.18.0.9");
    host.run();
    receive(host, isAt("198.18.0.9"));
    receive(host, arp([ALL, OTHER], "0001", [OTHER, "198.18.0.9"], [ZERO, "198.18.0.9"]));
    expect(states(host)).toEqual({ "198.18.0.9": `stale ${OTHER}` });
    const [{ meta }] = host.caught("ip4-rewrite");
    expect(host.ip.adjacencies.get(meta[M_ADJ], A_TYPE)).toBe(ADJ_ARP);
    // An unasked reply is no confirmation either.
    receive(host, isAt("198.18.0.9", PEER));
    expect(states(host)).toEqual({ "198.18.0.9": `stale ${PEER}` });
    host.expectNoLeaks();
  });

  it("delivers what waits for a neighbour that asks us first", () => {
    const host = setUp();
    send(host, "198.18.0.9", 1);
    host.run();
    receive(host, whoHas("198.18.0.1"));
    expect(host.caught("ip4-rewrite").length).toBe(1);
    expect(states(host)).toEqual({ "198.18.0.9": `delay ${PEER}` });
    host.expectNoLeaks();
  });

  it("a stale neighbour's next packet goes at once; then it is probed by unicast, and forgotten when it is silent", () => {
    const host = setUp();
    receive(host, whoHas("198.18.0.1"));
    host.sent(0);
    send(host, "198.18.0.9");
    host.run();
    expect(host.caught("ip4-rewrite").length).toBe(1);
    expect(states(host)).toEqual({ "198.18.0.9": `delay ${PEER}` });
    host.pass(4_900_000);
    expect(host.sent(0)).toEqual([]);
    host.pass(200_000);
    expect(states(host)).toEqual({ "198.18.0.9": `probe ${PEER}` });
    const probe = arp([PEER, OWN], "0001", [OWN, "198.18.0.1"], [ZERO, "198.18.0.9"]);
    expect(host.sent(0)).toEqual([probe]);
    // Packets still go to the address that is known.
    send(host, "198.18.0.9");
    host.run();
    expect(host.caught("ip4-rewrite").length).toBe(1);
    host.pass(2_000_000);
    expect(host.sent(0)).toEqual([probe, probe]);
    host.pass(1_000_000);
    expect(states(host)).toEqual({});
    host.expectNoLeaks();
  });

  it("a probed neighbour that answers is reachable again, for about thirty seconds", () => {
    const host = setUp();
    receive(host, whoHas("198.18.0.1"));
    send(host, "198.18.0.9");
    host.pass(5_200_000);
    receive(host, isAt("198.18.0.9"));
    expect(states(host)).toEqual({ "198.18.0.9": `reachable ${PEER}` });
    host.pass(14_000_000);
    expect(states(host)).toEqual({ "198.18.0.9": `reachable ${PEER}` });
    host.pass(32_000_000);
    expect(states(host)).toEqual({ "198.18.0.9": `stale ${PEER}` });
    host.pass(601_000_000);
    expect(states(host)).toEqual({});
    host.expectNoLeaks();
  });

  it("does not touch configured neighbours", () => {
    const host = setUp();
    host.neighbours.setStatic(0, ip4Address(0xc612_0009 | 0), bytesOf(OTHER));
    receive(host, whoHas("198.18.0.1"));
    receive(host, isAt("198.18.0.9"));
    send(host, "198.18.0.9");
    host.pass(60_000_000);
    expect(states(host)).toEqual({ "198.18.0.9": `static ${OTHER}` });
    host.expectNoLeaks();
  });
});

describe("limits", () => {
  it("a flood of askers takes the place of idle neighbours only", () => {
    const host = setUp({ neighbours: { limit: 4 } });
    for (const last of [101, 102]) {
      send(host, `198.18.0.${last}`);
      host.run();
      receive(host, isAt(`198.18.0.${last}`));
    }
    send(host, "198.18.0.103");
    host.run();
    for (let i = 2; i < 100; i++) receive(host, whoHas("198.18.0.1", `198.18.1.${i}`));
    const after = states(host);
    expect(Object.keys(after).length).toBe(4);
    expect(after["198.18.0.101"]).toBe(`reachable ${PEER}`);
    expect(after["198.18.0.102"]).toBe(`reachable ${PEER}`);
    expect(after["198.18.0.103"]).toBe("incomplete -");
    expect(host.neighbours.evicted).toBe(97);
    receive(host, isAt("198.18.0.103"));
    host.expectNoLeaks();
  });

  it("when all neighbours are in use, askers are answered but not remembered, and new destinations refused", () => {
    const host = setUp({ neighbours: { limit: 2 } });
    for (const last of [101, 102]) {
      send(host, `198.18.0.${last}`);
      host.run();
      receive(host, isAt(`198.18.0.${last}`));
    }
    host.sent(0);
    receive(host, whoHas("198.18.0.1"));
    expect(host.sent(0).length).toBe(1);
    expect(Object.keys(states(host))).toEqual(["198.18.0.101", "198.18.0.102"]);
    send(host, "198.18.0.9");
    host.run();
    expect(host.errors("ip4-glean")).toMatchObject({ no_neighbor: 1 });
    expect(host.neighbours.refused).toBe(2);
    host.expectNoLeaks();
  });

  it("a scan takes the place of the oldest unanswered neighbour, whose packets are dropped", () => {
    const host = setUp({ neighbours: { limit: 2 } });
    for (let i = 1; i <= 5; i++) send(host, `198.18.0.${i + 100}`, i);
    host.run();
    expect(Object.keys(states(host)).sort()).toEqual(["198.18.0.104", "198.18.0.105"]);
    expect(host.errors("ip-neighbor-process")).toEqual({ evicted: 3 });
    receive(host, isAt("198.18.0.104"));
    receive(host, isAt("198.18.0.105"));
    expect(host.caught("ip4-rewrite").map(({ bytes }) => bytes[5])).toEqual([4, 5]);
    host.expectNoLeaks();
  });

  it("never takes the place of a next hop", () => {
    const host = setUp({ neighbours: { limit: 2 } });
    host.ip.fib.apply({ kind: "route", table: 0, prefix: "0.0.0.0/0", add: true, paths: [{ via: "198.18.0.254" }] });
    for (let i = 1; i <= 5; i++) receive(host, whoHas("198.18.0.1", `198.18.0.${i + 100}`));
    expect(states(host)).toEqual({ "198.18.0.105": `stale ${PEER}`, "198.18.0.254": "failed -" });
    send(host, "192.0.2.1");
    host.run();
    expect(states(host)["198.18.0.254"]).toBe("incomplete -");
    for (let i = 1; i <= 5; i++) send(host, `198.18.0.${i + 110}`);
    host.pass(3_500_000);
    expect(states(host)).toEqual({ "198.18.0.254": "failed -" });
    // The next packet asks again.
    host.sent(0);
    send(host, "192.0.2.1");
    host.run();
    expect(host.sent(0).length).toBe(1);
    receive(host, isAt("198.18.0.254"));
    expect(host.caught("ip4-rewrite").length).toBe(1);
    host.expectNoLeaks();
  });
});
