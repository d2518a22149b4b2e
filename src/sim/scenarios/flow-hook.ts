import { connection, type ConnectionScenario, end, sendAll } from "./scenario.js";

/** A program decides on each connection, at once or slowly, and sometimes not at all. */
export const FLOW_HOOK: ConnectionScenario = {
  name: "flow-hook",
  about: "a hook decides on each new flow: at once, later, too late or never",
  draw: (draw) => ({
    connections: draw.between(20, 60),
    clients: draw.between(1, 3),
    flowHook: true,
    session: {
      flowDefault: draw.oneOf(["accept", "accept", "reset", "drop"] as const),
      flowDecisionMs: draw.size(10, 2500),
      maxUndecidedFlows: draw.size(2, 64),
      maxDecidedFlows: draw.size(1, 16),
    },
  }),
  plan: (draw, _number, of) => {
    const bytes = draw.size(1, 8192);
    return connection(draw, of, draw.oneOf([0, 1000, 2_000_000]), [
      end(draw, [{ kind: "send", bytes }, { kind: "receive", bytes }, { kind: "await-end" }, { kind: "close" }]),
      end(draw, [{ kind: "receive", bytes }, ...sendAll(bytes)]),
    ]);
  },
};
