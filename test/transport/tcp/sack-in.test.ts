import { describe, expect, it } from "vitest";
import { SeededRandom } from "../../../src/random/seeded.js";
import {
  T_CWND,
  T_DSACK_DUPS,
  T_FAST_RETRAN,
  T_LOST,
  T_SACKED,
  T_SPURIOUS,
} from "../../../src/transport/tcp/connection.js";
import { FAMILIES, pattern } from "./scripted-peer.js";
import { SackSender } from "./sack-sender.js";

function ten(family: 4 | 6, options = {}): SackSender {
  const sender = new SackSender({ family, ...options });
  sender.write(10);
  sender.host.pass(100);
  return sender;
}

describe.each(FAMILIES)("selective acknowledgements that cannot be, over IPv%i", (family) => {
  it.each([
    ["reversed", [[5001, 3001]]],
    ["empty", [[3001, 3001]]],
    ["beyond what was sent", [[9001, 12_001]]],
    ["far beyond it", [[0x7000_0000, 0x7000_1000]]],
    ["as long as half the number space", [[2001, 2001 + 0x7fff_ffff]]],
    ["longer than that", [[2001, 1900]]],
    ["long before it", [[-900_000, -899_000]]],
  ] as const)("blocks %s are passed over [SACK-5]", (_name, blocks) => {
    const sender = ten(family);
    sender.peer.send({ flags: "A", ack: 1, sack: blocks });
    expect([sender.field(T_SACKED), sender.field(T_LOST), sender.field(T_FAST_RETRAN)]).toEqual([0, 0, 0]);
    expect(sender.problem).toBeUndefined();
    expect(sender.peer.state).toBe("ESTABLISHED");
    sender.ack(10);
    expect(sender.host.core.scoreboard.used).toBe(0);
  });

  it("blocks that overlap count once [SACK-5]", () => {
    const sender = ten(family);
    sender.ack(0, [
      [4, 6],
      [3, 7],
      [5, 9],
      [3, 4],
    ]);
    expect(sender.field(T_SACKED)).toBe(6000);
    expect(sender.problem).toBeUndefined();
  });

  it("a block that begins below the acknowledgement counts from there on", () => {
    const sender = ten(family);
    sender.peer.send({ flags: "A", ack: 3001, sack: [[1001, 5001]] });
    expect(sender.field(T_SACKED)).toBe(2000);
    expect(sender.problem).toBeUndefined();
  });

  it("a hundred of one byte each: no more ranges than a quarter of the pool leaves, and no harm [SACK-5]", () => {
    const sender = ten(family, { tcp: { maxSentRanges: 64 } });
    const { scoreboard } = sender.host.core;
    for (let i = 0; i < 100; i += 4) {
      const blocks = [0, 1, 2, 3].map((j) => [1002 + 20 * (i + j), 1003 + 20 * (i + j)] as const);
      sender.peer.send({ flags: "A", ack: 1, sack: blocks });
      expect(sender.problem).toBeUndefined();
      expect(scoreboard.used).toBeLessThanOrEqual(60);
    }
    sender.host.pass(3000);
    const all = sender.peer.takeAll();
    for (const { seq, data } of all) expect(data).toEqual(pattern(seq - 1, data.length));
    // The peer becomes sane: the transfer goes on.
    sender.ack(10);
    expect(scoreboard.used).toBe(0);
    expect(sender.write(2).length).toBeGreaterThan(0);
  });

  it("whatever is reported, in any order: sums stay right, and everything is sent in the end [SACK-5]", () => {
    for (let seed = 1; seed <= 15; seed++) {
      const random = new SeededRandom(seed);
      const sender = new SackSender({
        family,
        tcp: { rack: seed % 2 === 0, maxSentRanges: [16, 64, 1024][seed % 3] },
        peer: { timestamps: seed % 5 === 0 },
      });
      sender.write(20);
      let una = 1;
      for (let i = 0; i < 60; i++) {
        const { rcv } = sender.peer;
        const draw = (): number => 1 + random.nextBelow(22_000) - 500;
        const blocks = Array.from({ length: 1 + random.nextBelow(3) }, () => [draw(), draw()] as const);
        if (random.nextBelow(10) === 0) una += random.nextBelow(rcv - una + 1);
        sender.peer.send({ flags: "A", ack: una, sack: blocks });
        expect(sender.problem).toBeUndefined();
        expect(sender.host.core.scoreboard.pipe(sender.peer.row)).toBeGreaterThanOrEqual(0);
        expect(sender.field(T_CWND)).toBeGreaterThanOrEqual(1000);
        sender.host.pass(random.nextBelow(60));
      }
      for (let i = 0; i < 20 && sender.host.session.queuedBytes > 0; i++) {
        sender.host.pass(1000);
        sender.peer.send({ flags: "A" });
      }
      expect(sender.peer.rcv).toBe(20_001);
      expect(sender.host.session.queuedBytes).toBe(0);
      sender.sent();
    }
  });

  it("an acknowledgement of what was not sent is refused, with its blocks, and cwnd does not grow [R5681-14]", () => {
    const sender = ten(family);
    const before = sender.field(T_CWND);
    for (let i = 0; i < 5; i++) sender.peer.send({ flags: "A", ack: 10_002 + 1000 * i, sack: [[5001, 7001]] });
    expect(sender.field(T_CWND)).toBe(before);
    expect(sender.field(T_SACKED)).toBe(0);
    expect(sender.host.session.queuedBytes).toBe(10_000);
  });

  it("old acknowledgements that were overtaken may report something new", () => {
    const sender = ten(family);
    sender.ack(4);
    sender.ack(3, [[7, 8]]);
    expect(sender.field(T_SACKED)).toBe(1000);
    expect(sender.field(T_SPURIOUS)).toBe(0);
  });

  it("a D-SACK of what was never sent is no D-SACK", () => {
    const sender = ten(family);
    sender.peer.send({ flags: "A", ack: 1, sack: [[-70_000, -69_000]] });
    expect(sender.field(T_DSACK_DUPS)).toBe(0);
    sender.ack(2, [[0, 1]]);
    expect(sender.field(T_DSACK_DUPS)).toBe(1);
  });

  it("without SACK in the handshake blocks are not looked at [SACK-1]", () => {
    const sender = ten(family, { peer: { sack: false } });
    sender.ack(0, [[3, 5]]);
    expect(sender.field(T_FAST_RETRAN)).toBe(0);
    // It is a duplicate ACK, and counts as one.
    expect(sender.field(T_SACKED)).toBe(1000);
  });
});
