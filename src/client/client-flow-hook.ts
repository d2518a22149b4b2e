import type { FlowHookHandle, InboundFlow, OnFlow } from "../app/flow-hook.js";
import { FLOW_ANSWER_APPLICATION, type MessageOf } from "../app/messages/message-table.js";
import { addressOf } from "../app/session.js";
import { FLOW_VERDICTS, type FlowDecision, isFlowDecision } from "../session/flow-record.js";
import { SESSION_E_INVALID, SESSION_E_NOAPP, SESSION_E_NOSESSION, SessionError } from "../session/session-errors.js";
import { TRANSPORT_TCP } from "../transport/transport.js";
import type { ClientIo } from "./client-io.js";

/** `decision` of FLOW_ANSWER that leaves a flow to the default. */
const BY_DEFAULT = FLOW_ANSWER_APPLICATION + 1;

/** What a hook needs of its worker. */
export interface FlowHookOwner {
  /** The way to the stack; undefined while there is none. */
  readonly io: ClientIo | undefined;
  reportError(error: unknown): void;
  /** The hook is closed. */
  closed(hook: ClientFlowHook): void;
}

/** A flow hook of an application in its own process. */
export class ClientFlowHook implements FlowHookHandle {
  readonly #owner: FlowHookOwner;
  readonly #onFlow: OnFlow;
  #isOpen = true;
  #hasFailed = false;

  constructor(owner: FlowHookOwner, onFlow: OnFlow) {
    this.#owner = owner;
    this.#onFlow = onFlow;
  }

  /** Asks the stack for flows: at first, and when the worker has attached again. Rejects with the stack's refusal. */
  async open(what: string): Promise<void> {
    const { io } = this.#owner;
    if (io === undefined) throw new SessionError(SESSION_E_NOAPP, what);
    await io.answer({ type: "FLOW_HOOK", isOn: true }, "FLOW_HOOK_REPLY", what, () => undefined);
  }

  /** A new flow. */
  told({ token, proto, local, remote, ...message }: MessageOf<"FLOW">): void {
    const flow: InboundFlow = {
      token,
      proto: proto === TRANSPORT_TCP ? "tcp" : "udp",
      local: addressOf(local),
      remote: addressOf(remote),
      interface: message.interface || undefined,
      namespace: message.namespace,
      application: message.application || undefined,
    };
    try {
      const decision = this.#onFlow(flow);
      if (decision === "later") return;
      if (!isFlowDecision(decision)) throw new SessionError(SESSION_E_INVALID, "flow hook", "no decision");
      void this.#send(token, decision);
    } catch (error) {
      void this.#send(token, "default");
      if (!this.#hasFailed) this.#owner.reportError(error);
      this.#hasFailed = true;
    }
  }

  async answer(token: number, decision: FlowDecision): Promise<number> {
    if (!isFlowDecision(decision)) return SESSION_E_INVALID;
    return this.#isOpen ? this.#send(token, decision) : SESSION_E_NOSESSION;
  }

  async #send(token: number, decision: FlowDecision | "default"): Promise<number> {
    const { io } = this.#owner;
    if (io === undefined) return SESSION_E_NOSESSION;
    const request = { type: "FLOW_ANSWER", token, ...fieldsOf(decision) } as const;
    return io.value(request, "FLOW_ANSWER_REPLY", (reply, error) => reply?.retval ?? error);
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#owner.closed(this);
    const { io } = this.#owner;
    if (io !== undefined) await io.value({ type: "FLOW_HOOK", isOn: false }, "FLOW_HOOK_REPLY", () => undefined);
  }
}

function fieldsOf(
  decision: FlowDecision | "default",
): Pick<MessageOf<"FLOW_ANSWER">, "decision" | "application" | "index"> {
  if (decision === "default") return { decision: BY_DEFAULT, application: "", index: 0 };
  if (typeof decision === "string") return { decision: FLOW_VERDICTS.indexOf(decision), application: "", index: 0 };
  const { application } = decision;
  return typeof application === "string"
    ? { decision: FLOW_ANSWER_APPLICATION, application, index: 0 }
    : { decision: FLOW_ANSWER_APPLICATION, application: "", index: application };
}
