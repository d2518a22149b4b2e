import { describe, expect, it } from "vitest";
import { T_RTO_US, T_RTTVAR_US, T_SRTT_US, T_TIMEOUTS } from "../../../src/transport/tcp/connection.js";
import { established, FAMILIES, listening, pattern } from "./scripted-peer.js";
import { SackSender } from "./sack-sender.js";

describe.each(FAMILIES)("the timeout follows the round trip (RFC 6298) over IPv%i", (family) => {
  it("before the first sample it is a second [R6298-1]", () => {
    const [peer, host] = listening({ family });
    peer.send({ flags: "S" }).expect({ flags: "SA", ms: 0 });
    host.pass(999);
    peer.expectNothing();
    host.pass(2);
    expect(peer.takeAll()).toMatchObject([{ flags: "SA", ms: 1000 }]);
  });

  it("the first sample of 400 ms makes it 1200 ms [R6298-2]", () => {
    const sender = new SackSender({ family, rttMs: 400, tcp: { rack: false } });
    expect([T_SRTT_US, T_RTTVAR_US, T_RTO_US].map((field) => sender.field(field))).toEqual([
      400_000, 200_000, 1_200_000,
    ]);
    sender.write(1);
    expect(sender.pass(1300)).toEqual([[1200, 0]]);
  });

  it("thirty samples of 200 ms bring it down to little more [R6298-3]", () => {
    const sender = new SackSender({ family, rttMs: 400 });
    for (let i = 1; i <= 30; i++) {
      sender.write(1);
      sender.host.pass(200);
      sender.ack(i);
    }
    expect(sender.field(T_SRTT_US)).toBeGreaterThanOrEqual(200_000);
    expect(sender.field(T_SRTT_US)).toBeLessThan(204_000);
    expect(sender.field(T_RTO_US)).toBeLessThan(240_000);
  });

  it("the variation is taken before the mean moves, by gains of 1/4 and 1/8 [R6298-3]", () => {
    const sender = new SackSender({ family, rttMs: 100 });
    sender.write(1);
    sender.host.pass(180);
    sender.ack(1);
    // 50 + (80 - 50) / 4; 100 + 80 / 8.
    expect([sender.field(T_RTTVAR_US), sender.field(T_SRTT_US)]).toEqual([57_500, 110_000]);
  });

  it("what was sent twice gives no sample, however late its acknowledgement [R6298-6]", () => {
    const sender = new SackSender({ family, tcp: { rack: false } });
    sender.write(1);
    sender.host.pass(350);
    expect(sender.field(T_TIMEOUTS)).toBe(1);
    sender.host.pass(200);
    sender.ack(1);
    expect([sender.field(T_SRTT_US), sender.field(T_RTTVAR_US)]).toEqual([100_000, 50_000]);
  });

  it("an echo from before, or of garbage, gives none either", () => {
    const sender = new SackSender({ family, tcp: { rack: false }, peer: { timestamps: true } });
    sender.write(1);
    sender.host.pass(350);
    sender.ack(1, [], { ts: [sender.peer.tsNow, (sender.peer.tsRecent + 5000) | 0] });
    expect(sender.field(T_SRTT_US)).toBe(100_000);
  });
});

describe.each(FAMILIES)("options and the MSS (RFC 6691) over IPv%i", (family) => {
  it("are not taken off the option's value, but off the segments [R6691-1]", () => {
    const least = family === 4 ? 40 : 60;
    const [peer, host] = established({ family }, { mss: 1500 - least, timestamps: true });
    const [other] = listening({ family });
    other.send({ flags: "S", ts: [1, 0] }).expect({ flags: "SA", mss: 1500 - least });
    host.session.write(pattern(0, 3000));
    host.settle();
    expect(peer.takeAll()[0]).toMatchObject({ len: 1500 - least - 12, ipBytes: 1500 });
  });
});
