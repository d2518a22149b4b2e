import type { Offset } from "./flavor.js";

/** Where a window's bytes come from: a plain ArrayBuffer, or a reserved address range that is committed on demand. */
export interface WindowBacking {
  /** At most 2 GiB, so that every offset is an int32. */
  readonly buffer: ArrayBuffer;
  /** Makes [offset, offset + bytes) readable and writable, zero filled. Absent when all of `buffer` already is. */
  commit?(offset: number, bytes: number): void;
  /** Called once by {@link MemoryWindow.close}. */
  close?(): void;
}

/** One named range of a window. */
export interface Region {
  readonly name: string;
  readonly offset: Offset;
  readonly bytes: number;
  /** Its memory is to be taken when it is used, not before. */
  readonly isLazy: boolean;
}

/** The first line is never handed out, so that offset 0 can mean "none". */
const FIRST_OFFSET = 64;
const LARGEST_BYTES = 0x8000_0000;

/**
 * All memory of one stack: one ArrayBuffer, three views. Packets, tables, fifos and device rings are regions of it that
 * never move, so a byte is named by an int32 offset and moves by `copyWithin`. Hot functions hoist the views into
 * locals (`const { u8, i32, dv } = window`) and make no view of their own.
 */
export class MemoryWindow {
  /** Bytes. */
  readonly u8: Uint8Array;
  /** Host-order words: `i32[offset >> 2]`. */
  readonly i32: Int32Array;
  /** Network-order fields: `dv.getUint16(offset)`. */
  readonly dv: DataView;
  readonly #backing: WindowBacking;
  readonly #regions: Region[] = [];
  #next = FIRST_OFFSET;

  constructor(backing: WindowBacking) {
    if (backing.buffer.byteLength > LARGEST_BYTES) throw new RangeError("a memory window holds at most 2 GiB");
    this.#backing = backing;
    this.u8 = new Uint8Array(backing.buffer);
    this.i32 = new Int32Array(backing.buffer);
    this.dv = new DataView(backing.buffer);
  }

  /** A window over an ordinary ArrayBuffer of `bytes` (a multiple of 4): for the simulator, replay and tests. */
  static plain(bytes: number): MemoryWindow {
    return new MemoryWindow({ buffer: new ArrayBuffer(bytes) });
  }

  /** Bytes not yet handed out. */
  get freeBytes(): number {
    return this.u8.length - this.#next;
  }

  /** What has been handed out so far, in order of offset. */
  get regions(): readonly Region[] {
    return this.#regions;
  }

  /**
   * Hands out `bytes` at a multiple of `align` (a power of two, 4 or more). Control plane only; a region is never given
   * back. A lazy one is not touched at the start. Throws RangeError when the window is full, with the region's name.
   */
  reserve(name: string, bytes: number, align = 64, isLazy = false): Offset {
    const offset = Math.ceil(this.#next / align) * align;
    if (!Number.isSafeInteger(bytes) || bytes < 0 || offset + bytes > this.u8.length) {
      throw new RangeError(`memory window: no room for ${name} (${bytes} bytes, ${this.freeBytes} free)`);
    }
    this.#backing.commit?.(offset, bytes);
    this.#next = offset + bytes;
    this.#regions.push({ name, offset, bytes, isLazy });
    return offset;
  }

  /** Gives the memory back. The views must not be used afterwards. */
  close(): void {
    this.#backing.close?.();
  }
}
