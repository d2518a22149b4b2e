import { beforeEach, describe, expect, test } from "vitest";
import type { App } from "../../src/app/app.js";
import { AppServer } from "../../src/app/attach.js";
import type { AppCallbacks } from "../../src/app/callbacks.js";
import type { Session } from "../../src/app/session.js";
import { wire } from "../../src/device/wire-device.js";
import { MemoryWindow } from "../../src/mem/window.js";
import { SeededRandom } from "../../src/random/seeded.js";
import { SMALL_LIMITS, Stack } from "../../src/stack.js";
import { ManualClock } from "../../src/time/manual-clock.js";

/**
 * A host with two interfaces in two tables, both with the address 10.0.0.2, and a peer on each. Namespaces: red on the
 * first interface, blue on the second, green in the second's table.
 */
class Net {
  readonly clock = new ManualClock(1_000_000);
  readonly host: Stack;
  readonly peers: readonly Stack[];
  readonly server: AppServer;
  readonly clients: readonly AppServer[];
  readonly errors: unknown[] = [];

  constructor() {
    const wires = [wire(), wire()];
    this.host = this.#stack(1);
    this.peers = wires.map(([near, far], i) => {
      this.host.addInterface(`w${i}`, near, { addresses: ["10.0.0.2/24"], table: i });
      const peer = this.#stack(i + 2);
      peer.addInterface("w", far, { addresses: ["10.0.0.1/24"] });
      return peer;
    });
    this.host.apply({ kind: "namespace", add: true, id: "red", secret: "r", interface: "w0" });
    this.host.apply({ kind: "namespace", add: true, id: "blue", secret: 2, interface: "w1" });
    this.host.apply({ kind: "namespace", add: true, id: "green", table4: 1, table6: 1 });
    this.server = new AppServer(this.host.host.sessions);
    this.clients = this.peers.map((peer) => new AppServer(peer.host.sessions));
  }

  #stack(seed: number): Stack {
    return new Stack({
      window: MemoryWindow.plain(64 << 20),
      clock: this.clock,
      random: new SeededRandom(seed),
      hooks: { wake: () => {}, reportError: (error) => this.errors.push(error) },
      limits: SMALL_LIMITS,
      session: { maxSessions: 512, rxFifoBytes: 65536, txFifoBytes: 65536 },
      tcp: { maxConnections: 512, timeWaitMs: 500 },
      udp: { maxConnections: 64 },
    });
  }

  async pass(ms: number): Promise<void> {
    for (let t = 0; t < ms; t++) {
      for (let i = 0; i < 8; i++) for (const stack of [this.host, ...this.peers]) stack.engine.turn();
      this.clock.advanceUs(1000);
      await Promise.resolve();
    }
  }
}

let net: Net;
beforeEach(() => {
  net = new Net();
});

const SECRETS: Readonly<Record<string, string | number>> = { red: "r", blue: 2, green: "" };
const attach = (namespace: string, callbacks: AppCallbacks, name = namespace): Promise<App> =>
  net.server.attach({ name, namespace, secret: SECRETS[namespace] }, callbacks);

/** Answers with a text, and closes. */
const saying = (text: string): AppCallbacks => ({
  accept: (session) => {
    session.write(Uint8Array.from(text, (char) => char.charCodeAt(0)));
    session.close();
  },
});

/** What a peer reads from a port, or why it does not. */
async function ask(peer: number, port: number): Promise<string> {
  let text = "";
  const read = (session: Session): void => {
    const bytes = new Uint8Array(4096);
    const n = session.read(bytes);
    if (n > 0) text += String.fromCharCode(...bytes.subarray(0, n));
  };
  const app = await net.clients[peer].attach(
    { name: "ask" },
    { rx: read, disconnect: (session) => void session.close() },
  );
  const connecting = app.connect(`tcp://10.0.0.2/${port}`).then(
    () => "",
    (error: unknown) => (error instanceof Error && "sessionError" in error ? String(error.sessionError) : "?"),
  );
  await net.pass(20);
  await app.detach();
  return text || connecting;
}

