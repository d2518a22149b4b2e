import { R_OOO_COUNT, R_OOO_FIRST, R_OOO_NEWEST } from "./fifo-layout.js";
import type { Offset } from "./flavor.js";
import type { MemoryWindow } from "./window.js";

/** Bytes of one interval; a pool of n intervals needs n + 1 of them (the first holds the pool's own words). */
export const OOO_ROW_BYTES = 32;
const ROW_WORDS = OOO_ROW_BYTES >> 2;

// Words of an interval. Links are i32 indices of other intervals, 0 = none.
const START = 0;
const END = 1;
const NEXT = 2;
const PREVIOUS = 3;
const OLDER = 4;
const NEWER = 5;

// Words of the pool.
const FREE = 0;
const CARVED = 1;
const IN_USE = 2;

/**
 * The bytes that fifos hold ahead of their tails, as intervals [start, end) of free-running positions: per fifo one list
 * by position, disjoint and not touching, and one by age, newest first (RFC 2018 section 4: the first SACK block is the
 * one that holds the segment just received). Intervals are private to the producer and lie outside the segment.
 * A `row` is the i32 index of a fifo's private row.
 */
export class OooIntervals {
  readonly #window: MemoryWindow;
  readonly #pool: number;
  readonly #rows: number;
  readonly #perFifo: number;

  /**
   * @param offset of (rows + 1) * OOO_ROW_BYTES zero bytes
   * @param rows intervals in all
   * @param perFifo intervals of one fifo
   */
  constructor(window: MemoryWindow, offset: Offset, rows: number, perFifo: number) {
    this.#window = window;
    this.#pool = offset >> 2;
    this.#rows = rows;
    this.#perFifo = perFifo;
  }

  /** Intervals in use, of all fifos. */
  get inUse(): number {
    return this.#window.i32[this.#pool + IN_USE];
  }

  /**
   * Records [start, end), merging with what it overlaps or touches; the result becomes the newest interval.
   * Returns false, with nothing changed, when it needs one more interval than a limit allows.
   */
  add(row: number, start: number, end: number): boolean {
    const i32 = this.#window.i32;
    const newest = i32[row + R_OOO_NEWEST] | 0;
    // Segments mostly extend the newest interval: begin there when nothing before it can matter.
    let it = newest !== 0 && ((start - i32[newest + START]) | 0) >= 0 ? newest : i32[row + R_OOO_FIRST] | 0;
    let previous = it === 0 ? 0 : i32[it + PREVIOUS] | 0;
    while (it !== 0 && ((i32[it + END] - start) | 0) < 0) {
      previous = it;
      it = i32[it + NEXT] | 0;
    }
    if (it === 0 || ((end - i32[it + START]) | 0) < 0) {
      const fresh = i32[row + R_OOO_COUNT] < this.#perFifo ? this.#take() : 0;
      if (fresh === 0) return false;
      i32[fresh + START] = start;
      i32[fresh + END] = end;
      i32[fresh + NEXT] = it;
      i32[fresh + PREVIOUS] = previous;
      if (it !== 0) i32[it + PREVIOUS] = fresh;
      if (previous !== 0) i32[previous + NEXT] = fresh;
      else i32[row + R_OOO_FIRST] = fresh;
      i32[row + R_OOO_COUNT]++;
      this.#pushNewest(row, fresh);
      return true;
    }
    if (((start - i32[it + START]) | 0) < 0) i32[it + START] = start;
    if (((end - i32[it + END]) | 0) > 0) {
      i32[it + END] = end;
      let next = i32[it + NEXT] | 0;
      while (next !== 0 && ((i32[next + START] - i32[it + END]) | 0) <= 0) {
        if (((i32[next + END] - i32[it + END]) | 0) > 0) i32[it + END] = i32[next + END];
        this.#remove(row, next);
        next = i32[it + NEXT] | 0;
      }
    }
    if (i32[row + R_OOO_NEWEST] !== it) {
      this.#unlinkAge(row, it);
      this.#pushNewest(row, it);
    }
    return true;
  }

  /**
   * Writes the part that [start, end) shares with the first interval that it meets to `out[at]` and `out[at + 1]`, as a
   * pair (offset from the tail, length). Returns false, with nothing written, when it meets none.
   */
  overlap(row: number, tail: number, start: number, end: number, out: Int32Array, at: number): boolean {
    const i32 = this.#window.i32;
    const newest = i32[row + R_OOO_NEWEST] | 0;
    // As in add: mostly it is the newest interval, or what comes after it.
    let it = newest !== 0 && ((start - i32[newest + START]) | 0) >= 0 ? newest : i32[row + R_OOO_FIRST] | 0;
    while (it !== 0 && ((i32[it + END] - start) | 0) <= 0) it = i32[it + NEXT] | 0;
    if (it === 0 || ((i32[it + START] - end) | 0) >= 0) return false;
    const from = ((i32[it + START] - start) | 0) > 0 ? i32[it + START] | 0 : start;
    const to = ((i32[it + END] - end) | 0) < 0 ? i32[it + END] | 0 : end;
    out[at] = (from - tail) | 0;
    out[at + 1] = (to - from) | 0;
    return true;
  }

  /** Drops the intervals that a tail at `tail` has reached and returns the tail moved to the end of the last of them. */
  collect(row: number, tail: number): number {
    const i32 = this.#window.i32;
    let end = tail | 0;
    let it = i32[row + R_OOO_FIRST] | 0;
    while (it !== 0 && ((i32[it + START] - end) | 0) <= 0) {
      if (((i32[it + END] - end) | 0) > 0) end = i32[it + END] | 0;
      this.#remove(row, it);
      it = i32[row + R_OOO_FIRST] | 0;
    }
    return end;
  }

