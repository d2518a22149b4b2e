import {
  type ConnectionAttributes,
  type ConnectRequest,
  type Endpoint,
  type SessionIndex,
  TRANSPORT_CT,
  TRANSPORT_TCP,
} from "../transport/transport.js";
import type { AppListeners } from "./app-listeners.js";
import type { AppNamespace } from "./app-namespace.js";
import type { AppWorker } from "./application.js";
import { ExtConfig } from "./ext-config.js";
import { LocalScope } from "./local-scope.js";
import { fibOfFamily, mayBeLocal } from "./namespace-address.js";
import type { SessionCore } from "./session-core.js";
import {
  SESSION_E_INVALID,
  SESSION_E_INVALID_APPWRK,
  SESSION_E_INVALID_RMT_IP,
  SESSION_E_LOCAL_CONNECT,
  SESSION_E_NOAPP,
  SESSION_E_NOIP,
  SESSION_E_NOPORT,
  SESSION_E_NOROUTE,
  SESSION_E_NOSUPPORT,
  SESSION_E_SCOPE,
  type SessionErrorValue,
} from "./session-errors.js";
import { S_CONNECTION, S_GENERATION, S_STATE, SESSION_CONNECTING } from "./session-table.js";
import { isAnyAddress, isEndpoint } from "./uri.js";

/** How to connect. */
export interface ConnectOptions {
  /** Where from; absent, or with address or port 0: chosen. */
  readonly local?: Endpoint | undefined;
  /** Attributes of the connection from its first segment on. */
  readonly attributes?: ConnectionAttributes | undefined;
  /** Extended configuration: a chunk of {@link ExtConfig}, for the transports that read one. */
  readonly extConfig?: Uint8Array | undefined;
  /** The worker that connects, by its number; default 0. */
  readonly worker?: number;
}

