import type { Command } from "../command.js";
import { CliError } from "../words.js";

/** Most packets that can be asked for at once; the tracer keeps fewer. */
const MAX_PACKETS = 1_000_000;

const traceAdd: Command = {
  name: "trace add",
  usage: "NODE N",
  help: "traces the next N packets that an input node takes (device-input, session-queue)",
  run(words, { host }) {
    const name = words.take("node");
    const count = words.integer("number of packets", 1, MAX_PACKETS);
    words.end();
    const sources = host.engine.runtime().filter(({ kind }) => kind !== "internal");
    if (!sources.some((each) => each.name === name)) {
      throw new CliError(`"${name}" is no input node (${sources.map((each) => each.name).join(", ")})`);
    }
    const room = host.engine.tracer.add(name, count);
    return room === count ? "" : `room for ${room} of ${count}: clear trace makes more`;
  },
};

const showTrace: Command = {
  name: "show trace",
  usage: "[max N]",
  help: "what each node saw of the traced packets",
  run(words, { host }) {
    const max = words.accept("max") ? words.integer("max", 1, MAX_PACKETS) : 50;
    words.end();
    return host.engine.tracer.format(max).trimEnd();
  },
};

const clearTrace: Command = {
  name: "clear trace",
  usage: "",
  help: "forgets the traces, and stops tracing",
  run(words, { host }) {
    words.end();
    host.engine.tracer.clear();
    return "";
  },
};

/** Commands about packet traces. */
export const TRACE_COMMANDS: readonly Command[] = [traceAdd, showTrace, clearTrace];
