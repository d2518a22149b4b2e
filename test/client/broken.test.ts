import { describe, expect, test } from "vitest";
import type { Session } from "../../src/app/session.js";
import { encodeSocketMessage } from "../../src/app/messages/socket-messages.js";
import { IO_RX } from "../../src/app/messages/io-events.js";
import { NO_SESSION_FIELDS } from "../../src/app/messages/message-table.js";
import { loadAddon } from "../../src/host/addon.js";
import { Q_TAIL } from "../../src/mem/message-queue-layout.js";
import { MIRROR_BYTES, SEGMENT_HEADER_BYTES } from "../../src/mem/fifo-mirror-layout.js";
import type { FakeSegment, FakeSession } from "./fake-parts.js";
import type { FakeWorker } from "./fake-worker.js";
import { eventually, fixture, noting, pattern, readAll, settle, until } from "./support.js";

const it = fixture();

/** An application that does not attach again, with a listener and a session. */
async function attached() {
  const heard: string[] = [];
  let session: Session | undefined;
  const accept = (each: Session): void => void (session = each);
  const app = await it.attach(noting(heard, { accept }), { reattach: false });
  const listener = await app.listen("tcp://198.18.0.2:80");
  const { worker } = it.stack;
  const fake = worker.accept(listener.session.handle);
  const taken = await eventually(() => session);
  heard.length = 0;
  return { app, heard, worker, fake, session: taken, listener };
}

const NAMELESS = 5000;

describe("a stack that says what cannot be ends the worker, and nothing is thrown", () => {
  test.each<[string, (worker: FakeWorker, fake: FakeSession) => void]>([
    ["a record of no message", (worker) => worker.raw(NAMELESS, 0)],
    ["a message with too few fields", (worker, { index }) => worker.raw(8, index)],
    ["a message for the stack", (worker) => worker.raw(26, 1, [1, 0])],
    [
      "an answer that nobody asked for",
      (worker) => worker.say({ type: "BOUND", context: 99, retval: 0, ...NO_SESSION_FIELDS }),
    ],
    [
      "a session whose mirror lies outside",
      (worker, { index, fields }) =>
        worker.say({ type: "ACCEPTED", session: index, listener: 1, ...fields, rxMirror: 1 << 20 }),
    ],
    [
      "a session whose mirror is none",
      (worker, { index, fields }) =>
        worker.say({
          type: "ACCEPTED",
          session: index,
          listener: 1,
          ...fields,
          txMirror: fields.txMirror + MIRROR_BYTES / 2,
        }),
    ],
    [
      "a queue whose tail went back",
      (worker, fake) => {
        const tail = (worker.control >> 2) + Q_TAIL;
        const { i32 } = it.stack.window;
        i32[tail] -= 8;
        worker.event(IO_RX, fake);
        i32[tail] -= 64;
      },
    ],
    [
      "an error through the socket",
      (worker) =>
        void worker.socket.send(
          encodeSocketMessage({ type: "ERROR", retval: -1, version: 1, peerVersion: 1, text: "enough" }),
        ),
    ],
    ["no message through the socket", (worker) => void worker.socket.send(new Uint8Array(12))],
  ])("%s", async (_, say) => {
    const { heard, worker, fake, session, app } = await attached();
    say(worker, fake);
    await until(() => heard.includes("detached"));
    expect(heard).toEqual(["reset ECONNABORTED detached", "cleanup session", "detached"]);
    expect([session.state, session.index, app.workers]).toEqual(["detached", -1, []]);
    expect(it.errors).toEqual([]);
  });
});

test("events of sessions that are not there are nobody's", async () => {
  const { worker, heard, session, fake } = await attached();
  worker.event(IO_RX, { index: 12_345 });
  worker.say({ type: "DISCONNECTED", session: 12_345 });
  worker.say({ type: "CLEANUP", session: 12_345, phase: 1 });
  worker.say({ type: "UNLISTEN_REPLY", context: 0, retval: 0, handle: 12_345 });
  worker.feed(fake, pattern(5));
  await until(() => session.readableBytes === 5);
  expect(heard).toEqual([]);
});

