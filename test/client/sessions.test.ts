import { describe, expect, test } from "vitest";
import type { AppCallbacks } from "../../src/app/callbacks.js";
import type { Session } from "../../src/app/session.js";
import { IO_RX_DEQUEUED, IO_TX } from "../../src/app/messages/io-events.js";
import {
  SESSION_E_INVALID,
  SESSION_E_NOIP,
  SESSION_E_NOSESSION,
  SESSION_E_NOSUPPORT,
  SESSION_E_REFUSED,
  SESSION_E_TIMEDOUT,
  SESSION_E_UNKNOWN,
} from "../../src/session/session-errors.js";
import { all, eventually, fixture, noting, pattern, readAll, settle, until } from "./support.js";

const it = fixture();
const URI = "tcp://198.18.0.2:80";

/** An application with a listener, and one session that it has accepted. */
async function accepted(more: AppCallbacks = {}) {
  const heard: string[] = [];
  let session: Session | undefined;
  const app = await it.attach(noting(heard, { accept: (each) => void (session = each), ...more }));
  const listener = await app.listen(URI);
  const { worker } = it.stack;
  const fake = worker.accept(listener.session.handle);
  const taken = await eventually(() => session);
  heard.length = 0;
  return { app, listener, heard, worker, fake, session: taken };
}

describe("listening", () => {
  test("says where, and closes", async () => {
    const heard: string[] = [];
    const app = await it.attach(noting(heard));
    const listener = await app.listen("tcp://0.0.0.0:0", { backlog: 9 });
    const { worker } = it.stack;
    const asked = { uri: "tcp://0.0.0.0:0", backlog: 9, connected: false, proxy: false };
    expect(worker.said("LISTEN_URI")).toMatchObject([asked]);
    expect(listener.local).toEqual({ address: "0.0.0.0", port: 49_152, family: 4 });
    expect(listener.session.state).toBe("listening");
    expect(app.listeners).toEqual([listener]);
    await listener.close();
    expect([listener.local, listener.session.state, app.listeners]).toEqual([undefined, "gone", []]);
    expect(heard).toEqual(["listened tcp://0.0.0.0:0", "unlistened tcp://0.0.0.0:0"]);
    await expect(listener.close()).rejects.toMatchObject({ sessionError: "NOLISTEN" });
  });

  test("is refused with the stack's error, or before it is asked", async () => {
    const app = await it.attach({});
    const { worker } = it.stack;
    worker.unanswered.add("LISTEN_URI");
    const listening = app.listen(URI);
    const { context } = await eventually(() => worker.said("LISTEN_URI")[0]);
    worker.refuse("BOUND", context, SESSION_E_NOIP);
    await expect(listening).rejects.toThrow(`listen ${URI}: no ip for local interface (NOIP)`);
    await expect(app.listen("tcp://nowhere")).rejects.toMatchObject({ sessionError: "INVALID" });
    await expect(app.listen(URI, { backlog: -1 })).rejects.toMatchObject({ sessionError: "INVALID" });
    expect(worker.said("LISTEN_URI").length).toBe(1);
  });

  test("ends by the close of the listener's session, and by the stack", async () => {
    const heard: string[] = [];
    const app = await it.attach(noting(heard));
    const [first, second] = [await app.listen(URI), await app.listen("tcp://198.18.0.2:81")];
    const { handle } = second.session;
    it.stack.worker.say({ type: "UNLISTEN_REPLY", context: 0, retval: 0, handle });
    await until(() => app.listeners.length === 1);
    expect(first.session.close()).toBe(0);
    await until(() => app.listeners.length === 0);
    expect(heard.slice(2)).toEqual(["unlistened tcp://198.18.0.2:81", `unlistened ${URI}`]);
  });
});

