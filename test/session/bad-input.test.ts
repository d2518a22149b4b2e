import { beforeEach, describe, expect, test } from "vitest";
import type { LocalApp } from "../../src/app/local-app.js";
import { AppServer } from "../../src/app/attach.js";
import type { LocalSession } from "../../src/app/local-session.js";
import { SESSION_ERRORS, SessionError } from "../../src/session/session-errors.js";
import { S_STATE } from "../../src/session/session-table.js";
import type { ConnectionAttribute, ConnectionAttributes } from "../../src/transport/transport.js";
import { OneStack } from "../transport/ct/one-stack.js";
import { SessionHarness } from "./fake-transport.js";

// Each public call with each argument missing, of a wrong type, out of range, or naming what is not the caller's: the
// right error, nothing changed, nothing leaked. Calls are made as JavaScript makes them: without types.

type Loose = Record<string, (...args: readonly unknown[]) => unknown>;
const loose = (value: object): Loose => value as Loose;

const APP = 0;
const OTHER = 1;
const BLUE = 2;
const ANY = { family: 4, address: new Int32Array(4), port: 81 };
const PEER = { family: 4, address: Int32Array.of(0x0a000009, 0, 0, 0), port: 80 };

let h: SessionHarness;
let server: AppServer;
let app: LocalApp;
let other: LocalApp;
/** An accepted session of `app`, its row, a listener's row, a row that was given back. */
let session: LocalSession;
let s: number;
let listening: number;
let stale: LocalSession;

beforeEach(async () => {
  h = new SessionHarness({ rtBackend: "rule-table" });
  h.layer.apply({ kind: "namespace", add: true, id: "blue", secret: "s3cret", interface: "if1" });
  h.layer.apply({ kind: "namespace", add: true, id: "ip6", table6: 1 });
  h.layer.apply({ kind: "rule", add: true, proto: "tcp", remote: "9.0.0.0/8", action: "allow", tag: "taken" });
  server = new AppServer(h.layer);
  const accepted: LocalSession[] = [];
  app = await server.attach(
    { name: "app" },
    { accept: (each: LocalSession) => void accepted.push(each), reset: () => {} },
  );
  other = await server.attach({ name: "other" }, {});
  await server.attach({ name: "blue", namespace: "blue", secret: "s3cret" }, {});
  const listener = await app.listen("tcp://0.0.0.0/80");
  listening = listener.session.index;
  h.arrive(listening, 1);
  h.arrive(listening, 2);
  h.settle();
  [stale, session] = accepted;
  s = session.index;
  h.tcp.onClose = (closed) => h.layer.deleted(h.tcp.session(closed));
  stale.reset();
  h.settle();
});

/** All that a call could change. */
function everything(): unknown {
  const { table, applications, namespaces } = h.layer;
  return {
    sessions: [...table].map((each) => [each, h.window.i32[table.row(each) + S_STATE]]),
    lookup: h.lookup.counts(),
    fifos: h.fifos.stats().activeFifos,
    bytes: h.fifos.inUse(),
    applications: applications.all().map(({ name, sessionCount, workers }) => [name, sessionCount, workers.length]),
    namespaces: JSON.stringify(namespaces.all()),
    rules: [...h.layer.rules.list()],
    calls: h.tcp.calls.length,
  };
}

const nameOf = (value: unknown): string =>
  typeof value === "number" ? (value < 0 ? SESSION_ERRORS[-value].name : `ok ${value}`) : String(value);

const RULE = { kind: "rule", add: true, proto: "tcp", remote: "1.0.0.0/8", action: "drop" };
const BAD_RULES: Readonly<Record<string, readonly unknown[]>> = {
  add: [undefined, null, 1, "true"],
  namespace: [null, 5, {}],
  scope: [null, "", "all", 1, ["global"]],
  proto: [undefined, null, "", "TCP", "ct", "tls", 0],
  remote: [null, 5, "", "1.0.0.0", "1.0.0.0/33", "1.0.0.0/-1", "1.0.0/8", "::/129", "1.0.0.0/8 ", ["1.0.0.0/8"]],
  local: [null, 5, "x"],
  localPort: [null, -1, 65_536, 1.5, "80", Number.NaN],
  remotePort: [null, -1, 65_536, 1.5, "80", Number.NaN],
  action: [undefined, null, "", "DROP", 0, -2, {}],
  tag: [null, "", "x".repeat(65), 5],
};

