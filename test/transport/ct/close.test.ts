import { beforeEach, describe, expect, test } from "vitest";
import type { LocalApp } from "../../../src/app/local-app.js";
import type { Session } from "../../../src/app/session.js";
import { bytes, CT_FAMILIES, OneStack, type Pools, readText } from "./one-stack.js";

const URI = "tcp://127.0.0.1/80";

let h: OneStack;
let apps: readonly [LocalApp, LocalApp];
let client: Session;
let server: Session;
let before: Pools;

/** A connected pair, whose ends do nothing by themselves. */
beforeEach(async () => {
  h = new OneStack();
  const passive = { disconnect: () => {} };
  apps = [
    await h.attach("c", passive),
    await h.attach("s", { ...passive, accept: (session) => void (server = session) }),
  ];
  await apps[1].listen(URI);
  before = h.pools();
  client = await h.connect(apps[0], URI);
  h.news();
});

function expectGone(): void {
  h.settle();
  expect([client.state, server.state]).toEqual(["gone", "gone"]);
  expect(h.pools()).toEqual(before);
  expect(h.stack.host.fifos.stats().badFifos).toBe(0);
}

const ENDED = ["transportClosed", "cleanup transport", "cleanup session"];

describe.each(["client", "server"] as const)("the %s", (who) => {
  let a: Session;
  let b: Session;
  let [an, bn] = ["", ""];
  beforeEach(() => {
    [a, b] = who === "client" ? [client, server] : [server, client];
    [an, bn] = who === "client" ? ["c", "s"] : ["s", "c"];
  });

  test("half-closes: the other reads the rest, may answer at length, and closes", () => {
    a.write(bytes("question"));
    expect(a.halfClose()).toBe(0);
    expect([a.write(bytes("x")), a.halfClose()]).toEqual([-12, -12]);
    h.settle();
    expect(h.news()).toEqual([`${bn} rx`, `${bn} disconnect`]);
    expect([readText(b), b.state, a.state]).toEqual(["question", "transport-closing", "ready"]);
    b.write(bytes("answer"));
    h.settle();
    expect([h.news(), readText(a)]).toEqual([[`${an} rx`], "answer"]);
    b.close();
    h.settle();
    const news = h.news();
    expect(news.filter((line) => line.startsWith(bn))).toEqual(ENDED.map((what) => `${bn} ${what}`));
    expect(news.filter((line) => line.startsWith(an))).toEqual(
      ["disconnect", "transportClosed", "cleanup transport"].map((what) => `${an} ${what}`),
    );
    expect(a.state).toBe("transport-deleted");
    a.close();
    h.settle();
    expect(h.news()).toEqual([`${an} cleanup session`]);
    expectGone();
  });

  test("half-closes, the other too: both streams have ended, the rest can still be read", () => {
    a.write(bytes("from a"));
    b.write(bytes("from b"));
    a.halfClose();
    b.halfClose();
    h.settle();
    for (const name of [an, bn]) {
      expect(h.heard.filter((line) => line.startsWith(name))).toEqual(
        ["rx", "disconnect", "transportClosed", "cleanup transport"].map((what) => `${name} ${what}`),
      );
    }
    h.news();
    expect(h.pools().rows).toBe(before.rows);
    expect([readText(a), a.state, a.close()]).toEqual(["from b", "transport-deleted", 0]);
    h.settle();
    expect([h.news(), a.state]).toEqual([[`${an} cleanup session`], "gone"]);
    // The fifos stay for the other end.
    expect([h.pools().fifos, readText(b), b.close()]).toEqual([2, "from a", 0]);
    expectGone();
  });

  test("writes to one who has closed, and half-closes at once: reset", () => {
    b.close();
    h.settle();
    h.news();
    a.write(bytes("anyone?"));
    a.halfClose();
    h.settle();
    expect(h.news().filter((line) => line.startsWith(an))).toEqual([
      `${an} reset ECONNRESET`,
      `${an} cleanup transport`,
      `${an} cleanup session`,
    ]);
    expectGone();
  });

  test("closes: what it wrote is still read, both ends hear both phases of cleanup when both have closed", () => {
    a.write(bytes("last words"));
    expect(a.close()).toBe(0);
    expect(a.close()).toBe(0);
    h.settle();
    expect(h.news()).toEqual([`${bn} rx`, `${bn} disconnect`]);
    expect(a.state).toBe("app-closed");
    expect([a.write(bytes("x")), a.read(new Uint8Array(9))]).toEqual([-12, -12]);
    expect(readText(b)).toBe("last words");
    b.close();
    h.settle();
    const news = h.news();
    for (const name of [an, bn]) {
      expect(news.filter((line) => line.startsWith(name))).toEqual(ENDED.map((what) => `${name} ${what}`));
    }
    expectGone();
  });

  test("closes, the other closes with what it has not read: no end of stream, but gone", () => {
    a.write(bytes("unread"));
    a.close();
    h.settle();
    h.news();
    b.close();
    h.settle();
    // It was reset, so not all was acknowledged; neither wants to hear more than the end.
    expect(h.news().sort()).toEqual(
      [an, bn].flatMap((name) => [`${name} cleanup session`, `${name} cleanup transport`]).sort(),
    );
    expectGone();
  });

  test("closes with unread data: the other is reset (RFC 9293 SHLD-3)", () => {
    b.write(bytes("unread"));
    h.settle();
    h.news();
    a.close();
    h.settle();
    expect(h.news().filter((line) => line.startsWith(bn))).toEqual([
      `${bn} reset ECONNRESET`,
      `${bn} cleanup transport`,
      `${bn} cleanup session`,
    ]);
    expectGone();
  });

  test("closes with unread data of which it was not told yet: reset too", () => {
    b.write(bytes("unread"));
    a.close();
    h.settle();
    expect(h.news()).toContain(`${bn} reset ECONNRESET`);
    expectGone();
  });

  test("writes to one who has closed: reset, as TCP answers", () => {
    b.close();
    h.settle();
    h.news();
    expect(a.write(bytes("anyone?"))).toBe(7);
    h.settle();
    expect(h.news().filter((line) => line.startsWith(an))).toEqual([
      `${an} reset ECONNRESET`,
      `${an} cleanup transport`,
      `${an} cleanup session`,
    ]);
    expectGone();
  });

  test("writes to one who has closed, and closes at once: both are gone", () => {
    b.close();
    h.settle();
    a.write(bytes("anyone?"));
    a.close();
    expectGone();
  });

  test("resets: the other hears of it once, unread data is gone", () => {
    a.write(bytes("lost"));
    h.settle();
    h.news();
    expect(a.reset()).toBe(0);
    expect(b.readableBytes).toBe(0);
    h.settle();
    expect(h.news().filter((line) => line.startsWith(bn))).toEqual([
      `${bn} reset ECONNRESET`,
      `${bn} cleanup transport`,
      `${bn} cleanup session`,
    ]);
    expect([a.reset(), b.close(), b.write(bytes("x")), b.read(new Uint8Array(1))]).toEqual([-12, -12, -12, -12]);
    expectGone();
  });

  test.each(["half-closed", "closed"] as const)("resets when the other has %s", (how) => {
    if (how === "closed") b.close();
    else b.halfClose();
    h.settle();
    a.reset();
    expectGone();
  });

  test("detaches with the session open: the other hears the end, and closes it", async () => {
    a.write(bytes("bye"));
    await apps[who === "client" ? 0 : 1].detach();
    h.settle();
    expect(h.news()).toEqual([`${bn} rx`, `${bn} disconnect`]);
    expect(readText(b)).toBe("bye");
    b.close();
    h.settle();
    const { sessions, rows, fifos, fifoBytes, applications } = h.pools();
    const listeners = who === "client" ? 1 : 0;
    expect({ sessions, rows, fifos, fifoBytes, applications }).toEqual({
      sessions: listeners,
      rows: listeners,
      fifos: 0,
      fifoBytes: 0,
      applications: 1,
    });
  });
});

