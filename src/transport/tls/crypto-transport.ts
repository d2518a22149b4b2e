import type { Timed } from "../../graph/engine.js";
import type { Frame } from "../../graph/frame.js";
import {
  SESSION_E_ALLOC,
  SESSION_E_NOSUPPORT,
  SESSION_E_REFUSED,
  SESSION_E_TIMEDOUT,
} from "../../session/session-errors.js";
import type { SessionLayer } from "../../session/session-layer.js";
import { S_BACKLOG } from "../../session/session-table.js";
import {
  C_FIB,
  C_FLAGS,
  C_PORTS,
  C_SESSION,
  C_STATE,
  type ConnectionAttribute,
  type ConnectionAttributes,
  type ConnectionIndex,
  type ConnectRequest,
  type Endpoint,
  type SessionIndex,
  type Transport,
} from "../transport.js";
import { CertificateAsks } from "./certificate-asks.js";
import { clientPeer } from "./client-peer.js";
import type { TlsConfig } from "./config.js";
import {
  TLS_CONNECTING,
  TLS_ENGINE,
  TLS_HANDSHAKE,
  TLS_LISTEN,
  TLS_LOWER,
  TLS_OPEN,
  TLS_OPENER,
  type TlsConnections,
  TLSF_SERVER,
} from "./connection.js";
import { contextRequest } from "./context-request.js";
import { parseCryptoConfig } from "./crypto-config.js";
import type { CryptoStore } from "./crypto-store.js";
import { TlsDeadlines } from "./deadlines.js";
import { TLS_OUT_RESUMED, type TlsEngine, type TlsInfo, type TlsPeer } from "./engine.js";
import { TlsFailures } from "./failures.js";
import { tellFailure } from "./listening-app.js";
import { TlsLower } from "./lower.js";
import { TlsView } from "./view.js";

/** Ticks of 100 us in a millisecond. */
const TICKS_PER_MS = 10;

/** What such a transport is built upon. */
export interface CryptoTransportParts {
  readonly name: string;
  readonly proto: number;
  /** The transport whose application it is, and whether that is of datagrams. */
  readonly below: number;
  readonly isDatagram: boolean;
  readonly sessions: SessionLayer;
  readonly engine: TlsEngine;
  readonly store: CryptoStore;
  readonly config: TlsConfig;
  readonly rows: TlsConnections;
}

/** What an active open has until the connection below is open. */
interface Opening {
  readonly context: number;
  readonly peer: TlsPeer;
}

/**
 * What TLS and DTLS have in common: a transport for applications that is itself an application of a transport below (as in
 * VPP), whose connections begin with a handshake.
 *
 *     client  CONNECTING ── open below ─► HANDSHAKE ── connected ─► OPEN
 *     server                    a peer ─► HANDSHAKE ── accepted ──► OPEN     (failed: the alert, then the end below; TLS_HANDSHAKE)
 */
export abstract class CryptoTransport implements Transport, Timed {
  readonly name: string;
  readonly proto: number;
  readonly isDatagram: boolean;
  readonly below: number;
  readonly rows: TlsConnections;
  readonly store: CryptoStore;
  /** Why handshakes failed and sessions were reset. */
  readonly failures = new TlsFailures();
  /** Handshakes that were completed: whole ones, and resumptions. */
  readonly completed = { full: 0, resumed: 0 };
  protected readonly i32: Int32Array;
  protected readonly sessions: SessionLayer;
  protected readonly engine: TlsEngine;
  protected readonly config: TlsConfig;
  protected readonly lower: TlsLower;
  protected readonly asks: CertificateAsks;
  protected readonly underWay: TlsDeadlines;
  /** Context of each listener. */
  protected readonly listeners = new Map<ConnectionIndex, number>();
  protected tick = 0;
  readonly #view: TlsView;
  readonly #openings = new Map<ConnectionIndex, Opening>();

