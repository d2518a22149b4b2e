import { describe, expect, it } from "vitest";
import { connecting, FAMILIES, listening, ScriptedPeer } from "./scripted-peer.js";

describe.each(FAMILIES)("segments without a connection, over IPv%i", (family) => {
  it.each([
    ["S", { seq: 5, data: 0 }, { flags: "RA", seq: 0, ack: 6 }],
    ["S", { seq: 5, data: 10 }, { flags: "RA", seq: 0, ack: 16 }],
    ["FPU", { seq: 5, data: 10 }, { flags: "RA", seq: 0, ack: 16 }],
    ["A", { seq: 5, ack: 77 }, { flags: "R", seq: 77, ack: 0 }],
    ["FA", { seq: 5, ack: 77, data: 3 }, { flags: "R", seq: 77, ack: 0 }],
    ["SA", { seq: 5, ack: 77 }, { flags: "R", seq: 77, ack: 0 }],
  ])("CLOSED answers %s by a reset [SEGARR-CLOSED]", (flags, send, answer) => {
    const [, host] = listening({ family });
    const peer = new ScriptedPeer(host, { port: 4001, localPort: 81, iss: 0 });
    peer.send({ flags, ...send });
    peer.expect({ ...answer, win: 0, len: 0, options: [] });
    expect(host.errors("input")).toEqual({ no_listener: 1 });
    expect(host.errors("reset")).toEqual({ rst_sent: 1 });
  });

  it.each(["R", "RA"])("CLOSED says nothing to %s [SEGARR-CLOSED]", (flags) => {
    const [, host] = listening({ family });
    const peer = new ScriptedPeer(host, { port: 4001, localPort: 81 });
    peer.send({ flags, seq: 5, ack: 77 }).expectNothing();
    expect(host.errors("input")).toEqual({ lookup_drops: 1 });
  });

  it("LISTEN ignores a reset, answers an ACK by a reset, drops what has neither SYN nor ACK [SEGARR-LISTEN]", () => {
    const [peer, host] = listening({ family });
    peer.send({ flags: "R", seq: 9 }).expectNothing();
    peer.send({ flags: "RA", seq: 9, ack: 3 }).expectNothing();
    expect(host.count("listen", "lookup_drops")).toBe(2);
    for (const flags of ["A", "PA", "FA", "SA"]) {
      peer.send({ flags, seq: 9, ack: 99, data: 5 }).expect({ flags: "R", seq: 99 });
    }
    expect(host.count("listen", "ack_invalid")).toBe(4);
    for (const flags of ["", "F", "P", "FPU"]) peer.send({ flags, seq: 9, data: 5 }).expectNothing();
    expect(host.count("listen", "dispatch")).toBe(4);
    expect(host.states).toEqual([]);
  });

  it("LISTEN takes SYN with FIN, ECN bits or data for a SYN [SEGARR-LISTEN]", () => {
    const [, host] = listening({ family });
    for (const [i, flags] of ["SF", "SEC", "SPU"].entries()) {
      const peer = new ScriptedPeer(host, { port: 4100 + i });
      peer.send({ flags, data: flags === "SPU" ? 20 : 0 }).expect({ flags: "SA", ack: 1 });
    }
    expect(host.states).toEqual(["SYN_RCVD", "SYN_RCVD", "SYN_RCVD"]);
  });

  it("refuses sources that nobody may have [MUST-63]", () => {
    const [, host] = listening({ family });
    const bad = family === 4 ? ["0.0.0.0", "0.1.2.3", "224.0.0.1", "240.0.0.1"] : ["::", "ff02::1"];
    for (const address of bad) {
      const peer = new ScriptedPeer(host, { port: 4200, address });
      peer.send({ flags: "S" }).expectNothing();
    }
    expect(host.states).toEqual([]);
    expect(host.strays).toEqual([]);
  });

  it("drops data offsets below 5 and past the end", () => {
    const [peer, host] = listening({ family });
    for (const offset of [0, 4, 15]) {
      const frame = peer.frame({ flags: "S" });
      const at = family === 4 ? 34 : 54;
      frame[at + 12] = offset << 4;
      // The checksum is made right again, so that it is the offset that fails.
      const was = 5 << 12;
      const sum = (frame[at + 16] << 8) | frame[at + 17];
      let fixed = sum + was - (offset << 12);
      while (fixed < 0) fixed += 0xffff;
      while (fixed > 0xffff) fixed -= 0xffff;
      frame[at + 16] = fixed >> 8;
      frame[at + 17] = fixed & 255;
      host.receive(frame);
    }
    peer.expectNothing();
    expect(host.errors("input")).toEqual({ length: 3 });
  });
});

