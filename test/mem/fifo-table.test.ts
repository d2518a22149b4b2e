import { describe, expect, test } from "vitest";
import { FIFO_BYTES } from "../../src/mem/fifo-layout.js";
import { FifoTable } from "../../src/mem/fifo-table.js";
import { MemoryWindow } from "../../src/mem/window.js";
import { bench, bytesAt, fill, spanBytes } from "./fifo-model.js";

describe("a fifo and its memory", () => {
  test("an idle fifo owns no chunk: the first byte takes one, the last gives it back", () => {
    const { segment, src, dst } = bench(1 << 20);
    const f = segment.allocFifo(65536);
    expect(segment.ownedBytes(f)).toBe(0);
    expect(segment.enqueue(f, src, 1)).toBe(1);
    expect(segment.ownedBytes(f)).toBe(1024);
    expect(segment.inUse()).toBe(1024);
    expect(segment.dequeue(f, dst, 10)).toBe(1);
    expect(segment.ownedBytes(f)).toBe(0);
    expect(segment.inUse()).toBe(0);
    expect(segment.validate(f)).toBeUndefined();
  });

  test("each way of draining gives the chunk back", () => {
    const { segment, src, dst } = bench(1 << 20);
    const f = segment.allocFifo(65536);
    const out = new Uint8Array(3000);
    const drains = [
      () => segment.drop(f, 3000),
      () => segment.dropAll(f),
      () => segment.read(f, out, 0, 3000),
      () => segment.dequeue(f, dst, 3000),
    ];
    for (const drain of drains) {
      segment.enqueue(f, src, 3000);
      expect(segment.inUse()).toBe(4096);
      expect(drain()).toBe(3000);
      expect(segment.inUse()).toBe(0);
    }
  });

  test("chunks are given back as the head leaves them, not only at the end", () => {
    const { segment, src } = bench(1 << 20);
    const f = segment.allocFifo(1 << 18);
    for (let i = 0; i < 2; i++) segment.enqueue(f, src, 65536);
    expect(segment.ownedBytes(f)).toBe(131072);
    segment.drop(f, 65535);
    expect(segment.ownedBytes(f)).toBe(131072);
    segment.drop(f, 1);
    expect(segment.ownedBytes(f)).toBe(65536);
    expect(segment.validate(f)).toBeUndefined();
  });

  test("many small writes grow into large chunks", () => {
    const { segment, src } = bench(4 << 20);
    const f = segment.allocFifo(1 << 20);
    const sizes: number[] = [];
    let owned = 0;
    for (let i = 0; i < 700; i++) {
      segment.enqueue(f, src, 1000);
      if (segment.ownedBytes(f) !== owned) sizes.push(segment.ownedBytes(f) - owned);
      owned = segment.ownedBytes(f);
    }
    expect(sizes.slice(0, 8)).toEqual([1024, 1024, 2048, 4096, 8192, 16384, 32768, 65536]);
    expect(sizes.slice(8).every((size) => size === 65536)).toBe(true);
  });

  test("bulk: any 64 KiB of superframes lie in at most 2 spans, and the same few chunks are used again", () => {
    const { segment, src } = bench(16 << 20);
    const f = segment.allocFifo(1 << 19);
    const out = new Int32Array(8);
    let most = 0;
    for (let i = 0; i < 200; i++) {
      while (segment.maxEnqueue(f) > 0) segment.enqueue(f, src, 65160);
      for (let at = 0; at + 65536 <= segment.maxDequeue(f); at += 30000) {
        most = Math.max(most, segment.spans(f, at, 65536, out, 4));
      }
      segment.drop(f, 65483 * 3);
      expect(segment.validate(f)).toBeUndefined();
    }
    expect(most).toBe(2);
    expect(segment.stats().highWaterBytes).toBeLessThanOrEqual((1 << 19) + 2 * 65536);
    expect(segment.stats().splits).toBe(0);
  });

  test("the smallest chunk can be set per fifo", () => {
    const { segment, src } = bench(16 << 20);
    const f = segment.allocFifo(1 << 18);
    segment.setMinAllocBytes(f, 65536);
    segment.enqueue(f, src, 1);
    expect(segment.ownedBytes(f)).toBe(65536);
    segment.dropAll(f);
    segment.setMinAllocBytes(f, 1 << 30);
    segment.enqueue(f, src, 1);
    expect(segment.ownedBytes(f)).toBe(4 << 20);
    segment.dropAll(f);
    segment.setMinAllocBytes(f, -1);
    segment.enqueue(f, src, 1);
    expect(segment.ownedBytes(f)).toBe(1024);
  });

  test("freeing a fifo gives back unread bytes, bytes ahead of the tail and lent room", () => {
    const { segment, src } = bench(1 << 20);
    const f = segment.allocFifo(65536);
    segment.enqueue(f, src, 5000);
    segment.enqueueOoo(f, 10000, src, 5000);
    segment.reserve(f, 100, new Int32Array(8), 4);
    segment.freeFifo(f);
    expect(segment.inUse()).toBe(0);
    expect(segment.stats()).toMatchObject({ activeFifos: 0, oooIntervals: 0 });
    expect(segment.maxEnqueue(f)).toBe(0);
    expect(segment.enqueue(f, src, 10)).toBe(0);
  });
});

