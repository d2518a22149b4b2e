import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ip4Frag, ip6Frag } from "../../nodes/ip-frag.js";
import { ip4LocalFullReassembly, ip6LocalFullReassembly } from "../../nodes/ip-local-full-reassembly.js";
import { F_CHECKSUM_PARTIAL, F_IP6, F_REASSEMBLED, M_FLAGS, M_L4, M_TX_IF } from "../../src/graph/packet-pool.js";
import { A_MTU } from "../../src/ip/adjacency.js";
import { be, ip4, ip6, pattern, pseudo, sum16, udp } from "../ip/packets.js";
import { hasFlags, type HarnessOptions } from "./graph-harness.js";
import { expectCountersHit, IpHarness } from "./ip-harness.js";

const A4 = "198.18.0.1";
const OWN4 = "198.18.0.2";
const A6 = "2001:db8::1";
const OWN6 = "2001:db8::2";

expectCountersHit([ip4Frag, ip6Frag, ip4LocalFullReassembly, ip6LocalFullReassembly]);

/** How a datagram's bytes are put into a fragment of either family. */
interface Family {
  readonly name: string;
  readonly sink: string;
  readonly node: string;
  readonly datagram: (bytes: number) => number[];
  /** Offset in bytes. */
  readonly fragment: (payload: readonly number[], offset: number, more: boolean, id?: number) => Uint8Array;
  readonly timeoutMs: number;
}

const FOUR: Family = {
  name: "ip4",
  sink: "udp4-input",
  node: "ip4-local-full-reassembly",
  datagram: (bytes) => udp(A4, OWN4, 1, 2, pattern(bytes)),
  fragment: (payload, offset, more, id = 7) =>
    ip4({ src: A4, dst: OWN4, id, fragment: (offset >> 3) | (more ? 0x2000 : 0) }, payload),
  timeoutMs: 30_000,
};
const SIX: Family = {
  name: "ip6",
  sink: "udp6-input",
  node: "ip6-local-full-reassembly",
  datagram: (bytes) => udp(A6, OWN6, 1, 2, pattern(bytes)),
  fragment: (payload, offset, more, id = 7) =>
    ip6({ src: A6, dst: OWN6, nextHeader: 44 }, [17, 0, ...be(offset | (more ? 1 : 0), 2), ...be(id, 4), ...payload]),
  timeoutMs: 60_000,
};

/** The datagram in pieces of `size` bytes (a multiple of 8). */
function cut(family: Family, bytes: readonly number[], size: number, id = 7): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    pieces.push(family.fragment(bytes.slice(at, at + size), at, at + size < bytes.length, id));
  }
  return pieces;
}

