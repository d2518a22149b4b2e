import { beforeAll, describe, expect, it } from "vitest";
import { type MethodForm, type MethodName, METHODS } from "../../src/cli/methods/method-table.js";
import { requestLine } from "../../src/cli/methods/request-form.js";
import type { Field, Shape } from "../../src/cli/methods/shape.js";
import { Pair } from "../cli/pair.js";

// All on one stack: what is refused changes nothing.
const pair = new Pair();
beforeAll(async () => {
  await pair.connect();
  await pair.ok("ip route add 10.0.0.0/8 via 198.18.0.1");
});

/** All that can be read: what a refused request must leave as it is. Counts of refusals are no state. */
async function state(): Promise<string> {
  const reads = Object.entries<MethodForm>(METHODS).filter(
    ([name, { params, changes }]) =>
      !changes && name !== "statistics.sessions" && params.every(({ isOptional }) => isOptional),
  );
  const texts: string[] = [];
  for (const [name] of reads) texts.push((await pair.cli.run(requestLine(name, {}))).text);
  // Refused in any case, for another reason when applications may not attach.
  return [...texts, `attach ${pair.a.host.sessions.attach({ name: "" }, {})}`].join("\n");
}

interface Refusal {
  readonly code: string;
  readonly name: string;
  readonly text: string;
  readonly argument?: string;
}

async function refused(line: string): Promise<Refusal> {
  const before = await state();
  const { ok, text } = await pair.cli.run(line);
  expect(text).toContain('"error"');
  expect(ok).toBe(false);
  expect(await state()).toBe(before);
  return (JSON.parse(text) as { error: Refusal }).error;
}

/** A value of that shape, which need not name anything that exists. */
function sample(shape: Shape): unknown {
  switch (shape.kind) {
    case "interface":
      return "w0";
    case "address":
      return "198.18.0.9";
    case "prefix":
      return "198.18.77.0/24";
    case "end":
      return "198.18.0.9:80";
    case "mac":
      return "02:00:00:00:00:09";
    case "session":
      return "0:1.1";
    case "word":
      return shape.words[0];
    case "int":
      return shape.min;
    case "name":
    case "text":
      return "blue";
    case "list":
      return [sample(shape.of)];
    case "object":
      return Object.fromEntries(shape.fields.map(({ name, shape: each }) => [name, sample(each)]));
    default:
      throw new Error(`no sample of ${shape.kind}`);
  }
}

/** Values that are not of that shape, with where in them the fault is. */
function wrongValues(shape: Shape, at: string): (readonly [argument: string, value: unknown])[] {
  const here = (...values: readonly unknown[]) => values.map((value) => [at, value] as const);
  // Out of range, or of another form.
  switch (shape.kind) {
    case "interface":
      return here(null, 7, {}, "", "a name", "x".repeat(16), "a/b");
    case "address":
      return here(null, 7, [], "", "198.18.0.300", "198.18.0.1/24", "w0", "x".repeat(5000));
    case "prefix":
      return here(null, 7, [], "", "198.18.0.0", "198.18.0.0/33", "2001:db8::/129");
    case "end":
      return here(null, 80, [], "", "198.18.0.1:99999", "tcp://198.18.0.1");
    case "mac":
      return here(null, 7, [], "", "02:00:00:00:00", "01:00:5e:00:00:01", "02:00:00:00:00:0g");
    case "session":
      return here(null, 1, [], "", "1:1", "0:1.2.3", "-1", "0:999999999");
    case "word":
      return here(null, 7, [], "", "sideways");
    case "int":
      return here(null, "7", [], true, 1.5, shape.min - 1, shape.max + 1, -1e300);
    case "name":
      return here(null, 7, [], "", "two words", "x".repeat(shape.max + 1));
    case "text":
      return here(null, 7, [], {}, "x".repeat(shape.max + 1));
    case "flag":
      return here(null, 0, "true", []);
    case "family":
      return here(null, 5, "4", [], true);
    case "secret":
      return here(null, -1, 1.5, [], true, "x".repeat(257));
    case "list":
      return [
        ...here(
          null,
          7,
          "x",
          {},
          Array.from({ length: shape.max + 1 }, () => sample(shape.of)),
        ),
        ...wrongValues(shape.of, `${at}[0]`).map(([argument, value]) => [argument, [value]] as const),
      ];
    case "object":
      return [
        ...here(null, 7, "x", []),
        [`${at}.more`, { more: 1 }],
        ...shape.fields.flatMap(({ name, shape: each }) =>
          wrongValues(each, `${at}.${name}`).map(
            ([argument, value]) => [argument, { ...good(shape.fields), [name]: value }] as const,
          ),
        ),
      ];
    default:
      throw new Error(`no wrong values of ${shape.kind}`);
  }
}

