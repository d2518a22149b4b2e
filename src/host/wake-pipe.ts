import { type AddonWatch, loadAddon } from "./addon.js";

/** The end of a wake pipe at which one sleeps until the other end is signalled. */
export class WakeReader {
  readonly fd: number;
  readonly #addon = loadAddon();
  #watch: AddonWatch | undefined;
  #isClosed = false;

  /** Owns the descriptor from now on. */
  constructor(fd: number) {
    this.fd = fd;
  }

  /** Wake-ups since the last call, 0 when there was none or this is closed; -EPIPE when nobody can signal any more. */
  drain(): number {
    return this.#isClosed ? 0 : this.#addon.drain(this.fd);
  }

  /**
   * Calls `onWake` on the event loop, once for all wake-ups since the last call, with the pipe drained. Ends by itself
   * when nobody can signal any more. Keeps the process alive until `unref` or `close`.
   */
  watch(onWake: () => void): void {
    this.#watch = this.#addon.watch(this.fd, () => {
      const taken = this.drain();
      if (taken > 0) onWake();
      if (taken < 0) this.#unwatch();
    });
  }

  #unwatch(): void {
    this.#watch?.close();
    this.#watch = undefined;
  }

  /** Lets the process end although this is watched. */
  unref(): void {
    this.#watch?.unref();
  }

  /** Ends watching and closes the descriptor; again = nothing. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#unwatch();
    this.#addon.closeFd(this.fd);
  }
}

/** The end of a wake pipe that wakes the other one. */
export class WakeWriter {
  readonly fd: number;
  readonly #addon = loadAddon();
  #isClosed = false;

  /** Owns the descriptor from now on. */
  constructor(fd: number) {
    this.fd = fd;
  }

  /** Wakes the reader. Never blocks, whatever the process at the other end does. Closed = nothing. */
  signal(): void {
    if (!this.#isClosed) this.#addon.signal(this.fd);
  }

  /** Again = nothing. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#addon.closeFd(this.fd);
  }
}

/**
 * A wake pipe. Pass only the end that you do not use to another process, and close it here: then nothing which that process
 * does to its end can make `signal` or `drain` wait. Throws when descriptors have run out.
 */
export function createWakePipe(): { readonly reader: WakeReader; readonly writer: WakeWriter } {
  const { waitFd, signalFd } = loadAddon().createWakePipe();
  return { reader: new WakeReader(waitFd), writer: new WakeWriter(signalFd) };
}
