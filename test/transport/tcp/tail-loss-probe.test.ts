import { describe, expect, it } from "vitest";
import {
  RF_TLP_NOW,
  RF_TLP_OUT,
  T_CWND,
  T_FAST_RETRAN,
  T_RECOVERY,
  T_SPURIOUS,
  T_SSTHRESH,
  T_TIMEOUTS,
} from "../../../src/transport/tcp/connection.js";
import { FAMILIES, pattern } from "./scripted-peer.js";
import { SackSender } from "./sack-sender.js";

/** A round trip of 100 ms: PTO 200 ms, RTO 300 ms. */
function sender(family: 4 | 6, options = {}): SackSender {
  return new SackSender({ family, ...options });
}

/** Five segments were sent, the last one again by the probe after 200 ms; 10 ms ago. */
function probed(family: 4 | 6, options = {}): SackSender {
  const it = sender(family, options);
  it.write(5);
  expect(it.pass(210)).toEqual([[200, 4]]);
  expect(it.field(T_RECOVERY) & RF_TLP_OUT).not.toBe(0);
  return it;
}

describe.each(FAMILIES)("tail loss probe (RFC 8985 7) over IPv%i", (family) => {
  it("comes two round trips after the last segment: the last one again [RACK-4]", () => {
    const it = sender(family);
    it.write(5);
    expect(it.pass(250)).toEqual([[200, 4]]);
    expect(it.field(T_TIMEOUTS)).toBe(0);
    expect(it.field(T_CWND)).toBe(10_000);
  });

  it("waits for the acknowledgement of a lone segment as long as that may be delayed, not longer than the RTO [RACK-4]", () => {
    const it = sender(family, { tcp: { rtoMinMs: 1000 } });
    it.write(1);
    expect(it.pass(500)).toEqual([[400, 0]]);
    const other = sender(family);
    other.write(1);
    expect(other.pass(310)).toEqual([[300, 0]]);
  });

  it("is new data when there is some, whatever cwnd says [RACK-4]", () => {
    const it = sender(family);
    expect(it.write(12)).toHaveLength(10);
    expect(it.pass(250)).toEqual([[200, 10]]);
  });

  it("is the last segment again when the peer's window is full", () => {
    const it = sender(family, { peer: { win: 5000 } });
    expect(it.write(12)).toHaveLength(5);
    expect(it.pass(250)).toEqual([[200, 4]]);
  });

  it("is one segment of the end of what was sent at once", () => {
    const it = sender(family);
    it.write(2.5);
    it.host.pass(250);
    expect(it.peer.takeAll()).toMatchObject([{ flags: "PA", seq: 1501, len: 1000, data: pattern(1500, 1000) }]);
  });

  it("is FIN when that is left", () => {
    const it = sender(family);
    it.write(2);
    it.host.session.halfClose();
    it.host.settle();
    it.sent();
    it.host.pass(100);
    it.ack(2);
    it.host.pass(260);
    expect(it.peer.takeAll()).toMatchObject([{ flags: "FA", seq: 2001 }]);
  });

  it("is sent once: then the retransmission timer starts, and doubles [RACK-5]", () => {
    const it = sender(family);
    it.write(5);
    expect(it.pass(2000)).toEqual([
      [200, 4],
      [500, 0],
      [1100, 0],
    ]);
    expect(it.field(T_TIMEOUTS)).toBe(2);
  });

  it("starts again with each acknowledgement and each segment", () => {
    const it = sender(family);
    it.write(5);
    it.host.pass(150);
    it.write(1);
    expect(it.pass(90)).toEqual([]);
    it.ack(1);
    expect(it.pass(190)).toEqual([]);
  });

  it("is not put off for ever by new data while the peer is silent [RACK-4, R6298-7]", () => {
    const it = sender(family);
    const sent: number[] = [];
    for (let i = 0; i < 40; i++) {
      it.host.session.write(pattern(10 * i, 10));
      it.host.pass(20);
      sent.push(...it.peer.takeAll().map(({ ms }) => ms));
    }
    // A probe no later than the RTO of 300 ms after the first segment, and a timeout as long after it.
    expect(it.field(T_TIMEOUTS)).toBe(1);
  });

  it("does not come in recovery, nor while something was selectively acknowledged, nor into a closed window", () => {
    const it = sender(family);
    it.write(5);
    it.host.pass(100);
    it.ack(0, [[4, 5]]);
    it.host.pass(30);
    it.sent();
    // Sent again by the reordering timer at 125 ms; what comes next is the RTO.
    const next = it.pass(1000)[0];
    expect(next[1]).toBe(0);
    expect(it.field(T_TIMEOUTS)).toBeGreaterThan(0);
    const closed = sender(family);
    closed.write(5);
    closed.host.pass(100);
    closed.ack(3, [], { win: 0 });
    expect(closed.pass(350)).toEqual([[250, 3]]);
  });

  it("brings the selective acknowledgement by which the tail's loss is found", () => {
    const it = probed(family);
    // Of 2, 3 and 4 the last was lost with them; the probe arrives.
    it.host.pass(90);
    expect(it.ack(2, [[4, 5]])).toEqual([2, 3]);
    expect(it.field(T_FAST_RETRAN)).toBe(1);
    expect(it.field(T_TIMEOUTS)).toBe(0);
  });

  it("repaired a loss that nobody else saw: cwnd is reduced [RACK-6]", () => {
    const it = probed(family);
    it.host.pass(90);
    it.ack(5);
    expect(it.field(T_CWND)).toBe(10_000);
    it.write(1);
    it.host.pass(100);
    it.ack(6);
    expect(it.field(T_RECOVERY) & RF_TLP_OUT).toBe(0);
    expect(it.field(T_SSTHRESH)).toBeLessThan(10_000);
    expect(it.field(T_CWND)).toBe(it.field(T_SSTHRESH));
    expect(it.field(T_FAST_RETRAN)).toBe(0);
  });

  it("was new data: nothing was repaired by it", () => {
    const it = sender(family);
    it.write(12);
    expect(it.pass(210)).toEqual([[200, 10]]);
    it.ack(12 - 1);
    it.write(2);
    it.host.pass(100);
    it.ack(12);
    expect(it.field(T_CWND)).toBeGreaterThanOrEqual(10_000);
  });

  it.each([
    ["with the acknowledgement of everything", 5, 0],
    ["behind it, while nothing is outstanding", 5, 1],
    ["behind it, while something is", 6, 1],
  ] as const)("was for nothing, as a D-SACK says %s: cwnd stays", (_name, written, before) => {
    const it = probed(family);
    if (before > 0) it.ack(5);
    if (written > 5) it.write(1);
    it.ack(5, [[4, 5]]);
    expect(it.field(T_RECOVERY) & RF_TLP_OUT).toBe(0);
    it.write(2);
    it.host.pass(100);
    it.ack(7);
    expect(it.field(T_CWND)).toBe(10_000);
    expect(it.field(T_SPURIOUS)).toBe(0);
  });

  it.each([5, 6])(
    "was for nothing, as a duplicate ACK without SACK says, %i segments written: cwnd stays",
    (written) => {
      const it = probed(family);
      it.ack(5);
      if (written > 5) it.write(1);
      it.ack(5);
      expect(it.field(T_RECOVERY) & RF_TLP_OUT).toBe(0);
      it.write(2);
      it.host.pass(100);
      it.ack(7);
      expect(it.field(T_CWND)).toBe(10_000);
    },
  );

  it("that was due when everything was acknowledged does not hold up what is written then", () => {
    const it = sender(family);
    it.write(1);
    it.ack(1);
    it.host.core.window.i32[it.peer.row + T_RECOVERY] |= RF_TLP_NOW;
    expect(it.write(2)).toEqual([1, 2]);
    expect(it.field(T_RECOVERY) & RF_TLP_NOW).toBe(0);
  });

  it("is not sent without RACK, or without a packet buffer; then the timer goes on", () => {
    const without = sender(family, { tcp: { rack: false } });
    without.write(5);
    expect(without.pass(310)).toEqual([[300, 0]]);
    const it = sender(family);
    it.write(5);
    const giveBack = it.host.exhaustPackets();
    it.host.pass(250);
    giveBack();
    expect(it.sent()).toEqual([]);
    expect(it.pass(400)[0]).toEqual([250, 0]);
  });
});
