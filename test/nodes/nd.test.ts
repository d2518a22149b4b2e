import { describe, expect, it } from "vitest";
import { deviceInput } from "../../nodes/device-input.js";
import { drop } from "../../nodes/drop.js";
import { icmp6NeighborAdvertisement } from "../../nodes/icmp6-neighbor-advertisement.js";
import { icmp6NeighborSolicitation } from "../../nodes/icmp6-neighbor-solicitation.js";
import { interfaceOutput } from "../../nodes/interface-output.js";
import { interfaceTx } from "../../nodes/interface-tx.js";
import { ip6DiscoverNeighbor } from "../../nodes/ip-discover-neighbor.js";
import { ip6Glean } from "../../nodes/ip-glean.js";
import { ipNeighborProcess } from "../../nodes/ip-neighbor-process.js";
import {
  F_IP6,
  F_LOCAL_ORIGIN,
  M_ADJ,
  M_CONN,
  M_DATA,
  M_FLAGS,
  M_L3,
  M_LEN,
  M_RX_IF,
} from "../../src/graph/packet-pool.js";
import { formatAddress, parseAddress } from "../../src/ip/address.js";
import { icmp6Check } from "../../src/wire/icmp6.js";
import { bytesOf, Harness, type HarnessOptions } from "./graph-harness.js";

const OWN = "020000000010";
const PEER = "020000000099";
const OTHER = "020000000077";
const US = "2001:db8:18::1";
const PEER_IP = "2001:db8:18::9";
const LINK_LOCAL = "fe80::ff:fe00:10";

const NODES = [
  deviceInput,
  icmp6NeighborSolicitation,
  icmp6NeighborAdvertisement,
  ip6DiscoverNeighbor,
  ip6Glean,
  ipNeighborProcess,
  interfaceOutput,
  interfaceTx,
  drop,
];

function setUp(options: HarnessOptions = {}): Harness {
  const host = new Harness(NODES, options);
  host.addInterface([`${US}/64`]);
  return host;
}

function hex(address: string): string {
  return [...parseAddress(address).words].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}

interface Message {
  readonly from?: string;
  readonly to?: string;
  readonly hopLimit?: string;
  /** Type and code. */
  readonly type?: string;
  readonly flags?: string;
  readonly target?: string;
  readonly options?: string;
  /** Bytes kept of the ICMP message. */
  readonly cut?: number;
}

const SLLA = `0101${PEER}`;
const TLLA = `0201${PEER}`;
const NS: Message = { from: PEER_IP, to: "ff02::1:ff00:1", type: "8700", flags: "00", target: US, options: SLLA };
const NA: Message = { from: PEER_IP, to: US, type: "8800", flags: "60", target: PEER_IP, options: TLLA };

/** Hands a message to its node as icmp6-input does: M_DATA at the ICMP header, the frame in front of it. */
function receive(host: Harness, message: Message): void {
  const { from = "::", to = "::", hopLimit = "ff", type = "", flags = "00", target = "::", options = "" } = message;
  const icmp = bytesOf(type, "0000", flags, "000000", hex(target), options).slice(0, message.cut);
  const length = icmp.length.toString(16).padStart(4, "0");
  const front = bytesOf(OWN, PEER, "86dd", "60000000", length, "3a", hopLimit, hex(from), hex(to));
  const node = type.startsWith("87") ? "icmp6-neighbor-solicitation" : "icmp6-neighbor-advertisement";
  const b = host.put(node, bytesOf(front, icmp), { [M_RX_IF]: 0, [M_FLAGS]: F_IP6 });
  const data = host.meta(b, M_DATA);
  host.setMeta(b, M_L3, data + 14);
  host.setMeta(b, M_DATA, data + front.length);
  host.setMeta(b, M_LEN, icmp.length);
  host.run();
}

