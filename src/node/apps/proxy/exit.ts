import type { InboundFlow } from "../../../app/flow-hook.js";
import type { Session } from "../../../app/session.js";
import type { FlowDecision } from "../../../session/flow-record.js";

/** Where the sessions of one protocol go on to. */
export interface Exit {
  /** Decides on a new flow that the policy lets through; a text says why it is refused. */
  decide(flow: InboundFlow): FlowDecision | "later";
  /** Takes over an accepted session; false: it is refused. */
  accept(session: Session): boolean;
  /** Ends everything outside the stack; the sessions end with their application. */
  close(): void;
}

/** Answers a flow for which {@link Exit.decide} said `later`. */
export type AnswerFlow = (token: number, decision: FlowDecision) => void;

/** Says what an operator should know, in a line. */
export type Log = (line: string) => void;
