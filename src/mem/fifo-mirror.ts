import { DGRAM_HEADER_BYTES } from "./fifo-datagram.js";
import { D_NEXT, D_START } from "./chunk-pool.js";
import {
  type ChunkRef,
  type FifoOffset,
  R_CAP,
  R_CONSUMER,
  R_DOOMED,
  R_HEAD,
  R_HEAD_CHUNK,
  R_LEND_LEAST,
  R_PRODUCER,
  R_PUBLISHED,
  R_RESERVED,
  R_SEGMENT,
  R_TAIL,
  R_TAIL_CHUNK,
  type SegmentIndex,
} from "./fifo-layout.js";
import {
  H_BYTES,
  H_DATA,
  H_MAGIC,
  H_VERSION,
  M_CAP,
  M_CHUNK,
  M_HEAD,
  M_LENT,
  M_POSITION,
  M_RX_EVENT,
  M_TAIL,
  M_TX_EVENT,
  M_WANT_HEAD,
  M_WANT_ROOM,
  MIRROR_BYTES,
  type MirrorOffset,
  SD_BYTES,
  SD_NEXT,
  SD_START,
  SEGMENT_HEADER_BYTES,
  SEGMENT_MAGIC,
  SEGMENT_VERSION,
  segmentDataRel,
  SHARED_DESCRIPTOR_BYTES,
} from "./fifo-mirror-layout.js";
import type { FifoTable } from "./fifo-table.js";
import type { MemoryWindow } from "./window.js";

/** What a client claimed cannot be: its session is to be reset. */
export const MIRROR_BROKEN = -1;
/** Room that is lent to a writer at least, unless asked for more, and at most, bytes. */
const LEND_LEAST_BYTES = 4096;
const LEND_MOST_BYTES = 512 << 10;
/** Wishes up to this may be for a datagram, over IPv6 (RFC 8200 3). */
export const LARGEST_DATAGRAM_BYTES = 65_527 + DGRAM_HEADER_BYTES;
/** A writer is lent an eighth of the memory that is left in its segment. */
const LEND_SHARE_SHIFT = 3;

/** Where a shared segment lies. */
interface SharedSegment {
  /** Relative to the base of the fifos' area. */
  readonly offset: number;
  readonly dataRel: number;
}

/**
 * The stack's side of fifos that a client reads or writes. Their rows, chunks and positions are the stack's own; here what
 * it has done is published to the client's mirror, and what the client claims is checked and taken over. Both happen at
 * events, once in a turn for a session, never for a packet.
 *
 * Of an rx fifo the stack is the producer: it may take back a chunk when the client has published a head behind it. Of a tx
 * fifo the client is the producer and writes into room that it was lent; lent room is never taken back.
 */
export class FifoMirrors {
  /** Bytes that the last call took over from the client. */
  taken = 0;
  readonly #window: MemoryWindow;
  readonly #fifos: FifoTable;
  readonly #segments = new Map<SegmentIndex, SharedSegment>();

  constructor(window: MemoryWindow, fifos: FifoTable) {
    this.#window = window;
    this.#fifos = fifos;
  }

