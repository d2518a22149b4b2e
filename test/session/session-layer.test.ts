import { beforeEach, describe, expect, test } from "vitest";
import { C_RX_FIFO, C_SESSION, C_TX_FIFO } from "../../src/transport/transport.js";
import { sessionAttribute, sessionStatistics, setSessionAttribute } from "../../src/session/attributes.js";
import { SESSION_ERRORS } from "../../src/session/session-errors.js";
import { softErrorOf } from "../../src/session/soft-error.js";
import { TX_NEW } from "../../src/session/transmit-queue.js";
import { parseUri } from "../../src/session/uri.js";
import { SessionHarness } from "./fake-transport.js";

const nameOf = (value: number): string => (value < 0 ? SESSION_ERRORS[-value].name : `ok ${value}`);
const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(7);

let h: SessionHarness;
beforeEach(() => {
  h = new SessionHarness();
});

/** All rows, fifos and table entries are back. */
function expectNothingLeft(): void {
  h.settle();
  expect(h.layer.table.used).toBe(0);
  expect(h.fifos.stats().activeFifos).toBe(0);
  expect(h.fifos.inUse()).toBe(0);
}

describe("listening", () => {
  test("a listener is found, told of, and gone after unlisten", () => {
    const { index, heard } = h.app();
    const s = h.listen(index, "tcp://0.0.0.0/80");
    expect(h.state(s)).toBe("listening");
    expect(h.lookup.listener4(0, 0, 0x0a000001, 80)).toBe(s);
    expect(nameOf(h.layer.unlisten(index, s))).toBe("ok 0");
    expect(h.lookup.listener4(0, 0, 0x0a000001, 80)).toBe(-1);
    expect(nameOf(h.layer.unlisten(index, s))).toBe("NOLISTEN");
    expect(h.tcp.calls).toEqual(["listen 0", "stopListen 0"]);
    expectNothingLeft();
    expect(heard).toEqual([`listened ${s}`, `unlistened ${s}`]);
  });

  test("double binds, foreign addresses and missing transports are refused by name, and leave nothing behind", () => {
    const { index } = h.app();
    const other = h.app("other").index;
    const s = h.listen(index, "tcp://0.0.0.0/80");
    expect(nameOf(h.listen(index, "tcp://0.0.0.0/80"))).toBe("ALREADY_LISTENING");
    expect(nameOf(h.listen(other, "tcp://0.0.0.0/80"))).toBe("ALREADY_LISTENING");
    expect(nameOf(h.listen(other, "tcp://10.0.0.9/80"))).toBe("NOIP");
    expect(nameOf(h.layer.listen(index, 3, { family: 4, address: new Int32Array(4), port: 1 }))).toBe("NOSUPPORT");
    expect(nameOf(h.layer.unlisten(other, s))).toBe("OWNER");
    expect(nameOf(h.listen(99, "tcp://0.0.0.0/81"))).toBe("NOAPP");
    h.tcp.failure = -4;
    expect(nameOf(h.listen(index, "tcp://0.0.0.0/82"))).toBe("ALLOC");
    h.tcp.failure = 0;
    expect(h.listen(index, "tcp://0.0.0.0/82")).toBeGreaterThan(0);
    // A concrete address, and the other family, beside any.
    expect(h.listen(index, "tcp://10.0.0.1/80")).toBeGreaterThan(0);
    expect(h.listen(index, "tcp://[::]:80")).toBeGreaterThan(0);
    expect(h.layer.errorCounts[17]).toBe(2);
    expect(h.layer.table.used).toBe(4);
  });

  test("port 0 takes a free port of the range", () => {
    const { index } = h.app();
    const ports = new Set<number>();
    for (let i = 0; i < 50; i++) ports.add(h.layer.localEndpoint(h.listen(index, "tcp://0.0.0.0/0"))?.port ?? 0);
    expect(ports.size).toBe(50);
    for (const port of ports) expect(port).toBeGreaterThanOrEqual(1024);
  });

  test("the backlog bounds half-open connections, and ended ones count no more", () => {
    const { index } = h.app();
    const s = h.layer.listen(index, 0, { family: 4, address: new Int32Array(4), port: 80 }, { backlog: 2 });
    expect([h.layer.mayAccept(s), h.layer.mayAccept(s), h.layer.mayAccept(s)]).toEqual([true, true, false]);
    expect(h.layer.errorCounts[2]).toBe(1);
    h.layer.halfOpenEnded(s);
    expect([h.layer.mayAccept(s), h.layer.mayAccept(s)]).toEqual([true, false]);
    h.layer.unlisten(index, s);
    expect(h.layer.mayAccept(s)).toBe(false);
    expect(h.layer.errorCounts[11]).toBeGreaterThan(0);
  });
});

