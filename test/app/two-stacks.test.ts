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

const ADDRESSES = [
  ["10.0.0.1/24", "2001:db8::1/64"],
  ["10.0.0.2/24", "2001:db8::2/64"],
] as const;

/** Two stacks on one wire, time in the test's hands. */
class Net {
  readonly clock = new ManualClock(1_000_000);
  readonly stacks: Stack[];
  readonly servers: AppServer[];
  readonly errors: unknown[] = [];

  constructor() {
    const [a, b] = wire();
    this.stacks = [a, b].map((device, i) => {
      const stack = new Stack({
        window: MemoryWindow.plain(64 << 20),
        clock: this.clock,
        random: new SeededRandom(i + 1),
        hooks: { wake: () => {}, reportError: (error) => this.errors.push(error) },
        limits: SMALL_LIMITS,
        session: { maxSessions: 256 },
        tcp: { maxConnections: 256, timeWaitMs: 1000 },
        udp: { maxConnections: 64 },
      });
      stack.addInterface("wire0", device, { addresses: ADDRESSES[i] });
      return stack;
    });
    this.servers = this.stacks.map((stack) => new AppServer(stack.host.sessions));
  }

  /** Lets time pass, in steps of 1 ms with turns in between. */
  async pass(ms: number): Promise<void> {
    for (let t = 0; t < ms; t++) {
      this.turns(8);
      this.clock.advanceUs(1000);
      await Promise.resolve();
    }
  }

  turns(count: number): void {
    for (let i = 0; i < count; i++) for (const stack of this.stacks) stack.engine.turn();
  }
}

let net: Net;
beforeEach(() => {
  net = new Net();
});

/** Everything but listeners is gone once TIME_WAIT has passed. */
async function expectQuiet(): Promise<void> {
  await net.pass(3000);
  for (const { host } of net.stacks) {
    expect([...host.sessions.table].length).toBe(
      host.sessions.applications.all().reduce((sum, app) => sum + app.sessionCount, 0),
    );
    expect(host.fifos.inUse()).toBe(0);
    expect(host.pool.inUse()).toEqual([]);
    expect(host.pool.doubleFrees).toBe(0);
    const { established4, established6, halfOpen4, halfOpen6 } = host.lookup.counts();
    expect([established4, established6, halfOpen4, halfOpen6]).toEqual([0, 0, 0, 0]);
  }
  expect(net.errors).toEqual([]);
}

const attach = (side: 0 | 1, callbacks: AppCallbacks): Promise<App> =>
  net.servers[side].attach({ name: `app${side}`, rxFifoBytes: 65536, txFifoBytes: 65536 }, callbacks);

/** Connects and lets time pass until that has ended. */
async function connect(app: App, uri: string): Promise<Session> {
  const connecting = app.connect(uri);
  connecting.catch(() => {});
  await net.pass(20);
  return connecting;
}

/** An echo server: writes back what comes in, closes when the peer is done. */
function echo(): AppCallbacks {
  const move = (session: Session): void => {
    session.peek((u8, offset, length) => session.write(u8, offset, length));
    if (session.data === "closing" && session.readableBytes === 0) session.close();
  };
  return {
    accept: () => true,
    rx: move,
    tx: move,
    disconnect: (session) => {
      session.data = "closing";
      move(session);
    },
  };
}

