import { beforeEach, describe, expect, test } from "vitest";
import type { LocalApp } from "../../src/app/local-app.js";
import type { AppScope } from "../../src/session/application.js";
import { FLOW_DROP, FLOW_NOBODY, FLOW_PASS } from "../../src/session/rt-backend.js";
import type { RuleRecord, SessionRule } from "../../src/session/rule-record.js";
import { parseAddress } from "../../src/ip/address.js";
import { SESSION_ERRORS } from "../../src/session/session-errors.js";
import { parseUri } from "../../src/session/uri.js";
import { TRANSPORT_CT, TRANSPORT_UDP } from "../../src/transport/transport.js";
import { OneStack } from "../transport/ct/one-stack.js";
import { SessionHarness } from "./fake-transport.js";

const nameOf = (value: number): string => (value < 0 ? SESSION_ERRORS[-value].name : `ok ${value}`);
const BOTH: readonly AppScope[] = ["global", "local"];

let h: SessionHarness;
beforeEach(() => {
  h = new SessionHarness({ rtBackend: "rule-table" });
  h.add("ct", TRANSPORT_CT);
});

/** A rule of TCP with the action drop, unless something else is said. */
function add(rule: Partial<SessionRule>): string {
  return nameOf(h.layer.apply({ kind: "rule", add: true, proto: "tcp", action: "drop", ...rule }));
}

function del(rule: Partial<RuleRecord & { add: false }>): string {
  return nameOf(h.layer.apply({ kind: "rule", proto: "tcp", ...rule, add: false }));
}

function localTable(id = ""): number {
  return h.layer.namespaces.find(id)?.localTable ?? 0;
}

/** What lookup answers to a packet that has no connection: a FLOW_ constant or a listening session. */
function arriving(local: string, localPort: number, remote: string, remotePort: number, fib = 0, proto = 0): number {
  const { family, words } = parseAddress(local);
  const [l0, l1, l2, l3] = words;
  const [r0, r1, r2, r3] = parseAddress(remote).words;
  const ports = (localPort << 16) | remotePort;
  const { lookup } = h;
  if (family === 4) {
    const ruled = lookup.decide4(fib, proto, l0, r0, ports);
    return ruled === FLOW_PASS ? lookup.listener4(fib, proto, l0, localPort) : ruled;
  }
  const ruled = lookup.decide6(fib, proto, l0, l1, l2, l3, r0, r1, r2, r3, ports);
  return ruled === FLOW_PASS ? lookup.listener6(fib, proto, l0, l1, l2, l3, localPort) : ruled;
}

/** What the rules of a local table say of a connect. */
function connecting(remote: string, port: number, table = localTable(), proto = 0): number {
  const { family, words: address } = parseAddress(remote);
  return h.lookup.decideTo(table, proto, { family, address, port });
}

/** VPP's addresses, and for IPv6 the same numbers as groups; its prefix lengths by those of IPv4. */
const FAMILIES = [
  ["ip4", (text: string): string => text, [0, 16, 30, 32], "0.0.0.0"],
  ["ip6", (text: string): string => `2001:db8:${text.replaceAll(".", ":")}::`, [0, 64, 94, 96], "[::]"],
] as const;

