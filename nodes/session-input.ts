import { NO_TRACE, type NodeForm } from "../src/graph/node.js";
import type { Host } from "./host.js";

/**
 * session-input: tells applications what their sessions met in this turn. Registered before session-queue, so that what
 * they write in answer leaves in the same turn.
 */
export const sessionInput: NodeForm<Host> = {
  name: "session-input",
  kind: "sched",
  next: [],
  errors: [],
  trace: NO_TRACE,
  process: (host) => {
    const { sessions } = host;

    return () => {
      sessions.deliver();
    };
  },
};
