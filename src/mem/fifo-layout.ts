import type { Flavor } from "./flavor.js";

/** Absolute window offset of a fifo: a 128-byte block of two cache lines inside a fifo segment. 0 means "none". */
export type FifoOffset = Flavor<"FifoOffset">;

/** Offset of a chunk's first data byte, relative to its segment's base (so that it means the same in any mapping). 0 means "none". */
export type ChunkRef = Flavor<"ChunkRef">;

/** Bytes of one shared fifo block. */
export const FIFO_BYTES = 128;

// Shared fifo block, as word (int32) indices from `fifo >> 2`: a line for each side, so that neither writes what the other
// polls. What is written at set-up only lies in the consumer's.

// Line 1, written by the consumer.

/** Chunk of the next byte to read. */
export const C_HEAD_CHUNK = 0;
/** Free-running count of bytes read. */
export const C_HEAD = 1;
/** First chunk of the list, 0 when the fifo owns none. */
export const F_START = 2;
/** 1 while a dequeue notification is under way to the producer. */
export const F_HAS_DEQ_NTF = 3;
/** Most unread bytes that the fifo takes. */
export const F_CAP = 4;
/** Smallest chunk taken when the fifo grows, bytes. */
export const F_MIN_ALLOC = 5;
/** Free-list link: the next free block relative to the segment's base, 0 at the end. */
export const F_NEXT = 6;

// Line 2, written by the producer.

/** Chunk of the next byte to write. */
export const P_TAIL_CHUNK = 16;
/** Free-running count of bytes written. */
export const P_TAIL = 17;
/** Last chunk of the list. */
export const F_END = 18;
/** Bytes in the chunks that the fifo owns. */
export const F_CHUNK_BYTES = 19;
/** 1 while an event about this fifo is under way to the consumer, who clears it. */
export const F_HAS_EVENT = 20;
/** {@link DEQ_NTF_ALWAYS} and its like. */
export const F_WANT_DEQ_NTF = 21;
/** Free bytes from which {@link DEQ_NTF_ALWAYS} notifies. */
export const F_DEQ_THRESH = 22;

/** No notification on dequeue. */
export const DEQ_NTF_NONE = 0;
/** Notify on each dequeue that leaves at least the threshold free. */
export const DEQ_NTF_ALWAYS = 1;
/** Notify when a full fifo becomes less than full. */
export const DEQ_NTF_IF_FULL = 2;
/** Notify when the fifo becomes empty. */
export const DEQ_NTF_IF_EMPTY = 4;

// The private row of a fifo: one cache line outside the segment, so that another process can neither see nor alter it.
// It repeats both indices and holds what the hot path needs, which therefore reads this one line.

/** Words per private row. */
export const ROW_WORDS = 16;
/** Same as P_TAIL. */
export const R_TAIL = 0;
/** Position where the tail chunk ends. */
export const R_TAIL_END = 1;
/** Window offset of position p of the tail chunk is `(R_TAIL_DELTA + p) | 0`. */
export const R_TAIL_DELTA = 2;
/** Same as F_CAP; 0 marks a row without fifo. */
export const R_CAP = 3;
/** Same as C_HEAD. */
export const R_HEAD = 4;
/** Position where the head chunk ends. */
export const R_HEAD_END = 5;
/** Window offset of position p of the head chunk is `(R_HEAD_DELTA + p) | 0`. */
export const R_HEAD_DELTA = 6;
/** Chunk where the last peek or span ended: retransmission and sending go on from there. 0 = none. */
export const R_PEEK_CHUNK = 7;
/** Out-of-order intervals held. */
export const R_OOO_COUNT = 8;
/** Interval nearest to the tail (row of the interval pool), 0 = none. */
export const R_OOO_FIRST = 9;
/** Interval touched last, 0 = none. */
export const R_OOO_NEWEST = 10;
/** Chunk where the last out-of-order store ended, 0 = none. */
export const R_OOO_CHUNK = 11;
/** Chunk of the tail. */
export const R_TAIL_CHUNK = 12;
/** Chunk of the head, the first of the list. */
export const R_HEAD_CHUNK = 13;
/** Last chunk of the list. */
export const R_END_CHUNK = 14;
/** Bytes lent to a producer that writes in place. */
export const R_RESERVED = 15;

/** Mark of a fifo segment ("WFSG"), first word of its header. */
export const SEGMENT_MAGIC = 0x47534657;
/** Version of everything in this file that lies inside a segment. */
export const SEGMENT_VERSION = 2;
/** Bytes of the segment header; the fifo blocks follow it. */
export const SEGMENT_HEADER_BYTES = 512;

// Segment header, as word indices from `base >> 2`. All offsets are relative to the base.

/** {@link SEGMENT_MAGIC}. */
export const H_MAGIC = 0;
/** {@link SEGMENT_VERSION}. */
export const H_VERSION = 1;
/** Bytes of the segment. */
export const H_BYTES = 2;
/** Fifo blocks there is room for. */
export const H_MAX_FIFOS = 3;
/** First fifo block. */
export const H_FIFOS = 4;
/** First chunk descriptor. */
export const H_DESCRIPTORS = 5;
/** First data byte. */
export const H_DATA = 6;
/** Number of 1 KiB units of data. */
export const H_UNITS = 7;
/** First free fifo block, 0 = none. */
export const H_FREE_FIFO = 8;
/** Fifo blocks ever handed out; those above are untouched. */
export const H_CARVED_FIFOS = 9;
/** Fifos in use. */
export const H_ACTIVE_FIFOS = 10;
/** Counter: fifos refused because all are in use. */
export const H_FIFO_FAILURES = 11;
/** Counter: out-of-order segments refused, by the limit per fifo or the pool of intervals. */
export const H_OOO_REFUSED = 12;
/** Counter: calls with something that is not a live fifo (freed twice, or never one). */
export const H_BAD_FIFO = 13;
/** Counter: enqueues that took less than the cap allows, for want of memory. */
export const H_SHORT_ENQUEUES = 14;
/** Start of the chunk pool's own words, see chunk-pool.ts. */
export const H_CHUNKS = 16;