describe("accepting", () => {
  test("accept, rx, disconnect, cleanup: in order, once each, and all memory comes back", () => {
    const { index, heard } = h.app();
    const l = h.listen(index, "tcp://0.0.0.0/80");
    const c = h.arrive(l);
    const s = h.tcp.session(c);
    expect(h.state(s)).toBe("accepting");
    expect(h.window.i32[h.tcp.row(c) + C_RX_FIFO]).toBeGreaterThan(0);
    expect(h.window.i32[h.tcp.row(c) + C_TX_FIFO]).toBeGreaterThan(0);
    h.feed(s, "hello");
    h.layer.closing(s);
    h.layer.closing(s);
    expect(heard).toEqual([`listened ${l}`]);
    h.layer.deliver();
    expect(heard.splice(0)).toEqual([`listened ${l}`, `accept ${s}`, `rx ${s}`, `disconnect ${s}`]);
    expect(h.state(s)).toBe("transport-closing");
    // Unread data stays readable after the peer's FIN, and we may still write.
    expect(h.read(s)).toBe("hello");
    expect(h.tcp.calls.pop()).toBe(`rxDequeued ${c}`);
    expect(h.io.write(s, bytes(3), 0, 3)).toBe(3);
    expect(h.layer.close(s)).toBe(0);
    expect(h.state(s)).toBe("app-closed");
    expect(h.layer.close(s)).toBe(0);
    expect(h.tcp.calls.filter((call) => call === `close ${c}`).length).toBe(1);
    h.layer.closed(s);
    expect(h.state(s)).toBe("closed");
    h.settle();
    expect(heard.splice(0)).toEqual([`transportClosed ${s}`, `cleanup ${s} transport`, `cleanup ${s} session`]);
    // The transport goes on in TIME_WAIT without a session.
    expect(h.window.i32[h.tcp.row(c) + C_SESSION]).toBe(-1);
    expect(h.window.i32[h.tcp.row(c) + C_TX_FIFO]).toBe(0);
    h.layer.deleted(h.tcp.session(c));
    h.layer.unlisten(index, l);
    expectNothingLeft();
  });

  test("close by the application first: the session goes when the transport's row goes", () => {
    const { index, heard } = h.app();
    const { s } = h.accepted(index);
    h.layer.close(s);
    h.layer.deleted(s);
    h.layer.deleted(s);
    h.settle();
    expect(heard.slice(2)).toEqual([`cleanup ${s} transport`, `cleanup ${s} session`]);
    expect(h.state(s)).toBe("free");
  });

  test("the transport goes first: what was received can be read until the application closes", () => {
    const { index, heard } = h.app();
    const { s } = h.accepted(index);
    h.feed(s, "rest");
    h.layer.deleted(s);
    h.settle();
    expect(heard.slice(2)).toEqual([`rx ${s}`, `disconnect ${s}`, `cleanup ${s} transport`]);
    expect(h.state(s)).toBe("transport-deleted");
    expect(h.read(s)).toBe("rest");
    h.layer.close(s);
    h.settle();
    expect(heard.slice(5)).toEqual([`cleanup ${s} session`]);
    expect(h.state(s)).toBe("free");
  });

  test("a reset discards what was not read, is told with its error, and closes the session", () => {
    const { index, heard } = h.app();
    const { s, c } = h.accepted(index);
    h.io.write(s, bytes(10), 0, 10);
    h.feed(s, "lost");
    h.layer.reset(s, -3);
    h.layer.reset(s, -3);
    expect(nameOf(h.io.write(s, bytes(1), 0, 1))).toBe("NOSESSION");
    expect(h.read(s)).toBe("");
    h.layer.deleted(s);
    h.settle();
    expect(heard.slice(2)).toEqual([`reset ${s} -3`, `cleanup ${s} transport`, `cleanup ${s} session`]);
    expect(h.tcp.calls).not.toContain(`close ${c}`);
    expect(h.layer.errorCounts[3]).toBe(1);
    expect(h.state(s)).toBe("free");
  });

  test("a session that is reset before the application was told of it is never told of", () => {
    const { index, heard } = h.app();
    const c = h.arrive(h.listen(index, "tcp://0.0.0.0/80"));
    const s = h.tcp.session(c);
    h.feed(s, "x");
    h.layer.reset(s, -1);
    h.layer.deleted(s);
    h.settle();
    expect(heard.slice(1)).toEqual([]);
    expect(h.state(s)).toBe("free");
  });

  test("terminate resets at once; later news of the transport changes nothing", () => {
    const { index, heard } = h.app();
    const { s, c } = h.accepted(index);
    h.tcp.onClose = (closed) => h.layer.deleted(h.tcp.session(closed));
    expect(h.layer.terminate(s)).toBe(0);
    expect(h.tcp.calls.at(-1)).toBe(`reset ${c}`);
    h.settle();
    expect(heard.slice(2)).toEqual([`cleanup ${s} transport`, `cleanup ${s} session`]);
    expect(nameOf(h.layer.terminate(s))).toBe("NOSESSION");
  });

  test("refused by accept: reset, and nothing more is heard of it", () => {
    const { index, heard } = h.app("refuser", { accept: () => false });
    const c = h.arrive(h.listen(index, "tcp://0.0.0.0/80"));
    h.settle();
    expect(h.tcp.calls.at(-1)).toBe(`reset ${c}`);
    expect(heard.length).toBe(1);
    expect(h.layer.table.used).toBe(1);
  });

  test("without a disconnect callback the session is closed", () => {
    const index = h.layer.attach({ name: "simple" }, { accept: () => true });
    const { s, c } = h.accepted(index);
    h.layer.closing(s);
    h.layer.deliver();
    expect(h.tcp.calls.at(-1)).toBe(`close ${c}`);
  });

  test("rows run out: ALLOC, and service resumes when one is free", () => {
    h = new SessionHarness({ maxSessions: 2 });
    const { index } = h.app();
    const l = h.listen(index, "tcp://0.0.0.0/80");
    const c = h.arrive(l, 1);
    expect(h.arrive(l, 2)).toBe(-1000);
    expect(h.layer.errorCounts[4]).toBe(1);
    h.settle();
    h.layer.terminate(h.tcp.session(c));
    h.settle();
    expect(h.arrive(l, 3)).toBeGreaterThan(0);
  });

  test("fifos run out: SEG_NO_SPACE, nothing half-made, and service resumes", () => {
    h = new SessionHarness({ maxFifos: 3 });
    const { index } = h.app();
    const l = h.listen(index, "tcp://0.0.0.0/80");
    const c = h.arrive(l, 1);
    expect(nameOf(h.arrive(l, 2))).toBe("SEG_NO_SPACE");
    expect(h.fifos.stats().activeFifos).toBe(2);
    expect(h.layer.table.used).toBe(2);
    h.settle();
    h.layer.terminate(h.tcp.session(c));
    h.settle();
    expect(h.arrive(l, 3)).toBeGreaterThan(0);
  });
});

