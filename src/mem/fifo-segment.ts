import { CHUNK_MAX_BYTES, CHUNK_MIN_BYTES, ChunkPool, type ChunkPoolStats, D_NEXT } from "./chunk-pool.js";
import { FifoChain, publishHead, publishTail } from "./fifo-chain.js";
import { copyBytes, copyIn, copyOut } from "./fifo-copy.js";
import {
  type FifoOffset,
  FIFO_BYTES,
  F_CAP,
  P_TAIL,
  F_MIN_ALLOC,
  F_NEXT,
  F_HAS_EVENT,
  F_WANT_DEQ_NTF,
  F_HAS_DEQ_NTF,
  F_DEQ_THRESH,
  F_CHUNK_BYTES,
  DEQ_NTF_ALWAYS,
  DEQ_NTF_IF_FULL,
  DEQ_NTF_IF_EMPTY,
  ROW_WORDS,
  R_TAIL,
  R_TAIL_END,
  R_TAIL_DELTA,
  R_CAP,
  R_HEAD,
  R_HEAD_END,
  R_HEAD_DELTA,
  R_PEEK_CHUNK,
  R_OOO_COUNT,
  R_OOO_CHUNK,
  R_TAIL_CHUNK,
  R_HEAD_CHUNK,
  R_END_CHUNK,
  R_RESERVED,
  SEGMENT_MAGIC,
  SEGMENT_VERSION,
  SEGMENT_HEADER_BYTES,
  H_MAGIC,
  H_VERSION,
  H_BYTES,
  H_MAX_FIFOS,
  H_FIFOS,
  H_DESCRIPTORS,
  H_DATA,
  H_UNITS,
  H_FREE_FIFO,
  H_CARVED_FIFOS,
  H_ACTIVE_FIFOS,
  H_FIFO_FAILURES,
  H_OOO_REFUSED,
  H_BAD_FIFO,
  H_SHORT_ENQUEUES,
  H_CHUNKS,
} from "./fifo-layout.js";
import { OOO_ROW_BYTES, OooIntervals } from "./fifo-ooo.js";
import type { Offset } from "./flavor.js";
import type { MemoryWindow } from "./window.js";

/** Limits of a fifo segment. */
export interface FifoSegmentLimits {
  /** Fifos at most, 1 or more. Each takes 128 bytes of the segment and 64 of private memory. */
  readonly maxFifos: number;
  /** Out-of-order intervals of one fifo at most; default 32. */
  readonly maxOooPerFifo?: number;
  /** Out-of-order intervals of all fifos at most, 32 bytes of private memory each; default 4 per fifo, at least 64. */
  readonly maxOooRows?: number;
  /** Largest cap of one fifo, at most 1 GiB; default 64 MiB. */
  readonly maxFifoBytes?: number;
  /** Free memory that each chunk class keeps unmerged; default 1/32 of the segment, at most 1 MiB. */
  readonly keepBytes?: number;
}

/** What `show segment-manager` prints of a segment. */
export interface FifoSegmentStats extends ChunkPoolStats {
  readonly activeFifos: number;
  readonly maxFifos: number;
  /** Fifos refused because all blocks are in use. */
  readonly fifoFailures: number;
  /** Out-of-order segments refused by a limit of intervals. */
  readonly oooRefused: number;
  readonly oooIntervals: number;
  /** Enqueues that took less than cap and length allow, for want of memory. */
  readonly shortEnqueues: number;
  /** Calls with something that is not a live fifo. */
  readonly badFifos: number;
}

const LARGEST_CAP_BYTES = 1 << 30;

/** Bytes of private memory (outside the segment) that a segment with these limits needs. */
function privateBytes(limits: FifoSegmentLimits): number {
  return limits.maxFifos * ROW_WORDS * 4 + (oooRows(limits) + 1) * OOO_ROW_BYTES;
}

function oooRows(limits: FifoSegmentLimits): number {
  return limits.maxOooRows ?? Math.max(64, 4 * limits.maxFifos);
}

