import type { Offset } from "../mem/flavor.js";
import { MemoryWindow } from "../mem/window.js";
import { type Addon, type AddonWindow, loadAddon } from "./addon.js";

/** Bytes of the mailbox, the region through which bursts get their parameters. */
export const MAILBOX_BYTES = 65536;

/** How to make a {@link NativeWindow}. */
export interface NativeWindowOptions {
  /** Address space to reserve, at most 2 GiB. Memory is taken region by region. Default 2 GiB. */
  readonly bytes?: number;
  /** Ask for transparent huge pages. Default true. */
  readonly hugePages?: boolean;
}

/**
 * A memory window over reserved address space, into which kernel memory (memfds, packet rings) can be mapped and from
 * which devices read and write frames in place.
 */
export class NativeWindow {
  readonly addon: Addon;
  /** The native half: mapping, rings, bursts. */
  readonly native: AddonWindow;
  readonly window: MemoryWindow;
  /** Window offset of the mailbox; its layout is described in native/burst.c. */
  readonly mailbox: Offset;

  /** Throws when the addon is not built or the address space cannot be had. */
  constructor(options: NativeWindowOptions = {}) {
    const { bytes = 2 ** 31, hugePages = true } = options;
    this.addon = loadAddon();
    const native = this.addon.createWindow(bytes);
    this.native = native;
    this.window = new MemoryWindow({
      buffer: native.buffer,
      commit: (offset, size) => {
        if (size > 0) native.commit(offset, size, hugePages);
      },
      close: () => native.close(),
    });
    this.mailbox = this.window.reserve("mailbox", MAILBOX_BYTES);
    native.setMailbox(this.mailbox);
  }

  /** Faults in all memory reserved so far but for lazy regions, so that no packet pays for a fresh page (about 7 us each). */
  touch(): void {
    for (const { offset, bytes, isLazy } of this.window.regions) {
      if (bytes > 0 && !isLazy) this.native.touch(offset, bytes);
    }
  }
}
