import { describe, expect, it } from "vitest";
import { TF_SACK } from "../../../src/transport/tcp/connection.js";
import { C_FLAGS } from "../../../src/transport/transport.js";
import {
  connecting,
  established,
  FAMILIES,
  listening,
  type ScriptedPeer,
  type ScriptOptions,
} from "./scripted-peer.js";

function usesSack(peer: ScriptedPeer): boolean {
  return (peer.field(C_FLAGS) & TF_SACK) !== 0;
}

/** Sends a segment; the ACK number and the blocks of its answer, which is an ACK alone. */
function answer(peer: ScriptedPeer, seq: number, data: number, flags = "A"): unknown[] {
  const { ack, sack = [] } = peer.send({ flags, seq, data }).expect({ flags: "A", len: 0 });
  peer.expectNothing();
  return [ack, ...sack];
}

/** A connection with SACK; each segment of data brings one ACK. */
function sacking(options: ScriptOptions = {}, timestamps = false): ScriptedPeer {
  const [peer] = established({ ...options, tcp: { delayedAckMs: 0, ...options.tcp } }, { sack: true, timestamps });
  return peer;
}

describe.each(FAMILIES)("SACK permitted over IPv%i", (family) => {
  it.each([
    [true, true, true],
    [true, false, false],
    [false, true, false],
    [false, false, false],
  ])("configured %s, offered by the peer %s: in the answer and in use %s", (sack, offered, inUse) => {
    const [peer] = listening({ family, tcp: { sack } }, { sack: offered });
    expect(peer.open().sackPermitted).toBe(inUse);
    expect(usesSack(peer)).toBe(inUse);
  });

  it.each([
    [true, true, true],
    [true, false, false],
    [false, true, false],
  ])("configured %s, in the peer's answer %s: in use %s", (sack, offered, inUse) => {
    const [peer] = connecting({ family, tcp: { sack } }, { sack: offered });
    expect(peer.accept().sackPermitted).toBe(sack);
    expect(usesSack(peer)).toBe(inUse);
  });

  it("fits a SYN beside all other options [MUST-69]", () => {
    const [peer] = listening({ family }, { sack: true, timestamps: true, wscale: 7 });
    expect(peer.open().options).toHaveLength(20);
  });

  it("is not learned from a segment that is no SYN, and then no blocks are sent [SACK-1]", () => {
    const [peer] = established({ family });
    peer.send({ flags: "A", options: [4, 2, 1, 1], data: 10 }).expect({ flags: "A", ack: 11 });
    expect(usesSack(peer)).toBe(false);
    expect(answer(peer, 21, 10)).toEqual([11]);
  });
});

