import { loadAddon } from "../host/addon.js";
import type { Offset } from "../mem/flavor.js";
import { RemoteSegment } from "../mem/fifo-remote.js";
import type { ClientMemory } from "./client-memory.js";

/** Segments of one worker at a time. */
const MAX_SEGMENTS = 1024;

interface Mapped {
  readonly segment: RemoteSegment;
  readonly offset: Offset;
  readonly bytes: number;
}

/** The fifo segments of a worker that its process has mapped, by the stack's handles. */
export class SegmentMap {
  readonly #memory: ClientMemory;
  readonly #segments = new Map<number, Mapped>();

  constructor(memory: ClientMemory) {
    this.#memory = memory;
  }

  /** Whether a segment of that handle is mapped. */
  has(handle: number): boolean {
    return this.#segments.has(handle);
  }

  /** The segment of that handle. Throws RangeError when it is not mapped. */
  at(handle: number): RemoteSegment {
    const mapped = this.#segments.get(handle);
    if (mapped === undefined) throw new RangeError(`segment ${handle} is not mapped`);
    return mapped.segment;
  }

  /** Maps a segment; owns its descriptor. Throws when it is none, is there already, or one too many. */
  add(handle: number, fd: number, bytes: number): void {
    if (this.#segments.has(handle) || this.#segments.size >= MAX_SEGMENTS) {
      loadAddon().closeFd(fd);
      throw new RangeError(`segment ${handle}: mapped already, or one of more than ${MAX_SEGMENTS}`);
    }
    const offset = this.#memory.map(fd, bytes);
    try {
      this.#segments.set(handle, { segment: new RemoteSegment(this.#memory.window, offset, bytes), offset, bytes });
    } catch (error) {
      this.#memory.unmap(offset, bytes);
      throw error;
    }
  }

  /** Unmaps a segment. False when there is none of that handle. */
  delete(handle: number): boolean {
    const mapped = this.#segments.get(handle);
    if (mapped === undefined) return false;
    this.#segments.delete(handle);
    this.#memory.unmap(mapped.offset, mapped.bytes);
    return true;
  }

  /** Unmaps all. */
  clear(): void {
    for (const handle of this.#segments.keys()) this.delete(handle);
  }
}
