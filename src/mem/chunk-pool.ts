import type { ChunkRef } from "./fifo-layout.js";
import type { MemoryWindow } from "./window.js";

/** Bytes of the smallest chunk, 1 KiB: what a session that holds one small message costs. */
export const CHUNK_MIN_BYTES = 1024;
/** Bytes of the largest chunk, 4 MiB. */
export const CHUNK_MAX_BYTES = 4 << 20;
/** Number of chunk classes: 1 KiB, 2 KiB, ... 4 MiB. */
export const CHUNK_CLASSES = 13;

const UNIT_SHIFT = 10;

/** Words of a pool beside the descriptors: counters, then the heads and lengths of the free lists. */
export const CHUNK_POOL_WORDS = 16 + 2 * CHUNK_CLASSES;
// The pool's words.
const CARVED_UNITS = 0;
const NONEMPTY_MASK = 1;
const BYTES_IN_USE = 2;
const HIGH_WATER_BYTES = 3;
const ALLOCS = 4;
const FREES = 5;
const FAILURES = 6;
const FALLBACKS = 7;
const SPLITS = 8;
const MERGES = 9;
const BAD_FREES = 10;
const FREE_HEADS = 16;
const FREE_COUNTS = FREE_HEADS + CHUNK_CLASSES;

// Descriptor of a unit, 4 words. Only a chunk's first unit has a meaningful one; the buddy of a chunk is always the first
// unit of some chunk, or not carved yet.

/** Position (free-running, as the fifo's head and tail) of the chunk's first byte. */
export const D_START = 0;
/** Next chunk of the fifo, or of the free list. */
export const D_NEXT = 1;
/** Class + 1, with {@link D_FREE} when the chunk is on a free list. */
export const D_STATE = 2;
/** Previous chunk of the free list. */
export const D_PREV = 3;
/** Flag of D_STATE. */
export const D_FREE = 0x100;

/** Counters of a chunk pool; all since the segment was made, except the two "in use". */
export interface ChunkPoolStats {
  readonly capacityBytes: number;
  readonly bytesInUse: number;
  readonly highWaterBytes: number;
  readonly chunksInUse: number;
  readonly allocs: number;
  readonly frees: number;
  /** Allocations refused: no memory at all. */
  readonly failures: number;
  /** Allocations that got a smaller chunk than they asked for. */
  readonly fallbacks: number;
  readonly splits: number;
  readonly merges: number;
  /** Frees of something that was not a chunk in use. */
  readonly badFrees: number;
  /** Chunks on the free list of each class, smallest class first. */
  readonly freeChunks: readonly number[];
}

/** Where a chunk pool keeps what. */
export interface ChunkPoolPlace {
  /** i32 index of the pool's own {@link CHUNK_POOL_WORDS} words. */
  readonly header: number;
  /** i32 index of the area's descriptors: 4 words for each 1 KiB of the area. */
  readonly descriptors: number;
  /** Where the pool's data begins, relative to the area's base; a multiple of 1024 and not 0. */
  readonly dataRel: number;
  /** Number of 1 KiB units. */
  readonly units: number;
  /** How much each class keeps unmerged, bytes. */
  readonly keepBytes: number;
}

/**
 * The data of one fifo segment, a range of a fifo table's area, as chunks of a power of two from 1 KiB to 4 MiB.
 *
 * A chunk is all data; its descriptor lies in a table of its own, so 64 KiB of payload fill a 64 KiB chunk exactly and
 * chunks split and merge as buddies. Free lists are last-in first-out, so a bulk transfer works in the same hot chunks.
 * Where a chunk comes from, in order: the list of its class; half of a larger free chunk (memory that has been touched
 * already is much cheaper than fresh pages); the untouched rest; the largest smaller chunk.
 * A freed chunk merges with its free buddy only while its class holds more than `keepBytes`: the steady state then
 * neither splits nor merges, and a flood of small chunks cannot leave the segment in crumbs.
 */
export class ChunkPool {
  readonly #window: MemoryWindow;
  readonly #header: number;
  readonly #descriptors: number;
  readonly #dataRel: number;
  readonly #units: number;
  readonly #keepBytes: number;

