import { columns } from "../columns.js";
import type { Command } from "../command.js";
import { call } from "../methods/dispatch.js";

const HEADINGS = [
  "Namespace",
  "Asked",
  "Accepted",
  "Reset",
  "Dropped",
  "Redirected",
  "Timed out",
  "Failed",
  "Over limit",
];

const showFlowHooks: Command = {
  name: "show session flow-hooks",
  usage: "[--json]",
  help: "hooks that decide on new flows, and what became of those",
  run(words, run) {
    const isJson = words.remove("--json");
    words.end();
    const all = call(run, "flow.list", {});
    if (isJson) return JSON.stringify(all);
    const rows = all.hooks.map((each) => [
      each.namespace,
      each.asked,
      each.accepted,
      each.reset,
      each.dropped,
      each.redirected,
      each.timedOut,
      each.failed,
      each.overLimit,
    ]);
    return [
      `${all.undecided} flows undecided, ${all.decided} decisions remembered; by default ${all.flowDefault} after ${all.flowDecisionMs} ms`,
      columns(HEADINGS, rows),
    ].join("\n");
  },
};

/** Commands about flow hooks. */
export const FLOW_COMMANDS: readonly Command[] = [showFlowHooks];