describe.each([FOUR, SIX])("reassembly of $name", (family) => {
  const { sink, node, fragment, datagram } = family;

  it("puts fragments together in any order, with duplicates among them", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3000 }),
        fc.integer({ min: 1, max: 60 }),
        fc.array(fc.nat(), { minLength: 80, maxLength: 80 }),
        (bytes, eighths, order) => {
          const whole = datagram(bytes);
          const pieces = cut(family, whole, Math.max(eighths * 8, Math.ceil(whole.length / 640) * 8));
          const shuffled = pieces
            .map((piece, i) => ({ piece, key: order[i % order.length] }))
            .sort((a, b) => a.key - b.key)
            .map(({ piece }) => piece);
          const host = new IpHarness();
          const last = shuffled.pop() as Uint8Array;
          const twice = pieces.length === 1 ? [] : [...shuffled, ...shuffled.slice(0, 3)];
          host.input([...twice, last]);
          const caught = host.caught(sink);
          expect(caught).toHaveLength(1);
          expect([...caught[0].bytes]).toEqual(whole);
          expect(host.ip.reassembly.datagrams).toBe(0);
          host.done();
        },
      ),
      { numRuns: 60, seed: 8 },
    );
  });

  it("marks the datagram, fills the largest, and keeps datagrams apart by id and address", () => {
    const host = new IpHarness();
    const big = datagram(65_535 - 20 - 8);
    host.input(cut(family, big, 1480));
    const [caught] = host.caught(sink);
    expect(hasFlags(caught, F_REASSEMBLED)).toBe(true);
    expect([...caught.bytes]).toEqual(big);
    const [one, two] = [datagram(2000), datagram(2001)];
    const [first, second] = [cut(family, one, 1000, 1), cut(family, two, 1000, 2)];
    host.input([first[0], second[0], second[1], first[1], first[2], second[2]]);
    expect(host.caught(sink).map(({ bytes }) => bytes.length)).toEqual([one.length, two.length]);
    host.done();
  });

  it.each([
    ["left", 0, 16, 8],
    ["right", 8, 16, 16],
    ["inside", 0, 32, 8],
    ["around", 8, 8, 0],
    ["the same start", 8, 16, 8],
  ])(
    "gives a datagram up when fragments overlap on the %s, and all that is still to come",
    (_name, at, length, again) => {
      const host = new IpHarness();
      const bytes = datagram(100);
      host.input([fragment(bytes.slice(at, at + length), at, true)]);
      host.input([fragment(bytes.slice(again, again + 24), again, true)]);
      expect(host.errors(node)).toEqual({ overlap: 1 });
      expect(host.ip.reassembly.fragments).toBe(0);
      host.input(cut(family, bytes, 56));
      expect(host.errors(node)).toEqual({ overlap: 1, given_up: 2 });
      expect(host.caught(sink)).toEqual([]);
      host.pass(family.timeoutMs * 1000 + 1000);
      expect(host.ip.reassembly.datagrams).toBe(0);
      // No error about what was given up.
      expect(host.sent(0)).toEqual([]);
      host.input(cut(family, bytes, 56));
      expect(host.caught(sink)).toHaveLength(1);
      host.done();
    },
  );

  it.each([
    [
      "a fragment behind the last one",
      [
        [16, 8, false],
        [24, 8, true],
      ],
    ],
    [
      "a second last one elsewhere",
      [
        [16, 8, false],
        [24, 8, false],
      ],
    ],
    [
      "a last one before what is there",
      [
        [24, 8, true],
        [8, 8, false],
      ],
    ],
    [
      "a last one that is no last one",
      [
        [16, 8, false],
        [8, 16, true],
      ],
    ],
  ] as const)("gives a datagram up over %s", (_name, fragments) => {
    const host = new IpHarness();
    for (const [at, length, more] of fragments) host.input([fragment(pattern(length), at, more)]);
    const counted = host.errors(node);
    expect(Object.values(counted)).toEqual([1]);
    expect(["inconsistent", "overlap"]).toContain(Object.keys(counted)[0]);
    expect(host.ip.reassembly.fragments).toBe(0);
    host.pass(family.timeoutMs * 1000 + 1000);
    host.done();
  });

  it("times out with time exceeded when the first fragment is there, in silence when it is not", () => {
    const host = new IpHarness();
    const first = fragment(datagram(100).slice(0, 64), 0, true);
    host.input([first, fragment(pattern(8), 64, true, 99)]);
    host.pass(family.timeoutMs * 1000 - 100_000);
    expect(host.ip.reassembly.datagrams).toBe(2);
    expect(host.engine.nextExpiry()).toBeGreaterThanOrEqual(0);
    host.pass(200_000);
    expect(host.ip.reassembly.datagrams).toBe(0);
    const answers = host.packets();
    expect(answers).toHaveLength(1);
    const at = family === FOUR ? 20 : 40;
    expect(answers[0].slice(at, at + 2)).toEqual([family === FOUR ? 11 : 3, 1]);
    expect(answers[0].slice(at + 8)).toEqual([...first]);
    expect(host.ip.reassembly.timeouts).toBe(2);
    host.done();
  });

  it("lets the oldest datagram give way when there are too many, of datagrams or of fragments", () => {
    const host = new IpHarness({ ip: { reassembly: { maxDatagrams: 4, maxFragments: 5 } } });
    const bytes = datagram(100);
    for (let id = 1; id <= 6; id++) host.input([fragment(bytes.slice(0, 56), 0, true, id)]);
    expect(host.ip.reassembly.datagrams).toBe(4);
    expect(host.ip.reassembly.evicted).toBe(2);
    for (let id = 5; id <= 6; id++) host.input([fragment(bytes.slice(56), 56, false, id)]);
    expect(host.caught(sink)).toHaveLength(2);
    host.input([fragment(bytes.slice(0, 8), 0, true, 9), fragment(bytes.slice(8, 16), 8, true, 9)]);
    for (let at = 16; at < 48; at += 8) host.input([fragment(bytes.slice(at, at + 8), at, true, 9)]);
    expect(host.errors(node)).toMatchObject({ reassembled: 2, no_buffer: 1 });
    host.pass(family.timeoutMs * 1000 + 1000);
    host.packets();
    host.done();
  });

  it("limits the fragments of one datagram", () => {
    const host = new IpHarness({ ip: { reassembly: { maxFragmentsPerDatagram: 3 } } });
    for (let i = 0; i < 5; i++) host.input([fragment(pattern(8), i * 16, true)]);
    expect(host.errors(node)).toEqual({ too_many: 1, given_up: 1 });
    host.pass(family.timeoutMs * 1000 + 1000);
    host.done();
  });

  it("loses fragments, and the datagram, when there are no buffers, and goes on when there are", () => {
    const host = new IpHarness({ small: 24, large: 1 });
    const large = host.pool.allocLarge();
    const bytes = datagram(3000);
    host.input(cut(family, bytes, 1400));
    expect(host.errors(node)).toEqual({ no_buffer: 1 });
    expect(host.ip.reassembly.fragments).toBe(0);
    host.pool.free(large);
    host.pass(family.timeoutMs * 1000 + 1000);
    host.packets();
    host.input(cut(family, bytes, 1400));
    expect(host.caught(sink)).toHaveLength(1);
    host.done();
  });

  it("holds fragments that came in large buffers in small ones", () => {
    const host = new IpHarness({ large: 2 });
    const pieces = cut(family, datagram(1500), 512);
    for (const piece of pieces.slice(0, 2)) {
      host.input([Uint8Array.from([...piece, ...new Array<number>(2000).fill(0)])]);
      expect(host.pool.freeLarge).toBe(2);
    }
    host.input(pieces.slice(2));
    expect(host.caught(sink)).toHaveLength(1);
    host.done();
  });

  it("does not care for fragments with a payload of nothing", () => {
    const host = new IpHarness();
    host.input([fragment([], 8, false)]);
    expect(host.errors(node)).toEqual({ bad_length: 1 });
    expect(host.sent(0)).toEqual([]);
    host.done();
  });

  it("verifies the checksum of the whole, whatever the device said of the parts", () => {
    const host = new IpHarness();
    const bytes = datagram(100);
    bytes[90] ^= 1;
    host.input(cut(family, bytes, 56), 0, undefined, { [M_FLAGS]: 2 });
    expect(host.errors(family === FOUR ? "ip4-local" : "ip6-local")).toEqual({ udp_checksum: 1 });
    host.done();
  });

  it("notes congestion that one fragment met, unless the sender knows nothing of it", () => {
    for (const [first, second, expected] of [
      [2, 3, 3],
      [3, 2, 3],
      [0, 3, 0],
      [2, 2, 2],
    ]) {
      const host = new IpHarness();
      const bytes = pattern(100);
      const class4 = [first, second].map((tos, i) =>
        ip4(
          { src: A4, dst: OWN4, protocol: 253, tos, fragment: i === 0 ? 0x2000 : 7 },
          i === 0 ? bytes.slice(0, 56) : bytes.slice(56),
        ),
      );
      const class6 = [first, second].map((trafficClass, i) =>
        ip6({ src: A6, dst: OWN6, nextHeader: 44, trafficClass }, [
          253,
          0,
          0,
          i === 0 ? 1 : 56,
          0,
          0,
          0,
          1,
          ...(i === 0 ? bytes.slice(0, 56) : bytes.slice(56)),
        ]),
      );
      host.input(family === FOUR ? class4 : class6);
      // Nobody takes protocol 253: the error quotes the datagram.
      const [answer] = host.packets();
      const quoted = answer.slice(family === FOUR ? 28 : 48);
      expect(family === FOUR ? quoted[1] & 3 : (quoted[1] >> 4) & 3).toBe(expected);
      expect(sum16(quoted.slice(0, 20)) === 0xffff || family === SIX).toBe(true);
      host.done();
    }
  });
});

