import type { Endpoint, SessionIndex, Transport } from "../transport/transport.js";
import type { Application, AppWorker } from "./application.js";
import type { Applications } from "./applications.js";
import { sessionErrorEntry, type SessionErrorValue } from "./session-errors.js";
import type { SessionHandle } from "./session-handle.js";
import { CT_STATS, type EndedSession, pickStats, type SessionStats, TCP_STATS, UDP_STATS } from "./session-stats.js";
import {
  S_CONNECTION,
  S_FLAGS,
  S_LISTENER,
  S_PROTO,
  S_RX_FIFO,
  S_START_MS,
  S_STATE,
  S_WORKER,
  SESSION_LISTENING,
  type SessionTable,
  SF_APP_CLOSED,
  SF_COLLECTED,
  SF_END_NOTIFIED,
} from "./session-table.js";
import { formatEndpoint } from "./uri.js";

/** Records that wait for one collector; what comes when so many do is dropped, and counted. */
export const MAX_QUEUED_RECORDS = 4096;
/** Records that one collector is told of in a turn. */
const MAX_TOLD_PER_TURN = 1024;
/** Listeners that a filter names at most. */
export const MAX_FILTER_LISTENERS = 1024;

/** What collecting needs of the session layer. */
export interface CollectedLayer {
  readonly i32: Int32Array;
  readonly table: SessionTable;
  readonly applications: Applications;
  readonly transports: readonly (Transport | undefined)[];
  readonly nowMs: number;
  /** Sessions of all applications are collected, not only of those that ask for it. */
  readonly config: { readonly collectAll: boolean };
  endpoint(s: SessionIndex, isLocal: boolean): Endpoint | undefined;
  wake(): void;
  reportError(error: unknown, session: SessionHandle): void;
}

/** One collector. */
export interface EvtCollector {
  readonly worker: AppWorker;
  /** Records that it was told of. */
  collected: number;
  /** Records that found no room. */
  dropped: number;
  /** Records that wait. */
  readonly queue: SessionStats[];
}

/**
 * Event collectors (VPP's app evt-collector): applications with the callback `sessionStats`, which hear of every
 * collected session once, when its connection ends. Of which sessions, applications say when they attach, and
 * {@link collect} and {@link collectNot} afterwards.
 */
export class EvtCollectors {
  readonly #layer: CollectedLayer;
  #collectors: EvtCollector[] = [];
  #queued = 0;

  constructor(layer: CollectedLayer) {
    this.#layer = layer;
  }

  /** Whether there is anybody to tell. */
  get isOn(): boolean {
    return this.#collectors.length > 0;
  }

  /** Records that wait. */
  get queued(): number {
    return this.#queued;
  }

  /** Those that there are. */
  get all(): readonly EvtCollector[] {
    return this.#collectors;
  }

  /** A worker is told of records from now on. */
  add(worker: AppWorker): void {
    this.#collectors = [...this.#collectors, { worker, collected: 0, dropped: 0, queue: [] }];
  }

  /** A worker is told of no more: it is being deleted. What waits for it is forgotten. */
  remove(worker: AppWorker): void {
    const gone = this.#collectors.find((each) => each.worker === worker);
    if (gone === undefined) return;
    this.#queued -= gone.queue.length;
    gone.queue.length = 0;
    this.#collectors = this.#collectors.filter((each) => each !== gone);
  }

  /**
   * Sessions of an application are collected; with `listeners`, only those that came by one of these or of those named
   * before. False: the filter names too many.
   */
  collect(app: Application, listeners: readonly SessionIndex[] = []): boolean {
    const filter = new Set([...(app.collected ?? []), ...listeners]);
    if (filter.size > MAX_FILTER_LISTENERS) return false;
    app.collected = filter;
    return true;
  }

  /** Takes listeners out of an application's filter; without any, its sessions are collected no more. */
  collectNot(app: Application, listeners: readonly SessionIndex[] = []): void {
    if (listeners.length === 0) app.collected = undefined;
    else if (app.collected !== undefined) {
      app.collected = new Set([...app.collected].filter((each) => !listeners.includes(each)));
    }
  }