// VPP's session_test_rules: the assertions in their order, in both families.
describe.each(FAMILIES)("rules (session_test.c), %s", (_name, address, lengths, any) => {
  const [lcl, rmt, beside] = [address("1.2.3.4"), address("5.6.7.8"), address("5.6.7.9")];
  const prefix = (text: string, length: 0 | 1 | 2 | 3): string => `${text}/${lengths[length]}`;
  let server: number;
  let listener: number;

  beforeEach(() => {
    server = h.app("server", {}, { scope: BOTH }).index;
    listener = h.listen(server, `tcp://${any}:1111`);
  });

  /** A rule as VPP's test writes them: its prefix lengths by number. */
  const flows = (localLength: 0 | 1 | 2 | 3, localPort: number, remoteLength: 0 | 1 | 2 | 3, remotePort: number) => ({
    local: prefix(lcl, localLength),
    localPort,
    remote: prefix(rmt, remoteLength),
    remotePort,
  });
  const toServer = { action: { application: "server" } } as const;
  const localListener = (): number => h.layer.listeners.of(listener)?.localSession ?? -9;

  test("global scope: an application's listener, for exactly the flows of the rule", () => {
    expect(arriving(lcl, 1234, rmt, 4321)).toBe(-1);
    expect(add({ ...flows(1, 1234, 1, 4321), ...toServer })).toBe("ok 0");
    expect(arriving(lcl, 1234, rmt, 4321)).toBe(listener);
    expect(connecting(rmt, 4321)).toBe(FLOW_PASS);
    expect(arriving(lcl, 1235, rmt, 4321)).toBe(-1);
  });

  test("both scopes: port 0 is any, the local end does not count in the local table", () => {
    add({ ...flows(1, 0, 1, 4321), ...toServer, scope: "both" });
    expect([arriving(lcl, 1234, rmt, 4321), arriving(lcl, 1235, rmt, 4321)]).toEqual([listener, listener]);
    expect(arriving(lcl, 1235, rmt, 4322)).toBe(-1);
    expect(connecting(rmt, 4321)).toBe(localListener());
  });

  function addDrop(): void {
    add({ ...flows(1, 0, 1, 4321), ...toServer, scope: "both" });
    add({ ...flows(2, 1234, 2, 4321), scope: "both" });
  }

  test("a more specific drop filters, in both scopes; other ports go on", () => {
    addDrop();
    expect(arriving(lcl, 1234, rmt, 4321)).toBe(FLOW_DROP);
    expect(connecting(rmt, 4321)).toBe(FLOW_DROP);
    expect(arriving(lcl, 1235, rmt, 4321)).toBe(listener);
  });

  test("an allow more specific still masks the drop: on to listeners, of which there is none; connects beside it are filtered", () => {
    addDrop();
    add({ ...flows(3, 1234, 3, 4321), action: "allow", scope: "both" });
    expect(arriving(lcl, 1234, rmt, 4321)).toBe(-1);
    expect(connecting(rmt, 4321)).toBe(FLOW_PASS);
    expect(connecting(beside, 4321)).toBe(FLOW_DROP);
    const to = `tcp://${lengths[3] === 32 ? beside : `[${beside}]`}:4321`;
    expect(nameOf(h.connect(server, to))).toBe("FILTERED");
    expect(h.layer.errorCounts[26]).toBe(1);
    expect(del({ ...flows(3, 1234, 3, 4321), scope: "both" })).toBe("ok 0");
    expect([arriving(lcl, 1234, rmt, 4321), connecting(rmt, 4321)]).toEqual([FLOW_DROP, FLOW_DROP]);
  });

  test("deleting goes back step by step to no rule at all", () => {
    add({ ...flows(1, 1234, 1, 4321), ...toServer });
    addDrop();
    // In the local table this is the same rule as that for 1.2.3.4/16, which it overwrites.
    add({ ...flows(0, 0, 1, 4321), action: "allow", scope: "both" });
    expect(connecting(rmt, 4321)).toBe(FLOW_DROP);
    del({ ...flows(2, 1234, 2, 4321), scope: "both" });
    expect(connecting(rmt, 4321)).toBe(FLOW_PASS);
    expect(arriving(lcl, 1235, rmt, 4321)).toBe(listener);
    expect(del({ ...flows(0, 0, 1, 4321), scope: "both" })).toBe("ok 0");
    expect(del({ ...flows(1, 0, 1, 4321), scope: "local" })).toBe("ADDR_NOT_IN_USE");
    expect(del({ ...flows(1, 0, 1, 4321), scope: "both" })).toBe("ok 0");
    expect([arriving(lcl, 1235, rmt, 4321), arriving(lcl, 1234, rmt, 4321)]).toEqual([-1, listener]);
    expect(del(flows(1, 1234, 1, 4321))).toBe("ok 0");
    expect(arriving(lcl, 1234, rmt, 4321)).toBe(-1);
    expect(h.layer.rules.counts()).toEqual({ rules: 0, masks: 0, rulesRefused: 0, masksRefused: 0 });
  });

  test("tags: one rule has it, overwriting replaces it, a delete by it asks for nothing else", () => {
    add({ ...flows(1, 1234, 1, 4321), ...toServer, tag: "test_rule" });
    expect(arriving(lcl, 1234, rmt, 4321)).toBe(listener);
    expect(add({ ...flows(1, 1235, 1, 4321), tag: "test_rule" })).toBe("INVALID");
    expect(add({ ...flows(1, 1234, 1, 4321), ...toServer, tag: "test_rule" })).toBe("ok 0");
    expect(add({ ...flows(1, 1234, 1, 4321), ...toServer, tag: "test_rule_overwrite" })).toBe("ok 0");
    expect(del({ tag: "test_rule" })).toBe("ADDR_NOT_IN_USE");
    expect(del({ ...flows(1, 1235, 1, 4321), tag: "test_rule_overwrite" })).toBe("ok 0");
    expect(arriving(lcl, 1234, rmt, 4321)).toBe(-1);
    // Both are free again; a rule that is overwritten without one has none.
    expect(add({ ...flows(1, 1235, 1, 4321), tag: "test_rule" })).toBe("ok 0");
    expect(add({ ...flows(1, 1235, 1, 4321) })).toBe("ok 0");
    expect([...h.layer.rules.list()].map(({ tag }) => tag)).toEqual([undefined]);
    expect(add({ ...flows(1, 1236, 1, 4321), tag: "test_rule" })).toBe("ok 0");
  });

  test("local rules of several namespaces keep to themselves", () => {
    add({ ...flows(3, 1234, 3, 0), scope: "local" });
    add({ ...flows(3, 1234, 3, 4321), action: "allow", scope: "local" });
    h.layer.apply({ kind: "namespace", add: true, id: "appns1" });
    const second = h.app("server_test2", {}, { scope: BOTH, namespace: "appns1" }).index;
    add({ ...flows(3, 1234, 3, 0), scope: "local", namespace: "appns1" });
    expect([connecting(rmt, 4321), connecting(rmt, 4322)]).toEqual([FLOW_PASS, FLOW_DROP]);
    expect(connecting(rmt, 4321, localTable("appns1"))).toBe(FLOW_DROP);
    const to = `tcp://${lengths[3] === 32 ? rmt : `[${rmt}]`}:4322`;
    expect([server, second].map((app) => nameOf(h.connect(app, to)))).toEqual(["FILTERED", "FILTERED"]);
    expect(arriving(lcl, 1234, rmt, 4322)).toBe(-1);
  });
});

