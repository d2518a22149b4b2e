import { beforeEach, describe, expect, test } from "vitest";
import type { LocalApp } from "../../src/app/local-app.js";
import type { AppScope } from "../../src/session/application.js";
import { bytes, CT_FAMILIES, OneStack } from "../transport/ct/one-stack.js";

const BOTH: readonly AppScope[] = ["global", "local"];
const LOCAL: readonly AppScope[] = ["local"];
const GLOBAL: readonly AppScope[] = ["global"];

let h: OneStack;
beforeEach(() => {
  h = new OneStack();
});

async function serve(name: string, uri: string, scope = LOCAL, options: object = {}): Promise<LocalApp> {
  const app = await h.attach(name, {}, { scope, ...options });
  await app.listen(uri);
  return app;
}

/** Which application accepts a connect, or how it fails. */
async function reached(client: LocalApp, uri: string): Promise<string> {
  h.news();
  const result = await h.refusal(client, uri);
  return (
    h
      .news()
      .find((line) => line.endsWith(" accept"))
      ?.split(" ")[0] ?? result
  );
}

describe.each(CT_FAMILIES)("%s", (family, uri, loopback) => {
  const any = family === "ip4" ? "tcp://0.0.0.0:80" : "tcp://[::]:80";
  const elsewhere = family === "ip4" ? "tcp://10.0.0.9:80" : "tcp://[2001:db8::9]:80";

  test("the exact listener comes before any address, and that before a proxy", async () => {
    const client = await h.attach("c");
    const proxy = await h.attach("proxy");
    await proxy.listen(any.replace(/80$/, "0"), { proxy: true });
    expect(await reached(client, uri)).toBe("proxy");
    await serve("any", any);
    expect(await reached(client, uri)).toBe("any");
    await serve("exact", uri);
    expect([await reached(client, uri), await reached(client, loopback)]).toEqual(["exact", "any"]);
    expect([await reached(client, any), await reached(client, loopback.replace(/80$/, "81"))]).toEqual([
      "any",
      "proxy",
    ]);
  });

  test("any address means this host: what is for others goes past it, and a proxy takes it", async () => {
    await serve("any", any);
    const client = await h.attach("c");
    expect(await reached(client, elsewhere)).toBe("SCOPE");
    const proxy = await h.attach("proxy");
    await proxy.listen(any.replace(/80$/, "0"), { proxy: true });
    expect(await reached(client, elsewhere)).toBe("proxy");
  });

  test("nobody: NOROUTE at loopback and any, SCOPE elsewhere; final also with global scope", async () => {
    const client = await h.attach("c");
    expect([await reached(client, loopback), await reached(client, any)]).toEqual(["NOROUTE", "NOROUTE"]);
    expect([await reached(client, uri), await reached(client, elsewhere)]).toEqual(["SCOPE", "SCOPE"]);
    const both = await h.attach("b", {}, { scope: BOTH });
    expect([await reached(both, loopback), await reached(both, any)]).toEqual(["NOROUTE", "NOROUTE"]);
  });

  test("with global scope, LOCAL_CONNECT goes on with packets", async () => {
    const both = await h.attach("b", {}, { scope: BOTH });
    both.connect(elsewhere).catch(() => {});
    h.settle();
    const { lookup } = h.stack.host;
    expect(lookup.counts()).toMatchObject(family === "ip4" ? { halfOpen4: 1 } : { halfOpen6: 1 });
    expect(h.rows.used).toBe(0);
  });

  test("with global scope, a listener for packets to this host is reached too, its application's scope whatever", async () => {
    await serve("g", any, GLOBAL);
    const both = await h.attach("b", {}, { scope: BOTH });
    expect(await reached(both, uri)).toBe("g");
    expect(h.rows.used).toBe(2);
    // Loopback is a matter of local scope.
    expect(await reached(both, loopback)).toBe("NOROUTE");
    expect(await reached(await h.attach("c"), uri)).toBe("SCOPE");
  });

  test("an application of both scopes listens in both; of local scope alone no packet finds it", async () => {
    const both = await serve("b", any, BOTH);
    expect(h.lookupListeners()).toBe(2);
    expect(await reached(await h.attach("c"), loopback)).toBe("b");
    await both.detach();
    h.settle();
    expect(h.lookupListeners()).toBe(0);
    await serve("l", any, LOCAL);
    expect(h.lookupListeners()).toBe(1);
  });

  test("a proxy does not reach itself, but goes on with packets", async () => {
    const proxy = await h.attach("proxy", {}, { scope: LOCAL });
    await proxy.listen(any.replace(/80$/, "0"), { proxy: true });
    expect([await reached(proxy, elsewhere), await reached(proxy, loopback)]).toEqual(["SCOPE", "NOROUTE"]);
    await serve("s", loopback);
    expect(await reached(proxy, loopback)).toBe("s");
  });

  test("a namespace's local table is its own", async () => {
    const { sessions } = h.stack.host;
    for (const id of ["blue", "red"]) sessions.apply({ kind: "namespace", add: true, id });
    await serve("blue", loopback, LOCAL, { namespace: "blue" });
    await serve("red", loopback, LOCAL, { namespace: "red" });
    const clients = await Promise.all(
      ["blue", "red", "default"].map((namespace) => h.attach(`c-${namespace}`, {}, { namespace })),
    );
    const results: string[] = [];
    for (const client of clients) results.push(await reached(client, loopback));
    expect(results).toEqual(["blue", "red", "NOROUTE"]);
  });

  test("loopback can be listened on in local scope, also where no interface has it", async () => {
    const both = await serve("b", loopback, BOTH);
    expect(h.lookupListeners()).toBe(1);
    await expect(h.attach("g", {}, { scope: GLOBAL }).then((app) => app.listen(loopback))).rejects.toMatchObject({
      sessionError: "NOIP",
    });
    expect(await reached(await h.attach("c"), loopback)).toBe("b");
    await both.detach();
    h.settle();
    expect(h.pools()).toMatchObject({ rows: 0, sessions: 0 });
  });

  test("another application on the same address and port: ALREADY_LISTENING", async () => {
    await serve("s", loopback);
    const other = await h.attach("o");
    await expect(other.listen(loopback)).rejects.toMatchObject({ sessionError: "ALREADY_LISTENING" });
    expect(h.pools()).toMatchObject({ rows: 1, sessions: 1 });
  });
});

test("datagrams: refused by name in local scope, packets in both", async () => {
  const local = await h.attach("l");
  await expect(local.listen("udp://127.0.0.1/53")).rejects.toMatchObject({ sessionError: "NOSUPPORT" });
  expect(await h.refusal(local, "udp://127.0.0.1/53")).toBe("NOSUPPORT");
  const both = await h.attach("b", {}, { scope: BOTH });
  await both.listen("udp://0.0.0.0/53");
  expect((await h.connect(both, "udp://10.0.0.9/53")).write(bytes("x"))).toBeGreaterThanOrEqual(0);
  expect(h.rows.used).toBe(0);
});

test("an interface's namespace: its addresses are its own, the other's are reached by packets only", async () => {
  const { sessions } = h.stack.host;
  sessions.apply({ kind: "namespace", add: true, id: "if", interface: "wire0" });
  await serve("any", "tcp://0.0.0.0/80", LOCAL, { namespace: "if" });
  const client = await h.attach("c", {}, { namespace: "if" });
  expect([await reached(client, "tcp://10.0.0.1/80"), await reached(client, "tcp://10.0.0.2/80")]).toEqual([
    "any",
    "SCOPE",
  ]);
});