describe("caps", () => {
  test("enqueue takes what the cap allows", () => {
    const { segment, src } = bench(1 << 20);
    const f = segment.allocFifo(1000);
    expect(segment.enqueue(f, src, 700)).toBe(700);
    expect(segment.maxEnqueue(f)).toBe(300);
    expect(segment.enqueue(f, src, 700)).toBe(300);
    expect(segment.enqueue(f, src, 700)).toBe(0);
    expect(segment.maxDequeue(f)).toBe(1000);
  });

  test("a cap below what the fifo holds keeps it and takes nothing", () => {
    const { segment, src } = bench(1 << 20);
    const f = segment.allocFifo(10000);
    segment.enqueue(f, src, 8000);
    segment.setCapBytes(f, 3000);
    expect(segment.capBytes(f)).toBe(3000);
    expect(segment.maxEnqueue(f)).toBe(0);
    expect(segment.enqueue(f, src, 1)).toBe(0);
    expect(segment.enqueueOoo(f, 0, src, 1)).toBe(0);
    segment.drop(f, 5001);
    expect(segment.enqueue(f, src, 10)).toBe(1);
  });

  test("caps are clamped", () => {
    const { segment } = bench(1 << 20, { maxFifoBytes: 100000 });
    const f = segment.allocFifo(1e9);
    expect(segment.capBytes(f)).toBe(100000);
    segment.setCapBytes(f, -5);
    expect(segment.capBytes(f)).toBe(1);
    segment.setCapBytes(f, Number.NaN);
    expect(segment.capBytes(f)).toBe(1);
  });

  test("lengths that make no sense move nothing", () => {
    const { segment, src, dst, window } = bench(1 << 20);
    const f = segment.allocFifo(10000);
    segment.enqueue(f, src, 100);
    const out = new Int32Array(8);
    for (const n of [0, -1, -0x80000000, Number.NaN]) {
      expect(segment.enqueue(f, src, n)).toBe(0);
      expect(segment.enqueueOoo(f, 5, src, n)).toBe(0);
      expect(segment.write(f, window.u8, 0, n)).toBe(0);
      expect(segment.dequeue(f, dst, n)).toBe(0);
      expect(segment.read(f, new Uint8Array(4), 0, n)).toBe(0);
      expect(segment.peek(f, 0, dst, n)).toBe(0);
      expect(segment.drop(f, n)).toBe(0);
      expect(segment.spans(f, 0, n, out, 4)).toBe(0);
      expect(segment.reserve(f, n, out, 4)).toBe(0);
      expect(segment.commit(f, n)).toBe(0);
    }
    expect(segment.enqueueOoo(f, -1, src, 5)).toBe(0);
    expect(segment.enqueueOoo(f, 0x7fffffff, src, 0x7fffffff)).toBe(0);
    expect(segment.peek(f, -1, dst, 5)).toBe(0);
    expect(segment.peek(f, 100, dst, 5)).toBe(0);
    expect(segment.maxDequeue(f)).toBe(100);
    expect(segment.validate(f)).toBeUndefined();
  });

  test("the application's arrays bound what is copied", () => {
    const { segment } = bench(1 << 20);
    const f = segment.allocFifo(10000);
    expect(segment.write(f, new Uint8Array(50), 20, 100)).toBe(30);
    expect(segment.write(f, new Uint8Array(50), 60, 10)).toBe(0);
    expect(segment.write(f, new Uint8Array(50), -1, 10)).toBe(0);
    expect(segment.read(f, new Uint8Array(10), 4, 100)).toBe(6);
    expect(segment.read(f, new Uint8Array(10), 11, 100)).toBe(0);
    expect(segment.maxDequeue(f)).toBe(24);
  });
});

