import { createHash } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startApp } from "../../../src/node/apps/index.js";
import type { Socket } from "../../../src/node/net/socket.js";
import { eventually, stackPair, type StackPair } from "../stack-pair.js";
import { readAll } from "./client.js";

let pair: StackPair;
let trust: number;
beforeEach(() => {
  pair = stackPair({ tls: true });
  trust = pair.a.cryptoStore.addTrust(pair.b.cryptoStore.testPair.certificate);
});
afterEach(() => pair.close());

const LISTEN = ["tls://0.0.0.0/443", "tls://::/443"];

/** A connection of TLS to the second host; `localhost` is in its certificate. */
async function secure(alpn: readonly string[], port = 443): Promise<Socket> {
  const tls = { hostname: "localhost", trust, alpn };
  const socket = pair.a.net.connect({ host: "198.18.0.2", port, tls, allowHalfOpen: true });
  await once(socket, "connect");
  return socket;
}

interface Answer {
  readonly status: unknown;
  readonly body: Buffer;
}

async function fetch2(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  content?: Buffer,
): Promise<Answer> {
  const stream = session.request(headers);
  stream.end(content);
  const [{ ":status": status }] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return { status, body: Buffer.concat(chunks) };
}

function session2(socket: Socket): http2.ClientHttp2Session {
  return http2.connect("https://localhost", { createConnection: () => socket });
}

test("one port for HTTP/2 and HTTP/1.1, by ALPN, and for clients without it", async () => {
  const app = await startApp(pair.b, { kind: "http", listen: LISTEN });
  expect(app.uris).toEqual(["tls://0.0.0.0:443", "tls://[::]:443"]);
  for (const alpn of [["http/1.1"], []]) {
    const socket = await secure(alpn);
    expect(socket.tlsInfo()?.alpn).toBe(alpn[0]);
    const request = http.get({ host: "localhost", createConnection: () => socket, path: "/" });
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    expect(response.httpVersion).toBe("1.1");
    const page = Buffer.concat((await response.toArray()) as Buffer[]).toString();
    expect(page).toMatch(/198\.18\.0\.1</);
    socket.destroy();
  }
  const session = session2(await secure(["h2", "http/1.1"]));
  const page = await fetch2(session, { ":path": "/" });
  expect(page.status).toBe(200);
  expect(page.body.toString()).toMatch(/198\.18\.0\.1</);
  session.close();
  await once(session, "close");
});

test("HTTP/2: bodies both ways, many streams, errors by status", async () => {
  await startApp(pair.b, { kind: "http", listen: LISTEN });
  const session = session2(await secure(["h2"]));
  const data = Buffer.alloc(3_000_000, "weft");
  const digest = await fetch2(session, { ":path": "/sha256", ":method": "POST" }, data);
  expect(digest.body.toString()).toBe(`${createHash("sha256").update(data).digest("hex")}\n`);
  const sizes = Array.from({ length: 50 }, (_, i) => i * 4001);
  const answers = await Promise.all(sizes.map((size) => fetch2(session, { ":path": `/bytes/${size}` })));
  expect(answers.map(({ body }) => body.length)).toEqual(sizes);
  for (const { body } of answers) expect(body.every((byte, i) => byte === i % 251)).toBe(true);
  const asked: http2.OutgoingHttpHeaders[] = [{ ":path": "/nothing" }, { ":path": "/", ":method": "DELETE" }];
  for (const [i, status] of [404, 405].entries()) expect((await fetch2(session, asked[i])).status).toBe(status);
  expect((await fetch2(session, { ":path": "/bytes/5", ":method": "HEAD" })).body.length).toBe(0);
  expect(session.remoteSettings).toMatchObject({ maxConcurrentStreams: 128, maxHeaderListSize: 16_384 });
  session.destroy();
  await eventually(() => pair.b.sessionCount === 4, "listeners are left, of TLS and of TCP");
});

test("clients that go away in the middle, in each version, leave nothing", async () => {
  const app = await startApp(pair.b, { kind: "http", listen: LISTEN });
  const one = await secure(["http/1.1"]);
  one.write("GET /bytes/200000000 HTTP/1.1\r\nHost: x\r\n\r\n");
  await once(one, "data");
  one.destroy();
  const session = session2(await secure(["h2"]));
  session.on("error", () => {});
  const stream = session.request({ ":path": "/bytes/200000000" });
  await once(stream, "data");
  stream.close(http2.constants.NGHTTP2_CANCEL);
  await once(stream, "close");
  expect((await fetch2(session, { ":path": "/bytes/7" })).body.length).toBe(7);
  const cut = session.request({ ":path": "/bytes/200000000" });
  cut.on("error", () => {});
  await once(cut, "data");
  session.destroy();
  await eventually(() => pair.b.sessionCount === 4, "listeners are left");
  await app.close();
  await eventually(() => pair.b.sessionCount === 0, "nothing is left");
  expect(pair.b.errors).toEqual([]);
});

test("headers that are too long or too many end their request, not the connection", async () => {
  await startApp(pair.b, { kind: "http", listen: LISTEN });
  const session = session2(await secure(["h2"]));
  await fetch2(session, { ":path": "/bytes/7" });
  const many = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`x-${i}`, "y"]));
  for (const headers of [{ x: "y".repeat(20_000) }, many]) {
    const stream = session.request({ ":path": "/bytes/7", ...headers });
    const [error] = (await once(stream, "error")) as [Error];
    expect(error.message).toMatch(/NGHTTP2_ENHANCE_YOUR_CALM/);
  }
  expect((await fetch2(session, { ":path": "/bytes/7" })).body.length).toBe(7);
  session.destroy();
});

test("who agreed on HTTP/2 and sends something else is cut off, and the server goes on", async () => {
  await startApp(pair.b, { kind: "http", listen: LISTEN });
  const socket = await secure(["h2"]);
  socket.on("error", () => {});
  socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  expect((await readAll(socket)).length).toBeGreaterThan(0);
  const session = session2(await secure(["h2"]));
  expect((await fetch2(session, { ":path": "/bytes/7" })).body.length).toBe(7);
  session.destroy();
});

test("closing the application ends connections of both versions", async () => {
  const app = await startApp(pair.b, { kind: "http", listen: LISTEN });
  const session = session2(await secure(["h2"]));
  session.on("error", () => {});
  await fetch2(session, { ":path": "/bytes/7" });
  const one = await secure([]);
  const ended = [once(session, "close"), readAll(one)];
  await app.close();
  expect(await Promise.all(ended)).toEqual([[], Buffer.alloc(0)]);
  one.destroy();
  await eventually(() => pair.b.sessionCount === 0, "nothing is left");
});

test("a certificate of the application's choice, and its own list of protocols", async () => {
  const { certificate, key } = pair.b.cryptoStore.engine.makePair("localhost");
  const own = pair.b.cryptoStore.addPair({ certificate, key });
  await startApp(pair.b, { kind: "http", listen: ["tls://0.0.0.0/8443"], tls: { pair: own, alpn: ["http/1.1"] } });
  trust = pair.a.cryptoStore.addTrust(certificate);
  const socket = await secure(["h2", "http/1.1"], 8443);
  expect(socket.tlsInfo()?.alpn).toBe("http/1.1");
  socket.destroy();
});

test("a stack without TLS refuses", async () => {
  const plain = stackPair();
  await expect(startApp(plain.b, { kind: "http", listen: LISTEN })).rejects.toMatchObject({
    sessionError: "NOSUPPORT",
  });
  await plain.close();
});
