import { describe, expect, test } from "vitest";
import { AppServer } from "../../../src/app/attach.js";
import type { Session } from "../../../src/app/session.js";
import { wire } from "../../../src/device/wire-device.js";
import { M_POSITION } from "../../../src/mem/fifo-mirror-layout.js";
import { SESSION_E_ALREADY_LISTENING, SESSION_E_REFUSED } from "../../../src/session/session-errors.js";
import { ExternalStack, type FakeClient, pattern } from "./fake-client.js";

const LOCAL = { scope: ["local"] } as const;

/** Server and client of two processes, connected by cut-through. */
function pair() {
  const host = new ExternalStack();
  const server = host.attach({ name: "server", ...LOCAL });
  const client = host.attach({ name: "client", ...LOCAL });
  server.listen("tcp://10.0.0.1:80");
  client.connect("tcp://10.0.0.1:80");
  server.run();
  client.run();
  return { host, server, client, s: server.last("ACCEPTED").handle, c: client.last("CONNECTED").handle };
}

/** Moves bytes from one to the other until all are there. */
function transfer(from: FakeClient, to: FakeClient, out: number, into: number, length: number): Uint8Array {
  const bytes = pattern(0, length);
  const got = new Uint8Array(length);
  let written = 0;
  let read = 0;
  for (let i = 0; i < 10_000 && read < length; i++) {
    written += from.write(out, bytes, written);
    from.run();
    const part = to.read(into, 100_000);
    got.set(part, read);
    read += part.length;
    to.run();
  }
  return got;
}