describe("in place", () => {
  test("reserve lends room, commit makes it readable", () => {
    const b = bench(1 << 20);
    const { segment, window } = b;
    const f = segment.allocFifo(65536);
    segment.enqueue(f, b.src, 1000);
    const out = new Int32Array(10);
    const n = segment.reserve(f, 3000, out, 4, 2);
    expect(n).toBe(2);
    expect([out[3], out[5]]).toEqual([24, 2976]);
    fill(b, 3000, 5);
    window.u8.copyWithin(out[2], b.src, b.src + 24);
    window.u8.copyWithin(out[4], b.src + 24, b.src + 3000);
    expect(segment.maxDequeue(f)).toBe(1000);
    expect(segment.commit(f, 2000)).toBe(2000);
    segment.drop(f, 1000);
    expect(spanBytes(window, out, segment.spans(f, 0, 9999, out, 4))).toEqual(bytesAt(window, b.src, 2000));
    expect(segment.commit(f, 1)).toBe(0);
    expect(segment.validate(f)).toBeUndefined();
  });

  test("a consumer that drains the fifo meanwhile does not take the lent room away", () => {
    const b = bench(1 << 20);
    const { segment, window } = b;
    const f = segment.allocFifo(65536);
    segment.enqueue(f, b.src, 1024);
    const out = new Int32Array(8);
    segment.reserve(f, 10, out, 4);
    expect(segment.dropAll(f)).toBe(1024);
    expect(segment.validate(f)).toBeUndefined();
    const other = segment.allocFifo(65536);
    segment.enqueue(other, b.src, 1024);
    window.u8.fill(7, out[0], out[0] + 10);
    expect(segment.commit(f, 10)).toBe(10);
    const seen = new Uint8Array(10);
    segment.read(f, seen, 0, 10);
    expect(Array.from(seen)).toEqual(new Array(10).fill(7));
    expect(segment.ownedBytes(f)).toBe(0);
  });

  test("committing nothing gives the room back", () => {
    const { segment } = bench(1 << 20);
    const f = segment.allocFifo(65536);
    segment.reserve(f, 30000, new Int32Array(8), 4);
    expect(segment.inUse()).toBe(32768);
    segment.commit(f, 0);
    expect(segment.inUse()).toBe(0);
  });

  test("an enqueue between reserve and commit cannot make the fifo show memory it does not own", () => {
    const { segment, src } = bench(1 << 20);
    const f = segment.allocFifo(65536);
    segment.reserve(f, 1024, new Int32Array(8), 4);
    segment.enqueue(f, src, 1024);
    expect(segment.commit(f, 1024)).toBe(0);
    expect(segment.validate(f)).toBeUndefined();
    segment.reserve(f, 2000, new Int32Array(8), 4);
    segment.enqueue(f, src, 3000);
    segment.dropAll(f);
    segment.commit(f, 2000);
    expect(segment.validate(f)).toBeUndefined();
    segment.dropAll(f);
    segment.reserve(f, 1024, new Int32Array(8), 4);
    segment.enqueue(f, src, 1024);
    expect(segment.dropAll(f)).toBe(1024);
    expect(segment.commit(f, 1024)).toBe(0);
    expect(segment.validate(f)).toBeUndefined();
    expect(segment.inUse()).toBe(0);
  });

  test("overwriteHead rewrites unread bytes across chunks", () => {
    const b = bench(1 << 20);
    const { segment, window } = b;
    const f = segment.allocFifo(65536);
    segment.enqueue(f, b.src, 1020);
    segment.enqueue(f, b.src, 1000);
    segment.drop(f, 1000);
    fill(b, 48, 9);
    expect(segment.overwriteHead(f, b.src, 48)).toBe(true);
    segment.peek(f, 0, b.dst, 48);
    expect(bytesAt(window, b.dst, 48)).toEqual(bytesAt(window, b.src, 48));
    expect(segment.overwriteHead(f, b.src, 1021)).toBe(false);
  });
});

