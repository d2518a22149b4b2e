import { TICK_US } from "../time/clock.js";
import type { ManualClock } from "../time/manual-clock.js";

/** What the manual driver needs of an engine. */
export interface ManualEngine {
  /** One turn; returns the packets that it brought in: 0 when there was nothing to do. */
  turn(): number;
  /** Ticks from the time of the last turn to the next deadline: 0 now, -1 never. */
  nextExpiry(): number;
}

/** Turns at one moment of virtual time before time is moved on, so that an engine that is never done cannot stop it. */
const MAX_TURNS_PER_INSTANT = 10_000;

/**
 * Drives an engine on a clock in the caller's hand: for replay, the simulator and tests. Idle time is skipped, because
 * the engine says when it next has something to do.
 */
export class ManualDriver {
  readonly #engine: ManualEngine;
  readonly #clock: ManualClock;

  constructor(engine: ManualEngine, clock: ManualClock) {
    this.#engine = engine;
    this.#clock = clock;
  }

  /** Takes turns at the present moment until there is nothing to do. Returns the packets moved. */
  settle(): number {
    let total = 0;
    for (let turns = 0; turns < MAX_TURNS_PER_INSTANT; turns++) {
      const moved = this.#engine.turn();
      total += moved;
      if (moved === 0 && this.#engine.nextExpiry() !== 0) break;
    }
    return total;
  }

  /** Runs until the clock shows `untilUs`, acting at each deadline on the way; a time in the past only settles. */
  run(untilUs: number): void {
    this.settle();
    for (;;) {
      const ticks = this.#engine.nextExpiry();
      if (ticks < 0) break;
      const tickUs = Math.floor(this.#clock.nowUs() / TICK_US) * TICK_US;
      const nextUs = tickUs + Math.max(ticks, 1) * TICK_US;
      if (nextUs > untilUs) break;
      this.#clock.setUs(nextUs);
      this.settle();
    }
    if (untilUs <= this.#clock.nowUs()) return;
    this.#clock.setUs(untilUs);
    this.settle();
  }
}
