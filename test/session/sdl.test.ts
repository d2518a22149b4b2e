import { beforeEach, describe, expect, test } from "vitest";
import { formatPrefix, parseAddress } from "../../src/ip/address.js";
import { FLOW_DROP, FLOW_PASS } from "../../src/session/rt-backend.js";
import type { SdlRecord } from "../../src/session/sdl-record.js";
import { SESSION_ERRORS, SessionError } from "../../src/session/session-errors.js";
import { parseUri } from "../../src/session/uri.js";
import { TRANSPORT_CT, TRANSPORT_UDP } from "../../src/transport/transport.js";
import { AppServer } from "../../src/app/attach.js";
import type { LocalApp } from "../../src/app/local-app.js";
import { Pair } from "../cli/pair.js";
import { SessionHarness } from "./fake-transport.js";

const nameOf = (value: number): string => (value < 0 ? SESSION_ERRORS[-value].name : `ok ${value}`);

let h: SessionHarness;
beforeEach(() => {
  h = new SessionHarness({ rtBackend: "sdl" });
});

type Added = Omit<Extract<SdlRecord, { kind: "sdl"; add: true }>, "kind" | "add" | "remote">;

function add(remote: string, more: Added = {}): string {
  return nameOf(h.layer.apply({ kind: "sdl", add: true, remote, ...more }));
}

function del(which: { remote?: string; tag?: string; namespace?: string }): string {
  return nameOf(h.layer.apply({ kind: "sdl", add: false, ...which }));
}

/** Whether a packet of a peer that has no connection is dropped, as lookup says. */
function isDropped(peer: string, fib = 0, proto = 0): boolean {
  const { family, words } = parseAddress(peer);
  const [a, b, c, d] = words;
  const { lookup } = h;
  const verdict =
    family === 4
      ? lookup.decide4(fib, proto, 0x0a00_0001, a, 80)
      : lookup.decide6(fib, proto, 0, 0, 0, 1, a, b, c, d, 80);
  expect([FLOW_DROP, FLOW_PASS]).toContain(verdict);
  return verdict === FLOW_DROP;
}

/** The entry that decides on a peer. */
function deciding(peer: string): string {
  const found = h.layer.sdl.deciding(0, parseAddress(peer));
  return found === undefined ? "none" : `${found.action} ${formatPrefix(found.prefix)}`;
}

const listed = (): string[] => [...h.layer.sdl.list()].map(({ prefix, fib }) => `${fib} ${formatPrefix(prefix)}`);
const namespace = (id: string, tables: { table4?: number; table6?: number }): number =>
  h.layer.apply({ kind: "namespace", add: true, id, ...tables });

// VPP's session_test_sdl: the assertions in their order. Its actions are numbers that the lookup gives back; here the entry
// that decides shows which it was.
describe("sdl (session_test.c)", () => {
  test("ip4: the longest prefix, 0/0, tags, the walk", () => {
    expect(add("1.2.0.0/16")).toBe("ok 0");
    expect(deciding("1.2.3.4")).toBe("drop 1.2.0.0/16");
    expect(add("1.2.3.0/24", { action: "allow" })).toBe("ok 0");
    expect([deciding("1.2.3.4"), isDropped("1.2.3.4"), isDropped("1.2.4.4")]).toEqual([
      "allow 1.2.3.0/24",
      false,
      true,
    ]);
    expect([deciding("1.1.1.1"), isDropped("1.1.1.1")]).toEqual(["none", false]);
    expect(add("1.2.0.0/16")).toBe("IPINUSE");
    expect(add("0.0.0.0/0")).toBe("IPINUSE");
    expect(del({ remote: "0.0.0.0/0" })).toBe("NOROUTE");
    expect(add("1.2.3.4/32", { tag: "sdl-exact-ip4" })).toBe("ok 0");
    expect(listed()).toEqual(["0 1.2.0.0/16", "0 1.2.3.4/32", "0 1.2.3.0/24"]);
    expect([deciding("1.2.3.4"), isDropped("1.2.3.4")]).toEqual(["drop 1.2.3.4/32", true]);
    expect(add("1.2.3.4/32", { tag: "sdl-exact-ip4" })).toBe("INVALID");
    expect(del({ remote: "0.0.0.0/0", tag: "sdl-exact-ip4" })).toBe("ok 0");
    expect(del({ remote: "1.2.0.0/16" })).toBe("ok 0");
    expect(del({ remote: "1.2.3.0/24" })).toBe("ok 0");
    expect(listed()).toEqual([]);
    expect(isDropped("1.2.3.4")).toBe(false);
  });

  test("ip6", () => {
    const remote = "2501:db8:85a3::8a2e:371:1/124";
    expect(add(remote)).toBe("ok 0");
    expect(isDropped("2501:db8:85a3::8a2e:371:1")).toBe(true);
    expect(listed()).toEqual(["0 2501:db8:85a3::8a2e:371:0/124"]);
    expect(isDropped("2501:db8:85a3::8a2e:372:1")).toBe(false);
    expect(add("::/0")).toBe("IPINUSE");
    expect(del({ remote })).toBe("ok 0");
    expect(isDropped("2501:db8:85a3::8a2e:371:1")).toBe(false);
  });
});

