import type { MemoryWindow } from "../../mem/window.js";
import type { CongestionControl } from "./congestion.js";
import { T_CC, T_CWND, T_SND_MSS, T_SRTT_US, T_SSTHRESH } from "./connection.js";
import { cubeRoot } from "./cube-root.js";
import { HyStart } from "./hystart.js";
import { initialWindow, MAX_CWND_BYTES, slowStart } from "./slow-start.js";

/** W_max, bytes: the plateau around which the window grows slowly; 0 before the first loss and after a timeout. */
const W_MAX = T_CC;
/** Start of the epoch, milliseconds, moved on by time that does not count; with HAS_EPOCH. */
const EPOCH_MS = T_CC + 1;
/** 1 while there is an epoch: congestion avoidance since the last loss. */
const HAS_EPOCH = T_CC + 2;
/** K, milliseconds: from the start of the epoch to the plateau. */
const K_MS = T_CC + 3;
/** W_est, bytes: what Reno would have (RFC 9438 4.3). */
const W_EST = T_CC + 4;
/** Bytes acknowledged towards the next segment of W_est. */
const EST_ACKED = T_CC + 5;
/** cwnd_prior, bytes: cwnd before the last loss. */
const CWND_PRIOR = T_CC + 6;
/** When an acknowledgement came last in congestion avoidance, milliseconds. */
const LAST_MS = T_CC + 7;
/** W_max before the reduction that may be undone. */
const PRIOR_W_MAX = T_CC + 8;
/** First of HyStart++'s five words. */
const HYSTART = T_CC + 9;

/** C = 0.4 segments per second cubed (RFC 9438 5), so that K^3 in ms^3 is segments times this. */
const MS3_PER_SEGMENT = 2_500_000_000;
/** beta_cubic = 0.7 (RFC 9438 4.6). */
const BETA_TENTHS = 7;
/** alpha_cubic = 3 (1 - beta) / (1 + beta) = 9 / 17. */
const ALPHA_DIVIDEND = 9;
const ALPHA_DIVISOR = 17;
/** Beyond this distance from K the cubic is far above any window; the bound keeps the product exact. */
const MAX_OFFSET_MS = 200_000;

/** What CUBIC needs of the engine. */
export interface CubicClock {
  readonly nowMs: number;
}
interface CubicConfig {
  readonly initialCwndSegments: number;
}

/**
 * CUBIC (RFC 9438) with HyStart++ (RFC 9406). The cubic root is of integers, and of doubles only products and quotients are
 * taken, which IEEE 754 rounds in one way: every machine comes to the same windows.
 */
export class Cubic implements CongestionControl {
  readonly #window: MemoryWindow;
  readonly #clock: CubicClock;
  readonly #initialSegments: number;
  readonly #hystart: HyStart;

  constructor(window: MemoryWindow, clock: CubicClock, config: CubicConfig) {
    this.#window = window;
    this.#clock = clock;
    this.#initialSegments = config.initialCwndSegments;
    this.#hystart = new HyStart(HYSTART);
  }

  init(r: number): void {
    const { i32 } = this.#window;
    i32[r + T_CWND] = initialWindow(i32, r, this.#initialSegments, true);
    i32[r + T_SSTHRESH] = MAX_CWND_BYTES;
    this.adopt(r);
  }

  adopt(r: number): void {
    const { i32 } = this.#window;
    i32[r + W_MAX] = i32[r + PRIOR_W_MAX] = i32[r + HAS_EPOCH] = i32[r + CWND_PRIOR] = 0;
    this.#hystart.init(i32, r);
  }

  acked(r: number, ackedBytes: number, _flightBytes: number, isLimited: boolean, rttUs: number): void {
    const { i32 } = this.#window;
    let rest = ackedBytes;
    if (i32[r + T_CWND] < i32[r + T_SSTHRESH]) {
      // Congestion avoidance begins anew behind it: an older epoch's W_est would make cwnd jump.
      i32[r + HAS_EPOCH] = 0;
      // RFC 9406 4.3: only the first slow start, whose ssthresh nothing has set yet.
      const isFirst = i32[r + T_SSTHRESH] === MAX_CWND_BYTES;
      const growth = isFirst ? this.#hystart.acked(i32, r, ackedBytes, rttUs) : ackedBytes;
      if (!isLimited) return;
      rest = slowStart(i32, r, growth);
      if (rest === 0 || growth !== ackedBytes) return;
    }
    const nowMs = this.#clock.nowMs;
    if (i32[r + HAS_EPOCH] === 0) this.#startEpoch(i32, r, nowMs);
    // RFC 9438 4.2: time in which the application did not fill the window does not count.
    else if (!isLimited) i32[r + EPOCH_MS] += nowMs - i32[r + LAST_MS];
    i32[r + LAST_MS] = nowMs;
    if (isLimited) this.#grow(i32, r, rest, nowMs);
  }

  #startEpoch(i32: Int32Array, r: number, nowMs: number): void {
    const cwnd = i32[r + T_CWND];
    i32[r + HAS_EPOCH] = 1;
    i32[r + EPOCH_MS] = nowMs;
    i32[r + W_EST] = cwnd;
    i32[r + EST_ACKED] = 0;
    const below = i32[r + W_MAX] - cwnd;
    if (below > 0) {
      i32[r + K_MS] = cubeRoot(Math.floor((below * MS3_PER_SEGMENT) / i32[r + T_SND_MSS]));
    } else {
      // RFC 9438 4.8 and 4.10: without a plateau ahead the search for a new one begins here.
      i32[r + W_MAX] = cwnd;
      i32[r + K_MS] = 0;
    }
  }