  /** Clears the pool's words and the state of its units: what was there before means nothing. */
  constructor(window: MemoryWindow, place: ChunkPoolPlace) {
    this.#window = window;
    this.#header = place.header;
    this.#descriptors = place.descriptors;
    this.#dataRel = place.dataRel;
    this.#units = place.units;
    this.#keepBytes = place.keepBytes;
    window.i32.fill(0, place.header, place.header + CHUNK_POOL_WORDS);
  }

  /**
   * Takes a chunk of at least `bytes` (1 or more), of less when nothing larger is left, of at most 4 MiB.
   * Returns 0 when there is no memory. The chunk's D_NEXT is 0.
   */
  alloc(bytes: number): ChunkRef {
    const i32 = this.#window.i32;
    const h = this.#header;
    let k = bytes <= CHUNK_MIN_BYTES ? 0 : 22 - Math.clz32(bytes - 1);
    if (k >= CHUNK_CLASSES) k = CHUNK_CLASSES - 1;
    let ref = i32[h + FREE_HEADS + k] | 0;
    if (ref !== 0) {
      const next = i32[this.#descriptors + (ref >> 8) + D_NEXT] | 0;
      i32[h + FREE_HEADS + k] = next;
      if (next !== 0) i32[this.#descriptors + (next >> 8) + D_PREV] = 0;
      else i32[h + NONEMPTY_MASK] &= ~(1 << k);
      i32[h + FREE_COUNTS + k]--;
    } else {
      ref = this.#allocElsewhere(k);
      if (ref === 0) {
        i32[h + FAILURES]++;
        return 0;
      }
      k = (i32[this.#descriptors + (ref >> 8) + D_STATE] & 0xff) - 1;
    }
    const d = this.#descriptors + (ref >> 8);
    i32[d + D_STATE] = k + 1;
    i32[d + D_NEXT] = 0;
    const inUse = (i32[h + BYTES_IN_USE] + (CHUNK_MIN_BYTES << k)) | 0;
    i32[h + BYTES_IN_USE] = inUse;
    if (inUse > i32[h + HIGH_WATER_BYTES]) i32[h + HIGH_WATER_BYTES] = inUse;
    i32[h + ALLOCS]++;
    return ref;
  }

  /** Gives a chunk back. Anything else than a chunk in use is refused and counted. */
  free(ref: ChunkRef): void {
    const i32 = this.#window.i32;
    const h = this.#header;
    const unit = (ref - this.#dataRel) >> UNIT_SHIFT;
    if (unit < 0 || unit >= i32[h + CARVED_UNITS] || (ref & 1023) !== 0) {
      i32[h + BAD_FREES]++;
      return;
    }
    const state = i32[this.#descriptors + (ref >> 8) + D_STATE] | 0;
    if (state <= 0 || state > CHUNK_CLASSES) {
      i32[h + BAD_FREES]++;
      return;
    }
    const k = state - 1;
    i32[h + BYTES_IN_USE] = (i32[h + BYTES_IN_USE] - (CHUNK_MIN_BYTES << k)) | 0;
    i32[h + FREES]++;
    this.#push(ref, k);
    if (i32[h + FREE_COUNTS + k] > this.#keepBytes >> (k + UNIT_SHIFT)) this.#merge(ref, k, this.#keepBytes);
  }

  /** Merges all that can be merged. Control plane: walks every free list. */
  coalesce(): void {
    const i32 = this.#window.i32;
    for (let k = 0; k < CHUNK_CLASSES - 1; k++) {
      let ref = i32[this.#header + FREE_HEADS + k] | 0;
      while (ref !== 0) {
        // A merge takes this chunk and its buddy off the list, and the buddy may be the next one.
        const buddy = this.#dataRel + ((((ref - this.#dataRel) >> UNIT_SHIFT) ^ (1 << k)) << UNIT_SHIFT);
        let next = i32[this.#descriptors + (ref >> 8) + D_NEXT] | 0;
        if (next === buddy) next = i32[this.#descriptors + (next >> 8) + D_NEXT] | 0;
        this.#merge(ref, k, 0);
        ref = next;
      }
    }
  }

  /** Bytes of all chunks in use. */
  get bytesInUse(): number {
    return this.#window.i32[this.#header + BYTES_IN_USE];
  }

  /** Bytes that chunks can hold in all. */
  get capacityBytes(): number {
    return this.#units * CHUNK_MIN_BYTES;
  }

  /** A copy of the counters. Control plane. */
  stats(): ChunkPoolStats {
    const i32 = this.#window.i32;
    const h = this.#header;
    return {
      capacityBytes: this.capacityBytes,
      bytesInUse: i32[h + BYTES_IN_USE],
      highWaterBytes: i32[h + HIGH_WATER_BYTES],
      chunksInUse: (i32[h + ALLOCS] - i32[h + FREES]) | 0,
      allocs: i32[h + ALLOCS],
      frees: i32[h + FREES],
      failures: i32[h + FAILURES],
      fallbacks: i32[h + FALLBACKS],
      splits: i32[h + SPLITS],
      merges: i32[h + MERGES],
      badFrees: i32[h + BAD_FREES],
      freeChunks: Array.from(i32.subarray(h + FREE_COUNTS, h + FREE_COUNTS + CHUNK_CLASSES)),
    };
  }

  /** Checks descriptors, free lists and accounting of the whole pool. For tests: touches every carved unit. */
  validate(): string | undefined {
    const i32 = this.#window.i32;
    const h = this.#header;
    const carved = i32[h + CARVED_UNITS];
    const free = new Array<number>(CHUNK_CLASSES).fill(0);
    let used = 0;
    let usedBytes = 0;
    for (let unit = 0; unit < carved; ) {
      const state = i32[this.#descriptors + ((this.#dataRel + (unit << UNIT_SHIFT)) >> 8) + D_STATE];
      const k = (state & 0xff) - 1;
      if (k < 0 || k >= CHUNK_CLASSES) return `unit ${unit} of ${carved}: bad state ${state}`;
      if ((unit & ((1 << k) - 1)) !== 0) return `unit ${unit}: class ${k} is not aligned`;
      if ((state & D_FREE) !== 0) free[k]++;
      else {
        used++;
        usedBytes += CHUNK_MIN_BYTES << k;
      }
      unit += 1 << k;
      if (unit > carved) return `the chunk before unit ${unit} crosses the carved end ${carved}`;
    }
    for (let k = 0; k < CHUNK_CLASSES; k++) {
      const count = i32[h + FREE_COUNTS + k];
      if (count !== free[k]) return `class ${k}: ${free[k]} free chunks, ${count} counted`;
      if (count > 0 !== ((i32[h + NONEMPTY_MASK] >> k) & 1) > 0) return `class ${k}: mask is wrong`;
      let walked = 0;
      let previous = 0;
      for (let ref = i32[h + FREE_HEADS + k]; ref !== 0; ref = i32[this.#descriptors + (ref >> 8) + D_NEXT]) {
        const d = this.#descriptors + (ref >> 8);
        if (++walked > count) return `class ${k}: free list is longer than ${count}`;
        if (i32[d + D_STATE] !== (D_FREE | (k + 1))) return `class ${k}: chunk ${ref} on the list is not free`;
        if (i32[d + D_PREV] !== previous) return `class ${k}: chunk ${ref} has a wrong back link`;
        previous = ref;
      }
      if (walked !== count) return `class ${k}: ${walked} on the list, ${count} counted`;
    }
    const counted = (i32[h + ALLOCS] - i32[h + FREES]) | 0;
    if (used !== counted) return `${used} chunks in use, ${counted} counted`;
    if (usedBytes !== i32[h + BYTES_IN_USE]) return `${usedBytes} bytes in use, ${i32[h + BYTES_IN_USE]} counted`;
    return undefined;
  }

  #allocElsewhere(k: number): ChunkRef {
    const i32 = this.#window.i32;
    const h = this.#header;
    const larger = i32[h + NONEMPTY_MASK] & (-2 << k);
    if (larger !== 0) {
      let j = 31 - Math.clz32(larger & -larger);
      const ref = i32[h + FREE_HEADS + j] | 0;
      this.#unlink(ref, j);
      while (j > k) {
        j--;
        this.#push((ref + (CHUNK_MIN_BYTES << j)) | 0, j);
        i32[h + SPLITS]++;
      }
      i32[this.#descriptors + (ref >> 8) + D_STATE] = k + 1;
      return ref;
    }
    const ref = this.#carve(k);
    if (ref !== 0) return ref;
    for (let j = k - 1; j >= 0; j--) {
      const listed = i32[h + FREE_HEADS + j] | 0;
      if (listed !== 0) {
        this.#unlink(listed, j);
        i32[h + FALLBACKS]++;
        return listed;
      }
      const carved = this.#carve(j);
      if (carved !== 0) {
        i32[h + FALLBACKS]++;
        return carved;
      }
    }
    return 0;
  }

  /** Cuts a chunk of class k from the untouched rest; what alignment skips goes to the free lists. */
  #carve(k: number): ChunkRef {
    const i32 = this.#window.i32;
    const at = this.#header + CARVED_UNITS;
    let unit = i32[at] | 0;
    const aligned = (unit + (1 << k) - 1) & -(1 << k);
    if (aligned + (1 << k) > this.#units) return 0;
    while (unit < aligned) {
      const j = 31 - Math.clz32(unit & -unit);
      this.#push((this.#dataRel + (unit << UNIT_SHIFT)) | 0, j);
      unit += 1 << j;
    }
    i32[at] = aligned + (1 << k);
    const ref = (this.#dataRel + (aligned << UNIT_SHIFT)) | 0;
    i32[this.#descriptors + (ref >> 8) + D_STATE] = k + 1;
    return ref;
  }

  #push(ref: ChunkRef, k: number): void {
    const i32 = this.#window.i32;
    const h = this.#header;
    const d = this.#descriptors + (ref >> 8);
    const next = i32[h + FREE_HEADS + k] | 0;
    i32[d + D_STATE] = D_FREE | (k + 1);
    i32[d + D_NEXT] = next;
    i32[d + D_PREV] = 0;
    if (next !== 0) i32[this.#descriptors + (next >> 8) + D_PREV] = ref;
    else i32[h + NONEMPTY_MASK] |= 1 << k;
    i32[h + FREE_HEADS + k] = ref;
    i32[h + FREE_COUNTS + k]++;
  }

  #unlink(ref: ChunkRef, k: number): void {
    const i32 = this.#window.i32;
    const h = this.#header;
    const d = this.#descriptors + (ref >> 8);
    const next = i32[d + D_NEXT] | 0;
    const previous = i32[d + D_PREV] | 0;
    if (next !== 0) i32[this.#descriptors + (next >> 8) + D_PREV] = previous;
    if (previous !== 0) i32[this.#descriptors + (previous >> 8) + D_NEXT] = next;
    else {
      i32[h + FREE_HEADS + k] = next;
      if (next === 0) i32[h + NONEMPTY_MASK] &= ~(1 << k);
    }
    i32[h + FREE_COUNTS + k]--;
  }

  /** Merges a free chunk upwards while its class holds more than `keepBytes` and its buddy is free. */
  #merge(chunk: ChunkRef, klass: number, keepBytes: number): void {
    const i32 = this.#window.i32;
    const h = this.#header;
    let ref = chunk | 0;
    let k = klass;
    while (k < CHUNK_CLASSES - 1 && i32[h + FREE_COUNTS + k] > keepBytes >> (k + UNIT_SHIFT)) {
      const buddyUnit = ((ref - this.#dataRel) >> UNIT_SHIFT) ^ (1 << k);
      if (buddyUnit + (1 << k) > i32[h + CARVED_UNITS]) break;
      const buddy = (this.#dataRel + (buddyUnit << UNIT_SHIFT)) | 0;
      if (i32[this.#descriptors + (buddy >> 8) + D_STATE] !== (D_FREE | (k + 1))) break;
      this.#unlink(ref, k);
      this.#unlink(buddy, k);
      if (buddy < ref) ref = buddy;
      k++;
      this.#push(ref, k);
      i32[h + MERGES]++;
    }
  }
}

/** The counters of several pools together. The high-water mark is the sum of their marks. */
export function sumOfStats(list: readonly ChunkPoolStats[]): ChunkPoolStats {
  const sum = (of: (stats: ChunkPoolStats) => number): number => list.reduce((total, each) => total + of(each), 0);
  return {
    capacityBytes: sum((each) => each.capacityBytes),
    bytesInUse: sum((each) => each.bytesInUse),
    highWaterBytes: sum((each) => each.highWaterBytes),
    chunksInUse: sum((each) => each.chunksInUse),
    allocs: sum((each) => each.allocs),
    frees: sum((each) => each.frees),
    failures: sum((each) => each.failures),
    fallbacks: sum((each) => each.fallbacks),
    splits: sum((each) => each.splits),
    merges: sum((each) => each.merges),
    badFrees: sum((each) => each.badFrees),
    freeChunks: Array.from({ length: CHUNK_CLASSES }, (_, k) => sum((each) => each.freeChunks[k])),
  };
}