describe("tags", () => {
  test("a table has one for each protocol; the local table one for both families, a FIB one for each", () => {
    expect(add({ remote: "1.0.0.0/8", tag: "t", scope: "both" })).toBe("ok 0");
    expect(add({ remote: "1.0.0.0/8", tag: "t", proto: "udp" })).toBe("ok 0");
    expect(add({ remote: "::/0", tag: "t", scope: "local" })).toBe("INVALID");
    expect(add({ remote: "::/0", tag: "t" })).toBe("ok 0");
    h.layer.apply({ kind: "namespace", add: true, id: "one", table4: 1, table6: 1 });
    expect(add({ remote: "1.0.0.0/8", tag: "t", namespace: "one" })).toBe("ok 0");
    expect(h.layer.rules.counts().rules).toBe(5);
    expect(del({ tag: "t" })).toBe("ok 0");
    expect([...h.layer.rules.list()].map(({ scope, proto, namespace }) => `${namespace} ${scope} ${proto}`)).toEqual([
      "default local tcp",
      "default global udp",
      "one global tcp",
    ]);
    expect([del({ tag: "t" }), del({ tag: "t", scope: "local" })]).toEqual(["ADDR_NOT_IN_USE", "ok 0"]);
  });

  test("of scope both nothing is added where one half cannot be", () => {
    add({ remote: "1.0.0.0/8", tag: "t", scope: "local" });
    expect(add({ remote: "2.0.0.0/8", tag: "t", scope: "both" })).toBe("INVALID");
    expect(h.layer.rules.counts().rules).toBe(1);
    h.layer.apply({ kind: "namespace", add: true, id: "six", table6: 1 });
    expect(add({ remote: "2.0.0.0/8", scope: "both", namespace: "six" })).toBe("NOROUTE");
    expect(add({ remote: "2.0.0.0/8", scope: "local", namespace: "six" })).toBe("ok 0");
  });
});