type Row = readonly [call: string, args: () => readonly unknown[], error: string];

describe("the session layer", () => {
  const rows: readonly Row[] = [
    ["attach", () => [], "INVALID"],
    ["attach", () => [null, {}], "INVALID"],
    ["attach", () => [{ name: "x" }], "INVALID"],
    ["attach", () => [{ name: "x" }, "callbacks"], "INVALID"],
    ["attach", () => [{}, {}], "INVALID"],
    ["attach", () => [{ name: 5 }, {}], "INVALID"],
    ["attach", () => [{ name: "" }, {}], "INVALID"],
    ["attach", () => [{ name: "x".repeat(65) }, {}], "INVALID"],
    ["attach", () => [{ name: "app" }, {}], "APP_ATTACHED"],
    ["attach", () => [{ name: "x", namespace: "red" }, {}], "INVALID_NS"],
    ["attach", () => [{ name: "x", namespace: 7 }, {}], "INVALID_NS"],
    ["attach", () => [{ name: "x", namespace: null }, {}], "INVALID_NS"],
    ["attach", () => [{ name: "x", namespace: "blue" }, {}], "WRONG_NS_SECRET"],
    ["attach", () => [{ name: "x", namespace: "blue", secret: {} }, {}], "WRONG_NS_SECRET"],
    ["attach", () => [{ name: "x", namespace: "blue", secret: ["s3cret"] }, {}], "WRONG_NS_SECRET"],
    ["attach", () => [{ name: "x", scope: "global" }, {}], "INVALID"],
    ["attach", () => [{ name: "x", scope: ["globe"] }, {}], "INVALID"],
    ["attach", () => [{ name: "x", scope: [1] }, {}], "INVALID"],
    ...["rxFifoBytes", "txFifoBytes"].flatMap((key) =>
      [0, -1, 1.5, Number.NaN, 2 ** 30, "4096", null].map(
        (value): Row => ["attach", () => [{ name: "x", [key]: value }, {}], "INVALID"],
      ),
    ),
    ["detach", () => [], "NOAPP"],
    ["detach", () => ["0"], "NOAPP"],
    ["detach", () => [99], "NOAPP"],
    ["detach", () => [-1], "NOAPP"],
    ["detach", () => [0.5], "NOAPP"],
    ["addWorker", () => [99, {}], "NOAPP"],
    ["addWorker", () => [APP], "INVALID"],
    ["addWorker", () => [APP, 5], "INVALID"],
    ["delWorker", () => [99, 0], "NOAPP"],
    ["delWorker", () => [APP], "INVALID_APPWRK"],
    ["delWorker", () => [APP, "0"], "INVALID_APPWRK"],
    ["delWorker", () => [APP, 1], "INVALID_APPWRK"],
    ["delWorker", () => [APP, -1], "INVALID_APPWRK"],
    ["moveSession", () => [99, s, 0], "NOAPP"],
    ["moveSession", () => [APP, s, 1], "INVALID_APPWRK"],
    ["moveSession", () => [OTHER, s, 0], "OWNER"],
    ["moveSession", () => [APP, listening, 0], "INVALID"],
    ...[undefined, null, -1, 0.5, 200, 1e9, Number.NaN, "1", {}].map(
      (each): Row => ["moveSession", () => [APP, each, 0], "NOSESSION"],
    ),
    ["listen", () => [], "NOAPP"],
    ["listen", () => [99, 0, ANY], "NOAPP"],
    ["listen", () => [APP], "NOSUPPORT"],
    ["listen", () => [APP, 7, ANY], "NOSUPPORT"],
    ["listen", () => [APP, 99, ANY], "NOSUPPORT"],
    ["listen", () => [APP, -1, ANY], "NOSUPPORT"],
    ["listen", () => [APP, "tcp", ANY], "NOSUPPORT"],
    ["listen", () => [APP, 0], "INVALID"],
    ["listen", () => [APP, 0, null], "INVALID"],
    ["listen", () => [APP, 0, { ...ANY, family: 5 }], "INVALID"],
    ["listen", () => [APP, 0, { ...ANY, address: undefined }], "INVALID"],
    ["listen", () => [APP, 0, { ...ANY, address: [0, 0, 0, 0] }], "INVALID"],
    ["listen", () => [APP, 0, { ...ANY, address: new Int32Array(1) }], "INVALID"],
    ["listen", () => [APP, 0, { ...ANY, port: -1 }], "INVALID"],
    ["listen", () => [APP, 0, { ...ANY, port: 65_536 }], "INVALID"],
    ["listen", () => [APP, 0, { ...ANY, port: "81" }], "INVALID"],
    ["listen", () => [APP, 0, { ...ANY, port: 1.5 }], "INVALID"],
    ["listen", () => [APP, 0, ANY, { backlog: -1 }], "INVALID"],
    ["listen", () => [APP, 0, ANY, { backlog: "5" }], "INVALID"],
    ["listen", () => [APP, 0, ANY, { backlog: Number.NaN }], "INVALID"],
    ["listen", () => [APP, 0, ANY, { worker: 1 }], "INVALID_APPWRK"],
    ["listen", () => [APP, 0, ANY, { worker: "0" }], "INVALID_APPWRK"],
    ["listen", () => [APP, 0, ANY, { proxy: true }], "INVALID"],
    ["listen", () => [APP, 0, PEER], "NOIP"],
    ["listen", () => [BLUE, 0, { ...ANY, address: Int32Array.of(0x0a000001, 0, 0, 0) }], "NOIP"],
    ["listen", () => [BLUE, 0, { ...ANY, family: 6 }], "NOIP"],
    ["listen", () => [APP, 0, { ...ANY, port: 80 }], "ALREADY_LISTENING"],
    ["listen", () => [OTHER, 0, { ...ANY, port: 80 }], "ALREADY_LISTENING"],
    ["unlisten", () => [], "NOLISTEN"],
    ["unlisten", () => [APP, s], "NOLISTEN"],
    ["unlisten", () => [APP, -1], "NOLISTEN"],
    ["unlisten", () => [APP, 200], "NOLISTEN"],
    ["unlisten", () => [APP, String(listening)], "NOLISTEN"],
    ["unlisten", () => [OTHER, listening], "OWNER"],
    ["unlisten", () => [99, listening], "OWNER"],
    ["unlisten", () => [APP, listening, 1], "NOLISTEN"],
    ["unlisten", () => [APP, listening, "0x"], "NOLISTEN"],
    ["connect", () => [], "NOAPP"],
    ["connect", () => [APP, 9, PEER], "NOSUPPORT"],
    ["connect", () => [APP, 0], "INVALID"],
    ["connect", () => [APP, 0, "tcp://10.0.0.9/80"], "INVALID"],
    ["connect", () => [APP, 0, { ...PEER, port: 0 }], "INVALID"],
    ["connect", () => [APP, 0, { ...PEER, port: 70_000 }], "INVALID"],
    ["connect", () => [APP, 0, { ...PEER, address: undefined }], "INVALID"],
    ["connect", () => [APP, 0, { ...PEER, address: new Int32Array(4) }], "INVALID_RMT_IP"],
    ["connect", () => [APP, 0, { ...PEER, address: Int32Array.of(0xe0000001 | 0, 0, 0, 0) }], "INVALID_RMT_IP"],
    ["connect", () => [APP, 0, PEER, { local: {} }], "INVALID"],
    ["connect", () => [APP, 0, PEER, { local: { ...ANY, family: 6 } }], "INVALID"],
    ["connect", () => [APP, 0, PEER, { local: { ...ANY, port: -5 } }], "INVALID"],
    ["connect", () => [APP, 0, PEER, { local: PEER }], "NOIP"],
    ["connect", () => [BLUE, 0, PEER, { local: { ...PEER, address: Int32Array.of(0x0a000001, 0, 0, 0) } }], "NOIP"],
    ["connect", () => [APP, 0, PEER, { worker: 3 }], "INVALID_APPWRK"],
    ["connect", () => [APP, 0, PEER, { extConfig: new Uint8Array(3) }], "INVALID"],
    ["connect", () => [APP, 0, PEER, { extConfig: "x" }], "INVALID"],
    ["connect", () => [APP, 0, { ...PEER, address: Int32Array.of(0xcb007101 | 0, 0, 0, 0) }], "NOROUTE"],
    ...["close", "terminate", "halfClose"].flatMap((call) =>
      [undefined, -1, 0.5, 200, 1e9, Number.NaN, "x"].map((each): Row => [call, () => [each], "NOSESSION"]),
    ),
    ["apply", () => [], "INVALID"],
    ["apply", () => [null], "INVALID"],
    ["apply", () => [{ kind: "route" }], "INVALID"],
    ["apply", () => [{ kind: "namespace" }], "INVALID_NS"],
    ["apply", () => [{ kind: "namespace", add: true }], "INVALID"],
    ["apply", () => [{ kind: "namespace", add: true, id: 5 }], "INVALID"],
    ["apply", () => [{ kind: "namespace", add: true, id: "x", secret: null }], "INVALID"],
    ["apply", () => [{ kind: "namespace", add: true, id: "x", interface: "if9" }], "NOINTF"],
    ["apply", () => [{ kind: "namespace", add: true, id: "x", table4: "0" }], "INVALID"],
    ["apply", () => [{ kind: "namespace", add: true, id: "blue", table4: 9 }], "NOROUTE"],
    ["apply", () => [{ kind: "namespace", add: false, id: "red" }], "INVALID_NS"],
    ["apply", () => [{ kind: "namespace", add: false, id: "default" }], "INVALID"],
    ["apply", () => [{ kind: "source-addresses", add: true }], "INVALID"],
    ["apply", () => [{ kind: "source-addresses", add: true, family: 4, first: "abcd", last: "abcd" }], "INVALID"],
    ["apply", () => [{ kind: "rule" }], "INVALID"],
    ["apply", () => [{ ...RULE, remote: undefined }], "INVALID"],
    ["apply", () => [{ ...RULE, local: "::/0" }], "INVALID"],
    ["apply", () => [{ ...RULE, namespace: "red" }], "INVALID_NS"],
    ["apply", () => [{ ...RULE, namespace: "ip6" }], "NOROUTE"],
    ["apply", () => [{ ...RULE, tag: "taken" }], "INVALID"],
    ["apply", () => [{ ...RULE, add: false }], "ADDR_NOT_IN_USE"],
    ["apply", () => [{ kind: "rule", add: false, proto: "tcp" }], "INVALID"],
    ["apply", () => [{ kind: "rule", add: false, proto: "tcp", tag: "nobody's" }], "ADDR_NOT_IN_USE"],
    ["apply", () => [{ kind: "rule", add: false, proto: "udp", tag: "taken" }], "ADDR_NOT_IN_USE"],
    ["apply", () => [{ kind: "rule", add: false, proto: "tls", tag: "taken" }], "INVALID"],
    ["apply", () => [{ kind: "rule", add: false, proto: "tcp", tag: "" }], "INVALID"],
    ...["", "x".repeat(65), -1, 0.5, null].map(
      (application): Row => ["apply", () => [{ ...RULE, action: { application } }], "INVALID"],
    ),
    ["apply", () => [{ ...RULE, action: { application: "x", drop: true } }], "INVALID"],
    ...Object.entries(BAD_RULES).flatMap(([key, values]) =>
      values.map((value): Row => ["apply", () => [{ ...RULE, [key]: value }], "INVALID"]),
    ),
    ["apply", () => [{ kind: "sdl", add: true, remote: "9.0.0.0/8" }], "NOSUPPORT"],
    ["apply", () => [{ kind: "auto-sdl", enable: true }], "NOSUPPORT"],
    ["setEnabled", () => [true, "tree"], "INVALID"],
    ["setEnabled", () => [true, "sdl"], "NOSUPPORT"],
    ["setEnabled", () => [true, 0], "INVALID"],
    ["setEnabled", () => [true, null], "INVALID"],
    ["setEnabled", () => [true, "none"], "NOSUPPORT"],
  ];

  test.each(rows.map((row, i) => [i, row[0], row[2], row[1]] as const))("%i %s: %s", (_, call, error, args) => {
    const before = everything();
    expect(nameOf(loose(h.layer)[call](...args()))).toBe(error);
    expect(everything()).toEqual(before);
    h.settle();
    expect(everything()).toEqual(before);
    expect(h.errors).toEqual([]);
  });

  test.each([
    ["forged", (handle: number) => handle + 2 ** 24],
    ["of another engine", (handle: number) => handle + 2 ** 44],
    ["of a row without a session", (handle: number) => handle + 200],
    ["no integer", (handle: number) => handle + 0.5],
    ["a text", (handle: number) => String(handle)],
    ["nothing", () => undefined],
  ])("a handle that is %s names no session", (_, forge) => {
    const handle = h.layer.table.handle(s);
    expect(h.layer.table.find(handle)).toBe(s);
    expect(loose(h.layer.table)["find"](forge(handle))).toBe(-1);
  });
});

