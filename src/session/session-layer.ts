import type { Timed } from "../graph/engine.js";
import type { FifoSegment } from "../mem/fifo-segment.js";
import type { MemoryWindow } from "../mem/window.js";
import type { Random } from "../random/random.js";
import {
  C_FLAGS,
  C_RX_FIFO,
  C_SESSION,
  C_TX_FIFO,
  CF_IP6,
  CF_TX_QUEUED,
  type ConnectionAttributes,
  type ConnectionIndex,
  type Endpoint,
  MAX_TRANSPORTS,
  type SessionIndex,
  type Transport,
  type TransportUpcalls,
} from "../transport/transport.js";
import type { Application, ApplicationCallbacks, ApplicationOptions } from "./application.js";
import { Applications } from "./applications.js";
import {
  EV_ACCEPTED,
  EV_CLEANUP_SESSION,
  EV_CLEANUP_TRANSPORT,
  EV_CONNECTED,
  EV_DISCONNECT,
  EV_RESET,
  EV_RX,
  EV_SOFT_ERROR,
  EV_TRANSPORT_CLOSED,
  EV_TX,
  EV_URGENT,
  EventQueue,
} from "./event-queue.js";
import { connectionEndpoint } from "./connection-endpoint.js";
import type { LocalAddresses } from "./local-addresses.js";
import type { SessionLookup } from "./lookup.js";
import type { SessionConfig } from "./session-config.js";
import { SessionDelivery, type SessionOwner } from "./session-delivery.js";
import {
  SESSION_E_ALLOC,
  SESSION_E_ALREADY_LISTENING,
  SESSION_E_INVALID,
  SESSION_E_INVALID_RMT_IP,
  SESSION_E_NOAPP,
  SESSION_E_NOIP,
  SESSION_E_NOLISTEN,
  SESSION_E_NOSESSION,
  SESSION_E_NOSUPPORT,
  SESSION_E_OWNER,
  SESSION_E_REFUSED,
  SESSION_E_SEG_NO_SPACE,
  SESSION_ERRORS,
  type SessionErrorValue,
} from "./session-errors.js";
import type { SessionHandle } from "./session-handle.js";
import {
  S_APP,
  S_BACKLOG,
  S_CONNECTION,
  S_ERROR,
  S_EVENTS,
  S_FLAGS,
  S_GENERATION,
  S_HALF_OPENS,
  S_LISTENER,
  S_PROTO,
  S_RX_FIFO,
  S_SOFT_ERROR,
  S_STATE,
  S_TX_FIFO,
  SESSION_ACCEPTING,
  SESSION_APP_CLOSED,
  SESSION_CLOSED,
  SESSION_CLOSING,
  SESSION_CONNECTING,
  SESSION_LISTENING,
  SESSION_READY,
  SESSION_TRANSPORT_CLOSED,
  SESSION_TRANSPORT_CLOSING,
  SESSION_TRANSPORT_DELETED,
  SessionTable,
  SF_APP_CLOSED,
  SF_CONNECTED_MODE,
  SF_DATAGRAM,
  SF_END_NOTIFIED,
  SF_HALF_CLOSED,
  SF_IP6,
  SF_KNOWN,
  SF_QUEUED,
  SF_RESET,
  SF_STARVED,
  SF_WANT_TX,
} from "./session-table.js";
import { SourcePorts } from "./source-port.js";
import { TransmitQueue } from "./transmit-queue.js";
import { isAnyAddress } from "./uri.js";

/** Ticks of 100 us after which writers that found no fifo memory try again: 10 ms. */
const STARVED_RETRY_TICKS = 100;

/** What the session layer asks of whoever runs it. */
export interface SessionHooks {
  /** Something is to be done by session-input or session-queue: the engine must take a turn. Cheap, may come at any time. */
  wake(): void;
  /** An application's callback threw; its session was reset. */
  reportError(error: unknown, session: SessionHandle): void;
}

/** What the session layer is built upon. */
export interface SessionParts {
  readonly window: MemoryWindow;
  readonly fifos: FifoSegment;
  readonly lookup: SessionLookup;
  readonly addresses: LocalAddresses;
  readonly random: Random;
  readonly config: SessionConfig;
  readonly hooks: SessionHooks;
}

