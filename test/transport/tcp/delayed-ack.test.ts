import { describe, expect, it } from "vitest";
import { P_QUICK_ONE, T_PENDING, T_RCV_MSS } from "../../../src/transport/tcp/connection.js";
import { established, FAMILIES, type PeerOptions, type ScriptedPeer, type ScriptOptions } from "./scripted-peer.js";

/** A connection without quick ACKs at its start. */
function slow(options: ScriptOptions = {}, peer: PeerOptions = {}): ReturnType<typeof established> {
  return established({ ...options, tcp: { quickAcks: 0, ...options.tcp } }, peer);
}

/** Sends so much data in order; the numbers of the ACKs that come at once. */
function acks(peer: ScriptedPeer, data: number): number[] {
  peer.send({ flags: "A", data });
  return peer.takeAll().map(({ ack }) => ack);
}

/** Quick ACKs that are left. */
function quickLeft(peer: ScriptedPeer): number {
  return Math.floor(peer.field(T_PENDING) / P_QUICK_ONE);
}

describe.each(FAMILIES)("delayed ACKs over IPv%i", (family) => {
  const full = family === 4 ? 1460 : 1440;

  it("every second full segment is acknowledged at once (RFC 5681 4.2) [SHLD-18, SHLD-19, MUST-58, R5681-12]", () => {
    const [peer] = slow({ family });
    acks(peer, full);
    peer.takeAll();
    const each = Array.from({ length: 6 }, () => acks(peer, full));
    expect(each.flat().length).toBe(3);
    expect(each.map(({ length }) => length).filter((_, i) => i % 2 === 0)).toEqual([
      each[0].length,
      each[0].length,
      each[0].length,
    ]);
    expect(peer.field(T_RCV_MSS)).toBe(full);
  });

  it("so is every second one of a peer whose segments are shorter than our MSS", () => {
    const [peer] = slow({ family });
    acks(peer, 1000);
    acks(peer, 1000);
    expect(peer.field(T_RCV_MSS)).toBe(1000);
    peer.takeAll();
    expect([1, 2, 3, 4].map(() => acks(peer, 1000).length)).toEqual([0, 1, 0, 1]);
  });

  it("with timestamps the second full segment is shorter by their bytes", () => {
    const [peer] = slow({ family }, { timestamps: true });
    const text = full - 12;
    acks(peer, text);
    acks(peer, text);
    peer.takeAll();
    expect([1, 2, 3, 4].map(() => acks(peer, text).length).reduce((sum, n) => sum + n)).toBe(2);
    expect(peer.field(T_RCV_MSS)).toBe(text);
  });

  it.each([1, 40, 100, 499])(
    "a single segment is after %i ms, not before, and once [MUST-40, SHLD-18, R5681-12, R5681-13]",
    (delayedAckMs) => {
      const [peer, host] = slow({ family, tcp: { delayedAckMs } });
      expect(acks(peer, 100)).toEqual([]);
      host.pass(delayedAckMs - 0.2);
      peer.expectNothing();
      host.pass(0.4);
      peer.expect({ flags: "A", ack: 101, len: 0 });
      host.pass(2000);
      peer.expectNothing();
    },
  );

  it("short segments wait together, up to two full ones of bytes", () => {
    const [peer, host] = slow({ family });
    for (let i = 0; i < 10; i++) expect(acks(peer, 100)).toEqual([]);
    // 536 is the least that a peer's full segment is taken for.
    expect(acks(peer, 71)).toEqual([]);
    expect(acks(peer, 1)).toEqual([1073]);
    host.pass(1000);
    peer.expectNothing();
  });

  it("an ACK that finds no place to wait goes at once, and another when there are places again", () => {
    const [peer, host] = slow({ family });
    const { core } = host;
    while (core.delayedAcks.push(0, core.engine.tick)) continue;
    expect(acks(peer, 100)).toEqual([101]);
    host.pass(0.2);
    expect(core.delayedAcks.length).toBe(0);
    expect(acks(peer, 100)).toEqual([]);
    host.pass(40.2);
    peer.expect({ flags: "A", ack: 201, len: 0 });
  });

  it("a place that outlives its connection does nothing", () => {
    const [peer, host] = slow({ family });
    expect(acks(peer, 100)).toEqual([]);
    expect(host.core.delayedAcks.length).toBe(1);
    peer.send({ flags: "R", seq: 101 });
    host.pass(41);
    peer.expectNothing();
    expect(host.core.delayedAcks.length).toBe(0);
  });

  it("0 ms: none is delayed", () => {
    const [peer] = slow({ family, tcp: { delayedAckMs: 0 } });
    expect([1, 2, 3].map(() => acks(peer, 10))).toEqual([[11], [21], [31]]);
  });

  it("data takes the ACK along, and the timer that still runs sends nothing [SHLD-18, R5681-13]", () => {
    const [peer, host] = slow({ family });
    expect(acks(peer, 100)).toEqual([]);
    host.pass(10);
    host.session.write(new Uint8Array(50));
    host.settle();
    expect(peer.takeAll()).toMatchObject([{ flags: "PA", len: 50, ack: 101 }]);
    peer.send({ flags: "A" });
    host.pass(1000);
    peer.expectNothing();
  });

  it("data that the application writes when it is told of the text takes the ACK along", () => {
    const [peer, host] = slow({
      family,
      app: { rx: (session) => void (session.drop(session.readableBytes), session.write(new Uint8Array(20))) },
    });
    peer.send({ flags: "PA", data: 100 });
    expect(peer.takeAll()).toMatchObject([{ flags: "PA", len: 20, ack: 101 }]);
    peer.send({ flags: "A" });
    host.pass(1000);
    peer.expectNothing();
  });

  it("an ACK that waits again shortly after is late by no more than the delay", () => {
    const [peer, host] = slow({ family, tcp: { delayedAckMs: 100 } });
    acks(peer, 100);
    host.pass(60);
    host.session.write(new Uint8Array(50));
    host.settle();
    peer.expect({ flags: "PA", ack: 101 });
    peer.send({ flags: "A" });
    expect(acks(peer, 100)).toEqual([]);
    host.pass(100);
    expect(peer.takeAll().map(({ ack }) => ack)).toEqual([201]);
  });

  it("data that cannot go does not take the ACK away", () => {
    const [peer, host] = slow({ family }, { win: 100 });
    host.session.write(new Uint8Array(100));
    host.settle();
    peer.expect({ flags: "PA", len: 100 });
    peer.send({ flags: "A", win: 0 });
    expect(acks(peer, 0)).toEqual([]);
    peer.send({ flags: "A", data: 10, win: 0 }).expectNothing();
    host.session.write(new Uint8Array(100));
    host.settle();
    peer.expectNothing();
    host.pass(41);
    expect(peer.takeAll()).toMatchObject([{ flags: "A", len: 0, ack: 11 }]);
  });

  it("a superframe is as good as two segments", () => {
    const [peer] = slow({ family, mtu: 9000 });
    acks(peer, 1400);
    peer.takeAll();
    expect(acks(peer, 2800)).toEqual([4201]);
    expect(peer.field(T_RCV_MSS)).toBe(1400);
  });

  it.each([
    ["FIN", (peer: ScriptedPeer) => peer.send({ flags: "FA", data: 10 }), 12],
    ["a segment out of order", (peer: ScriptedPeer) => peer.send({ flags: "A", seq: 11, data: 10 }), 1],
    ["an old segment", (peer: ScriptedPeer) => peer.send({ flags: "A", seq: 0, data: 1 }), 1],
    ["one outside the window", (peer: ScriptedPeer) => peer.send({ flags: "A", seq: 900_000, data: 1 }), 1],
  ])("%s is answered at once", (_name, send, ack) => {
    const [peer] = slow({ family });
    send(peer);
    expect(peer.takeAll().map((got) => got.ack)).toEqual([ack]);
  });

  it("what fills a gap is, in part or whole, for as long as there is one (RFC 5681 4.2) [R5681-7]", () => {
    const [peer] = slow({ family });
    peer.send({ flags: "A", seq: 501, data: 10 }).expect({ flags: "A", ack: 1 });
    for (let i = 0; i < 40; i++) {
      expect(acks(peer, 0)).toEqual([]);
      peer.send({ flags: "A", seq: 1 + 10 * i, data: 10 });
      expect(peer.takeAll().map(({ ack }) => ack)).toEqual([11 + 10 * i]);
    }
    peer.send({ flags: "A", seq: 401, data: 100 });
    expect(peer.takeAll().map(({ ack }) => ack)).toEqual([511]);
  });

  it("a window that opens is announced at once", () => {
    const [peer, host] = slow({ family, rxFifoBytes: 2000 });
    acks(peer, 1000);
    peer.takeAll();
    host.session.drop(1000);
    host.settle();
    expect(peer.takeAll()).toMatchObject([{ flags: "A", ack: 1001, win: 2000 }]);
  });

  it("what the fifo has no room for is answered at once", () => {
    const [peer] = slow({ family, rxFifoBytes: 1000 });
    expect(acks(peer, 1000)).toEqual([]);
    expect(acks(peer, 1)).toEqual([1001]);
  });
});

