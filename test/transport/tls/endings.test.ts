import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { App } from "../../../src/app/app.js";
import type { AppCallbacks } from "../../../src/app/callbacks.js";
import type { Session } from "../../../src/app/session.js";
import { pattern, TlsStacks } from "./two-stacks.js";

// Every way in which applications, their namespace or the session layer go, in every state of a connection of TLS.

let net: TlsStacks;
let answer: (pair: number) => void;
beforeEach(() => {
  net = new TlsStacks();
  for (const stack of net.stacks) {
    const { sessions, tls } = stack.host;
    if (tls !== undefined) for (const method of ["open", "close"] as const) vi.spyOn(tls.store.engine, method);
    sessions.apply({ kind: "namespace", add: true, id: "one", secret: "s", table4: 0, table6: 0 });
  }
});
afterEach(() => net.close());

function attach(side: 0 | 1, more: Partial<AppCallbacks> = {}): Promise<App> {
  const options = { name: `one${side}`, namespace: "one", secret: "s", rxFifoBytes: 32_768, txFifoBytes: 32_768 };
  return net.servers[side].attach(options, net.ears[side].callbacks(more));
}

async function opened(): Promise<{ client: Session; server: Session }> {
  const [near, far] = [await attach(0), await attach(1)];
  await far.listen("tls://0.0.0.0/443");
  const client = await net.connect(near, "tls://[localhost]198.18.0.2/443", { tls: { trust: net.trustServer() } });
  return { client, server: net.ears[1].session };
}

/** Brings both sides into a state; a connect that fails later is nobody's. */
const STATES: Record<string, () => Promise<void>> = {
  async connecting() {
    const app = await attach(0);
    app.connect("tls://198.18.0.9/443").catch(() => {});
    await net.pass(2);
    expect(net.tls(0).rows.used).toBe(1);
  },
  async "handshake of a client"() {
    const far = await net.attach(1, { rx: (session) => void session.drop(1e6) });
    await far.listen("tcp://0.0.0.0/444");
    (await attach(0)).connect("tls://198.18.0.2/444").catch(() => {});
    await net.pass(20);
    expect([net.tls(0).rows.used, net.tls(0).handshakes]).toEqual([1, 1]);
  },
  async "handshake of a server"() {
    await (await attach(1)).listen("tls://0.0.0.0/443");
    await net.connect(await net.attach(0), "tcp://198.18.0.2/443");
    expect([net.tls(1).rows.used, net.tls(1).handshakes]).toEqual([2, 1]);
  },
  async "asked for a certificate"() {
    const certificate = (): Promise<number> => new Promise((resolve) => (answer = resolve));
    await (await attach(1, { certificate })).listen("tls://0.0.0.0/443", { tls: { pair: "ask" } });
    const trust = net.trustServer();
    (await attach(0)).connect("tls://[localhost]198.18.0.2/443", { tls: { trust } }).catch(() => {});
    await net.pass(20);
    expect([net.tls(0).handshakes, net.tls(1).handshakes]).toEqual([1, 1]);
  },
  async open() {
    await opened();
  },
  async "open, with bytes unread and unsent"() {
    net.ears[0].isReading = net.ears[1].isReading = false;
    const { client, server } = await opened();
    const all = pattern(1 << 20);
    for (const each of [client, server]) {
      for (let i = 0, at = 0; i < 30; i++) {
        at += Math.max(0, each.write(all, at));
        await net.pass(1);
      }
    }
  },
  async "half-closed"() {
    const { client } = await opened();
    client.halfClose();
    await net.pass(5);
    expect(net.ears[1].heard).toEqual(["accept", "disconnect"]);
  },
  async lingering() {
    const { server } = await opened();
    server.close();
    await net.pass(5);
    expect(net.tls(1).rows.used).toBe(2);
  },
  async "lingering with bytes unsent"() {
    net.ears[0].isReading = false;
    const { server } = await opened();
    const all = pattern(1 << 20);
    for (let i = 0, at = 0; i < 60; i++) {
      at += Math.max(0, server.write(all, at));
      await net.pass(1);
    }
    server.close();
    await net.pass(5);
    expect(net.tls(1).rows.used).toBe(2);
  },
};

const ENDS: Record<string, (side: 0 | 1) => void> = {
  "the application is detached"(side) {
    const { sessions } = net.stacks[side].host;
    for (const app of sessions.applications.all()) if (app.name === `one${side}`) sessions.detach(app.index);
  },
  "TLS is detached"(side) {
    const { sessions } = net.stacks[side].host;
    for (const app of sessions.applications.all()) if (net.tls(side).owns(app.index)) sessions.detach(app.index);
  },
  "the namespace goes"(side) {
    net.stacks[side].host.sessions.apply({ kind: "namespace", add: false, id: "one" });
  },
  "the session layer is switched off"(side) {
    net.stacks[side].host.sessions.setEnabled(false);
  },
};

/** Lets so much time pass that every timer of TCP and TLS has run. */
async function passLong(): Promise<void> {
  for (let i = 0; i < 1200; i++) {
    net.clock.advanceUs(249_000);
    await net.pass(1);
  }
}

describe.each(Object.keys(STATES))("%s", (state) => {
  test.each(Object.keys(ENDS))("%s", async (end) => {
    answer = () => {};
    await STATES[state]();
    for (const side of [0, 1] as const) ENDS[end](side);
    await net.pass(5);
    answer(0);
    await passLong();
    for (const side of [0, 1] as const) ENDS["the session layer is switched off"](side);
    await net.pass(300);
    expect(net.errors).toEqual([]);
    for (const side of [0, 1] as const) {
      const { sessions, fifos, pool } = net.stacks[side].host;
      const { rows, handshakes, store } = net.tls(side);
      expect({ rows: rows.used, handshakes, sessions: [...sessions.table], fifos: fifos.inUse() }).toEqual({
        rows: 0,
        handshakes: 0,
        sessions: [],
        fifos: 0,
      });
      const { open, close } = store.engine;
      expect(vi.mocked(close).mock.calls.length).toBe(vi.mocked(open).mock.calls.length);
      expect(pool.inUse()).toEqual([]);
      expect(sessions.applications.all()).toEqual([]);
    }
  });
});
