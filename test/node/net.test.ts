import { once } from "node:events";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Server } from "../../src/node/net/server.js";
import type { Socket } from "../../src/node/net/socket.js";
import { sessionAttribute } from "../../src/session/attributes.js";
import { eventually, stackPair, type StackPair } from "./stack-pair.js";

let pair: StackPair;
beforeEach(() => {
  pair = stackPair();
});
afterEach(() => pair.close());

async function listen(onConnection: (socket: Socket) => void, port = 7000, options = {}): Promise<Server> {
  const server = pair.b.net.createServer(options, onConnection);
  server.listen(port);
  await once(server, "listening");
  return server;
}

async function text(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

test("connects, talks both ways, and closes in order", async () => {
  const heard: string[] = [];
  const server = await listen((socket) => {
    expect(socket.remoteAddress).toBe("198.18.0.1");
    expect(socket.localPort).toBe(7000);
    socket.on("data", (data: Buffer) => {
      heard.push(data.toString());
      socket.end(`you said ${data.toString()}`);
    });
  });
  expect(server.address()).toEqual({ address: "::", family: "IPv6", port: 7000 });
  const socket = pair.a.net.connect(7000, "198.18.0.2");
  expect(socket.connecting).toBe(true);
  expect(socket.readyState).toBe("opening");
  socket.write("hello");
  await once(socket, "connect");
  expect(socket.readyState).toBe("open");
  expect(socket.address()).toMatchObject({ address: "198.18.0.1", family: "IPv4" });
  expect(socket.remotePort).toBe(7000);
  expect(await text(socket)).toBe("you said hello");
  if (!socket.closed) await once(socket, "close");
  expect(heard).toEqual(["hello"]);
  expect([socket.bytesRead, socket.bytesWritten]).toEqual([14, 5]);
  server.close();
  await once(server, "close");
  await eventually(() => pair.b.sessionCount === 0, "sessions of the server are freed");
});

test("speaks IPv6, and takes URIs", async () => {
  const server = pair.b.net.createServer((socket) => socket.end(socket.remoteFamily));
  server.listen("tcp://[2001:db8:18::2]:0");
  await once(server, "listening");
  const { port = 0, address } = server.address() ?? {};
  expect(address).toBe("2001:db8:18::2");
  expect(await text(pair.a.net.connect(`tcp://[2001:db8:18::2]:${port}`))).toBe("IPv6");
  expect(await text(pair.a.net.createConnection({ port, host: "2001:db8:18::2", localPort: 4444 }))).toBe("IPv6");
});

test("a port that nobody listens on refuses", async () => {
  const socket = pair.a.net.connect(9999, "198.18.0.2");
  const [error] = (await once(socket, "error")) as [Error];
  expect(error).toMatchObject({
    message: "connect ECONNREFUSED 198.18.0.2:9999",
    code: "ECONNREFUSED",
    syscall: "connect",
    address: "198.18.0.2",
    port: 9999,
    sessionError: "REFUSED",
  });
  expect((error as NodeJS.ErrnoException).errno).toBeLessThan(0);
  await eventually(() => socket.closed, "it closes");
});

test("a port in use is EADDRINUSE, a foreign address EADDRNOTAVAIL, and nothing stays behind", async () => {
  await listen(() => {});
  const second = pair.b.net.createServer().listen(7000, "0.0.0.0");
  expect((await once(second, "error"))[0]).toMatchObject({ code: "EADDRINUSE", syscall: "listen", port: 7000 });
  expect(second.listening).toBe(false);
  const third = pair.b.net.createServer().listen(7001, "198.18.0.77");
  expect((await once(third, "error"))[0]).toMatchObject({ code: "EADDRNOTAVAIL" });
  expect(() => pair.b.net.createServer().listen(70_000)).toThrowError(
    expect.objectContaining({ code: "ERR_SOCKET_BAD_PORT" }),
  );
  expect(() => pair.b.net.createServer().listen("udp://0.0.0.0/5")).toThrowError(/not udp/);
  expect(() => pair.b.net.connect({ path: "/tmp/pipe" })).toThrowError(/no pipes/);
});

test("the peer's reset is ECONNRESET", async () => {
  await listen((socket) => {
    socket.on("data", () => socket.resetAndDestroy());
    socket.on("error", () => {});
  });
  const socket = pair.a.net.connect(7000, "198.18.0.2");
  socket.write("x");
  const closed = new Promise((resolve) => socket.on("close", resolve));
  const [error] = (await once(socket, "error")) as [Error];
  expect(error).toMatchObject({ code: "ECONNRESET", syscall: "read" });
  expect(await closed).toBe(true);
  const late = await new Promise<Error | null | undefined>((resolve) => socket.write("y", resolve));
  expect(late).toMatchObject({ code: "ERR_STREAM_DESTROYED" });
});

test("with allowHalfOpen the end of one direction leaves the other open", async () => {
  await listen(
    (socket) => {
      let got = "";
      socket.on("data", (data: Buffer) => (got += data.toString()));
      socket.on("end", () => {
        expect(socket.readyState).toBe("writeOnly");
        socket.write("after ");
        setTimeout(() => socket.end(got), 20);
      });
    },
    7000,
    { allowHalfOpen: true },
  );
  const socket = pair.a.net.connect({ port: 7000, host: "198.18.0.2", allowHalfOpen: true });
  socket.end("your end");
  expect(await text(socket)).toBe("after your end");
});

test("without allowHalfOpen a socket ends when its peer does, even if nobody reads", async () => {
  const closed: boolean[] = [];
  await listen((socket) => socket.on("close", (hadError: boolean) => closed.push(hadError)));
  const socket = pair.a.net.connect(7000, "198.18.0.2");
  socket.end();
  await once(socket, "close");
  await eventually(() => closed.length === 1, "the server's socket closes");
  expect(closed).toEqual([false]);
});

test("a paused reader holds the writer, and memory stays bounded", async () => {
  const accepted: Socket[] = [];
  await listen((socket) => accepted.push(socket), 7000, { pauseOnConnect: true });
  const socket = pair.a.net.connect(7000, "198.18.0.2");
  await once(socket, "connect");
  const piece = Buffer.alloc(64 * 1024, 7);
  let written = 0;
  while (written < 16 << 20) {
    const more = socket.write(piece);
    written += piece.length;
    if (more) continue;
    const isDrained = await Promise.race([
      once(socket, "drain").then(() => true),
      new Promise<boolean>((resolve) => setTimeout(resolve, 150, false)),
    ]);
    if (!isDrained) break;
  }
  // Two fifos of 512 KiB, and what the writer's own buffer holds.
  expect(written).toBeGreaterThan(960 * 1024);
  expect(written).toBeLessThan(2 << 20);
  expect(accepted[0].bytesRead).toBe(0);
  expect(socket.bytesWritten).toBe(written);
  expect(socket.writableLength).toBeGreaterThan(0);

  let received = 0;
  accepted[0].on("data", (data: Buffer) => (received += data.length));
  accepted[0].resume();
  socket.end();
  await once(accepted[0], "end");
  expect(received).toBe(written);
  expect(socket.bytesWritten).toBe(written);
});

test("a socket that nobody reads from stops reading ahead", async () => {
  const accepted: Socket[] = [];
  await listen((socket) => accepted.push(socket));
  const socket = pair.a.net.connect(7000, "198.18.0.2");
  socket.write(Buffer.alloc(400_000));
  await eventually(() => accepted[0]?.readableLength >= 65_536, "reads ahead");
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(accepted[0].readableLength).toBeLessThan(200_000);
  let received = 0;
  for await (const chunk of accepted[0].iterator({ destroyOnReturn: false })) {
    received += (chunk as Buffer).length;
    if (received === 400_000) break;
  }
  expect(received).toBe(400_000);
});

test("setTimeout tells of idleness, traffic puts it off", async () => {
  await listen((socket) => socket.resume());
  const socket = pair.a.net.connect({ port: 7000, host: "198.18.0.2", timeout: 2000 });
  await once(socket, "connect");
  socket.setTimeout(250);
  const started = performance.now();
  const busy = setInterval(() => socket.write("."), 20);
  setTimeout(() => clearInterval(busy), 350);
  await once(socket, "timeout");
  expect(performance.now() - started).toBeGreaterThan(350);
  expect(socket.destroyed).toBe(false);
  socket.setTimeout(0);
  expect(socket.timeout).toBe(0);
});

test("maxConnections drops, getConnections counts, close waits for connections", async () => {
  const accepted: Socket[] = [];
  const server = await listen((socket) => accepted.push(socket));
  server.maxConnections = 1;
  const first = pair.a.net.connect(7000, "198.18.0.2");
  await eventually(() => accepted.length === 1, "the first is accepted");
  const dropped = once(server, "drop");
  const second = pair.a.net.connect(7000, "198.18.0.2");
  expect((await once(second, "error"))[0]).toMatchObject({ code: "ECONNRESET" });
  expect((await dropped)[0]).toMatchObject({ localPort: 7000, remoteAddress: "198.18.0.1" });
  const count = await new Promise((resolve) => server.getConnections((_error, n) => resolve(n)));
  expect(count).toBe(1);
  let isClosed = false;
  server.close(() => (isClosed = true));
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(isClosed).toBe(false);
  first.destroy();
  await eventually(() => isClosed, "close after the last connection");
  const again = await new Promise((resolve) => server.close(resolve));
  expect(again).toMatchObject({ code: "ERR_SERVER_NOT_RUNNING" });
});

test("an aborted connection and an aborted server end quietly", async () => {
  await listen(() => {});
  const abort = new AbortController();
  const socket = pair.a.net.connect({ port: 7000, host: "198.18.0.2", signal: abort.signal });
  abort.abort();
  expect((await once(socket, "error"))[0]).toMatchObject({ name: "AbortError" });
  const stop = new AbortController();
  const server = pair.b.net.createServer().listen({ port: 7100, signal: stop.signal });
  await once(server, "listening");
  stop.abort();
  await once(server, "close");
  expect(server.listening).toBe(false);
  await eventually(() => pair.b.sessionCount === 2, "only the first server's listeners are left");
});

test("writes after destroy and after end fail with a callback, not an exception", async () => {
  await listen((socket) => socket.resume());
  const socket = pair.a.net.connect(7000, "198.18.0.2");
  await once(socket, "connect");
  const failed = new Promise<Error | null | undefined>((resolve) => {
    // More than the fifos hold: it is still under way when the socket goes.
    socket.write(Buffer.alloc(4 << 20), resolve);
  });
  socket.destroy();
  expect(await failed).toMatchObject({ code: "ECANCELED" });
  expect(socket.readyState).toBe("closed");
});

test("a throwing listener resets its own connection only", async () => {
  await listen((socket) => {
    socket.on("error", () => {});
    socket.on("data", (data: Buffer) => {
      if (data.toString() === "bad") throw new Error("mine");
      socket.end(data);
    });
  });
  const bad = pair.a.net.connect(7000, "198.18.0.2");
  bad.write("bad");
  expect((await once(bad, "error"))[0]).toMatchObject({ code: "ECONNRESET" });
  expect(pair.b.errors).toEqual([expect.objectContaining({ message: "mine" })]);
  const good = pair.a.net.connect(7000, "198.18.0.2");
  good.write("good");
  expect(await text(good)).toBe("good");
});

test("net.close ends servers and sockets", async () => {
  const accepted: Socket[] = [];
  const server = await listen((socket) => accepted.push(socket));
  const socket = pair.a.net.connect(7000, "198.18.0.2");
  socket.on("error", () => {});
  await eventually(() => accepted.length === 1, "accepted");
  const ended = [once(server, "close"), once(accepted[0], "close"), once(socket, "close")];
  await pair.b.net.close();
  await Promise.all(ended);
  expect(server.listening).toBe(false);
  await eventually(() => pair.b.sessionCount === 0, "no session is left");
});

test("sockets and servers can be made by their classes", async () => {
  const { Socket: StackSocket, isIP } = pair.a.net;
  const server = new pair.b.net.Server((socket) => socket.end("made"));
  await new Promise<void>((resolve) => server.listen({ port: 7000, host: "0.0.0.0" }, resolve));
  const socket = new StackSocket();
  expect([socket.pending, socket.address()]).toEqual([true, {}]);
  const connected = new Promise<void>((resolve) => socket.connect(7000, "198.18.0.2", resolve));
  expect(() => socket.connect(7000, "198.18.0.2")).toThrowError(expect.objectContaining({ code: "EALREADY" }));
  await connected;
  expect(() => socket.connect(7000, "198.18.0.2")).toThrowError(expect.objectContaining({ code: "EISCONN" }));
  expect(await text(socket)).toBe("made");
  expect(isIP("2001:db8::1")).toBe(6);
  expect(() => server.listen(7001)).toThrowError(expect.objectContaining({ code: "ERR_SERVER_ALREADY_LISTEN" }));
});

test("names are looked up, and an unknown one is the lookup's error", async () => {
  await listen((socket) => socket.end("found"));
  const looked: unknown[] = [];
  const socket = pair.a.net.connect({
    port: 7000,
    host: "b.example",
    lookup: (name, _options, callback) => {
      looked.push(name);
      setTimeout(callback, 1, null, "198.18.0.2", 4);
    },
  });
  socket.on("lookup", (...args: unknown[]) => looked.push(args));
  expect(await text(socket)).toBe("found");
  expect(looked).toEqual(["b.example", [null, "198.18.0.2", 4, "b.example"]]);
  const none = pair.a.net.connect({
    port: 1,
    host: "none.example",
    lookup: (_name, _options, callback) => callback(new Error("no such name"), "", 0),
  });
  expect((await once(none, "error"))[0]).toMatchObject({ message: "no such name" });
});

test("setNoDelay and setKeepAlive, before and after connecting, by options, and for accepted sockets", async () => {
  const accepted = new Promise<void>((resolve) => {
    void listen(() => resolve(), 7000, { noDelay: true, keepAlive: true, keepAliveInitialDelay: 5000 });
  });
  const socket = pair.a.net.connect({ port: 7000, host: "198.18.0.2", noDelay: true });
  socket.setKeepAlive(true, 60_000.7);
  await once(socket, "connect");
  await accepted;
  const { core } = pair.a;
  const attributes = (host: typeof pair.a): string[] => {
    const { sessions } = host.core.host;
    return [...sessions.table]
      .filter((s) => sessions.remoteEndpoint(s)?.port !== 0)
      .map((s) =>
        (["noDelay", "keepalive", "keepaliveMs"] as const).map((name) => sessionAttribute(sessions, s, name)).join(" "),
      );
  };
  expect(attributes(pair.a)).toEqual(["1 1 60000"]);
  expect(attributes(pair.b)).toEqual(["1 1 5000"]);
  socket.setNoDelay(false).setKeepAlive();
  expect(attributes(pair.a)).toEqual(["0 0 60000"]);
  socket.setKeepAlive(true);
  expect(attributes(pair.a)).toEqual(["0 1 60000"]);
  socket.destroy();
  socket.setNoDelay();
  expect(core.host.sessions.table.used).toBeLessThanOrEqual(1);
});
