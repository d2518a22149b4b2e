import type { Flavor } from "./flavor.js";

/** A fifo: absolute window offset of its row of two cache lines in a {@link FifoTable}. 0 means "none". */
export type FifoOffset = Flavor<"FifoOffset">;

/** Offset of a chunk's first data byte, relative to the base of its fifo table's area. 0 means "none". */
export type ChunkRef = Flavor<"ChunkRef">;

/** A segment of a fifo table: its number there. 0 is the stack's own. */
export type SegmentIndex = Flavor<"SegmentIndex">;

/** Bytes of a fifo's row. */
export const FIFO_BYTES = 128;

// The row of a fifo, as word (int32) indices from `fifo >> 2`. No other process sees it: what a client shares of a fifo lies in
// a mirror (fifo-mirror.ts). Line 1: all that the hot path needs.

/** Free-running count of bytes written in order. */
export const R_TAIL = 0;
/** Position where the tail chunk ends. */
export const R_TAIL_END = 1;
/** Window offset of position p of the tail chunk is `(R_TAIL_DELTA + p) | 0`. */
export const R_TAIL_DELTA = 2;
/** Most unread bytes that the fifo takes; 0 marks a row without fifo. */
export const R_CAP = 3;
/** Free-running count of bytes read. */
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

// Line 2: the slow path of the chunk list.

/** Smallest chunk taken when the fifo grows, bytes. */
export const R_MIN_ALLOC = 16;
/** Bytes in the chunks that the fifo owns. */
export const R_CHUNK_BYTES = 17;
/** Segment that the chunks come from. */
export const R_SEGMENT = 18;
/** Free-list link: the next free fifo, 0 at the end. */
export const R_NEXT_FREE = 19;

// Line 2 goes on: what a client in another process shares of the fifo (fifo-mirror.ts).

/** Mirror of the client that reads the fifo, 0 without one. */
export const R_CONSUMER = 20;
/** Mirror of the client that writes into it, 0 without one. */
export const R_PRODUCER = 21;
/** Position up to which the descriptors of chunks are published. */
export const R_PUBLISHED = 22;
/** 1: freed by its owner, and goes as soon as no client has it. */
export const R_DOOMED = 23;
/** Room that a client who writes is lent at least, bytes. */
export const R_LEND_LEAST = 24;

// And of whoever sizes the fifo by need (session/fifo-tuning.ts).

/** Position of the head when the round trip began that is being measured. */
export const R_EPOCH_HEAD = 25;
/** When that was, ticks, odd; 0 before the first one. */
export const R_EPOCH_TICK = 26;
