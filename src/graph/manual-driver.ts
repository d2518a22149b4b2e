import { TICK_US } from "../time/clock.js";
import type { ManualClock } from "../time/manual-clock.js";
import type { Engine } from "./engine.js";

/** Turns at one instant, so that two hosts who answer each other for ever cannot hold time still. */
const MAX_TURNS_PER_INSTANT = 100_000;

/**
 * Drives an engine on a clock in the caller's hand: for the simulator, replay and tests. Idle time is skipped, because
 * the engine says when it next has something to do.
 */
export class ManualDriver<Host> {
  readonly #engine: Engine<Host>;
  readonly #clock: ManualClock;

  constructor(engine: Engine<Host>, clock: ManualClock) {
    this.#engine = engine;
    this.#clock = clock;
  }

  /** Takes turns at the present instant until there is nothing to do. Returns the packets moved. */
  settle(): number {
    let total = 0;
    for (let turns = 0; turns < MAX_TURNS_PER_INSTANT; turns++) {
      const moved = this.#engine.turn();
      total += moved;
      if (moved === 0 && this.#engine.nextExpiry() !== 0) break;
    }
    return total;
  }

  /** Runs until the clock shows `untilUs`, acting at each deadline on the way. */
  run(untilUs: number): void {
    this.settle();
    for (;;) {
      const ticks = this.#engine.nextExpiry();
      if (ticks < 0) break;
      const nextUs = (Math.floor(this.#engine.nowUs / TICK_US) + Math.max(ticks, 1)) * TICK_US;
      if (nextUs > untilUs) break;
      this.#clock.setUs(nextUs);
      this.settle();
    }
    this.#clock.setUs(untilUs);
    this.settle();
  }
}