describe.each(FAMILIES)("SACK blocks (RFC 2018) over IPv%i", (family) => {
  it("report what is held, the block of the segment that came last first [SACK-2]", () => {
    const peer = sacking({ family });
    expect(answer(peer, 101, 100)).toEqual([1, [101, 201]]);
    expect(answer(peer, 301, 100)).toEqual([1, [301, 401], [101, 201]]);
    // An old block grows: it is the newest again.
    expect(answer(peer, 201, 50)).toEqual([1, [101, 251], [301, 401]]);
    // Blocks that meet become one.
    expect(answer(peer, 251, 50)).toEqual([1, [101, 401]]);
    // What is filled is no longer reported.
    expect(answer(peer, 1, 100)).toEqual([401]);
  });

  it("go on with every ACK while something is held, after a gap was filled too", () => {
    const peer = sacking({ family });
    expect(answer(peer, 101, 100)).toEqual([1, [101, 201]]);
    expect(answer(peer, 1, 50)).toEqual([51, [101, 201]]);
    peer.send({ flags: "A", seq: 301, data: 100 }).expect({ ack: 51 });
    expect(answer(peer, 51, 50)).toEqual([201, [301, 401]]);
    peer.send({ flags: "R", seq: 210 }).expect({ ack: 201, sack: [[301, 401]] });
  });

  it.each([
    [false, 4, 36],
    [true, 3, 28],
  ])("with timestamps %s: at most %i, the newest [SACK-2]", (timestamps, most, bytes) => {
    const peer = sacking({ family }, timestamps);
    for (let i = 1; i <= 6; i++) peer.send({ flags: "A", seq: 1 + 200 * i, data: 100 });
    const last = peer.takeAll().at(-1);
    expect(last?.sack).toEqual(Array.from({ length: most }, (_, i) => [1 + 200 * (6 - i), 101 + 200 * (6 - i)]));
    expect(last?.options.length).toBe(timestamps ? 12 + bytes : bytes);
    expect(last?.options.slice(-bytes, -bytes + 4)).toEqual([1, 1, 5, 2 + 8 * most]);
  });

  it("one ACK reports all segments of a vector whose blocks it has room for", () => {
    const [peer, host] = established({ family }, { sack: true });
    host.together(() => {
      for (let i = 1; i <= 10; i++) peer.send({ flags: "A", seq: 1 + 100 * i, data: 100 });
      peer.send({ flags: "A", seq: 2001, data: 100 });
    });
    const blocks = [
      [2001, 2101],
      [101, 1101],
    ];
    expect(peer.takeAll()).toMatchObject([{ flags: "A", ack: 1, sack: blocks }]);
  });

  it("several ACKs go when one has no room for all that came in a vector", () => {
    const [peer, host] = established({ family }, { sack: true, timestamps: true });
    host.together(() => {
      for (let i = 1; i <= 8; i++) peer.send({ flags: "A", seq: 1 + 200 * i, data: 100 });
    });
    const acks = peer.takeAll();
    expect(acks.map(({ sack }) => sack?.map(([start]) => (start - 1) / 200))).toEqual([
      [3, 2, 1],
      [6, 5, 4],
      [8, 7, 6],
    ]);
  });

  it("a peer without SACK gets one duplicate ACK for each segment out of order", () => {
    const [peer, host] = established({ family });
    host.together(() => {
      for (let i = 1; i <= 5; i++) peer.send({ flags: "A", seq: 1 + 100 * i, data: 100 });
    });
    const duplicate = { flags: "A", ack: 1, len: 0, sack: undefined };
    expect(peer.takeAll()).toMatchObject(Array.from({ length: 5 }, () => duplicate));
  });

  it("stay out of data, FIN and RST: an ACK with them goes ahead of data", () => {
    const [peer, host] = established({ family }, { sack: true });
    host.together(() => {
      peer.send({ flags: "A", seq: 101, data: 100 });
      host.session.write(new Uint8Array(1000));
    });
    host.session.write(new Uint8Array(1000));
    host.settle();
    host.session.halfClose();
    host.settle();
    host.session.reset();
    host.settle();
    expect(peer.takeAll().map(({ flags, len, ack, sack }) => [flags, len, ack, sack])).toEqual([
      ["A", 0, 1, [[101, 201]]],
      ["PA", 1000, 1, undefined],
      ["PA", 1000, 1, undefined],
      ["FA", 0, 1, undefined],
      ["RA", 0, 1, undefined],
    ]);
  });

  it("are right across the wrap of sequence numbers", () => {
    const [peer] = established({ family, tcp: { delayedAckMs: 0 } }, { sack: true, iss: -150 });
    expect(answer(peer, 101, 100)).toEqual([1, [101, 201]]);
    expect(answer(peer, 1, 100)).toEqual([201]);
  });

  it("what was reported is not taken back, whatever else comes", () => {
    const peer = sacking({ family, rxFifoBytes: 8000 });
    expect(answer(peer, 3001, 1000)).toEqual([1, [3001, 4001]]);
    peer.send({ flags: "A", seq: 7001, data: 1000 }).expect({ ack: 1 });
    for (let seq = 1; seq < 3001; seq += 500) peer.send({ flags: "A", seq, data: 500 });
    const last = peer.takeAll().at(-1);
    expect(last).toMatchObject({ ack: 4001, sack: [[7001, 8001]] });
  });
});

