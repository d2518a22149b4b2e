import type { SessionIndex } from "../transport/transport.js";
import type { Application, ApplicationCallbacks, AppWorker } from "./application.js";
import type { SegmentManager } from "./segment-manager.js";
import type { SegmentManagers } from "./segment-managers.js";
import { S_WORKER, S_WORKER_NEXT, S_WORKER_PREVIOUS, type SessionTable } from "./session-table.js";

/** The workers of all applications, and which sessions are whose. */
export class AppWorkers {
  readonly #i32: Int32Array;
  readonly #table: SessionTable;
  readonly #managers: SegmentManagers;
  readonly #list: (AppWorker | undefined)[] = [];

  constructor(i32: Int32Array, table: SessionTable, managers: SegmentManagers) {
    this.#i32 = i32;
    this.#table = table;
    this.#managers = managers;
  }

  /** Workers, attached or with sessions left. */
  get count(): number {
    return this.#list.filter((worker) => worker !== undefined).length;
  }

  /** Makes a worker and puts it into its application's worker map. */
  add(app: Application, number: number, callbacks: ApplicationCallbacks, segments: SegmentManager): AppWorker {
    let index = this.#list.indexOf(undefined);
    if (index < 0) index = this.#list.length;
    const isAttached = true;
    const worker: AppWorker = { index, app, number, callbacks, segments, isAttached, firstSession: 0, sessionCount: 0 };
    this.#list[index] = worker;
    app.workers[number] = worker;
    return worker;
  }

  /** The worker of that index, attached or with sessions left. */
  at(index: number): AppWorker | undefined {
    return this.#list[index];
  }

  /** Puts a session into its worker's list. */
  adopt(worker: AppWorker, s: SessionIndex): void {
    const i32 = this.#i32;
    const r = this.#table.row(s);
    i32[r + S_WORKER] = worker.index;
    i32[r + S_WORKER_NEXT] = worker.firstSession;
    i32[r + S_WORKER_PREVIOUS] = 0;
    if (worker.firstSession > 0) i32[this.#table.row(worker.firstSession - 1) + S_WORKER_PREVIOUS] = s + 1;
    worker.firstSession = s + 1;
    worker.sessionCount++;
    worker.app.sessionCount++;
  }

  /** Takes a session out of its worker's list. Returns the worker, undefined when it had none. */
  disown(s: SessionIndex): AppWorker | undefined {
    const i32 = this.#i32;
    const r = this.#table.row(s);
    const worker = this.#list[i32[r + S_WORKER]];
    if (worker === undefined) return undefined;
    const next = i32[r + S_WORKER_NEXT];
    const previous = i32[r + S_WORKER_PREVIOUS];
    if (next > 0) i32[this.#table.row(next - 1) + S_WORKER_PREVIOUS] = previous;
    if (previous > 0) i32[this.#table.row(previous - 1) + S_WORKER_NEXT] = next;
    else worker.firstSession = next;
    i32[r + S_WORKER] = -1;
    worker.sessionCount--;
    worker.app.sessionCount--;
    return worker;
  }

  /** Sessions of a worker, as a copy: they may be closed while it is walked. */
  sessionsOf(worker: AppWorker): SessionIndex[] {
    const sessions: SessionIndex[] = [];
    for (let next = worker.firstSession; next > 0; next = this.#i32[this.#table.row(next - 1) + S_WORKER_NEXT]) {
      sessions.push(next - 1);
    }
    return sessions;
  }

  /** Gives a deleted worker's row back once it has no session. Returns whether it is gone. */
  forget(worker: AppWorker): boolean {
    if (worker.isAttached || worker.sessionCount > 0 || this.#list[worker.index] !== worker) return false;
    this.#list[worker.index] = undefined;
    this.#managers.close(worker.segments);
    if (worker.app.workers[worker.number] === worker) worker.app.workers[worker.number] = undefined;
    return true;
  }
}
