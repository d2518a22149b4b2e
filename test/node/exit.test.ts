import { once } from "node:events";
import { expect, test } from "vitest";
import { startApp } from "../../src/node/apps/index.js";
import type { Socket } from "../../src/node/net/socket.js";
import { eventually, stackPair } from "./stack-pair.js";

/** Timers that hold the process, the test runner's own among them. */
function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
}

test("nothing is left that keeps the process alive", async () => {
  const before = timers();
  const { a, b, close } = stackPair();
  const accepted: Socket[] = [];
  const kinds = ["echo", "discard", "chargen", "http", "iperf3", "check"] as const;
  const apps = await Promise.all(kinds.map((kind) => startApp(b, { kind })));
  b.net.createServer((socket) => accepted.push(socket)).listen(7000);
  const socket = a.net.connect({ port: 7000, host: "198.18.0.2", timeout: 60_000 });
  socket.on("error", () => {});
  await once(socket, "connect");
  socket.write(Buffer.alloc(4 << 20));
  for (const port of [7, 9, 19, 80, 5201, 7001]) {
    const other = a.net.connect(port, "198.18.0.2");
    other.on("error", () => {});
    other.write("hold 60000\n");
    await once(other, "connect");
  }
  await eventually(() => accepted.length === 1, "accepted");
  accepted[0].setTimeout(60_000);
  for (const app of apps) await app.close();
  await close();
  await eventually(() => socket.closed && accepted[0].closed, "both are closed");
  expect(timers()).toBeLessThanOrEqual(before);
  await eventually(() => !process.getActiveResourcesInfo().includes("Immediate"), "the engines rest");
});