/** How to listen. */
export interface ListenOptions {
  /** Half-open connections at most. */
  readonly backlog?: number;
  /** Datagrams only: a session per peer instead of one for all. */
  readonly connected?: boolean;
}

/**
 * Sessions between transports and applications (VPP's session layer). Transports report through {@link TransportUpcalls};
 * applications hear of it in session-input ({@link deliver}). Control calls return 0 or an index, or a negative session
 * error, and throw nothing. See README.md for the life of a session.
 */
export class SessionLayer implements TransportUpcalls, SessionOwner, Timed {
  readonly window: MemoryWindow;
  readonly fifos: FifoSegment;
  readonly lookup: SessionLookup;
  readonly table: SessionTable;
  readonly applications: Applications;
  readonly transmitQueue: TransmitQueue;
  readonly sourcePorts: SourcePorts;
  /** By protocol number. */
  readonly transports: (Transport | undefined)[] = new Array<undefined>(MAX_TRANSPORTS).fill(undefined);
  /** How often each session error was given as an answer, by its number (VPP: show session stats). */
  readonly errorCounts = new Float64Array(SESSION_ERRORS.length);
  readonly config: SessionConfig;
  readonly #i32: Int32Array;
  readonly #addresses: LocalAddresses;
  readonly #hooks: SessionHooks;
  readonly #events: EventQueue;
  readonly #delivery: SessionDelivery;
  /** Handles of sessions whose writer found no memory. */
  readonly #starved: SessionHandle[] = [];
  #starvedTick = 0;
  #tick = 0;

  /** Reserves the session rows. Throws RangeError when the window is full or a setting is out of range. */
  constructor(parts: SessionParts) {
    const { window, config } = parts;
    const { minSrcPort, maxSrcPort } = config;
    if (!(minSrcPort >= 1 && minSrcPort <= maxSrcPort && maxSrcPort <= 65535)) {
      throw new RangeError(`session: source ports ${minSrcPort} to ${maxSrcPort} are no range`);
    }
    this.window = window;
    this.#i32 = window.i32;
    this.fifos = parts.fifos;
    this.lookup = parts.lookup;
    this.config = config;
    this.#addresses = parts.addresses;
    this.#hooks = parts.hooks;
    this.table = new SessionTable(window, config.maxSessions);
    this.applications = new Applications(this.#i32, this.table, config);
    this.transmitQueue = new TransmitQueue(window);
    this.sourcePorts = new SourcePorts(parts.lookup, parts.random, { minPort: minSrcPort, maxPort: maxSrcPort });
    this.#events = new EventQueue(this.#i32, this.table);
    this.#delivery = new SessionDelivery(this.#i32, this.table, this.#events, this.applications, this);
  }

  /** Adds a transport; before any session uses it. Throws RangeError when the window is full. */
  register(transport: Transport): void {
    this.transports[transport.proto] = transport;
    this.lookup.registerRows(transport.proto, transport.rows);
    this.transmitQueue.register(transport);
  }

  /** The transport of that name; undefined when it is not registered. */
  transportByName(name: string): Transport | undefined {
    return this.transports.find((transport) => transport?.name === name);
  }

  #fail(error: SessionErrorValue): SessionErrorValue {
    this.errorCounts[-error]++;
    return error;
  }

  #raise(s: SessionIndex, events: number): void {
    if (this.#events.raise(s, events)) this.#hooks.wake();
  }

