import { afterEach, beforeEach, expect, test } from "vitest";
import { NO_WORKER_FIELDS } from "../../src/app/messages/socket-table.js";
import { ClientMemory } from "../../src/client/client-memory.js";
import { WorkerMemory } from "../../src/client/worker-memory.js";
import { loadAddon } from "../../src/host/addon.js";
import { NativeWindow } from "../../src/host/native-window.js";
import {
  H_BYTES,
  H_DATA,
  H_MAGIC,
  H_VERSION,
  MIRROR_BYTES,
  SEGMENT_MAGIC,
  SEGMENT_VERSION,
} from "../../src/mem/fifo-mirror-layout.js";
import { formatMessageQueue } from "../../src/mem/message-queue-layout.js";
import { fdsAreBack, openFds } from "../host/sockets.js";

const BYTES = 65_536;
const QUEUE = 192 + 1024;
const FIELDS = {
  ...NO_WORKER_FIELDS,
  controlBytes: BYTES,
  toAppQueueBytes: QUEUE,
  toStackQueue: 8192,
  toStackQueueBytes: QUEUE,
  mirrors: 32_768,
  maxMirrors: 4,
  segment: 5,
  segmentBytes: BYTES,
};

let stack: NativeWindow;
let area: number;
let memory: ClientMemory;
let fdsBefore: number;

beforeEach(() => {
  fdsBefore = openFds();
  stack = new NativeWindow({ bytes: 1 << 24, hugePages: false });
  area = stack.window.reserve("area", 2 * BYTES, 4096);
  memory = new ClientMemory();
});

afterEach(async () => {
  memory.close();
  stack.window.close();
  await fdsAreBack(fdsBefore);
});

/** Both segments of a worker, as a stack makes them; their descriptors. */
function made(): [number, number] {
  const addon = loadAddon();
  const [control, segment] = [addon.createMemfd("control", BYTES), addon.createMemfd("segment", BYTES)];
  stack.native.mapMemfd(control, area, BYTES);
  stack.native.mapMemfd(segment, area + BYTES, BYTES);
  for (const at of [0, 8192]) formatMessageQueue(stack.window, area + at, QUEUE);
  const { i32 } = stack.window;
  const h = (area + BYTES) >> 2;
  [i32[h + H_MAGIC], i32[h + H_VERSION], i32[h + H_BYTES], i32[h + H_DATA]] = [
    SEGMENT_MAGIC,
    SEGMENT_VERSION,
    BYTES,
    4096,
  ];
  return [control, segment];
}

test("what a worker had mapped is unmapped with it, and its range is used again", () => {
  const first = memory.map(loadAddon().createMemfd("probe", BYTES), BYTES);
  memory.unmap(first, BYTES);
  for (let i = 0; i < 3; i++) {
    const worker = new WorkerMemory(memory, FIELDS, ...made());
    expect([worker.segments.has(5), worker.consumer.next(), worker.producer.put(1, 2)]).toEqual([true, false, true]);
    expect(memory.window.i32[(first + BYTES) >> 2]).toBe(SEGMENT_MAGIC);
    worker.close();
    expect(memory.window.i32[(first + BYTES) >> 2]).toBe(0);
    const again = memory.map(loadAddon().createMemfd("probe", BYTES), BYTES);
    expect(again).toBe(first);
    memory.unmap(again, BYTES);
  }
});

test.each([
  ["the queue to the application", { toAppQueue: 64 }, "no queue to the application at 64"],
  ["the queue to the stack", { toStackQueue: 16_384 }, "no queue to the stack at 16384"],
  ["a queue outside", { toStackQueue: BYTES - 64 }, "no queue to the stack"],
  ["a queue of a size that none has", { toAppQueueBytes: 1000 }, "no power of two"],
  ["the segment's size", { segmentBytes: 4096 }, "65536 bytes in a mapping of 4096"],
])("%s is not where it should be: refused, nothing stays mapped", (_, wrong, why) => {
  expect(() => new WorkerMemory(memory, { ...FIELDS, ...wrong }, ...made())).toThrow(why);
  const probe = memory.map(loadAddon().createMemfd("probe", BYTES), BYTES);
  expect(new Int32Array(memory.window.u8.buffer, probe, BYTES / 4).every((word) => word === 0)).toBe(true);
});

test("mirrors: whole ones of the table", () => {
  const worker = new WorkerMemory(memory, FIELDS, ...made());
  expect([worker.rx(0, 99), worker.tx(0, 99)]).toEqual([undefined, undefined]);
  expect(worker.rx(32_768, 5)?.readableBytes).toBe(0);
  expect(worker.tx(32_768 + 3 * MIRROR_BYTES, 5)?.writableBytes).toBe(0);
  for (const mirror of [32_768 - MIRROR_BYTES, 32_768 + 4 * MIRROR_BYTES, 32_768 + 64]) {
    expect(() => worker.rx(mirror, 5)).toThrow(`no mirror at ${mirror}`);
  }
  expect(() => worker.rx(32_768, 6)).toThrow("segment 6 is not mapped");
  worker.close();
});
