import { describe, expect, it } from "vitest";
import { established, FAMILIES, pattern, type ScriptedStack } from "./scripted-peer.js";

function close(host: ScriptedStack): void {
  host.session.close();
  host.settle();
}

/** Turns that session-queue gave to connections without data. */
function controlTurns(host: ScriptedStack): number {
  return host.stack.engine.errors().find(({ symbol }) => symbol === "turns_control")?.count ?? 0;
}

describe.each(FAMILIES)("closing over IPv%i", (family) => {
  it("sends what is written, then FIN", () => {
    const [peer, host] = established({ family });
    host.session.write(pattern(0, 3000));
    close(host);
    const sent = peer.takeAll();
    expect(sent.map(({ flags, seq, len }) => [flags, seq, len])).toEqual([
      ["A", 1, family === 4 ? 1460 : 1440],
      ["A", family === 4 ? 1461 : 1441, family === 4 ? 1460 : 1440],
      ["PA", family === 4 ? 2921 : 2881, family === 4 ? 80 : 120],
      ["FA", 3001, 0],
    ]);
    peer.send({ flags: "A" });
    expect(peer.state).toBe("FIN_WAIT_2");
    peer.send({ flags: "FA" }).expect({ flags: "A", ack: 2 });
    expect(host.log).toEqual(["closed", "cleanup transport", "cleanup session"]);
  });

  it("a FIN with no data before it has its turn before data, one with data does not", () => {
    const [peer, host] = established({ family });
    host.session.halfClose();
    host.settle();
    peer.expect({ flags: "FA", seq: 1 });
    expect(controlTurns(host)).toBe(1);
    const [, other] = established({ family });
    other.session.write(pattern(0, 100));
    other.session.halfClose();
    other.settle();
    expect(controlTurns(other)).toBe(0);
  });

  it("after half-close the application reads on", () => {
    const [peer, host] = established({ family });
    host.session.halfClose();
    host.settle();
    peer.expect({ flags: "FA", seq: 1 });
    expect(host.session.write(new Uint8Array(5))).toBeLessThan(0);
    peer.send({ flags: "A" });
    peer.send({ flags: "PA", data: 100 }).expect({ flags: "A", seq: 2, ack: 101 });
    peer.send({ flags: "PA", data: 100 }).expect({ flags: "A", seq: 2, ack: 201 });
    expect(peer.state).toBe("FIN_WAIT_2");
    peer.send({ flags: "FA" }).expect({ flags: "A", seq: 2, ack: 202 });
    expect(peer.state).toBe("TIME_WAIT");
    const read = new Uint8Array(300);
    expect(host.session.read(read)).toBe(200);
    expect(read.subarray(0, 200)).toEqual(pattern(0, 200));
    expect(host.log).toEqual(["rx", "rx", "disconnect", "closed"]);
    close(host);
    expect(host.heardSince().slice(-2)).toEqual(["cleanup transport", "cleanup session"]);
  });

  it("what was received can be read in TIME_WAIT, without a window update, and after a reset", () => {
    const [peer, host] = established({ family, rxFifoBytes: 4096 });
    host.session.halfClose();
    host.settle();
    peer.takeAll();
    peer.send({ flags: "A" });
    for (let i = 0; i < 3; i++) peer.send({ flags: "PA", data: 1000 });
    peer.send({ flags: "FA" });
    peer.takeAll();
    expect(peer.state).toBe("TIME_WAIT");
    const read = new Uint8Array(4096);
    expect(host.session.read(read, 0, 2500)).toBe(2500);
    host.settle();
    // The peer may have forgotten the connection: an update would draw a reset.
    peer.expectNothing();
    peer.send({ flags: "R" });
    expect(peer.state).toBe("CLOSED");
    expect(host.session.read(read, 2500)).toBe(500);
    expect(read.subarray(0, 3000)).toEqual(pattern(0, 3000));
    expect(host.log).not.toContain("reset ECONNRESET");
    close(host);
  });

  it("data in FIN_WAIT_1 is delivered before our FIN is acknowledged", () => {
    const [peer, host] = established({ family });
    host.session.halfClose();
    host.settle();
    peer.expect({ flags: "FA" });
    peer.send({ flags: "PA", ack: 1, data: 50 }).expect({ flags: "A", seq: 2, ack: 51 });
    expect(peer.state).toBe("FIN_WAIT_1");
    expect(host.session.readableBytes).toBe(50);
  });

  it("after the peer's FIN the application writes on", () => {
    const [peer, host] = established({ family });
    peer.send({ flags: "FPA", data: "ask" }).expect({ flags: "A", ack: 5 });
    expect(host.log).toEqual(["rx", "disconnect"]);
    expect(peer.state).toBe("CLOSE_WAIT");
    host.session.write(pattern(0, 500));
    host.settle();
    peer.expect({ flags: "PA", seq: 1, ack: 5, len: 500 });
    peer.send({ flags: "A" });
    host.session.drop(3);
    close(host);
    peer.expect({ flags: "FA", seq: 501, ack: 5 });
    peer.send({ flags: "A" });
    expect(peer.state).toBe("CLOSED");
    expect(host.log.slice(2)).toEqual(["closed", "cleanup transport", "cleanup session"]);
  });

  it("with unread data is a reset [SHLD-3, MAY-1]", () => {
    const [peer, host] = established({ family });
    peer.send({ flags: "PA", data: 10 }).expect({ flags: "A" });
    close(host);
    peer.expect({ flags: "RA", seq: 1, ack: 11 });
    expect(peer.state).toBe("CLOSED");
    expect(host.log).toEqual(["rx", "cleanup transport", "cleanup session"]);
  });

  it("with unread data behind the peer's FIN is a reset", () => {
    const [peer, host] = established({ family });
    peer.send({ flags: "FPA", data: 10 }).expect({ flags: "A", ack: 12 });
    close(host);
    peer.expect({ flags: "RA", seq: 1, ack: 12 });
    expect(peer.state).toBe("CLOSED");
  });

  it.each(["FIN_WAIT_1", "FIN_WAIT_2"])(
    "data that comes after it, in %s, is answered by a reset [SHLD-3, MAY-1]",
    (state) => {
      const [peer, host] = established({ family });
      close(host);
      peer.expect({ flags: "FA" });
      const ack = state === "FIN_WAIT_2" ? 2 : 1;
      if (ack === 2) peer.send({ flags: "A" });
      expect(peer.state).toBe(state);
      peer.send({ flags: "PA", ack, data: 10 }).expect({ flags: "RA", seq: 2, ack: 1 });
      expect(peer.state).toBe("CLOSED");
      expect(host.errors("rcv-process")).toMatchObject({ connection_closed: 1, rst_sent: 1 });
    },
  );

  it("data and FIN in CLOSING, CLOSE_WAIT and LAST_ACK, behind the peer's FIN, are ignored", () => {
    const [peer, host] = established({ family });
    peer.send({ flags: "FA" }).expect({ flags: "A", ack: 2 });
    peer.send({ flags: "FPA", data: 10 });
    expect(peer.state).toBe("CLOSE_WAIT");
    expect(host.session.readableBytes).toBe(0);
    close(host);
    expect(peer.takeAll().at(-1)).toMatchObject({ flags: "FA", seq: 1, ack: 2 });
    peer.send({ flags: "PA", seq: 2, ack: 1, data: 10 });
    expect(peer.state).toBe("LAST_ACK");
  });

  it("twice is once", () => {
    const [peer, host] = established({ family });
    expect(host.session.halfClose()).toBe(0);
    expect(host.session.halfClose()).toBeLessThan(0);
    expect(host.session.close()).toBe(0);
    expect(host.session.close()).toBe(0);
    host.settle();
    peer.expect({ flags: "FA", seq: 1 });
    peer.expectNothing();
  });

  it("repeats FIN with backoff; its ACK ends it", () => {
    const [peer, host] = established({ family });
    close(host);
    host.pass(1500);
    expect(peer.takeAll().map(({ flags, seq, ms }) => [flags, seq, ms])).toEqual([
      ["FA", 1, 0],
      ["FA", 1, 200],
      ["FA", 1, 600],
      ["FA", 1, 1400],
    ]);
    peer.send({ flags: "A" });
    expect(peer.state).toBe("FIN_WAIT_2");
    host.pass(20_000);
    peer.expectNothing();
  });

  it("repeats data and FIN together when both are lost", () => {
    const [peer, host] = established({ family });
    host.session.write(pattern(0, 700));
    close(host);
    peer.expect({ flags: "PA", seq: 1, len: 700 });
    peer.expect({ flags: "FA", seq: 701 });
    host.pass(200);
    peer.expect({ flags: "PA", seq: 1, len: 700 });
    peer.expect({ flags: "FA", seq: 701 });
    peer.send({ flags: "A", ack: 701 });
    expect(peer.state).toBe("FIN_WAIT_1");
    peer.send({ flags: "A", ack: 702 });
    expect(peer.state).toBe("FIN_WAIT_2");
  });

  it("does not send FIN past what the window lets go first", () => {
    const [peer, host] = established({ family }, { win: 400 });
    host.session.write(pattern(0, 1000));
    close(host);
    peer.expect({ flags: "A", seq: 1, len: 400 });
    peer.expectNothing();
    peer.send({ flags: "A", win: 400 }).expect({ flags: "A", seq: 401, len: 400 });
    peer.send({ flags: "A", win: 400 }).expect({ flags: "PA", seq: 801, len: 200 });
    peer.expect({ flags: "FA", seq: 1001 });
    expect(peer.state).toBe("FIN_WAIT_1");
  });
});

