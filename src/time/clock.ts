/** The only source of time in the core; a driver, a simulator or a test provides it. */
export interface Clock {
  /** Microseconds since a start of the clock's own choosing; never decreases. */
  nowUs(): number;
}

/** Microseconds of one tick of the timer wheel. */
export const TICK_US = 100;

/** The int32 tick of a moment in microseconds; wraps after about 119 hours. */
export function tickOfUs(us: number): number {
  return Math.floor(us / TICK_US) | 0;
}

/** The int32 millisecond of a moment in microseconds, for TCP timestamps; wraps after about 49 days. */
export function msOfUs(us: number): number {
  return Math.floor(us / 1000) | 0;
}

/**
 * The delay in ticks for a timer that must not fire before `us` microseconds have passed: rounded up, and one more
 * because the current tick has partly gone by. At most 2^30.
 */
export function delayTicksOfUs(us: number): number {
  return Math.min(Math.ceil(us / TICK_US) + 1, 0x4000_0000);
}
