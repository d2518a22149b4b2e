import { configRows } from "../../transport/tcp/config-table.js";
import { LISTEN, TCP_STATE_NAMES } from "../../transport/tcp/connection.js";
import { C_STATE } from "../../transport/transport.js";
import { columns } from "../columns.js";
import type { Command } from "../command.js";

/** Statistics of connections that are worth a sum. */
const SUMMED: readonly string[] = [
  "SegsIn DataSegsIn SegsOut DataSegsOut SegsRetrans OctetsRetrans Timeouts FastRetran",
  "DupAcksIn SACKsRcvd DSACKDups SpuriousDetected",
].flatMap((names) => names.split(" "));

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
  usage: "",
  help: "connections by state, sums of their statistics (RFC 4898), and the counters of all TCP nodes",
  run(words, { host }) {
    words.end();
    const { connections } = host.tcp.core;
    const { i32 } = host.window;
    const states = new Float64Array(TCP_STATE_NAMES.length);
    const sums = new Map<string, number>(SUMMED.map((name) => [name, 0]));
    for (const c of connections) {
      const state = i32[connections.row(c) + C_STATE];
      states[state]++;
      if (state <= LISTEN) continue;
      const statistics = host.tcp.statistics(c);
      for (const name of SUMMED) sums.set(name, (sums.get(name) ?? 0) + statistics[name]);
    }
    const counters = new Map<string, (string | number)[]>();
    for (const { node, symbol, text, count } of host.engine.errors()) {
      if (!/^tcp[46]-/.test(node)) continue;
      const known = counters.get(symbol);
      counters.set(symbol, [Number(known?.[0] ?? 0) + count, symbol, text]);
    }
    const rows = TCP_STATE_NAMES.map((name, i) => [name, states[i]]).filter(([, count]) => count !== 0);
    return [
      columns(["State", "Connections"], rows),
      columns(["Statistic", "Sum"], [...sums]),
      columns(["Count", "Symbol", "Reason"], [...counters.values()]),
    ].join("\n\n");
  },
};

/** Commands about TCP. */
export const TCP_COMMANDS: readonly Command[] = [showTcpConfig, showTcpStats];
