import { SESSION_DSCP } from "../../src/session/datagram-header.js";
import { beforeEach, describe, expect, test } from "vitest";
import type { NamespaceRecord } from "../../src/session/app-namespace.js";
import { SESSION_ERRORS } from "../../src/session/session-errors.js";
import { parseUri } from "../../src/session/uri.js";
import { SessionHarness } from "./fake-transport.js";

const nameOf = (value: number): string => (value < 0 ? SESSION_ERRORS[-value].name : `ok ${value}`);
const IF0 = 0x0a000001;
const IF1 = 0x0a000002;

let h: SessionHarness;
beforeEach(() => {
  h = new SessionHarness();
});

const add = (record: Omit<NamespaceRecord & { add: true }, "kind" | "add">): number =>
  h.layer.apply({ kind: "namespace", add: true, ...record });
const del = (id: string): number => h.layer.apply({ kind: "namespace", add: false, id });
const attach = (name: string, options: object): number => h.layer.attach({ name, ...options }, {});

describe("records", () => {
  test.each([
    [{ id: "" }, "INVALID"],
    [{ id: "x".repeat(65) }, "INVALID"],
    [{ id: "a", secret: -1 }, "INVALID"],
    [{ id: "a", secret: 1.5 }, "INVALID"],
    [{ id: "a", secret: "x".repeat(257) }, "INVALID"],
    [{ id: "a", interface: "if9" }, "NOINTF"],
    [{ id: "a", table4: 9 }, "NOROUTE"],
    [{ id: "a", table6: 9 }, "NOROUTE"],
  ] as const)("%o: %s", (record, error) => {
    expect(nameOf(add(record))).toBe(error);
    expect(h.layer.namespaces.all().length).toBe(1);
  });

  test("add, change, delete: indices are given again, the default namespace stays", () => {
    expect([add({ id: "a" }), add({ id: "b", table4: 1 }), add({ id: "c" })]).toEqual([1, 2, 3]);
    expect(h.layer.namespaces.find("b")).toMatchObject({ fib4: 1, fib6: -1, ifIndex: -1 });
    expect(h.layer.namespaces.find("a")).toMatchObject({ fib4: 0, fib6: 0 });
    expect(add({ id: "b", table6: 2 })).toBe(2);
    expect(h.layer.namespaces.find("b")).toMatchObject({ fib4: -1, fib6: 2 });
    expect(del("a")).toBe(1);
    expect(add({ id: "d" })).toBe(1);
    expect([nameOf(del("a")), nameOf(del("default")), nameOf(del(""))]).toEqual(["INVALID_NS", "INVALID", "INVALID"]);
    expect(h.layer.namespaces.find("")?.index).toBe(0);
  });

  test("a limit, answered by name", () => {
    h = new SessionHarness({ maxNamespaces: 2 });
    expect([add({ id: "a" }), nameOf(add({ id: "b" }))]).toEqual([1, "ALLOC"]);
  });
});

describe("secrets", () => {
  test("are asked of everyone who attaches; a number is its digits, as in VPP", () => {
    add({ id: "blue", secret: 1234 });
    expect(nameOf(attach("x", { namespace: "blue" }))).toBe("WRONG_NS_SECRET");
    expect(nameOf(attach("x", { namespace: "blue", secret: 1235 }))).toBe("WRONG_NS_SECRET");
    expect(nameOf(attach("x", { namespace: "blue", secret: "12340" }))).toBe("WRONG_NS_SECRET");
    expect(nameOf(attach("x", { namespace: "blue", secret: "1234" }))).toBe("ok 0");
    expect(nameOf(attach("y", { namespace: "blue", secret: 1234 }))).toBe("ok 1");
    expect(nameOf(attach("z", { namespace: "red", secret: 1234 }))).toBe("INVALID_NS");
    expect(h.layer.errorCounts[38]).toBe(3);
  });

  test("a changed secret holds for who comes later", () => {
    add({ id: "blue", secret: "one" });
    expect(attach("x", { namespace: "blue", secret: "one" })).toBe(0);
    add({ id: "blue", secret: "two" });
    expect(nameOf(attach("y", { namespace: "blue", secret: "one" }))).toBe("WRONG_NS_SECRET");
    expect(h.listen(0, "tcp://0.0.0.0/80")).toBeGreaterThanOrEqual(0);
  });
});