describe("connecting", () => {
  test("connected, with fifos and both ends; half-open cleanup follows", () => {
    const { index, heard } = h.app();
    const s = h.connect(index, "tcp://198.18.0.1/8080");
    expect(h.state(s)).toBe("connecting");
    const { local, context } = h.tcp.requests[0];
    expect(local.address[0]).toBe(0x0a000001);
    expect(local.port).toBeGreaterThanOrEqual(1024);
    expect(nameOf(h.io.write(s, bytes(1), 0, 1))).toBe("NOSESSION");
    expect(h.layer.connected(0, 0, context, 0)).toBe(0);
    expect(h.layer.connected(0, 0, context, 0)).toBeLessThan(0);
    h.layer.deliver();
    expect(heard).toEqual([`connected ${s} 0`, `halfOpenCleanup ${s}`]);
    expect(h.state(s)).toBe("ready");
    expect(h.layer.remoteEndpoint(s)?.port).toBe(8080);
    expect(h.layer.localEndpoint(s)?.port).toBe(local.port);
  });

  test("failure is told with its error and frees the row", () => {
    const { index, heard } = h.app();
    const s = h.connect(index, "tcp://198.18.0.1/8080");
    h.layer.connected(0, 0, h.tcp.requests[0].context, -2);
    h.settle();
    expect(heard).toEqual([`connected ${s} -2`, `halfOpenCleanup ${s}`]);
    expectNothingLeft();
  });

  test("closed while it connects: no connected, and a late answer names nothing", () => {
    const { index, heard } = h.app();
    const s = h.connect(index, "tcp://198.18.0.1/8080");
    h.layer.close(s);
    expect(h.tcp.calls.at(-1)).toBe("close 0");
    h.settle();
    expect(heard).toEqual([`halfOpenCleanup ${s}`]);
    expect(h.connect(index, "tcp://198.18.0.1/8081")).toBe(s);
    expect(nameOf(h.layer.connected(0, 0, h.tcp.requests[0].context, 0))).toBe("NOSESSION");
    expect(h.state(s)).toBe("connecting");
  });

  test.each([
    ["tcp://0.0.0.0/80", undefined, "INVALID_RMT_IP"],
    ["tcp://224.0.0.1/80", undefined, "INVALID_RMT_IP"],
    ["tcp://[ff02::1]:80", undefined, "INVALID_RMT_IP"],
    ["tcp://10.0.0.9/0", undefined, "INVALID"],
    ["tcp://203.0.113.1/80", undefined, "NOROUTE"],
    ["tcp://10.0.0.9/80", "tcp://10.0.0.77/0", "NOIP"],
    ["tcp://10.0.0.9/80", "tcp://[::]:0", "INVALID"],
  ])("%s from %s: %s", (uri, from, error) => {
    const { index } = h.app();
    expect(nameOf(h.connect(index, uri, from))).toBe(error);
    expect(h.layer.table.used).toBe(0);
  });

  test("a transport that refuses at once", () => {
    const { index } = h.app();
    h.tcp.failure = -4;
    expect(nameOf(h.connect(index, "tcp://10.0.0.9/80"))).toBe("ALLOC");
    expect(h.layer.table.used).toBe(0);
  });

  test("an explicit source in use by the same 6-tuple is PORTINUSE, and shared otherwise", () => {
    const { index } = h.app();
    const from = "tcp://10.0.0.2/4444";
    h.connect(index, "tcp://10.0.0.9/80", from);
    h.lookup.addHalfOpen(0, 0);
    expect(nameOf(h.connect(index, "tcp://10.0.0.9/80", from))).toBe("PORTINUSE");
    expect(h.connect(index, "tcp://10.0.0.9/81", from)).toBeGreaterThanOrEqual(0);
  });

  test("ports are shared by different remotes, NOPORT when all are taken, and never a listener's", () => {
    h = new SessionHarness({ minSrcPort: 5000, maxSrcPort: 5003, maxSessions: 64 });
    const { index } = h.app();
    h.listen(index, "tcp://0.0.0.0/5001");
    const taken = new Set<number>();
    const next = (uri: string): number => {
      const s = h.connect(index, uri);
      if (s < 0) return s;
      const c = h.tcp.requests.length - 1;
      h.lookup.addHalfOpen(0, c);
      taken.add(h.tcp.requests[c].local.port);
      return s;
    };
    for (let i = 0; i < 3; i++) expect(next("tcp://10.0.0.9/80")).toBeGreaterThan(0);
    expect([...taken].sort((a, b) => a - b)).toEqual([5000, 5002, 5003]);
    expect(nameOf(next("tcp://10.0.0.9/80"))).toBe("NOPORT");
    expect(next("tcp://10.0.0.9/81")).toBeGreaterThan(0);
    expect(h.layer.sourcePorts.maxTries).toBeGreaterThan(1);
  });
});

