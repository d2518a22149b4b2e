import { describe, expect, it } from "vitest";
import { T_CWND, T_FAST_RETRAN, T_RACK_REO, T_SSTHRESH, T_TIMEOUTS } from "../../../src/transport/tcp/connection.js";
import { FAMILIES, pattern } from "./scripted-peer.js";
import { sending, seqs, timedSeqs } from "./sending.js";

describe.each(FAMILIES)("loss detection by time (RFC 8985) over IPv%i", (family) => {
  it("finds a segment lost a reordering window after one sent later has arrived [RACK-2]", () => {
    const [peer, host] = sending({ family, bytes: 2000 });
    expect(seqs(peer)).toEqual([1, 1001]);
    host.pass(100);
    // A quarter of the least round trip: 25 ms.
    peer.send({ flags: "A", ack: 1, sack: [[1001, 2001]] }).expectNothing();
    host.pass(24.8);
    peer.expectNothing();
    host.pass(0.4);
    expect(seqs(peer)).toEqual([1]);
    expect(peer.field(T_FAST_RETRAN)).toBe(1);
    expect(peer.field(T_TIMEOUTS)).toBe(0);
  });

  it("finds it at once when three segments behind it have arrived, as long as nothing was reordered [RACK-3]", () => {
    const [peer, host] = sending({ family, bytes: 5000 });
    expect(seqs(peer)).toHaveLength(5);
    host.pass(100);
    peer.send({ flags: "A", ack: 1, sack: [[1001, 2001]] });
    peer.send({ flags: "A", ack: 1, sack: [[1001, 3001]] }).expectNothing();
    peer.send({ flags: "A", ack: 1, sack: [[1001, 4001]] });
    expect(seqs(peer)).toEqual([1]);
  });

  it("does not take a segment for lost that comes within the window, and waits longer from then on [RACK-3]", () => {
    const [peer, host] = sending({ family, bytes: 5000 });
    seqs(peer);
    host.pass(100);
    peer.send({ flags: "A", ack: 1, sack: [[1001, 2001]] });
    host.pass(20);
    peer.send({ flags: "A", ack: 2001 }).expectNothing();
    // Reordering was seen: three segments are no proof any more.
    peer.send({ flags: "A", ack: 2001, sack: [[3001, 5001]] }).expectNothing();
    host.session.write(pattern(5000, 2000));
    host.settle();
    seqs(peer);
    peer.send({ flags: "A", ack: 5001 });
    host.pass(100);
    peer.send({ flags: "A", ack: 7001 }).expectNothing();
    expect(peer.field(T_FAST_RETRAN)).toBe(0);
    expect(peer.field(T_CWND)).toBeGreaterThanOrEqual(10_000);
  });

  it("a D-SACK widens the window by a quarter of the round trip, up to the smoothed one [RACK-3]", () => {
    const [peer, host] = sending({ family, bytes: 10_000 });
    seqs(peer);
    host.pass(100);
    peer.send({ flags: "A", ack: 1, sack: [[1001, 4001]] });
    expect(seqs(peer)).toContain(1);
    // Both the first transmission and the second arrive.
    peer.send({ flags: "A", ack: 4001 });
    peer.send({ flags: "A", ack: 4001, sack: [[1, 1001]] });
    expect(peer.field(T_RACK_REO) & 0xff).toBe(2);
    // At most once in a round trip.
    peer.send({ flags: "A", ack: 4001, sack: [[1, 1001]] });
    expect(peer.field(T_RACK_REO) & 0xff).toBe(2);
    seqs(peer);
    host.pass(100);
    // Two quarters: 50 ms.
    const at = host.clock.nowUs();
    peer.send({ flags: "A", ack: 4001, sack: [[5001, 6001]] });
    host.pass(49);
    expect(seqs(peer)).not.toContain(4001);
    host.pass(2);
    expect(seqs(peer)).toContain(4001);
    expect(host.clock.nowUs() - at).toBeLessThan(52_000);
  });

  it("finds a retransmission lost, too, without a timeout, and reduces the window again [RACK-7]", () => {
    const [peer, host] = sending({ family, bytes: 40_000, tcp: { congestionControl: "newreno" } });
    expect(seqs(peer)).toHaveLength(10);
    host.pass(100);
    peer.send({ flags: "A", ack: 1, sack: [[1001, 8001]] });
    const first = seqs(peer);
    expect(first[0]).toBe(1);
    const ssthresh = peer.field(T_SSTHRESH);
    const newest = Math.max(...first);
    expect(newest).toBeGreaterThan(9001);
    host.pass(100);
    // New data, sent after the retransmission, arrives; the retransmission does not.
    peer.send({ flags: "A", ack: 1, sack: [[1001, newest + 1000]] });
    host.pass(30);
    expect(seqs(peer)).toContain(1);
    expect(peer.field(T_TIMEOUTS)).toBe(0);
    expect(peer.field(T_SSTHRESH)).toBeLessThan(ssthresh);
  });

  it("is not for peers without SACK: they are asked by three duplicates, and probed by no tail [RACK-1]", () => {
    const [peer, host] = sending({ family, bytes: 3000, peer: { sack: false } });
    seqs(peer);
    host.pass(100);
    peer.send({ flags: "A", ack: 1 });
    peer.send({ flags: "A", ack: 1 });
    host.pass(199);
    peer.expectNothing();
    host.pass(2);
    expect(timedSeqs(peer)).toEqual([[400, 1]]);
    expect(peer.field(T_TIMEOUTS)).toBe(1);
  });
});

