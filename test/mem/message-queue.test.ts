import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import {
  formatMessageQueue,
  isMessageQueue,
  MAX_RECORD_BYTES,
  messageQueueBytes,
  PAD_TYPE,
  Q_HEAD,
  Q_IS_ARMED,
  Q_RING_BYTES,
  Q_TAIL,
  Q_VERSION,
  Q_WANTS_ROOM,
} from "../../src/mem/message-queue-layout.js";
import { MessageConsumer, MessageProducer } from "../../src/mem/message-queue.js";
import { MemoryWindow } from "../../src/mem/window.js";
import { event, hostile, hostileStep, QueueBench, QueueModel, type Rec } from "./message-queue-model.js";

// VPP's test session mq_basic, for a ring of bytes.
describe("mq_basic", () => {
  it("ring alloc: records are put until the ring is full, none is seen before it is published", () => {
    const b = new QueueBench(64);
    for (let i = 0; i < 8; i++) expect(b.producer.put(3, i)).toBe(true);
    expect(b.producer.put(3, 8)).toBe(false);
    expect(b.take()).toBeUndefined();
    expect(b.producer.publish()).toBe(false);
    expect(b.take()).toEqual({ type: 3, argument: 0, payload: [] });
  });

  it("free: what was taken makes room when it is released, not before", () => {
    const b = new QueueBench(64);
    for (let i = 0; i < 8; i++) b.producer.put(3, i);
    b.producer.publish();
    expect([b.take()?.argument, b.take()?.argument]).toEqual([0, 1]);
    expect(b.producer.put(3, 8)).toBe(false);
    b.consumer.release();
    expect([b.producer.put(3, 8), b.producer.put(3, 9), b.producer.put(3, 10)]).toEqual([true, true, false]);
  });

  it("wrap: a record that has no room in one piece at the end goes to the start, behind a pad", () => {
    const b = new QueueBench(64);
    for (let i = 0; i < 5; i++) b.producer.put(3, i);
    b.producer.publish();
    for (let i = 0; i < 5; i++) b.take();
    b.consumer.release();
    expect(b.put(event(9, 1, 2, 3, 4, 5, 6))).toBe(true);
    b.producer.publish();
    expect(b.window.i32[(b.ring + 40) >> 2]).toBe((PAD_TYPE << 16) | 24);
    expect(b.take()).toEqual(event(9, 1, 2, 3, 4, 5, 6));
    expect(b.consumer.payload).toBe(b.ring + 8);
    b.consumer.release();
    expect([b.word(Q_HEAD), b.word(Q_TAIL)]).toEqual([96, 96]);
  });

  it("full: the longest record, half of the ring, finds room wherever an empty ring stands", () => {
    for (let position = 0; position < 256; position += 8) {
      const b = new QueueBench(256, position);
      expect(b.producer.maxPayloadBytes).toBe(120);
      const longest = event(position, ...Array.from({ length: 30 }, (_, i) => i));
      expect(b.put(longest)).toBe(true);
      b.producer.publish();
      expect(b.take()).toEqual(longest);
      expect(b.isGuardWhole()).toBe(true);
    }
  });

  it("full: what is longer never finds room", () => {
    const b = new QueueBench(256);
    for (const bytes of [121, 1e9, -1, NaN, Infinity]) expect(b.producer.begin(1, 0, bytes)).toBe(0);
    expect(new QueueBench(1 << 20).producer.maxPayloadBytes).toBe(MAX_RECORD_BYTES - 8);
  });

  it("order: records come out as they went in", () => {
    const b = new QueueBench(1024);
    const records: Rec[] = [event(1), event(-1, 5, 6), { type: 0, argument: 0x7fffffff, payload: [] }, event(2, -1, 0)];
    for (const record of records) b.put(record);
    b.producer.publish();
    expect([b.take(), b.take(), b.take(), b.take(), b.take()]).toEqual([...records, undefined]);
  });
});

