import { describe, expect, it } from "vitest";
import { Cubic } from "../../../src/transport/tcp/cubic.js";
import { MAX_CWND_BYTES } from "../../../src/transport/tcp/slow-start.js";
import { CongestionRow } from "./congestion-row.js";
import { CubicReference } from "./cubic-reference.js";

/** CUBIC in congestion avoidance with a window of `segments`, and the same by the RFC. */
class Run {
  readonly row: CongestionRow;
  readonly cubic: Cubic;
  readonly reference: CubicReference;
  readonly mss: number;
  readonly rttMs: number;

  constructor(segments: number, rttMs: number, mss = 1000) {
    this.row = new CongestionRow(mss);
    this.mss = mss;
    this.rttMs = rttMs;
    this.cubic = new Cubic(this.row.window, this.row, { initialCwndSegments: 10 });
    this.cubic.init(this.row.r);
    this.row.rttMs = rttMs;
    this.row.cwnd = segments * mss;
    this.row.nowMs = 5000;
    this.reference = new CubicReference(segments * mss, mss);
  }

  get cwnd(): number {
    return this.row.cwnd;
  }

  lose(): void {
    this.cubic.enterRecovery(this.row.r, this.row.cwnd);
    this.row.cwnd = this.row.ssthresh;
    this.reference.lose();
  }

  /** A millisecond passes, in which a share of the window is acknowledged. */
  tick(isLimited = true): void {
    const { row, mss } = this;
    row.nowMs++;
    const bytes = Math.max(1, Math.round(row.cwnd / this.rttMs));
    this.cubic.acked(row.r, bytes, row.cwnd, isLimited, this.rttMs * 1000);
    if (isLimited) this.reference.acked(bytes, mss, row.nowMs, this.rttMs);
  }

  /** Largest difference to the RFC, of so many milliseconds, in parts of cwnd. */
  deviation(ms: number): number {
    let most = 0;
    for (let i = 0; i < ms; i++) {
      this.tick();
      const bytes = this.reference.bytes(this.mss);
      // Integers: a segment more or less is nothing.
      most = Math.max(most, (Math.abs(this.cwnd - bytes) - this.mss) / bytes);
    }
    return most;
  }
}

