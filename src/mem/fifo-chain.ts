import { type ChunkPool, D_NEXT, D_START, D_STATE } from "./chunk-pool.js";
import {
  type ChunkRef,
  R_CAP,
  R_CHUNK_BYTES,
  R_END_CHUNK,
  R_HEAD,
  R_HEAD_CHUNK,
  R_HEAD_DELTA,
  R_HEAD_END,
  R_LEND_LEAST,
  R_MIN_ALLOC,
  R_OOO_CHUNK,
  R_OOO_COUNT,
  R_PEEK_CHUNK,
  R_PRODUCER,
  R_PUBLISHED,
  R_RESERVED,
  R_SEGMENT,
  R_TAIL,
  R_TAIL_CHUNK,
  R_TAIL_DELTA,
  R_TAIL_END,
} from "./fifo-layout.js";
import type { OooIntervals } from "./fifo-ooo.js";
import type { Offset } from "./flavor.js";
import type { MemoryWindow } from "./window.js";

/**
 * What a fifo grows by at most, unless its cap is above 1 MiB (then cap / 16): 64 KiB chunks let 64 KiB superframes go
 * out in two spans, while a transfer still recycles few enough of them to stay in the cache.
 */
const GROW_BYTES = 65536;

/**
 * The chunk list of a fifo: where positions lie, how the list grows at the end and shrinks at the front. The fifos'
 * operations themselves are in FifoTable. Chunks of a fifo come from one segment.
 *
 * A fifo grows by one chunk at a time: as much as is missing, at least its minimum and as much as it already holds (so
 * many small writes soon get large chunks), at most 64 KiB (or cap / 16 when that is more).
 *
 * Invariants: the list covers every byte from the head to the last one held, in order and without gaps; the head is
 * inside the first chunk; the tail is inside the tail chunk or at its very end; a fifo that holds nothing has no list.
 */
export class FifoChain {
  /** Window offset of the area that all segments lie in. */
  readonly base: Offset;
  protected readonly window: MemoryWindow;
  protected readonly ooo: OooIntervals;
  /** i32 index of the descriptors of the area's chunks. */
  protected readonly descriptors: number;
  /** The chunks of each segment. */
  protected readonly pools: (ChunkPool | undefined)[] = [];
  /** Counter: enqueues that took less than the cap allows, for want of memory. */
  protected shortEnqueues = 0;

  protected constructor(window: MemoryWindow, base: Offset, descriptors: number, ooo: OooIntervals) {
    this.window = window;
    this.base = base;
    this.descriptors = descriptors;
    this.ooo = ooo;
  }

  /** i32 index of a chunk's descriptor: 4 words per 1024 bytes, so it is a shift and a sum away from the ref. */
  descriptor(ref: ChunkRef): number {
    return (this.descriptors + (ref >> 8)) | 0;
  }

  /** Bytes of a chunk in use. */
  sizeOf(ref: ChunkRef): number {
    return 512 << (this.window.i32[this.descriptors + (ref >> 8) + D_STATE] & 0xff);
  }

  /** Position where a chunk ends. */
  protected endOf(ref: ChunkRef): number {
    return (this.window.i32[this.descriptor(ref) + D_START] + this.sizeOf(ref)) | 0;
  }

  /** Window offset of a position inside a chunk. */
  protected offsetIn(ref: ChunkRef, position: number): number {
    return (this.base + ref + ((position - this.window.i32[this.descriptor(ref) + D_START]) | 0)) | 0;
  }

  protected tailOffset(r: number): number {
    const i32 = this.window.i32;
    return (i32[r + R_TAIL_DELTA] + i32[r + R_TAIL]) | 0;
  }

  /** The hint if it begins at or before the position, else the other chunk. */
  protected laterOf(hint: ChunkRef, otherwise: ChunkRef, position: number): ChunkRef {
    if (hint === 0) return otherwise;
    return ((position - this.window.i32[this.descriptor(hint) + D_START]) | 0) >= 0 ? hint : otherwise;
  }

  /** The chunk that holds a position, searched from a chunk at or before it. */
  protected seek(from: ChunkRef, position: number): ChunkRef {
    const i32 = this.window.i32;
    let ref = from;
    while (((position - this.endOf(ref)) | 0) >= 0) {
      const next = i32[this.descriptor(ref) + D_NEXT] | 0;
      if (next === 0) return ref;
      ref = next;
    }
    return ref;
  }

