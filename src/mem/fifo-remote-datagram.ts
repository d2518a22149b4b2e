import { DGRAM_DATA_LENGTH, DGRAM_DATA_OFFSET, DGRAM_HEADER_BYTES } from "./fifo-datagram.js";
import type { RemoteRxFifo, RemoteTxFifo } from "./fifo-remote.js";
import type { MemoryWindow } from "./window.js";

// Datagrams of a client's fifos, in the form of fifo-datagram.ts. A header lies in an array of the client's own, since in
// the fifo it may lie in two chunks.

/** Room for a datagram's header, outside of shared memory. */
export class RemoteDatagramHeader {
  readonly bytes = new Uint8Array(DGRAM_HEADER_BYTES);
  readonly dv = new DataView(this.bytes.buffer);
  /** Its lengths are in host order. */
  readonly words = new Int32Array(this.bytes.buffer);
}

/**
 * Takes the first datagram: its header, and up to `len` bytes to `dst[at...]`; the rest of it is lost. Returns how many
 * bytes, -1 when there is none. A header that does not fit what there is empties the fifo: where the next one begins is
 * unknown. Publishing is the caller's, after -1 too.
 */
export function readRemoteDatagram(
  window: MemoryWindow,
  rx: RemoteRxFifo,
  header: RemoteDatagramHeader,
  dst: Uint8Array,
  at: number,
  len: number,
): number {
  const there = rx.readableBytes;
  if (there === 0) return -1;
  const { bytes, words } = header;
  const isHeader = rx.read(window, bytes, 0, DGRAM_HEADER_BYTES) === DGRAM_HEADER_BYTES;
  const length = words[DGRAM_DATA_LENGTH >> 2];
  const offset = words[DGRAM_DATA_OFFSET >> 2];
  if (!isHeader || length < 0 || offset < 0 || offset > length || length > there - DGRAM_HEADER_BYTES) {
    rx.drop(there);
    return -1;
  }
  if (offset > 0) rx.drop(offset);
  const left = length - offset;
  const n = rx.read(window, dst, at, len < left ? len : left);
  if (n < left) rx.drop(left - n);
  return n;
}

/** Bytes that a datagram of `len` bytes takes in a fifo. */
export function remoteDatagramBytes(len: number): number {
  return DGRAM_HEADER_BYTES + len;
}

/**
 * Appends a datagram of the bytes [from, from + len) of `src`, which are there, or nothing. The header's lengths are set
 * here. False: there is no room, {@link remoteDatagramBytes}. Publishing is the caller's.
 */
export function writeRemoteDatagram(
  window: MemoryWindow,
  tx: RemoteTxFifo,
  header: RemoteDatagramHeader,
  src: Uint8Array,
  from: number,
  len: number,
): boolean {
  if (tx.writableBytes < remoteDatagramBytes(len)) return false;
  header.words[DGRAM_DATA_LENGTH >> 2] = len;
  header.words[DGRAM_DATA_OFFSET >> 2] = 0;
  return (
    tx.write(window, header.bytes, 0, DGRAM_HEADER_BYTES) === DGRAM_HEADER_BYTES &&
    tx.write(window, src, from, len) === len
  );
}
