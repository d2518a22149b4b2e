// Drives the TLS engine of the addon, rightly and wrongly: part of exercise.mjs.
import assert from "node:assert/strict";
import { ocspResponse } from "./ocsp-response.mjs";

const AREA = 64;
const NONE = new Uint8Array(0);
/** Where the ciphertext of each direction and the clear text of each end lie. */
const BUFFERS = [1, 2, 3, 4, 5, 6].map((i) => i << 18);
const BYTES = 1 << 18;

/** Two ends with their ciphertext between them: each step gets all that is there and all the room. */
class Pair {
  constructor(window, engine, contexts, peer = {}) {
    this.engine = engine;
    this.words = new Int32Array(window.buffer, AREA, 256);
    this.u8 = new Uint8Array(window.buffer);
    this.connections = [engine.open(contexts[0], peer), engine.open(contexts[1], {})];
    /** Bytes in the ciphertext towards each end. */
    this.waiting = [0, 0];
  }

  /** Returns the bits, and what was taken and filled. */
  step(end, clear = 0, flags = 0, room = BYTES) {
    const { words, waiting } = this;
    words.set([flags, 1, 1, 1, 1, 0]);
    const spans = [
      [BUFFERS[end], waiting[end]],
      [BUFFERS[1 - end] + waiting[1 - end], BYTES - waiting[1 - end]],
      [BUFFERS[2 + end], clear],
      [BUFFERS[4 + end], room],
    ];
    spans.forEach((span, i) => words.set(span, 16 + 32 * i));
    const bits = this.engine.step(this.connections[end]);
    const [taken, filled, sent, got] = words.subarray(6, 10);
    this.u8.copyWithin(BUFFERS[end], BUFFERS[end] + taken, BUFFERS[end] + waiting[end]);
    waiting[end] -= taken;
    waiting[1 - end] += filled;
    return { bits, sent, got };
  }

  shake(rounds = 6) {
    for (let i = 0; i < rounds; i++) for (const end of [0, 1]) this.step(end);
  }

  close() {
    for (const connection of this.connections) this.engine.close(connection);
  }
}

/** Whose seed and time are given makes the same certificate each time. */
function exerciseSeed(window, refused) {
  const make = (byte) => {
    const engine = window.createTlsEngine(AREA, { seed: new Uint8Array(32).fill(byte) });
    engine.setTime(1_767_225_600);
    return Buffer.from(engine.makePair("weft.test").key).toString("latin1");
  };
  assert.equal(make(1), make(1));
  assert.notEqual(make(1), make(2));
  const engine = window.createTlsEngine(AREA, { seed: new Uint8Array(32) });
  for (const time of [-1, 0.5, 2 ** 32, "now", undefined]) refused("EINVAL", () => engine.setTime(time));
  engine.setTime(0);
}

/** Tickets: taken, broken on the wire, of keys that have gone; sessions of more peers than are remembered. */
function exerciseTickets(window, engine, pair, store, refused) {
  refused("EINVAL", () => engine.addContext({ server: true, pair, ticketSeconds: 604_801 }));
  const tickets = { ticketSeconds: 60 };
  const server = engine.addContext({ server: true, pair, ...tickets });
  for (const maxVersion of [0x0303, 0x0304]) {
    const client = engine.addContext({ server: false, store, verify: 2, maxVersion, ...tickets });
    const meet = (peer, broken = -1) => {
      const ends = new Pair(window, engine, [client, server], { hostname: "weft.test", peer });
      ends.step(0);
      if (broken >= 0) ends.u8[BUFFERS[1] + (broken % ends.waiting[1])] ^= 0x21;
      ends.shake();
      const { resumed } = engine.info(ends.connections[1]);
      ends.close();
      return resumed;
    };
    assert.deepEqual([meet("a"), meet("a"), meet("a")], [false, true, true]);
    for (let i = 0; i < 400; i++) meet("a", i);
    for (let i = 0; i < 70; i++) meet(`peer ${i}`);
    assert.equal(meet("peer 69"), true);
    engine.changeTicketKeys();
    assert.equal(meet("peer 69"), true);
    engine.changeTicketKeys();
    engine.changeTicketKeys();
    assert.equal(meet("peer 69"), false);
    assert.equal(engine.setStore(client, store), true);
    assert.equal(meet("peer 69"), false);
    refused("ENAMETOOLONG", () => engine.open(client, { peer: "x".repeat(320) }));
    engine.removeContext(client);
  }
  engine.removeContext(server);
}

