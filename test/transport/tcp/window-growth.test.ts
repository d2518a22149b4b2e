import { describe, expect, it } from "vitest";
import {
  T_BACKOFF,
  T_CWND,
  T_LOST,
  T_RTO_US,
  T_SACKED,
  T_SND_MSS,
  T_SSTHRESH,
  T_TIMEOUTS,
} from "../../../src/transport/tcp/connection.js";
import { established, FAMILIES, listening, pattern, ScriptedPeer } from "./scripted-peer.js";
import { SackSender } from "./sack-sender.js";

describe.each(FAMILIES)("growth of cwnd over IPv%i", (family) => {
  it("counts each acknowledgement of a vector, in slow start and after it [R5681-4, R5681-5]", () => {
    const sender = new SackSender({ family });
    sender.write(60);
    sender.host.together(() => {
      for (let i = 1; i <= 10; i++) sender.peer.send({ flags: "A", ack: 1 + 1000 * i });
    });
    expect(sender.field(T_CWND)).toBe(20_000);
    sender.sent();
    sender.host.core.window.i32[sender.peer.row + T_SSTHRESH] = 20_000;
    sender.host.together(() => {
      for (let i = 11; i <= 30; i++) sender.peer.send({ flags: "A", ack: 1 + 1000 * i });
    });
    expect(sender.field(T_CWND)).toBe(21_000);
  });

  it("does not grow when the application, or the peer's window, held the sender back [CUBIC-8]", () => {
    for (const congestionControl of ["newreno", "cubic"] as const) {
      const sender = new SackSender({ family, tcp: { congestionControl } });
      for (let i = 1; i <= 40; i++) {
        sender.write(2);
        sender.ack(2 * i);
      }
      expect(sender.field(T_CWND)).toBe(10_000);
      const limited = new SackSender({ family, tcp: { congestionControl }, peer: { win: 4000 } });
      limited.write(100);
      for (let i = 1; i <= 80; i++) limited.ack(i);
      expect(limited.field(T_CWND)).toBe(10_000);
    }
  });

  it("an application that becomes slow leaves the window as it is [CUBIC-8]", () => {
    const sender = new SackSender({ family });
    sender.write(30);
    for (let i = 1; i <= 30; i++) sender.ack(i);
    const reached = sender.field(T_CWND);
    for (let i = 31; i <= 60; i++) {
      sender.write(1);
      sender.host.pass(10);
      sender.ack(i);
    }
    expect(sender.field(T_CWND)).toBe(reached);
  });

  it("bytes in flight exceed neither cwnd nor the peer's window [R5681-1]", () => {
    const sender = new SackSender({ family, peer: { win: 15_000 } });
    sender.write(100);
    let acked = 0;
    for (let round = 0; round < 20; round++) {
      const flight = sender.peer.rcv - 1 - 1000 * acked;
      expect(flight).toBeLessThanOrEqual(Math.min(15_000, sender.field(T_CWND)));
      sender.ack(++acked);
      sender.ack((acked += 2));
    }
  });
});

describe.each(FAMILIES)("a retransmission timeout over IPv%i", (family) => {
  it("shrinks cwnd to one segment, and slow start leads back to half of what was in flight [R5681-6, R6298-8]", () => {
    const sender = new SackSender({ family, tcp: { rack: false } });
    sender.write(10);
    expect(sender.pass(1000)).toEqual([
      [300, 0],
      [900, 0],
    ]);
    expect([sender.field(T_CWND), sender.field(T_SSTHRESH)]).toEqual([1000, 5000]);
    expect(sender.ack(1)).toEqual([1, 2]);
    expect(sender.ack(3)).toEqual([3, 4, 5, 6]);
    sender.ack(10);
    expect(sender.problem).toBeUndefined();
  });

  it("the first valid sample ends the backoff, from a timestamp too [R6298-6]", () => {
    const sender = new SackSender({ family, tcp: { rack: false }, peer: { timestamps: true } });
    sender.write(10);
    sender.ack(1);
    sender.host.pass(1500);
    expect(sender.field(T_BACKOFF)).toBeGreaterThan(1);
    sender.sent();
    sender.host.pass(100);
    sender.ack(2);
    expect(sender.field(T_BACKOFF)).toBe(0);
    expect(sender.field(T_RTO_US)).toBeLessThan(1_000_000);
  });

  it("the SYN was lost: the first timeout of data is three seconds [R6298-9]", () => {
    const [peer, host] = listening({ family, tcp: { rack: false } }, { mss: 1000 });
    peer.send({ flags: "S", mss: 1000 }).expect({ flags: "SA" });
    host.pass(1100);
    peer.expect({ flags: "SA" });
    peer.send({ flags: "A" });
    host.session.write(pattern(0, 10));
    host.settle();
    const { ms } = peer.expect({ flags: "PA" });
    host.pass(4000);
    expect(peer.expect({ flags: "PA" }).ms - ms).toBe(3000);
  });
});