describe("a session that is accepted", () => {
  test("has its ends, and carries bytes both ways", async () => {
    let got = new Uint8Array();
    const rx = (each: Session): void => void (got = readAll(each).slice());
    const { session, fake, worker, listener } = await accepted({ rx });
    expect(session).toMatchObject({ handle: fake.handle, index: fake.index, state: "ready" });
    expect(session.local).toEqual({ address: "198.18.0.2", port: 80, family: 4 });
    expect(session.remote).toEqual({ address: "198.18.0.1", port: 40_000, family: 4 });
    await settle();
    expect(worker.said("ACCEPTED_REPLY")).toMatchObject([{ handle: fake.handle, retval: 0 }]);
    expect(session.write(pattern(3000))).toBe(3000);
    await until(() => got.length > 0);
    expect(got).toEqual(pattern(3000));
    expect([listener.session.read(got), listener.session.write(got)]).toEqual([
      SESSION_E_NOSESSION,
      SESSION_E_NOSESSION,
    ]);
  });

  test("what the application writes within accept comes after the reply", async () => {
    const accept = (each: Session): void => {
      each.write(pattern(10));
      each.halfClose();
    };
    const app = await it.attach({ accept });
    const listener = await app.listen(URI);
    const { worker } = it.stack;
    worker.accept(listener.session.handle);
    await until(() => worker.said("SHUTDOWN").length === 1);
    expect(worker.heard.slice(1).map(({ type }) => type)).toEqual(["ACCEPTED_REPLY", "SHUTDOWN"]);
    expect(worker.order).toEqual(["LISTEN_URI", "ACCEPTED_REPLY", "event 1", "SHUTDOWN"]);
  });

  test.each([
    ["by false", () => false],
    [
      "by a callback that throws",
      () => {
        throw new Error("no");
      },
    ],
  ])("is refused %s, and hears nothing more", async (_, answer) => {
    const heard: string[] = [];
    let session: Session | undefined;
    const accept = (each: Session): boolean => {
      session = each;
      return answer();
    };
    const app = await it.attach(noting(heard, { accept }));
    const listener = await app.listen(URI);
    const { worker } = it.stack;
    const fake = worker.accept(listener.session.handle);
    await eventually(() => worker.said("ACCEPTED_REPLY")[0]);
    expect(worker.said("ACCEPTED_REPLY")).toMatchObject([{ handle: fake.handle, retval: SESSION_E_REFUSED }]);
    expect([session?.state, session?.index, session?.write(pattern(1))]).toEqual(["gone", -1, SESSION_E_NOSESSION]);
    worker.feed(fake, pattern(5));
    worker.say({ type: "RESET", session: fake.index, error: SESSION_E_UNKNOWN });
    worker.cleanup(fake);
    await until(() => worker.said("CLEANUP_REPLY").length > 0);
    expect(worker.said("CLEANUP_REPLY")).toMatchObject([{ handle: fake.handle }]);
    expect(heard).toEqual([`listened ${URI}`]);
  });

  test("is refused without the callback, and when nobody listens there", async () => {
    const app = await it.attach({});
    const listener = await app.listen(URI);
    const { worker } = it.stack;
    worker.accept(listener.session.handle);
    worker.accept(12_345);
    await until(() => worker.said("ACCEPTED_REPLY").length === 2);
    expect(worker.said("ACCEPTED_REPLY").map(({ retval }) => retval)).toEqual([SESSION_E_REFUSED, SESSION_E_REFUSED]);
  });
});

describe("connecting", () => {
  test("asks as it is told, and resolves after the callback", async () => {
    const heard: string[] = [];
    const app = await it.attach(noting(heard));
    const { worker } = it.stack;
    const options = { from: "tcp://198.18.0.2:0", attributes: { noDelay: 1, dscp: 10 } };
    const session = await app.connect("tcp://198.18.0.1:80", options);
    expect(heard).toEqual(["connected"]);
    const asked = { uri: "tcp://198.18.0.1:80", from: options.from, attributes: options.attributes };
    expect(worker.said("CONNECT_URI")).toMatchObject([asked]);
    expect(session.state).toBe("ready");
  });

  test("fails with the stack's error, also when the half-open part goes first", async () => {
    const heard: string[] = [];
    const app = await it.attach(noting(heard, { halfOpenCleanup: (s) => void heard.push(`half ${s}`) }));
    const { worker } = it.stack;
    worker.unanswered.add("CONNECT_URI");
    const connecting = [app.connect("tcp://198.18.0.1:80"), app.connect("tcp://198.18.0.1:81")];
    const results = Promise.allSettled(connecting);
    await until(() => worker.said("CONNECT_URI").length === 2);
    const [first, second] = worker.said("CONNECT_URI");
    worker.refuse("CONNECTED", first.context, SESSION_E_TIMEDOUT);
    worker.say({ type: "HALF_CLEANUP", session: 9, context: second.context });
    expect(await results).toMatchObject([
      { reason: { sessionError: "TIMEDOUT", code: "ETIMEDOUT" } },
      { reason: { sessionError: "REFUSED" } },
    ]);
    expect(heard).toEqual(["failed TIMEDOUT", "failed REFUSED", "half 9"]);
    await expect(app.connect("tcp://198.18.0.1:80", { from: "?" })).rejects.toMatchObject({ sessionError: "INVALID" });
    const attributes = { dscp: 1.5 };
    await expect(app.connect("tcp://198.18.0.1:80", { attributes })).rejects.toMatchObject({ sessionError: "INVALID" });
  });
});

