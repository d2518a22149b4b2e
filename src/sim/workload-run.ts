import type { App } from "../app/app.js";
import type { AppCallbacks } from "../app/callbacks.js";
import type { Session } from "../app/session.js";
import { parseAddress } from "../ip/address.js";
import { sessionErrorEntry } from "../session/session-errors.js";
import { anyEndpoint, endpointOf } from "../session/uri.js";
import { TRANSPORT_TCP } from "../transport/transport.js";
import { checkPair, isCompleted, isDone, makePair, type Pair, recordOf } from "./pair.js";
import { Pattern } from "./pattern.js";
import type { SimHost } from "./host.js";
import type { Simulation } from "./simulation.js";
import type { ConnectionPlan, ConnectionRecord, Fail, Play } from "./workload.js";
import type { EndContext, WorkloadEnd } from "./workload-end.js";

/** Where the server listens. */
const SERVER_PORT = 80;
/** Ports of simultaneous opens: the connection's number is added. */
const FIRST_FIXED_PORT = 2000;
/** How often the workload looks for stalls, microseconds. */
const WATCH_US = 5_000_000;

/** The hosts of a workload, and the address each is reached at. */
export interface WorkloadHosts {
  readonly sim: Simulation;
  readonly server: SimHost;
  readonly serverAddress: string;
  readonly clients: readonly SimHost[];
  readonly clientAddresses: readonly string[];
}

/** What may be long, microseconds. */
export interface WorkloadLimits {
  /** How long an active open may take before it must have failed. */
  readonly connectUs: number;
  /**
   * How long a connection may stand still: longer than any timeout. When the peer's end is gone the application gives up
   * then, because TCP without keepalive need not notice; when both live, it is a failure.
   */
  readonly patienceUs: number;
  /** Half-open connections of the listener. */
  readonly backlog: number;
}

interface PlannedPair extends Pair {
  readonly plan: ConnectionPlan;
}

/** All connections of a run: opens each at its time, and keeps what becomes of it. */
export class Workload implements Play {
  readonly #hosts: WorkloadHosts;
  readonly #limits: WorkloadLimits;
  readonly #fail: Fail;
  readonly #pairs: PlannedPair[] = [];
  /** By the client's address and port, as the server sees them. */
  readonly #byClient = new Map<string, PlannedPair>();
  readonly #apps: App[] = [];
  readonly #vanished = new Set<SimHost>();
  readonly #context: EndContext;
  readonly #startUs: number;
  #endsLeft = 0;

