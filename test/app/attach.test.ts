import { beforeEach, describe, expect, test } from "vitest";
import type { App } from "../../src/app/app.js";
import { AppServer } from "../../src/app/attach.js";
import type { AppCallbacks } from "../../src/app/callbacks.js";
import type { Listener } from "../../src/app/listener.js";
import type { Session } from "../../src/app/session.js";
import type { SessionError } from "../../src/session/session-errors.js";
import { SessionHarness } from "../session/fake-transport.js";

let h: SessionHarness;
let server: AppServer;
let heard: string[];

beforeEach(() => {
  h = new SessionHarness();
  server = new AppServer(h.layer);
  heard = [];
});

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
const attach = (callbacks: AppCallbacks = {}, name = "app"): Promise<App> => server.attach({ name }, callbacks);

/** A listener and the session of its first peer. */
async function open(callbacks: AppCallbacks): Promise<{ app: App; listener: Listener; session: Session; c: number }> {
  let session: Session | undefined;
  const app = await attach({
    ...callbacks,
    accept: (accepted, listener) => {
      session = accepted;
      return callbacks.accept?.(accepted, listener);
    },
  });
  const listener = await app.listen("tcp://0.0.0.0/80");
  const c = h.arrive(listener.session.index);
  h.settle();
  return { app, listener, session: session as Session, c };
}

describe("attach", () => {
  test("refusals are errors with a code and VPP's name", async () => {
    await attach();
    await expect(attach()).rejects.toMatchObject({ code: "EEXIST", sessionError: "APP_ATTACHED" });
    await expect(server.attach({ name: "b", namespace: "blue" }, {})).rejects.toMatchObject({
      sessionError: "INVALID_NS",
    });
    await expect(server.attach({ name: "b", secret: "x" }, {})).rejects.toMatchObject({
      code: "EACCES",
      sessionError: "WRONG_NS_SECRET",
      message: expect.stringContaining('attach "b"'),
    });
  });

  test("detach: everything of the application is gone, and its objects name nothing", async () => {
    const { app, session, listener, c } = await open({ cleanup: () => void heard.push("cleanup") });
    h.tcp.onClose = (closed) => h.layer.deleted(h.tcp.session(closed));
    const connecting = app.connect("tcp://10.0.0.9/80");
    await app.detach();
    await expect(connecting).rejects.toMatchObject({ sessionError: "NOAPP" });
    h.settle();
    expect(h.tcp.calls).toContain(`close ${c}`);
    expect([session.state, session.handle, session.close(), listener.local]).toEqual(["gone", -1, -12, undefined]);
    expect(heard).toEqual([]);
    expect(h.layer.table.used).toBe(0);
    await expect(app.detach()).rejects.toMatchObject({ sessionError: "NOAPP" });
    await expect(app.listen("tcp://0.0.0.0/80")).rejects.toMatchObject({ sessionError: "NOAPP" });
    await attach();
  });
});

describe("listen", () => {
  test("listened, close, unlistened; closed twice is NOLISTEN", async () => {
    const app = await attach({
      listened: (listener) => void heard.push(`listened ${listener.uri}`),
      unlistened: (listener) => void heard.push(`unlistened ${listener.uri}`),
    });
    const listener = await app.listen("tcp://10.0.0.1:8080");
    expect(listener.local).toEqual({ address: "10.0.0.1", port: 8080, family: 4 });
    expect(app.listeners).toEqual([listener]);
    await listener.close();
    expect(heard).toEqual(["listened tcp://10.0.0.1:8080", "unlistened tcp://10.0.0.1:8080"]);
    await expect(listener.close()).rejects.toMatchObject({ sessionError: "NOLISTEN" });
    expect(app.listeners).toEqual([]);
    await app.listen("tcp://10.0.0.1:8080");
  });

  test.each([
    ["udp://0.0.0.0/53", "EPROTONOSUPPORT", "NOSUPPORT", "no transport udp"],
    ["quic://0.0.0.0/443", "EPROTONOSUPPORT", "NOSUPPORT", "no transport quic"],
    ["tcp://10.0.0.9/80", "EADDRNOTAVAIL", "NOIP", "listen tcp://10.0.0.9/80"],
    ["tcp://10.0.0.1/99999", "EINVAL", "INVALID", "bad port"],
  ])("%s", async (uri, code, sessionError, message) => {
    const app = await attach();
    await expect(app.listen(uri)).rejects.toMatchObject({
      code,
      sessionError,
      message: expect.stringContaining(message),
    });
  });

  test("an address that is taken", async () => {
    const app = await attach();
    await app.listen("tcp://0.0.0.0/80");
    await expect(app.listen("tcp://0.0.0.0:80")).rejects.toMatchObject({
      code: "EADDRINUSE",
      sessionError: "ALREADY_LISTENING",
    });
  });
});

