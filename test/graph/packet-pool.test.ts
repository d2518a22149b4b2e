import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  F_CHECKSUM_PARTIAL,
  FRAME_OFFSET,
  HEADROOM_BYTES,
  LARGE_FRAME_BYTES,
  M_DATA,
  M_FIB,
  M_FLAGS,
  M_GSO,
  M_L3,
  M_L4,
  M_LEN,
  M_REFS,
  M_RX_IF,
  M_SLOT,
  M_TAIL,
  M_TX_IF,
  MAX_TAILS,
  PacketPool,
  type PoolOptions,
  SMALL_FRAME_BYTES,
} from "../../src/graph/packet-pool.js";
import { MemoryWindow } from "../../src/mem/window.js";

function makePool(options: Partial<PoolOptions> = {}): PacketPool {
  return new PacketPool(MemoryWindow.plain(1 << 20), { small: 4, large: 2, poison: true, ...options });
}

function meta(pool: PacketPool, b: number, field: number): number {
  return pool.window.i32[pool.meta + (b << 4) + field];
}

function setMeta(pool: PacketPool, b: number, field: number, value: number): void {
  pool.window.i32[pool.meta + (b << 4) + field] = value;
}

/** Writes bytes at the packet's head. */
function write(pool: PacketPool, b: number, bytes: readonly number[]): void {
  pool.window.u8.set(bytes, meta(pool, b, M_DATA));
  setMeta(pool, b, M_LEN, bytes.length);
}

function span(pool: PacketPool, bytes: readonly number[]): number {
  const at = pool.window.reserve("span", bytes.length, 4);
  pool.window.u8.set(bytes, at);
  return at;
}

function read(pool: PacketPool, b: number): number[] {
  const at = pool.window.reserve("copy", pool.length(b), 4);
  return Array.from(pool.window.u8.slice(at, at + pool.gather(b, at)));
}

describe("slots", () => {
  it("come with one reference, empty, the frame where the IP header will be aligned", () => {
    const pool = makePool();
    const b = pool.alloc();
    expect(meta(pool, b, M_DATA) - meta(pool, b, M_SLOT)).toBe(FRAME_OFFSET);
    expect((meta(pool, b, M_DATA) + 14) & 3).toBe(0);
    expect([M_LEN, M_FLAGS, M_RX_IF, M_TX_IF, M_GSO, M_TAIL, M_REFS].map((field) => meta(pool, b, field))).toEqual([
      0, 0, -1, -1, 0, 0, 1,
    ]);
    expect(HEADROOM_BYTES).toBeLessThan(FRAME_OFFSET);
  });

  it("are all different and hold the longest frame of their size", () => {
    const pool = makePool({ small: 8, large: 3 });
    const all = [
      ...Array.from({ length: 8 }, () => pool.alloc()),
      ...Array.from({ length: 3 }, () => pool.allocLarge()),
    ];
    expect(new Set(all).size).toBe(11);
    for (const [i, b] of all.entries()) {
      const data = meta(pool, b, M_DATA);
      pool.window.u8.fill(i, data, data + (b < pool.smallCount ? SMALL_FRAME_BYTES : LARGE_FRAME_BYTES));
    }
    for (const [i, b] of all.entries()) {
      const data = meta(pool, b, M_DATA);
      const last = b < pool.smallCount ? SMALL_FRAME_BYTES : LARGE_FRAME_BYTES;
      expect([pool.window.u8[data], pool.window.u8[data + last - 1]]).toEqual([i, i]);
    }
  });

  it("are recycled last in, first out, and poisoned in between", () => {
    const pool = makePool();
    const [a, b] = [pool.alloc(), pool.alloc()];
    write(pool, a, [1, 2, 3]);
    pool.free(b);
    pool.free(a);
    const data = meta(pool, a, M_DATA);
    expect(pool.window.u8.slice(data, data + 3)).toEqual(Uint8Array.of(0xdb, 0xdb, 0xdb));
    expect(pool.alloc()).toBe(a);
    expect(pool.alloc()).toBe(b);
  });

  it("run out without harm", () => {
    const pool = makePool({ small: 1, large: 1 });
    expect([pool.alloc(), pool.alloc(), pool.allocLarge(), pool.allocLarge()]).toEqual([0, -1, 1, -1]);
    expect(pool.exhausted).toBe(2);
    pool.free(1);
    expect([pool.freeSmall, pool.freeLarge, pool.largeCount, pool.capacity]).toEqual([0, 1, 1, 2]);
  });

  it("are chosen by length; a large one stands in for a small one", () => {
    const pool = makePool({ small: 1, large: 2 });
    expect(pool.allocFor(SMALL_FRAME_BYTES)).toBe(0);
    expect(pool.allocFor(SMALL_FRAME_BYTES)).toBe(1);
    expect(pool.allocFor(LARGE_FRAME_BYTES)).toBe(2);
    pool.free(1);
    expect(pool.allocFor(LARGE_FRAME_BYTES + 1)).toBe(-1);
    expect(pool.allocFor(60)).toBe(1);
    expect(pool.exhausted).toBe(1);
  });

  it("are free when the last reference goes; one free too many is counted", () => {
    const pool = makePool();
    const b = pool.alloc();
    pool.retain(b);
    pool.free(b);
    expect(pool.inUse()).toEqual([b]);
    pool.free(b);
    expect(pool.inUse()).toEqual([]);
    pool.free(b);
    expect(pool.doubleFrees).toBe(1);
    expect([pool.alloc(), pool.alloc(), pool.alloc(), pool.alloc(), pool.alloc()]).toEqual([b, 1, 2, 3, -1]);
  });
});

