import { describe, expect, it } from "vitest";
import {
  T_CWND,
  T_FAST_RETRAN,
  T_RECOVER,
  T_SND_UNA,
  T_SSTHRESH,
  T_TIMEOUTS,
} from "../../../src/transport/tcp/connection.js";
import { established, FAMILIES, pattern, type ScriptedPeer, type ScriptedStack } from "./scripted-peer.js";

/** Ten segments of 1000 bytes in flight, 20,000 bytes more queued. */
function inFlight(family: 4 | 6): [ScriptedPeer, ScriptedStack] {
  const [peer, host] = established({ family }, { mss: 1000 });
  host.session.write(pattern(0, 30_000));
  host.settle();
  expect(peer.takeAll()).toHaveLength(10);
  return [peer, host];
}

function duplicates(peer: ScriptedPeer, count: number, ack = 1): void {
  for (let i = 0; i < count; i++) peer.send({ flags: "A", ack });
}

const seqs = (peer: ScriptedPeer): number[] => peer.takeAll().map(({ seq }) => seq);

describe.each(FAMILIES)("fast retransmit over IPv%i", (family) => {
  it("comes with the third duplicate ACK, once (RFC 5681 3.2) [R5681-8, R5681-9]", () => {
    const [peer, host] = inFlight(family);
    duplicates(peer, 2);
    // Limited transmit (RFC 3042): one new segment for each of the first two.
    expect(seqs(peer)).toEqual([10_001, 11_001]);
    duplicates(peer, 1);
    peer.expect({ flags: "A", seq: 1, len: 1000, data: pattern(0, 1000) });
    peer.expectNothing();
    expect(peer.field(T_SSTHRESH)).toBe(5000);
    // 12,000 sent, 3000 arrived, 1000 lost: 8000 in the network, and the retransmission (RFC 6937).
    expect(peer.field(T_CWND)).toBe(9000);
    expect(peer.field(T_FAST_RETRAN)).toBe(1);
    expect(host.count("established", "ack_dup")).toBe(3);
  });

  it("lets less go than has left until ssthresh is reached, then as much (RFC 6937), and ends at ssthresh [R5681-10]", () => {
    const [peer] = inFlight(family);
    duplicates(peer, 3);
    expect(seqs(peer)).toEqual([10_001, 11_001, 1]);
    // 9000 in the network, 1000 less with each: from below 5000 on each makes room for one.
    const sent = [1, 2, 3, 4, 5, 6, 7].map(() => {
      duplicates(peer, 1);
      return seqs(peer);
    });
    expect(sent).toEqual([[], [], [], [], [12_001], [13_001], [14_001]]);
    // Everything up to recover.
    peer.send({ flags: "A", ack: 12_001 });
    expect(peer.field(T_CWND)).toBe(5000);
    expect(seqs(peer)).toEqual([15_001, 16_001]);
  });

  it("answers a partial ACK by the next hole, without waiting (NewReno)", () => {
    const [peer, host] = inFlight(family);
    duplicates(peer, 3);
    expect(seqs(peer)).toEqual([10_001, 11_001, 1]);
    peer.send({ flags: "A", ack: 2001 });
    peer.expect({ flags: "A", seq: 2001, len: 1000, data: pattern(2000, 1000) });
    peer.send({ flags: "A", ack: 5001 });
    expect(seqs(peer)[0]).toBe(5001);
    peer.send({ flags: "A", ack: 8001 });
    expect(seqs(peer)[0]).toBe(8001);
    expect(peer.field(T_FAST_RETRAN)).toBe(1);
    expect(peer.field(T_TIMEOUTS)).toBe(0);
    peer.send({ flags: "A" });
    expect(host.session.queuedBytes).toBeLessThan(20_001);
  });

  it("is not repeated for the same loss, by duplicates after recovery (RFC 6582 3.2 step 2)", () => {
    const [peer, host] = inFlight(family);
    host.pass(200);
    expect(seqs(peer)).toEqual([1]);
    // The timer has expired: what was in flight then draws duplicates that tell nothing.
    duplicates(peer, 5);
    peer.send({ flags: "A", ack: 1001 });
    peer.takeAll();
    duplicates(peer, 5, 1001);
    expect(peer.field(T_FAST_RETRAN)).toBe(0);
  });

  it.each([
    ["have data", { data: 1 }],
    ["change the window", { win: 40_000 }],
    ["carry FIN", { flags: "FA" }],
  ] as const)("does not count ACKs that %s", (_name, send) => {
    const [peer, host] = inFlight(family);
    for (let i = 0; i < 6; i++) {
      const win = "win" in send ? send.win + 1000 * i : 65_535;
      peer.send({ flags: "A", ack: 1, ...send, win });
    }
    expect(peer.takeAll().filter(({ seq, len }) => seq === 1 && len > 0)).toEqual([]);
    expect(peer.field(T_FAST_RETRAN)).toBe(0);
    expect(host.count("established", "ack_dup") + host.count("rcv-process", "ack_dup")).toBe(0);
  });

  it("does not count ACKs while nothing is outstanding", () => {
    const [peer, host] = established({ family });
    duplicates(peer, 10);
    expect(host.errors("established")).toEqual({});
    peer.expectNothing();
  });

  it("repeats a lost FIN, too", () => {
    const [peer, host] = established({ family }, { mss: 1000 });
    host.session.write(pattern(0, 2000));
    host.session.halfClose();
    host.settle();
    peer.takeAll();
    peer.send({ flags: "A", ack: 2001 });
    duplicates(peer, 3, 2001);
    expect(peer.takeAll()).toMatchObject([{ flags: "FA", seq: 2001, len: 0 }]);
  });

  it("is lost itself: the timer repairs it", () => {
    const [peer, host] = inFlight(family);
    duplicates(peer, 3);
    peer.takeAll();
    host.pass(200);
    expect(seqs(peer)).toEqual([1]);
    expect(peer.field(T_CWND)).toBe(1000);
    expect(peer.field(T_TIMEOUTS)).toBe(1);
    peer.send({ flags: "A", ack: 10_001 });
    expect(seqs(peer)[0]).toBe(10_001);
  });

  it("recover follows the acknowledgements, so that it never seems to lie ahead after 2^31 bytes", () => {
    const [peer] = inFlight(family);
    peer.send({ flags: "A", ack: 4001 });
    expect(peer.field(T_RECOVER)).toBe(peer.field(T_SND_UNA));
  });
});

describe.each(FAMILIES)("duplicate ACKs that we send, over IPv%i", (family) => {
  it("one for each segment out of order, in one vector too (RFC 5681 4.2) [R5681-7, MAY-13]", () => {
    const [peer, host] = established({ family });
    host.together(() => {
      for (let i = 0; i < 4; i++) peer.send({ flags: "A", seq: 1001 + 100 * i, data: 100 });
    });
    expect(peer.takeAll().map(({ flags, ack, len }) => `${flags} ${ack} ${len}`)).toEqual([
      "A 1 0",
      "A 1 0",
      "A 1 0",
      "A 1 0",
    ]);
    expect(host.count("established", "enqueued_ooo")).toBe(4);
  });
});
