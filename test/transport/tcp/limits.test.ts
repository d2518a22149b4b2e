import { describe, expect, it } from "vitest";
import { SESSION_E_ALLOC, SESSION_E_NOPORT } from "../../../src/session/session-errors.js";
import { S_GENERATION } from "../../../src/session/session-table.js";
import { T_CONTEXT } from "../../../src/transport/tcp/connection.js";
import { established, FAMILIES, listening, pattern, ScriptedPeer, ScriptedStack } from "./scripted-peer.js";

describe.each(FAMILIES)("limits over IPv%i", (family) => {
  it("a listener takes as many half-open connections as its backlog says, and more when they end [MUST-42]", () => {
    const host = new ScriptedStack({ family, tcp: { synCookies: false } });
    host.listen(80, 3);
    const peers = Array.from({ length: 5 }, (_, i) => new ScriptedPeer(host, { port: 5000 + i }));
    for (const peer of peers) peer.send({ flags: "S" });
    expect(peers.map((peer) => peer.takeAll().length)).toEqual([1, 1, 1, 0, 0]);
    expect(host.errors("listen")).toEqual({ syns_rcvd: 5, backlog_full: 2 });
    // One is established, one reset, one times out: three places.
    peers[0].send({ flags: "A" });
    peers[1].send({ flags: "R", seq: 1 });
    peers[3].send({ flags: "S", seq: 0 }).expect({ flags: "SA" });
    peers[4].send({ flags: "S", seq: 0 }).expect({ flags: "SA" });
    host.pass(61_000);
    expect(host.states).toEqual(["ESTABLISHED"]);
    for (const peer of peers) peer.takeAll();
    for (const peer of peers.slice(1, 4)) peer.send({ flags: "S", seq: 0 }).expect({ flags: "SA" });
    peers[4].send({ flags: "S", seq: 0 }).expectNothing();
  });

  it("a backlog of 0 takes nobody", () => {
    const host = new ScriptedStack({ family });
    host.listen(80, 0);
    const peer = new ScriptedPeer(host);
    peer.send({ flags: "S" }).expectNothing();
    expect(host.count("listen", "backlog_full")).toBe(1);
  });

  it("without a connection row a SYN is dropped, its place in the backlog given back", () => {
    const host = new ScriptedStack({ family, tcp: { maxConnections: 3 } });
    host.listen(80, 4);
    const peers = Array.from({ length: 6 }, (_, i) => new ScriptedPeer(host, { port: 5000 + i }));
    for (const peer of peers) peer.send({ flags: "S" });
    expect(peers.map((peer) => peer.takeAll().length)).toEqual([1, 1, 0, 0, 0, 0]);
    expect(host.errors("listen")).toEqual({ syns_rcvd: 6, create_session_fail: 4 });
    peers[0].send({ flags: "R", seq: 1 });
    peers[2].send({ flags: "S", seq: 0 }).expect({ flags: "SA" });
  });

  it("without a connection row an active open and a listener fail with ALLOC", () => {
    const host = new ScriptedStack({ family, tcp: { maxConnections: 1 } });
    host.listen();
    const { errorCounts } = host.stack.host.sessions;
    host.connect(5000);
    expect(errorCounts[-SESSION_E_ALLOC]).toBe(1);
    expect(() => host.listen(81)).not.toThrow();
    expect(errorCounts[-SESSION_E_ALLOC]).toBe(2);
    expect(host.app.listeners).toHaveLength(1);
  });

  it("without a session row no SYN is let in; one that is used up meanwhile draws a reset", () => {
    const host = new ScriptedStack({ family, session: { maxSessions: 2 } });
    host.listen();
    const peers = Array.from({ length: 3 }, (_, i) => new ScriptedPeer(host, { port: 5000 + i }));
    for (const peer of peers) peer.send({ flags: "S" }).expect({ flags: "SA" });
    peers[0].send({ flags: "A" }).expectNothing();
    peers[1].send({ flags: "A" }).expect({ flags: "RA", seq: 1, ack: 1 });
    expect(host.count("rcv-process", "create_session_fail")).toBe(1);
    expect(host.states).toEqual(["ESTABLISHED", "SYN_RCVD"]);
    const late = new ScriptedPeer(host, { port: 6000 });
    late.send({ flags: "S" }).expectNothing();
    expect(host.count("listen", "backlog_full")).toBe(1);
    host.session.reset();
    host.settle();
    peers[0].takeAll();
    late.send({ flags: "S", seq: 0 }).expect({ flags: "SA" });
  });

  it("an active open that finds no fifos is reset, and reported", () => {
    // Two sessions have all four fifos.
    const host = new ScriptedStack({ family, session: { maxSessions: 2 } });
    const peer = new ScriptedPeer(host, { port: 5000, localPort: 0 });
    host.connect(5000);
    peer.expect({ flags: "S" });
    const { fifos } = host.stack.host;
    const taken = [1, 2, 3, 4].map(() => fifos.allocFifo(1000));
    peer.send({ flags: "SA" }).expect({ flags: "RA", seq: 1, ack: 1 });
    for (const fifo of taken) fifos.freeFifo(fifo);
    expect(host.log).toEqual(["failed SEG_NO_SPACE"]);
    expect(host.states).toEqual([]);
    expect(host.errors("syn-sent")).toMatchObject({ syn_acks_rcvd: 1, create_session_fail: 1, rst_sent: 1 });
  });

  it("source ports run out with NOPORT, and come back", () => {
    const host = new ScriptedStack({ family, session: { minSrcPort: 40_000, maxSrcPort: 40_002 } });
    const peers = Array.from({ length: 3 }, () => new ScriptedPeer(host, { port: 80, localPort: 0 }));
    for (const peer of peers) {
      host.connect(80);
      peer.expect({ flags: "S" });
    }
    expect(peers.map(({ localPort }) => localPort).sort((a, b) => a - b)).toEqual([40_000, 40_001, 40_002]);
    host.connect(80);
    expect(host.stack.host.sessions.errorCounts[-SESSION_E_NOPORT]).toBe(1);
    // Another destination may use the same ports.
    const other = new ScriptedPeer(host, { port: 81, localPort: 0 });
    host.connect(81);
    other.expect({ flags: "S" });
    peers[1].send({ flags: "RA" });
    host.connect(80);
    peers[1].expect({ flags: "S" });
  });

  it("a port that somebody listens on is none for connections", () => {
    const host = new ScriptedStack({ family, session: { minSrcPort: 80, maxSrcPort: 81 } });
    host.listen(80);
    const peer = new ScriptedPeer(host, { port: 9000, localPort: 0 });
    host.connect(9000);
    peer.expect({ flags: "S" });
    expect(peer.localPort).toBe(81);
  });

  it("fifo memory runs out: what does not fit is dropped and counted, and service resumes", () => {
    const options = { family, limits: { fifoBytes: 57 << 10 }, rxFifoBytes: 60_000, session: { maxSessions: 8 } };
    const [greedy, host] = established(options);
    const hoarder = host.session;
    while (greedy.nxt < 60_000) greedy.send({ flags: "A", data: 1000 });
    greedy.takeAll();
    const peer = new ScriptedPeer(host, { port: 5000 });
    peer.open();
    for (let i = 0; i < 20; i++) peer.send({ flags: "A", data: 1000 });
    const before = peer.takeAll().at(-1)?.ack ?? 0;
    expect(before).toBeLessThan(20_001);
    peer.send({ flags: "A", seq: before, data: 1000 });
    expect(host.count("established", "fifo_full")).toBeGreaterThan(0);
    // The hoarder reads: the others get their share at once.
    hoarder.drop(60_000);
    host.settle();
    peer.takeAll();
    for (let seq = before; seq < 20_001; seq += 1000)
      peer.send({ flags: "A", seq, data: Math.min(1000, 20_001 - seq) });
    expect(peer.takeAll().at(-1)?.ack).toBe(20_001);
    const bytes = new Uint8Array(20_000);
    expect(host.session.read(bytes)).toBe(20_000);
    expect(bytes).toEqual(pattern(0, 20_000));
  });

  it("a writer that finds no fifo memory hears of room later", () => {
    const options = { family, limits: { fifoBytes: 57 << 10 }, rxFifoBytes: 60_000, session: { maxSessions: 8 } };
    const [greedy, host] = established(options);
    const hoarder = host.session;
    while (greedy.nxt < 60_000) greedy.send({ flags: "A", data: 1000 });
    const peer = new ScriptedPeer(host, { port: 5000 });
    peer.open();
    let written = 0;
    for (let n = 1; n > 0; written += n) n = host.session.write(pattern(written, 1000));
    expect(written).toBeLessThan(60_000);
    hoarder.drop(60_000);
    host.heardSince();
    peer.takeAll();
    for (let i = 0; i < 10 && peer.rcv < written + 1; i++) peer.send({ flags: "A" });
    host.pass(20);
    expect(host.heardSince()).toContain("tx");
    expect(host.session.write(pattern(written, 1000))).toBe(1000);
  });

  it("without packet buffers a SYN-ACK and a reset are lost, and counted", () => {
    const [peer, host] = listening({ family, limits: { smallPackets: 64 } });
    // The stack knows its neighbour.
    peer.send({ flags: "A" }).expect({ flags: "R" });
    const stray = new ScriptedPeer(host, { localPort: 99, port: 5000 });
    const { pool } = host.stack.host;
    const held: number[] = [];
    // One is left for what comes in.
    while (pool.freeSmall > 1) held.push(pool.alloc());
    peer.send({ flags: "S" });
    stray.send({ flags: "S" });
    for (const b of held) pool.free(b);
    peer.expectNothing();
    stray.expectNothing();
    expect(host.count("listen", "no_buffer")).toBe(1);
    expect(host.count("reset", "no_buffer")).toBe(1);
    host.pass(1000);
    peer.expect({ flags: "SA" });
  });
});

