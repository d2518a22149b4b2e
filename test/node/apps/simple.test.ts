import { afterEach, beforeEach, expect, test } from "vitest";
import { CHARGEN_PERIOD_BYTES, chargenPattern } from "../../../src/node/apps/chargen.js";
import { startApp } from "../../../src/node/apps/index.js";
import { eventually, stackPair, type StackPair } from "../stack-pair.js";
import { connect, readAll, readBytes } from "./client.js";

let pair: StackPair;
beforeEach(() => {
  pair = stackPair();
});
afterEach(() => pair.close());

/** A body without a short period. */
function body(bytes: number): Buffer {
  const out = Buffer.alloc(bytes);
  for (let i = 0; i < bytes; i++) out[i] = (i * 7 + (i >> 8) * 13) & 0xff;
  return out;
}

/** A UDP session of the first host, and what comes in on it. */
async function udpClient(to: string): Promise<{ send(data: Uint8Array): number; readonly got: Buffer[] }> {
  const got: Buffer[] = [];
  const scratch = Buffer.alloc(65_535);
  const app = await pair.a.attach(
    { name: `client of ${to}` },
    {
      rx(session) {
        for (let n = session.readDatagram(scratch); n >= 0; n = session.readDatagram(scratch)) {
          got.push(Buffer.from(scratch.subarray(0, n)));
        }
      },
    },
  );
  const session = await app.connect(to);
  return { send: (data) => session.writeDatagram(data), got };
}

test("echo sends back what it gets, past its fifos, and closes after the end", async () => {
  const app = await startApp(pair.b, { kind: "echo" });
  expect(app.uris).toEqual(["tcp://0.0.0.0:7", "tcp://[::]:7", "udp://0.0.0.0:7", "udp://[::]:7"]);
  for (const isIp6 of [false, true]) {
    const socket = await connect(pair, 7, isIp6);
    const sent = body(1_500_000);
    socket.end(sent);
    const answer = await readAll(socket);
    expect(answer.length).toBe(sent.length);
    expect(answer.equals(sent)).toBe(true);
  }
  await eventually(() => pair.b.sessionCount === 4, "the sessions of echo are freed");
  await app.close();
  await app.close();
  await eventually(() => pair.b.sessionCount === 0, "the listeners are freed");
});

test("echo holds a peer that sends but does not read", async () => {
  await startApp(pair.b, { kind: "echo", listen: ["tcp://0.0.0.0/7"] });
  const socket = await connect(pair, 7);
  const sent = body(4 << 20);
  socket.pause();
  socket.write(sent);
  await new Promise((resolve) => setTimeout(resolve, 200));
  // What is in four fifos of 512 KiB and a buffer is not more than this.
  expect(sent.length - socket.writableLength).toBeGreaterThanOrEqual(0);
  expect(socket.bytesRead).toBeLessThan(200_000);
  expect(socket.writableLength).toBe(sent.length);
  socket.end();
  expect((await readAll(socket)).equals(sent)).toBe(true);
});

test("echo and discard answer datagrams as they should, and none of a chatty service", async () => {
  await startApp(pair.b, { kind: "echo" });
  await startApp(pair.b, { kind: "discard" });
  for (const to of ["udp://198.18.0.2/", "udp://[2001:db8:18::2]:"]) {
    const client = await udpClient(`${to}7`);
    const big = body(8192);
    for (const data of [Buffer.from("ping"), Buffer.alloc(0), big]) client.send(data);
    await eventually(() => client.got.length === 3, `three answers from ${to}7`);
    expect(client.got.map((each) => each.length)).toEqual([4, 0, 8192]);
    expect(client.got[2].equals(big)).toBe(true);
  }
  const app = await pair.a.attach({ name: "chatty" }, {});
  const chatty = await app.connect("udp://198.18.0.2/7", { from: "udp://0.0.0.0/19" });
  chatty.writeDatagram(Buffer.from("loop"));
  const silent = await app.connect("udp://198.18.0.2/9");
  silent.writeDatagram(Buffer.from("nothing"));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect([chatty.readableBytes, silent.readableBytes]).toEqual([0, 0]);
});

test("discard takes everything and closes when the peer ends", async () => {
  await startApp(pair.b, { kind: "discard" });
  const socket = await connect(pair, 9);
  socket.end(Buffer.alloc(3 << 20));
  expect((await readAll(socket)).length).toBe(0);
  expect(socket.bytesWritten).toBe(3 << 20);
});

test("chargen follows RFC 864 for as long as one reads", async () => {
  const pattern = chargenPattern(CHARGEN_PERIOD_BYTES * 2);
  const lines = Buffer.from(pattern).toString("latin1").split("\r\n");
  expect(lines[0]).toBe(` !"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_\`abcdefg`);
  expect(lines[1][0]).toBe("!");
  expect(lines[94][0]).toBe("~");
  expect(lines[95]).toBe(lines[0]);

  await startApp(pair.b, { kind: "chargen" });
  const socket = await connect(pair, 19);
  const got = await readBytes(socket, 1 << 20);
  const expected = Buffer.alloc(1 << 20);
  for (let at = 0; at < expected.length; at += CHARGEN_PERIOD_BYTES) {
    expected.set(pattern.subarray(0, Math.min(CHARGEN_PERIOD_BYTES, expected.length - at)), at);
  }
  expect(got.equals(expected)).toBe(true);
  socket.write("ignored");
  socket.destroy();
  await eventually(() => pair.b.sessionCount === 2, "chargen stops when its reader is gone");
});

test("an app that cannot listen leaves nothing behind, and one kind runs twice", async () => {
  await startApp(pair.b, { kind: "echo", listen: ["tcp://0.0.0.0/7"] });
  await expect(
    startApp(pair.b, { kind: "discard", listen: ["tcp://0.0.0.0/9", "tcp://0.0.0.0/7"] }),
  ).rejects.toMatchObject({ code: "EADDRINUSE" });
  await expect(startApp(pair.b, { kind: "chargen", listen: ["quic://0.0.0.0/19"] })).rejects.toMatchObject({
    sessionError: "NOSUPPORT",
  });
  await eventually(() => pair.b.sessionCount === 1, "only echo's listener is left");
  const second = await startApp(pair.b, { kind: "echo", listen: ["tcp://0.0.0.0/0"] });
  expect(second.uris[0]).toMatch(/^tcp:\/\/0\.0\.0\.0:\d+$/);
});
