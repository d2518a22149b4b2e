import { describe, expect, it } from "vitest";
import {
  T_CWND,
  T_FAST_RETRAN,
  T_LOST,
  T_RECOVER,
  T_SACKED,
  T_SND_UNA,
  T_SSTHRESH,
  T_TIMEOUTS,
  TF_LOSS_RECOVERY,
} from "../../../src/transport/tcp/connection.js";
import { C_FLAGS } from "../../../src/transport/transport.js";
import { FAMILIES, pattern } from "./scripted-peer.js";
import { SackSender, type SackSenderOptions } from "./sack-sender.js";

/** Counting, not time (RFC 6675): ten segments in flight, `queued` more. */
function counting(options: SackSenderOptions = {}, queued = 10): SackSender {
  const sender = new SackSender({ ...options, tcp: { rack: false, ...options.tcp } });
  sender.write(10 + queued);
  sender.host.pass(100);
  return sender;
}

describe.each(FAMILIES)("loss recovery by counting selective acknowledgements (RFC 6675) over IPv%i", (family) => {
  it("begins with the third segment above a hole; limited transmit before (RFC 3042) [R5681-8, R5681-9]", () => {
    const sender = counting({ family });
    expect(sender.ack(0, [[1, 2]])).toEqual([10]);
    expect(sender.ack(0, [[1, 3]])).toEqual([11]);
    expect(sender.ack(0, [[1, 4]])).toEqual([0]);
    expect(sender.field(T_FAST_RETRAN)).toBe(1);
    expect(sender.field(T_SSTHRESH)).toBe(5000);
  });

  it("counts pieces: three of them are enough, however small", () => {
    const sender = counting({ family });
    sender.ack(0, [[2, 2.1]]);
    sender.ack(0, [
      [4, 4.1],
      [2, 2.1],
    ]);
    expect(sender.field(T_FAST_RETRAN)).toBe(0);
    const sent = sender.ack(0, [
      [6, 6.1],
      [4, 4.1],
      [2, 2.1],
    ]);
    expect(sent).toEqual([0]);
    // Of the rest only what lies below all three is lost.
    expect(sender.field(T_LOST)).toBe(1000);
    expect(sender.problem).toBeUndefined();
  });

  it("counts bytes: more than two segments in one block are enough", () => {
    const sender = counting({ family });
    sender.ack(0, [[3, 5]]);
    expect(sender.field(T_FAST_RETRAN)).toBe(0);
    expect(sender.ack(0, [[3, 5.1]])[0]).toBe(0);
    expect(sender.field(T_FAST_RETRAN)).toBe(1);
  });

  it("repairs holes first, new data behind them, and not more than cwnd lets go [SACK-6]", () => {
    const sender = counting({ family });
    // Lost: 0, 2, 4.
    sender.ack(0, [[1, 2]]);
    sender.ack(0, [
      [3, 4],
      [1, 2],
    ]);
    const order: number[] = [];
    const blocks: [number, number][] = [
      [3, 4],
      [1, 2],
    ];
    for (let end = 6; end <= 12; end++) {
      order.push(...sender.ack(0, [[5, end], ...blocks]));
      const { core } = sender.host;
      expect(core.scoreboard.pipe(sender.peer.row)).toBeLessThanOrEqual(sender.field(T_CWND));
      expect(sender.problem).toBeUndefined();
    }
    expect(order.slice(0, 3)).toEqual([0, 2, 4]);
    expect(order.slice(3)).toEqual(order.slice(3).map((_, i) => 12 + i));
    expect(order.length).toBeGreaterThan(3);
    // All of what was sent when it began: over.
    sender.ack(12);
    expect(sender.field(T_CWND)).toBe(5000);
    expect(sender.field(T_RECOVER)).toBe(sender.field(T_SND_UNA));
  });

  it("sends the last segment once more when nothing else may go, once [SACK-7]", () => {
    const sender = counting({ family }, 0);
    // 0 and the last two were lost.
    sender.ack(0, [[1, 2]]);
    sender.ack(0, [[1, 3]]);
    const sent = sender.ack(0, [[1, 4]]);
    for (let end = 5; end <= 8; end++) sent.push(...sender.ack(0, [[1, end]]));
    expect(sent).toEqual([0, 9]);
    expect(sender.ack(8)).toEqual([]);
    expect(sender.ack(8, [[9, 10]])).toEqual([]);
    expect(sender.field(T_TIMEOUTS)).toBe(0);
    // The timer repairs the rest.
    expect(sender.pass(1000)[0][1]).toBe(8);
  });

  it("a lost retransmission is left to the timer", () => {
    const sender = counting({ family }, 0);
    for (let end = 2; end <= 10; end++) sender.ack(0, [[1, end]]);
    const sent = sender.pass(350);
    expect(sent.map(([, segment]) => segment)).toEqual([0]);
    expect(sender.field(T_TIMEOUTS)).toBe(1);
  });

  it("after a timeout no fast recovery begins before all of what was in flight is acknowledged [SACK-8]", () => {
    const sender = counting({ family }, 0);
    expect(sender.pass(250).map(([, segment]) => segment)).toEqual([0]);
    const ssthresh = sender.field(T_SSTHRESH);
    // 1 is lost once more; what was sent again behind it arrives.
    let sent = sender.ack(1);
    for (let i = 0; i < 5; i++) {
      const end = Math.max(...sent) + 1;
      sent = [...sent, ...sender.ack(1, [[2, end]])];
    }
    expect(Math.max(...sent)).toBeGreaterThan(6);
    expect(sender.field(T_FAST_RETRAN)).toBe(0);
    expect(sender.field(T_SSTHRESH)).toBe(ssthresh);
    expect(sender.field(C_FLAGS) & TF_LOSS_RECOVERY).not.toBe(0);
    sender.ack(10);
    expect(sender.field(C_FLAGS) & TF_LOSS_RECOVERY).toBe(0);
    sender.write(5);
    sender.ack(10, [[11, 15]]);
    expect(sender.field(T_FAST_RETRAN)).toBe(1);
  });

  it("after a timeout what the peer has is not sent again", () => {
    const sender = counting({ family }, 0);
    sender.ack(0, [[5, 7]]);
    sender.host.pass(350);
    const sent = sender.sent();
    let acked = 0;
    for (const upTo of [1, 3, 5]) {
      acked = upTo === 5 ? 7 : upTo;
      sent.push(...sender.ack(acked, acked < 5 ? [[5, 7]] : []));
    }
    expect(sent).toEqual([0, 1, 2, 3, 4, 7, 8, 9]);
  });
});