describe("applications", () => {
  const FLOW = ["10.0.0.1", 80, "1.1.1.1", 5] as const;

  test("by a name that nobody has yet, and that another has later; by index", () => {
    add({ remote: "1.0.0.0/8", action: { application: "web" } });
    expect(arriving(...FLOW)).toBe(FLOW_NOBODY);
    const first = h.app("web").index;
    expect(arriving(...FLOW)).toBe(FLOW_NOBODY);
    const s = h.listen(first, "tcp://10.0.0.1/8080");
    expect(arriving(...FLOW)).toBe(s);
    h.layer.detach(first);
    expect(arriving(...FLOW)).toBe(FLOW_NOBODY);
    h.settle();
    const t = h.listen(h.app("web").index, "tcp://10.0.0.1/81");
    expect(arriving(...FLOW)).toBe(t);
    add({ remote: "1.0.0.0/8", action: { application: 1 } });
    expect(arriving(...FLOW)).toBe(FLOW_NOBODY);
    const u = h.listen(h.app("other").index, "tcp://10.0.0.1/82");
    expect(arriving(...FLOW)).toBe(u);
  });

  test("the first listener that was made for the protocol and family; the next one when it ends", () => {
    h.add("udp", TRANSPORT_UDP, true);
    const { index } = h.app("web");
    add({ remote: "1.0.0.0/8", action: { application: "web" } });
    add({ remote: "1.0.0.0/8", action: { application: "web" }, proto: "udp" });
    h.listen(index, "tcp://[::]:1");
    const udp = h.layer.listen(index, TRANSPORT_UDP, parseUri("udp://0.0.0.0/2").endpoint);
    const [a, b] = [3, 4].map((port) => h.listen(index, `tcp://0.0.0.0/${port}`));
    expect([arriving(...FLOW), arriving(...FLOW, 0, TRANSPORT_UDP)]).toEqual([a, udp]);
    h.layer.unlisten(index, a);
    expect(arriving(...FLOW)).toBe(b);
  });

  test("datagrams on several workers: when the one that was found goes, another takes its place", () => {
    h.add("udp", TRANSPORT_UDP, true);
    const { index } = h.app("dns");
    h.layer.addWorker(index, {});
    add({ remote: "1.0.0.0/8", action: { application: "dns" }, proto: "udp" });
    const at = parseUri("udp://0.0.0.0/53").endpoint;
    const [a, b] = [0, 1].map((worker) => h.layer.listen(index, TRANSPORT_UDP, at, { worker }));
    expect(arriving(...FLOW, 0, TRANSPORT_UDP)).toBe(a);
    h.layer.unlisten(index, a);
    expect(arriving(...FLOW, 0, TRANSPORT_UDP)).toBe(b);
  });

  test("one that listens in another table could not answer: nobody", () => {
    h.layer.apply({ kind: "namespace", add: true, id: "one", table4: 1 });
    const s = h.listen(h.app("web", {}, { namespace: "one" }).index, "tcp://0.0.0.0/80");
    for (const namespace of ["default", "one"]) add({ remote: "1.0.0.0/8", action: { application: "web" }, namespace });
    expect([arriving(...FLOW), arriving(...FLOW, 1)]).toEqual([FLOW_NOBODY, s]);
  });

  test("so many may be named; a rule that goes gives its place back", () => {
    h = new SessionHarness({ rtBackend: "rule-table", maxApplications: 2 });
    const rule = (n: number): Partial<SessionRule> => ({
      remote: "1.0.0.0/8",
      remotePort: n,
      action: { application: `app${n}` },
    });
    expect([1, 2, 3].map((n) => add(rule(n)))).toEqual(["ok 0", "ok 0", "ALLOC"]);
    expect(add({ ...rule(3), action: { application: "app1" } })).toBe("ok 0");
    del({ remote: "1.0.0.0/8", remotePort: 1 });
    expect(add(rule(4))).toBe("ALLOC");
    del({ remote: "1.0.0.0/8", remotePort: 3 });
    expect(add(rule(4))).toBe("ok 0");
  });
});