describe("cut-through between two other processes", () => {
  test("the server accepts first, then the client is connected; both are told whose session it is", () => {
    const { server, client } = pair();
    expect(server.heard).toEqual(["BOUND", "APP_ADD_SEGMENT", "ACCEPTED"]);
    expect(client.heard).toEqual(["APP_ADD_SEGMENT", "CONNECTED", "HALF_CLEANUP"]);
    const { retval, local, remote, proto } = client.last("CONNECTED");
    expect([retval, proto, remote?.port]).toEqual([0, 2, 80]);
    expect(server.last("ACCEPTED").remote?.port).toBe(local?.port);
  });

  test("a segment that only these two have holds their bytes", () => {
    const { host, server, client } = pair();
    const own = [server, client].map(({ attached }) => attached.segment.handle);
    expect(server.last("ACCEPTED").rxSegment).toBe(client.last("CONNECTED").txSegment);
    expect(own).not.toContain(server.last("ACCEPTED").rxSegment);
    expect(host.stack.host.fifos.stats().segments).toBe(4);
  });

  test.each([1, 5000, 300_000, 2_000_000])("%i bytes both ways arrive as they were written", (length) => {
    const { host, server, client, s, c } = pair();
    const wanted = Buffer.from(pattern(0, length));
    expect(wanted.equals(transfer(client, server, c, s, length))).toBe(true);
    expect(wanted.equals(transfer(server, client, s, c, length))).toBe(true);
    expect(host.errors).toEqual([]);
  });

  test("a writer that waits for room hears of it, when it is lent more and when its peer has read", () => {
    const { client, server, s, c } = pair();
    const tx = client.sessions.get(c)?.tx;
    const bytes = pattern(0, 1 << 20);
    let written = client.write(c, bytes);
    expect([written, tx?.wantRoom(10_000)]).toEqual([4096, false]);
    client.run();
    expect(client.heard.at(-1)).toBe("tx");
    for (let i = 0; i < 50 && (tx?.writableBytes ?? 0) > 0; i++) {
      written += client.write(c, bytes, written);
      client.run();
    }
    expect(tx?.wantRoom(1)).toBe(false);
    client.heard.length = 0;
    client.run();
    expect(client.heard).toEqual([]);
    server.run();
    expect(server.read(s).length).toBe(written);
    server.run();
    client.run();
    expect(client.heard).toContain("tx");
    expect(tx?.writableBytes).toBeGreaterThan(0);
  });

  test("a writer without memory hears of it when another session of its process has read, of which nobody was told", () => {
    const { host, server, client, s, c } = pair();
    client.connect("tcp://10.0.0.1:80");
    server.run();
    client.run();
    const [c2, s2] = [client.last("CONNECTED").handle, server.last("ACCEPTED").handle];
    const bytes = pattern(0, 1 << 20);
    // The first session's bytes take most of the memory, and are read without a word.
    let written = 0;
    for (let i = 0; i < 200 && written < 200_000; i++) {
      written += client.write(c, bytes, written);
      client.run();
    }
    server.run();
    const silent = server.sessions.get(s)?.rx;
    expect(silent?.drop(written)).toBe(written);
    silent?.publish();
    const tx = client.sessions.get(c2)?.tx;
    expect(tx?.wantRoom(60_000)).toBe(false);
    client.heard.length = 0;
    client.event(1, c2);
    client.run();
    expect([client.heard, (tx?.writableBytes ?? 0) < 60_000]).toEqual([[], true]);
    host.pass(20);
    client.run();
    expect(client.heard).toEqual(["tx"]);
    expect(tx?.writableBytes).toBeGreaterThanOrEqual(60_000);
    expect(server.read(s2)).toHaveLength(0);
  });

  test("one that wants more than there is hears of what there is, in a while", () => {
    const { host, server, client, s, c } = pair();
    client.connect("tcp://10.0.0.1:80");
    server.run();
    client.run();
    const c2 = client.last("CONNECTED").handle;
    const bytes = pattern(0, 1 << 20);
    for (let i = 0, written = 0; i < 200 && written < 200_000; i++) {
      written += client.write(c, bytes, written);
      client.run();
    }
    server.run();
    const tx = client.sessions.get(c2)?.tx;
    expect(tx?.wantRoom(60_000)).toBe(false);
    client.heard.length = 0;
    client.event(1, c2);
    client.run();
    host.pass(20);
    client.run();
    expect(client.heard).toEqual(["tx"]);
    expect(tx?.writableBytes).toBeGreaterThan(0);
    expect(server.sessions.get(s)?.rx?.readableBytes).toBeGreaterThan(100_000);
  });

  test("half-close, then close: end of stream, cleanup, and nothing is left", () => {
    const { host, server, client, s, c } = pair();
    client.write(c, pattern(0, 100));
    client.ask({ type: "SHUTDOWN", handle: c });
    server.run();
    expect(server.heard.slice(-2)).toEqual(["rx", "DISCONNECTED"]);
    expect(server.read(s)).toEqual(pattern(0, 100));
    server.write(s, pattern(0, 50));
    server.ask({ type: "DISCONNECT", handle: s });
    client.run();
    expect(client.read(c)).toEqual(pattern(0, 50));
    client.ask({ type: "DISCONNECT", handle: c });
    server.run();
    client.run();
    expect([server.sessions.size, client.sessions.size]).toEqual([1, 0]);
    server.die();
    client.die();
    expect(host.pools()).toEqual(host.before);
  });

  test("who is refused hears so, and the refusing one has nothing to forget", () => {
    const host = new ExternalStack();
    const server = host.attach({ name: "server", ...LOCAL });
    const client = host.attach({ name: "client", ...LOCAL });
    server.listen("tcp://10.0.0.1:80");
    server.isPolite = false;
    client.connect("tcp://10.0.0.1:80");
    expect(client.heard).not.toContain("CONNECTED");
    server.run();
    server.ask({ type: "ACCEPTED_REPLY", handle: server.last("ACCEPTED").handle, retval: SESSION_E_REFUSED });
    client.run();
    expect(client.last("CONNECTED").retval).toBe(SESSION_E_REFUSED);
    for (const each of [server, client]) each.die();
    expect(host.pools()).toEqual(host.before);
  });
});

