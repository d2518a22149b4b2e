// What does an event through a message queue cost (VPP's test session mq_speed): put, publish, take, release, in batches of 1,
// 32 and 256? Within one process, and between two on two processors over a memfd, where both sides poll and the consumer
// takes what is there.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { NativeWindow } from "../src/host/native-window.js";
import { SystemClock } from "../src/host/system-clock.js";
import { MessageConsumer, MessageProducer } from "../src/mem/message-queue.js";
import { formatMessageQueue, messageQueueBytes, Q_HEAD, Q_TAIL } from "../src/mem/message-queue-layout.js";
import { LAST_TYPE, MEMORY_BYTES, RING_BYTES } from "./support/mq-consumer.js";
import { OUR_CPU, PEER_CPU, protect } from "./support/protect.js";
import { median, printValue } from "./support/report.js";

const BATCHES = [1, 32, 256] as const;
/** Events of one measurement: whole batches. */
const EVENTS = 1 << 20;
const WARM_UP = 3;
const ROUNDS = 12;
const PAIRED_ROUNDS = 5;

protect();
const clock = new SystemClock();
const native = new NativeWindow({ bytes: 1 << 24 });
const { window } = native;
const bytes = messageQueueBytes(RING_BYTES);

/** Nanoseconds per event within one process. */
function alone(producer: MessageProducer, consumer: MessageConsumer, batch: number): number {
  const startUs = clock.nowUs();
  let sum = 0;
  for (let i = 0; i < EVENTS; i += batch) {
    for (let j = 0; j < batch; j++) producer.put(1, i + j);
    producer.publish();
    while (consumer.next()) sum += consumer.argument;
    consumer.release();
  }
  const us = clock.nowUs() - startUs;
  if (sum !== (EVENTS / 2) * (EVENTS - 1)) throw new Error("events were lost");
  return (us * 1000) / EVENTS;
}

/** Nanoseconds per event to a process that polls, until it has taken the last. */
function together(producer: MessageProducer, batch: number, q: number): number {
  const startUs = clock.nowUs();
  for (let i = 0; i < EVENTS; i += batch) {
    for (let j = 0; j < batch; j++) while (!producer.put(1, i + j));
    producer.publish();
  }
  while (Atomics.load(window.i32, q + Q_HEAD) !== window.i32[q + Q_TAIL]);
  return ((clock.nowUs() - startUs) * 1000) / EVENTS;
}

const own = window.reserve("queue", bytes);
formatMessageQueue(window, own, bytes);
const producer = new MessageProducer(window, own, bytes);
const consumer = new MessageConsumer(window, own, bytes);
for (const batch of BATCHES) {
  let least = Infinity;
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    const ns = alone(producer, consumer, batch);
    if (round >= WARM_UP) least = Math.min(least, ns);
  }
  printValue(`mq-speed-${batch}`, least, "ns");
}

if (PEER_CPU !== OUR_CPU) {
  const shared = window.reserve("shared queue", MEMORY_BYTES, 4096);
  const fd = native.addon.createMemfd("mq-speed", MEMORY_BYTES);
  native.native.mapMemfd(fd, shared, MEMORY_BYTES);
  formatMessageQueue(window, shared, bytes);
  const child = spawn(process.execPath, [join(import.meta.dirname, "support/mq-consumer.js"), "run"], {
    stdio: ["ignore", "pipe", "inherit", fd],
  });
  if (child.stdout === null) throw new Error("the consumer has no output");
  await once(child.stdout, "data");
  const toPeer = new MessageProducer(window, shared, bytes);
  for (const batch of BATCHES) {
    const found: number[] = [];
    for (let round = 0; round < WARM_UP + PAIRED_ROUNDS; round++) {
      const ns = together(toPeer, batch, shared >> 2);
      if (round >= WARM_UP) found.push(ns);
    }
    printValue(`mq-speed-2proc-${batch}`, median(found), "ns");
  }
  toPeer.put(LAST_TYPE, 0);
  toPeer.publish();
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`the consumer ended with ${String(code)}`);
}
window.close();
