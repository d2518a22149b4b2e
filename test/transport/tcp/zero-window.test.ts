import { describe, expect, it } from "vitest";
import { established, FAMILIES, pattern, type ScriptedPeer, type ScriptedStack } from "./scripted-peer.js";

/** 1000 bytes are acknowledged with a window of 0; 2000 more are queued. */
function closed(family: 4 | 6, tcp = {}): [ScriptedPeer, ScriptedStack] {
  const [peer, host] = established({ family, tcp }, { mss: 1000, win: 1000 });
  host.session.write(pattern(0, 3000));
  host.settle();
  peer.expect({ flags: "A", seq: 1, len: 1000 });
  peer.send({ flags: "A", win: 0 }).expectNothing();
  return [peer, host];
}

describe.each(FAMILIES)("the peer's window is closed, over IPv%i", (family) => {
  it("is probed with one byte after an RTO, then with backoff [MUST-36, SHLD-29, SHLD-30]", () => {
    const [peer, host] = closed(family);
    host.pass(7000);
    const probes = peer.takeAll();
    expect(probes.map(({ ms }) => ms)).toEqual([200, 600, 1400, 3000, 6200]);
    for (const probe of probes) expect(probe).toMatchObject({ seq: 1001, len: 1, data: pattern(1000, 1) });
  });

  it("keeps the connection as long as probes are answered [MUST-37]", () => {
    const [peer, host] = closed(family, { userTimeoutMs: 10_000 });
    for (let i = 0; i < 40; i++) {
      host.pass(5000);
      if (peer.takeAll().length > 0) peer.send({ flags: "A", ack: 1001, win: 0 });
    }
    expect(peer.state).toBe("ESTABLISHED");
    peer.send({ flags: "A", ack: 1001, win: 5000 });
    expect(peer.takeAll().map(({ seq, len }) => [seq, len])).toEqual([
      [1001, 1],
      [1002, 1000],
      [2002, 999],
    ]);
  });

  it("ends the connection when probes are not answered for R2", () => {
    const [peer, host] = closed(family, { userTimeoutMs: 10_000 });
    host.pass(30_000);
    expect(peer.takeAll().at(-1)?.flags).toBe("RA");
    expect(host.log).toContain("reset ETIMEDOUT");
  });

  it("opens by an update: all that was held back goes at once, probes included", () => {
    const [peer, host] = closed(family);
    host.pass(700);
    peer.takeAll();
    peer.send({ flags: "A", ack: 1001, win: 5000 });
    expect(peer.takeAll().map(({ flags, seq, len }) => [flags, seq, len])).toEqual([
      ["A", 1001, 1],
      ["A", 1002, 1000],
      ["PA", 2002, 999],
    ]);
    peer.send({ flags: "A", ack: 3001 });
    host.pass(60_000);
    peer.expectNothing();
  });

  it("the peer takes the probe's byte, and stays closed: the next probe comes after an RTO", () => {
    const [peer, host] = closed(family);
    host.pass(650);
    expect(peer.takeAll()).toHaveLength(2);
    const at = host.clock.nowUs();
    peer.send({ flags: "A", ack: 1002, win: 0 });
    host.pass(60_000);
    const [next] = peer.takeAll();
    expect(next).toMatchObject({ seq: 1002, len: 1, data: pattern(1001, 1) });
    expect(host.clock.nowUs()).toBeGreaterThan(at);
  });

  it("is closed while data is in flight: that is probed too, nothing new is sent [MUST-35, SHLD-15]", () => {
    const [peer, host] = established({ family }, { mss: 1000, win: 10_000 });
    host.session.write(pattern(0, 20_000));
    host.settle();
    expect(peer.takeAll()).toHaveLength(10);
    peer.send({ flags: "A", ack: 2001, win: 0 }).expectNothing();
    host.pass(1500);
    for (const probe of peer.takeAll()) expect(probe).toMatchObject({ seq: 2001, len: 1 });
    peer.send({ flags: "A", ack: 2001, win: 4000 });
    expect(peer.takeAll().map(({ seq, len }) => [seq, len])).toEqual([
      [2001, 1000],
      [3001, 1000],
      [4001, 1000],
      [5001, 1000],
    ]);
  });

  it("shrinks below what is in flight: only what is inside is sent again [MUST-34, SHLD-16]", () => {
    const [peer, host] = established({ family }, { mss: 1000, win: 10_000 });
    host.session.write(pattern(0, 20_000));
    host.settle();
    expect(peer.takeAll()).toHaveLength(10);
    peer.send({ flags: "A", ack: 1, win: 300 }).expectNothing();
    host.pass(250);
    expect(peer.takeAll().map(({ seq, len }) => [seq, len])).toEqual([[1, 300]]);
    peer.send({ flags: "A", ack: 301, win: 300 });
    host.pass(2000);
    expect(peer.takeAll()[0]).toMatchObject({ seq: 301, len: 300 });
    peer.send({ flags: "A", ack: 601, win: 20_000 });
    let end = 601;
    for (let i = 0; i < 12 && end < 20_001; i++) {
      const sent = peer.takeAll();
      for (const each of sent) if (each.seq <= end) end = Math.max(end, each.seq + each.len);
      peer.send({ flags: "A", ack: end, win: 20_000 });
    }
    expect(end).toBe(20_001);
  });

  it("numbers ACKs so that the peer takes them, though a probe lies past its window", () => {
    const [peer, host] = closed(family);
    host.pass(250);
    peer.expect({ seq: 1001, len: 1 });
    peer.send({ flags: "PA", ack: 1001, win: 0, data: 10 }).expect({ flags: "A", seq: 1001, ack: 11, len: 0 });
    expect(host.session.readableBytes).toBe(10);
  });

  it("does not hold back FIN", () => {
    const [peer, host] = established({ family }, { mss: 1000, win: 0 });
    host.session.close();
    host.settle();
    peer.expect({ flags: "FA", seq: 1 });
    host.pass(250);
    peer.expect({ flags: "FA", seq: 1 });
    peer.send({ flags: "A", win: 0 });
    expect(peer.state).toBe("FIN_WAIT_2");
  });

  it("a closed application does not keep it for ever, though probes are answered", () => {
    const [peer, host] = closed(family);
    host.session.close();
    host.settle();
    for (let i = 0; i < 60 && peer.state !== "CLOSED"; i++) {
      host.pass(5000);
      if (peer.takeAll().some(({ len }) => len > 0)) peer.send({ flags: "A", ack: 1001, win: 0 });
    }
    expect(peer.state).toBe("CLOSED");
  });
});

