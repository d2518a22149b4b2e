import type { Due } from "./event-queue.js";

/** Bytes of the usual buffer: any frame of an Ethernet. */
const USUAL_BYTES = 2048;
/** Free buffers kept. */
const MAX_FREE = 4096;

/** Who a frame arrives at when its time has come. */
export interface FrameTarget {
  /** Takes the frame over. */
  arrive(frame: SimFrame): void;
}

/** A frame on its way: bytes of its own, and the moment and place of its arrival. */
export class SimFrame implements Due {
  /** A buffer; the frame is its first {@link length} bytes. */
  readonly bytes: Uint8Array;
  readonly dv: DataView;
  length = 0;
  /** When it was offered to the link it is on. */
  offeredUs = 0;
  /** What happened to it on the way, for captures; empty: nothing. */
  note = "";
  target: FrameTarget | undefined = undefined;

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity);
    this.dv = new DataView(this.bytes.buffer);
  }

  run(): void {
    this.target?.arrive(this);
  }
}

/** Recycles frames, so that traffic allocates nothing. */
export class FramePool {
  readonly #free: SimFrame[] = [];

  /** A frame of `length` bytes, their contents undefined. */
  take(length: number): SimFrame {
    const frame = length <= USUAL_BYTES ? (this.#free.pop() ?? new SimFrame(USUAL_BYTES)) : new SimFrame(length);
    frame.length = length;
    frame.note = "";
    return frame;
  }

  /** A frame with the same bytes. */
  copy(of: SimFrame): SimFrame {
    const frame = this.take(of.length);
    frame.bytes.set(of.bytes.subarray(0, of.length));
    return frame;
  }

  /** Gives a frame back; nobody may look at it afterwards. */
  give(frame: SimFrame): void {
    frame.target = undefined;
    if (frame.bytes.length === USUAL_BYTES && this.#free.length < MAX_FREE) this.#free.push(frame);
  }
}