describe("namespaces", () => {
  const DROP = { remote: "1.0.0.0/8", namespace: "blue" } as const;
  const dropped = (): boolean[] => [0, 1, 2].map((fib) => arriving("10.0.0.1", 80, "1.1.1.1", 5, fib) === FLOW_DROP);
  const namespace = (id: string, table4: number): number =>
    h.layer.apply({ kind: "namespace", add: true, id, table4, table6: table4 });

  beforeEach(() => {
    namespace("blue", 1);
    add({ ...DROP, scope: "both", tag: "t" });
  });

  test("one that is deleted takes its rules along, from tables that others use too", () => {
    namespace("red", 1);
    add({ ...DROP, namespace: "red", remotePort: 9 });
    expect(dropped()).toEqual([false, true, false]);
    h.layer.apply({ kind: "namespace", add: false, id: "blue" });
    expect(dropped()).toEqual([false, false, false]);
    expect([...h.layer.rules.list()].map(({ namespace: id }) => id)).toEqual(["red"]);
    // Its index, and so its local table, are given to the next one.
    namespace("green", 1);
    expect(connecting("1.1.1.1", 5, localTable("green"))).toBe(FLOW_PASS);
  });

  test("a table goes only without namespaces, and so without rules: the next one in its place has none", () => {
    const { stack } = new OneStack({ rtBackend: "rule-table" });
    const { sessions, ip } = stack.host;
    const table = (isAdd: boolean): void => stack.apply({ kind: "table", table: 7, add: isAdd });
    const decide = (): number => sessions.lookup.decide4(ip.fib.indexOf(4, 7), 0, 0, 0x0101_0101, 0);
    table(true);
    stack.apply({ kind: "namespace", add: true, id: "blue", table4: 7 });
    stack.apply({ kind: "rule", add: true, proto: "tcp", action: "drop", ...DROP });
    expect([decide(), ip.fib.indexOf(4, 7)]).toEqual([FLOW_DROP, 1]);
    expect(() => table(false)).toThrow("in use by namespace blue");
    stack.apply({ kind: "namespace", add: false, id: "blue" });
    table(false);
    table(true);
    expect([decide(), ip.fib.indexOf(4, 7)]).toEqual([FLOW_PASS, 1]);
  });

  test("one whose table changes takes its rules along, tags and applications too", () => {
    const { index } = h.app("web", {}, { namespace: "blue" });
    add({ remote: "2.0.0.0/8", namespace: "blue", action: { application: "web" }, tag: "web" });
    expect(namespace("blue", 2)).toBe(1);
    expect(dropped()).toEqual([false, false, true]);
    const s = h.listen(index, "tcp://0.0.0.0/80");
    expect([1, 2].map((fib) => arriving("10.0.0.1", 1, "2.2.2.2", 5, fib))).toEqual([-1, s]);
    expect(connecting("1.1.1.1", 5, localTable("blue"))).toBe(FLOW_DROP);
    expect([...h.layer.rules.list()].map(({ scope, tag }) => `${scope} ${tag}`)).toEqual([
      "local t",
      "global t",
      "global web",
    ]);
    expect(del({ tag: "t", namespace: "blue" })).toBe("ok 0");
    expect(dropped()).toEqual([false, false, false]);
  });

  test("an interface's table is the namespace's: rules follow", () => {
    h.addresses.interfaceOf = (name) => ({ ifIndex: name === "if0" ? 0 : 1, fib4: name === "if0" ? 2 : 0, fib6: 2 });
    h.layer.apply({ kind: "namespace", add: true, id: "blue", interface: "if0" });
    expect(dropped()).toEqual([false, false, true]);
    h.layer.apply({ kind: "namespace", add: true, id: "blue", interface: "if1" });
    expect(dropped()).toEqual([true, false, false]);
  });

  test("what is the same there is overwritten, also a rule of another namespace", () => {
    namespace("red", 2);
    add({ ...DROP, namespace: "red", action: "allow", tag: "t" });
    expect(namespace("blue", 2)).toBe(1);
    expect(dropped()).toEqual([false, false, true]);
    expect([...h.layer.rules.list({ scope: "global" })].map(({ namespace: id, tag }) => `${id} ${tag}`)).toEqual([
      "blue t",
    ]);
  });

  test("refused, with nothing changed, where a tag is taken or there are too many masks", () => {
    h = new SessionHarness({ rtBackend: "rule-table", maxRuleMasks: 2 });
    namespace("blue", 1);
    namespace("red", 2);
    for (const length of [8, 9]) add({ ...DROP, remote: `1.0.0.0/${length}`, tag: `t${length}` });
    add({ remote: "3.0.0.0/9", namespace: "red", tag: "t9" });
    const before = (): unknown[] => [[...h.layer.rules.list()], { ...h.layer.namespaces.find("blue") }, dropped()];
    const was = before();
    expect(nameOf(namespace("blue", 2))).toBe("INVALID");
    expect(before()).toEqual(was);
    del({ tag: "t9", namespace: "red" });
    for (const length of [7, 9]) add({ remote: `3.0.0.0/${length}`, namespace: "red" });
    const then = before();
    expect(nameOf(namespace("blue", 2))).toBe("ALLOC");
    expect(before()).toEqual(then);
    del({ remote: "3.0.0.0/7", namespace: "red" });
    expect(namespace("blue", 2)).toBe(1);
    expect(h.layer.rules.counts()).toMatchObject({ rules: 3, masks: 2, masksRefused: 1 });
  });

  test("a family that it has no more: its rules are gone", () => {
    add({ remote: "::/0", namespace: "blue" });
    h.layer.apply({ kind: "namespace", add: true, id: "blue", table6: 1 });
    expect([...h.layer.rules.list()].map(({ scope, remote }) => `${scope} ${remote}`)).toEqual([
      "local 1.0.0.0/8",
      "global ::/0",
    ]);
    expect(add(DROP)).toBe("NOROUTE");
  });

  test("a change that leaves the tables as they are leaves the rules", () => {
    h.layer.apply({ kind: "namespace", add: true, id: "blue", table4: 1, table6: 1, secret: "s" });
    expect(dropped()).toEqual([false, true, false]);
  });
});