function states(host: Harness): Record<string, string> {
  return Object.fromEntries(
    host.neighbours
      .list()
      .map(({ address, state, mac, isRouter }) => [
        formatAddress(address),
        `${state} ${Buffer.from(mac).toString("hex").replace(/^0+$/, "-")}${isRouter ? " router" : ""}`,
      ]),
  );
}

function send(host: Harness, destination: string, id = 0, flags = F_LOCAL_ORIGIN): void {
  const { words } = parseAddress(destination);
  const linkScope = words[0] >>> 22 === 0x3fa;
  const fib = linkScope ? host.ip.fib.link6[0] : 0;
  const adj = host.ip.loadBalances.choose(host.ip.fib.lookup(6, fib, words), 0);
  const node = host.ip.adjacencies.typeName(adj) === "glean" ? "ip6-glean" : "ip6-discover-neighbor";
  const packet = bytesOf("600000", [id], "0000 3b40", hex(US), hex(destination));
  const b = host.put(node, packet, { [M_ADJ]: adj, [M_FLAGS]: F_IP6 | flags });
  host.setMeta(b, M_L3, host.meta(b, M_DATA));
}

function resolve(host: Harness): void {
  send(host, PEER_IP);
  host.run();
  receive(host, NA);
  host.caught("ip6-rewrite");
  host.sent(0);
}

/** Fields of a frame with an ND message, checksum verified. */
function parse(frame: Uint8Array): Record<string, string> {
  const text = Buffer.from(frame).toString("hex");
  const padded = new Uint8Array(frame.length + 8);
  padded.set(frame.slice(14));
  const dv = new DataView(padded.buffer);
  const ok = icmp6Check(
    dv,
    padded,
    new Int32Array(padded.buffer.slice(0, padded.length & ~3)),
    0,
    40,
    frame.length - 54,
  );
  expect(dv.getUint16(4)).toBe(frame.length - 54);
  return {
    to: text.slice(0, 12),
    from: text.slice(12, 24),
    hopLimit: text.slice(42, 44),
    src: text.slice(44, 76),
    dst: text.slice(76, 108),
    type: text.slice(108, 112),
    checksum: ok === 0 ? "ok" : "bad",
    flags: text.slice(116, 118),
    target: text.slice(124, 156),
    options: text.slice(156),
  };
}

const ADVERTISEMENT = {
  to: PEER,
  from: OWN,
  hopLimit: "ff",
  src: hex(US),
  dst: hex(PEER_IP),
  type: "8800",
  checksum: "ok",
  flags: "60",
  target: hex(US),
  options: `0201${OWN}`,
};