/**
 * Byte fifos over chunks of one range of the window (VPP: svm_fifo and fifo_segment).
 *
 *     segment  header | fifo blocks | chunk descriptors | data
 *     fifo     list of chunks:  [start ....head########tail~~~~ooo~~~~end]     # unread   ~ ahead of the tail
 *
 * Positions (head, tail, a chunk's start) are free-running int32, compared by their difference. One producer, one
 * consumer. A fifo takes its first chunk at the first byte and gives the last one back when it is drained, so an idle
 * session owns none. Bytes before the tail never change; bytes ahead of it may be stored again, and the last store wins
 * (no consumer can have seen them, and it needs no splitting of intervals).
 *
 * Nothing here throws on the data path: a wrong length takes 0 bytes. Offsets and arrays given by the caller must be
 * valid ranges.
 */
export class FifoSegment extends FifoChain {
  readonly #maxFifos: number;
  readonly #maxFifoBytes: number;

  /**
   * Makes an empty segment of [base, base + bytes), and reserves its private rows in the window. Control plane.
   * @param base a multiple of 4096
   * @param bytes the header, the fifo blocks and at least one chunk must fit
   * @throws RangeError when a parameter is out of range
   */
  constructor(window: MemoryWindow, base: Offset, bytes: number, limits: FifoSegmentLimits) {
    const { maxFifos } = limits;
    const perFifo = limits.maxOooPerFifo ?? 32;
    const rows = oooRows(limits);
    const maxFifoBytes = limits.maxFifoBytes ?? 64 << 20;
    if (base <= 0 || base % 4096 !== 0) throw new RangeError(`fifo segment: base ${base} is not a multiple of 4096`);
    if (!Number.isInteger(bytes) || bytes <= 0 || base + bytes > window.u8.length) {
      throw new RangeError(`fifo segment: ${bytes} bytes at ${base} do not lie in the window`);
    }
    if (!Number.isInteger(maxFifos) || maxFifos < 1) throw new RangeError("fifo segment: maxFifos must be 1 or more");
    if (!Number.isInteger(perFifo) || perFifo < 0 || !Number.isInteger(rows) || rows < 0) {
      throw new RangeError("fifo segment: limits of out-of-order intervals must be 0 or more");
    }
    if (!Number.isInteger(maxFifoBytes) || maxFifoBytes < 1 || maxFifoBytes > LARGEST_CAP_BYTES) {
      throw new RangeError("fifo segment: maxFifoBytes must be 1 to 1 GiB");
    }
    const descriptors = SEGMENT_HEADER_BYTES + maxFifos * FIFO_BYTES;
    const units = Math.floor((bytes - descriptors - 4096) / (CHUNK_MIN_BYTES + 16));
    if (units < 1) throw new RangeError(`fifo segment: ${bytes} bytes are too few for ${maxFifos} fifos and one chunk`);
    const data = (descriptors + units * 16 + 4095) & -4096;
    const keepBytes = limits.keepBytes ?? Math.min(1 << 20, bytes >> 5);

    const own = window.reserve("fifo rows", privateBytes(limits));

    const h = base >> 2;
    super(
      window,
      base,
      own,
      new ChunkPool(window, base, h + H_CHUNKS, descriptors, data, units, keepBytes),
      new OooIntervals(window, own + maxFifos * ROW_WORDS * 4, rows, perFifo),
    );
    this.#maxFifos = maxFifos;
    this.#maxFifoBytes = maxFifoBytes;
    const { i32 } = window;
    i32.fill(0, h, h + (SEGMENT_HEADER_BYTES >> 2));
    i32[h + H_MAGIC] = SEGMENT_MAGIC;
    i32[h + H_VERSION] = SEGMENT_VERSION;
    i32[h + H_BYTES] = bytes;
    i32[h + H_MAX_FIFOS] = maxFifos;
    i32[h + H_FIFOS] = SEGMENT_HEADER_BYTES;
    i32[h + H_DESCRIPTORS] = descriptors;
    i32[h + H_DATA] = data;
    i32[h + H_UNITS] = units;
  }

  // ---- Fifos: control plane ----

