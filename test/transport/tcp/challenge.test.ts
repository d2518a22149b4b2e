import { describe, expect, it } from "vitest";
import { established, FAMILIES, ScriptedPeer, type ScriptedStack, type Send } from "./scripted-peer.js";

/** How many of `count` such segments are answered. */
function answered(peer: ScriptedPeer, count: number, send: Send): number {
  const { nxt } = peer;
  for (let i = 0; i < count; i++) peer.send(send);
  peer.nxt = nxt;
  return peer.takeAll().length;
}

/** Further connections of a stack that listens. */
function more(host: ScriptedStack, count: number): ScriptedPeer[] {
  return Array.from({ length: count }, (_, i) => {
    const peer = new ScriptedPeer(host, { port: 6000 + i });
    peer.open();
    return peer;
  });
}

describe.each(FAMILIES)("challenge ACKs (RFC 5961 7) over IPv%i", (family) => {
  it.each([
    ["SYNs", { flags: "S", seq: 5 }],
    ["resets", { flags: "R", seq: 5 }],
  ])("%s are challenged at once, then once in half a second", (_name, send) => {
    const [peer, host] = established({ family });
    expect(answered(peer, 1000, send)).toBe(1);
    host.pass(499);
    expect(answered(peer, 10, send)).toBe(0);
    host.pass(1);
    expect(answered(peer, 10, send)).toBe(1);
    expect(host.count("established", "challenge_limited")).toBe(999 + 10 + 9);
    expect(peer.state).toBe("ESTABLISHED");
  });

  it("a peer that has rebooted is told, and its reset counts, whatever else somebody sends (RFC 9293 3.5.1)", () => {
    const [peer, host] = established({ family });
    expect(answered(peer, 100, { flags: "A", seq: -5 })).toBe(3);
    expect(answered(peer, 100, { flags: "A", seq: 1, ack: 9000 })).toBe(0);
    peer.send({ flags: "S", seq: 777_777 }).expect({ flags: "A", seq: 1, ack: 1 });
    peer.send({ flags: "R", seq: 1 });
    expect(peer.state).toBe("CLOSED");
    host.receivers.length = 0;
    const again = new ScriptedPeer(host, { port: peer.port, iss: 5 });
    expect(again.open().flags).toBe("SA");
  });

  it("the whole stack has a budget for a second, which nobody can count on (CVE-2016-5696) [R5961-6]", () => {
    const [peer, host] = established({ family, tcp: { challengeAcksPerSecond: 6 } });
    const peers = [peer, ...more(host, 15)];
    const seen = Array.from({ length: 25 }, () => {
      host.pass(1000);
      return peers.reduce((sum, each) => sum + answered(each, 1, { flags: "R", seq: 5 }), 0);
    });
    expect(Math.min(...seen)).toBeGreaterThanOrEqual(3);
    expect(Math.max(...seen)).toBeLessThanOrEqual(8);
    expect(new Set(seen).size).toBeGreaterThan(3);
  });

  it("a connection that was refused by the budget is challenged as soon as there is some", () => {
    const [peer, host] = established({ family, tcp: { challengeAcksPerSecond: 1 } });
    const [other] = more(host, 1);
    host.pass(1000);
    expect(answered(peer, 1, { flags: "R", seq: 5 })).toBe(1);
    host.pass(900);
    expect(answered(other, 1, { flags: "R", seq: 5 })).toBe(0);
    host.pass(100);
    expect(answered(other, 1, { flags: "R", seq: 5 })).toBe(1);
  });
});

describe.each(FAMILIES)("answers to unacceptable segments over IPv%i", (family) => {
  it.each([
    ["old data", { flags: "A", seq: 1, data: 10 }],
    ["data outside the window", { flags: "A", seq: 500_000, data: 10 }],
    ["a FIN again", { flags: "FA", seq: 10, data: 0 }],
    ["a keepalive probe with a byte", { flags: "A", seq: 10, data: 1 }],
  ])("%s is answered each time (RFC 9293 3.10.7.4)", (_name, send) => {
    const [peer] = established({ family });
    peer.send({ flags: "A", data: 10 }).expect({ flags: "A", ack: 11 });
    expect(answered(peer, 50, send)).toBe(50);
  });

  it("a probe of a closed window is, with a byte", () => {
    const [peer] = established({ family, rxFifoBytes: 1000 });
    peer.send({ flags: "A", data: 1000 }).expect({ flags: "A", win: 0 });
    expect(answered(peer, 50, { flags: "A", seq: 1001, data: 1 })).toBe(50);
  });

  it("a probe without is, as often as 200 ms apart", () => {
    const [peer, host] = established({ family });
    for (let i = 0; i < 20; i++) {
      expect(answered(peer, 1, { flags: "A", seq: 0 })).toBe(1);
      host.pass(200);
    }
  });

  it.each([
    ["a sequence number outside the window", { flags: "A", seq: 500_000 }, false],
    ["one before it", { flags: "A", seq: -3 }, false],
    ["an old timestamp", { flags: "A", seq: 1, ts: 5 }, true],
    ["an ACK of the future", { flags: "A", seq: 1, ack: 70_000 }, false],
    ["an ACK of long ago", { flags: "A", seq: 1, ack: -70_000 }, false],
    ["data with an ACK of the future", { flags: "A", seq: 1, ack: 70_000, data: 10 }, false],
  ])("%s is answered at once, and three times in half a second", (_name, send, timestamps) => {
    const [peer, host] = established({ family }, { timestamps });
    expect(answered(peer, 1, send)).toBe(1);
    expect(answered(peer, 100, send)).toBe(2);
    expect(host.count("established", "answer_limited")).toBe(98);
    host.pass(500);
    expect(answered(peer, 100, send)).toBe(3);
  });

  it("do not go on for ever between two stacks out of step", () => {
    const [peer, host] = established({ family });
    let seen = 0;
    peer.send({ flags: "A", seq: -1 });
    // The other stack finds our answer as unacceptable as we find its.
    for (let ms = 0; ms < 10_000; ms += 10) {
      const answers = peer.takeAll().length;
      seen += answers;
      for (let i = 0; i < answers; i++) peer.send({ flags: "A", seq: -1 });
      host.pass(10);
    }
    expect(seen).toBe(3);
  });
});