describe.each(["close", "detach"] as const)("one that has seen a %s", (how) => {
  beforeEach(async () => {
    client.write(bytes("last words"));
    if (how === "close") client.close();
    else await apps[0].detach();
    h.settle();
    h.news();
  });

  test("is not kept for ever by one who does not close: 30 s, as in FIN-WAIT-2", () => {
    h.clock.advanceUs(29_999_000);
    h.settle();
    expect(h.pools()).toMatchObject({ sessions: before.sessions + 2, applications: 2 });
    h.clock.advanceUs(2000);
    h.settle();
    expect(h.news()).toEqual(how === "close" ? ["c cleanup transport", "c cleanup session"] : []);
    expect(h.pools()).toMatchObject({ sessions: before.sessions + 1, applications: how === "close" ? 2 : 1 });
    expect([server.state, readText(server)]).toEqual(["transport-closing", "last words"]);
    server.write(bytes("anyone?"));
    h.settle();
    expect(h.news()).toEqual(["s reset ECONNRESET", "s cleanup transport", "s cleanup session"]);
    expect({ ...h.pools(), applications: 2 }).toEqual(before);
  });

  test("after that the other ends in any way", () => {
    h.clock.advanceUs(31_000_000);
    h.settle();
    readText(server);
    server.close();
    h.settle();
    expect({ ...h.pools(), applications: 2 }).toEqual(before);
    expect(h.stack.host.fifos.stats().badFifos).toBe(0);
  });
});

