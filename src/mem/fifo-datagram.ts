import type { FifoOffset } from "./fifo-layout.js";
import type { FifoTable } from "./fifo-table.js";
import type { Offset } from "./flavor.js";
import type { MemoryWindow } from "./window.js";

// Header before each datagram in a fifo (VPP: session_dgram_hdr_t), at byte offsets. Lengths are host-order int32,
// addresses and ports are as on the wire.

/** Bytes of the header. */
export const DGRAM_HEADER_BYTES = 52;
/** int32: bytes of the datagram, without this header. */
export const DGRAM_DATA_LENGTH = 0;
/** int32: bytes of the datagram already read. */
export const DGRAM_DATA_OFFSET = 4;
/** 16 bytes: remote address; IPv4 uses the last 4 and leaves the others 0. */
export const DGRAM_REMOTE_IP = 8;
/** 16 bytes: local address, in the same form. */
export const DGRAM_LOCAL_IP = 24;
/** uint16, network order: remote port. */
export const DGRAM_REMOTE_PORT = 40;
/** uint16, network order: local port. */
export const DGRAM_LOCAL_PORT = 42;
/** uint8: 1 for IPv4. */
export const DGRAM_IS_IP4 = 44;
/** uint16, network order: segment size when the datagram is to be cut into several (UDP_SEGMENT), else 0. */
export const DGRAM_GSO_SIZE = 46;
/** uint8: traffic class, DSCP and ECN: that it came with, or is to be sent with. */
export const DGRAM_TRAFFIC_CLASS = 48;
/** uint8: 1 when a datagram to send has a traffic class of its own; 0: its session's. */
export const DGRAM_HAS_TRAFFIC_CLASS = 49;
/** uint16, network order: interface that it came in on; {@link DGRAM_NO_INTERFACE}: none. */
export const DGRAM_INTERFACE = 50;
/** {@link DGRAM_INTERFACE} of what this host sent itself. */
export const DGRAM_NO_INTERFACE = 0xffff;

/**
 * Appends a datagram, or nothing: the header at window offset `header` (its data length and offset are set here), then
 * `n` ranges of the window, (offset, length) pairs in `spans[at...]` where the pair before them, at `at - 2`, is free
 * for the header. Datagrams of no bytes are allowed. Returns whether it was taken.
 */
export function enqueueDatagram(
  segment: FifoTable,
  window: MemoryWindow,
  f: FifoOffset,
  header: Offset,
  spans: Int32Array,
  at: number,
  n: number,
): boolean {
  const i32 = window.i32;
  let len = 0;
  for (let i = 0; i < n; i++) len = (len + spans[at + 2 * i + 1]) | 0;
  if (len < 0) return false;
  i32[(header + DGRAM_DATA_LENGTH) >> 2] = len;
  i32[(header + DGRAM_DATA_OFFSET) >> 2] = 0;
  spans[at - 2] = header;
  spans[at - 1] = DGRAM_HEADER_BYTES;
  return segment.enqueueSpans(f, spans, at - 2, n + 1) > 0;
}

/** Same, from an application's array: bytes [from, from + len) of `src`. False when it has fewer. */
export function writeDatagram(
  segment: FifoTable,
  window: MemoryWindow,
  f: FifoOffset,
  header: Offset,
  src: Uint8Array,
  from: number,
  len: number,
): boolean {
  const i32 = window.i32;
  if (!(from >= 0) || !(len >= 0) || len > src.length - from) return false;
  i32[(header + DGRAM_DATA_LENGTH) >> 2] = len;
  i32[(header + DGRAM_DATA_OFFSET) >> 2] = 0;
  return segment.writeAll(f, header, DGRAM_HEADER_BYTES, src, from, len) > 0;
}

/**
 * Copies the header of the first datagram to window offset `header`. Returns the bytes of it still to be read, or -1
 * when there is none. A header that does not fit what the fifo holds (only another process can write one) empties the
 * fifo: where the next datagram begins is unknown.
 */
export function peekDatagram(segment: FifoTable, window: MemoryWindow, f: FifoOffset, header: Offset): number {
  if (segment.peek(f, 0, header, DGRAM_HEADER_BYTES) < DGRAM_HEADER_BYTES) {
    segment.dropAll(f);
    return -1;
  }
  const i32 = window.i32;
  const length = i32[(header + DGRAM_DATA_LENGTH) >> 2];
  const offset = i32[(header + DGRAM_DATA_OFFSET) >> 2];
  if (length < 0 || offset < 0 || offset > length || length > segment.maxDequeue(f) - DGRAM_HEADER_BYTES) {
    segment.dropAll(f);
    return -1;
  }
  return (length - offset) | 0;
}

/** Drops the first datagram, whose header lies at `header` since {@link peekDatagram}. */
export function dropDatagram(segment: FifoTable, window: MemoryWindow, f: FifoOffset, header: Offset): void {
  segment.drop(f, (DGRAM_HEADER_BYTES + window.i32[(header + DGRAM_DATA_LENGTH) >> 2]) | 0);
}

/**
 * Takes the first datagram into the window: its header to `header`, up to `len` of its unread bytes to `dst`. Returns
 * how many bytes, or -1 when there is no datagram. What does not fit is lost with the rest of it (POSIX recv: excess
 * bytes are discarded; the header's data length tells), or with `keepRest` stays for the next call (VPP: data_offset).
 */
export function dequeueDatagram(
  segment: FifoTable,
  window: MemoryWindow,
  f: FifoOffset,
  header: Offset,
  dst: Offset,
  len: number,
  keepRest = false,
): number {
  const left = peekDatagram(segment, window, f, header);
  if (left < 0) return -1;
  const offset = window.i32[(header + DGRAM_DATA_OFFSET) >> 2];
  const n = len < left ? len : left;
  if (n > 0) segment.peek(f, DGRAM_HEADER_BYTES + offset, dst, n);
  return finishDatagram(segment, window, f, header, n > 0 ? n : 0, keepRest);
}

/** Same, into bytes [at, at + len) of an application's array, as far as it reaches. */
export function readDatagram(
  segment: FifoTable,
  window: MemoryWindow,
  f: FifoOffset,
  header: Offset,
  dst: Uint8Array,
  at: number,
  len: number,
  keepRest = false,
): number {
  const left = peekDatagram(segment, window, f, header);
  if (left < 0) return -1;
  const offset = window.i32[(header + DGRAM_DATA_OFFSET) >> 2];
  const room = dst.length - at;
  let n = len < room ? len : room;
  if (n > left) n = left;
  n = at >= 0 && n > 0 ? segment.peekInto(f, DGRAM_HEADER_BYTES + offset, dst, at, n) : 0;
  return finishDatagram(segment, window, f, header, n, keepRest);
}

function finishDatagram(
  segment: FifoTable,
  window: MemoryWindow,
  f: FifoOffset,
  header: Offset,
  n: number,
  keepRest: boolean,
): number {
  const i32 = window.i32;
  const offset = (i32[(header + DGRAM_DATA_OFFSET) >> 2] + n) | 0;
  i32[(header + DGRAM_DATA_OFFSET) >> 2] = offset;
  if (keepRest && offset < i32[(header + DGRAM_DATA_LENGTH) >> 2]) {
    segment.overwriteHead(f, header, DGRAM_HEADER_BYTES);
  } else dropDatagram(segment, window, f, header);
  return n;
}
