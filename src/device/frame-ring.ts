/** Words per frame in the record array: start, bytes, flags, transport offset, gso. */
const RECORD_WORDS = 8;
const R_START = 0;
const R_BYTES = 1;
const R_FLAGS = 2;
const R_L4 = 3;
const R_GSO = 4;

/**
 * A bounded first-in first-out store of frame copies outside any memory window. Each frame lies in one piece. Starts
 * over at its first byte whenever it runs empty, so a quiet ring works in a few cache-hot lines.
 */
export class FrameRing {
  /** The bytes of the frames. */
  readonly bytes: Uint8Array;
  readonly #records: Int32Array;
  readonly #capacity: number;
  #head = 0;
  #count = 0;
  /** Where the next frame goes. */
  #write = 0;

  /** Holds at most `frames` frames of together at most `bytes` bytes. */
  constructor(frames: number, bytes: number) {
    this.bytes = new Uint8Array(bytes);
    this.#records = new Int32Array(frames * RECORD_WORDS);
    this.#capacity = frames;
  }

  /** Frames held. */
  get count(): number {
    return this.#count;
  }

  /**
   * Room for a frame of `bytes` behind the others: where to copy it in {@link bytes}, or -1 when the ring is full. The
   * frame is in the ring at once. `flags`, `l4` (bytes from the frame's start, -1 for none) and `gso` come along.
   */
  push(bytes: number, flags: number, l4: number, gso: number): number {
    if (this.#count === this.#capacity) return -1;
    const start = this.#place(bytes);
    if (start < 0) return -1;
    const r = ((this.#head + this.#count) % this.#capacity) * RECORD_WORDS;
    const records = this.#records;
    records[r + R_START] = start;
    records[r + R_BYTES] = bytes;
    records[r + R_FLAGS] = flags;
    records[r + R_L4] = l4;
    records[r + R_GSO] = gso;
    this.#count++;
    this.#write = start + bytes;
    return start;
  }

  #place(bytes: number): number {
    const size = this.bytes.length;
    if (this.#count === 0) return bytes <= size ? 0 : -1;
    const oldest = this.start;
    // Frames occupy [oldest, write), or, once wrapped, [oldest, end) and [0, write).
    if (this.#write > oldest) {
      if (this.#write + bytes <= size) return this.#write;
      return bytes <= oldest ? 0 : -1;
    }
    return this.#write + bytes <= oldest ? this.#write : -1;
  }

  /** Where the oldest frame starts in {@link bytes}. The ring is not empty. */
  get start(): number {
    return this.#records[this.#head * RECORD_WORDS + R_START];
  }

  /** Bytes of the oldest frame. */
  get length(): number {
    return this.#records[this.#head * RECORD_WORDS + R_BYTES];
  }

  /** Packet flags of the oldest frame. */
  get flags(): number {
    return this.#records[this.#head * RECORD_WORDS + R_FLAGS];
  }

  /** Offset of its transport header from its start, -1 for none. */
  get l4(): number {
    return this.#records[this.#head * RECORD_WORDS + R_L4];
  }

  /** Its M_GSO. */
  get gso(): number {
    return this.#records[this.#head * RECORD_WORDS + R_GSO];
  }

  /** Forgets the oldest frame. */
  pop(): void {
    this.#head = this.#head + 1 === this.#capacity ? 0 : this.#head + 1;
    this.#count--;
  }

  /** Forgets all. */
  clear(): void {
    this.#count = 0;
  }
}
