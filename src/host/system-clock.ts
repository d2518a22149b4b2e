import { performance } from "node:perf_hooks";
import type { Clock } from "../time/clock.js";

/** Time since the process started, from the system's monotonic clock. */
export class SystemClock implements Clock {
  nowUs(): number {
    return performance.now() * 1000;
  }
}