describe("an application in this process", () => {
  const rows: readonly Row[] = [
    ["listen", () => [], "INVALID"],
    ["listen", () => [5], "INVALID"],
    ["listen", () => ["tcp://10.0.0.1"], "INVALID"],
    ["listen", () => ["quic://10.0.0.1/443"], "NOSUPPORT"],
    ["listen", () => ["sctp://10.0.0.1/443"], "NOSUPPORT"],
    ["listen", () => ["dtls://10.0.0.1/443"], "NOSUPPORT"],
    ["listen", () => ["tcp://10.0.0.1/81", { backlog: "many" }], "INVALID"],
    ["listen", () => ["tcp://10.0.0.9/81"], "NOIP"],
    ["connect", () => [], "INVALID"],
    ["connect", () => ["tcp://10.0.0.9/0"], "INVALID"],
    ["connect", () => ["tcp://10.0.0.9/80", { from: 7 }], "INVALID"],
    ["connect", () => ["tcp://10.0.0.9/80", { from: "tcp://[::1]:5" }], "INVALID"],
    ["connect", () => ["tcp://10.0.0.9/80", { from: "tcp://10.0.0.9/5" }], "NOIP"],
    ["connect", () => ["quic://10.0.0.9/443"], "NOSUPPORT"],
    ["addWorker", () => [], "INVALID"],
    ["addWorker", () => ["x"], "INVALID"],
  ];

  test.each(rows.map((row, i) => [i, row[0], row[2], row[1]] as const))("%i %s: %s", async (_, call, error, args) => {
    const before = everything();
    await expect(loose(app)[call](...args())).rejects.toMatchObject({ name: "SessionError", sessionError: error });
    h.settle();
    expect(everything()).toEqual(before);
  });

  test("attach without anything, or without callbacks", async () => {
    for (const args of [[], [null], [{ name: "x" }], [{ name: "x" }, 3]]) {
      await expect(loose(server)["attach"](...args)).rejects.toBeInstanceOf(SessionError);
    }
  });

  test.each([
    ["stale", () => stale, "NOSESSION"],
    ["another application's", () => session, "OWNER"],
    ["a forged one", () => ({ index: 0.5 }), "NOSESSION"],
    ["nothing", () => undefined, "NOSESSION"],
    ["a number", () => 3, "NOSESSION"],
  ])("take of a session that is %s", async (_, which, error) => {
    const before = everything();
    const [worker] = other.workers;
    await expect(loose(worker)["take"](which())).rejects.toMatchObject({ sessionError: error });
    expect(everything()).toEqual(before);
  });

  test.each([
    ["stale", () => stale, "NOSESSION"],
    ["another application's", () => session, "OWNER"],
    ["nothing", () => undefined, "NOSESSION"],
  ])("subscribing to a session that is %s", async (_, which, error) => {
    const before = everything();
    for (const call of ["subscribe", "unsubscribe"]) {
      await expect(loose(other.workers[0])[call](which())).rejects.toMatchObject({ sessionError: error });
    }
    expect(everything()).toEqual(before);
  });

  test("take of a listener", async () => {
    await expect(app.workers[0].take(app.listeners[0].session)).rejects.toMatchObject({ sessionError: "INVALID" });
  });

  test("what was deleted or detached answers NOAPP", async () => {
    const worker = await app.addWorker({});
    await worker.delete();
    await app.detach();
    const calls = [
      worker.delete(),
      worker.listen("tcp://0.0.0.0/1"),
      app.detach(),
      app.addWorker({}),
      app.connect("tcp://10.0.0.9/1"),
    ];
    for (const call of calls) await expect(call).rejects.toMatchObject({ sessionError: "NOAPP", code: "EBADF" });
  });
});

