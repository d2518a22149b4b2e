import { SESSION_E_INVALID_APPWRK, SESSION_E_NOSUPPORT, type SessionErrorValue } from "../../session/session-errors.js";
import type { SessionLayer } from "../../session/session-layer.js";
import type { MessageOf } from "../messages/message-table.js";
import type { ExternalWorker } from "./external-worker.js";

/** Event collectors in other processes: workers that the configuration allows it hear of sessions that ended, by messages. */
export class ClientCollectors {
  readonly #sessions: SessionLayer;
  readonly #allowed: readonly string[];

  /** `allowed`: ids of the namespaces whose applications may collect. */
  constructor(sessions: SessionLayer, allowed: readonly string[]) {
    this.#sessions = sessions;
    this.#allowed = allowed;
  }

  /** A worker wants to hear of sessions, from now until it ends. */
  add(worker: ExternalWorker, { context }: MessageOf<"EVT_COLLECTOR">): void {
    worker.outbox.send({ type: "EVT_COLLECTOR_REPLY", context, retval: this.#sessions.counted(this.#add(worker)) });
  }

  #add(worker: ExternalWorker): SessionErrorValue {
    const { applications, collectors } = this.#sessions;
    const app = applications.attached(worker.app);
    const known = app === undefined ? undefined : applications.worker(app, worker.number);
    if (app === undefined || known === undefined) return SESSION_E_INVALID_APPWRK;
    if (!this.#allowed.includes(app.namespace.id)) return SESSION_E_NOSUPPORT;
    if (worker.sessionStats !== undefined) return 0;
    worker.sessionStats = (stats) => worker.outbox.send({ type: "SESSION_STATS", json: JSON.stringify(stats) });
    collectors.add(known);
    return 0;
  }
}