describe("an interface", () => {
  test("its addresses are the only ones to listen on; any means them", () => {
    add({ id: "one", interface: "if0" });
    const { index } = h.app("x", {}, { namespace: "one" });
    expect(nameOf(h.listen(index, "tcp://10.0.0.2/80"))).toBe("NOIP");
    const s = h.listen(index, "tcp://0.0.0.0/80");
    expect(h.lookup.listener4(0, 0, IF0, 80)).toBe(s);
    expect(h.lookup.listener4(0, 0, IF1, 80)).toBe(-1);
    expect(nameOf(h.listen(index, "tcp://10.0.0.1/80"))).toBe("ALREADY_LISTENING");
    // The default namespace takes the rest of the same table.
    const other = h.app("y").index;
    const t = h.listen(other, "tcp://0.0.0.0/80");
    expect([h.lookup.listener4(0, 0, IF0, 80), h.lookup.listener4(0, 0, IF1, 80)]).toEqual([s, t]);
    h.layer.unlisten(index, s);
    expect(h.lookup.listener4(0, 0, IF0, 80)).toBe(t);
  });

  test("a changed namespace: listeners stay on the interface that they were made on", () => {
    add({ id: "one", interface: "if0" });
    const { index } = h.app("x", {}, { namespace: "one" });
    const s = h.listen(index, "tcp://0.0.0.0/80");
    add({ id: "one", interface: "if1" });
    h.layer.addressesChanged(1);
    expect([h.lookup.listener4(0, 0, IF0, 80), h.lookup.listener4(0, 0, IF1, 80)]).toEqual([s, -1]);
    h.addresses.of0 = [IF0 + 8];
    h.layer.addressesChanged(0);
    expect([h.lookup.listener4(0, 0, IF0, 80), h.lookup.listener4(0, 0, IF0 + 8, 80)]).toEqual([-1, s]);
    const t = h.listen(index, "tcp://0.0.0.0/80");
    expect(h.lookup.listener4(0, 0, IF1, 80)).toBe(t);
    expect([h.layer.userOfInterface(1), h.layer.userOfInterface(0)]).toEqual(["namespace one", undefined]);
    h.layer.detach(index);
    expect(h.lookup.counts().listeners).toBe(0);
  });

  test("an interface without an address of the family: NOIP", () => {
    add({ id: "two", interface: "if1" });
    const { index } = h.app("x", {}, { namespace: "two" });
    expect(nameOf(h.listen(index, "tcp://[::]:80"))).toBe("NOIP");
    expect(nameOf(h.connect(index, "tcp://[2001:db8::9]:80"))).toBe("NOIP");
  });

  test("what connects comes from it, whatever routing would choose", () => {
    add({ id: "two", interface: "if1" });
    const { index } = h.app("x", {}, { namespace: "two" });
    h.connect(index, "tcp://10.0.0.9/80");
    expect(h.tcp.requests[0].local.address[0]).toBe(IF1);
    expect(nameOf(h.connect(index, "tcp://10.0.0.9/80", "tcp://10.0.0.1/0"))).toBe("NOIP");
    expect(nameOf(h.connect(index, "tcp://203.0.113.1/80"))).toBe("NOROUTE");
  });

  test("listeners on any follow its addresses as they come and go", () => {
    add({ id: "one", interface: "if0" });
    const { index } = h.app("x", {}, { namespace: "one" });
    const s = h.listen(index, "tcp://0.0.0.0/80");
    h.addresses.of0 = [IF0 + 8, IF0 + 9];
    h.layer.addressesChanged(0);
    expect([IF0, IF0 + 8, IF0 + 9].map((address) => h.lookup.listener4(0, 0, address, 80))).toEqual([-1, s, s]);
    expect(h.layer.unlisten(index, s)).toBe(0);
    expect(h.lookup.counts().listeners).toBe(0);
  });

  test("a listener that sends datagrams sends from it", () => {
    h.add("udp", 1, true);
    add({ id: "two", interface: "if1" });
    const { index } = h.app("x", {}, { namespace: "two" });
    const s = h.layer.listen(index, 1, parseUri("udp://0.0.0.0/53").endpoint);
    const to = Int32Array.of(0x0a000009, 0, 0, 0);
    for (const local of [undefined, Int32Array.of(IF0, 0, 0, 0), Int32Array.of(IF1, 0, 0, 0)]) {
      expect(h.io.writeDatagram(s, new Uint8Array(4), 0, 4, SESSION_DSCP, to, 9, local)).toBe(4);
    }
    const tx = h.window.i32[h.layer.table.row(s) + 5];
    const bytes = new Uint8Array(500);
    const length = h.fifos.read(tx, bytes, 0, 500);
    const text = Buffer.from(bytes.subarray(0, length)).toString("hex");
    expect([text.split("0a000002").length - 1, text.includes("0a000001")]).toEqual([3, false]);
  });
});