describe.each([
  ["ip4", "tcp://10.0.0.2/7"],
  ["ip6", "tcp://[2001:db8::2]:7"],
])("%s", (_family, uri) => {
  test("a megabyte there and back, then both ends close and nothing is left", async () => {
    const server = await attach(1, echo());
    await server.listen(uri);
    const total = 1 << 20;
    const sent = Uint8Array.from({ length: total }, (_, i) => (i * 31 + (i >> 8)) & 255);
    const got = new Uint8Array(total);
    let written = 0;
    let read = 0;
    const ends: string[] = [];
    const push = (session: Session): void => {
      while (written < total) {
        const n = session.write(sent, written);
        if (n <= 0) return;
        written += n;
      }
      if (session.data === undefined) {
        session.data = "done";
        session.halfClose();
      }
    };
    const client = await attach(0, {
      connected: (session) => session !== undefined && push(session),
      tx: push,
      rx: (session) => void (read += session.read(got, read)),
      disconnect: (session) => {
        ends.push("disconnect");
        session.close();
      },
      reset: () => void ends.push("reset"),
      cleanup: (_session, phase) => void ends.push(`cleanup ${phase}`),
      transportClosed: () => void ends.push("transportClosed"),
    });
    await connect(client, uri);
    for (let i = 0; i < 100 && read < total; i++) await net.pass(10);
    expect(read).toBe(total);
    expect(Buffer.compare(got, sent)).toBe(0);
    await expectQuiet();
    expect(ends).toEqual(["disconnect", "transportClosed", "cleanup transport", "cleanup session"]);
    expect(net.stacks[0].host.sessions.table.used).toBe(0);
    expect(net.stacks[1].host.sessions.table.used).toBe(1);
  });

  test("nobody listens: ECONNREFUSED", async () => {
    const client = await attach(0, {});
    await expect(connect(client, uri)).rejects.toMatchObject({ code: "ECONNREFUSED", sessionError: "REFUSED" });
    await expectQuiet();
  });

  test("reset by either end: the other is told ECONNRESET, and both are gone", async () => {
    const heard: string[] = [];
    const server = await attach(1, { accept: () => true, reset: (_session, error) => void heard.push(error.code) });
    await server.listen(uri);
    const client = await attach(0, {});
    const session = await connect(client, uri);
    session.reset();
    await net.pass(5);
    expect(heard).toEqual(["ECONNRESET"]);
    await expectQuiet();
    expect(net.stacks[1].host.sessions.table.used).toBe(1);
  });

  test("an application that throws resets its session, and the next one is served", async () => {
    let calls = 0;
    const server = await attach(1, {
      ...echo(),
      accept: () => {
        if (calls++ === 0) throw new Error("first accept");
      },
    });
    await server.listen(uri);
    const heard: string[] = [];
    const client = await attach(0, {
      reset: (_session, error) => void heard.push(error.code),
      rx: (session) => void heard.push(`rx ${session.readableBytes}`),
    });
    await connect(client, uri);
    expect(heard).toEqual(["ECONNRESET"]);
    expect(net.errors.splice(0)).toMatchObject([{ message: "first accept" }]);
    const session = await connect(client, uri);
    session.write(Uint8Array.of(1, 2, 3));
    await net.pass(5);
    expect(heard).toEqual(["ECONNRESET", "rx 3"]);
    session.drop(3);
    session.close();
    await expectQuiet();
  });

  test("detach while data flows leaves nothing behind", async () => {
    const server = await attach(1, echo());
    await server.listen(uri);
    const client = await attach(0, {});
    const sessions = await Promise.all([1, 2, 3].map(() => connect(client, uri)));
    for (const session of sessions) session.write(new Uint8Array(50_000));
    net.turns(2);
    await client.detach();
    await server.detach();
    await expectQuiet();
    for (const { host } of net.stacks) expect(host.sessions.table.used).toBe(0);
  });
});

describe.each([
  ["ip4", "udp://10.0.0.2/7", "udp://0.0.0.0/7"],
  ["ip6", "udp://[2001:db8::2]:7", "udp://[::]:7"],
])("datagrams over %s", (_family, uri, any) => {
  test("echo of small and of fragmented datagrams", async () => {
    const buffer = new Uint8Array(65536);
    const server = await attach(1, {
      rx: (session) => {
        for (let n = session.readDatagram(buffer); n >= 0; n = session.readDatagram(buffer))
          session.reply(buffer, 0, n);
      },
    });
    await server.listen(any);
    const got: number[] = [];
    const client = await attach(0, {
      rx: (session) => {
        for (let n = session.readDatagram(buffer); n >= 0; n = session.readDatagram(buffer)) got.push(n, buffer[n - 1]);
      },
    });
    const session = await connect(client, uri);
    for (const length of [1, 1400, 8000, 30_000]) session.writeDatagram(new Uint8Array(length).fill(length & 255));
    await net.pass(50);
    expect(got).toEqual([1, 1, 1400, 120, 8000, 64, 30_000, 48]);
    session.close();
    await expectQuiet();
  });

  test("nobody listens: the session is reset with ECONNREFUSED", async () => {
    const heard: string[] = [];
    const client = await attach(0, { reset: (_session, error) => void heard.push(error.code) });
    const session = await connect(client, uri);
    session.writeDatagram(Uint8Array.of(1));
    await net.pass(20);
    expect(heard).toEqual(["ECONNREFUSED"]);
    expect(session.state).toBe("gone");
    await expectQuiet();
  });
});
