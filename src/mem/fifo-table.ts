import {
  CHUNK_MAX_BYTES,
  CHUNK_MIN_BYTES,
  CHUNK_POOL_WORDS,
  ChunkPool,
  type ChunkPoolStats,
  D_NEXT,
  sumOfStats,
} from "./chunk-pool.js";
import { FifoChain } from "./fifo-chain.js";
import { copyBytes, copyIn, copyOut } from "./fifo-copy.js";
import {
  FIFO_BYTES,
  type FifoOffset,
  R_CAP,
  R_CHUNK_BYTES,
  R_CONSUMER,
  R_DOOMED,
  R_END_CHUNK,
  R_HEAD,
  R_HEAD_CHUNK,
  R_HEAD_DELTA,
  R_HEAD_END,
  R_MIN_ALLOC,
  R_NEXT_FREE,
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
  type SegmentIndex,
} from "./fifo-layout.js";
import { OOO_ROW_BYTES, OooIntervals } from "./fifo-ooo.js";
import type { Offset } from "./flavor.js";
import { PAGE_BYTES, PageRanges } from "./page-ranges.js";
import type { MemoryWindow } from "./window.js";

/** Limits of a fifo table. */
export interface FifoLimits {
  /** Fifos at most, 1 or more. Each takes a row of 128 bytes. */
  readonly maxFifos: number;
  /** Bytes at the start of the area that are segment 0; default all. The rest is for {@link FifoTable.addSegment}. */
  readonly ownBytes?: number;
  /** Segments at most, the own one counted; default 1. */
  readonly maxSegments?: number;
  /** Out-of-order intervals of one fifo at most; default 32. */
  readonly maxOooPerFifo?: number;
  /** Out-of-order intervals of all fifos at most, 32 bytes each; default 4 per fifo, at least 64. */
  readonly maxOooRows?: number;
  /** Largest cap of one fifo, at most 1 GiB; default 64 MiB. */
  readonly maxFifoBytes?: number;
  /** Free memory that each chunk class keeps unmerged; default 1/32 of its segment, at most 1 MiB. */
  readonly keepBytes?: number;
}

/** Counters of a fifo table; chunks are those of all segments. */
export interface FifoStats extends ChunkPoolStats {
  readonly activeFifos: number;
  readonly maxFifos: number;
  readonly segments: number;
  /** Fifos refused because all rows are in use. */
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
/** Bytes of the own segment before its data: a chunk's place is never 0, which means none. */
const GUARD_BYTES = CHUNK_MIN_BYTES;
/** Bytes of a chunk's descriptor. */
const DESCRIPTOR_BYTES = 16;

function oooRows(limits: FifoLimits): number {
  return limits.maxOooRows ?? Math.max(64, 4 * limits.maxFifos);
}

function checkLimits(limits: FifoLimits, bytes: number): void {
  const { maxFifos, maxSegments = 1, maxOooPerFifo = 32, maxFifoBytes = 1, ownBytes = bytes } = limits;
  const counts = [maxOooPerFifo, oooRows(limits)];
  if (!Number.isInteger(maxFifos) || maxFifos < 1) throw new RangeError("fifo table: maxFifos must be 1 or more");
  if (!Number.isInteger(maxSegments) || maxSegments < 1)
    throw new RangeError("fifo table: maxSegments must be 1 or more");
  if (counts.some((count) => !Number.isInteger(count) || count < 0)) {
    throw new RangeError("fifo table: limits of out-of-order intervals must be 0 or more");
  }
  if (!Number.isInteger(maxFifoBytes) || maxFifoBytes < 1 || maxFifoBytes > LARGEST_CAP_BYTES) {
    throw new RangeError("fifo table: maxFifoBytes must be 1 to 1 GiB");
  }
  if (!Number.isInteger(ownBytes) || ownBytes > bytes || ownBytes < GUARD_BYTES + CHUNK_MIN_BYTES) {
    throw new RangeError(`fifo table: ${ownBytes} of ${bytes} bytes are no segment of at least one chunk`);
  }
}

/**
 * Byte fifos over chunks (VPP: svm_fifo and fifo_segment).
 *
 *     area     segment 0: chunks | segment 1: … | …            one range of the window; segments come and go
 *     fifo     list of chunks:  [start ....head########tail~~~~ooo~~~~end]     # unread   ~ ahead of the tail
 *
 * A fifo is a row of two cache lines, named by its window offset. Rows, descriptors of chunks and free lists lie outside the
 * area, which may be shared with other processes: none of them can steer us.
 *
 * Positions (head, tail, a chunk's start) are free-running int32, compared by their difference. One producer, one
 * consumer. A fifo takes its first chunk at the first byte and gives the last one back when it is drained, so an idle
 * session owns none. Bytes before the tail never change; bytes ahead of it may be stored again, and the last store wins
 * (no consumer can have seen them, and it needs no splitting of intervals).
 *
 * Nothing here throws on the data path: a wrong length takes 0 bytes. Offsets and arrays given by the caller must be
 * valid ranges.
 */
export class FifoTable extends FifoChain {
  /** Pages of the area that no segment has. */
  readonly pages: PageRanges;
  readonly #bytes: number;
  readonly #headers: Offset;
  readonly #limits: FifoLimits;
  readonly #maxFifos: number;
  readonly #maxFifoBytes: number;
  readonly #rows: Offset;
  /** Fifos in use, by segment. */
  readonly #active: number[] = [];
  #carved = 0;
  #free: FifoOffset = 0;
  #fifoFailures = 0;
  #oooRefused = 0;
  #badFifos = 0;