/** Whether it has named values, whoever the caller is. */
function isTable(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

function isMulticast({ family, address }: Endpoint): boolean {
  return family === 4 ? address[0] >>> 28 >= 14 : address[0] >>> 24 === 0xff;
}

/** Active opens (VPP vnet_connect): in local scope first, then in global scope. */
export class SessionConnects {
  readonly #core: SessionCore;
  readonly #localScope: LocalScope;

  constructor(core: SessionCore, listeners: AppListeners) {
    this.#core = core;
    this.#localScope = new LocalScope(core, listeners);
  }

  /**
   * Starts an active open. Returns the session, of which the worker hears by `connected`, or NOAPP, INVALID_APPWRK,
   * NOSUPPORT, INVALID, INVALID_RMT_IP (nobody's, or those of many, RFC 9293 MUST-46), NOROUTE, NOIP (not an address of
   * the namespace), NOPORT, PORTINUSE, SCOPE, FILTERED, ALLOC. Local scope is tried first; only its LOCAL_CONNECT goes on
   * to global.
   */
  connect(appIndex: number, proto: number, remote: Endpoint, options: ConnectOptions): SessionIndex {
    const core = this.#core;
    const app = core.applications.attached(appIndex);
    if (app === undefined) return SESSION_E_NOAPP;
    const worker = core.applications.worker(app, options.worker ?? 0);
    if (worker === undefined) return SESSION_E_INVALID_APPWRK;
    if (core.transports[proto] === undefined || proto === TRANSPORT_CT) return SESSION_E_NOSUPPORT;
    const { local, extConfig, attributes } = options;
    if (!isEndpoint(remote) || remote.port === 0) return SESSION_E_INVALID;
    if (local !== undefined && (!isEndpoint(local) || local.family !== remote.family)) return SESSION_E_INVALID;
    if (attributes !== undefined && !isTable(attributes)) return SESSION_E_INVALID;
    const parsed = extConfig === undefined ? 0 : ExtConfig.parse(extConfig);
    if (typeof parsed === "number" && parsed < 0) return parsed;
    // What is an application of a transport below does not go past it.
    if (app.hasLocalScope && core.transports[proto]?.below === undefined) {
      const s = this.#connectLocal(worker, proto, remote, options);
      if (s !== SESSION_E_LOCAL_CONNECT) return s;
    }
    return app.hasGlobalScope ? this.#connectGlobal(worker, proto, remote, options) : SESSION_E_SCOPE;
  }

  /**
   * Cut-through to a listener of this stack. LOCAL_CONNECT: nobody there, go on in global scope. Attributes and extended
   * configuration are about packets and transports that there are not.
   */
  #connectLocal(worker: AppWorker, proto: number, remote: Endpoint, { local }: ConnectOptions): SessionIndex {
    const { app } = worker;
    const listener = this.#localScope.find(app, proto, remote);
    if (listener < 0) return listener;
    const from = this.#localScope.source(app, remote, local);
    if (typeof from === "number") return from;
    const { rxFifoBytes, maxFifoBytes: maxRxFifoBytes, namespace } = app;
    const fib = namespace.localTable;
    return this.#open(worker, TRANSPORT_CT, { remote, local: from, fib, rxFifoBytes, maxRxFifoBytes, listener });
  }

  #connectGlobal(worker: AppWorker, proto: number, remote: Endpoint, options: ConnectOptions): SessionIndex {
    const core = this.#core;
    const transport = core.transports[proto];
    if (transport === undefined) return SESSION_E_NOSUPPORT;
    const { family } = remote;
    const { namespace, rxFifoBytes, maxFifoBytes: maxRxFifoBytes } = worker.app;
    const { local, attributes, extConfig } = options;
    const fib = fibOfFamily(namespace, family);
    if (fib < 0) return SESSION_E_NOROUTE;
    const isForMany = (): boolean => isMulticast(remote) || core.addresses.isBroadcast(fib, family, remote.address);
    if (isAnyAddress(remote) || (!transport.isDatagram && isForMany())) return SESSION_E_INVALID_RMT_IP;
    const from = this.#from(namespace, fib, transport.below ?? proto, remote, local);
    if (typeof from === "number") return from;
    return this.#open(worker, proto, { remote, local: from, fib, rxFifoBytes, maxRxFifoBytes, attributes, extConfig });
  }

  #open(worker: AppWorker, proto: number, request: Omit<ConnectRequest, "context">): SessionIndex {
    const core = this.#core;
    const transport = core.transports[proto];
    if (transport === undefined) return SESSION_E_NOSUPPORT;
    const s = core.newSession(worker, transport, request.remote.family === 6);
    if (s < 0) return s;
    const { i32 } = core;
    const r = core.table.row(s);
    i32[r + S_STATE] = SESSION_CONNECTING;
    const context = ((i32[r + S_GENERATION] & 0xff) << 24) | s;
    // Field by field: a spread takes a fifth of the time of an open and close.
    const { remote, local, fib, rxFifoBytes, maxRxFifoBytes, attributes, extConfig, listener } = request;
    const c = transport.connect({
      remote,
      local,
      fib,
      rxFifoBytes,
      maxRxFifoBytes,
      context,
      attributes,
      extConfig,
      listener,
    });
    if (i32[r + S_STATE] !== SESSION_CONNECTING) return s;
    if (c < 0) {
      core.release(s);
      return Number(c);
    }
    i32[r + S_CONNECTION] = c;
    // The transport has put its first packet on its way, and started a timer.
    core.wake();
    return s;
  }

  /** The address and port to connect from; a negative session error when there is none. */
  #from(
    namespace: AppNamespace,
    fib: number,
    proto: number,
    remote: Endpoint,
    local: Endpoint | undefined,
  ): Endpoint | SessionErrorValue {
    const { sourcePorts, sourceAddresses } = this.#core;
    const { family } = remote;
    const isChosen = local === undefined || isAnyAddress(local);
    let candidates: readonly Int32Array[] =
      isChosen && namespace.ifIndex < 0 && proto === TRANSPORT_TCP ? sourceAddresses.inTurn(fib, family) : [];
    if (candidates.length === 0) {
      const address = new Int32Array(4);
      const error = this.#source(namespace, fib, remote, local, address);
      if (error < 0) return error;
      candidates = [address];
    }
    let error: SessionErrorValue = SESSION_E_NOPORT;
    for (const address of candidates) {
      const wanted = local?.port ?? 0;
      const port = wanted === 0 ? sourcePorts.choose(fib, proto, { family, address, port: 0 }, remote) : wanted;
      const from: Endpoint = { family, address, port };
      error = port < 0 ? port : sourcePorts.check(fib, proto, from, remote);
      if (error >= 0) return from;
    }
    return error;
  }

  /** Writes the address to connect from: the one asked for, or the one that routing and the namespace choose. */
  #source(
    namespace: AppNamespace,
    fib: number,
    { family, address: remote }: Endpoint,
    local: Endpoint | undefined,
    out: Int32Array,
  ): SessionErrorValue {
    const { addresses } = this.#core;
    const { ifIndex } = namespace;
    if (local !== undefined && !isAnyAddress(local)) {
      if (!mayBeLocal(addresses, namespace, local)) return SESSION_E_NOIP;
      out.set(local.address);
      return 0;
    }
    const error = addresses.sourceFor(fib, family, remote, out);
    if (error < 0 || ifIndex < 0) return error;
    const own = addresses.sourceOn(ifIndex, family, remote);
    if (own === undefined) return SESSION_E_NOIP;
    out.set(own);
    return 0;
  }
}