function good(params: readonly Field[]): Record<string, unknown> {
  return Object.fromEntries(
    params.filter(({ isOptional }) => !isOptional).map(({ name, shape }) => [name, sample(shape)]),
  );
}

const PARAMETERS = Object.entries<MethodForm>(METHODS).flatMap(([method, { params }]) =>
  params.map((param) => [method, param.name, param, params] as const),
);
const REQUIRED = PARAMETERS.filter(([, , { isOptional }]) => !isOptional);

describe("a parameter", () => {
  it.each(REQUIRED)("%s: %s is missing", async (method, name, _param, params) => {
    const { [name]: _left, ...rest } = good(params);
    expect(await refused(requestLine(method, rest))).toEqual({
      code: "EINVAL",
      name: "INVALID",
      text: "is missing",
      argument: name,
    });
  });

  it.each(PARAMETERS)("%s: %s is of a wrong type, form or range", async (method, name, { shape }, params) => {
    for (const [argument, value] of wrongValues(shape, name)) {
      const error = await refused(requestLine(method, { ...good(params), [name]: value }));
      expect(error).toMatchObject({ code: "EINVAL", name: "INVALID", argument });
      expect(error.text).not.toBe("");
    }
  });

  it.each(Object.keys(METHODS))("%s: takes no other", async (method) => {
    const params = good(METHODS[method as MethodName].params);
    const other = { code: "EINVAL", name: "INVALID", text: "unknown key" };
    expect(await refused(requestLine(method, { ...params, other: 1 }))).toEqual({ ...other, argument: "other" });
    const line = requestLine(method, params).replace('"params":{', '"params":{"__proto__":{},');
    expect(await refused(line.replace(",}", "}"))).toEqual({ ...other, argument: "__proto__" });
    for (const wrong of [null, 7, "x", []]) {
      expect(await refused(requestLine(method, wrong))).toMatchObject({ name: "INVALID", argument: "params" });
    }
  });
});