  /**
   * Makes an empty table over the area [base, base + bytes), with its own segment, and reserves its rows in the window.
   * Control plane.
   * @param base a multiple of 4096
   * @throws RangeError when a parameter is out of range
   */
  constructor(window: MemoryWindow, base: Offset, bytes: number, limits: FifoLimits) {
    if (base <= 0 || base % 4096 !== 0) throw new RangeError(`fifo table: base ${base} is not a multiple of 4096`);
    if (!Number.isInteger(bytes) || bytes <= 0 || base + bytes > window.u8.length) {
      throw new RangeError(`fifo table: ${bytes} bytes at ${base} do not lie in the window`);
    }
    checkLimits(limits, bytes);
    const { maxFifos, maxOooPerFifo = 32, maxFifoBytes = 64 << 20, maxSegments = 1, ownBytes = bytes } = limits;
    const ooo = oooRows(limits);
    const rows = window.reserve("fifo rows", maxFifos * FIFO_BYTES);
    const intervals = window.reserve("fifo intervals", (ooo + 1) * OOO_ROW_BYTES);
    const descriptors = window.reserve("fifo chunks", (bytes >> 10) * DESCRIPTOR_BYTES);
    super(window, base, descriptors >> 2, new OooIntervals(window, intervals, ooo, maxOooPerFifo));
    this.#bytes = bytes;
    this.pages = new PageRanges(Math.ceil(ownBytes / PAGE_BYTES) * PAGE_BYTES, bytes - (bytes % PAGE_BYTES));
    this.#headers = window.reserve("fifo segments", maxSegments * CHUNK_POOL_WORDS * 4);
    this.#limits = { ...limits, maxSegments };
    this.#maxFifos = maxFifos;
    this.#maxFifoBytes = maxFifoBytes;
    this.#rows = rows;
    this.#makeSegment(0, GUARD_BYTES, ownBytes);
  }

  // ---- Segments: control plane ----

