import type { SessionIndex } from "../transport/transport.js";
import type { Application, ApplicationCallbacks, ApplicationOptions, AppScope, AppWorker } from "./application.js";
import { type AppNamespaces, secretMatches } from "./app-namespace.js";
import { AppWorkers } from "./app-worker.js";
import { areTuningOptions } from "./fifo-tuning-options.js";
import type { SessionConfig } from "./session-config.js";
import {
  SESSION_E_ALLOC,
  SESSION_E_APP_ATTACHED,
  SESSION_E_INVALID,
  SESSION_E_INVALID_NS,
  SESSION_E_SEG_CREATE,
  SESSION_E_WRONG_NS_SECRET,
  type SessionErrorValue,
} from "./session-errors.js";
import { areSegmentOptions, type SegmentMaker } from "./segment-manager.js";
import type { SegmentManagers } from "./segment-managers.js";
import type { SessionTable } from "./session-table.js";

/** Largest fifo an application may ask for, bytes. */
const MAX_FIFO_BYTES = 64 << 20;
/** Longest name of an application. */
const MAX_NAME_LENGTH = 64;

function isFifoSize(bytes: number): boolean {
  return Number.isInteger(bytes) && bytes >= 1 && bytes <= MAX_FIFO_BYTES;
}

function isScope(value: unknown): value is readonly AppScope[] {
  return Array.isArray(value) && value.every((each) => each === "global" || each === "local");
}

/** The attached applications with their workers. */
export class Applications {
  readonly #workers: AppWorkers;
  readonly #config: SessionConfig;
  readonly #namespaces: AppNamespaces;
  readonly #segments: SegmentManagers;
  readonly #list: (Application | undefined)[] = [];

  constructor(
    i32: Int32Array,
    table: SessionTable,
    config: SessionConfig,
    namespaces: AppNamespaces,
    segments: SegmentManagers,
  ) {
    this.#workers = new AppWorkers(i32, table, segments);
    this.#segments = segments;
    this.#config = config;
    this.#namespaces = namespaces;
  }

