import type { FifoOffset } from "../mem/fifo-layout.js";
import type { FifoTable } from "../mem/fifo-table.js";
import type { MemoryWindow } from "../mem/window.js";
import type { Random } from "../random/random.js";
import {
  C_RX_FIFO,
  C_SESSION,
  C_TX_FIFO,
  type ConnectionIndex,
  type Endpoint,
  MAX_TRANSPORTS,
  type SessionIndex,
  type Transport,
} from "../transport/transport.js";
import type { AppNamespaces } from "./app-namespace.js";
import type { AppWorker } from "./application.js";
import { Applications } from "./applications.js";
import { connectionEndpoint } from "./connection-endpoint.js";
import { EV_CLEANUP_SESSION, EventQueue } from "./event-queue.js";
import { EvtCollectors } from "./evt-collector.js";
import { isTuned } from "./fifo-tuning-options.js";
import type { FlowPackets } from "./flow-packets.js";
import type { LocalAddresses } from "./local-addresses.js";
import type { SessionLookup } from "./lookup.js";
import type { SessionConfig } from "./session-config.js";
import { SESSION_E_ALLOC, SESSION_E_SEG_NO_SPACE, SESSION_ERRORS, type SessionErrorValue } from "./session-errors.js";
import type { SessionHandle } from "./session-handle.js";
import { SegmentManagers } from "./segment-managers.js";
import {
  S_CONNECTION,
  S_EVENTS,
  S_FIFO_PEER,
  S_FLAGS,
  S_PROTO,
  S_RX_FIFO,
  S_START_MS,
  S_STATE,
  S_TX_FIFO,
  SESSION_LISTENING,
  SessionTable,
  SF_APP_CLOSED,
  SF_DATAGRAM,
  SF_IP6,
  SF_KNOWN,
  SF_QUEUED,
  SF_SHARED_FIFOS,
  SF_SUBSCRIBED,
  SF_TUNED,
} from "./session-table.js";
import { SessionSubscribers } from "./subscribers.js";
import { SourceAddresses } from "./source-address.js";
import { SourcePorts } from "./source-port.js";

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
  readonly fifos: FifoTable;
  readonly lookup: SessionLookup;
  readonly addresses: LocalAddresses;
  /** Where the first packets of undecided flows wait. */
  readonly packets: FlowPackets;
  readonly random: Random;
  readonly config: SessionConfig;
  readonly hooks: SessionHooks;
}

/** What all parts of the session layer share: the rows, their fifos, who is to be told, and the errors that were answered. */
export class SessionCore {
  readonly window: MemoryWindow;
  readonly i32: Int32Array;
  readonly fifos: FifoTable;
  readonly lookup: SessionLookup;
  readonly addresses: LocalAddresses;
  readonly config: SessionConfig;
  readonly table: SessionTable;
  readonly namespaces: AppNamespaces;
  readonly segments: SegmentManagers;
  readonly applications: Applications;
  readonly sourcePorts: SourcePorts;
  readonly sourceAddresses: SourceAddresses;
  readonly events: EventQueue;
  /** By protocol number. */
  readonly transports: (Transport | undefined)[] = new Array<undefined>(MAX_TRANSPORTS).fill(undefined);
  /** How often each session error was given as an answer, by its number (VPP: show session stats). */
  readonly errorCounts = new Float64Array(SESSION_ERRORS.length);
  /** Why a session was reset or not opened, where its transport said more than the error. */
  readonly reasons = new Map<SessionIndex, string>();
  /** Time of this turn on a clock that begins with the stack, milliseconds. */
  nowMs = 0;
  /** Who is told of sessions that ended. */
  readonly collectors: EvtCollectors;
  /** Workers that hear of sessions of others. */
  readonly subscribers: SessionSubscribers;
  readonly #hooks: SessionHooks;

