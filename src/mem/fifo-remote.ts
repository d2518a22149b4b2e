import { copyIn, copyOut } from "./fifo-copy.js";
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
  type MirrorOffset,
  SD_BYTES,
  SD_NEXT,
  SD_START,
  SEGMENT_HEADER_BYTES,
  SEGMENT_MAGIC,
  SEGMENT_VERSION,
  SHARED_DESCRIPTOR_BYTES,
} from "./fifo-mirror-layout.js";
import type { Offset } from "./flavor.js";
import type { MemoryWindow } from "./window.js";

/** Chunks looked at in search of one; more is a list that somebody has spoilt. */
const MAX_CHUNKS = 1 << 16;
/** Times that a search begins anew because the stack has moved on meanwhile. */
const MAX_ATTEMPTS = 1000;

/** A segment of bytes as a client has mapped it. */
export class RemoteSegment {
  readonly window: MemoryWindow;
  readonly base: Offset;
  readonly dataRel: number;
  readonly bytes: number;

  /** Throws RangeError when there is no segment of this version and at most `bytes` at `base`. */
  constructor(window: MemoryWindow, base: Offset, bytes: number) {
    const h = base >> 2;
    const { i32 } = window;
    this.window = window;
    this.base = base;
    this.bytes = i32[h + H_BYTES];
    this.dataRel = i32[h + H_DATA];
    if (i32[h + H_MAGIC] !== SEGMENT_MAGIC || i32[h + H_VERSION] !== SEGMENT_VERSION) {
      throw new RangeError(`fifo segment: version ${i32[h + H_VERSION]} is not ${SEGMENT_VERSION}`);
    }
    if (this.bytes > bytes || this.dataRel < SEGMENT_HEADER_BYTES || this.dataRel >= this.bytes) {
      throw new RangeError(`fifo segment: ${this.bytes} bytes in a mapping of ${bytes}`);
    }
  }
}

/** One side of a fifo that the stack owns: where positions lie. Either end of a cut-through segment may be spoilt by the other client: references are checked. */
class RemoteFifo {
  /** The client's own position: bytes read or written. */
  protected position: number;
  protected readonly i32: Int32Array;
  protected readonly m: number;
  /** Most unread bytes that the fifo takes. */
  readonly capBytes: number;
  /** Bytes by which the position has moved in all, as far as the stack was shown. */
  movedBytes = 0;
  /** There were bytes, or room, that no chunk had: of a cut-through segment the other client has spoilt it. For good. */
  isSpoilt = false;
  #shown: number;
  readonly #segment: RemoteSegment;
  /** Window offset of position p of the chunk entered last is `delta + p`; it ends at `end`. No chunk: end = position. */
  #delta = 0;
  #start = 0;
  #end: number;
  /** Its descriptor. */
  #descriptor = 0;

  constructor(window: MemoryWindow, mirror: MirrorOffset, segment: RemoteSegment) {
    this.i32 = window.i32;
    this.m = mirror >> 2;
    this.#segment = segment;
    this.capBytes = this.i32[this.m + M_CAP];
    this.position = this.i32[this.m + M_POSITION];
    this.#shown = this.position;
    this.#end = this.position;
  }

