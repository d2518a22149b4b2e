import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CHUNK_CLASSES, CHUNK_MAX_BYTES, ChunkPool, D_FREE, D_STATE } from "../../src/mem/chunk-pool.js";
import { MemoryWindow } from "../../src/mem/window.js";

const DATA_REL = 4096;
const places = new WeakMap<ChunkPool, { i32: Int32Array; descriptors: number }>();

function pool(units: number, keepBytes = 0, descriptorWord = 0): ChunkPool {
  const window = MemoryWindow.plain(units * 16 + (1 << 16));
  const { i32 } = window;
  const header = window.reserve("header", 4096) >> 2;
  const bytes = ((DATA_REL >> 10) + units) * 16;
  const descriptors = window.reserve("descriptors", bytes) >> 2;
  i32.fill(descriptorWord, descriptors, descriptors + (bytes >> 2));
  i32.fill(descriptorWord, header, header + 100);
  const made = new ChunkPool(window, { header, descriptors, dataRel: DATA_REL, units, keepBytes });
  places.set(made, { i32, descriptors });
  return made;
}

/** Bytes of a chunk in use, by its descriptor. */
function sizeOf(p: ChunkPool, ref: number): number {
  const place = places.get(p);
  return place === undefined ? 0 : 512 << (place.i32[place.descriptors + (ref >> 8) + D_STATE] & 0xff);
}

describe("classes", () => {
  test("a chunk is the smallest power of two that holds the request, from 1 KiB to 4 MiB", () => {
    const p = pool(16384);
    const sizes: number[][] = [
      [1, 1024],
      [1024, 1024],
      [1025, 2048],
      [4096, 4096],
      [4097, 8192],
      [65535, 65536],
      [65536, 65536],
      [65537, 131072],
      [CHUNK_MAX_BYTES, CHUNK_MAX_BYTES],
      [CHUNK_MAX_BYTES + 1, CHUNK_MAX_BYTES],
      [0x7fffffff, CHUNK_MAX_BYTES],
    ];
    for (const [want, size] of sizes) expect(sizeOf(p, p.alloc(want))).toBe(size);
    expect(p.validate()).toBeUndefined();
  });

  test("chunks do not overlap and are aligned to their size", () => {
    const p = pool(4096);
    const taken: number[][] = [];
    for (let i = 0; i < 60; i++) {
      const ref = p.alloc(1 << (10 + (i % 7)));
      taken.push([ref, sizeOf(p, ref)]);
    }
    taken.sort((a, b) => a[0] - b[0]);
    for (let i = 1; i < taken.length; i++) expect(taken[i - 1][0] + taken[i - 1][1]).toBeLessThanOrEqual(taken[i][0]);
    expect(p.bytesInUse).toBe(taken.reduce((sum, [, size]) => sum + size, 0));
  });
});

