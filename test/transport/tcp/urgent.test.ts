import { describe, expect, it } from "vitest";
import { T_RCV_UP, TF_URGENT, TF_URGENT_OUT } from "../../../src/transport/tcp/connection.js";
import { C_FLAGS } from "../../../src/transport/transport.js";
import { established, FAMILIES, isSame, pattern } from "./scripted-peer.js";

const OFFLOADS = { checksum: true, tso: true, uso: true };

describe.each(FAMILIES)("urgent data over IPv%i", (family) => {
  it("stays in the stream, in order, however long it is [MUST-30, MUST-31]", () => {
    const [peer, host] = established({ family });
    expect(peer.field(C_FLAGS) & TF_URGENT).toBe(0);
    peer.send({ flags: "UA", data: 100, urgent: 60_000 }).expect({ flags: "A", ack: 101 });
    expect(peer.field(C_FLAGS) & TF_URGENT).not.toBe(0);
    expect(peer.field(T_RCV_UP)).toBe((peer.iss + 60_001) | 0);
    for (let i = 0; i < 50; i++) peer.send({ flags: "UPA", data: 1200, urgent: 60_000 - 100 - 1200 * i });
    const bytes = new Uint8Array(60_100);
    expect(host.session.read(bytes)).toBe(60_100);
    expect(isSame(bytes, pattern(0, 60_100))).toBe(true);
  });

  it("the pointer advances and does not go back; the application hears of each advance [MUST-32]", () => {
    const [peer, host] = established({ family }, { iss: 0x7fff_fff0 });
    for (const [seq, urgent, up, told] of [
      [1, 500, 501, 1],
      [21, 5, 501, 0],
      [41, 1000, 1041, 1],
      [61, 0, 1041, 0],
    ]) {
      peer.send({ flags: "UA", seq, data: 20, urgent });
      expect((peer.field(T_RCV_UP) - peer.iss) | 0).toBe(up);
      expect(host.reports.splice(0)).toHaveLength(told);
    }
  });

  it("the application learns how much is left, also of what has not come yet [MUST-33]", () => {
    const [peer, host] = established({ family });
    const { session } = host;
    expect(session.attribute("urgentBytes")).toBe(0);
    peer.send({ flags: "A", data: 50 });
    peer.send({ flags: "UA", data: 100, urgent: 150 });
    expect(host.reports).toEqual(["urgent"]);
    // 150 bytes unread, 50 to come.
    expect(session.attribute("urgentBytes")).toBe(200);
    session.drop(120);
    expect(session.attribute("urgentBytes")).toBe(80);
    peer.send({ flags: "FA", data: 100 });
    expect(peer.state).toBe("CLOSE_WAIT");
    expect(session.attribute("urgentBytes")).toBe(80);
    session.drop(79);
    expect(session.attribute("urgentBytes")).toBe(1);
    session.drop(1);
    expect(session.attribute("urgentBytes")).toBe(0);
    expect(peer.field(C_FLAGS) & TF_URGENT).toBe(0);
    expect(session.readableBytes).toBe(50);
  });

  it("of which nothing is left is over: the next is news, an old pointer is none", () => {
    const [peer, host] = established({ family });
    peer.send({ flags: "UA", data: 10, urgent: 10 });
    host.session.drop(10);
    expect(host.reports.splice(0)).toEqual(["urgent"]);
    peer.send({ flags: "UA", seq: 1, data: 10, urgent: 10 });
    peer.send({ flags: "UA", data: 10, urgent: 0 });
    expect(host.reports).toEqual([]);
    expect(host.session.attribute("urgentBytes")).toBe(0);
    peer.send({ flags: "UA", data: 10, urgent: 5 });
    expect(host.reports).toEqual(["urgent"]);
    expect(host.session.attribute("urgentBytes")).toBe(15);
  });

  it("begins where the segment begins, though its front is old", () => {
    const [peer, host] = established({ family });
    peer.send({ flags: "A", data: 30 });
    peer.send({ flags: "UA", seq: 11, data: 40, urgent: 35 });
    expect((peer.field(T_RCV_UP) - peer.iss) | 0).toBe(46);
    expect(host.session.attribute("urgentBytes")).toBe(45);
  });

  it("is heard of while our window is closed, with data and without [MUST-66]", () => {
    const [peer, host] = established({ family, rxFifoBytes: 2000 });
    while (peer.nxt < 2001) peer.send({ flags: "A", data: 500 });
    expect(peer.takeAll().at(-1)).toMatchObject({ ack: 2001, win: 0 });
    peer.send({ flags: "UA", urgent: 300 }).expectNothing();
    expect(host.reports.splice(0)).toEqual(["urgent"]);
    expect(host.session.attribute("urgentBytes")).toBe(2300);
    peer.send({ flags: "UA", data: 1, urgent: 400 }).expect({ flags: "A", ack: 2001, win: 0 });
    expect(host.reports).toEqual(["urgent"]);
    expect(host.session.attribute("urgentBytes")).toBe(2400);
  });

  it("a pointer without the flag says nothing, nor does one behind the peer's FIN", () => {
    const [peer, host] = established({ family });
    peer.send({ flags: "PA", data: 10, urgent: 5 }).expect({ flags: "A", ack: 11 });
    peer.send({ flags: "FA" });
    peer.send({ flags: "UA", urgent: 500 });
    expect(peer.field(C_FLAGS) & TF_URGENT).toBe(0);
    expect(host.reports).toEqual([]);
  });
});

