import type { LocalApp } from "../app/local-app.js";
import type { LocalAppWorker } from "../app/local-app-worker.js";
import type { AppCallbacks } from "../app/callbacks.js";
import type { Session } from "../app/session.js";
import type { Endpoint, SessionIndex } from "../transport/transport.js";
import { TRANSPORT_TCP, TRANSPORT_UDP } from "../transport/transport.js";
import { anyEndpoint } from "../session/uri.js";
import { S_FLAGS, SF_DATAGRAM } from "../session/session-table.js";
import { SessionError, sessionErrorEntry } from "../session/session-errors.js";
import { addressText, type RoundAppPlan, type RoundBreak, type RoundHost, type RoundListen } from "./round.js";
import type { RoundTraffic, TrafficTable } from "./round-traffic.js";
import type { EndContext, WorkloadEnd } from "./workload-end.js";

/** What the applications of all rounds share. */
export interface RoundContext extends EndContext {
  readonly traffic: TrafficTable;
}

/** A connect that is under way. */
interface Connecting {
  readonly traffic: RoundTraffic;
  readonly worker: number;
}

/** An application of a round: its workers listen, connect, serve what comes, and break things off. */
export class RoundApp {
  readonly #context: RoundContext;
  readonly #host: RoundHost;
  readonly #plan: RoundAppPlan;
  readonly #app: LocalApp;
  /** Ends of streams, and flows, by session. */
  readonly #open = new Map<Session, RoundTraffic & { readonly end?: WorkloadEnd }>();
  readonly #connecting = new Map<SessionIndex, Connecting>();
  /** Of the connect that failed last. */
  #error = "";
  #calls = 0;

  /** Attaches it. Throws SessionError. */
  constructor(context: RoundContext, host: RoundHost, name: string, plan: RoundAppPlan) {
    this.#context = context;
    this.#host = host;
    this.#plan = plan;
    const { namespace, knowsSecret, scope, rxFifoBytes, txFifoBytes, segments } = plan;
    const secret = knowsSecret ? (namespace?.secret ?? "") : "guessed";
    const options = { name, namespace: namespace?.id ?? "", secret, scope, rxFifoBytes, txFifoBytes, ...segments };
    this.#app = host.attach(options, this.#callbacks(0));
    for (let i = 1; i <= plan.workers; i++) this.#app.addWorker(this.#callbacks(i)).catch(ignoreRefusal);
  }

  /** Whether it has a worker left. */
  get isAttached(): boolean {
    return this.#app.workers.length > 0;
  }