describe("where a chunk comes from", () => {
  test("the chunk freed last is handed out first", () => {
    const p = pool(1024, 1 << 20);
    const refs = [p.alloc(4096), p.alloc(4096), p.alloc(4096)];
    p.free(refs[0]);
    p.free(refs[2]);
    p.free(refs[1]);
    expect([p.alloc(4096), p.alloc(4096), p.alloc(4096)]).toEqual([refs[1], refs[2], refs[0]]);
  });

  test("a larger free chunk is split before fresh memory is touched, and merges back", () => {
    const p = pool(1024);
    const big = p.alloc(65536);
    p.free(big);
    const small = p.alloc(1000);
    expect(small).toBe(big);
    expect(p.stats()).toMatchObject({ splits: 6, bytesInUse: 1024 });
    expect(p.stats().freeChunks.slice(0, 7)).toEqual([1, 1, 1, 1, 1, 1, 0]);
    p.free(small);
    expect(p.stats()).toMatchObject({ merges: 6, bytesInUse: 0 });
    expect(p.stats().freeChunks[6]).toBe(1);
  });

  test("the classes keep what they are allowed to unmerged", () => {
    const p = pool(1024, 8192);
    const refs = Array.from({ length: 16 }, () => p.alloc(1024));
    for (const ref of refs) p.free(ref);
    // 8 KiB of 1 KiB chunks stay, the others merge.
    expect(p.stats().freeChunks[0]).toBe(8);
    p.coalesce();
    expect(p.stats().freeChunks.slice(0, 5)).toEqual([0, 0, 0, 0, 1]);
    expect(p.validate()).toBeUndefined();
  });

  test("when nothing large is left, smaller chunks are given, the largest first", () => {
    const p = pool(8);
    const refs = [p.alloc(4096), p.alloc(2048), p.alloc(1024), p.alloc(1024)];
    p.free(refs[1]);
    p.free(refs[2]);
    expect(sizeOf(p, p.alloc(4096))).toBe(2048);
    expect(sizeOf(p, p.alloc(4096))).toBe(1024);
    expect(p.alloc(1)).toBe(0);
    expect(p.stats()).toMatchObject({ fallbacks: 2, failures: 1, bytesInUse: 8192, highWaterBytes: 8192 });
  });

  test("memory that alignment skips is used as well", () => {
    const p = pool(64);
    p.alloc(1024);
    p.alloc(32768);
    let rest = 0;
    for (let ref = p.alloc(1024); ref !== 0; ref = p.alloc(1024)) rest++;
    expect(rest).toBe(31);
    expect(p.bytesInUse).toBe(65536);
    expect(p.validate()).toBeUndefined();
  });

  test("a flood of small chunks does not keep the segment in crumbs", () => {
    const p = pool(8192, 1 << 14);
    const refs: number[] = [];
    for (let ref = p.alloc(1); ref !== 0; ref = p.alloc(1)) refs.push(ref);
    expect(refs.length).toBe(8192);
    for (let i = 0; i < refs.length; i += 2) p.free(refs[i]);
    for (let i = 1; i < refs.length; i += 2) p.free(refs[i]);
    expect(p.bytesInUse).toBe(0);
    let large = 0;
    for (let i = 0; i < 100; i++) if (sizeOf(p, p.alloc(65536)) === 65536) large++;
    expect(large).toBe(100);
  });
});

test("freeing twice, in the middle of a chunk, or out of range is refused and counted", () => {
  const p = pool(64);
  const a = p.alloc(8192);
  p.free(a);
  p.free(a);
  p.free(p.alloc(8192) + 1024);
  p.free(a + 4);
  p.free(0);
  p.free(1 << 30);
  expect(p.stats()).toMatchObject({ badFrees: 5, chunksInUse: 1, frees: 1 });
  expect(p.validate()).toBeUndefined();
});

test("what used memory says about chunks that are not carved yet is not believed", () => {
  const p = pool(64, 0, D_FREE | 1);
  const a = p.alloc(1024);
  p.free(a);
  expect(p.stats()).toMatchObject({ merges: 0, bytesInUse: 0 });
  expect(p.validate()).toBeUndefined();
  expect(p.alloc(1024)).toBe(a);
  expect(p.alloc(2048)).toBe(a + 2048);
  expect(p.validate()).toBeUndefined();
});

test("random allocs and frees: exclusive, accounted, and all of it can be had again at the end", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.boolean(), fc.nat(CHUNK_CLASSES + 9), fc.nat(1000)), { maxLength: 200 }),
      fc.constantFrom(0, 4096, 1 << 20),
      (ops, keep) => {
        const p = pool(4096 + 77, keep);
        const held: number[] = [];
        for (const [take, k, which] of ops) {
          if (take) {
            const ref = p.alloc(k < CHUNK_CLASSES ? 1 << (10 + k) : 1000 * (k - 11));
            if (ref !== 0) held.push(ref);
          } else if (held.length > 0) p.free(held.splice(which % held.length, 1)[0]);
          const bad = p.validate();
          if (bad !== undefined) throw new Error(bad);
        }
        expect(p.stats().chunksInUse).toBe(held.length);
        for (const ref of held) p.free(ref);
        p.coalesce();
        expect(p.validate()).toBeUndefined();
        expect(p.bytesInUse).toBe(0);
        // Everything can be had again, in few pieces: what was carved is merged, the rest is cut as large as it goes.
        let pieces = 0;
        while (p.alloc(CHUNK_MAX_BYTES) !== 0) pieces++;
        expect(p.bytesInUse).toBe(p.capacityBytes);
        expect(pieces).toBeLessThanOrEqual(2 * CHUNK_CLASSES + 2);
      },
    ),
    { seed: 3, numRuns: 80 },
  );
});