describe("one address in two tables", () => {
  test("each side reaches its own application; what belongs to none is refused", async () => {
    await (await attach("red", saying("red"))).listen("tcp://0.0.0.0/80");
    await (await attach("blue", saying("blue"))).listen("tcp://0.0.0.0/80");
    await (await attach("green", saying("green"))).listen("tcp://10.0.0.2/81");
    expect([await ask(0, 80), await ask(1, 80), await ask(0, 81), await ask(1, 81)]).toEqual([
      "red",
      "blue",
      "REFUSED",
      "green",
    ]);
    expect(net.errors).toEqual([]);
  });

  test("what connects goes to its own side", async () => {
    const heard: string[] = [];
    for (const [i, client] of net.clients.entries()) {
      const app = await client.attach({ name: "listen" }, { accept: () => void heard.push(`peer ${i}`) });
      await app.listen("tcp://0.0.0.0/9");
    }
    for (const namespace of ["red", "blue", "green"]) {
      const app = await attach(namespace, {});
      const connecting = app.connect("tcp://10.0.0.1/9");
      await net.pass(20);
      expect((await connecting).local?.address).toBe("10.0.0.2");
    }
    expect(heard).toEqual(["peer 0", "peer 1", "peer 1"]);
  });

  test("deleting one while the others transfer: their bytes arrive all the same, its sessions end", async () => {
    const total = 3_000_000;
    const pattern = (i: number): number => (i * 7 + (i >> 8)) & 0xff;
    const send = (session: Session): void => {
      const chunk = new Uint8Array(4096);
      for (;;) {
        const sent = Number(session.data);
        for (let i = 0; i < chunk.length; i++) chunk[i] = pattern(sent + i);
        const n = session.write(chunk, 0, Math.min(chunk.length, total - sent));
        session.data = sent + Math.max(n, 0);
        if (n < chunk.length) break;
      }
      if (session.data === total) session.close();
    };
    const source: AppCallbacks = {
      accept: (session) => {
        session.data = 0;
        send(session);
      },
      tx: send,
    };
    const detached: string[] = [];
    for (const [namespace, port] of [
      ["red", 80],
      ["blue", 80],
      ["green", 81],
    ] as const) {
      const app = await attach(namespace, { ...source, detached: () => void detached.push(namespace) });
      await app.listen(`tcp://0.0.0.0/${port}`);
    }
    const got = [0, 0, 0];
    let wrong = 0;
    const resets: number[] = [];
    for (const [i, [peer, port]] of (
      [
        [0, 80],
        [1, 80],
        [1, 81],
      ] as const
    ).entries()) {
      const take = (session: Session): void => {
        session.peek((u8, offset, length) => {
          for (let k = 0; k < length; k++) if (u8[offset + k] !== pattern(got[i] + k)) wrong++;
          got[i] += length;
          return length;
        });
      };
      const app = await net.clients[peer].attach(
        { name: `take${i}` },
        { rx: take, disconnect: (session) => void session.close(), reset: () => void resets.push(i) },
      );
      app.connect(`tcp://10.0.0.2/${port}`).catch(() => {});
    }
    await net.pass(3);
    expect(Math.min(...got)).toBeGreaterThan(0);
    expect(Math.max(...got)).toBeLessThan(total);
    net.host.apply({ kind: "namespace", add: false, id: "blue" });
    await net.pass(500);
    expect([got[0], got[2], wrong, detached, resets.filter((i) => i !== 1)]).toEqual([total, total, 0, ["blue"], []]);
    await net.pass(1000);
    const { table, applications } = net.host.host.sessions;
    expect(applications.all().map(({ name }) => name)).toEqual(["red", "green"]);
    expect(table.used).toBe(2);
    expect(net.host.host.fifos.inUse()).toBe(0);
    expect(net.errors).toEqual([]);
  });
});

