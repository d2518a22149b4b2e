import { describe, expect, test } from "vitest";
import type { LinkOptions } from "../../src/sim/link-options.js";
import { DROP_REASONS } from "../../src/sim/link-direction.js";
import { Line, udpFrame } from "./line.js";

/** Numbers 1 to n. */
function upTo(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i + 1);
}

describe("loss", () => {
  test("none by default: each frame arrives at once, unaltered", () => {
    const line = new Line({});
    line.sendMany(50, 10);
    expect(line.arrivals.map(({ n }) => n)).toEqual(upTo(50));
    expect(line.arrivals.map(({ timeUs }) => timeUs)).toEqual(upTo(50).map((n) => (n - 1) * 10));
    expect(line.arrivals.map(({ bytes }) => bytes)).toEqual(upTo(50).map((n) => udpFrame(n)));
    expect(line.direction.counters).toMatchObject({
      offered: 50,
      offeredBytes: 5000,
      delivered: 50,
      deliveredBytes: 5000,
    });
  });

  test.each([0.01, 0.1, 0.5])("at random, rate %d: within four standard deviations, by the seed", (lossRate) => {
    const lostWith = (seed: number): number[] => {
      const line = new Line({ lossRate }, seed);
      line.sendMany(20_000, 1);
      return line.lost("loss");
    };
    const lost = lostWith(1);
    const deviation = Math.sqrt(20_000 * lossRate * (1 - lossRate));
    expect(Math.abs(lost.length - 20_000 * lossRate)).toBeLessThan(4 * deviation);
    expect(lostWith(1)).toEqual(lost);
    expect(lostWith(2)).not.toEqual(lost);
  });

  test("rate 1 loses all, rate 0 none", () => {
    const line = new Line({ lossRate: 1 });
    line.sendMany(100, 1);
    expect(line.arrivals).toEqual([]);
    line.direction.set({ lossRate: 0 });
    line.sendMany(100, 1);
    expect(line.arrivals).toHaveLength(100);
  });

  test("in bursts: the share of the bad state, in runs as long as it lasts", () => {
    const line = new Line({ burstLoss: { goodToBadRate: 0.01, badToGoodRate: 0.2 } });
    line.sendMany(60_000, 1);
    const lost = line.lost("burst");
    const runs = lost.filter((n, i) => n !== (lost[i - 1] ?? -1) + 1).length;
    // The bad state has 0.01 of 0.21, and lasts five frames on average.
    expect(lost.length / 60_000).toBeGreaterThan(0.041);
    expect(lost.length / 60_000).toBeLessThan(0.055);
    expect(lost.length / runs).toBeGreaterThan(4.5);
    expect(lost.length / runs).toBeLessThan(5.5);
  });

  test("in bursts, with a loss rate in each state", () => {
    const line = new Line({
      burstLoss: { goodToBadRate: 0, badToGoodRate: 1, goodLossRate: 0.25, badLossRate: 1 },
    });
    line.sendMany(20_000, 1);
    expect(Math.abs(line.lost("burst").length - 5000)).toBeLessThan(4 * 61.3);
  });

  test("every n-th, exactly", () => {
    const line = new Line({ loseEvery: 7 });
    line.sendMany(70, 1);
    expect(line.lost("every-n")).toEqual([7, 14, 21, 28, 35, 42, 49, 56, 63, 70]);
  });

  test("by a predicate, which sees the packet and its number", () => {
    const seen: unknown[] = [];
    const line = new Line({
      loseIf: (packet, n) => {
        seen.push([n, packet.n, packet.source, packet.destination, packet.udp]);
        return packet.udp?.srcPort === 3 || n === 5;
      },
    });
    line.sendMany(6, 1);
    expect(line.lost("predicate")).toEqual([3, 5]);
    expect(seen[1]).toEqual([2, 2, "10.0.0.1", "10.0.0.2", { srcPort: 2, dstPort: 7, length: 58 }]);
  });

  test("in a partition, until it is healed; what was on its way arrives", () => {
    const line = new Line({ delayUs: 500 });
    line.send(udpFrame(1));
    line.direction.isCut = true;
    line.send(udpFrame(2));
    line.runTo(1000);
    line.direction.isCut = false;
    line.send(udpFrame(3));
    line.runTo(2000);
    expect(line.arrivals.map(({ n, timeUs }) => [n, timeUs])).toEqual([
      [1, 500],
      [3, 1500],
    ]);
    expect(line.lost("partition")).toEqual([2]);
  });

  test("for good when a host vanished, with what was on its way", () => {
    const line = new Line({ delayUs: 500 });
    line.send(udpFrame(1));
    line.direction.isDead = true;
    line.send(udpFrame(2));
    line.runTo(1000);
    expect(line.arrivals).toEqual([]);
    expect(line.direction.counters.lost.vanished).toBe(2);
  });
});