describe("the engine", () => {
  test("off: nothing is decided, and rules are NOSUPPORT", () => {
    h = new SessionHarness();
    expect([h.layer.rtBackend, add({ remote: "1.0.0.0/8" }), del({ tag: "t" })]).toEqual([
      "none",
      "NOSUPPORT",
      "NOSUPPORT",
    ]);
    expect([arriving("10.0.0.1", 1, "1.1.1.1", 1), arriving("::1", 1, "::2", 1)]).toEqual([-1, -1]);
    expect([...h.layer.rules.list()]).toEqual([]);
    expect(h.layer.apply({ kind: "namespace", add: true, id: "a", table4: 1 })).toBe(1);
    expect(h.layer.apply({ kind: "namespace", add: true, id: "a", table4: 2 })).toBe(1);
  });

  test("on at any time while there is none; another one only after disable, which forgets the rules", () => {
    h = new SessionHarness();
    expect(nameOf(h.layer.setEnabled(true, "rule-table"))).toBe("ok 0");
    add({ remote: "1.0.0.0/8", tag: "t", action: { application: "web" } });
    expect(nameOf(h.layer.setEnabled(true, "rule-table"))).toBe("ok 0");
    expect(nameOf(h.layer.setEnabled(true, "none"))).toBe("NOSUPPORT");
    expect(nameOf(h.layer.setEnabled(true, "sdl"))).toBe("NOSUPPORT");
    expect(nameOf(h.layer.setEnabled(true, "tree" as "none"))).toBe("INVALID");
    expect(h.layer.rules.counts().rules).toBe(1);
    h.layer.setEnabled(false);
    expect([h.layer.rtBackend, h.layer.rules.counts().rules]).toEqual(["none", 0]);
    h.layer.setEnabled(true);
    expect(add({ remote: "1.0.0.0/8" })).toBe("NOSUPPORT");
    h.layer.setEnabled(true, "rule-table");
    expect(add({ remote: "2.0.0.0/8", tag: "t" })).toBe("ok 0");
    expect(arriving("10.0.0.1", 1, "1.1.1.1", 1)).toBe(-1);
  });

  test("no room for it in the window: ALLOC, and none is on", () => {
    h = new SessionHarness({ maxRules: 1 << 20 });
    expect(nameOf(h.layer.setEnabled(true, "rule-table"))).toBe("ALLOC");
    expect(h.layer.rtBackend).toBe("none");
    expect(() => new SessionHarness({ maxRules: 1 << 20, rtBackend: "rule-table" })).toThrow("session rules");
  });
});

describe("limits", () => {
  test("of rules: ALLOC, counted; overwriting needs no room, scope both needs room for two", () => {
    h = new SessionHarness({ rtBackend: "rule-table", maxRules: 3 });
    expect(add({ remote: "1.0.0.0/8", scope: "both" })).toBe("ok 0");
    expect(add({ remote: "2.0.0.0/8", scope: "both" })).toBe("ALLOC");
    expect(add({ remote: "2.0.0.0/8" })).toBe("ok 0");
    expect(add({ remote: "3.0.0.0/8" })).toBe("ALLOC");
    expect(add({ remote: "1.0.0.0/8", scope: "both", action: "allow" })).toBe("ok 0");
    expect(h.layer.rules.counts()).toMatchObject({ rules: 3, rulesRefused: 2 });
    expect(h.layer.errorCounts[4]).toBe(2);
  });

  test("of masks: ALLOC, counted", () => {
    h = new SessionHarness({ rtBackend: "rule-table", maxRuleMasks: 2 });
    expect([8, 9, 10].map((length) => add({ remote: `1.0.0.0/${length}` }))).toEqual(["ok 0", "ok 0", "ALLOC"]);
    expect(add({ remote: "1.0.0.0/10", scope: "local" })).toBe("ok 0");
    expect(h.layer.rules.counts()).toMatchObject({ rules: 3, masks: 3, masksRefused: 1 });
  });
});