describe.each(FAMILIES)("tail loss probes (RFC 8985 7) over IPv%i", (family) => {
  it("come after two round trips: new data when there is some [RACK-4]", () => {
    const [peer, host] = sending({ family, bytes: 2000, peer: { win: 65_535 }, tcp: { noDelay: false } });
    expect(seqs(peer)).toEqual([1, 1001]);
    host.pass(199);
    peer.expectNothing();
    // Held back by Nagle, or by cwnd: the probe takes it along.
    host.core.window.i32[peer.row + T_CWND] = 2000;
    host.session.write(pattern(2000, 3000));
    host.settle();
    peer.expectNothing();
    host.pass(2);
    expect(timedSeqs(peer)).toEqual([[300, 2001]]);
    expect(peer.field(T_TIMEOUTS)).toBe(0);
  });

  it("else the last segment again; a lone segment waits for a delayed ACK, too [RACK-4]", () => {
    const [peer, host] = sending({ family, bytes: 3000 });
    expect(seqs(peer)).toEqual([1, 1001, 2001]);
    host.pass(201);
    expect(timedSeqs(peer)).toEqual([[300, 2001]]);
    const [lone, other] = sending({ family, bytes: 500, rttMs: 300 });
    expect(seqs(lone)).toEqual([1]);
    other.pass(799);
    lone.expectNothing();
    other.pass(2);
    expect(timedSeqs(lone)).toEqual([[1100, 1]]);
    expect(lone.field(T_TIMEOUTS)).toBe(0);
  });

  it("there is one; then the retransmission timer runs, and doubles [RACK-5]", () => {
    const [peer, host] = sending({ family, bytes: 2000 });
    seqs(peer);
    host.pass(3000);
    const times = timedSeqs(peer);
    expect(times.slice(0, 5)).toEqual([
      [300, 1001],
      [600, 1],
      [1200, 1],
      [2400, 1],
    ]);
    expect(peer.field(T_TIMEOUTS)).toBe(3);
  });

  it("one that has repaired a loss reduces the window [RACK-6]", () => {
    const [peer, host] = sending({ family, bytes: 10_000 });
    seqs(peer);
    host.pass(100);
    peer.send({ flags: "A", ack: 9001 });
    host.pass(250);
    expect(seqs(peer)).toEqual([9001]);
    const before = peer.field(T_CWND);
    // More data follows, so that its acknowledgement says that the probe itself was needed.
    host.session.write(pattern(10_000, 1000));
    host.settle();
    expect(seqs(peer)).toEqual([10_001]);
    host.pass(100);
    peer.send({ flags: "A", ack: 11_001 });
    expect(peer.field(T_CWND)).toBeLessThan(before);
    expect(peer.field(T_SSTHRESH)).toBeLessThan(before);
  });

  it("one that was not needed, by its D-SACK, does not [RACK-6]", () => {
    const [peer, host] = sending({ family, bytes: 10_000 });
    seqs(peer);
    host.pass(100);
    peer.send({ flags: "A", ack: 9001 });
    host.pass(250);
    expect(seqs(peer)).toEqual([9001]);
    peer.send({ flags: "A", ack: 10_001 });
    // Nothing is outstanding any more when the peer tells of the duplicate.
    peer.send({ flags: "A", ack: 10_001, sack: [[9001, 10_001]] });
    host.session.write(pattern(10_000, 1000));
    host.settle();
    const before = peer.field(T_CWND);
    host.pass(100);
    seqs(peer);
    peer.send({ flags: "A", ack: 11_001 });
    expect(peer.field(T_CWND)).toBeGreaterThanOrEqual(before);
  });
});
