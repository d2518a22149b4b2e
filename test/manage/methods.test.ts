import { beforeEach, describe, expect, it } from "vitest";
import { checkValue } from "../../src/cli/methods/check.js";
import { type MethodForm, type MethodName, METHODS } from "../../src/cli/methods/method-table.js";
import { requestLine } from "../../src/cli/methods/request-form.js";
import { Pair } from "../cli/pair.js";
import { renderMethods } from "./render.js";

let pair: Pair;
beforeEach(async () => {
  pair = new Pair();
  await pair.connect();
});

/** What a method answers with; it must be of its shape. */
async function result(method: MethodName, params: object = {}): Promise<unknown> {
  const { ok, text } = await pair.cli.run(requestLine(method, params));
  expect(text).toContain('"result"');
  expect(ok).toBe(true);
  const { result: value } = JSON.parse(text) as { result: unknown };
  const form: MethodForm = METHODS[method];
  expect(checkValue(form.result, value, ["result"])).toBeUndefined();
  return value;
}

const READS = Object.entries<MethodForm>(METHODS).flatMap(([name, { changes }]) =>
  changes ? [] : [name as MethodName],
);
/** Entries of the source deny list, and a peer that left a handshake incomplete. */
async function fillDenyList(): Promise<void> {
  await pair.ok("session enable rt-backend sdl");
  await pair.ok("session sdl add 203.0.113.0/24 tag net");
  await pair.ok("auto-sdl enable threshold 2");
  const { sessions } = pair.a.host;
  sessions.handshakeTimedOut(0, sessions.connectionOf(1));
}

const NEEDED: Partial<Record<MethodName, object>> = { "app.get": { app: 0 }, "session.get": { session: "0:1.1" } };

describe("a method that reads", () => {
  it.each(READS)("%s answers with what its table says", async (method) => {
    await pair.ok("ping 198.18.0.1 repeat 1");
    await pair.ok("ip route add 10.0.0.0/8 via 198.18.0.1");
    await pair.ok("app ns add id blue ip4-fib-id 0");
    await fillDenyList();
    const value = await result(method, NEEDED[method]);
    // Lists have something to look at.
    expect(value).not.toEqual([]);
  });

  it.each([
    ["show interface --json", "interface.list", {}],
    ["show interface w0 addr --json", "interface.list", { interface: "w0" }],
    ["show ip fib --json", "route.list", { family: 4 }],
    ["show ip6 fib table 0 --json", "route.list", { family: 6, table: 0 }],
    ["show ip fib 198.18.0.9 --json", "route.list", { family: 4, address: "198.18.0.9" }],
    ["show ip neighbors --json", "neighbour.list", {}],
    ["show ip6 neighbors --json", "neighbour.list", { family: 6 }],
    ["show session --json", "session.list", {}],
    ["show session verbose 2 app 0 --json", "session.list", { app: 0, verbose: 2 }],
    ["show session stats --json", "statistics.sessions", {}],
    ["show session lookup --json", "statistics.lookup", {}],
    ["show app --json", "app.list", {}],
    ["show app server verbose --json", "session.list", { role: "server", verbose: 1 }],
    ["show app ns --json", "namespace.list", {}],
    ["show app evt-collector --json", "collector.list", {}],
    ["show session flow-hooks --json", "flow.list", {}],
    ["show tcp stats --json", "statistics.tcp", {}],
    ["show segment-manager --json", "statistics.segments", {}],
    ["show buffers --json", "statistics.buffers", {}],
    ["show runtime all --json", "statistics.runtime", { all: true }],
    ["show errors --json", "statistics.errors", {}],
    ["show session sdl --json", "sdl.list", {}],
    ["show session sdl appns default 203.0.113.9 --json", "sdl.list", { namespace: "default", address: "203.0.113.9" }],
    ["show auto-sdl --json", "auto-sdl.list", {}],
    ["show auto-sdl 198.18.0.1 --json", "auto-sdl.list", { address: "198.18.0.1" }],
    ["show auto-sdl summary --json", "auto-sdl.get", {}],
  ] as const)("%s prints it", async (command, method, params) => {
    await pair.ok("ping 198.18.0.1 repeat 1");
    await fillDenyList();
    expect(JSON.parse(await pair.ok(command))).toEqual(await result(method, params));
  });

  it("lists sessions by any of its filters", async () => {
    const shown = async (filter: object): Promise<string[]> =>
      ((await result("session.list", filter)) as { session: string }[]).map(({ session }) => session);
    expect(await shown({})).toEqual(["0:0.1", "0:1.1"]);
    expect(await shown({ max: 1 })).toEqual(["0:0.1"]);
    expect(await shown({ first: 1 })).toEqual(["0:1.1"]);
    expect(await shown({ last: 0 })).toEqual(["0:0.1"]);
    expect(await shown({ role: "server" })).toEqual(["0:0.1"]);
    expect(await shown({ role: "client" })).toEqual([]);
    expect(await shown({ proto: "tcp", state: "ready", app: 0 })).toEqual(["0:1.1"]);
    expect(await shown({ app: 1 })).toEqual([]);
    expect(await shown({ local: "198.18.0.2:80" })).toEqual(["0:1.1"]);
    expect(await shown({ remote: "198.18.0.2" })).toEqual([]);
    expect(await shown({ either: "198.18.0.1" })).toEqual(["0:1.1"]);
    expect(await result("session.count", { state: "ready" })).toEqual({
      sessions: 1,
      capacity: 256,
      states: [{ proto: "tcp", state: "ready", sessions: 1 }],
    });
    expect(await result("session.get", { session: "1" })).toMatchObject({
      session: "0:1.1",
      transport: expect.stringMatching(/snd_una/),
    });
  });
});