describe("solicitations", () => {
  it("for our addresses are answered, and the asker becomes a stale neighbour", () => {
    const host = setUp();
    receive(host, NS);
    receive(host, { ...NS, to: LINK_LOCAL, target: LINK_LOCAL });
    expect(host.sent(0).map(parse)).toEqual([
      ADVERTISEMENT,
      { ...ADVERTISEMENT, src: hex(LINK_LOCAL), target: hex(LINK_LOCAL) },
    ]);
    expect(states(host)).toEqual({ [PEER_IP]: `stale ${PEER}` });
    expect(host.errors("icmp6-neighbor-solicitation")).toEqual({ advertisements_sent: 2 });
    host.expectNoLeaks();
  });

  it("are answered with the router flag when we forward", () => {
    const host = setUp({ ip: { forward6: true } });
    receive(host, NS);
    expect(host.sent(0).map(parse)).toEqual([{ ...ADVERTISEMENT, flags: "e0" }]);
  });

  it("without a link-layer address are answered to where they came from, and teach nothing", () => {
    const host = setUp();
    receive(host, { ...NS, to: US, options: "" });
    expect(host.sent(0).map(parse)).toEqual([ADVERTISEMENT]);
    expect(states(host)).toEqual({});
    host.expectNoLeaks();
  });

  it("that look for duplicates are answered to all nodes, unsolicited, and teach nothing", () => {
    const host = setUp();
    receive(host, { ...NS, from: "::", options: "" });
    expect(host.sent(0).map(parse)).toEqual([
      { ...ADVERTISEMENT, to: "333300000001", dst: hex("ff02::1"), flags: "20" },
    ]);
    expect(states(host)).toEqual({});
    host.expectNoLeaks();
  });

  it("with unknown options are answered", () => {
    const host = setUp();
    receive(host, { ...NS, options: `c801aaaaaaaaaaaa${SLLA}` });
    expect(host.sent(0).map(parse)).toEqual([ADVERTISEMENT]);
  });

  it("are answered when an extension header lay in between", () => {
    const host = setUp();
    const icmp = bytesOf("8700 0000 00000000", hex(US), SLLA);
    const front = bytesOf(OWN, PEER, "86dd 60000000 0028 00 ff", hex(PEER_IP), hex(US), "3a00010400000000");
    const b = host.put("icmp6-neighbor-solicitation", bytesOf(front, icmp), { [M_RX_IF]: 0, [M_FLAGS]: F_IP6 });
    const data = host.meta(b, M_DATA);
    host.setMeta(b, M_L3, data + 14);
    host.setMeta(b, M_DATA, data + front.length);
    host.setMeta(b, M_LEN, icmp.length);
    host.run();
    expect(host.sent(0).map(parse)).toEqual([ADVERTISEMENT]);
  });

  const refused: [string, string, Message][] = [
    ["hop limit 254", "bad_hop_limit", { ...NS, hopLimit: "fe" }],
    ["code 1", "bad_code", { ...NS, type: "8701" }],
    ["23 bytes", "too_short", { ...NS, cut: 23 }],
    ["an option of length 0", "bad_option", { ...NS, options: `0100${PEER}` }],
    ["an option past the end", "bad_option", { ...NS, options: `0102${PEER}` }],
    ["a link-layer address from ::", "bad_source", { ...NS, from: "::" }],
    ["from :: to our address", "bad_destination", { ...NS, from: "::", to: US, options: "" }],
    ["a group as target", "bad_target", { ...NS, target: "ff02::1:ff00:1" }],
    ["another's address", "unknown_target", { ...NS, target: PEER_IP }],
    ["our own address as source", "source_is_local", { ...NS, from: US }],
    ["a source from elsewhere", "source_not_on_link", { ...NS, from: "2001:db8:19::9" }],
    ["a group's link-layer address", "bad_link_address", { ...NS, options: "0101333300000001" }],
    ["no link-layer address", "bad_link_address", { ...NS, options: "0101000000000000" }],
  ];

  it.each(refused)("with %s are dropped", (_what, counter, message) => {
    const host = setUp();
    receive(host, message);
    expect(host.errors("icmp6-neighbor-solicitation")).toEqual({ [counter]: 1 });
    expect(host.sent(0)).toEqual([]);
    expect(states(host)).toEqual({});
    host.expectNoLeaks();
  });

  it("hit every counter", () => {
    const counters = [...new Set(refused.map(([, counter]) => counter)), "advertisements_sent"];
    expect(counters.sort()).toEqual(icmp6NeighborSolicitation.errors.map(({ symbol }) => symbol).sort());
  });

  it("of known neighbours at a new place make them stale; at the same place change nothing", () => {
    const host = setUp();
    resolve(host);
    receive(host, NS);
    expect(states(host)).toEqual({ [PEER_IP]: `reachable ${PEER}` });
    receive(host, { ...NS, options: `0101${OTHER}` });
    expect(states(host)).toEqual({ [PEER_IP]: `stale ${OTHER}` });
  });
});

