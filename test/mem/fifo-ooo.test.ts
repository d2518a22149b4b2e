import { describe, expect, test } from "vitest";
import type { FifoOffset } from "../../src/mem/fifo-layout.js";
import { type Bench, bench, bytesAt, fill } from "./fifo-model.js";

// The cases of VPP's unittest/svm_fifo_test.c, by their names there, and what RFC 2018 needs of the intervals.

function setUp(capBytes: number, position = 0, limits = {}): { b: Bench; f: FifoOffset } {
  const b = bench(4 << 20, limits);
  const f = b.segment.allocFifo(capBytes);
  b.segment.initPositions(f, position);
  fill(b, 5000, 1);
  return { b, f };
}

/** Stores bytes [at, at + len) of the source at that distance from `origin`, as VPP's tests do. */
function store({ b, f }: { b: Bench; f: FifoOffset }, at: number, len: number, origin: number): number {
  return b.segment.enqueueOoo(f, (at - (b.segment.tail(f) - origin)) | 0, b.src + at, len);
}

function intervals(b: Bench, f: FifoOffset): number[] {
  const out = new Int32Array(1024);
  return Array.from(out.subarray(0, 2 * b.segment.oooIntervals(f, out, 512)));
}

function newest(b: Bench, f: FifoOffset, max = 512): number[] {
  const out = new Int32Array(1024);
  return Array.from(out.subarray(0, 2 * b.segment.oooNewest(f, out, max)));
}

function expectData(b: Bench, f: FifoOffset, len: number): void {
  expect(b.segment.peek(f, 0, b.dst, len)).toBe(len);
  expect(bytesAt(b.window, b.dst, len)).toEqual(bytesAt(b.window, b.src, len));
  expect(b.segment.validate(f)).toBeUndefined();
}