  /** W_cubic after `ms` of the epoch (RFC 9438 equation 1), bytes. */
  #cubic(i32: Int32Array, r: number, ms: number): number {
    const offset = Math.max(-MAX_OFFSET_MS, Math.min(ms - i32[r + K_MS], MAX_OFFSET_MS));
    const segmentsTimes = offset * offset * offset; // Exact: below 2^53.
    const bytes = Math.floor((segmentsTimes / MS3_PER_SEGMENT) * i32[r + T_SND_MSS]);
    return Math.min(i32[r + W_MAX] + bytes, MAX_CWND_BYTES);
  }

  #grow(i32: Int32Array, r: number, ackedBytes: number, nowMs: number): void {
    const cwnd = i32[r + T_CWND];
    const mss = i32[r + T_SND_MSS];
    const elapsedMs = Math.max(0, (nowMs - i32[r + EPOCH_MS]) | 0);
    this.#growEstimate(i32, r, ackedBytes, mss);
    const estimate = i32[r + W_EST];
    if (this.#cubic(i32, r, elapsedMs) < estimate) {
      // RFC 9438 4.3: the Reno-friendly region.
      i32[r + T_CWND] = Math.min(Math.max(cwnd, estimate), MAX_CWND_BYTES);
      return;
    }
    const rttMs = Math.floor(i32[r + T_SRTT_US] / 1000);
    const target = Math.min(this.#cubic(i32, r, elapsedMs + rttMs), cwnd + (cwnd >> 1));
    if (target <= cwnd) return;
    i32[r + T_CWND] = Math.min(cwnd + Math.floor(((target - cwnd) * ackedBytes) / cwnd), MAX_CWND_BYTES);
  }

  /** RFC 9438 4.3: one alpha of a segment for each window acknowledged, a whole one once W_est is past cwnd_prior. */
  #growEstimate(i32: Int32Array, r: number, ackedBytes: number, mss: number): void {
    const isPast = i32[r + W_EST] >= i32[r + CWND_PRIOR];
    const share = isPast ? ackedBytes : Math.floor((ackedBytes * ALPHA_DIVIDEND) / ALPHA_DIVISOR);
    const total = i32[r + EST_ACKED] + share;
    const cwnd = i32[r + T_CWND];
    if (total < cwnd) {
      i32[r + EST_ACKED] = total;
      return;
    }
    i32[r + EST_ACKED] = Math.min(total - cwnd, cwnd);
    i32[r + W_EST] = Math.min(i32[r + W_EST] + mss, MAX_CWND_BYTES);
  }

  /** RFC 9438 4.6 and 4.7. */
  enterRecovery(r: number, flightBytes: number): void {
    const { i32 } = this.#window;
    const cwnd = Math.min(i32[r + T_CWND], flightBytes);
    i32[r + CWND_PRIOR] = cwnd;
    // Fast convergence: a flow whose plateau has sunk gives way to newer ones.
    i32[r + W_MAX] = cwnd < i32[r + W_MAX] ? Math.floor((cwnd * (10 + BETA_TENTHS)) / 20) : cwnd;
    i32[r + T_SSTHRESH] = Math.max(Math.floor((cwnd * BETA_TENTHS) / 10), 2 * i32[r + T_SND_MSS]);
    i32[r + HAS_EPOCH] = 0;
  }

  /** RFC 9438 4.8. */
  timeout(r: number, flightBytes: number, isFirst: boolean): void {
    const { i32 } = this.#window;
    if (isFirst) this.enterRecovery(r, flightBytes);
    i32[r + T_CWND] = i32[r + T_SND_MSS];
    i32[r + W_MAX] = 0;
    i32[r + HAS_EPOCH] = 0;
  }

  idleRestart(r: number, idleMs: number): void {
    const { i32 } = this.#window;
    i32[r + T_CWND] = Math.min(i32[r + T_CWND], initialWindow(i32, r, this.#initialSegments, false));
    if (i32[r + HAS_EPOCH] === 0) return;
    i32[r + EPOCH_MS] += idleMs;
    i32[r + LAST_MS] += idleMs;
  }

  remember(r: number): void {
    const { i32 } = this.#window;
    i32[r + PRIOR_W_MAX] = i32[r + W_MAX];
  }

  undo(r: number): void {
    const { i32 } = this.#window;
    i32[r + W_MAX] = i32[r + PRIOR_W_MAX];
    i32[r + HAS_EPOCH] = 0;
  }
}