describe("tables", () => {
  test("the same address and port in two tables: each finds its own", () => {
    add({ id: "one", table4: 1 });
    add({ id: "two", table4: 2 });
    const a = h.listen(h.app("a", {}, { namespace: "one" }).index, "tcp://10.0.0.1/80");
    const b = h.listen(h.app("b", {}, { namespace: "two" }).index, "tcp://10.0.0.1/80");
    expect([0, 1, 2].map((fib) => h.lookup.listener4(fib, 0, IF0, 80))).toEqual([-1, a, b]);
    h.layer.detach(0);
    expect([0, 1, 2].map((fib) => h.lookup.listener4(fib, 0, IF0, 80))).toEqual([-1, -1, b]);
  });

  test("a family without a table is missing", () => {
    add({ id: "one", table4: 1 });
    const { index } = h.app("a", {}, { namespace: "one" });
    expect(nameOf(h.listen(index, "tcp://[::]:80"))).toBe("NOIP");
    expect(nameOf(h.connect(index, "tcp://[2001:db8::9]:80"))).toBe("NOROUTE");
  });

  test("a table in use by a namespace is named", () => {
    add({ id: "one", table4: 1 });
    expect([h.layer.userOfTable(1, 1), h.layer.userOfTable(3, 3)]).toEqual(["namespace one", undefined]);
  });
});

describe("delete", () => {
  test("detaches the applications within, whose sessions close; others go on", () => {
    h.tcp.onClose = (closed) => h.layer.deleted(h.tcp.session(closed));
    add({ id: "one", secret: "s" });
    let gone: readonly number[] | undefined;
    const inside = h.app("in", { detached: (sessions) => void (gone = sessions) }, { namespace: "one", secret: "s" });
    const outside = h.app("out");
    const a = h.accepted(inside.index, 80);
    const b = h.accepted(outside.index, 81);
    h.connect(inside.index, "tcp://10.0.0.9/80");
    expect(del("one")).toBe(1);
    expect(gone?.length).toBe(3);
    expect(h.tcp.calls.filter((call) => call === `close ${a.c}`).length).toBe(1);
    h.settle();
    expect([h.state(a.s), h.state(b.s)]).toEqual(["free", "ready"]);
    expect(nameOf(h.listen(inside.index, "tcp://0.0.0.0/90"))).toBe("NOAPP");
    expect(nameOf(attach("in", { namespace: "one", secret: "s" }))).toBe("INVALID_NS");
    expect(h.layer.applications.all().map(({ name }) => name)).toEqual(["out"]);
    expect(h.layer.table.used).toBe(2);
  });
});
