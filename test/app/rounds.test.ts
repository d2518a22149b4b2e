import { expect, test } from "vitest";
import type { App } from "../../src/app/app.js";
import { AppServer } from "../../src/app/attach.js";
import type { AppWorker } from "../../src/app/app-worker.js";
import type { AppCallbacks } from "../../src/app/callbacks.js";
import type { Session } from "../../src/app/session.js";
import { wire } from "../../src/device/wire-device.js";
import { MemoryWindow } from "../../src/mem/window.js";
import { SeededRandom } from "../../src/random/seeded.js";
import { censusChange, censusOf } from "../../src/sim/census.js";
import { SMALL_LIMITS, Stack } from "../../src/stack.js";
import { ManualClock } from "../../src/time/manual-clock.js";

/** Rounds of attach, listen, connect, transfer and detach, with something broken off in most of them. */
const ROUNDS = Number(process.env["WEFT_ROUNDS"] ?? 150);
const NAMESPACES = ["default", "one", "two"];
/** What the second host has from the start. */
const NAMESPACED = { "namespaces besides the default one": 2 };

class Net {
  readonly clock = new ManualClock(1_000_000);
  readonly random: SeededRandom;
  readonly stacks: readonly Stack[];
  readonly servers: readonly AppServer[];
  readonly errors: unknown[] = [];
  connected = 0;
  accepted = 0;
  bytes = 0;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    this.stacks = wire().map((device, i) => {
      const stack = new Stack({
        window: MemoryWindow.plain(64 << 20),
        clock: this.clock,
        random: new SeededRandom(seed * 2 + i),
        hooks: { wake: () => {}, reportError: (error) => this.errors.push(error) },
        limits: SMALL_LIMITS,
        session: { maxSessions: 256, rxFifoBytes: 16_384, txFifoBytes: 16_384 },
        tcp: { maxConnections: 256, timeWaitMs: 20 },
        udp: { maxConnections: 64 },
      });
      stack.addInterface("w0", device, { addresses: [`10.0.0.${i + 1}/24`, `2001:db8::${i + 1}/64`] });
      return stack;
    });
    for (const id of NAMESPACES.slice(1)) this.addNamespace(id);
    this.servers = this.stacks.map((stack) => new AppServer(stack.host.sessions));
  }

  addNamespace(id: string): void {
    this.stacks[1].apply({
      kind: "namespace",
      add: true,
      id,
      secret: id,
      ...(id === "one" ? { interface: "w0" } : {}),
    });
  }

  below(n: number): number {
    return this.random.nextBelow(n);
  }

  any<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }

  async pass(ms: number): Promise<void> {
    for (let t = 0; t < ms; t++) {
      for (let i = 0; i < 4; i++) for (const stack of this.stacks) stack.engine.turn();
      this.clock.advanceUs(1000);
      await Promise.resolve();
    }
  }

  /** Echoes, or closes, or breaks off. */
  callbacks(sessions: Session[]): AppCallbacks {
    return {
      accept: (session) => {
        this.accepted++;
        sessions.push(session);
        return this.below(10) > 0;
      },
      connected: (session) => {
        if (session === undefined) return;
        this.connected++;
        sessions.push(session);
        session.write(new Uint8Array(1 + this.below(20_000)));
      },
      rx: (session) => {
        session.peek((u8, offset, length) => {
          this.bytes += length;
          if (this.below(3) === 0) session.write(u8, offset, length);
          return length;
        });
      },
      disconnect: (session) => void (this.below(8) === 0 || session.close()),
    };
  }

  async round(number: number): Promise<void> {
    const namespace = this.any(NAMESPACES);
    const secret = namespace === "default" ? "" : namespace;
    const sessions: Session[] = [];
    const name = `app${number}`;
    const server = await this.servers[1].attach({ name, namespace, secret }, this.callbacks(sessions));
    const workers: AppWorker[] = [...server.workers];
    for (let i = this.below(3); i > 0; i--) workers.push(await server.addWorker(this.callbacks(sessions)));
    const proto = this.any(["tcp", "tcp", "tcp", "udp"]);
    const port = 1000 + this.below(50);
    const isIp6 = this.below(3) === 0;
    for (const worker of workers) {
      await worker
        .listen(`${proto}://${isIp6 ? `[::]:${port}` : `0.0.0.0/${port}`}`, { connected: this.below(2) === 0 })
        .catch(() => {});
    }
    const client = await this.servers[0].attach({ name }, this.callbacks(sessions));
    const target = isIp6 ? `[2001:db8::2]` : "10.0.0.2";
    for (let i = 1 + this.below(4); i > 0; i--) {
      client.connect(`${proto}://${target}:${this.below(8) === 0 ? 9 : port}`).catch(() => {});
    }
    for (let i = this.below(4); i >= 0; i--) {
      await this.pass(this.below(4));
      await this.breakOff(server, client, workers, sessions, namespace);
    }
    for (const app of [server, client]) if (app.workers.length > 0) await app.detach();
    await this.pass(this.below(3));
  }

  async breakOff(
    server: App,
    client: App,
    workers: readonly AppWorker[],
    sessions: readonly Session[],
    namespace: string,
  ): Promise<void> {
    const session = sessions.length === 0 ? undefined : this.any(sessions);
    const worker = this.any(workers);
    switch (this.below(10)) {
      case 0:
        session?.reset();
        break;
      case 1:
        session?.close();
        break;
      case 2:
        session?.halfClose();
        break;
      case 3:
        if (server.workers.length > 0) await server.detach();
        break;
      case 4:
        if (client.workers.length > 0) await client.detach();
        break;
      case 5:
        if (worker.isAttached) await worker.delete();
        break;
      case 6:
        if (worker.listeners.length > 0) await worker.listeners[0].close();
        break;
      case 7:
        if (worker.isAttached && session !== undefined) await worker.take(session).catch(() => {});
        break;
      case 8:
        if (namespace === "default") break;
        this.stacks[1].apply({ kind: "namespace", add: false, id: namespace });
        this.addNamespace(namespace);
        break;
      default:
        if (this.below(4) > 0) break;
        for (const isOn of [false, true]) this.stacks[this.below(2)].host.sessions.setEnabled(isOn);
        for (const { host } of this.stacks) host.sessions.setEnabled(true);
    }
  }
}

test.each([1, 2, 3])("seed %i: rounds with something broken off leave everything as it was", async (seed) => {
  const net = new Net(seed);
  for (let i = 0; i < ROUNDS; i++) await net.round(i);
  // Longer than any timer of a connection whose peer is gone.
  for (let i = 0; i < 100; i++) {
    net.clock.advanceUs(2_000_000);
    await net.pass(1);
  }
  for (const { host } of net.stacks) {
    expect(censusChange(censusOf(host), host === net.stacks[1].host ? NAMESPACED : {})).toBe("");
  }
  expect(net.errors).toEqual([]);
  expect(net.connected).toBeGreaterThan(ROUNDS / 2);
  expect(net.accepted).toBeGreaterThan(ROUNDS / 3);
  expect(net.bytes).toBeGreaterThan(ROUNDS * 1000);
});