describe("the end of a session", () => {
  test("the peer's end, the rest, cleanup: as in process, and the stack hears of each", async () => {
    const { heard, worker, fake, session } = await accepted();
    worker.feed(fake, pattern(100));
    worker.say({ type: "DISCONNECTED", session: fake.index });
    await until(() => heard.length === 1);
    expect(session.state).toBe("transport-closing");
    expect(readAll(session)).toEqual(pattern(100));
    expect([session.write(pattern(5)), session.close(), session.state]).toEqual([5, 0, "app-closed"]);
    expect([session.close(), session.read(new Uint8Array(1)), session.write(pattern(1))]).toEqual([
      0,
      SESSION_E_NOSESSION,
      SESSION_E_NOSESSION,
    ]);
    worker.say({ type: "TRANSPORT_CLOSED", session: fake.index });
    worker.cleanup(fake);
    await until(() => worker.said("CLEANUP_REPLY").length === 1);
    expect(heard).toEqual(["disconnect", "transportClosed", "cleanup transport", "cleanup session"]);
    const said = worker.heard.slice(2).map(({ type }) => type);
    expect(said).toEqual(["DISCONNECTED_REPLY", "DISCONNECT", "CLEANUP_REPLY"]);
    expect([session.state, session.index, session.handle, session.local]).toEqual(["gone", -1, -1, undefined]);
    expect([session.readableBytes, session.writableBytes, session.queuedBytes, session.close()]).toEqual([
      0,
      0,
      0,
      SESSION_E_NOSESSION,
    ]);
    expect(it.stack.sessions.size).toBe(1);
  });

  test("without the callback the peer's end closes the session", async () => {
    const app = await it.attach({ accept: () => true });
    const listener = await app.listen(URI);
    const { worker } = it.stack;
    const fake = worker.accept(listener.session.handle);
    worker.say({ type: "DISCONNECTED", session: fake.index });
    await until(() => worker.said("DISCONNECTED_REPLY").length === 1);
    expect(worker.said("DISCONNECT")).toMatchObject([{ handle: fake.handle }]);
  });

  test("half-close: no more is written, what comes is still read", async () => {
    const { worker, fake, session } = await accepted();
    expect([session.halfClose(), session.halfClose()]).toEqual([0, SESSION_E_NOSESSION]);
    expect([session.write(pattern(1)), session.writableBytes]).toEqual([SESSION_E_NOSESSION, 0]);
    worker.feed(fake, pattern(50));
    await until(() => session.readableBytes === 50);
    await until(() => worker.said("SHUTDOWN").length === 1);
  });

  test("a reset by the peer takes what is unread, and closes", async () => {
    const { heard, worker, fake, session } = await accepted();
    worker.feed(fake, pattern(100));
    worker.say({ type: "RESET", session: fake.index, error: SESSION_E_UNKNOWN });
    worker.cleanup(fake);
    await until(() => worker.said("CLEANUP_REPLY").length === 1);
    expect(heard).toEqual(["reset ECONNRESET transport-closed", "cleanup transport", "cleanup session"]);
    expect(worker.said("RESET_REPLY")).toMatchObject([{ handle: fake.handle, retval: 0 }]);
    expect(worker.said("DISCONNECT")).toEqual([]);
    expect(session.readableBytes).toBe(0);
  });

  test("a reset of one's own, also after close; nothing is heard but the cleanup", async () => {
    const { heard, worker, fake, session } = await accepted();
    expect([session.close(), session.reset(), session.reset(), session.close()]).toEqual([0, 0, 0, 0]);
    worker.feed(fake, pattern(10));
    worker.say({ type: "DISCONNECTED", session: fake.index });
    worker.cleanup(fake);
    await until(() => worker.said("CLEANUP_REPLY").length === 1);
    expect(heard).toEqual(["cleanup transport", "cleanup session"]);
    const said = worker.heard.slice(2).map(({ type }) => type);
    expect(said).toEqual(["DISCONNECT", "TERMINATE", "DISCONNECTED_REPLY", "CLEANUP_REPLY"]);
  });

  test("a callback that throws has its session reset, and is reported; others go on", async () => {
    const error = new Error("bad rx");
    const sessions: Session[] = [];
    const app = await it.attach({
      accept: (each) => void sessions.push(each),
      rx: (each) => {
        if (each === sessions[0]) throw error;
        each.drop(100);
      },
    });
    const listener = await app.listen(URI);
    const { worker } = it.stack;
    const [fake, other] = [worker.accept(listener.session.handle), worker.accept(listener.session.handle)];
    worker.feed(fake, pattern(10));
    worker.feed(other, pattern(10));
    await until(() => worker.said("TERMINATE").length === 1 && sessions[1]?.readableBytes === 0);
    expect(worker.said("TERMINATE")).toMatchObject([{ handle: fake.handle }]);
    expect(it.errors).toEqual([error]);
    expect(sessions.map(({ state }) => state)).toEqual(["closed", "ready"]);
  });
});

