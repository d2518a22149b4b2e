import { describe, expect, it } from "vitest";
import { connecting, established, FAMILIES, pattern, type ScriptedPeer } from "./scripted-peer.js";

/** ICMP errors as [code that is reported, type, code]. */
const ERRORS = {
  4: [
    ["ENETUNREACH", 3, 0],
    ["EHOSTUNREACH", 3, 1],
    ["ENOPROTOOPT", 3, 2],
    ["ECONNREFUSED", 3, 3],
    ["ENETUNREACH", 3, 5],
    ["EACCES", 3, 13],
    ["EHOSTUNREACH", 11, 0],
    ["EPROTO", 12, 0],
  ],
  6: [
    ["ENETUNREACH", 1, 0],
    ["EACCES", 1, 1],
    ["EHOSTUNREACH", 1, 3],
    ["ECONNREFUSED", 1, 4],
    ["EHOSTUNREACH", 3, 0],
    ["EPROTO", 4, 0],
    ["ENOPROTOOPT", 4, 1],
  ],
} as const;

describe.each(FAMILIES)("soft errors over IPv%i", (family) => {
  it("of ICMP are reported, and the connection lives [MUST-47, MUST-54, MUST-56, SHLD-25, SHLD-26]", () => {
    const [peer, host] = established({ family });
    host.session.write(pattern(0, 10));
    host.settle();
    const { packet } = peer.expect({ len: 10 });
    for (const [code, type, icmpCode] of ERRORS[family]) {
      peer.sendIcmp(type, icmpCode, packet).expectNothing();
      expect(host.reports.splice(0)).toEqual([code]);
    }
    expect(peer.state).toBe("ESTABLISHED");
    peer.send({ flags: "PA", data: "alive" }).expect({ flags: "A", ack: 6 });
    expect(host.log).toEqual(["rx"]);
  });

  it("are not reported when the application does not want to hear of them [SHLD-20]", () => {
    const [peer, host] = established({ family });
    expect(host.session.attribute("softErrors")).toBe(1);
    host.session.setAttribute("softErrors", 0);
    host.session.write(pattern(0, 10));
    host.settle();
    const { packet } = peer.expect({ len: 10 });
    const [[, type, code]] = ERRORS[family];
    peer.sendIcmp(type, code, packet);
    host.pass(10_000);
    expect(host.reports).toEqual([]);
    host.session.setAttribute("softErrors", 1);
    peer.sendIcmp(type, code, packet);
    expect(host.reports).toEqual(["ENETUNREACH"]);
  });

  it("of what is not in flight are none (RFC 5927)", () => {
    const [peer, host] = established({ family });
    host.session.write(pattern(0, 10));
    host.settle();
    const { packet } = peer.expect({ len: 10 });
    peer.send({ flags: "A" });
    for (const [, type, code] of ERRORS[family]) peer.sendIcmp(type, code, packet);
    expect(host.reports).toEqual([]);
  });

  it("of one moment are told once, the last of them, and before the end", () => {
    const [peer, host] = established({ family });
    host.session.write(pattern(0, 10));
    host.settle();
    const { packet } = peer.expect({ len: 10 });
    const order: string[] = [];
    host.together(() => {
      for (const [, type, code] of ERRORS[family]) peer.sendIcmp(type, code, packet);
      peer.send({ flags: "FA" });
    });
    order.push(...host.reports, ...host.log);
    expect(order).toEqual([ERRORS[family].at(-1)?.[0], "disconnect"]);
  });

  it("R1: three retransmissions without an answer are reported, long before R2 [MUST-20, SHLD-9, SHLD-10, SHLD-11]", () => {
    const [peer, host] = established({ family });
    host.session.write(pattern(0, 10));
    host.pass(1399);
    expect(peer.takeAll()).toHaveLength(3);
    expect(host.reports).toEqual([]);
    host.pass(1);
    expect(peer.takeAll()).toHaveLength(1);
    expect(host.reports).toEqual(["ETIMEDOUT"]);
    host.pass(98_600);
    expect(peer.state).toBe("ESTABLISHED");
    peer.send({ flags: "A", ack: 11 });
    expect(host.reports).toEqual(["ETIMEDOUT"]);
    // The backoff is over with the next round trip; then it is news again.
    host.session.write(pattern(0, 10));
    host.settle();
    peer.send({ flags: "A", ack: 21 });
    host.session.write(pattern(0, 10));
    host.pass(60_000);
    expect(host.reports).toEqual(["ETIMEDOUT", "ETIMEDOUT"]);
  });

  it("R1: IP is advised to doubt the next hop, of data and of a SYN [MUST-20, MUST-22]", () => {
    const reachable = (peer: ScriptedPeer): boolean => {
      const { neighbours } = peer.host.stack.host;
      return neighbours.list().some(({ state }) => state === "reachable");
    };
    const [peer, host] = established({ family });
    host.session.write(pattern(0, 10));
    host.pass(1399);
    expect(reachable(peer)).toBe(true);
    host.pass(2);
    expect(reachable(peer)).toBe(false);
    const [active, other] = connecting({ family });
    other.pass(6999);
    expect(reachable(active)).toBe(true);
    other.pass(2);
    expect(reachable(active)).toBe(false);
  });
});
