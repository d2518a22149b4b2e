import { beforeEach, describe, expect, test } from "vitest";
import { EXT_CONFIG_CRYPTO, EXT_CONFIG_HTTP, EXT_CONFIG_QUIC, ExtConfig } from "../../src/session/ext-config.js";
import { SESSION_ERRORS } from "../../src/session/session-errors.js";
import { parseUri } from "../../src/session/uri.js";
import { TRANSPORT_CT, TRANSPORT_UDP } from "../../src/transport/transport.js";
import { SessionHarness } from "./fake-transport.js";

// The cases of VPP's `test session` (src/plugins/unittest/session_test.c), by its names.

const nameOf = (value: number): string => (value < 0 ? SESSION_ERRORS[-value].name : `ok ${value}`);
const IF0 = 0x0a000001;
const IF1 = 0x0a000002;

let h: SessionHarness;
beforeEach(() => {
  h = new SessionHarness();
});

function expectNothingLeft(): void {
  h.settle();
  expect(h.layer.table.used).toBe(0);
  expect(h.lookup.counts()).toEqual({ established4: 0, established6: 0, halfOpen4: 0, halfOpen6: 0, listeners: 0 });
  expect(h.fifos.stats().activeFifos).toBe(0);
  expect(h.fifos.inUse()).toBe(0);
}

test("basic: attach, bind ip4 and ip6, a double bind is refused, unbind", () => {
  const { index } = h.app("session_test");
  const s4 = h.listen(index, "tcp://0.0.0.0/1234");
  const s6 = h.listen(index, "tcp://[::]:1234");
  expect([h.state(s4), h.state(s6)]).toEqual(["listening", "listening"]);
  expect(nameOf(h.listen(index, "tcp://0.0.0.0/1234"))).toBe("ALREADY_LISTENING");
  expect(nameOf(h.listen(index, "tcp://[::]:1234"))).toBe("ALREADY_LISTENING");
  expect([h.layer.unlisten(index, s4), h.layer.unlisten(index, s6)]).toEqual([0, 0]);
  expect(h.layer.detach(index)).toBe(0);
  expectNothingLeft();
});

describe("endpoint_cfg", () => {
  test("an explicit source address and port, within a namespace, is what the session has", () => {
    h.layer.apply({ kind: "namespace", add: true, id: "ns", secret: 0, interface: "if1" });
    const { index } = h.app("client", {}, { namespace: "ns", secret: 0 });
    const s = h.connect(index, "tcp://10.0.0.9/1234", "tcp://10.0.0.2/4321");
    expect(h.layer.localEndpoint(s)).toEqual({ family: 4, address: Int32Array.of(IF1, 0, 0, 0), port: 4321 });
    expect(h.layer.remoteEndpoint(s)?.port).toBe(1234);
    expect(h.tcp.requests[0].fib).toBe(0);
  });

  test("a source in use for the same peer is refused, a half-open one too", () => {
    const { index } = h.app("client");
    h.connect(index, "tcp://10.0.0.9/1234", "tcp://10.0.0.1/4321");
    h.lookup.addHalfOpen(0, 0);
    expect(nameOf(h.connect(index, "tcp://10.0.0.9/1234", "tcp://10.0.0.1/4321"))).toBe("PORTINUSE");
    expect(h.connect(index, "tcp://10.0.0.10/1234", "tcp://10.0.0.1/4321")).toBeGreaterThan(0);
    expect(h.layer.table.used).toBe(2);
  });

  test("detach ends half-open sessions, once", () => {
    const { index } = h.app("client");
    h.connect(index, "tcp://10.0.0.9/1234");
    h.layer.detach(index);
    expect(nameOf(h.layer.detach(index))).toBe("NOAPP");
    expect(h.tcp.calls.filter((call) => call.startsWith("close"))).toEqual(["close 0"]);
    expectNothingLeft();
  });
});