describe.each(FAMILIES)("TIME_WAIT over IPv%i", (family) => {
  it("gives way to a SYN beyond the old connection's numbers, not to others [MAY-2]", () => {
    const [peer, host] = established({ family });
    close(host);
    peer.send({ flags: "FA" });
    peer.takeAll();
    expect(peer.state).toBe("TIME_WAIT");
    for (const flags of ["SA", "S"]) {
      peer.send({ flags, seq: 2, ack: 0 }).expect({ flags: "A", seq: 2, ack: 2 });
      host.pass(500);
    }
    expect(peer.state).toBe("TIME_WAIT");
    peer.send({ flags: "S", seq: 3 });
    expect(peer.takeAll()).toMatchObject([{ flags: "SA" }]);
    expect(host.states).toEqual(["SYN_RCVD"]);
    expect(host.count("rcv-process", "time_wait_reuse")).toBe(1);
  });

  it("stays when the listener has gone, and a SYN then draws a reset", () => {
    const [peer, host] = established({ family });
    close(host);
    peer.send({ flags: "FA" });
    peer.takeAll();
    void host.app.listeners[0].close();
    host.settle();
    expect(peer.state).toBe("TIME_WAIT");
    peer.send({ flags: "FA", seq: 1 }).expect({ flags: "A", ack: 2 });
    peer.send({ flags: "S", seq: 100_000 });
    expect(peer.takeAll()).toMatchObject([{ flags: "RA", ack: 100_001 }]);
    expect(host.states).toEqual([]);
  });
});