  /** Whether a session of `app` that came by `listener` is collected. */
  #isWanted(app: Application, listener: SessionIndex): boolean {
    const { collected } = app;
    if (collected !== undefined) return collected.size === 0 || collected.has(listener);
    // Collectors that send their records elsewhere would collect themselves for ever.
    return this.#layer.config.collectAll && !this.#collectors.some(({ worker }) => worker.app === app);
  }

  /** A session's connection ends, by `error` or without one: notes it, once, if it is one of those that are collected. */
  ended(s: SessionIndex, error: SessionErrorValue): void {
    const { i32, table, applications } = this.#layer;
    const r = table.row(s);
    const flags = i32[r + S_FLAGS];
    if ((flags & SF_COLLECTED) !== 0 || i32[r + S_RX_FIFO] === 0 || i32[r + S_STATE] === SESSION_LISTENING) return;
    const worker = applications.workerAt(i32[r + S_WORKER]);
    if (worker === undefined || !this.#isWanted(worker.app, i32[r + S_LISTENER])) return;
    i32[r + S_FLAGS] |= SF_COLLECTED;
    const record = this.#record(s, r, worker, error);
    if (record === undefined) return;
    for (const collector of this.#collectors) {
      if (collector.queue.length >= MAX_QUEUED_RECORDS) {
        collector.dropped++;
        continue;
      }
      collector.queue.push(record);
      if (this.#queued++ === 0) this.#layer.wake();
    }
  }

  #record(s: SessionIndex, r: number, worker: AppWorker, error: SessionErrorValue): SessionStats | undefined {
    const { i32, nowMs } = this.#layer;
    const flags = i32[r + S_FLAGS];
    const transport = this.#layer.transports[i32[r + S_PROTO]];
    const local = this.#layer.endpoint(s, true);
    const remote = this.#layer.endpoint(s, false);
    if (transport === undefined || local === undefined || remote === undefined) return undefined;
    const isByTransport = (flags & SF_END_NOTIFIED) !== 0 || (error !== 0 && (flags & SF_APP_CLOSED) === 0);
    const common: EndedSession = {
      session: this.#layer.table.handle(s),
      app: worker.app.name,
      appIndex: worker.app.index,
      worker: worker.number,
      listener: i32[r + S_LISTENER],
      local: formatEndpoint(local),
      remote: formatEndpoint(remote),
      startMs: nowMs - (((nowMs | 0) - i32[r + S_START_MS]) >>> 0),
      endMs: nowMs,
      closedBy: isByTransport ? "transport" : "app",
      error: error === 0 ? undefined : sessionErrorEntry(error).name,
    };
    const all = transport.statistics(i32[r + S_CONNECTION]);
    switch (transport.name) {
      case "tcp":
        return { ...common, proto: "tcp", statistics: pickStats(TCP_STATS, all) };
      case "udp":
        return { ...common, proto: "udp", statistics: pickStats(UDP_STATS, all) };
      case "ct":
        return { ...common, proto: "ct", statistics: pickStats(CT_STATS, all) };
      default:
        return undefined;
    }
  }

  /** Whether there is something to tell a collector that listens. */
  get isDue(): boolean {
    return this.#queued > 0 && this.#collectors.some((each) => each.queue.length > 0 && isListening(each));
  }

  /** Tells collectors of what waits for them, some of it in one turn. Returns how much. */
  deliver(): number {
    if (this.#queued === 0) return 0;
    let told = 0;
    for (const collector of this.#collectors) {
      const { queue } = collector;
      let count = 0;
      while (count < queue.length && count < MAX_TOLD_PER_TURN && isListening(collector)) {
        this.#tell(collector, queue[count++]);
      }
      // Who was told may have been removed, and its queue with it.
      const gone = queue.splice(0, count).length;
      this.#queued -= gone;
      collector.collected += count;
      told += count;
    }
    return told;
  }

  #tell({ worker }: EvtCollector, record: SessionStats): void {
    if (!worker.isAttached) return;
    try {
      worker.callbacks.sessionStats?.(record);
    } catch (error) {
      this.#layer.reportError(error, record.session);
    }
  }
}

function isListening({ worker }: EvtCollector): boolean {
  return worker.callbacks.isCongested?.() !== true;
}