describe("message queue", () => {
  it("forgets a record that was begun and not ended", () => {
    const b = new QueueBench(64);
    for (let i = 0; i < 6; i++) b.producer.put(3, i);
    b.producer.publish();
    while (b.take() !== undefined);
    b.consumer.release();
    expect(b.producer.begin(5, 5, 24)).toBeGreaterThan(0);
    b.producer.put(3, 6);
    b.producer.publish();
    expect([b.take()?.argument, b.take()]).toEqual([6, undefined]);
  });

  it("ends a record once", () => {
    const b = new QueueBench(64);
    b.producer.end();
    b.producer.begin(5, 5, 8);
    b.producer.end();
    b.producer.end();
    b.producer.publish();
    expect(b.word(Q_TAIL)).toBe(16);
  });

  it("pads a payload to words of two", () => {
    const b = new QueueBench(128);
    b.producer.begin(5, 5, 1);
    b.producer.end();
    b.producer.publish();
    expect(b.consumer.next()).toBe(true);
    expect(b.consumer.payloadBytes).toBe(8);
  });

  it("has the producer signal once, when the consumer is armed", () => {
    const b = new QueueBench(64);
    expect(b.consumer.arm()).toBe(true);
    b.producer.put(1, 1);
    expect(b.producer.publish()).toBe(true);
    b.producer.put(1, 2);
    expect(b.producer.publish()).toBe(false);
    // Something came: no sleep, and no signal wanted.
    expect(b.consumer.arm()).toBe(false);
    expect(b.word(Q_IS_ARMED)).toBe(0);
    expect([b.take()?.argument, b.take()?.argument]).toEqual([1, 2]);
    b.consumer.arm();
    b.consumer.disarm();
    b.producer.put(1, 3);
    expect(b.producer.publish()).toBe(false);
    // Nothing new to publish: no signal either.
    b.take();
    expect(b.consumer.arm()).toBe(true);
    expect(b.producer.publish()).toBe(false);
  });

  it("has the consumer signal once, when the producer wants room", () => {
    const b = new QueueBench(64);
    while (b.producer.put(1, 1));
    b.producer.publish();
    expect(b.producer.wantRoom()).toBe(true);
    expect(b.consumer.release()).toBe(false);
    b.take();
    expect(b.consumer.release()).toBe(true);
    b.take();
    expect(b.consumer.release()).toBe(false);
    // Room has come since: try again, no signal wanted.
    expect(b.producer.wantRoom()).toBe(false);
    expect(b.word(Q_WANTS_ROOM)).toBe(0);
    expect([b.producer.put(1, 2), b.producer.put(1, 2), b.producer.put(1, 2)]).toEqual([true, true, false]);
  });

  it("is recognised by mark, version and size", () => {
    const b = new QueueBench(64);
    expect(isMessageQueue(b.window, b.base, b.bytes)).toBe(true);
    expect(isMessageQueue(b.window, b.base, messageQueueBytes(128))).toBe(false);
    for (const word of [0, Q_VERSION, Q_RING_BYTES]) {
      const other = new QueueBench(64);
      other.setWord(word, 5);
      expect(isMessageQueue(other.window, other.base, other.bytes)).toBe(false);
    }
  });

  it("is made only where one can be", () => {
    const window = MemoryWindow.plain(8192);
    for (const ringBytes of [0, 32, 96, 1 << 25, -64, NaN, 64.5]) {
      expect(() => formatMessageQueue(window, 64, messageQueueBytes(ringBytes))).toThrow("power of two");
    }
    for (const base of [32, 8192 - 192, -64]) {
      expect(() => new MessageProducer(window, base, messageQueueBytes(64))).toThrow("lines of the window");
      expect(() => new MessageConsumer(window, base, messageQueueBytes(64))).toThrow("lines of the window");
    }
  });
});

// Near the wrap of the free-running positions, too.
const starts = fc.constantFrom(0, 8, -8, 0x7fff_fff8, -0x8000_0000, 0x7fff_ff00, -512);

test("a queue does what a list does", () => {
  const op = fc.oneof(
    { weight: 6, arbitrary: fc.record({ pairs: fc.oneof(fc.constant(0), fc.nat(15)), argument: fc.integer() }) },
    { weight: 1, arbitrary: fc.record({ drop: fc.nat(100) }) },
    { weight: 2, arbitrary: fc.constant("publish" as const) },
    { weight: 3, arbitrary: fc.record({ take: fc.nat(12) }) },
    { weight: 2, arbitrary: fc.constant("release" as const) },
  );
  fc.assert(
    fc.property(fc.array(op, { maxLength: 150, size: "max" }), starts, (ops, start) => {
      const model = new QueueModel(start);
      for (const each of ops) {
        if (each === "publish" || each === "release") model[each]();
        else if ("drop" in each) model.bench.producer.begin(1, 1, each.drop);
        else if ("take" in each) model.take(each.take);
        else model.put(each.argument, each.pairs);
      }
      const { producer, consumer } = model.bench;
      expect([producer.isBroken, consumer.isBroken, model.bench.isGuardWhole()]).toEqual([false, false, true]);
    }),
    { seed: 20240601, numRuns: 400 },
  );
});

