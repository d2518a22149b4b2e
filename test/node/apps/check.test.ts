import { crc32 } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startApp } from "../../../src/node/apps/index.js";
import type { Socket } from "../../../src/node/net/socket.js";
import { eventually, stackPair, type StackPair } from "../stack-pair.js";
import { connect, readAll, readBytes } from "./client.js";

let pair: StackPair;
beforeEach(async () => {
  pair = stackPair();
  await startApp(pair.b, { kind: "check" });
});
afterEach(() => pair.close());

async function say(text: string): Promise<Socket> {
  const socket = await connect(pair, 7001);
  socket.write(text);
  return socket;
}

function pattern(bytes: number): Buffer {
  return Buffer.from(Array.from({ length: bytes }, (_, i) => i % 251));
}

test("echo: bytes come back, also those that came with the line, and the end closes", async () => {
  const socket = await say("echo\nab");
  expect((await readBytes(socket, 2)).toString()).toBe("ab");
  socket.end("cd");
  expect((await readAll(socket)).toString()).toBe("cd");
});

test("a line may come byte by byte", async () => {
  const socket = await say("");
  for (const each of "echo\r\n") {
    socket.write(each);
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  socket.end("x");
  expect((await readAll(socket)).toString()).toBe("x");
});

test("send: the pattern, then it waits for the end or one byte", async () => {
  const socket = await say("send 1000000\n");
  const got = await readBytes(socket, 1_000_000);
  expect(got.equals(pattern(1_000_000))).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(socket.readableEnded).toBe(false);
  socket.write("x");
  expect((await readAll(socket)).length).toBe(0);
  const other = await say("send 5\n");
  other.end();
  expect((await readAll(other)).equals(pattern(5))).toBe(true);
  const none = await say("send 0\n");
  none.end();
  expect((await readAll(none)).length).toBe(0);
});

test("hold: nothing is read in its time, then it counts to the end", async () => {
  const data = Buffer.from(pattern(700_000));
  const socket = await say("hold 150\n");
  const started = performance.now();
  socket.end(data);
  const answer = (await readAll(socket)).toString();
  expect(performance.now() - started).toBeGreaterThan(140);
  expect(answer).toBe(`${data.length} ${crc32(data)}\n`);
});

test("close closes at once", async () => {
  const socket = await say("close\n");
  expect((await readAll(socket)).length).toBe(0);
});

test("garbage, long lines and numbers out of range are closed", async () => {
  const bad = [
    "\n",
    "Echo\n",
    "send\u0000 5\n",
    "send 9999999999999999\n",
    "hold -1\n",
    `${"a".repeat(65)}`,
    "\u00ff\u00fe",
  ];
  for (const text of bad) {
    const socket = await say(text);
    if (text === "\u00ff\u00fe") socket.end();
    const answer = await readAll(socket);
    expect([text, answer.length]).toEqual([text, 0]);
  }
  await eventually(() => pair.b.sessionCount === 2, "all are freed");
  expect(pair.b.errors).toEqual([]);
});

test("the port after it is closed", async () => {
  await expect(connect(pair, 7002)).rejects.toMatchObject({ code: "ECONNREFUSED" });
});

test("a reset in the middle of each command is survived", async () => {
  for (const text of ["ec", "echo\nabc", "send 100000000\n", "hold 20\nabc"]) {
    const socket = await say(text);
    await new Promise((resolve) => setTimeout(resolve, 10));
    socket.on("error", () => {});
    socket.resetAndDestroy();
  }
  await eventually(() => pair.b.sessionCount === 2, "all are freed");
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(pair.b.errors).toEqual([]);
});
