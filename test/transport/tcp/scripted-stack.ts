import { afterEach, assert } from "vitest";
import type { Host } from "../../../nodes/host.js";
import { LocalApp } from "../../../src/app/local-app.js";
import { AppServer } from "../../../src/app/attach.js";
import type { Listener } from "../../../src/app/listener.js";
import type { LocalSession } from "../../../src/app/local-session.js";
import type { Session } from "../../../src/app/session.js";
import type { Offloads } from "../../../src/device/device.js";
import { ManualDriver } from "../../../src/graph/manual-driver.js";
import type { NodeForm } from "../../../src/graph/node.js";
import { MemoryWindow } from "../../../src/mem/window.js";
import { SeededRandom } from "../../../src/random/seeded.js";
import type { SessionConfig } from "../../../src/session/session-config.js";
import type { SessionError } from "../../../src/session/session-errors.js";
import { SMALL_LIMITS, Stack, type StackLimits } from "../../../src/stack.js";
import { ManualClock } from "../../../src/time/manual-clock.js";
import type { TcpConfig } from "../../../src/transport/tcp/config.js";
import { TCP_STATE_NAMES } from "../../../src/transport/tcp/connection.js";
import type { TcpCore } from "../../../src/transport/tcp/core.js";
import { C_PORTS, C_STATE, type ConnectionAttributes } from "../../../src/transport/transport.js";
import { ScriptedDevice } from "./scripted-device.js";
import { neighbourAnswer, type ParsedSegment, parseSegment } from "./segment-codec.js";

/** The two families, for `describe.each`. */
export const FAMILIES = [4, 6] as const;

/** How a test wants its stack. */
export interface ScriptOptions {
  readonly family?: 4 | 6;
  readonly tcp?: Partial<TcpConfig>;
  readonly session?: Partial<SessionConfig>;
  readonly limits?: Partial<StackLimits>;
  readonly mtu?: number;
  /** Of the interface; the application is in the default namespace all the same. */
  readonly table?: number;
  readonly offloads?: Offloads;
  readonly seed?: number;
  /** Nodes beside the stack's own. */
  readonly nodes?: readonly NodeForm<Host>[];
  /** When the clock starts, microseconds. */
  readonly startUs?: number;
  /** Default 256 KiB: a window scale of 3. */
  readonly rxFifoBytes?: number;
  readonly txFifoBytes?: number;
  /** What the application does by itself; without it the test reads, writes and closes. */
  readonly app?: {
    readonly accept?: (session: Session) => boolean | void;
    readonly rx?: (session: Session) => void;
    readonly tx?: (session: Session) => void;
    readonly disconnect?: (session: Session) => void;
  };
}

/** Somebody whom segments reach: a scripted peer. */
export interface SegmentReceiver {
  /** True when it takes the segment. */
  receive(segment: ParsedSegment, timeUs: number, gso: number): boolean;
}

const live: ScriptedStack[] = [];

// Every test of every script is a leak test too.
afterEach(() => {
  for (const stack of live.splice(0)) stack.finish();
});

/** A stack whose network, application and time are the test. It is wound up and checked for leaks after the test. */
export class ScriptedStack {
  readonly family: 4 | 6;
  readonly address: string;
  readonly peerAddress: string;
  readonly clock: ManualClock;
  readonly stack: Stack;
  readonly device: ScriptedDevice;
  readonly app: LocalApp;
  /** What the application heard, oldest first. */
  readonly log: string[] = [];
  /** What it was told beside: urgent data, and soft errors by their code. */
  readonly reports: string[] = [];
  /** Sessions that were accepted or connected. */
  readonly sessions: LocalSession[] = [];
  /** Segments that no peer took. */
  readonly strays: ParsedSegment[] = [];
  /** The peers, in the order in which they are asked. */
  readonly receivers: SegmentReceiver[] = [];
  readonly #driver: ManualDriver;
  readonly #errors: unknown[] = [];
  #holding = false;

