const MICRO_BITS_PER_BYTE = 8_000_000;
const FIRST_CAPACITY = 64;

/**
 * When a sender of a given rate is done with each frame: exact to the fraction of a microsecond, so that no rate is off
 * by rounding. Keeps the frames that have not left, for the length of the queue.
 */
export class TransmitTimes {
  /** When the sender is done with all frames so far. */
  freeUs = 0;
  #rateBps = 0;
  /** What {@link freeUs} leaves out: parts of a microsecond, times the rate. */
  #rest = 0;
  // Frames that have not left: when each does, and its bytes; a ring.
  #departs = new Float64Array(0);
  #lengths = new Int32Array(0);
  #head = 0;
  #count = 0;
  #bytes = 0;

  /** Bits per second of frames from now on; 0: any number. */
  setRate(rateBps: number): void {
    if (rateBps !== this.#rateBps) this.#rest = 0;
    this.#rateBps = rateBps;
  }

  /** Microseconds that a frame takes, rounded down. */
  durationUs(bytes: number): number {
    return this.#rateBps === 0 ? 0 : Math.floor((bytes * MICRO_BITS_PER_BYTE) / this.#rateBps);
  }

  /** Puts a frame behind the others; returns when its last bit leaves. */
  send(nowUs: number, bytes: number): number {
    if (this.freeUs < nowUs) {
      this.freeUs = nowUs;
      this.#rest = 0;
    }
    if (this.#rateBps > 0) {
      const work = bytes * MICRO_BITS_PER_BYTE + this.#rest;
      const us = Math.floor(work / this.#rateBps);
      this.#rest = work - us * this.#rateBps;
      this.freeUs += us;
    }
    this.#retire(nowUs);
    this.#keep(this.freeUs, bytes);
    return this.freeUs;
  }

  /** Bytes of the frames that have not left. */
  bytesAt(nowUs: number): number {
    this.#retire(nowUs);
    return this.#bytes;
  }

  #retire(nowUs: number): void {
    const mask = this.#departs.length - 1;
    while (this.#count > 0 && this.#departs[this.#head] <= nowUs) {
      this.#bytes -= this.#lengths[this.#head];
      this.#head = (this.#head + 1) & mask;
      this.#count--;
    }
  }

  #keep(departUs: number, bytes: number): void {
    if (this.#count === this.#departs.length) this.#grow();
    const at = (this.#head + this.#count++) & (this.#departs.length - 1);
    this.#departs[at] = departUs;
    this.#lengths[at] = bytes;
    this.#bytes += bytes;
  }

  #grow(): void {
    const size = this.#departs.length;
    const departs = new Float64Array(size * 2 || FIRST_CAPACITY);
    const lengths = new Int32Array(departs.length);
    for (let i = 0; i < size; i++) {
      departs[i] = this.#departs[(this.#head + i) & (size - 1)];
      lengths[i] = this.#lengths[(this.#head + i) & (size - 1)];
    }
    this.#departs = departs;
    this.#lengths = lengths;
    this.#head = 0;
  }
}
