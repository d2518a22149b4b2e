import { describe, expect, it } from "vitest";
import { established, FAMILIES, pattern, type ScriptedPeer, type ScriptedStack } from "./scripted-peer.js";

/** A connection in TIME_WAIT: rcvNxt is 2, TS.Recent is `peer.tsNow` of now. */
function timeWait(family: 4 | 6, timestamps: boolean, tcp = {}): [ScriptedPeer, ScriptedStack] {
  const [peer, host] = established({ family, tcp }, { timestamps });
  host.session.close();
  host.settle();
  peer.expect({ flags: "FA" });
  peer.send({ flags: "FA" });
  peer.takeAll();
  expect(peer.state).toBe("TIME_WAIT");
  return [peer, host];
}

describe.each(FAMILIES)("a SYN in TIME_WAIT (RFC 6191 2) over IPv%i", (family) => {
  const cases = [
    // The old connection's timestamps; the SYN's, from TS.Recent; its sequence number, from rcvNxt; accepted.
    [false, undefined, 1, true],
    [false, undefined, 0, false],
    [false, undefined, -1, false],
    [false, undefined, -500_000, false],
    [false, 5, -500_000, true],
    [false, -5, -500_000, true],
    [true, 1, -500_000, true],
    [true, 0x7fff_ffff, -500_000, true],
    [true, 0, 1, true],
    [true, 0, 0, false],
    [true, 0, -500_000, false],
    [true, -1, 500_000, false],
    [true, -0x7fff_ffff, 500_000, false],
    [true, undefined, 1, true],
    [true, undefined, -1, false],
  ] as const;

  it.each(cases)(
    "timestamps before %s, later by %s, sequence number ahead by %i: accepted %s [SHLD-4]",
    (had, ts, ahead, ok) => {
      const [peer, host] = timeWait(family, had);
      const stamps = ts === undefined ? {} : { ts: [(peer.tsNow + ts) | 0, 0] as const };
      peer.hasTimestamps = false;
      peer.send({ flags: "S", seq: 2 + ahead, ack: 0, mss: 1460, ...stamps });
      const [answer, ...rest] = peer.takeAll();
      expect(rest).toEqual([]);
      expect(answer).toMatchObject(ok ? { flags: "SA", ack: 3 + ahead } : { flags: "A", seq: 2, ack: 2 });
      expect(host.states).toEqual([ok ? "SYN_RCVD" : "TIME_WAIT"]);
      expect(host.count("rcv-process", "time_wait_reuse")).toBe(ok ? 1 : 0);
    },
  );

  it("counts by its sequence number when the next connection will have no timestamps", () => {
    for (const [ahead, state] of [
      [1, "SYN_RCVD"],
      [-1, "TIME_WAIT"],
    ] as const) {
      const [peer, host] = timeWait(family, false, { timestamps: false });
      peer.send({ flags: "S", seq: 2 + ahead, ack: 0, ts: [(peer.tsNow + 5) | 0, 0] });
      expect(host.states).toEqual([state]);
    }
  });

  it("the refused peer's reset ends TIME_WAIT, and its next SYN succeeds", () => {
    const [peer, host] = timeWait(family, false);
    peer.send({ flags: "S", seq: -1000, ack: 0 }).expect({ flags: "A", ack: 2 });
    peer.send({ flags: "R", seq: 2 });
    expect(host.states).toEqual([]);
    peer.send({ flags: "S", seq: -1000, ack: 0 }).expect({ flags: "SA", ack: -999 });
    expect(host.states).toEqual(["SYN_RCVD"]);
  });

  it("starts beyond the old connection and its window: old ACKs are of no use (RFC 9293 3.6.1)", () => {
    const [peer, host] = timeWait(family, false);
    const first = peer.theirIss;
    host.pass(100);
    peer.send({ flags: "S", seq: 100_000, ack: 0 }).expect({ flags: "SA" });
    // Two numbers were sent, to a window of 65535.
    expect((peer.theirIss - first) | 0).toBe(2 + 65_535 + 1);
    peer.send({ flags: "A", seq: 100_001, ack: 1 });
    const second = peer.theirIss;
    host.session.close();
    host.settle();
    peer.send({ flags: "FA", seq: 100_001, ack: 2 });
    peer.takeAll();
    expect(peer.state).toBe("TIME_WAIT");
    // The clock of 4 us alone is enough, and goes on from there.
    host.pass(1000);
    peer.send({ flags: "S", seq: 200_000, ack: 0 }).expect({ flags: "SA" });
    expect((peer.theirIss - second) | 0).toBe(250_000);
  });

  it("starts beyond one that sent more than the clock of initial sequence numbers had ticks", () => {
    const [peer, host] = established({ family, txFifoBytes: 900_000, tcp: { pacing: false } }, { wscale: 4 });
    const first = peer.theirIss;
    host.session.write(pattern(0, 600_000));
    host.session.halfClose();
    host.settle();
    for (let seen = 1; peer.rcv > seen; ) {
      seen = peer.rcv;
      peer.send({ flags: "A" });
    }
    expect(peer.rcv).toBe(600_002);
    peer.send({ flags: "FA" });
    host.session.close();
    host.settle();
    peer.takeAll();
    expect(host.states).toEqual(["TIME_WAIT"]);
    peer.send({ flags: "S", seq: 100_000, ack: 0 }).expect({ flags: "SA" });
    expect((peer.theirIss - first) | 0).toBe(600_002 + (65_535 << 4) + 1);
  });
});
