import { describe, expect, it } from "vitest";
import { T_TIMEOUTS } from "../../../src/transport/tcp/connection.js";
import { NewReno } from "../../../src/transport/tcp/newreno.js";
import { MAX_CWND_BYTES } from "../../../src/transport/tcp/slow-start.js";
import { CongestionRow } from "./congestion-row.js";

function newReno(mss = 1000, segments = 10): [CongestionRow, NewReno] {
  const row = new CongestionRow(mss);
  const reno = new NewReno(row.window, segments);
  reno.init(row.r);
  return [row, reno];
}

describe("NewReno", () => {
  it("begins with the initial window, one segment after SYNs that were lost [R5681-2, R5681-3]", () => {
    expect(newReno()[0].cwnd).toBe(10_000);
    expect(newReno(1460)[0].cwnd).toBe(14_600);
    expect(newReno(4000)[0].cwnd).toBe(14_600);
    expect(newReno(9000)[0].cwnd).toBe(18_000);
    const [row, reno] = newReno();
    row.set(T_TIMEOUTS, 1);
    reno.init(row.r);
    expect(row.cwnd).toBe(10_000);
    row.set(T_TIMEOUTS, 2);
    reno.init(row.r);
    expect(row.cwnd).toBe(1000);
  });

  it("counts bytes in slow start: many ACKs of one segment are worth one segment [R5681-4]", () => {
    const [row, reno] = newReno();
    for (let i = 0; i < 10; i++) reno.acked(row.r, 100, 10_000, true);
    expect(row.cwnd).toBe(11_000);
    reno.acked(row.r, 11_000, 11_000, true);
    expect(row.cwnd).toBe(22_000);
  });

  it("grows by one segment for each window that was acknowledged, in whatever pieces [R5681-5]", () => {
    for (const piece of [500, 1000, 4000, 20_000]) {
      const [row, reno] = newReno();
      row.cwnd = row.ssthresh = 20_000;
      for (let acked = 0; acked < 20_000; acked += piece) reno.acked(row.r, piece, 20_000, true);
      expect(row.cwnd).toBe(21_000);
      for (let acked = 0; acked < 21_000; acked += 500) reno.acked(row.r, 500, 20_000, true);
      expect(row.cwnd).toBe(22_000);
    }
  });

  it("goes from slow start to congestion avoidance at ssthresh, within one ACK", () => {
    const [row, reno] = newReno();
    row.ssthresh = 12_000;
    reno.acked(row.r, 10_000, 10_000, true);
    expect(row.cwnd).toBe(12_000);
    reno.acked(row.r, 4000, 10_000, true);
    expect(row.cwnd).toBe(13_000);
  });

  it("does not grow when cwnd held nothing back", () => {
    const [row, reno] = newReno();
    reno.acked(row.r, 10_000, 3000, false);
    expect(row.cwnd).toBe(10_000);
  });

  it("halves what was in flight, not less than two segments [R5681-6, R5681-10]", () => {
    const [row, reno] = newReno();
    row.cwnd = 40_000;
    reno.enterRecovery(row.r, 30_000);
    expect(row.ssthresh).toBe(15_000);
    reno.enterRecovery(row.r, 3000);
    expect(row.ssthresh).toBe(2000);
    // Limited transmit may have sent more than cwnd allowed.
    row.cwnd = 10_000;
    reno.enterRecovery(row.r, 12_000);
    expect(row.ssthresh).toBe(5000);
  });

  it("falls to one segment after a timeout; a repeated one keeps ssthresh [R5681-6]", () => {
    const [row, reno] = newReno();
    row.cwnd = 40_000;
    reno.timeout(row.r, 40_000, true);
    expect([row.cwnd, row.ssthresh]).toEqual([1000, 20_000]);
    reno.timeout(row.r, 40_000, false);
    expect([row.cwnd, row.ssthresh]).toEqual([1000, 20_000]);
  });

  it("restarts from the initial window after idle time, never from more than it had [R5681-11]", () => {
    const [row, reno] = newReno();
    row.cwnd = 40_000;
    reno.idleRestart(row.r);
    expect(row.cwnd).toBe(10_000);
    row.cwnd = 4000;
    reno.idleRestart(row.r);
    expect(row.cwnd).toBe(4000);
  });

  it("has a ceiling", () => {
    const [row, reno] = newReno();
    row.cwnd = MAX_CWND_BYTES - 500;
    for (let i = 0; i < 3; i++) reno.acked(row.r, 1 << 28, 1 << 28, true);
    expect(row.cwnd).toBe(MAX_CWND_BYTES);
    for (let i = 0; i < 10; i++) reno.acked(row.r, 1 << 28, 1 << 28, true);
    expect(row.cwnd).toBe(MAX_CWND_BYTES);
  });
});