describe("reassembly of ip4", () => {
  it("refuses what would be longer than 65,535 bytes, or is no multiple of 8", () => {
    const host = new IpHarness();
    host.input([FOUR.fragment(pattern(200), 8189 * 8, false), FOUR.fragment(pattern(12), 0, true)]);
    expect(host.errors("ip4-local-full-reassembly")).toEqual({ too_long: 1, bad_length: 1 });
    // Each fits, but not with the first one's options.
    const end = FOUR.fragment(pattern(15), 8188 * 8, false, 3);
    host.input([end]);
    const big = pattern(8188 * 8);
    for (let at = 0; at < big.length; at += 1400) {
      const piece = big.slice(at, at + 1400);
      host.input([
        at === 0
          ? ip4({ src: A4, dst: OWN4, id: 3, fragment: 0x2000, options: new Array<number>(8).fill(1) }, piece)
          : FOUR.fragment(piece, at, true, 3),
      ]);
    }
    expect(host.errors("ip4-local-full-reassembly")).toMatchObject({ too_long: 2 });
    host.pass(31_000_000);
    host.packets();
    host.done();
  });

  it("keeps options of the first fragment and makes a right header", () => {
    const host = new IpHarness();
    const bytes = udp(A4, OWN4, 1, 2, pattern(40));
    const first = ip4({ src: A4, dst: OWN4, id: 9, fragment: 0x2000, options: [1, 1, 1, 0] }, bytes.slice(0, 24));
    host.input([FOUR.fragment(bytes.slice(24), 24, false, 9), first]);
    expect(host.caught("udp4-input").map((caught) => [...caught.bytes])).toEqual([bytes]);
    host.done();
  });
});