describe("svm_fifo_test", () => {
  test("fifo1: words in order and ahead, painted backwards, joined by the missing one", () => {
    const s = setUp(1 << 20);
    const { b, f } = s;
    expect(b.segment.enqueue(f, b.src, 4)).toBe(4);
    expect(b.segment.enqueue(f, b.src + 4, 4)).toBe(4);
    for (const word of [3, 5]) expect(store(s, word * 4, 4, 0)).toBe(4);
    expect(b.segment.oooCount(f)).toBe(2);
    expect(store(s, 12, 4, 0)).toBe(4);
    expect(b.segment.oooCount(f)).toBe(2);
    for (const word of [6, 4]) expect(store(s, word * 4, 4, 0)).toBe(4);
    expect(intervals(b, f)).toEqual([4, 16]);
    expect(b.segment.enqueue(f, b.src + 8, 4)).toBe(20);
    expect(b.segment.oooCount(f)).toBe(0);
    expectData(b, f, 28);
    expect(b.segment.peek(f, 28, b.dst, 10)).toBe(0);
  });

  test("fifo1: the last out-of-order segment overlaps all others", () => {
    const s = setUp(1 << 20);
    const { b, f } = s;
    for (let i = 0; i < 4; i++) store(s, (2 * i + 1) * 4, 4, 0);
    expect(b.segment.enqueueOoo(f, 8, b.src + 8, 21)).toBe(21);
    expect(b.segment.oooCount(f)).toBe(1);
    expect(b.segment.enqueue(f, b.src, 4)).toBe(32);
    expectData(b, f, 32);
  });

  test("fifo1: an in-order enqueue overlaps several and ends inside the last", () => {
    const s = setUp(1 << 20);
    const { b, f } = s;
    for (let i = 0; i < 4; i++) store(s, (2 * i + 1) * 4, 4, 0);
    expect(b.segment.enqueue(f, b.src, 29)).toBe(32);
    expect(b.segment.oooCount(f)).toBe(0);
    expectData(b, f, 32);
  });

  test("fifo2: a long pattern of 8-byte segments, sorted and not, is one interval at 4", () => {
    // Offsets 4, 12, ... 2996 in eight columns, as in VPP's recorded pattern.
    const pattern: number[] = [];
    for (let at = 4; at < 3000; at += 8) pattern.push(at);
    const columns = [...pattern].sort((x, y) => (y % 388) - (x % 388) || x - y);
    for (const order of [pattern, columns]) {
      const s = setUp(1 << 20, 0, { maxOooPerFifo: 400 });
      const { b, f } = s;
      for (const at of order) expect(store(s, at, Math.min(8, 3000 - at), 0)).toBeGreaterThan(0);
      expect(intervals(b, f)).toEqual([4, 2996]);
      expect(b.segment.enqueue(f, b.src, 4)).toBe(3000);
      expectData(b, f, 3000);
    }
  });

  test("fifo3: shuffled segments with and without overlap, at several starting positions", () => {
    let random = 0xdeaddabe;
    const next = (n: number) => {
      random = (Math.imul(random, 1664525) + 1013904223) | 0;
      return (random >>> 8) % n;
    };
    for (const overlap of [false, true]) {
      for (const position of [0, 3917, 0x7fffffff - 500, -700]) {
        const total = 2048;
        const size = 64;
        const s = setUp(4096, position, { maxOooPerFifo: 2000 });
        const { b, f } = s;
        const segments: number[][] = [];
        for (let at = 1; at < total; at += overlap ? 1 + next(size) : size) {
          segments.push([at, Math.min(size, total - at)]);
        }
        for (let i = 0; i < segments.length; i++) {
          const j = next(segments.length);
          [segments[i], segments[j]] = [segments[j], segments[i]];
        }
        for (const [at, len] of segments) expect(store(s, at, len, position)).toBe(len);
        expect(intervals(b, f)).toEqual([1, total - 1]);
        expect(b.segment.enqueue(f, b.src, overlap ? total : 1)).toBe(total);
        expect(b.segment.oooCount(f)).toBe(0);
        expectData(b, f, total);
        expect(overlap ? b.segment.drop(f, total) : b.segment.dequeue(f, b.dst, total)).toBe(total);
        expect(b.segment.inUse()).toBe(0);
      }
    }
  });

  test("fifo4: byte by byte from the end", () => {
    const position = 1000000000;
    const s = setUp(6 << 10, position);
    const { b, f } = s;
    for (let at = 4999; at > 0; at--) expect(store(s, at, 1, position)).toBe(1);
    expect(b.segment.oooCount(f)).toBe(1);
    expect(b.segment.enqueue(f, b.src, 1)).toBe(5000);
    expectData(b, f, 5000);
  });

  test("fifo5: order, merge and newest", () => {
    const s = setUp(400, 200);
    const { b, f } = s;
    store(s, 100, 100, 200);
    store(s, 300, 100, 200);
    expect(newest(b, f)).toEqual([300, 100, 100, 100]);
    store(s, 225, 50, 200);
    expect(intervals(b, f)).toEqual([100, 100, 225, 50, 300, 100]);
    expect(newest(b, f, 1)).toEqual([225, 50]);
    store(s, 190, 120, 200);
    expect(intervals(b, f)).toEqual([100, 300]);
    expect(b.segment.enqueue(f, b.src, 150)).toBe(400);
    expectData(b, f, 400);
  });

  test("fifo5: an interval swallowed from both sides", () => {
    const s = setUp(400);
    const { b, f } = s;
    store(s, 100, 100, 0);
    store(s, 50, 200, 0);
    expect(intervals(b, f)).toEqual([50, 200]);
  });

  test("fifo6: the tail and the start of an interval wrap, each alone", () => {
    for (const wrap of [0, -0x80000000]) {
      const s = setUp(100, (wrap - 1) | 0);
      const { b, f } = s;
      store(s, 10, 10, (wrap - 1) | 0);
      expect(intervals(b, f)).toEqual([10, 10]);
      expect(b.segment.enqueue(f, b.src, 10)).toBe(20);
      expectData(b, f, 20);
      b.segment.dropAll(f);
      expect(b.segment.initPositions(f, (wrap - 11) | 0)).toBe(true);
      b.segment.enqueueOoo(f, 5, b.src + 5, 15);
      expect(b.segment.enqueue(f, b.src, 12)).toBe(20);
      expectData(b, f, 20);
      b.segment.dropAll(f);
    }
  });

  test("fifo6: an interval that begins at the tail is absorbed by the next byte in order", () => {
    const s = setUp(100);
    const { b, f } = s;
    expect(b.segment.enqueueOoo(f, 0, b.src, 10)).toBe(10);
    expect(b.segment.maxDequeue(f)).toBe(0);
    expect(intervals(b, f)).toEqual([0, 10]);
    expect(b.segment.enqueue(f, b.src, 1)).toBe(10);
    expectData(b, f, 10);
  });

  test("fifo7: every other byte, then all of them, many times across the wrap", () => {
    const s = setUp(100, -1, { maxOooPerFifo: 64 });
    const { b, f } = s;
    for (let i = 0; i < 30; i++) {
      for (let at = 99; at > 0; at -= 2) {
        b.segment.enqueueOoo(f, at, b.src + at, 1);
        expect(b.segment.oooCount(f)).toBe((100 - at + 1) / 2);
      }
      b.segment.enqueueOoo(f, 1, b.src + 1, 99);
      expect(b.segment.oooCount(f)).toBe(1);
      expect(b.segment.enqueue(f, b.src, 1)).toBe(100);
      expectData(b, f, 100);
      expect(b.segment.dequeue(f, b.dst, 100)).toBe(100);
      b.segment.initPositions(f, (-1 - i) | 0);
    }
  });

  test("large: positions go round more than once", () => {
    const { b, f } = setUp(64 << 20, -1, { maxFifoBytes: 1 << 28 });
    const half = 1 << 17;
    let sum = 0;
    // Jumps of 512 MiB between the transfers stand for the bytes in between.
    for (let i = 0; i < 20; i++) {
      expect(b.segment.enqueueOoo(f, half, b.src, half)).toBe(half);
      expect(b.segment.enqueue(f, b.src, half)).toBe(2 * half);
      sum += b.segment.drop(f, 2 * half);
      expect(b.segment.inUse()).toBe(0);
      b.segment.initPositions(f, (b.segment.tail(f) + (1 << 29)) | 0);
    }
    expect(sum).toBe(20 * 2 * half);
  });

  test("grow: bytes ahead take chunks, in-order and out-of-order writes meet in any order of sizes", () => {
    const s = setUp(1 << 20);
    const { b, f } = s;
    fill(b, 1 << 18, 2);
    store(s, 200000, 3000, 0);
    expect(b.segment.ownedBytes(f)).toBeGreaterThanOrEqual(203000);
    store(s, 100000, 100000, 0);
    store(s, 5, 99000, 0);
    expect(b.segment.enqueue(f, b.src, 5)).toBe(99005);
    expect(b.segment.enqueue(f, b.src + 99005, 1000)).toBe(203000 - 99005);
    expectData(b, f, 203000);
  });

  test("make_rcv_wnd_zero: bytes ahead do not shrink the room that is announced", () => {
    const { b, f } = setUp(10000);
    b.segment.enqueueOoo(f, 5000, b.src, 5000);
    expect(b.segment.maxEnqueue(f)).toBe(10000);
    expect(b.segment.enqueueOoo(f, 5001, b.src, 5000)).toBe(0);
    expect(b.segment.enqueue(f, b.src, 5000)).toBe(10000);
    expect(b.segment.maxEnqueue(f)).toBe(0);
  });
});