it.each([true, false])("freeAll does what free does for each, poison %s", (poison) => {
  const pool = makePool({ small: 4, large: 2, ring: 1, poison });
  const ring: number[] = [];
  const r = pool.addRing(pool.window.reserve("ring", 2048), 2048, 1, (slot) => ring.push(slot));
  const [a, b, c] = [pool.alloc(), pool.alloc(), pool.alloc()];
  const large = pool.allocLarge();
  pool.takeRing(r, meta(pool, r, M_SLOT), 60);
  pool.retain(b);
  pool.freeAll(Int32Array.of(a, large, b, r, c, a), 6);
  expect(pool.inUse()).toEqual([b]);
  expect(ring).toEqual([0]);
  expect(pool.doubleFrees).toBe(1);
  expect([pool.freeSmall, pool.freeLarge]).toEqual([3, 2]);
  expect([pool.alloc(), pool.alloc()]).toEqual([c, a]);
});

describe("tails", () => {
  it("are at most four, and count for the length", () => {
    const pool = makePool();
    const b = pool.alloc();
    write(pool, b, [1]);
    const spans = [[2, 3], [4], [5, 6, 7], [8]];
    for (const bytes of spans) expect(pool.addTail(b, span(pool, bytes), bytes.length)).toBe(true);
    expect(pool.addTail(b, span(pool, [9]), 1)).toBe(false);
    expect(spans.length).toBe(MAX_TAILS);
    expect(pool.length(b)).toBe(8);
    expect(read(pool, b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("of a whole superframe fit the length field", () => {
    const pool = makePool();
    const b = pool.alloc();
    setMeta(pool, b, M_LEN, 54);
    for (let i = 0; i < 4; i++) pool.addTail(b, 64, 16_384);
    expect(pool.length(b)).toBe(54 + 65_536);
    expect(meta(pool, b, M_TAIL) >>> 24).toBe(4);
  });
});

describe("linearize", () => {
  it("leaves a packet without tails alone", () => {
    const pool = makePool();
    const b = pool.alloc();
    write(pool, b, [1, 2]);
    expect(pool.linearize(b)).toBe(b);
  });

  it("copies heads and tails into a slot of their own, with the metadata, and frees the old slot", () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(
        fc.integer({ min: 40, max: 1400 }),
        sizes,
        fc.integer({ min: -60, max: 60 }),
        (head, tails, shift) => {
          const pool = makePool();
          const b = pool.alloc();
          setMeta(pool, b, M_DATA, meta(pool, b, M_DATA) + shift);
          write(
            pool,
            b,
            Array.from({ length: head }, (_, i) => i & 255),
          );
          setMeta(pool, b, M_L3, meta(pool, b, M_DATA) + 14);
          setMeta(pool, b, M_L4, meta(pool, b, M_DATA) + 34);
          setMeta(pool, b, M_FLAGS, F_CHECKSUM_PARTIAL);
          setMeta(pool, b, M_GSO, 1448);
          setMeta(pool, b, M_TX_IF, 5);
          setMeta(pool, b, M_FIB, 6);
          for (const [i, bytes] of tails.entries()) {
            pool.addTail(
              b,
              span(
                pool,
                Array.from({ length: bytes }, (_, at) => (at * (i + 3)) & 255),
              ),
              bytes,
            );
          }
          const before = read(pool, b);
          const c = pool.linearize(b);
          expect(read(pool, c)).toEqual(before);
          expect(meta(pool, c, M_LEN)).toBe(before.length);
          expect(meta(pool, c, M_TAIL)).toBe(0);
          expect(meta(pool, c, M_L3) - meta(pool, c, M_DATA)).toBe(14);
          expect(meta(pool, c, M_L4) - meta(pool, c, M_DATA)).toBe(34);
          expect([M_FLAGS, M_GSO, M_TX_IF, M_FIB, M_REFS].map((field) => meta(pool, c, field))).toEqual([
            F_CHECKSUM_PARTIAL,
            1448,
            5,
            6,
            1,
          ]);
          expect(pool.inUse()).toEqual([c]);
        },
      ),
      { numRuns: 60, seed: 6 },
    );
  });

  it("leaves the packet as it was when no slot is left", () => {
    const pool = makePool({ small: 1, large: 0 });
    const b = pool.alloc();
    write(pool, b, [1]);
    pool.addTail(b, span(pool, [2, 3]), 2);
    expect(pool.linearize(b)).toBe(-1);
    expect(read(pool, b)).toEqual([1, 2, 3]);
    expect(pool.inUse()).toEqual([b]);
  });
});

describe("ring slots", () => {
  it("go back to their device", () => {
    const pool = makePool({ ring: 5 });
    const base = pool.window.reserve("ring", 3 * 2048);
    const released: number[] = [];
    const others: number[] = [];
    const first = pool.addRing(base, 2048, 3, (slot) => released.push(slot));
    const second = pool.addRing(base, 2048, 2, (slot) => others.push(slot));
    expect([first, second]).toEqual([6, 9]);
    pool.takeRing(first + 2, base + 2 * 2048 + 100, 77);
    expect(meta(pool, first + 2, M_DATA)).toBe(base + 4196);
    expect(meta(pool, first + 2, M_LEN)).toBe(77);
    expect(meta(pool, first + 2, M_SLOT)).toBe(base + 4096);
    pool.takeRing(second, base + 100, 1);
    pool.retain(first + 2);
    pool.free(first + 2);
    expect(released).toEqual([]);
    pool.free(first + 2);
    pool.free(second);
    expect([released, others]).toEqual([[2], [0]]);
    expect(() => pool.addRing(base, 2048, 1, () => {})).toThrow(RangeError);
  });
});