describe("writing and reading", () => {
  test("a short write asks for tx, which comes when a quarter of the fifo is free", () => {
    h = new SessionHarness({ txFifoBytes: 4096 });
    const { index, heard } = h.app();
    const { s, c } = h.accepted(index);
    const tx = h.window.i32[h.tcp.row(c) + C_TX_FIFO];
    expect(h.io.write(s, bytes(5000), 0, 5000)).toBe(4096);
    expect([h.io.writableBytes(s), h.io.queuedBytes(s)]).toEqual([0, 4096]);
    h.fifos.drop(tx, 1000);
    h.layer.acknowledged(s);
    h.fifos.drop(tx, 24);
    h.layer.acknowledged(s);
    h.layer.acknowledged(s);
    h.settle();
    expect(heard.slice(2)).toEqual([`tx ${s}`]);
    h.fifos.drop(tx, 1000);
    h.layer.acknowledged(s);
    h.settle();
    expect(heard.length).toBe(3);
  });

  test("a writer that finds no memory is called again by and by", () => {
    h = new SessionHarness({ txFifoBytes: 8 << 20, maxSessions: 16 });
    const { index, heard } = h.app();
    const hog = h.accepted(index, 80);
    const poor = h.accepted(index, 81);
    while (h.io.write(hog.s, bytes(1 << 16), 0, 1 << 16) > 0);
    expect(h.io.write(poor.s, bytes(10), 0, 10)).toBe(0);
    h.settle();
    heard.length = 0;
    expect(h.layer.nextExpiry(0)).toBe(0);
    while (h.layer.transmitQueue.shift(TX_NEW) >= 0);
    expect(h.layer.nextExpiry(0)).toBe(100);
    h.layer.expire(99);
    h.settle();
    expect(heard).toEqual([]);
    h.layer.terminate(hog.s);
    h.layer.expire(100);
    h.settle();
    expect(heard).toContain(`tx ${poor.s}`);
    expect(h.io.write(poor.s, bytes(10), 0, 10)).toBe(10);
    expect(h.layer.nextExpiry(0)).toBe(0);
  });

  test("a write wakes the driver and queues the connection once", () => {
    const { index } = h.app();
    const { s, c } = h.accepted(index);
    h.wakes = 0;
    h.io.write(s, bytes(1), 0, 1);
    h.io.write(s, bytes(1), 0, 1);
    expect(h.wakes).toBe(1);
    expect(h.layer.transmitQueue.length).toBe(1);
    expect(h.layer.transmitQueue.shift(TX_NEW)).toBe(c << 3);
    expect(h.layer.transmitQueue.shift(TX_NEW)).toBe(-1);
  });

  test("halfClose refuses further writes, not reads", () => {
    const { index } = h.app();
    const { s, c } = h.accepted(index);
    expect(h.layer.halfClose(s)).toBe(0);
    expect(h.tcp.calls.at(-1)).toBe(`halfClose ${c}`);
    expect(nameOf(h.io.write(s, bytes(1), 0, 1))).toBe("NOSESSION");
    expect(nameOf(h.layer.halfClose(s))).toBe("NOSESSION");
    h.feed(s, "more");
    expect(h.read(s)).toBe("more");
  });

  test("after close nothing is read or written", () => {
    const { index } = h.app();
    const { s } = h.accepted(index);
    h.feed(s, "x");
    h.layer.close(s);
    expect(h.read(s)).toBe("error -12");
    expect([h.io.readableBytes(s), h.io.writableBytes(s), h.io.drop(s, 1), h.io.peek(s, () => 0)]).toEqual([
      0, 0, -12, -12,
    ]);
    expect(nameOf(h.io.write(s, bytes(1), 0, 1))).toBe("NOSESSION");
  });

  test("peek lends the bytes in place, piece by piece, and drops what was consumed", () => {
    const { index } = h.app();
    const { s, c } = h.accepted(index);
    h.feed(s, "a".repeat(1500) + "b".repeat(1500));
    let seen = "";
    const consumed = h.io.peek(s, (u8, offset, length) => {
      expect(u8).toBe(h.window.u8);
      seen += String.fromCharCode(...u8.subarray(offset, offset + length));
      return length;
    });
    expect(consumed).toBe(3000);
    expect(seen).toBe("a".repeat(1500) + "b".repeat(1500));
    expect(h.tcp.calls.at(-1)).toBe(`rxDequeued ${c}`);
    h.feed(s, "abcdef");
    expect(h.io.peek(s, () => 4)).toBe(4);
    expect(h.io.peek(s, () => 0)).toBe(0);
    expect(h.io.peek(s, () => 1e9)).toBe(2);
    expect(h.io.peek(s, () => 1)).toBe(0);
  });

  test("odd arguments take nothing", () => {
    const { index } = h.app();
    const { s } = h.accepted(index);
    h.feed(s, "abc");
    const target = new Uint8Array(4);
    expect(h.io.read(s, target, 4, 10)).toBe(0);
    expect(h.io.read(s, target, -1, 10)).toBe(0);
    expect(h.io.read(s, target, 0, Number.NaN)).toBe(0);
    expect(h.io.write(s, target, 5, 10)).toBe(0);
    expect(h.io.write(s, target, 0, -4)).toBe(0);
    expect(h.io.drop(s, -1)).toBe(0);
    expect(h.io.readableBytes(s)).toBe(3);
    for (const name of [-1, 1e9, 200] as const) {
      expect(h.io.read(name, target, 0, 4)).toBe(-12);
      expect(h.layer.close(name)).toBe(-12);
    }
  });
});

