import type { Timed } from "../graph/engine.js";
import type { FifoTable } from "../mem/fifo-table.js";
import type { MemoryWindow } from "../mem/window.js";
import {
  type ConnectionIndex,
  type Endpoint,
  type SessionIndex,
  type Transport,
  type TransportUpcalls,
} from "../transport/transport.js";
import type { Application, ApplicationCallbacks, ApplicationOptions, AppWorker } from "./application.js";
import type { ListenOptions } from "./app-listener.js";
import { AppListeners } from "./app-listeners.js";
import { AppNamespaces, type NamespaceRecord } from "./app-namespace.js";
import type { Applications } from "./applications.js";
import { AutoSdl } from "./auto-sdl.js";
import { SessionCloses } from "./closes.js";
import { type ConnectOptions, SessionConnects } from "./connects.js";
import { FifoTuning } from "./fifo-tuning.js";
import type { RtBackendName } from "./rt-backend.js";
import type { ClientView } from "./client-view.js";
import { EV_RX, EV_TX } from "./event-queue.js";
import type { EvtCollectors } from "./evt-collector.js";
import type { SessionLookup } from "./lookup.js";
import { FlowHooks } from "./flow-hooks.js";
import { RtEngines } from "./rt-engines.js";
import type { SessionConfig } from "./session-config.js";
import type { SegmentMaker } from "./segment-manager.js";
import type { SegmentManagers } from "./segment-managers.js";
import { SessionCore, type SessionParts } from "./session-core.js";
import { SessionDelivery, type SessionOwner } from "./session-delivery.js";
import {
  SESSION_E_ALLOC,
  SESSION_E_INVALID,
  SESSION_E_INVALID_APPWRK,
  SESSION_E_INVALID_NS,
  SESSION_E_NOAPP,
  SESSION_E_NOSESSION,
  SESSION_E_NOSUPPORT,
  SESSION_E_OWNER,
  type SessionErrorValue,
} from "./session-errors.js";
import type { SessionHandle } from "./session-handle.js";
import { isSessionRecord, type SessionRecord } from "./session-record.js";
import { SessionRules } from "./session-rules.js";
import { SessionSdl } from "./session-sdl.js";
import {
  S_CONNECTION,
  S_FLAGS,
  S_PROTO,
  S_RX_FIFO,
  S_STATE,
  S_WORKER,
  SESSION_LISTENING,
  type SessionTable,
  SF_KNOWN,
  SF_SPREAD,
  SF_SUBSCRIBED,
  SF_WANT_TX,
} from "./session-table.js";
import type { SubscribedEvent } from "./subscribed-event.js";
import type { SourcePorts } from "./source-port.js";
import { StarvedWriters } from "./starved-writers.js";
import { TransmitQueue } from "./transmit-queue.js";
import { SessionUpcalls } from "./upcalls.js";

/** Ticks of 100 us in a millisecond. */
const TICKS_PER_MS = 10;

/**
 * Sessions between transports and applications (VPP's session layer): the façade of its parts. Transports report through
 * {@link TransportUpcalls}; applications hear of it in session-input ({@link deliver}). Control calls return 0 or an
 * index, or a negative session error, and throw nothing. See README.md for the parts and the life of a session.
 */