describe("time", () => {
  test("a delay is exact, and changes for later frames, never their order", () => {
    const line = new Line({ delayUs: 1000 });
    line.send(udpFrame(1));
    line.runTo(10);
    line.direction.set({ delayUs: 100 });
    line.send(udpFrame(2));
    line.runTo(2000);
    line.send(udpFrame(3));
    line.runTo(3000);
    expect(line.arrivals.map(({ n, timeUs }) => [n, timeUs])).toEqual([
      [1, 1000],
      [2, 1000],
      [3, 2100],
    ]);
  });

  test("jitter is uniform in its bounds, and keeps the order", () => {
    const line = new Line({ delayUs: 1000, jitterUs: 400 });
    line.sendMany(5000, 1000);
    const took = line.arrivals.map(({ timeUs, n }) => timeUs - (n - 1) * 1000);
    expect(Math.min(...took)).toBeGreaterThanOrEqual(1000);
    expect(Math.max(...took)).toBeLessThanOrEqual(1400);
    const mean = took.reduce((a, b) => a + b, 0) / took.length;
    expect(Math.abs(mean - 1200)).toBeLessThan(8);
    const close = new Line({ delayUs: 1000, jitterUs: 400 });
    close.sendMany(1000, 20);
    expect(close.arrivals.map(({ n }) => n)).toEqual(upTo(1000));
  });

  test("reordered frames are late by no more than the bound, and only they are", () => {
    const line = new Line({ delayUs: 2000, reorderRate: 0.2, reorderUs: 1500 });
    line.sendMany(3000, 100);
    const late = line.fates.filter(({ note }) => note === "reordered");
    expect(Math.abs(late.length - 600)).toBeLessThan(4 * 22);
    expect(line.direction.counters.reordered).toBe(late.length);
    for (const { timeUs, deliverUs, note } of line.fates) {
      const extra = deliverUs - timeUs - 2000;
      expect(extra).toBeGreaterThanOrEqual(0);
      expect(extra).toBeLessThanOrEqual(note === "reordered" ? 1500 : 0);
    }
    expect(line.arrivals.map(({ n }) => n)).not.toEqual(upTo(3000));
  });

  test("without a bound of its own a reordered frame is late by up to the delay", () => {
    const line = new Line({ delayUs: 2000, reorderRate: 1 });
    line.sendMany(2000, 10_000);
    const extra = line.fates.map(({ timeUs, deliverUs }) => deliverUs - timeUs - 2000);
    expect(Math.max(...extra)).toBeLessThanOrEqual(2000);
    expect(Math.max(...extra)).toBeGreaterThan(1950);
    expect(Math.min(...extra)).toBeLessThan(50);
  });

  test("a rate is exact over many frames: fractions of a microsecond are not lost", () => {
    const line = new Line({ rateBps: 100_000_000, queueBytes: 10_000_000, delayUs: 7 });
    for (let n = 1; n <= 1000; n++) line.send(udpFrame(n, { length: 1514 }));
    line.runTo(1_000_000);
    expect(line.arrivals.map(({ timeUs }) => timeUs)).toEqual(upTo(1000).map((n) => Math.floor(n * 121.12) + 7));
  });

  test("a rate that changes holds for later frames", () => {
    const line = new Line({ rateBps: 8_000_000 });
    line.send(udpFrame(1));
    line.direction.set({ rateBps: 800_000 });
    line.send(udpFrame(2));
    line.runTo(10_000);
    line.direction.set({ rateBps: 0 });
    line.send(udpFrame(3));
    line.runTo(10_000);
    expect(line.arrivals.map(({ timeUs }) => timeUs)).toEqual([100, 1100, 10_000]);
  });
});

describe("the queue", () => {
  test("drops at its tail what would exceed it, and says how full it was", () => {
    const line = new Line({ rateBps: 8_000_000, queueBytes: 1000 });
    for (let n = 1; n <= 12; n++) line.send(udpFrame(n));
    expect(line.direction.queueBytesNow()).toBe(1000);
    line.runTo(250);
    expect(line.direction.queueBytesNow()).toBe(800);
    line.send(udpFrame(13));
    line.runTo(10_000);
    expect(line.lost("queue")).toEqual([11, 12]);
    expect(line.arrivals.at(-1)).toMatchObject({ n: 13, timeUs: 1100 });
    expect(line.direction.counters.queuedBytesMax).toBe(1000);
    expect(line.direction.queueBytesNow()).toBe(0);
  });

  test("takes any frame that finds it empty", () => {
    const line = new Line({ rateBps: 8_000_000, queueBytes: 10 });
    line.send(udpFrame(1));
    line.send(udpFrame(2));
    line.runTo(10_000);
    expect(line.arrivals.map(({ n }) => n)).toEqual([1]);
  });
});

