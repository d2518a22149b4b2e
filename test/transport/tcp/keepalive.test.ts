import { describe, expect, it } from "vitest";
import { DEFAULT_TCP_CONFIG } from "../../../src/transport/tcp/config.js";
import { established, FAMILIES, listening, pattern, type ScriptedPeer, type ScriptedStack } from "./scripted-peer.js";

/** A connection with keepalive after 2 s, probes 500 ms apart, three of them. */
function kept(family: 4 | 6, peer = {}): [ScriptedPeer, ScriptedStack] {
  const pair = established({ family, tcp: { keepaliveIntervalMs: 500, keepaliveProbes: 3 } }, peer);
  const [, host] = pair;
  expect(host.session.setAttribute("keepalive", 1)).toBe(0);
  expect(host.session.setAttribute("keepaliveMs", 2000)).toBe(0);
  return pair;
}

const times = (peer: ScriptedPeer): number[] => peer.takeAll().map(({ ms }) => ms);

describe.each(FAMILIES)("keepalive over IPv%i", (family) => {
  it("is off unless switched on, and goes off again [MUST-24, MUST-25, MAY-5]", () => {
    const [quiet, host] = established({ family });
    expect(host.session.attribute("keepalive")).toBe(0);
    const day = 86_400_000;
    host.pass(day);
    quiet.expectNothing();
    expect(quiet.state).toBe("ESTABLISHED");
    host.session.setAttribute("keepaliveMs", 1000);
    host.pass(day);
    quiet.expectNothing();
    host.session.setAttribute("keepalive", 1);
    host.pass(1000);
    quiet.expect({ flags: "A" });
    quiet.send({ flags: "A" });
    host.session.setAttribute("keepalive", 0);
    host.pass(day);
    quiet.expectNothing();
    expect(host.core.timers.running).toBe(0);
  });

  it("probes after the time that is set, by an old number without data [MUST-24, MUST-27, SHLD-12]", () => {
    const [peer, host] = kept(family);
    host.pass(1999);
    peer.expectNothing();
    host.pass(1);
    peer.expect({ flags: "A", seq: 0, ack: 1, len: 0, ms: 2000 });
    peer.send({ flags: "A" }).expectNothing();
    // The answer is a sign of life: idle time begins anew.
    host.pass(1999);
    peer.expectNothing();
    host.pass(1);
    peer.expect({ flags: "A", seq: 0, len: 0, ms: 4000 });
    expect(peer.state).toBe("ESTABLISHED");
  });

  it("waits for two hours of silence by default [MUST-28]", () => {
    expect(DEFAULT_TCP_CONFIG.keepaliveMs).toBeGreaterThanOrEqual(7_200_000);
    const [peer, host] = established({ family });
    host.session.setAttribute("keepalive", 1);
    expect(host.session.attribute("keepaliveMs")).toBe(7_200_000);
    host.pass(7_199_999);
    peer.expectNothing();
    host.pass(1);
    peer.expect({ flags: "A", seq: 0, len: 0 });
  });

  it.each([false, true])("does not probe while the peer is heard; timestamps %s [MUST-26]", (timestamps) => {
    const [peer, host] = kept(family, { timestamps });
    // Data that is predicted, an ACK alone, data that is not predicted.
    for (const send of [{ flags: "A", data: 10 }, { flags: "A" }, { flags: "UA", data: 5 }]) {
      host.pass(1500);
      peer.send(send);
    }
    host.pass(1999);
    expect(peer.takeAll().filter(({ seq }) => seq === 0)).toEqual([]);
    host.pass(1);
    peer.expect({ flags: "A", seq: 0, len: 0, ms: 6500 });
  });

  it("leaves what is outstanding, or held back by a closed window, to its own timers [MUST-26]", () => {
    const [peer, host] = kept(family, { win: 100 });
    host.session.write(pattern(0, 150));
    host.settle();
    peer.expect({ seq: 1, len: 100 });
    host.pass(10_000);
    expect(peer.takeAll().filter(({ len }) => len === 0)).toEqual([]);
    peer.send({ flags: "A", ack: 101, win: 0 });
    for (let i = 0; i < 10; i++) {
      host.pass(1500);
      const sent = peer.takeAll();
      expect(sent.filter(({ len }) => len === 0)).toEqual([]);
      if (sent.length > 0) peer.send({ flags: "A", ack: 101, win: 0 });
    }
    peer.send({ flags: "A", ack: 101, win: 1000 });
    expect(peer.takeAll().reduce((sum, { len }) => sum + len, 0)).toBe(50);
    peer.send({ flags: "A" });
    host.pass(4000);
    expect(peer.takeAll()[0]).toMatchObject({ flags: "A", seq: 150, len: 0 });
  });

  it("survives probes that are lost, and gives up after the last [MUST-29]", () => {
    const [peer, host] = kept(family);
    host.pass(2600);
    expect(times(peer)).toEqual([2000, 2500]);
    peer.send({ flags: "A" });
    expect(peer.state).toBe("ESTABLISHED");
    peer.send({ flags: "PA", data: 10 }).expect({ flags: "A", ack: 11 });
    expect(host.log).toEqual(["rx"]);
    host.session.drop(10);
    host.heardSince();
    host.pass(3499);
    expect(times(peer)).toEqual([4600, 5100, 5600]);
    expect(peer.state).toBe("ESTABLISHED");
    host.pass(1);
    peer.expect({ flags: "RA", seq: 1, ack: 11 });
    expect(host.log.slice(0, 1)).toEqual(["reset ETIMEDOUT"]);
  });

  it("does not take a time in which nothing ran for silence of the peer [MUST-29]", () => {
    const [peer, host] = kept(family);
    host.clock.setUs(host.clock.nowUs() + 3_600_000_000);
    host.settle();
    expect(peer.takeAll()).toHaveLength(1);
    expect(peer.state).toBe("ESTABLISHED");
  });

  it("goes on in CLOSE_WAIT and after a half-close, and ends with the connection", () => {
    const [peer, host] = kept(family);
    peer.send({ flags: "FA" }).expect({ flags: "A", ack: 2 });
    host.pass(2000);
    peer.expect({ flags: "A", seq: 0, ack: 2, len: 0 });
    peer.send({ flags: "A" });
    const [half, other] = kept(family);
    other.session.halfClose();
    other.settle();
    half.expect({ flags: "FA", seq: 1 });
    half.send({ flags: "A" });
    expect(half.state).toBe("FIN_WAIT_2");
    other.pass(2000);
    half.expect({ flags: "A", seq: 1, len: 0 });
    half.send({ flags: "A" });
    // Now the state has an end of its own.
    other.session.close();
    other.pass(29_999);
    half.expectNothing();
    expect(half.state).toBe("FIN_WAIT_2");
    other.pass(2);
    expect(half.state).toBe("CLOSED");
  });

  it("is set on a listener for its connections", () => {
    const [peer, host] = listening({ family });
    const listener = host.app.listeners[0].session;
    expect(listener.setAttribute("keepalive", 1)).toBe(0);
    listener.setAttribute("keepaliveMs", 700);
    peer.open();
    host.pass(699);
    peer.expectNothing();
    host.pass(1);
    peer.expect({ flags: "A", seq: 0, len: 0 });
  });
});