export class SessionLayer implements TransportUpcalls, SessionOwner, Timed {
  readonly window: MemoryWindow;
  readonly fifos: FifoTable;
  readonly lookup: SessionLookup;
  readonly table: SessionTable;
  readonly namespaces: AppNamespaces;
  readonly applications: Applications;
  readonly segments: SegmentManagers;
  readonly listeners: AppListeners;
  readonly rules: SessionRules;
  readonly sdl: SessionSdl;
  readonly autoSdl: AutoSdl;
  readonly flows: FlowHooks;
  readonly transmitQueue: TransmitQueue;
  readonly sourcePorts: SourcePorts;
  /** Who is told of sessions that ended. */
  readonly collectors: EvtCollectors;
  /** By protocol number. */
  readonly transports: (Transport | undefined)[];
  /** How often each session error was given as an answer, by its number (VPP: show session stats). */
  readonly errorCounts: Float64Array;
  readonly config: SessionConfig;
  /** Called when applications have been told all that was to be told in this turn: who collects it for others passes it on. */
  delivered: () => void = () => undefined;
  /** Called when a namespace came or went. */
  namespacesChanged: () => void = () => undefined;
  /** Called when the last worker of an application has gone: what it had elsewhere goes, too. */
  appEnded: (app: number) => void = () => undefined;
  /** Workers in other processes. */
  clients: () => readonly ClientView[] = () => [];
  readonly #core: SessionCore;
  readonly #upcalls: SessionUpcalls;
  readonly #connects: SessionConnects;
  readonly #closes: SessionCloses;
  readonly #starved: StarvedWriters;
  readonly #engines: RtEngines;
  readonly #tuning: FifoTuning;
  readonly #delivery: SessionDelivery;
  readonly #i32: Int32Array;
  #isEnabled = true;
  #tick = 0;

  /** Reserves the session rows. Throws RangeError when the window is full or a setting is out of range. */
  constructor(parts: SessionParts) {
    const { addresses, config } = parts;
    this.namespaces = new AppNamespaces(addresses, config.maxNamespaces, config.secret);
    const core = new SessionCore(parts, this.namespaces);
    this.#core = core;
    this.window = core.window;
    this.#i32 = core.i32;
    this.fifos = core.fifos;
    this.lookup = core.lookup;
    this.table = core.table;
    this.config = core.config;
    this.applications = core.applications;
    this.segments = core.segments;
    this.sourcePorts = core.sourcePorts;
    this.collectors = core.collectors;
    this.transports = core.transports;
    this.errorCounts = core.errorCounts;
    this.transmitQueue = new TransmitQueue(core.window);
    this.listeners = new AppListeners(core);
    this.rules = new SessionRules(core, this.listeners, parts.random);
    this.sdl = new SessionSdl(core);
    this.autoSdl = new AutoSdl(core, this.sdl, parts.random);
    this.flows = new FlowHooks(core, this.listeners, parts.packets);
    this.#engines = new RtEngines(core.lookup, { "rule-table": this.rules, sdl: this.sdl });
    this.#upcalls = new SessionUpcalls(core, this.listeners, this.transmitQueue, this.autoSdl);
    this.#connects = new SessionConnects(core, this.listeners);
    this.#closes = new SessionCloses(core, this.listeners);
    this.#starved = new StarvedWriters(core);
    this.#tuning = new FifoTuning(core);
    this.#delivery = new SessionDelivery(core.i32, core.table, core.events, core.applications, this);
    this.#engines.switchOn(config.rtBackend);
    if (config.autoSdl && this.autoSdl.apply({ kind: "auto-sdl", enable: true }) < 0) {
      throw new RangeError("session: auto-sdl needs rtBackend sdl, sound settings, and room in the window");
    }
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

  /** Counts an answer that is an error, and returns it. Also for who asks this layer on behalf of others. */
  counted(result: number): number {
    return result < 0 ? this.#core.fail(result) : result;
  }

  // ---- The layer, namespaces ----

  /** Whether applications may attach. */
  get isEnabled(): boolean {
    return this.#isEnabled;
  }

  /** The engine that decides on flows without a connection. */
  get rtBackend(): RtBackendName {
    return this.#engines.current;
  }

  /**
   * Switches the layer on or off (VPP: session enable | disable). Off: all applications are detached, none may attach, and
   * there are no rules or deny list any more, nor an engine for them. On: with the engine that is named, if one is. Returns 0, or INVALID
   * (no such engine), NOSUPPORT (another one is on: switch off first), ALLOC (no room for it).
   */
  setEnabled(isEnabled: boolean, rtBackend: RtBackendName = this.rtBackend): SessionErrorValue {
    const error = isEnabled ? this.#useBackend(rtBackend) : 0;
    if (error < 0) return this.#core.fail(error);
    this.#isEnabled = isEnabled;
    if (isEnabled) return 0;
    for (const app of this.applications.all()) if (app.isAttached) this.#detach(app);
    this.#engines.switchOff();
    return 0;
  }

  #useBackend(name: RtBackendName): SessionErrorValue {
    try {
      return this.#engines.switchOn(name);
    } catch {
      return SESSION_E_ALLOC;
    }
  }