  /** Reserves the session rows. Throws RangeError when the window is full or a setting is out of range. */
  constructor(parts: SessionParts, namespaces: AppNamespaces) {
    const { window, config, lookup } = parts;
    const { minSrcPort, maxSrcPort } = config;
    if (!(minSrcPort >= 1 && minSrcPort <= maxSrcPort && maxSrcPort <= 65535)) {
      throw new RangeError(`session: source ports ${minSrcPort} to ${maxSrcPort} are no range`);
    }
    this.window = window;
    this.i32 = window.i32;
    this.fifos = parts.fifos;
    this.lookup = lookup;
    this.addresses = parts.addresses;
    this.config = config;
    this.#hooks = parts.hooks;
    this.table = new SessionTable(window, config.maxSessions);
    this.namespaces = namespaces;
    this.segments = new SegmentManagers(parts.fifos);
    this.applications = new Applications(this.i32, this.table, config, namespaces, this.segments);
    this.sourcePorts = new SourcePorts(lookup, parts.random, { minPort: minSrcPort, maxPort: maxSrcPort });
    this.sourceAddresses = new SourceAddresses(parts.addresses);
    this.events = new EventQueue(this.i32, this.table);
    this.collectors = new EvtCollectors(this);
    this.subscribers = new SessionSubscribers(this);
  }

  /** Counts an error that is about to be answered, and returns it. */
  fail(error: SessionErrorValue): SessionErrorValue {
    this.errorCounts[-error]++;
    return error;
  }

  /** A session's connection ends, by the peer's or a failure's `error` or without one: its row still says all. */
  ended(s: SessionIndex, error: SessionErrorValue): void {
    if (this.collectors.isOn) this.collectors.ended(s, error);
  }

  /** Asks for a turn of the engine. */
  wake(): void {
    this.#hooks.wake();
  }

  /** Notes what an application has to be told of a session. */
  raise(s: SessionIndex, events: number): void {
    if (this.events.raise(s, events)) this.#hooks.wake();
  }

  /** Calls an application within a control call; what it throws is reported. */
  guard(s: SessionIndex, call: () => void): void {
    try {
      call();
    } catch (error) {
      this.reportError(error, this.table.handle(s));
    }
  }

  /** A callback threw. */
  reportError(error: unknown, session: SessionHandle): void {
    this.#hooks.reportError(error, session);
  }

  /** Word index of a connection's row. */
  connectionRow(proto: number, c: ConnectionIndex): number {
    const { rows } = this.transports[proto] as Transport;
    return rows.base + Math.imul(c, rows.stride);
  }

  /** One end of a session's connection; undefined without one. */
  endpoint(s: SessionIndex, isLocal: boolean): Endpoint | undefined {
    if (!this.table.isUsed(s)) return undefined;
    const { i32 } = this;
    const r = this.table.row(s);
    const c = i32[r + S_CONNECTION];
    return c < 0 ? undefined : connectionEndpoint(i32, this.connectionRow(i32[r + S_PROTO], c), isLocal);
  }

  /** Makes a session of an application worker. Returns it, or ALLOC. */
  newSession(worker: AppWorker, transport: Transport, isIp6: boolean): SessionIndex {
    const s = this.table.alloc();
    if (s < 0) return SESSION_E_ALLOC;
    const r = this.table.row(s);
    this.i32[r + S_PROTO] = transport.proto;
    this.i32[r + S_FLAGS] = (transport.isDatagram ? SF_DATAGRAM : 0) | (isIp6 ? SF_IP6 : 0);
    this.applications.adopt(worker, s);
    return s;
  }

  /**
   * Makes the fifos of a session, which by cut-through will be those of a session of worker `peer` too, and tells its
   * connection. Returns 0 or SEG_NO_SPACE.
   */
  giveFifos(
    worker: AppWorker,
    s: SessionIndex,
    proto: number,
    c: ConnectionIndex,
    peer?: AppWorker,
  ): SessionErrorValue {
    const { rxFifoBytes, txFifoBytes } = worker.app;
    const segments = peer === undefined ? worker.segments : this.segments.between(worker.segments, peer.segments);
    if (segments === undefined) return SESSION_E_SEG_NO_SPACE;
    const rx = segments.alloc(rxFifoBytes);
    if (rx === 0) return SESSION_E_SEG_NO_SPACE;
    const tx = segments.alloc(txFifoBytes);
    if (tx === 0) {
      this.segments.freeFifo(rx);
      return SESSION_E_SEG_NO_SPACE;
    }
    this.#join(s, proto, c, rx, tx);
    if (peer === undefined && isTuned(worker.app)) this.i32[this.table.row(s) + S_FLAGS] |= SF_TUNED;
    return 0;
  }

