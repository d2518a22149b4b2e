import type { Endpoint } from "../transport/transport.js";

/** What can be said of a flow beside an application that takes it. */
export const FLOW_VERDICTS = ["accept", "reset", "drop"] as const;

/** One of them: on to the listeners and proxies; a reset, or ICMP port unreachable for UDP; no answer. */
export type FlowVerdict = (typeof FLOW_VERDICTS)[number];

/** What becomes of a flow. An application, by name or index, takes it by its first listener for protocol and family. */
export type FlowDecision = FlowVerdict | { readonly application: string | number };

/** A new flow from outside, for which there is no connection. Ends as seen from this host. */
export interface Flow {
  /** Names it in an answer that comes later. */
  readonly token: number;
  readonly proto: "tcp" | "udp";
  /** Where it goes: of an interface that answers for others, any address. */
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /** Interface that it came in on; undefined: this host sent it. */
  readonly interface: string | undefined;
  /** Id of the namespace that is asked. */
  readonly namespace: string;
  /** Application whose listener would take it; undefined: nobody would. */
  readonly application: string | undefined;
}

/**
 * Decides on a flow, leaves it to the default, or says that SessionLayer.flows.answer follows. What it throws is reported,
 * and the default holds.
 */
export type FlowHook = (flow: Flow) => FlowDecision | "default" | "later";

/** Whether something that came from outside is a decision. */
export function isFlowDecision(value: unknown): value is FlowDecision {
  if (typeof value === "string") return FLOW_VERDICTS.some((verdict) => verdict === value);
  if (typeof value !== "object" || value === null || !("application" in value)) return false;
  const { application } = value;
  return typeof application === "string" ? application !== "" : Number.isInteger(application);
}
