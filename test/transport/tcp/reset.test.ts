import { describe, expect, it } from "vitest";
import { established, FAMILIES, listening } from "./scripted-peer.js";

describe.each(FAMILIES)("resets by RFC 5961 over IPv%i", (family) => {
  it("counts the reset's own sequence number, not what is left of it after trimming [SHLD-2]", () => {
    const [peer, host] = established({ family });
    // Begins before RCV.NXT and reaches behind it.
    peer.send({ flags: "R", seq: -9, data: 20 });
    expect(peer.state).toBe("ESTABLISHED");
    // Data with a reset changes nothing (SHLD-2).
    peer.send({ flags: "R", seq: 1, data: 20 });
    expect(peer.state).toBe("CLOSED");
    expect(host.log).toEqual(["reset ECONNRESET", "cleanup transport", "cleanup session"]);
  });

  it("drops a reset that begins at the right edge, challenges the last one inside", () => {
    const [peer] = established({ family }, { win: 1000 });
    peer.send({ flags: "A", data: 1 });
    const { win, ack } = peer.expect({ flags: "A" });
    peer.send({ flags: "R", seq: ack + win }).expectNothing();
    peer.send({ flags: "R", seq: ack + win - 1 }).expect({ flags: "A", ack: 2 });
    expect(peer.state).toBe("ESTABLISHED");
  });

  it("takes a reset at RCV.NXT while the window is closed, with data too [MUST-66, SHLD-2]", () => {
    for (const data of [0, 1, 500]) {
      const [peer, host] = established({ family, rxFifoBytes: 2000 });
      peer.send({ flags: "PA", data: 2000 });
      peer.expect({ flags: "A", ack: 2001, win: 0 });
      peer.send({ flags: "R", data });
      expect(peer.state).toBe("CLOSED");
      expect(host.log).toContain("reset ECONNRESET");
    }
  });

  it("discards what was not read", () => {
    const [peer, host] = established({ family });
    peer.send({ flags: "PA", data: "lost" });
    peer.send({ flags: "R" });
    expect(host.session.index).toBe(-1);
    expect(host.stack.host.fifos.inUse()).toBe(0);
  });

  it("is not told apart by the timestamps it lacks [R7323-9]", () => {
    const [peer] = established({ family }, { timestamps: true });
    peer.send({ flags: "R" });
    expect(peer.state).toBe("CLOSED");
  });

  it("lets a peer that has rebooted and sends a SYN without timestamps find out (RFC 9293 3.5.1) [R5961-7]", () => {
    const [peer] = established({ family }, { timestamps: true });
    peer.send({ flags: "S", seq: 77, ts: false, mss: 1460 }).expect({ flags: "A", seq: 1, ack: 1 });
    peer.send({ flags: "R", seq: 1 });
    expect(peer.state).toBe("CLOSED");
  });
});

describe.each(FAMILIES)("acceptable ACKs (RFC 5961 5) over IPv%i", (family) => {
  it("takes SND.UNA - MAX.SND.WND to SND.NXT, challenges older ones, answers later ones [R5961-5, MAY-12, SEGARR-ACK-OLD-NEW]", () => {
    const [peer, host] = established({ family }, { win: 1000 });
    host.session.write(new Uint8Array(300));
    host.settle();
    peer.expect({ flags: "PA", len: 300 });
    peer.send({ flags: "A" });
    const state = { flags: "A", seq: 301, ack: 1 };
    // SND.UNA is 301.
    peer.send({ flags: "PA", seq: 1, ack: 302, data: 4 }).expect(state);
    peer.send({ flags: "PA", seq: 1, ack: -700, data: 4 }).expect(state);
    expect(host.session.readableBytes).toBe(0);
    peer.send({ flags: "PA", seq: 1, ack: -699, data: 4 }).expect({ flags: "A", seq: 301, ack: 5 });
    peer.send({ flags: "PA", seq: 5, ack: 301, data: 4 }).expect({ flags: "A", seq: 301, ack: 9 });
    expect(host.session.readableBytes).toBe(8);
    expect(host.errors("established")).toEqual({ ack_ok: 1, ack_future: 1, ack_invalid: 1, ack_old: 1, enqueued: 2 });
  });

  it("an ACK of data that was not sent yet changes nothing [R5681-14, SEGARR-ACK-OLD-NEW]", () => {
    const [peer, host] = established({ family }, { win: 100 });
    host.session.write(new Uint8Array(300));
    host.settle();
    peer.expect({ flags: "A", seq: 1, len: 100 });
    peer.send({ flags: "A", ack: 102 }).expect({ flags: "A", seq: 101, len: 0 });
    peer.expectNothing();
    expect(host.session.queuedBytes).toBe(300);
  });

  it("an old ACK does not enlarge the window [SEGARR-ACK-OLD-NEW]", () => {
    const [peer, host] = established({ family }, { win: 100 });
    peer.send({ flags: "PA", data: 10 }).expect({ flags: "A", ack: 11 });
    host.session.write(new Uint8Array(1000));
    host.settle();
    peer.expect({ flags: "A", seq: 1, len: 100 });
    // Sent before the data that the stack has: WL1 says that it is older.
    peer.send({ flags: "PA", seq: 1, ack: 1, win: 60_000, data: 10 });
    expect(peer.takeAll().map(({ len }) => len)).toEqual([0]);
    peer.send({ flags: "A", seq: 11, ack: 1, win: 300 }).expect({ flags: "A", seq: 101, len: 200 });
  });
});

describe.each(FAMILIES)("resets that we send over IPv%i", (family) => {
  it("answer the application's reset with SEQ=SND.NXT and ACK=RCV.NXT", () => {
    const [peer, host] = established({ family });
    peer.send({ flags: "PA", data: 10 }).expect({ flags: "A", ack: 11 });
    host.session.write(new Uint8Array(20));
    host.settle();
    peer.expect({ flags: "PA", len: 20 });
    host.session.reset();
    host.settle();
    peer.expect({ flags: "RA", seq: 21, ack: 11 });
    expect(peer.state).toBe("CLOSED");
    expect(host.count("output", "rst_sent")).toBe(1);
  });

  it("end a session that the application does not want", () => {
    const [peer, host] = listening({ family, app: { accept: () => false } });
    peer.send({ flags: "S" }).expect({ flags: "SA" });
    peer.send({ flags: "A" }).expect({ flags: "RA", seq: 1, ack: 1 });
    expect(host.states).toEqual([]);
    expect(host.log).toEqual(["accept"]);
  });
});