describe("the data path", () => {
  test("one event covers a burst of writes, until the stack has looked", async () => {
    const { worker, session, fake } = await accepted();
    await settle();
    fake.mode = "keep";
    worker.isPaused = true;
    for (let i = 0; i < 5; i++) session.write(pattern(10, i));
    expect(session.queuedBytes).toBe(50);
    worker.isPaused = false;
    worker.turn();
    expect(worker.events).toEqual([IO_TX]);
    session.write(pattern(10));
    worker.turn();
    expect(worker.events).toEqual([IO_TX, IO_TX]);
  });

  test("a reader that makes room says so when it was asked to, once", async () => {
    const { worker, session, fake } = await accepted();
    expect(worker.feed(fake, pattern(100_000))).toBe(65_536);
    expect(session.readableBytes).toBe(65_536);
    session.drop(20_000);
    await settle();
    expect(worker.events).toEqual([]);
    session.drop(20_000);
    session.drop(100);
    await until(() => worker.events.length > 0);
    await settle();
    expect(worker.events).toEqual([IO_RX_DEQUEUED]);
    const got = new Uint8Array(100_000);
    expect(session.read(got, 7, 100)).toBe(100);
    expect(got.subarray(7, 107)).toEqual(pattern(100_000).subarray(40_100, 40_200));
  });

  test("peek lends bytes where they lie, and drops what the callback is done with", async () => {
    const { worker, session, fake } = await accepted();
    // In two chunks: the second begins where the first is full.
    for (let i = 0; i < 5; i++) worker.feed(fake, pattern(5000).subarray(1000 * i, 1000 * (i + 1)));
    const seen: number[] = [];
    let left = 4500;
    const consumed = session.peek((u8, offset, length) => {
      const at = 4500 - left;
      expect(u8.slice(offset, offset + length)).toEqual(pattern(5000).subarray(at, at + length));
      const n = Math.min(length, left);
      left -= n;
      seen.push(n);
      return n;
    });
    expect([consumed, session.readableBytes, seen.length > 1]).toEqual([4500, 500, true]);
    expect(session.peek(() => 0)).toBe(0);
    expect(session.peek(() => -1)).toBe(0);
    expect(session.peek(() => session.close())).toBe(0);
  });

  test("back-pressure both ways: every byte comes back, in order, through fifos of 64 KiB", async () => {
    const length = 8 << 20;
    const bytes = pattern(length);
    const got = new Uint8Array(length);
    let sent = 0;
    let received = 0;
    let cuts = 0;
    const fill = (each: Session): void => {
      while (sent < length) {
        const offered = Math.min(length - sent, 50_000);
        const n = each.write(bytes, sent, offered);
        sent += n;
        if (n < offered) return void cuts++;
      }
    };
    const { session } = await accepted({
      tx: fill,
      rx: (each) => {
        // Slowly at times: the echo has to wait for its reader.
        const want = received % 3 === 0 ? 1000 : 1 << 20;
        received += each.read(got, received, want);
        if (each.readableBytes > 0) setImmediate(() => (received += Math.max(0, each.read(got, received))));
      },
    });
    fill(session);
    await until(() => received === length);
    expect(cuts).toBeGreaterThan(50);
    expect(got.findIndex((byte, i) => byte !== bytes[i])).toBe(-1);
    expect(it.stack.worker.broken).toEqual([]);
  });

  test("a writer that is cut short hears of room when a quarter is free", async () => {
    let rooms = 0;
    const { worker, session, fake } = await accepted({ tx: () => void rooms++ });
    fake.mode = "keep";
    let written = 0;
    await until(() => {
      written += session.write(pattern(70_000), written);
      return written === 65_536;
    });
    await settle();
    const before = rooms;
    const { fifos, mirrors } = it.stack;
    fifos.drop(fake.tx, 16_383);
    expect(mirrors.publishTx(fake.tx)).toBe(0);
    fifos.drop(fake.tx, 1);
    fake.mode = "sink";
    worker.work(fake);
    await until(() => rooms > before);
    expect(session.writableBytes).toBeGreaterThan(0);
  });

  test("no array, no session: an error, nothing thrown", async () => {
    const { session, app } = await accepted();
    const nothing = undefined as never;
    expect([session.read(nothing), session.write(nothing), session.peek(nothing)]).toEqual([
      SESSION_E_INVALID,
      SESSION_E_INVALID,
      SESSION_E_INVALID,
    ]);
    expect([session.readDatagram(nothing), session.writeDatagram(nothing)]).toEqual([
      SESSION_E_INVALID,
      SESSION_E_INVALID,
    ]);
    expect(session.writeDatagram(pattern(4))).toBe(SESSION_E_INVALID);
    expect([session.write(pattern(4), 5), session.write(pattern(4), -1), session.write(pattern(4), 0, -3)]).toEqual([
      0, 0, 0,
    ]);
    await app.detach();
    expect([session.read(pattern(1)), session.write(pattern(1)), session.drop(1)]).toEqual([
      SESSION_E_NOSESSION,
      SESSION_E_NOSESSION,
      SESSION_E_NOSESSION,
    ]);
    expect(await session.attribute("mss")).toBe(SESSION_E_NOSESSION);
  });
});

