import { channel, subscribe, unsubscribe } from "node:diagnostics_channel";
import { createServer, get } from "node:http";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Server } from "../../src/node/net/server.js";
import { type StackPair, stackPair } from "./stack-pair.js";

const NAMES = [
  "weft:net.client.socket",
  "weft:net.server.socket",
  "tracing:weft:net.server.listen:asyncStart",
  "tracing:weft:net.server.listen:asyncEnd",
  "tracing:weft:net.server.listen:error",
];

let pair: StackPair;
let heard: { readonly name: string; readonly message: Record<string, unknown> }[];
const hear = (message: unknown, name: string | symbol): void => {
  heard.push({ name: String(name), message: message as Record<string, unknown> });
};

beforeEach(() => {
  pair = stackPair();
  heard = [];
  for (const name of NAMES) subscribe(name, hear);
});
afterEach(async () => {
  for (const name of NAMES) unsubscribe(name, hear);
  await pair.close();
});

/** A server of `b` that listens on a port. */
function listening(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = pair.b.net.createServer((socket) => socket.end());
    server.once("error", reject).listen(port, "198.18.0.2", () => resolve(server));
  });
}

test("listening, connecting and accepting are published, in order, with what Node has in its messages", async () => {
  const server = await listening(80);
  const accepted: unknown[] = [];
  server.on("connection", (socket) => accepted.push(socket));
  const socket = pair.a.net.connect(80, "198.18.0.2");
  expect(heard.at(-1)).toEqual({ name: "weft:net.client.socket", message: { socket } });
  expect(socket.connecting).toBe(true);
  await new Promise((resolve) => socket.resume().once("close", resolve));
  expect(heard.map(({ name, message }) => [name, Object.keys(message)])).toEqual([
    ["tracing:weft:net.server.listen:asyncStart", ["server", "options"]],
    ["tracing:weft:net.server.listen:asyncEnd", ["server"]],
    ["weft:net.client.socket", ["socket"]],
    ["weft:net.server.socket", ["socket"]],
  ]);
  expect(heard[0].message).toMatchObject({ server, options: { port: 80, host: "198.18.0.2" } });
  expect(heard[3].message).toEqual({ socket: accepted[0] });
});

test("a port that is taken is an error with its server", async () => {
  await listening(80);
  await expect(listening(80)).rejects.toMatchObject({ code: "EADDRINUSE" });
  expect(heard.at(-1)).toMatchObject({
    name: "tracing:weft:net.server.listen:error",
    message: { error: { code: "EADDRINUSE", port: 80 } },
  });
});

test("Node's own channels hear nothing of the stack's sockets, but http's do of requests on them", async () => {
  const others: string[] = [];
  const note = (_message: unknown, name: string | symbol): void => void others.push(String(name));
  const names = ["net.client.socket", "net.server.socket", "http.client.request.start", "http.server.request.start"];
  for (const name of names) subscribe(name, note);
  try {
    const http = createServer((_request, response) => response.end("hello"));
    const server = pair.b.net.createServer({ allowHalfOpen: true }, (socket) => http.emit("connection", socket));
    await new Promise<void>((resolve) => server.listen(80, "198.18.0.2", resolve));
    const { createConnection } = pair.a.net;
    await new Promise((resolve) => {
      get({ host: "198.18.0.2", port: 80, createConnection }, (response) => response.resume().on("end", resolve));
    });
    expect(others).toEqual(["http.client.request.start", "http.server.request.start"]);
  } finally {
    for (const name of names) unsubscribe(name, note);
  }
});

test("without a subscriber nothing is published", async () => {
  for (const name of NAMES) unsubscribe(name, hear);
  await listening(80);
  pair.a.net.connect(80, "198.18.0.2").destroy();
  expect([heard, NAMES.map((name) => channel(name).hasSubscribers)]).toEqual([[], NAMES.map(() => false)]);
});