test("those that wait go in order, whoever ends before", async () => {
  const pairs = [[client, server]];
  for (let i = 0; i < 4; i++) pairs.push([await h.connect(apps[0], URI), server]);
  for (const [each] of pairs) {
    each.close();
    h.clock.advanceUs(1_000_000);
    h.settle();
  }
  const states = (): string[] => pairs.map(([each]) => each.state);
  for (const i of [0, 2, 4]) pairs[i][1].close();
  h.settle();
  expect(states()).toEqual(["gone", "app-closed", "gone", "app-closed", "gone"]);
  h.clock.advanceUs(26_500_000);
  h.settle();
  expect(states()).toEqual(["gone", "gone", "gone", "app-closed", "gone"]);
  h.clock.advanceUs(2_000_000);
  h.settle();
  expect(states()).toEqual(["gone", "gone", "gone", "gone", "gone"]);
  for (const i of [1, 3]) pairs[i][1].close();
  expectGone();
});

test("both close in the same turn", () => {
  client.write(bytes(""));
  client.close();
  server.close();
  expectGone();
});

test("both reset in the same turn", () => {
  client.reset();
  server.reset();
  expectGone();
});

test("both detach", async () => {
  client.write(bytes("x"));
  await apps[0].detach();
  await apps[1].detach();
  h.settle();
  expect(h.pools()).toMatchObject({ sessions: 0, rows: 0, fifos: 0, fifoBytes: 0, applications: 0 });
});

test("a namespace is deleted with both ends in it", async () => {
  const { sessions } = h.stack.host;
  sessions.apply({ kind: "namespace", add: true, id: "blue" });
  const [s, c] = [await h.attach("bs", {}, { namespace: "blue" }), await h.attach("bc", {}, { namespace: "blue" })];
  await s.listen(URI);
  await h.connect(c, URI);
  sessions.apply({ kind: "namespace", add: false, id: "blue" });
  h.settle();
  client.reset();
  expectGone();
});

test("a callback that throws resets its session, which the other end hears", async () => {
  const thrower = await h.attach("t", {
    rx: () => {
      throw new Error("rx");
    },
  });
  await thrower.listen("tcp://127.0.0.1/81");
  const session = await h.connect(apps[0], "tcp://127.0.0.1/81");
  session.write(bytes("x"));
  h.settle();
  expect(h.errors).toMatchObject([{ message: "rx" }]);
  expect(h.news()).toContain("c reset ECONNRESET");
  expect(session.state).toBe("gone");
  await thrower.detach();
  client.reset();
  expectGone();
});

describe.each(CT_FAMILIES)("%s", (_family, _uri, loopback) => {
  test("1,000 rounds of connect, transfer and every way to end leave all pools where they were", async () => {
    const ends: ((session: Session) => unknown)[] = [
      (session) => session.close(),
      (session) => session.reset(),
      (session) => session.halfClose(),
      (session) => readText(session),
      () => 0,
    ];
    const sessions: Session[] = [];
    h = new OneStack();
    const s = await h.attach("ls", { accept: (session) => void sessions.push(session) });
    await s.listen(loopback);
    const c = await h.attach("lc");
    const clean = h.pools();
    for (let i = 0; i < 1000; i++) {
      const connecting = c.connect(loopback);
      connecting.catch(() => {});
      if (i % 11 === 0) h.stack.engine.turn();
      h.settle();
      const mine = await connecting;
      const theirs = sessions.pop() as Session;
      mine.write(bytes("x".repeat(i % 3)));
      theirs.write(bytes("y".repeat(i % 2)));
      if (i % 4 === 0) h.settle();
      ends[i % 5](mine);
      ends[Math.floor(i / 5) % 5](theirs);
      if (i % 7 === 0) h.settle();
      theirs.close();
      mine.close();
      h.settle();
      h.heard.length = 0;
    }
    expect(h.pools()).toEqual(clean);
    expect(h.stack.host.fifos.stats().badFifos).toBe(0);
    expect(h.errors).toEqual([]);
  });
});
