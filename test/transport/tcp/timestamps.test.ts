import { describe, expect, it } from "vitest";
import { T_TS_RECENT } from "../../../src/transport/tcp/connection.js";
import { connecting, established, FAMILIES, listening, ScriptedPeer } from "./scripted-peer.js";

const DAY_MS = 24 * 3600 * 1000;

describe.each(FAMILIES)("timestamps over IPv%i", (family) => {
  it("are in every segment when both offer them, by a clock of milliseconds [R7323-5, R7323-12]", () => {
    const [peer, host] = listening({ family }, { timestamps: true });
    peer.send({ flags: "S", mss: 1460, ts: [777, 0] });
    const synAck = peer.expect({ flags: "SA" });
    expect(synAck.ts?.[1]).toBe(777);
    peer.hasTimestamps = true;
    host.pass(250);
    peer.send({ flags: "A", ts: 778 });
    peer.send({ flags: "PA", data: 10, ts: 779 });
    const ack = peer.expect({ flags: "A", ack: 11 });
    expect(ack.ts).toEqual([(synAck.ts?.[0] ?? 0) + 250, 779]);
    // Aligned as in RFC 7323 appendix A.
    expect(ack.options.slice(0, 4)).toEqual([1, 1, 8, 10]);
    host.session.halfClose();
    host.settle();
    expect(peer.expect({ flags: "FA" }).ts?.[1]).toBe(779);
    host.session.reset();
    host.settle();
    expect(peer.expect({ flags: "RA" }).ts?.[1]).toBe(779);
  });

  it.each([
    ["the peer does not offer them", {}, {}],
    ["we do not", { timestamps: false }, { timestamps: true }],
  ] as const)("are in none when %s [R7323-5]", (_name, tcp, options) => {
    const [peer, host] = listening({ family, tcp }, options);
    expect(peer.open().ts).toBeUndefined();
    peer.send({ flags: "PA", data: 10 });
    expect(peer.expect({ flags: "A", ack: 11 }).options).toEqual([]);
    // One that comes all the same is ignored.
    peer.send({ flags: "PA", data: 10, ts: [5, 5] }).expect({ flags: "A", ack: 21 });
    expect(host.session.readableBytes).toBe(20);
  });

  it("are offered by the side that opens, with an echo of 0, and used when the answer has them", () => {
    for (const timestamps of [true, false]) {
      const [peer] = connecting({ family }, { timestamps });
      const syn = peer.accept();
      expect(syn.ts?.[1]).toBe(0);
      peer.send({ flags: "PA", data: 1 });
      expect(peer.expect({ flags: "A" }).ts === undefined).toBe(!timestamps);
    }
    const [off] = connecting({ family, tcp: { timestamps: false } });
    expect(off.accept().ts).toBeUndefined();
  });

  it("echo the segment that moved the left edge, not a later one out of order (RFC 7323 4.3) [R7323-7]", () => {
    const [peer] = established({ family }, { timestamps: true });
    const { tsNow } = peer;
    peer.send({ flags: "PA", data: 10, ts: tsNow + 1 });
    expect(peer.expect({ flags: "A", ack: 11 }).ts?.[1]).toBe(tsNow + 1);
    // A hole: the duplicate ACK still echoes the last in order.
    peer.send({ flags: "PA", seq: 21, data: 10, ts: tsNow + 2 });
    expect(peer.expect({ flags: "A", ack: 11 }).ts?.[1]).toBe(tsNow + 1);
    peer.send({ flags: "PA", seq: 11, data: 10, ts: tsNow + 3 });
    expect(peer.expect({ flags: "A", ack: 31 }).ts?.[1]).toBe(tsNow + 3);
  });

  it("echo the first of several segments that one ACK covers [R7323-7]", () => {
    const [peer, host] = established({ family }, { timestamps: true });
    const { tsNow } = peer;
    host.together(() => {
      peer.send({ flags: "A", data: 10, ts: tsNow + 1 });
      peer.send({ flags: "A", data: 10, ts: tsNow + 2 });
      peer.send({ flags: "A", data: 10, ts: tsNow + 3 });
    });
    expect(peer.expect({ flags: "A", ack: 31 }).ts?.[1]).toBe(tsNow + 1);
  });

  it("protect against wrapped sequence numbers: an old one is refused and acknowledged [R7323-8]", () => {
    const [peer, host] = established({ family }, { timestamps: true });
    const { tsNow } = peer;
    peer.send({ flags: "PA", data: 10, ts: tsNow }).expect({ flags: "A", ack: 11 });
    peer.send({ flags: "PA", seq: 11, data: 10, ts: tsNow - 1 }).expect({ flags: "A", ack: 11 });
    peer.send({ flags: "FA", seq: 11, ts: tsNow - 0x7fff_ffff }).expect({ flags: "A", ack: 11 });
    expect(host.count("established", "paws")).toBe(2);
    expect(host.session.readableBytes).toBe(10);
    // The same and later ones are good, across the wrap too.
    peer.send({ flags: "PA", seq: 11, data: 10, ts: tsNow }).expect({ flags: "A", ack: 21 });
    peer.send({ flags: "PA", seq: 21, data: 10, ts: (tsNow + 0x7fff_ffff) | 0 }).expect({ flags: "A", ack: 31 });
    expect(peer.field(T_TS_RECENT)).toBe((tsNow + 0x7fff_ffff) | 0);
  });

  it("must be there once negotiated: a segment without is dropped silently (RFC 7323 3.2) [R7323-6]", () => {
    const [peer, host] = established({ family }, { timestamps: true });
    peer.send({ flags: "PA", data: 10, ts: false }).expectNothing();
    peer.send({ flags: "FA", seq: 1, ts: false }).expectNothing();
    expect(host.errors("established")).toEqual({ no_timestamp: 2 });
    expect(peer.state).toBe("ESTABLISHED");
    peer.send({ flags: "PA", seq: 1, data: 10 }).expect({ flags: "A", ack: 11 });
  });

  it.each([
    ["24 days and a bit", 24 * DAY_MS + 10_000],
    ["25 days, beyond 2^31 ms", 25 * DAY_MS],
  ])("are not held against a peer that was silent for %s (RFC 7323 5.5) [R7323-10]", (_name, ms) => {
    const [peer, host] = established({ family }, { timestamps: true });
    const { tsNow } = peer;
    peer.send({ flags: "PA", data: 10, ts: tsNow }).expect({ flags: "A", ack: 11 });
    host.pass(ms);
    peer.send({ flags: "PA", data: 10, ts: tsNow - 1000 }).expect({ flags: "A", ack: 21 });
    expect(host.count("established", "paws")).toBe(0);
    // Its clock counts from now on.
    expect(peer.field(T_TS_RECENT)).toBe(tsNow - 1000);
    peer.send({ flags: "PA", seq: 21, data: 10, ts: tsNow - 1001 });
    expect(peer.expect({ flags: "A", ack: 21 }).ts?.[1]).toBe(tsNow - 1000);
  });

  it("are not asked of a reset, which does not set TS.Recent either (RFC 7323 5.2) [R7323-9]", () => {
    const [peer] = established({ family }, { timestamps: true });
    const recent = peer.field(T_TS_RECENT);
    // In the window, and challenged.
    peer.send({ flags: "R", seq: 5, ts: recent + 100 }).expect({ flags: "A" });
    expect(peer.field(T_TS_RECENT)).toBe(recent);
    peer.send({ flags: "R", seq: 1, ts: recent - 1000 });
    expect(peer.state).toBe("CLOSED");
  });

  it("tell the duplicate that came late, after the gap was filled by a retransmission", () => {
    const [peer] = established({ family, tcp: { delayedAckMs: 0 } }, { timestamps: true, sack: true });
    const { tsNow } = peer;
    peer.send({ flags: "A", data: 100, ts: tsNow + 5 }).expect({ flags: "A", ack: 101 });
    const { sack } = peer.send({ flags: "A", seq: 1, data: 100, ts: tsNow }).expect({ flags: "A", ack: 101 });
    expect(sack).toEqual([[1, 101]]);
  });

  it("are found where they are not aligned [MUST-64]", () => {
    const [peer, host] = established({ family }, { timestamps: true });
    const { tsNow: ts } = peer;
    const bytes = [ts >>> 24, (ts >> 16) & 255, (ts >> 8) & 255, ts & 255, 0, 0, 0, 0];
    peer.send({ flags: "PA", data: 10, ts: false, options: [8, 10, ...bytes, 1, 1] }).expect({ flags: "A", ack: 11 });
    peer.send({ flags: "PA", data: 10, ts: false, options: [1, 8, 10, ...bytes] }).expect({ flags: "A", ack: 21 });
    expect(host.session.readableBytes).toBe(20);
  });
});