  /** `seed` and a connection's number choose its bytes: numbers count from `first`. */
  constructor(
    hosts: WorkloadHosts,
    limits: WorkloadLimits,
    seed: number,
    first: number,
    plans: readonly ConnectionPlan[],
    fail: Fail,
  ) {
    this.#hosts = hosts;
    this.#limits = limits;
    this.#fail = fail;
    const { sim } = hosts;
    this.#startUs = sim.nowUs();
    this.#context = {
      pattern: new Pattern(),
      fail,
      nowUs: () => sim.nowUs() - this.#startUs,
      after: (delayUs, action) => sim.after(delayUs, action),
      ended: () => {
        this.#endsLeft--;
      },
    };
    plans.forEach((plan, i) => this.#pairs.push(this.#pair(seed, first + i, plan)));
    this.#endsLeft = plans.reduce((sum, { simultaneousUs }) => sum + (simultaneousUs < 0 ? 1 : 2), 0);
    if (plans.some(({ simultaneousUs }) => simultaneousUs < 0)) this.#listen();
    for (const pair of this.#pairs) sim.after(pair.plan.startUs, () => this.#start(pair));
    if (plans.length > 0) sim.after(WATCH_US, this.#watch);
  }

  #pair(seed: number, number: number, plan: ConnectionPlan): PlannedPair {
    const pair = makePair(this.#context, seed, number, plan.ends);
    // Of a simultaneous open there are both ends from the start.
    return { ...pair, plan, hasServer: plan.simultaneousUs >= 0 };
  }

  /** Whether every connection has ended at both ends. */
  get isDone(): boolean {
    return this.#endsLeft === 0;
  }

  /** Connections that are not at their end, by name: for a message. */
  get open(): string[] {
    return this.#pairs
      .flatMap(({ client, server, hasServer }) => (hasServer ? [client, server] : [client]))
      .filter(({ isEnded }) => !isEnded)
      .map(({ name }) => name);
  }

  /** What became of each connection. */
  get records(): ConnectionRecord[] {
    return this.#pairs.map(recordOf);
  }

  /** Connections of which both ends read all that the other wrote, and closed in order. */
  get completed(): number {
    return this.#pairs.filter(isCompleted).length;
  }

  /** The host has vanished: what it did ends. */
  vanish(host: SimHost): void {
    this.#vanished.add(host);
    for (const { plan, client, server, hasServer } of this.#pairs) {
      if (host === this.#hosts.server && hasServer) server.vanish();
      if (host === this.#hosts.clients[plan.client]) client.vanish();
    }
  }

  /** Closes all that the applications hold; they hear no more. */
  detach(): void {
    for (const app of this.#apps) app.detach().catch(() => {});
  }

  /** Checks that the ends' outcomes go together; once all have ended. */
  checkOutcomes(): void {
    for (const pair of this.#pairs) {
      const { client, server, hasServer } = pair;
      if (isDone(client) && !hasServer) this.#fail("both-know", `${client.name} is done, and no server heard of it`);
      if (hasServer && isDone(server) && client.outcome === "failed") {
        this.#fail("both-know", `${server.name} is done, and its client could not connect`);
      }
      checkPair(pair, this.#fail);
    }
  }

  /** One application for each end that connects: the callback of a failed connect says no more than its error. */
  #attach(host: SimHost, name: string, callbacks: AppCallbacks): App {
    const app = host.attach({ name }, callbacks);
    this.#apps.push(app);
    return app;
  }

  #listen(): void {
    const { server, serverAddress } = this.#hosts;
    const ends = new Map<Session, WorkloadEnd>();
    const of = (session: Session): WorkloadEnd | undefined => ends.get(session);
    const app = this.#attach(server, "server", {
      ...endCallbacks(of),
      accept: (session) => {
        const pair = this.#byClient.get(clientKey(session.remote));
        if (pair === undefined || pair.hasServer) {
          this.#fail("known-peer", `the server accepted ${clientKey(session.remote)}, which no client connected from`);
          return false;
        }
        pair.hasServer = true;
        this.#endsLeft++;
        ends.set(session, pair.server);
        pair.server.opened(session);
        return true;
      },
      cleanup: (session, phase) => {
        if (phase !== "session") return;
        of(session)?.cleanup();
        ends.delete(session);
      },
    });
    const any = serverAddress.includes(":") ? "::" : "0.0.0.0";
    app.listen(`tcp://${any}/${SERVER_PORT}`, { backlog: this.#limits.backlog }).catch(() => {
      this.#fail("listens", "the server cannot listen");
    });
  }

  #start(pair: PlannedPair): void {
    const { client: host, simultaneousUs } = pair.plan;
    const { server, serverAddress, clients, clientAddresses } = this.#hosts;
    pair.startedUs = this.#context.nowUs();
    const fixed = FIRST_FIXED_PORT + pair.number;
    const ports = simultaneousUs < 0 ? { own: 0, peer: SERVER_PORT } : { own: fixed, peer: fixed };
    this.#connect(clients[host], pair.client, pair, serverAddress, ports);
    if (simultaneousUs < 0) return;
    this.#hosts.sim.after(simultaneousUs, () => {
      this.#connect(server, pair.server, pair, clientAddresses[host], ports);
    });
  }

  #connect(
    host: SimHost,
    end: WorkloadEnd,
    pair: PlannedPair,
    address: string,
    ports: { readonly own: number; readonly peer: number },
  ): void {
    if (end.isEnded) return;
    if (this.#vanished.has(host)) return end.vanish();
    const startedUs = this.#context.nowUs();
    const failed = (error: string): void => {
      const tookUs = this.#context.nowUs() - startedUs;
      if (tookUs > this.#limits.connectUs) {
        this.#fail("connect-timeout", `${end.name}: its connect failed after ${tookUs} us only`);
      }
      end.failed(error);
    };
    const app = this.#attach(host, end.name, {
      ...endCallbacks(() => end),
      connected: (session, error) => {
        if (session === undefined) return failed(error?.sessionError ?? "");
        this.#byClient.set(clientKey(session.local), pair);
        end.opened(session);
      },
      cleanup: (_session, phase) => {
        if (phase === "session") end.cleanup();
      },
    });
    const { sessions } = host.stack.host;
    const remote = endpointOf(parseAddress(address), ports.peer);
    const from = ports.own === 0 ? undefined : anyEndpoint(remote.family, ports.own);
    // Straight to the session layer: an error that comes at once is known at once, not when promises settle.
    const s = sessions.connect(app.index, TRANSPORT_TCP, remote, { local: from });
    if (s < 0) failed(sessionErrorEntry(s).name);
  }

  readonly #watch = (): void => {
    const nowUs = this.#context.nowUs();
    for (const { client, server, hasServer } of this.#pairs) {
      client.watch();
      server.watch();
      const progressUs = Math.max(client.progressUs, server.progressUs);
      if (nowUs - progressUs < this.#limits.patienceUs) continue;
      const isAlive = !client.isEnded && client.openedUs >= 0 && hasServer && !server.isEnded;
      if (isAlive) this.#fail("no-stall", `${client.name}: nothing moved since ${progressUs} us, and both ends live`);
      for (const end of [client, server]) this.#giveUp(end, progressUs);
    }
    if (!this.isDone) this.#hosts.sim.after(WATCH_US, this.#watch);
  };

  /** An end whose peer has gone: TCP tells who has something to send, who only waits gives up. */
  #giveUp(end: WorkloadEnd, progressUs: number): void {
    if (end.isEnded || end.openedUs < 0) return;
    const { queuedBytes } = end;
    if (queuedBytes > 0) {
      this.#fail("user-timeout", `${end.name}: ${queuedBytes} bytes not acknowledged since ${progressUs} us`);
    }
    end.abort("gave-up");
  }
}

/** The callbacks of a session that are its end's own. */
function endCallbacks(of: (session: Session) => WorkloadEnd | undefined): AppCallbacks {
  return {
    rx: (session) => of(session)?.rx(),
    tx: (session) => of(session)?.tx(),
    disconnect: (session) => of(session)?.disconnect(),
    reset: (session, error) => of(session)?.reset(error),
    transportClosed: (session) => of(session)?.transportClosed(),
  };
}

function clientKey(address: { readonly address: string; readonly port: number } | undefined): string {
  return address === undefined ? "" : `${address.address}/${address.port}`;
}
