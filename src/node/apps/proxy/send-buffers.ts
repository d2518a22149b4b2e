/** Bytes that are written to a socket at a time. */
const SEND_BYTES = 256 << 10;
/** Buffers that are kept for the next. */
const MAX_SPARE = 16;

/** Buffers for what goes to sockets of the kernel: one that the kernel did not empty at once stays with its socket. */
export class SendBuffers {
  readonly #spare: Uint8Array[] = [];

  /** A buffer, whose bytes are anybody's. */
  take(): Uint8Array {
    return this.#spare.pop() ?? new Uint8Array(SEND_BYTES);
  }

  /** A buffer that is not used any more. */
  give(buffer: Uint8Array): void {
    if (this.#spare.length < MAX_SPARE) this.#spare.push(buffer);
  }
}