describe.each(FAMILIES)("the clock of timestamps over IPv%i (RFC 7323 5.4, 7.1)", (family) => {
  /** TSval of the SYN-ACK that a stack sends after so long, less the time that it has run for. */
  function offset({ port = 4000, seed = 7, startUs = 5_000_000, ms = 0 } = {}): number {
    const [, host] = listening({ family, seed, startUs });
    host.pass(ms);
    host.receivers.length = 0;
    const peer = new ScriptedPeer(host, { port, timestamps: true });
    const val = peer.open().ts?.[0] ?? 0;
    return (val - Math.floor(host.clock.nowUs() / 1000)) | 0;
  }

  it("runs by a millisecond for each connection, from a start of its own [R7323-11]", () => {
    expect(offset({ ms: 5000 })).toBe(offset());
    expect(offset({ startUs: 900_000_000 })).toBe(offset());
    const others = [offset(), offset({ port: 4001 }), offset({ port: 4002 }), offset({ seed: 8 }), offset({ seed: 9 })];
    for (const [i, a] of others.entries()) {
      // Nobody reads how long the host has run.
      expect(Math.abs(a)).toBeGreaterThan(100_000);
      for (const b of others.slice(i + 1)) expect(Math.abs((a - b) | 0)).toBeGreaterThan(100_000);
    }
  });

  it("goes on where the connection before it of the same ports stood", () => {
    const [peer, host] = established({ family }, { timestamps: true });
    host.session.write(new Uint8Array(1));
    host.settle();
    const before = peer.expect({ flags: "PA" }).ts?.[0] ?? 0;
    peer.send({ flags: "R" });
    host.pass(700);
    host.receivers.length = 0;
    const again = new ScriptedPeer(host, { port: peer.port, timestamps: true });
    expect(again.open().ts?.[0]).toBe((before + 700) | 0);
  });

  it("is the same in a SYN that is sent again, in data, FIN and resets", () => {
    const [peer, host] = connecting({ family }, { timestamps: true });
    const { ts: first = [0, 0], ms: sent } = peer.expect({ flags: "S" });
    host.pass(1500);
    const again = peer.accept();
    host.session.write(new Uint8Array(1));
    host.settle();
    host.session.halfClose();
    host.settle();
    host.session.reset();
    host.settle();
    const all = [again, ...peer.takeAll()];
    expect(all.map(({ flags }) => flags)).toEqual(["S", "PA", "FA", "RA"]);
    for (const { ts, ms } of all) expect(((ts?.[0] ?? 0) - first[0]) | 0).toBe(Math.floor(ms) - Math.floor(sent));
  });
});