describe("listings", () => {
  test("are the records that make the same rules again", () => {
    h.layer.apply({ kind: "namespace", add: true, id: "blue", table4: 1, table6: 1 });
    add({ remote: "1.2.3.4/8", remotePort: 5, local: "10.0.0.1/32", localPort: 80, tag: "one" });
    add({ remote: "2001:db8::/32", action: "allow", scope: "both", namespace: "blue" });
    add({ local: "10.0.0.0/8", action: { application: "web" }, proto: "udp" });
    add({ local: "10.0.0.0/8", action: { application: 7 }, proto: "udp", localPort: 53, tag: "two" });
    const listed = [...h.layer.rules.list()];
    expect(listed).toEqual([
      {
        kind: "rule",
        add: true,
        namespace: "default",
        scope: "global",
        proto: "tcp",
        local: "10.0.0.1/32",
        localPort: 80,
        remote: "1.0.0.0/8",
        remotePort: 5,
        action: "drop",
        tag: "one",
      },
      expect.objectContaining({ namespace: "blue", scope: "global", local: "::/0", remote: "2001:db8::/32" }),
      expect.objectContaining({ namespace: "blue", scope: "local", local: "::/0", action: "allow" }),
      expect.objectContaining({ proto: "udp", localPort: 53, action: { application: 7 }, tag: "two" }),
      expect.objectContaining({ proto: "udp", localPort: 0, action: { application: "web" } }),
    ]);
    h.layer.setEnabled(false);
    h.layer.setEnabled(true, "rule-table");
    for (const record of JSON.parse(JSON.stringify(listed)) as RuleRecord[]) expect(h.layer.apply(record)).toBe(0);
    expect([...h.layer.rules.list()]).toEqual(listed);
  });

  test("by scope, protocol and namespace, whose tables others may share", () => {
    h.layer.apply({ kind: "namespace", add: true, id: "blue", table4: 0 });
    h.layer.apply({ kind: "namespace", add: true, id: "red", table4: 1 });
    for (const [i, namespace] of ["default", "blue", "red"].entries()) {
      add({ remote: `${i}.0.0.0/8`, namespace, scope: "both", proto: i === 1 ? "udp" : "tcp" });
    }
    const of = (filter: Parameters<typeof h.layer.rules.list>[0]): string[] =>
      [...h.layer.rules.list(filter)].map(({ remote, scope }) => `${remote} ${scope}`);
    expect(of({ scope: "local" }).length).toBe(3);
    expect(of({ scope: "global", proto: 1 })).toEqual(["1.0.0.0/8 global"]);
    expect(of({ namespace: h.layer.namespaces.find("blue") })).toEqual([
      "0.0.0.0/8 global",
      "1.0.0.0/8 global",
      "1.0.0.0/8 local",
    ]);
    expect(of({ namespace: h.layer.namespaces.find("red") })).toEqual(["2.0.0.0/8 global", "2.0.0.0/8 local"]);
  });
});

// ---- Local scope, with applications and cut-through ----