describe("reassembly of ip6", () => {
  it("answers lengths that are no multiple of 8 and datagrams too long with parameter problems", () => {
    const host = new IpHarness();
    const odd = SIX.fragment(pattern(12), 0, true);
    const long = SIX.fragment(pattern(16), 65_528, false);
    host.input([odd]);
    host.input([long]);
    const [a, b] = host.packets();
    expect([a.slice(40, 42), a.slice(44, 48), a.slice(48)]).toEqual([[4, 0], [0, 0, 0, 4], [...odd]]);
    expect([b.slice(40, 42), b.slice(44, 48), b.slice(48)]).toEqual([[4, 0], [0, 0, 0, 42], [...long]]);
    expect(host.errors("ip6-local-full-reassembly")).toEqual({ bad_length: 1, too_long: 1 });
    host.done();
  });

  it("never merges an atomic fragment with others of the same id", () => {
    const host = new IpHarness();
    const bytes = SIX.datagram(100);
    const [first, last] = cut(SIX, bytes, 56, 5);
    const atomic = SIX.fragment(SIX.datagram(3), 0, false, 5);
    host.input([first, atomic, last]);
    expect(host.caught("udp6-input").map((caught) => caught.bytes.length)).toEqual([11, 108]);
    host.done();
  });

  it("takes the fragment header out of a chain and judges what was behind it", () => {
    const host = new IpHarness();
    const data = udp(A6, OWN6, 1, 2, pattern(30));
    const behind = [17, 0, 1, 4, 0, 0, 0, 0, ...data];
    const wrap = (payload: number[], offset: number, more: boolean): Uint8Array =>
      ip6({ src: A6, dst: OWN6, nextHeader: 0 }, [
        44,
        0,
        1,
        4,
        0,
        0,
        0,
        0,
        60,
        0,
        ...be(offset | (more ? 1 : 0), 2),
        0,
        0,
        0,
        1,
        ...payload,
      ]);
    host.input([wrap(behind.slice(24), 24, false), wrap(behind.slice(0, 24), 0, true)]);
    expect(host.caught("udp6-input").map((caught) => [...caught.bytes])).toEqual([data]);
    host.done();
  });

  it("asks for the whole header chain in the first fragment (RFC 7112)", () => {
    const host = new IpHarness();
    host.input([ip6({ src: A6, dst: OWN6, nextHeader: 44 }, [60, 0, 0, 1, 0, 0, 0, 1, 17, 0, 1, 4, 0, 0, 0, 0])]);
    expect(host.packets().map((packet) => packet.slice(40, 42))).toEqual([[4, 3]]);
    host.done();
  });
});

