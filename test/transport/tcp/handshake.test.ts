import { describe, expect, it } from "vitest";
import { connecting, FAMILIES, listening } from "./scripted-peer.js";

describe.each(FAMILIES)("handshake over IPv%i", (family) => {
  it("opens passively", () => {
    const [peer, host] = listening({ family });
    peer.send({ flags: "S", mss: 1460 });
    peer.expect({ flags: "SA", seq: 0, ack: 1, win: 65535, mss: family === 4 ? 1460 : 1440 });
    expect(peer.state).toBe("SYN_RCVD");
    expect(host.log).toEqual([]);
    peer.send({ flags: "A" });
    peer.expectNothing();
    expect(peer.state).toBe("ESTABLISHED");
    expect(host.log).toEqual(["accept"]);
    expect(host.errors("listen")).toEqual({ syns_rcvd: 1 });
    expect(host.errors("rcv-process")).toEqual({ conn_accepted: 1 });
  });

  it("opens actively", () => {
    const [peer, host] = connecting({ family });
    peer.expect({ flags: "S", seq: 0, win: 65535, mss: family === 4 ? 1460 : 1440, wscale: 3 });
    expect(peer.state).toBe("SYN_SENT");
    peer.send({ flags: "SA", mss: 1460 });
    peer.expect({ flags: "A", seq: 1, ack: 1, len: 0 });
    expect(peer.state).toBe("ESTABLISHED");
    expect(host.log).toEqual(["connected"]);
    expect(host.errors("syn-sent")).toEqual({ syn_acks_rcvd: 1 });
  });
});
