import { describe, expect, test } from "vitest";
import { integerSqrt } from "../../src/sim/codel.js";
import type { LinkOptions } from "../../src/sim/link-options.js";
import { Line, udpFrame } from "./line.js";

/** A full frame takes exactly a millisecond. */
const RATE_BPS = 12_112_000;
const CODEL: LinkOptions = { rateBps: RATE_BPS, queueBytes: 10_000_000, queue: "codel" };

/** Offers a full frame every `everyUs` for a time, a little more or less than the line carries. */
function load(line: Line, everyUs: number, forUs: number, ecn = 0): void {
  const endUs = line.network.nowUs() + forUs;
  for (let n = 1; line.network.nowUs() < endUs; n++) {
    line.send(udpFrame(n, { length: 1514, ecn }));
    line.runTo(line.network.nowUs() + everyUs);
  }
}

test("the integer square root is the largest that fits", () => {
  const samples = [0, 1, 2, 3, 4, 8, 9, 15, 16, 1e10, 1e10 - 1, 1e10 + 1, 4_503_599_627_370_496, 99_999 * 99_999];
  for (const n of samples) {
    const root = integerSqrt(n);
    expect(root * root).toBeLessThanOrEqual(n);
    expect((root + 1) * (root + 1)).toBeGreaterThan(n);
  }
});

describe("codel", () => {
  test("lets a short burst pass", () => {
    const line = new Line(CODEL);
    for (let n = 1; n <= 60; n++) line.send(udpFrame(n, { length: 1514 }));
    line.runTo(1_000_000);
    expect(line.arrivals.map(({ timeUs }) => timeUs)).toEqual(Array.from({ length: 60 }, (_, i) => (i + 1) * 1000));
    expect(line.lost("codel")).toEqual([]);
  });

  test("drops from the head after an interval of too long a wait, then at intervals over the root of the count", () => {
    const line = new Line(CODEL);
    const dropTimes: number[] = [];
    const { counters } = line.direction;
    let before = 0;
    for (let n = 1; n <= 1500; n++) {
      line.send(udpFrame(n, { length: 1514 }));
      for (let step = 0; step < 8; step++) {
        line.runTo(line.network.nowUs() + 100);
        for (; before < counters.lost.codel; before++) dropTimes.push(line.network.nowUs());
      }
    }
    // A fifth more than fits: the wait passes 5 ms after 25 ms; the first drop is 100 ms later, the others by RFC 8289 5.5.
    expect(dropTimes[0]).toBeGreaterThanOrEqual(120_000);
    expect(dropTimes[0]).toBeLessThanOrEqual(135_000);
    expect(dropTimes.length).toBeGreaterThan(10);
    let dueUs = dropTimes[0];
    for (let count = 1; count < 8; count++) {
      dueUs += 100_000 / Math.sqrt(count);
      expect(Math.abs(dropTimes[count] - dueUs)).toBeLessThan(2000);
    }
  });

  test("stops when the wait is short again, and goes on faster when it soon returns", () => {
    const line = new Line(CODEL);
    load(line, 800, 1_000_000);
    const first = line.direction.counters.lost.codel;
    load(line, 2000, 1_000_000);
    const quiet = line.direction.counters.lost.codel;
    load(line, 1500, 1_000_000);
    expect(line.direction.counters.lost.codel).toBe(quiet);
    expect(first).toBeGreaterThan(5);
    line.runTo(10_000_000);
    expect(line.direction.queueBytesNow()).toBe(0);
  });

  test("never acts on a wait that is a frame's own time", () => {
    const line = new Line({ ...CODEL, rateBps: 1_000_000 });
    load(line, 13_000, 2_000_000);
    expect(line.lost("codel")).toEqual([]);
  });

  test("keeps its queue within the bytes it has", () => {
    const line = new Line({ ...CODEL, queueBytes: 30_000 });
    load(line, 200, 200_000);
    expect(line.direction.counters.queuedBytesMax).toBeLessThanOrEqual(30_000);
    expect(line.direction.counters.lost.queue).toBeGreaterThan(0);
  });

  test.each([4, 6] as const)("marks instead of dropping with ECN, IPv%i", (family) => {
    const line = new Line({ ...CODEL, ecn: "mark" });
    for (let n = 1; n <= 1000; n++) {
      line.send(udpFrame(n, { length: 1514, ecn: 2, family }));
      line.runTo(line.network.nowUs() + 800);
    }
    line.runTo(10_000_000);
    const marked = line.arrivals.filter(({ n, bytes }) => !same(bytes, udpFrame(n, { length: 1514, ecn: 2, family })));
    expect(line.lost("codel")).toEqual([]);
    expect(marked.length).toBeGreaterThan(5);
    expect(line.direction.counters.marked).toBe(marked.length);
    // A header that was written with the mark from the start, checksum included, is the same.
    for (const { n, bytes } of marked) expect(bytes).toEqual(udpFrame(n, { length: 1514, ecn: 3, family }));
    expect(line.fates.filter(({ note }) => note === "CE")).toHaveLength(marked.length);
  });

  test("drops what is not of an ECN-capable transport", () => {
    const line = new Line({ ...CODEL, ecn: "mark" });
    load(line, 800, 1_000_000, 0);
    expect(line.direction.counters.marked).toBe(0);
    expect(line.direction.counters.lost.codel).toBeGreaterThan(5);
  });

  test("a queue that becomes tail drop, or infinitely fast, runs empty in order", () => {
    const line = new Line(CODEL);
    for (let n = 1; n <= 20; n++) line.send(udpFrame(n, { length: 1514 }));
    line.runTo(3500);
    line.direction.set({ queue: "tail-drop" });
    for (let n = 21; n <= 25; n++) line.send(udpFrame(n, { length: 1514 }));
    line.runTo(12_500);
    line.direction.set({ rateBps: 0 });
    line.send(udpFrame(26));
    line.runTo(100_000);
    expect(line.arrivals.map(({ n }) => n)).toEqual(Array.from({ length: 26 }, (_, i) => i + 1));
    expect(line.arrivals.at(-1)?.timeUs).toBe(13_000);
  });
});

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