  /** Gives a session the fifos of `peer`, the other end of a cut-through connection, crosswise, and tells its connection. */
  shareFifos(s: SessionIndex, proto: number, c: ConnectionIndex, peer: SessionIndex): void {
    const { i32 } = this;
    const r = this.table.row(s);
    const p = this.table.row(peer);
    this.#join(s, proto, c, i32[p + S_TX_FIFO], i32[p + S_RX_FIFO]);
    i32[r + S_FLAGS] |= SF_SHARED_FIFOS;
    i32[p + S_FLAGS] |= SF_SHARED_FIFOS;
    i32[r + S_FIFO_PEER] = peer + 1;
    i32[p + S_FIFO_PEER] = s + 1;
  }

  #join(s: SessionIndex, proto: number, c: ConnectionIndex, rx: FifoOffset, tx: FifoOffset): void {
    const { i32 } = this;
    const r = this.table.row(s);
    i32[r + S_RX_FIFO] = rx;
    i32[r + S_TX_FIFO] = tx;
    i32[r + S_CONNECTION] = c;
    // Of a listener, which has no end to report, the word is its backlog.
    if (i32[r + S_STATE] !== SESSION_LISTENING) i32[r + S_START_MS] = this.nowMs | 0;
    const row = this.connectionRow(proto, c);
    i32[row + C_SESSION] = s;
    i32[row + C_RX_FIFO] = rx;
    i32[row + C_TX_FIFO] = tx;
  }

  /** Drops what both fifos of the session in row `r` hold, but for what an application in another process may be reading. */
  discard(r: number): void {
    const { i32, fifos } = this;
    if (i32[r + S_RX_FIFO] !== 0) fifos.discard(i32[r + S_RX_FIFO]);
    if (i32[r + S_TX_FIFO] !== 0) fifos.discard(i32[r + S_TX_FIFO]);
  }

  /** Frees a session that both ends are done with, and its fifos. */
  release(s: SessionIndex): void {
    const { i32 } = this;
    const r = this.table.row(s);
    if ((i32[r + S_FLAGS] & SF_QUEUED) !== 0) {
      // It waits in the event queue once more: it goes when its turn comes.
      i32[r + S_FLAGS] = (i32[r + S_FLAGS] | SF_APP_CLOSED) & ~SF_KNOWN;
      i32[r + S_EVENTS] = EV_CLEANUP_SESSION;
      return;
    }
    if ((i32[r + S_FLAGS] & SF_SUBSCRIBED) !== 0) this.subscribers.sessionGoes(s);
    const c = i32[r + S_CONNECTION];
    if (c >= 0) {
      // The transport goes on without a session (TIME_WAIT).
      const row = this.connectionRow(i32[r + S_PROTO], c);
      if (i32[row + C_SESSION] === s) {
        i32[row + C_SESSION] = -1;
        i32[row + C_RX_FIFO] = i32[row + C_TX_FIFO] = 0;
      }
    }
    this.#freeFifos(r);
    if (this.reasons.size > 0) this.reasons.delete(s);
    this.applications.disown(s);
    this.table.free(s);
  }

  #freeFifos(r: number): void {
    const { i32 } = this;
    const peer = (i32[r + S_FLAGS] & SF_SHARED_FIFOS) === 0 ? 0 : i32[r + S_FIFO_PEER];
    if (peer > 0) {
      // The other end may still read: it goes last, and takes them with it.
      i32[this.table.row(peer - 1) + S_FIFO_PEER] = 0;
      return;
    }
    if (i32[r + S_RX_FIFO] !== 0) this.segments.freeFifo(i32[r + S_RX_FIFO]);
    if (i32[r + S_TX_FIFO] !== 0) this.segments.freeFifo(i32[r + S_TX_FIFO]);
  }
}