describe.each(FAMILIES)("a peer that takes back what it reported, over IPv%i", (family) => {
  it.each([true, false])("is sent everything again after a timeout, rack %s [SACK-4]", (rack) => {
    const sender = counting({ family, tcp: { rack } }, 0);
    // It has all but 0, so it says; 0 is sent again and arrives, but the acknowledgement moves by that only.
    sender.ack(0, [[1, 10]]);
    expect(sender.host.session.queuedBytes).toBe(10_000);
    sender.host.pass(50);
    sender.sent();
    sender.ack(1);
    expect(sender.field(T_SACKED)).toBe(9000);
    sender.host.pass(1000);
    expect(sender.field(T_TIMEOUTS)).toBeGreaterThan(0);
    expect(sender.field(T_SACKED)).toBe(0);
    expect(sender.problem).toBeUndefined();
    const again = sender.sent();
    for (let acked = 2; acked <= 10; acked++) again.push(...sender.ack(acked));
    expect([...new Set(again)].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(sender.host.session.queuedBytes).toBe(0);
  });
});

describe.each(FAMILIES)("superframes of which parts arrive, over IPv%i", (family) => {
  it.each([true, false])("only what is missing is sent again, rack %s", (rack) => {
    const sender = new SackSender({ family, tcp: { rack } });
    Object.assign(sender.host.device.offloads, { tso: true, checksum: true });
    sender.host.session.write(pattern(0, 10_000));
    sender.host.settle();
    sender.sent();
    sender.host.pass(100);
    const sent = sender.ack(2, [
      [6, 9],
      [3, 4],
    ]);
    sent.push(...sender.pass(30).map(([, segment]) => segment));
    for (let i = 0; i < 4; i++)
      sent.push(
        ...sender.ack(2, [
          [6, 9],
          [3, 4],
        ]),
      );
    expect(sent[0]).toBe(2);
    expect(sent).not.toContain(3);
    expect(sent).not.toContain(6);
    expect(sender.problem).toBeUndefined();
    sender.ack(10);
    expect(sender.problem).toBeUndefined();
    expect(sender.host.core.scoreboard.used).toBe(0);
  });
});

describe.each(FAMILIES)("FIN in recovery over IPv%i", (family) => {
  it.each([true, false])("is lost with data: all of it goes again, in order, rack %s", (rack) => {
    const sender = new SackSender({ family, tcp: { rack } });
    sender.write(5);
    sender.host.session.halfClose();
    sender.host.settle();
    expect(sender.sent()).toEqual([5]);
    sender.host.pass(100);
    sender.ack(1, [[2, 3]]);
    const sent: number[] = [];
    const has = new Set([0, 2]);
    let acked = 1;
    for (let i = 0; i < 40 && acked < 6; i++) {
      for (const [, segment] of sender.pass(100)) has.add(segment);
      while (has.has(acked)) acked++;
      const edge = acked === 6 ? 5.001 : acked;
      for (const segment of sender.ack(edge)) has.add(segment);
      sent.push(acked);
    }
    expect(acked).toBe(6);
    expect(sender.peer.state).toBe("FIN_WAIT_2");
    expect(sender.host.core.scoreboard.used).toBe(0);
  });
});