describe("over packets", () => {
  /** A client of one stack, and an application in the process of another. */
  async function twoStacks(options: { closesOnDeath?: boolean } = {}) {
    const [a, b] = wire();
    const near = new ExternalStack(a, "10.0.0.1");
    const far = new ExternalStack(b, "10.0.0.2");
    const client = near.attach({ name: "client" }, options);
    const server = new AppServer(far.stack.host.sessions);
    const turn = (ms = 0): void => {
      for (let i = 0; i < 30; i++) {
        near.settle();
        far.settle();
        client.run();
      }
      if (ms > 0) {
        near.pass(ms);
        far.pass(ms);
      }
    };
    return { near, far, client, server, turn };
  }

  test("connects, sends and receives; the bytes are the peer's, and both ends close", async () => {
    const { near, far, client, server, turn } = await twoStacks();
    const got: number[] = [];
    const answer = (session: Session): void => {
      const bytes = new Uint8Array(Math.min(session.readableBytes, session.writableBytes));
      session.read(bytes);
      got.push(...bytes);
      session.write(bytes.map((byte) => byte ^ 0xff));
    };
    const app = await server.attach(
      { name: "server", txFifoBytes: 1 << 20 },
      {
        accept: () => true,
        rx: answer,
        tx: answer,
      },
    );
    await app.listen("tcp://10.0.0.2/80");
    client.connect("tcp://10.0.0.2/80");
    turn();
    const { handle } = client.last("CONNECTED");
    const bytes = pattern(0, 60_000);
    const back: number[] = [];
    for (let written = 0, i = 0; back.length < bytes.length && i < 2000; i++) {
      written += client.write(handle, bytes, written);
      turn();
      back.push(...client.read(handle));
      turn(10);
    }
    expect(Buffer.from(got).equals(bytes)).toBe(true);
    expect(Buffer.from(back).equals(bytes.map((byte) => byte ^ 0xff))).toBe(true);
    client.ask({ type: "DISCONNECT", handle });
    turn(500);
    turn(500);
    expect(client.heard.slice(-2)).toEqual(["CLEANUP", "CLEANUP"]);
    expect(client.sessions.size).toBe(0);
    client.die();
    await app.detach();
    turn(500);
    expect(near.pools()).toEqual(near.before);
    expect(far.pools()).toEqual(far.before);
  });

  test.each([
    [true, "disconnect"],
    [false, "reset"],
  ])(
    "a client that dies with closesOnDeath %s: its peer hears %s, and all memory comes back",
    async (closesOnDeath, end) => {
      const { near, client, server, turn } = await twoStacks({ closesOnDeath });
      const heard: string[] = [];
      let got = 0;
      const app = await server.attach(
        { name: "server" },
        {
          accept: () => true,
          rx(session) {
            got += session.drop(session.readableBytes);
          },
          disconnect(session) {
            heard.push("disconnect");
            session.close();
          },
          reset: () => heard.push("reset"),
        },
      );
      await app.listen("tcp://10.0.0.2/80");
      client.connect("tcp://10.0.0.2/80");
      turn();
      const { handle } = client.last("CONNECTED");
      // Written, but the event is never seen.
      client.sessions.get(handle)?.tx?.write(near.stack.host.window, pattern(0, 3000), 0, 3000);
      client.sessions.get(handle)?.tx?.publish();
      near.apps.end(client.attached.worker);
      turn(500);
      turn(500);
      expect(heard).toEqual([end]);
      expect(got).toBe(closesOnDeath ? 3000 : 0);
      expect(near.pools()).toEqual(near.before);
    },
  );

  test("one that detaches by itself: what it has written is sent, whatever was to happen at its death", async () => {
    const { near, client, server, turn } = await twoStacks({ closesOnDeath: false });
    const heard: string[] = [];
    let got = 0;
    const callbacks = {
      accept: () => true,
      rx(session: Session) {
        got += session.drop(session.readableBytes);
      },
      disconnect(session: Session) {
        heard.push("disconnect");
        session.close();
      },
      reset: () => heard.push("reset"),
    };
    const app = await server.attach({ name: "server" }, callbacks);
    await app.listen("tcp://10.0.0.2/80");
    client.connect("tcp://10.0.0.2/80");
    turn();
    const { handle } = client.last("CONNECTED");
    client.sessions.get(handle)?.tx?.write(near.stack.host.window, pattern(0, 3000), 0, 3000);
    client.sessions.get(handle)?.tx?.publish();
    const context = client.ask({ type: "APP_DETACH" });
    expect(client.messages.filter(({ type }) => type === "DETACHED")).toEqual([{ type: "DETACHED", context }]);
    expect(client.endReason).toBe("detached");
    client.die();
    turn(500);
    expect([heard, got]).toEqual([["disconnect"], 3000]);
    turn(500);
    expect(near.pools()).toEqual(near.before);
  });

  test("listens, accepts in turn on two workers, and hears who else listens there", async () => {
    const { near, far, client, server, turn } = await twoStacks();
    const listener = client.listen("tcp://10.0.0.1/80");
    expect(client.last("BOUND")).toMatchObject({ retval: 0, rxMirror: 0, local: { port: 80 } });
    const other = near.attach({ name: "other" });
    other.listen("tcp://10.0.0.1/80");
    expect(other.last("BOUND").retval).toBe(SESSION_E_ALREADY_LISTENING);
    const app = await server.attach({ name: "peer" }, {});
    const connects = [app.connect("tcp://10.0.0.1/80"), app.connect("tcp://10.0.0.1/80")];
    turn();
    const sessions = await Promise.all(connects);
    expect(client.heard.filter((each) => each === "ACCEPTED")).toHaveLength(2);
    sessions[0].write(pattern(0, 10));
    sessions[1].reset();
    turn(10);
    expect(client.heard.slice(-4)).toEqual(expect.arrayContaining(["rx", "RESET"]));
    client.ask({ type: "UNLISTEN", handle: listener });
    expect(client.last("UNLISTEN_REPLY")).toMatchObject({ retval: 0, handle: listener });
    for (const each of [client, other]) each.die();
    await app.detach();
    turn(1000);
    expect(near.pools()).toEqual(near.before);
    expect(far.pools()).toEqual(far.before);
  });
});

