import { beforeEach, describe, expect, test } from "vitest";
import type { LocalApp } from "../../../src/app/local-app.js";
import type { Session } from "../../../src/app/session.js";
import { bytes, CT_FAMILIES, OneStack, readText } from "./one-stack.js";

let h: OneStack;
beforeEach(() => {
  h = new OneStack();
});

describe.each(CT_FAMILIES)("%s", (_family, uri) => {
  test("the server accepts first, then the client is connected: one pair of fifos, no packet", async () => {
    const accepted: Session[] = [];
    const server = await h.attach("s", { accept: (session) => void accepted.push(session) });
    await server.listen(uri);
    const client = await h.attach("c");
    const session = await h.connect(client, uri);
    expect(h.news()).toEqual(["s accept", "c connected", "c halfOpenCleanup"]);
    expect([session.state, accepted[0].state]).toEqual(["ready", "ready"]);
    expect(session.remote).toEqual(accepted[0].local);
    expect(session.local).toEqual(accepted[0].remote);
    expect(session.remote).toEqual(server.listeners[0].local);
    expect(h.pools()).toMatchObject({ fifos: 2, rows: 3, sessions: 3, fifoBytes: 0 });
    session.write(bytes("hello"));
    h.settle();
    expect([h.news(), readText(accepted[0])]).toEqual([["s rx"], "hello"]);
    accepted[0].write(bytes("there"));
    h.settle();
    expect([h.news(), readText(session)]).toEqual([["c rx"], "there"]);
  });

  test("nothing more than two turns from connect to connected, and from write to rx", async () => {
    const server = await h.attach("s");
    await server.listen(uri);
    const client = await h.attach("c");
    const connecting = client.connect(uri);
    h.stack.engine.turn();
    h.stack.engine.turn();
    expect(h.news()).toEqual(["s accept", "c connected", "c halfOpenCleanup"]);
    (await connecting).write(bytes("x"));
    h.stack.engine.turn();
    h.stack.engine.turn();
    expect(h.news()).toEqual(["s rx"]);
  });
});

describe("the server refuses", () => {
  test.each([
    ["accept returns false", (): boolean => false],
    [
      "accept throws",
      (): boolean => {
        throw new Error("no");
      },
    ],
    ["accept resets", (session: Session): boolean => session.reset() === 0],
  ])("%s: REFUSED at the client, nothing left, the next one is served", async (_what, accept) => {
    let refusals = 1;
    const server = await h.attach("s", { accept: (session) => (refusals-- > 0 ? accept(session) : true) });
    await server.listen("tcp://127.0.0.1/80");
    const client = await h.attach("c");
    const before = h.pools();
    expect(await h.refusal(client, "tcp://127.0.0.1/80")).toBe("REFUSED");
    expect(h.news().filter((line) => line.startsWith("c"))).toEqual(["c connected REFUSED", "c halfOpenCleanup"]);
    expect(h.pools()).toEqual(before);
    h.errors.length = 0;
    expect(await h.refusal(client, "tcp://127.0.0.1/80")).toBe("127.0.0.1 to 127.0.0.1");
  });

  test("an application without accept refuses", async () => {
    const server = await h.server.attach({ name: "s", scope: ["local"] }, {});
    await server.listen("tcp://127.0.0.1/80");
    expect(await h.refusal(await h.attach("c"), "tcp://127.0.0.1/80")).toBe("REFUSED");
  });

  test("a listener without backlog, and no session left: REFUSED and ALLOC", async () => {
    const server = await h.attach("s");
    await server.listen("tcp://127.0.0.1/80", { backlog: 0 });
    const client = await h.attach("c");
    expect(await h.refusal(client, "tcp://127.0.0.1/80")).toBe("REFUSED");
    h = new OneStack({ maxSessions: 2 });
    const other = await h.attach("s");
    await other.listen("tcp://127.0.0.1/80");
    const before = h.pools();
    expect(await h.refusal(await h.attach("c"), "tcp://127.0.0.1/80")).toBe("REFUSED");
    expect(h.pools()).toEqual({ ...before, applications: 2 });
  });

  test("no fifos left: SEG_NO_SPACE at once, nothing left", async () => {
    const server = await h.attach("s");
    await server.listen("tcp://127.0.0.1/80");
    const client = await h.attach("c");
    const before = h.pools();
    const { fifos } = h.stack.host;
    const taken: number[] = [];
    for (let f = fifos.allocFifo(1); f !== 0; f = fifos.allocFifo(1)) taken.push(f);
    fifos.freeFifo(taken.pop() ?? 0);
    expect(await h.refusal(client, "tcp://127.0.0.1/80")).toBe("SEG_NO_SPACE");
    for (const f of taken) fifos.freeFifo(f);
    expect(h.pools()).toEqual(before);
  });
});

