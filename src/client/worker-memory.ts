import type { WorkerFields } from "../app/messages/socket-table.js";
import type { Offset } from "../mem/flavor.js";
import { MIRROR_BYTES, type MirrorOffset } from "../mem/fifo-mirror-layout.js";
import { RemoteRxFifo, RemoteTxFifo } from "../mem/fifo-remote.js";
import { MessageConsumer, MessageProducer } from "../mem/message-queue.js";
import { isMessageQueue } from "../mem/message-queue-layout.js";
import type { MemoryWindow } from "../mem/window.js";
import type { ClientMemory } from "./client-memory.js";
import { closeFds } from "./handshake.js";
import { SegmentMap } from "./segment-map.js";

/** The memory that a worker has in common with the stack: queues and mirrors in its control segment, and fifo segments. */
export class WorkerMemory {
  readonly window: MemoryWindow;
  readonly segments: SegmentMap;
  readonly consumer: MessageConsumer;
  readonly producer: MessageProducer;
  readonly #memory: ClientMemory;
  readonly #control: Offset;
  readonly #fields: WorkerFields;

  /** Maps both segments and closes their descriptors. Throws when they are not what the stack says; then nothing is mapped. */
  constructor(memory: ClientMemory, fields: WorkerFields, controlFd: number, segmentFd: number) {
    this.window = memory.window;
    this.#memory = memory;
    this.#fields = fields;
    this.segments = new SegmentMap(memory);
    try {
      this.#control = memory.map(controlFd, fields.controlBytes);
    } catch (error) {
      closeFds([segmentFd]);
      throw error;
    }
    try {
      this.segments.add(fields.segment, segmentFd, fields.segmentBytes);
      const { toAppQueue, toAppQueueBytes, toStackQueue, toStackQueueBytes } = fields;
      this.consumer = new MessageConsumer(
        this.window,
        this.#queue("to the application", toAppQueue, toAppQueueBytes),
        toAppQueueBytes,
      );
      this.producer = new MessageProducer(
        this.window,
        this.#queue("to the stack", toStackQueue, toStackQueueBytes),
        toStackQueueBytes,
      );
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #queue(which: string, offset: number, bytes: number): Offset {
    const isInside = offset + bytes <= this.#fields.controlBytes;
    if (isInside && isMessageQueue(this.window, this.#control + offset, bytes)) return this.#control + offset;
    throw new RangeError(`no queue ${which} at ${offset} of the control segment`);
  }

  /** The reader of a session's rx fifo; undefined when the session has none. Throws RangeError: there can be no such mirror. */
  rx(mirror: number, segment: number): RemoteRxFifo | undefined {
    return mirror === 0 ? undefined : new RemoteRxFifo(this.window, this.#mirror(mirror), this.segments.at(segment));
  }

  /** The writer of a session's tx fifo, likewise. */
  tx(mirror: number, segment: number): RemoteTxFifo | undefined {
    return mirror === 0 ? undefined : new RemoteTxFifo(this.window, this.#mirror(mirror), this.segments.at(segment));
  }

  #mirror(mirror: number): MirrorOffset {
    const { mirrors, maxMirrors, controlBytes } = this.#fields;
    const at = mirror - mirrors;
    if (at < 0 || at >= maxMirrors * MIRROR_BYTES || at % MIRROR_BYTES !== 0 || mirror + MIRROR_BYTES > controlBytes) {
      throw new RangeError(`no mirror at ${mirror} of the control segment`);
    }
    const offset: number = this.#control + mirror;
    return offset;
  }

  /** Unmaps everything. Once. */
  close(): void {
    this.segments.clear();
    this.#memory.unmap(this.#control, this.#fields.controlBytes);
  }
}