  /** Makes a fifo that holds at most `capBytes` (clamped to 1 ... maxFifoBytes). Returns 0, counted, when all are in use. */
  allocFifo(capBytes: number): FifoOffset {
    const i32 = this.window.i32;
    const h = this.header;
    let f = 0;
    const free = i32[h + H_FREE_FIFO] | 0;
    if (free !== 0) {
      f = (this.base + free) | 0;
      i32[h + H_FREE_FIFO] = i32[(f >> 2) + F_NEXT];
    } else if (i32[h + H_CARVED_FIFOS] < this.#maxFifos) {
      f = (this.fifos + Math.imul(i32[h + H_CARVED_FIFOS], FIFO_BYTES)) | 0;
      i32[h + H_CARVED_FIFOS]++;
    } else {
      i32[h + H_FIFO_FAILURES]++;
      return 0;
    }
    const w = f >> 2;
    for (let i = w; i < w + (FIFO_BYTES >> 2); i++) i32[i] = 0;
    const r = this.row(f);
    for (let i = r; i < r + ROW_WORDS; i++) i32[i] = 0;
    i32[w + F_MIN_ALLOC] = CHUNK_MIN_BYTES;
    i32[h + H_ACTIVE_FIFOS]++;
    this.setCapBytes(f, capBytes);
    return f;
  }

  /** Gives a fifo back with all it holds. Something that is not a live fifo is refused and counted. */
  freeFifo(f: FifoOffset): void {
    const i32 = this.window.i32;
    const h = this.header;
    if (!this.isFifo(f)) {
      i32[h + H_BAD_FIFO]++;
      return;
    }
    const r = this.row(f);
    this.ooo.clear(r);
    this.releaseAll(f, r);
    i32[r + R_CAP] = 0;
    i32[r + R_HEAD] = 0;
    i32[r + R_TAIL] = 0;
    i32[(f >> 2) + F_NEXT] = i32[h + H_FREE_FIFO];
    i32[h + H_FREE_FIFO] = (f - this.base) | 0;
    i32[h + H_ACTIVE_FIFOS]--;
  }

  /** Whether `f` is a live fifo of this segment: for offsets that come from outside. */
  isFifo(f: FifoOffset): boolean {
    const i32 = this.window.i32;
    const n = (f - this.fifos) / FIFO_BYTES;
    return Number.isInteger(n) && n >= 0 && n < i32[this.header + H_CARVED_FIFOS] && i32[this.row(f) + R_CAP] !== 0;
  }

  /** Most unread bytes that the fifo takes. */
  capBytes(f: FifoOffset): number {
    return this.window.i32[this.row(f) + R_CAP];
  }