describe("connect", () => {
  test("resolves with the session that connected was told of", async () => {
    let told: Session | undefined;
    const app = await attach({ connected: (session) => void (told = session) });
    const connecting = app.connect("tcp://[2001:db8::9]:80", { from: "tcp://[2001:db8::1]:4000" });
    h.layer.connected(0, 0, h.tcp.requests[0].context, 0);
    h.settle();
    const session = await connecting;
    expect(session).toBe(told);
    expect(session.local).toEqual({ address: "2001:db8::1", port: 4000, family: 6 });
    expect(session.remote).toEqual({ address: "2001:db8::9", port: 80, family: 6 });
    expect(session.state).toBe("ready");
  });

  test("rejects with what the transport says, and tells connected", async () => {
    let told: SessionError | undefined;
    const app = await attach({ connected: (_session, error) => void (told = error) });
    const connecting = app.connect("tcp://10.0.0.9/80");
    h.layer.connected(0, 0, h.tcp.requests[0].context, -2);
    h.settle();
    await expect(connecting).rejects.toMatchObject({ code: "ECONNREFUSED", sessionError: "REFUSED" });
    expect(told?.message).toContain("connect tcp://10.0.0.9/80");
  });

  test("rejects at once without a route", async () => {
    const app = await attach();
    await expect(app.connect("tcp://203.0.113.1/80")).rejects.toMatchObject({
      code: "ENETUNREACH",
      sessionError: "NOROUTE",
    });
    await expect(app.connect("tls://10.0.0.9/80")).rejects.toMatchObject({ sessionError: "NOSUPPORT" });
  });
});

describe("sessions", () => {
  test("read, write, peek, drop by the object; it is gone after cleanup", async () => {
    const { session, c } = await open({
      rx: (from) => void heard.push(`rx ${from.readableBytes}`),
      disconnect: (from) => void heard.push(`disconnect ${from.close()}`),
      transportClosed: () => void heard.push("transportClosed"),
      cleanup: (from, phase) => void heard.push(`cleanup ${phase} ${from.state}`),
    });
    session.data = { mine: true };
    h.feed(session.index, "hello world");
    h.settle();
    const target = new Uint8Array(5);
    expect(session.read(target)).toBe(5);
    expect(String.fromCharCode(...target)).toBe("hello");
    expect(session.drop(1)).toBe(1);
    let peeked = "";
    expect(
      session.peek(
        (u8, offset, length) => (peeked = String.fromCharCode(...u8.subarray(offset, offset + length))).length,
      ),
    ).toBe(5);
    expect(peeked).toBe("world");
    expect(session.write(bytes("answer"), 1, 3)).toBe(3);
    expect(session.queuedBytes).toBe(3);
    const { handle } = session;
    expect(h.layer.table.find(handle)).toBe(session.index);
    h.layer.closing(session.index);
    h.settle();
    h.layer.closed(h.tcp.session(c));
    h.settle();
    expect(heard).toEqual([
      "rx 11",
      "disconnect 0",
      "transportClosed",
      "cleanup transport closed",
      "cleanup session closed",
    ]);
    expect([session.state, session.handle, session.index]).toEqual(["gone", -1, -1]);
    expect([
      session.read(target),
      session.write(target),
      session.close(),
      session.reset(),
      session.halfClose(),
    ]).toEqual([-12, -12, -12, -12, -12]);
    expect([session.local, session.remote, session.readableBytes]).toEqual([undefined, undefined, 0]);
  });

  test("reset is told with ECONNRESET", async () => {
    const { session } = await open({
      reset: (_session, error) => void heard.push(`${error.code} ${error.sessionError}`),
    });
    h.layer.reset(session.index, -1);
    h.settle();
    expect(heard).toEqual(["ECONNRESET UNKNOWN"]);
  });

  test("a refused or failed session's object never names the row's next session", async () => {
    const seen: Session[] = [];
    const { listener } = await open({
      accept: (session) => {
        seen.push(session);
        if (seen.length === 1) return false;
        if (seen.length === 2) throw new Error("bad accept");
        return true;
      },
    });
    h.tcp.onClose = (closed) => h.layer.deleted(h.tcp.session(closed));
    h.arrive(listener.session.index, 2);
    h.settle();
    h.layer.deleted(seen[1].index);
    h.settle();
    h.arrive(listener.session.index, 3);
    h.settle();
    expect(h.errors.length).toBe(1);
    expect(seen.map(({ state }) => state)).toEqual(["gone", "gone", "ready"]);
  });

  test("listened that throws is reported, and the listener is there; unlistened likewise", async () => {
    const app = await attach({
      listened: () => {
        throw new Error("listened");
      },
      unlistened: () => {
        throw new Error("unlistened");
      },
    });
    const listener = await app.listen("tcp://0.0.0.0/80");
    expect(app.listeners).toEqual([listener]);
    await listener.close();
    h.settle();
    expect(app.listeners).toEqual([]);
    expect(h.errors).toEqual([new Error("listened"), new Error("unlistened")]);
    expect(h.layer.table.used).toBe(0);
  });

  test("an idle session costs less than 100 bytes of heap and 64 of the table", async () => {
    const gc = (globalThis as { gc?: () => void }).gc;
    const count = 20_000;
    const context = server.context;
    const objects = new Array<Session | undefined>(count).fill(undefined);
    const { LocalSession } = await import("../../src/app/local-session.js");
    gc?.();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < count; i++) objects[i] = new LocalSession(context, i);
    const perSession = (process.memoryUsage().heapUsed - before) / count;
    expect(objects.length).toBe(count);
    expect(perSession).toBeLessThan(100);
  });
});
