import type { Timed } from "../../graph/engine.js";
import type { FifoTable } from "../../mem/fifo-table.js";
import {
  SESSION_E_ALLOC,
  SESSION_E_NOSUPPORT,
  SESSION_E_REFUSED,
  SESSION_E_TIMEDOUT,
  SESSION_E_TLS_HANDSHAKE,
  SESSION_E_TLS_TRUNCATED,
  SESSION_E_UNKNOWN,
  sessionErrorEntry,
} from "../../session/session-errors.js";
import type { SessionLayer } from "../../session/session-layer.js";
import { S_BACKLOG } from "../../session/session-table.js";
import {
  C_FIB,
  C_FLAGS,
  C_PORTS,
  C_RX_FIFO,
  C_SESSION,
  C_STATE,
  type ConnectionAttribute,
  type ConnectionIndex,
  type ConnectRequest,
  type Endpoint,
  type SessionIndex,
  type Transport,
  TRANSPORT_TCP,
  TRANSPORT_TLS,
} from "../transport.js";
import { CertificateAsks } from "./certificate-asks.js";
import { clientPeer } from "./client-peer.js";
import type { TlsConfig } from "./config.js";
import { contextRequest } from "./context-request.js";
import {
  TLS_CONNECTING,
  TLS_ENGINE,
  TLS_HANDSHAKE,
  TLS_LISTEN,
  TLS_LOWER,
  TLS_OPEN,
  TLS_OPENER,
  TlsConnections,
  TLSF_APP_CLOSED,
  TLSF_FIN,
  TLSF_LINGERS,
  TLSF_LOWER_CLOSED,
  TLSF_PEER_ENDED,
  TLSF_RX_WAITS,
  TLSF_SERVER,
  TLSF_TRUNCATED,
} from "./connection.js";
import { type CryptoConfig, parseCryptoConfig } from "./crypto-config.js";
import { CryptoStore } from "./crypto-store.js";
import type { CryptoOwner } from "./crypto-things.js";
import {
  TLS_OUT_ASKS,
  TLS_OUT_FAILED,
  TLS_OUT_OPEN,
  TLS_OUT_RESUMED,
  type TlsEngine,
  type TlsInfo,
  type TlsPeer,
} from "./engine.js";
import { TlsDeadlines } from "./deadlines.js";
import { TlsEndings } from "./endings.js";
import { KeyPeriod } from "./key-period.js";
import { TlsFailures } from "./failures.js";
import { tellFailure } from "./listening-app.js";
import { TlsLower } from "./lower.js";
import { TlsRecords } from "./records.js";
import { TlsView } from "./view.js";

/** Ticks of 100 us in a millisecond. */
const TICKS_PER_MS = 10;
/** Steps of a connection in a row; then others get their turn. */
const MAX_STEPS = 2;
/** Room for clear text at which a connection whose application had read nothing goes on. */
const ROOM_BYTES = 16_384;

/** Of TCP's connections: the last flight of a handshake, and the first record, are not to wait for acknowledgements. */
const NO_DELAY = { noDelay: 1 };

/** What the transport is built upon. */
export interface TlsParts {
  readonly sessions: SessionLayer;
  readonly engine: TlsEngine;
  readonly config: TlsConfig;
}

/** What an active open has until TCP is open. */
interface Opening {
  readonly context: number;
  readonly peer: TlsPeer;
}

/**
 * TLS, a transport for applications and itself an application of TCP (as in VPP). A connection has two pairs of fifos: those
 * of its session of TCP hold records, those of the application's session clear text, and a step of the engine moves as much
 * as fits from one to the other. So a reader who is slow fills the first, and the window of TCP closes.
 *
 *     client  CONNECTING ── TCP open ─► HANDSHAKE ── connected ─► OPEN
 *     server               TCP accept ─► HANDSHAKE ── accepted ──► OPEN     (failed: the alert, then TCP's end; TLS_HANDSHAKE)
 *
 * A half-close is close_notify and TCP's FIN after it; an end without close_notify is a truncation, of which the
 * application hears when it has read what came before.
 */
