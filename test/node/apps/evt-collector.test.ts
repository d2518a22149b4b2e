import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { wire } from "../../../src/device/wire-device.js";
import { createStack } from "../../../src/index.js";
import { jsonLine, startEvtCollector } from "../../../src/node/apps/evt-collector.js";
import { startApp } from "../../../src/node/apps/index.js";
import { S_STATE, SESSION_READY } from "../../../src/session/session-table.js";
import { eventually, type StackPair, stackPair } from "../stack-pair.js";
import { connect, readAll } from "./client.js";

let pair: StackPair;
let directory: string;
beforeEach(() => {
  pair = stackPair({ session: { collectAll: true } });
  directory = mkdtempSync(join(tmpdir(), "weft-collector-"));
});
afterEach(async () => {
  await pair.close();
  rmSync(directory, { recursive: true });
});

/** A connection to echo on `b`, there and back. */
async function talk(text: string): Promise<void> {
  const socket = await connect(pair, 7);
  socket.end(text);
  expect(String(await readAll(socket))).toBe(text);
}

test("a line of JSON for each session, appended to a file that only its owner may read", async () => {
  const path = join(directory, "sessions");
  await startApp(pair.b, { kind: "echo", listen: ["tcp://0.0.0.0/7"] });
  for (const text of ["first", "second one"]) {
    const collector = await startEvtCollector(pair.b, path);
    await talk(text);
    await eventually(() => collector.written === 1, "the session is told of");
    await collector.close();
    await collector.close();
    expect(collector.lost).toBe(0);
  }
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    {
      app: "echo",
      proto: "tcp",
      local: "198.18.0.2:7",
      remote: expect.stringMatching(/^198\.18\.0\.1:\d+$/),
      closedBy: "transport",
      error: null,
      session: expect.stringMatching(/^0:\d+\.\d+$/),
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      durationMs: expect.any(Number),
      statistics: { ThruOctetsReceived: 5, ThruOctetsAcked: 5 },
    },
    { statistics: { ThruOctetsReceived: 10, ThruOctetsAcked: 10 } },
  ]);
});

/** Sessions of the collector on `b` that are ready. */
function ready(): number {
  const { table, applications } = pair.b.core.host.sessions;
  const app = applications.byName("evt-collector");
  const all = app === undefined ? [] : applications.sessionsOf(app);
  return all.filter((s) => pair.b.core.host.window.i32[table.row(s) + S_STATE] === SESSION_READY).length;
}

test("to a URI: over a session of its own, of which nothing is told, and over another one when that ends", async () => {
  const got: string[] = [];
  const server = pair.a.net.createServer((socket) => {
    socket.setEncoding("utf8").on("data", (text: string) => {
      got.push(...text.trimEnd().split("\n"));
      // The end of the first session: the collector connects again.
      if (got.length === 1) socket.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(9000, "198.18.0.1", resolve));
  await startApp(pair.b, { kind: "echo", listen: ["tcp://0.0.0.0/7"] });
  const collector = await startEvtCollector(pair.b, "tcp://198.18.0.1:9000");
  await eventually(() => ready() === 1, "it has connected");
  await talk("one");
  await eventually(() => got.length === 1, "the first line has come");
  await eventually(() => ready() === 0, "the session ends");
  await talk("lost");
  await eventually(() => collector.lost === 1, "there is nobody to tell");
  await eventually(() => ready() === 1, "it connects again");
  await talk("three");
  await eventually(() => got.length === 2, "the next line has come");
  expect(got.map((line) => (JSON.parse(line) as { statistics: object }).statistics)).toMatchObject([
    { ThruOctetsReceived: 3 },
    { ThruOctetsReceived: 5 },
  ]);
  expect([collector.written, collector.lost]).toEqual([2, 1]);
  await collector.close();
  server.close();
});

test("a file that cannot be opened is an error, and leaves nothing attached", async () => {
  await expect(startEvtCollector(pair.b, join(directory, "no", "file"))).rejects.toMatchObject({ code: "ENOENT" });
  expect(pair.b.core.host.sessions.applications.all()).toEqual([]);
});

test("of a stack by its configuration: it hears of sessions until the stack has closed them", async () => {
  const path = join(directory, "sessions");
  const [left, right] = wire();
  const interfaces = (n: number, device: typeof left) =>
    [{ name: "w0", kind: "wire", device, addresses: [`198.18.0.${n}/24`] }] as const;
  const stack = await createStack({
    interfaces: interfaces(1, left),
    session: { collectAll: true },
    apps: [{ kind: "echo", listen: ["tcp://0.0.0.0/7"] }],
    evtCollector: { to: path },
  });
  const peer = await createStack({ interfaces: interfaces(2, right) });
  const socket = peer.net.connect(7, "198.18.0.1");
  socket.on("error", () => undefined);
  socket.write("hello");
  await new Promise((resolve) => socket.once("data", resolve));
  socket.resetAndDestroy();
  await eventually(() => stack.host.sessions.collectors.all[0].collected === 1, "the reset has come");
  await stack.close();
  await peer.close();
  expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({
    app: "echo",
    closedBy: "transport",
    error: "UNKNOWN",
  });
  const config = { interfaces: interfaces(1, left), evtCollector: { to: "udp://198.18.0.1:1" } };
  await expect(createStack(config)).rejects.toThrow("evtCollector.to");
});

test("jsonLine has no undefined keys, and ends in a newline", () => {
  const statistics = { ThruOctetsReceived: 1, ThruOctetsAcked: 2 };
  const line = jsonLine(
    {
      session: 16_777_217,
      app: "a",
      appIndex: 0,
      worker: 0,
      listener: -1,
      local: "1.2.3.4:5",
      remote: "1.2.3.4:6",
      startMs: 10,
      endMs: 15.5,
      closedBy: "app",
      error: undefined,
      proto: "ct",
      statistics,
    },
    0,
  );
  expect(line).toBe(
    '{"time":"1970-01-01T00:00:00.000Z","session":"0:1.1","durationMs":5.5,"error":null,"app":"a","appIndex":0,"worker":0,"listener":-1,"local":"1.2.3.4:5","remote":"1.2.3.4:6","closedBy":"app","proto":"ct","statistics":{"ThruOctetsReceived":1,"ThruOctetsAcked":2}}\n',
  );
});
