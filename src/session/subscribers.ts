import type { SessionIndex } from "../transport/transport.js";
import type { AppWorker } from "./application.js";
import type { Applications } from "./applications.js";
import {
  SESSION_E_ALLOC,
  SESSION_E_INVALID,
  SESSION_E_NOSESSION,
  SESSION_E_OWNER,
  type SessionErrorValue,
} from "./session-errors.js";
import { S_FLAGS, S_STATE, S_WORKER, SESSION_LISTENING, type SessionTable, SF_SUBSCRIBED } from "./session-table.js";
import type { SubscribedEvent } from "./subscribed-event.js";

/** Workers that may subscribe to one session (VPP SVM_FIFO_MAX_EVT_SUBSCRIBERS). */
export const MAX_SUBSCRIBERS = 7;

/** What subscribing needs of the session layer. */
export interface SubscribedLayer {
  readonly i32: Int32Array;
  readonly table: SessionTable;
  readonly applications: Applications;
  guard(s: SessionIndex, call: () => void): void;
}

/**
 * Workers that hear of a session which is another worker's of their application (VPP: subscribers of a fifo), to take it
 * over when it has something to do, or to watch it. Who it belongs to hears first. Sessions without any pay a test of a flag.
 */
export class SessionSubscribers {
  readonly #layer: SubscribedLayer;
  readonly #bySession = new Map<SessionIndex, readonly AppWorker[]>();

  constructor(layer: SubscribedLayer) {
    this.#layer = layer;
  }

  /**
   * A worker hears of a session from now on, or no more; again is as once. 0, or NOSESSION, OWNER (another application's),
   * INVALID (its own, or a listener), ALLOC (it has {@link MAX_SUBSCRIBERS}).
   */
  set(worker: AppWorker, s: SessionIndex, isOn: boolean): SessionErrorValue {
    const { i32, table, applications } = this.#layer;
    if (!table.isUsed(s)) return SESSION_E_NOSESSION;
    const r = table.row(s);
    const owner = applications.workerAt(i32[r + S_WORKER]);
    if (owner?.app !== worker.app) return SESSION_E_OWNER;
    if (!isOn) {
      this.#leave(s, worker);
      return 0;
    }
    if (owner === worker || i32[r + S_STATE] === SESSION_LISTENING) return SESSION_E_INVALID;
    const known = this.#bySession.get(s) ?? [];
    if (known.includes(worker)) return 0;
    if (known.length >= MAX_SUBSCRIBERS) return SESSION_E_ALLOC;
    this.#bySession.set(s, [...known, worker]);
    i32[r + S_FLAGS] |= SF_SUBSCRIBED;
    return 0;
  }

  #leave(s: SessionIndex, worker: AppWorker): void {
    const rest = this.#bySession.get(s)?.filter((each) => each !== worker) ?? [];
    if (rest.length > 0) this.#bySession.set(s, rest);
    else this.#forget(s);
  }

  #forget(s: SessionIndex): void {
    this.#bySession.delete(s);
    this.#layer.i32[this.#layer.table.row(s) + S_FLAGS] &= ~SF_SUBSCRIBED;
  }

  /** Tells the subscribers of a session with SF_SUBSCRIBED. */
  tell(s: SessionIndex, event: SubscribedEvent): void {
    for (const worker of this.#bySession.get(s) ?? []) {
      if (worker.isAttached) this.#layer.guard(s, () => worker.callbacks.subscribed?.(s, event));
    }
  }

  /** A session with SF_SUBSCRIBED is about to be freed. */
  sessionGoes(s: SessionIndex): void {
    this.tell(s, "gone");
    this.#forget(s);
  }

  /** A session became a worker's own. */
  taken(s: SessionIndex, worker: AppWorker): void {
    this.#leave(s, worker);
  }

  /** A worker ends. */
  workerEnded(worker: AppWorker): void {
    for (const s of this.#bySession.keys()) this.#leave(s, worker);
  }
}
