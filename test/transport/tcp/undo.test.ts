import { describe, expect, it } from "vitest";
import {
  RF_FRTO,
  RF_FRTO_NEW,
  RF_RTO_NOW,
  T_BACKOFF,
  T_CWND,
  T_FAST_RETRAN,
  T_LOST,
  T_RECOVERY,
  T_SPURIOUS,
  T_SSTHRESH,
  T_TIMEOUTS,
  TF_FAST_RECOVERY,
  TF_LOSS_RECOVERY,
} from "../../../src/transport/tcp/connection.js";
import { C_FLAGS } from "../../../src/transport/transport.js";
import { FAMILIES } from "./scripted-peer.js";
import { SackSender, type SackSenderOptions } from "./sack-sender.js";

const NO_PROBE = { rack: false };

/** Five segments were sent, more are queued; the timeout has just come. */
function timedOut(options: SackSenderOptions = {}, segments = 5, queued = 0): SackSender {
  const sender = new SackSender({ tcp: NO_PROBE, ...options });
  sender.host.core.window.i32[sender.peer.row + T_CWND] = segments * 1000;
  sender.write(segments + queued);
  expect(sender.pass(300.1)).toEqual([[300, 0]]);
  expect([sender.field(T_CWND), sender.field(T_TIMEOUTS)]).toEqual([1000, 1]);
  return sender;
}

/** Ten segments in flight and ten more queued; 0 is taken for lost, for three behind it arrived, and sent again. */
function recovering(options: SackSenderOptions = {}, queued = 10): SackSender {
  const sender = new SackSender(options);
  sender.write(10 + queued);
  sender.host.pass(100);
  sender.ack(0, [[1, 2]]);
  sender.ack(0, [[1, 3]]);
  expect(sender.ack(0, [[1, 4]])).toEqual([0]);
  expect(sender.field(T_SSTHRESH)).toBe(5000);
  return sender;
}

const isOpen = (sender: SackSender): boolean => (sender.field(C_FLAGS) & (TF_FAST_RECOVERY | TF_LOSS_RECOVERY)) === 0;

