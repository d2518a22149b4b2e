// The other process of mq-speed: takes events from the queue in the memfd that is its descriptor 3, until the last.
import { NativeWindow } from "../../src/host/native-window.js";
import { MessageConsumer } from "../../src/mem/message-queue.js";
import { messageQueueBytes } from "../../src/mem/message-queue-layout.js";
import { PEER_CPU, protect } from "./protect.js";

/** Ring of the queue. */
export const RING_BYTES = 1 << 16;
/** Whole pages that hold it. */
export const MEMORY_BYTES = Math.ceil(messageQueueBytes(RING_BYTES) / 4096) * 4096;
/** Type of the last record. */
export const LAST_TYPE = 2;

/** Polls without result after which it looks whether the other process is still there. */
const IDLE_POLLS = 1 << 22;

/** Polls, and releases what it found at once. Throws when events do not come in order. */
function consume(consumer: MessageConsumer): void {
  const producer = process.ppid;
  let expected = 0;
  for (let idle = 0; idle < IDLE_POLLS || process.ppid === producer; idle = idle === IDLE_POLLS ? 0 : idle + 1) {
    while (consumer.next()) {
      idle = 0;
      if (consumer.type === LAST_TYPE) return;
      if (consumer.argument !== 0 && consumer.argument !== expected) throw new Error("events were lost");
      expected = consumer.argument + 1;
    }
    if (consumer.isBroken) throw new Error("the queue is broken");
    consumer.release();
  }
}

if (process.argv[2] === "run") {
  protect(PEER_CPU);
  const native = new NativeWindow({ bytes: 1 << 24 });
  const base = native.window.reserve("shared queue", MEMORY_BYTES, 4096);
  native.native.mapMemfd(3, base, MEMORY_BYTES);
  const consumer = new MessageConsumer(native.window, base, messageQueueBytes(RING_BYTES));
  console.log("ready");
  consume(consumer);
  native.window.close();
}