describe("a client that breaks the rules", () => {
  test("an index that cannot be resets its session, and no other", () => {
    const { host, server, client, s, c } = pair();
    client.connect("tcp://10.0.0.1:80");
    server.run();
    client.run();
    const second = client.last("CONNECTED").handle;
    expect(second).not.toBe(c);
    const { txMirror } = client.sessions.get(c) ?? { txMirror: 0 };
    const base = host.memory.places.get(client.attached.control) ?? 0;
    host.stack.host.window.i32[((base + txMirror) >> 2) + M_POSITION] = 0x7000_0000;
    client.event(1, c);
    client.run();
    server.run();
    expect(server.heard).toContain("RESET");
    expect(server.last("RESET").session).toBe(s % (1 << 24));
    const t = server.last("ACCEPTED").handle;
    expect(transfer(client, server, second, t, 50_000)).toEqual(pattern(0, 50_000));
    expect(client.attached.worker.broken).toBe(1);
    for (const each of [server, client]) each.die();
    expect(host.pools()).toEqual(host.before);
  });

  test("a message that is none ends it", () => {
    const host = new ExternalStack();
    const client = host.attach({ name: "client" });
    client.toStack.put(77, 5);
    client.toStack.publish();
    client.run();
    expect(client.endReason).toBe("a message that is none");
  });

  test("events and messages about sessions that it does not have do nothing", () => {
    const { host, server, client, s } = pair();
    const pools = host.pools();
    for (const handle of [s, 0, 255, 2 ** 44, 2 ** 53 - 1]) {
      client.event(1, handle);
      client.event(40, handle);
      for (const type of ["SHUTDOWN", "DISCONNECT", "TERMINATE", "CLEANUP_REPLY"]) client.ask({ type, handle });
      client.ask({ type: "ACCEPTED_REPLY", handle, retval: 0 });
      client.ask({ type: "UNLISTEN", handle });
      expect(client.last("UNLISTEN_REPLY").retval).toBeLessThan(0);
      client.ask({ type: "TRANSPORT_ATTR", handle, attribute: "mss", isSet: false, value: 0 });
      expect(client.last("TRANSPORT_ATTR_REPLY").retval).toBeLessThan(0);
      client.ask({ type: "WORKER_UPDATE", handle, worker: 0 });
      expect(client.last("WORKER_UPDATE_REPLY").retval).toBeLessThan(0);
      client.ask({ type: "STATISTICS", handle });
      expect(client.last("STATISTICS_REPLY").retval).toBeLessThan(0);
    }
    server.run();
    expect(server.heard).not.toContain("RESET");
    expect(host.pools()).toEqual(pools);
    expect(host.errors).toEqual([]);
  });

  test("one that does not listen is not listened to; when it does, all is told in order", () => {
    const { host, server, client, c } = pair();
    client.send({ type: "STATISTICS", handle: c });
    const replies = 6000;
    let sent = 0;
    for (let i = 0; i < 200 && sent < replies; i++) {
      try {
        for (; sent < replies; sent++)
          client.send({ type: "TRANSPORT_ATTR", handle: c, attribute: "mss", isSet: false, value: sent });
      } catch {
        // Its own queue is full: the stack reads it no further.
      }
      host.settle();
    }
    expect(sent).toBeLessThan(replies);
    expect(client.attached.worker.outbox.waiting).toBeGreaterThan(0);
    const waiting = client.attached.worker.outbox.waiting;
    host.settle();
    expect(client.attached.worker.outbox.waiting).toBe(waiting);
    client.run();
    for (; sent < replies; sent++)
      client.ask({ type: "TRANSPORT_ATTR", handle: c, attribute: "mss", isSet: false, value: sent });
    const contexts = client.messages.flatMap((each) => (each.type === "TRANSPORT_ATTR_REPLY" ? [each.context] : []));
    expect(contexts).toHaveLength(replies);
    expect(contexts.every((context, i) => i === 0 || context > contexts[i - 1])).toBe(true);
    expect(server.endReason).toBeUndefined();
  });

  test.each([
    ["too small for the longest message", 16_384],
    ["no power of two", 40_000],
    ["larger than any", 1 << 25],
    ["no size", 0xffff_ffff],
  ])("a queue that is %s is refused, and nothing is left", (_what, ringBytes) => {
    const host = new ExternalStack();
    expect(() => host.attach({ name: "client" }, { ringBytes })).toThrow("refused: -19");
    expect(host.pools()).toEqual(host.before);
  });
});

