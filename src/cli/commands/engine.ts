import { columns, pairs } from "../columns.js";
import type { Command } from "../command.js";
import { call } from "../methods/dispatch.js";
import { CliError } from "../words.js";

function ratio(a: number, b: number): number {
  return b === 0 ? 0 : Math.round((a / b) * 100) / 100;
}

const showRuntime: Command = {
  name: "show runtime",
  usage: "[all] [--json]",
  help: "calls, packets and time of each node that had packets",
  run(words, run) {
    const isJson = words.remove("--json");
    const all = words.accept("all");
    words.end();
    const result = call(run, "statistics.runtime", { all });
    if (isJson) return JSON.stringify(result);
    const { timeUs, turns, cutTurns, nodes } = result;
    const rows = nodes.map((each) => [
      each.name,
      each.kind,
      each.calls,
      each.vectors,
      each.packets,
      ratio(each.timedNs, each.timedPackets),
      ratio(each.packets, each.vectors),
    ]);
    const head = `Time ${(timeUs / 1e6).toFixed(1)} s, turns ${turns}, cut ${cutTurns}`;
    const headings = ["Name", "Kind", "Calls", "Vectors", "Packets", "ns/Packet", "Packets/Vector"];
    return `${head}\n${columns(headings, rows)}`;
  },
};

const clearRuntime: Command = {
  name: "clear runtime",
  usage: "",
  help: "forgets the statistics of all nodes",
  run(words, { host }) {
    words.end();
    host.engine.clearRuntime();
    return "";
  },
};

const showErrors: Command = {
  name: "show errors",
  usage: "[--json]",
  help: "event counters of nodes that are not 0",
  run(words, run) {
    const isJson = words.remove("--json");
    words.end();
    const errors = call(run, "statistics.errors", {});
    if (isJson) return JSON.stringify(errors);
    const rows = errors.map(({ count, node, symbol, text, severity }) => [count, node, symbol, text, severity]);
    return columns(["Count", "Node", "Symbol", "Reason", "Severity"], rows);
  },
};

const clearErrors: Command = {
  name: "clear errors",
  usage: "",
  help: "sets the event counters of all nodes to 0",
  run(words, { host }) {
    words.end();
    host.engine.clearErrors();
    return "";
  },
};

const showBuffers: Command = {
  name: "show buffers",
  usage: "[--json]",
  help: "packet buffers, free and in use",
  run(words, run) {
    const isJson = words.remove("--json");
    words.end();
    const result = call(run, "statistics.buffers", {});
    if (isJson) return JSON.stringify(result);
    const { pools, ringSlots, exhausted, doubleFrees } = result;
    const rows = pools.map(({ pool, frameBytes, total, free, used }) => [pool, frameBytes, total, free, used]);
    return [
      columns(["Pool", "Frame Bytes", "Total", "Free", "Used"], rows),
      `device ring slots ${ringSlots}, exhausted ${exhausted}, double frees ${doubleFrees}`,
    ].join("\n");
  },
};

const showMemory: Command = {
  name: "show memory",
  usage: "",
  help: "regions of the memory window",
  run(words, { host }) {
    words.end();
    const rows = host.window.regions.map(({ name, offset, bytes }) => [name, offset, bytes]);
    return `${columns(["Region", "Offset", "Bytes"], rows)}\nfree ${host.window.freeBytes}`;
  },
};

const showNode: Command = {
  name: "show node",
  usage: "[NAME]",
  help: "a node's next nodes, counters and statistics; without a name all nodes",
  run(words, { host }) {
    const { engine } = host;
    const nodes = engine.runtime();
    if (words.left === 0) {
      return columns(
        ["Index", "Name", "Kind"],
        nodes.map(({ name, kind }, i) => [i, name, kind]),
      );
    }
    const name = words.take("node");
    words.end();
    const index = nodes.findIndex((each) => each.name === name);
    if (index < 0) throw new CliError(`no node "${name}"`);
    const { kind, calls, vectors, packets } = nodes[index];
    const { errors } = engine.forms()[index];
    const counters = errors.map(({ symbol, severity, text }) => {
      return [engine.errorCount(name, symbol), symbol, text, severity];
    });
    return [
      pairs([
        ["node", name],
        ["index", index],
        ["kind", kind],
        ["calls", calls],
        ["vectors", vectors],
        ["packets", packets],
      ]),
      columns(
        ["Next", "Node"],
        engine.nextNames(name).map((next, i) => [i, next]),
      ),
      columns(["Count", "Symbol", "Reason", "Severity"], counters),
    ].join("\n\n");
  },
};

/** Commands about the engine and its graph. */
export const ENGINE_COMMANDS: readonly Command[] = [
  showRuntime,
  clearRuntime,
  showErrors,
  clearErrors,
  showBuffers,
  showMemory,
  showNode,
];