  constructor(options: ScriptOptions = {}) {
    const { family = 4, mtu = 1500, seed = 7, startUs = 5_000_000 } = options;
    const offloads = options.offloads ?? { checksum: false, tso: false, uso: false };
    this.family = family;
    this.address = family === 4 ? "198.18.0.2" : "2001:db8::2";
    this.peerAddress = family === 4 ? "198.18.0.9" : "2001:db8::9";
    this.clock = new ManualClock(startUs);
    const limits = { ...SMALL_LIMITS, smallPackets: 256, largePackets: 8, fifoBytes: 1 << 20, ...options.limits };
    this.stack = new Stack({
      window: MemoryWindow.plain((4 << 20) + limits.fifoBytes),
      clock: this.clock,
      random: new SeededRandom(seed),
      hooks: { wake: () => {}, reportError: (error) => this.#errors.push(error) },
      limits,
      tcp: { maxConnections: 64, noDelay: true, congestionControl: "newreno", ...options.tcp },
      session: { maxSessions: 64, maxListeners: 8, maxApplications: 2, ...options.session },
      nodes: options.nodes ?? [],
    });
    this.device = new ScriptedDevice(mtu, offloads);
    const prefixes = ["198.18.0.2/24", "2001:db8::2/64"];
    const own = [...prefixes.map((prefix) => prefix.split("/")[0]), "fe80::ff:fe00:10"];
    this.device.onSent = ({ bytes, gso, checksumIsPartial }) => {
      const answer = neighbourAnswer(bytes, own);
      if (answer !== undefined) this.device.incoming.push({ bytes: answer, flags: 0 });
      const segment = parseSegment(bytes, checksumIsPartial);
      if (segment === undefined) return;
      const isTaken = this.receivers.some((each) => each.receive(segment, this.clock.nowUs(), gso & 0xffff));
      if (!isTaken) this.strays.push(segment);
    };
    this.stack.addInterface("test0", this.device, { addresses: prefixes, mtu, table: options.table ?? 0 });
    this.#driver = new ManualDriver(this.stack.engine, this.clock);
    this.app = this.#attach(options);
    live.push(this);
  }

  #attach({ rxFifoBytes = 256 << 10, txFifoBytes = 256 << 10, app = {} }: ScriptOptions): LocalApp {
    const { log, reports, sessions } = this;
    return new LocalApp(
      new AppServer(this.stack.host.sessions).objects,
      { name: "script", rxFifoBytes, txFifoBytes },
      {
        accept: (session: LocalSession) => {
          log.push("accept");
          sessions.push(session);
          return app.accept?.(session);
        },
        connected: (session: LocalSession | undefined, error) => {
          log.push(error === undefined ? "connected" : `failed ${error.sessionError}`);
          if (session !== undefined) sessions.push(session);
        },
        rx: (session) => {
          log.push("rx");
          app.rx?.(session);
        },
        tx: (session) => {
          log.push("tx");
          app.tx?.(session);
        },
        disconnect: (session) => {
          log.push("disconnect");
          app.disconnect?.(session);
        },
        reset: (_session, error) => log.push(`reset ${error.code}`),
        urgent: () => reports.push("urgent"),
        softError: (_session, error) => reports.push(error.code),
        transportClosed: () => log.push("closed"),
        cleanup: (_session, phase) => log.push(`cleanup ${phase}`),
      },
    );
  }

  /** What TCP's files share. */
  get core(): TcpCore {
    return this.stack.host.tcp.core;
  }

  /** The session made last. */
  get session(): LocalSession {
    const session = this.sessions.at(-1);
    if (session === undefined) throw new Error("no session yet");
    return session;
  }

  /** Takes what the application heard since it was last asked. */
  heardSince(): string[] {
    return this.log.splice(0);
  }

  /** Listens on a port of any address. */
  listen(port = 80, backlog?: number): Listener | undefined {
    const any = this.family === 4 ? "0.0.0.0" : "::";
    const options = backlog === undefined ? {} : { backlog };
    this.app.listen(`tcp://${any}/${port}`, options).catch(() => {});
    return this.app.listeners.at(-1);
  }

