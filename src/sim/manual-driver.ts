import { TICK_US } from "../time/clock.js";
import type { ManualClock } from "../time/manual-clock.js";

/** What the manual driver needs of an engine. */
export interface ManualEngine {
  /** One turn; returns the packets and events that it brought in: 0 when there was nothing to do. */
  turn(): number;
  /** Ticks from the time of the last turn to the next deadline: 0 now, -1 never. */
  nextExpiry(): number;
}

/** Turns at one moment of virtual time before time is moved on, so that an engine that is never done cannot stop it. */
const MAX_TURNS_PER_INSTANT = 10_000;

/**
 * Moves a clock to `untilUs` and lets the engine do all there is to do on the way, skipping the time between its
 * deadlines. A time in the past only lets it do what is due now.
 */
export function runUntil(engine: ManualEngine, clock: ManualClock, untilUs: number): void {
  for (;;) {
    const nextUs = settle(engine, clock.nowUs());
    if (nextUs > untilUs) break;
    clock.setUs(nextUs);
  }
  if (untilUs <= clock.nowUs()) return;
  clock.setUs(untilUs);
  settle(engine, untilUs);
}

/** Turns until there is nothing to do; returns the time of the next deadline, infinite when there is none. */
function settle(engine: ManualEngine, nowUs: number): number {
  const tickUs = Math.floor(nowUs / TICK_US) * TICK_US;
  for (let turns = 0; turns < MAX_TURNS_PER_INSTANT; turns++) {
    if (engine.turn() > 0) continue;
    const ticks = engine.nextExpiry();
    if (ticks < 0) return Number.POSITIVE_INFINITY;
    if (ticks > 0) return tickUs + ticks * TICK_US;
  }
  return tickUs + TICK_US;
}
