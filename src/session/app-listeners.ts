import { type Endpoint, type SessionIndex, type Transport, TRANSPORT_CT } from "../transport/transport.js";
import type { Application, AppWorker } from "./application.js";
import { type AppListener, type ListenOptions, nextWorker, setListeningWorker, spreadBy } from "./app-listener.js";
import type { AppNamespace } from "./app-namespace.js";
import { EV_CLEANUP_SESSION } from "./event-queue.js";
import { ExtConfig } from "./ext-config.js";
import { mayBeLocal } from "./namespace-address.js";
import { FLOW_DROP } from "./rt-backend.js";
import type { SessionCore } from "./session-core.js";
import {
  SESSION_E_ALLOC,
  SESSION_E_ALREADY_LISTENING,
  SESSION_E_FILTERED,
  SESSION_E_INVALID,
  SESSION_E_INVALID_APPWRK,
  SESSION_E_NOAPP,
  SESSION_E_NOIP,
  SESSION_E_NOLISTEN,
  SESSION_E_NOSUPPORT,
  SESSION_E_OWNER,
  SESSION_E_SCOPE,
  type SessionErrorValue,
} from "./session-errors.js";
import {
  S_BACKLOG,
  S_CONNECTION,
  S_FLAGS,
  S_PROTO,
  S_STATE,
  S_WORKER,
  SESSION_CLOSED,
  SESSION_LISTENING,
  SF_APP_CLOSED,
  SF_CONNECTED_MODE,
  SF_ON_INTERFACE,
  SF_SPREAD,
} from "./session-table.js";
import { isAnyAddress, isEndpoint, isLoopback } from "./uri.js";

/** Listeners of all applications. */
export class AppListeners {
  readonly #core: SessionCore;
  /** By each of its listening sessions. */
  readonly #bySession = new Map<SessionIndex, AppListener>();
  /** Changes whenever a listener comes, goes, or gets another listening session. */
  version = 0;

  constructor(core: SessionCore) {
    this.#core = core;
  }