// VPP's test_session_sdl.py. Its client and server are two namespaces of one host; here they are two hosts.
describe.each([
  ["session sdl ip4", "198.18.0.2", "198.18.0.1/32", (i: number, j: number) => `10.1.${i}.${j}/32`, "172.100.1.0/24"],
  [
    "session sdl ip6",
    "[2001:db8:18::2]",
    "2001:db8:18::1/128",
    (i: number, j: number) => `2001:db8:1:${i.toString(16)}::${j.toString(16)}/128`,
    "2001:db8:172::/48",
  ],
])("%s", (_name, server, client, irrelevant, other) => {
  let pair: Pair;
  let app: LocalApp;
  beforeEach(async () => {
    pair = new Pair({ rtBackend: "sdl" });
    await pair.ok("app ns add id 0 if w0");
    const host = await new AppServer(pair.a.host.sessions).attach(
      { name: "server", namespace: "0" },
      { accept: () => true },
    );
    await host.listen(`tcp://${server}:1234`);
    app = await new AppServer(pair.b.host.sessions).attach({ name: "client" }, {});
  });

  /** How a connect of the client ends: with a session, or with the error's name. */
  async function connect(): Promise<string> {
    const connecting = app.connect(`tcp://${server}:1234`).then(
      () => "connected",
      (error: unknown) => (error instanceof SessionError ? error.sessionError : String(error)),
    );
    pair.run(200_000_000);
    return connecting;
  }

  const dump = async (): Promise<unknown> => JSON.parse(await pair.ok("show session sdl --json"));

  test("blocks the client until its entry is deleted, whatever else there is", async () => {
    expect(await connect()).toBe("connected");
    await pair.ok(`session sdl add appns 0 ${client} action 0`);
    expect(await dump()).toMatchObject([{ remote: client, action: "drop", namespaces: ["default", "0"] }]);
    for (let i = 0; i < 255; i++) {
      for (let j = 0; j < 255; j++) {
        expect(pair.a.host.sessions.apply({ kind: "sdl", add: true, remote: irrelevant(i, j) })).toBe(0);
      }
    }
    expect(await connect()).toBe("TIMEDOUT");
    expect(await pair.ok("show errors")).toContain("filtered");
    await pair.ok(`session sdl del appns 0 ${client}`);
    expect(await connect()).toBe("connected");
    await pair.ok(`session sdl add ${other}`);
    expect(await connect()).toBe("connected");
    await pair.ok("app ns del id 0");
    expect(await dump()).toHaveLength(1000);
    expect(pair.a.host.sessions.sdl.count()).toBe(255 * 255 + 1);
    expect(((await dump()) as { namespaces: string[] }[])[0].namespaces).toEqual(["default"]);
  });
});

// VPP's test_session_enable_disable, of test_session_sdl.py and of session_test.c.
test("session sdl enable/disable: engines take turns, and leave nothing behind", () => {
  h = new SessionHarness();
  let leaves = 0;
  for (let i = 0; i < 10; i++) {
    expect(nameOf(h.layer.setEnabled(true, "sdl"))).toBe("ok 0");
    expect([h.layer.rtBackend, listed()]).toEqual(["sdl", []]);
    expect(nameOf(h.layer.setEnabled(true, "rule-table"))).toBe("NOSUPPORT");
    for (let j = 0; j < 1000; j++) add(`10.${j >> 8}.${j & 255}.0/24`);
    expect([h.layer.sdl.counts().prefixes, isDropped("10.1.1.1")]).toEqual([1000, true]);
    expect(nameOf(h.layer.apply({ kind: "rule", add: true, proto: "tcp", remote: "::/0", action: "drop" }))).toBe(
      "NOSUPPORT",
    );
    h.layer.setEnabled(false);
    expect([h.layer.rtBackend, h.lookup.rtBackend, h.layer.sdl.counts().prefixes]).toEqual(["none", undefined, 0]);
    expect(nameOf(h.layer.setEnabled(true, "rule-table"))).toBe("ok 0");
    expect(add("1.0.0.0/8")).toBe("NOSUPPORT");
    expect(isDropped("10.1.1.1")).toBe(false);
    h.layer.setEnabled(false);
    // From the first turn on the same memory serves.
    leaves ||= h.layer.sdl.counts().prefixBytes;
    expect(h.layer.sdl.counts().prefixBytes).toBe(leaves);
  }
});

