import { describe, expect, it } from "vitest";
import {
  T_CWND,
  T_RTO_US,
  T_RTTVAR_US,
  T_SRTT_US,
  T_SSTHRESH,
  T_TIMEOUTS,
} from "../../../src/transport/tcp/connection.js";
import { established, FAMILIES, listening, pattern, type ScriptedPeer, type ScriptedStack } from "./scripted-peer.js";

function rtt(peer: ScriptedPeer): { srtt: number; rttvar: number; rto: number } {
  return { srtt: peer.field(T_SRTT_US), rttvar: peer.field(T_RTTVAR_US), rto: peer.field(T_RTO_US) };
}

function write(host: ScriptedStack, bytes: number): void {
  host.session.write(pattern(0, bytes));
  host.settle();
}

/** A connection whose handshake took `ms` on the way back to the stack. */
function slow(ms: number, family: 4 | 6, tcp = {}): [ScriptedPeer, ScriptedStack] {
  const [peer, host] = listening({ family, tcp }, { mss: 1000 });
  peer.send({ flags: "S", mss: 1000 }).expect({ flags: "SA" });
  host.pass(ms);
  peer.send({ flags: "A" });
  host.heardSince();
  return [peer, host];
}

describe.each(FAMILIES)("retransmission timeout over IPv%i", (family) => {
  it("is computed by RFC 6298 2.2 and 2.3 [MUST-18, R6298-2, R6298-3]", () => {
    const [peer, host] = slow(100, family);
    expect(rtt(peer)).toEqual({ srtt: 100_000, rttvar: 50_000, rto: 300_000 });
    write(host, 10);
    host.pass(200);
    peer.takeAll();
    peer.send({ flags: "A" });
    expect(rtt(peer)).toEqual({ srtt: 112_500, rttvar: 62_500, rto: 362_500 });
    write(host, 10);
    host.pass(112.5);
    peer.takeAll();
    peer.send({ flags: "A" });
    expect(rtt(peer)).toEqual({ srtt: 112_500, rttvar: 46_875, rto: 300_000 });
  });

  it("has a least and a largest value [R6298-4, R6298-5]", () => {
    const [fast] = slow(0, family);
    expect(fast.field(T_RTO_US)).toBe(200_000);
    const [other] = slow(900, family, { rtoMaxMs: 1000 });
    expect(other.field(T_RTO_US)).toBe(1_000_000);
    const [least] = slow(0, family, { rtoMinMs: 1000 });
    expect(least.field(T_RTO_US)).toBe(1_000_000);
  });

  it("times one segment in flight, not those sent meanwhile", () => {
    const [peer, host] = slow(100, family);
    write(host, 10);
    host.pass(50);
    write(host, 10);
    host.pass(50);
    peer.takeAll();
    peer.send({ flags: "A", ack: 11 });
    expect(peer.field(T_SRTT_US)).toBe(100_000);
    expect(peer.field(T_RTTVAR_US)).toBe(37_500);
    peer.send({ flags: "A", ack: 21 });
    expect(peer.field(T_RTTVAR_US)).toBe(37_500);
  });

  it("doubles with each timeout, and gives up after R2 [MUST-19, MUST-20, SHLD-11, R6298-8]", () => {
    const [peer, host] = slow(0, family, { rtoMaxMs: 40_000 });
    const started = host.clock.nowUs();
    write(host, 10);
    host.pass(170_000);
    const sent = peer.takeAll();
    const times = [0, 200, 600, 1400, 3000, 6200, 12_600, 25_400, 51_000, 91_000];
    expect(sent.map(({ ms }) => ms)).toEqual([...times, 120_000]);
    for (const each of sent.slice(0, -1)) expect(each).toMatchObject({ flags: "PA", seq: 1, len: 10 });
    expect(sent.at(-1)).toMatchObject({ flags: "RA", seq: 11 });
    expect(host.log).toEqual(["reset ETIMEDOUT", "cleanup transport", "cleanup session"]);
    expect(peer.state).toBe("CLOSED");
    expect(host.clock.nowUs() - started).toBe(170_000_000);
  });

  it("starts R2 anew with each ACK that brings something", () => {
    const [peer, host] = slow(0, family, { userTimeoutMs: 5000 });
    write(host, 5000);
    for (let i = 0; i < 10; i++) {
      host.pass(1000);
      peer.takeAll();
      peer.send({ flags: "A", ack: 2 + i });
    }
    expect(peer.state).toBe("ESTABLISHED");
    host.pass(60_000);
    expect(peer.state).toBe("CLOSED");
  });

  it("does not take a sample from what was sent twice (Karn), and keeps the backoff until there is one [MUST-18, R6298-6]", () => {
    const [peer, host] = slow(100, family);
    write(host, 10);
    host.pass(350);
    expect(peer.takeAll().map(({ ms }) => ms)).toEqual([100, 400]);
    peer.send({ flags: "A", ack: 11 });
    expect(rtt(peer)).toEqual({ srtt: 100_000, rttvar: 50_000, rto: 300_000 });
    write(host, 10);
    host.pass(500);
    expect(peer.takeAll()).toHaveLength(1);
    peer.send({ flags: "A", ack: 21 });
    // A round trip of 500 ms was seen: 2.3 applies, the backoff is over.
    expect(rtt(peer)).toEqual({ srtt: 150_000, rttvar: 137_500, rto: 700_000 });
    write(host, 10);
    host.pass(699);
    expect(peer.takeAll()).toHaveLength(1);
    host.pass(2);
    expect(peer.takeAll()).toHaveLength(1);
  });

  it("sends everything again from the first unacknowledged byte, window of one segment, then slow start [MUST-19, R5681-6]", () => {
    const [peer, host] = slow(0, family);
    write(host, 8000);
    expect(peer.takeAll().map(({ seq }) => seq)).toEqual([1, 1001, 2001, 3001, 4001, 5001, 6001, 7001]);
    host.pass(200);
    expect(peer.takeAll().map(({ seq, len }) => [seq, len])).toEqual([[1, 1000]]);
    expect(peer.field(T_CWND)).toBe(1000);
    expect(peer.field(T_SSTHRESH)).toBe(4000);
    peer.send({ flags: "A", ack: 1001 });
    expect(peer.takeAll().map(({ seq }) => seq)).toEqual([1001, 2001]);
    peer.send({ flags: "A", ack: 3001 });
    expect(peer.takeAll().map(({ seq }) => seq)).toEqual([3001, 4001, 5001, 6001]);
    // The peer had the rest all the time.
    peer.send({ flags: "A", ack: 8001 });
    peer.expectNothing();
    host.pass(10_000);
    peer.expectNothing();
  });

  it("halves the threshold for the first timeout only (RFC 5681 3.1) [R5681-6]", () => {
    const [peer, host] = slow(0, family);
    write(host, 8000);
    host.pass(3100);
    expect(peer.field(T_TIMEOUTS)).toBe(4);
    expect(peer.field(T_SSTHRESH)).toBe(4000);
    expect(peer.field(T_CWND)).toBe(1000);
    peer.takeAll();
  });

  it("starts again with each ACK of new data, and stops when all is acknowledged (RFC 6298 5.2, 5.3) [R6298-7]", () => {
    const [peer, host] = slow(0, family);
    write(host, 3000);
    peer.takeAll();
    for (let i = 1; i <= 2; i++) {
      host.pass(150);
      peer.send({ flags: "A", ack: 1 + 1000 * i });
    }
    peer.expectNothing();
    const rto = peer.field(T_RTO_US) / 1000;
    host.pass(rto - 1);
    peer.expectNothing();
    host.pass(2);
    expect(peer.takeAll()).toMatchObject([{ flags: "PA", seq: 2001, len: 1000 }]);
    peer.send({ flags: "A", ack: 3001 });
    host.pass(60_000);
    peer.expectNothing();
    expect(host.core.timers.running).toBe(0);
  });

  it("tries again when no packet buffer was free", () => {
    const [peer, host] = slow(0, family);
    write(host, 10);
    peer.expect({ flags: "PA", seq: 1 });
    const giveBack = host.exhaustPackets();
    host.pass(250);
    giveBack();
    peer.expectNothing();
    host.pass(5000);
    expect(peer.takeAll()).not.toEqual([]);
    expect(host.count("output", "no_buffer")).toBeGreaterThan(0);
  });

  it("sends FIN late when no packet buffer was free", () => {
    const [peer, host] = slow(0, family);
    const giveBack = host.exhaustPackets();
    host.session.close();
    host.settle();
    giveBack();
    host.pass(1000);
    expect(peer.takeAll()[0]).toMatchObject({ flags: "FA", seq: 1 });
  });

  it("numbers ACKs by what was sent most, though it goes back to send it again", () => {
    const [peer, host] = slow(0, family);
    write(host, 5000);
    peer.takeAll();
    host.pass(200);
    expect(peer.takeAll()).toMatchObject([{ seq: 1, len: 1000 }]);
    peer.send({ flags: "PA", ack: 1, data: 10 }).expect({ flags: "A", seq: 5001, ack: 11, len: 0 });
    host.session.drop(10);
    host.session.reset();
    host.settle();
    peer.expect({ flags: "RA", seq: 5001, ack: 11 });
  });

  it("sends the first data late when no packet buffer was free", () => {
    const [peer, host] = slow(0, family);
    const giveBack = host.exhaustPackets();
    write(host, 10);
    giveBack();
    peer.expectNothing();
    host.pass(1000);
    expect(peer.takeAll()[0]).toMatchObject({ flags: "PA", seq: 1, len: 10 });
  });
});