describe.each(FAMILIES)("our window is closed, over IPv%i", (family) => {
  it("a probe's data is refused, its ACK counts", () => {
    const [peer, host] = established({ family, rxFifoBytes: 2000 });
    host.session.write(pattern(0, 100));
    host.settle();
    peer.expect({ len: 100 });
    peer.send({ flags: "PA", ack: 1, data: 2000 }).expect({ flags: "A", ack: 2001, win: 0 });
    expect(host.session.queuedBytes).toBe(100);
    peer.send({ flags: "A", seq: 2001, ack: 101, data: 1 }).expect({ flags: "A", ack: 2001, win: 0 });
    expect(host.session.queuedBytes).toBe(0);
    expect(host.count("established", "zero_rwnd")).toBe(1);
    expect(host.session.readableBytes).toBe(2000);
    // Only ACKs in order: numbered with RCV.NXT.
    peer.send({ flags: "A", seq: 2002, data: 1 }).expect({ flags: "A", ack: 2001, win: 0 });
    expect(host.count("established", "segment_invalid")).toBe(1);
  });

  it("opens when the application has read enough, by an update", () => {
    const [peer, host] = established({ family, rxFifoBytes: 2000 });
    peer.send({ flags: "PA", data: 2000 }).expect({ flags: "A", ack: 2001, win: 0 });
    host.session.drop(999);
    host.settle();
    peer.expectNothing();
    host.session.drop(1);
    host.settle();
    peer.expect({ flags: "A", ack: 2001, win: 1000 });
    peer.send({ flags: "PA", seq: 2001, data: 1000 }).expect({ flags: "A", ack: 3001, win: 0 });
    expect(host.session.readableBytes).toBe(2000);
  });

  it("takes a FIN that comes with a window of 0 once there is room", () => {
    const [peer, host] = established({ family, rxFifoBytes: 2000 });
    peer.send({ flags: "PA", data: 2000 }).expect({ flags: "A", win: 0 });
    peer.send({ flags: "FA" }).expect({ flags: "A", ack: 2001, win: 0 });
    expect(peer.state).toBe("ESTABLISHED");
    host.session.drop(2000);
    host.settle();
    peer.expect({ flags: "A", win: 2000 });
    peer.send({ flags: "FA", seq: 2001 }).expect({ flags: "A", ack: 2002 });
    expect(peer.state).toBe("CLOSE_WAIT");
  });
});
