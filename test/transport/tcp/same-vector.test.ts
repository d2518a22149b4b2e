import { describe, expect, it } from "vitest";
import { connecting, established, FAMILIES, listening } from "./scripted-peer.js";

describe.each(FAMILIES)("segments behind one that ended their connection, in the same vector, over IPv%i", (family) => {
  it("a second reset frees the row once only", () => {
    const [peer, host] = established({ family });
    host.together(() => {
      peer.send({ flags: "R" }).send({ flags: "R" });
    });
    peer.expectNothing();
    expect(peer.state).toBe("CLOSED");
    // Only the listener is left.
    expect(host.core.connections.used).toBe(1);
    expect(host.count("established", "rst_rcvd")).toBe(1);
    expect(host.count("rcv-process", "dispatch")).toBe(1);
  });

  it("data behind a reset goes nowhere", () => {
    const [peer, host] = established({ family });
    host.together(() => {
      peer.send({ flags: "R" }).send({ flags: "A", data: 100 });
    });
    expect(host.count("established", "enqueued")).toBe(0);
    expect(host.stack.host.fifos.stats()).toMatchObject({ badFifos: 0, bytesInUse: 0 });
  });

  it("an ACK behind a SYN that reuses a connection in TIME_WAIT is not that connection's", () => {
    const [peer, host] = established({ family });
    host.session.close();
    host.settle();
    peer.expect({ flags: "FA" });
    peer.send({ flags: "FA" }).expect({ flags: "A" });
    expect(peer.state).toBe("TIME_WAIT");
    host.together(() => {
      peer.send({ flags: "S", seq: 100_000, mss: 1460 }).send({ flags: "S", seq: 100_000, mss: 1460 });
    });
    expect(host.count("rcv-process", "time_wait_reuse")).toBe(1);
    expect(peer.state).toBe("SYN_RCVD");
    expect(host.core.connections.used).toBe(2);
    peer.takeAll();
  });

  it("data behind a refusal of an active open", () => {
    const [peer, host] = connecting({ family });
    peer.expect({ flags: "S" });
    host.together(() => {
      peer.send({ flags: "RA" }).send({ flags: "RA" }).send({ flags: "SA" });
    });
    peer.expectNothing();
    expect(host.core.connections.used).toBe(0);
    expect(host.count("rcv-process", "dispatch")).toBe(2);
  });

  it("a reset behind the ACK of a FIN, in LAST_ACK", () => {
    const [peer, host] = established({ family });
    peer.send({ flags: "FA" }).expect({ flags: "A", ack: 2 });
    host.session.close();
    host.settle();
    peer.expect({ flags: "FA" });
    host.together(() => {
      peer.send({ flags: "A" }).send({ flags: "RA" }).send({ flags: "A" });
    });
    peer.expectNothing();
    expect(host.core.connections.used).toBe(1);
  });

  it("a reset in SYN_RCVD, twice", () => {
    const [peer, host] = listening({ family });
    peer.send({ flags: "S", mss: 1460 }).expect({ flags: "SA" });
    host.together(() => {
      peer.send({ flags: "R", seq: 1 }).send({ flags: "R", seq: 1 });
    });
    expect(host.core.connections.used).toBe(1);
  });
});