describe("within accept", () => {
  async function served(accept: (session: Session) => void): Promise<Session> {
    const server = await h.attach("s", { accept });
    await server.listen("tcp://127.0.0.1/80");
    return h.connect(await h.attach("c", { disconnect: () => {} }), "tcp://127.0.0.1/80");
  }

  test("the server writes: the client hears of it after connected", async () => {
    const session = await served((each) => void each.write(bytes("banner")));
    expect(h.news()).toEqual(["s accept", "c connected", "c halfOpenCleanup", "c rx"]);
    expect(readText(session)).toBe("banner");
  });

  test("it writes and closes: the client reads it all, then the end", async () => {
    const session = await served((each) => {
      each.write(bytes("time"));
      each.close();
    });
    expect(h.news()).toEqual(["s accept", "c connected", "c halfOpenCleanup", "c rx", "c disconnect"]);
    expect(readText(session)).toBe("time");
    session.close();
    h.settle();
    expect(h.pools()).toMatchObject({ sessions: 1, fifos: 0, rows: 1 });
  });

  test("it half-closes: the client may still write", async () => {
    let server: Session | undefined;
    const session = await served((each) => {
      server = each;
      each.halfClose();
    });
    session.write(bytes("answer"));
    h.settle();
    expect(readText(server as Session)).toBe("answer");
    expect(h.news().slice(-2)).toEqual(["c disconnect", "s rx"]);
  });
});

describe("ends before the server has answered", () => {
  let server: LocalApp;
  let client: LocalApp;
  beforeEach(async () => {
    server = await h.attach("s");
    await server.listen("tcp://127.0.0.1/80");
    client = await h.attach("c");
  });

  test("the client detaches: the server is never told", async () => {
    const connecting = client.connect("tcp://127.0.0.1/80");
    await client.detach();
    await expect(connecting).rejects.toMatchObject({ sessionError: "NOAPP" });
    h.settle();
    expect(h.news()).toEqual([]);
    expect(h.pools()).toMatchObject({ sessions: 1, fifos: 0, rows: 1, applications: 1 });
  });

  test("the server detaches: REFUSED", async () => {
    const connecting = client.connect("tcp://127.0.0.1/80");
    await server.detach();
    h.settle();
    await expect(connecting).rejects.toMatchObject({ sessionError: "REFUSED" });
    expect(h.pools()).toMatchObject({ sessions: 0, fifos: 0, rows: 0, applications: 1 });
  });

  test("both detach", async () => {
    client.connect("tcp://127.0.0.1/80").catch(() => {});
    await server.detach();
    await client.detach();
    h.settle();
    expect(h.pools()).toMatchObject({ sessions: 0, fifos: 0, rows: 0, applications: 0 });
  });

  test("the listener is closed: REFUSED, as of a listener that is not there; what it accepted before lives on", async () => {
    const session = await h.connect(client, "tcp://127.0.0.1/80");
    const connecting = client.connect("tcp://127.0.0.1/80");
    await server.listeners[0].close();
    h.settle();
    await expect(connecting).rejects.toMatchObject({ sessionError: "REFUSED" });
    expect(session.state).toBe("ready");
    expect(await h.refusal(client, "tcp://127.0.0.1/80")).toBe("NOROUTE");
  });

  test("the client detaches within the server's accept", async () => {
    await server.detach();
    server = await h.attach("t", { accept: () => void client.detach() });
    await server.listen("tcp://127.0.0.1/80");
    client.connect("tcp://127.0.0.1/80").catch(() => {});
    h.settle();
    expect(h.news()).toEqual(["t accept", "t reset ECONNRESET", "t cleanup transport", "t cleanup session"]);
    expect(h.pools()).toMatchObject({ sessions: 1, fifos: 0, rows: 1, applications: 1 });
  });
});

test("workers of the server's application take turns, and one application may connect to itself", async () => {
  const app = await h.attach("w0");
  const other = await app.addWorker(h.noting("w1"));
  await app.listen("tcp://127.0.0.1/80");
  await other.listen("tcp://127.0.0.1/80");
  for (let i = 0; i < 4; i++) await h.connect(app, "tcp://127.0.0.1/80");
  expect(h.news().filter((line) => line.endsWith("accept"))).toEqual([
    "w0 accept",
    "w1 accept",
    "w0 accept",
    "w1 accept",
  ]);
  await other.delete();
  h.settle();
  expect(h.pools()).toMatchObject({ rows: 5, fifos: 4 });
  await app.detach();
  h.settle();
  expect(h.pools()).toMatchObject({ sessions: 0, rows: 0, fifos: 0, applications: 0 });
});

test("source ports: chosen, differing; an explicit one in use is PORTINUSE until its session is gone", async () => {
  const server = await h.attach("s");
  await server.listen("tcp://127.0.0.1/80");
  const client = await h.attach("c", { disconnect: (session) => void session.close() });
  const ports = new Set<number | undefined>();
  for (let i = 0; i < 50; i++) ports.add((await h.connect(client, "tcp://127.0.0.1/80")).local?.port);
  expect(ports.size).toBe(50);
  const session = await h.connect(client, "tcp://127.0.0.1/80", "tcp://10.0.0.1/7777");
  expect(session.local).toMatchObject({ address: "10.0.0.1", port: 7777 });
  expect(await h.refusal(client, "tcp://127.0.0.1/80", "tcp://10.0.0.1/7777")).toBe("PORTINUSE");
  expect(await h.refusal(client, "tcp://127.0.0.1/80", "tcp://10.0.0.9/7777")).toBe("NOIP");
  session.reset();
  h.settle();
  expect(await h.refusal(client, "tcp://127.0.0.1/80", "tcp://10.0.0.1/7777")).toBe("10.0.0.1 to 127.0.0.1");
});