export class TlsTransport implements Transport, Timed {
  readonly name = "tls";
  readonly proto = TRANSPORT_TLS;
  readonly isDatagram = false;
  readonly below = TRANSPORT_TCP;
  readonly rows: TlsConnections;
  readonly store: CryptoStore;
  /** Why handshakes failed and sessions were reset. */
  readonly failures = new TlsFailures();
  readonly #i32: Int32Array;
  readonly #fifos: FifoTable;
  readonly #sessions: SessionLayer;
  readonly #engine: TlsEngine;
  readonly #config: TlsConfig;
  readonly #records: TlsRecords;
  readonly #view: TlsView;
  readonly #handshakes: TlsDeadlines;
  readonly #lower: TlsLower;
  /** Context of each listener. */
  readonly #listeners = new Map<ConnectionIndex, number>();
  readonly #openings = new Map<ConnectionIndex, Opening>();
  readonly #asks: CertificateAsks;
  readonly #ticketKeys: KeyPeriod;
  /** Handshakes that were completed: whole ones, and resumptions. */
  readonly completed = { full: 0, resumed: 0 };
  readonly #endings: TlsEndings;
  #onKeys: ((lines: string) => void) | undefined;
  #tick = 0;

  /** Reserves the rows. Throws RangeError when the window is full. */
  constructor({ sessions, engine, config }: TlsParts) {
    this.#sessions = sessions;
    this.#engine = engine;
    this.#config = config;
    this.#i32 = sessions.window.i32;
    this.#fifos = sessions.fifos;
    this.store = new CryptoStore(engine, Math.floor(config.ticketKeyMs / 1000));
    this.#ticketKeys = new KeyPeriod(() => engine.changeTicketKeys(), config.ticketKeyMs);
    sessions.appEnded = (app) => this.store.removeAllOf(app);
    this.rows = new TlsConnections(sessions.window, "tls connections", config.maxConnections);
    this.#records = new TlsRecords(sessions, sessions, engine, config);
    this.#view = new TlsView(sessions, this.rows, engine);
    this.#handshakes = new TlsDeadlines(this.#i32, this.rows, config.handshakeMs * TICKS_PER_MS);
    this.#lower = new TlsLower(
      "tls",
      sessions,
      {
        accept: (s, listener) => this.#accept(s, listener),
        connected: (s, error) => this.#connected(s, error),
        disconnect: (s) => this.#finCame(s),
        reset: (s, error) => this.#wasReset(s, error),
        transportClosed: (s) => this.#endings.lowerClosed(s),
        cleanup: (s, phase) => this.#lowerGone(s, phase === "transport"),
        unlistened: (s) => this.#lower.unbind(s),
        rx: (s) => this.#run(this.#lower.owner(s)),
        tx: (s) => this.#hasRoom(this.#lower.owner(s)),
        detached: (gone) => {
          for (const s of gone) this.#lowerGone(s, false);
          this.#lower.forgetDetached();
        },
      },
      config.fifoBytes,
    );
    const { rows, store, failures } = this;
    const contextOf = (listener: ConnectionIndex): number => this.#listeners.get(listener) ?? -1;
    this.#asks = new CertificateAsks(TRANSPORT_TLS, sessions, rows, engine, store, contextOf);
    const forget = (c: ConnectionIndex): void => this.#forget(c);
    this.#endings = new TlsEndings({ sessions, rows, engine, lower: this.#lower, failures, forget });
  }

  /** Hands out the secrets of all handshakes to come, as lines of the NSS key log format, by which a capture can be decrypted. */
  logKeys(onKeys: (lines: string) => void): void {
    this.#onKeys = onKeys;
    this.#engine.logKeys(true);
  }

  /** Whether an application is TLS itself, which others need to end well. */
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
    const wanted = parseCryptoConfig(extConfig);
    if (typeof wanted === "number") return wanted;
    const app = this.#lower.appFor(session);
    if (app < 0) return app;
    const context = this.#acquire(this.#lower.appOf(session), true, wanted);
    if (context < 0) return context;
    const c = this.rows.alloc(TLS_LISTEN, fib, local);
    const backlog = this.#i32[this.#sessions.table.row(session) + S_BACKLOG];
    const s = c < 0 ? SESSION_E_ALLOC : this.#sessions.listen(app, TRANSPORT_TCP, local, { backlog });
    if (s < 0) {
      if (c >= 0) this.rows.free(c);
      this.store.release(context);
      return Number(s);
    }
    const r = this.rows.row(c);
    this.#i32[r + C_SESSION] = session;
    this.#i32[r + TLS_LOWER] = s;
    this.#lower.bind(s, c);
    this.setAttribute(c, "noDelay", NO_DELAY.noDelay);
    this.#listeners.set(c, context);
    return c;
  }

  #acquire(owner: CryptoOwner, server: boolean, wanted: CryptoConfig): number {
    return this.store.acquire(contextRequest(server, wanted), owner);
  }

  stopListen(listener: ConnectionIndex): void {
    const r = this.rows.row(listener);
    const s = this.#i32[r + TLS_LOWER];
    const session = this.#i32[r + C_SESSION];
    for (const c of this.#handshakes.all()) {
      const each = this.rows.row(c);
      if ((this.#i32[each + C_FLAGS] & TLSF_SERVER) === 0 || this.#i32[each + TLS_OPENER] !== session) continue;
      this.#sessions.terminate(this.#i32[each + TLS_LOWER]);
      this.#forget(c);
    }
    if (this.#lower.owner(s) === listener) {
      this.#lower.unbind(s);
      this.#sessions.unlisten(this.#lower.appOf(s), s);
    }
    this.store.release(this.#listeners.get(listener) ?? -1);
    this.#listeners.delete(listener);
    this.rows.free(listener);
  }

  connect(request: ConnectRequest): ConnectionIndex {
    const { remote, local, fib, context: opener, attributes, extConfig } = request;
    const wanted = parseCryptoConfig(extConfig);
    if (typeof wanted === "number") return wanted;
    const app = this.#lower.appFor(opener & 0xff_ffff);
    if (app < 0) return app;
    if (this.#handshakes.count + this.#openings.size >= this.#config.maxHandshakes) return SESSION_E_REFUSED;
    const context = this.#acquire(this.#lower.appOf(opener & 0xff_ffff), false, wanted);
    if (context < 0) return context;
    const c = this.rows.alloc(TLS_CONNECTING, fib, local, remote);
    const s =
      c < 0
        ? SESSION_E_ALLOC
        : this.#sessions.connect(app, TRANSPORT_TCP, remote, { local, attributes: { ...NO_DELAY, ...attributes } });
    if (s < 0) {
      if (c >= 0) this.rows.free(c);
      this.store.release(context);
      return Number(s);
    }
    this.#openings.set(c, { context, peer: clientPeer(wanted.hostname, remote) });
    const r = this.rows.row(c);
    this.#i32[r + TLS_LOWER] = s;
    this.#i32[r + TLS_OPENER] = opener;
    this.#lower.bind(s, c);
    return c;
  }

  #accept(s: SessionIndex, lowerListener: SessionIndex): boolean {
    const listener = this.#lower.owner(lowerListener);
    const context = this.#listeners.get(listener);
    const local = this.#sessions.localEndpoint(s);
    const remote = this.#sessions.remoteEndpoint(s);
    if (context === undefined || local === undefined || remote === undefined) return false;
    const i32 = this.#i32;
    const l = this.rows.row(listener);
    const session = i32[l + C_SESSION];
    if (this.#handshakes.count >= this.#config.maxHandshakes) {
      this.failures.count("too many handshakes under way");
      return false;
    }
    if (!this.#sessions.mayAccept(session)) return false;
    const c = this.rows.alloc(TLS_HANDSHAKE, i32[l + C_FIB], local, remote);
    this.#ticketKeys.look(this.#tick);
    const connection = c < 0 ? -1 : this.#engine.open(context, {});
    if (connection < 0) {
      if (c >= 0) this.rows.free(c);
      this.#sessions.halfOpenEnded(session);
      this.failures.count("no memory");
      return false;
    }
    const r = this.rows.row(c);
    i32[r + C_FLAGS] |= TLSF_SERVER;
    i32[r + TLS_LOWER] = s;
    i32[r + TLS_ENGINE] = connection;
    i32[r + TLS_OPENER] = session;
    this.#lower.bind(s, c);
    this.#handshakes.add(c, this.#tick);
    return true;
  }

  #connected(s: SessionIndex, error: number): void {
    const c = this.#lower.owner(s);
    if (c < 0) return;
    const opening = this.#openings.get(c);
    this.#openings.delete(c);
    const i32 = this.#i32;
    const r = this.rows.row(c);
    const connection = error < 0 || opening === undefined ? -1 : this.#engine.open(opening.context, opening.peer);
    if (opening !== undefined) this.store.release(opening.context);
    if (connection < 0) {
      const result = error < 0 ? error : SESSION_E_ALLOC;
      this.#sessions.connected(TRANSPORT_TLS, c, i32[r + TLS_OPENER], result);
      if (error === 0) this.#sessions.terminate(s);
      this.#forget(c);
      return;
    }
    // TCP knows by now which port it has.
    const local = this.#sessions.localEndpoint(s);
    if (local !== undefined) i32[r + C_PORTS] = (local.port << 16) | (i32[r + C_PORTS] & 0xffff);
    i32[r + TLS_ENGINE] = connection;
    i32[r + C_STATE] = TLS_HANDSHAKE;
    this.#handshakes.add(c, this.#tick);
    this.#run(c);
  }

  // ---- Records ----

  transmit(c: ConnectionIndex): boolean {
    return this.#pump(c);
  }

  /** Lets a connection do what it can now, and the rest in session-queue. */
  #run(c: ConnectionIndex): void {
    if (c >= 0 && this.#pump(c)) this.#sessions.wantTransmit(TRANSPORT_TLS, c);
  }

  #hasRoom(c: ConnectionIndex): void {
    if (c < 0) return;
    this.#records.unblock(this.rows.row(c));
    this.#run(c);
  }

  /** Steps until nothing moves. Returns true when there is more to do at once. */
  #pump(c: ConnectionIndex): boolean {
    const i32 = this.#i32;
    const r = this.rows.row(c);
    for (let i = 0; i < MAX_STEPS; i++) {
      const state = i32[r + C_STATE];
      if ((state !== TLS_HANDSHAKE && state !== TLS_OPEN) || (i32[r + C_FLAGS] & TLSF_LOWER_CLOSED) !== 0) return false;
      if ((i32[r + C_FLAGS] & TLSF_TRUNCATED) !== 0) {
        this.#endings.cut(c);
        return false;
      }
      if (state === TLS_OPEN && this.#records.isIdle(r)) return false;
      const bits = this.#records.step(r, this.#tick);
      if (state === TLS_HANDSHAKE) {
        if (!this.#shook(c, bits)) return false;
      } else if (!this.#endings.wentOn(c, bits) || !this.#records.hasMoved) return false;
    }
    return true;
  }

  /** After a step of the handshake. Returns whether another one may do something. */
  #shook(c: ConnectionIndex, bits: number): boolean {
    this.handOutKeys();
    if ((bits & TLS_OUT_FAILED) !== 0) {
      this.#failHandshake(c, SESSION_E_TLS_HANDSHAKE, this.#engine.reason(this.#i32[this.rows.row(c) + TLS_ENGINE]));
      return false;
    }
    if ((bits & TLS_OUT_ASKS) !== 0) this.#asks.ask(c);
    if ((bits & TLS_OUT_OPEN) === 0) {
      // A flight is longer than what a step takes, and maybe nothing comes after it.
      return this.#records.hasMoved && (this.#i32[this.rows.row(c) + C_FLAGS] & TLSF_RX_WAITS) !== 0;
    }
    if ((bits & TLS_OUT_RESUMED) !== 0) this.completed.resumed++;
    else this.completed.full++;
    return this.#opened(c);
  }

  /** Hands out what the engine has of them; of DTLS, too. */
  handOutKeys(): void {
    if (this.#onKeys === undefined) return;
    const lines = this.#engine.takeKeys();
    if (lines !== "") this.#onKeys(lines);
  }

  #opened(c: ConnectionIndex): boolean {
    const i32 = this.#i32;
    const r = this.rows.row(c);
    this.#handshakes.remove(c);
    i32[r + C_STATE] = TLS_OPEN;
    const isServer = (i32[r + C_FLAGS] & TLSF_SERVER) !== 0;
    const opener = i32[r + TLS_OPENER];
    const error = isServer
      ? this.#sessions.accepted(TRANSPORT_TLS, c, opener)
      : this.#sessions.connected(TRANSPORT_TLS, c, opener, 0);
    if (error >= 0) return true;
    this.#sessions.terminate(i32[r + TLS_LOWER]);
    this.#forget(c);
    return false;
  }

  #failHandshake(c: ConnectionIndex, error: number, reason: string): void {
    const i32 = this.#i32;
    const r = this.rows.row(c);
    const opener = i32[r + TLS_OPENER];
    this.failures.count(reason);
    if ((i32[r + C_FLAGS] & TLSF_SERVER) !== 0) {
      this.#sessions.halfOpenEnded(opener);
      const remote = this.#sessions.remoteEndpoint(i32[r + TLS_LOWER]);
      tellFailure(this.#sessions, { listener: opener, remote, error, reason });
    } else this.#sessions.connected(TRANSPORT_TLS, c, opener, error, undefined, reason);
    // The alert goes first.
    this.#lower.close(i32[r + TLS_LOWER]);
    this.#forget(c);
  }

  rxDequeued(c: ConnectionIndex): void {
    const i32 = this.#i32;
    const r = this.rows.row(c);
    const flags = i32[r + C_FLAGS];
    if ((flags & (TLSF_RX_WAITS | TLSF_TRUNCATED)) === 0) return;
    const rx = i32[r + C_RX_FIFO];
    // Not crumb by crumb.
    const room = this.#fifos.maxEnqueue(rx);
    if (room >= ROOM_BYTES || room >= this.#fifos.capBytes(rx) >> 1) this.#sessions.wantTransmit(TRANSPORT_TLS, c);
  }

  // ---- Ending ----

  halfClose(c: ConnectionIndex): void {
    this.#endings.halfClose(c);
  }

  close(c: ConnectionIndex): void {
    // An active open that was given up.
    if (this.#i32[this.rows.row(c) + C_STATE] === TLS_OPEN) this.#endings.close(c);
    else this.reset(c);
  }

  reset(c: ConnectionIndex): void {
    this.#endings.reset(c);
  }

  #finCame(s: SessionIndex): void {
    const c = this.#lower.owner(s);
    if (c < 0) return;
    this.#i32[this.rows.row(c) + C_FLAGS] |= TLSF_FIN;
    this.#run(c);
  }

  #wasReset(s: SessionIndex, error: number): void {
    const c = this.#lower.owner(s);
    if (c < 0) return;
    const i32 = this.#i32;
    const r = this.rows.row(c);
    if (i32[r + C_STATE] === TLS_HANDSHAKE) {
      const { text } = sessionErrorEntry(error);
      const reason = error === SESSION_E_UNKNOWN ? "connection reset by peer" : text;
      this.#failHandshake(c, SESSION_E_TLS_HANDSHAKE, reason);
      return;
    }
    this.#sessions.reset(i32[r + C_SESSION], error);
    this.#forget(c);
  }

  /** The session of TCP goes, and there was no better end. `isReadable`: its fifos are still there. */
  #lowerGone(s: SessionIndex, isReadable: boolean): void {
    const c = this.#lower.owner(s);
    if (c < 0) return;
    const i32 = this.#i32;
    const r = this.rows.row(c);
    const state = i32[r + C_STATE];
    if (state === TLS_LISTEN) {
      this.#lower.unbind(s);
      return;
    }
    if (state === TLS_HANDSHAKE) {
      this.#failHandshake(c, SESSION_E_TLS_HANDSHAKE, "connection lost");
      return;
    }
    if (state === TLS_CONNECTING) {
      this.#sessions.connected(TRANSPORT_TLS, c, i32[r + TLS_OPENER], SESSION_E_REFUSED);
      this.#forget(c);
      return;
    }
    const flags = i32[r + C_FLAGS];
    const ends = TLSF_LOWER_CLOSED | TLSF_APP_CLOSED;
    // What is unread of it still comes.
    if (isReadable && (flags & TLSF_RX_WAITS) !== 0 && (flags & ends) === 0) return;
    // Without close_notify nobody may take it for the end of the stream.
    if ((flags & (ends | TLSF_PEER_ENDED)) === 0) this.#sessions.reset(i32[r + C_SESSION], SESSION_E_TLS_TRUNCATED);
    this.#lower.close(s);
    this.#forget(c);
  }

  /** Frees a connection's row, after its sessions were told. */
  #forget(c: ConnectionIndex): void {
    const i32 = this.#i32;
    const r = this.rows.row(c);
    const opening = this.#openings.get(c);
    if (opening !== undefined) this.store.release(opening.context);
    this.#openings.delete(c);
    this.#asks.forget(c);
    if ((i32[r + C_FLAGS] & TLSF_LINGERS) !== 0) this.#endings.stopLingering(c);
    else this.#handshakes.remove(c);
    if (i32[r + TLS_LOWER] >= 0) this.#lower.unbind(i32[r + TLS_LOWER]);
    if (i32[r + TLS_ENGINE] >= 0) this.#engine.close(i32[r + TLS_ENGINE]);
    this.#sessions.deleted(i32[r + C_SESSION]);
    this.rows.free(c);
  }

  // ---- Time ----

  setNow(tick: number): void {
    this.#tick = this.#endings.tick = tick;
  }

  expire(tick: number): void {
    this.#tick = tick;
    for (let c = this.#handshakes.overdue(tick); c >= 0; c = this.#handshakes.overdue(tick)) {
      // Of a peer that came: a server was chosen.
      const isServer = (this.#i32[this.rows.row(c) + C_FLAGS] & TLSF_SERVER) !== 0;
      if (isServer) this.#sessions.handshakeTimedOut(TRANSPORT_TLS, c);
      this.#failHandshake(c, SESSION_E_TIMEDOUT, "handshake timed out");
    }
    this.#endings.expire(tick);
  }

  nextExpiry(tick: number): number {
    const ticks = this.#handshakes.nextExpiry(tick);
    const others = this.#endings.nextExpiry(tick);
    return ticks < 0 || (others >= 0 && others < ticks) ? others : ticks;
  }

  // ---- What is known ----

  /** Handshakes under way, active opens that wait for TCP not counted. */
  get handshakes(): number {
    return this.#handshakes.count;
  }

  /** The engine that does the cryptography, by its name. */
  get engineName(): string {
    return this.#engine.name;
  }

  /** Version, cipher, ALPN, the peer's certificate; undefined before the handshake is done. */
  info(c: ConnectionIndex): TlsInfo | undefined {
    return this.#view.info(c);
  }

  /** Errors of ICMP are told to the connection of TCP. */
  icmpError(): void {}

  attribute(c: ConnectionIndex, name: ConnectionAttribute): number {
    return this.#view.attribute(c, name);
  }

  setAttribute(c: ConnectionIndex, name: ConnectionAttribute, value: number): number {
    return this.#view.setAttribute(c, name, value);
  }

  /** Urgent data would be of records. */
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