describe("what befalls a connection", () => {
  test("urgent data is told before rx, a soft error before the end, each once, the last of its kind", () => {
    const { index, heard } = h.app();
    const { s } = h.accepted(index);
    heard.length = 0;
    h.layer.closing(s);
    h.layer.softError(s, 1);
    h.layer.softError(s, 0);
    h.feed(s, "x");
    h.layer.urgent(s);
    h.layer.urgent(s);
    h.settle();
    expect(heard).toEqual([`urgent ${s}`, `rx ${s}`, `softError ${s} 0`, `disconnect ${s}`]);
  });

  test("a reset leaves nothing else to be told, nor does a close", () => {
    const { index, heard } = h.app();
    const { s } = h.accepted(index);
    heard.length = 0;
    h.layer.softError(s, 1);
    h.layer.urgent(s);
    h.layer.reset(s, -3);
    h.layer.deleted(s);
    h.settle();
    expect(heard[0]).toBe(`reset ${s} -3`);
    const other = h.accepted(index, 81).s;
    heard.length = 0;
    h.layer.softError(other, 1);
    h.layer.urgent(other);
    h.layer.close(other);
    h.settle();
    expect(heard).toEqual([]);
    // A connection without a session has nobody to be told.
    h.layer.softError(-1, 1);
    h.layer.urgent(-1);
    expect(h.layer.deliver()).toBe(0);
  });

  test.each([
    [0, "NOROUTE", "ENETUNREACH"],
    [1, "NOROUTE", "EHOSTUNREACH"],
    [3, "REFUSED", "ECONNREFUSED"],
    [7, "INVALID", "EPROTO"],
    [8, "TIMEDOUT", "ETIMEDOUT"],
  ])("soft error %i is %s and %s", (kind, sessionError, code) => {
    expect(softErrorOf(kind, "session 1")).toMatchObject({ sessionError, code });
  });

  test("attributes and urgent data go to the transport of a connection, and nowhere without one", () => {
    const { index } = h.app();
    const { s, c } = h.accepted(index);
    expect(sessionAttribute(h.layer, s, "dscp")).toBe(c);
    expect(nameOf(sessionAttribute(h.layer, s, "hopLimit"))).toBe("NOSUPPORT");
    expect(setSessionAttribute(h.layer, s, "hopLimit", 9)).toBe(0);
    expect(sessionStatistics(h.layer, s)).toEqual({ c });
    expect(h.io.writeUrgent(s, bytes(3), 0, 3)).toBe(3);
    expect(h.io.writeUrgent(s, bytes(3), 3, 3)).toBe(0);
    expect(h.tcp.calls.slice(-2)).toEqual(["setAttribute hopLimit 9", `markUrgent ${c}`]);
    h.layer.deleted(s);
    for (const gone of [s, -1, 200]) {
      expect(nameOf(sessionAttribute(h.layer, gone, "dscp"))).toBe("NOSESSION");
      expect(nameOf(setSessionAttribute(h.layer, gone, "dscp", 1))).toBe("NOSESSION");
      expect(sessionStatistics(h.layer, gone)).toBeUndefined();
      expect(nameOf(h.io.writeUrgent(gone, bytes(1), 0, 1))).toBe("NOSESSION");
    }
  });

  test("attributes of an active open go with the request; addresses of many are refused", () => {
    const { index } = h.app();
    const remote = parseUri("tcp://10.0.0.9/80").endpoint;
    const s = h.layer.connect(index, 0, remote, { attributes: { dscp: 46 } });
    expect(h.tcp.requests[h.layer.connectionOf(s)].attributes).toEqual({ dscp: 46 });
    expect(nameOf(h.connect(index, "tcp://10.0.0.255/80"))).toBe("INVALID_RMT_IP");
  });
});

