import { loadAddon } from "../host/addon.js";
import { NativeWindow } from "../host/native-window.js";
import type { Offset } from "../mem/flavor.js";
import { PAGE_BYTES, PageRanges } from "../mem/page-ranges.js";
import type { MemoryWindow } from "../mem/window.js";
import { SESSION_E_SEG_CREATE, SessionError } from "../session/session-errors.js";

/** The address space of an application in its own process, into which segments of the stack are mapped. */
export class ClientMemory {
  readonly window: MemoryWindow;
  readonly #native = new NativeWindow({ hugePages: false });
  readonly #ranges: PageRanges;

  /** Throws when the addon is not built or the address space cannot be had. */
  constructor() {
    this.window = this.#native.window;
    const bytes = (this.window.freeBytes - PAGE_BYTES) & -PAGE_BYTES;
    const from = this.window.reserve("segments", bytes, PAGE_BYTES, true);
    this.#ranges = new PageRanges(from, from + bytes);
  }

  /**
   * Maps a memfd of at least `bytes`, whole pages, and closes its descriptor whatever happens. Throws when it is no such
   * memfd, or SEG_CREATE without room.
   */
  map(fd: number, bytes: number): Offset {
    const offset = this.#ranges.take(bytes);
    try {
      if (offset < 0) throw new SessionError(SESSION_E_SEG_CREATE, "map segment", `no room for ${bytes} bytes`);
      this.#native.native.mapMemfd(fd, offset, bytes);
    } catch (error) {
      if (offset >= 0) this.#ranges.give(offset, bytes);
      throw error;
    } finally {
      loadAddon().closeFd(fd);
    }
    return offset;
  }

  /** Ends a mapping: the range reads as zero, until something else is mapped there. */
  unmap(offset: Offset, bytes: number): void {
    this.#native.native.release(offset, bytes);
    this.#ranges.give(offset, bytes);
  }

  /** Ends all mappings. Again = nothing. */
  close(): void {
    this.window.close();
  }
}
