import { afterEach, beforeEach, expect, test } from "vitest";
import { type AppHandle, startApp } from "../../../src/node/apps/index.js";
import * as protocol from "../../../src/node/apps/iperf3-protocol.js";
import type { Socket } from "../../../src/node/net/socket.js";
import { eventually, stackPair, type StackPair } from "../stack-pair.js";
import { connect, readAll, readBytes } from "./client.js";

let pair: StackPair;
let app: AppHandle;
beforeEach(async () => {
  pair = stackPair({ limits: { fifoBytes: 32 << 20 }, windowBytes: 64 << 20 });
  app = await startApp(pair.b, { kind: "iperf3" });
});
afterEach(() => pair.close());

const PORT = 5201;

async function state(control: Socket): Promise<number> {
  return (await readBytes(control, 1))[0];
}

async function json(control: Socket): Promise<unknown> {
  const length = (await readBytes(control, 4)).readUInt32BE();
  return JSON.parse((await readBytes(control, length)).toString());
}

function cookieOf(name: string): Buffer {
  return Buffer.from(`${name.padEnd(36, "x")}\0`);
}

/** A control connection that has been asked for its parameters. */
async function hello(name: string): Promise<Socket> {
  const control = await connect(pair, PORT);
  control.write(cookieOf(name));
  expect(await state(control)).toBe(protocol.PARAM_EXCHANGE);
  return control;
}

/** A test that runs, with its streams. */
async function begin(name: string, parameters: object, streams: number): Promise<{ control: Socket; data: Socket[] }> {
  const control = await hello(name);
  control.write(protocol.withLength(JSON.stringify({ tcp: true, omit: 0, time: 5, parallel: 1, ...parameters })));
  expect(await state(control)).toBe(protocol.CREATE_STREAMS);
  const data: Socket[] = [];
  for (let i = 0; i < streams; i++) {
    const socket = await connect(pair, PORT);
    socket.write(cookieOf(name));
    socket.on("error", () => {});
    data.push(socket);
  }
  expect(await state(control)).toBe(protocol.TEST_START);
  expect(await state(control)).toBe(protocol.TEST_RUNNING);
  return { control, data };
}

interface Results {
  readonly cpu_util_total: number;
  readonly sender_has_retransmits: number;
  readonly streams: readonly { readonly id: number; readonly bytes: number; readonly end_time: number }[];
}

/** Ends a test as the client does, and returns what the server counted. */
async function finish(control: Socket): Promise<Results> {
  control.write(Uint8Array.of(protocol.TEST_END));
  expect(await state(control)).toBe(protocol.EXCHANGE_RESULTS);
  control.write(protocol.withLength(JSON.stringify({ streams: [] })));
  const results = (await json(control)) as Results;
  expect(await state(control)).toBe(protocol.DISPLAY_RESULTS);
  control.write(Uint8Array.of(protocol.IPERF_DONE));
  expect((await readAll(control)).length).toBe(0);
  return results;
}

test("two streams up: what arrives is counted by stream", async () => {
  const { control, data } = await begin("up", { parallel: 2 }, 2);
  data[0].write(Buffer.alloc(1_000_000));
  data[1].write(Buffer.alloc(300_000));
  await eventually(() => data.every((socket) => socket.writableLength === 0), "all is written");
  await new Promise((resolve) => setTimeout(resolve, 60));
  const results = await finish(control);
  expect(results.streams.map(({ id, bytes }) => [id, bytes])).toEqual([
    [1, 1_000_000],
    [3, 300_000],
  ]);
  expect(results.streams[0].end_time).toBeGreaterThan(0.05);
  expect(results.sender_has_retransmits).toBe(0);
  for (const socket of data) socket.end();
  await eventually(() => pair.b.sessionCount === 2, "only listeners are left");
});

test("a stream down is fed until the end", async () => {
  const { control, data } = await begin("down", { reverse: true }, 1);
  let got = 0;
  data[0].on("data", (chunk: Buffer) => (got += chunk.length));
  await eventually(() => got > 4 << 20, "four mebibytes arrive");
  const results = await finish(control);
  await eventually(() => data[0].readableEnded || data[0].destroyed, "the stream ends");
  expect(results.streams[0].bytes).toBe(got);
  data[0].destroy();
  await eventually(() => pair.b.sessionCount === 2, "only listeners are left");
});