describe.each(FAMILIES)("D-SACK (RFC 2883) over IPv%i", (family) => {
  it("reports a whole segment that was acknowledged before, once [SACK-3]", () => {
    const peer = sacking({ family });
    peer.send({ flags: "A", data: 500 }).expect({ ack: 501 });
    expect(answer(peer, 101, 200)).toEqual([501, [101, 301]]);
    expect(answer(peer, 501, 500)).toEqual([1001]);
  });

  it("stands before the blocks of what is held [SACK-3]", () => {
    const peer = sacking({ family });
    peer.send({ flags: "A", data: 500 }).expect({ ack: 501 });
    expect(answer(peer, 1001, 500)).toEqual([501, [1001, 1501]]);
    expect(answer(peer, 1, 500)).toEqual([501, [1, 501], [1001, 1501]]);
    expect(answer(peer, 2001, 500)).toEqual([501, [2001, 2501], [1001, 1501]]);
  });

  it("reports the part of a segment that was acknowledged before", () => {
    const peer = sacking({ family });
    peer.send({ flags: "A", data: 500 }).expect({ ack: 501 });
    expect(answer(peer, 301, 500)).toEqual([801, [301, 501]]);
  });

  it("a duplicate of what is held: the block that contains it comes second", () => {
    const peer = sacking({ family });
    peer.send({ flags: "A", seq: 1001, data: 1500 }).expect({ ack: 1 });
    peer.send({ flags: "A", seq: 3001, data: 500 }).expect({ ack: 1 });
    expect(answer(peer, 1501, 500)).toEqual([1, [1501, 2001], [1001, 2501], [3001, 3501]]);
    // In part: what it adds is part of the second block.
    expect(answer(peer, 2001, 800)).toEqual([1, [2001, 2501], [1001, 2801], [3001, 3501]]);
  });

  it("the containing block comes second also when another grew later in the same vector", () => {
    const [peer, host] = established({ family }, { sack: true });
    peer.send({ flags: "A", seq: 1001, data: 500 }).expect({ ack: 1 });
    host.together(() => {
      peer.send({ flags: "A", seq: 1001, data: 500 });
      peer.send({ flags: "A", seq: 3001, data: 500 });
    });
    const blocks = [
      [1001, 1501],
      [1001, 1501],
      [3001, 3501],
    ];
    expect(peer.takeAll()).toMatchObject([{ ack: 1, sack: blocks }]);
  });

  it("text that fills a gap and runs into what is held reports the overlap", () => {
    const peer = sacking({ family });
    peer.send({ flags: "A", seq: 501, data: 500 }).expect({ ack: 1 });
    expect(answer(peer, 1, 700)).toEqual([1001, [501, 701]]);
  });

  it("one duplicate is reported for each segment, the first", () => {
    const peer = sacking({ family });
    peer.send({ flags: "A", data: 500 }).expect({ ack: 501 });
    peer.send({ flags: "A", seq: 701, data: 300 }).expect({ ack: 501 });
    // Both its front and its end came before.
    expect(answer(peer, 401, 500)).toEqual([1001, [401, 501]]);
    peer.expectNothing();
  });

  it("leaves room for one block fewer", () => {
    const peer = sacking({ family }, true);
    peer.send({ flags: "A", data: 100 }).expect({ ack: 101 });
    for (let i = 1; i <= 4; i++) peer.send({ flags: "A", seq: 1 + 200 * i, data: 100 });
    peer.takeAll();
    const { sack } = peer.send({ flags: "A", seq: 1, data: 100 }).expect({ ack: 101 });
    expect(sack).toEqual([
      [1, 101],
      [801, 901],
      [601, 701],
    ]);
  });

  it("duplicates of one vector that touch are reported as one, others each", () => {
    const [peer, host] = established({ family, tcp: { delayedAckMs: 0 } }, { sack: true });
    peer.send({ flags: "A", data: 1000 }).expect({ ack: 1001 });
    host.together(() => {
      peer.send({ flags: "A", seq: 201, data: 100 });
      peer.send({ flags: "A", seq: 301, data: 100 });
      peer.send({ flags: "A", seq: 101, data: 100 });
      peer.send({ flags: "A", seq: 601, data: 100 });
    });
    expect(peer.takeAll()).toMatchObject([
      { flags: "A", ack: 1001, sack: [[101, 401]] },
      { flags: "A", ack: 1001, sack: [[601, 701]] },
    ]);
  });

  it("a FIN that came twice, and data with it", () => {
    const peer = sacking({ family });
    peer.send({ flags: "FA", data: 10 }).expect({ ack: 12 });
    expect(answer(peer, 1, 10, "FA")).toEqual([12, [1, 12]]);
  });

  it("is not for peers without SACK, nor for acknowledgements", () => {
    const [plain] = established({ family, tcp: { delayedAckMs: 0 } });
    plain.send({ flags: "A", data: 500 }).expect({ ack: 501 });
    plain.send({ flags: "A", seq: 1, data: 500 }).expect({ ack: 501, options: [] });
    const peer = sacking({ family });
    peer.send({ flags: "A", data: 500 }).expect({ ack: 501 });
    expect(answer(peer, 1, 0)).toEqual([501]);
  });
});
