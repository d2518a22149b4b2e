import { type MethodForm, METHODS, METHODS_VERSION } from "../../src/cli/methods/method-table.js";
import * as results from "../../src/cli/methods/results.js";
import type { Field, Shape } from "../../src/cli/methods/shape.js";

const KINDS: Readonly<Record<string, string>> = {
  interface: "text: name of an interface",
  address: "text: IPv4 or IPv6 address",
  prefix: "text: `address/length`",
  end: "text: `address` or `address:port`, IPv6 in brackets before a port",
  mac: "text: unicast hardware address, `02:00:00:00:00:01`",
  session: "text: `engine:index`, `engine:index.generation` to be sure that it is the same, or the index alone",
  family: "4 or 6",
  secret: "a text of at most 256 characters, or a whole number from 0",
  number: "a number",
  flag: "true or false",
  counts: "an object: numbers by name",
  nothing: "null",
};

/** Objects that results are made of, which the page tells of once. */
const OBJECTS = Object.entries<Shape>(results).filter(([, shape]) => objectIn(shape) !== undefined);

function objectIn(shape: Shape): readonly Field[] | undefined {
  if (shape.kind === "list") return objectIn(shape.of);
  return shape.kind === "object" ? shape.fields : undefined;
}

function shapeText(shape: Shape, isTop = false): string {
  const known = isTop ? undefined : OBJECTS.find(([, each]) => each === shape);
  if (known !== undefined) return `_${known[0].toLowerCase().replaceAll("_", " ")}_`;
  switch (shape.kind) {
    case "maybe":
      return `${shapeText(shape.of)} or null`;
    case "list":
      return `list${Number.isFinite(shape.max) ? ` ≤ ${shape.max}` : ""} of ${shapeText(shape.of)}`;
    case "object":
      return `{ ${shape.fields.map(fieldText).join("; ")} }`;
    case "word":
      return shape.words.map((each) => `"${each}"`).join(", ");
    case "int":
      if (shape.max === Number.MAX_SAFE_INTEGER) return "int";
      return `int ${shape.min} to ${shape.max}`;
    case "name":
    case "text":
      return Number.isFinite(shape.max) ? `${shape.kind} ≤ ${shape.max}` : "text";
    default:
      return shape.kind;
  }
}

function fieldText({ name, shape, doc, isOptional }: Field): string {
  return `\`${name}\`${isOptional ? "?" : ""} ${shapeText(shape)}: ${doc}`;
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

function table(heading: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return [row(heading), row(heading.map(() => "---")), ...rows.map(row)];
}

/** The page about the methods, from their table. */
export function renderMethods(): string {
  const methods = Object.entries<MethodForm>(METHODS);
  return [
    "# Methods of the control socket",
    "",
    `Version ${METHODS_VERSION}. Generated from [method-table.ts](method-table.ts) and [results.ts](results.ts): a test compares this page with them, and`,
    "`npx vitest run test/manage --update` writes it anew.",
    "",
    "The socket of the CLI is the control socket. It takes text commands, and requests: lines that are JSON objects. Whoever may connect may do",
    "everything. That is the owner alone, unless `cli: { mode: 0o660, group: 990 }` says else; Node does not tell who connects, so it is the",
    "file's mode and group, and the directories above it, that decide.",
    "",
    '    {"version":1,"method":"route.add","params":{"prefix":"10.0.0.0/8","paths":[{"via":"198.18.0.1"}]}}',
    "",
    'An answer is a line `ok BYTES` or `error BYTES`, then that many bytes: `{"version":1,"result":…}`, or',
    '`{"version":1,"error":{"code":"EINVAL","name":"INVALID","text":"…","argument":"paths[0].via"}}` with Node\'s code, VPP\'s name of the session',
    "error, and the argument at fault, when it is one. What is refused has changed nothing. Requests of a connection are answered in order.",
    "A request has at most 8192 bytes; there are at most 32 clients, and 2000 requests a second of all of them, more wait; a client that takes",
    "nothing of its answer for 30 s is closed.",
    "",
    "From a program:",
    "",
    "```js",
    'import { manage } from "weft/client";',
    "",
    "const stack = await manage(); // or { socket, timeoutMs }",
    'await stack.call("interface.mtu", { interface: "tap0", mtu: 1400 }); // rejects with code, sessionError and argument',
    'for (const { session, state } of await stack.call("session.list")) console.log(session, state);',
    "stack.close();",
    "```",
    "",
    "What methods that read answer with is what the CLI's commands print with `--json`.",
    "",
    ...table(
      ["method", "does", "parameters", "result"],
      methods.map(([name, { params, result, doc }]) => [
        `\`${name}\``,
        doc,
        params.map(fieldText).join("<br>"),
        result.kind === "nothing" ? "" : shapeText(result),
      ]),
    ),
    "",
    "Parameters with `?` may be absent; others are unknown keys, and refused. Numbers come as JSON numbers, in these shapes:",
    "",
    ...table(["shape", ""], [...Object.entries(KINDS), ["int", "a whole number"], ["name", "text without blanks"]]),
    "",
    "## Results",
    "",
    ...table(
      ["object", "keys"],
      OBJECTS.map(([name, shape]) => [
        `_${name.toLowerCase().replaceAll("_", " ")}_`,
        (objectIn(shape) ?? []).map(fieldText).join("<br>"),
      ]),
    ),
    "",
  ].join("\n");
}