  /** Listeners, of all applications. */
  get count(): number {
    return new Set(this.#bySession.values()).size;
  }

  /** The listener that a listening session belongs to. */
  of(s: SessionIndex): AppListener | undefined {
    return this.#bySession.get(s);
  }

  /** Those of an application. */
  ofApp(app: Application): AppListener[] {
    return [...new Set(this.#bySession.values())].filter((each) => each.app === app);
  }

  /**
   * Listens on an endpoint; port 0: on one that is free. Returns the session by which the worker knows the listener, or
   * NOAPP, INVALID_APPWRK, NOSUPPORT (no such transport), INVALID, NOIP (not an address of the namespace),
   * ALREADY_LISTENING (another application, or this worker), FILTERED, SCOPE, NOPORT, ALLOC, SEG_NO_SPACE.
   */
  listen(appIndex: number, proto: number, local: Endpoint, options: ListenOptions): SessionIndex {
    const core = this.#core;
    const { backlog = core.config.backlog, connected = false, proxy = false, worker: number = 0, extConfig } = options;
    const app = core.applications.attached(appIndex);
    if (app === undefined) return SESSION_E_NOAPP;
    const worker = core.applications.worker(app, number);
    if (worker === undefined) return SESSION_E_INVALID_APPWRK;
    const transport = core.transports[proto];
    if (transport === undefined || proto === TRANSPORT_CT) return SESSION_E_NOSUPPORT;
    if (!(Number.isInteger(backlog) && backlog >= 0) || !isEndpoint(local)) return SESSION_E_INVALID;
    const parsed = extConfig === undefined ? 0 : ExtConfig.parse(extConfig);
    if (typeof parsed === "number" && parsed < 0) return parsed;
    const { below = proto } = transport;
    const fib = local.family === 6 ? app.namespace.fib6 : app.namespace.fib4;
    if (transport.isDatagram && !app.hasGlobalScope) return SESSION_E_NOSUPPORT;
    const isGlobal = app.hasGlobalScope && fib >= 0 && this.#isBindable(app.namespace, local);
    if (!isGlobal && (transport.isDatagram || !this.#isLocallyBindable(app, fib, local))) return SESSION_E_NOIP;
    let { port } = local;
    if (proxy && (port !== 0 || !this.#mayProxy(app, local))) return SESSION_E_INVALID;
    if (port === 0 && !proxy) {
      port = core.sourcePorts.search((each) => this.#find(app, fib, below, { ...local, port: each }) === undefined);
    }
    if (port < 0) return port;
    const endpoint: Endpoint = { family: local.family, address: Int32Array.from(local.address), port };
    const known = this.#find(app, fib, proto, endpoint);
    if (known === undefined) {
      // What has connections of its own has no listener that reads datagrams.
      const isConnected = connected || (transport.isDatagram && transport.below !== undefined);
      return this.#start(worker, transport, fib, endpoint, { ...options, backlog, connected: isConnected }, isGlobal);
    }
    if (known.app !== app || known.sessions[number] >= 0) return SESSION_E_ALREADY_LISTENING;
    return this.#join(known, worker, transport);
  }

  #mayProxy({ namespace, hasGlobalScope }: Application, local: Endpoint): boolean {
    return !isAnyAddress(local) || namespace.ifIndex >= 0 || !hasGlobalScope || this.#core.config.anyProxy;
  }

  /** Any address means those of the namespace; another must be one of them, or one that may be spoofed. */
  #isBindable(namespace: AppNamespace, local: Endpoint): boolean {
    const { addresses } = this.#core;
    if (!isAnyAddress(local)) return mayBeLocal(addresses, namespace, local);
    return namespace.ifIndex < 0 || addresses.addressesOf(namespace.ifIndex, local.family).length > 0;
  }

  /** In local scope loopback is always there. */
  #isLocallyBindable({ namespace, hasLocalScope }: Application, fib: number, local: Endpoint): boolean {
    if (!hasLocalScope || fib < 0) return false;
    return (
      (this.#core.transports[TRANSPORT_CT] !== undefined && isLoopback(local)) || this.#isBindable(namespace, local)
    );
  }

  /** Keys of the listener table for an endpoint: of any address, those of the namespace's interface if it has one. */
  #keysOf(ifIndex: number, local: Endpoint): Endpoint[] {
    if (ifIndex < 0 || !isAnyAddress(local)) return [local];
    const { family, port } = local;
    return this.#core.addresses.addressesOf(ifIndex, family).map((address) => ({ family, address, port }));
  }

  /** Who listens there already: on one of the keys, or in the local table. */
  #find(app: Application, fib: number, proto: number, local: Endpoint): AppListener | undefined {
    const { lookup } = this.#core;
    if (app.hasGlobalScope) {
      for (const key of this.#keysOf(app.namespace.ifIndex, local)) {
        const s = lookup.listenerAt(fib, proto, key);
        if (s >= 0) return this.#bySession.get(s);
      }
    }
    if (!app.hasLocalScope) return undefined;
    return this.#bySession.get(lookup.listenerAt(app.namespace.localTable, proto, local));
  }

  #start(
    worker: AppWorker,
    transport: Transport,
    fib: number,
    local: Endpoint,
    { backlog, connected: isConnected, extConfig }: ListenOptions & { backlog: number; connected: boolean },
    isGlobal: boolean,
  ): SessionIndex {
    const { app } = worker;
    const listener: AppListener = {
      app,
      proto: transport.proto,
      fib,
      local,
      extConfig,
      ifIndex: app.namespace.ifIndex,
      keys: isGlobal ? this.#keysOf(app.namespace.ifIndex, local) : [],
      isConnected,
      session: -1,
      localSession: -1,
      sessions: [],
      acceptRotor: -1,
      spread: [],
    };
    let error = app.hasLocalScope ? this.#startLocal(listener, worker, backlog) : 0;
    if (error >= 0 && isGlobal) error = this.#startGlobal(listener, worker, transport, backlog);
    if (error < 0) {
      for (const s of this.#takeDown(listener)) this.#core.release(s);
      return error;
    }
    this.version++;
    const s = listener.session >= 0 ? listener.session : listener.localSession;
    setListeningWorker(listener, worker.number, s);
    this.#core.guard(s, () => worker.callbacks.listened?.(s));
    return s;
  }

  /** The local table knows what is bound to any address or a loopback one (VPP session_endpoint_is_local). */
  #startLocal(listener: AppListener, worker: AppWorker, backlog: number): SessionErrorValue {
    const { transports, lookup } = this.#core;
    const { app, local, proto } = listener;
    const ct = transports[TRANSPORT_CT];
    const isForLocal = isAnyAddress(local) || isLoopback(local) || !app.hasGlobalScope;
    if (transports[proto]?.isDatagram === true) return 0;
    if (transports[proto]?.below !== undefined) return app.hasGlobalScope ? 0 : SESSION_E_SCOPE;
    if (ct === undefined || !isForLocal) return app.hasGlobalScope ? 0 : SESSION_E_SCOPE;
    const ruled = lookup.decideTo(app.namespace.localTable, proto, local);
    if (ruled === FLOW_DROP) return SESSION_E_FILTERED;
    if (ruled >= 0 && this.of(ruled)?.app !== app) return SESSION_E_ALREADY_LISTENING;
    const s = this.#listeningSession(worker, ct, local, backlog, false);
    if (s < 0) return s;
    this.#bySession.set(s, listener);
    listener.localSession = s;
    if (!lookup.addListener(app.namespace.localTable, proto, local, s)) return SESSION_E_ALLOC;
    return this.#startTransport(s, ct, listener, worker);
  }

  #startGlobal(listener: AppListener, worker: AppWorker, transport: Transport, backlog: number): SessionErrorValue {
    const { lookup } = this.#core;
    const { fib, proto, local, isConnected } = listener;
    const s = this.#listeningSession(worker, transport, local, backlog, isConnected);
    if (s < 0) return s;
    this.#bySession.set(s, listener);
    listener.session = s;
    for (const key of listener.keys) if (!lookup.addListener(fib, proto, key, s)) return SESSION_E_ALLOC;
    return this.#startTransport(s, transport, listener, worker);
  }

  #listeningSession(
    worker: AppWorker,
    transport: Transport,
    local: Endpoint,
    backlog: number,
    isConnected: boolean,
  ): SessionIndex {
    const core = this.#core;
    const s = core.newSession(worker, transport, local.family === 6);
    if (s < 0) return s;
    const r = core.table.row(s);
    core.i32[r + S_BACKLOG] = Math.min(backlog, 0x7fff_ffff);
    core.i32[r + S_STATE] = SESSION_LISTENING;
    if (isConnected) core.i32[r + S_FLAGS] |= SF_CONNECTED_MODE;
    if (worker.app.namespace.ifIndex >= 0 && isAnyAddress(local)) core.i32[r + S_FLAGS] |= SF_ON_INTERFACE;
    return s;
  }

  #startTransport(
    s: SessionIndex,
    transport: Transport,
    { local, fib, isConnected, spread, extConfig }: AppListener,
    worker: AppWorker,
  ): SessionErrorValue {
    const core = this.#core;
    const c = transport.startListen(s, local, fib, worker.app.rxFifoBytes, worker.app.maxFifoBytes, extConfig);
    if (c < 0) return c;
    core.i32[core.table.row(s) + S_CONNECTION] = c;
    if (!transport.isDatagram || isConnected) return 0;
    spread.push(s);
    return core.giveFifos(worker, s, transport.proto, c);
  }

