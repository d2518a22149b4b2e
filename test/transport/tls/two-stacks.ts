import type { App } from "../../../src/app/app.js";
import { AppServer } from "../../../src/app/attach.js";
import type { AppCallbacks } from "../../../src/app/callbacks.js";
import type { Session } from "../../../src/app/session.js";
import { wire } from "../../../src/device/wire-device.js";
import { NativeWindow } from "../../../src/host/native-window.js";
import { opensslEngine } from "../../../src/host/openssl-engine.js";
import { SeededRandom } from "../../../src/random/seeded.js";
import { SessionError } from "../../../src/session/session-errors.js";
import { SMALL_LIMITS, Stack } from "../../../src/stack.js";
import { ManualClock } from "../../../src/time/manual-clock.js";
import type { TlsConfig } from "../../../src/transport/tls/config.js";
import type { TlsTransport } from "../../../src/transport/tls/tls.js";

const ADDRESSES = [
  ["198.18.0.1/24", "2001:db8::1/64"],
  ["198.18.0.2/24", "2001:db8::2/64"],
] as const;

/** What an application heard, and all that it read. */
export class Ear {
  readonly heard: string[] = [];
  readonly sessions: Session[] = [];
  read = Buffer.alloc(0);
  /** Reads what comes in at once. */
  isReading = true;

  note(text: string): void {
    this.heard.push(text);
  }

  take(session: Session): void {
    const into = Buffer.alloc(session.readableBytes);
    const n = session.read(into);
    if (n > 0) this.read = Buffer.concat([this.read, into.subarray(0, n)]);
  }

  get session(): Session {
    const session = this.sessions.at(-1);
    if (session === undefined) throw new Error(`no session; heard: ${this.heard.join(", ")}`);
    return session;
  }

  callbacks(more: Partial<AppCallbacks> = {}): AppCallbacks {
    return {
      accept: (session) => {
        this.note("accept");
        this.sessions.push(session);
      },
      disconnect: () => this.note("disconnect"),
      reset: (_session, error) => this.note(`reset ${error.sessionError}: ${error.message.replace(/^[^:]*: /, "")}`),
      transportClosed: () => this.note("transportClosed"),
      cleanup: (_session, phase) => this.note(`cleanup ${phase}`),
      rx: (session) => {
        if (this.isReading) this.take(session);
      },
      ...more,
    };
  }
}

/** Two stacks with TLS on one wire, 198.18.0.1 and 198.18.0.2; time in the test's hands. */
export class TlsStacks {
  readonly clock = new ManualClock(1_000_000);
  readonly stacks: Stack[];
  readonly servers: AppServer[];
  readonly errors: unknown[] = [];
  readonly ears = [new Ear(), new Ear()] as const;
  #apps = 0;

  constructor(config: Partial<TlsConfig> = {}) {
    this.stacks = wire().map((device, i) => {
      const native = new NativeWindow({ bytes: 64 << 20, hugePages: false });
      const stack = new Stack({
        window: native.window,
        clock: this.clock,
        random: new SeededRandom(i + 1),
        hooks: { wake: () => {}, reportError: (error) => this.errors.push(error) },
        limits: { ...SMALL_LIMITS, fifoBytes: 8 << 20 },
        session: { maxSessions: 256 },
        tcp: { maxConnections: 256, timeWaitMs: 100 },
        udp: { maxConnections: 16 },
        tls: { engine: opensslEngine(native), config: { maxConnections: 128, ...config } },
      });
      stack.addInterface("wire0", device, { addresses: ADDRESSES[i] });
      return stack;
    });
    this.servers = this.stacks.map((stack) => new AppServer(stack.host.sessions));
  }

  tls(side: 0 | 1): TlsTransport {
    const { tls } = this.stacks[side].host;
    if (tls === undefined) throw new Error("no tls");
    return tls;
  }

  /** An application whose ear is that of its side. */
  attach(side: 0 | 1, more: Partial<AppCallbacks> = {}, fifoBytes = 65_536): Promise<App> {
    const options = { name: `app${this.#apps++}`, rxFifoBytes: fifoBytes, txFifoBytes: fifoBytes };
    return this.servers[side].attach(options, this.ears[side].callbacks(more));
  }

  /** Lets time pass, in steps of 1 ms with turns in between. */
  async pass(ms = 5): Promise<void> {
    for (let t = 0; t < ms; t++) {
      for (let i = 0; i < 6; i++) for (const { engine } of this.stacks) engine.turn();
      this.clock.advanceUs(1000);
      await Promise.resolve();
    }
  }

  /** The client (side 0) connects: a session, or the error. */
  async connect(app: App, uri: string, options: Parameters<App["connect"]>[1] = {}): Promise<Session> {
    const connecting = app.connect(uri, options);
    connecting.catch(() => {});
    await this.pass(20);
    const session = await connecting;
    this.ears[0].sessions.push(session);
    return session;
  }

  /** The name and text of the error that connecting ends with. */
  async refusal(app: App, uri: string, options: Parameters<App["connect"]>[1] = {}): Promise<string> {
    try {
      await this.connect(app, uri, options);
      return "connected";
    } catch (error) {
      return error instanceof SessionError ? error.message.replace(/^[^ ]* [^ ]*: /, "") : String(error);
    }
  }

  /** Index of the server's test certificate among what the client trusts. */
  trustServer(): number {
    return this.tls(0).store.addTrust(this.tls(1).store.testPair.certificate);
  }

  /** A server that listens with the test certificate, and a client that is connected to it. */
  async open(fifoBytes = 65_536): Promise<{ client: Session; server: Session }> {
    const listening = await this.attach(1, {}, fifoBytes);
    await listening.listen("tls://0.0.0.0/443");
    const connecting = await this.attach(0, {}, fifoBytes);
    const trust = this.trustServer();
    const client = await this.connect(connecting, "tls://[localhost]198.18.0.2/443", { tls: { trust } });
    return { client, server: this.ears[1].session };
  }

  /** What is left once TIME_WAIT has passed, beside listeners and applications. */
  async leftovers(): Promise<unknown[]> {
    await this.pass(300);
    const found: unknown[] = [...this.errors];
    for (const { host } of this.stacks) {
      const { sessions, fifos, pool, tls, dtls } = host;
      const others = [...sessions.table].filter((s) => sessions.listeners.of(s) === undefined);
      // A listener of TLS has one of TCP below it, of DTLS one of UDP.
      const rows = (sessions.table.used - others.length) / 2;
      if (others.length > 0) found.push(`sessions ${others.join()}`);
      if (fifos.inUse() !== 0) found.push(`${fifos.inUse()} bytes in fifos`);
      if (pool.inUse().length > 0) found.push(`${pool.inUse().length} packets`);
      const used = (tls?.rows.used ?? 0) + (dtls?.rows.used ?? 0);
      if (used !== rows) found.push(`${used} rows for ${rows} listeners`);
    }
    return found;
  }

  close(): void {
    for (const stack of this.stacks) stack.close();
  }
}

/** Bytes that tell where they belong. */
export function pattern(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) + (i >> 16)) & 0xff));
}