/** DTLS: cookies, lost, cut and broken datagrams, retransmission; a step of the other kind is refused. */
function exerciseDatagrams(window, engine, pair, store, refused) {
  const client = engine.addContext({ server: false, store, verify: 2, datagram: true });
  const server = engine.addContext({ server: true, pair, datagram: true });
  const stream = engine.addContext({ server: true, pair });
  assert.match(engine.addContext({ server: true, pair, datagram: true, minVersion: 0x0304 }), /version/);
  const words = new Int32Array(window.buffer, AREA, 256);
  const u8 = new Uint8Array(window.buffer);
  const name = Uint8Array.of(198, 18, 0, 1, 16, 92);
  const [input, cipher, clearIn, clearOut] = BUFFERS;
  /** One step, or hello, with a datagram in two pieces; the datagrams and clear texts that come of it. */
  const run = (what, datagram = NONE, clear = NONE, flags = 0) => {
    u8.set(datagram, input);
    u8.set(clear, clearIn);
    const half = datagram.length >> 1;
    words.set([flags, datagram.length === 0 ? 0 : 2, 1, clear.length === 0 ? 0 : 1, 1, 0]);
    words.set([input, half, input + half, datagram.length - half], 16);
    words.set([cipher, BYTES], 48);
    words.set([clearIn, clear.length], 80);
    words.set([clearOut, BYTES], 112);
    const result = what();
    const list = (from, at) => {
      let end = from;
      return Array.from({ length: words[at] }, (_, i) => u8.slice(end, (end += words[at + 1 + i])));
    };
    return { result, out: list(cipher, 144), clear: list(clearOut, 200) };
  };
  const listen = (datagram) => run(() => engine.listen(server, { name, mtu: 1232 }), datagram);
  const step = (connection, ...rest) => run(() => engine.stepDatagram(connection), ...rest);
  refused("EINVAL", () => engine.listen(client, { name, mtu: 1232 }));
  refused("EINVAL", () => engine.listen(stream, { name, mtu: 1232 }));
  refused("EINVAL", () => engine.listen(server, { name: new Uint8Array(65), mtu: 1232 }));
  refused("EINVAL", () => engine.listen(server, { name, mtu: 255 }));
  refused("ENOENT", () => engine.listen(9999, { name, mtu: 1232 }));
  refused("ENOENT", () => engine.stepDatagram(9999));
  const streaming = engine.open(stream, {});
  refused("EINVAL", () => engine.stepDatagram(streaming));
  engine.close(streaming);
  for (let i = 0; i < 400; i++) {
    const near = engine.open(client, { hostname: "weft.test", mtu: i % 3 === 0 ? 256 : 1232 });
    refused("EINVAL", () => engine.step(near));
    const [hello] = step(near).out;
    for (const cut of [0, 1, 13, i % hello.length]) listen(hello.subarray(0, cut));
    const [again] = listen(hello).out;
    let [second] = step(near, again).out;
    if (i % 5 === 4) second = second.map((byte, at) => (at === (i * 7) % second.length ? byte ^ 0x41 : byte));
    const far = listen(second).result;
    if (i % 5 !== 4) assert.ok(far >= 0);
    if (far < 0) {
      engine.close(near);
      continue;
    }
    let toFar = [second];
    let toNear = [];
    for (let round = 0; round < 8; round++) {
      const hit = (datagram, at) =>
        i % 4 === 1 && at === round % 3
          ? datagram.map((byte, b) => (b === i % datagram.length ? byte ^ 1 : byte))
          : datagram;
      toNear = toFar.map(hit).flatMap((datagram) => step(far, datagram).out);
      toFar = toNear.map(hit).flatMap((datagram) => step(near, datagram).out);
      if (toNear.length === 0) toNear = step(far, NONE, NONE, 4).out;
      if (toFar.length === 0) toFar = step(near, NONE, NONE, 4).out;
    }
    const sent = step(near, NONE, new Uint8Array(1000).fill(7));
    const got = sent.out.flatMap((datagram) => step(far, datagram).clear);
    if (i % 4 !== 1 && i % 5 !== 4) assert.deepEqual(got.at(-1), new Uint8Array(1000).fill(7));
    step(near, NONE, new Uint8Array(16_385));
    for (const datagram of step(near, NONE, NONE, 2).out) step(far, datagram);
    engine.info(near);
    engine.reason(far);
    engine.close(near);
    engine.close(far);
    if (i % 50 === 0) engine.changeCookieSecret();
  }
  for (const context of [client, server, stream]) engine.removeContext(context);
}

