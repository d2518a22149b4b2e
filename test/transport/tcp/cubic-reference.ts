/** Fraction bits of the numbers in this file: integers that stand for n / 2^64, exact where doubles are not. */
const BITS = 64n;
const ONE = 1n << BITS;

function fraction(dividend: number | bigint, divisor: number | bigint): bigint {
  return (BigInt(dividend) << BITS) / BigInt(divisor);
}

function times(a: bigint, b: bigint): bigint {
  return (a * b) >> BITS;
}

function over(a: bigint, b: bigint): bigint {
  return (a << BITS) / b;
}

/** Cube root of a fraction, by bisection. */
function root3(n: bigint): bigint {
  let low = 0n;
  let high = n > ONE ? n : ONE;
  while (high - low > 1n) {
    const middle = (low + high) >> 1n;
    if (times(times(middle, middle), middle) <= n) low = middle;
    else high = middle;
  }
  return low;
}

const C = fraction(4, 10);
const BETA = fraction(7, 10);
const ALPHA = over(3n * (ONE - BETA), ONE + BETA);

/** CUBIC as RFC 9438 has it, in segments and seconds, for congestion avoidance after a loss; written from the formulas alone. */
export class CubicReference {
  cwnd: bigint;
  ssthresh: bigint;
  wMax: bigint;
  k = 0n;
  wEst = 0n;
  priorCwnd = 0n;
  #epochS = 0n;
  #hasEpoch = false;

  constructor(cwndBytes: number, mss: number) {
    this.cwnd = this.ssthresh = fraction(cwndBytes, mss);
    this.wMax = 0n;
  }

  /** Sections 4.6 and 4.7. */
  lose(): void {
    this.priorCwnd = this.cwnd;
    this.wMax = this.cwnd < this.wMax ? times(this.cwnd, (ONE + BETA) / 2n) : this.cwnd;
    this.cwnd = this.ssthresh = times(this.cwnd, BETA);
    this.#hasEpoch = false;
  }

  /** Sections 4.2 to 4.5: `bytes` are acknowledged. */
  acked(bytes: number, mss: number, nowMs: number, rttMs: number): void {
    const now = fraction(nowMs, 1000);
    if (!this.#hasEpoch) {
      this.#hasEpoch = true;
      this.#epochS = now;
      this.wEst = this.cwnd;
      if (this.wMax < this.cwnd) this.wMax = this.cwnd;
      this.k = root3(over(this.wMax - this.cwnd, C));
    }
    const t = now - this.#epochS;
    const segments = fraction(bytes, mss);
    const alpha = this.wEst >= this.priorCwnd ? ONE : ALPHA;
    this.wEst += times(alpha, over(segments, this.cwnd));
    if (this.#cubic(t) < this.wEst) {
      if (this.wEst > this.cwnd) this.cwnd = this.wEst;
      return;
    }
    const most = (this.cwnd * 3n) / 2n;
    let target = this.#cubic(t + fraction(rttMs, 1000));
    if (target < this.cwnd) target = this.cwnd;
    if (target > most) target = most;
    this.cwnd += times(over(target - this.cwnd, this.cwnd), segments);
  }

  #cubic(t: bigint): bigint {
    const d = t - this.k;
    return times(C, times(times(d, d), d)) + this.wMax;
  }

  /** cwnd in bytes. */
  bytes(mss: number): number {
    return Number((this.cwnd * BigInt(mss)) >> BITS);
  }

  /** K, milliseconds. */
  get kMs(): number {
    return Number((this.k * 1000n) >> BITS);
  }
}