describe("a hostile side", () => {
  /** A queue in which one record is published. */
  function filled(position = 0): QueueBench {
    const b = new QueueBench(256, position);
    b.put(event(1, 2, 3));
    b.producer.publish();
    return b;
  }

  it.each([
    ["shorter than its header", 0x0007_0000],
    ["of no whole number of eight bytes", 0x0007_000c],
    ["longer than what was published", 0x0007_0018],
    ["a pad that does not reach the end", (PAD_TYPE << 16) | 8],
    ["a pad of everything", (PAD_TYPE << 16) | 256],
  ])("breaks the consumer by a record %s", (_, word) => {
    const b = filled();
    b.window.i32[b.ring >> 2] = word;
    expect(b.take()).toBeUndefined();
    expect(b.consumer.isBroken).toBe(true);
    // Nothing more is read, though all is well again.
    b.window.i32[b.ring >> 2] = 0x0007_0010;
    expect([b.take(), b.consumer.release(), b.consumer.arm()]).toEqual([undefined, false, true]);
    expect(b.word(Q_HEAD)).toBe(0);
  });

  it("breaks the consumer by a record across the end of the ring, and by pad upon pad", () => {
    const across = new QueueBench(256, 248);
    across.put(event(1, 2, 3));
    across.producer.publish();
    across.window.i32[(across.ring + 248) >> 2] = 0x0007_0010;
    expect([across.take(), across.consumer.isBroken]).toEqual([undefined, true]);
    const pads = new QueueBench(256, 248);
    pads.put(event(1, 2, 3));
    pads.producer.publish();
    pads.window.i32[pads.ring >> 2] = (PAD_TYPE << 16) | 8;
    expect([pads.take(), pads.consumer.isBroken]).toEqual([undefined, true]);
  });

  it.each([
    ["with nothing behind it", 248, 8, 256],
    ["with a part of a record behind it", 248, 8, 264],
    ["that does not reach the end", 240, 8, 272],
  ])("breaks the consumer by a pad %s", (_, position, pad, tail) => {
    const b = new QueueBench(256, position);
    b.window.i32[(b.ring + position) >> 2] = (PAD_TYPE << 16) | pad;
    b.window.i32[b.ring >> 2] = 0x0007_0010;
    b.setWord(Q_TAIL, tail);
    expect([b.take(), b.consumer.isBroken]).toEqual([undefined, true]);
  });

  it.each([
    ["back", -8],
    ["too far", 264],
    ["by a part of a record", 28],
    ["as far as it goes", 0x7fff_fff8],
    ["to the other end of the numbers", -0x8000_0000],
  ])("breaks the consumer by a tail that goes %s", (_, by) => {
    const b = filled(0x7fff_fff8);
    b.setWord(Q_TAIL, (0x7fff_fff8 + by) | 0);
    expect([b.take(), b.consumer.isBroken]).toEqual([undefined, true]);
  });

  it.each([
    ["into what was not released", 264],
    ["as far as it goes from what was taken", 0x7fff_fff8 + 16],
    ["back to what was not released", 8],
  ])("breaks the consumer that took a record by a tail that goes %s", (_, tail) => {
    const b = filled();
    b.take();
    b.window.i32[(b.ring + 16) >> 2] = 0x0007_0010;
    b.setWord(Q_TAIL, tail);
    expect([b.take(), b.consumer.isBroken]).toEqual([undefined, true]);
  });

  it.each([
    ["back", -8],
    ["past what was published", 24],
    ["by a part of a record", 4],
  ])("breaks the producer by a head that goes %s", (_, by) => {
    const b = filled();
    b.put(event(1, 2, 3));
    b.setWord(Q_HEAD, by);
    while (b.producer.put(1, 1));
    expect(b.producer.isBroken).toBe(true);
    b.setWord(Q_HEAD, 16);
    expect([b.producer.put(1, 1), b.producer.begin(1, 1, 8)]).toEqual([false, 0]);
    expect([b.producer.publish(), b.producer.wantRoom()]).toEqual([false, true]);
    expect(b.word(Q_TAIL)).toBe(16);
  });

  it("gets nowhere with any words at any time: no throw, no hang, nothing outside", () => {
    const seen = { read: 0, broken: 0 };
    fc.assert(
      fc.property(fc.array(hostileStep, { maxLength: 200, size: "max" }), starts, (steps, start) => {
        const b = new QueueBench(256, start);
        for (const each of steps) hostile(b, each, seen);
        // Not more than the ring holds, however it goes on.
        for (let i = 0; i < 33; i++) hostile(b, "next", seen);
        expect(b.consumer.next()).toBe(false);
        expect(b.isGuardWhole()).toBe(true);
        if (b.producer.isBroken || b.consumer.isBroken) seen.broken++;
      }),
      { seed: 42, numRuns: 1000 },
    );
    expect(seen.read).toBeGreaterThan(2000);
    expect(seen.broken).toBeGreaterThan(500);
  });
});