describe("intervals", () => {
  test("the list by age is the order of SACK blocks (RFC 2018 section 4)", () => {
    const { b, f } = setUp(65536);
    for (const at of [1000, 5000, 3000, 7000]) b.segment.enqueueOoo(f, at, b.src, 100);
    expect(newest(b, f)).toEqual([7000, 100, 3000, 100, 5000, 100, 1000, 100]);
    // The segment just received extends an old block, or repeats one: that block comes first.
    b.segment.enqueueOoo(f, 5100, b.src, 100);
    expect(newest(b, f, 2)).toEqual([5000, 200, 7000, 100]);
    b.segment.enqueueOoo(f, 1010, b.src, 20);
    expect(newest(b, f, 3)).toEqual([1000, 100, 5000, 200, 7000, 100]);
    // Offsets follow the tail.
    expect(b.segment.enqueue(f, b.src, 500)).toBe(500);
    expect(newest(b, f, 1)).toEqual([500, 100]);
    expect(b.segment.oooBytes(f)).toBe(500);
  });

  test("the last store wins ahead of the tail; bytes before it never change", () => {
    const { b, f } = setUp(65536);
    const { u8 } = b.window;
    u8.fill(1, b.src, b.src + 100);
    b.segment.enqueue(f, b.src, 10);
    b.segment.enqueueOoo(f, 10, b.src, 20);
    u8.fill(2, b.src, b.src + 100);
    b.segment.enqueueOoo(f, 15, b.src, 10);
    u8.fill(3, b.src, b.src + 100);
    expect(b.segment.enqueue(f, b.src, 12)).toBe(30);
    b.segment.peek(f, 0, b.dst, 40);
    const want = [
      ...Array(10).fill(1),
      ...Array(12).fill(3),
      ...Array(3).fill(1),
      ...Array(10).fill(2),
      ...Array(5).fill(1),
    ];
    expect(bytesAt(b.window, b.dst, 40)).toEqual(want);
  });

  test("past the limit of a fifo a segment is refused and counted, unless it joins another", () => {
    const { b, f } = setUp(65536, 0, { maxOooPerFifo: 3 });
    for (const at of [1000, 3000, 5000]) expect(b.segment.enqueueOoo(f, at, b.src, 100)).toBe(100);
    expect(b.segment.enqueueOoo(f, 7000, b.src, 100)).toBe(0);
    expect(b.segment.enqueueOoo(f, 2000, b.src, 100)).toBe(0);
    expect(b.segment.enqueueOoo(f, 40000, b.src, 100)).toBe(0);
    expect(b.segment.stats().oooRefused).toBe(3);
    expect(b.segment.ownedBytes(f)).toBeLessThan(16384);
    expect(b.segment.enqueueOoo(f, 1100, b.src, 1900)).toBe(1900);
    expect(intervals(b, f)).toEqual([1000, 2100, 5000, 100]);
    expect(b.segment.enqueueOoo(f, 7000, b.src, 100)).toBe(100);
    expect(b.segment.validate(f)).toBeUndefined();
  });

  test("past the limit of the segment as well", () => {
    const b = bench(1 << 20, { maxOooRows: 4 });
    const fifos = [b.segment.allocFifo(65536), b.segment.allocFifo(65536)];
    for (const f of fifos) for (const at of [10, 30]) expect(b.segment.enqueueOoo(f, at, b.src, 10)).toBe(10);
    expect(b.segment.enqueueOoo(fifos[0], 50, b.src, 10)).toBe(0);
    expect(b.segment.stats()).toMatchObject({ oooIntervals: 4, oooRefused: 1 });
    b.segment.oooClear(fifos[1]);
    expect(b.segment.enqueueOoo(fifos[0], 50, b.src, 10)).toBe(10);
    for (const f of fifos) b.segment.freeFifo(f);
    expect(b.segment.stats()).toMatchObject({ oooIntervals: 0, bytesInUse: 0 });
  });

  test("clear forgets them and gives back the chunks that only they needed", () => {
    const { b, f } = setUp(1 << 20);
    b.segment.enqueue(f, b.src, 10);
    b.segment.enqueueOoo(f, 100000, b.src, 1000);
    b.segment.oooClear(f);
    expect(b.segment.ownedBytes(f)).toBe(1024);
    expect(b.segment.validate(f)).toBeUndefined();
    b.segment.dropAll(f);
    expect(b.segment.inUse()).toBe(0);
    b.segment.enqueueOoo(f, 100000, b.src, 1000);
    b.segment.oooClear(f);
    expect(b.segment.inUse()).toBe(0);
  });

  test("a reader that catches up with the tail leaves the bytes ahead alone", () => {
    const s = setUp(65536);
    const { b, f } = s;
    b.segment.enqueue(f, b.src, 1024);
    store(s, 2000, 100, 0);
    expect(b.segment.drop(f, 1024)).toBe(1024);
    expect(b.segment.ownedBytes(f)).toBeGreaterThan(0);
    expect(b.segment.validate(f)).toBeUndefined();
    expect(b.segment.enqueue(f, b.src + 1024, 976)).toBe(1076);
    b.segment.peek(f, 0, b.dst, 1076);
    expect(bytesAt(b.window, b.dst, 1076)).toEqual(bytesAt(b.window, b.src + 1024, 1076));
  });
});

describe("what is held already", () => {
  const held = (s: { b: Bench; f: FifoOffset }, offset: number, len: number): number[] | undefined => {
    const out = new Int32Array(4);
    return s.b.segment.oooOverlap(s.f, offset, len, out, 1) ? Array.from(out.subarray(1, 3)) : undefined;
  };

  test.each([0, -30, 0x7fff_fff0])("is found in part and as a whole, the first of it, from position %i", (position) => {
    const s = setUp(1 << 20, position);
    store(s, 100, 50, position);
    store(s, 200, 50, position);
    expect(held(s, 0, 100)).toBeUndefined();
    expect(held(s, 150, 50)).toBeUndefined();
    expect(held(s, 250, 50)).toBeUndefined();
    expect(held(s, 0, 101)).toEqual([100, 1]);
    expect(held(s, 149, 10)).toEqual([149, 1]);
    expect(held(s, 110, 20)).toEqual([110, 20]);
    expect(held(s, 90, 300)).toEqual([100, 50]);
    expect(held(s, 150, 300)).toEqual([200, 50]);
    expect(held(s, -20, 130)).toEqual([100, 10]);
  });

  test("is nothing in an empty fifo", () => {
    expect(held(setUp(1000), 0, 1000)).toBeUndefined();
  });
});