  /**
   * Attaches an application with its default worker. Returns it, or INVALID, INVALID_NS, WRONG_NS_SECRET, APP_ATTACHED
   * (by name), ALLOC, SEG_CREATE (no room for its first segment). Nothing is made before all is checked. Its segments come
   * from `maker`, or without one from this process's memory.
   */
  attach(
    options: ApplicationOptions,
    callbacks: ApplicationCallbacks,
    maker?: SegmentMaker,
  ): Application | SessionErrorValue {
    if (typeof options !== "object" || options === null) return SESSION_E_INVALID;
    if (typeof callbacks !== "object" || callbacks === null) return SESSION_E_INVALID;
    const { name, namespace = "", secret = "", scope = ["global"] } = options;
    const { rxFifoBytes = this.#config.rxFifoBytes, txFifoBytes = this.#config.txFifoBytes } = options;
    if (typeof name !== "string" || name === "" || name.length > MAX_NAME_LENGTH) return SESSION_E_INVALID;
    if (!isFifoSize(rxFifoBytes) || !isFifoSize(txFifoBytes) || !isScope(scope)) return SESSION_E_INVALID;
    if (!areTuningOptions(options, rxFifoBytes, isFifoSize)) return SESSION_E_INVALID;
    if (!areSegmentOptions(options)) return SESSION_E_INVALID;
    const { evtCollector = false } = options;
    if (typeof evtCollector !== "boolean") return SESSION_E_INVALID;
    const within = this.#namespaces.find(namespace);
    if (within === undefined) return SESSION_E_INVALID_NS;
    if (!secretMatches(within, secret)) return SESSION_E_WRONG_NS_SECRET;
    if (this.byName(name) !== undefined) return SESSION_E_APP_ATTACHED;
    let index = this.#list.indexOf(undefined);
    if (index < 0) index = this.#list.length;
    if (index >= this.#config.maxApplications) return SESSION_E_ALLOC;
    const { segmentBytes, addSegmentBytes, maxFifoMemoryBytes, highWatermark, lowWatermark } = options;
    const segmentOptions = { segmentBytes, addSegmentBytes, maxFifoMemoryBytes, highWatermark, lowWatermark };
    const segments = this.#segments.open(segmentOptions, maker);
    if (segments === undefined) return SESSION_E_SEG_CREATE;
    const { fifoHighMark = 0 } = options;
    const hasLocalScope = scope.includes("local");
    const app: Application = {
      index,
      name,
      namespace: within,
      hasGlobalScope: scope.includes("global") || !hasLocalScope,
      hasLocalScope,
      rxFifoBytes,
      txFifoBytes,
      maxFifoBytes: options.maxFifoBytes ?? rxFifoBytes,
      fifoHighMark,
      fifoLowMark: options.fifoLowMark ?? fifoHighMark >> 1,
      segmentOptions,
      workers: [],
      isAttached: true,
      collected: evtCollector ? new Set() : undefined,
      sessionCount: 0,
    };
    this.#list[index] = app;
    this.#workers.add(app, 0, callbacks, segments);
    return app;
  }

  /** The application of that index, attached or with sessions left. */
  at(index: number): Application | undefined {
    return this.#list[index];
  }

  /** The application of that index while it is attached. */
  attached(index: number): Application | undefined {
    const app = typeof index === "number" ? this.#list[index] : undefined;
    return app?.isAttached === true ? app : undefined;
  }

  /** The attached application of that name. */
  byName(name: string): Application | undefined {
    return this.#list.find((app) => app?.isAttached === true && app.name === name);
  }

  /** The worker of that number while it is attached. */
  worker(app: Application, number: number): AppWorker | undefined {
    const worker = typeof number === "number" ? app.workers[number] : undefined;
    return worker?.isAttached === true ? worker : undefined;
  }

  /** All of them, attached or with sessions left, for listings. */
  all(): Application[] {
    return this.#list.filter((app) => app !== undefined);
  }

  /** Workers of all applications, attached or with sessions left. */
  get workerCount(): number {
    return this.#workers.count;
  }

  /** Adds a worker to an attached application. Returns it, or INVALID, ALLOC, SEG_CREATE. */
  addWorker(app: Application, callbacks: ApplicationCallbacks, maker?: SegmentMaker): AppWorker | SessionErrorValue {
    if (typeof callbacks !== "object" || callbacks === null) return SESSION_E_INVALID;
    const free = app.workers.indexOf(undefined);
    const number = free < 0 ? app.workers.length : free;
    if (number >= this.#config.maxAppWorkers) return SESSION_E_ALLOC;
    const segments = this.#segments.open(app.segmentOptions, maker);
    return segments === undefined ? SESSION_E_SEG_CREATE : this.#workers.add(app, number, callbacks, segments);
  }

  /** The worker that session rows name by `index`, attached or with sessions left. */
  workerAt(index: number): AppWorker | undefined {
    return this.#workers.at(index);
  }

  /** Ends a worker; with the last one its application. What has sessions left goes with its last session. */
  delWorker(worker: AppWorker): void {
    worker.isAttached = false;
    const { app } = worker;
    if (!app.workers.some((each) => each?.isAttached === true)) app.isAttached = false;
    this.#workers.forget(worker);
    this.#forget(app);
  }

  /** Puts a session into its worker's list. */
  adopt(worker: AppWorker, s: SessionIndex): void {
    this.#workers.adopt(worker, s);
  }

  /** Takes a session out of its worker's list; the last one of a deleted worker takes that with it. */
  disown(s: SessionIndex): void {
    const worker = this.#workers.disown(s);
    if (worker !== undefined && this.#workers.forget(worker)) this.#forget(worker.app);
  }

  /** Moves a session to another worker. */
  move(s: SessionIndex, worker: AppWorker): void {
    this.disown(s);
    this.#workers.adopt(worker, s);
  }

  /** Sessions of a worker, as a copy: they may be closed while it is walked. */
  sessionsOfWorker(worker: AppWorker): SessionIndex[] {
    return this.#workers.sessionsOf(worker);
  }

  /** Sessions of all workers of an application, as a copy. */
  sessionsOf(app: Application): SessionIndex[] {
    return app.workers.flatMap((worker) => (worker === undefined ? [] : this.#workers.sessionsOf(worker)));
  }

  #forget(app: Application): void {
    if (app.isAttached || app.sessionCount > 0 || this.#list[app.index] !== app) return;
    this.#list[app.index] = undefined;
  }
}
