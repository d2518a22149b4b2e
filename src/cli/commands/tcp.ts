import { configRows } from "../../transport/tcp/config-table.js";
import { columns } from "../columns.js";
import type { Command } from "../command.js";
import { call } from "../methods/dispatch.js";

const showTcpConfig: Command = {
  name: "show tcp config",
  usage: "",
  help: "TCP's timers and settings, with units and rules",
  run(words, { host }) {
    words.end();
    const rows = configRows(host.tcp.core.config).map(({ name, value, unit, text }) => [
      name,
      String(value),
      unit,
      text,
    ]);
    return columns(["Name", "Value", "Unit", "Meaning"], rows);
  },
};

const showTcpStats: Command = {
  name: "show tcp stats",
  usage: "[--json]",
  help: "connections by state, sums of their statistics (RFC 4898), and the counters of all TCP nodes",
  run(words, run) {
    const isJson = words.remove("--json");
    words.end();
    const result = call(run, "statistics.tcp", {});
    if (isJson) return JSON.stringify(result);
    const { states, sums, counters } = result;
    return [
      columns(["State", "Connections"], Object.entries(states)),
      columns(["Statistic", "Sum"], Object.entries(sums)),
      columns(
        ["Count", "Symbol", "Reason"],
        counters.map(({ count, symbol, text }) => [count, symbol, text]),
      ),
    ].join("\n\n");
  },
};

/** Commands about TCP. */
export const TCP_COMMANDS: readonly Command[] = [showTcpConfig, showTcpStats];
