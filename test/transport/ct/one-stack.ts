import type { LocalApp } from "../../../src/app/local-app.js";
import { AppServer } from "../../../src/app/attach.js";
import type { AppCallbacks } from "../../../src/app/callbacks.js";
import type { Session } from "../../../src/app/session.js";
import { wire } from "../../../src/device/wire-device.js";
import { MemoryWindow } from "../../../src/mem/window.js";
import { SeededRandom } from "../../../src/random/seeded.js";
import type { ApplicationOptions } from "../../../src/session/application.js";
import type { SessionConfig } from "../../../src/session/session-config.js";
import { SessionError } from "../../../src/session/session-errors.js";
import { SMALL_LIMITS, Stack } from "../../../src/stack.js";
import { ManualClock } from "../../../src/time/manual-clock.js";
import type { CtConnections } from "../../../src/transport/ct/connection.js";
import { TRANSPORT_CT } from "../../../src/transport/transport.js";

/** What the pools hold. */
export interface Pools {
  readonly sessions: number;
  readonly fifos: number;
  readonly fifoBytes: number;
  readonly rows: number;
  readonly lookup: Readonly<Record<string, number>>;
  readonly applications: number;
}

/** Both families, with an address of the stack and a loopback one, as URIs with port 80. */
export const CT_FAMILIES = [
  ["ip4", "tcp://10.0.0.1:80", "tcp://127.0.0.1:80"],
  ["ip6", "tcp://[2001:db8::1]:80", "tcp://[::1]:80"],
] as const;

/** One stack with addresses 10.0.0.1 and 2001:db8::1, whose applications talk to each other; time stands still. */
export class OneStack {
  readonly clock = new ManualClock(1_000_000);
  readonly stack: Stack;
  readonly server: AppServer;
  readonly errors: unknown[] = [];
  /** What all applications heard, in order: `NAME CALLBACK`. */
  readonly heard: string[] = [];

  constructor(session: Partial<SessionConfig> = {}) {
    this.stack = new Stack({
      window: MemoryWindow.plain(64 << 20),
      clock: this.clock,
      random: new SeededRandom(7),
      hooks: { wake: () => {}, reportError: (error) => this.errors.push(error) },
      limits: SMALL_LIMITS,
      session: { maxSessions: 256, ...session },
      tcp: { maxConnections: 64 },
      udp: { maxConnections: 64 },
    });
    this.stack.addInterface("wire0", wire()[0], { addresses: ["10.0.0.1/24", "2001:db8::1/64"] });
    this.server = new AppServer(this.stack.host.sessions);
  }

  /** The connection rows of cut-through. */
  get rows(): CtConnections {
    return this.stack.host.transports[TRANSPORT_CT]?.rows as CtConnections;
  }

  /** Entries of the listener table, local ones and those for packets. */
  lookupListeners(): number {
    return this.stack.host.lookup.counts().listeners;
  }

  /** What all pools hold now. */
  pools(): Pools {
    const { sessions, fifos, lookup } = this.stack.host;
    return {
      sessions: sessions.table.used,
      fifos: fifos.stats().activeFifos,
      fifoBytes: fifos.inUse(),
      rows: this.rows.used,
      lookup: { ...lookup.counts() },
      applications: sessions.applications.all().length,
    };
  }

  /** Attaches an application of local scope that notes what it hears, and does what `callbacks` say. */
  async attach(
    name: string,
    callbacks: AppCallbacks = {},
    options: Omit<ApplicationOptions, "name"> = {},
  ): Promise<LocalApp> {
    return this.server.attach({ scope: ["local"], ...options, name }, this.noting(name, callbacks));
  }

  /** The callbacks of an application, or worker, that notes what it hears. */
  noting(name: string, callbacks: AppCallbacks = {}): AppCallbacks {
    const note = (text: string): void => void this.heard.push(`${name} ${text}`);
    return {
      accept: (session, listener) => {
        note("accept");
        return callbacks.accept?.(session, listener);
      },
      connected: (session, error) => {
        note(error === undefined ? "connected" : `connected ${error.sessionError}`);
        callbacks.connected?.(session, error);
      },
      disconnect: (session) => {
        note("disconnect");
        if (callbacks.disconnect === undefined) session.close();
        else callbacks.disconnect(session);
      },
      reset: (session, error) => {
        note(`reset ${error.code}`);
        callbacks.reset?.(session, error);
      },
      transportClosed: () => note("transportClosed"),
      cleanup: (_session, phase) => note(`cleanup ${phase}`),
      halfOpenCleanup: () => note("halfOpenCleanup"),
      rx: (session) => {
        note("rx");
        callbacks.rx?.(session);
      },
      tx: (session) => {
        note("tx");
        callbacks.tx?.(session);
      },
    };
  }

  /** Turns until nothing is left to do. Returns how many. */
  settle(): number {
    let turns = 0;
    do {
      this.stack.engine.turn();
      turns++;
    } while (this.stack.host.sessions.nextExpiry(0) === 0 && turns < 1000);
    return turns;
  }

  /** Starts an active open and lets it end: with a session, or with the error's name. */
  async connect(app: LocalApp, uri: string, from?: string): Promise<Session> {
    const connecting = app.connect(uri, from === undefined ? {} : { from });
    connecting.catch(() => {});
    this.settle();
    return connecting;
  }

  /** The name of the error with which an active open ends. */
  async refusal(app: LocalApp, uri: string, from?: string): Promise<string> {
    try {
      const session = await this.connect(app, uri, from);
      return `${session.local?.address} to ${session.remote?.address}`;
    } catch (error) {
      return error instanceof SessionError ? error.sessionError : String(error);
    }
  }

  /** What was heard since the last call. */
  news(): string[] {
    return this.heard.splice(0);
  }
}

/** A text as bytes. */
export function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** All that can be read now, as text; an error as its number. */
export function readText(session: Session): string {
  const into = new Uint8Array(session.readableBytes);
  const n = session.read(into);
  return n < 0 ? `error ${n}` : String.fromCharCode(...into);
}
