import { MIRROR_BYTES, type MirrorOffset } from "../../mem/fifo-mirror-layout.js";
import type { Offset } from "../../mem/flavor.js";
import { MessageConsumer, MessageProducer } from "../../mem/message-queue.js";
import { formatMessageQueue, messageQueueBytes } from "../../mem/message-queue-layout.js";
import { PAGE_BYTES } from "../../mem/page-ranges.js";
import type { MemoryWindow } from "../../mem/window.js";

/** Where what lies in a control segment, as offsets in it. */
export interface ControlLayout {
  readonly controlBytes: number;
  readonly toAppQueue: number;
  readonly toAppQueueBytes: number;
  readonly toStackQueue: number;
  readonly toStackQueueBytes: number;
  readonly mirrors: number;
  readonly maxMirrors: number;
}

/** The layout for queues of `ringBytes` (a power of two) and mirrors of `maxSessions` sessions. */
export function controlLayout(ringBytes: number, maxSessions: number): ControlLayout {
  const queueBytes = messageQueueBytes(ringBytes);
  const maxMirrors = 2 * maxSessions;
  // The first line stays empty: offset 0 means none.
  const toAppQueue = 64;
  const toStackQueue = toAppQueue + queueBytes;
  const mirrors = Math.ceil((toStackQueue + queueBytes) / MIRROR_BYTES) * MIRROR_BYTES;
  const controlBytes = Math.ceil((mirrors + maxMirrors * MIRROR_BYTES) / PAGE_BYTES) * PAGE_BYTES;
  const queues = { toAppQueue, toAppQueueBytes: queueBytes, toStackQueue, toStackQueueBytes: queueBytes };
  return { controlBytes, ...queues, mirrors, maxMirrors };
}

/** The stack's side of a client worker's control segment: two queues, and mirrors of fifos. */
export class ControlSegment {
  readonly base: Offset;
  readonly layout: ControlLayout;
  readonly toApp: MessageProducer;
  readonly toStack: MessageConsumer;
  readonly #free: MirrorOffset[] = [];
  #carved = 0;

  /** Formats the segment at `base`, before the client gets it. */
  constructor(window: MemoryWindow, base: Offset, layout: ControlLayout) {
    this.base = base;
    this.layout = layout;
    formatMessageQueue(window, base + layout.toAppQueue, layout.toAppQueueBytes);
    formatMessageQueue(window, base + layout.toStackQueue, layout.toStackQueueBytes);
    this.toApp = new MessageProducer(window, base + layout.toAppQueue, layout.toAppQueueBytes);
    this.toStack = new MessageConsumer(window, base + layout.toStackQueue, layout.toStackQueueBytes);
  }

  /** Takes a mirror; 0 when all are in use. */
  takeMirror(): MirrorOffset {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#carved === this.layout.maxMirrors) return 0;
    return this.base + this.layout.mirrors + this.#carved++ * MIRROR_BYTES;
  }

  /** Gives a mirror back. */
  giveMirror(mirror: MirrorOffset): void {
    this.#free.push(mirror);
  }

  /** Mirrors in use. */
  get mirrorsInUse(): number {
    return this.#carved - this.#free.length;
  }
}