describe("a session", () => {
  const rows: readonly (readonly [call: string, args: readonly unknown[], result: string])[] = [
    ["read", [], "INVALID"],
    ["read", ["text"], "INVALID"],
    ["read", [5], "INVALID"],
    ["read", [null], "INVALID"],
    ["read", [new Uint16Array(4)], "INVALID"],
    ["read", [new Uint8Array(4), -1], "ok 0"],
    ["read", [new Uint8Array(4), 0, Number.NaN], "ok 0"],
    ["write", [], "INVALID"],
    ["write", ["text"], "INVALID"],
    ["write", [{ length: 5 }], "INVALID"],
    ["write", [new Uint8Array(4), 9], "ok 0"],
    ["writeUrgent", [], "INVALID"],
    ["peek", [], "INVALID"],
    ["peek", [5], "INVALID"],
    ["drop", [-1], "ok 0"],
    ["drop", [], "ok 0"],
    ["drop", ["x"], "ok 0"],
    ["writeDatagram", [new Uint8Array(1)], "INVALID"],
    ["writeDatagram", [], "INVALID"],
    ["reply", [], "INVALID"],
    ["sendTo", [new Uint8Array(1), "no address", 5], "undefined"],
    ["sendTo", [new Uint8Array(1), "10.0.0.9", 5], "INVALID"],
  ];

  test.each(rows.map((row, i) => [i, ...row] as const))("%i %s(%o): %s", (_, call, args, result) => {
    h.feed(s, "abc");
    h.settle();
    const before = everything();
    expect(nameOf(loose(session)[call](...args))).toBe(result);
    expect(session.readableBytes).toBe(3);
    expect(everything()).toEqual(before);
  });

  test.each([
    "read",
    "write",
    "writeUrgent",
    "peek",
    "drop",
    "readDatagram",
    "writeDatagram",
    "close",
    "reset",
    "halfClose",
  ])("stale: %s is NOSESSION, whoever has the row now", (call) => {
    const before = everything();
    expect(nameOf(loose(stale)[call](new Uint8Array(1)))).toBe("NOSESSION");
    expect(everything()).toEqual(before);
  });

  test("of another kind: a listener neither reads nor writes", () => {
    const { session: listener } = app.listeners[0];
    const results = ["read", "write", "peek", "halfClose"].map((call) =>
      nameOf(loose(listener)[call](new Uint8Array(1))),
    );
    expect(results).toEqual(["NOSESSION", "NOSESSION", "NOSESSION", "NOSESSION"]);
  });
});