describe("resolution", () => {
  it("asks the solicited-node group with our link-layer address, and sends what waits when the answer comes", () => {
    const host = setUp();
    send(host, PEER_IP, 1);
    send(host, PEER_IP, 2);
    host.run();
    expect(host.sent(0).map(parse)).toEqual([
      {
        to: "3333ff000009",
        from: OWN,
        hopLimit: "ff",
        src: hex(US),
        dst: hex("ff02::1:ff00:9"),
        type: "8700",
        checksum: "ok",
        flags: "00",
        target: hex(PEER_IP),
        options: `0101${OWN}`,
      },
    ]);
    receive(host, NA);
    expect(host.caught("ip6-rewrite").map(({ bytes }) => bytes[3])).toEqual([1, 2]);
    expect(states(host)).toEqual({ [PEER_IP]: `reachable ${PEER}` });
    expect(host.errors("icmp6-neighbor-advertisement")).toEqual({ advertisements_received: 1 });
    host.expectNoLeaks();
  });

  it("of link-local neighbours asks from our link-local address", () => {
    const host = setUp();
    send(host, "fe80::9");
    host.run();
    const [request] = host.sent(0).map(parse);
    expect(request.src).toBe(hex(LINK_LOCAL));
    receive(host, { ...NA, from: "fe80::9", to: LINK_LOCAL, target: "fe80::9" });
    expect(host.caught("ip6-rewrite").length).toBe(1);
    host.expectNoLeaks();
  });

  it("gives up after three seconds with address unreachable", () => {
    const host = setUp();
    send(host, PEER_IP, 1, 0);
    host.pass(2_900_000);
    expect(host.sent(0).length).toBe(3);
    host.pass(200_000);
    const [error] = host.caught("ip6-icmp-error");
    expect(error.meta[M_CONN]).toBe((1 << 24) | (3 << 16));
    expect(states(host)).toEqual({});
    host.expectNoLeaks();
  });

  it("ends unused entries: stale, then in use, probed by unicast, gone", () => {
    const host = setUp();
    resolve(host);
    host.pass(46_000_000);
    expect(states(host)).toEqual({ [PEER_IP]: `stale ${PEER}` });
    send(host, PEER_IP);
    host.pass(5_200_000);
    const [probe] = host.sent(0).map(parse);
    expect(probe).toMatchObject({ to: PEER, dst: hex(PEER_IP), target: hex(PEER_IP), options: `0101${OWN}` });
    expect(states(host)).toEqual({ [PEER_IP]: `probe ${PEER}` });
    host.pass(3_000_000);
    expect(states(host)).toEqual({});
    expect(host.caught("ip6-rewrite").length).toBe(1);
    host.expectNoLeaks();
  });

  it("is confirmed by transports", () => {
    const host = setUp();
    resolve(host);
    send(host, PEER_IP);
    host.run();
    const [{ meta }] = host.caught("ip6-rewrite");
    for (let second = 0; second < 60; second++) {
      host.pass(1_000_000);
      host.neighbours.confirm(meta[M_ADJ]);
    }
    expect(states(host)).toEqual({ [PEER_IP]: `reachable ${PEER}` });
    host.pass(46_000_000);
    expect(states(host)).toEqual({ [PEER_IP]: `stale ${PEER}` });
    host.neighbours.confirm(meta[M_ADJ]);
    expect(states(host)).toEqual({ [PEER_IP]: `reachable ${PEER}` });
    host.neighbours.confirm(host.ip.fib.multicast6[0]);
    host.expectNoLeaks();
  });

  it("is counted by discover-neighbor and glean alike", () => {
    const host = setUp({ neighbours: { limit: 1, perNeighbour: 1, queued: 1 } });
    host.ip.fib.apply({ kind: "route", table: 0, prefix: "::/0", add: true, paths: [{ via: "2001:db8:18::fe" }] });
    send(host, "2001:db8::1", 1);
    send(host, "2001:db8::1", 2);
    host.run();
    expect(host.errors("ip6-discover-neighbor")).toEqual({ requests_sent: 1, queue_replaced: 1 });
    send(host, PEER_IP);
    host.run();
    expect(host.errors("ip6-glean")).toEqual({ no_neighbor: 1 });
    host.pass(4_000_000);
    host.expectNoLeaks();
  });
});