const ROUTER: HarnessOptions = { ip: { forward4: true, forward6: true } };

describe("fragmentation", () => {
  /** Lets a second host with another address put the fragments together; returns the datagram. */
  function joined(packets: readonly number[][], mtu: number): number[] {
    const at = packets[0][0] >>> 4 === 4 ? 20 : 48;
    let bytes: number[] = [];
    for (const packet of packets) {
      expect(packet.length).toBeLessThanOrEqual(mtu);
      const header = packet[0] >>> 4 === 4 ? (packet[0] & 15) * 4 : at;
      const field = packet[0] >>> 4 === 4 ? packet[6] * 256 + packet[7] : packet[42] * 256 + packet[43];
      const offset = packet[0] >>> 4 === 4 ? (field & 0x1fff) * 8 : field & 0xfff8;
      expect(offset).toBe(bytes.length);
      const more = packet[0] >>> 4 === 4 ? (field & 0x2000) !== 0 : (field & 1) !== 0;
      expect(more).toBe(packet !== packets.at(-1));
      const isRight = packet[0] >>> 4 === 6 || sum16(packet.slice(0, header)) === 0xffff;
      expect(isRight).toBe(true);
      bytes = [...bytes, ...packet.slice(header)];
    }
    return bytes;
  }

  it.each([68, 69, 576, 1499])("cuts forwarded ip4 packets to an MTU of %i", (mtu) => {
    const host = new IpHarness(ROUTER, [1500, 1500]);
    host.ip.fib.apply({ kind: "mtu", interface: 1, mtu: 1500 });
    for (const adj of host.neighbours.list()) if (adj.ifIndex === 1) host.ip.adjacencies.setMtu(1, mtu);
    const data = udp(A4, "198.18.1.1", 1, 2, pattern(1472));
    host.input([ip4({ src: A4, dst: "198.18.1.1", ttl: 9, id: 77 }, data)]);
    const packets = host.packets(1);
    expect(joined(packets, mtu)).toEqual(data);
    expect(packets.every((packet) => packet[8] === 8 && packet[5] === 77)).toBe(true);
    expect(host.errors("ip4-frag")).toEqual({ fragments_sent: packets.length });
    host.done();
  });

  it("cuts fragments further and copies the options that say so", () => {
    const host = new IpHarness(ROUTER);
    host.ip.adjacencies.setMtu(1, 200);
    // Copied: router alert; not copied: record route.
    const options = [148, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0];
    const data = pattern(400);
    host.input([ip4({ src: A4, dst: "198.18.1.1", options, fragment: 0x2000 | 10 }, data)]);
    const packets = host.packets(1);
    expect(packets.map((packet) => (packet[0] & 15) * 4)).toEqual([32, 24, 24]);
    expect(packets[1].slice(20, 24)).toEqual([148, 4, 0, 0]);
    expect(packets.map((packet) => packet[6] * 256 + packet[7])).toEqual([0x2000 | 10, 0x2000 | 31, 0x2000 | 52]);
    expect(packets.flatMap((packet) => packet.slice((packet[0] & 15) * 4))).toEqual(data);
    host.done();
  });

  it("completes a partial checksum first, and gives this host's packets an identification", () => {
    const host = new IpHarness();
    host.ip.adjacencies.setMtu(0, 1280);
    const meta = (l4: number, ip6Flag: number) => ({ [M_FLAGS]: F_CHECKSUM_PARTIAL | ip6Flag, [M_L4]: l4 });
    for (const [packet, header] of [
      [ip4({ src: OWN4, dst: A4, id: 0 }, partial(OWN4, A4)), 20],
      [ip6({ src: OWN6, dst: A6 }, partial(OWN6, A6)), 40],
    ] as const) {
      // The slot is the one that the pool hands out next: its offset is known beforehand.
      const probe = host.pool.alloc();
      const data = host.meta(probe, 0);
      host.pool.free(probe);
      host.output(packet, meta(data + header, header === 40 ? F_IP6 : 0));
      const packets = host.packets(0);
      const bytes = joined(packets, 1280);
      const [src, dst] = header === 20 ? [OWN4, A4] : [OWN6, A6];
      expect(sum16(bytes, pseudo(src, dst, 17, bytes.length))).toBe(0xffff);
      expect(packets.length).toBe(2);
      const ids = packets.map((each) => (header === 20 ? each.slice(4, 6) : each.slice(44, 48)).join());
      expect(new Set(ids).size).toBe(1);
      expect(ids[0]).not.toBe("0,0");
    }
    host.done();
  });

  function partial(src: string, dst: string): number[] {
    const bytes = udp(src, dst, 1, 2, pattern(1440));
    bytes.splice(6, 2, ...be(pseudo(src, dst, 17, bytes.length), 2));
    return bytes;
  }

  it("drops a partial checksum that names no header", () => {
    const host = new IpHarness();
    host.ip.adjacencies.setMtu(0, 1280);
    host.output(ip4({ src: OWN4, dst: A4, protocol: 99 }, pattern(1400)), { [M_FLAGS]: F_CHECKSUM_PARTIAL });
    host.output(ip6({ src: OWN6, dst: A6, nextHeader: 99 }, pattern(1400)), { [M_FLAGS]: F_CHECKSUM_PARTIAL | F_IP6 });
    expect(host.errors("ip4-frag")).toEqual({ bad_offload: 1 });
    expect(host.errors("ip6-frag")).toEqual({ bad_offload: 1 });
    host.done();
  });

  it("keeps hop-by-hop options in front of the ip6 fragment header", () => {
    const host = new IpHarness();
    host.ip.adjacencies.setMtu(0, 1280);
    host.output(ip6({ src: OWN6, dst: A6, nextHeader: 0 }, [17, 0, 5, 2, 0, 0, 1, 0, ...pattern(1400)]), {
      [M_TX_IF]: 0,
    });
    const packets = host.packets(0);
    expect(packets.map((packet) => [packet[6], packet[40], packet[48]])).toEqual([
      [0, 44, 17],
      [0, 44, 17],
    ]);
    expect(packets.flatMap((packet) => packet.slice(56))).toEqual(pattern(1400));
    host.done();
  });

  it("gives up without buffers, or where no data fits", () => {
    const host = new IpHarness({ small: 3, large: 0 });
    host.ip.adjacencies.setMtu(0, 68);
    host.output(ip4({ src: OWN4, dst: A4 }, pattern(400)));
    host.output(ip6({ src: OWN6, dst: A6 }, pattern(400)));
    expect(host.errors("ip4-frag")).toEqual({ no_buffer: 1 });
    expect(host.errors("ip6-frag")).toEqual({ no_buffer: 1 });
    host.ip.adjacencies.setMtu(0, 27);
    host.output(ip4({ src: OWN4, dst: A4 }, pattern(400)));
    host.output(ip6({ src: OWN6, dst: A6 }, pattern(400)));
    expect(host.errors("ip4-frag")).toEqual({ no_buffer: 1, bad_header: 1 });
    expect(host.errors("ip6-frag")).toEqual({ no_buffer: 1, bad_header: 1 });
    expect(host.ip.adjacencies.get(host.ip.fib.multicast4[0], A_MTU)).toBe(27);
    host.packets(0);
    host.done();
  });
});