describe("limits", () => {
  test("a segment hands out maxFifos fifos, counts what it refuses, and reuses the one freed last", () => {
    const { segment, src } = bench(1 << 20, { maxFifos: 3 });
    const fifos = [segment.allocFifo(1), segment.allocFifo(1), segment.allocFifo(1)];
    expect(fifos.map((f) => f - fifos[0])).toEqual([0, FIFO_BYTES, 2 * FIFO_BYTES]);
    expect(segment.allocFifo(1)).toBe(0);
    segment.enqueue(fifos[1], src, 1);
    segment.freeFifo(fifos[0]);
    segment.freeFifo(fifos[1]);
    const again = segment.allocFifo(500);
    expect(again).toBe(fifos[1]);
    expect([segment.maxDequeue(again), segment.capBytes(again)]).toEqual([0, 500]);
    expect(segment.stats()).toMatchObject({ activeFifos: 2, fifoFailures: 1, maxFifos: 3 });
    expect(segment.allocFifo(1)).toBe(fifos[0]);
    expect(segment.allocFifo(1)).toBe(0);
  });

  test("things that are not live fifos are recognised", () => {
    const { segment } = bench(1 << 20);
    const f = segment.allocFifo(1);
    expect(segment.isFifo(f)).toBe(true);
    for (const wrong of [0, -1, f + 4, f + 64, f + FIFO_BYTES, f - FIFO_BYTES, 0x7fffffff]) {
      expect(segment.isFifo(wrong)).toBe(false);
      segment.freeFifo(wrong);
    }
    segment.freeFifo(f);
    segment.freeFifo(f);
    expect(segment.stats()).toMatchObject({ badFifos: 8, activeFifos: 0 });
  });

  test("without memory enqueue takes less, refuses all-or-nothing calls, and recovers", () => {
    const { segment, src } = bench(64 << 10, { maxFifos: 2 });
    const capacity = segment.stats().capacityBytes;
    const hog = segment.allocFifo(1 << 20);
    const f = segment.allocFifo(1 << 20);
    segment.enqueue(f, src, 100);
    const taken = segment.enqueue(hog, src, 1 << 18);
    expect(taken).toBe(capacity - 1024);
    expect(segment.inUse()).toBe(capacity);
    expect(segment.enqueue(hog, src, 1)).toBe(0);
    expect(segment.enqueue(f, src, 2000)).toBe(924);
    expect(segment.enqueueOoo(f, 10, src, 10)).toBe(0);
    expect(segment.enqueueSpans(f, Int32Array.of(src, 10), 0, 1)).toBe(0);
    expect(segment.writeAll(f, src, 4, new Uint8Array(4), 0, 4)).toBe(0);
    expect(segment.stats().shortEnqueues).toBe(6);
    expect(segment.validate(f)).toBeUndefined();
    segment.freeFifo(hog);
    expect(segment.enqueue(f, src, 2000)).toBe(2000);
    segment.dropAll(f);
    expect(segment.inUse()).toBe(0);
    expect(segment.stats().highWaterBytes).toBe(capacity);
  });

  test("a refused all-or-nothing call leaves no chunk behind", () => {
    const { segment, src } = bench(64 << 10, { maxFifos: 2 });
    const f = segment.allocFifo(1 << 20);
    expect(segment.enqueueOoo(f, 100000, src, 10)).toBe(0);
    expect(segment.enqueueSpans(f, Int32Array.of(src, 100000), 0, 1)).toBe(0);
    expect(segment.inUse()).toBe(0);
    segment.enqueue(f, src, 10);
    expect(segment.enqueueOoo(f, 100000, src, 10)).toBe(0);
    expect(segment.inUse()).toBe(1024);
  });

  test("parameters out of range throw", () => {
    const window = MemoryWindow.plain(1 << 20);
    const base = window.reserve("segment", 1 << 19, 4096);
    const make = (at: number, bytes: number, limits: object) => () =>
      new FifoTable(window, at, bytes, { maxFifos: 4, ...limits });
    expect(make(base + 64, 4096, {})).toThrow(RangeError);
    expect(make(0, 1 << 19, {})).toThrow(RangeError);
    expect(make(base, 1 << 20, {})).toThrow(RangeError);
    expect(make(base, 2000, {})).toThrow(RangeError);
    expect(make(base, 1 << 19, { maxFifos: 0 })).toThrow(RangeError);
    expect(make(base, 1 << 19, { maxFifos: 1.5 })).toThrow(RangeError);
    expect(make(base, 1 << 19, { maxOooPerFifo: -1 })).toThrow(RangeError);
    expect(make(base, 1 << 19, { maxFifoBytes: 2 ** 31 })).toThrow(RangeError);
    expect(make(base, 1 << 19, { maxFifos: 10000 })).toThrow(RangeError);
  });

  test("a segment can be made anew over used memory", () => {
    const window = MemoryWindow.plain(4 << 20);
    const limits = { maxFifos: 4 };
    const base = window.reserve("segment", 1 << 20, 4096);
    for (let round = 0; round < 3; round++) {
      const segment = new FifoTable(window, base, 1 << 20, limits);
      for (let i = 0; i < 4; i++) {
        const f = segment.allocFifo(1 << 20);
        expect(segment.isFifo(f + FIFO_BYTES)).toBe(false);
        expect(segment.write(f, new Uint8Array(70000 + i), 0, 1 << 20)).toBe(70000 + i);
        expect(segment.enqueueOoo(f, 3000, base, 1000)).toBe(1000);
        expect(segment.validate(f)).toBeUndefined();
      }
      expect(segment.pool(0)?.validate()).toBeUndefined();
      expect(segment.stats().oooIntervals).toBe(4);
    }
  });
});