describe("advertisements", () => {
  const refused: [string, string, Message][] = [
    ["hop limit 64", "bad_hop_limit", { ...NA, hopLimit: "40" }],
    ["code 1", "bad_code", { ...NA, type: "8801" }],
    ["23 bytes", "too_short", { ...NA, cut: 23 }],
    ["an option of length 0", "bad_option", { ...NA, options: `0200${PEER}` }],
    ["solicited to a group", "bad_destination", { ...NA, to: "ff02::1" }],
    ["a group as target", "bad_target", { ...NA, target: "ff02::1" }],
    ["our own address", "address_conflict", { ...NA, target: US }],
    ["a stranger's address", "unknown_neighbor", { ...NA, target: "2001:db8:18::77" }],
    ["no link-layer address", "no_link_address", { ...NA, options: "" }],
    ["a group's link-layer address", "bad_link_address", { ...NA, options: "0201010000000001" }],
  ];

  it.each(refused)("with %s change nothing", (_what, counter, message) => {
    const host = setUp();
    send(host, PEER_IP);
    host.run();
    receive(host, message);
    expect(host.errors("icmp6-neighbor-advertisement")).toEqual({ [counter]: 1 });
    expect(states(host)).toEqual({ [PEER_IP]: "incomplete -" });
    expect(host.caught("ip6-rewrite")).toEqual([]);
    host.pass(4_000_000);
    host.expectNoLeaks();
  });

  it("hit every counter that they can", () => {
    const counters = [...new Set(refused.map(([, counter]) => counter)), "advertisements_received"];
    // ndCheck asks nothing of the source of an advertisement.
    const all = icmp6NeighborAdvertisement.errors.map(({ symbol }) => symbol).filter((each) => each !== "bad_source");
    expect(counters.sort()).toEqual(all.sort());
  });

  // RFC 4861 7.2.5 and the table in its appendix C: flags R 80, S 40, O 20; the hardware address; the new state.
  const SAME = `0201${PEER}`;
  const NEW = `0201${OTHER}`;
  it.each([
    ["unanswered", "incomplete", "00", SAME, `stale ${PEER}`],
    ["unanswered, solicited", "incomplete", "40", SAME, `reachable ${PEER}`],
    ["same address, nothing set", "reachable", "00", SAME, `reachable ${PEER}`],
    ["override, same address", "reachable", "20", SAME, `reachable ${PEER}`],
    ["override, other address", "reachable", "20", NEW, `stale ${OTHER}`],
    ["solicited override, other address", "reachable", "60", NEW, `reachable ${OTHER}`],
    ["other address without override", "reachable", "40", NEW, `stale ${PEER}`],
    ["stale, other address without override", "stale", "40", NEW, `stale ${PEER}`],
    ["stale, solicited, same", "stale", "40", SAME, `reachable ${PEER}`],
    ["stale, solicited, no address", "stale", "40", "", `reachable ${PEER}`],
    ["stale, override, other", "stale", "20", NEW, `stale ${OTHER}`],
    ["a router", "reachable", "80", SAME, `reachable ${PEER} router`],
  ])("%s", (_what, state, flags, options, expected) => {
    const host = setUp();
    if (state === "incomplete") host.neighbours.adjacencyFor(0, 6, parseAddress(PEER_IP).words);
    else resolve(host);
    if (state === "stale") host.pass(46_000_000);
    receive(host, { ...NA, flags, options });
    expect(states(host)).toEqual({ [PEER_IP]: expected });
    receive(host, { ...NA, flags: "00", options: "" });
    expect(states(host)[PEER_IP]).toBe(expected.replace(" router", ""));
    host.expectNoLeaks();
  });
});