describe("namespace", () => {
  test("a wrong secret is refused, and leaves no application", () => {
    h.layer.apply({ kind: "namespace", add: true, id: "1", secret: 1234 });
    expect(nameOf(h.layer.attach({ name: "a", namespace: "1", secret: 1235 }, {}))).toBe("WRONG_NS_SECRET");
    expect(h.layer.applications.all()).toEqual([]);
    expect(nameOf(h.layer.attach({ name: "a", namespace: "1", secret: 1234 }, {}))).toBe("ok 0");
  });

  test("an interface: a bind to any is found at its address", () => {
    h.layer.apply({ kind: "namespace", add: true, id: "2", interface: "if1" });
    const s = h.listen(h.app("a", {}, { namespace: "2" }).index, "tcp://0.0.0.0/1234");
    expect([h.lookup.listener4(0, 0, IF1, 1234), h.lookup.listener4(0, 0, IF0, 1234)]).toEqual([s, -1]);
  });

  test("scopes: global and local give two listeners, local alone none that packets find", () => {
    h.add("ct", TRANSPORT_CT);
    h.layer.apply({ kind: "namespace", add: true, id: "1" });
    const options = { namespace: "1" } as const;
    const { localTable } = h.layer.namespaces.find("1") ?? { localTable: 0 };
    const target = parseUri("tcp://127.0.0.1/1234").endpoint;
    const both = h.app("both", {}, { ...options, scope: ["global", "local"] }).index;
    const s = h.listen(both, "tcp://0.0.0.0/1234");
    const local = h.lookup.localListener(localTable, 0, target);
    expect(h.lookup.listener4(0, 0, IF0, 1234)).toBe(s);
    expect(local).toBeGreaterThanOrEqual(0);
    expect(local).not.toBe(s);
    expect(h.layer.unlisten(both, s)).toBe(0);
    expect(h.lookup.localListener(localTable, 0, target)).toBe(-1);
    const only = h.app("only", {}, { ...options, scope: ["local"] }).index;
    const t = h.listen(only, "tcp://0.0.0.0/1234");
    expect(h.lookup.listener4(0, 0, IF0, 1234)).toBe(-1);
    expect(h.lookup.localListener(localTable, 0, target)).toBe(t);
    expect(h.lookup.localListener(h.layer.namespaces.find("")?.localTable ?? 0, 0, target)).toBe(-1);
    expect(nameOf(h.connect(only, "tcp://10.0.0.9/80"))).toBe("SCOPE");
    // The other is in global scope only: the same port, another table.
    expect(h.listen(h.app("global", {}, options).index, "tcp://0.0.0.0/1234")).toBeGreaterThanOrEqual(0);
    expect(nameOf(h.listen(both, "tcp://0.0.0.0/1234"))).toBe("ALREADY_LISTENING");
    for (const app of h.layer.applications.all()) h.layer.detach(app.index);
    expectNothingLeft();
  });

  test("without cut-through, local scope alone is SCOPE, and both is global", () => {
    const only = h.app("only", {}, { scope: ["local"] }).index;
    expect(nameOf(h.listen(only, "tcp://0.0.0.0/80"))).toBe("SCOPE");
    const both = h.app("both", {}, { scope: ["local", "global"] }).index;
    expect(h.listen(both, "tcp://0.0.0.0/80")).toBeGreaterThanOrEqual(0);
    expect(h.connect(both, "tcp://10.0.0.9/80")).toBeGreaterThan(0);
  });

  test("no scope is global, no namespace the default one; a deleted one is there no more", () => {
    h.layer.apply({ kind: "namespace", add: true, id: "3" });
    h.app("a", {}, { scope: [] });
    expect(h.layer.applications.at(0)).toMatchObject({ hasGlobalScope: true, hasLocalScope: false });
    expect(h.layer.applications.at(0)?.namespace.id).toBe("default");
    expect(h.layer.apply({ kind: "namespace", add: false, id: "3" })).toBe(1);
    expect(nameOf(h.layer.attach({ name: "b", namespace: "3" }, {}))).toBe("INVALID_NS");
  });
});