/** Stapled responses: set anew under a context that outlives its certificate, cut anywhere, with any byte another one. */
function exerciseOcsp(window, engine, refused) {
  const { certificate, key } = engine.makePair("weft.test");
  const pair = engine.addPair(certificate, key);
  const server = engine.addContext({ server: true, pair });
  const client = engine.addContext({ server: false, ocsp: true });
  const stapled = () => {
    const ends = new Pair(window, engine, [client, server]);
    ends.shake();
    const { ocsp } = engine.info(ends.connections[0]);
    assert.equal(engine.info(ends.connections[1]).ocsp, undefined);
    ends.close();
    return ocsp?.length ?? 0;
  };
  assert.equal(stapled(), 0);
  const response = ocspResponse(certificate, { next: new Date(4e12) });
  for (let i = 0; i < response.length; i++) {
    engine.setOcsp(pair, response.subarray(0, i));
    for (const bit of [1, 0x80]) {
      const other = response.slice();
      other[i] ^= bit;
      engine.setOcsp(pair, other);
    }
  }
  assert.equal(engine.setOcsp(pair, new Uint8Array(20_000)), "ocsp: longer than 16380 bytes");
  assert.equal(engine.setOcsp(pair, response), undefined);
  assert.equal(stapled(), response.length);
  engine.setOcsp(pair, NONE);
  assert.equal(stapled(), 0);
  engine.setOcsp(pair, ocspResponse(certificate));
  for (const bytes of ["response", undefined, new Int32Array(4)]) refused("EINVAL", () => engine.setOcsp(pair, bytes));
  engine.removePair(pair);
  refused("ENOENT", () => engine.setOcsp(pair, response));
  assert.ok(stapled() > 0);
  for (const context of [client, server]) engine.removeContext(context);
}