describe.each(FAMILIES)("F-RTO (RFC 5682) over IPv%i", (family) => {
  it.each([true, false])("a timeout that was spurious is undone, with SACK %s", (sack) => {
    const sender = timedOut({ family, peer: { sack } }, 5, 5);
    // The first acknowledgement lets two new segments go, not what seems lost.
    expect(sender.ack(1)).toEqual([5, 6]);
    // The next one covers what was sent once only.
    sender.ack(2);
    expect(sender.field(T_SPURIOUS)).toBe(1);
    expect(sender.field(T_CWND)).toBeGreaterThanOrEqual(5000);
    expect(sender.field(T_SSTHRESH)).toBeGreaterThan(100_000);
    expect(sender.field(T_BACKOFF)).toBe(0);
    expect(sender.field(T_LOST)).toBe(0);
    expect(isOpen(sender)).toBe(true);
    expect(sender.field(T_RECOVERY) & (RF_FRTO | RF_FRTO_NEW | RF_RTO_NOW)).toBe(0);
    expect(sender.problem).toBeUndefined();
  });

  it("a duplicate ACK instead: the loss was real, and the rest is sent again", () => {
    const sender = timedOut({ family, peer: { sack: false } }, 5, 5);
    expect(sender.ack(1)).toEqual([5, 6]);
    const has = new Set([0, 5, 6, ...sender.ack(1)]);
    expect(sender.field(T_SPURIOUS)).toBe(0);
    expect(isOpen(sender)).toBe(false);
    // Nothing is lost for good.
    let acked = 1;
    for (let i = 0; i < 20 && acked < 10; i++) {
      for (const segment of sender.ack(acked)) has.add(segment);
      while (has.has(acked)) acked++;
    }
    expect(acked).toBe(10);
  });

  it("a selective acknowledgement of a probe segment: the loss was real", () => {
    const sender = timedOut({ family }, 5, 5);
    expect(sender.ack(1)).toEqual([5, 6]);
    const sent = sender.ack(1, [[5, 6]]);
    expect(sender.field(T_SPURIOUS)).toBe(0);
    expect(sent[0]).toBe(1);
    expect(sender.field(T_SSTHRESH)).toBe(2500);
  });

  it("nothing new to send: what seems lost is sent again at once", () => {
    const sender = timedOut({ family });
    expect(sender.ack(1).slice(0, 1)).toEqual([1]);
  });

  it("the peer's window has no room for new data: likewise", () => {
    const sender = timedOut({ family, peer: { win: 5000 } }, 5, 5);
    expect(sender.ack(1, [], { win: 4000 }).slice(0, 1)).toEqual([1]);
  });

  it("the new segments are lost, too: the timer goes on, and repairs", () => {
    const sender = timedOut({ family }, 5, 5);
    expect(sender.ack(1)).toEqual([5, 6]);
    const [[, first]] = sender.pass(2000);
    expect(first).toBe(1);
    expect(sender.field(T_RECOVERY) & (RF_FRTO | RF_FRTO_NEW)).toBe(0);
  });

  it("everything is acknowledged at once: nobody knows, and cwnd stays small", () => {
    const sender = timedOut({ family, peer: { sack: false } });
    sender.ack(5);
    expect(isOpen(sender)).toBe(true);
    expect(sender.field(T_SPURIOUS)).toBe(0);
    expect(sender.field(T_CWND)).toBeLessThan(5000);
  });

  it("with RACK: the original of what was not sent again says so, by the second acknowledgement", () => {
    const sender = new SackSender({ family });
    sender.write(13);
    // The probe, then the timeout.
    sender.host.pass(510);
    sender.sent();
    expect(sender.field(T_TIMEOUTS)).toBe(1);
    sender.ack(2);
    // It may have covered what had arrived behind a loss.
    expect(sender.field(T_SPURIOUS)).toBe(0);
    sender.ack(3);
    expect(sender.field(T_SPURIOUS)).toBe(1);
    expect(isOpen(sender)).toBe(true);
    expect(sender.field(T_CWND)).toBeGreaterThanOrEqual(10_000);
    sender.ack(13);
    expect(sender.problem).toBeUndefined();
  });
});