  /**
   * Applies a change of the namespaces, of the addresses that active opens come from ({@link SourceAddresses}), or of the
   * rules ({@link SessionRules.apply}) or of the source deny list ({@link SessionSdl.apply}). Returns 0, of a namespace its index; or INVALID, NOINTF, NOROUTE (no such table),
   * ALLOC; INVALID_NS when there is none to delete. Applications of a deleted namespace are detached first.
   */
  apply(record: SessionRecord): number {
    if (!isSessionRecord(record)) return this.#core.fail(SESSION_E_INVALID);
    if (record.kind === "source-addresses") return this.counted(this.#core.sourceAddresses.apply(record));
    if (record.kind === "rule") return this.counted(this.rules.apply(record));
    if (record.kind === "sdl") return this.counted(this.sdl.apply(record));
    if (record.kind === "auto-sdl") return this.counted(this.autoSdl.apply(record));
    return this.counted(record.add ? this.#addNamespace(record) : this.#removeNamespace(record.id));
  }

  #addNamespace(record: NamespaceRecord & { readonly add: true }): number {
    const known = this.namespaces.find(record.id);
    const before = known === undefined ? undefined : { ...known };
    const added = this.namespaces.add(record);
    if (typeof added === "number") return added;
    const error = before === undefined ? 0 : this.rules.namespaceChanged(added, before);
    if (error < 0) {
      Object.assign(added, before);
      return error;
    }
    this.sdl.namespacesChanged();
    this.namespacesChanged();
    return added.index;
  }

  #removeNamespace(id: string): number {
    const known = this.namespaces.find(id);
    if (known === undefined) return SESSION_E_INVALID_NS;
    if (known.index === 0) return SESSION_E_INVALID;
    for (const app of this.applications.all()) {
      if (app.isAttached && app.namespace === known) this.#detach(app);
    }
    this.flows.namespaceRemoved(known);
    this.rules.namespaceRemoved(known);
    this.namespaces.remove(id);
    this.sdl.namespacesChanged();
    this.namespacesChanged();
    return known.index;
  }

  /** The addresses of an interface have changed: listeners on any address of it follow. */
  addressesChanged(ifIndex: number): void {
    this.listeners.addressesChanged(ifIndex);
  }

  /** The namespace that keeps an interface in its table, as text; undefined when none does. */
  userOfInterface(ifIndex: number): string | undefined {
    const user = this.namespaces.onInterface(ifIndex);
    return user === undefined ? undefined : `namespace ${user.id}`;
  }

  /** The namespace that keeps these tables from being removed, as text; undefined when none does. */
  userOfTable(fib4: number, fib6: number): string | undefined {
    const user = this.namespaces.userOf(fib4, fib6);
    return user === undefined ? undefined : `namespace ${user.id}`;
  }

  // ---- Applications and workers ----

  /**
   * Attaches an application, whose segments `maker` makes. Returns its index, or a negative session error; NOSUPPORT while
   * the layer is disabled.
   */
  attach(options: ApplicationOptions, callbacks: ApplicationCallbacks, maker?: SegmentMaker): number {
    if (!this.#isEnabled) return this.#core.fail(SESSION_E_NOSUPPORT);
    const app = this.applications.attach(options, callbacks, maker);
    if (typeof app === "number") return this.#core.fail(app);
    const [worker] = app.workers;
    if (worker !== undefined && callbacks.sessionStats !== undefined) this.collectors.add(worker);
    return app.index;
  }

  /** Detaches an application: its listeners end, its sessions are closed, it hears no more but `detached`. 0 or NOAPP. */
  detach(appIndex: number): SessionErrorValue {
    const app = this.applications.attached(appIndex);
    if (app === undefined) return this.#core.fail(SESSION_E_NOAPP);
    this.#detach(app);
    return 0;
  }

  #detach(app: Application): void {
    for (const worker of app.workers) if (worker?.isAttached === true) this.#endWorker(worker);
  }