describe("CUBIC (RFC 9438)", () => {
  it("reduces to 0.7 of what was in flight, not below two segments [CUBIC-1]", () => {
    const { row, cubic } = new Run(100, 20);
    cubic.enterRecovery(row.r, 100_000);
    expect(row.ssthresh).toBe(70_000);
    row.cwnd = 80_000;
    cubic.enterRecovery(row.r, 60_000);
    expect(row.ssthresh).toBe(42_000);
    cubic.enterRecovery(row.r, 1000);
    expect(row.ssthresh).toBe(2000);
  });

  it.each([
    // Concave up to K = (0.3 W / 0.4)^(1/3) s, convex behind it: 4.2, 9.1, 19.6 s.
    [100, 100, 12_000],
    [1000, 50, 20_000],
    [10_000, 100, 30_000],
    [1000, 300, 25_000],
    // Reno-friendly all the time, or at first.
    [10, 10, 8000],
    [30, 30, 12_000],
    [100, 10, 10_000],
  ])("follows the formula: %i segments, %i ms [CUBIC-2, CUBIC-3]", (segments, rttMs, ms) => {
    const run = new Run(segments, rttMs);
    run.lose();
    expect(run.deviation(ms)).toBeLessThan(0.01);
    // A second loss above the old plateau, and a third below it.
    run.lose();
    expect(run.deviation(1000)).toBeLessThan(0.02);
    run.lose();
    expect(run.deviation(5000)).toBeLessThan(0.02);
  });

  it("is back at the plateau after K, hardly moves there, and then searches ever faster [CUBIC-2]", () => {
    const run = new Run(1000, 100);
    run.lose();
    run.tick();
    const { kMs } = run.reference;
    expect(kMs).toBe(9085);
    const at = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2].map((part) => {
      while (run.row.nowMs - 5001 < part * kMs) run.tick();
      return Math.round(run.cwnd / 1000);
    });
    // 1000 - 300 (1 - part)^3, a little before its time: the target is that of one round trip later.
    [873, 962, 995, 1000, 1005, 1037, 1300].forEach((segments, i) => {
      expect(Math.abs(at[i] - segments)).toBeLessThan(12);
    });
  });

  it("grows by half a window per round trip at most, however far the plateau [CUBIC-2]", () => {
    const run = new Run(1000, 100);
    run.lose();
    run.tick();
    // Nothing was acknowledged for a long time in which the window was full: the curve is far ahead.
    run.row.nowMs += 60_000;
    const before = run.cwnd;
    for (let i = 0; i < 100; i++) run.tick();
    expect(run.cwnd).toBeLessThanOrEqual(before * 1.66);
    expect(run.cwnd).toBeGreaterThan(before * 1.4);
  });

  it("is never slower than Reno would be with alpha of 9/17, then of 1 [CUBIC-3]", () => {
    const run = new Run(20, 10);
    run.lose();
    expect(run.cwnd).toBe(14_000);
    // 6 segments to cwnd_prior: 17/9 round trips each.
    for (let ms = 0; ms < 10 * 12; ms++) run.tick();
    expect(run.cwnd).toBeGreaterThanOrEqual(19_000);
    for (let ms = 0; ms < 100; ms++) run.tick();
    const before = run.cwnd;
    for (let ms = 0; ms < 100; ms++) run.tick();
    expect(run.cwnd - before).toBeGreaterThanOrEqual(9000);
    expect(run.cwnd - before).toBeLessThanOrEqual(11_000);
  });

  it("does not count time in which the application did not fill the window [CUBIC-4]", () => {
    const run = new Run(1000, 100);
    run.lose();
    for (let i = 0; i < 3000; i++) run.tick();
    const before = run.cwnd;
    for (let i = 0; i < 5000; i++) run.tick(false);
    expect(run.cwnd).toBe(before);
    const other = new Run(1000, 100);
    other.lose();
    for (let i = 0; i < 4000; i++) other.tick();
    for (let i = 0; i < 1000; i++) run.tick();
    expect(Math.abs(run.cwnd - other.cwnd)).toBeLessThan(5000);
  });

  it("does not count idle time; behind it slow start leads back to ssthresh without a jump [CUBIC-4, R5681-11]", () => {
    const run = new Run(40, 10);
    run.lose();
    // Reno-friendly: the estimate is far above ssthresh by now.
    for (let i = 0; i < 2000; i++) run.tick();
    const { row, cubic } = run;
    expect(run.cwnd).toBeGreaterThan(3 * row.ssthresh);
    row.nowMs += 5000;
    cubic.idleRestart(row.r, 5000);
    expect(run.cwnd).toBe(10_000);
    let last = run.cwnd;
    for (let i = 0; i < 500; i++) {
      row.nowMs++;
      cubic.acked(row.r, 1000, run.cwnd, true, 10_000);
      expect(run.cwnd - last).toBeLessThanOrEqual(1000);
      last = run.cwnd;
    }
  });

  it("lowers the plateau when a loss comes below the last one [CUBIC-5]", () => {
    const run = new Run(1000, 100);
    run.lose();
    run.lose();
    // 700 < 1000: W_max is 700 * 1.7 / 2 = 595.
    expect(run.cwnd).toBe(490_000);
    run.tick();
    // (105 / 0.4)^(1/3) s.
    expect(run.reference.kMs).toBe(6402);
    while (run.row.nowMs < 5000 + 6402) run.tick();
    expect(Math.abs(run.cwnd - 595_000)).toBeLessThan(4000);
  });

  it("is in slow start below ssthresh, and only there [CUBIC-6]", () => {
    const { row, cubic } = new Run(10, 100);
    row.ssthresh = 25_000;
    cubic.acked(row.r, 10_000, 10_000, true, -1);
    expect(row.cwnd).toBe(20_000);
    cubic.acked(row.r, 20_000, 20_000, true, -1);
    expect(row.cwnd).toBeLessThan(26_500);
  });

  it("after a timeout: one segment, ssthresh by the cubic factor, no old plateau [CUBIC-7]", () => {
    const { row, cubic } = new Run(100, 100);
    cubic.timeout(row.r, 100_000, true);
    expect([row.cwnd, row.ssthresh]).toEqual([1000, 70_000]);
    cubic.timeout(row.r, 100_000, false);
    expect([row.cwnd, row.ssthresh]).toEqual([1000, 70_000]);
    cubic.acked(row.r, 69_000, 70_000, true, -1);
    expect(row.cwnd).toBe(70_000);
    // RFC 9438 4.8: K = 0, W_max = cwnd: the search begins here.
    for (let i = 0; i < 1000; i++) {
      row.nowMs++;
      cubic.acked(row.r, 700, 70_000, true, -1);
    }
    expect(row.cwnd).toBeGreaterThan(70_000);
    expect(row.cwnd).toBeLessThan(78_000);
  });

  it("does not grow while less than the window is in flight [CUBIC-8]", () => {
    const run = new Run(100, 100);
    run.lose();
    for (let i = 0; i < 20_000; i++) run.tick(false);
    expect(run.cwnd).toBe(70_000);
    const { row, cubic } = new Run(10, 100);
    for (let i = 0; i < 100; i++) cubic.acked(row.r, 1000, 1000, false, -1);
    expect(row.cwnd).toBe(10_000);
  });

  it("undo: the plateau is what it was, and the window goes on from there", () => {
    const run = new Run(1000, 100);
    run.lose();
    for (let i = 0; i < 3000; i++) run.tick();
    const { row, cubic } = run;
    const [cwnd, ssthresh] = [row.cwnd, row.ssthresh];
    cubic.remember(row.r);
    cubic.timeout(row.r, cwnd, true);
    row.cwnd = cwnd;
    row.ssthresh = ssthresh;
    cubic.undo(row.r);
    for (let i = 0; i < 3000; i++) run.tick();
    const other = new Run(1000, 100);
    other.lose();
    for (let i = 0; i < 6000; i++) other.tick();
    expect(Math.abs(run.cwnd - other.cwnd) / other.cwnd).toBeLessThan(0.01);
  });

  it("has a ceiling, and stays within the integers there", () => {
    const run = new Run(MAX_CWND_BYTES / 65_536 - 1, 300, 65_536);
    run.lose();
    for (let i = 0; i < 400_000; i += 100) {
      run.row.nowMs += 100;
      run.cubic.acked(run.row.r, 1 << 27, run.cwnd, true, -1);
      expect(run.cwnd).toBeGreaterThan(0);
      expect(run.cwnd).toBeLessThanOrEqual(MAX_CWND_BYTES);
    }
    expect(run.cwnd).toBeGreaterThan(MAX_CWND_BYTES - 10);
    const slow = new Run(200, 10, 88);
    slow.row.cwnd = MAX_CWND_BYTES;
    slow.cubic.enterRecovery(slow.row.r, MAX_CWND_BYTES);
    slow.row.cwnd = slow.row.ssthresh;
    for (let i = 0; i < 100; i++) {
      slow.row.nowMs += 100;
      slow.cubic.acked(slow.row.r, 1 << 25, slow.cwnd, true, -1);
      expect(slow.cwnd).toBeGreaterThanOrEqual(slow.row.ssthresh);
    }
  });

  it("clocks of 2^31 milliseconds wrap", () => {
    const run = new Run(1000, 100);
    run.row.nowMs = 0x7fff_ffff - 1000;
    run.lose();
    const clock = run.row;
    for (let i = 0; i < 3000; i++) {
      clock.nowMs = (clock.nowMs + 1) | 0;
      run.cubic.acked(clock.r, run.cwnd / 100, run.cwnd, true, -1);
    }
    const other = new Run(1000, 100);
    other.lose();
    for (let i = 0; i < 3000; i++) other.tick();
    expect(Math.abs(run.cwnd - other.cwnd)).toBeLessThan(3000);
  });
});