describe("what the stack does not have, or cannot do", () => {
  it.each([
    ["interface.list", { interface: "w9" }, "NOINTF", "interface", 'no interface "w9"'],
    ["interface.state", { interface: "w9", state: "up" }, "NOINTF", "interface", 'no interface "w9"'],
    ["interface.mtu", { interface: "w0", mtu: 9000 }, "INVALID", "mtu", "mtu 9000: not from 1280 to 1500"],
    ["interface.table", { interface: "w0", table: 9 }, "INVALID", "table", "no table 9"],
    [
      "interface.table",
      { interface: "w0", table: 0 },
      "INVALID",
      "interface",
      "interface w0 has addresses: its table cannot change",
    ],
    [
      "interface.address.add",
      { interface: "w0", prefix: "198.18.0.2/24" },
      "INVALID",
      "prefix",
      "198.18.0.2 is in use on w0",
    ],
    [
      "interface.address.del",
      { interface: "w0", prefix: "198.18.0.9/24" },
      "INVALID",
      "prefix",
      "the interface has no address 198.18.0.9",
    ],
    ["table.add", { table: 0x7fff_ffff + 1 }, "INVALID", "table", expect.stringContaining("not a whole number")],
    ["table.del", { table: 9 }, "INVALID", "table", "no table 9 that can be removed"],
    ["route.list", { table: 9 }, "NOROUTE", "table", "no table 9"],
    ["route.add", { prefix: "10.0.0.0/8" }, "INVALID", "paths", "is missing"],
    ["route.add", { prefix: "10.0.0.0/8", paths: [] }, "INVALID", "paths", "is missing"],
    ["route.add", { prefix: "10.0.0.0/8", paths: [{}] }, "INVALID", "paths[0]", "neither via nor interface"],
    [
      "route.add",
      { prefix: "10.0.0.0/8", paths: [{ via: "198.18.0.1" }], verdict: "drop" },
      "INVALID",
      "verdict",
      "not together with paths",
    ],
    ["route.add", { prefix: "10.0.0.0/8", verdict: "drop", table: 9 }, "INVALID", "table", "no table 9"],
    [
      "route.add",
      { prefix: "10.0.0.0/8", paths: [{ via: "198.18.0.1", interface: "w9" }] },
      "NOINTF",
      "paths[0].interface",
      'no interface "w9"',
    ],
    [
      "route.add",
      { prefix: "10.0.0.0/8", paths: [{ via: "2001:db8:18::1" }] },
      "INVALID",
      "paths",
      "next hop 2001:db8:18::1 is of the other family",
    ],
    ["route.del", { prefix: "11.0.0.0/8" }, "INVALID", "prefix", "no route to 11.0.0.0/8"],
    ["route.del", { prefix: "10.0.0.0/8", table: 9 }, "INVALID", "table", "no table 9"],
    [
      "neighbour.del",
      { interface: "w0", address: "198.18.0.9" },
      "ADDR_NOT_IN_USE",
      "address",
      "no neighbour 198.18.0.9",
    ],
    ["namespace.list", { id: "red" }, "INVALID_NS", "id", 'no namespace "red"'],
    ["namespace.add", { id: "red", interface: "w9" }, "NOINTF", "interface", "no resolving interface"],
    ["namespace.add", { id: "red", table4: 9 }, "NOROUTE", "table4", "no route"],
    ["namespace.add", { id: "red", table4: 0, table6: 9 }, "NOROUTE", "table6", "no route"],
    ["namespace.del", { id: "red" }, "INVALID_NS", "id", "invalid namespace"],
    ["namespace.del", { id: "default" }, "INVALID", "id", "invalid value"],
    ["app.get", { app: 9 }, "NOAPP", "app", "no app 9"],
    ["session.list", { proto: "sctp" }, "NOSUPPORT", "proto", 'no transport "sctp"'],
    ["session.get", { session: "0:9" }, "NOSESSION", "session", "no session 0:9"],
    ["session.get", { session: "0:1.7" }, "NOSESSION", "session", "no session 0:1.7"],
    ["session.clear", { session: "99" }, "NOSESSION", "session", "no session 99"],
    ["source-address.add", { first: "198.18.0.9" }, "NOIP", "first", "no ip for local interface"],
    [
      "source-address.add",
      { first: "198.18.0.2", last: "::1" },
      "INVALID",
      "last",
      "the two addresses are of different families",
    ],
    ["source-address.add", { first: "198.18.0.2", last: "198.18.0.1" }, "INVALID", "last", "invalid value"],
    ["source-address.del", { first: "198.18.0.2", table: 9 }, "NOROUTE", "table", "no route"],
    ["source-address.del", { first: "198.18.0.2" }, "ADDR_NOT_IN_USE", "first", "address not in use"],
  ] as const)("%s %j: %s, %s: %s", async (method, params, name, argument, text) => {
    expect(await refused(requestLine(method, params))).toMatchObject({ name, argument, text });
  });
});

describe("a request", () => {
  it.each([
    ["{", { name: "INVALID", text: "not JSON" }],
    [`{"version":1,"method":"session.disable"`, { name: "INVALID", text: "not JSON" }],
    [`{"version":1}{}`, { name: "INVALID", text: "not JSON" }],
    ["{}", { name: "NOSUPPORT", argument: "version", text: "version undefined: this stack speaks version 1" }],
    [
      `{"version":2,"method":"session.disable"}`,
      {
        code: "EPROTONOSUPPORT",
        name: "NOSUPPORT",
        argument: "version",
        text: "version 2: this stack speaks version 1",
      },
    ],
    [`{"version":1}`, { name: "INVALID", argument: "method", text: "not a method's name" }],
    [`{"version":1,"method":["session.disable"]}`, { name: "INVALID", argument: "method" }],
    [`{"version":1,"method":"session.explode"}`, { name: "NOSUPPORT", text: 'no method "session.explode"' }],
    [`{"version":1,"method":"constructor"}`, { name: "NOSUPPORT", text: 'no method "constructor"' }],
    [`{"version":1,"method":"session.disable","id":7}`, { name: "INVALID", argument: "id", text: "unknown key" }],
    [
      `{"version":1,"method":"session.disable","params":${"[".repeat(4000)}${"]".repeat(4000)}}`,
      { argument: "params" },
    ],
    [`{"version":1,"method":"${"x".repeat(8192)}"}`, { name: "INVALID", text: "a request has at most 8192 bytes" }],
  ])("%s", async (line, error) => {
    expect(await refused(line)).toMatchObject(error);
  });

  it("is refused when the stack is closed", async () => {
    const closed = new Pair();
    closed.cli.close();
    const { ok, text } = await closed.cli.run(requestLine("session.disable", {}));
    expect(ok).toBe(false);
    expect(JSON.parse(text)).toMatchObject({ error: { name: "UNKNOWN", code: "EIO", text: "the stack is closed" } });
  });
});
