import { createHash } from "node:crypto";

/** Bytes of a block of {@link BulkSource}. */
const BLOCK_BYTES = 256 * 1024;

/** A stream of bytes, the same each time, in which no two blocks are alike: what is lost, doubled or moved shows in its hash. */
export class BulkSource {
  /** Bytes that were not taken yet. */
  left: number;
  readonly #block = new Uint8Array(BLOCK_BYTES);
  #number = 0;
  /** Bytes of the block that were taken. */
  #taken = 0;

  constructor(bytes: number) {
    this.left = bytes;
    let random = 0x9e3779b9;
    const words = new Uint32Array(this.#block.buffer);
    for (let i = 0; i < words.length; i++) {
      // xorshift32
      random ^= random << 13;
      random ^= random >>> 17;
      random ^= random << 5;
      words[i] = random;
    }
    this.#stamp();
  }

  /** The bytes that come next, one at least while some are left. They change with {@link take}. */
  next(): Uint8Array {
    return this.#block.subarray(this.#taken, Math.min(BLOCK_BYTES, this.#taken + this.left));
  }

  /** Takes the first `count` of the bytes that come next. */
  take(count: number): void {
    this.left -= count;
    this.#taken += count;
    if (this.#taken < BLOCK_BYTES) return;
    this.#taken = 0;
    this.#number++;
    this.#stamp();
  }

  #stamp(): void {
    new DataView(this.#block.buffer).setUint32(0, this.#number);
  }
}

/** What a receiver found. */
export interface Received {
  readonly bytes: number;
  readonly sha256: string;
  /** From the start of the connection to the last byte, milliseconds. */
  readonly ms: number;
}

/** Counts, hashes and times what a connection receives; made when the connection is there. */
export class BulkSink {
  readonly #hash = createHash("sha256");
  readonly #begin = performance.now();
  #last = this.#begin;
  #bytes = 0;

  /** Takes the next bytes. */
  add(part: Uint8Array): void {
    this.#hash.update(part);
    this.#bytes += part.length;
    this.#last = performance.now();
  }

  /** The result, when all has come. Once. */
  end(): Received {
    return { bytes: this.#bytes, sha256: this.#hash.digest("hex"), ms: this.#last - this.#begin };
  }
}

/** SHA-256 of the first `bytes` of the stream, hexadecimal. */
export function bulkHash(bytes: number): string {
  const hash = createHash("sha256");
  const source = new BulkSource(bytes);
  while (source.left > 0) {
    const part = source.next();
    hash.update(part);
    source.take(part.length);
  }
  return hash.digest("hex");
}
