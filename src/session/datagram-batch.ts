import { type DatagramInfo, noDatagram, SESSION_DSCP } from "./datagram-header.js";
import { SESSION_E_INVALID } from "./session-errors.js";

/** Most datagrams of a batch, and most bytes of all its slots. */
const MAX_DATAGRAMS = 1024;
const MAX_BYTES = 1 << 26;

/** Reads one datagram to `dst[at...]`, at most `len` bytes. Returns its bytes, -1 when there is none. */
export type TakeDatagram = (dst: Uint8Array, at: number, len: number, info: DatagramInfo) => number;

/** Writes one datagram. Returns 1, 0 when there is no room, or a negative session error. */
export type PutDatagram = (src: Uint8Array, from: number, len: number, dscp: number, info: DatagramInfo) => number;

/**
 * Datagrams that are read or written by one call (as by recvmmsg and sendmmsg of Linux): each in a slot of its own. It is
 * made once and used again and again. To answer a batch that was read, write it.
 */
export class DatagramBatch {
  /** Datagrams that it takes. */
  readonly capacity: number;
  /** Bytes of a slot: what is longer is cut when it is read. */
  readonly slotBytes: number;
  /** All slots: that of datagram i begins at `i * slotBytes`. */
  readonly bytes: Uint8Array;
  /** Bytes of each that are in its slot. */
  readonly lengths: Int32Array;
  /** Whose each is, and how it came. Of those to be written counts: of a listener's `remote`, `remotePort`, and `local` unless it is 0. */
  readonly infos: readonly DatagramInfo[];
  /** DSCP of each when it is written; -1, as it is at first: its session's. Reading leaves it alone. */
  readonly dscps: Int8Array;
  /** Datagrams in it: set by reading, or by who fills it. */
  count = 0;

  /** Throws RangeError for less than a datagram, more than 1024, or more than 64 MiB in all. */
  constructor(capacity: number, slotBytes: number) {
    const isSound = Number.isInteger(capacity) && Number.isInteger(slotBytes) && capacity > 0 && slotBytes >= 0;
    if (!isSound || capacity > MAX_DATAGRAMS || capacity * slotBytes > MAX_BYTES) {
      throw new RangeError(`datagram batch: ${capacity} of ${slotBytes} bytes`);
    }
    this.capacity = capacity;
    this.slotBytes = slotBytes;
    this.bytes = new Uint8Array(capacity * slotBytes);
    this.lengths = new Int32Array(capacity);
    this.infos = Array.from({ length: capacity }, noDatagram);
    this.dscps = new Int8Array(capacity).fill(SESSION_DSCP);
  }

  /** Takes datagrams until there are no more, or it is full. Returns how many. */
  fill(take: TakeDatagram): number {
    const { capacity, slotBytes, bytes, lengths, infos } = this;
    let count = 0;
    for (; count < capacity; count++) {
      const n = take(bytes, count * slotBytes, slotBytes, infos[count]);
      if (n < 0) break;
      lengths[count] = n;
    }
    this.count = count;
    return count;
  }

  /**
   * Puts its datagrams from number `from` on, until there is no room, or one cannot be sent. Returns how many were taken;
   * when the first one cannot be sent, its error; INVALID for a number that cannot be.
   */
  drain(from: number, put: PutDatagram): number {
    if (!(Number.isInteger(from) && from >= 0)) return SESSION_E_INVALID;
    const { slotBytes, bytes, lengths, infos, dscps } = this;
    const end = Math.min(this.count, this.capacity);
    for (let i = from; i < end; i++) {
      const length = lengths[i];
      const result = length > slotBytes ? SESSION_E_INVALID : put(bytes, i * slotBytes, length, dscps[i], infos[i]);
      if (result <= 0) return i === from && result < 0 ? result : i - from;
    }
    return Math.max(end - from, 0);
  }
}
