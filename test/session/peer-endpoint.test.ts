import { describe, expect, test } from "vitest";
import { addressOf } from "../../src/app/session.js";
import { OneStack } from "../transport/ct/one-stack.js";
import { established, FAMILIES, ScriptedPeer, ScriptedStack } from "../transport/tcp/scripted-peer.js";

describe.each(FAMILIES)("the peer's endpoint over IPv%i", (family) => {
  const anyAddress = family === 4 ? "0.0.0.0" : "::";

  test("of a TCP session that is ready: the peer's, until the transport has gone", () => {
    const [peer, host] = established({ family });
    const { session } = host;
    expect(session.state).toBe("ready");
    expect(session.remote).toEqual({ address: host.peerAddress, port: 4000, family });
    expect(session.local).toEqual({ address: host.address, port: 80, family });
    peer.send({ flags: "R" });
    expect(session.remote).toBeUndefined();
  });

  test("of one that is being opened: the one asked for", () => {
    const host = new ScriptedStack({ family });
    const peer = new ScriptedPeer(host, { port: 80, localPort: 0 });
    host.connect(80);
    const { sessions } = host.stack.host;
    const [s] = [...sessions.table];
    const remote = sessions.remoteEndpoint(s);
    const local = sessions.localEndpoint(s);
    if (remote === undefined || local === undefined) throw new Error("no ends");
    expect(addressOf(remote)).toEqual({ address: host.peerAddress, port: 80, family });
    expect(addressOf(local)).toEqual({ address: host.address, port: peer.localPort, family });
    peer.accept();
    expect(host.session.remote).toEqual(addressOf(remote));
  });

  test("of a listener: any address, port 0", () => {
    const host = new ScriptedStack({ family });
    const listener = host.listen(80);
    expect(listener?.session.remote).toEqual({ address: anyAddress, port: 0, family });
    expect(listener?.session.local).toEqual({ address: anyAddress, port: 80, family });
  });

  test("of UDP: a connected session's is its peer's, a listener's is any", async () => {
    const host = new ScriptedStack({ family });
    const text = family === 4 ? host.peerAddress : `[${host.peerAddress}]`;
    const connecting = host.app.connect(`udp://${text}:9`);
    host.settle();
    expect((await connecting).remote).toEqual({ address: host.peerAddress, port: 9, family });
    const { session } = await host.app.listen(`udp://${family === 4 ? anyAddress : `[${anyAddress}]`}:53`);
    expect(session.remote).toEqual({ address: anyAddress, port: 0, family });
  });

  test("of cut-through: the other session's local one", async () => {
    const one = new OneStack();
    const app = await one.attach("app");
    const uri = family === 4 ? "tcp://127.0.0.1:80" : "tcp://[::1]:80";
    await app.listen(uri);
    const session = await one.connect(app, uri);
    expect(session.remote).toEqual({ address: family === 4 ? "127.0.0.1" : "::1", port: 80, family });
  });
});