describe("proxy", () => {
  test("takes every port of the address that no listener has; another address misses; gone after detach", () => {
    h.layer.apply({ kind: "namespace", add: true, id: "p", interface: "if0" });
    const { index } = h.app("proxy", {}, { namespace: "p" });
    const local = parseUri("tcp://0.0.0.0/0").endpoint;
    const s = h.layer.listen(index, 0, local, { proxy: true });
    const exact = h.listen(h.app("web").index, "tcp://10.0.0.1/80");
    expect([1, 80, 65535].map((port) => h.lookup.listener4(0, 0, IF0, port))).toEqual([s, exact, s]);
    expect(h.lookup.listener4(0, 0, IF1, 1)).toBe(-1);
    expect(nameOf(h.layer.listen(index, 0, { ...local, port: 9 }, { proxy: true }))).toBe("INVALID");
    // A proxy on the address does not use up its source ports.
    expect(h.connect(index, "tcp://10.0.0.9/80")).toBeGreaterThan(0);
    h.layer.detach(index);
    expect(h.lookup.listener4(0, 0, IF0, 1)).toBe(-1);
  });

  test("every address and port is an option, off unless asked for", () => {
    const local = parseUri("tcp://0.0.0.0/0").endpoint;
    expect(nameOf(h.layer.listen(h.app().index, 0, local, { proxy: true }))).toBe("INVALID");
    h = new SessionHarness({ anyProxy: true });
    const s = h.layer.listen(h.app().index, 0, local, { proxy: true });
    expect(h.lookup.listener4(0, 0, 0x01020304, 5)).toBe(s);
  });

  test("in local scope it is found for its own protocol only, TCP or another", () => {
    h.add("udp", TRANSPORT_UDP, true);
    h.add("ct", TRANSPORT_CT);
    const { index } = h.app("proxy", {}, { scope: ["local"] });
    const { localTable } = h.layer.namespaces.find("") ?? { localTable: 0 };
    const any = parseUri("udp://0.0.0.0/0").endpoint;
    const target = parseUri("udp://10.0.0.77/53").endpoint;
    // VPP's lookup forgets the protocol at this step, and finds proxies of TCP only.
    h.lookup.addListener(localTable, TRANSPORT_UDP, any, 77);
    expect(h.lookup.localListener(localTable, TRANSPORT_UDP, target)).toBe(77);
    expect(h.lookup.localListener(localTable, 0, target)).toBe(-1);
    const s = h.layer.listen(index, 0, any, { proxy: true });
    expect(h.lookup.localListener(localTable, 0, target)).toBe(s);
    expect(nameOf(h.layer.listen(index, TRANSPORT_UDP, any, { proxy: true }))).toBe("NOSUPPORT");
  });
});

test("enable_disable: 100 rounds leave memory as it was; disabled, nobody attaches and nothing is open", () => {
  h.tcp.onClose = (closed) => h.layer.deleted(h.tcp.session(closed));
  for (let round = 0; round < 100; round++) {
    expect(h.layer.isEnabled).toBe(true);
    const { index } = h.app("app");
    h.layer.addWorker(index, {});
    h.accepted(index);
    h.connect(index, "tcp://10.0.0.9/80");
    h.layer.setEnabled(false);
    expect(nameOf(h.layer.attach({ name: "app" }, {}))).toBe("NOSUPPORT");
    expect(nameOf(h.listen(index, "tcp://0.0.0.0/81"))).toBe("NOAPP");
    expectNothingLeft();
    h.layer.setEnabled(true);
  }
  expect(h.layer.applications.all()).toEqual([]);
  expect(h.errors).toEqual([]);
});

