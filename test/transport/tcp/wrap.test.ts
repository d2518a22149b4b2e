import { describe, expect, it } from "vitest";
import { established, FAMILIES, isSame, pattern, ScriptedPeer, ScriptedStack, startUsFor } from "./scripted-peer.js";

/** Initial sequence numbers shortly before 2^31, 2^32, and others. */
const PLACES = [
  ["2^31", 0x7fff_ffff - 2500],
  ["2^32", -2500],
  ["2^31 exactly", 0x7fff_ffff],
  ["2^32 exactly", -1],
  ["0", 0],
] as const;

describe.each(FAMILIES)("sequence numbers over IPv%i, around", (family) => {
  it.each(PLACES)("%s: the peer's, with reordering, loss, FIN", (_name, iss) => {
    const [peer, host] = established({ family }, { iss, timestamps: true });
    peer.send({ flags: "A", seq: 1001, data: 1000 }).expect({ flags: "A", ack: 1 });
    peer.send({ flags: "A", seq: 3001, data: 1000 }).expect({ flags: "A", ack: 1 });
    peer.send({ flags: "A", seq: 1, data: 1000 }).expect({ flags: "A", ack: 2001 });
    peer.send({ flags: "A", seq: 501, data: 1000 }).expect({ flags: "A", ack: 2001 });
    peer.send({ flags: "A", seq: 1501, data: 1400 }).expect({ flags: "A", ack: 2901 });
    peer.send({ flags: "A", seq: 2801, data: 1400 }).expect({ flags: "A", ack: 4201 });
    peer.send({ flags: "R", seq: 4100 }).expectNothing();
    peer.send({ flags: "R", seq: 4300 }).expect({ flags: "A", ack: 4201 });
    peer.send({ flags: "FPA", seq: 4201, data: 100 }).expect({ flags: "A", ack: 4302 });
    const bytes = new Uint8Array(4300);
    expect(host.session.read(bytes)).toBe(4300);
    expect(isSame(bytes, pattern(0, 4300))).toBe(true);
    expect(peer.state).toBe("CLOSE_WAIT");
  });

  it.each(PLACES)("%s: ours, with loss, timeout, fast retransmit, FIN", (_name, iss) => {
    const startUs = startUsFor(iss, { family }, { mss: 1000 });
    const [peer, host] = established({ family, startUs }, { mss: 1000 });
    expect(peer.theirIss).toBe(iss | 0);
    host.session.write(pattern(0, 5000));
    host.session.halfClose();
    host.settle();
    const first = peer.takeAll();
    expect(first.map(({ seq }) => seq)).toEqual([1, 1001, 2001, 3001, 4001, 5001]);
    for (let i = 0; i < 3; i++) peer.send({ flags: "A", ack: 1 });
    peer.expect({ seq: 1, len: 1000 });
    peer.send({ flags: "A", ack: 2001 });
    peer.expect({ seq: 2001, len: 1000 });
    host.pass(300);
    expect(peer.takeAll().map(({ seq, len }) => [seq, len])).toEqual([[2001, 1000]]);
    peer.send({ flags: "A", ack: 5003 }).expect({ flags: "A", ack: 1 });
    peer.send({ flags: "A", ack: 5002 });
    expect(peer.state).toBe("FIN_WAIT_2");
  });
});

describe.each(FAMILIES)("the handshake over IPv%i, around", (family) => {
  it.each([
    ["2^31 - 1", 0x7fff_ffff],
    ["2^32 - 1", -1],
    ["2^31", -0x8000_0000],
  ] as const)("%s on both sides", (_name, iss) => {
    const startUs = startUsFor(iss, { family }, { iss });
    const host = new ScriptedStack({ family, startUs });
    host.listen();
    const peer = new ScriptedPeer(host, { iss });
    peer.send({ flags: "S", mss: 1460 }).expect({ flags: "SA", seq: 0, ack: 1 });
    expect(peer.theirIss).toBe(iss);
    peer.send({ flags: "A", ack: 0 }).expect({ flags: "R", seq: 0 });
    peer.send({ flags: "A", ack: 2 }).expect({ flags: "R", seq: 2 });
    peer.send({ flags: "A" });
    expect(peer.state).toBe("ESTABLISHED");
  });
});
