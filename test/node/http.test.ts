import { createHash } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Socket } from "../../src/node/net/socket.js";
import { stackPair, type StackPair } from "./stack-pair.js";

let pair: StackPair;
beforeEach(() => {
  pair = stackPair();
});
afterEach(() => pair.close());

const BIG_BYTES = 10 << 20;

/** A body that is not the same again soon. */
function body(bytes: number): Buffer {
  const out = Buffer.alloc(bytes);
  for (let i = 0, x = 1; i < bytes; i += 4) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) | 0;
    out.writeInt32LE(x, i);
  }
  return out;
}

function sha256(data: Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}

async function serve(handler: http.RequestListener, port = 80): Promise<Socket[]> {
  const sockets: Socket[] = [];
  const server = http.createServer(handler);
  const { net } = pair.b;
  const listener = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    server.emit("connection", socket);
  });
  listener.listen(port);
  await once(listener, "listening");
  return sockets;
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

async function request(options: http.RequestOptions, content?: Buffer): Promise<Answer> {
  const { createConnection } = pair.a.net;
  const request = http.request({ host: "198.18.0.2", createConnection, ...options });
  request.end(content);
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) };
}

/** An agent whose connections go through the first host. */
class StackAgent extends http.Agent {
  override createConnection(options: http.ClientRequestArgs): Socket {
    return pair.a.net.createConnection(options);
  }
}

test("http.createServer answers http.request over the stack", async () => {
  await serve((request, response) => {
    response.setHeader("x-peer", request.socket.remoteAddress ?? "");
    response.end(`${request.method} ${request.url}`);
  });
  const answer = await request({ path: "/hello?x=1" });
  expect(answer.status).toBe(200);
  expect(answer.headers["x-peer"]).toBe("198.18.0.1");
  expect(answer.body.toString()).toBe("GET /hello?x=1");
  const six = await request({ path: "/six", host: "2001:db8:18::2" });
  expect(six.headers["x-peer"]).toBe("2001:db8:18::1");
});

test("10 MiB go both ways unharmed", async () => {
  const down = body(BIG_BYTES);
  await serve((request, response) => {
    const hash = createHash("sha256");
    request.on("data", (chunk: Buffer) => hash.update(chunk));
    request.on("end", () => {
      response.setHeader("x-sha256", hash.digest("hex"));
      response.end(down);
    });
  });
  const up = body(BIG_BYTES).reverse();
  const answer = await request({ path: "/", method: "POST" }, Buffer.from(up));
  expect(answer.headers["x-sha256"]).toBe(sha256(Buffer.from(up)));
  expect(answer.body.length).toBe(BIG_BYTES);
  expect(sha256(answer.body)).toBe(sha256(down));
}, 30_000);

test("a keep-alive agent uses one connection for many requests, and pipelines of chunks arrive", async () => {
  const sockets = await serve((request, response) => {
    request.resume();
    for (let i = 0; i < 20; i++) response.write(`${i} `);
    response.end("end");
  });
  const agent = new StackAgent({ keepAlive: true, maxSockets: 1 });
  for (let i = 0; i < 5; i++) {
    const answer = await request({ agent, path: `/${i}` });
    expect(answer.body.toString()).toMatch(/^0 1 2 .* 19 end$/);
  }
  expect(sockets).toHaveLength(1);
  const many = await Promise.all(
    Array.from({ length: 10 }, () => request({ agent, method: "POST" }, Buffer.from("x"))),
  );
  expect(many.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
  expect(sockets).toHaveLength(1);
  agent.destroy();
});

test("fifty connections at once", async () => {
  await serve((request, response) => response.end(request.url));
  const paths = Array.from({ length: 50 }, (_, i) => `/${i}`);
  const answers = await Promise.all(paths.map((path) => request({ path })));
  expect(answers.map((answer) => answer.body.toString())).toEqual(paths);
});

test("a client that goes away in the middle is an abort for the server, and a server that does a reset for the client", async () => {
  let aborted = 0;
  await serve((request, response) => {
    if (request.url === "/die") {
      response.write("some");
      setTimeout(() => response.socket?.destroy(), 10);
      return;
    }
    response.on("close", () => (aborted += response.writableFinished ? 0 : 1));
    response.write(Buffer.alloc(4 << 20));
  });
  await expect(request({ path: "/die" })).rejects.toMatchObject({ code: "ECONNRESET" });
  const { createConnection } = pair.a.net;
  const left = http.request({ host: "198.18.0.2", createConnection, path: "/" });
  left.on("error", () => {});
  left.end();
  const [response] = (await once(left, "response")) as [http.IncomingMessage];
  response.on("error", () => {});
  left.destroy();
  await once(left, "close");
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(aborted).toBe(1);
});

test("garbage instead of a request gets 400, and the connection is closed", async () => {
  await serve((_request, response) => response.end());
  const socket = pair.a.net.connect(80, "198.18.0.2");
  socket.write("\u0000\u0001 not http\r\n\r\n");
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1.1 400 Bad Request/);
});
