import { beforeEach, describe, expect, test } from "vitest";
import type { RuleRecord, SessionRule } from "../../src/session/rule-record.js";
import { FAMILIES, listening, ScriptedPeer, type ScriptedStack } from "../transport/tcp/scripted-peer.js";
import { UdpHarness, udpPacket } from "./session-harness.js";

const session = { rtBackend: "rule-table", maxRules: 16 } as const;

// What session rules do to packets: nothing tells the sender that one was dropped.

describe.each(FAMILIES)("TCP over IPv%i", (family) => {
  let host: ScriptedStack;
  let peer: ScriptedPeer;
  const [own, all] = family === 4 ? ["198.18.0.2/32", "0.0.0.0/0"] : ["2001:db8::2/128", "::/0"];
  const from = (address: string): string => `${address}/${family === 4 ? 32 : 128}`;

  beforeEach(() => {
    [peer, host] = listening({ family, session });
  });

  const apply = (isAdd: boolean, rule: Partial<SessionRule>): void => {
    const record = { kind: "rule", proto: "tcp", local: own, action: "drop", ...rule } as const;
    host.stack.apply({ ...record, add: isAdd } as RuleRecord);
  };

  test("a dropped SYN has no answer and is counted; a rule that allows more specifically lets it in", () => {
    apply(true, { localPort: 80 });
    peer.send({ flags: "S" }).expectNothing();
    host.pass(5000);
    peer.expectNothing();
    expect(host.errors("input")).toEqual({ filtered: 1 });
    expect([host.states, host.strays]).toEqual([[], []]);
    expect(host.stack.host.pool.inUse()).toEqual([]);
    apply(true, { localPort: 80, remote: from(peer.address), action: "allow" });
    new ScriptedPeer(host, { port: 5000 }).open();
    expect(host.states).toEqual(["ESTABLISHED"]);
    expect(host.count("input", "filtered")).toBe(1);
  });

  test("whatever has no connection is dropped: ACKs, resets, and at a closed port", () => {
    apply(true, { local: all });
    peer.send({ flags: "A" }).send({ flags: "R" }).send({ flags: "F" });
    new ScriptedPeer(host, { localPort: 99 }).send({ flags: "S" }).expectNothing();
    peer.expectNothing();
    expect(host.errors("input")).toEqual({ filtered: 4 });
  });

  test("a connection that is there goes on, however it began; the next one does not", () => {
    peer.open();
    const active = new ScriptedPeer(host, { port: 81, localPort: 0 });
    host.connect(81);
    active.expect({ flags: "S" });
    apply(true, { local: all });
    active.send({ flags: "SA" }).expect({ flags: "A" });
    peer.send({ flags: "A", data: "hello" });
    expect(host.sessions[0].readableBytes).toBe(5);
    expect(host.states).toEqual(["ESTABLISHED", "ESTABLISHED"]);
    new ScriptedPeer(host, { port: 5000 }).send({ flags: "S" }).expectNothing();
    expect(host.errors("input")).toEqual({ filtered: 1 });
    apply(false, { local: all });
    new ScriptedPeer(host, { port: 5001 }).open();
  });

  test("a SYN that takes the place of a connection in TIME_WAIT is new: it is filtered", () => {
    peer.open();
    host.session.close();
    host.settle();
    peer.send({ flags: "FA" });
    expect(host.states).toEqual(["TIME_WAIT"]);
    apply(true, { local: all });
    peer.takeAll();
    peer.send({ flags: "S", seq: 1000 }).expectNothing();
    expect(host.errors("input")).toEqual({ filtered: 1 });
    expect(host.states).toEqual([]);
  });

  test("an application takes what is for others: every port, and addresses that nobody listens on", () => {
    apply(true, { local: all, action: { application: "script" } });
    const other = new ScriptedPeer(host, { localPort: 8080 });
    other.open();
    expect(host.session.local?.port).toBe(8080);
    other.send({ flags: "A", data: "hello" });
    expect(host.session.readableBytes).toBe(5);
  });

  test("an application that does not listen: refused, as by a closed port", () => {
    apply(true, { local: all, action: { application: "nobody" } });
    peer.send({ flags: "S" }).expect({ flags: "RA" });
    expect(host.errors("input")).toEqual({ no_listener: 1 });
  });
});

describe.each([
  ["ip4", "udp://0.0.0.0/53", [10, 0, 0, 1], [10, 0, 0, 9], "10.0.0.9/32"],
  [
    "ip6",
    "udp://[::]:53",
    [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9],
    "2001:db8::9/128",
  ],
] as const)("UDP over %s", (family, any, us, peer, remote) => {
  let h: UdpHarness;
  beforeEach(() => {
    h = new UdpHarness(session);
  });
  const apply = (rule: Partial<SessionRule>): number =>
    h.sessions.apply({ kind: "rule", add: true, proto: "udp", remote, action: "drop", ...rule });
  const arrive = (port: number, fromPort = 1000): void => {
    h.arrive(udpPacket(peer, us, [fromPort, port], Uint8Array.of(1, 2, 3)));
    h.run();
  };

  test("a dropped datagram has no answer and is counted, with and without a listener; others are delivered", async () => {
    const app = await h.server.attach({ name: "dns" }, {});
    const { session: listener } = await app.listen(any);
    apply({ remotePort: 1000 });
    for (const port of [53, 54]) arrive(port);
    expect(h.counters(`udp${family.at(-1)}-input`)).toEqual({ filtered: 2 });
    expect(h.caught(`${family}-icmp-error`)).toEqual([]);
    expect(listener.readableBytes).toBe(0);
    arrive(53, 1001);
    expect(listener.readDatagram(new Uint8Array(9))).toBe(3);
    arrive(54, 1001);
    expect(h.caught(`${family}-icmp-error`)).toHaveLength(1);
    expect(h.pool.inUse()).toEqual([]);
  });

  test("a connected session goes on", async () => {
    const app = await h.server.attach({ name: "client" }, {});
    const host = remote.split("/")[0];
    const connecting = app.connect(`udp://${family === "ip4" ? host : `[${host}]`}:9`);
    h.run();
    const client = await connecting;
    apply({});
    arrive(client.local?.port ?? 0, 9);
    expect(client.readDatagram(new Uint8Array(9))).toBe(3);
    arrive(client.local?.port ?? 0, 10);
    expect(h.counters(`udp${family.at(-1)}-input`)).toEqual({ filtered: 1 });
  });

  test("an application takes what is for any port; one that does not listen is nobody", async () => {
    const app = await h.server.attach({ name: "dns" }, {});
    const { session: listener } = await app.listen(any);
    apply({ action: { application: "dns" } });
    arrive(5353);
    expect(listener.readDatagram(new Uint8Array(9))).toBe(3);
    expect(listener.datagram.localPort).toBe(5353);
    apply({ action: { application: "nobody" } });
    arrive(53);
    expect(h.caught(`${family}-icmp-error`)).toHaveLength(1);
    expect(h.counters(`udp${family.at(-1)}-input`)).toEqual({ no_listener: 1 });
  });
});
