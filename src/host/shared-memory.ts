import type { SharedMemory, SharedMemoryHost } from "../app/external/client-segments.js";
import type { Offset } from "../mem/flavor.js";
import type { NativeWindow } from "./native-window.js";

/** A memfd that is mapped into the stack's window. */
export interface Memfd extends SharedMemory {
  readonly fd: number;
}

/** Shared memory for clients: sealed memfds. */
export class MemfdHost implements SharedMemoryHost {
  readonly #native: NativeWindow;
  readonly #memories = new Set<Memfd>();

  constructor(native: NativeWindow) {
    this.#native = native;
  }

  map(name: string, offset: Offset, bytes: number): Memfd | undefined {
    const { addon, native } = this.#native;
    let fd = -1;
    try {
      fd = addon.createMemfd(name, bytes);
      native.mapMemfd(fd, offset, bytes);
    } catch {
      // No descriptors or no memory: who attaches hears of it.
      if (fd >= 0) addon.closeFd(fd);
      return undefined;
    }
    const memory = { fd, bytes };
    this.#memories.add(memory);
    return memory;
  }

  touch(offset: Offset, bytes: number): void {
    this.#native.native.touch(offset, bytes);
  }

  unmap(memory: SharedMemory, offset: Offset): void {
    const known = memory as Memfd;
    if (!this.#memories.delete(known)) return;
    this.#native.native.release(offset, known.bytes);
    this.#native.addon.closeFd(known.fd);
  }

  /** The descriptor of memory that this made; -1 for others. */
  fdOf(memory: SharedMemory): number {
    const known = memory as Memfd;
    return this.#memories.has(known) ? known.fd : -1;
  }
}