describe("what it decides on", () => {
  test("every protocol, in the table of packets; connects by cut-through, and listens, are nobody's peers", () => {
    h.add("ct", TRANSPORT_CT);
    for (const remote of ["9.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8"]) expect(add(remote)).toBe("ok 0");
    expect([isDropped("9.1.1.1"), isDropped("9.1.1.1", 0, TRANSPORT_UDP)]).toEqual([true, true]);
    const { index } = h.app("server", {}, { scope: ["global", "local"] });
    expect(h.listen(index, "tcp://10.0.0.1:80")).toBeGreaterThanOrEqual(0);
    const local = h.layer.namespaces.find("")?.localTable ?? 0;
    expect(h.lookup.decideTo(local, 0, parseUri("tcp://9.1.1.1:80").endpoint)).toBe(FLOW_PASS);
    expect(h.lookup.decideTo(local, 0, parseUri("tcp://[2001:db8::1]:80").endpoint)).toBe(FLOW_PASS);
    // As in VPP, who is denied can still be connected to.
    expect(h.connect(index, "tcp://9.1.1.1:80")).toBeGreaterThanOrEqual(0);
  });

  test("allow within drop within allow; what is longest, whatever came first", () => {
    const entries = [
      ["2001:db8::/32", "drop"],
      ["2001:db8:1::/48", "allow"],
      ["2001:db8:1:2::/64", "drop"],
      ["2001:db8:1:2::3/128", "allow"],
      ["8000::/1", "drop"],
    ] as const;
    const peers = ["2001:db9::", "2001:db8::1", "2001:db8:1::", "2001:db8:1:2::", "2001:db8:1:2::3", "fe80::1"];
    for (const order of [entries, entries.toReversed()]) {
      for (const [remote, action] of order) expect(add(remote, { action })).toBe("ok 0");
      expect(peers.map((peer) => isDropped(peer))).toEqual([false, true, false, true, false, true]);
      for (const [remote] of order) expect(del({ remote })).toBe("ok 0");
      expect(peers.some((peer) => isDropped(peer))).toBe(false);
    }
  });

  test("a prefix is dropped or allowed: the other has to go first", () => {
    add("9.0.0.0/8");
    expect(add("9.0.0.0/8", { action: "allow" })).toBe("IPINUSE");
    del({ remote: "9.0.0.0/8" });
    expect(add("9.1.2.3/8", { action: "allow" })).toBe("ok 0");
    expect([isDropped("9.0.0.1"), deciding("9.0.0.1")]).toEqual([false, "allow 9.0.0.0/8"]);
  });
});

describe("tables", () => {
  test("each FIB has its own, which the namespaces of that FIB share", () => {
    namespace("one", { table4: 1, table6: 1 });
    namespace("uno", { table4: 1 });
    expect(add("9.0.0.0/8", { namespace: "one" })).toBe("ok 0");
    expect([isDropped("9.1.1.1", 1), isDropped("9.1.1.1", 0), isDropped("9.1.1.1", 2)]).toEqual([true, false, false]);
    expect(add("9.0.0.0/8", { namespace: "uno" })).toBe("IPINUSE");
    expect(add("9.0.0.0/8")).toBe("ok 0");
    expect(add("2001:db8::/32", { namespace: "uno" })).toBe("NOROUTE");
    expect(add("2001:db8::/32", { namespace: "one" })).toBe("ok 0");
    expect(listed()).toEqual(["0 9.0.0.0/8", "1 9.0.0.0/8", "1 2001:db8::/32"]);
    const uno = h.layer.namespaces.find("uno");
    expect([h.layer.sdl.count(uno), [...h.layer.sdl.list(uno)].length, h.layer.sdl.count()]).toEqual([1, 1, 3]);
    expect(del({ remote: "9.0.0.0/8", namespace: "uno" })).toBe("ok 0");
    expect(isDropped("9.1.1.1", 1)).toBe(false);
  });

  test("go with the last namespace of their FIB, and when the last one changes its tables", () => {
    namespace("one", { table4: 1 });
    namespace("uno", { table4: 1, table6: 1 });
    add("9.0.0.0/8", { namespace: "one", tag: "t" });
    add("2001:db8::/32", { namespace: "uno", tag: "t" });
    h.layer.apply({ kind: "namespace", add: false, id: "one" });
    expect(listed()).toEqual(["1 9.0.0.0/8", "1 2001:db8::/32"]);
    namespace("uno", { table4: 2, table6: 1 });
    expect([listed(), isDropped("9.1.1.1", 1)]).toEqual([["1 2001:db8::/32"], false]);
    expect(add("9.0.0.0/8", { namespace: "uno", tag: "t" })).toBe("ok 0");
    h.layer.apply({ kind: "namespace", add: false, id: "uno" });
    expect([listed(), h.layer.sdl.counts().prefixes]).toEqual([[], 0]);
    expect(nameOf(h.layer.apply({ kind: "sdl", add: true, remote: "9.0.0.0/8", namespace: "uno" }))).toBe("INVALID_NS");
  });
});