describe.each(FAMILIES)("congestion window over IPv%i", (family) => {
  it.each([
    [1000, 10_000],
    [1440, 14_400],
    [536, 5360],
  ])("starts at ten segments of %i bytes (RFC 6928) [R5681-2]", (mss, cwnd) => {
    const [peer] = established({ family }, { mss });
    expect(peer.field(T_CWND)).toBe(cwnd);
  });

  it("of large segments starts at 14600 bytes, or two segments", () => {
    const [peer] = established({ family, mtu: 9000 }, { mss: 4000 });
    expect(peer.field(T_CWND)).toBe(14_600);
    const [large] = established({ family, mtu: 9000 }, { mss: 8000 });
    expect(large.field(T_CWND)).toBe(16_000);
  });

  it("doubles per round trip in slow start, then grows by a segment [MUST-19, R5681-5]", () => {
    const [peer, host] = established({ family, tcp: { initialCwndSegments: 2 } }, { mss: 1000 });
    const flights: number[] = [];
    host.session.write(pattern(0, 200_000));
    host.settle();
    for (let round = 0; round < 5; round++) {
      const sent = peer.takeAll();
      flights.push(sent.reduce((sum, { len }) => sum + len, 0));
      if (round === 3) host.core.window.i32[peer.row + T_SSTHRESH] = 16_000;
      peer.send({ flags: "A" });
    }
    expect(flights).toEqual([2000, 4000, 8000, 16_000, 32_000].with(4, flights[4]));
    expect(flights[4]).toBeLessThanOrEqual(32_000);
    const before = peer.field(T_CWND);
    const acked = peer.takeAll().reduce((sum, { len }) => sum + len, 0);
    host.core.window.i32[peer.row + T_SSTHRESH] = before;
    expect(acked).toBeGreaterThan(0);
    peer.send({ flags: "A" });
    expect(peer.field(T_CWND)).toBe(before + 1000);
  });

  it("does not grow while the application sends little (RFC 7661 3)", () => {
    const [peer, host] = established({ family }, { mss: 1000 });
    for (let i = 0; i < 50; i++) {
      write(host, 500);
      peer.takeAll();
      peer.send({ flags: "A" });
    }
    expect(peer.field(T_CWND)).toBe(10_000);
  });

  it("falls back to the initial one after an idle timeout (RFC 5681 4.1) [R5681-11]", () => {
    const [peer, host] = established({ family }, { mss: 1000 });
    host.session.write(pattern(0, 60_000));
    host.settle();
    for (let i = 0; i < 8; i++) {
      peer.takeAll();
      peer.send({ flags: "A" });
    }
    peer.takeAll();
    expect(peer.field(T_CWND)).toBeGreaterThan(20_000);
    host.pass(1000);
    write(host, 40_000);
    expect(peer.takeAll().reduce((sum, { len }) => sum + len, 0)).toBe(10_000);
  });
});
