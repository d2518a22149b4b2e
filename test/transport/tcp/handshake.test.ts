import { describe, expect, it } from "vitest";
import { T_BACKOFF, T_RCV_EDGE, T_RTO_US } from "../../../src/transport/tcp/connection.js";
import { connecting, FAMILIES, listening } from "./scripted-peer.js";

describe.each(FAMILIES)("handshake over IPv%i", (family) => {
  const ownMss = family === 4 ? 1460 : 1440;

  it("opens passively", () => {
    const [peer, host] = listening({ family });
    peer.send({ flags: "S", mss: 1460 });
    peer.expect({ flags: "SA", seq: 0, ack: 1, win: 65535, mss: ownMss, wscale: undefined, ts: undefined });
    expect(peer.state).toBe("SYN_RCVD");
    expect(host.log).toEqual([]);
    peer.send({ flags: "A" });
    peer.expectNothing();
    expect(peer.state).toBe("ESTABLISHED");
    expect(host.log).toEqual(["accept"]);
    expect(host.session.remote).toEqual({ address: host.peerAddress, port: 4000, family });
    expect(host.errors("listen")).toEqual({ syns_rcvd: 1 });
    expect(host.errors("rcv-process")).toEqual({ conn_accepted: 1 });
  });

  it("opens actively", () => {
    const [peer, host] = connecting({ family });
    peer.expect({ flags: "S", seq: 0, ack: 0, win: 65535, mss: ownMss, wscale: 3 });
    expect(peer.state).toBe("SYN_SENT");
    peer.send({ flags: "SA", mss: 1460 });
    peer.expect({ flags: "A", seq: 1, ack: 1, len: 0 });
    expect(peer.state).toBe("ESTABLISHED");
    expect(host.log).toEqual(["connected"]);
    expect(host.errors("syn-sent")).toEqual({ syn_acks_rcvd: 1 });
  });

  it("takes data and FIN that come with the ACK of the SYN-ACK", () => {
    const [peer, host] = listening({ family });
    peer.send({ flags: "S", mss: 1460 }).expect({ flags: "SA" });
    peer.send({ flags: "FPA", data: "hello" });
    peer.expect({ flags: "A", seq: 1, ack: 7 });
    expect(peer.state).toBe("CLOSE_WAIT");
    expect(host.log).toEqual(["accept", "rx", "disconnect"]);
    expect(host.session.readableBytes).toBe(5);
  });

  it("repeats the SYN-ACK with backoff, and gives up after the time for SYN_RCVD [MUST-22, R6298-1]", () => {
    const [peer, host] = listening({ family, tcp: { synRcvdTimeoutMs: 20_000 } });
    peer.send({ flags: "S", mss: 1460 });
    const first = peer.expect({ flags: "SA", ms: 0 });
    host.pass(20_100);
    const repeated = peer.takeAll();
    expect(repeated.map(({ ms }) => ms)).toEqual([1000, 3000, 7000, 15_000]);
    for (const { flags, seq, ack, options } of repeated) {
      expect({ flags, seq, ack, options }).toEqual({ flags: "SA", seq: 0, ack: 1, options: first.options });
    }
    expect(host.states).toEqual([]);
    expect(host.log).toEqual([]);
    // The listener is not disturbed, and takes the next one.
    peer.send({ flags: "S", seq: 0, mss: 1460 }).expect({ flags: "SA", ack: 1 });
  });

  it("keeps the right edge where an ACK in SYN_RCVD has put it, whatever the SYN-ACK's unscaled window says", () => {
    const [peer, host] = listening({ family });
    peer.send({ flags: "S", mss: 1460, wscale: 2 }).expect({ flags: "SA" });
    // Outside the window: answered with a window that rounds up to the scale's unit.
    peer.send({ flags: "A", seq: 900_000, data: 1 });
    const edge = peer.field(T_RCV_EDGE);
    host.pass(1100);
    expect(peer.takeAll().map(({ flags }) => flags)).toEqual(["A", "SA"]);
    expect((peer.field(T_RCV_EDGE) - edge) | 0).toBe(0);
    expect(peer.state).toBe("SYN_RCVD");
  });

  it("answers the peer's repeated SYN with the same SYN-ACK at once", () => {
    const [peer, host] = listening({ family });
    peer.send({ flags: "S", mss: 1460 });
    const { options } = peer.expect({ flags: "SA", seq: 0, ack: 1 });
    peer.send({ flags: "S", seq: 0, mss: 1460 });
    peer.expect({ flags: "SA", seq: 0, ack: 1, options });
    peer.send({ flags: "A" });
    expect(peer.state).toBe("ESTABLISHED");
    expect(host.count("rcv-process", "spurious_syn")).toBe(1);
    expect(host.log).toEqual(["accept"]);
  });

  it("takes a lost SYN for a reason to be slow: RTO of 3 s, and one segment after two losses [R6298-9, R5681-3]", () => {
    const [peer, host] = connecting({ family, tcp: { timestamps: false } });
    peer.expect({ flags: "S", ms: 0 });
    host.pass(3000);
    peer.expect({ flags: "S", ms: 1000 });
    peer.expect({ flags: "S", ms: 3000 });
    peer.send({ flags: "SA", mss: 1000 }).expect({ flags: "A" });
    expect(peer.field(T_BACKOFF)).toBe(0);
    expect(peer.field(T_RTO_US)).toBe(3_000_000);
    host.session.write(new Uint8Array(4000));
    host.settle();
    peer.expect({ flags: "A", seq: 1, len: 1000 });
    peer.expectNothing();
  });

  it("opens simultaneously: SYN meets SYN [MUST-10]", () => {
    const [peer, host] = connecting({ family });
    const { options } = peer.expect({ flags: "S", seq: 0 });
    peer.send({ flags: "S", mss: 1460, wscale: 4 });
    // The same ISN, now with an ACK (RFC 9293 MUST-10); the options that both have.
    peer.expect({ flags: "SA", seq: 0, ack: 1, wscale: 3, ts: undefined });
    expect(options).not.toEqual([]);
    expect(peer.state).toBe("SYN_RCVD");
    peer.send({ flags: "SA", seq: 0, ack: 1, mss: 1460, wscale: 4 });
    expect(peer.state).toBe("ESTABLISHED");
    expect(host.log).toEqual(["connected"]);
    expect(host.count("syn-sent", "syns_rcvd")).toBe(1);
    peer.takeAll();
    host.session.write(new TextEncoder().encode("both"));
    host.settle();
    peer.expect({ flags: "PA", seq: 1, ack: 1, text: "both" });
    peer.send({ flags: "PA", ack: 5, data: "ways" }).expect({ flags: "A", ack: 5 });
    expect(host.session.readableBytes).toBe(4);
  });

  it("ends a simultaneous open by a plain ACK too", () => {
    const [peer, host] = connecting({ family });
    peer.expect({ flags: "S" });
    peer.send({ flags: "S", mss: 1460 }).expect({ flags: "SA" });
    peer.send({ flags: "A", ack: 1 });
    expect(peer.state).toBe("ESTABLISHED");
    expect(host.log).toEqual(["connected"]);
  });

  it("repeats the SYN-ACK of a simultaneous open, and gives up", () => {
    const [peer, host] = connecting({ family, tcp: { synRcvdTimeoutMs: 5000 } });
    peer.expect({ flags: "S" });
    peer.send({ flags: "S", mss: 1460 }).expect({ flags: "SA", ms: 0 });
    host.pass(5000);
    expect(peer.takeAll().map(({ flags, ms }) => `${flags} ${ms}`)).toEqual(["SA 1000", "SA 3000"]);
    expect(host.log).toEqual(["failed TIMEDOUT"]);
    expect(host.states).toEqual([]);
  });
});
