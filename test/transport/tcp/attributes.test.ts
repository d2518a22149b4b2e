import { describe, expect, it } from "vitest";
import { SESSION_E_INVALID, SESSION_E_NOSESSION, SESSION_E_NOSUPPORT } from "../../../src/session/session-errors.js";
import type { ConnectionAttribute } from "../../../src/transport/transport.js";
import { established, FAMILIES, listening, pattern, ScriptedPeer, ScriptedStack } from "./scripted-peer.js";

describe.each(FAMILIES)("attributes of a connection over IPv%i", (family) => {
  it("user timeout: R2 of this connection [MUST-21]", () => {
    const [peer, host] = established({ family });
    const other = new ScriptedPeer(host, { port: 5000 });
    other.open();
    const [first, second] = host.sessions;
    expect(first.attribute("userTimeoutMs")).toBe(120_000);
    expect(first.setAttribute("userTimeoutMs", 3000)).toBe(0);
    for (const session of [first, second]) session.write(pattern(0, 10));
    host.pass(2900);
    expect(peer.state).toBe("ESTABLISHED");
    host.pass(200);
    expect(peer.state).toBe("CLOSED");
    expect(peer.takeAll().at(-1)).toMatchObject({ flags: "RA", ms: 3000 });
    expect(host.log).toContain("reset ETIMEDOUT");
    host.pass(60_000);
    expect(other.state).toBe("ESTABLISHED");
  });

  it("user timeout, on OPEN: R2 of the SYN, too [MUST-21, MUST-22]", () => {
    const host = new ScriptedStack({ family });
    const peer = new ScriptedPeer(host, { port: 80, localPort: 0 });
    host.connect(80, undefined, { userTimeoutMs: 5000 });
    host.pass(5100);
    expect(peer.takeAll().map(({ ms }) => ms)).toEqual([0, 1000, 3000]);
    expect(host.log).toEqual(["failed TIMEDOUT"]);
  });

  it("DSCP: from the first segment on, changed at any time, whatever kind of segment [MUST-48, SHLD-21, SHLD-22]", () => {
    const host = new ScriptedStack({ family });
    const peer = new ScriptedPeer(host, { port: 80, localPort: 0 });
    host.connect(80, undefined, { dscp: 46 });
    peer.expect({ flags: "S", dscp: 46 });
    peer.send({ flags: "SA" }).expect({ flags: "A", dscp: 46 });
    const { session } = host;
    session.write(pattern(0, 10));
    host.settle();
    peer.expect({ len: 10, dscp: 46 });
    expect(session.setAttribute("dscp", 63)).toBe(0);
    expect(session.attribute("dscp")).toBe(63);
    host.pass(1000);
    expect(peer.takeAll().every(({ dscp, len }) => dscp === 63 && len === 10)).toBe(true);
    session.setAttribute("dscp", 0);
    session.reset();
    host.settle();
    peer.expect({ flags: "RA", dscp: 0 });
  });

  it("hop limit: configurable, 64 at first [MUST-49]", () => {
    const [peer, host] = established({ family });
    peer.send({ flags: "A", data: 1 }).expect({ hopLimit: 64 });
    expect(host.session.attribute("hopLimit")).toBe(64);
    for (const hopLimit of [7, 255, 1]) {
      expect(host.session.setAttribute("hopLimit", hopLimit)).toBe(0);
      peer.send({ flags: "A", data: 1 }).expect({ hopLimit, dscp: 0 });
    }
    const active = new ScriptedPeer(host, { port: 80, localPort: 0 });
    host.connect(80, undefined, { hopLimit: 3, dscp: 10 });
    active.expect({ flags: "S", hopLimit: 3, dscp: 10 });
  });

  it("a listener's are those of its connections, from the SYN-ACK on [MUST-48, MUST-49]", () => {
    const [peer, host] = listening({ family });
    const { session: listener } = host.app.listeners[0];
    for (const [name, value] of [
      ["dscp", 8],
      ["hopLimit", 33],
      ["noDelay", 1],
      ["userTimeoutMs", 4000],
      ["softErrors", 0],
    ] as const) {
      expect(listener.setAttribute(name, value)).toBe(0);
      expect(listener.attribute(name)).toBe(value);
    }
    peer.send({ flags: "S" }).expect({ flags: "SA", dscp: 8, hopLimit: 33 });
    peer.send({ flags: "A" });
    // What is set later counts for later connections.
    listener.setAttribute("noDelay", 0);
    const names = ["dscp", "hopLimit", "noDelay", "userTimeoutMs", "softErrors"] as const;
    expect(names.map((name) => host.session.attribute(name))).toEqual([8, 33, 1, 4000, 0]);
  });

  it("no-delay is as configured at first", () => {
    const [, host] = established({ family, tcp: { noDelay: true } });
    expect(host.session.attribute("noDelay")).toBe(1);
    expect(host.session.setAttribute("noDelay", 0)).toBe(0);
    expect(host.session.attribute("noDelay")).toBe(0);
  });

  it("values out of range change nothing; what cannot be set, and sessions that have gone, say so", () => {
    const [, host] = established({ family });
    const { session } = host;
    const bad: readonly (readonly [ConnectionAttribute, readonly number[]])[] = [
      ["noDelay", [-1, 2, 0.5, Number.NaN]],
      ["keepalive", [-1, 2]],
      ["keepaliveMs", [-1, 86_400_001, 1.5]],
      ["userTimeoutMs", [-1, 86_400_001, Number.POSITIVE_INFINITY]],
      ["dscp", [-1, 64]],
      ["hopLimit", [0, 256]],
      ["softErrors", [-1, 2]],
    ];
    for (const [name, values] of bad) {
      const before = session.attribute(name);
      for (const value of values) expect(session.setAttribute(name, value)).toBe(SESSION_E_INVALID);
      expect(session.attribute(name)).toBe(before);
    }
    expect(session.setAttribute("urgentBytes", 0)).toBe(SESSION_E_NOSUPPORT);
    for (const name of ["colour", "toString"]) {
      expect(session.attribute(name as ConnectionAttribute)).toBe(SESSION_E_NOSUPPORT);
      expect(session.setAttribute(name as ConnectionAttribute, 0)).toBe(SESSION_E_NOSUPPORT);
    }
    // Each of them counts, and so does a connect that asks for one.
    const { errorCounts } = host.stack.host.sessions;
    const refused = bad.reduce((sum, [, values]) => sum + values.length, 0);
    expect(errorCounts[-SESSION_E_INVALID]).toBe(refused);
    host.connect(80, undefined, { hopLimit: 0 });
    expect(errorCounts[-SESSION_E_INVALID]).toBe(refused + 1);
    expect(host.core.connections.used).toBe(2);
    session.reset();
    host.settle();
    expect(session.attribute("dscp")).toBe(SESSION_E_NOSESSION);
    expect(session.setAttribute("dscp", 1)).toBe(SESSION_E_NOSESSION);
    expect(session.writeUrgent(pattern(0, 1))).toBe(SESSION_E_NOSESSION);
    expect(session.statistics()).toBeUndefined();
  });
});
