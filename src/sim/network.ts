import type { Clock } from "../time/clock.js";
import { EventQueue } from "./event-queue.js";
import { FrameHash } from "./frame-hash.js";
import { FramePool } from "./sim-frame.js";

/** What all parts of a simulated network share: the time, what is to happen, the frames and their hash. */
export class Network implements Clock {
  readonly events = new EventQueue();
  readonly pool = new FramePool();
  readonly hash = new FrameHash();
  /** Frames offered to links so far. */
  frames = 0;
  #nowUs: number;

  constructor(startUs: number) {
    this.#nowUs = startUs;
  }

  nowUs(): number {
    return this.#nowUs;
  }

  /** Moves time on; it does not go back. */
  moveTo(timeUs: number): void {
    if (timeUs > this.#nowUs) this.#nowUs = timeUs;
  }
}
