import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { T_CWND, T_FAST_RETRAN, T_SSTHRESH, T_TIMEOUTS } from "../../../src/transport/tcp/connection.js";
import { FAMILIES, type Got, isSame, pattern, type ScriptedPeer } from "./scripted-peer.js";
import { sending, seqs } from "./sending.js";

/** Plays an honest receiver that has `held` until all `bytes` have arrived; whether they are right. */
function arrives(peer: ScriptedPeer, bytes: number, held: readonly Got[] = []): boolean {
  const got = new Uint8Array(bytes);
  const have = new Uint8Array(bytes);
  let news = [...held];
  for (let i = 0; i < 300; i++) {
    for (const { seq, data } of [...news, ...peer.takeAll()]) {
      got.set(data, seq - 1);
      have.fill(1, seq - 1, seq - 1 + data.length);
    }
    news = [];
    const missing = have.indexOf(0);
    peer.send({ flags: "A", ack: missing < 0 ? bytes + 1 : missing + 1 });
    if (missing < 0) return isSame(got, pattern(0, bytes));
    peer.host.pass(200);
  }
  return false;
}

describe.each(FAMILIES)("recovery by selective acknowledgements (RFC 6675) over IPv%i", (family) => {
  const counting = { rack: false, congestionControl: "newreno" } as const;

  it("sends the holes first, no more than cwnd lets go, then new data [SACK-6]", () => {
    const [peer, host] = sending({ family, bytes: 40_000, tcp: counting });
    expect(seqs(peer)).toHaveLength(10);
    host.pass(100);
    // Segments 1, 2 and 6 are missing.
    peer.send({ flags: "A", ack: 1, sack: [[2001, 3001]] });
    peer.send({ flags: "A", ack: 1, sack: [[2001, 4001]] });
    const early = seqs(peer);
    expect(early).toEqual([10_001, 11_001]);
    peer.send({ flags: "A", ack: 1, sack: [[2001, 5001]] });
    expect(peer.field(T_FAST_RETRAN)).toBe(1);
    expect(peer.field(T_SSTHRESH)).toBe(5000);
    const sent = seqs(peer);
    const blocks = [5001, 7001, 8001, 9001, 10_001, 11_001];
    for (let i = 1; i < blocks.length; i++) {
      const sack =
        i === 1
          ? ([
              [6001, blocks[i]],
              [2001, 5001],
            ] as const)
          : ([
              [6001, blocks[i] + 1000],
              [2001, 5001],
            ] as const);
      peer.send({ flags: "A", ack: 1, sack });
      sent.push(...seqs(peer));
      // Never more in the network than cwnd lets be.
      expect(host.core.scoreboard.pipe(peer.row)).toBeLessThanOrEqual(Math.max(peer.field(T_CWND), 1000));
    }
    expect(sent.slice(0, 3)).toEqual([1, 1001, 5001]);
    expect(sent.slice(3).every((seq) => seq >= 12_001)).toBe(true);
    expect(sent.length).toBeGreaterThan(3);
    host.pass(100);
    expect(peer.field(T_TIMEOUTS)).toBe(0);
  });

  it("sends the last segment once when nothing else tells of it (rescue) [SACK-7]", () => {
    const [peer, host] = sending({ family, bytes: 10_000, tcp: counting });
    seqs(peer);
    host.pass(100);
    // The first and the last are missing.
    for (let end = 2001; end <= 9001; end += 1000) peer.send({ flags: "A", ack: 1, sack: [[1001, end]] });
    const sent = seqs(peer);
    expect(sent.filter((seq) => seq === 1)).toHaveLength(1);
    expect(sent.filter((seq) => seq === 9001)).toHaveLength(1);
    peer.send({ flags: "A", ack: 9001 });
    host.pass(50);
    expect(seqs(peer)).toEqual([]);
    expect(peer.field(T_TIMEOUTS)).toBe(0);
  });

  it("does not begin anew after a timeout until all that was sent before is acknowledged [SACK-8]", () => {
    const [peer, host] = sending({ family, bytes: 30_000, tcp: counting });
    expect(seqs(peer)).toHaveLength(10);
    host.pass(100);
    for (let end = 3001; end <= 5001; end += 1000) peer.send({ flags: "A", ack: 1, sack: [[2001, end]] });
    expect(peer.field(T_FAST_RETRAN)).toBe(1);
    host.pass(300);
    expect(peer.field(T_TIMEOUTS)).toBe(1);
    const ssthresh = peer.field(T_SSTHRESH);
    let end = Math.max(...seqs(peer)) + 1000;
    for (let to = 6001; to <= 9001; to += 1000) peer.send({ flags: "A", ack: 1001, sack: [[2001, to]] });
    expect(peer.field(T_FAST_RETRAN)).toBe(1);
    expect(peer.field(T_SSTHRESH)).toBe(ssthresh);
    end = Math.max(end, ...peer.takeAll().map(({ seq, len }) => seq + len));
    peer.send({ flags: "A", ack: end });
    for (let i = 0; i < 4; i++) {
      host.pass(100);
      for (const { seq, len } of peer.takeAll()) end = Math.max(end, seq + len);
      peer.send({ flags: "A", ack: end });
    }
    // Now a loss is a new one.
    host.session.write(pattern(30_000, 20_000));
    host.settle();
    const una = end;
    peer.takeAll();
    for (let i = 2; i <= 5; i++) peer.send({ flags: "A", ack: una, sack: [[una + 1000, una + 1000 * i]] });
    expect(peer.field(T_FAST_RETRAN)).toBe(2);
  });

  it.each([true, false])("keeps what was reported: a peer may take it back; by time: %s [SACK-4]", (rack) => {
    const [peer, host] = sending({ family, bytes: 5000, tcp: { rack } });
    const first = peer.takeAll().slice(0, 1);
    host.pass(100);
    peer.send({ flags: "A", ack: 1, sack: [[1001, 5001]] });
    expect(host.session.queuedBytes).toBe(5000);
    expect(seqs(peer)).toContain(1);
    // The receiver has thrown away what it reported.
    peer.send({ flags: "A", ack: 1001 });
    host.pass(2000);
    const again = peer.takeAll();
    expect(again.map(({ seq }) => seq)).toContain(1001);
    for (const { seq, data } of again) expect(isSame(data, pattern(seq - 1, data.length))).toBe(true);
    // It keeps what it gets from now on.
    expect(arrives(peer, 5000, [...first, ...again])).toBe(true);
  });

  it.each([true, false])("no block can do harm, however wrong; by time: %s [SACK-5]", (rack) => {
    const bytes = 20_000;
    const edge = fc.oneof(fc.integer({ min: -3000, max: 25_000 }), fc.constant(0x7fff_ffff), fc.constant(-0x8000_0000));
    const ack = fc.record({
      blocks: fc.array(fc.tuple(edge, edge), { minLength: 1, maxLength: 4 }),
      ms: fc.nat(40),
    });
    fc.assert(
      fc.property(fc.array(ack, { maxLength: 30 }), (acks) => {
        const [peer, host] = sending({ family, bytes, tcp: { rack } });
        const held = peer.takeAll();
        for (const { blocks, ms } of acks) {
          peer.send({ flags: "A", ack: 1, sack: blocks });
          host.pass(ms);
          held.push(...peer.takeAll());
        }
        expect(peer.state).toBe("ESTABLISHED");
        expect(arrives(peer, bytes, held)).toBe(true);
        peer.send({ flags: "R" });
      }),
      { numRuns: 15, seed: 3 },
    );
  });

  it("blocks of single bytes cost a bounded number of records [SACK-5]", () => {
    const [peer] = sending({ family, bytes: 60_000, tcp: { maxSentRanges: 64, initialCwndSegments: 60 } });
    const held = peer.takeAll();
    for (let at = 1001; at < 50_000; at += 34) {
      const sack = [0, 1, 2, 3].map((i) => [at + 8 * i, at + 8 * i + 1] as const);
      peer.send({ flags: "A", ack: 1, sack });
    }
    expect(peer.state).toBe("ESTABLISHED");
    expect(arrives(peer, 60_000, held)).toBe(true);
  });
});
