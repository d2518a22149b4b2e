import fc from "fast-check";
import { assert } from "vitest";
import {
  messageQueueBytes,
  MESSAGE_QUEUE_HEADER_BYTES,
  formatMessageQueue,
  PAD_TYPE,
  Q_HEAD,
  Q_TAIL,
} from "../../src/mem/message-queue-layout.js";
import { MessageConsumer, MessageProducer } from "../../src/mem/message-queue.js";
import { MemoryWindow } from "../../src/mem/window.js";

/** Fills what surrounds the queue: seen in a record, it was read from outside. */
const GUARD = 0x5a5a_5a5a;
const GUARD_BYTES = 4096;

/** One record as a test sees it. */
export interface Rec {
  readonly type: number;
  readonly argument: number;
  readonly payload: readonly number[];
}

/** A record of type 7. */
export function event(argument: number, ...payload: number[]): Rec {
  return { type: 7, argument, payload };
}

/** A queue with both its sides, and foreign memory before and behind it. */
export class QueueBench {
  readonly window: MemoryWindow;
  readonly base: number;
  readonly bytes: number;
  readonly ring: number;
  readonly producer: MessageProducer;
  readonly consumer: MessageConsumer;

  constructor(ringBytes: number, position = 0) {
    this.bytes = messageQueueBytes(ringBytes);
    this.window = MemoryWindow.plain(this.bytes + 3 * GUARD_BYTES);
    this.window.i32.fill(GUARD);
    this.base = this.window.reserve("queue", this.bytes, GUARD_BYTES);
    this.window.u8.fill(0, this.base, this.base + this.bytes);
    this.ring = this.base + MESSAGE_QUEUE_HEADER_BYTES;
    formatMessageQueue(this.window, this.base, this.bytes);
    this.setWord(Q_HEAD, position);
    this.setWord(Q_TAIL, position);
    this.producer = new MessageProducer(this.window, this.base, this.bytes);
    this.consumer = new MessageConsumer(this.window, this.base, this.bytes);
  }

  word(index: number): number {
    return this.window.i32[(this.base >> 2) + index];
  }

  setWord(index: number, value: number): void {
    this.window.i32[(this.base >> 2) + index] = value;
  }

  /** Puts a record with these words as payload. */
  put({ type, argument, payload }: Rec): boolean {
    if (payload.length === 0) return this.producer.put(type, argument);
    const at = this.producer.begin(type, argument, payload.length * 4);
    if (at === 0) return false;
    this.window.i32.set(payload, at >> 2);
    this.producer.end();
    return true;
  }

  /** Takes the next record with `words` of payload looked at; all of it by default. */
  take(words?: number): Rec | undefined {
    const { consumer } = this;
    if (!consumer.next()) return undefined;
    const from = consumer.payload >> 2;
    const payload = [...this.window.i32.subarray(from, from + (words ?? consumer.payloadBytes / 4))];
    return { type: consumer.type, argument: consumer.argument, payload };
  }

  /** Whether the memory before and behind the queue is as it was. */
  isGuardWhole(): boolean {
    const { i32 } = this.window;
    const first = this.base >> 2;
    const end = (this.base + this.bytes) >> 2;
    return i32.subarray(0, first).every((word) => word === GUARD) && i32.subarray(end).every((word) => word === GUARD);
  }
}

/** A queue beside a plain list of what went in. */
export class QueueModel {
  readonly bench: QueueBench;
  readonly #put: Rec[] = [];
  #published = 0;
  #taken = 0;
  #released = 0;

  constructor(start: number) {
    this.bench = new QueueBench(256, start);
  }

  publish(): void {
    this.bench.producer.publish();
    this.#published = this.#put.length;
  }

  release(): void {
    this.bench.consumer.release();
    this.#released = this.#taken;
  }

  take(count: number): void {
    for (let i = 0; i < count; i++) {
      const isThere = this.#taken < this.#published;
      assert.deepEqual(this.bench.take(), isThere ? this.#put[this.#taken] : undefined);
      if (isThere) this.#taken++;
    }
  }

  /** Payloads of whole records of eight bytes, so that what comes out is what went in. */
  put(argument: number, pairs: number): void {
    const record = event(argument, ...Array.from({ length: 2 * pairs }, (_, i) => argument ^ i));
    const held = this.#put.slice(this.#released).reduce((sum, { payload }) => sum + 8 + payload.length * 4, 0);
    const isPut = this.bench.put(record);
    // A refusal: there is no room for the record, or none beside a pad, which is shorter than a record.
    assert.isTrue(isPut || held + 8 + 8 * pairs > 256 - 128);
    assert.isTrue(isPut || held > 0);
    if (isPut) this.#put.push(record);
  }
}

const hostileWord = fc.oneof(
  fc.integer(),
  fc.constantFrom(0, 8, 16, -8, 256, 0x7fff_fff8, -0x8000_0000),
  fc.nat(64).map((length) => (7 << 16) | (length * 8)),
  fc.nat(32).map((length) => (PAD_TYPE << 16) | (length * 8)),
);

/** What a hostile side writes, anywhere in the queue or at its indices, among what the honest sides do. */
export const hostileStep = fc.oneof(
  { weight: 1, arbitrary: fc.record({ at: fc.nat(111), word: hostileWord }) },
  {
    weight: 1,
    arbitrary: fc.record({ at: fc.constantFrom(Q_HEAD, Q_TAIL), by: fc.integer({ min: -1, max: 33 }) }),
  },
  {
    weight: 20,
    arbitrary: fc.constantFrom("put", "begin", "publish", "next", "next", "next", "release", "arm", "room"),
  },
);

/** Does one such step. */
export function hostile(
  b: QueueBench,
  step: { at: number; word: number } | { at: number; by: number } | string,
  seen: { read: number },
): void {
  const { producer, consumer, ring } = b;
  if (typeof step === "object") {
    b.setWord(step.at, "word" in step ? step.word : (b.word(step.at) + step.by * 8) | 0);
  } else if (step === "put") producer.put(1, 1);
  else if (step === "begin") {
    const at = producer.begin(2, 2, 40);
    assert.isTrue(at === 0 || (at >= ring + 8 && at + 40 <= ring + 256));
    if (at !== 0) producer.end();
  } else if (step === "publish") producer.publish();
  else if (step === "release") consumer.release();
  else if (step === "arm") consumer.arm();
  else if (step === "room") producer.wantRoom();
  else if (consumer.next()) {
    seen.read++;
    const { payload, payloadBytes, argument, type } = consumer;
    assert.isTrue(payload >= ring + 8 && payloadBytes >= 0 && payload + payloadBytes <= ring + 256);
    assert.notEqual(argument, GUARD);
    assert.notEqual(type, PAD_TYPE);
  }
}
