import { describe, expect, it } from "vitest";
import {
  RF_REORDERED,
  RF_REO_TIMER,
  T_CWND,
  T_FAST_RETRAN,
  T_LOST,
  T_RACK_REO,
  T_RECOVERY,
  T_SPURIOUS,
  T_SRTT_US,
  T_SSTHRESH,
  T_TIMEOUTS,
} from "../../../src/transport/tcp/connection.js";
import { FAMILIES } from "./scripted-peer.js";
import { SackSender } from "./sack-sender.js";

/** Ten segments in flight, twenty more queued, 100 ms ago. */
function ten(family: 4 | 6, options = {}): SackSender {
  const sender = new SackSender({ family, ...options });
  expect(sender.write(30)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  sender.host.pass(100);
  return sender;
}

/** Reordering was seen: segment 0 came 10 ms behind segment 1. Sent since: from 10 on. */
function reordered(family: 4 | 6): SackSender {
  const sender = ten(family);
  expect(sender.ack(0, [[1, 2]])).toEqual([10]);
  sender.host.pass(10);
  sender.ack(2);
  expect(sender.field(T_RECOVERY) & RF_REORDERED).not.toBe(0);
  return sender;
}

describe.each(FAMILIES)("loss detection by time (RFC 8985) over IPv%i", (family) => {
  it("three segments sent later arrived: lost at once, however small the delay [RACK-1, RACK-2, RACK-3]", () => {
    const sender = ten(family);
    // Limited transmit: one new segment for each that has left.
    expect(sender.ack(0, [[1, 2]])).toEqual([10]);
    expect(sender.ack(0, [[1, 3]])).toEqual([11]);
    expect(sender.ack(0, [[1, 4]])).toEqual([0]);
    expect(sender.field(T_FAST_RETRAN)).toBe(1);
    expect(sender.field(T_SSTHRESH)).toBe(5000);
    expect(sender.problem).toBeUndefined();
  });

  it("one arrived: lost a quarter of the least round trip later, by a timer [RACK-2, RACK-3]", () => {
    const sender = ten(family);
    expect(sender.ack(0, [[1, 2]])).toEqual([10]);
    expect(sender.field(T_RECOVERY) & RF_REO_TIMER).not.toBe(0);
    expect(sender.pass(24.9)).toEqual([]);
    expect(sender.pass(5)).toEqual([[0.1, 0]]);
    expect(sender.field(T_FAST_RETRAN)).toBe(1);
    expect(sender.field(T_TIMEOUTS)).toBe(0);
  });

  it("is late by less than a quarter of the round trip: nothing is sent again [RACK-3]", () => {
    const sender = ten(family);
    sender.ack(0, [[1, 2]]);
    expect(sender.pass(20)).toEqual([]);
    sender.ack(2);
    sender.ack(10);
    expect(sender.field(T_FAST_RETRAN)).toBe(0);
    expect(sender.field(T_RECOVERY) & RF_REO_TIMER).toBe(0);
  });

  it("once reordering was seen, three that arrived prove nothing before the window is over [RACK-3]", () => {
    const sender = reordered(family);
    sender.ack(2, [[3, 4]]);
    sender.ack(2, [[3, 5]]);
    sender.ack(2, [[3, 9]]);
    expect(sender.field(T_FAST_RETRAN)).toBe(0);
    // RACK.rtt is that of the segment before the timer was armed, 110 ms: 25 ms from now.
    expect(sender.pass(24)).toEqual([]);
    expect(sender.pass(2).map(([, segment]) => segment)).toContain(2);
  });

  it("measures how late a segment was that was taken for lost and not sent again yet: the window is no smaller", () => {
    const sender = ten(family);
    sender.ack(0, [[2, 3]]);
    // Segments 0 and 1 are lost; proportional reduction lets one go.
    expect(sender.pass(30)).toEqual([[25, 0]]);
    expect(sender.field(T_LOST)).toBe(1000);
    sender.host.pass(30);
    sender.ack(3);
    // 60 ms late: three quarters of the round trip, and not for this once only.
    expect(sender.field(T_RECOVERY) & RF_REORDERED).not.toBe(0);
    expect(sender.field(T_RACK_REO)).toBe(3 | (16 << 8));
  });

  it("is never longer than a smoothed round trip [RACK-3]", () => {
    const sender = reordered(family);
    sender.host.core.window.i32[sender.peer.row + T_RACK_REO] = 200 | (16 << 8);
    sender.ack(2, [[3, 4]]);
    const [at] = sender.pass(150)[0];
    expect(Math.abs(at - sender.field(T_SRTT_US) / 1000)).toBeLessThan(1);
  });

  it("D-SACKs widen it, once in a round trip, and the width lasts for 16 recoveries [RACK-3]", () => {
    const sender = ten(family);
    expect(sender.field(T_RACK_REO)).toBe(1);
    // Two D-SACKs of one round count once.
    sender.ack(5, [[0, 1]]);
    expect(sender.field(T_RACK_REO)).toBe(2 | (16 << 8));
    sender.ack(6, [[1, 2]]);
    expect(sender.field(T_RACK_REO)).toBe(2 | (16 << 8));
    sender.ack(9, [[2, 3]]);
    expect(sender.field(T_RACK_REO)).toBe(2 | (16 << 8));
    // What was sent last then is acknowledged.
    sender.ack(10, [[2, 3]]);
    expect(sender.field(T_RACK_REO)).toBe(3 | (16 << 8));
    // Of all of it, whatever is sent later.
    sender.ack(25);
    sender.ack(30);
    sender.ack(30, [[4, 5]]);
    expect(sender.field(T_RACK_REO)).toBe(4 | (16 << 8));
  });

  it("a width falls back after 16 recoveries [RACK-3]", () => {
    const sender = new SackSender({ family });
    sender.write(10);
    sender.ack(10, [[0, 1]]);
    expect(sender.field(T_RACK_REO)).toBe(2 | (16 << 8));
    let base = 10;
    for (let i = 16; i > 0; i--) {
      expect(sender.field(T_RACK_REO) >> 8).toBe(i);
      sender.host.core.window.i32[sender.peer.row + T_CWND] = 10_000;
      expect(sender.write(5)).toHaveLength(5);
      sender.host.pass(100);
      sender.ack(base, [[base + 1, base + 5]]);
      sender.host.pass(100);
      sender.sent();
      sender.ack(base + 5);
      base += 5;
    }
    expect(sender.field(T_RACK_REO)).toBe(1);
  });

  it("the retransmission is lost, too: sent again without a timeout, and a second reduction [RACK-7]", () => {
    const sender = ten(family);
    sender.ack(0, [[1, 2]]);
    sender.ack(0, [[1, 3]]);
    expect(sender.ack(0, [[1, 4]])).toEqual([0]);
    const ssthresh = sender.field(T_SSTHRESH);
    // What was sent behind it arrives, a round trip later.
    for (let i = 5; i <= 10; i++) sender.ack(0, [[1, i]]);
    const behind = sender.pass(101);
    expect(behind).toEqual([]);
    const sent = sender.ack(0, [[1, 13]]);
    expect(sent).toContain(0);
    expect(sender.field(T_SSTHRESH)).toBeLessThan(ssthresh);
    expect(sender.field(T_FAST_RETRAN)).toBe(1);
    expect(sender.field(T_TIMEOUTS)).toBe(0);
    // And once only for this loss.
    const again = sender.field(T_SSTHRESH);
    sender.ack(0, [[1, 14]]);
    expect(sender.field(T_SSTHRESH)).toBe(again);
  });

  it("an acknowledgement too early for the retransmission is that of the original: it tells nothing of later ones", () => {
    const sender = ten(family);
    sender.ack(0, [[1, 2]]);
    sender.ack(0, [[1, 3]]);
    expect(sender.ack(0, [[1, 4]])).toEqual([0]);
    sender.host.pass(5);
    // Segment 0 is acknowledged 5 ms after it was sent again. 4 to 9, sent before, are not late by that.
    sender.ack(4);
    expect(sender.field(T_LOST)).toBe(0);
    expect(sender.field(T_SPURIOUS)).toBe(0);
  });

  it("after half an hour of silence what is sent is not taken to be older than what came before", () => {
    const sender = ten(family);
    sender.ack(10);
    sender.host.pass(100);
    sender.ack(30);
    for (const minutes of [36, 50, 71, 72, 100]) {
      sender.host.pass(minutes * 60_000);
      expect(sender.write(5)).toHaveLength(5);
      sender.host.pass(100);
      const before = sender.field(T_FAST_RETRAN);
      sender.ack((sender.peer.rcv - 1) / 1000 - 2);
      expect(sender.pass(40)).toEqual([]);
      sender.ack((sender.peer.rcv - 1) / 1000);
      expect(sender.field(T_FAST_RETRAN)).toBe(before);
    }
  });

  it("is not used with a peer that has no SACK, or when switched off", () => {
    const sender = ten(family, { peer: { sack: false } });
    for (let i = 0; i < 3; i++) sender.ack(0);
    expect(sender.field(T_FAST_RETRAN)).toBe(1);
    const counting = ten(family, { tcp: { rack: false } });
    counting.ack(0, [[1, 3]]);
    expect(counting.pass(60)).toEqual([]);
    expect(counting.field(T_FAST_RETRAN)).toBe(0);
    expect(counting.field(T_CWND)).toBe(10_000);
  });
});
