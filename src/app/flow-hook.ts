import type { FlowDecision, FlowHook } from "../session/flow-record.js";
import type { ActiveFlowHook } from "../session/flow-hooks.js";
import {
  SESSION_E_INVALID,
  SESSION_E_INVALID_NS,
  SESSION_E_NOSESSION,
  SESSION_E_WRONG_NS_SECRET,
  SessionError,
} from "../session/session-errors.js";
import { secretMatches } from "../session/app-namespace.js";
import type { SessionLayer } from "../session/session-layer.js";
import { addressOf, type Answer, type SessionAddress } from "./session.js";

/** A new flow from outside: a SYN or datagram that belongs to no connection. Ends as seen from the stack. */
export interface InboundFlow {
  /** Names the flow for {@link FlowHookHandle.answer}. */
  readonly token: number;
  readonly proto: "tcp" | "udp";
  /** Where it goes: on a promiscuous interface any address. */
  readonly local: SessionAddress;
  readonly remote: SessionAddress;
  /** Interface that it came in on; undefined: the stack itself sent it. */
  readonly interface: string | undefined;
  /** Id of the namespace. */
  readonly namespace: string;
  /** Application whose listener or proxy would take it; undefined: nobody would. */
  readonly application: string | undefined;
}

/**
 * Decides on new flows: `accept` (as if there were no hook), `reset` (a reset, ICMP port unreachable for UDP), `drop` (no
 * answer), an application, whose listener or proxy takes it, or `later`: {@link FlowHookHandle.answer} follows. What it
 * throws is reported once, and the default of the configuration (`session.flowDefault`) holds, as when no answer comes
 * within `session.flowDecisionMs`, or more than `session.maxUndecidedFlows` wait.
 */
export type OnFlow = (flow: InboundFlow) => FlowDecision | "later";

/** A flow hook that is set. */
export interface FlowHookHandle {
  /**
   * Decides on a flow for which the hook has said `later`. 0, or a negative session error: NOSESSION (decided already, by
   * default too, or the hook is closed), OWNER (another hook's), INVALID (no decision).
   */
  answer(token: number, decision: FlowDecision): Answer<number>;
  /** Takes the hook away: what it has not decided is decided by default. Can be called twice. */
  close(): Promise<void>;
}

/** A hook in the stack's process. */
class LocalFlowHook implements FlowHookHandle {
  readonly #sessions: SessionLayer;
  #hook: ActiveFlowHook | undefined;

  constructor(sessions: SessionLayer, hook: ActiveFlowHook) {
    this.#sessions = sessions;
    this.#hook = hook;
  }

  answer(token: number, decision: FlowDecision): number {
    if (this.#hook === undefined) return SESSION_E_NOSESSION;
    return this.#sessions.flows.answer(this.#hook, token, decision);
  }

  async close(): Promise<void> {
    if (this.#hook !== undefined) this.#sessions.flows.remove(this.#hook);
    this.#hook = undefined;
  }
}

/**
 * Sets the flow hook of a namespace, which has at most one. Throws SessionError: INVALID_NS, WRONG_NS_SECRET, OWNER (it has
 * one), INVALID (no function), ALLOC.
 */
export function setFlowHook(
  sessions: SessionLayer,
  namespace: string,
  secret: string | number,
  onFlow: OnFlow,
): FlowHookHandle {
  const what = `flow hook of namespace ${namespace}`;
  const known = sessions.namespaces.find(namespace);
  if (known === undefined) throw new SessionError(SESSION_E_INVALID_NS, what);
  if (!secretMatches(known, secret)) throw new SessionError(SESSION_E_WRONG_NS_SECRET, what);
  if (typeof onFlow !== "function") throw new SessionError(SESSION_E_INVALID, what, "no function");
  const decide: FlowHook = ({ local, remote, ...flow }) =>
    onFlow({ ...flow, local: addressOf(local), remote: addressOf(remote) });
  const hook = sessions.flows.add(known, decide);
  if (typeof hook === "number") throw new SessionError(sessions.counted(hook), what);
  return new LocalFlowHook(sessions, hook);
}