describe("a method that changes something", () => {
  const done = async (method: MethodName, params: object): Promise<void> => {
    expect(METHODS[method].changes).toBe(true);
    expect(await result(method, params)).toBeNull();
  };

  it("interface.*: state, MTU, addresses, table", async () => {
    const shown = async (): Promise<unknown> => ((await result("interface.list")) as unknown[])[0];
    await done("interface.state", { interface: "w0", state: "down" });
    await done("interface.mtu", { interface: "w0", mtu: 1400 });
    await done("interface.address.add", { interface: "w0", prefix: "198.18.7.2/24" });
    expect(await shown()).toMatchObject({
      state: "down",
      mtu: 1400,
      addresses: expect.arrayContaining(["198.18.7.2/24"]),
    });
    const { addresses } = (await shown()) as { addresses: string[] };
    for (const prefix of addresses) await done("interface.address.del", { interface: "w0", prefix });
    await done("interface.mode", { interface: "w0", promiscuous: true });
    expect(await shown()).toMatchObject({ promiscuous: true, spoofing: false });
    await done("interface.mode", { interface: "w0", promiscuous: false, spoofing: true });
    expect(await shown()).toMatchObject({ promiscuous: false, spoofing: true });
    await done("interface.mode", { interface: "w0" });
    expect(await shown()).toMatchObject({ promiscuous: false, spoofing: true });
    await done("table.add", { table: 7 });
    await done("interface.table", { interface: "w0", table: 7 });
    await done("interface.state", { interface: "w0", state: "up" });
    expect(await shown()).toMatchObject({ state: "up", addresses: [], table: 7 });
  });

  it("table.* and route.*", async () => {
    await done("table.add", { table: 7 });
    const paths = [
      { via: "198.18.0.1", weight: 3 },
      { via: "198.18.0.9", interface: "w0" },
    ];
    await done("route.add", { prefix: "10.0.0.0/8", paths });
    await done("route.add", { prefix: "10.0.0.0/8", verdict: "drop", table: 7 });
    const route = { prefix: "10.0.0.0/8", source: "route" };
    expect(await result("route.list", { address: "10.1.2.3" })).toEqual([
      {
        table: 0,
        ...route,
        paths: [
          { type: "rewrite", via: "198.18.0.1", interface: "w0", weight: 3 },
          { type: "arp", via: "198.18.0.9", interface: "w0", weight: 1 },
        ],
      },
      { table: 7, ...route, paths: [{ type: "drop", via: null, interface: null, weight: 1 }] },
    ]);
    await done("route.del", { prefix: "10.0.0.0/8" });
    await done("table.del", { table: 7 });
    expect(await result("table.list")).toMatchObject([{ table: 0 }]);
    expect(JSON.stringify(await result("route.list"))).not.toContain("10.0.0.0");
  });

  it("neighbour.*", async () => {
    const neighbour = { interface: "w0", address: "198.18.0.9" };
    await done("neighbour.set", { ...neighbour, mac: "02:00:00:00:00:09" });
    const set = { ...neighbour, mac: "02:00:00:00:00:09", state: "static" };
    expect(await result("neighbour.list")).toEqual(expect.arrayContaining([expect.objectContaining(set)]));
    expect(await result("neighbour.list", { family: 6 })).toEqual([]);
    await done("neighbour.del", neighbour);
    expect(JSON.stringify(await result("neighbour.list"))).not.toContain("198.18.0.9");
  });

  it("namespace.*", async () => {
    await done("namespace.add", { id: "blue", secret: 1234, interface: "w0" });
    expect(await result("namespace.list", { id: "blue" })).toMatchObject([{ secret: "yes", interface: "w0", apps: 0 }]);
    await done("namespace.add", { id: "blue", table6: 0 });
    expect(await result("namespace.list", { id: "blue" })).toMatchObject([
      { index: 1, secret: "no", interface: null, "ip4-table": null, "ip6-table": 0 },
    ]);
    await done("namespace.del", { id: "blue" });
    expect(await result("namespace.list")).toMatchObject([{ id: "default", apps: 1 }]);
  });

  it("source-address.*", async () => {
    await done("interface.address.add", { interface: "w0", prefix: "198.18.0.3/24" });
    await done("source-address.add", { first: "198.18.0.2", last: "198.18.0.3" });
    expect(await pair.fails("tcp src-address 198.18.0.3")).toContain("IPINUSE");
    await done("source-address.del", { first: "198.18.0.2", last: "198.18.0.3" });
    await done("source-address.add", { first: "198.18.0.3" });
  });

  it("session.*: clear, disable, enable", async () => {
    await done("session.clear", { session: "0:1.1" });
    pair.run(10_000);
    expect(await result("session.count")).toMatchObject({ sessions: 1 });
    await done("session.disable", {});
    pair.run(100_000);
    expect(await result("session.count")).toMatchObject({ sessions: 0 });
    expect(pair.a.host.sessions.attach({ name: "x" }, {})).toBe(-10);
    await done("session.enable", {});
    expect(pair.a.host.sessions.attach({ name: "x" }, {})).toBe(0);
    await done("session.enable", { rtBackend: "rule-table" });
    expect(pair.a.host.sessions.rtBackend).toBe("rule-table");
    expect(await pair.fails("session enable rt-backend none")).toBe("session enable: rt-backend rule-table is on");
    const { text } = await pair.cli.run(requestLine("session.enable", { rtBackend: "none" }));
    expect(JSON.parse(text)).toMatchObject({ error: { name: "NOSUPPORT", argument: "rtBackend" } });
  });
});