describe.each(FAMILIES)("a listener that is closed, over IPv%i", (family) => {
  it("resets its half-open connections; the accepted ones live on", () => {
    const [peer, host] = established({ family });
    const half = new ScriptedPeer(host, { port: 5000 });
    half.send({ flags: "S" }).expect({ flags: "SA" });
    void host.app.listeners[0].close();
    host.settle();
    half.expect({ flags: "RA", seq: 1, ack: 1 });
    expect(host.states).toEqual(["ESTABLISHED"]);
    peer.send({ flags: "PA", data: 10 }).expect({ flags: "A", ack: 11 });
    const late = new ScriptedPeer(host, { port: 5001 });
    late.send({ flags: "S" }).expect({ flags: "RA", ack: 1 });
    half.send({ flags: "A" }).expect({ flags: "R" });
  });

  it("leaves half-open connections of other listeners and of active opens alone", () => {
    const host = new ScriptedStack({ family });
    host.listen(80);
    host.listen(81);
    const other = new ScriptedPeer(host, { localPort: 81 });
    other.send({ flags: "S" }).expect({ flags: "SA" });
    const active = new ScriptedPeer(host, { port: 9000, localPort: 0 });
    host.connect(9000);
    active.expect({ flags: "S" });
    active.send({ flags: "S" }).expect({ flags: "SA" });
    void host.app.listeners[0].close();
    host.settle();
    other.expectNothing();
    active.expectNothing();
    expect(host.states).toEqual(["SYN_RCVD", "SYN_RCVD"]);
    other.send({ flags: "A" });
    active.send({ flags: "A" });
    expect(host.states).toEqual(["ESTABLISHED", "ESTABLISHED"]);
  });

  it("can be opened again at once", () => {
    const [peer, host] = established({ family });
    void host.app.listeners[0].close();
    host.settle();
    host.listen();
    const next = new ScriptedPeer(host, { port: 5000 });
    next.open();
    expect(host.states).toEqual(["ESTABLISHED", "ESTABLISHED"]);
    expect(peer.state).toBe("ESTABLISHED");
  });

  it("does not take an active open for a half-open connection of its own, though the numbers are the same", () => {
    const [first, host] = established({ family });
    host.session.close();
    host.settle();
    first.send({ flags: "FA" });
    first.takeAll();
    expect(first.state).toBe("TIME_WAIT");
    // The connection in TIME_WAIT has row 1, so this listener gets row 2; the session of the active open is row 2, too.
    const listener = host.listen(81);
    const { table } = host.stack.host.sessions;
    host.core.window.i32[table.row(2) + S_GENERATION] = 255;
    const peer = new ScriptedPeer(host, { port: 9000, localPort: 0 });
    host.connect(9000);
    peer.expect({ flags: "S" });
    peer.send({ flags: "S" }).expect({ flags: "SA" });
    expect(peer.field(T_CONTEXT)).toBe(host.core.listeners.get(listener?.session.index ?? -1));
    listener?.close().catch(() => {});
    host.settle();
    expect(host.states).toEqual(["SYN_RCVD", "TIME_WAIT"]);
    peer.expectNothing();
  });
});
