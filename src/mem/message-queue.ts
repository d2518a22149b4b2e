import type { Offset } from "./flavor.js";
import {
  MAX_RECORD_BYTES,
  MESSAGE_QUEUE_HEADER_BYTES,
  PAD_TYPE,
  Q_HEAD,
  Q_IS_ARMED,
  Q_TAIL,
  Q_WANTS_ROOM,
  RECORD_HEADER_BYTES,
  ringBytesOf,
} from "./message-queue-layout.js";
import type { MemoryWindow } from "./window.js";

// The two sides of a message queue. The other side may be hostile: each goes by private copies of both indices, takes what
// the other publishes only within what it can be, and reads each word of a record once. What cannot be makes the queue
// broken for good: nothing is thrown, nothing more is read or written.
//
// Atomics where one side publishes to the other, once for a batch, since each costs some 8 ns. Sleeping: who goes to sleep
// sets its flag and looks once more; who publishes takes the flag afterwards by exchange, and only then signals. In this
// order of four steps one of the two sees the other.

/** The side that puts records into a queue, which is empty when this is made. */
export class MessageProducer {
  /** Longest payload of one record, bytes. */
  readonly maxPayloadBytes: number;
  /** The other side did what it cannot do: nothing is taken any more. */
  isBroken = false;
  readonly #i32: Int32Array;
  readonly #queue: number;
  readonly #ring: Offset;
  readonly #ringBytes: number;
  readonly #mask: number;
  /** Position after the last record that was put. */
  #tail: number;
  /** What the consumer can see of it. */
  #published: number;
  /** The consumer's head as seen last. */
  #head: number;
  /** Bytes between {@link #tail} and what the consumer has not taken, as seen last. */
  #room: number;
  /** Bytes of the record begun, and of the pad before it. */
  #begun = 0;

  /** Throws RangeError when `bytes` at `base` can be no queue; see {@link formatMessageQueue}. */
  constructor(window: MemoryWindow, base: Offset, bytes: number) {
    const ringBytes = ringBytesOf(window, base, bytes);
    this.#i32 = window.i32;
    this.#queue = base >> 2;
    this.#ring = base + MESSAGE_QUEUE_HEADER_BYTES;
    this.#ringBytes = ringBytes;
    this.#mask = ringBytes - 1;
    this.maxPayloadBytes = Math.min(MAX_RECORD_BYTES, ringBytes >> 1) - RECORD_HEADER_BYTES;
    this.#tail = window.i32[this.#queue + Q_TAIL];
    this.#published = this.#tail;
    this.#head = this.#tail;
    this.#room = 0;
  }

