import { describe, expect, it } from "vitest";
import { SESSION_E_ALREADY_LISTENING } from "../../../src/session/session-errors.js";
import { established, FAMILIES, pattern, ScriptedPeer, ScriptedStack } from "./scripted-peer.js";

describe.each(FAMILIES)("OPEN over IPv%i", (family) => {
  it("passive: disturbs no connection, on another port or the same, granted or refused [MUST-41]", () => {
    const [peer, host] = established({ family });
    const half = new ScriptedPeer(host, { port: 5000 });
    half.send({ flags: "S" }).expect({ flags: "SA" });
    const rows = (): number[][] =>
      [peer, half].map(({ row }) => [...host.core.window.i32.subarray(row, row + host.core.connections.stride)]);
    const before = rows();
    host.listen(81);
    host.listen(80);
    host.settle();
    expect(host.stack.host.sessions.errorCounts[-SESSION_E_ALREADY_LISTENING]).toBe(1);
    expect(rows()).toEqual(before);
    half.send({ flags: "A" });
    peer.send({ flags: "PA", data: 10 }).expect({ flags: "A", ack: 11 });
    expect(host.states).toEqual(["ESTABLISHED", "ESTABLISHED"]);
    new ScriptedPeer(host, { port: 5001, localPort: 81 }).open();
  });

  it("passive: listens on a port that has connections in SYN_SENT and SYN_RCVD [MUST-42]", () => {
    const host = new ScriptedStack({ family });
    const active = new ScriptedPeer(host, { port: 443, localPort: 80 });
    host.connect(443, family === 4 ? "tcp://0.0.0.0/80" : "tcp://[::]:80");
    active.expect({ flags: "S" });
    host.listen(80);
    expect(host.app.listeners).toHaveLength(1);
    const halves = [1, 2, 3].map((i) => new ScriptedPeer(host, { port: 5000 + i }));
    for (const half of halves) half.send({ flags: "S" }).expect({ flags: "SA" });
    const peer = new ScriptedPeer(host, { port: 6000 });
    peer.open();
    active.send({ flags: "SA" }).expect({ flags: "A" });
    expect(host.states).toEqual(["ESTABLISHED", "ESTABLISHED", "SYN_RCVD", "SYN_RCVD", "SYN_RCVD"]);
  });
});

describe.each(FAMILIES)("what the application is told, over IPv%i", (family) => {
  it("of the end: whether it was in order or not [MUST-12]", () => {
    const [orderly, first] = established({ family });
    orderly.send({ flags: "FA" });
    expect(first.log).toEqual(["disconnect"]);
    const [aborted, second] = established({ family });
    aborted.send({ flags: "R" });
    expect(second.log[0]).toBe("reset ECONNRESET");
    const [, third] = established({ family });
    third.session.write(pattern(0, 1));
    third.pass(200_000);
    expect(third.log[0]).toBe("reset ETIMEDOUT");
    // Closed by itself: all is sent and acknowledged.
    const [closing, fourth] = established({ family });
    fourth.session.close();
    fourth.settle();
    closing.send({ flags: "FA" });
    expect(fourth.log).toContain("closed");
    expect(fourth.log.join()).not.toContain("reset");
  });
});