describe("applications", () => {
  test("attaching is refused by name", () => {
    const attach = (options: object): string => nameOf(h.layer.attach({ name: "x", ...options }, {}));
    expect(attach({ name: "" })).toBe("INVALID");
    expect(attach({ namespace: "blue" })).toBe("INVALID_NS");
    expect(attach({ secret: "guess" })).toBe("WRONG_NS_SECRET");
    expect(attach({ scope: ["here"] })).toBe("INVALID");
    expect(attach({ scope: "global" })).toBe("INVALID");
    expect(attach({ rxFifoBytes: 0 })).toBe("INVALID");
    expect(attach({ txFifoBytes: 1.5 })).toBe("INVALID");
    expect(attach({ namespace: "default", scope: ["global", "local"] })).toBe("ok 0");
    expect(attach({})).toBe("APP_ATTACHED");
    expect(nameOf(h.layer.detach(7))).toBe("NOAPP");
  });

  test("the default namespace's secret, and the limit of applications", () => {
    h = new SessionHarness({ secret: "s3cret", maxApplications: 1 });
    expect(nameOf(h.layer.attach({ name: "a" }, {}))).toBe("WRONG_NS_SECRET");
    expect(nameOf(h.layer.attach({ name: "a", secret: "s3cret2" }, {}))).toBe("WRONG_NS_SECRET");
    expect(nameOf(h.layer.attach({ name: "a", secret: "s3cret" }, {}))).toBe("ok 0");
    expect(nameOf(h.layer.attach({ name: "b", secret: "s3cret" }, {}))).toBe("ALLOC");
    h.layer.detach(0);
    expect(nameOf(h.layer.attach({ name: "b", secret: "s3cret" }, {}))).toBe("ok 0");
  });

  test("detach ends listeners, active opens and sessions, silently, and frees everything", () => {
    const { index, heard } = h.app();
    const { s, c } = h.accepted(index);
    h.connect(index, "tcp://10.0.0.9/80");
    heard.length = 0;
    h.tcp.onClose = (closed) => h.layer.deleted(h.tcp.session(closed));
    expect(h.layer.detach(index)).toBe(0);
    expect(h.tcp.calls).toContain(`close ${c}`);
    expect(h.lookup.counts().listeners).toBe(0);
    expectNothingLeft();
    expect(heard).toEqual([]);
    expect(h.state(s)).toBe("free");
    expect(nameOf(h.listen(index, "tcp://0.0.0.0/80"))).toBe("NOAPP");
  });

  test("handles are stale once their session has gone", () => {
    const { index } = h.app();
    const { s } = h.accepted(index);
    const handle = h.layer.table.handle(s);
    expect(h.layer.table.find(handle)).toBe(s);
    h.layer.terminate(s);
    h.settle();
    expect(h.layer.table.find(handle)).toBe(-1);
    const again = h.accepted(index, 81);
    expect(h.layer.table.find(handle)).toBe(-1);
    expect(again.s).toBeGreaterThanOrEqual(0);
    for (const odd of [Number.NaN, -1, 1.5, 2 ** 60]) expect(h.layer.table.find(odd)).toBe(-1);
  });
});