describe.each(FAMILIES)("urgent data that we send, over IPv%i", (family) => {
  it("is pointed to by every segment in front of its end [MUST-30, MUST-31, MUST-62]", () => {
    const [peer, host] = established({ family }, { mss: 1000 });
    host.session.write(pattern(0, 500));
    expect(host.session.writeUrgent(pattern(500, 2000))).toBe(2000);
    host.session.write(pattern(2500, 1500));
    host.settle();
    const sent = peer.takeAll();
    expect(sent.map(({ seq, len, flags, urgent }) => [seq, len, flags, urgent])).toEqual([
      [1, 1000, "AU", 2500],
      [1001, 1000, "AU", 1500],
      [2001, 1000, "AU", 500],
      [3001, 1000, "PA", 0],
    ]);
    expect(Buffer.concat(sent.map(({ data }) => data))).toEqual(Buffer.from(pattern(0, 4000)));
    peer.send({ flags: "A" });
    // All is acknowledged: it is over.
    host.session.write(pattern(4000, 10));
    host.settle();
    peer.expect({ flags: "PA", urgent: 0 });
    expect(peer.field(C_FLAGS) & TF_URGENT_OUT).toBe(0);
  });

  it("is pointed to by retransmissions, and by a later end", () => {
    const [peer, host] = established({ family }, { mss: 1000 });
    host.session.writeUrgent(pattern(0, 100));
    host.settle();
    peer.expect({ flags: "PAU", seq: 1, len: 100, urgent: 100 });
    host.session.writeUrgent(pattern(100, 50));
    host.pass(250);
    for (const { seq, urgent } of peer.takeAll()) expect(urgent).toBe(151 - seq);
  });

  it("is told of while the peer's window is closed", () => {
    const [peer, host] = established({ family }, { win: 0 });
    host.session.writeUrgent(pattern(0, 300));
    host.settle();
    peer.expect({ flags: "AU", seq: 1, len: 0, urgent: 300 });
    peer.expectNothing();
    expect(host.session.queuedBytes).toBe(300);
  });

  it("is farther than a pointer can point: it points as far as it can", () => {
    const [peer, host] = established({ family, offloads: OFFLOADS }, { mss: 1000, wscale: 4 });
    host.session.writeUrgent(pattern(0, 90_000));
    host.settle();
    for (let end = 1; end < 90_001; ) {
      const sent = peer.takeAll();
      expect(sent).not.toEqual([]);
      for (const { seq, len, gso, flags, urgent } of sent) {
        // One segment each: a superframe's pointers would be wrong.
        expect([gso, len <= 1000, flags.includes("U")]).toEqual([0, true, true]);
        expect(urgent).toBe(Math.min(90_001 - seq, 65_535));
        end = Math.max(end, seq + len);
      }
      peer.send({ flags: "A", ack: end });
    }
  });

  it("ends in front of FIN, and is none of a reset's", () => {
    const [peer, host] = established({ family });
    host.session.writeUrgent(pattern(0, 10));
    host.session.halfClose();
    host.settle();
    peer.expect({ flags: "PAU", urgent: 10 });
    peer.expect({ flags: "FA", urgent: 0 });
    const [other, stack] = established({ family }, { win: 0 });
    stack.session.writeUrgent(pattern(0, 10));
    stack.settle();
    stack.session.reset();
    stack.settle();
    other.expect({ flags: "AU", urgent: 10 });
    other.expect({ flags: "RA", urgent: 0 });
    expect(other.state).toBe("CLOSED");
  });
});
