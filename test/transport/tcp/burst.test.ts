import { describe, expect, it } from "vitest";
import { established, FAMILIES, listening, pattern, ScriptedPeer } from "./scripted-peer.js";

// Segments of one vector are sent to the node of their connection's state before the first of them has changed it.
describe.each(FAMILIES)("bursts over IPv%i", (family) => {
  it("two resets leave every later connection a row of its own", () => {
    const [peer, host] = established({ family });
    host.together(() => {
      peer.send({ flags: "R" });
      peer.send({ flags: "R" });
    });
    const peers = [5001, 5002, 5003].map((port) => new ScriptedPeer(host, { port }));
    for (const each of peers) each.open();
    expect(new Set(peers.map(({ row }) => row)).size).toBe(3);
  });

  it("data twice for a closed connection resets it once", () => {
    const [peer, host] = established({ family });
    host.session.close();
    host.settle();
    peer.expect({ flags: "FA" });
    host.together(() => {
      peer.send({ flags: "PA", ack: 1, data: 5 });
      peer.send({ flags: "PA", ack: 1, data: 5 });
    });
    peer.expect({ flags: "RA", seq: 2 });
    peer.expectNothing();
    expect(host.states).toEqual([]);
  });

  it("two SYNs make one connection", () => {
    const [peer, host] = listening({ family });
    host.together(() => {
      peer.send({ flags: "S" });
      peer.send({ flags: "S", seq: 0 });
    });
    peer.expect({ flags: "SA" });
    peer.expectNothing();
    expect(host.states).toEqual(["SYN_RCVD"]);
    expect(host.count("listen", "syns_rcvd")).toBe(1);
  });

  it("the end of the handshake, data and FIN draw one ACK [MUST-59]", () => {
    const [peer, host] = listening({ family });
    peer.send({ flags: "S" }).expect({ flags: "SA" });
    host.together(() => {
      peer.send({ flags: "A" });
      peer.send({ flags: "PA", data: "one" });
      peer.send({ flags: "PA", data: "two" });
      peer.send({ flags: "FA" });
    });
    peer.expect({ flags: "A", ack: 8 });
    peer.expectNothing();
    expect(host.log).toEqual(["accept", "rx", "disconnect"]);
  });

  it("20 segments draw one ACK [MUST-58]", () => {
    const [peer, host] = established({ family });
    host.together(() => {
      for (let i = 0; i < 20; i++) peer.send({ flags: "A", data: 100 });
    });
    peer.expect({ flags: "A", ack: 2001 });
    peer.expectNothing();
    expect(host.count("established", "enqueued")).toBe(20);
  });

  it("a window's acknowledgements in one go let cwnd double", () => {
    const [peer, host] = established({ family }, { mss: 1000 });
    host.session.write(pattern(0, 100_000));
    host.settle();
    expect(peer.takeAll()).toHaveLength(10);
    host.together(() => {
      for (let i = 1; i <= 10; i++) peer.send({ flags: "A", ack: 1 + i * 1000 });
    });
    expect(peer.takeAll()).toHaveLength(20);
  });

  it("a SYN-ACK, data and FIN in one go end up in CLOSE_WAIT", () => {
    const [peer, host] = established({ family });
    host.connect(5555);
    const far = new ScriptedPeer(host, { port: 5556, localPort: 0 });
    host.connect(5556);
    far.expect({ flags: "S" });
    host.together(() => {
      far.send({ flags: "SA" });
      far.send({ flags: "PA", ack: 1, data: "late" });
      far.send({ flags: "FA", ack: 1 });
    });
    far.expect({ flags: "A", ack: 6 });
    expect(far.state).toBe("CLOSE_WAIT");
    expect(host.session.readableBytes).toBe(4);
    expect(peer.state).toBe("ESTABLISHED");
  });
});
