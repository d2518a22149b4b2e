import type { Timed } from "../../graph/engine.js";
import type { FifoTable } from "../../mem/fifo-table.js";
import {
  SESSION_E_ALLOC,
  SESSION_E_NOSUPPORT,
  SESSION_E_REFUSED,
  SESSION_E_TIMEDOUT,
  SESSION_E_TLS_HANDSHAKE,
  SESSION_E_TLS_PROTOCOL,
  SESSION_E_UNKNOWN,
  sessionErrorEntry,
} from "../../session/session-errors.js";
import type { LocalAddresses } from "../../session/local-addresses.js";
import type { SessionLayer } from "../../session/session-layer.js";
import { S_CONNECTION, S_RX_FIFO, S_TX_FIFO } from "../../session/session-table.js";
import { CertificateAsks } from "../tls/certificate-asks.js";
import { clientPeer } from "../tls/client-peer.js";
import type { TlsConfig } from "../tls/config.js";
import {
  TLS_CONNECTING,
  TLS_ENGINE,
  TLS_HANDSHAKE,
  TLS_LISTEN,
  TLS_LOWER,
  TLS_OPEN,
  TLS_OPENER,
  TLSF_APP_CLOSED,
  TLSF_END_WANTED,
  TLSF_PEER_ENDED,
  TLSF_SERVER,
} from "../tls/connection.js";
import { contextRequest } from "../tls/context-request.js";
import { parseCryptoConfig } from "../tls/crypto-config.js";
import type { CryptoStore } from "../tls/crypto-store.js";
import { TlsDeadlines } from "../tls/deadlines.js";
import {
  TLS_IN_CLOSE,
  TLS_IN_TIMEOUT,
  TLS_OUT_ASKS,
  TLS_OUT_END_SENT,
  TLS_OUT_FAILED,
  TLS_OUT_OPEN,
  TLS_OUT_PEER_ENDED,
  TLS_OUT_TIMER,
  TLS_OUT_TOO_LONG,
  type TlsEngine,
  type TlsInfo,
  type TlsPeer,
} from "../tls/engine.js";
import { TlsFailures } from "../tls/failures.js";
import { KeyPeriod } from "../tls/key-period.js";
import { tellFailure } from "../tls/listening-app.js";
import { TlsLower } from "../tls/lower.js";
import { TlsView } from "../tls/view.js";
import {
  C_FIB,
  C_FLAGS,
  C_PORTS,
  C_RX_FIFO,
  C_SESSION,
  C_STATE,
  C_TX_FIFO,
  type ConnectionAttribute,
  type ConnectionIndex,
  type ConnectRequest,
  type Endpoint,
  type SessionIndex,
  type Transport,
  TRANSPORT_DTLS,
  TRANSPORT_UDP,
} from "../transport.js";
import type { UdpTransport } from "../udp/udp.js";
import { DtlsConnections } from "./connection.js";
import { DTLS_MTU_BYTES, DtlsDatagrams } from "./datagrams.js";
import { HelloPeer } from "./hello.js";
import { DtlsRetransmission } from "./retransmission.js";

/** Ticks of 100 us in a millisecond. */
const TICKS_PER_MS = 10;
/** Datagrams of a connection, or first ones of a listener, in a row; then others get their turn. */
const MAX_DATAGRAMS = 64;
/** How long a secret makes cookies, and is taken for as long again. */
const COOKIE_MS = 60_000;

/** What the transport is built upon. `store` and `engine`: those of TLS. */
export interface DtlsParts {
  readonly sessions: SessionLayer;
  readonly udp: UdpTransport;
  readonly addresses: LocalAddresses;
  readonly engine: TlsEngine;
  readonly store: CryptoStore;
  readonly config: TlsConfig;
  /** Hands out the secrets of handshakes, if somebody wants them. */
  readonly handOutKeys: () => void;
}

/** What an active open has until the session of UDP is there. */
interface Opening {
  readonly context: number;
  readonly peer: TlsPeer;
}

/**
 * DTLS 1.2 (RFC 6347), a transport of datagrams for applications and itself an application of UDP (as in VPP). A listener takes
 * first datagrams through a session of UDP without peers, and keeps nothing of who has not shown by a cookie that it is there;
 * then the peer has a session of UDP of its own. Datagrams keep their boundaries; what is broken, forged, late twice or has no
 * room is lost, as over UDP.
 */