  /** Puts a record without payload. False: there is no room. */
  put(type: number, argument: number): boolean {
    if (this.#room < RECORD_HEADER_BYTES && !this.#hasRoom(RECORD_HEADER_BYTES)) return false;
    const i32 = this.#i32;
    const at = (this.#ring + (this.#tail & this.#mask)) >> 2;
    i32[at] = (type << 16) | RECORD_HEADER_BYTES;
    i32[at + 1] = argument;
    this.#tail = (this.#tail + RECORD_HEADER_BYTES) | 0;
    this.#room -= RECORD_HEADER_BYTES;
    return true;
  }

  /**
   * Begins a record: returns the window offset for `payloadBytes` of payload, up to the next multiple of 8, which
   * {@link end} then puts. 0: there is no room, or never will be ({@link maxPayloadBytes}).
   */
  begin(type: number, argument: number, payloadBytes: number): Offset {
    if (!(payloadBytes >= 0 && payloadBytes <= this.maxPayloadBytes)) return 0;
    const bytes = (RECORD_HEADER_BYTES + payloadBytes + 7) & ~7;
    const toEnd = this.#ringBytes - (this.#tail & this.#mask);
    const pad = bytes > toEnd ? toEnd : 0;
    if (this.#room < pad + bytes && !this.#hasRoom(pad + bytes)) return 0;
    const i32 = this.#i32;
    if (pad > 0) i32[(this.#ring + (this.#tail & this.#mask)) >> 2] = (PAD_TYPE << 16) | pad;
    const record = this.#ring + ((this.#tail + pad) & this.#mask);
    i32[record >> 2] = (type << 16) | bytes;
    i32[(record >> 2) + 1] = argument;
    this.#begun = pad + bytes;
    return record + RECORD_HEADER_BYTES;
  }

  /** Puts the record begun. Without this call it is forgotten. */
  end(): void {
    this.#tail = (this.#tail + this.#begun) | 0;
    this.#room -= this.#begun;
    this.#begun = 0;
  }

  /** Shows the consumer what was put. True: it sleeps, and is to be signalled. */
  publish(): boolean {
    if (this.#tail === this.#published || this.isBroken) return false;
    this.#published = this.#tail;
    Atomics.store(this.#i32, this.#queue + Q_TAIL, this.#tail);
    return Atomics.exchange(this.#i32, this.#queue + Q_IS_ARMED, 0) !== 0;
  }

  /** After a refusal: asks for a signal when there is room. False: there is more room by now, so try again. */
  wantRoom(): boolean {
    if (this.isBroken) return true;
    Atomics.store(this.#i32, this.#queue + Q_WANTS_ROOM, 1);
    const head = this.#head;
    this.#hasRoom(0);
    if (this.#head === head) return true;
    Atomics.store(this.#i32, this.#queue + Q_WANTS_ROOM, 0);
    return false;
  }

  /** Looks at the consumer's head anew. */
  #hasRoom(bytes: number): boolean {
    if (this.isBroken) return false;
    const head = Atomics.load(this.#i32, this.#queue + Q_HEAD);
    // It goes forward, and not past what was published.
    const taken = (head - this.#head) | 0;
    if (taken < 0 || taken > ((this.#published - this.#head) | 0) || (taken & 7) !== 0) {
      this.isBroken = true;
      this.#room = 0;
      return false;
    }
    this.#head = head;
    this.#room = this.#ringBytes - ((this.#tail - head) | 0);
    return bytes <= this.#room;
  }
}

/** The side that takes records. The stack makes its sides before it gives the memory away; others trust the stack. */
export class MessageConsumer {
  /** Of the record that {@link next} took: its type. */
  type = 0;
  /** Of that record: its argument, an int32. */
  argument = 0;
  /** Of that record: window offset of its payload, which the other side can still change. */
  payload: Offset = 0;
  /** Of that record: bytes of its payload, a multiple of 8. */
  payloadBytes = 0;
  /** The other side did what it cannot do: nothing more is read. */
  isBroken = false;
  readonly #i32: Int32Array;
  readonly #queue: number;
  readonly #ring: Offset;
  readonly #ringBytes: number;
  readonly #mask: number;
  /** Position after the last record that was taken. */
  #head: number;
  /** What the producer knows of it. */
  #released: number;
  /** The producer's tail as seen last. */
  #tail: number;

  /** Throws RangeError when `bytes` at `base` can be no queue; see {@link formatMessageQueue}. */
  constructor(window: MemoryWindow, base: Offset, bytes: number) {
    const ringBytes = ringBytesOf(window, base, bytes);
    this.#i32 = window.i32;
    this.#queue = base >> 2;
    this.#ring = base + MESSAGE_QUEUE_HEADER_BYTES;
    this.#ringBytes = ringBytes;
    this.#mask = ringBytes - 1;
    this.#head = window.i32[this.#queue + Q_HEAD];
    this.#released = this.#head;
    this.#tail = this.#head;
  }

  /** Takes the next record; false when there is none. It stays where it is until {@link release}. */
  next(): boolean {
    let head = this.#head;
    if (head === this.#tail && !this.#hasMore()) return false;
    const i32 = this.#i32;
    const ring = this.#ring;
    const ringBytes = this.#ringBytes;
    let left = (this.#tail - head) | 0;
    let offset = head & this.#mask;
    let word = i32[(ring + offset) >> 2];
    if (word >>> 16 === PAD_TYPE) {
      const pad = word & 0xffff;
      if (pad !== ringBytes - offset) return this.#break();
      head = (head + pad) | 0;
      left -= pad;
      offset = 0;
      word = i32[ring >> 2];
      if (word >>> 16 === PAD_TYPE) return this.#break();
    }
    const bytes = word & 0xffff;
    if (bytes < RECORD_HEADER_BYTES || (bytes & 7) !== 0 || bytes > left || bytes > ringBytes - offset) {
      return this.#break();
    }
    this.type = word >>> 16;
    this.argument = i32[(ring + offset + 4) >> 2];
    this.payload = ring + offset + RECORD_HEADER_BYTES;
    this.payloadBytes = bytes - RECORD_HEADER_BYTES;
    this.#head = (head + bytes) | 0;
    return true;
  }

  /** Gives the records taken back: their payload must not be read any more. True: the producer waits, and is to be signalled. */
  release(): boolean {
    if (this.#head === this.#released || this.isBroken) return false;
    this.#released = this.#head;
    Atomics.store(this.#i32, this.#queue + Q_HEAD, this.#head);
    return Atomics.exchange(this.#i32, this.#queue + Q_WANTS_ROOM, 0) !== 0;
  }

  /** Asks for a signal with the next record, after a {@link release}. True: there is none yet, so sleep. */
  arm(): boolean {
    if (this.isBroken) return true;
    Atomics.store(this.#i32, this.#queue + Q_IS_ARMED, 1);
    if (this.#head === this.#tail && !this.#hasMore()) return true;
    this.disarm();
    return false;
  }

  /** Asks for no signal any more: awake for another reason. */
  disarm(): void {
    Atomics.store(this.#i32, this.#queue + Q_IS_ARMED, 0);
  }

  /** Looks at the producer's tail anew. */
  #hasMore(): boolean {
    if (this.isBroken) return false;
    const tail = Atomics.load(this.#i32, this.#queue + Q_TAIL);
    // It goes forward, and not past what was released.
    const fresh = (tail - this.#tail) | 0;
    const used = (tail - this.#released) | 0;
    if (fresh < 0 || used < 0 || used > this.#ringBytes || (fresh & 7) !== 0) return this.#break();
    this.#tail = tail;
    return fresh > 0;
  }

  #break(): false {
    this.isBroken = true;
    this.#tail = this.#head;
    return false;
  }
}