  /** A further worker of the same application listens too. */
  #join(listener: AppListener, worker: AppWorker, transport: Transport): SessionIndex {
    const core = this.#core;
    let s = listener.session >= 0 ? listener.session : listener.localSession;
    if (listener.spread.length > 0) {
      const backlog = core.i32[core.table.row(s) + S_BACKLOG];
      s = this.#listeningSession(worker, transport, listener.local, backlog, false);
      if (s < 0) return s;
      const error = this.#startTransport(s, transport, listener, worker);
      if (error < 0) {
        this.#dropSpread(listener, s);
        this.#stop(s);
        core.release(s);
        return error;
      }
      this.#bySession.set(s, listener);
      this.#markSpread(listener);
    }
    setListeningWorker(listener, worker.number, s);
    core.guard(s, () => worker.callbacks.listened?.(s));
    return s;
  }

  /** Ends one worker's part, by the session by which it knows the listener: NOLISTEN, OWNER. Accepted sessions live on. */
  unlisten(appIndex: number, s: SessionIndex, number: number): SessionErrorValue {
    const listener = this.#bySession.get(s);
    if (listener === undefined) return SESSION_E_NOLISTEN;
    if (listener.app.index !== appIndex) return SESSION_E_OWNER;
    if (listener.sessions[number] !== s) return SESSION_E_NOLISTEN;
    this.#leave(listener, number);
    return 0;
  }

  /** A worker is about to be deleted: its part of every listener ends. */
  leaveAll(worker: AppWorker): void {
    for (const listener of this.ofApp(worker.app)) {
      if (listener.sessions[worker.number] >= 0) this.#leave(listener, worker.number);
    }
  }

  #leave(listener: AppListener, number: number): void {
    const { app, sessions, spread } = listener;
    const s = sessions[number];
    sessions[number] = -1;
    const next = sessions.findIndex((each) => each >= 0);
    if (next < 0) return this.#end(listener, [number], s);
    if (spread.length > 0) {
      this.#dropSpread(listener, s);
      if (listener.session === s) this.#repoint(listener, spread[0]);
      this.#bySession.delete(s);
      this.#stop(s);
      this.#core.raise(s, EV_CLEANUP_SESSION);
    } else this.#handOver(listener, app.workers[number], app.workers[next]);
    const worker = app.workers[number];
    if (worker?.isAttached === true) this.#core.guard(s, () => worker.callbacks.unlistened?.(s));
  }

  /** The shared listening sessions belong to a worker that listens. */
  #handOver({ session, localSession }: AppListener, from: AppWorker | undefined, to: AppWorker | undefined): void {
    const { i32, table, applications } = this.#core;
    for (const s of [session, localSession]) {
      if (s >= 0 && to !== undefined && i32[table.row(s) + S_WORKER] === from?.index) applications.move(s, to);
    }
  }

  #repoint(listener: AppListener, s: SessionIndex): void {
    const { lookup } = this.#core;
    for (const key of listener.keys) {
      lookup.delListener(listener.fib, listener.proto, key);
      lookup.addListener(listener.fib, listener.proto, key, s);
    }
    listener.session = s;
    this.version++;
  }

  #dropSpread(listener: AppListener, s: SessionIndex): void {
    const at = listener.spread.indexOf(s);
    if (at >= 0) listener.spread.splice(at, 1);
    this.#markSpread(listener);
  }

  #markSpread({ spread }: AppListener): void {
    const { i32, table } = this.#core;
    for (const s of spread) {
      const at = table.row(s) + S_FLAGS;
      i32[at] = spread.length > 1 ? i32[at] | SF_SPREAD : i32[at] & ~SF_SPREAD;
    }
  }

  /** Ends a listener for all its workers, by one of its listening sessions. 0 or NOLISTEN. */
  end(s: SessionIndex): SessionErrorValue {
    const listener = this.#bySession.get(s);
    if (listener === undefined) return SESSION_E_NOLISTEN;
    const numbers = listener.sessions.flatMap((each, number) => (each >= 0 ? [number] : []));
    this.#end(listener, numbers, s);
    return 0;
  }

  #end(listener: AppListener, numbers: readonly number[], s: SessionIndex): void {
    const { app, sessions } = listener;
    const known = numbers.map((number) => [app.workers[number], sessions[number]] as const);
    const ended = this.#takeDown(listener);
    for (const [worker, own] of known) {
      if (worker?.isAttached !== true) continue;
      const session = own >= 0 ? own : s;
      this.#core.guard(session, () => worker.callbacks.unlistened?.(session));
    }
    for (const each of ended) this.#core.raise(each, EV_CLEANUP_SESSION);
  }

  /** Takes a listener, maybe half made, out of the tables and stops its transports. Returns its sessions, to be freed. */
  #takeDown(listener: AppListener): SessionIndex[] {
    const { lookup } = this.#core;
    const { app, fib, proto, local, keys, session, localSession, spread } = listener;
    for (const key of keys) {
      if (session >= 0 && lookup.listenerAt(fib, proto, key) === session) lookup.delListener(fib, proto, key);
    }
    const { localTable } = app.namespace;
    if (localSession >= 0 && lookup.listenerAt(localTable, proto, local) === localSession) {
      lookup.delListener(localTable, proto, local);
    }
    const sessions = [...new Set([session, localSession, ...spread])].filter((s) => s >= 0);
    for (const s of sessions) {
      this.#bySession.delete(s);
      this.#stop(s);
    }
    spread.length = 0;
    listener.session = listener.localSession = -1;
    this.version++;
    return sessions;
  }

  #stop(s: SessionIndex): void {
    const core = this.#core;
    const { i32 } = core;
    const r = core.table.row(s);
    i32[r + S_STATE] = SESSION_CLOSED;
    i32[r + S_FLAGS] |= SF_APP_CLOSED;
    const c = i32[r + S_CONNECTION];
    if (c >= 0) core.transports[i32[r + S_PROTO]]?.stopListen(c);
    i32[r + S_CONNECTION] = -1;
  }

  /** The worker that takes the next session of a listening session. */
  acceptingWorker(s: SessionIndex): AppWorker | undefined {
    const listener = this.#bySession.get(s);
    return listener === undefined ? undefined : nextWorker(listener);
  }

  /** The listening session that takes a flow's datagrams. */
  spreadBy(s: SessionIndex, hash: number): SessionIndex {
    const listener = this.#bySession.get(s);
    return listener === undefined || listener.spread.length === 0 ? s : spreadBy(listener, hash);
  }

  /**
   * The address from which a listener on any address of an interface sends to `remote`: `asked` when it is one of them,
   * else the one that suits best. undefined: it has none.
   */
  sourceOn(s: SessionIndex, remote: Int32Array, asked: Int32Array | undefined): Int32Array | undefined {
    const listener = this.#bySession.get(s);
    if (listener === undefined) return undefined;
    const { ifIndex, fib, keys, local } = listener;
    if (asked !== undefined) {
      for (const { address } of keys) if (address.every((word, i) => word === asked[i])) return address;
      if (this.#core.addresses.maySpoof(fib, local.family, ifIndex, asked)) return asked;
    }
    return this.#core.addresses.sourceOn(ifIndex, local.family, remote);
  }

  /** The addresses of an interface have changed: listeners on any address of it follow. */
  addressesChanged(ifIndex: number): void {
    const { lookup } = this.#core;
    for (const listener of new Set(this.#bySession.values())) {
      const { fib, proto, local, session } = listener;
      if (listener.ifIndex !== ifIndex || session < 0 || !isAnyAddress(local)) continue;
      for (const key of listener.keys) lookup.delListener(fib, proto, key);
      listener.keys = this.#keysOf(ifIndex, local).filter((key) => {
        const isAdded = lookup.addListener(fib, proto, key, session);
        if (!isAdded) this.#core.fail(SESSION_E_ALREADY_LISTENING);
        return isAdded;
      });
    }
  }
}