  constructor(parts: CryptoTransportParts) {
    const { name, proto, below, isDatagram, sessions, engine, store, config, rows } = parts;
    this.name = name;
    this.proto = proto;
    this.below = below;
    this.isDatagram = isDatagram;
    this.sessions = sessions;
    this.engine = engine;
    this.store = store;
    this.config = config;
    this.rows = rows;
    this.i32 = sessions.window.i32;
    this.#view = new TlsView(sessions, rows, engine);
    this.underWay = new TlsDeadlines(this.i32, rows, config.handshakeMs * TICKS_PER_MS);
    this.lower = new TlsLower(
      name,
      sessions,
      {
        accept: (s, listener) => this.acceptBelow(s, listener),
        connected: (s, error) => this.#connectedBelow(s, error),
        disconnect: (s) => this.endedBelow(s),
        reset: (s, error) => this.resetBelow(s, error),
        transportClosed: (s) => this.closedBelow(s),
        cleanup: (s, phase) => this.goneBelow(s, phase === "transport"),
        unlistened: (s) => this.lower.unbind(s),
        rx: (s) => this.rxBelow(s),
        tx: (s) => this.txBelow(s),
        detached: (gone) => {
          for (const s of gone) this.goneBelow(s, false);
          this.lower.forgetDetached();
        },
      },
      config.fifoBytes,
    );
    const contextOf = (listener: ConnectionIndex): number => this.listeners.get(listener) ?? -1;
    this.asks = new CertificateAsks(proto, sessions, rows, engine, store, contextOf);
  }

  // ---- What is heard of the transport below, and what the two differ in ----

  /** A session of a listener below was accepted. Returns whether it is taken. */
  protected abstract acceptBelow(s: SessionIndex, listener: SessionIndex): boolean;
  /** Something came. */
  protected abstract rxBelow(s: SessionIndex): void;
  /** A session below was reset. */
  protected abstract resetBelow(s: SessionIndex, error: number): void;
  /** A session below goes, and there was no better end. `isReadable`: its fifos are still there. */
  protected abstract goneBelow(s: SessionIndex, isReadable: boolean): void;
  /** The peer's stream below has ended. */
  protected endedBelow(_s: SessionIndex): void {}
  /** All was sent and got below, and both ends are closed. */
  protected closedBelow(_s: SessionIndex): void {}
  /** There is room below. */
  protected txBelow(_s: SessionIndex): void {}
  /** The client's first step. */
  protected abstract begin(c: ConnectionIndex): void;
  /** Attributes of connections below, beside those that applications ask for. */
  protected abstract readonly attributesBelow: ConnectionAttributes;
  /** Ticks until there is something to do in time but to end handshakes; -1: nothing. */
  protected abstract nextOwnExpiry(tick: number): number;

  protected peerOf(hostname: string, remote: Endpoint): TlsPeer {
    return clientPeer(hostname, remote);
  }

  /** A connection goes: nothing is waited for any more. */
  protected stopWaiting(c: ConnectionIndex): void {
    this.underWay.remove(c);
  }

  abstract transmit(c: ConnectionIndex, frame: Frame, budget: number, bytes: number): boolean;
  abstract rxDequeued(c: ConnectionIndex): void;
  abstract halfClose(c: ConnectionIndex): void;
  abstract close(c: ConnectionIndex): void;

  /** Whether an application is the transport itself, which others need to end well. */
  owns(app: number): boolean {
    return this.lower.owns(app);
  }

  // ---- Opening ----

  startListen(
    session: SessionIndex,
    local: Endpoint,
    fib: number,
    _rxFifoBytes: number,
    _maxRxFifoBytes: number,
    extConfig?: Uint8Array,
  ): ConnectionIndex {
    const { lower, sessions, store } = this;
    const wanted = parseCryptoConfig(extConfig);
    if (typeof wanted === "number") return wanted;
    const app = lower.appFor(session);
    if (app < 0) return app;
    const context = store.acquire(contextRequest(true, wanted, this.isDatagram), lower.appOf(session));
    if (context < 0) return context;
    const c = this.rows.alloc(TLS_LISTEN, fib, local);
    const backlog = this.i32[sessions.table.row(session) + S_BACKLOG];
    const s = c < 0 ? SESSION_E_ALLOC : sessions.listen(app, this.below, local, { backlog });
    if (s < 0) {
      if (c >= 0) this.rows.free(c);
      store.release(context);
      return Number(s);
    }
    const r = this.rows.row(c);
    this.i32[r + C_SESSION] = session;
    this.i32[r + TLS_LOWER] = s;
    lower.bind(s, c);
    for (const [name, value] of Object.entries(this.attributesBelow)) {
      this.setAttribute(c, name as ConnectionAttribute, value);
    }
    this.listeners.set(c, context);
    return c;
  }

