import { type DatagramInfo, noDatagram, SESSION_DSCP } from "./datagram-header.js";

/** Most datagrams of a batch, and most bytes of all its slots. */
const MAX_DATAGRAMS = 1024;
const MAX_BYTES = 1 << 26;

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
}
