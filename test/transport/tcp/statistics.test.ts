import { describe, expect, it } from "vitest";
import {
  T_CWND,
  T_DATA_SEGS_IN,
  T_DATA_SEGS_OUT,
  T_DSACK_DUPS,
  T_DUP_ACKS_IN,
  T_FAST_RETRAN,
  T_MIN_RTT_US,
  T_OCTETS_RETRANS,
  T_SACKS_RCVD,
  T_SEGS_IN,
  T_SEGS_OUT,
  T_SEGS_RETRANS,
  T_SPURIOUS,
  T_SRTT_US,
  T_SSTHRESH,
  T_TIMEOUTS,
} from "../../../src/transport/tcp/connection.js";
import { established, FAMILIES, pattern } from "./scripted-peer.js";

describe.each(FAMILIES)("statistics of a connection over IPv%i (RFC 4898)", (family) => {
  it("are the row's counters by their names", () => {
    const [peer, host] = established({ family });
    const counters = {
      SegsIn: T_SEGS_IN,
      DataSegsIn: T_DATA_SEGS_IN,
      SegsOut: T_SEGS_OUT,
      DataSegsOut: T_DATA_SEGS_OUT,
      SegsRetrans: T_SEGS_RETRANS,
      OctetsRetrans: T_OCTETS_RETRANS,
      FastRetran: T_FAST_RETRAN,
      Timeouts: T_TIMEOUTS,
      DupAcksIn: T_DUP_ACKS_IN,
      SACKsRcvd: T_SACKS_RCVD,
      DSACKDups: T_DSACK_DUPS,
      SpuriousDetected: T_SPURIOUS,
      CurCwnd: T_CWND,
      CurSsthresh: T_SSTHRESH,
    };
    const { i32 } = host.core.window;
    for (const [i, field] of Object.values(counters).entries()) i32[peer.row + field] = 1000 + i;
    i32[peer.row + T_SRTT_US] = 12_345;
    i32[peer.row + T_MIN_RTT_US] = 1500;
    const statistics = host.session.statistics() ?? {};
    for (const [i, name] of Object.keys(counters).entries()) expect([name, statistics[name]]).toEqual([name, 1000 + i]);
    expect(statistics).toMatchObject({ SmoothedRTT: 12.345, MinRTT: 1.5 });
    // Counters are unsigned.
    i32[peer.row + T_SEGS_IN] = -1;
    expect(host.session.statistics()?.SegsIn).toBe(0xffff_ffff);
  });

  it("count segments that arrive, with and without data, expected and not, from the SYN on", () => {
    const [peer, host] = established({ family });
    const { SegsIn: handshake = -1, DataSegsIn: none } = host.session.statistics() ?? {};
    expect([handshake, none]).toEqual([2, 0]);
    peer.send({ flags: "PA", data: 100 });
    peer.send({ flags: "PA", data: 100, seq: 1201 });
    peer.send({ flags: "A", seq: 1101 });
    expect(host.session.statistics()).toMatchObject({ SegsIn: 5, DataSegsIn: 2 });
  });

  it("say what was negotiated, sent, received and queued", () => {
    const [peer, host] = established({ family, tcp: { rtoMinMs: 300 } }, { mss: 1000, wscale: 2, timestamps: true });
    host.session.setAttribute("dscp", 10);
    host.session.setAttribute("noDelay", 1);
    host.session.write(pattern(0, 30_000));
    host.settle();
    peer.send({ flags: "PA", data: 100, ack: 1977 });
    expect(host.session.statistics()).toMatchObject({
      CurMSS: 988,
      MSSRcvd: 1000,
      WinScaleSent: 3,
      WinScaleRcvd: 2,
      TimeStamps: 1,
      Nagle: 2,
      IpTtl: 64,
      IpTosOut: 40,
      CurRTO: 300,
      CurRwinRcvd: 262_140,
      ThruOctetsAcked: 1976,
      ThruOctetsReceived: 100,
      CurAppWQueue: 30_000 - 1976,
      CurAppRQueue: 100,
      Timeouts: 0,
    });
    const [plain, other] = established({ family, tcp: { timestamps: false, noDelay: false } });
    expect(other.session.statistics()).toMatchObject({ WinScaleSent: -1, WinScaleRcvd: -1, TimeStamps: 2, Nagle: 1 });
    expect(plain.state).toBe("ESTABLISHED");
  });

  it("count octets without SYN and FIN, to the end", () => {
    const [peer, host] = established({ family });
    const octets = (): unknown[] => {
      const { ThruOctetsAcked, ThruOctetsReceived, PipeSize } = host.session.statistics() ?? {};
      return [ThruOctetsAcked, ThruOctetsReceived, PipeSize];
    };
    expect(octets()).toEqual([0, 0, 0]);
    host.session.write(pattern(0, 10));
    host.settle();
    expect(octets()).toEqual([0, 0, 10]);
    peer.takeAll();
    peer.send({ flags: "PA", data: 5 });
    expect(octets()).toEqual([10, 5, 0]);
    host.session.halfClose();
    host.settle();
    expect(octets()).toEqual([10, 5, 1]);
    peer.takeAll();
    peer.send({ flags: "A" });
    expect(peer.state).toBe("FIN_WAIT_2");
    expect(octets()).toEqual([10, 5, 0]);
    peer.send({ flags: "FPA", data: 5 });
    expect(peer.state).toBe("TIME_WAIT");
    expect(octets()).toEqual([10, 10, 0]);
  });

  it("are kept up by a timeout", () => {
    const [, host] = established({ family }, { mss: 1000 });
    host.session.write(pattern(0, 1000));
    host.pass(700);
    expect(host.session.statistics()).toMatchObject({
      Timeouts: 2,
      OctetsRetrans: 2000,
      CurTimeoutCount: 2,
      CurCwnd: 1000,
    });
  });
});
