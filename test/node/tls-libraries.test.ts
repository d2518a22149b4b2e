import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { TlsServer, TlsServerOptions } from "../../src/node/tls/tls-server.js";
import type { TLSSocket } from "../../src/node/tls/tls-socket.js";
import { eventually, stackPair, type StackPair } from "./stack-pair.js";

const HOST = "198.18.0.2";

let pair: StackPair;
let ca: string;
let own: { cert: string; key: string };
beforeEach(() => {
  pair = stackPair({ tls: true });
  const { certificate, key } = pair.b.cryptoStore.testPair;
  own = { cert: Buffer.from(certificate).toString(), key: Buffer.from(key).toString() };
  ca = own.cert;
});
afterEach(() => pair.close());

async function listen(options: TlsServerOptions, onConnection: (socket: TLSSocket) => void): Promise<TlsServer> {
  const server = pair.b.tls.createServer({ ...own, allowHalfOpen: true, ...options }, onConnection);
  server.listen(443);
  await once(server, "listening");
  return server;
}

/** How a client of Node's gets its connection. */
function createConnection({ port, host }: http.ClientRequestArgs): TLSSocket {
  return pair.a.tls.connect({ port, host, servername: "localhost", ca });
}

async function get(options: https.RequestOptions): Promise<string> {
  const request = https.get({ host: HOST, port: 443, ...options });
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  return Buffer.concat((await response.toArray()) as Buffer[]).toString();
}

test("https.request, with and without an agent, to an http server and to an https server", async () => {
  const sockets: TLSSocket[] = [];
  const answer: http.RequestListener = ({ url, socket }, response) => {
    response.end(`${url} ${"encrypted" in socket && String(socket.encrypted)}`);
  };
  const plain = http.createServer(answer);
  const server = await listen({}, (socket) => {
    sockets.push(socket);
    plain.emit("connection", socket);
  });
  expect(await get({ path: "/one", createConnection })).toBe("/one true");
  class StackAgent extends https.Agent {
    override createConnection(options: http.ClientRequestArgs): TLSSocket {
      return createConnection(options);
    }
  }
  const agent = new StackAgent({ keepAlive: true, maxSockets: 1 });
  for (const path of ["/two", "/three"]) {
    expect(await get({ agent, path })).toBe(`${path} true`);
  }
  expect(sockets).toHaveLength(2);
  agent.destroy();
  const closed = once(server, "close");
  server.close();
  await closed;
  const secure = https.createServer(own, answer);
  await listen({}, (socket) => void secure.emit("secureConnection", socket));
  expect(await get({ path: "/four", createConnection })).toBe("/four true");
});

test("what is wrong with a certificate is the request's error", async () => {
  await listen({}, (socket) => socket.on("error", () => {}));
  const request = https.get({
    host: HOST,
    createConnection: () => pair.a.tls.connect({ port: 443, host: HOST, ca }),
  });
  const [error] = (await once(request, "error")) as [NodeJS.ErrnoException];
  expect(error.code).toBe("ERR_TLS_CERT_ALTNAME_INVALID");
});

test("http2.connect, to a plain and a secure server of Node's", async () => {
  const secure = http2.createSecureServer({ ...own, allowHTTP1: true }, (request, response) => {
    response.end(`${request.httpVersion} ${request.url}`);
  });
  const accepted: TLSSocket[] = [];
  await listen({ ALPNProtocols: ["h2", "http/1.1"] }, (socket) => {
    accepted.push(socket);
    socket.server = secure;
    secure.emit("secureConnection", socket);
  });
  const session = http2.connect("https://localhost", {
    createConnection: () =>
      pair.a.tls.connect({ port: 443, host: HOST, servername: "localhost", ca, ALPNProtocols: ["h2"] }),
  });
  const read = async (path: string): Promise<string> => {
    const stream = session.request({ ":path": path });
    return Buffer.concat((await stream.toArray()) as Buffer[]).toString();
  };
  const paths = Array.from({ length: 30 }, (_, i) => `/${i}`);
  expect(await Promise.all(paths.map(read))).toEqual(paths.map((path) => `2.0 ${path}`));
  expect(accepted.map(({ alpnProtocol }) => alpnProtocol)).toEqual(["h2"]);
  session.close();
  await once(session, "close");
  expect(await get({ path: "/old", createConnection })).toBe("1.1 /old");
  expect(pair.b.errors).toEqual([]);
  await eventually(() => accepted.every(({ closed }) => closed), "nobody stays");
});