  /** Bytes there are to read of the `len` that begin `offset` after the head. */
  protected readable(r: number, offset: number, len: number): number {
    const i32 = this.window.i32;
    const unread = (i32[r + R_TAIL] - i32[r + R_HEAD]) | 0;
    if (!(offset >= 0) || offset >= unread || !(len > 0)) return 0;
    return len < unread - offset ? len : unread - offset;
  }

  /** Writes the spans of [start, start + len) to `out` and returns how many. */
  protected listSpans(
    first: ChunkRef,
    start: number,
    len: number,
    out: Int32Array,
    maxSpans: number,
    at: number,
  ): number {
    const i32 = this.window.i32;
    let chunk = first;
    let n = 0;
    for (let done = 0; done < len && n < maxSpans; ) {
      const position = (start + done) | 0;
      const left = (this.endOf(chunk) - position) | 0;
      if (left > 0) {
        const part = left < len - done ? left : len - done;
        out[at + 2 * n] = this.offsetIn(chunk, position);
        out[at + 2 * n + 1] = part;
        n++;
        done += part;
      }
      if (done < len) chunk = i32[this.descriptor(chunk) + D_NEXT];
    }
    return n;
  }

  /**
   * Makes room for `len` bytes after the tail, as far as cap and memory allow, and returns how many there is room for.
   */
  protected grow(r: number, len: number): number {
    const i32 = this.window.i32;
    const tail = i32[r + R_TAIL] | 0;
    const head = i32[r + R_HEAD] | 0;
    const cap = i32[r + R_CAP] | 0;
    const room = (cap - ((tail - head) | 0)) | 0;
    const n = len < room ? len : room;
    if (!(len > 0) || n <= 0) return 0;
    let last = i32[r + R_END_CHUNK] | 0;
    let end = last === 0 ? tail : this.endOf(last);
    if (((end - tail) | 0) >= n) return n;
    const most = cap >> 4 > GROW_BYTES ? cap >> 4 : GROW_BYTES;
    const least = i32[r + R_MIN_ALLOC] | 0;
    while (((end - tail) | 0) < n) {
      const missing = (n - ((end - tail) | 0)) | 0;
      const held = (end - head) | 0;
      let want = held > missing ? held : missing;
      if (want > most) want = most;
      if (want < least) want = least;
      const ref = this.pools[i32[r + R_SEGMENT]]?.alloc(want) ?? 0;
      if (ref === 0) {
        this.shortEnqueues++;
        return (end - tail) | 0;
      }
      const size = this.sizeOf(ref);
      i32[this.descriptor(ref) + D_START] = end;
      if (last === 0) {
        i32[r + R_HEAD_CHUNK] = ref;
        i32[r + R_HEAD_END] = (end + size) | 0;
        i32[r + R_HEAD_DELTA] = (this.base + ref - end) | 0;
        this.#enterTail(r, ref);
      } else i32[this.descriptor(last) + D_NEXT] = ref;
      last = ref;
      end = (end + size) | 0;
      i32[r + R_END_CHUNK] = ref;
      i32[r + R_CHUNK_BYTES] += size;
    }
    return n;
  }

  /** Bytes that can be written at the tail in one piece, up to `len`; goes on to the next chunk first when this is full. */
  protected contiguous(r: number, len: number): number {
    const i32 = this.window.i32;
    let left = (i32[r + R_TAIL_END] - i32[r + R_TAIL]) | 0;
    if (left === 0) {
      this.#enterTail(r, i32[this.descriptor(i32[r + R_TAIL_CHUNK]) + D_NEXT]);
      left = (i32[r + R_TAIL_END] - i32[r + R_TAIL]) | 0;
    }
    return left < len ? left : len;
  }