describe("tags", () => {
  test("one entry of a table and family has it; deleting by tag takes those of both families", () => {
    expect([add("9.0.0.0/8", { tag: "t" }), add("8.0.0.0/8", { tag: "t" })]).toEqual(["ok 0", "INVALID"]);
    expect(add("2001:db8::/32", { tag: "t" })).toBe("ok 0");
    expect([...h.layer.sdl.list()].map(({ tag }) => tag)).toEqual(["t", "t"]);
    expect(del({ tag: "u" })).toBe("NOROUTE");
    expect(del({ tag: "t" })).toBe("ok 0");
    expect(listed()).toEqual([]);
    expect(add("8.0.0.0/8", { tag: "t" })).toBe("ok 0");
    expect(del({ remote: "8.0.0.0/8" })).toBe("ok 0");
    expect(del({ tag: "t" })).toBe("NOROUTE");
  });
});

describe("limits", () => {
  test("of prefixes: ALLOC, counted; one that goes makes room", () => {
    h = new SessionHarness({ rtBackend: "sdl", maxSdlPrefixes: 2 });
    expect(["1.0.0.0/8", "::/1", "2.0.0.0/8"].map((remote) => add(remote))).toEqual(["ok 0", "ok 0", "ALLOC"]);
    expect(add("1.0.0.0/8")).toBe("IPINUSE");
    expect(h.layer.sdl.counts()).toMatchObject({ prefixes: 2, prefixesRefused: 1 });
    expect(h.layer.errorCounts[4]).toBe(1);
    del({ remote: "1.0.0.0/8" });
    expect(add("2.0.0.0/8")).toBe("ok 0");
  });

  test("of the window: ALLOC, and what is there stays", () => {
    let added = 0;
    const key = (i: number): string => `2001:db8:${(i >> 8).toString(16)}:${(i & 255).toString(16)}::/64`;
    h.window.reserve("most of it", h.window.freeBytes - (256 << 10));
    while (add(key(added)) === "ok 0") added++;
    expect(added).toBeGreaterThan(1000);
    expect(h.layer.sdl.counts()).toMatchObject({ prefixes: added, prefixesRefused: 1 });
    expect([isDropped("2001:db8::1"), isDropped("2001:db8:0:5:6::")]).toEqual([true, true]);
    expect(del({ remote: key(5) })).toBe("ok 0");
    expect(isDropped("2001:db8:0:5:6::")).toBe(false);
  });
});

test.each([
  ["no prefix", {}],
  ["one that is none", { remote: "9.0.0.1" }],
  ["an address of no family", { remote: "9.0.0.256/32" }],
  ["a number", { remote: 9 }],
  ["another action", { remote: "9.0.0.0/8", action: "reject" }],
  ["an application", { remote: "9.0.0.0/8", action: { application: "web" } }],
  ["an empty tag", { remote: "9.0.0.0/8", tag: "" }],
  ["a long tag", { remote: "9.0.0.0/8", tag: "x".repeat(65) }],
  ["a namespace that is no text", { remote: "9.0.0.0/8", namespace: 1 }],
  ["neither add nor delete", { remote: "9.0.0.0/8", add: "yes" }],
  ["a delete of nothing", { add: false }],
])("%s: INVALID", (_, record) => {
  const wrong = JSON.parse(JSON.stringify({ kind: "sdl", add: true, ...record })) as SdlRecord;
  expect(nameOf(h.layer.apply(wrong))).toBe("INVALID");
  expect(listed()).toEqual([]);
});
