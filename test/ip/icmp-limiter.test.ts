import { describe, expect, it } from "vitest";
import { EchoTable, MAX_ECHO_LISTENERS } from "../../src/ip/echo.js";
import {
  ICMP_HOST_UNREACHABLE,
  ICMP_NET_UNREACHABLE,
  ICMP_PARAMETER_PROBLEM,
  ICMP_PORT_UNREACHABLE,
  ICMP_PROHIBITED,
  ICMP_PROTOCOL_UNREACHABLE,
  ICMP_TIME_EXCEEDED,
  ICMP_TOO_BIG,
  IcmpErrorSinks,
  icmpKind4,
  icmpKind6,
} from "../../src/ip/icmp-error-sink.js";
import { IcmpLimiter } from "../../src/ip/icmp-limiter.js";

describe("ICMP error limiter", () => {
  const burstAt = (limiter: IcmpLimiter, ms: number): number => {
    let n = 0;
    while (n < 10_000 && limiter.allow(ms)) n++;
    return n;
  };

  it("lets a burst through, then its rate, never more than a burst after a pause", () => {
    const limiter = new IcmpLimiter({ perSecond: 100, burst: 50 });
    expect(burstAt(limiter, 5)).toBe(50);
    expect(burstAt(limiter, 14)).toBe(0);
    expect(burstAt(limiter, 15)).toBe(1);
    expect(burstAt(limiter, 115)).toBe(10);
    expect(burstAt(limiter, 1_000_000)).toBe(50);
    expect(limiter.limited).toBe(5);
  });

  it("survives the wrap of its clock, a clock that jumps, and rates of 0", () => {
    const limiter = new IcmpLimiter({ perSecond: 1000, burst: 10 });
    burstAt(limiter, 0x7fff_ffff);
    expect(burstAt(limiter, -0x8000_0000 + 4)).toBe(5);
    expect(burstAt(limiter, 0)).toBe(10);
    expect(burstAt(new IcmpLimiter({ perSecond: 0, burst: 0 }), 7)).toBe(0);
    expect(burstAt(new IcmpLimiter(), 7)).toBe(50);
    expect(() => new IcmpLimiter({ perSecond: -1 })).toThrow(RangeError);
    expect(() => new IcmpLimiter({ burst: 1.5 })).toThrow(RangeError);
  });
});

describe("ICMP errors by kind", () => {
  it.each([
    [3, 0, ICMP_NET_UNREACHABLE],
    [3, 1, ICMP_HOST_UNREACHABLE],
    [3, 2, ICMP_PROTOCOL_UNREACHABLE],
    [3, 3, ICMP_PORT_UNREACHABLE],
    [3, 4, ICMP_TOO_BIG],
    [3, 5, ICMP_NET_UNREACHABLE],
    [3, 9, ICMP_PROHIBITED],
    [3, 13, ICMP_PROHIBITED],
    [3, 77, ICMP_HOST_UNREACHABLE],
    [11, 1, ICMP_TIME_EXCEEDED],
    [12, 0, ICMP_PARAMETER_PROBLEM],
    [8, 0, -1],
  ])("ICMPv4 %i/%i", (type, code, kind) => {
    expect(icmpKind4(type, code)).toBe(kind);
  });

  it.each([
    [1, 0, ICMP_NET_UNREACHABLE],
    [1, 1, ICMP_PROHIBITED],
    [1, 3, ICMP_HOST_UNREACHABLE],
    [1, 4, ICMP_PORT_UNREACHABLE],
    [1, 6, ICMP_PROHIBITED],
    [2, 0, ICMP_TOO_BIG],
    [3, 0, ICMP_TIME_EXCEEDED],
    [4, 0, ICMP_PARAMETER_PROBLEM],
    [4, 1, ICMP_PROTOCOL_UNREACHABLE],
    [128, 0, -1],
  ])("ICMPv6 %i/%i", (type, code, kind) => {
    expect(icmpKind6(type, code)).toBe(kind);
  });

  it("have one sink per protocol", () => {
    const sinks = new IcmpErrorSinks();
    const sink = { icmpError: () => true };
    sinks.add(6, sink);
    expect(sinks.at(6)).toBe(sink);
    expect(sinks.at(17)).toBeUndefined();
    expect(() => sinks.add(6, sink)).toThrow(RangeError);
  });
});

describe("echo listeners", () => {
  it("are one per identifier and limited", () => {
    const table = new EchoTable();
    for (let id = 0; id < MAX_ECHO_LISTENERS; id++) expect(table.listen(id, () => {})).toBe(true);
    expect(table.listen(0, () => {})).toBe(false);
    expect(table.listen(1000, () => {})).toBe(false);
    table.unlisten(0);
    expect(table.at(0)).toBeUndefined();
    expect(table.listen(1000, () => {})).toBe(true);
  });
});