  #enterTail(r: number, ref: ChunkRef): void {
    const i32 = this.window.i32;
    const start = i32[this.descriptor(ref) + D_START] | 0;
    i32[r + R_TAIL_CHUNK] = ref;
    i32[r + R_TAIL_END] = (start + this.sizeOf(ref)) | 0;
    i32[r + R_TAIL_DELTA] = (this.base + ref - start) | 0;
  }

  /**
   * Lends a producer in another process room for up to `len` bytes, but never less than it was lent already. When what it
   * wrote is done with, the memory is lent to it again before others can take it: else all writers could end without any, and
   * readers, who answer what they have read, with all of it.
   */
  protected keepRoom(r: number, len: number): void {
    const i32 = this.window.i32;
    const n = this.grow(r, len);
    if (n > i32[r + R_RESERVED]) i32[r + R_RESERVED] = n;
    this.leaveFullTail(r);
  }

  /** Goes on to the next chunk, if there is one, when the tail chunk is full. */
  protected leaveFullTail(r: number): void {
    const i32 = this.window.i32;
    if (i32[r + R_TAIL_CHUNK] === 0 || i32[r + R_TAIL_END] !== i32[r + R_TAIL]) return;
    const next = i32[this.descriptor(i32[r + R_TAIL_CHUNK]) + D_NEXT];
    if (next !== 0) this.#enterTail(r, next);
  }

  /** Moves the tail chunk up to a tail that has jumped ahead. */
  protected settleTail(r: number): void {
    const i32 = this.window.i32;
    while (((i32[r + R_TAIL] - i32[r + R_TAIL_END]) | 0) > 0) {
      this.#enterTail(r, i32[this.descriptor(i32[r + R_TAIL_CHUNK]) + D_NEXT]);
    }
  }

  /** After the bytes are in place: absorb intervals, say how far the tail moved. */
  protected finishEnqueue(r: number, from: number): number {
    const i32 = this.window.i32;
    let tail = i32[r + R_TAIL] | 0;
    if (i32[r + R_OOO_COUNT] !== 0) {
      tail = this.ooo.collect(r, tail);
      i32[r + R_TAIL] = tail;
      this.settleTail(r);
    }
    return (tail - from) | 0;
  }

  protected advanceHead(r: number, len: number): void {
    const i32 = this.window.i32;
    const head = (i32[r + R_HEAD] + len) | 0;
    i32[r + R_HEAD] = head;
    if (head === (i32[r + R_TAIL] | 0) || ((head - i32[r + R_HEAD_END]) | 0) >= 0) {
      this.#reclaim(r);
      if (i32[r + R_PRODUCER] !== 0 && i32[r + R_RESERVED] === 0) this.keepRoom(r, i32[r + R_LEND_LEAST]);
    }
  }

  /** Gives back the chunks before the head, and the last one when nothing is left. */
  #reclaim(r: number): void {
    const i32 = this.window.i32;
    const head = i32[r + R_HEAD] | 0;
    if (head === (i32[r + R_TAIL] | 0) && i32[r + R_OOO_COUNT] === 0 && i32[r + R_RESERVED] === 0) {
      this.releaseAll(r);
      return;
    }
    let ref = i32[r + R_HEAD_CHUNK] | 0;
    while (((head - this.endOf(ref)) | 0) >= 0) {
      const next = i32[this.descriptor(ref) + D_NEXT] | 0;
      if (next === 0) {
        this.releaseAll(r);
        return;
      }
      if (i32[r + R_TAIL_CHUNK] === ref) this.#enterTail(r, next);
      this.#release(r, ref);
      ref = next;
    }
    const start = i32[this.descriptor(ref) + D_START] | 0;
    i32[r + R_HEAD_CHUNK] = ref;
    i32[r + R_HEAD_END] = (start + this.sizeOf(ref)) | 0;
    i32[r + R_HEAD_DELTA] = (this.base + ref - start) | 0;
  }

  #release(r: number, ref: ChunkRef): void {
    const i32 = this.window.i32;
    if (i32[r + R_PEEK_CHUNK] === ref) i32[r + R_PEEK_CHUNK] = 0;
    if (i32[r + R_OOO_CHUNK] === ref) i32[r + R_OOO_CHUNK] = 0;
    i32[r + R_CHUNK_BYTES] -= this.sizeOf(ref);
    this.pools[i32[r + R_SEGMENT]]?.free(ref);
  }

  protected releaseAll(r: number): void {
    const i32 = this.window.i32;
    const pool = this.pools[i32[r + R_SEGMENT]];
    let ref = i32[r + R_HEAD_CHUNK] | 0;
    while (ref !== 0) {
      const next = i32[this.descriptor(ref) + D_NEXT] | 0;
      pool?.free(ref);
      ref = next;
    }
    i32[r + R_HEAD_CHUNK] = 0;
    i32[r + R_TAIL_CHUNK] = 0;
    i32[r + R_END_CHUNK] = 0;
    i32[r + R_PEEK_CHUNK] = 0;
    i32[r + R_OOO_CHUNK] = 0;
    i32[r + R_HEAD_END] = i32[r + R_HEAD];
    i32[r + R_TAIL_END] = i32[r + R_TAIL];
    i32[r + R_RESERVED] = 0;
    i32[r + R_CHUNK_BYTES] = 0;
    i32[r + R_PUBLISHED] = i32[r + R_HEAD];
  }

  /** Gives back the chunks after the last byte held; all of them when there is none. */
  protected trim(r: number): void {
    const i32 = this.window.i32;
    if (i32[r + R_HEAD_CHUNK] === 0) return;
    const tail = i32[r + R_TAIL] | 0;
    const needed = this.ooo.lastEnd(r, tail);
    if (needed === tail && tail === (i32[r + R_HEAD] | 0)) {
      this.releaseAll(r);
      return;
    }
    let last = i32[r + R_TAIL_CHUNK] | 0;
    while (((needed - this.endOf(last)) | 0) > 0) last = i32[this.descriptor(last) + D_NEXT] | 0;
    let ref = i32[this.descriptor(last) + D_NEXT] | 0;
    i32[this.descriptor(last) + D_NEXT] = 0;
    i32[r + R_END_CHUNK] = last;
    while (ref !== 0) {
      const next = i32[this.descriptor(ref) + D_NEXT] | 0;
      this.#release(r, ref);
      ref = next;
    }
  }

  /** Checks a fifo's chunk list, positions and intervals. Returns what is wrong. */
  protected validateChain(r: number): string | undefined {
    const i32 = this.window.i32;
    const head = i32[r + R_HEAD];
    const tail = i32[r + R_TAIL];
    const unread = (tail - head) | 0;
    if (unread < 0) return `head ${head} is past tail ${tail}`;
    const bad = this.ooo.validate(r, tail);
    if (bad !== undefined) return bad;
    const capacity = this.pools[i32[r + R_SEGMENT]]?.capacityBytes ?? 0;
    let owned = 0;
    let end = 0;
    let last = 0;
    let sawTail = false;
    let hints = 0;
    for (let ref = i32[r + R_HEAD_CHUNK]; ref !== 0; ref = i32[this.descriptor(ref) + D_NEXT]) {
      const start = i32[this.descriptor(ref) + D_START];
      if (last === 0) {
        if (((head - start) | 0) < 0) return "the first chunk begins after the head";
        if (((this.endOf(ref) - head) | 0) <= 0) return "the first chunk is drained";
        if (i32[r + R_HEAD_END] !== this.endOf(ref)) return "wrong end of the head chunk";
        if (((i32[r + R_HEAD_DELTA] + start) | 0) !== this.base + ref) return "wrong delta of the head chunk";
      } else if (start !== end) return `a chunk begins at ${start}, the one before it ends at ${end}`;
      owned += this.sizeOf(ref);
      if (owned > capacity) return "the list of chunks has a loop";
      end = this.endOf(ref);
      if (ref === i32[r + R_TAIL_CHUNK]) {
        sawTail = true;
        if (((tail - start) | 0) < 0 || ((end - tail) | 0) < 0) return "the tail is not in the tail chunk";
        if (i32[r + R_TAIL_END] !== end) return "wrong end of the tail chunk";
        if (((i32[r + R_TAIL_DELTA] + start) | 0) !== this.base + ref) return "wrong delta of the tail chunk";
      }
      if (ref === i32[r + R_PEEK_CHUNK]) hints |= 1;
      if (ref === i32[r + R_OOO_CHUNK]) hints |= 2;
      last = ref;
    }
    if (last !== i32[r + R_END_CHUNK]) return "the list does not end at the last chunk";
    if (last !== 0 && !sawTail) return "the tail chunk is not on the list";
    if (i32[r + R_PEEK_CHUNK] !== 0 && (hints & 1) === 0) return "the peek hint is not on the list";
    if (i32[r + R_OOO_CHUNK] !== 0 && (hints & 2) === 0) return "the out-of-order hint is not on the list";
    if (owned !== i32[r + R_CHUNK_BYTES]) return `${owned} bytes in chunks, ${i32[r + R_CHUNK_BYTES]} counted`;
    const needed = this.ooo.lastEnd(r, tail);
    if (last === 0) {
      if (unread !== 0 || needed !== tail) return "bytes without a chunk";
      if (i32[r + R_TAIL_END] !== tail || i32[r + R_HEAD_END] !== head) return "room without a chunk";
    } else {
      if (((end - needed) | 0) < 0) return "the chunks end before the last byte";
      if (unread === 0 && needed === tail && i32[r + R_RESERVED] === 0) return "an idle fifo owns a chunk";
    }
    return undefined;
  }
}