describe.each(FAMILIES)("SYN_SENT over IPv%i", (family) => {
  it("answers an ACK of something else by a reset, and goes on [SEGARR-SYNSENT]", () => {
    const [peer, host] = connecting({ family });
    peer.expect({ flags: "S" });
    peer.send({ flags: "A", seq: 500, ack: 0 }).expect({ flags: "R", seq: 0 });
    peer.send({ flags: "A", seq: 500, ack: 2 }).expect({ flags: "R", seq: 2 });
    peer.send({ flags: "SA", seq: 500, ack: 2 }).expect({ flags: "R", seq: 2 });
    expect(host.errors("syn-sent")).toEqual({ ack_invalid: 3 });
    expect(peer.state).toBe("SYN_SENT");
    peer.nxt = 0;
    peer.send({ flags: "SA" }).expect({ flags: "A", ack: 1 });
    expect(host.log).toEqual(["connected"]);
  });

  it("believes a reset only with a good ACK [SEGARR-SYNSENT]", () => {
    const [peer, host] = connecting({ family });
    peer.expect({ flags: "S" });
    peer.send({ flags: "R", seq: 0 }).expectNothing();
    peer.send({ flags: "RA", seq: 0, ack: 0 }).expectNothing();
    peer.send({ flags: "RA", seq: 0, ack: 2 }).expectNothing();
    expect(peer.state).toBe("SYN_SENT");
    expect(host.errors("syn-sent")).toEqual({ segment_invalid: 1, ack_invalid: 2 });
    peer.send({ flags: "RA", seq: 0, ack: 1 }).expectNothing();
    expect(host.states).toEqual([]);
    expect(host.log).toEqual(["failed REFUSED"]);
    expect(host.count("syn-sent", "rst_rcvd")).toBe(1);
  });

  it("drops a good ACK without SYN, and a segment with nothing [SEGARR-SYNSENT]", () => {
    const [peer, host] = connecting({ family });
    peer.expect({ flags: "S" });
    peer.send({ flags: "A", seq: 500, ack: 1 }).expectNothing();
    peer.send({ flags: "FP", seq: 500 }).expectNothing();
    expect(host.errors("syn-sent")).toEqual({ dispatch: 2 });
    expect(peer.state).toBe("SYN_SENT");
  });

  it("fails by timeout after R2 of the SYN, at least three minutes [MUST-22, MUST-23, R6298-1]", () => {
    const [peer, host] = connecting({ family });
    host.pass(179_000);
    expect(peer.takeAll().map(({ ms }) => ms / 1000)).toEqual([0, 1, 3, 7, 15, 31, 63, 123]);
    expect(host.log).toEqual([]);
    host.pass(1000);
    expect(host.log).toEqual(["failed TIMEDOUT"]);
    expect(host.states).toEqual([]);
    peer.expectNothing();
  });

  it("is abandoned without a segment when the application goes", () => {
    const [peer, host] = connecting({ family });
    peer.expect({ flags: "S" });
    void host.app.detach();
    host.settle();
    expect(host.states).toEqual([]);
    // A late SYN-ACK draws a reset: the peer learns.
    peer.send({ flags: "SA" }).expect({ flags: "R", seq: 1 });
  });
});

describe.each(FAMILIES)("SYN_RCVD over IPv%i", (family) => {
  it("answers a bad ACK by a reset, and goes on [SEGARR-SYNRCVD-ACK]", () => {
    const [peer, host] = listening({ family });
    peer.send({ flags: "S" }).expect({ flags: "SA" });
    for (const ack of [0, 2, 100, -5000]) peer.send({ flags: "A", seq: 1, ack }).expect({ flags: "R", seq: ack });
    expect(host.count("rcv-process", "ack_invalid")).toBe(4);
    expect(peer.state).toBe("SYN_RCVD");
    peer.send({ flags: "A", seq: 1 });
    expect(peer.state).toBe("ESTABLISHED");
  });

  it("goes back to LISTEN after a reset; the listener takes the next [MUST-11]", () => {
    const [peer, host] = listening({ family });
    peer.send({ flags: "S" }).expect({ flags: "SA" });
    peer.send({ flags: "R", seq: 2 }).expect({ flags: "A", seq: 1, ack: 1 });
    expect(peer.state).toBe("SYN_RCVD");
    peer.send({ flags: "R", seq: 70_000 }).expectNothing();
    expect(peer.state).toBe("SYN_RCVD");
    peer.send({ flags: "R", seq: 1 }).expectNothing();
    expect(host.states).toEqual([]);
    expect(host.log).toEqual([]);
    expect(host.count("rcv-process", "rst_rcvd")).toBe(1);
    peer.send({ flags: "S", seq: 0 }).expect({ flags: "SA", ack: 1 });
  });

  it("reports a refused active open after a simultaneous one [MUST-11]", () => {
    const [peer, host] = connecting({ family });
    peer.expect({ flags: "S" });
    peer.send({ flags: "S" }).expect({ flags: "SA" });
    peer.send({ flags: "R", seq: 1 });
    expect(host.log).toEqual(["failed REFUSED"]);
    expect(host.states).toEqual([]);
  });

  it("acknowledges what lies outside the window, drops what has no ACK", () => {
    const [peer, host] = listening({ family });
    peer.send({ flags: "S" }).expect({ flags: "SA" });
    peer.send({ flags: "A", seq: 70_000 }).expect({ flags: "A", seq: 1, ack: 1 });
    peer.send({ flags: "P", seq: 1, data: 5 }).expectNothing();
    peer.send({ flags: "S", seq: 300 }).expect({ flags: "A", seq: 1, ack: 1 });
    expect(peer.state).toBe("SYN_RCVD");
    expect(host.errors("rcv-process")).toEqual({ segment_invalid: 1, no_ack: 1, spurious_syn: 1 });
  });
});