  /** Word index of a connection's row. */
  #connectionRow(proto: number, c: ConnectionIndex): number {
    const { rows } = this.transports[proto] as Transport;
    return rows.base + Math.imul(c, rows.stride);
  }

  // ---- Applications ----

  /** Attaches an application. Returns its index, or a negative session error. */
  attach(options: ApplicationOptions, callbacks: ApplicationCallbacks): number {
    const app = this.applications.attach(options, callbacks);
    return typeof app === "number" ? this.#fail(app) : app.index;
  }

  /** Detaches an application: its listeners end, its sessions are closed, it hears no more. */
  detach(appIndex: number): number {
    const app = this.#app(appIndex);
    if (app === undefined) return this.#fail(SESSION_E_NOAPP);
    const sessions = this.applications.sessionsOf(app);
    this.applications.detach(app);
    for (const s of sessions) this.close(s);
    return 0;
  }

  #app(index: number): Application | undefined {
    const app = this.applications.at(index);
    return app?.isAttached === true ? app : undefined;
  }

  // ---- Listening and connecting ----

  /**
   * Listens on an endpoint; port 0: on one that is free. Returns the listener, or NOAPP, NOSUPPORT (no such transport),
   * NOIP (not an address of this host), ALREADY_LISTENING, NOPORT, ALLOC, SEG_NO_SPACE.
   */
  listen(appIndex: number, proto: number, local: Endpoint, options: ListenOptions = {}): SessionIndex {
    const app = this.#app(appIndex);
    if (app === undefined) return this.#fail(SESSION_E_NOAPP);
    const transport = this.transports[proto];
    if (transport === undefined) return this.#fail(SESSION_E_NOSUPPORT);
    const { backlog = this.config.backlog, connected = false } = options;
    if (!(backlog >= 0)) return this.#fail(SESSION_E_INVALID);
    const { family, address } = local;
    const fib = family === 6 ? app.fib6 : app.fib4;
    if (!isAnyAddress(local) && !this.#addresses.isLocal(fib, family, address)) return this.#fail(SESSION_E_NOIP);
    let { port } = local;
    if (port === 0) port = this.sourcePorts.chooseForListener(fib, proto, local);
    if (port < 0) return this.#fail(port);
    const endpoint: Endpoint = { family, address: address.slice(), port };
    if (this.lookup.listenerAt(fib, proto, endpoint) >= 0) return this.#fail(SESSION_E_ALREADY_LISTENING);

    const s = this.#newSession(app, transport, family === 6);
    if (s < 0) return this.#fail(s);
    const i32 = this.#i32;
    const r = this.table.row(s);
    i32[r + S_BACKLOG] = Math.min(backlog, 0x7fff_ffff);
    if (connected) i32[r + S_FLAGS] |= SF_CONNECTED_MODE;
    if (!this.lookup.addListener(fib, proto, endpoint, s)) {
      this.release(s);
      return this.#fail(SESSION_E_ALLOC);
    }
    i32[r + S_STATE] = SESSION_LISTENING;
    const c = transport.startListen(s, endpoint, fib, app.rxFifoBytes);
    const error = c < 0 ? c : transport.isDatagram && !connected ? this.#giveFifos(app, s, proto, c) : 0;
    if (error < 0) {
      if (c >= 0) transport.stopListen(c);
      this.lookup.delListener(fib, proto, endpoint);
      this.release(s);
      return this.#fail(error);
    }
    i32[r + S_CONNECTION] = c;
    this.#guard(s, () => app.callbacks.listened?.(s));
    return s;
  }

  /** Ends a listener of an application: NOLISTEN, OWNER. Accepted sessions live on. */
  unlisten(appIndex: number, s: SessionIndex): number {
    if (!this.table.isUsed(s)) return this.#fail(SESSION_E_NOLISTEN);
    const r = this.table.row(s);
    if (this.#i32[r + S_STATE] !== SESSION_LISTENING) return this.#fail(SESSION_E_NOLISTEN);
    if (this.#i32[r + S_APP] !== appIndex) return this.#fail(SESSION_E_OWNER);
    return this.#closeListener(s, r);
  }

  #closeListener(s: SessionIndex, r: number): number {
    const i32 = this.#i32;
    const app = this.#app(i32[r + S_APP]);
    const local = this.localEndpoint(s);
    const fib = (i32[r + S_FLAGS] & SF_IP6) !== 0 ? (app?.fib6 ?? 0) : (app?.fib4 ?? 0);
    if (local !== undefined) this.lookup.delListener(fib, i32[r + S_PROTO], local);
    i32[r + S_STATE] = SESSION_CLOSED;
    i32[r + S_FLAGS] |= SF_APP_CLOSED;
    this.transports[i32[r + S_PROTO]]?.stopListen(i32[r + S_CONNECTION]);
    i32[r + S_CONNECTION] = -1;
    if (app !== undefined) this.#guard(s, () => app.callbacks.unlistened?.(s));
    this.#raise(s, EV_CLEANUP_SESSION);
    return 0;
  }

  #guard(s: SessionIndex, call: () => void): void {
    try {
      call();
    } catch (error) {
      this.reportError(error, this.table.handle(s));
    }
  }

  /**
   * Starts an active open from `local` (absent, or with address or port 0: chosen). Returns the session, of which the
   * application hears by `connected`, or NOAPP, NOSUPPORT, INVALID, INVALID_RMT_IP (nobody's, or those of many, RFC 9293
   * MUST-46), NOROUTE, NOIP, NOPORT, PORTINUSE, ALLOC.
   */
  connect(
    appIndex: number,
    proto: number,
    remote: Endpoint,
    local?: Endpoint,
    attributes?: ConnectionAttributes,
  ): SessionIndex {
    const app = this.#app(appIndex);
    if (app === undefined) return this.#fail(SESSION_E_NOAPP);
    const transport = this.transports[proto];
    if (transport === undefined) return this.#fail(SESSION_E_NOSUPPORT);
    const { family } = remote;
    if (remote.port === 0 || (local !== undefined && local.family !== family)) return this.#fail(SESSION_E_INVALID);
    const fib = family === 6 ? app.fib6 : app.fib4;
    const isForMany = (): boolean => isMulticast(remote) || this.#addresses.isBroadcast(fib, family, remote.address);
    if (isAnyAddress(remote) || (!transport.isDatagram && isForMany())) return this.#fail(SESSION_E_INVALID_RMT_IP);
    const address = new Int32Array(4);
    if (local !== undefined && !isAnyAddress(local)) {
      if (!this.#addresses.isLocal(fib, family, local.address)) return this.#fail(SESSION_E_NOIP);
      address.set(local.address);
    } else {
      const error = this.#addresses.sourceFor(fib, family, remote.address, address);
      if (error < 0) return this.#fail(error);
    }
    let port = local?.port ?? 0;
    if (port === 0) port = this.sourcePorts.choose(fib, proto, { family, address, port: 0 }, remote);
    if (port < 0) return this.#fail(port);
    const from: Endpoint = { family, address, port };
    const inUse = this.sourcePorts.check(fib, proto, from, remote);
    if (inUse < 0) return this.#fail(inUse);

    const s = this.#newSession(app, transport, family === 6);
    if (s < 0) return this.#fail(s);
    const i32 = this.#i32;
    const r = this.table.row(s);
    i32[r + S_STATE] = SESSION_CONNECTING;
    const context = ((i32[r + S_GENERATION] & 0xff) << 24) | s;
    const c = transport.connect({ remote, local: from, fib, rxFifoBytes: app.rxFifoBytes, context, attributes });
    if (i32[r + S_STATE] !== SESSION_CONNECTING) return s;
    if (c < 0) {
      this.release(s);
      return this.#fail(c);
    }
    i32[r + S_CONNECTION] = c;
    // The transport has put its first packet on its way, and started a timer.
    this.#hooks.wake();
    return s;
  }

  #newSession(app: Application, transport: Transport, isIp6: boolean): SessionIndex {
    const s = this.table.alloc();
    if (s < 0) return SESSION_E_ALLOC;
    const i32 = this.#i32;
    const r = this.table.row(s);
    i32[r + S_PROTO] = transport.proto;
    i32[r + S_FLAGS] = (transport.isDatagram ? SF_DATAGRAM : 0) | (isIp6 ? SF_IP6 : 0);
    this.applications.adopt(app, s);
    return s;
  }

  /** Makes the fifos of a session and tells its connection. */
  #giveFifos(app: Application, s: SessionIndex, proto: number, c: ConnectionIndex): number {
    const rx = this.fifos.allocFifo(app.rxFifoBytes);
    if (rx === 0) return SESSION_E_SEG_NO_SPACE;
    const tx = this.fifos.allocFifo(app.txFifoBytes);
    if (tx === 0) {
      this.fifos.freeFifo(rx);
      return SESSION_E_SEG_NO_SPACE;
    }
    const i32 = this.#i32;
    const r = this.table.row(s);
    i32[r + S_RX_FIFO] = rx;
    i32[r + S_TX_FIFO] = tx;
    i32[r + S_CONNECTION] = c;
    const row = this.#connectionRow(proto, c);
    i32[row + C_SESSION] = s;
    i32[row + C_RX_FIFO] = rx;
    i32[row + C_TX_FIFO] = tx;
    return 0;
  }

  // ---- TransportUpcalls ----

  mayAccept(listener: SessionIndex): boolean {
    const i32 = this.#i32;
    const r = this.table.row(listener);
    if (!this.table.isUsed(listener) || i32[r + S_STATE] !== SESSION_LISTENING) {
      this.errorCounts[-SESSION_E_NOLISTEN]++;
      return false;
    }
    if (this.table.available === 0) {
      this.errorCounts[-SESSION_E_ALLOC]++;
      return false;
    }
    if (i32[r + S_HALF_OPENS] >= i32[r + S_BACKLOG]) {
      this.errorCounts[-SESSION_E_REFUSED]++;
      return false;
    }
    i32[r + S_HALF_OPENS]++;
    return true;
  }

  halfOpenEnded(listener: SessionIndex): void {
    if (!this.table.isUsed(listener)) return;
    const at = this.table.row(listener) + S_HALF_OPENS;
    if (this.#i32[at] > 0 && this.#i32[at - S_HALF_OPENS + S_STATE] === SESSION_LISTENING) this.#i32[at]--;
  }

  accepted(proto: number, c: ConnectionIndex, listener: SessionIndex): number {
    const i32 = this.#i32;
    this.halfOpenEnded(listener);
    const l = this.table.row(listener);
    if (!this.table.isUsed(listener) || i32[l + S_STATE] !== SESSION_LISTENING) return this.#fail(SESSION_E_NOLISTEN);
    const app = this.#app(i32[l + S_APP]);
    if (app === undefined) return this.#fail(SESSION_E_NOAPP);
    const transport = this.transports[proto] as Transport;
    const isIp6 = (i32[this.#connectionRow(proto, c) + C_FLAGS] & CF_IP6) !== 0;
    const s = this.#newSession(app, transport, isIp6);
    if (s < 0) return this.#fail(s);
    const error = this.#giveFifos(app, s, proto, c);
    if (error < 0) {
      this.release(s);
      return this.#fail(error);
    }
    const r = this.table.row(s);
    i32[r + S_LISTENER] = listener;
    i32[r + S_STATE] = SESSION_ACCEPTING;
    this.#raise(s, EV_ACCEPTED);
    return 0;
  }

  connected(proto: number, c: ConnectionIndex, context: number, error: number): number {
    const i32 = this.#i32;
    const s = context & 0xff_ffff;
    const r = this.table.row(s);
    const isOurs =
      this.table.isUsed(s) &&
      i32[r + S_STATE] === SESSION_CONNECTING &&
      (i32[r + S_GENERATION] & 0xff) === context >>> 24;
    if (!isOurs) return SESSION_E_NOSESSION;
    const app = this.#app(i32[r + S_APP]);
    let result = error;
    if (result === 0) result = app === undefined ? SESSION_E_NOAPP : this.#giveFifos(app, s, proto, c);
    if (result < 0) {
      this.#fail(result);
      i32[r + S_ERROR] = result;
      i32[r + S_CONNECTION] = -1;
      i32[r + S_STATE] = SESSION_TRANSPORT_DELETED;
    } else i32[r + S_STATE] = SESSION_READY;
    this.#raise(s, EV_CONNECTED);
    return error < 0 ? 0 : result;
  }

  received(s: SessionIndex): void {
    if (s < 0) return;
    const r = this.table.row(s);
    if ((this.#i32[r + S_EVENTS] & EV_RX) === 0) this.#raise(s, EV_RX);
  }

  urgent(s: SessionIndex): void {
    if (s >= 0) this.#raise(s, EV_URGENT);
  }

  softError(s: SessionIndex, kind: number): void {
    if (s < 0) return;
    this.#i32[this.table.row(s) + S_SOFT_ERROR] = kind;
    this.#raise(s, EV_SOFT_ERROR);
  }

  acknowledged(s: SessionIndex): void {
    if (s < 0) return;
    const i32 = this.#i32;
    const r = this.table.row(s);
    if ((i32[r + S_FLAGS] & SF_WANT_TX) === 0 || (i32[r + S_EVENTS] & EV_TX) !== 0) return;
    const tx = i32[r + S_TX_FIFO];
    // A quarter of the fifo at once, so that a writer does not fill it up crumb by crumb.
    if (this.fifos.maxEnqueue(tx) >= this.fifos.capBytes(tx) >> 2) this.#raise(s, EV_TX);
  }

  closing(s: SessionIndex): void {
    if (s < 0) return;
    const i32 = this.#i32;
    const r = this.table.row(s);
    if (i32[r + S_STATE] < SESSION_TRANSPORT_CLOSING) i32[r + S_STATE] = SESSION_TRANSPORT_CLOSING;
    this.#endOfStream(s, r);
  }

  #endOfStream(s: SessionIndex, r: number): void {
    const i32 = this.#i32;
    if ((i32[r + S_FLAGS] & (SF_END_NOTIFIED | SF_APP_CLOSED)) !== 0) return;
    i32[r + S_FLAGS] |= SF_END_NOTIFIED;
    this.#raise(s, EV_DISCONNECT);
  }

  reset(s: SessionIndex, error: number): void {
    const i32 = this.#i32;
    if (s < 0) return;
    const r = this.table.row(s);
    if ((i32[r + S_FLAGS] & SF_RESET) !== 0 || i32[r + S_STATE] === SESSION_TRANSPORT_DELETED) return;
    i32[r + S_FLAGS] |= SF_RESET | SF_END_NOTIFIED;
    i32[r + S_ERROR] = error;
    this.errorCounts[-error]++;
    this.#discard(r);
    const isUntold = (i32[r + S_EVENTS] & EV_ACCEPTED) !== 0;
    i32[r + S_EVENTS] &= ~(EV_ACCEPTED | EV_URGENT | EV_RX | EV_TX | EV_SOFT_ERROR | EV_DISCONNECT);
    // An application that was never told of a session need not be told of its end.
    if (isUntold) i32[r + S_FLAGS] |= SF_APP_CLOSED;
    if ((i32[r + S_FLAGS] & SF_APP_CLOSED) !== 0) {
      i32[r + S_STATE] = SESSION_CLOSED;
      this.#raise(s, EV_CLEANUP_TRANSPORT | EV_CLEANUP_SESSION);
    } else {
      i32[r + S_STATE] = SESSION_TRANSPORT_CLOSED;
      this.#raise(s, EV_RESET);
    }
  }

  #discard(r: number): void {
    const i32 = this.#i32;
    if (i32[r + S_RX_FIFO] !== 0) this.fifos.dropAll(i32[r + S_RX_FIFO]);
    if (i32[r + S_TX_FIFO] !== 0) this.fifos.dropAll(i32[r + S_TX_FIFO]);
  }

  closed(s: SessionIndex): void {
    if (s < 0) return;
    const i32 = this.#i32;
    const r = this.table.row(s);
    const state = i32[r + S_STATE];
    if (state >= SESSION_TRANSPORT_CLOSED) return;
    if ((i32[r + S_FLAGS] & SF_APP_CLOSED) !== 0) {
      i32[r + S_STATE] = SESSION_CLOSED;
      this.#raise(s, EV_TRANSPORT_CLOSED | EV_CLEANUP_TRANSPORT | EV_CLEANUP_SESSION);
      return;
    }
    i32[r + S_STATE] = SESSION_TRANSPORT_CLOSED;
    this.#endOfStream(s, r);
    this.#raise(s, EV_TRANSPORT_CLOSED);
  }

  deleted(s: SessionIndex): void {
    if (s < 0) return;
    const i32 = this.#i32;
    const r = this.table.row(s);
    if (i32[r + S_STATE] === SESSION_TRANSPORT_DELETED) return;
    const wasClosed = i32[r + S_STATE] === SESSION_CLOSED;
    i32[r + S_STATE] = SESSION_TRANSPORT_DELETED;
    i32[r + S_CONNECTION] = -1;
    if (i32[r + S_TX_FIFO] !== 0) this.fifos.dropAll(i32[r + S_TX_FIFO]);
    if ((i32[r + S_FLAGS] & SF_APP_CLOSED) !== 0) {
      if (!wasClosed) this.#raise(s, EV_CLEANUP_TRANSPORT | EV_CLEANUP_SESSION);
      return;
    }
    this.#endOfStream(s, r);
    this.#raise(s, EV_CLEANUP_TRANSPORT);
  }

  wantTransmit(proto: number, c: ConnectionIndex): void {
    const at = this.#connectionRow(proto, c) + C_FLAGS;
    this.#i32[at] |= CF_TX_QUEUED;
    if (this.transmitQueue.push(proto, c)) this.#hooks.wake();
  }

  // ---- Closing ----

  /** Closes both directions; what is written already is still sent. 0 also when it was closed before; NOSESSION. */
  close(s: SessionIndex): number {
    if (!this.table.isUsed(s)) return SESSION_E_NOSESSION;
    const i32 = this.#i32;
    const r = this.table.row(s);
    const state = i32[r + S_STATE];
    if ((i32[r + S_FLAGS] & SF_APP_CLOSED) !== 0) return 0;
    if (state === SESSION_LISTENING) return this.#closeListener(s, r);
    i32[r + S_FLAGS] |= SF_APP_CLOSED;
    const transport = this.transports[i32[r + S_PROTO]];
    if (state === SESSION_CONNECTING) {
      this.#abandonConnect(s, r);
    } else if (state === SESSION_TRANSPORT_DELETED) {
      this.#raise(s, EV_CLEANUP_SESSION);
    } else if (state === SESSION_TRANSPORT_CLOSED) {
      i32[r + S_STATE] = SESSION_CLOSED;
      this.#raise(s, EV_CLEANUP_TRANSPORT | EV_CLEANUP_SESSION);
    } else {
      i32[r + S_STATE] = SESSION_CLOSING;
      transport?.close(i32[r + S_CONNECTION]);
      if (i32[r + S_STATE] === SESSION_CLOSING) i32[r + S_STATE] = SESSION_APP_CLOSED;
    }
    return 0;
  }

  #abandonConnect(s: SessionIndex, r: number): void {
    const i32 = this.#i32;
    const c = i32[r + S_CONNECTION];
    i32[r + S_STATE] = SESSION_TRANSPORT_DELETED;
    i32[r + S_ERROR] = SESSION_E_REFUSED;
    i32[r + S_CONNECTION] = -1;
    if (c >= 0) this.transports[i32[r + S_PROTO]]?.close(c);
    this.#raise(s, EV_CONNECTED);
  }

  /** Ends a session at once, by a reset; unread and unsent data is gone. 0, or NOSESSION. */
  terminate(s: SessionIndex): number {
    if (!this.table.isUsed(s)) return SESSION_E_NOSESSION;
    const i32 = this.#i32;
    const r = this.table.row(s);
    const state = i32[r + S_STATE];
    if (state === SESSION_LISTENING || state === SESSION_CONNECTING || state >= SESSION_TRANSPORT_CLOSED) {
      return this.close(s);
    }
    i32[r + S_FLAGS] |= SF_APP_CLOSED | SF_RESET;
    i32[r + S_STATE] = SESSION_CLOSED;
    this.transports[i32[r + S_PROTO]]?.reset(i32[r + S_CONNECTION]);
    this.#discard(r);
    this.#raise(s, EV_CLEANUP_TRANSPORT | EV_CLEANUP_SESSION);
    return 0;
  }

  /** Ends the writing direction: FIN after what is written. NOSESSION, or NOSUPPORT for datagrams. */
  halfClose(s: SessionIndex): number {
    if (!this.isWritable(s)) return SESSION_E_NOSESSION;
    const i32 = this.#i32;
    const r = this.table.row(s);
    if ((i32[r + S_FLAGS] & SF_DATAGRAM) !== 0) return SESSION_E_NOSUPPORT;
    i32[r + S_FLAGS] |= SF_HALF_CLOSED;
    this.transports[i32[r + S_PROTO]]?.halfClose(i32[r + S_CONNECTION]);
    return 0;
  }

  release(s: SessionIndex): void {
    const i32 = this.#i32;
    const r = this.table.row(s);
    if ((i32[r + S_FLAGS] & SF_QUEUED) !== 0) {
      // It waits in the event queue once more: it goes when its turn comes.
      i32[r + S_FLAGS] = (i32[r + S_FLAGS] | SF_APP_CLOSED) & ~SF_KNOWN;
      i32[r + S_EVENTS] = EV_CLEANUP_SESSION;
      return;
    }
    const c = i32[r + S_CONNECTION];
    if (c >= 0) {
      // The transport goes on without a session (TIME_WAIT).
      const row = this.#connectionRow(i32[r + S_PROTO], c);
      if (i32[row + C_SESSION] === s) {
        i32[row + C_SESSION] = -1;
        i32[row + C_RX_FIFO] = i32[row + C_TX_FIFO] = 0;
      }
    }
    if (i32[r + S_RX_FIFO] !== 0) this.fifos.freeFifo(i32[r + S_RX_FIFO]);
    if (i32[r + S_TX_FIFO] !== 0) this.fifos.freeFifo(i32[r + S_TX_FIFO]);
    this.applications.disown(s);
    this.table.free(s);
  }

  reportError(error: unknown, session: SessionHandle): void {
    this.#hooks.reportError(error, session);
  }

  // ---- What session-io builds on ----

  /** Whether the application may still write. */
  isWritable(s: SessionIndex): boolean {
    if (!this.table.isUsed(s)) return false;
    const i32 = this.#i32;
    const r = this.table.row(s);
    const state = i32[r + S_STATE];
    return (
      (i32[r + S_FLAGS] & (SF_APP_CLOSED | SF_HALF_CLOSED | SF_RESET)) === 0 &&
      i32[r + S_TX_FIFO] !== 0 &&
      state !== SESSION_CONNECTING &&
      state < SESSION_CLOSING
    );
  }

  /** Notes that a write was cut short: the application is to hear by tx when there is room. */
  wantTx(s: SessionIndex): void {
    const i32 = this.#i32;
    const r = this.table.row(s);
    i32[r + S_FLAGS] |= SF_WANT_TX;
    // Nothing under way will come back acknowledged: it is memory that lacks, so try again in a while.
    if (this.fifos.maxDequeue(i32[r + S_TX_FIFO]) > 0 || (i32[r + S_FLAGS] & SF_STARVED) !== 0) return;
    i32[r + S_FLAGS] |= SF_STARVED;
    if (this.#starved.length === 0) this.#starvedTick = (this.#tick + STARVED_RETRY_TICKS) | 0;
    this.#starved.push(this.table.handle(s));
  }

  /** The transport's connection of a session or listener, -1 while there is none. */
  connectionOf(s: SessionIndex): ConnectionIndex {
    return this.#i32[this.table.row(s) + S_CONNECTION];
  }

  /** The local end of a session or listener; undefined without a connection. */
  localEndpoint(s: SessionIndex): Endpoint | undefined {
    return this.#endpoint(s, true);
  }

  /** The remote end; undefined without a connection. Of a listener: any address, port 0. */
  remoteEndpoint(s: SessionIndex): Endpoint | undefined {
    return this.#endpoint(s, false);
  }

  #endpoint(s: SessionIndex, isLocal: boolean): Endpoint | undefined {
    if (!this.table.isUsed(s)) return undefined;
    const i32 = this.#i32;
    const r = this.table.row(s);
    const c = i32[r + S_CONNECTION];
    return c < 0 ? undefined : connectionEndpoint(i32, this.#connectionRow(i32[r + S_PROTO], c), isLocal);
  }

  // ---- Turns ----

  /** The work of session-input: tells applications what happened. Returns how many sessions had something. */
  deliver(): number {
    return this.#delivery.run();
  }

  setNow(tick: number): void {
    this.#tick = tick;
  }

  expire(tick: number): void {
    this.#tick = tick;
    if (this.#starved.length === 0 || ((tick - this.#starvedTick) | 0) < 0) return;
    const handles = this.#starved.splice(0);
    for (const handle of handles) {
      const s = this.table.find(handle);
      if (s < 0) continue;
      this.#i32[this.table.row(s) + S_FLAGS] &= ~SF_STARVED;
      this.#raise(s, EV_TX);
    }
  }

  nextExpiry(tick: number): number {
    if (this.#events.length > 0 || this.transmitQueue.length > 0) return 0;
    if (this.#starved.length === 0) return -1;
    const ticks = (this.#starvedTick - tick) | 0;
    return ticks > 0 ? ticks : 0;
  }
}

function isMulticast({ family, address }: Endpoint): boolean {
  return family === 4 ? address[0] >>> 28 >= 14 : address[0] >>> 24 === 0xff;
}