describe("workers over real transports", () => {
  test("streams go to them in turn", async () => {
    const accepted: number[] = [];
    const app = await attach("red", { accept: () => void accepted.push(0) });
    const worker = await app.addWorker({ accept: () => void accepted.push(1) });
    const listeners = [await app.listen("tcp://0.0.0.0/80"), await worker.listen("tcp://0.0.0.0/80")];
    expect(listeners[0].local).toEqual(listeners[1].local);
    const client = await net.clients[0].attach({ name: "client" }, {});
    for (let i = 0; i < 6; i++) {
      client.connect("tcp://10.0.0.2/80").catch(() => {});
      await net.pass(5);
    }
    expect(accepted).toEqual([0, 1, 0, 1, 0, 1]);
    await listeners[0].close();
    expect(listeners[1].local?.port).toBe(80);
    client.connect("tcp://10.0.0.2/80").catch(() => {});
    await net.pass(5);
    expect(accepted.at(-1)).toBe(1);
    await worker.delete();
    const refused = client.connect("tcp://10.0.0.2/80");
    refused.catch(() => {});
    await net.pass(5);
    await expect(refused).rejects.toMatchObject({ sessionError: "REFUSED" });
  });

  test("flows of datagrams are spread over them, each flow always to one", async () => {
    const got: string[][] = [[], []];
    const hears = (i: number): AppCallbacks => ({
      rx: (session) => {
        while (session.readDatagram(new Uint8Array(64)) >= 0) {
          got[i].push(String(session.datagram.remotePort));
          session.reply(Uint8Array.of(1));
        }
      },
    });
    const app = await attach("blue", hears(0));
    const worker = await app.addWorker(hears(1));
    const listener = await app.listen("udp://0.0.0.0/53");
    await worker.listen("udp://0.0.0.0/53");
    let replies = 0;
    const client = await net.clients[1].attach(
      { name: "client" },
      { rx: (session) => void (replies += session.readDatagram(new Uint8Array(9))) },
    );
    const sessions = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const connecting = client.connect("udp://10.0.0.2/53", { from: `udp://0.0.0.0/${2000 + i}` });
        await net.pass(1);
        return connecting;
      }),
    );
    // The peer is looked up first: not all of twenty datagrams would wait for it.
    sessions[0].writeDatagram(Uint8Array.of(0));
    await net.pass(5);
    got[0].length = got[1].length = replies = 0;
    for (let round = 0; round < 3; round++) {
      for (const session of sessions) session.writeDatagram(Uint8Array.of(round));
      await net.pass(5);
    }
    expect(got[0].length + got[1].length).toBe(60);
    expect(replies).toBe(60);
    const [ports0, ports1] = got.map((each) => new Set(each));
    expect(Math.min(ports0.size, ports1.size)).toBeGreaterThan(3);
    expect([...ports0].filter((port) => ports1.has(port))).toEqual([]);
    await listener.close();
    got[0].length = got[1].length = 0;
    for (const session of sessions) session.writeDatagram(Uint8Array.of(9));
    await net.pass(5);
    expect(got.map(({ length }) => length)).toEqual([0, 20]);
  });

  test("a session that is taken over goes on", async () => {
    const heard: string[] = [];
    const hear = (who: string): AppCallbacks => ({
      accept: () => true,
      rx: (session) => void heard.push(`${who} ${session.drop(100)}`),
      disconnect: (session) => void session.close(),
    });
    let session: Session | undefined;
    const app = await attach("red", { ...hear("first"), accept: (accepted) => void (session = accepted) });
    const worker = await app.addWorker(hear("second"));
    await app.listen("tcp://0.0.0.0/80");
    const client = await net.clients[0].attach({ name: "client" }, {});
    const connecting = client.connect("tcp://10.0.0.2/80");
    await net.pass(5);
    const peer = await connecting;
    peer.write(new Uint8Array(3));
    await net.pass(5);
    expect(await worker.take({ handle: (session as Session).handle })).toBe(session);
    peer.write(new Uint8Array(4));
    await net.pass(5);
    expect(heard).toEqual(["first 3", "second 4"]);
    await app.workers[0].delete();
    peer.write(new Uint8Array(5));
    await net.pass(5);
    expect(heard.at(-1)).toBe("second 5");
    expect(app.workers).toEqual([worker]);
  });
});

test("workers send each other messages, after the call", async () => {
  const heard: string[] = [];
  const hear = (who: string): AppCallbacks => ({
    rpc: (data, from) => void heard.push(`${who} ${from} ${data.join()}`),
  });
  const app = await attach("red", hear("first"));
  const worker = await app.addWorker(hear("second"));
  const data = Uint8Array.of(1, 2);
  const sent = [app.workers[0].rpc(1, data), worker.rpc(0, new Uint8Array(64)), worker.rpc(1, new Uint8Array())];
  data[0] = 9;
  expect(heard).toEqual([]);
  await Promise.all(sent);
  expect(heard).toEqual(["second 0 1,2", `first 1 ${new Uint8Array(64).join()}`, "second 1 "]);
  await expect(worker.rpc(2, data)).rejects.toMatchObject({ sessionError: "INVALID_APPWRK" });
  await expect(worker.rpc(0, new Uint8Array(65))).rejects.toMatchObject({ sessionError: "INVALID" });
  await worker.delete();
  await expect(worker.rpc(0, data)).rejects.toMatchObject({ sessionError: "NOAPP" });
  await expect(app.workers[0].rpc(1, data)).rejects.toMatchObject({ sessionError: "INVALID_APPWRK" });
  expect(heard.length).toBe(3);
});

test("a message whose hearer throws is reported", async () => {
  const error = new Error("bad rpc");
  const app = await attach("red", {
    rpc: () => {
      throw error;
    },
  });
  await app.workers[0].rpc(0, Uint8Array.of(1));
  expect(net.errors).toEqual([error]);
});

test("a proxy takes every port of its interface's address", async () => {
  const ports: number[] = [];
  const { sessions } = net.host.host;
  const app = await attach("red", { accept: (session) => void ports.push(session.local?.port ?? 0) });
  await app.listen("tcp://0.0.0.0/0", { proxy: true });
  const other = await attach("red", saying("web"), "web");
  await other.listen("tcp://0.0.0.0/80");
  expect([await ask(0, 80), await ask(0, 1234), await ask(0, 5), await ask(1, 5)]).toEqual(["web", "", "", "REFUSED"]);
  expect(ports).toEqual([1234, 5]);
  await app.detach();
  expect(await ask(0, 5)).toBe("REFUSED");
  expect(sessions.lookup.counts().listeners).toBe(1);
});
