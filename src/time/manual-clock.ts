import type { Clock } from "./clock.js";

/** A clock that stands still until it is moved: the simulator's, replay's and the tests'. */
export class ManualClock implements Clock {
  #nowUs: number;

  constructor(startUs = 0) {
    this.#nowUs = startUs;
  }

  nowUs(): number {
    return this.#nowUs;
  }

  /** Moves by `us` microseconds; throws RangeError when negative. */
  advanceUs(us: number): void {
    this.setUs(this.#nowUs + us);
  }

  /** Moves to `us`; throws RangeError when that is in the past. */
  setUs(us: number): void {
    if (!(us >= this.#nowUs)) throw new RangeError(`a clock does not go back: from ${this.#nowUs} to ${us}`);
    this.#nowUs = us;
  }
}