describe("attributes, statistics, urgent data", () => {
  test("are asked of the stack", async () => {
    const { worker, session, fake } = await accepted();
    const answers = [session.attribute("mss"), session.setAttribute("dscp", 64), session.setAttribute("dscp", 10)];
    const statistics = session.statistics();
    await until(() => worker.said("TRANSPORT_ATTR").length === 3 && worker.said("STATISTICS").length === 1);
    const [mss, bad, good] = worker.said("TRANSPORT_ATTR");
    expect(mss).toMatchObject({ handle: fake.handle, attribute: "mss", isSet: false });
    expect(good).toMatchObject({ attribute: "dscp", isSet: true, value: 10 });
    worker.say({ type: "TRANSPORT_ATTR_REPLY", context: good.context, retval: 0, value: 0 });
    worker.say({ type: "TRANSPORT_ATTR_REPLY", context: mss.context, retval: 0, value: 1460 });
    worker.say({ type: "TRANSPORT_ATTR_REPLY", context: bad.context, retval: SESSION_E_INVALID, value: 0 });
    const [{ context }] = worker.said("STATISTICS");
    worker.say({ type: "STATISTICS_REPLY", context, retval: 0, json: '{"SegsIn":3,"odd":"x"}' });
    expect(await all(answers)).toEqual([1460, SESSION_E_INVALID, 0]);
    expect(await statistics).toEqual({ SegsIn: 3 });
    expect(await session.setAttribute("dscp", Number.NaN)).toBe(SESSION_E_INVALID);
  });

  test("statistics that are none, or refused", async () => {
    const { worker, session } = await accepted();
    const answers = [session.statistics(), session.statistics(), session.statistics()];
    await until(() => worker.said("STATISTICS").length === 3);
    const [first, second, third] = worker.said("STATISTICS");
    worker.say({ type: "STATISTICS_REPLY", context: first.context, retval: SESSION_E_NOSUPPORT, json: "" });
    worker.say({ type: "STATISTICS_REPLY", context: second.context, retval: 0, json: "{" });
    worker.say({ type: "STATISTICS_REPLY", context: third.context, retval: 0, json: "null" });
    expect(await all(answers)).toEqual([undefined, undefined, undefined]);
  });

  test("urgent data: where it ends is told both ways", async () => {
    const { worker, session, fake, heard } = await accepted({ urgent: () => void heard.push("urgent") });
    expect(await session.attribute("urgentBytes")).toBe(0);
    worker.feed(fake, pattern(100));
    worker.say({ type: "URGENT", session: fake.index, end: 60 });
    await until(() => heard.includes("urgent"));
    expect(await session.attribute("urgentBytes")).toBe(60);
    session.drop(45);
    expect(await session.attribute("urgentBytes")).toBe(15);
    session.drop(45);
    expect(await session.attribute("urgentBytes")).toBe(0);
    session.write(pattern(5));
    expect(session.writeUrgent(pattern(3))).toBe(3);
    await until(() => worker.said("TX_URGENT").length === 1);
    expect(worker.said("TX_URGENT")).toMatchObject([{ handle: fake.handle, end: 8 }]);
  });

  test("soft errors and migration are told", async () => {
    const { worker, session, fake, heard } = await accepted({
      softError: (_session, error) => void heard.push(error.code),
      migrate: (each) => void heard.push(`migrate ${each.index}`),
    });
    worker.say({ type: "SOFT_ERROR", session: fake.index, kind: 3 });
    worker.say({ type: "MIGRATED", session: fake.index, newHandle: fake.handle + 50 });
    await until(() => heard.length === 2);
    expect(heard).toEqual(["ECONNREFUSED", `migrate ${fake.index + 50}`]);
    session.close();
    await until(() => worker.said("DISCONNECT").length === 1);
    expect(worker.said("DISCONNECT")).toMatchObject([{ handle: fake.handle + 50 }]);
  });
});