describe.each(FAMILIES)("undo over IPv%i", (family) => {
  it("by timestamps: the acknowledgement was sent before the retransmission (RFC 3522)", () => {
    const sender = new SackSender({ family, peer: { timestamps: true } });
    sender.write(20);
    const { tsRecent } = sender.peer;
    sender.host.pass(100);
    sender.ack(0, [[1, 2]]);
    sender.ack(0, [[1, 3]]);
    expect(sender.ack(0, [[1, 4]])).toEqual([0]);
    sender.host.pass(30);
    const now = sender.peer.tsNow;
    sender.ack(4, [], { ts: [now, tsRecent] });
    expect(sender.field(T_SPURIOUS)).toBe(1);
    expect(isOpen(sender)).toBe(true);
    expect(sender.field(T_CWND)).toBe(10_000);
    expect(sender.problem).toBeUndefined();
  });

  it("by timestamps: not when it answers the retransmission", () => {
    const sender = new SackSender({ family, peer: { timestamps: true } });
    sender.write(20);
    sender.host.pass(100);
    for (const end of [2, 3, 4]) sender.ack(0, [[1, end]]);
    sender.host.pass(100);
    sender.ack(4);
    expect(sender.field(T_SPURIOUS)).toBe(0);
    expect(sender.field(T_CWND)).toBeLessThan(10_000);
  });

  it("not by timestamps when recovery is long over, though its stamp seems to lie ahead after 2^31 ms", () => {
    const sender = new SackSender({ family, peer: { timestamps: true } });
    sender.write(10);
    sender.host.pass(100);
    for (const end of [2, 3, 4]) sender.ack(0, [[1, end]]);
    sender.host.pass(100);
    sender.ack(10);
    expect(isOpen(sender)).toBe(true);
    sender.host.pass(2 ** 31 + 60_000);
    sender.write(1);
    sender.host.pass(100);
    sender.ack(11);
    expect(sender.field(T_SPURIOUS)).toBe(0);
    expect(sender.field(T_CWND)).toBeLessThan(10_000);
  });

  it("what is missing beside it may be late, too, and is sent again after the reordering window", () => {
    const sender = new SackSender({ family, peer: { timestamps: true } });
    sender.write(10);
    const { tsRecent } = sender.peer;
    sender.host.pass(100);
    for (const end of [2, 3, 4]) sender.ack(0, [[1, end]]);
    sender.host.pass(30);
    expect(sender.ack(4, [[5, 10]], { ts: [sender.peer.tsNow, tsRecent] })).toEqual([]);
    expect([sender.field(T_FAST_RETRAN), sender.field(T_SPURIOUS)]).toEqual([1, 1]);
    sender.host.pass(100);
    expect(sender.sent()).toEqual([4]);
    expect([sender.field(T_FAST_RETRAN), sender.field(T_SPURIOUS)]).toEqual([2, 1]);
    expect(sender.problem).toBeUndefined();
  });

  it("by D-SACK: each retransmission was superfluous", () => {
    const sender = recovering({ family });
    sender.host.pass(30);
    sender.ack(4);
    expect(sender.field(T_SPURIOUS)).toBe(0);
    sender.ack(10);
    sender.ack(10, [[0, 1]]);
    expect(sender.field(T_SPURIOUS)).toBe(1);
    expect(sender.field(T_CWND)).toBeGreaterThanOrEqual(10_000);
    expect(sender.problem).toBeUndefined();
  });

  it.each([0, 5])("by D-SACK when recovery has ended already, %i segments outstanding", (outstanding) => {
    const sender = recovering({ family }, 0);
    sender.host.pass(30);
    sender.ack(10);
    expect(isOpen(sender)).toBe(true);
    expect(sender.field(T_CWND)).toBe(5000);
    if (outstanding > 0) sender.write(outstanding);
    sender.ack(10, [[0, 1]]);
    expect(sender.field(T_SPURIOUS)).toBe(1);
    expect(sender.field(T_CWND)).toBe(10_000);
    expect(sender.field(T_SSTHRESH)).toBeGreaterThan(10_000);
    // Once.
    sender.ack(10, [[0, 1]]);
    expect(sender.field(T_SPURIOUS)).toBe(1);
  });

  it("not by a D-SACK of something else, or of a part", () => {
    const sender = recovering({ family }, 0);
    sender.host.pass(30);
    sender.ack(10);
    sender.ack(10, [[0, 0.5]]);
    sender.peer.send({ flags: "A", ack: 10_001, sack: [[-5000, 1]] });
    sender.peer.send({ flags: "A", ack: 10_001, sack: [[-90_000, -80_000]] });
    expect(sender.field(T_SPURIOUS)).toBe(0);
    sender.ack(10, [[0.5, 1]]);
    expect(sender.field(T_SPURIOUS)).toBe(1);
  });

  it("when nothing was sent again: what was lost has arrived in time", () => {
    const sender = new SackSender({ family });
    sender.write(10);
    sender.host.pass(100);
    sender.host.together(() => {
      for (const end of [2001, 3001, 4001]) sender.peer.send({ flags: "A", ack: 1, sack: [[1001, end]] });
      sender.peer.send({ flags: "A", ack: 4001 });
    });
    expect(sender.sent()).toEqual([]);
    expect([sender.field(T_FAST_RETRAN), sender.field(T_SPURIOUS)]).toEqual([1, 1]);
    expect(isOpen(sender)).toBe(true);
    expect(sender.field(T_CWND)).toBeGreaterThanOrEqual(10_000);
  });

  it("a timeout during fast recovery that was spurious leaves that recovery's reduction", () => {
    const sender = recovering({ family, peer: { timestamps: true } }, 0);
    const { tsRecent } = sender.peer;
    sender.host.pass(2000);
    sender.sent();
    expect(sender.field(T_TIMEOUTS)).toBeGreaterThan(0);
    sender.ack(10, [], { ts: [sender.peer.tsNow, tsRecent - 100] });
    expect(sender.field(T_SPURIOUS)).toBe(1);
    expect(sender.field(T_CWND)).toBe(5000);
    expect(isOpen(sender)).toBe(true);
  });
});