describe("altered frames", () => {
  test("copies arrive right behind, whole", () => {
    const line = new Line({ delayUs: 10, duplicateRate: 0.5 });
    line.sendMany(400, 1);
    const { duplicated, delivered, offered } = line.direction.counters;
    expect([offered, delivered]).toEqual([400, 400 + duplicated]);
    expect(Math.abs(duplicated - 200)).toBeLessThan(40);
    const copied = new Set(line.fates.filter(({ note }) => note === "duplicate").map(({ n }) => n));
    const expected = upTo(400).flatMap((n) => (copied.has(n) ? [n, n] : [n]));
    expect(line.arrivals.map(({ n }) => n)).toEqual(expected);
    expect(line.arrivals.map(({ timeUs }) => timeUs)).toEqual(expected.map((n) => n + 9));
    expect(line.arrivals.map(({ bytes }) => bytes)).toEqual(expected.map((n) => udpFrame(n)));
    expect(line.fates.filter(({ note }) => note === "duplicate")).toHaveLength(duplicated);
  });

  test("a corrupted frame differs in one bit behind the Ethernet header", () => {
    const line = new Line({ corruptRate: 1 });
    line.sendMany(2000, 1);
    const places = new Set<number>();
    for (const [i, { bytes }] of line.arrivals.entries()) {
      const differing = udpFrame(i + 1)
        .map((byte, at) => byte ^ bytes[at])
        .reduce<number[]>((all, bits, at) => (bits === 0 ? all : [...all, at, bits]), []);
      expect(differing).toHaveLength(2);
      expect(differing[0]).toBeGreaterThanOrEqual(14);
      expect(differing[1] & (differing[1] - 1)).toBe(0);
      places.add(differing[0]);
    }
    expect(places.size).toBe(86);
    expect(line.direction.counters.corrupted).toBe(2000);
  });

  test("a middlebox alters frames, or puts others in their place", () => {
    const line = new Line({
      rewrite: (frame, packet) => {
        if (packet.n === 1) return undefined;
        if (packet.n === 3) return Uint8Array.from([...frame, 1, 2, 3]);
        frame[99] = 0xaa;
        return frame;
      },
    });
    line.sendMany(3, 1);
    const ends = line.arrivals.map(({ bytes }) => [...bytes.subarray(99)]);
    expect(ends).toEqual([[0x55], [0xaa], [0x55, 1, 2, 3]]);
    expect(line.fates.map(({ note }) => note)).toEqual(["", "rewritten", "rewritten"]);
    expect(line.direction.counters.rewritten).toBe(2);
  });
});

describe("options", () => {
  test.each<[string, LinkOptions]>([
    ["lossRate 1.5", { lossRate: 1.5 }],
    ["lossRate NaN", { lossRate: Number.NaN }],
    ["reorderRate -1", { reorderRate: -1 }],
    ["delayUs 0.5", { delayUs: 0.5 }],
    ["mtu -1", { mtu: -1 }],
    ["jitterUs 2147483647", { jitterUs: 0x7fff_ffff }],
    ["burstLoss.goodToBadRate 2", { burstLoss: { goodToBadRate: 2, badToGoodRate: 0 } }],
  ])("refuses %s, and changes nothing", (text, options) => {
    const line = new Line({ loseEvery: 2 });
    expect(() => line.direction.set({ ...options, loseEvery: 1 })).toThrow(text);
    line.sendMany(4, 1);
    expect(line.lost("every-n")).toEqual([2, 4]);
  });

  test("every reason to drop has a counter", () => {
    expect(Object.keys(new Line({}).direction.counters.lost)).toEqual([...DROP_REASONS]);
  });

  test("the draws of one fault do not depend on who looks", () => {
    const hashOf = (watches: boolean): string => {
      const line = new Line({ lossRate: 0.1, reorderRate: 0.1, duplicateRate: 0.1, delayUs: 50 }, 9);
      if (watches) line.direction.set({ loseIf: () => false });
      line.sendMany(500, 3);
      return line.network.hash.toString();
    };
    expect(hashOf(true)).toBe(hashOf(false));
  });
});