describe("local scope", () => {
  let one: OneStack;
  const rule = (more: Partial<SessionRule>): void =>
    one.stack.apply({ kind: "rule", add: true, proto: "tcp", scope: "local", action: "drop", ...more });

  beforeEach(() => {
    one = new OneStack({ rtBackend: "rule-table" });
  });

  async function serve(name: string, uri: string, scope: readonly AppScope[] = ["local"]): Promise<LocalApp> {
    const app = await one.attach(name, {}, { scope });
    await app.listen(uri);
    return app;
  }

  /** Which application accepts a connect, or how it fails. */
  async function reached(client: LocalApp, uri: string): Promise<string> {
    one.news();
    const result = await one.refusal(client, uri);
    const accepted = one.news().find((line) => line.endsWith(" accept"));
    return accepted?.split(" ")[0] ?? result;
  }

  test.each([
    ["ip4", "tcp://10.0.0.1/80", "tcp://10.0.0.9/80", "10.0.0.0/8"],
    ["ip6", "tcp://[2001:db8::1]:80", "tcp://[2001:db8::9]:80", "2001:db8::/32"],
  ])("a drop is FILTERED, and final: no listener, no packet, %s", async (_name, here, elsewhere, remote) => {
    await serve("s", here, BOTH);
    const client = await one.attach("c", {}, { scope: BOTH });
    rule({ remote });
    expect([await reached(client, here), await reached(client, elsewhere)]).toEqual(["FILTERED", "FILTERED"]);
    expect(one.pools()).toMatchObject({ rows: 0, lookup: { halfOpen4: 0, halfOpen6: 0, established4: 0 } });
    expect(one.stack.host.sessions.errorCounts[26]).toBe(2);
    // Who has global scope only does not ask local rules.
    const global = await one.attach("g", {}, { scope: ["global"] });
    global.connect(elsewhere).catch(() => {});
    const { halfOpen4, halfOpen6 } = one.pools().lookup;
    expect(halfOpen4 + halfOpen6).toBe(1);
    one.stack.apply({ kind: "rule", add: false, proto: "tcp", scope: "local", remote });
    expect(await reached(client, here)).toBe("s");
  });

  test("a rule of global scope is for packets: cut-through does not ask it", async () => {
    await serve("s", "tcp://0.0.0.0/80", BOTH);
    rule({ remote: "0.0.0.0/0", scope: "global" });
    expect(await reached(await one.attach("c"), "tcp://10.0.0.1/80")).toBe("s");
  });

  test("an application's first listener takes connects to anywhere, whatever its scope; nobody is nobody", async () => {
    const client = await one.attach("c");
    rule({ remote: "0.0.0.0/0", action: { application: "redirect" } });
    expect(await reached(client, "tcp://192.0.2.1/80")).toBe("SCOPE");
    await serve("other", "tcp://127.0.0.1/80");
    expect(await reached(client, "tcp://127.0.0.1/80")).toBe("NOROUTE");
    const server = await serve("redirect", "tcp://127.0.0.1/7");
    expect([await reached(client, "tcp://192.0.2.1/80"), await reached(client, "tcp://127.0.0.1/80")]).toEqual([
      "redirect",
      "redirect",
    ]);
    await server.detach();
    one.settle();
    await serve("redirect", "tcp://10.0.0.1/7", ["global"]);
    expect(await reached(client, "tcp://192.0.2.1/80")).toBe("redirect");
  });

  test("datagrams ask the rules too", async () => {
    const client = await one.attach("c", {}, { scope: BOTH });
    rule({ remote: "10.0.0.9/32", proto: "udp" });
    expect(await reached(client, "udp://10.0.0.9/53")).toBe("FILTERED");
    expect(await reached(client, "udp://10.0.0.8/53")).toMatch(/ to 10\.0\.0\.8$/);
  });

  test("who listens: the exact listener first, then rules", async () => {
    const app = await serve("a", "tcp://127.0.0.1/80");
    rule({ remote: "127.0.0.0/8" });
    rule({ remote: "127.0.0.1/32", remotePort: 81, action: { application: "a" } });
    const other = await one.attach("b");
    const refusal = async (who: LocalApp, uri: string): Promise<string> =>
      who.listen(uri).then(
        () => "ok",
        ({ sessionError }: { sessionError: string }) => sessionError,
      );
    expect(await refusal(other, "tcp://127.0.0.1/80")).toBe("ALREADY_LISTENING");
    expect(await refusal(other, "tcp://127.0.0.1/82")).toBe("FILTERED");
    expect(await refusal(other, "tcp://127.0.0.1/81")).toBe("ALREADY_LISTENING");
    expect(await refusal(app, "tcp://127.0.0.1/81")).toBe("ok");
    const worker = await app.addWorker({});
    expect(await worker.listen("tcp://127.0.0.1/80").then(() => "ok")).toBe("ok");
    expect(one.pools()).toMatchObject({ applications: 2, lookup: { listeners: 2 } });
  });

  test("rules of packets do not keep anybody from listening: their remote end is a peer", async () => {
    rule({ remote: "0.0.0.0/0", scope: "global" });
    await serve("s", "tcp://10.0.0.1/80", ["global"]);
    expect(one.lookupListeners()).toBe(1);
  });
});