  /** Changes the cap, clamped to 1 ... maxFifoBytes. A fifo that holds more keeps it and takes nothing until there is room. */
  setCapBytes(f: FifoOffset, capBytes: number): void {
    const i32 = this.window.i32;
    const cap = capBytes >= 1 ? Math.min(Math.floor(capBytes), this.#maxFifoBytes) : 1;
    i32[this.row(f) + R_CAP] = cap;
    i32[(f >> 2) + F_CAP] = cap;
  }

  /** Sets the smallest chunk that the fifo grows by, clamped to 1 KiB ... 4 MiB; default 1 KiB. */
  setMinAllocBytes(f: FifoOffset, bytes: number): void {
    const min = bytes >= CHUNK_MIN_BYTES ? Math.min(Math.floor(bytes), CHUNK_MAX_BYTES) : CHUNK_MIN_BYTES;
    this.window.i32[(f >> 2) + F_MIN_ALLOC] = min;
  }

  /** Bytes in the chunks that the fifo owns: 0 when idle. */
  ownedBytes(f: FifoOffset): number {
    return this.window.i32[(f >> 2) + F_CHUNK_BYTES];
  }

  /** Puts the head and tail of a fifo that owns no chunk at `position`, any int32. Returns false when it owns one. */
  initPositions(f: FifoOffset, position: number): boolean {
    const i32 = this.window.i32;
    const r = this.row(f);
    if (i32[r + R_HEAD_CHUNK] !== 0) return false;
    i32[r + R_HEAD] = position;
    i32[r + R_TAIL] = position;
    i32[r + R_HEAD_END] = position;
    i32[r + R_TAIL_END] = position;
    publishHead(i32, f, position | 0);
    publishTail(i32, f, position | 0);
    return true;
  }

  /** Bytes in all chunks that fifos own: 0 when nothing leaks. */
  inUse(): number {
    return this.chunks.bytesInUse;
  }

  /** A copy of the counters. Control plane. */
  stats(): FifoSegmentStats {
    const i32 = this.window.i32;
    const h = this.header;
    return {
      ...this.chunks.stats(),
      activeFifos: i32[h + H_ACTIVE_FIFOS],
      maxFifos: this.#maxFifos,
      fifoFailures: i32[h + H_FIFO_FAILURES],
      oooRefused: i32[h + H_OOO_REFUSED],
      oooIntervals: this.ooo.inUse,
      shortEnqueues: i32[h + H_SHORT_ENQUEUES],
      badFifos: i32[h + H_BAD_FIFO],
    };
  }

  // ---- Both sides ----

  /** Unread bytes. */
  maxDequeue(f: FifoOffset): number {
    const i32 = this.window.i32;
    const r = this.row(f);
    return (i32[r + R_TAIL] - i32[r + R_HEAD]) | 0;
  }

  /** Bytes that may be enqueued as far as the cap goes; memory may be shorter. */
  maxEnqueue(f: FifoOffset): number {
    const i32 = this.window.i32;
    const r = this.row(f);
    const room = (i32[r + R_CAP] - ((i32[r + R_TAIL] - i32[r + R_HEAD]) | 0)) | 0;
    return room > 0 ? room : 0;
  }

  /** Free-running count of bytes read. */
  head(f: FifoOffset): number {
    return this.window.i32[this.row(f) + R_HEAD];
  }

  /** Free-running count of bytes written in order. */
  tail(f: FifoOffset): number {
    return this.window.i32[this.row(f) + R_TAIL];
  }

  // ---- Producer ----

  /**
   * Touch passes over the fifos (0: none) that a vector is about to enqueue to: reads a word of each fifo's row, then of the
   * place of its next byte and of the line that the consumer watches. Small loops, so that many misses are under way at
   * once.
   */
  touchTails(list: Int32Array, count: number): number {
    const i32 = this.window.i32;
    let touch = 0;
    for (let i = 0; i < count; i++) if (list[i] !== 0) touch ^= i32[this.row(list[i]) + R_TAIL];
    for (let i = 0; i < count; i++) {
      const f = list[i];
      if (f === 0) continue;
      const r = this.row(f);
      touch ^= i32[(i32[r + R_TAIL_DELTA] + i32[r + R_TAIL]) >> 2] ^ i32[(f >> 2) + P_TAIL];
    }
    return touch;
  }

  /**
   * Appends up to `len` bytes of the window. Takes less when the cap or memory is short. Returns how far the tail moved:
   * what it took, plus the out-of-order bytes that this reached.
   */
  enqueue(f: FifoOffset, src: Offset, len: number): number {
    const i32 = this.window.i32;
    const r = this.row(f);
    const tail = i32[r + R_TAIL] | 0;
    if (
      len > 0 &&
      len <= ((i32[r + R_TAIL_END] - tail) | 0) &&
      len <= ((i32[r + R_CAP] - ((tail - i32[r + R_HEAD]) | 0)) | 0) &&
      i32[r + R_OOO_COUNT] === 0
    ) {
      copyBytes(this.window, (i32[r + R_TAIL_DELTA] + tail) | 0, src, len);
      const end = (tail + len) | 0;
      i32[r + R_TAIL] = end;
      publishTail(i32, f, end);
      return len;
    }
    const n = this.grow(f, r, len);
    for (let done = 0; done < n; ) {
      const part = this.contiguous(r, n - done);
      copyBytes(this.window, this.tailOffset(r), src + done, part);
      i32[r + R_TAIL] = (i32[r + R_TAIL] + part) | 0;
      done += part;
    }
    return n > 0 ? this.finishEnqueue(f, r, tail) : 0;
  }

  /** Same, from an application's array: bytes [from, from + len) of `src`, as far as it reaches. */
  write(f: FifoOffset, src: Uint8Array, from: number, len: number): number {
    const i32 = this.window.i32;
    const r = this.row(f);
    const tail = i32[r + R_TAIL] | 0;
    const there = src.length - from;
    const n = from >= 0 ? this.grow(f, r, len > there ? there : len) : 0;
    for (let done = 0; done < n; ) {
      const part = this.contiguous(r, n - done);
      copyIn(this.window, this.tailOffset(r), src, from + done, part);
      i32[r + R_TAIL] = (i32[r + R_TAIL] + part) | 0;
      done += part;
    }
    return n > 0 ? this.finishEnqueue(f, r, tail) : 0;
  }

  /**
   * Appends `n` ranges of the window, (offset, length) pairs in `spans[at...]`, or nothing at all. Returns how far the
   * tail moved (VPP: svm_fifo_enqueue_segments without partial).
   */
  enqueueSpans(f: FifoOffset, spans: Int32Array, at: number, n: number): number {
    const i32 = this.window.i32;
    const r = this.row(f);
    const tail = i32[r + R_TAIL] | 0;
    let total = 0;
    for (let i = 0; i < n; i++) total = (total + spans[at + 2 * i + 1]) | 0;
    if (total <= 0 || total > this.maxEnqueue(f)) return 0;
    if (this.grow(f, r, total) < total) {
      this.trim(f, r);
      return 0;
    }
    for (let i = 0; i < n; i++) {
      const len = spans[at + 2 * i + 1];
      for (let done = 0; done < len; ) {
        const part = this.contiguous(r, len - done);
        copyBytes(this.window, this.tailOffset(r), spans[at + 2 * i] + done, part);
        i32[r + R_TAIL] = (i32[r + R_TAIL] + part) | 0;
        done += part;
      }
    }
    return this.finishEnqueue(f, r, tail);
  }

  /**
   * Appends `prefixLen` bytes of the window (1 or more) and then bytes [from, from + len) of an application's array, which
   * must exist, or nothing at all. Returns how far the tail moved.
   */
  writeAll(f: FifoOffset, prefix: Offset, prefixLen: number, src: Uint8Array, from: number, len: number): number {
    const i32 = this.window.i32;
    const r = this.row(f);
    const tail = i32[r + R_TAIL] | 0;
    const total = (prefixLen + len) | 0;
    if (total > this.maxEnqueue(f)) return 0;
    if (this.grow(f, r, total) < total) {
      this.trim(f, r);
      return 0;
    }
    for (let done = 0; done < total; ) {
      const part = this.contiguous(r, done < prefixLen ? prefixLen - done : total - done);
      if (done < prefixLen) copyBytes(this.window, this.tailOffset(r), prefix + done, part);
      else copyIn(this.window, this.tailOffset(r), src, from + done - prefixLen, part);
      i32[r + R_TAIL] = (i32[r + R_TAIL] + part) | 0;
      done += part;
    }
    return this.finishEnqueue(f, r, tail);
  }

  /**
   * Lends up to `len` bytes of room after the tail to a producer that writes in place: (offset, length) pairs in
   * `out[at...]`, at most `maxSpans`; returns how many. `commit` must follow before the producer's next call.
   */
  reserve(f: FifoOffset, len: number, out: Int32Array, maxSpans: number, at = 0): number {
    const i32 = this.window.i32;
    const r = this.row(f);
    const n = this.grow(f, r, len);
    if (n <= 0) return 0;
    const tail = i32[r + R_TAIL] | 0;
    const pairs = this.listSpans(i32[r + R_TAIL_CHUNK], tail, n, out, maxSpans, at);
    let lent = 0;
    for (let i = 0; i < pairs; i++) lent = (lent + out[at + 2 * i + 1]) | 0;
    i32[r + R_RESERVED] = lent;
    return pairs;
  }

  /** Makes the first `n` lent bytes readable (0 gives the room back). Returns how far the tail moved. */
  commit(f: FifoOffset, n: number): number {
    const i32 = this.window.i32;
    const r = this.row(f);
    const tail = i32[r + R_TAIL] | 0;
    const end = i32[r + R_END_CHUNK];
    const room = end === 0 ? 0 : (this.endOf(end) - tail) | 0;
    let len = n < i32[r + R_RESERVED] ? n : i32[r + R_RESERVED] | 0;
    if (len > room) len = room;
    i32[r + R_RESERVED] = 0;
    let moved = 0;
    if (len > 0) {
      i32[r + R_TAIL] = (tail + len) | 0;
      this.settleTail(r);
      moved = this.finishEnqueue(f, r, tail);
    }
    this.trim(f, r);
    return moved;
  }

  /**
   * Stores `len` bytes at `offset` past the tail, for when the gap before them is filled. All or nothing: returns `len`,
   * or 0 when the cap or memory is short or (counted) no interval is left. Rewrites what was stored there before.
   */
  enqueueOoo(f: FifoOffset, offset: number, src: Offset, len: number): number {
    const i32 = this.window.i32;
    const r = this.row(f);
    const room = this.maxEnqueue(f);
    if (!(offset >= 0) || !(len > 0) || offset > room || len > room - offset) return 0;
    const need = (offset + len) | 0;
    if (this.grow(f, r, need) < need) {
      this.trim(f, r);
      return 0;
    }
    const start = (i32[r + R_TAIL] + offset) | 0;
    if (!this.ooo.add(r, start, (start + len) | 0)) {
      i32[this.header + H_OOO_REFUSED]++;
      this.trim(f, r);
      return 0;
    }
    let chunk = this.seek(this.laterOf(i32[r + R_OOO_CHUNK], i32[r + R_TAIL_CHUNK], start), start);
    for (let done = 0; done < len; ) {
      const position = (start + done) | 0;
      const end = this.endOf(chunk);
      if (end === position) chunk = i32[this.chunks.descriptor(chunk) + D_NEXT];
      else {
        const left = (end - position) | 0;
        const part = left < len - done ? left : len - done;
        copyBytes(this.window, this.offsetIn(chunk, position), src + done, part);
        done += part;
      }
    }
    i32[r + R_OOO_CHUNK] = chunk;
    return len;
  }

  /** Out-of-order intervals held. */
  oooCount(f: FifoOffset): number {
    return this.window.i32[this.row(f) + R_OOO_COUNT];
  }

  /** Out-of-order bytes held. */
  oooBytes(f: FifoOffset): number {
    return this.ooo.bytes(this.row(f));
  }

  /**
   * Writes up to `max` intervals as pairs (offset from the tail, length), the one touched last first, to `out[at...]`:
   * the order of SACK blocks. Returns how many.
   */
  oooNewest(f: FifoOffset, out: Int32Array, max: number, at = 0): number {
    const r = this.row(f);
    return this.ooo.newestFirst(r, this.window.i32[r + R_TAIL], out, max, at);
  }

  /** The same in order of position. */
  oooIntervals(f: FifoOffset, out: Int32Array, max: number, at = 0): number {
    const r = this.row(f);
    return this.ooo.inOrder(r, this.window.i32[r + R_TAIL], out, max, at);
  }

  /**
   * The part of the `len` bytes at `offset` past the tail (negative: before it) that is held already, as a pair (offset
   * from the tail, length) in `out[at...]`: the first such part. Returns false when none is.
   */
  oooOverlap(f: FifoOffset, offset: number, len: number, out: Int32Array, at = 0): boolean {
    const r = this.row(f);
    const tail = this.window.i32[r + R_TAIL] | 0;
    const start = (tail + offset) | 0;
    return this.ooo.overlap(r, tail, start, (start + len) | 0, out, at);
  }

  /** Forgets all out-of-order bytes and gives back the chunks that only they needed. */
  oooClear(f: FifoOffset): void {
    const r = this.row(f);
    this.ooo.clear(r);
    this.trim(f, r);
  }

  // ---- Consumer ----

  /** Takes up to `len` bytes into the window. Returns how many. */
  dequeue(f: FifoOffset, dst: Offset, len: number): number {
    const i32 = this.window.i32;
    const r = this.row(f);
    const n = this.readable(r, 0, len);
    for (let done = 0; done < n; ) {
      const head = i32[r + R_HEAD] | 0;
      const left = (i32[r + R_HEAD_END] - head) | 0;
      const part = left < n - done ? left : n - done;
      copyBytes(this.window, dst + done, (i32[r + R_HEAD_DELTA] + head) | 0, part);
      this.advanceHead(f, r, part);
      done += part;
    }
    return n;
  }

  /** Same, into bytes [at, at + len) of an application's array, as far as it reaches. */
  read(f: FifoOffset, dst: Uint8Array, at: number, len: number): number {
    const i32 = this.window.i32;
    const r = this.row(f);
    const room = dst.length - at;
    const n = at >= 0 ? this.readable(r, 0, len > room ? room : len) : 0;
    for (let done = 0; done < n; ) {
      const head = i32[r + R_HEAD] | 0;
      const left = (i32[r + R_HEAD_END] - head) | 0;
      const part = left < n - done ? left : n - done;
      copyOut(this.window, dst, at + done, (i32[r + R_HEAD_DELTA] + head) | 0, part);
      this.advanceHead(f, r, part);
      done += part;
    }
    return n;
  }

  /** Copies up to `len` bytes that begin `offset` bytes after the head, without taking them. Returns how many. */
  peek(f: FifoOffset, offset: number, dst: Offset, len: number): number {
    const i32 = this.window.i32;
    const r = this.row(f);
    const n = this.readable(r, offset, len);
    if (n === 0) return 0;
    const start = (i32[r + R_HEAD] + offset) | 0;
    let chunk = this.seek(this.laterOf(i32[r + R_PEEK_CHUNK], i32[r + R_HEAD_CHUNK], start), start);
    for (let done = 0; done < n; ) {
      const position = (start + done) | 0;
      const left = (this.endOf(chunk) - position) | 0;
      if (left === 0) chunk = i32[this.chunks.descriptor(chunk) + D_NEXT];
      else {
        const part = left < n - done ? left : n - done;
        copyBytes(this.window, dst + done, this.offsetIn(chunk, position), part);
        done += part;
      }
    }
    i32[r + R_PEEK_CHUNK] = chunk;
    return n;
  }

  /** Same, into bytes [at, at + len) of an application's array, as far as it reaches. */
  peekInto(f: FifoOffset, offset: number, dst: Uint8Array, at: number, len: number): number {
    const i32 = this.window.i32;
    const r = this.row(f);
    const room = dst.length - at;
    const n = at >= 0 ? this.readable(r, offset, len > room ? room : len) : 0;
    if (n === 0) return 0;
    const start = (i32[r + R_HEAD] + offset) | 0;
    let chunk = this.seek(this.laterOf(i32[r + R_PEEK_CHUNK], i32[r + R_HEAD_CHUNK], start), start);
    for (let done = 0; done < n; ) {
      const position = (start + done) | 0;
      const left = (this.endOf(chunk) - position) | 0;
      if (left === 0) chunk = i32[this.chunks.descriptor(chunk) + D_NEXT];
      else {
        const part = left < n - done ? left : n - done;
        copyOut(this.window, dst, at + done, this.offsetIn(chunk, position), part);
        done += part;
      }
    }
    return n;
  }

  /**
   * Shows up to `len` unread bytes that begin `offset` bytes after the head as (offset, length) pairs in `out[at...]`,
   * at most `maxSpans`. Returns how many pairs. They stay valid until the bytes are dropped or dequeued.
   */
  spans(f: FifoOffset, offset: number, len: number, out: Int32Array, maxSpans: number, at = 0): number {
    const i32 = this.window.i32;
    const r = this.row(f);
    const n = this.readable(r, offset, len);
    if (n === 0) return 0;
    const start = (i32[r + R_HEAD] + offset) | 0;
    const chunk = this.seek(this.laterOf(i32[r + R_PEEK_CHUNK], i32[r + R_HEAD_CHUNK], start), start);
    i32[r + R_PEEK_CHUNK] = chunk;
    return this.listSpans(chunk, start, n, out, maxSpans, at);
  }

  /** Takes up to `len` bytes without copying them and gives back the chunks that this drains. Returns how many. */
  drop(f: FifoOffset, len: number): number {
    const r = this.row(f);
    const n = this.readable(r, 0, len);
    if (n > 0) this.advanceHead(f, r, n);
    return n;
  }

  /** Drops all unread bytes. Returns how many. */
  dropAll(f: FifoOffset): number {
    return this.drop(f, this.maxDequeue(f));
  }

  /** Rewrites the first `len` unread bytes from the window (the consumer's own bookkeeping). Returns false when there are fewer. */
  overwriteHead(f: FifoOffset, src: Offset, len: number): boolean {
    const i32 = this.window.i32;
    const r = this.row(f);
    if (len > ((i32[r + R_TAIL] - i32[r + R_HEAD]) | 0)) return false;
    let chunk = i32[r + R_HEAD_CHUNK];
    for (let done = 0; done < len; ) {
      const position = (i32[r + R_HEAD] + done) | 0;
      const left = (this.endOf(chunk) - position) | 0;
      if (left === 0) chunk = i32[this.chunks.descriptor(chunk) + D_NEXT];
      else {
        const part = left < len - done ? left : len - done;
        copyBytes(this.window, this.offsetIn(chunk, position), src + done, part);
        done += part;
      }
    }
    return true;
  }

  // ---- Events and notifications ----

  /** Marks that an event about the fifo is under way. Returns true when none was: the caller then sends one. */
  setEvent(f: FifoOffset): boolean {
    const i32 = this.window.i32;
    const at = (f >> 2) + F_HAS_EVENT;
    if (i32[at] !== 0) return false;
    i32[at] = 1;
    return true;
  }

  /** The consumer clears the mark before it looks at the fifo for the last time. */
  unsetEvent(f: FifoOffset): void {
    this.window.i32[(f >> 2) + F_HAS_EVENT] = 0;
  }

  /** Whether an event is under way. */
  hasEvent(f: FifoOffset): boolean {
    return this.window.i32[(f >> 2) + F_HAS_EVENT] !== 0;
  }

  /** The producer asks to be told of dequeues: any of DEQ_NTF_*, added to what it asked for before. */
  addWantDequeueNotification(f: FifoOffset, modes: number): void {
    this.window.i32[(f >> 2) + F_WANT_DEQ_NTF] |= modes;
  }

  /** The producer no longer wants these. */
  removeWantDequeueNotification(f: FifoOffset, modes: number): void {
    this.window.i32[(f >> 2) + F_WANT_DEQ_NTF] &= ~modes;
  }

  /** Free bytes from which DEQ_NTF_ALWAYS notifies; default 0. */
  setDequeueThreshold(f: FifoOffset, bytes: number): void {
    this.window.i32[(f >> 2) + F_DEQ_THRESH] = bytes;
  }

  /** Whether the consumer, having just dequeued `dequeued` bytes, has to notify the producer (VPP: svm_fifo_needs_deq_ntf). */
  needsDequeueNotification(f: FifoOffset, dequeued: number): boolean {
    const i32 = this.window.i32;
    const w = f >> 2;
    const want = i32[w + F_WANT_DEQ_NTF];
    if (want === 0) return false;
    if ((want & DEQ_NTF_ALWAYS) !== 0) return this.maxEnqueue(f) >= i32[w + F_DEQ_THRESH];
    if (i32[w + F_HAS_DEQ_NTF] !== 0) return false;
    const unread = this.maxDequeue(f);
    const cap = i32[this.row(f) + R_CAP];
    if ((want & DEQ_NTF_IF_FULL) !== 0 && unread < cap && unread + dequeued >= cap) return true;
    return (want & DEQ_NTF_IF_EMPTY) !== 0 && unread === 0;
  }

  /**
   * The consumer has sent the notification: DEQ_NTF_ALWAYS is a request for one only; with DEQ_NTF_IF_FULL alone no
   * further one is sent until `resetDequeueNotification` (VPP: svm_fifo_clear_deq_ntf).
   */
  clearDequeueNotification(f: FifoOffset): void {
    const i32 = this.window.i32;
    const w = f >> 2;
    i32[w + F_HAS_DEQ_NTF] = i32[w + F_WANT_DEQ_NTF] === DEQ_NTF_IF_FULL ? 1 : 0;
    i32[w + F_WANT_DEQ_NTF] &= ~DEQ_NTF_ALWAYS;
  }

  /** The producer has seen the notification and filled the fifo again. */
  resetDequeueNotification(f: FifoOffset): void {
    this.window.i32[(f >> 2) + F_HAS_DEQ_NTF] = 0;
  }

  /** Checks a fifo. Returns what is wrong with it. For tests. */
  validate(f: FifoOffset): string | undefined {
    return this.isFifo(f) ? this.validateChain(f) : "not a live fifo";
  }
}
