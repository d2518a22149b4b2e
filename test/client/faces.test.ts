import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { remoteStack, type RemoteStack } from "../../src/client/client-stack.js";
import { startApp } from "../../src/node/apps/index.js";
import { realStacks } from "./real-stacks.js";
import { eventually, pattern, settle, until } from "./support.js";

const it = realStacks();

function remote(options: Parameters<typeof remoteStack>[0] = {}): RemoteStack {
  return remoteStack({ directory: it.directory, onError: (error) => void it.errors.push(error), ...options });
}

interface Answer {
  readonly status: number | undefined;
  readonly body: Buffer;
}

/** Asks through a stack's net. */
async function request(net: RemoteStack["net"], options: http.RequestOptions, content?: Uint8Array): Promise<Answer> {
  const request = http.request({ createConnection: net.createConnection, ...options });
  request.end(content);
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode, body: Buffer.concat(chunks) };
}

test("node:http serves and asks through a stack in another process", async () => {
  const stack = remote({ name: "web" });
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => void chunks.push(chunk));
    request.on("end", () => response.end(Buffer.concat(chunks)));
  });
  const listener = stack.net.createServer({ allowHalfOpen: true }, (socket) => server.emit("connection", socket));
  listener.listen("tcp://198.18.0.1:80");
  await once(listener, "listening");
  const bytes = pattern(3 << 20);
  const other = remote({ name: "other", scope: ["local", "global"] });
  for (const net of [it.far.net, other.net]) {
    const answer = await request(net, { host: "198.18.0.1", port: 80, method: "POST" }, bytes);
    expect([answer.status, answer.body.equals(bytes)]).toEqual([200, true]);
  }
  expect(it.near.host.sessions.applications.all().map(({ name }) => name)).toEqual(
    expect.arrayContaining(["net@web", "net@other"]),
  );
  await stack.net.close();
  await other.net.close();
  await until(() => !it.near.host.sessions.applications.all().some(({ name }) => name === "net@web"));
  expect(it.errors).toEqual([]);
});

test("attributes that a socket sets before and after it has connected", async () => {
  const far = await it.far.attach({ name: "peer" }, { accept: () => true });
  await far.listen("tcp://198.18.0.2:7");
  const stack = remote();
  const socket = stack.net.connect({ port: 7, host: "198.18.0.2", noDelay: true });
  await once(socket, "connect");
  socket.setKeepAlive(true, 60_000);
  socket.end("x");
  socket.destroy();
  await once(socket, "close");
  const refused = stack.net.connect(8, "198.18.0.2");
  const [error] = (await once(refused, "error")) as [Error];
  expect(error).toMatchObject({ code: "ECONNREFUSED", syscall: "connect", port: 8 });
  await stack.net.close();
});

test("the demo applications start on it, two of a kind side by side", async () => {
  const stack = remote();
  const apps = [
    await startApp(stack, { kind: "echo", listen: ["tcp://198.18.0.1:7", "udp://198.18.0.1:7"] }),
    await startApp(stack, { kind: "echo", listen: ["tcp://198.18.0.1:8"] }),
    await startApp(stack, { kind: "chargen", listen: ["tcp://198.18.0.1:19"] }),
    await startApp(stack, { kind: "discard", listen: ["tcp://198.18.0.1:9"] }),
    await startApp(stack, { kind: "check", listen: ["tcp://198.18.0.1:7001"] }),
    await startApp(stack, { kind: "iperf3", listen: ["tcp://198.18.0.1:5201"] }),
    await startApp(stack, { kind: "http", listen: ["tcp://198.18.0.1:0"] }),
  ];
  expect(apps[0].uris).toEqual(["tcp://198.18.0.1:7", "udp://198.18.0.1:7"]);
  const { net } = it.far;
  const echo = net.connect(8, "198.18.0.1");
  echo.end("hello");
  expect(await eventually(() => (echo.read() as Buffer | null)?.toString())).toBe("hello");
  await once(echo.resume(), "close");
  const check = net.connect(7001, "198.18.0.1");
  check.write("send 1000000\n");
  let count = 0;
  check.on("data", (chunk: Buffer) => void (count += chunk.length));
  await until(() => count === 1_000_000);
  check.end();
  await once(check, "close");
  const chargen = net.connect(19, "198.18.0.1");
  let lines = 0;
  chargen.on("data", (chunk: Buffer) => void (lines += chunk.length));
  await until(() => lines > 500_000);
  chargen.destroy();
  const port = Number(apps.at(-1)?.uris[0].split(":").at(-1));
  const page = await request(net, { host: "198.18.0.1", port, path: "/bytes/300000" });
  expect([page.status, page.body.length]).toEqual([200, 300_000]);
  for (const app of apps) await app.close();
  await stack.net.close();
  await until(() => it.near.host.sessions.applications.all().length === 0);
  expect(it.errors).toEqual([]);
});

test("an http server outlives its stack", async () => {
  const stack = remote();
  const server = http.createServer((_request, response) => response.end("still here"));
  const listener = stack.net.createServer({ allowHalfOpen: true }, (socket) => server.emit("connection", socket));
  listener.listen(80);
  await once(listener, "listening");
  expect((listener.address() as AddressInfo).port).toBe(80);
  const keepAlive = it.far.net.connect(80, "198.18.0.1");
  keepAlive.on("error", () => undefined);
  await once(keepAlive, "connect");
  await it.restart();
  const answer = async (): Promise<string | undefined> => {
    try {
      return (await request(it.far.net, { host: "198.18.0.1", port: 80 })).body.toString();
    } catch {
      return undefined;
    }
  };
  let text = await answer();
  while (text === undefined) {
    await settle();
    text = await answer();
  }
  expect(text).toBe("still here");
  await stack.net.close();
});
