import { describe, expect, it } from "vitest";
import { T_CWND, T_SSTHRESH, T_TIMEOUTS } from "../../../src/transport/tcp/connection.js";
import { TIMER_PACE } from "../../../src/transport/tcp/core.js";
import { FAMILIES, listening, pattern } from "./scripted-peer.js";
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

  it("is switched by its attribute, and what was held back goes at once", () => {
    const sender = paced(family);
    const { session } = sender.host;
    expect(session.attribute("pacing")).toBe(1);
    expect(sender.sent()).toHaveLength(10);
    expect(session.setAttribute("pacing", 0)).toBe(0);
    sender.host.settle();
    expect(sender.sent()).toHaveLength(90);
    const unpaced = paced(family, { pacing: false });
    expect(unpaced.host.session.attribute("pacing")).toBe(0);
    expect(unpaced.host.session.setAttribute("pacing", 1)).toBe(0);
    unpaced.sent();
    unpaced.peer.send({ flags: "A", ack: 100_001 });
    expect(unpaced.write(100)).toHaveLength(10);
  });

  it.each([
    ["below the window's pace", 100, true, 10],
    ["with pacing off", 100, false, 10],
    ["below a bucketful in a second", 1, true, 1000],
  ])("maxPacingKBps %s: so much and no more", (_name, kBps, pacing, gapMs) => {
    const sender = paced(family, { pacing: true });
    const { session } = sender.host;
    expect(session.attribute("maxPacingKBps")).toBe(0);
    expect([session.setAttribute("maxPacingKBps", kBps), session.attribute("maxPacingKBps")]).toEqual([0, kBps]);
    session.setAttribute("pacing", pacing ? 1 : 0);
    sender.host.settle();
    expect(sender.sent()).toHaveLength(10);
    const sent: number[] = [];
    const stepMs = Math.min(gapMs, 50);
    for (let ms = 0; ms < 20 * gapMs; ms += stepMs) {
      sent.push(...sender.pass(stepMs).map(([, segment]) => segment));
      // The peer acknowledges all at once, so that nothing is sent twice.
      sender.peer.send({ flags: "A", win: 60_000 });
      sent.push(...sender.sent());
    }
    expect(sent.length).toBeGreaterThanOrEqual(19);
    expect(sent.length).toBeLessThanOrEqual(21);
    expect(sent).toEqual(Array.from(sent, (_, i) => 10 + i));
    // Without the bound the rest goes at once.
    if (pacing) return;
    session.setAttribute("maxPacingKBps", 0);
    sender.host.settle();
    expect(sender.sent().length + sent.length).toBe(90);
  });

  it("maxPacingKBps above the window's pace changes nothing", () => {
    const times = (kBps: number): (readonly [number, number])[] => {
      const sender = paced(family);
      sender.host.session.setAttribute("maxPacingKBps", kBps);
      return sender.pass(100);
    };
    expect(times(10_000)).toEqual(times(0));
  });

  it("maxPacingKBps counts where the round trip is too short for pacing", () => {
    const sender = paced(family, { rttMs: 0.9 });
    sender.sent();
    sender.peer.send({ flags: "A", ack: 100_001 });
    sender.host.session.setAttribute("maxPacingKBps", 1000);
    expect(sender.write(100)).toHaveLength(10);
    const sent = sender.pass(20);
    expect(sent.length).toBeGreaterThanOrEqual(18);
    expect(sent.length).toBeLessThanOrEqual(21);
  });

  it("is inherited from the listener, its bound, too; keepalive probes leave the bound alone", () => {
    const [peer, host] = listening({ family, tcp: { keepaliveIntervalMs: 1000, keepaliveProbes: 3 } });
    const { session: listener } = host.app.listeners[0];
    for (const [name, value] of [
      ["pacing", 0],
      ["maxPacingKBps", 0xff_ffff],
      ["keepalive", 1],
      ["keepaliveMs", 1000],
    ] as const) {
      expect(listener.setAttribute(name, value)).toBe(0);
    }
    peer.open();
    const { session } = host;
    const values = (): number[] => [session.attribute("pacing"), session.attribute("maxPacingKBps")];
    expect(values()).toEqual([0, 0xff_ffff]);
    host.pass(2500);
    expect(peer.takeAll()).toHaveLength(2);
    expect(values()).toEqual([0, 0xff_ffff]);
    // The probes are counted beside it: setting it keeps the number.
    expect(session.setAttribute("maxPacingKBps", 5)).toBe(0);
    host.pass(2000);
    expect(peer.takeAll().map(({ flags }) => flags)).toEqual(["A", "RA"]);
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
