import type { Offset } from "./flavor.js";
import type { MemoryWindow } from "./window.js";

// A message queue in shared memory: one producer, one consumer, maybe in two processes. Header of three lines, one for
// set-up and one for each side, so that neither writes what the other polls; then a ring of records. Words are in host order.

/** Mark of a message queue ("WFMQ"), first word of its header. */
export const MESSAGE_QUEUE_MAGIC = 0x514d4657;
/** Version of everything in this file. */
export const MESSAGE_QUEUE_VERSION = 1;
/** Bytes of the header; the ring follows it. */
export const MESSAGE_QUEUE_HEADER_BYTES = 192;
/** Rings are powers of two within these. */
export const MIN_RING_BYTES = 64;
const MAX_RING_BYTES = 1 << 24;

// Header, as word indices from `base >> 2`.

/** {@link MESSAGE_QUEUE_MAGIC}. */
export const Q_MAGIC = 0;
/** {@link MESSAGE_QUEUE_VERSION}. */
export const Q_VERSION = 1;
/** Bytes of the ring. */
export const Q_RING_BYTES = 2;

/** Consumer's line: free-running count of bytes taken. */
export const Q_HEAD = 16;
/** Consumer's line: not 0 while the consumer sleeps, or is about to, and is to be signalled. The producer clears it. */
export const Q_IS_ARMED = 17;

/** Producer's line: free-running count of bytes put. */
export const Q_TAIL = 32;
/** Producer's line: not 0 while the producer waits for room and is to be signalled. The consumer clears it. */
export const Q_WANTS_ROOM = 33;

// A record: two words and the payload, a multiple of 8 bytes that lies in one piece. The first word is type << 16 | bytes.

/** Bytes of a record before its payload. */
export const RECORD_HEADER_BYTES = 8;
/** Longest record, bytes: what 16 bits can say. A ring takes records up to half its own size. */
export const MAX_RECORD_BYTES = 65_528;
/** Type of the record that fills the end of the ring where the next one had no room in one piece. */
export const PAD_TYPE = 0xffff;

/** Bytes of a queue whose ring has `ringBytes`. */
export function messageQueueBytes(ringBytes: number): number {
  return MESSAGE_QUEUE_HEADER_BYTES + ringBytes;
}

/** Whether a ring can have so many bytes: a power of two within the limits. */
export function isRingBytes(bytes: number): boolean {
  return Number.isInteger(bytes) && bytes >= MIN_RING_BYTES && bytes <= MAX_RING_BYTES && (bytes & (bytes - 1)) === 0;
}

/** Bytes of the ring of a queue of `bytes`. Throws RangeError: not a power of two within the limits, or not in the window. */
export function ringBytesOf(window: MemoryWindow, base: Offset, bytes: number): number {
  const ringBytes = bytes - MESSAGE_QUEUE_HEADER_BYTES;
  if (!isRingBytes(ringBytes)) {
    throw new RangeError(`message queue: a ring of ${ringBytes} bytes is no power of two from ${MIN_RING_BYTES} on`);
  }
  if (!(base >= 0 && base + bytes <= window.u8.length) || (base & 63) !== 0) {
    throw new RangeError(`message queue: ${bytes} bytes at ${base} are not lines of the window`);
  }
  return ringBytes;
}

/** Makes an empty queue of `bytes` ({@link messageQueueBytes}) there. Throws RangeError as {@link ringBytesOf}. */
export function formatMessageQueue(window: MemoryWindow, base: Offset, bytes: number): void {
  const ringBytes = ringBytesOf(window, base, bytes);
  window.u8.fill(0, base, base + MESSAGE_QUEUE_HEADER_BYTES);
  const { i32 } = window;
  const q = base >> 2;
  i32[q + Q_MAGIC] = MESSAGE_QUEUE_MAGIC;
  i32[q + Q_VERSION] = MESSAGE_QUEUE_VERSION;
  i32[q + Q_RING_BYTES] = ringBytes;
}

/** Whether the memory says that it is a queue of `bytes`: what a process looks at that was given it. Throws RangeError. */
export function isMessageQueue(window: MemoryWindow, base: Offset, bytes: number): boolean {
  const ringBytes = ringBytesOf(window, base, bytes);
  const { i32 } = window;
  const q = base >> 2;
  return (
    i32[q + Q_MAGIC] === MESSAGE_QUEUE_MAGIC &&
    i32[q + Q_VERSION] === MESSAGE_QUEUE_VERSION &&
    i32[q + Q_RING_BYTES] === ringBytes
  );
}