describe("ext_cfg", () => {
  test("add, get, and none", () => {
    const config = new ExtConfig();
    expect(config.get(EXT_CONFIG_CRYPTO)).toBeUndefined();
    expect(config.add(EXT_CONFIG_CRYPTO, Uint8Array.of(1, 2, 3))).toBe(0);
    expect(config.add(EXT_CONFIG_HTTP, new Uint8Array(0))).toBe(0);
    expect(nameOf(config.add(EXT_CONFIG_HTTP, Uint8Array.of(1)))).toBe("INVALID");
    expect(nameOf(config.add(0, Uint8Array.of(1)))).toBe("INVALID");
    expect(nameOf(config.add(EXT_CONFIG_QUIC, new Uint8Array(502)))).toBe("ALLOC");
    expect(config.add(EXT_CONFIG_QUIC, new Uint8Array(497))).toBe(0);
    expect(config.bytes.length).toBe(512);
    expect([...config.bytes.subarray(0, 11)]).toEqual([0, 1, 0, 3, 1, 2, 3, 0, 2, 0, 0]);
    const copy = ExtConfig.parse(config.bytes);
    expect(typeof copy === "number" ? copy : [...(copy.get(EXT_CONFIG_CRYPTO) ?? [])]).toEqual([1, 2, 3]);
  });

  test("goes with the request; a chunk that does not fit its lengths is refused", () => {
    const { index } = h.app();
    const remote = parseUri("tcp://10.0.0.9/80").endpoint;
    const connect = (extConfig: Uint8Array): string => nameOf(h.layer.connect(index, 0, remote, { extConfig }));
    expect(connect(Uint8Array.of())).toBe("NOEXTCFG");
    for (const bad of [[0], [0, 1, 0, 2, 9], [0, 9, 0, 0], [0, 1, 0, 0, 0, 1, 0, 0]]) {
      expect(connect(Uint8Array.from(bad))).toBe("INVALID");
    }
    expect(h.layer.table.used).toBe(0);
    expect(connect(Uint8Array.of(0, 1, 0, 1, 7))).toBe("ok 0");
    expect(h.tcp.requests[0].extConfig).toEqual(Uint8Array.of(0, 1, 0, 1, 7));
  });
});

test("reconn_while_closed: the same peer comes again while its first session is closing", () => {
  const { index, heard } = h.app();
  const { s, c } = h.accepted(index);
  const listener = h.lookup.listener4(0, 0, IF0, 80);
  h.layer.closing(s);
  h.layer.closed(s);
  h.settle();
  expect(h.state(s)).toBe("transport-closed");
  const again = h.arrive(listener);
  h.settle();
  const t = h.tcp.session(again);
  expect([h.state(s), h.state(t)]).toEqual(["transport-closed", "ready"]);
  expect(h.layer.remoteEndpoint(t)).toEqual(h.layer.remoteEndpoint(s));
  h.layer.close(s);
  h.settle();
  expect([h.state(s), h.state(t), h.tcp.session(c)]).toEqual(["free", "ready", -1]);
  h.feed(t, "hi");
  h.settle();
  expect(heard.at(-1)).toBe(`rx ${t}`);
});

describe("lookup", () => {
  test("established, half-open, exact listener, any listener, proxy: the first that there is", () => {
    h = new SessionHarness({ anyProxy: true });
    const { index } = h.app();
    const at = (text: string) => parseUri(`tcp://${text}`).endpoint;
    const [lcl, rmt, port, from] = [IF0, 0x0a000009, 80, 5000];
    const ports = (port << 16) | from;
    const found = (): string => {
      const hash = h.lookup.hash4(lcl, rmt, ports);
      const established = h.lookup.established4(0, 0, lcl, rmt, ports, hash);
      if (established >= 0) return `established ${established}`;
      const halfOpen = h.lookup.halfOpen4(0, 0, lcl, rmt, ports, hash);
      return halfOpen >= 0 ? `half-open ${halfOpen}` : `listener ${h.lookup.listener4(0, 0, lcl, port)}`;
    };
    expect(found()).toBe("listener -1");
    const everything = h.layer.listen(index, 0, at("0.0.0.0/0"), { proxy: true });
    expect(found()).toBe(`listener ${everything}`);
    const proxy = h.layer.listen(index, 0, at("10.0.0.1/0"), { proxy: true });
    expect(found()).toBe(`listener ${proxy}`);
    const any = h.listen(index, "tcp://0.0.0.0/80");
    expect(found()).toBe(`listener ${any}`);
    const exact = h.listen(index, "tcp://10.0.0.1/80");
    expect(found()).toBe(`listener ${exact}`);
    const c = h.tcp.open(at("10.0.0.1/80"), at("10.0.0.9/5000"));
    h.lookup.addHalfOpen(0, c);
    expect(found()).toBe(`half-open ${c}`);
    h.lookup.delHalfOpen(0, c);
    h.lookup.addEstablished(0, c);
    expect(found()).toBe(`established ${c}`);
  });
});