test("both directions: the streams that the client sends come first", async () => {
  const { control, data } = await begin("bidir", { bidirectional: true }, 2);
  data[0].write(Buffer.alloc(10_000));
  let got = 0;
  data[1].on("data", (chunk: Buffer) => (got += chunk.length));
  await eventually(() => got > 100_000, "the second stream is fed");
  const { streams } = await finish(control);
  expect(streams[0]).toMatchObject({ id: 1, bytes: 10_000 });
  expect(streams[1].id).toBe(3);
  expect(streams[1].bytes).toBeGreaterThan(100_000);
});

test("a rate limit holds the sender", async () => {
  const { control, data } = await begin("rate", { reverse: true, bandwidth: 8_000_000 }, 1);
  let got = 0;
  data[0].on("data", (chunk: Buffer) => (got += chunk.length));
  await new Promise((resolve) => setTimeout(resolve, 300));
  const { streams } = await finish(control);
  // A byte a microsecond.
  expect(streams[0].bytes).toBeGreaterThan(100_000);
  expect(streams[0].bytes).toBeLessThan(streams[0].end_time * 1e6 * 1.05 + 10_000);
});

test("omitted seconds do not count", async () => {
  const started = performance.now();
  const { control, data } = await begin("omit", { omit: 0.1 }, 1);
  data[0].write(Buffer.alloc(500_000));
  await new Promise((resolve) => setTimeout(resolve, 200));
  data[0].write(Buffer.alloc(7000));
  await new Promise((resolve) => setTimeout(resolve, 50));
  const { streams } = await finish(control);
  expect(streams[0].bytes).toBe(7000);
  expect(streams[0].end_time * 1000).toBeLessThan(performance.now() - started - 90);
});

test("tests run side by side; a stranger's stream and one stream too many are denied", async () => {
  const one = await begin("one", {}, 1);
  const two = await begin("two", {}, 1);
  const extra = await connect(pair, PORT);
  extra.write(cookieOf("one"));
  expect(await readAll(extra)).toEqual(Buffer.of(protocol.ACCESS_DENIED));
  one.data[0].write(Buffer.alloc(100));
  two.data[0].write(Buffer.alloc(200));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect((await finish(one.control)).streams[0].bytes).toBe(100);
  expect((await finish(two.control)).streams[0].bytes).toBe(200);
});

test("UDP, too many streams and broken parameters are answered with iperf3's errors", async () => {
  const cases: [string, number][] = [
    ['{"udp":true,"time":1,"parallel":1}', protocol.IE_UNIMPLEMENTED],
    ['{"tcp":true,"parallel":129}', protocol.IE_NUM_STREAMS],
    ['{"tcp":true,"parallel":1.5}', protocol.IE_NUM_STREAMS],
    ["{", protocol.IE_RECV_PARAMS],
    ["[]", protocol.IE_RECV_PARAMS],
    ["null", protocol.IE_RECV_PARAMS],
  ];
  for (const [text, error] of cases) {
    const control = await hello("bad");
    control.write(protocol.withLength(text));
    const answer = await readAll(control);
    expect([text, answer[0], answer.readInt32BE(1)]).toEqual([text, protocol.SERVER_ERROR, error]);
    expect(answer.length).toBe(9);
  }
});

test("a client that lies about a length, sends nonsense, terminates or goes away ends its test only", async () => {
  const liar = await hello("liar");
  liar.write(Uint8Array.of(0xff, 0xff, 0xff, 0xff));
  expect((await readAll(liar)).length).toBe(0);
  const nonsense = await begin("nonsense", {}, 1);
  nonsense.control.write(Uint8Array.of(99));
  await readAll(nonsense.control);
  await eventually(() => nonsense.data[0].destroyed, "its stream is reset");
  const terminated = await begin("terminated", { reverse: true }, 1);
  terminated.control.write(Uint8Array.of(protocol.CLIENT_TERMINATE));
  await readAll(terminated.control);
  await eventually(() => terminated.data[0].destroyed, "its stream is reset");
  const gone = await begin("gone", { reverse: true }, 1);
  gone.control.resetAndDestroy();
  await eventually(() => gone.data[0].destroyed, "its stream is reset");
  const garbage = await connect(pair, PORT);
  garbage.end("GET / HTTP/1.1\r\n\r\n");
  expect((await readAll(garbage)).length).toBe(0);
  await eventually(() => pair.b.sessionCount === 2, "only listeners are left");
  expect(pair.b.errors).toEqual([]);
});

test("the end of the app tells a running client", async () => {
  const { control, data } = await begin("ending", { reverse: true }, 1);
  data[0].resume();
  await app.close();
  expect([...(await readAll(control))]).toEqual([protocol.SERVER_TERMINATE]);
  control.destroy();
  await eventually(() => pair.b.sessionCount === 0, "nothing is left");
});
