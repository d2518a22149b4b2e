import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { KernelSocket, type SocketEvents } from "../../../src/node/apps/proxy/kernel-socket.js";
import { OwnFlows } from "../../../src/node/apps/proxy/own-flows.js";

let server: Server;
let heard: string[];
const own = new OwnFlows();

beforeEach(async () => {
  heard = [];
  server = createServer({ allowHalfOpen: true }, (socket) => void socket.on("error", () => undefined).resume());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterEach(() => server.close());

/** A socket, and what it is when it has closed. */
function open(port: number, connected: (socket: KernelSocket) => void): Promise<boolean> {
  return new Promise((resolve) => {
    const events: SocketEvents = {
      connected: () => connected(socket),
      received: () => true,
      drained: () => heard.push("drained"),
      finished: () => heard.push("finished"),
      closed: resolve,
    };
    const socket = new KernelSocket("127.0.0.1", port, events, own);
  });
}

const port = (): number => (server.address() as AddressInfo).port;

describe("a socket that is ending can be reset at any moment", () => {
  test.each([
    ["at once", (then: () => void) => then()],
    ["in the next tick", process.nextTick],
    ["in the one after it", (then: () => void) => process.nextTick(() => process.nextTick(then))],
    ["a microtask later", queueMicrotask],
    ["after this phase", setImmediate],
    ["later", (then: () => void) => setTimeout(then, 5)],
  ])("%s", async (_, later) => {
    const hasFailed = await open(port(), (socket) => {
      socket.end();
      later(() => socket.reset());
    });
    expect(hasFailed).toBe(false);
  });
});

test("nobody listens there: closed, by an error, and its flow is forgotten", async () => {
  const free = port();
  server.close();
  await once(server, "close");
  let ends = "";
  const closed = open(free, () => (ends = "connected"));
  expect(await closed).toBe(true);
  expect(ends).toBe("");
});

test("its flow is known from before its SYN can come back until it has closed", async () => {
  const accepted = once(server, "connection");
  let mine: KernelSocket | undefined;
  const closed = open(port(), (socket) => (mine = socket));
  const [socket] = (await accepted) as [Socket];
  const flow = {
    local: { address: "127.0.0.1", port: port(), family: 4 as const },
    remote: { address: "127.0.0.1", port: socket.remotePort ?? 0, family: 4 as const },
  };
  expect(own.has(flow)).toBe(true);
  await expect.poll(() => mine).toBeDefined();
  mine?.reset();
  await closed;
  expect(own.has(flow)).toBe(false);
});