test("what the queue has no room for waits, in order", async () => {
  it.restart({ ringBytes: 32 << 10 });
  const { worker, session } = await accepted();
  await settle();
  worker.isPaused = true;
  const answers = Array.from({ length: 1500 }, (_, i) => session.setAttribute("mss", i));
  session.write(pattern(10));
  session.close();
  worker.isPaused = false;
  worker.turn();
  await until(() => worker.said("DISCONNECT").length === 1);
  expect(worker.said("TRANSPORT_ATTR").map(({ value }) => value)).toEqual(Array.from({ length: 1500 }, (_, i) => i));
  expect(worker.events).toEqual([IO_TX]);
  for (const { context } of worker.said("TRANSPORT_ATTR")) {
    worker.say({ type: "TRANSPORT_ATTR_REPLY", context, retval: 0, value: 0 });
  }
  expect(new Set(await all(answers))).toEqual(new Set([0]));
});

test("requests beyond what may wait are refused", async () => {
  const { worker, session } = await accepted();
  await settle();
  worker.isPaused = true;
  const answers = await Promise.all(
    Array.from({ length: 3000 }, () => Promise.race([session.setAttribute("mss", 1), Promise.resolve(1)])),
  );
  const refused = answers.filter((answer) => answer < 0);
  expect(refused.length).toBeGreaterThan(500);
  worker.isPaused = false;
  worker.turn();
  await until(() => worker.said("TRANSPORT_ATTR").length === 3000 - refused.length);
});
