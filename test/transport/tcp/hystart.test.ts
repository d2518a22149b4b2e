import { beforeEach, describe, expect, it } from "vitest";
import { T_CC } from "../../../src/transport/tcp/connection.js";
import { HyStart } from "../../../src/transport/tcp/hystart.js";
import { CongestionRow } from "./congestion-row.js";

const UNSET = 1 << 29;
const hystart = new HyStart(T_CC);
let row: CongestionRow;
let nxt: number;

/**
 * One round of `rtts`, milliseconds: its ACKs cover one segment each, the last one what was sent when the round before
 * ended. Returns by how much each let cwnd grow.
 */
function round(rtts: readonly number[]): number[] {
  return rtts.map((rttMs, i) => {
    const isLast = i === rtts.length - 1;
    const una = isLast ? nxt + 1 : nxt - 100_000 + 1000 * i;
    if (isLast) nxt += 100_000;
    row.move(una, nxt);
    return hystart.acked(row.window.i32, row.r, 1000, rttMs * 1000);
  });
}

const ten = (rttMs: number): number[] => new Array<number>(10).fill(rttMs);
const sum = (growths: number[]): number => growths.reduce((a, b) => a + b, 0);

beforeEach(() => {
  row = new CongestionRow();
  nxt = 1_000_000;
  row.move(nxt, nxt);
  row.cwnd = 50_000;
  row.ssthresh = UNSET;
  hystart.init(row.window.i32, row.r);
  nxt += 100_000;
});

describe("HyStart++ (RFC 9406)", () => {
  it("lets slow start double while round trips stay", () => {
    for (let i = 0; i < 20; i++) expect(sum(round(ten(100)))).toBe(10_000);
    expect(row.ssthresh).toBe(UNSET);
  });

  it("grows by a quarter when the round trip has grown by an eighth, and leaves after five rounds [CUBIC-6]", () => {
    round(ten(100));
    round(ten(100));
    // MAX(4 ms, MIN(100 / 8, 16 ms)): 12.5 ms more, seen from the eighth sample on.
    const growths = round(ten(112.5));
    expect(growths.slice(0, 7)).toEqual(new Array<number>(7).fill(1000));
    expect(growths.slice(7)).toEqual([250, 250, 250]);
    // The part of a round in which it began counts.
    for (let i = 0; i < 3; i++) {
      expect(sum(round(ten(113)))).toBe(2500);
      expect(row.ssthresh).toBe(UNSET);
    }
    round(ten(113));
    expect(row.ssthresh).toBe(row.cwnd);
  });

  it.each([
    [10, 13.9],
    [100, 112.4],
    [200, 215.9],
  ])("does not mind, after %d ms, %d ms", (before, after) => {
    round(ten(before));
    round(ten(before));
    expect(sum(round(ten(after)))).toBe(10_000);
  });

  it.each([
    [10, 14],
    [200, 216],
  ])("minds, after %i ms, %i ms", (before, after) => {
    round(ten(before));
    round(ten(before));
    expect(sum(round(ten(after)))).toBeLessThan(10_000);
  });

  it("judges by eight samples of a round, by the least of them", () => {
    round(ten(100));
    round(ten(100));
    expect(sum(round(new Array<number>(7).fill(150)))).toBe(7000);
    expect(sum(round([...new Array<number>(5).fill(500), 101, ...new Array<number>(10).fill(500)]))).toBe(16_000);
    expect(row.ssthresh).toBe(UNSET);
  });

  it("turns back when the delay was a passing one", () => {
    round(ten(100));
    round(ten(100));
    round(ten(130));
    round(ten(130));
    // Below the delay that it was left for: slow start goes on as before.
    const growths = round(ten(129));
    expect(growths.slice(0, 7)).toEqual(new Array<number>(7).fill(250));
    expect(growths.slice(7)).toEqual([1000, 1000, 1000]);
    for (let i = 0; i < 10; i++) round(ten(129));
    expect(row.ssthresh).toBe(UNSET);
    // And may be left again, for five rounds more.
    round(ten(150));
    for (let i = 0; i < 3; i++) round(ten(150));
    expect(row.ssthresh).toBe(UNSET);
    round(ten(150));
    expect(row.ssthresh).toBe(row.cwnd);
  });

  it("passes over ACKs without a sample", () => {
    round(ten(100));
    expect(sum(round(new Array<number>(10).fill(-0.001)))).toBe(10_000);
    expect(sum(round(ten(300)))).toBe(10_000);
    expect(row.ssthresh).toBe(UNSET);
  });
});