  #worker(number: number): LocalAppWorker | undefined {
    return this.#app.workers.find((each) => each.number === number);
  }

  /** Listens; may be refused. */
  listen({ worker, protocol, family, address, port, backlog, isConnected, isProxy }: RoundListen): void {
    const at = addressText(this.#host.addresses, family, address);
    const uri = `${protocol}://${family === 6 ? `[${at}]` : at}:${port}`;
    const options = { backlog, connected: isConnected, proxy: isProxy };
    this.#worker(worker)?.listen(uri, options).catch(ignoreRefusal);
  }

  /** Connects: what comes of it is known by the traffic's ends. */
  connect(traffic: RoundTraffic, remote: Endpoint): void {
    const { worker, abandonAfterUs, fromPort } = traffic.plan;
    const local = fromPort === 0 ? undefined : anyEndpoint(remote.family, fromPort);
    const { sessions } = this.#host.stack.host;
    if (traffic.pair !== undefined) traffic.pair.startedUs = this.#context.nowUs();
    const protocol = traffic.pair === undefined ? TRANSPORT_UDP : TRANSPORT_TCP;
    const s = sessions.connect(this.#app.index, protocol, remote, { worker, local });
    if (s < 0) return failed(traffic, sessionErrorEntry(s).name);
    this.#connecting.set(s, { traffic, worker });
    this.#context.traffic.bind(this.#host, s, traffic);
    if (abandonAfterUs >= 0) {
      this.#context.after(abandonAfterUs, () => {
        if (this.#connecting.get(s)?.traffic === traffic) sessions.close(s);
      });
    }
  }

  /** Breaks something off. */
  break({ kind, pick }: RoundBreak): void {
    const { sessions } = this.#host.stack.host;
    const { workers, index } = this.#app;
    const worker = workers[pick % workers.length];
    if (worker === undefined) return;
    switch (kind) {
      case "detach":
        return this.detach();
      case "delete-worker":
        sessions.delWorker(index, worker.number);
        break;
      case "delete-namespace":
        sessions.apply({ kind: "namespace", add: false, id: this.#plan.namespace?.id ?? "" });
        break;
      case "unlisten":
        this.#unlisten(worker);
        break;
      case "take": {
        const open = [...this.#open.keys()];
        const session = open[pick % open.length];
        if (session !== undefined) sessions.moveSession(index, session.index, worker.number);
        break;
      }
      default:
    }
  }

  #unlisten(worker: LocalAppWorker): void {
    const [listener] = worker.listeners;
    if (listener !== undefined) worker.unlisten(listener);
  }

  /** Detaches it, if it is attached. */
  detach(): void {
    if (this.isAttached) this.#host.stack.host.sessions.detach(this.#app.index);
  }

  /** Its host is gone. */
  vanish(): void {
    for (const { end } of this.#open.values()) end?.vanish();
    for (const { traffic } of this.#connecting.values()) failed(traffic, "");
  }

  #callbacks(number: number): AppCallbacks {
    const odd = (callback: keyof AppCallbacks, session?: Session): void => this.#odd(callback, number, session);
    const end = (session: Session): WorkloadEnd | undefined => this.#open.get(session)?.end;
    return {
      accept: (session) => {
        const isTaken = this.#accept(session);
        odd("accept", session);
        return isTaken;
      },
      connected: (session, error) => {
        this.#error = error?.sessionError ?? "";
        if (session !== undefined) this.#connected(session);
        odd("connected", session);
      },
      halfOpenCleanup: (s) => {
        const connecting = this.#connecting.get(s);
        this.#connecting.delete(s);
        // Otherwise it failed, or was closed before it was open.
        if (connecting !== undefined) failed(connecting.traffic, this.#error);
        this.#error = "";
        odd("halfOpenCleanup");
      },
      rx: (session) => {
        const traffic = this.#open.get(session);
        if (traffic?.end !== undefined) traffic.end.rx();
        else this.#context.traffic.datagrams(session);
        odd("rx", session);
      },
      tx: (session) => {
        end(session)?.tx();
        odd("tx", session);
      },
      disconnect: (session) => {
        end(session)?.disconnect();
        odd("disconnect", session);
      },
      reset: (session, error) => {
        end(session)?.reset(error);
        odd("reset", session);
      },
      transportClosed: (session) => {
        end(session)?.transportClosed();
        odd("transportClosed", session);
      },
      cleanup: (session, phase) => {
        if (phase === "session") this.#cleanup(session);
        odd("cleanup", session);
      },
      listened: () => odd("listened"),
      unlistened: () => odd("unlistened"),
      detached: () => {
        this.#detached(number);
        odd("detached");
      },
    };
  }

  #accept(session: Session): boolean {
    if (session.remote === undefined) return false;
    const traffic = this.#context.traffic.acceptedBy(this.#host, session.index);
    const pair = traffic?.pair;
    // A late answer to who is gone opens a session at a proxy.
    if (traffic === undefined && isDatagram(this.#host, session)) return false;
    if (traffic === undefined || pair?.hasServer === true) {
      const { address, port } = session.remote;
      this.#context.fail("known-peer", `${this.#host.name} accepted ${address} port ${port}, which nobody opened`);
      return false;
    }
    if (traffic.plan.isRefused) return false;
    if (pair === undefined) return true;
    pair.hasServer = true;
    pair.server.isFinished = false;
    this.#open.set(session, { ...traffic, end: pair.server });
    pair.server.opened(session);
    return true;
  }

  #connected(session: Session): void {
    const connecting = this.#connecting.get(session.index);
    this.#connecting.delete(session.index);
    if (connecting === undefined) return;
    const { pair, flow } = connecting.traffic;
    this.#open.set(session, { ...connecting.traffic, ...(pair !== undefined && { end: pair.client }) });
    pair?.client.opened(session);
    flow?.opened(session);
  }

  #cleanup(session: Session): void {
    const traffic = this.#open.get(session);
    this.#open.delete(session);
    traffic?.end?.cleanup();
    traffic?.flow?.end();
  }

  /** A worker is gone: its sessions are those that have no name any more. */
  #detached(number: number): void {
    for (const [session, { end, flow }] of this.#open) {
      if (session.index >= 0) continue;
      this.#open.delete(session);
      end?.detach();
      flow?.end();
    }
    for (const [s, { traffic, worker }] of this.#connecting) {
      if (worker !== number) continue;
      this.#connecting.delete(s);
      traffic.pair?.client.detach();
      traffic.flow?.end();
    }
  }

  /** Does the plan's oddity, if this is the call. */
  #odd(callback: keyof AppCallbacks, number: number, session: Session | undefined): void {
    const { oddity } = this.#plan;
    if (oddity?.callback !== callback || this.#calls++ !== oddity.nth) return;
    const worker = this.#worker(number);
    const end = session === undefined ? undefined : this.#open.get(session)?.end;
    switch (oddity.act) {
      case "throw":
        end?.throwing();
        throw this.#thrown(callback);
      case "detach":
        return this.detach();
      case "delete-worker":
        if (worker !== undefined) this.#host.stack.host.sessions.delWorker(this.#app.index, number);
        break;
      case "unlisten":
        if (worker !== undefined) this.#unlisten(worker);
        break;
      case "reset":
        if (end === undefined) session?.reset();
        else end.abort("aborted");
        break;
      case "close":
        if (end === undefined) session?.close();
        else end.close();
        break;
      default:
    }
  }

  /** An error that is thrown on purpose: it must be reported once, at once. */
  #thrown(callback: string): Error {
    const error = new Error(`thrown by ${callback} on purpose`);
    const { errors, name } = this.#host;
    this.#context.after(0, () => {
      const reported = errors.filter((each) => each === error).length;
      if (reported !== 1) this.#context.fail("reported-once", `${name}: ${error.message}, reported ${reported} times`);
      while (errors.includes(error)) errors.splice(errors.indexOf(error), 1);
    });
    return error;
  }
}

function failed({ pair, flow }: RoundTraffic, error: string): void {
  if (pair?.client.isEnded === false) pair.client.failed(error);
  flow?.end();
}

function isDatagram({ stack: { host } }: RoundHost, session: Session): boolean {
  return (host.window.i32[host.sessions.table.row(session.index) + S_FLAGS] & SF_DATAGRAM) !== 0;
}

/** Refusals are answers; anything else is a fault, and comes out as one. */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof SessionError)) throw error;
}