describe.each(FAMILIES)("SEND over IPv%i", (family) => {
  it("does not keep data back when nothing is outstanding [MUST-60]", () => {
    const [peer, host] = established({ family });
    for (let i = 0; i < 3; i++) {
      host.session.write(pattern(i, 1));
      host.settle();
      peer.expect({ flags: "PA", seq: 1 + i, len: 1 });
      peer.send({ flags: "A" });
    }
    expect(host.session.queuedBytes).toBe(0);
  });

  it("several writes before a segment leaves are one, pushed at its end [MUST-61, SHLD-27]", () => {
    const [peer, host] = established({ family });
    for (let i = 0; i < 10; i++) host.session.write(pattern(20 * i, 20));
    host.settle();
    const sent = peer.expect({ flags: "PA", seq: 1, len: 200 });
    expect(sent.data).toEqual(pattern(0, 200));
    peer.expectNothing();
  });

  it("holds small segments back while one is unacknowledged, and sends them as one (Nagle) [SHLD-7]", () => {
    const [peer, host] = established({ family, tcp: { noDelay: false } });
    const write = (from: number, bytes: number): void => {
      host.session.write(pattern(from, bytes));
      host.settle();
    };
    write(0, 10);
    peer.expect({ flags: "PA", seq: 1, len: 10 });
    for (let i = 1; i < 5; i++) write(10 * i, 10);
    peer.expectNothing();
    peer.send({ flags: "A" }).expect({ flags: "PA", seq: 11, len: 40 });
    // What was held back goes when delay is switched off, too, and a last piece with FIN.
    write(50, 10);
    peer.expectNothing();
    host.session.setAttribute("noDelay", 1);
    host.settle();
    peer.expect({ flags: "PA", seq: 51, len: 10 });
    host.session.setAttribute("noDelay", 0);
    write(60, 10);
    peer.expectNothing();
    host.session.halfClose();
    host.settle();
    peer.expect({ flags: "PA", seq: 61, len: 10 });
    peer.expect({ flags: "FA", seq: 71 });
    expect(peer.state).toBe("FIN_WAIT_1");
  });

  it("without delay two small writes are two segments, unacknowledged data or not [MUST-17]", () => {
    const [peer, host] = established({ family });
    expect(host.session.setAttribute("noDelay", 1)).toBe(0);
    for (let i = 0; i < 3; i++) {
      host.session.write(pattern(10 * i, 10));
      host.settle();
      peer.expect({ flags: "PA", seq: 1 + 10 * i, len: 10 });
    }
    peer.expectNothing();
  });
});

describe.each(FAMILIES)("acknowledgements over IPv%i", (family) => {
  it("of a single segment come within half a second [MUST-40, R5681-12]", () => {
    const [peer, host] = established({ family });
    for (let i = 0; i < 30; i++) {
      const at = host.clock.nowUs();
      peer.send({ flags: "PA", data: 1 });
      host.pass(499);
      const [ack] = peer.takeAll();
      expect(ack).toMatchObject({ flags: "A", ack: 2 + i });
      expect(host.clock.nowUs() - at).toBeLessThan(500_000);
    }
  });
});

describe.each(FAMILIES)("a window that shrank, over IPv%i", (family) => {
  it("does not end the connection, though what lies past its edge is never acknowledged [SHLD-17]", () => {
    const [peer, host] = established({ family, tcp: { userTimeoutMs: 10_000 } }, { mss: 1000, win: 10_000 });
    host.session.write(pattern(0, 10_000));
    host.settle();
    peer.takeAll();
    peer.send({ flags: "A", ack: 1001, win: 0 });
    for (let i = 0; i < 30; i++) {
      host.pass(1000);
      if (peer.takeAll().length > 0) peer.send({ flags: "A", ack: 1001, win: 0 });
    }
    expect(peer.state).toBe("ESTABLISHED");
    let end = 1001;
    peer.send({ flags: "A", ack: end, win: 10_000 });
    for (let i = 0; i < 20 && end < 10_001; i++) {
      for (const { seq, len } of peer.takeAll()) if (seq <= end) end = Math.max(end, seq + len);
      peer.send({ flags: "A", ack: end, win: 10_000 });
    }
    expect(end).toBe(10_001);
  });

  it("of our own may stay closed for ever: probes are answered [MAY-8]", () => {
    const [peer, host] = established({ family, rxFifoBytes: 2000 });
    while (peer.nxt < 2001) peer.send({ flags: "A", data: 500 });
    peer.takeAll();
    for (let i = 0; i < 10; i++) {
      host.pass(60_000);
      peer.send({ flags: "A", seq: 2001, data: 1 }).expect({ flags: "A", ack: 2001, win: 0 });
    }
    expect(peer.state).toBe("ESTABLISHED");
  });
});