describe("attributes", () => {
  const NO_NUMBERS: readonly unknown[] = [
    undefined,
    null,
    "1",
    true,
    {},
    [1],
    1n,
    Number.NaN,
    0.5,
    -1,
    2 ** 31,
    2 ** 32,
  ];
  /** Further values that are out of range, and those at its ends. */
  const OF_ALL: Readonly<Record<string, readonly [bad: readonly number[], good: readonly number[]]>> = {
    dscp: [[64], [0, 63]],
    hopLimit: [
      [0, 256],
      [1, 255],
    ],
    nextNode: [[1, 65_535, 65_536], [0]],
    checksumOffload: [[2], [0, 1]],
  };
  const OF_TCP: typeof OF_ALL = {
    noDelay: [[2], [0, 1]],
    keepalive: [[2], [0, 1]],
    keepaliveMs: [[86_400_001], [1, 86_400_000]],
    userTimeoutMs: [[86_400_001], [1, 86_400_000]],
    softErrors: [[2], [0, 1]],
    gso: [[2], [0, 1]],
    // What is read is not what was set: test/transport/tcp/mss.test.ts.
    mss: [[1, 87, 65_496], []],
    congestion: [[2], [0, 1]],
    pacing: [[2], [0, 1]],
    maxPacingKBps: [[0x100_0000], [0, 0xff_ffff]],
  };
  const ALL = { ...OF_ALL, ...OF_TCP };
  const names = Object.keys(ALL) as ConnectionAttribute[];

  let one: OneStack;
  let global: LocalApp;
  let tcp: LocalSession;
  let udp: LocalSession;
  let listener: LocalSession;

  async function connect(uri: string, attributes: unknown = {}): Promise<LocalSession> {
    const connecting = global.connect(uri, { attributes: attributes as ConnectionAttributes });
    connecting.catch(() => {});
    one.settle();
    return connecting;
  }

  beforeEach(async () => {
    one = new OneStack();
    global = await one.attach("global", {}, { scope: ["global"] });
    ({ session: listener } = await global.listen("tcp://10.0.0.1/80"));
    tcp = await connect("tcp://10.0.0.1/80");
    udp = await connect("udp://10.0.0.9/9");
  });

  /** What a call with one value says, and whether it changed anything. */
  function tried(session: LocalSession, name: ConnectionAttribute, value: unknown): string {
    const before = session.attribute(name);
    const result = nameOf(session.setAttribute(name, value as number));
    return session.attribute(name) === before ? result : `${result} ${before} became ${session.attribute(name)}`;
  }

  test.each(names)("%s: out of range, and no whole number: INVALID, nothing changed", async (name) => {
    const [bad, good] = ALL[name];
    const sessions = name in OF_ALL ? [tcp, listener, udp] : [tcp, listener];
    for (const session of sessions) {
      for (const value of [...bad, ...NO_NUMBERS]) {
        expect([name, value, tried(session, name, value)]).toEqual([name, value, "INVALID"]);
      }
      for (const value of good) {
        expect([session.setAttribute(name, value), session.attribute(name)]).toEqual([0, value]);
      }
    }
    for (const value of [...bad, ...NO_NUMBERS]) {
      const before = one.pools();
      await expect(connect("tcp://10.0.0.1/80", { dscp: 1, [name]: value })).rejects.toMatchObject({
        sessionError: "INVALID",
      });
      expect(one.pools()).toEqual(before);
    }
  });

  test("that are not the transport's, or nobody's: NOSUPPORT", async () => {
    const others: readonly unknown[] = ["colour", "toString", "__proto__", "", "MSS", 5, null, undefined, {}];
    const rows: readonly (readonly [LocalSession, readonly unknown[]])[] = [
      [tcp, others],
      [listener, others],
      [udp, [...others, ...Object.keys(OF_TCP), "urgentBytes"]],
    ];
    for (const [session, none] of rows) {
      for (const name of none as readonly ConnectionAttribute[]) {
        expect([name, nameOf(session.attribute(name))]).toEqual([name, "NOSUPPORT"]);
        expect([name, nameOf(session.setAttribute(name, 1))]).toEqual([name, "NOSUPPORT"]);
      }
    }
    expect(nameOf(tcp.setAttribute("urgentBytes", 1))).toBe("NOSUPPORT");
    for (const [uri, attributes] of [
      ["tcp://10.0.0.1/80", { colour: 1 }],
      ["tcp://10.0.0.1/80", [1]],
      ["udp://10.0.0.9/9", { mss: 500 }],
    ] as const) {
      const before = one.pools();
      await expect(connect(uri, attributes)).rejects.toMatchObject({ sessionError: "NOSUPPORT" });
      expect(one.pools()).toEqual(before);
    }
  });

  test.each(["tcp://10.0.0.1/80", "udp://10.0.0.9/9"])("that are no object, to %s: INVALID", async (uri) => {
    for (const attributes of [null, 5, "mss", true, () => {}]) {
      const before = one.pools();
      await expect(connect(uri, attributes)).rejects.toMatchObject({ sessionError: "INVALID" });
      expect(one.pools()).toEqual(before);
    }
  });

  test("of a cut-through session: NOSUPPORT, each of them", async () => {
    const local = await one.attach("local");
    await local.listen("tcp://127.0.0.1/80");
    const session = await one.connect(local, "tcp://127.0.0.1/80");
    const results = names.map((name) => [nameOf(session.attribute(name)), nameOf(session.setAttribute(name, 1))]);
    expect(results).toEqual(names.map(() => ["NOSUPPORT", "NOSUPPORT"]));
  });

  test("of a session that has gone: NOSESSION, each of them, whoever has the row now", async () => {
    const gone = [tcp, udp];
    for (const session of gone) session.reset();
    one.settle();
    tcp = await connect("tcp://10.0.0.1/80");
    const before = names.map((name) => tcp.attribute(name));
    for (const session of gone) {
      const results = names.map((name) => [nameOf(session.attribute(name)), nameOf(session.setAttribute(name, 1))]);
      expect(results).toEqual(names.map(() => ["NOSESSION", "NOSESSION"]));
    }
    expect(names.map((name) => tcp.attribute(name))).toEqual(before);
  });
});
