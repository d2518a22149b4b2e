import { type Endpoint, type SessionIndex, TRANSPORT_CT } from "../transport/transport.js";
import type { AppNamespace } from "./app-namespace.js";
import type { AppListeners } from "./app-listeners.js";
import type { Application } from "./application.js";
import { fibOfFamily, isAddressOf, mayBeLocal } from "./namespace-address.js";
import { FLOW_DROP, FLOW_PASS } from "./rt-backend.js";
import type { SessionCore } from "./session-core.js";
import {
  SESSION_E_FILTERED,
  SESSION_E_LOCAL_CONNECT,
  SESSION_E_NOIP,
  SESSION_E_NOROUTE,
  SESSION_E_NOSUPPORT,
  SESSION_E_SCOPE,
  type SessionErrorValue,
} from "./session-errors.js";
import { isAnyAddress, isLoopback, loopbackAddress } from "./uri.js";

/** Local scope: which application of this stack a connect reaches without packets (VPP ct_session_connect). */
export class LocalScope {
  readonly #core: SessionCore;
  readonly #listeners: AppListeners;

  constructor(core: SessionCore, listeners: AppListeners) {
    this.#core = core;
    this.#listeners = listeners;
  }

  /**
   * The listening session for a connect of an application with local scope: the namespace's local table first, its rules
   * before its listeners; then, if the application has global scope too and the target is this host, the table of packets.
   * LOCAL_CONNECT: nobody, go on with packets. Final are FILTERED (by a rule), NOROUTE (loopback or any address, and nobody
   * there), SCOPE, and NOSUPPORT (datagrams, in local scope only). A proxy does not reach itself.
   */
  find(app: Application, proto: number, target: Endpoint): SessionIndex | SessionErrorValue {
    const { lookup, transports, addresses } = this.#core;
    const { namespace, hasGlobalScope } = app;
    const ruled = lookup.decideTo(namespace.localTable, proto, target);
    if (ruled === FLOW_DROP) return SESSION_E_FILTERED;
    if (transports[proto]?.isDatagram === true) return hasGlobalScope ? SESSION_E_LOCAL_CONNECT : SESSION_E_NOSUPPORT;
    if (transports[TRANSPORT_CT] === undefined) return hasGlobalScope ? SESSION_E_LOCAL_CONNECT : SESSION_E_SCOPE;
    const isLoop = isLoopback(target);
    const isOwn = isLoop || isAddressOf(addresses, namespace, target);
    const near = ruled === FLOW_PASS ? lookup.localListener(namespace.localTable, proto, target, isOwn) : ruled;
    if (near >= 0 && !this.#isOwnProxy(near, app)) return near;
    if (isLoop || isAnyAddress(target)) return SESSION_E_NOROUTE;
    if (!hasGlobalScope) return SESSION_E_SCOPE;
    const far = this.#inGlobalTable(namespace, proto, target);
    return far >= 0 && !this.#isOwnProxy(far, app) ? far : SESSION_E_LOCAL_CONNECT;
  }

  /** Who takes packets to this address of the host; without it, a listener on any address would take what is for others. */
  #inGlobalTable(namespace: AppNamespace, proto: number, { family, address, port }: Endpoint): SessionIndex {
    const { lookup, addresses } = this.#core;
    const fib = fibOfFamily(namespace, family);
    if (fib < 0 || !addresses.isLocal(fib, family, address)) return -1;
    const [a, b, c, d] = address;
    return family === 4 ? lookup.listener4(fib, proto, a, port) : lookup.listener6(fib, proto, a, b, c, d, port);
  }

  #isOwnProxy(s: SessionIndex, app: Application): boolean {
    const listener = this.#listeners.of(s);
    return listener?.app === app && listener.local.port === 0;
  }

  /**
   * Where a cut-through connect comes from: the address that was asked for (NOIP when it is not the namespace's, nor
   * loopback), else the target's own if that is this host, as a kernel does; and a port that is free for this pair.
   */
  source({ namespace }: Application, remote: Endpoint, asked: Endpoint | undefined): Endpoint | SessionErrorValue {
    const { addresses, sourcePorts } = this.#core;
    const { family } = remote;
    let address = new Int32Array(4);
    if (asked !== undefined && !isAnyAddress(asked)) {
      if (!isLoopback(asked) && !mayBeLocal(addresses, namespace, asked)) return SESSION_E_NOIP;
      address = Int32Array.from(asked.address);
    } else if (isLoopback(remote) || isAddressOf(addresses, namespace, remote)) {
      address = Int32Array.from(remote.address);
    } else {
      const fib = fibOfFamily(namespace, family);
      const isRouted =
        fib >= 0 && !isAnyAddress(remote) && addresses.sourceFor(fib, family, remote.address, address) >= 0;
      if (!isRouted) address = loopbackAddress(family);
    }
    const { localTable } = namespace;
    const wanted = asked?.port ?? 0;
    const from = { family, address, port: wanted };
    const port = wanted === 0 ? sourcePorts.choose(localTable, TRANSPORT_CT, from, remote) : wanted;
    const error = port < 0 ? port : sourcePorts.check(localTable, TRANSPORT_CT, { ...from, port }, remote);
    return error < 0 ? error : { ...from, port };
  }
}