describe("callbacks that throw", () => {
  test.each(["accept", "rx", "disconnect", "tx"] as const)(
    "%s: the session is reset, reported once, others go on",
    (name) => {
      const failure = new Error(`bad ${name}`);
      let armed = true;
      const { index, heard } = h.app("bad", {
        [name]: () => {
          if (armed) {
            armed = false;
            throw failure;
          }
        },
      });
      const l = h.listen(index, "tcp://0.0.0.0/80");
      const [first, second] = [h.arrive(l, 1), h.arrive(l, 2)].map((c) => ({ c, s: h.tcp.session(c) }));
      for (const { s } of [first, second]) {
        h.feed(s, "x");
        if (name === "tx") {
          h.layer.deliver();
          h.layer.wantTx(s);
          h.layer.acknowledged(s);
        }
        h.layer.closing(s);
      }
      h.settle();
      expect(h.errors).toEqual([failure]);
      expect(h.tcp.calls.filter((call) => call.startsWith("reset"))).toEqual([`reset ${first.c}`]);
      expect(h.state(first.s)).toBe("free");
      expect(h.state(second.s)).toBe("transport-closing");
      const isHeard = heard.includes(`disconnect ${second.s}`);
      expect(isHeard).toBe(name !== "disconnect");
    },
  );

  test("cleanup and connected: the row comes back all the same", () => {
    const bad = h.app("bad", {
      connected: () => {
        throw new Error("connected");
      },
      cleanup: () => {
        throw new Error("cleanup");
      },
    });
    h.connect(bad.index, "tcp://10.0.0.9/80");
    h.layer.connected(0, 0, h.tcp.requests[0].context, -2);
    h.connect(bad.index, "tcp://10.0.0.9/81");
    h.layer.connected(0, 1, h.tcp.requests[1].context, 0);
    expectNothingLeft();
    expect(h.errors.length).toBe(4);
    expect(h.tcp.calls).toContain("reset 1");
  });

  test("halfOpenCleanup: rows of connects that failed, were closed and came through come back all the same", () => {
    const { index } = h.app("bad", {
      halfOpenCleanup: () => {
        throw new Error("halfOpenCleanup");
      },
    });
    const connect = (port: number): number => h.connect(index, `tcp://10.0.0.9/${port}`);
    connect(80);
    h.layer.connected(0, 0, h.tcp.requests[0].context, -2);
    h.layer.close(connect(81));
    connect(82);
    h.layer.connected(0, 2, h.tcp.requests[2].context, 0);
    expectNothingLeft();
    expect(h.errors.length).toBe(3);
  });

  test("a callback that closes, resets and detaches from within does no harm", () => {
    let index = -1;
    const reentrant = h.app("reentrant", {
      rx: (s) => {
        h.layer.terminate(s);
        h.layer.close(s);
        h.layer.detach(index);
      },
    });
    index = reentrant.index;
    const { s } = h.accepted(index);
    h.feed(s, "x");
    expectNothingLeft();
    expect(h.errors).toEqual([]);
  });
});

test("2,000 sessions come and go without a leak, at most 1,024 told in a turn", () => {
  h = new SessionHarness({ maxSessions: 2048, maxFifos: 4096 });
  const { index, heard } = h.app("many", {});
  const l = h.listen(index, "tcp://0.0.0.0/80");
  const live: number[] = [];
  for (let i = 0; i < 2000; i++) {
    const c = h.tcp.open(
      { family: 4, address: Int32Array.of(0x0a000001, 0, 0, 0), port: 80 },
      { family: 4, address: Int32Array.of(i, 0, 0, 0), port: 1 },
    );
    if (h.layer.accepted(0, c, l) === 0) live.push(h.tcp.session(c));
  }
  expect(h.layer.deliver()).toBe(1024);
  expect(h.layer.nextExpiry(0)).toBe(0);
  expect(h.layer.deliver()).toBe(976);
  expect(heard.filter((line) => line.startsWith("accept")).length).toBe(2000);
  for (const s of live) h.layer.terminate(s);
  h.layer.unlisten(index, l);
  expectNothingLeft();
});
