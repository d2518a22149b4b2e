import { describe, expect, it } from "vitest";
import { FAMILIES, pattern, ScriptedPeer, ScriptedStack } from "./scripted-peer.js";

/** Longest that a cookie is good for, and one step of its time, milliseconds. */
const STEP_MS = 65_536;

describe.each(FAMILIES)("SYN cookies over IPv%i (RFC 4987 3.6)", (family) => {
  /** A listener whose backlog of one is full. */
  const full = (options = {}): ScriptedStack => {
    const host = new ScriptedStack({ family, ...options });
    host.listen(80, 1);
    new ScriptedPeer(host, { port: 4999 }).send({ flags: "S" }).expect({ flags: "SA" });
    return host;
  };

  it("a full listener answers, keeps nothing, and knows the ACK again: bytes flow both ways", () => {
    const host = full();
    const peer = new ScriptedPeer(host, { port: 5000 });
    peer.send({ flags: "S", mss: 1400, wscale: 7, sack: true, ts: 1 });
    const [answer] = peer.takeAll();
    expect([answer.flags, answer.ack, answer.wscale, answer.sackPermitted, answer.ts]).toEqual([
      "SA",
      1,
      undefined,
      false,
      undefined,
    ]);
    expect(host.states).toEqual(["SYN_RCVD"]);
    peer.send({ flags: "A", ts: false });
    expect(host.states).toEqual(["ESTABLISHED", "SYN_RCVD"]);
    expect(host.log).toEqual(["accept"]);
    peer.send({ flags: "PA", data: 100, ts: false });
    const { session } = host;
    expect(session.readableBytes).toBe(100);
    session.write(pattern(0, 2000));
    host.settle();
    // The largest size of the table that is not above what the peer offered.
    expect(peer.takeAll().map(({ len }) => len)).toEqual([0, 1360, 640]);
    expect(host.errors("listen")).toMatchObject({ syns_rcvd: 2, syn_cookies_sent: 1, syn_cookies_rcvd: 1 });
  });

  it("data that comes instead of a lost ACK opens the connection, too", () => {
    const host = full();
    const peer = new ScriptedPeer(host, { port: 5000 });
    peer.send({ flags: "S" }).expect({ flags: "SA" });
    peer.send({ flags: "PA", data: "hello" });
    expect(host.states).toEqual(["ESTABLISHED", "SYN_RCVD"]);
    expect(host.session.readableBytes).toBe(5);
    peer.takeAll();
  });

  it("data in one vector with the ACK arrives, each segment of it", () => {
    const host = full();
    const peer = new ScriptedPeer(host, { port: 5000 });
    peer.send({ flags: "S" }).expect({ flags: "SA" });
    host.together(() => {
      peer.send({ flags: "A" });
      peer.send({ flags: "A", data: "hello, " });
      peer.send({ flags: "PA", data: "you" });
    });
    expect(host.states).toEqual(["ESTABLISHED", "SYN_RCVD"]);
    expect(host.session.readableBytes).toBe(10);
    expect(peer.takeAll().filter(({ flags }) => flags.includes("R"))).toEqual([]);
    expect(host.errors("listen")).toMatchObject({ syn_cookies_rcvd: 1 });
  });

  it("opens a connection once: what was under way when it was reset does not bring it back", () => {
    const host = full();
    const peer = new ScriptedPeer(host, { port: 5000 });
    peer.send({ flags: "S" }).expect({ flags: "SA" });
    peer.send({ flags: "A" });
    host.session.reset();
    host.settle();
    peer.takeAll();
    peer.send({ flags: "PA", data: "hello" }).expect({ flags: "R" });
    peer.send({ flags: "A" }).expect({ flags: "R" });
    expect(host.log.filter((each) => each === "accept")).toEqual(["accept"]);
    expect(host.states).toEqual(["SYN_RCVD"]);
    expect(host.errors("listen")).toMatchObject({ syn_cookies_rcvd: 1, syn_cookies_failed: 2 });
  });

  it("the half-open connections that it has are not counted for one that a cookie opened", () => {
    const host = full();
    for (let n = 0; n < 5; n++) {
      const peer = new ScriptedPeer(host, { port: 5000 + n });
      peer.send({ flags: "S" }).expect({ flags: "SA" });
      peer.send({ flags: "A" });
    }
    expect(host.states.filter((state) => state === "ESTABLISHED")).toHaveLength(5);
    expect(host.errors("listen")).toMatchObject({ syn_cookies_sent: 5, syn_cookies_rcvd: 5 });
  });

  it.each([
    ["of another sequence number", { ack: 2 }],
    ["of another segment of the peer's", { seq: 2 }],
    ["with one bit of the time changed", { ack: 1 + (1 << 27) }],
    ["with one bit of the MSS changed", { ack: 1 + (1 << 24) }],
  ])("an ACK %s is none of ours: a reset", (_what, fields) => {
    const host = full();
    const peer = new ScriptedPeer(host, { port: 5000 });
    peer.send({ flags: "S" }).expect({ flags: "SA" });
    peer.send({ flags: "A", ...fields }).expect({ flags: "R" });
    expect(host.states).toEqual(["SYN_RCVD"]);
    expect(host.errors("listen")).toMatchObject({ syn_cookies_failed: 1, ack_invalid: 1 });
  });

  it("a cookie is another's from another port, and good for less than two steps of time", () => {
    const host = full();
    const peer = new ScriptedPeer(host, { port: 5000 });
    peer.send({ flags: "S" }).expect({ flags: "SA" });
    host.pass(2 * STEP_MS);
    peer.send({ flags: "A" }).expect({ flags: "R" });
    expect(host.states).toEqual([]);
  });

  it("a listener that is never full believes no ACK", () => {
    const host = new ScriptedStack({ family });
    host.listen(80, 8);
    new ScriptedPeer(host, { port: 5000 }).send({ flags: "A", seq: 1, ack: 1 }).expect({ flags: "R" });
    expect(host.errors("listen")).toEqual({ ack_invalid: 1 });
  });

  it("without a session row none is promised", () => {
    const host = full({ session: { maxSessions: 2 } });
    const peer = new ScriptedPeer(host, { port: 5000 });
    peer.send({ flags: "S" }).expect({ flags: "SA" });
    peer.send({ flags: "A" });
    expect(host.states).toEqual(["ESTABLISHED", "SYN_RCVD"]);
    new ScriptedPeer(host, { port: 5001 }).send({ flags: "S" }).expectNothing();
    expect(host.errors("listen")).toMatchObject({ syn_cookies_sent: 1, backlog_full: 1 });
  });
});