test("nothing is written outside the segment and the private rows", () => {
  const window = MemoryWindow.plain(4 << 20);
  const before = window.reserve("before", 4096, 4096);
  const base = window.reserve("segment", 256 << 10, 4096);
  const after = window.reserve("after", 4096, 4096);
  window.u8.fill(0xa5, before, before + 4096);
  window.u8.fill(0xa5, after, after + 4096);
  const segment = new FifoTable(window, base, 256 << 10, { maxFifos: 2 });
  const f = segment.allocFifo(1 << 20);
  while (segment.write(f, new Uint8Array(5000).fill(0x11), 0, 5000) > 0);
  expect(segment.inUse()).toBe(segment.stats().capacityBytes);
  for (const at of [before, after]) {
    expect(window.u8.subarray(at, at + 4096).every((byte) => byte === 0xa5)).toBe(true);
  }
});

test("positions begin anywhere, and count on across the wrap", () => {
  const { segment, src } = bench(1 << 20);
  const f = segment.allocFifo(65536);
  segment.initPositions(f, 0x7ffffff0);
  segment.enqueue(f, src, 0x20);
  expect([segment.head(f), segment.tail(f)]).toEqual([0x7ffffff0, -0x7ffffff0]);
  expect(segment.initPositions(f, 0)).toBe(false);
});