/** @param {(code: string, action: () => unknown) => void} refused @param {(target: object) => void} feedNonsense */
export function exerciseTls(addon, refused, feedNonsense) {
  const window = addon.createWindow(8 << 20);
  window.commit(0, 4 << 20);
  refused("EINVAL", () => window.createTlsEngine(65, {}));
  refused("EFAULT", () => window.createTlsEngine(6 << 20, {}));
  refused("EINVAL", () => window.createTlsEngine(AREA));
  refused("EINVAL", () => window.createTlsEngine(AREA, { seed: new Uint8Array(31) }));
  refused("EINVAL", () => window.createTlsEngine(AREA, { seed: new Uint8Array(33) }));
  exerciseSeed(window, refused);
  const engine = window.createTlsEngine(AREA, {});
  feedNonsense(engine);
  const { certificate, key } = engine.makePair("weft.test");
  const pair = engine.addPair(certificate, key);
  const store = engine.addStore(certificate, NONE);
  // Broken texts: cut anywhere, with any byte another one.
  for (let i = 0; i < certificate.length; i += 7) {
    engine.addPair(certificate.subarray(0, i), key);
    const other = certificate.slice();
    other[i] ^= 0x15;
    for (const made of [engine.addPair(other, key), engine.addPair(certificate, key.subarray(0, i))]) {
      if (typeof made === "number") engine.removePair(made);
    }
    const trusted = engine.addStore(other, NONE);
    if (typeof trusted === "number") engine.removeStore(trusted);
  }
  exerciseTickets(window, engine, pair, store, refused);
  exerciseDatagrams(window, engine, pair, store, refused);
  exerciseOcsp(window, engine, refused);
  engine.logKeys(true);
  const client = engine.addContext({ server: false, store, verify: 2, alpn: Uint8Array.of(2, 104, 50) });
  const old = engine.addContext({
    server: false,
    store,
    verify: 2,
    maxVersion: 0x0303,
    alpn: Uint8Array.of(2, 104, 51),
  });
  const server = engine.addContext({ server: true, pair, alpn: Uint8Array.of(2, 104, 51, 2, 104, 50) });
  const asking = engine.addContext({ server: true, asks: true });
  for (const [from, to] of [
    [client, server],
    [old, server],
    [client, asking],
  ]) {
    const ends = new Pair(window, engine, [from, to], { hostname: "weft.test" });
    ends.shake();
    if (to === asking) {
      engine.answer(ends.connections[1], server);
      engine.answer(ends.connections[1], -1);
      ends.shake();
    }
    assert.equal(ends.step(0, 100_000).sent, 100_000);
    assert.equal(ends.step(1, 5, 0, 1000).got, 1000);
    assert.equal(ends.step(1, 0, 0).got, 99_000);
    assert.equal(ends.step(0, 7, 2).bits & 8, 8);
    assert.equal(ends.step(1, 0, 2).bits & 12, 12);
    assert.equal(engine.info(ends.connections[0]).version, from === old ? "TLSv1.2" : "TLSv1.3");
    ends.close();
  }
  // What is only reported.
  const stranger = engine.addPair(...Object.values(engine.makePair("other.test")));
  const reporting = engine.addContext({ server: false, store, verify: 3 });
  const curious = engine.addContext({ server: true, pair, store, verify: 3 });
  const unknown = engine.addContext({ server: true, pair: stranger });
  for (const [from, to, told] of [
    [reporting, unknown, ["DEPTH_ZERO_SELF_SIGNED_CERT", undefined]],
    [reporting, curious, [undefined, "UNABLE_TO_GET_ISSUER_CERT"]],
  ]) {
    const ends = new Pair(window, engine, [from, to], { hostname: "any.test" });
    ends.shake();
    assert.deepEqual(
      ends.connections.map((each) => engine.info(each).verifyError),
      told,
    );
    ends.close();
  }
  for (const context of [reporting, curious, unknown]) engine.removeContext(context);
  engine.removePair(stranger);
  refused("EINVAL", () => engine.addContext({ server: true, verify: 4 }));
  // What breaks on the wire: each byte of a handshake and of data, one at a time.
  for (let i = 0; i < 300; i++) {
    const ends = new Pair(window, engine, [i % 2 === 0 ? client : old, server], {
      address: Uint8Array.of(198, 18, 0, 1),
    });
    for (let round = 0; round < 4; round++) {
      for (const end of [0, 1]) {
        ends.step(end, round > 1 ? 50 : 0, round === 3 ? 1 : 0);
        if (i % 4 === round && ends.waiting[1 - end] > i) ends.u8[BUFFERS[1 - end] + i] ^= 1 << (i % 8);
      }
    }
    for (const connection of ends.connections) {
      engine.reason(connection);
      engine.info(connection);
    }
    ends.close();
  }
  // 300 handshakes have more secrets than are kept.
  const keys = engine.takeKeys();
  assert.ok(keys.length > 60_000 && keys.length <= 65_536 && keys.endsWith("\n"), String(keys.length));
  engine.logKeys(false);
  engine.logKeys(true);
  const words = new Int32Array(window.buffer, AREA, 256);
  const connection = engine.open(client, {});
  for (const [count, offset, length] of [
    [17, 0, 0],
    [-1, 0, 0],
    [1, 5 << 20, 1],
    [1, -5, 1],
    [1, 0, -1],
    [1, 1 << 21, 0x7fff_ffff],
  ]) {
    for (let direction = 0; direction < 4; direction++) {
      words.fill(0);
      words[1 + direction] = count;
      words.set([offset, length], 16 + 32 * direction);
      refused("EFAULT", () => engine.step(connection));
    }
  }
  words.fill(0);
  engine.removePair(pair);
  engine.removeStore(store);
  // Another store for a context that is in use, and what is none.
  const shaking = new Pair(window, engine, [client, server], { hostname: "weft.test" });
  const empty = engine.addStore(engine.makePair("other.test").certificate, NONE);
  shaking.step(0);
  assert.equal(engine.setStore(client, empty), true);
  engine.removeStore(empty);
  shaking.shake();
  assert.match(engine.reason(shaking.connections[0]), /certificate verify failed/);
  shaking.close();
  assert.deepEqual([engine.setStore(client, empty), engine.setStore(9999, store)], [false, false]);
  refused("EINVAL", () => engine.setStore(-1, store));
  refused("EINVAL", () => engine.setStore(client));
  for (const context of [client, old, server, asking]) engine.removeContext(context);
  refused("ENOENT", () => engine.open(client, {}));
  words.fill(0);
  assert.equal(engine.step(connection), 32);
  window.close();
  refused("EFAULT", () => {
    words[1] = 1;
    return engine.step(connection);
  });
}
