import { describe, expect, it } from "vitest";
import { established, FAMILIES, pattern, type ScriptedPeer, type ScriptedStack } from "./scripted-peer.js";

let at = 0;

function connection(family: 4 | 6, noDelay = false): [ScriptedPeer, ScriptedStack] {
  at = 0;
  return established({ family, tcp: { noDelay } }, { mss: 1000 });
}

/** Writes so many bytes; returns the lengths of the segments that go. */
function write(peer: ScriptedPeer, host: ScriptedStack, bytes: number): number[] {
  host.session.write(pattern(at, bytes));
  at += bytes;
  host.settle();
  return lengths(peer);
}

function lengths(peer: ScriptedPeer): number[] {
  return peer
    .takeAll()
    .filter(({ len }) => len > 0)
    .map(({ len }) => len);
}

describe.each(FAMILIES)("the Nagle algorithm (RFC 9293 3.7.4) over IPv%i", (family) => {
  it("a small segment goes when nothing is outstanding; the next waits for its acknowledgement, with company", () => {
    const [peer, host] = connection(family);
    expect(write(peer, host, 10)).toEqual([10]);
    expect(write(peer, host, 10)).toEqual([]);
    expect(write(peer, host, 20)).toEqual([]);
    peer.send({ flags: "A", ack: 11 });
    expect(lengths(peer)).toEqual([30]);
  });

  it("full segments do not wait", () => {
    const [peer, host] = connection(family);
    expect(write(peer, host, 10)).toEqual([10]);
    expect(write(peer, host, 2500)).toEqual([1000, 1000]);
    peer.send({ flags: "A" });
    expect(lengths(peer)).toEqual([500]);
  });

  it("the small end of a large write does not wait for its full segments", () => {
    const [peer, host] = connection(family);
    expect(write(peer, host, 2500)).toEqual([1000, 1000, 500]);
    expect(write(peer, host, 1)).toEqual([]);
    peer.send({ flags: "A", ack: 2001 });
    expect(lengths(peer)).toEqual([]);
    peer.send({ flags: "A", ack: 2501 });
    expect(lengths(peer)).toEqual([1]);
  });

  it("FIN lets it go", () => {
    const [peer, host] = connection(family);
    write(peer, host, 10);
    expect(write(peer, host, 10)).toEqual([]);
    host.session.halfClose();
    host.settle();
    expect(peer.takeAll()).toMatchObject([
      { flags: "PA", seq: 11, len: 10 },
      { flags: "FA", seq: 21 },
    ]);
  });

  it("is off with noDelay (MUST-17)", () => {
    const [peer, host] = connection(family, true);
    for (let i = 0; i < 5; i++) expect(write(peer, host, 10)).toEqual([10]);
  });

  it("what waits goes with a retransmission's acknowledgement when the first was lost", () => {
    const [peer, host] = connection(family);
    write(peer, host, 10);
    write(peer, host, 10);
    host.pass(250);
    expect(lengths(peer)).toEqual([10]);
    peer.send({ flags: "A", ack: 11 });
    expect(lengths(peer)).toEqual([10]);
  });
});
