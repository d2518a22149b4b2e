import { describe, expect, it } from "vitest";
import { SESSION_E_INVALID_RMT_IP, SESSION_E_NOIP, SESSION_E_PORTINUSE } from "../../../src/session/session-errors.js";
import { connecting, FAMILIES, ScriptedPeer, ScriptedStack } from "./scripted-peer.js";

describe.each(FAMILIES)("active opens over IPv%i", (family) => {
  const groups =
    family === 4 ? ["224.0.0.1", "255.255.255.255", "198.18.0.255", "0.0.0.0"] : ["ff02::1", "ff0e::5", "::"];

  it.each(groups)("to %s are refused without a segment [MUST-46]", (address) => {
    const host = new ScriptedStack({ family });
    host.app.connect(`tcp://${address}/80`).catch(() => {});
    host.settle();
    expect(host.stack.host.sessions.errorCounts[-SESSION_E_INVALID_RMT_IP]).toBe(1);
    expect(host.strays).toEqual([]);
    expect(host.core.connections.used).toBe(0);
  });

  it("may name their own end, which must be this host's and free [MUST-43]", () => {
    const host = new ScriptedStack({ family });
    const peer = new ScriptedPeer(host, { port: 80, localPort: 5555 });
    const from = (address: string): string => `tcp://${address}/5555`;
    host.connect(80, from(host.address));
    peer.expect({ flags: "S" });
    const { errorCounts } = host.stack.host.sessions;
    host.connect(80, from(host.address));
    expect(errorCounts[-SESSION_E_PORTINUSE]).toBe(1);
    host.connect(80, from(family === 4 ? "198.18.0.77" : "2001:db8::77"));
    expect(errorCounts[-SESSION_E_NOIP]).toBe(1);
    expect(host.states).toEqual(["SYN_SENT"]);
  });

  it("are refused by a reset of the peer, and the port is free again", () => {
    const [peer, host] = connecting({ family });
    for (let i = 0; i < 3; i++) {
      peer.expect({ flags: "S" });
      peer.nxt = 0;
      peer.send({ flags: "RA", seq: 0 });
      expect(host.heardSince()).toEqual(["failed REFUSED"]);
      expect(host.core.connections.used).toBe(0);
      host.connect(80, `tcp://${host.address}/${peer.localPort}`);
    }
    expect(host.states).toEqual(["SYN_SENT"]);
  });
});
