import { expect, test } from "vitest";
import type { Session } from "../../src/app/session.js";
import { parseAddress } from "../../src/ip/address.js";
import { DGRAM_HEADER_BYTES, peekDatagram, readDatagram } from "../../src/mem/fifo-datagram.js";
import { SESSION_E_INVALID, SESSION_E_NOSUPPORT } from "../../src/session/session-errors.js";
import { eventually, fixture, noting, isPattern, pattern, readAll, settle, until } from "./support.js";

const it = fixture();
const BIG = { rxFifoBytes: 1 << 20, txFifoBytes: 1 << 20, segmentBytes: 8 << 20 };

test("each comes back whole, from nothing to the longest, whatever the fifo's chunks", async () => {
  it.restart(BIG);
  const got: number[] = [];
  const bytes = new Uint8Array(70_000);
  const rx = (each: Session): void => {
    for (let n = each.readDatagram(bytes); n >= 0; n = each.readDatagram(bytes)) {
      got.push(isPattern(bytes.subarray(0, n)) ? n : -n);
    }
  };
  let rooms = 0;
  const app = await it.attach({ rx, tx: () => void rooms++ });
  const session = await app.connect("udp://198.18.0.1:7");
  const sizes = [0, 1, 1400, 65_507, 3, 65_507, 40_000];
  for (const [i, n] of sizes.entries()) {
    const before = rooms;
    if (session.writeDatagram(pattern(n)) !== n) {
      await until(() => rooms > before);
      // Told of room, it fits: once more is enough.
      session.writeDatagram(pattern(n));
    }
    await until(() => got.length > i);
  }
  expect(got).toEqual(sizes);
  expect(rooms).toBeGreaterThan(0);
  expect(it.stack.worker.broken).toEqual([]);
});

test("without room for all of it nothing of it is written", async () => {
  it.restart({ rxFifoBytes: 10_000, txFifoBytes: 10_000 });
  const heard: string[] = [];
  const app = await it.attach(noting(heard, { tx: () => void heard.push("tx") }));
  const session = await app.connect("udp://198.18.0.1:7");
  const fake = await eventually(() => it.stack.byHandle(session.handle));
  fake.mode = "keep";
  let written = 0;
  while (written < 9) {
    if (session.writeDatagram(pattern(1000)) === 1000) written++;
    else await settle();
  }
  expect(session.writeDatagram(pattern(1000))).toBe(0);
  expect(session.queuedBytes).toBe(9 * (1000 + DGRAM_HEADER_BYTES));
  heard.length = 0;
  fake.mode = "sink";
  it.stack.worker.work(fake);
  await until(() => heard.includes("tx"));
  expect(session.writeDatagram(pattern(1000))).toBe(1000);
});

test("what cannot be sent is refused, and leaves nothing behind", async () => {
  const app = await it.attach({});
  const session = await app.connect("udp://198.18.0.1:7");
  const { session: listener } = await app.listen("udp://198.18.0.2:7");
  expect([session.writeDatagram(pattern(65_508)), session.writeDatagram(pattern(65_500))]).toEqual([
    SESSION_E_INVALID,
    SESSION_E_INVALID,
  ]);
  expect([session.writeDatagram(pattern(5), 6), session.writeDatagram(pattern(5), 0, -1)]).toEqual([
    SESSION_E_INVALID,
    SESSION_E_INVALID,
  ]);
  expect([listener.writeDatagram(pattern(5)), listener.sendTo(pattern(5), "198.18.0.1", 0)]).toEqual([
    SESSION_E_INVALID,
    SESSION_E_INVALID,
  ]);
  expect([listener.sendTo(pattern(5), "::g", 7), session.halfClose(), session.writeUrgent(pattern(1))]).toEqual([
    undefined,
    SESSION_E_NOSUPPORT,
    SESSION_E_NOSUPPORT,
  ]);
  expect([session.readDatagram(pattern(1)), session.queuedBytes, listener.queuedBytes]).toEqual([-1, 0, 0]);
});

test("a listener sends to whom it names, and answers whoever sent", async () => {
  const app = await it.attach({});
  const listener = await app.listen("udp://198.18.0.2:7");
  const { stack } = it;
  const fake = await eventually(() => stack.byHandle(listener.session.handle));
  fake.mode = "keep";
  expect(listener.session.sendTo(pattern(5), "198.18.0.9", 99)).toBe(5);
  expect(listener.session.sendTo(pattern(6), parseAddress("198.18.0.8"), 98)).toBe(6);
  const sent: string[] = [];
  const { u8, dv } = stack.window;
  await until(() => stack.fifos.maxDequeue(fake.tx) === 11 + 2 * DGRAM_HEADER_BYTES);
  while (peekDatagram(stack.fifos, stack.window, fake.tx, stack.scratch) >= 0) {
    const [a, b] = [u8.slice(stack.scratch + 20, stack.scratch + 24), dv.getUint16(stack.scratch + 40)];
    sent.push(
      `${readDatagram(stack.fifos, stack.window, fake.tx, stack.scratch, new Uint8Array(9), 0, 9)} ${a.join(".")} ${b}`,
    );
  }
  expect(sent).toEqual(["5 198.18.0.9 99", "6 198.18.0.8 98"]);
});

test("a reader's array cuts a datagram; the next one comes whole", async () => {
  const app = await it.attach({});
  const session = await app.connect("udp://198.18.0.1:7");
  const fake = await eventually(() => it.stack.byHandle(session.handle));
  it.stack.worker.feedDatagram(fake, pattern(500));
  it.stack.worker.feedDatagram(fake, pattern(20));
  await until(() => session.readableBytes === 520 + 2 * DGRAM_HEADER_BYTES);
  const bytes = new Uint8Array(40);
  expect([session.readDatagram(bytes, 30), session.datagram.length]).toEqual([10, 500]);
  expect([session.readDatagram(bytes), session.datagram.length]).toEqual([20, 20]);
  expect(bytes.subarray(0, 20)).toEqual(pattern(20));
  expect(readAll(session)).toEqual(new Uint8Array());
});