  stopListen(listener: ConnectionIndex): void {
    const { i32, lower } = this;
    const r = this.rows.row(listener);
    const s = i32[r + TLS_LOWER];
    const session = i32[r + C_SESSION];
    for (const c of this.underWay.all()) {
      const each = this.rows.row(c);
      if ((i32[each + C_FLAGS] & TLSF_SERVER) === 0 || i32[each + TLS_OPENER] !== session) continue;
      this.reset(c);
    }
    if (lower.owner(s) === listener) {
      lower.unbind(s);
      this.sessions.unlisten(lower.appOf(s), s);
    }
    this.store.release(this.listeners.get(listener) ?? -1);
    this.listeners.delete(listener);
    this.rows.free(listener);
  }

  connect(request: ConnectRequest): ConnectionIndex {
    const { lower, sessions, store } = this;
    const { remote, local, fib, context: opener, attributes, extConfig } = request;
    const wanted = parseCryptoConfig(extConfig);
    if (typeof wanted === "number") return wanted;
    const opening = opener & 0xff_ffff;
    const app = lower.appFor(opening);
    if (app < 0) return app;
    if (this.underWay.count + this.#openings.size >= this.config.maxHandshakes) return SESSION_E_REFUSED;
    const context = store.acquire(contextRequest(false, wanted, this.isDatagram), lower.appOf(opening));
    if (context < 0) return context;
    const c = this.rows.alloc(TLS_CONNECTING, fib, local, remote);
    const options = { local, attributes: { ...this.attributesBelow, ...attributes } };
    const s = c < 0 ? SESSION_E_ALLOC : sessions.connect(app, this.below, remote, options);
    if (s < 0) {
      if (c >= 0) this.rows.free(c);
      store.release(context);
      return Number(s);
    }
    this.#openings.set(c, { context, peer: this.peerOf(wanted.hostname, remote) });
    const r = this.rows.row(c);
    this.i32[r + TLS_LOWER] = s;
    this.i32[r + TLS_OPENER] = opener;
    lower.bind(s, c);
    return c;
  }

  #connectedBelow(s: SessionIndex, error: number): void {
    const { i32, sessions } = this;
    const c = this.lower.owner(s);
    if (c < 0) return;
    const opening = this.#openings.get(c);
    this.#openings.delete(c);
    const r = this.rows.row(c);
    const connection = error < 0 || opening === undefined ? -1 : this.engine.open(opening.context, opening.peer);
    if (opening !== undefined) this.store.release(opening.context);
    if (connection < 0) {
      sessions.connected(this.proto, c, i32[r + TLS_OPENER], error < 0 ? error : SESSION_E_ALLOC);
      if (error === 0) sessions.terminate(s);
      this.forget(c);
      return;
    }
    // The transport below knows by now which port it has.
    const local = sessions.localEndpoint(s);
    if (local !== undefined) i32[r + C_PORTS] = (local.port << 16) | (i32[r + C_PORTS] & 0xffff);
    i32[r + TLS_ENGINE] = connection;
    i32[r + C_STATE] = TLS_HANDSHAKE;
    this.underWay.add(c, this.tick);
    this.begin(c);
  }

  /**
   * Whether a listener may begin the handshake of one more peer, `isProven` as for TransportUpcalls.mayAccept; it is half open
   * then.
   */
  protected mayBegin(session: SessionIndex, isProven: boolean): boolean {
    if (this.underWay.count < this.config.maxHandshakes) return this.sessions.mayAccept(session, isProven);
    this.failures.count("too many handshakes under way");
    return false;
  }

  /** The row of a peer that came to a listener, whose session below and connection of the engine are there. */
  protected began(c: ConnectionIndex, listener: ConnectionIndex, s: SessionIndex, connection: number): void {
    const { i32 } = this;
    const r = this.rows.row(c);
    i32[r + C_FLAGS] |= TLSF_SERVER;
    i32[r + TLS_LOWER] = s;
    i32[r + TLS_ENGINE] = connection;
    i32[r + TLS_OPENER] = i32[this.rows.row(listener) + C_SESSION];
    this.lower.bind(s, c);
    this.underWay.add(c, this.tick);
  }

  /** Row for a peer of a listener; -1: all are in use. */
  protected allocFor(listener: ConnectionIndex, local: Endpoint, remote: Endpoint): ConnectionIndex {
    return this.rows.alloc(TLS_HANDSHAKE, this.i32[this.rows.row(listener) + C_FIB], local, remote);
  }

