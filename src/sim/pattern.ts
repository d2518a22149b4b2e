import type { Session } from "../app/session.js";
import { SeededRandom } from "../random/seeded.js";

/** Bytes of noise, and of a block of the stream: a power of two. */
const BLOCK_BYTES = 4096;
const BLOCK_SHIFT = 12;

/**
 * Streams whose bytes are a function of (seed, direction, offset): who receives one verifies each byte without keeping
 * any. A block of the stream is the noise, begun at a place that the block's number and the stream's key choose, so a
 * byte that is missing, doubled, swapped or of another stream shows.
 */
export class Pattern {
  /** The noise twice over, so that a block is one piece wherever it begins. */
  readonly #noise = new Uint8Array(2 * BLOCK_BYTES);

  constructor() {
    const noise = this.#noise.subarray(0, BLOCK_BYTES);
    new SeededRandom(0x7765_6674).fill(noise);
    this.#noise.copyWithin(BLOCK_BYTES, 0, BLOCK_BYTES);
  }

  /** The block that all streams are made of: for who makes them in another language. */
  get noise(): Uint8Array {
    return this.#noise.slice(0, BLOCK_BYTES);
  }

  /** The key of one direction (0 or 1) of a connection. */
  static key(seed: number, direction: number): number {
    return mix((mix(seed) + direction) | 0);
  }

  /** Where byte `offset` of a stream stands in the noise; the rest of its block follows. */
  #at(key: number, offset: number): number {
    const phase = mix((key + (offset >>> BLOCK_SHIFT)) | 0) & (BLOCK_BYTES - 1);
    return phase + (offset & (BLOCK_BYTES - 1));
  }

  /** The byte at `offset` (below 2^32) of a stream. */
  byte(key: number, offset: number): number {
    return this.#noise[this.#at(key, offset)];
  }

  /** Writes bytes [offset, offset + length) of a stream to a session; returns how many it took, or a session error. */
  write(session: Session, key: number, offset: number, length: number): number {
    let done = 0;
    while (done < length) {
      const at = offset + done;
      const rest = BLOCK_BYTES - (at & (BLOCK_BYTES - 1));
      const piece = Math.min(rest, length - done);
      const n = session.write(this.#noise, this.#at(key, at), piece);
      if (n < 0) return done > 0 ? done : n;
      done += n;
      if (n < piece) break;
    }
    return done;
  }

  /** Copies bytes [offset, offset + length) of a stream to dst[at ...]. */
  fill(dst: Uint8Array, at: number, length: number, key: number, offset: number): void {
    for (let done = 0; done < length; ) {
      const position = offset + done;
      const piece = Math.min(BLOCK_BYTES - (position & (BLOCK_BYTES - 1)), length - done);
      const from = this.#at(key, position);
      dst.set(this.#noise.subarray(from, from + piece), at + done);
      done += piece;
    }
  }

  /** Compares u8[at ... at + length) with a stream from `offset` on; returns the first offset that differs, or -1. */
  verify(u8: Uint8Array, at: number, length: number, key: number, offset: number): number {
    const noise = this.#noise;
    for (let done = 0; done < length; ) {
      const position = offset + done;
      const piece = Math.min(BLOCK_BYTES - (position & (BLOCK_BYTES - 1)), length - done);
      const from = this.#at(key, position);
      for (let i = 0; i < piece; i++) if (u8[at + done + i] !== noise[from + i]) return position + i;
      done += piece;
    }
    return -1;
  }
}

/** The finalizer of MurmurHash3: every bit of `x` moves every bit of the result. */
function mix(x: number): number {
  let z = Math.imul(x ^ (x >>> 16), 0x85eb_ca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2_ae35);
  return z ^ (z >>> 16);
}