test("memory for the first chunks of sessions is taken at once, as far as the first segment goes", () => {
  const host = new ExternalStack();
  host.attach({ name: "a" }, { preallocatedFifoPairs: 10 });
  expect(host.memory.touched).toBe(81_920);
  host.attach({ name: "b" }, { preallocatedFifoPairs: 0xffff_ffff });
  expect(host.memory.touched).toBeLessThan(81_920 + (256 << 10));
  expect(host.memory.touched).toBeGreaterThan(81_920 + (240 << 10));
});

test("of what happens to a session again and again only the last waits for a client that does not listen", () => {
  const { host, client, c } = pair();
  const { outbox } = client.attached.worker;
  const session = c % (1 << 24);
  while (outbox.waiting === 0) outbox.send({ type: "TRANSPORT_CLOSED", session });
  for (let end = 0; end < 1000; end++) {
    outbox.sendLast({ type: "URGENT", session, end });
    outbox.sendLast({ type: "SOFT_ERROR", session, kind: end % 7 });
  }
  expect(outbox.waiting).toBe(3);
  client.run();
  expect(client.messages.slice(-2)).toEqual([
    { type: "URGENT", session, end: 999 },
    { type: "SOFT_ERROR", session, kind: 999 % 7 },
  ]);
  outbox.sendLast({ type: "URGENT", session, end: 1000 });
  host.apps.flush();
  client.run();
  expect(client.last("URGENT").end).toBe(1000);
});