  /**
   * Makes a segment of `bytes` at `offset` of the fifos' area (a multiple of 4096), where memory that a client maps too has
   * been put, and writes its header. Returns its number, or -1.
   */
  addSegment(offset: number, bytes: number): SegmentIndex {
    const dataRel = segmentDataRel(bytes);
    const segment = this.#fifos.addSegment(offset + dataRel, (offset + bytes) & -1024);
    if (segment < 0) return -1;
    const { i32 } = this.#window;
    const h = (this.#fifos.base + offset) >> 2;
    i32[h + H_MAGIC] = SEGMENT_MAGIC;
    i32[h + H_VERSION] = SEGMENT_VERSION;
    i32[h + H_BYTES] = bytes;
    i32[h + H_DATA] = dataRel;
    this.#segments.set(segment, { offset, dataRel });
    return segment;
  }

  /** Forgets a segment; false while fifos use it. */
  delSegment(segment: SegmentIndex): boolean {
    return this.#fifos.delSegment(segment) && this.#segments.delete(segment);
  }

  /** Lets the client that has `mirror` read the fifo. The mirror is cleared. */
  openRx(f: FifoOffset, mirror: MirrorOffset): void {
    const { i32 } = this.#window;
    i32.fill(0, mirror >> 2, (mirror + MIRROR_BYTES) >> 2);
    i32[(f >> 2) + R_CONSUMER] = mirror;
    const m = mirror >> 2;
    i32[m + M_CAP] = i32[(f >> 2) + R_CAP];
    i32[m + M_POSITION] = i32[m + M_TAIL] = i32[(f >> 2) + R_HEAD];
    this.publishRx(f);
  }

  /** Lets the client that has `mirror` write into the fifo, in room of `leastBytes` or more. The mirror is cleared. */
  openTx(f: FifoOffset, mirror: MirrorOffset, leastBytes = LEND_LEAST_BYTES): void {
    const { i32 } = this.#window;
    i32.fill(0, mirror >> 2, (mirror + MIRROR_BYTES) >> 2);
    i32[(f >> 2) + R_PRODUCER] = mirror;
    i32[(f >> 2) + R_LEND_LEAST] = leastBytes;
    const m = mirror >> 2;
    i32[m + M_CAP] = i32[(f >> 2) + R_CAP];
    i32[m + M_POSITION] = i32[(f >> 2) + R_TAIL];
    this.publishTx(f);
  }

  /** The client that has `mirror` reads, or writes, the fifo no more. Returns whether it is free to go, having been freed. */
  close(f: FifoOffset, mirror: MirrorOffset): boolean {
    const { i32 } = this.#window;
    const r = f >> 2;
    if (i32[r + R_CONSUMER] === mirror) i32[r + R_CONSUMER] = 0;
    if (i32[r + R_PRODUCER] === mirror) i32[r + R_PRODUCER] = 0;
    return i32[r + R_DOOMED] !== 0 && i32[r + R_CONSUMER] === 0 && i32[r + R_PRODUCER] === 0;
  }

  /** Whether less than half of the memory that the fifo's chunks come from is left. */
  isShort(f: FifoOffset): boolean {
    const pool = this.#fifos.pool(this.#fifos.segmentOf(f));
    return pool === undefined || pool.bytesInUse * 2 > pool.capacityBytes;
  }

  /** Whether a client that writes waits for room. */
  lacksRoom(f: FifoOffset): boolean {
    const { i32 } = this.#window;
    return Atomics.load(i32, (i32[(f >> 2) + R_PRODUCER] >> 2) + M_WANT_ROOM) > 0;
  }

  // ---- rx: the client reads ----

  /**
   * Takes over what the client has read, and shows it all that there is to read. {@link taken} says how much it had read.
   * Returns 1 when the client is to be sent an event, 0 when it need not be or one is under way, {@link MIRROR_BROKEN}.
   */
  publishRx(f: FifoOffset): number {
    const { i32 } = this.#window;
    const r = f >> 2;
    const m = i32[r + R_CONSUMER] >> 2;
    if (this.acceptHead(f) < 0) return MIRROR_BROKEN;
    const tail = i32[r + R_TAIL];
    if (tail === i32[m + M_TAIL]) return 0;
    this.#publishChunks(r, tail);
    Atomics.store(i32, m + M_CHUNK, this.#relative(r, i32[r + R_HEAD_CHUNK]));
    Atomics.store(i32, m + M_TAIL, tail);
    const before = this.taken;
    if (this.acceptHead(f) < 0) return MIRROR_BROKEN;
    this.taken += before;
    return Atomics.exchange(i32, m + M_RX_EVENT, 1) === 0 ? 1 : 0;
  }

  /**
   * Takes over what the client has read: {@link taken}. While less than half of the fifo is free it is asked to tell when it
   * has read more, or the peer's window would stay closed; while memory is short, whenever it has read. Returns 0 or
   * {@link MIRROR_BROKEN}.
   */
  acceptHead(f: FifoOffset): number {
    const { i32 } = this.#window;
    const m = i32[(f >> 2) + R_CONSUMER] >> 2;
    this.taken = 0;
    if (!this.#takeHead(f, m)) return MIRROR_BROKEN;
    const half = (i32[(f >> 2) + R_CAP] + 1) >> 1;
    const isShort = this.isShort(f) && this.#fifos.maxDequeue(f) > 0;
    if (!isShort && this.#fifos.maxEnqueue(f) >= half) return 0;
    Atomics.store(i32, m + M_WANT_HEAD, isShort ? 1 : half);
    return this.#takeHead(f, m) ? 0 : MIRROR_BROKEN;
  }

  #takeHead(f: FifoOffset, m: number): boolean {
    const { i32 } = this.#window;
    const r = f >> 2;
    const n = (Atomics.load(i32, m + M_POSITION) - i32[r + R_HEAD]) | 0;
    if (n < 0 || n > ((i32[r + R_TAIL] - i32[r + R_HEAD]) | 0)) return false;
    if (n === 0) return true;
    this.#fifos.drop(f, n);
    this.taken += n;
    // Before any descriptor of a chunk that this has freed can be written again.
    Atomics.store(i32, m + M_CHUNK, this.#relative(r, i32[r + R_HEAD_CHUNK]));
    return true;
  }

  // ---- tx: the client writes ----

  /**
   * Takes over what the client has written: {@link taken}; and lends it more room. Returns as {@link publishTx}, or
   * {@link MIRROR_BROKEN}. Its event is taken back first, so that what it writes later sends another.
   */
  acceptTail(f: FifoOffset): number {
    const { i32 } = this.#window;
    const r = f >> 2;
    const m = i32[r + R_PRODUCER] >> 2;
    this.taken = 0;
    Atomics.store(i32, m + M_TX_EVENT, 0);
    const n = (Atomics.load(i32, m + M_POSITION) - i32[r + R_TAIL]) | 0;
    if (n < 0 || n > i32[r + R_RESERVED]) return MIRROR_BROKEN;
    if (n > 0) this.#fifos.acceptLent(f, n);
    this.taken = n;
    return this.#publishTx(f, n);
  }

  /**
   * Shows the client how much of its bytes is done with, and lends it room. Returns 1 when it is to be sent the notice of
   * room that it asked for, else 0.
   */
  publishTx(f: FifoOffset): number {
    return this.#publishTx(f, 0);
  }

  /**
   * Lends four times what was `written` last, but no large part of the memory that is left: what is lent does not come back
   * before it was written to, and others want theirs. Who waits for no more than a datagram is lent it, for that goes in one
   * piece; who waits for more writes as much as he can: he is lent his share, so that he is woken seldom.
   */
  #publishTx(f: FifoOffset, written: number): number {
    const { i32 } = this.#window;
    const r = f >> 2;
    const m = i32[r + R_PRODUCER] >> 2;
    const wanted = Atomics.load(i32, m + M_WANT_ROOM);
    const pool = this.#fifos.pool(i32[r + R_SEGMENT]);
    const share = pool === undefined ? 0 : (pool.capacityBytes - pool.bytesInUse) >> LEND_SHARE_SHIFT;
    const wish = wanted <= LARGEST_DATAGRAM_BYTES ? Math.max(wanted, Math.min(4 * written, share)) : share;
    const room = Math.min(Math.max(wish, i32[r + R_LEND_LEAST]), LEND_MOST_BYTES);
    if (i32[r + R_RESERVED] < room) this.#fifos.lend(f, room);
    const tail = i32[r + R_TAIL];
    const lent = (tail + i32[r + R_RESERVED]) | 0;
    this.#publishChunks(r, lent);
    // Only a chunk with room after the tail stays as long as the client may look at it.
    Atomics.store(i32, m + M_CHUNK, i32[r + R_RESERVED] > 0 ? this.#relative(r, i32[r + R_TAIL_CHUNK]) : 0);
    i32[m + M_TAIL] = tail;
    Atomics.store(i32, m + M_LENT, lent);
    Atomics.store(i32, m + M_HEAD, i32[r + R_HEAD]);
    const want = Atomics.load(i32, m + M_WANT_ROOM);
    return want > 0 && i32[r + R_RESERVED] >= Math.min(want, room) ? this.takeWish(f) : 0;
  }

  /** Takes the wish of a client that waits for room, if there is any room. Returns 1 when it is to be sent the notice. */
  takeWish(f: FifoOffset): number {
    const { i32 } = this.#window;
    const m = i32[(f >> 2) + R_PRODUCER] >> 2;
    return i32[(f >> 2) + R_RESERVED] > 0 && Atomics.exchange(i32, m + M_WANT_ROOM, 0) > 0 ? 1 : 0;
  }

  // ---- Chunks ----

  /** A chunk relative to its segment's base; 0 for none. */
  #relative(r: number, ref: ChunkRef): number {
    if (ref === 0) return 0;
    return ref - (this.#segments.get(this.#fifos.segmentOf(r << 2))?.offset ?? ref);
  }

  /** Writes the descriptors of the chunks that hold bytes before `end` and were not written yet. */
  #publishChunks(r: number, end: number): void {
    const { i32 } = this.#window;
    const fifos = this.#fifos;
    const segment = this.#segments.get(fifos.segmentOf(r << 2));
    if (segment === undefined || ((end - i32[r + R_PUBLISHED]) | 0) <= 0) return;
    const published = i32[r + R_PUBLISHED];
    const table = (fifos.base + segment.offset + SEGMENT_HEADER_BYTES) >> 2;
    const firstData = segment.offset + segment.dataRel;
    let before = -1;
    let last = published;
    for (let ref: ChunkRef = i32[r + R_HEAD_CHUNK]; ref !== 0; ref = i32[fifos.descriptor(ref) + D_NEXT]) {
      const start = i32[fifos.descriptor(ref) + D_START];
      if (((end - start) | 0) <= 0) break;
      const bytes = fifos.sizeOf(ref);
      const at = table + ((ref - firstData) >> 10) * (SHARED_DESCRIPTOR_BYTES >> 2);
      if (((start + bytes - published) | 0) > 0) {
        i32[at + SD_START] = start;
        i32[at + SD_BYTES] = bytes;
        i32[at + SD_NEXT] = 0;
        if (before >= 0) Atomics.store(i32, before + SD_NEXT, ref - segment.offset);
        last = (start + bytes) | 0;
      }
      before = at;
    }
    i32[r + R_PUBLISHED] = last;
  }
}
