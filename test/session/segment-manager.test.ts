import { describe, expect, test } from "vitest";
import { FifoTable } from "../../src/mem/fifo-table.js";
import { MemoryWindow } from "../../src/mem/window.js";
import { areSegmentOptions } from "../../src/session/segment-manager.js";
import { SegmentManagers } from "../../src/session/segment-managers.js";

// The cases of VPP's `test segment-manager`, by its names; prealloc_hdrs has no counterpart: rows are there from the start.

const KIB = 1024;

function setUp(areaBytes = 2 << 20, maxSegments = 8) {
  const window = MemoryWindow.plain(areaBytes + (2 << 20));
  const base = window.reserve("area", areaBytes, 4096);
  const limits = { maxFifos: 128, ownBytes: 64 * KIB, maxSegments };
  const fifos = new FifoTable(window, base, areaBytes, limits);
  return { fifos, managers: new SegmentManagers(fifos) };
}

function opened(options: object, areaBytes?: number) {
  const { fifos, managers } = setUp(areaBytes);
  const manager = managers.open(options);
  if (manager === undefined) throw new Error("no first segment");
  return { fifos, managers, manager };
}

const bytes = new Uint8Array(1 << 20);

describe("pressure", () => {
  test("pressure_1: no, low, high, none left and back, by the number of fifos", () => {
    const { fifos, managers, manager } = opened({ segmentBytes: 128 * KIB });
    const taken: number[] = [];
    const seen: string[] = [];
    for (let f = manager.alloc(KIB); f !== 0; f = manager.alloc(KIB)) {
      fifos.write(f, bytes, 0, KIB);
      taken.push(f);
      if (seen.at(-1) !== manager.pressure) seen.push(manager.pressure);
    }
    expect(manager.memory).toEqual({ usedBytes: 128 * KIB, totalBytes: 128 * KIB });
    expect(seen).toEqual(["no-pressure", "low-pressure", "high-pressure", "no-memory"]);
    for (const f of taken) {
      managers.freeFifo(f);
      if (seen.at(-1) !== manager.pressure) seen.push(manager.pressure);
    }
    // What ran out stays so until usage is below the high watermark.
    expect(seen.slice(4)).toEqual(["low-pressure", "no-pressure"]);
    expect(manager.memory.usedBytes).toBe(0);
  });

  test("pressure_2: the same by the bytes that fifos hold, with watermarks of its own", () => {
    const { fifos, manager } = opened({ segmentBytes: 128 * KIB, highWatermark: 60, lowWatermark: 25 });
    const f = manager.alloc(1 << 20);
    const seen: string[] = [];
    const note = (): void => {
      if (seen.at(-1) !== manager.pressure) seen.push(manager.pressure);
    };
    while (fifos.write(f, bytes, 0, KIB) > 0) note();
    while (fifos.drop(f, KIB) > 0) note();
    // Chunks double: the last one is half of the segment.
    expect(seen).toEqual(["no-pressure", "low-pressure", "no-memory", "high-pressure", "low-pressure", "no-pressure"]);
  });
});

describe("fifo_balanced_alloc", () => {
  const options = { segmentBytes: 128 * KIB, addSegmentBytes: 64 * KIB, maxFifoMemoryBytes: 256 * KIB };

  test("no further segment before the first is under pressure, then the one with most room, and no more than allowed", () => {
    const { fifos, manager } = opened(options);
    const places: number[] = [];
    for (let f = manager.alloc(1 << 20); f !== 0; f = manager.alloc(1 << 20)) {
      places.push(fifos.segmentOf(f));
      fifos.write(f, bytes, 0, 16 * KIB);
    }
    expect(manager.segments).toEqual([1, 2, 3]);
    // 112 of 128 KiB are over the watermark.
    expect(places.slice(0, 8)).toEqual([1, 1, 1, 1, 1, 1, 1, 2]);
    expect(places.filter((segment) => segment === 1)).toHaveLength(8);
    expect(manager.memory).toEqual({ usedBytes: 256 * KIB, totalBytes: 256 * KIB });
    expect(manager.pressure).toBe("no-memory");
  });

  test("segments go with their last fifo, the first one with the worker", () => {
    const { fifos, managers, manager } = opened(options);
    const free = fifos.pages.freeBytes;
    const taken: number[] = [];
    for (let f = manager.alloc(1 << 20); f !== 0; f = manager.alloc(1 << 20)) {
      fifos.write(f, bytes, 0, 16 * KIB);
      taken.push(f);
    }
    expect(fifos.pages.freeBytes).toBe(free - 128 * KIB);
    for (const f of taken.slice(1)) managers.freeFifo(f);
    expect(manager.segments).toEqual([1]);
    expect(fifos.pages.freeBytes).toBe(free);
    managers.close(manager);
    expect([manager.isGone, managers.all.length]).toEqual([false, 1]);
    managers.freeFifo(taken[0]);
    expect([manager.isGone, managers.all, fifos.stats().segments]).toEqual([true, [], 1]);
    expect(fifos.pages.freeBytes).toBe(free + 128 * KIB);
  });
});

test("fifo_ops: sizes, bytes and segments of fifos of two managers keep apart", () => {
  const { fifos, managers } = setUp();
  const [a, b] = [managers.open({ segmentBytes: 64 * KIB }), managers.open({ segmentBytes: 64 * KIB })];
  const own = managers.open({});
  const [fa, fb, fo] = [a, b, own].map((manager) => manager?.alloc(200_000) ?? 0);
  expect([fa, fb, fo].map((f) => fifos.segmentOf(f))).toEqual([1, 2, 0]);
  expect([fifos.write(fa, bytes, 0, 200_000), fifos.write(fb, bytes, 0, 1000)]).toEqual([64 * KIB, 1000]);
  expect([a?.pressure, b?.pressure]).toEqual(["no-memory", "no-pressure"]);
  expect(fifos.write(fo, bytes, 0, 1000)).toBe(1000);
});

test("without room for the first segment there is no manager, and nothing is taken", () => {
  const { fifos, managers } = setUp(1 << 20, 2);
  const free = fifos.pages.freeBytes;
  expect(managers.open({ segmentBytes: 2 << 20 })).toBeUndefined();
  expect(fifos.pages.freeBytes).toBe(free);
  expect(managers.open({ segmentBytes: 64 * KIB })).toBeDefined();
  expect(managers.open({ segmentBytes: 64 * KIB })).toBeUndefined();
  expect(fifos.pages.freeBytes).toBe(free - 64 * KIB);
});

test("options out of range are none", () => {
  const segmentBytes = 1 << 20;
  for (const good of [
    {},
    { segmentBytes },
    { segmentBytes, addSegmentBytes: 65_536, maxFifoMemoryBytes: 1 << 30 },
    { segmentBytes, highWatermark: 100, lowWatermark: 0 },
  ]) {
    expect(areSegmentOptions(good)).toBe(true);
  }
  for (const bad of [
    { segmentBytes: 65_535 },
    { segmentBytes: (1 << 30) + 1 },
    { segmentBytes: 1e6 + 0.5 },
    { segmentBytes: Number.NaN },
    { segmentBytes, addSegmentBytes: 0 },
    { segmentBytes, maxFifoMemoryBytes: 65_536 },
    { maxFifoMemoryBytes: 1 << 20 },
    { addSegmentBytes: 1 << 20 },
    { segmentBytes, highWatermark: 101 },
    { segmentBytes, lowWatermark: -1 },
    { segmentBytes, highWatermark: 40, lowWatermark: 50 },
  ]) {
    expect(areSegmentOptions(bad)).toBe(false);
  }
});