  /** Shows the stack the position. */
  protected show(): void {
    this.movedBytes += (this.position - this.#shown) | 0;
    this.#shown = this.position;
    Atomics.store(this.i32, this.m + M_POSITION, this.position);
  }

  /** Bytes of the chunk from the position on; enters the chunk of the position when it is in none. 0: the list is spoilt. */
  protected contiguous(): number {
    const left = (this.#end - this.position) | 0;
    if (left > 0) return left;
    if (this.#search(this.position)) return (this.#end - this.position) | 0;
    this.isSpoilt = true;
    return 0;
  }

  /** Window offset of the position. */
  protected get at(): Offset {
    return (this.#delta + this.position) | 0;
  }

  /**
   * Moves on; at the end of the chunk to the next one. At `end`, as far as there is something to read or room to write, the
   * chunk is left: the stack may take it back as soon as it hears of that.
   */
  protected advance(n: number, end: number): void {
    this.position = (this.position + n) | 0;
    if (this.position !== end) {
      if (this.position !== this.#end) return;
      const next = Atomics.load(this.i32, this.#descriptor + SD_NEXT);
      if (next !== 0 && this.#enter(next) && this.#covers(this.position)) return;
    }
    this.#end = this.position;
  }

  #covers(position: number): boolean {
    return ((position - this.#start) | 0) >= 0 && ((this.#end - position) | 0) > 0;
  }

  /** Reads a chunk's descriptor. False when there can be no such chunk. */
  #enter(chunk: number): boolean {
    const { base, dataRel, bytes } = this.#segment;
    if (chunk < dataRel || chunk >= bytes || chunk % 1024 !== 0) return false;
    const descriptor =
      ((base + SEGMENT_HEADER_BYTES) >> 2) + ((chunk - dataRel) >> 10) * (SHARED_DESCRIPTOR_BYTES >> 2);
    const start = this.i32[descriptor + SD_START];
    const size = this.i32[descriptor + SD_BYTES];
    if (size <= 0 || size > bytes - chunk) return false;
    this.#descriptor = descriptor;
    this.#start = start;
    this.#delta = (base + chunk - start) | 0;
    this.#end = (start + size) | 0;
    return true;
  }

  /**
   * Finds the chunk of a position from the one that the stack has published. When that one changes meanwhile, what was read
   * may be of a chunk that is another fifo's by now: the search begins anew.
   */
  #search(position: number): boolean {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const first = Atomics.load(this.i32, this.m + M_CHUNK);
      let chunk = first;
      let isFound = false;
      for (let n = 0; n < MAX_CHUNKS && chunk !== 0; n++) {
        if (!this.#enter(chunk)) break;
        isFound = this.#covers(position);
        if (isFound) break;
        chunk = Atomics.load(this.i32, this.#descriptor + SD_NEXT);
      }
      if (Atomics.load(this.i32, this.m + M_CHUNK) !== first) continue;
      if (!isFound) this.#end = this.position;
      return isFound;
    }
    this.#end = this.position;
    return false;
  }
}

/** The reading end of an rx fifo, in the client's process. */
export class RemoteRxFifo extends RemoteFifo {
  /** Bytes up to a position of the stream that may be behind what was read already: then 0. */
  bytesUpTo(end: number): number {
    const n = (end - this.position) | 0;
    return n > 0 ? n : 0;
  }

  /** Bytes there are to read. */
  get readableBytes(): number {
    const n = (Atomics.load(this.i32, this.m + M_TAIL) - this.position) | 0;
    return n < 0 || n > this.capBytes ? 0 : n;
  }

  /** The client is about to look for the last time: what comes later sends another event. */
  takeEvent(): void {
    Atomics.store(this.i32, this.m + M_RX_EVENT, 0);
  }

  /** Takes up to `len` bytes to `dst[at...]`, as far as it reaches. Returns how many. */
  read(window: MemoryWindow, dst: Uint8Array, at: number, len: number): number {
    const there = this.readableBytes;
    const end = (this.position + there) | 0;
    const room = at >= 0 ? dst.length - at : 0;
    let n = len < room ? len : room;
    if (n > there) n = there;
    let done = 0;
    while (done < n) {
      const left = this.contiguous();
      if (left === 0) break;
      const part = left < n - done ? left : n - done;
      copyOut(window, dst, at + done, this.at, part);
      this.advance(part, end);
      done += part;
    }
    return done;
  }

  /** Shows the unread bytes up to `end` of their chunk: their number, 0 when there are none; they lie at {@link offset}. */
  lend(): number {
    const there = this.readableBytes;
    if (there === 0) return 0;
    const left = this.contiguous();
    return left < there ? left : there;
  }

  /** Window offset of the first unread byte, after {@link lend}. */
  get offset(): Offset {
    return this.at;
  }

  /** Takes up to `len` bytes without copying them. Returns how many. */
  drop(len: number): number {
    const there = this.readableBytes;
    const end = (this.position + there) | 0;
    const n = len < there ? len : there;
    let done = 0;
    while (done < n) {
      const left = this.contiguous();
      if (left === 0) break;
      const part = left < n - done ? left : n - done;
      this.advance(part, end);
      done += part;
    }
    return done;
  }

  /** Shows the stack what was read. Returns true when it wants to be told. */
  publish(): boolean {
    this.show();
    const want = Atomics.load(this.i32, this.m + M_WANT_HEAD);
    if (want <= 0 || this.capBytes - this.readableBytes < want) return false;
    return Atomics.exchange(this.i32, this.m + M_WANT_HEAD, 0) > 0;
  }
}

/** The writing end of a tx fifo, in the client's process. */
export class RemoteTxFifo extends RemoteFifo {
  /** Position after the last byte that was written. */
  get end(): number {
    return this.position;
  }

  /** Bytes that can be written now: as far as the cap goes, and the room that the stack has lent. */
  get writableBytes(): number {
    const room = this.capBytes - this.queuedBytes;
    const lent = (Atomics.load(this.i32, this.m + M_LENT) - this.position) | 0;
    const n = room < lent ? room : lent;
    return n > 0 ? n : 0;
  }

  /** Bytes written that are not sent, or for TCP not acknowledged. */
  get queuedBytes(): number {
    const n = (this.position - Atomics.load(this.i32, this.m + M_HEAD)) | 0;
    return n > 0 ? n : 0;
  }

  /** Writes up to `len` bytes of `src[from...]`, as far as it reaches. Returns how many; {@link publish} shows them. */
  write(window: MemoryWindow, src: Uint8Array, from: number, len: number): number {
    const there = from >= 0 ? src.length - from : 0;
    let n = len < there ? len : there;
    const room = this.writableBytes;
    const end = (this.position + room) | 0;
    if (n > room) n = room;
    let done = 0;
    while (done < n) {
      const left = this.contiguous();
      if (left === 0) break;
      const part = left < n - done ? left : n - done;
      copyIn(window, this.at, src, from + done, part);
      this.advance(part, end);
      done += part;
    }
    return done;
  }

  /** Shows the stack what was written. Returns true when no event is under way: the caller then sends one. */
  publish(): boolean {
    this.show();
    return Atomics.exchange(this.i32, this.m + M_TX_EVENT, 1) === 0;
  }

  /** Asks for a notice when `bytes` are free, or all. Returns true when they are already: then none comes. */
  wantRoom(bytes: number): boolean {
    Atomics.store(this.i32, this.m + M_WANT_ROOM, bytes > 0 ? bytes : 1);
    if (this.writableBytes < bytes) return false;
    return Atomics.exchange(this.i32, this.m + M_WANT_ROOM, 0) > 0;
  }
}