export class DtlsTransport implements Transport, Timed {
  readonly name = "dtls";
  readonly proto = TRANSPORT_DTLS;
  readonly isDatagram = true;
  readonly below = TRANSPORT_UDP;
  readonly rows: DtlsConnections;
  /** Why handshakes failed and sessions were reset. */
  readonly failures = new TlsFailures();
  readonly #i32: Int32Array;
  readonly #fifos: FifoTable;
  readonly #parts: DtlsParts;
  readonly #datagrams: DtlsDatagrams;
  readonly #hello: HelloPeer;
  readonly #view: TlsView;
  readonly #handshakes: TlsDeadlines;
  readonly #retransmission: DtlsRetransmission;
  readonly #lower: TlsLower;
  /** Context of each listener. */
  readonly #listeners = new Map<ConnectionIndex, number>();
  readonly #openings = new Map<ConnectionIndex, Opening>();
  readonly #asks: CertificateAsks;
  readonly #cookies: KeyPeriod;
  #tick = 0;

  /** Reserves the rows. Throws RangeError when the window is full. */
  constructor(parts: DtlsParts) {
    const { sessions, engine, store, config } = parts;
    this.#parts = parts;
    this.#i32 = sessions.window.i32;
    this.#fifos = sessions.fifos;
    this.rows = new DtlsConnections(sessions.window, config.maxConnections);
    this.#datagrams = new DtlsDatagrams(sessions.window, sessions.fifos, engine);
    this.#hello = new HelloPeer(sessions.window, this.#datagrams.header);
    this.#view = new TlsView(sessions, this.rows, engine);
    this.#handshakes = new TlsDeadlines(this.#i32, this.rows, config.handshakeMs * TICKS_PER_MS);
    this.#retransmission = new DtlsRetransmission(this.#i32, this.rows);
    this.#cookies = new KeyPeriod(() => engine.changeCookieSecret(), COOKIE_MS);
    this.#lower = new TlsLower(
      "dtls",
      sessions,
      {
        accept: (s) => this.#lower.owner(s) >= 0,
        connected: (s, error) => this.#connected(s, error),
        disconnect: () => {},
        reset: (s, error) => this.#lowerGone(s, error),
        cleanup: (s) => this.#lowerGone(s, SESSION_E_UNKNOWN),
        unlistened: (s) => this.#lower.unbind(s),
        rx: (s) => this.#received(s),
        detached: (gone) => {
          for (const s of gone) this.#lowerGone(s, SESSION_E_UNKNOWN);
          this.#lower.forgetDetached();
        },
      },
      config.fifoBytes,
    );
    const contextOf = (listener: ConnectionIndex): number => this.#listeners.get(listener) ?? -1;
    this.#asks = new CertificateAsks(TRANSPORT_DTLS, sessions, this.rows, engine, store, contextOf);
  }

  /** Whether an application is DTLS itself, which others need to end well. */
  owns(app: number): boolean {
    return this.#lower.owns(app);
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
    const { sessions, store } = this.#parts;
    const wanted = parseCryptoConfig(extConfig);
    if (typeof wanted === "number") return wanted;
    const app = this.#lower.appFor(session);
    if (app < 0) return app;
    const context = store.acquire(contextRequest(true, wanted, true), this.#lower.appOf(session));
    if (context < 0) return context;
    const c = this.rows.alloc(TLS_LISTEN, fib, local);
    const s = c < 0 ? SESSION_E_ALLOC : sessions.listen(app, TRANSPORT_UDP, local, {});
    if (s < 0) {
      if (c >= 0) this.rows.free(c);
      store.release(context);
      return Number(s);
    }
    const r = this.rows.row(c);
    this.#i32[r + C_SESSION] = session;
    this.#i32[r + TLS_LOWER] = s;
    this.#lower.bind(s, c);
    this.#listeners.set(c, context);
    return c;
  }

  stopListen(listener: ConnectionIndex): void {
    const { sessions, store } = this.#parts;
    const r = this.rows.row(listener);
    const s = this.#i32[r + TLS_LOWER];
    const session = this.#i32[r + C_SESSION];
    for (const c of this.#handshakes.all()) {
      const each = this.rows.row(c);
      if ((this.#i32[each + C_FLAGS] & TLSF_SERVER) === 0 || this.#i32[each + TLS_OPENER] !== session) continue;
      this.reset(c);
    }
    if (this.#lower.owner(s) === listener) {
      this.#lower.unbind(s);
      sessions.unlisten(this.#lower.appOf(s), s);
    }
    store.release(this.#listeners.get(listener) ?? -1);
    this.#listeners.delete(listener);
    this.rows.free(listener);
  }

  connect(request: ConnectRequest): ConnectionIndex {
    const { sessions, store, config } = this.#parts;
    const { remote, local, fib, context: opener, attributes, extConfig } = request;
    const wanted = parseCryptoConfig(extConfig);
    if (typeof wanted === "number") return wanted;
    const app = this.#lower.appFor(opener & 0xff_ffff);
    if (app < 0) return app;
    if (this.#handshakes.count + this.#openings.size >= config.maxHandshakes) return SESSION_E_REFUSED;
    const context = store.acquire(contextRequest(false, wanted, true), this.#lower.appOf(opener & 0xff_ffff));
    if (context < 0) return context;
    const c = this.rows.alloc(TLS_CONNECTING, fib, local, remote);
    const s = c < 0 ? SESSION_E_ALLOC : sessions.connect(app, TRANSPORT_UDP, remote, { local, attributes });
    if (s < 0) {
      if (c >= 0) this.rows.free(c);
      store.release(context);
      return Number(s);
    }
    this.#openings.set(c, { context, peer: { ...clientPeer(wanted.hostname, remote), mtu: DTLS_MTU_BYTES } });
    const r = this.rows.row(c);
    this.#i32[r + TLS_LOWER] = s;
    this.#i32[r + TLS_OPENER] = opener;
    this.#lower.bind(s, c);
    return c;
  }

  #connected(s: SessionIndex, error: number): void {
    const { sessions, store, engine } = this.#parts;
    const c = this.#lower.owner(s);
    if (c < 0) return;
    const opening = this.#openings.get(c);
    this.#openings.delete(c);
    const i32 = this.#i32;
    const r = this.rows.row(c);
    const connection = error < 0 || opening === undefined ? -1 : engine.open(opening.context, opening.peer);
    if (opening !== undefined) store.release(opening.context);
    if (connection < 0) {
      sessions.connected(TRANSPORT_DTLS, c, i32[r + TLS_OPENER], error < 0 ? error : SESSION_E_ALLOC);
      if (error === 0) sessions.terminate(s);
      this.#forget(c);
      return;
    }
    const local = sessions.localEndpoint(s);
    if (local !== undefined) i32[r + C_PORTS] = (local.port << 16) | (i32[r + C_PORTS] & 0xffff);
    i32[r + TLS_ENGINE] = connection;
    i32[r + C_STATE] = TLS_HANDSHAKE;
    this.#handshakes.add(c, this.#tick);
    this.#step(c, 0);
  }

  // ---- Datagrams ----

  #received(s: SessionIndex): void {
    const c = this.#lower.owner(s);
    if (c < 0) return;
    const isListener = this.#i32[this.rows.row(c) + C_STATE] === TLS_LISTEN;
    if (isListener ? this.#greet(c, s) : this.#pump(c)) this.#parts.sessions.wantTransmit(TRANSPORT_DTLS, c);
  }

  transmit(c: ConnectionIndex): boolean {
    const r = this.rows.row(c);
    return this.#i32[r + C_STATE] === TLS_LISTEN ? this.#greet(c, this.#i32[r + TLS_LOWER]) : this.#pump(c);
  }

  /** Takes first datagrams of peers. Returns true when there are more. */
  #greet(listener: ConnectionIndex, s: SessionIndex): boolean {
    const { sessions, engine } = this.#parts;
    const context = this.#listeners.get(listener);
    if (context === undefined || !sessions.table.isUsed(s)) return false;
    const l = sessions.table.row(s);
    const rx = this.#i32[l + S_RX_FIFO];
    this.#cookies.look(this.#tick);
    for (let i = 0; i < MAX_DATAGRAMS; i++) {
      this.#datagrams.begin(0);
      if (!this.#datagrams.show(rx, false)) return false;
      this.#hello.read();
      const connection = engine.listen(context, { name: this.#hello.name, mtu: DTLS_MTU_BYTES });
      const c = connection < 0 ? -1 : this.#accept(listener, s, connection);
      // The datagram is the first of the connection, too.
      if (c >= 0) this.#exchange(c, 0, rx);
      else {
        this.#datagrams.drop(rx, false);
        if (this.#datagrams.send(this.#i32[l + S_TX_FIFO]) > 0) {
          sessions.wantTransmit(TRANSPORT_UDP, this.#i32[l + S_CONNECTION]);
        }
      }
    }
    return this.#fifos.maxDequeue(rx) > 0;
  }

  /** A peer has shown that it is there. Returns its connection, -1: there is no room for it. */
  #accept(listener: ConnectionIndex, s: SessionIndex, connection: number): ConnectionIndex {
    const { sessions, engine, udp, addresses, config } = this.#parts;
    const { local, remote } = this.#hello;
    const i32 = this.#i32;
    const l = this.rows.row(listener);
    const session = i32[l + C_SESSION];
    const fib = i32[l + C_FIB];
    // Groups and broadcast addresses are no address to answer from (RFC 1122 4.1.3.5).
    const { family, address } = local;
    const isOwn = addresses.isLocal(fib, family, address) || addresses.maySpoof(fib, family, -1, address);
    const isFull = this.#handshakes.count >= config.maxHandshakes;
    if (isFull) this.failures.count("too many handshakes under way");
    const mayAccept = isOwn && !isFull && sessions.mayAccept(session, true);
    const c = mayAccept ? this.rows.alloc(TLS_HANDSHAKE, fib, local, remote) : -1;
    const below = c < 0 ? -1 : udp.accept(s, fib, local, remote);
    if (below < 0) {
      if (c >= 0) this.rows.free(c);
      if (mayAccept) sessions.halfOpenEnded(session);
      engine.close(connection);
      return -1;
    }
    const r = this.rows.row(c);
    const lower = i32[udp.rows.row(below) + C_SESSION];
    i32[r + C_FLAGS] |= TLSF_SERVER;
    i32[r + TLS_LOWER] = lower;
    i32[r + TLS_ENGINE] = connection;
    i32[r + TLS_OPENER] = session;
    this.#lower.bind(lower, c);
    this.#handshakes.add(c, this.#tick);
    return c;
  }

  /** Takes datagrams of both directions. Returns true when there are more. */
  #pump(c: ConnectionIndex): boolean {
    const i32 = this.#i32;
    const r = this.rows.row(c);
    for (let i = 0; i < MAX_DATAGRAMS; i++) {
      const state = i32[r + C_STATE];
      if (state !== TLS_HANDSHAKE && state !== TLS_OPEN) return false;
      const rx = i32[this.#parts.sessions.table.row(i32[r + TLS_LOWER]) + S_RX_FIFO];
      const isIn = rx !== 0 && this.#fifos.maxDequeue(rx) > 0;
      const isOut = state === TLS_OPEN && this.#fifos.maxDequeue(i32[r + C_TX_FIFO]) > 0;
      const isEnd = state === TLS_OPEN && !isOut && (i32[r + C_FLAGS] & TLSF_END_WANTED) !== 0;
      const isAnswered = (i32[r + C_FLAGS] & TLSF_SERVER) !== 0 && state === TLS_HANDSHAKE;
      if (!isIn && !isOut && !isEnd && !isAnswered) return false;
      if (!this.#step(c, isEnd ? TLS_IN_CLOSE : 0)) return false;
      if (isAnswered && !isIn) return false;
    }
    return true;
  }

  /** One step with the first datagrams of the fifos, if there are any. Returns whether the connection is still there. */
  #step(c: ConnectionIndex, flags: number): boolean {
    const rx = this.#i32[this.#parts.sessions.table.row(this.#i32[this.rows.row(c) + TLS_LOWER]) + S_RX_FIFO];
    this.#datagrams.begin(flags);
    return this.#exchange(c, flags, this.#datagrams.show(rx, false) ? rx : 0);
  }

  /** The step itself. `rx`: the fifo whose first datagram was shown, 0: none. Returns whether the connection is still there. */
  #exchange(c: ConnectionIndex, flags: number, rx: number): boolean {
    const { sessions, engine } = this.#parts;
    const i32 = this.#i32;
    const r = this.rows.row(c);
    const l = sessions.table.row(i32[r + TLS_LOWER]);
    const tx = i32[r + C_STATE] === TLS_OPEN ? i32[r + C_TX_FIFO] : 0;
    const isOut = this.#datagrams.show(tx, true);
    const bits = engine.stepDatagram(i32[r + TLS_ENGINE]);
    if (isOut) {
      this.#datagrams.drop(tx, true);
      sessions.acknowledged(i32[r + C_SESSION]);
    }
    if (rx === 0) this.#datagrams.address(r);
    else this.#datagrams.drop(rx, false);
    const isAttached = i32[l + S_CONNECTION] >= 0;
    const sent = this.#datagrams.send(isAttached ? i32[l + S_TX_FIFO] : 0);
    if (sent > 0) sessions.wantTransmit(TRANSPORT_UDP, i32[l + S_CONNECTION]);
    this.#parts.handOutKeys();
    if ((bits & TLS_OUT_TOO_LONG) !== 0) this.failures.count("datagram that is empty, or longer than 16384 bytes");
    this.#time(c, (bits & TLS_OUT_TIMER) !== 0, sent > 0, (flags & TLS_IN_TIMEOUT) !== 0);
    return i32[r + C_STATE] === TLS_HANDSHAKE ? this.#shook(c, bits) : this.#wentOn(c, bits);
  }

  #time(c: ConnectionIndex, isWanted: boolean, isNew: boolean, isAgain: boolean): void {
    if (!isWanted) this.#retransmission.stop(c);
    else if (isAgain) this.#retransmission.again(c, this.#tick);
    else if (isNew || !this.#retransmission.isWaiting(c)) this.#retransmission.start(c, this.#tick);
  }

  #shook(c: ConnectionIndex, bits: number): boolean {
    const { engine } = this.#parts;
    if ((bits & TLS_OUT_FAILED) !== 0) {
      this.#failHandshake(c, SESSION_E_TLS_HANDSHAKE, engine.reason(this.#i32[this.rows.row(c) + TLS_ENGINE]));
      return false;
    }
    if ((bits & TLS_OUT_ASKS) !== 0) this.#asks.ask(c);
    if ((bits & TLS_OUT_OPEN) === 0) return true;
    return this.#opened(c) && this.#wentOn(c, bits);
  }

  #opened(c: ConnectionIndex): boolean {
    const { sessions } = this.#parts;
    const i32 = this.#i32;
    const r = this.rows.row(c);
    this.#handshakes.remove(c);
    i32[r + C_STATE] = TLS_OPEN;
    const opener = i32[r + TLS_OPENER];
    const isServer = (i32[r + C_FLAGS] & TLSF_SERVER) !== 0;
    const error = isServer
      ? sessions.accepted(TRANSPORT_DTLS, c, opener)
      : sessions.connected(TRANSPORT_DTLS, c, opener, 0);
    if (error >= 0) return true;
    this.reset(c);
    return false;
  }

  #wentOn(c: ConnectionIndex, bits: number): boolean {
    const { sessions, engine } = this.#parts;
    const i32 = this.#i32;
    const r = this.rows.row(c);
    const isClosed = (i32[r + C_FLAGS] & TLSF_APP_CLOSED) !== 0;
    const got = this.#datagrams.deliver(isClosed ? 0 : i32[r + C_RX_FIFO]);
    if (got > 0) sessions.received(i32[r + C_SESSION]);
    if ((bits & TLS_OUT_FAILED) !== 0) {
      const reason = engine.reason(i32[r + TLS_ENGINE]);
      this.failures.count(reason);
      sessions.reset(i32[r + C_SESSION], SESSION_E_TLS_PROTOCOL, reason);
      this.#end(c);
      return false;
    }
    if ((bits & TLS_OUT_PEER_ENDED) !== 0 && (i32[r + C_FLAGS] & TLSF_PEER_ENDED) === 0) {
      i32[r + C_FLAGS] |= TLSF_PEER_ENDED;
      sessions.closing(i32[r + C_SESSION]);
    }
    if (!isClosed || (bits & TLS_OUT_END_SENT) === 0) return true;
    this.#end(c);
    return false;
  }

  #failHandshake(c: ConnectionIndex, error: number, reason: string): void {
    const { sessions } = this.#parts;
    const i32 = this.#i32;
    const r = this.rows.row(c);
    const opener = i32[r + TLS_OPENER];
    this.failures.count(reason);
    if ((i32[r + C_FLAGS] & TLSF_SERVER) !== 0) {
      sessions.halfOpenEnded(opener);
      const remote = sessions.remoteEndpoint(i32[r + TLS_LOWER]);
      tellFailure(sessions, { listener: opener, remote, error, reason });
    } else sessions.connected(TRANSPORT_DTLS, c, opener, error, undefined, reason);
    this.#end(c);
  }

  /** Datagrams have no window. */
  rxDequeued(): void {}

  // ---- Ending ----

  /** Datagrams have no end of stream: nothing to do. */
  halfClose(): void {}

  close(c: ConnectionIndex): void {
    const r = this.rows.row(c);
    if (this.#i32[r + C_STATE] !== TLS_OPEN) {
      this.reset(c);
      return;
    }
    this.#i32[r + C_FLAGS] |= TLSF_END_WANTED | TLSF_APP_CLOSED;
    this.#parts.sessions.wantControl(TRANSPORT_DTLS, c);
  }

  reset(c: ConnectionIndex): void {
    this.#parts.sessions.terminate(this.#i32[this.rows.row(c) + TLS_LOWER]);
    this.#forget(c);
  }

  /** What was written, an alert maybe, still goes. */
  #end(c: ConnectionIndex): void {
    this.#lower.close(this.#i32[this.rows.row(c) + TLS_LOWER]);
    this.#forget(c);
  }

  /** Nobody is there, or the session of UDP was ended by somebody else. */
  #lowerGone(s: SessionIndex, error: number): void {
    const { sessions } = this.#parts;
    const c = this.#lower.owner(s);
    if (c < 0) return;
    const r = this.rows.row(c);
    const state = this.#i32[r + C_STATE];
    if (state === TLS_LISTEN) this.#lower.unbind(s);
    else if (state === TLS_HANDSHAKE) this.#failHandshake(c, error, sessionErrorEntry(error).text);
    else {
      if (state === TLS_OPEN) sessions.reset(this.#i32[r + C_SESSION], error);
      else sessions.connected(TRANSPORT_DTLS, c, this.#i32[r + TLS_OPENER], SESSION_E_REFUSED);
      this.#end(c);
    }
  }

  /** Frees a connection's row, after its sessions were told. */
  #forget(c: ConnectionIndex): void {
    const { sessions, engine, store } = this.#parts;
    const i32 = this.#i32;
    const r = this.rows.row(c);
    const opening = this.#openings.get(c);
    if (opening !== undefined) store.release(opening.context);
    this.#openings.delete(c);
    this.#asks.forget(c);
    this.#handshakes.remove(c);
    this.#retransmission.stop(c);
    if (i32[r + TLS_LOWER] >= 0) this.#lower.unbind(i32[r + TLS_LOWER]);
    if (i32[r + TLS_ENGINE] >= 0) engine.close(i32[r + TLS_ENGINE]);
    sessions.deleted(i32[r + C_SESSION]);
    this.rows.free(c);
  }

  // ---- Time ----

  setNow(tick: number): void {
    this.#tick = tick;
  }

  expire(tick: number): void {
    this.#tick = tick;
    for (let c = this.#handshakes.overdue(tick); c >= 0; c = this.#handshakes.overdue(tick)) {
      this.#failHandshake(c, SESSION_E_TIMEDOUT, "handshake timed out");
    }
    for (let c = this.#retransmission.overdue(tick); c >= 0; c = this.#retransmission.overdue(tick)) {
      this.#datagrams.begin(TLS_IN_TIMEOUT);
      this.#exchange(c, TLS_IN_TIMEOUT, 0);
    }
  }

  nextExpiry(tick: number): number {
    const ticks = this.#handshakes.nextExpiry(tick);
    const others = this.#retransmission.nextExpiry(tick);
    return ticks < 0 || (others >= 0 && others < ticks) ? others : ticks;
  }

  // ---- What is known ----

  /** Handshakes under way, active opens that wait for UDP not counted. */
  get handshakes(): number {
    return this.#handshakes.count;
  }

  /** Datagrams that found no room in a fifo. */
  get lost(): number {
    return this.#datagrams.lost;
  }

  /** Version, cipher, ALPN, the peer's certificate; undefined before the handshake is done. */
  info(c: ConnectionIndex): TlsInfo | undefined {
    return this.#view.info(c);
  }

  /** Errors of ICMP are told to the connection of UDP. */
  icmpError(): void {}

  attribute(c: ConnectionIndex, name: ConnectionAttribute): number {
    return this.#view.attribute(c, name);
  }

  setAttribute(c: ConnectionIndex, name: ConnectionAttribute, value: number): number {
    return this.#view.setAttribute(c, name, value);
  }

  /** Datagrams have none. */
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
