import type { MemoryWindow } from "../../mem/window.js";
import type { CongestionControl } from "./congestion.js";
import { T_CC, T_CWND, T_SND_MSS, T_SSTHRESH } from "./connection.js";
import { initialWindow, MAX_CWND_BYTES, slowStart } from "./slow-start.js";

/** Bytes acknowledged towards the next segment of congestion avoidance. */
const BYTES_ACKED = T_CC;

/** NewReno (RFC 5681, 6582) with appropriate byte counting (RFC 3465). */
export class NewReno implements CongestionControl {
  readonly #window: MemoryWindow;
  readonly #initialSegments: number;

  constructor(window: MemoryWindow, initialSegments: number) {
    this.#window = window;
    this.#initialSegments = initialSegments;
  }

  init(r: number): void {
    const { i32 } = this.#window;
    i32[r + T_CWND] = initialWindow(i32, r, this.#initialSegments, true);
    i32[r + T_SSTHRESH] = MAX_CWND_BYTES;
    this.adopt(r);
  }

  adopt(r: number): void {
    this.#window.i32[r + BYTES_ACKED] = 0;
  }

  acked(r: number, ackedBytes: number, _flightBytes: number, isLimited: boolean): void {
    if (!isLimited) return;
    const { i32 } = this.#window;
    const rest = slowStart(i32, r, ackedBytes);
    if (rest === 0) return;
    const cwnd = i32[r + T_CWND];
    const total = i32[r + BYTES_ACKED] + rest;
    if (total < cwnd) {
      i32[r + BYTES_ACKED] = total;
      return;
    }
    i32[r + BYTES_ACKED] = Math.min(total - cwnd, cwnd);
    i32[r + T_CWND] = Math.min(cwnd + i32[r + T_SND_MSS], MAX_CWND_BYTES);
  }

  /** RFC 5681 equation 4. */
  enterRecovery(r: number, flightBytes: number): void {
    const { i32 } = this.#window;
    i32[r + T_SSTHRESH] = Math.max(Math.min(flightBytes, i32[r + T_CWND]) >> 1, 2 * i32[r + T_SND_MSS]);
    i32[r + BYTES_ACKED] = 0;
  }

  timeout(r: number, flightBytes: number, isFirst: boolean): void {
    if (isFirst) this.enterRecovery(r, flightBytes);
    this.#window.i32[r + T_CWND] = this.#window.i32[r + T_SND_MSS];
  }

  idleRestart(r: number): void {
    const { i32 } = this.#window;
    i32[r + T_CWND] = Math.min(i32[r + T_CWND], initialWindow(i32, r, this.#initialSegments, false));
  }

  remember(): void {}

  undo(r: number): void {
    this.#window.i32[r + BYTES_ACKED] = 0;
  }
}