describe.each(FAMILIES)("what is no sign of congestion, over IPv%i", (family) => {
  it.each([
    ["SACK and RACK", true, true],
    ["SACK", true, false],
    ["neither", false, false],
  ])("a smaller path MTU: everything goes again in smaller segments, cwnd stays; with %s", (_name, sack, rack) => {
    const sender = new SackSender({ family, tcp: { rack }, peer: { mss: 1400, sack } });
    sender.host.session.write(pattern(0, 14_000));
    sender.host.settle();
    const [first] = sender.peer.takeAll();
    // Without SACK a duplicate ACK or two tell of what has arrived; that is forgotten.
    if (sack) sender.peer.send({ flags: "A", ack: 1, sack: [[2801, 4201]] });
    else for (let i = 0; i < 2; i++) sender.peer.send({ flags: "A", ack: 1 });
    sender.peer.takeAll();
    const before = sender.field(T_CWND);
    if (family === 4) sender.peer.sendIcmp(3, 4, first.packet, 1300);
    else sender.peer.sendIcmp(2, 0, first.packet, 1300);
    const mss = sender.field(T_SND_MSS);
    expect(mss).toBe(1300 - (family === 4 ? 40 : 60));
    expect(sender.field(T_CWND)).toBe(before);
    expect(sender.field(T_TIMEOUTS)).toBe(0);
    const again = sender.peer.takeAll();
    expect(again[0]).toMatchObject({ seq: 1, len: mss });
    expect(Math.max(...again.map(({ len }) => len))).toBe(mss);
    expect(sender.host.core.scoreboard.pipe(sender.peer.row)).toBeGreaterThanOrEqual(0);
    expect(sender.problem).toBeUndefined();
    // The peer has its parts together.
    sender.peer.send({ flags: "A" });
    expect(sender.field(T_LOST)).toBe(0);
  });

  it("a closed window: its probes, and what goes again when it opens, leave cwnd as it is", () => {
    const sender = new SackSender({ family });
    sender.write(10);
    sender.host.pass(100);
    sender.ack(3, [], { win: 0 });
    const before = sender.field(T_CWND);
    sender.host.pass(5000);
    expect(sender.sent().every((segment) => segment === 3)).toBe(true);
    expect(sender.ack(3, [], { win: 20_000 })).toEqual([3, 4, 5, 6, 7, 8, 9]);
    expect(sender.field(T_CWND)).toBe(before);
    expect(sender.field(T_TIMEOUTS)).toBe(0);
    expect(sender.problem).toBeUndefined();
  });

  it("a window that opens when the peer says to hold all that is outstanding: the timer runs", () => {
    const sender = new SackSender({ family });
    sender.write(5);
    sender.host.pass(100);
    sender.ack(0, [[0, 5]], { win: 0 });
    expect(sender.field(T_SACKED)).toBe(5000);
    sender.ack(0, [], { win: 20_000 });
    // It never acknowledges: it has taken it back.
    expect(sender.pass(2000).map(([, segment]) => segment)).toContain(0);
  });
});

describe.each(FAMILIES)("want of memory in the sender over IPv%i", (family) => {
  it("no packet buffer after a long silence: the connection does not end for it", () => {
    const sender = new SackSender({ family });
    sender.write(1);
    sender.ack(1);
    sender.host.pass(200_000);
    const giveBack = sender.host.exhaustPackets();
    expect(sender.write(1)).toEqual([]);
    sender.host.pass(300);
    giveBack();
    expect(sender.peer.state).toBe("ESTABLISHED");
    expect(sender.pass(3000).map(([, segment]) => segment)).toContain(1);
  });

  it("no row for what is sent: an ACK that it would have carried goes alone", () => {
    const [first, host] = established({ family, tcp: { maxSentRanges: 1, rack: false } });
    host.session.write(pattern(0, 10));
    host.settle();
    first.expect({ flags: "PA" });
    const second = new ScriptedPeer(host, { port: 4001 });
    second.open();
    host.together(() => {
      host.session.write(pattern(0, 10));
      second.send({ flags: "PA", data: 10 });
    });
    expect(second.takeAll()).toMatchObject([{ flags: "A", ack: 11, len: 0 }]);
    // The row is free: its own time comes.
    first.send({ flags: "A", ack: 11 });
    host.pass(1000);
    expect(second.takeAll()[0]).toMatchObject({ flags: "PA", seq: 1, len: 10 });
  });
});