  /**
   * Makes a segment of the bytes [from, to) of the area, multiples of 1024 behind the own segment, which no other segment
   * has. Returns its number, or -1 when there is no room for another.
   */
  addSegment(from: number, to: number): SegmentIndex {
    const { maxSegments = 1, ownBytes = this.#bytes } = this.#limits;
    let segment = 1;
    while (this.pools[segment] !== undefined) segment++;
    const isRange = from >= ownBytes && to <= this.#bytes && to - from >= CHUNK_MIN_BYTES && (from | to) % 1024 === 0;
    if (segment >= maxSegments || !isRange) return -1;
    this.#makeSegment(segment, from, to);
    return segment;
  }

  /** Forgets a segment without fifos; the memory may be unmapped then. Returns false for the own one, or with fifos. */
  delSegment(segment: SegmentIndex): boolean {
    if (segment === 0 || this.pools[segment] === undefined || this.#active[segment] > 0) return false;
    this.pools[segment] = undefined;
    return true;
  }

  /** The chunks of a segment: counters, and `coalesce` for idle times. */
  pool(segment: SegmentIndex): ChunkPool | undefined {
    return this.pools[segment];
  }

  /** Fifos whose chunks come from a segment. */
  fifosOf(segment: SegmentIndex): number {
    return this.#active[segment] ?? 0;
  }

  #makeSegment(segment: SegmentIndex, from: number, to: number): void {
    this.pools[segment] = new ChunkPool(this.window, {
      header: (this.#headers >> 2) + segment * CHUNK_POOL_WORDS,
      descriptors: this.descriptors,
      dataRel: from,
      units: (to - from) >> 10,
      keepBytes: this.#limits.keepBytes ?? Math.min(1 << 20, (to - from) >> 5),
    });
    this.#active[segment] = 0;
  }

  // ---- Fifos: control plane ----

  /**
   * Makes a fifo that holds at most `capBytes` (clamped to 1 ... maxFifoBytes), with chunks of `segment`. Returns 0,
   * counted, when all rows are in use or there is no such segment.
   */
  allocFifo(capBytes: number, segment: SegmentIndex = 0): FifoOffset {
    const { i32 } = this.window;
    let f = this.#free;
    if (this.pools[segment] === undefined || (f === 0 && this.#carved === this.#maxFifos)) {
      this.#fifoFailures++;
      return 0;
    }
    if (f !== 0) this.#free = i32[(f >> 2) + R_NEXT_FREE];
    else f = this.#rows + this.#carved++ * FIFO_BYTES;
    const r = f >> 2;
    for (let i = r; i < r + (FIFO_BYTES >> 2); i++) i32[i] = 0;
    i32[r + R_MIN_ALLOC] = CHUNK_MIN_BYTES;
    i32[r + R_SEGMENT] = segment;
    this.#active[segment]++;
    this.setCapBytes(f, capBytes);
    return f;
  }

  /**
   * Gives a fifo back with all it holds; one that a client has goes when that has let go of it (FifoMirrors.close). Something
   * that is not a live fifo is refused and counted. Returns whether it is gone.
   */
  freeFifo(f: FifoOffset): boolean {
    const { i32 } = this.window;
    const r = f >> 2;
    const isFifo = this.isFifo(f);
    if (isFifo && (i32[r + R_CONSUMER] | i32[r + R_PRODUCER]) !== 0) {
      i32[r + R_DOOMED] = 1;
      return false;
    }
    if (!isFifo) {
      this.#badFifos++;
      return false;
    }
    this.ooo.clear(r);
    this.releaseAll(r);
    i32[r + R_CAP] = 0;
    i32[r + R_HEAD] = 0;
    i32[r + R_TAIL] = 0;
    i32[r + R_NEXT_FREE] = this.#free;
    this.#free = f;
    this.#active[i32[r + R_SEGMENT]]--;
    return true;
  }

  /** Whether `f` is a live fifo of this table: for offsets that come from outside. */
  isFifo(f: FifoOffset): boolean {
    const n = (f - this.#rows) / FIFO_BYTES;
    return Number.isInteger(n) && n >= 0 && n < this.#carved && this.window.i32[(f >> 2) + R_CAP] !== 0;
  }

  /** The segment that the fifo's chunks come from. */
  segmentOf(f: FifoOffset): SegmentIndex {
    return this.window.i32[(f >> 2) + R_SEGMENT];
  }

  /** Most unread bytes that the fifo takes. */
  capBytes(f: FifoOffset): number {
    return this.window.i32[(f >> 2) + R_CAP];
  }

  /** Changes the cap, clamped to 1 ... maxFifoBytes. A fifo that holds more keeps it and takes nothing until there is room. */
  setCapBytes(f: FifoOffset, capBytes: number): void {
    this.window.i32[(f >> 2) + R_CAP] = capBytes >= 1 ? Math.min(Math.floor(capBytes), this.#maxFifoBytes) : 1;
  }

  /** Sets the smallest chunk that the fifo grows by, clamped to 1 KiB ... 4 MiB; default 1 KiB. */
  setMinAllocBytes(f: FifoOffset, bytes: number): void {
    const min = bytes >= CHUNK_MIN_BYTES ? Math.min(Math.floor(bytes), CHUNK_MAX_BYTES) : CHUNK_MIN_BYTES;
    this.window.i32[(f >> 2) + R_MIN_ALLOC] = min;
  }

  /** Bytes in the chunks that the fifo owns: 0 when idle. */
  ownedBytes(f: FifoOffset): number {
    return this.window.i32[(f >> 2) + R_CHUNK_BYTES];
  }

  /** Puts the head and tail of a fifo that owns no chunk at `position`, any int32. Returns false when it owns one. */
  initPositions(f: FifoOffset, position: number): boolean {
    const { i32 } = this.window;
    const r = f >> 2;
    if (i32[r + R_HEAD_CHUNK] !== 0) return false;
    i32[r + R_HEAD] = position;
    i32[r + R_TAIL] = position;
    i32[r + R_HEAD_END] = position;
    i32[r + R_TAIL_END] = position;
    i32[r + R_PUBLISHED] = position;
    return true;
  }

  /** Bytes in all chunks that fifos own: 0 when nothing leaks. */
  inUse(): number {
    return this.pools.reduce((bytes, pool) => bytes + (pool?.bytesInUse ?? 0), 0);
  }

  /** A copy of the counters. Control plane. */
  stats(): FifoStats {
    const pools = this.pools.filter((pool) => pool !== undefined);
    return {
      ...sumOfStats(pools.map((pool) => pool.stats())),
      activeFifos: this.#active.reduce((sum, each) => sum + each, 0),
      maxFifos: this.#maxFifos,
      segments: pools.length,
      fifoFailures: this.#fifoFailures,
      oooRefused: this.#oooRefused,
      oooIntervals: this.ooo.inUse,
      shortEnqueues: this.shortEnqueues,
      badFifos: this.#badFifos,
    };
  }

  // ---- Both sides ----

  /** Unread bytes. */
  maxDequeue(f: FifoOffset): number {
    const i32 = this.window.i32;
    const r = f >> 2;
    return (i32[r + R_TAIL] - i32[r + R_HEAD]) | 0;
  }

  /** Bytes that may be enqueued as far as the cap goes; memory may be shorter. */
  maxEnqueue(f: FifoOffset): number {
    const i32 = this.window.i32;
    const r = f >> 2;
    const room = (i32[r + R_CAP] - ((i32[r + R_TAIL] - i32[r + R_HEAD]) | 0)) | 0;
    return room > 0 ? room : 0;
  }

  /** Free-running count of bytes read. */
  head(f: FifoOffset): number {
    return this.window.i32[(f >> 2) + R_HEAD];
  }

  /** Free-running count of bytes written in order. */
  tail(f: FifoOffset): number {
    return this.window.i32[(f >> 2) + R_TAIL];
  }

  // ---- Producer ----

  /**
   * Touch passes over the fifos (0: none) that a vector is about to enqueue to: reads a word of each fifo's row, then of the
   * place of its next byte. Small loops, so that many misses are under way at once.
   */
  touchTails(list: Int32Array, count: number): number {
    const i32 = this.window.i32;
    let touch = 0;
    for (let i = 0; i < count; i++) if (list[i] !== 0) touch ^= i32[(list[i] >> 2) + R_TAIL];
    for (let i = 0; i < count; i++) {
      const f = list[i];
      if (f === 0) continue;
      const r = f >> 2;
      touch ^= i32[(i32[r + R_TAIL_DELTA] + i32[r + R_TAIL]) >> 2];
    }
    return touch;
  }

  /**
   * Appends up to `len` bytes of the window. Takes less when the cap or memory is short. Returns how far the tail moved:
   * what it took, plus the out-of-order bytes that this reached.
   */
  enqueue(f: FifoOffset, src: Offset, len: number): number {
    const i32 = this.window.i32;
    const r = f >> 2;
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
      return len;
    }
    const n = this.grow(r, len);
    for (let done = 0; done < n; ) {
      const part = this.contiguous(r, n - done);
      copyBytes(this.window, this.tailOffset(r), src + done, part);
      i32[r + R_TAIL] = (i32[r + R_TAIL] + part) | 0;
      done += part;
    }
    return n > 0 ? this.finishEnqueue(r, tail) : 0;
  }

  /** Same, from an application's array: bytes [from, from + len) of `src`, as far as it reaches. */
  write(f: FifoOffset, src: Uint8Array, from: number, len: number): number {
    const i32 = this.window.i32;
    const r = f >> 2;
    const tail = i32[r + R_TAIL] | 0;
    const there = src.length - from;
    const n = from >= 0 ? this.grow(r, len > there ? there : len) : 0;
    for (let done = 0; done < n; ) {
      const part = this.contiguous(r, n - done);
      copyIn(this.window, this.tailOffset(r), src, from + done, part);
      i32[r + R_TAIL] = (i32[r + R_TAIL] + part) | 0;
      done += part;
    }
    return n > 0 ? this.finishEnqueue(r, tail) : 0;
  }

  /**
   * Appends `n` ranges of the window, (offset, length) pairs in `spans[at...]`, or nothing at all. Returns how far the
   * tail moved (VPP: svm_fifo_enqueue_segments without partial).
   */
  enqueueSpans(f: FifoOffset, spans: Int32Array, at: number, n: number): number {
    const i32 = this.window.i32;
    const r = f >> 2;
    const tail = i32[r + R_TAIL] | 0;
    let total = 0;
    for (let i = 0; i < n; i++) total = (total + spans[at + 2 * i + 1]) | 0;
    if (total <= 0 || total > this.maxEnqueue(f)) return 0;
    if (this.grow(r, total) < total) {
      this.trim(r);
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
    return this.finishEnqueue(r, tail);
  }

  /**
   * Appends `prefixLen` bytes of the window (1 or more) and then bytes [from, from + len) of an application's array, which
   * must exist, or nothing at all. Returns how far the tail moved.
   */
  writeAll(f: FifoOffset, prefix: Offset, prefixLen: number, src: Uint8Array, from: number, len: number): number {
    const i32 = this.window.i32;
    const r = f >> 2;
    const tail = i32[r + R_TAIL] | 0;
    const total = (prefixLen + len) | 0;
    if (total > this.maxEnqueue(f)) return 0;
    if (this.grow(r, total) < total) {
      this.trim(r);
      return 0;
    }
    for (let done = 0; done < total; ) {
      const part = this.contiguous(r, done < prefixLen ? prefixLen - done : total - done);
      if (done < prefixLen) copyBytes(this.window, this.tailOffset(r), prefix + done, part);
      else copyIn(this.window, this.tailOffset(r), src, from + done - prefixLen, part);
      i32[r + R_TAIL] = (i32[r + R_TAIL] + part) | 0;
      done += part;
    }
    return this.finishEnqueue(r, tail);
  }

  /**
   * Lends up to `len` bytes of room after the tail to a producer that writes in place: (offset, length) pairs in
   * `out[at...]`, at most `maxSpans`; returns how many. `commit` must follow before the producer's next call.
   */
  reserve(f: FifoOffset, len: number, out: Int32Array, maxSpans: number, at = 0): number {
    const i32 = this.window.i32;
    const r = f >> 2;
    const n = this.grow(r, len);
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
    const r = f >> 2;
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
      moved = this.finishEnqueue(r, tail);
    }
    this.trim(r);
    return moved;
  }

  /**
   * Lends room for up to `len` bytes after the tail, as far as cap and memory allow, to a producer in another process. It is
   * never less than was lent already, and stays when the fifo is drained.
   */
  lend(f: FifoOffset, len: number): void {
    this.keepRoom(f >> 2, len);
  }

  /** Makes the first `n` lent bytes, at most what is lent, readable; the rest stays lent. */
  acceptLent(f: FifoOffset, n: number): void {
    const i32 = this.window.i32;
    const r = f >> 2;
    i32[r + R_RESERVED] -= n;
    i32[r + R_TAIL] = (i32[r + R_TAIL] + n) | 0;
    this.settleTail(r);
    this.leaveFullTail(r);
  }

  /**
   * Stores `len` bytes at `offset` past the tail, for when the gap before them is filled. All or nothing: returns `len`,
   * or 0 when the cap or memory is short or (counted) no interval is left. Rewrites what was stored there before.
   */
  enqueueOoo(f: FifoOffset, offset: number, src: Offset, len: number): number {
    const i32 = this.window.i32;
    const r = f >> 2;
    const room = this.maxEnqueue(f);
    if (!(offset >= 0) || !(len > 0) || offset > room || len > room - offset) return 0;
    const need = (offset + len) | 0;
    if (this.grow(r, need) < need) {
      this.trim(r);
      return 0;
    }
    const start = (i32[r + R_TAIL] + offset) | 0;
    if (!this.ooo.add(r, start, (start + len) | 0)) {
      this.#oooRefused++;
      this.trim(r);
      return 0;
    }
    let chunk = this.seek(this.laterOf(i32[r + R_OOO_CHUNK], i32[r + R_TAIL_CHUNK], start), start);
    for (let done = 0; done < len; ) {
      const position = (start + done) | 0;
      const end = this.endOf(chunk);
      if (end === position) chunk = i32[this.descriptor(chunk) + D_NEXT];
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
    return this.window.i32[(f >> 2) + R_OOO_COUNT];
  }

  /** Out-of-order bytes held. */
  oooBytes(f: FifoOffset): number {
    return this.ooo.bytes(f >> 2);
  }

  /**
   * Writes up to `max` intervals as pairs (offset from the tail, length), the one touched last first, to `out[at...]`:
   * the order of SACK blocks. Returns how many.
   */
  oooNewest(f: FifoOffset, out: Int32Array, max: number, at = 0): number {
    const r = f >> 2;
    return this.ooo.newestFirst(r, this.window.i32[r + R_TAIL], out, max, at);
  }

  /** The same in order of position. */
  oooIntervals(f: FifoOffset, out: Int32Array, max: number, at = 0): number {
    const r = f >> 2;
    return this.ooo.inOrder(r, this.window.i32[r + R_TAIL], out, max, at);
  }

  /**
   * The part of the `len` bytes at `offset` past the tail (negative: before it) that is held already, as a pair (offset
   * from the tail, length) in `out[at...]`: the first such part. Returns false when none is.
   */
  oooOverlap(f: FifoOffset, offset: number, len: number, out: Int32Array, at = 0): boolean {
    const r = f >> 2;
    const tail = this.window.i32[r + R_TAIL] | 0;
    const start = (tail + offset) | 0;
    return this.ooo.overlap(r, tail, start, (start + len) | 0, out, at);
  }

  /** Forgets all out-of-order bytes and gives back the chunks that only they needed. */
  oooClear(f: FifoOffset): void {
    const r = f >> 2;
    this.ooo.clear(r);
    this.trim(r);
  }

  // ---- Consumer ----

  /** Takes up to `len` bytes into the window. Returns how many. */
  dequeue(f: FifoOffset, dst: Offset, len: number): number {
    const i32 = this.window.i32;
    const r = f >> 2;
    const n = this.readable(r, 0, len);
    for (let done = 0; done < n; ) {
      const head = i32[r + R_HEAD] | 0;
      const left = (i32[r + R_HEAD_END] - head) | 0;
      const part = left < n - done ? left : n - done;
      copyBytes(this.window, dst + done, (i32[r + R_HEAD_DELTA] + head) | 0, part);
      this.advanceHead(r, part);
      done += part;
    }
    return n;
  }

  /** Same, into bytes [at, at + len) of an application's array, as far as it reaches. */
  read(f: FifoOffset, dst: Uint8Array, at: number, len: number): number {
    const i32 = this.window.i32;
    const r = f >> 2;
    const room = dst.length - at;
    const n = at >= 0 ? this.readable(r, 0, len > room ? room : len) : 0;
    for (let done = 0; done < n; ) {
      const head = i32[r + R_HEAD] | 0;
      const left = (i32[r + R_HEAD_END] - head) | 0;
      const part = left < n - done ? left : n - done;
      copyOut(this.window, dst, at + done, (i32[r + R_HEAD_DELTA] + head) | 0, part);
      this.advanceHead(r, part);
      done += part;
    }
    return n;
  }

  /** Copies up to `len` bytes that begin `offset` bytes after the head, without taking them. Returns how many. */
  peek(f: FifoOffset, offset: number, dst: Offset, len: number): number {
    const i32 = this.window.i32;
    const r = f >> 2;
    const n = this.readable(r, offset, len);
    if (n === 0) return 0;
    const start = (i32[r + R_HEAD] + offset) | 0;
    let chunk = this.seek(this.laterOf(i32[r + R_PEEK_CHUNK], i32[r + R_HEAD_CHUNK], start), start);
    for (let done = 0; done < n; ) {
      const position = (start + done) | 0;
      const left = (this.endOf(chunk) - position) | 0;
      if (left === 0) chunk = i32[this.descriptor(chunk) + D_NEXT];
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
    const r = f >> 2;
    const room = dst.length - at;
    const n = at >= 0 ? this.readable(r, offset, len > room ? room : len) : 0;
    if (n === 0) return 0;
    const start = (i32[r + R_HEAD] + offset) | 0;
    let chunk = this.seek(this.laterOf(i32[r + R_PEEK_CHUNK], i32[r + R_HEAD_CHUNK], start), start);
    for (let done = 0; done < n; ) {
      const position = (start + done) | 0;
      const left = (this.endOf(chunk) - position) | 0;
      if (left === 0) chunk = i32[this.descriptor(chunk) + D_NEXT];
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
    const r = f >> 2;
    const n = this.readable(r, offset, len);
    if (n === 0) return 0;
    const start = (i32[r + R_HEAD] + offset) | 0;
    const chunk = this.seek(this.laterOf(i32[r + R_PEEK_CHUNK], i32[r + R_HEAD_CHUNK], start), start);
    i32[r + R_PEEK_CHUNK] = chunk;
    return this.listSpans(chunk, start, n, out, maxSpans, at);
  }

  /** Takes up to `len` bytes without copying them and gives back the chunks that this drains. Returns how many. */
  drop(f: FifoOffset, len: number): number {
    const r = f >> 2;
    const n = this.readable(r, 0, len);
    if (n > 0) this.advanceHead(r, n);
    return n;
  }

  /** Drops all unread bytes. Returns how many. */
  dropAll(f: FifoOffset): number {
    return this.drop(f, this.maxDequeue(f));
  }

  /** Drops all unread bytes, unless another process may be reading them: then they go with the fifo. */
  discard(f: FifoOffset): void {
    if (this.window.i32[(f >> 2) + R_CONSUMER] === 0) this.dropAll(f);
  }

  /** Rewrites the first `len` unread bytes from the window (the consumer's own bookkeeping). Returns false when there are fewer. */
  overwriteHead(f: FifoOffset, src: Offset, len: number): boolean {
    const i32 = this.window.i32;
    const r = f >> 2;
    if (len > ((i32[r + R_TAIL] - i32[r + R_HEAD]) | 0)) return false;
    let chunk = i32[r + R_HEAD_CHUNK];
    for (let done = 0; done < len; ) {
      const position = (i32[r + R_HEAD] + done) | 0;
      const left = (this.endOf(chunk) - position) | 0;
      if (left === 0) chunk = i32[this.descriptor(chunk) + D_NEXT];
      else {
        const part = left < len - done ? left : len - done;
        copyBytes(this.window, this.offsetIn(chunk, position), src + done, part);
        done += part;
      }
    }
    return true;
  }

  /** Checks a fifo. Returns what is wrong with it. For tests. */
  validate(f: FifoOffset): string | undefined {
    return this.isFifo(f) ? this.validateChain(f >> 2) : "not a live fifo";
  }
}
