import type { MemoryWindow } from "../../mem/window.js";
import type { CongestionControl } from "./congestion.js";
import { T_CC, T_CWND, T_SND_MSS, T_SSTHRESH, T_TIMEOUTS } from "./connection.js";

/** Bytes acknowledged towards the next segment of congestion avoidance. */
const BYTES_ACKED = T_CC;
/** Ceiling of cwnd, well inside int32 sums with a window of 1 GiB. */
const MAX_CWND_BYTES = 1 << 29;

/** NewReno (RFC 5681, 6582) with appropriate byte counting (RFC 3465, L = 2). */
export class NewReno implements CongestionControl {
  readonly name = "newreno";
  readonly #window: MemoryWindow;
  readonly #initialSegments: number;

  constructor(window: MemoryWindow, initialSegments: number) {
    this.#window = window;
    this.#initialSegments = initialSegments;
  }

  init(r: number): void {
    const { i32 } = this.#window;
    // RFC 6928 2: a SYN that was lost more than once is a sign of congestion.
    i32[r + T_CWND] = i32[r + T_TIMEOUTS] > 1 ? i32[r + T_SND_MSS] : this.#initialWindow(r);
    i32[r + T_SSTHRESH] = MAX_CWND_BYTES;
    i32[r + BYTES_ACKED] = 0;
  }

  /** RFC 6928 2: at most initialSegments, and no more than 14600 bytes unless that is less than two segments. */
  #initialWindow(r: number): number {
    const mss = this.#window.i32[r + T_SND_MSS];
    return Math.min(this.#initialSegments * mss, Math.max(2 * mss, this.#initialSegments * 1460));
  }

  acked(r: number, ackedBytes: number, _flightBytes: number): void {
    const { i32 } = this.#window;
    const mss = i32[r + T_SND_MSS];
    const cwnd = i32[r + T_CWND];
    if (cwnd < i32[r + T_SSTHRESH]) {
      // A superframe's ACK covers many segments at once: each of them counts (RFC 3465 2.3 limits bursts of a lost-ACK
      // kind, which pacing by the peer's ACK clock does not cause here).
      i32[r + T_CWND] = Math.min(cwnd + ackedBytes, MAX_CWND_BYTES);
      return;
    }
    const total = i32[r + BYTES_ACKED] + ackedBytes;
    if (total < cwnd) {
      i32[r + BYTES_ACKED] = total;
      return;
    }
    i32[r + BYTES_ACKED] = Math.min(total - cwnd, cwnd);
    i32[r + T_CWND] = Math.min(cwnd + mss, MAX_CWND_BYTES);
  }

  /** RFC 5681 equation 4. */
  #halve(r: number, flightBytes: number): number {
    const { i32 } = this.#window;
    const ssthresh = Math.max(flightBytes >> 1, 2 * i32[r + T_SND_MSS]);
    i32[r + T_SSTHRESH] = ssthresh;
    i32[r + BYTES_ACKED] = 0;
    return ssthresh;
  }

  enterRecovery(r: number, flightBytes: number): void {
    this.#window.i32[r + T_CWND] = this.#halve(r, flightBytes) + 3 * this.#window.i32[r + T_SND_MSS];
  }

  duplicateAck(r: number): void {
    const { i32 } = this.#window;
    i32[r + T_CWND] = Math.min(i32[r + T_CWND] + i32[r + T_SND_MSS], MAX_CWND_BYTES);
  }

  /** RFC 6582 3.2 step 3: deflate by what was acknowledged, add back one segment when that was at least one. */
  partialAck(r: number, ackedBytes: number): void {
    const { i32 } = this.#window;
    const mss = i32[r + T_SND_MSS];
    i32[r + T_CWND] = Math.max(i32[r + T_CWND] - ackedBytes + (ackedBytes >= mss ? mss : 0), mss);
  }

  /** RFC 6582 3.2 step 3, option 1: no burst on leaving. */
  exitRecovery(r: number, flightBytes: number): void {
    const { i32 } = this.#window;
    const mss = i32[r + T_SND_MSS];
    i32[r + T_CWND] = Math.min(i32[r + T_SSTHRESH], Math.max(flightBytes, mss) + mss);
  }

  timeout(r: number, flightBytes: number, first: boolean): void {
    if (first) this.#halve(r, flightBytes);
    this.#window.i32[r + T_CWND] = this.#window.i32[r + T_SND_MSS];
  }

  idleRestart(r: number): void {
    const { i32 } = this.#window;
    i32[r + T_CWND] = Math.min(i32[r + T_CWND], this.#initialWindow(r));
  }
}