describe.each(FAMILIES)("quick ACKs over IPv%i", (family) => {
  it("the first ones of a connection, as configured", () => {
    const [peer] = established({ family, tcp: { quickAcks: 3 } });
    expect([1, 2, 3, 4, 5].map(() => acks(peer, 10).length)).toEqual([1, 1, 1, 0, 0]);
  });

  it("none is used up by what is sent anyway", () => {
    const [peer, host] = established({ family, tcp: { quickAcks: 3 } });
    host.session.write(new Uint8Array(10));
    host.settle();
    peer.expect({ flags: "PA" });
    peer.send({ flags: "A" });
    expect(quickLeft(peer)).toBe(3);
  });

  it("again after reordering", () => {
    const [peer] = established({ family, tcp: { quickAcks: 2 } });
    for (let i = 0; i < 4; i++) acks(peer, 10);
    expect(quickLeft(peer)).toBe(0);
    peer.send({ flags: "A", seq: 51, data: 10 }).expect({ flags: "A", ack: 41 });
    peer.send({ flags: "A", seq: 41, data: 10 }).expect({ flags: "A", ack: 61 });
    expect([1, 2, 3].map(() => acks(peer, 10).length)).toEqual([1, 0, 0]);
  });

  it.each([false, true])("again after a silence longer than a timeout (timestamps %s)", (timestamps) => {
    const [peer, host] = established({ family, tcp: { quickAcks: 2, rtoMinMs: 300 } }, { timestamps });
    for (let i = 0; i < 4; i++) acks(peer, 10);
    host.pass(290);
    peer.expect({ flags: "A", ack: 41 });
    expect(acks(peer, 10)).toEqual([]);
    host.pass(310);
    peer.expect({ flags: "A", ack: 51 });
    expect([1, 2, 3].map(() => acks(peer, 10).length)).toEqual([1, 1, 0]);
  });
});