  /** Drops all intervals of a fifo. */
  clear(row: number): void {
    const i32 = this.#window.i32;
    let it = i32[row + R_OOO_FIRST] | 0;
    while (it !== 0) {
      this.#remove(row, it);
      it = i32[row + R_OOO_FIRST] | 0;
    }
  }

  /** Bytes in the intervals of a fifo. */
  bytes(row: number): number {
    const i32 = this.#window.i32;
    let sum = 0;
    for (let it = i32[row + R_OOO_FIRST] | 0; it !== 0; it = i32[it + NEXT] | 0) {
      sum = (sum + ((i32[it + END] - i32[it + START]) | 0)) | 0;
    }
    return sum;
  }

  /** Position after the last interval, or `tail` when there is none. */
  lastEnd(row: number, tail: number): number {
    const i32 = this.#window.i32;
    let end = tail | 0;
    for (let it = i32[row + R_OOO_FIRST] | 0; it !== 0; it = i32[it + NEXT] | 0) end = i32[it + END] | 0;
    return end;
  }

  /** Writes up to `max` pairs (offset from the tail, length), newest first, to `out[at...]`; returns how many. */
  newestFirst(row: number, tail: number, out: Int32Array, max: number, at: number): number {
    return this.#list(i32Link(this.#window, row + R_OOO_NEWEST), OLDER, tail, out, max, at);
  }

  /** The same in order of position. */
  inOrder(row: number, tail: number, out: Int32Array, max: number, at: number): number {
    return this.#list(i32Link(this.#window, row + R_OOO_FIRST), NEXT, tail, out, max, at);
  }

  /** Checks both lists of a fifo: sorted, disjoint, not touching, past the tail, as many as counted. For tests. */
  validate(row: number, tail: number): string | undefined {
    const i32 = this.#window.i32;
    const count = i32[row + R_OOO_COUNT];
    const seen = new Set<number>();
    let end = tail | 0;
    let previous = 0;
    for (let it = i32[row + R_OOO_FIRST]; it !== 0; it = i32[it + NEXT]) {
      if (seen.size >= count) return `more intervals than the ${count} counted`;
      if (i32[it + PREVIOUS] !== previous) return `interval ${seen.size} has a wrong back link`;
      const gap = (i32[it + START] - end) | 0;
      if (gap < 0 || (gap === 0 && previous !== 0))
        return `interval ${seen.size} begins at or before the one before it`;
      if (((i32[it + END] - i32[it + START]) | 0) <= 0) return `interval ${seen.size} is empty`;
      end = i32[it + END];
      previous = it;
      seen.add(it);
    }
    if (seen.size !== count) return `${seen.size} intervals by position, ${count} counted`;
    let aged = 0;
    previous = 0;
    for (let it = i32[row + R_OOO_NEWEST]; it !== 0; it = i32[it + OLDER]) {
      if (++aged > count || !seen.has(it)) return "the list by age does not match the list by position";
      if (i32[it + NEWER] !== previous) return "wrong back link by age";
      previous = it;
    }
    return aged === count ? undefined : `${aged} intervals by age, ${count} counted`;
  }

  #list(first: number, link: number, tail: number, out: Int32Array, max: number, at: number): number {
    const i32 = this.#window.i32;
    let n = 0;
    for (let it = first; it !== 0 && n < max; it = i32[it + link] | 0) {
      out[at + 2 * n] = (i32[it + START] - tail) | 0;
      out[at + 2 * n + 1] = (i32[it + END] - i32[it + START]) | 0;
      n++;
    }
    return n;
  }

  #take(): number {
    const i32 = this.#window.i32;
    const p = this.#pool;
    let it = i32[p + FREE] | 0;
    if (it !== 0) i32[p + FREE] = i32[it + NEXT];
    else {
      if (i32[p + CARVED] >= this.#rows) return 0;
      i32[p + CARVED]++;
      it = (p + Math.imul(i32[p + CARVED], ROW_WORDS)) | 0;
    }
    i32[p + IN_USE]++;
    return it;
  }

  #remove(row: number, it: number): void {
    const i32 = this.#window.i32;
    const next = i32[it + NEXT] | 0;
    const previous = i32[it + PREVIOUS] | 0;
    if (next !== 0) i32[next + PREVIOUS] = previous;
    if (previous !== 0) i32[previous + NEXT] = next;
    else i32[row + R_OOO_FIRST] = next;
    this.#unlinkAge(row, it);
    i32[row + R_OOO_COUNT]--;
    i32[it + NEXT] = i32[this.#pool + FREE];
    i32[this.#pool + FREE] = it;
    i32[this.#pool + IN_USE]--;
  }

  #unlinkAge(row: number, it: number): void {
    const i32 = this.#window.i32;
    const older = i32[it + OLDER] | 0;
    const newer = i32[it + NEWER] | 0;
    if (older !== 0) i32[older + NEWER] = newer;
    if (newer !== 0) i32[newer + OLDER] = older;
    else i32[row + R_OOO_NEWEST] = older;
  }

  #pushNewest(row: number, it: number): void {
    const i32 = this.#window.i32;
    const older = i32[row + R_OOO_NEWEST] | 0;
    i32[it + OLDER] = older;
    i32[it + NEWER] = 0;
    if (older !== 0) i32[older + NEWER] = it;
    i32[row + R_OOO_NEWEST] = it;
  }
}

function i32Link(window: MemoryWindow, at: number): number {
  return window.i32[at] | 0;
}