describe("methods of the source deny list", () => {
  const refused = async (method: MethodName, params: object): Promise<object> => {
    const { text } = await pair.cli.run(requestLine(method, params));
    return (JSON.parse(text) as { error: object }).error;
  };
  const remotes = async (params: object = {}): Promise<string[]> =>
    ((await result("sdl.list", params)) as { remote: string }[]).map(({ remote }) => remote);

  it("add and delete several entries, and name the one that cannot be", async () => {
    const entries = [
      { remote: "203.0.113.0/24", tag: "net" },
      { remote: "203.0.113.9/32", action: "allow" },
    ];
    expect(await refused("sdl.add", { entries })).toMatchObject({ name: "NOSUPPORT", argument: "entries[0]" });
    await pair.ok("session enable rt-backend sdl");
    expect(await result("sdl.add", { entries })).toBeNull();
    expect(await result("sdl.list")).toEqual([
      {
        table: 0,
        namespaces: ["default"],
        remote: "203.0.113.0/24",
        action: "drop",
        tag: "net",
        automatic: false,
      },
      { table: 0, namespaces: ["default"], remote: "203.0.113.9/32", action: "allow", tag: null, automatic: false },
    ]);
    expect(await remotes({ max: 1 })).toEqual(["203.0.113.0/24"]);
    expect(await remotes({ address: "203.0.113.9" })).toEqual(["203.0.113.9/32"]);
    const more = [{ remote: "2001:db8:1::/48" }, { remote: "203.0.113.0/24" }, { remote: "9.0.0.0/8" }];
    expect(await refused("sdl.add", { entries: more })).toEqual({
      code: "EADDRINUSE",
      name: "IPINUSE",
      text: "there is such an entry",
      argument: "entries[1]",
    });
    expect(await remotes()).toEqual(["203.0.113.0/24", "203.0.113.9/32", "2001:db8:1::/48"]);
    expect(await result("sdl.del", { entries: [{ tag: "net" }, { remote: "203.0.113.9/32" }] })).toBeNull();
    expect(await refused("sdl.del", { entries: [{ tag: "net" }] })).toMatchObject({ name: "NOROUTE" });
    expect(await refused("sdl.del", { entries: [{}] })).toMatchObject({ name: "INVALID", argument: "entries[0]" });
    const red = { namespace: "red", entries: more };
    expect(await refused("sdl.add", red)).toMatchObject({ name: "INVALID_NS", argument: "namespace" });
    expect(await refused("sdl.list", { namespace: "red" })).toMatchObject({
      name: "INVALID_NS",
      argument: "namespace",
    });
    expect(await remotes()).toEqual(["2001:db8:1::/48"]);
  });

  it("auto-sdl.*: settings, a peer, and off", async () => {
    expect(await refused("auto-sdl.enable", {})).toMatchObject({ name: "NOSUPPORT" });
    await pair.ok("session enable rt-backend sdl");
    expect(await result("auto-sdl.get")).toMatchObject({ on: false, threshold: 5, removeTimeoutS: 300 });
    expect(await result("auto-sdl.enable", { threshold: 1, removeTimeoutS: 9 })).toBeNull();
    const { sessions } = pair.a.host;
    sessions.handshakeTimedOut(0, sessions.connectionOf(1));
    pair.run(2_000_000);
    expect(await result("auto-sdl.list")).toEqual([
      { table: 0, address: "198.18.0.1", denied: true, count: 1, ageMs: 2000 },
    ]);
    expect(await result("sdl.list")).toMatchObject([{ remote: "198.18.0.1/32", automatic: true }]);
    expect(await result("auto-sdl.get")).toMatchObject({ on: true, threshold: 1, counts: { peersDenied: 1 } });
    expect(await result("auto-sdl.list", { address: "198.18.0.7" })).toEqual([]);
    expect(await result("auto-sdl.disable", {})).toBeNull();
    expect([await result("auto-sdl.list"), await result("sdl.list")]).toEqual([[], []]);
  });
});

describe("the table of methods", () => {
  it("makes the page src/cli/methods/README.md (--update writes it)", async () => {
    await expect(renderMethods()).toMatchFileSnapshot("../../src/cli/methods/README.md");
  });
});
