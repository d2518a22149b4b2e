import { describe, expect, it } from "vitest";
import { sessionAttribute } from "../../../src/session/attributes.js";
import { T_SND_MSS } from "../../../src/transport/tcp/connection.js";
import { connecting, established, FAMILIES, listening, pattern, ScriptedPeer, ScriptedStack } from "./scripted-peer.js";

describe.each(FAMILIES)("MSS over IPv%i", (family) => {
  const headers = family === 4 ? 40 : 60;

  it.each([1500, 1280, 1400, 9000])(
    "announces what the link of MTU %i holds [MUST-14, MUST-67, SHLD-5, SHLD-6, MAY-3, R6691-1, R6691-2]",
    (mtu) => {
      const [passive] = listening({ family, mtu });
      passive.send({ flags: "S", mss: 1460 });
      expect(passive.expect({ flags: "SA" }).mss).toBe(mtu - headers);
      const [active] = connecting({ family, mtu });
      expect(active.expect({ flags: "S" }).mss).toBe(mtu - headers);
    },
  );

  it("announces no more than configured", () => {
    const [peer] = listening({ family, tcp: { mtuBytes: 1300 } });
    peer.send({ flags: "S", mss: 1460 });
    expect(peer.expect({ flags: "SA" }).mss).toBe(1300 - headers);
  });

  it("says it in no other segment [MUST-65]", () => {
    const [peer, host] = established({ family });
    peer.send({ flags: "PA", data: 10 });
    host.session.write(new Uint8Array(10));
    host.settle();
    host.session.halfClose();
    host.settle();
    expect(peer.takeAll().map(({ mss }) => mss)).toEqual([undefined, undefined, undefined]);
  });

  it.each([
    // [option of the peer, timestamps, payload of our full segments]
    [undefined, false, family === 4 ? 536 : 1220],
    [undefined, true, family === 4 ? 524 : 1208],
    [1000, false, 1000],
    [1000, true, 988],
    [65_535, false, 1500 - headers],
    [65_535, true, 1500 - headers - 12],
    [1500 - headers, false, 1500 - headers],
    [700, true, 688],
    [100, false, 100],
    [100, true, 88],
    // Below 64 headers would outweigh data without bound.
    [64, false, 64],
    [10, false, 64],
    [0, true, 52],
  ] as const)(
    "with option %s and timestamps %s sends %i bytes [MUST-14, MUST-15, MUST-16, R6691-1]",
    (mss, timestamps, payload) => {
      const [peer, host] = established({ family }, { mss, timestamps });
      expect(peer.field(T_SND_MSS)).toBe(payload);
      host.session.write(pattern(0, payload * 3 + 7));
      host.settle();
      const sent = peer.takeAll();
      expect(sent.map(({ len }) => len)).toEqual([payload, payload, payload, 7]);
      expect(Math.max(...sent.map(({ ipBytes }) => ipBytes))).toBeLessThanOrEqual(1500);
      expect(Buffer.concat(sent.map(({ data }) => data))).toEqual(Buffer.from(pattern(0, payload * 3 + 7)));
    },
  );

  it("is bounded by the attribute of an active open, announced and used, options taken off [MUST-14, MUST-16]", () => {
    for (const timestamps of [false, true]) {
      const host = new ScriptedStack({ family });
      const peer = new ScriptedPeer(host, { port: 80, localPort: 0, timestamps });
      host.connect(80, undefined, { mss: 500 });
      const { sessions } = host.stack.host;
      // Before the peer's SYN it is the bound.
      expect([...sessions.table].map((s) => sessionAttribute(sessions, s, "mss"))).toEqual([500]);
      expect(peer.accept().mss).toBe(500);
      const payload = timestamps ? 488 : 500;
      expect(host.session.attribute("mss")).toBe(payload);
      host.session.write(pattern(0, 3 * payload));
      host.settle();
      expect(peer.takeAll().map(({ len }) => len)).toEqual([payload, payload, payload]);
      expect(host.session.statistics()).toMatchObject({ CurMSS: payload, MSSRcvd: 1460 });
    }
  });

  it("is bounded by the attribute of a listener, for what it accepts", () => {
    const [peer, host] = listening({ family });
    const { session: listener } = host.app.listeners[0];
    expect(listener.attribute("mss")).toBe(0);
    expect(listener.setAttribute("mss", 600)).toBe(0);
    expect(listener.attribute("mss")).toBe(600);
    expect(peer.open().mss).toBe(600);
    expect(host.session.attribute("mss")).toBe(600);
    // 0 takes the bound away again.
    expect(listener.setAttribute("mss", 0)).toBe(0);
    expect(new ScriptedPeer(host, { port: 5000 }).open().mss).toBe(1500 - headers);
  });

  it("is not raised by a bound above what the link or the peer takes", () => {
    const host = new ScriptedStack({ family });
    const peer = new ScriptedPeer(host, { port: 80, localPort: 0, mss: 700 });
    host.connect(80, undefined, { mss: 65_495 });
    expect(peer.accept().mss).toBe(1500 - headers);
    expect(host.session.attribute("mss")).toBe(700);
  });

  it("of an open connection can become less, but no more than it is; what is lost goes again in smaller pieces", () => {
    const [peer, host] = established({ family }, { mss: 1000 });
    const { session } = host;
    session.write(pattern(0, 2000));
    host.settle();
    expect(peer.takeAll().map(({ len }) => len)).toEqual([1000, 1000]);
    expect([session.setAttribute("mss", 400), session.attribute("mss")]).toEqual([0, 400]);
    host.pass(1100);
    peer.expect({ seq: 1, len: 400 });
    peer.send({ flags: "A", ack: 2001 });
    peer.takeAll();
    session.write(pattern(2000, 800));
    host.settle();
    expect(peer.takeAll().map(({ len }) => len)).toEqual([400, 400]);
    for (const more of [0, 401, 1460]) {
      expect([session.setAttribute("mss", more), session.attribute("mss")]).toEqual([0, 400]);
    }
  });

  it("counts for the side that opens, too [MUST-14]", () => {
    const [peer, host] = connecting({ family }, { mss: 800 });
    peer.accept();
    host.session.write(pattern(0, 1700));
    host.settle();
    expect(peer.takeAll().map(({ len }) => len)).toEqual([800, 800, 100]);
  });

  it.each([
    ["no-operations before, end of list behind it", [1, 1, 2, 4, 3, 0, 0, 0], 768],
    ["unaligned", [1, 2, 4, 3, 0, 1, 1, 1], 768],
    ["unknown options around it", [158, 4, 9, 9, 2, 4, 3, 0, 254, 5, 1, 2, 3], 768],
    ["twice: the last counts", [2, 4, 1, 0, 2, 4, 3, 0], 768],
    ["after the end of the list", [0, 2, 4, 3, 0], family === 4 ? 536 : 1220],
    ["of a wrong length", [2, 3, 3, 1, 1, 1, 1, 1], family === 4 ? 536 : 1220],
    ["before an option of length 0", [2, 4, 3, 0, 8, 0, 0, 0], 768],
    ["behind an option of length 1", [8, 1, 2, 4, 3, 0], family === 4 ? 536 : 1220],
    ["behind an option that reaches past the header", [30, 41, 2, 4, 3, 0], family === 4 ? 536 : 1220],
    ["cut off", [1, 1, 1, 2], family === 4 ? 536 : 1220],
  ] as const)("is found %s [MUST-4, MUST-6, MUST-7, MUST-64, MUST-68]", (_name, options, mss) => {
    const [peer] = established({ family }, { mss: undefined });
    peer.send({ flags: "R" });
    peer.send({ flags: "S", seq: 1000, options });
    peer.expect({ flags: "SA" });
    expect(peer.field(T_SND_MSS)).toBe(mss);
  });

  it("data segments may carry options of any kind [MUST-5, MUST-6, MUST-7, R7323-3]", () => {
    const [peer, host] = established({ family });
    const lists = [[1, 1, 1, 1], [0], [253, 4, 1, 2], [2, 4, 0, 9], [8, 0], [8, 1], [5, 41, 1, 1], [3, 3, 14, 0]];
    for (const options of lists) peer.send({ flags: "PA", data: 10, options });
    expect(host.session.readableBytes).toBe(10 * lists.length);
    expect(peer.takeAll().at(-1)).toMatchObject({ flags: "A", ack: 1 + 10 * lists.length });
    expect(peer.field(T_SND_MSS)).toBe(1500 - headers < 1460 ? 1500 - headers : 1460);
  });
});
