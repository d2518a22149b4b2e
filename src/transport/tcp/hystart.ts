import { T_CWND, T_SND_NXT, T_SND_UNA, T_SSTHRESH } from "./connection.js";

/** Round trips of a round that are needed to judge by (RFC 9406 4.3 N_RTT_SAMPLE). */
const N_RTT_SAMPLE = 8;
/** MIN_RTT_THRESH, MAX_RTT_THRESH, microseconds. */
const MIN_RTT_THRESH_US = 4000;
const MAX_RTT_THRESH_US = 16_000;
/** MIN_RTT_DIVISOR: the delay that ends slow start is this part of the round trip. */
const MIN_RTT_SHIFT = 3;
/** CSS_GROWTH_DIVISOR. */
const CSS_GROWTH_SHIFT = 2;
/** CSS_ROUNDS. */
const CSS_ROUNDS = 5;
/** No round trip yet. */
const INFINITE_US = 0x7fff_ffff;

// Words, from the first.
/** windowEnd: the round ends when this is acknowledged. */
const ROUND_END = 0;
/** currentRoundMinRTT, microseconds. */
const ROUND_MIN_US = 1;
/** lastRoundMinRTT, microseconds. */
const LAST_MIN_US = 2;
/** cssBaselineMinRtt, microseconds; INFINITE_US in slow start. */
const BASELINE_US = 3;
/** rttSampleCount | rounds of conservative slow start << 8. */
const COUNTS = 4;

/**
 * HyStart++ (RFC 9406): leaves slow start when round trips grow, before the queue overflows. In between it grows more
 * slowly for some rounds (conservative slow start) and turns back if the delay was a passing one. Segments are paced, so
 * growth per acknowledgement has no limit of its own (L is infinite).
 */
export class HyStart {
  readonly #at: number;

  /** State lies in five words of a connection's row from word `at` on. */
  constructor(at: number) {
    this.#at = at;
  }

  /** A new connection. */
  init(i32: Int32Array, r: number): void {
    const w = r + this.#at;
    i32[w + ROUND_END] = i32[r + T_SND_NXT];
    i32[w + ROUND_MIN_US] = i32[w + LAST_MIN_US] = i32[w + BASELINE_US] = INFINITE_US;
    i32[w + COUNTS] = 0;
  }

  /** `ackedBytes` were acknowledged in slow start; returns the bytes by which cwnd may grow. Sets ssthresh when it ends. */
  acked(i32: Int32Array, r: number, ackedBytes: number, rttUs: number): number {
    const w = r + this.#at;
    if (rttUs >= 0) {
      if (rttUs < i32[w + ROUND_MIN_US]) i32[w + ROUND_MIN_US] = rttUs;
      if ((i32[w + COUNTS] & 0xff) < 0xff) i32[w + COUNTS]++;
    }
    if ((i32[w + COUNTS] & 0xff) >= N_RTT_SAMPLE) judge(i32, w);
    const isConservative = i32[w + BASELINE_US] !== INFINITE_US;
    if (((i32[r + T_SND_UNA] - i32[w + ROUND_END]) | 0) > 0) this.#endRound(i32, r, w, isConservative);
    return isConservative ? ackedBytes >> CSS_GROWTH_SHIFT : ackedBytes;
  }

  #endRound(i32: Int32Array, r: number, w: number, isConservative: boolean): void {
    i32[w + ROUND_END] = i32[r + T_SND_NXT];
    i32[w + LAST_MIN_US] = i32[w + ROUND_MIN_US];
    i32[w + ROUND_MIN_US] = INFINITE_US;
    const rounds = isConservative ? (i32[w + COUNTS] >> 8) + 1 : 0;
    i32[w + COUNTS] = rounds << 8;
    if (rounds >= CSS_ROUNDS) i32[r + T_SSTHRESH] = i32[r + T_CWND];
  }
}

/** Whether the round's least delay asks for caution, or shows that there was no need of it. */
function judge(i32: Int32Array, w: number): void {
  const least = i32[w + ROUND_MIN_US];
  const last = i32[w + LAST_MIN_US];
  if (i32[w + BASELINE_US] !== INFINITE_US) {
    if (least < i32[w + BASELINE_US]) i32[w + BASELINE_US] = INFINITE_US;
    return;
  }
  if (least === INFINITE_US || last === INFINITE_US) return;
  const threshold = Math.max(MIN_RTT_THRESH_US, Math.min(last >> MIN_RTT_SHIFT, MAX_RTT_THRESH_US));
  if (least >= last + threshold) {
    i32[w + BASELINE_US] = least;
    i32[w + COUNTS] &= 0xff;
  }
}
