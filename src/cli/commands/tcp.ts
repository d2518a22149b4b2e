import { TCP_STATE_NAMES } from "../../transport/tcp/connection.js";
import { C_STATE } from "../../transport/transport.js";
import { columns, pairs } from "../columns.js";
import type { Command } from "../command.js";

const showTcpConfig: Command = {
  name: "show tcp config",
  usage: "",
  help: "TCP's settings",
  run(words, { host }) {
    words.end();
    return pairs(Object.entries(host.tcp.core.config));
  },
};

const showTcpStats: Command = {
  name: "show tcp stats",
  usage: "",
  help: "connections by state, and the counters of all TCP nodes",
  run(words, { host }) {
    words.end();
    const { connections } = host.tcp.core;
    const { i32 } = host.window;
    const states = new Float64Array(TCP_STATE_NAMES.length);
    for (const c of connections) states[i32[connections.row(c) + C_STATE]]++;
    const counters = new Map<string, (string | number)[]>();
    for (const { node, symbol, text, count } of host.engine.errors()) {
      if (!/^tcp[46]-/.test(node)) continue;
      const known = counters.get(symbol);
      counters.set(symbol, [Number(known?.[0] ?? 0) + count, symbol, text]);
    }
    const rows = TCP_STATE_NAMES.map((name, i) => [name, states[i]]).filter(([, count]) => count !== 0);
    return `${columns(["State", "Connections"], rows)}\n\n${columns(["Count", "Symbol", "Reason"], [...counters.values()])}`;
  },
};

/** Commands about TCP. */
export const TCP_COMMANDS: readonly Command[] = [showTcpConfig, showTcpStats];