  /** Starts an active open to a port of the peer; its end goes to the log. */
  connect(port = 80, from?: string, attributes: ConnectionAttributes = {}): void {
    this.app
      .connect(`tcp://${this.peerAddress}/${port}`, from === undefined ? { attributes } : { from, attributes })
      .catch((error: SessionError) => {
        if (error.sessionError !== "REFUSED") this.log.push(`rejected ${error.sessionError}`);
      });
    this.settle();
  }

  /** Lets the stack do all it can do at this moment. */
  settle(): void {
    if (this.#holding) return;
    do this.#driver.settle();
    while (this.device.incoming.length > 0);
    // What ended in the last turn is freed in the next.
    this.stack.engine.turn();
    if (this.#errors.length > 0) throw this.#errors[0];
  }

  /** Several sends reach the stack in one vector. */
  together(sends: () => void): void {
    this.#holding = true;
    sends();
    this.#holding = false;
    this.settle();
  }

  /** Lets time pass, milliseconds, with everything that falls due on the way. */
  pass(ms: number): void {
    this.#driver.run(this.clock.nowUs() + ms * 1000);
    this.settle();
  }

  /** The stack receives a frame. */
  receive(bytes: Uint8Array, flags = 0): void {
    this.device.incoming.push({ bytes, flags });
    this.settle();
  }

  /** Counters of a TCP node, `established` for tcp4-established; those that are 0 left out. */
  errors(node: string): Record<string, number> {
    const name = `tcp${this.family}-${node}`;
    const found = this.stack.engine.errors().filter((each) => each.node === name);
    return Object.fromEntries(found.map(({ symbol, count }) => [symbol, count]));
  }

  /** Times a counter of a TCP node was counted. */
  count(node: string, symbol: string): number {
    return this.errors(node)[symbol] ?? 0;
  }

  /** Word index of the row of the connection with these ports; -1 without one. */
  rowOf(localPort: number, remotePort: number): number {
    const { connections, window } = this.core;
    for (const c of connections) {
      const r = connections.row(c);
      const isOurs = window.i32[r + C_PORTS] === ((localPort << 16) | remotePort);
      if (isOurs && window.i32[r + C_STATE] !== 0) return r;
    }
    return -1;
  }

  /** Names of the states of all connections, listeners left out, sorted. */
  get states(): string[] {
    const { connections, window } = this.core;
    const names = [...connections].map((c) => TCP_STATE_NAMES[window.i32[connections.row(c) + C_STATE]]);
    return names.filter((name) => name !== "LISTEN" && name !== "CLOSED").sort();
  }

  /** Takes all small packet buffers away, and gives them back with the function that is returned. */
  exhaustPackets(): () => void {
    const { pool } = this.stack.host;
    const taken: number[] = [];
    while (pool.freeSmall > 0) taken.push(pool.alloc());
    return () => {
      for (const b of taken) pool.free(b);
    };
  }

  /** The application goes, the peers keep silent; in the end nothing may be left. */
  finish(): void {
    this.app.detach().catch(() => {});
    this.pass(400_000);
    const { pool, fifos, sessions } = this.stack.host;
    const { connections, timers, events } = this.core;
    const left = {
      packets: pool.inUse(),
      doubleFrees: pool.doubleFrees,
      fifoBytes: fifos.inUse(),
      fifos: fifos.stats().activeFifos,
      outOfOrder: fifos.stats().oooIntervals,
      badFifos: fifos.stats().badFifos,
      connections: connections.used,
      timers: timers.running,
      sessions: sessions.table.used,
      cutTurns: this.stack.engine.cutTurns,
      uncommitted: events.uncommitted(),
    };
    assert.deepEqual(left, {
      packets: [],
      doubleFrees: 0,
      fifoBytes: 0,
      fifos: 0,
      outOfOrder: 0,
      badFifos: 0,
      connections: 0,
      timers: 0,
      sessions: 0,
      cutTurns: 0,
      uncommitted: [],
    });
  }
}
