import type { AppNamespace } from "../../session/app-namespace.js";
import type { Flow, FlowDecision } from "../../session/flow-record.js";
import { FLOW_VERDICTS } from "../../session/flow-record.js";
import {
  SESSION_E_NOAPP,
  SESSION_E_NOSESSION,
  SESSION_E_NOSUPPORT,
  type SessionErrorValue,
} from "../../session/session-errors.js";
import type { SessionLayer } from "../../session/session-layer.js";
import { FLOW_ANSWER_APPLICATION, type MessageOf } from "../messages/message-table.js";
import { TRANSPORT_TCP, TRANSPORT_UDP } from "../../transport/transport.js";
import type { ExternalWorker } from "./external-worker.js";

/**
 * Flow hooks in other processes: a worker that the configuration allows it decides on the new flows of its namespace, by
 * messages. When it dies, its hook goes.
 */
export class ClientFlowHooks {
  readonly #sessions: SessionLayer;
  readonly #allowed: readonly string[];

  /** `allowed`: ids of the namespaces whose applications may decide. */
  constructor(sessions: SessionLayer, allowed: readonly string[]) {
    this.#sessions = sessions;
    this.#allowed = allowed;
  }

  /** A worker wants to decide, or not any more. */
  set(worker: ExternalWorker, { context, isOn }: MessageOf<"FLOW_HOOK">): void {
    const retval = this.#sessions.counted(this.#set(worker, isOn));
    worker.outbox.send({ type: "FLOW_HOOK_REPLY", context, retval });
  }

  #set(worker: ExternalWorker, isOn: boolean): SessionErrorValue {
    const namespace = this.#sessions.applications.attached(worker.app)?.namespace;
    if (namespace === undefined) return SESSION_E_NOAPP;
    if (!isOn) {
      worker.dropFlowHook();
      return 0;
    }
    return this.#allowed.includes(namespace.id) ? this.#add(worker, namespace) : SESSION_E_NOSUPPORT;
  }

  #add(worker: ExternalWorker, namespace: AppNamespace): SessionErrorValue {
    const hook = this.#sessions.flows.add(namespace, (flow) => this.#ask(worker, flow));
    if (typeof hook === "number") return hook;
    worker.flowHook = hook;
    return 0;
  }

  /** While messages wait for a client that does not listen no further ones are added: of flows there is no end. */
  #ask(worker: ExternalWorker, flow: Flow): "later" | "default" {
    if (worker.outbox.waiting > 0) return "default";
    worker.outbox.send({
      type: "FLOW",
      token: flow.token,
      proto: flow.proto === "tcp" ? TRANSPORT_TCP : TRANSPORT_UDP,
      local: flow.local,
      remote: flow.remote,
      interface: flow.interface ?? "",
      namespace: flow.namespace,
      application: flow.application ?? "",
    });
    return "later";
  }

  /** A client's decision. */
  answer(worker: ExternalWorker, message: MessageOf<"FLOW_ANSWER">): void {
    const { context, token } = message;
    const hook = worker.flowHook;
    const retval =
      hook === undefined ? SESSION_E_NOSESSION : this.#sessions.flows.answer(hook, token, decisionOf(message));
    worker.outbox.send({ type: "FLOW_ANSWER_REPLY", context, retval: this.#sessions.counted(retval) });
  }
}

function decisionOf({ decision, application, index }: MessageOf<"FLOW_ANSWER">): FlowDecision | "default" {
  if (decision === FLOW_ANSWER_APPLICATION) return { application: application === "" ? index : application };
  return FLOW_VERDICTS[decision] ?? "default";
}
