import type { HandlersOf } from "./handler.js";

/** Methods about flow hooks. */
export const FLOW_HANDLERS: HandlersOf<"flow"> = {
  "flow.list"({ host }) {
    const { flows, config } = host.sessions;
    const { flowDefault, flowDecisionMs } = config;
    const hooks = flows.all.map(({ namespace, counters }) => ({ namespace: namespace.id, ...counters }));
    return { flowDefault, flowDecisionMs, undecided: flows.undecided, decided: flows.decided, hooks };
  },
};