  /** The handshake is complete, by a step that told `bits`. Returns whether the application has a session. */
  protected opened(c: ConnectionIndex, bits: number): boolean {
    const { i32, sessions } = this;
    const r = this.rows.row(c);
    if ((bits & TLS_OUT_RESUMED) !== 0) this.completed.resumed++;
    else this.completed.full++;
    this.underWay.remove(c);
    i32[r + C_STATE] = TLS_OPEN;
    const isServer = (i32[r + C_FLAGS] & TLSF_SERVER) !== 0;
    const opener = i32[r + TLS_OPENER];
    const error = isServer ? sessions.accepted(this.proto, c, opener) : sessions.connected(this.proto, c, opener, 0);
    if (error >= 0) return true;
    this.reset(c);
    return false;
  }

  protected failHandshake(c: ConnectionIndex, error: number, reason: string): void {
    const { i32, sessions } = this;
    const r = this.rows.row(c);
    const opener = i32[r + TLS_OPENER];
    this.failures.count(reason);
    if ((i32[r + C_FLAGS] & TLSF_SERVER) !== 0) {
      sessions.halfOpenEnded(opener);
      const remote = sessions.remoteEndpoint(i32[r + TLS_LOWER]);
      tellFailure(sessions, { listener: opener, remote, error, reason });
    } else sessions.connected(this.proto, c, opener, error, undefined, reason);
    this.end(c);
  }

  // ---- Ending ----

  reset(c: ConnectionIndex): void {
    this.sessions.terminate(this.i32[this.rows.row(c) + TLS_LOWER]);
    this.forget(c);
  }

  /** Ends a connection; what was written below, an alert maybe, still goes. */
  protected end(c: ConnectionIndex): void {
    this.lower.close(this.i32[this.rows.row(c) + TLS_LOWER]);
    this.forget(c);
  }

  /** Frees a connection's row, after its sessions were told. */
  protected forget(c: ConnectionIndex): void {
    const { i32 } = this;
    const r = this.rows.row(c);
    const opening = this.#openings.get(c);
    if (opening !== undefined) this.store.release(opening.context);
    this.#openings.delete(c);
    this.asks.forget(c);
    this.stopWaiting(c);
    if (i32[r + TLS_LOWER] >= 0) this.lower.unbind(i32[r + TLS_LOWER]);
    if (i32[r + TLS_ENGINE] >= 0) this.engine.close(i32[r + TLS_ENGINE]);
    this.sessions.deleted(i32[r + C_SESSION]);
    this.rows.free(c);
  }

  // ---- Time ----

  setNow(tick: number): void {
    this.tick = tick;
  }

  expire(tick: number): void {
    this.tick = tick;
    for (let c = this.underWay.overdue(tick); c >= 0; c = this.underWay.overdue(tick)) {
      // Of a peer that came: a server was chosen.
      const isServer = (this.i32[this.rows.row(c) + C_FLAGS] & TLSF_SERVER) !== 0;
      if (isServer) this.sessions.handshakeTimedOut(this.proto, c);
      this.failHandshake(c, SESSION_E_TIMEDOUT, "handshake timed out");
    }
  }

  nextExpiry(tick: number): number {
    const ticks = this.underWay.nextExpiry(tick);
    const others = this.nextOwnExpiry(tick);
    return ticks < 0 || (others >= 0 && others < ticks) ? others : ticks;
  }

  // ---- What is known ----

  /** Handshakes under way, active opens that wait for the transport below not counted. */
  get handshakes(): number {
    return this.underWay.count;
  }

  /** The engine that does the cryptography, by its name. */
  get engineName(): string {
    return this.engine.name;
  }

  /** Version, cipher, ALPN, the peer's certificate; undefined before the handshake is done. */
  info(c: ConnectionIndex): TlsInfo | undefined {
    return this.#view.info(c);
  }

  /** Errors of ICMP are told to the connection below. */
  icmpError(): void {}

  attribute(c: ConnectionIndex, name: ConnectionAttribute): number {
    return this.#view.attribute(c, name);
  }

  setAttribute(c: ConnectionIndex, name: ConnectionAttribute, value: number): number {
    return this.#view.setAttribute(c, name, value);
  }

  /** Urgent data would be of records; datagrams have none. */
  markUrgent(): number {
    return SESSION_E_NOSUPPORT;
  }

  statistics(c: ConnectionIndex): Readonly<Record<string, number>> {
    return this.#view.statistics(c);
  }

  format(c: ConnectionIndex, verbose: number): string {
    return this.#view.format(c, verbose);
  }
}
