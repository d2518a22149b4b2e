import type { Flavor } from "./flavor.js";

// What a client, an application in another process, sees of a fifo: a mirror in its control segment and a segment with the
// bytes. All positions are free-running int32, all chunks relative to their segment's base.

/** A mirror: window offset of a block of two cache lines. 0 means "none". */
export type MirrorOffset = Flavor<"MirrorOffset">;

/** Bytes of a mirror. */
export const MIRROR_BYTES = 128;

// Words of a mirror from `mirror >> 2`. Line 1 is written by the stack.

/** Bytes written: of an rx fifo there to be read, of a tx fifo taken over by the stack. */
export const M_TAIL = 0;
/** tx: bytes that were sent, and for TCP acknowledged. */
export const M_HEAD = 1;
/** Chunk of the head (rx) or of the tail (tx), 0 when there is none. */
export const M_CHUNK = 2;
/** tx: position up to which the client may write. */
export const M_LENT = 3;
/** Most unread bytes that the fifo takes. */
export const M_CAP = 4;
/** rx: free bytes from which the stack wants to hear of reads, 0 when it does not. Whoever sends the notice clears it. */
export const M_WANT_HEAD = 5;
/** rx: 1 while an event about this fifo is under way to the client, who clears it. */
export const M_RX_EVENT = 6;

// Line 2 is written by the client; the stack believes none of it.

/** Bytes read (rx) or written (tx) by the client. */
export const M_POSITION = 16;
/** tx: free bytes from which the client wants to hear of room, 0 when it does not. Whoever sends the notice clears it. */
export const M_WANT_ROOM = 17;
/** tx: 1 while an event about this fifo is under way to the stack, which clears it. */
export const M_TX_EVENT = 18;

/** Mark of a segment of bytes ("WFSG"), first word of its header. */
export const SEGMENT_MAGIC = 0x47534657;
/** Version of everything in this file. */
export const SEGMENT_VERSION = 3;
/** Bytes of a segment's header; descriptors follow it. */
export const SEGMENT_HEADER_BYTES = 64;

// Segment header, as words from `base >> 2`.

/** {@link SEGMENT_MAGIC}. */
export const H_MAGIC = 0;
/** {@link SEGMENT_VERSION}. */
export const H_VERSION = 1;
/** Bytes of the segment. */
export const H_BYTES = 2;
/** Where the data begins, relative to the base. */
export const H_DATA = 3;

/** Bytes of the published descriptor of a chunk: one for each 1 KiB of data, of which that of a chunk's first unit counts. */
export const SHARED_DESCRIPTOR_BYTES = 16;
// Its words.
/** Position of the chunk's first byte. */
export const SD_START = 0;
/** Bytes of the chunk. */
export const SD_BYTES = 1;
/** Next chunk of the fifo. */
export const SD_NEXT = 2;

/** Where the data of a segment of `bytes` begins, relative to its base: a multiple of 1024. */
export function segmentDataRel(bytes: number): number {
  const units = Math.floor((bytes - SEGMENT_HEADER_BYTES) / (1024 + SHARED_DESCRIPTOR_BYTES));
  return (SEGMENT_HEADER_BYTES + units * SHARED_DESCRIPTOR_BYTES + 1023) & -1024;
}