describe("segments", () => {
  const KIB = 1024;
  const setUp = () => {
    const window = MemoryWindow.plain(4 << 20);
    const base = window.reserve("area", 1 << 20, 4096);
    const table = new FifoTable(window, base, 1 << 20, { maxFifos: 8, ownBytes: 64 * KIB, maxSegments: 3 });
    return { table, base };
  };

  test("a fifo's chunks come from its own segment, wherever its bytes go", () => {
    const { table, base } = setUp();
    const segment = table.addSegment(128 * KIB, 192 * KIB);
    expect(segment).toBe(1);
    const fifos = [table.allocFifo(1 << 20), table.allocFifo(1 << 20, segment)];
    const spans = new Int32Array(64);
    for (const [i, f] of fifos.entries()) {
      expect(table.write(f, new Uint8Array(40_000).fill(i + 1), 0, 40_000)).toBe(40_000);
      const pairs = table.spans(f, 0, 40_000, spans, 32);
      for (let pair = 0; pair < pairs; pair++) {
        const [from, to] = [spans[2 * pair] - base, spans[2 * pair] - base + spans[2 * pair + 1]];
        expect([from >= i * 128 * KIB, to <= i * 128 * KIB + 64 * KIB]).toEqual([true, true]);
      }
      expect(table.validate(f)).toBeUndefined();
      const got = new Uint8Array(40_000);
      expect(table.read(f, got, 0, 40_000)).toBe(40_000);
      expect(got.every((byte) => byte === i + 1)).toBe(true);
    }
    expect([table.inUse(), table.segmentOf(fifos[1]), table.fifosOf(0), table.fifosOf(1)]).toEqual([0, 1, 1, 1]);
  });

  test("one that is full leaves the others alone", () => {
    const { table } = setUp();
    const segment = table.addSegment(64 * KIB, 128 * KIB);
    const full = table.allocFifo(1 << 20, segment);
    expect(table.write(full, new Uint8Array(1 << 20), 0, 1 << 20)).toBe(64 * KIB);
    const own = table.allocFifo(1 << 20);
    expect(table.write(own, new Uint8Array(1 << 20), 0, 1 << 20)).toBe(63 * KIB);
    table.freeFifo(full);
    expect(table.pool(segment)?.bytesInUse).toBe(0);
    expect(table.inUse()).toBe(63 * KIB);
  });

  test("the last fifo gone, it can go, and its place and number are used again with nothing left of it", () => {
    const { table } = setUp();
    for (let round = 0; round < 3; round++) {
      const segment = table.addSegment(64 * KIB, (128 + 64 * round) * KIB);
      expect(segment).toBe(1);
      const f = table.allocFifo(1 << 20, segment);
      expect(table.delSegment(segment)).toBe(false);
      expect(table.write(f, new Uint8Array(50_000), 0, 50_000)).toBe(50_000);
      expect(table.pool(segment)?.validate()).toBeUndefined();
      table.freeFifo(f);
      expect(table.delSegment(segment)).toBe(true);
      expect([table.delSegment(segment), table.delSegment(0), table.stats().segments]).toEqual([false, false, 1]);
      expect(table.allocFifo(1000, segment)).toBe(0);
    }
    expect(table.stats().fifoFailures).toBe(3);
  });

  test("ranges that are not free for one are refused, and more of them than there may be", () => {
    const { table } = setUp();
    for (const [from, to] of [
      [0, 128 * KIB],
      [63 * KIB, 128 * KIB],
      [64 * KIB, 64 * KIB],
      [64 * KIB, (1 << 20) + KIB],
      [64 * KIB + 1, 128 * KIB],
      [64 * KIB, Number.NaN],
    ]) {
      expect(table.addSegment(from, to)).toBe(-1);
    }
    expect([table.addSegment(64 * KIB, 65 * KIB), table.addSegment(65 * KIB, 66 * KIB)]).toEqual([1, 2]);
    expect(table.addSegment(66 * KIB, 67 * KIB)).toBe(-1);
  });
});