describe("segments", () => {
  /** Sends the descriptor of a segment. */
  const sendFd = (worker: FakeWorker, segment: FakeSegment): void => {
    const message = { type: "SEND_FDS", segment: segment.handle, segmentBytes: segment.bytes } as const;
    worker.socket.send(encodeSocketMessage(message), [segment.fd]);
    loadAddon().closeFd(segment.fd);
  };

  test("are announced, used, and taken back", async () => {
    const announced: string[] = [];
    let session: Session | undefined;
    const app = await it.attach({
      accept: (each) => void (session = each),
      addSegment: (segment) => void announced.push(`add ${segment}`),
      delSegment: (segment) => void announced.push(`del ${segment}`),
    });
    const listener = await app.listen("tcp://198.18.0.2:80");
    const { worker } = it.stack;
    const segment = it.stack.makeSegment();
    sendFd(worker, segment);
    worker.say({ type: "APP_ADD_SEGMENT", segment: segment.handle, segmentBytes: segment.bytes });
    const fake = worker.accept(listener.session.handle, { segment });
    worker.feed(fake, pattern(3000));
    const taken = await eventually(() => session);
    expect(readAll(taken)).toEqual(pattern(3000));
    worker.cleanup(fake);
    worker.say({ type: "APP_DEL_SEGMENT", segment: segment.handle });
    await until(() => announced.length === 2);
    expect(announced).toEqual([`add ${segment.handle}`, `del ${segment.handle}`]);
    expect(taken.state).toBe("gone");
  });

  test("whose descriptor comes late: this message and all later ones wait, in order", async () => {
    const heard: string[] = [];
    const sessions: Session[] = [];
    const app = await it.attach(noting(heard, { accept: (each) => void sessions.push(each) }));
    const listener = await app.listen("tcp://198.18.0.2:80");
    const { worker } = it.stack;
    const first = worker.accept(listener.session.handle);
    await until(() => sessions.length === 1);
    heard.length = 0;
    const segment = it.stack.makeSegment();
    worker.accept(listener.session.handle, { segment });
    worker.say({ type: "DISCONNECTED", session: first.index });
    worker.feed(first, pattern(4));
    await settle();
    expect([sessions.length, heard]).toEqual([1, []]);
    sendFd(worker, segment);
    await until(() => heard.length === 1);
    expect([sessions.length, heard]).toEqual([2, ["disconnect"]]);
    expect(sessions[0].readableBytes).toBe(4);
  });

  test("a descriptor of a segment that is there already ends the worker", async () => {
    const { heard, worker, app } = await attached();
    const { handle, bytes } = worker.segment;
    sendFd(worker, { handle, bytes, base: 0, index: 0, fd: loadAddon().createMemfd("again", bytes) });
    await until(() => heard.includes("detached"));
    expect(app.workers).toEqual([]);
  });

  test("memory that is no segment ends the worker", async () => {
    const { heard, worker, app } = await attached();
    sendFd(worker, { handle: 999, bytes: 65_536, base: 0, index: 0, fd: loadAddon().createMemfd("empty", 65_536) });
    await until(() => heard.includes("detached"));
    expect(app.workers).toEqual([]);
  });
});

describe("a fifo whose chunks somebody has spoilt", () => {
  /** Writes over the descriptors of all chunks of the client's segment. */
  const spoil = (segment: FakeSegment): void => {
    const from = (segment.base + SEGMENT_HEADER_BYTES) >> 2;
    it.stack.window.i32.fill(0x7fff_fff0, from, from + 1024);
  };

  test.each<[string, (session: Session) => number]>([
    ["read", (session) => session.read(new Uint8Array(100))],
    ["peek", (session) => session.peek((_u8, _offset, length) => length)],
    ["drop", (session) => session.drop(100)],
    ["write", (session) => session.write(pattern(100))],
  ])("resets its session, which would wait for ever: %s", async (_, call) => {
    const { heard, worker, fake, session } = await attached();
    worker.feed(fake, pattern(50));
    await settle();
    spoil(worker.segment);
    const { handle } = session;
    expect([call(session), call(session)]).toEqual([0, 0]);
    await until(() => worker.said("TERMINATE").length === 1);
    expect(worker.said("TERMINATE")).toMatchObject([{ handle }]);
    await settle();
    expect(heard.filter((each) => each.startsWith("reset"))).toEqual(["reset ECONNRESET closed"]);
    expect(it.errors).toEqual([]);
  });
});
