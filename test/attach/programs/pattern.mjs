// Bytes whose every position can be told: what sends and what checks agree on them without a word.

/** A prime: a block that goes astray by a power of two is seen. */
const PERIOD = 65521;
const PIECE = 1 << 18;
const BLOCK = Buffer.alloc(PERIOD + PIECE);
for (let i = 0, state = 1; i < PERIOD; i++) {
  state = (Math.imul(state, 1103515245) + 12345) | 0;
  BLOCK[i] = state >>> 16;
}
for (let i = PERIOD; i < BLOCK.length; i++) BLOCK[i] = BLOCK[i - PERIOD];

/**
 * The bytes from a position on, PIECE of them at most.
 * @param {number} position
 * @param {number} length
 * @returns {Buffer}
 */
export function patternAt(position, length) {
  const from = position % PERIOD;
  return BLOCK.subarray(from, from + Math.min(length, PIECE));
}

/** Sends so many bytes of the pattern, through whatever takes them. */
export class Source {
  /** @param {number} bytes Infinity: without an end */
  constructor(bytes) {
    this.left = bytes;
    this.sent = 0;
  }

  /**
   * Writes until there is no room, or nothing left. `write` returns how much it took, or a negative error.
   * @param {(bytes: Buffer) => number} write
   * @returns {boolean} whether all is written
   */
  pump(write) {
    while (this.left > 0) {
      const piece = patternAt(this.sent, this.left);
      const n = write(piece);
      if (n > 0) {
        this.sent += n;
        this.left -= n;
      }
      if (n < piece.length) return this.left <= 0;
    }
    return true;
  }
}

/** Compares what comes in with the pattern. */
export class Check {
  constructor() {
    this.got = 0;
  }

  /**
   * Throws where something else came.
   * @param {Uint8Array} bytes
   */
  take(bytes) {
    for (let at = 0; at < bytes.length; at += PIECE) {
      const part = bytes.subarray(at, at + PIECE);
      const wanted = patternAt(this.got, part.length);
      if (wanted.compare(part) !== 0) {
        const wrong = part.findIndex((byte, i) => byte !== wanted[i]);
        throw new Error(`byte ${this.got + wrong} is ${part[wrong]}, not ${wanted[wrong]}`);
      }
      this.got += part.length;
    }
  }
}
