import { describe, expect, it } from "vitest";
import { T_CWND, T_SSTHRESH, T_TIMEOUTS } from "../../../src/transport/tcp/connection.js";
import { TIMER_PACE } from "../../../src/transport/tcp/core.js";
import { FAMILIES, pattern } from "./scripted-peer.js";
import { SackSender } from "./sack-sender.js";

/** A connection whose window is 100 segments, all of it written. */
function paced(family: 4 | 6, options: { rttMs?: number; pacing?: boolean; inSlowStart?: boolean } = {}): SackSender {
  const { rttMs = 100, pacing = true, inSlowStart = true } = options;
  const sender = new SackSender({ family, rttMs, tcp: { pacing }, peer: { wscale: 4 } });
  const { i32 } = sender.host.core.window;
  i32[sender.peer.row + T_CWND] = 100_000;
  i32[sender.peer.row + T_SSTHRESH] = inSlowStart ? 1 << 29 : 100_000;
  sender.peer.send({ flags: "A", win: 60_000 });
  sender.host.session.write(pattern(0, 100_000));
  sender.host.settle();
  return sender;
}

describe.each(FAMILIES)("pacing over IPv%i", (family) => {
  it.each([
    ["slow start", true, 2],
    ["congestion avoidance", false, 1.25],
  ])("lets ten segments go at once, the others at the rate of %s", (_name, inSlowStart, factor) => {
    const sender = paced(family, { inSlowStart });
    expect(sender.sent()).toHaveLength(10);
    const gapMs = 1 / factor;
    const sent = sender.pass(40);
    expect(sent.length).toBeGreaterThanOrEqual(Math.floor(40 / gapMs) - 2);
    expect(sent.length).toBeLessThanOrEqual(Math.ceil(40 / gapMs) + 2);
    // One by one.
    for (let i = 1; i < sent.length; i++) expect(sent[i][0] - sent[i - 1][0]).toBeGreaterThan(gapMs * 0.6);
    expect(sender.pass(100).length + sent.length).toBe(90);
  });

  it("is off when it is switched off, and for round trips below a millisecond", () => {
    expect(paced(family, { pacing: false }).sent()).toHaveLength(100);
    expect(paced(family, { rttMs: 0.9 }).sent()).toHaveLength(100);
    expect(paced(family, { rttMs: 1 }).sent()).toHaveLength(10);
  });

  it("a burst after a pause is a bucketful, not more", () => {
    const sender = new SackSender({ family, tcp: { pacing: true } });
    const { i32 } = sender.host.core.window;
    sender.host.pass(250);
    i32[sender.peer.row + T_CWND] = 60_000;
    expect(sender.write(30)).toHaveLength(10);
    sender.host.pass(100);
    sender.sent();
    sender.ack(30);
    sender.host.pass(190);
    i32[sender.peer.row + T_CWND] = 60_000;
    expect(sender.write(30).length).toBeLessThanOrEqual(11);
  });

  it("holds nothing for ever: everything goes without any acknowledgement", () => {
    const sender = paced(family, { rttMs: 900 });
    sender.sent();
    sender.host.pass(1000);
    expect(sender.peer.rcv).toBe(100_001);
    expect(sender.field(T_TIMEOUTS)).toBe(0);
    const c = sender.host.core.connections.at(sender.peer.row);
    expect(sender.host.core.isTimerRunning(c, TIMER_PACE)).toBe(false);
  });

  it("retransmissions are paced, too, and go", () => {
    const sender = paced(family);
    sender.host.pass(100);
    sender.sent();
    const sent = sender.ack(0, [[50, 100]]);
    sent.push(...sender.pass(150).map(([, segment]) => segment));
    for (let i = 0; i < 50; i++) {
      sent.push(...sender.ack(i + 1, [[50, 100]]));
      sent.push(...sender.pass(5).map(([, segment]) => segment));
    }
    const missing = Array.from({ length: 50 }, (_, i) => i).filter((segment) => !sent.includes(segment));
    expect(missing).toEqual([]);
    expect(sent.length).toBe(50);
  });

  it("FIN is not held back behind nothing", () => {
    const sender = paced(family);
    sender.host.pass(100);
    sender.sent();
    sender.host.session.halfClose();
    sender.host.settle();
    expect(sender.sent()).toEqual([100]);
  });

  it("does not hold back a probe of the peer's window", () => {
    const sender = paced(family);
    sender.sent();
    sender.ack(10, [], { win: 0 });
    const sent = sender.pass(2000);
    expect(sent.length).toBeGreaterThan(0);
    expect(sent[0][1]).toBe(10);
  });

  it("does not put off a delayed ACK", () => {
    const sender = new SackSender({ family, rttMs: 2000, tcp: { pacing: true, quickAcks: 0, delayedAckMs: 40 } });
    const { i32 } = sender.host.core.window;
    i32[sender.peer.row + T_CWND] = 1000;
    // One goes, and one more of the timeout's; the bucket is in debt for a second.
    sender.host.session.write(pattern(0, 100_000));
    sender.host.settle();
    i32[sender.peer.row + T_CWND] = 20_000;
    sender.host.pass(1);
    sender.peer.send({ flags: "A", ack: 1001 });
    for (let i = 0; i < 30; i++) sender.host.pass(1);
    sender.peer.takeAll();
    i32[sender.peer.row + T_CWND] = 2000;
    const from = sender.now;
    sender.peer.send({ flags: "PA", ack: 1001, data: 10 });
    sender.host.pass(60);
    const [first] = sender.peer.takeAll();
    expect(first.ack).toBe(11);
    expect(first.ms - from).toBeLessThanOrEqual(40.1);
  });
});