  /** Adds a worker to an application, whose segments `maker` makes. Returns its number, or NOAPP, ALLOC, SEG_CREATE. */
  addWorker(appIndex: number, callbacks: ApplicationCallbacks, maker?: SegmentMaker): number {
    const app = this.applications.attached(appIndex);
    if (app === undefined) return this.#core.fail(SESSION_E_NOAPP);
    const worker = this.applications.addWorker(app, callbacks, maker);
    return typeof worker === "number" ? this.#core.fail(worker) : worker.number;
  }

  /** Deletes a worker: as {@link detach}, for what is its; the last one takes its application with it. NOAPP, INVALID_APPWRK. */
  delWorker(appIndex: number, number: number): SessionErrorValue {
    const worker = this.#worker(appIndex, number);
    if (typeof worker === "number") return this.#core.fail(worker);
    this.#endWorker(worker);
    return 0;
  }

  #worker(appIndex: number, number: number): AppWorker | SessionErrorValue {
    const app = this.applications.attached(appIndex);
    if (app === undefined) return SESSION_E_NOAPP;
    return this.applications.worker(app, number) ?? SESSION_E_INVALID_APPWRK;
  }

  #endWorker(worker: AppWorker): void {
    this.applications.delWorker(worker);
    this.collectors.remove(worker);
    this.#core.subscribers.workerEnded(worker);
    this.listeners.leaveAll(worker);
    const sessions = this.applications.sessionsOfWorker(worker);
    for (const s of sessions) this.#closes.close(s);
    try {
      worker.callbacks.detached?.(sessions);
    } catch (error) {
      this.#core.reportError(error, -1);
    }
    if (!worker.app.isAttached) this.appEnded(worker.app.index);
  }

  /**
   * Gives a session to another worker of its application (VPP WORKER_UPDATE), who hears of what is unread. 0, or NOAPP,
   * INVALID_APPWRK, NOSESSION, OWNER (another application's), INVALID (a listener).
   */
  moveSession(appIndex: number, s: SessionIndex, number: number): SessionErrorValue {
    const worker = this.#worker(appIndex, number);
    if (typeof worker === "number") return this.#core.fail(worker);
    if (!this.table.isUsed(s)) return this.#core.fail(SESSION_E_NOSESSION);
    const i32 = this.#i32;
    const r = this.table.row(s);
    if (this.applications.workerAt(i32[r + S_WORKER])?.app !== worker.app) return this.#core.fail(SESSION_E_OWNER);
    if (i32[r + S_STATE] === SESSION_LISTENING) return this.#core.fail(SESSION_E_INVALID);
    if (i32[r + S_WORKER] === worker.index) return 0;
    this.applications.move(s, worker);
    if ((i32[r + S_FLAGS] & SF_SUBSCRIBED) !== 0) this.#core.subscribers.taken(s, worker);
    const hasUnread = i32[r + S_RX_FIFO] !== 0 && this.fifos.maxDequeue(i32[r + S_RX_FIFO]) > 0;
    const events = (hasUnread ? EV_RX : 0) | ((i32[r + S_FLAGS] & SF_WANT_TX) === 0 ? 0 : EV_TX);
    if (events !== 0) this.#core.raise(s, events);
    return 0;
  }

  /** A worker hears of a session of another one from now on, or no more: NOAPP, or as {@link SessionSubscribers.set}. */
  subscribe(appIndex: number, s: SessionIndex, number: number, isOn: boolean): SessionErrorValue {
    const worker = this.#worker(appIndex, number);
    return this.counted(typeof worker === "number" ? worker : this.#core.subscribers.set(worker, s, isOn));
  }

  // ---- Listening and connecting ----

  /** Listens on an endpoint: see {@link AppListeners.listen}. */
  listen(appIndex: number, proto: number, local: Endpoint, options: ListenOptions = {}): SessionIndex {
    return this.counted(this.listeners.listen(appIndex, proto, local, options));
  }

  /** Ends a worker's part of a listener: NOLISTEN, OWNER. Accepted sessions live on. */
  unlisten(appIndex: number, s: SessionIndex, worker = 0): SessionErrorValue {
    return this.counted(this.listeners.unlisten(appIndex, s, worker));
  }

  /** Starts an active open: see {@link SessionConnects.connect}. */
  connect(appIndex: number, proto: number, remote: Endpoint, options: ConnectOptions = {}): SessionIndex {
    return this.counted(this.#connects.connect(appIndex, proto, remote, options));
  }

  /** The connection that takes a datagram for a listener: of the worker that the flow's hash chooses. */
  datagramConnection(listener: SessionIndex, hash: number): ConnectionIndex {
    const r = this.table.row(listener);
    if ((this.#i32[r + S_FLAGS] & SF_SPREAD) === 0) return this.#i32[r + S_CONNECTION];
    return this.connectionOf(this.listeners.spreadBy(listener, hash));
  }

  // ---- Closing ----

  /** Closes both directions; what is written already is still sent. 0 also when it was closed before; NOSESSION. */
  close(s: SessionIndex): SessionErrorValue {
    return this.counted(this.#closes.close(s));
  }

  /** Ends a session at once, by a reset; unread and unsent data is gone. 0, or NOSESSION. */
  terminate(s: SessionIndex): SessionErrorValue {
    return this.counted(this.#closes.terminate(s));
  }

  /** Ends the writing direction: FIN after what is written. NOSESSION, or NOSUPPORT for datagrams. */
  halfClose(s: SessionIndex): SessionErrorValue {
    return this.counted(this.#closes.halfClose(s));
  }

  /** The application takes an accepted session that it was asked about, or refuses it, which resets it. 0 or NOSESSION. */
  answer(s: SessionIndex, isTaken: boolean): SessionErrorValue {
    if (!this.table.isUsed(s)) return this.#core.fail(SESSION_E_NOSESSION);
    if (isTaken) this.answered(s, true);
    else {
      this.#i32[this.table.row(s) + S_FLAGS] &= ~SF_KNOWN;
      this.#closes.terminate(s);
    }
    return 0;
  }

  answered(s: SessionIndex, isTaken: boolean): void {
    const r = this.table.row(s);
    const c = this.#i32[r + S_CONNECTION];
    if (c >= 0) this.transports[this.#i32[r + S_PROTO]]?.answered?.(c, isTaken);
  }

  tellSubscribers(s: SessionIndex, event: SubscribedEvent): void {
    this.#core.subscribers.tell(s, event);
  }

  release(s: SessionIndex): void {
    this.#core.release(s);
  }

  reportError(error: unknown, session: SessionHandle): void {
    this.#core.reportError(error, session);
  }

  // ---- What session-io builds on ----

  /** Whether the application may still write. */
  isWritable(s: SessionIndex): boolean {
    return this.#closes.isWritable(s);
  }

  /** Notes that a write was cut short: the application is to hear by tx when there is room. */
  wantTx(s: SessionIndex): void {
    this.#starved.wantTx(s, this.#tick);
  }

  /** The application took bytes from the rx fifo of a session with SF_TUNED. */
  tuneRead(s: SessionIndex): void {
    try {
      this.#tuning.dequeued(s, this.#tick);
    } catch (error) {
      this.reportError(error, this.table.handle(s));
      this.terminate(s);
    }
  }

  tuneReceived(s: SessionIndex): void {
    this.#tuning.received(s);
  }

  /** What the transport said of why a session was reset, or an active open failed; undefined: no more than the error. */
  reasonOf(s: SessionIndex): string | undefined {
    return this.#core.reasons.get(s);
  }

  /** The transport's connection of a session or listener, -1 while there is none. */
  connectionOf(s: SessionIndex): ConnectionIndex {
    return this.#i32[this.table.row(s) + S_CONNECTION];
  }

  /** The local end of a session or listener; undefined without a connection. */
  localEndpoint(s: SessionIndex): Endpoint | undefined {
    return this.#core.endpoint(s, true);
  }

  /** The remote end; undefined without a connection. Of a listener: any address, port 0. */
  remoteEndpoint(s: SessionIndex): Endpoint | undefined {
    return this.#core.endpoint(s, false);
  }

  // ---- TransportUpcalls ----

  mayAccept(listener: SessionIndex, isProven = false): boolean {
    return this.#upcalls.mayAccept(listener, isProven);
  }

  halfOpenEnded(listener: SessionIndex): void {
    this.#upcalls.halfOpenEnded(listener);
  }

  handshakeTimedOut(proto: number, c: ConnectionIndex): void {
    this.#upcalls.handshakeTimedOut(proto, c);
  }

  accepted(proto: number, c: ConnectionIndex, listener: SessionIndex, client?: SessionIndex): SessionErrorValue {
    return this.#upcalls.accepted(proto, c, listener, client);
  }

  connected(
    proto: number,
    c: ConnectionIndex,
    context: number,
    error: number,
    peer?: SessionIndex,
    reason?: string,
  ): SessionErrorValue {
    return this.#upcalls.connected(proto, c, context, error, peer, reason);
  }

  isOnInterface(s: SessionIndex): boolean {
    return this.#upcalls.isOnInterface(s);
  }

  sourceOn(s: SessionIndex, remote: Int32Array, asked?: Int32Array): Int32Array | undefined {
    return this.#upcalls.sourceOn(s, remote, asked);
  }

  received(s: SessionIndex): void {
    this.#upcalls.received(s);
  }

  urgent(s: SessionIndex): void {
    this.#upcalls.urgent(s);
  }

  softError(s: SessionIndex, kind: number): void {
    this.#upcalls.softError(s, kind);
  }

  acknowledged(s: SessionIndex): void {
    this.#upcalls.acknowledged(s);
  }

  closing(s: SessionIndex): void {
    this.#upcalls.closing(s);
  }

  reset(s: SessionIndex, error: number, reason?: string): void {
    this.#upcalls.reset(s, error, reason);
  }

  closed(s: SessionIndex): void {
    this.#upcalls.closed(s);
  }

  deleted(s: SessionIndex): void {
    this.#upcalls.deleted(s);
  }

  wantTransmit(proto: number, c: ConnectionIndex): void {
    this.#upcalls.wantTransmit(proto, c);
  }

  wantControl(proto: number, c: ConnectionIndex): void {
    this.#upcalls.wantControl(proto, c);
  }

  // ---- Turns ----

  /** The work of session-input: asks about new flows, tells applications what happened. Returns how much there was. */
  deliver(): number {
    const count = this.flows.ask() + this.#delivery.run() + this.collectors.deliver();
    if (count > 0) this.delivered();
    return count;
  }

  setNow(tick: number): void {
    // Ticks wrap; their sum does not.
    this.#core.nowMs += ((tick - this.#tick) | 0) / TICKS_PER_MS;
    this.#tick = tick;
    this.flows.setNow(tick);
  }

  expire(tick: number): void {
    this.setNow(tick);
    this.#starved.expire(tick);
    this.flows.expire();
  }

  /** Sessions that have something to tell their application now, or soon: another try of a writer that found no memory. */
  get pendingCount(): number {
    return this.#core.events.length + this.#starved.length + this.collectors.queued;
  }

  nextExpiry(tick: number): number {
    const isDue = this.#core.events.length > 0 || this.transmitQueue.length > 0 || this.collectors.isDue;
    if (isDue) return 0;
    const ticks = this.#starved.nextExpiry(tick);
    const flowTicks = this.flows.nextExpiry();
    return ticks < 0 || (flowTicks >= 0 && flowTicks < ticks) ? flowTicks : ticks;
  }
}
