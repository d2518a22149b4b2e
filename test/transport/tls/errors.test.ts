import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { App } from "../../../src/app/app.js";
import type { TlsOptions } from "../../../src/transport/tls/crypto-config.js";
import { CryptoStore } from "../../../src/transport/tls/crypto-store.js";
import { TLS_1_2, TLS_1_3 } from "../../../src/transport/tls/engine.js";
import { SeededRandom } from "../../../src/random/seeded.js";
import { pattern, TlsStacks } from "./two-stacks.js";

let net: TlsStacks;
beforeEach(() => {
  net = new TlsStacks();
});
afterEach(() => net.close());

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const SERVER = "tls://[localhost]198.18.0.2/443";

async function listen(tls: TlsOptions = {}): Promise<App> {
  const app = await net.attach(1);
  await app.listen("tls://0.0.0.0/443", { tls });
  return app;
}

/** A connect of the client's, which trusts the server's test certificate. */
async function refusal(uri = SERVER, tls: TlsOptions = {}): Promise<string> {
  return net.refusal(await net.attach(0), uri, { tls: { trust: net.trustServer(), ...tls } });
}

const reasons = (side: 0 | 1): [string, number][] => [...net.tls(side).failures.all()];

describe("a handshake fails with its reason, at both ends", () => {
  test("a certificate for another name", async () => {
    await listen();
    expect(await refusal("tls://[other.test]198.18.0.2/443")).toBe(
      "certificate verify failed: hostname mismatch (TLS_HANDSHAKE)",
    );
    expect(await net.leftovers()).toEqual([]);
    expect(reasons(1)).toEqual([["sslv3 alert bad certificate", 1]]);
    expect(net.ears[1].heard).toEqual([]);
  });

  test("without a name, the certificate has to be for the address", async () => {
    await listen();
    expect(await refusal("tls://198.18.0.2/443")).toBe(
      "certificate verify failed: IP address mismatch (TLS_HANDSHAKE)",
    );
    expect(await net.leftovers()).toEqual([]);
  });

  test("nobody trusts it: Node's root certificates count where nothing is said", async () => {
    await listen();
    expect(await net.refusal(await net.attach(0), SERVER)).toBe(
      "certificate verify failed: self-signed certificate (TLS_HANDSHAKE)",
    );
    expect(await refusal(SERVER, { trust: 0, verify: "none" })).toBe("connected");
    expect(reasons(1)).toEqual([["tlsv1 alert unknown ca", 1]]);
  });

  test("no version in common", async () => {
    const { store } = net.tls(1);
    await listen({ profile: store.addProfile({ minVersion: TLS_1_3 }) });
    const profile = net.tls(0).store.addProfile({ maxVersion: TLS_1_2 });
    expect(await refusal(SERVER, { profile })).toBe("tlsv1 alert protocol version (TLS_HANDSHAKE)");
    expect(reasons(1)).toEqual([["unsupported protocol", 1]]);
    expect(await net.leftovers()).toEqual([]);
  });

  test("no application protocol in common", async () => {
    await listen({ alpn: ["h2"] });
    expect(await refusal(SERVER, { alpn: ["http/1.1"] })).toBe("tlsv1 alert no application protocol (TLS_HANDSHAKE)");
    expect(await net.leftovers()).toEqual([]);
  });

  test("a server that speaks no TLS", async () => {
    const app = await net.attach(1, { accept: (session) => void session.write(text("SSH-2.0-nothing here\r\n")) });
    await app.listen("tcp://0.0.0.0/443");
    expect(await refusal()).toBe("wrong version number (TLS_HANDSHAKE)");
    await net.pass(300);
    expect(net.tls(0).rows.used).toBe(0);
  });

  test("a server whose chain of certificates is longer than 64 KiB", async () => {
    // TLS 1.2, ECDHE-ECDSA-AES128-GCM-SHA256, secure renegotiation; then the head of a certificate message.
    const hello = [2, 0, 0, 45, 3, 3, ...pattern(32), 0, 0xc0, 0x2b, 0, 0, 5, 0xff, 1, 0, 1, 0];
    const bytes = Uint8Array.of(
      22,
      3,
      3,
      0,
      hello.length,
      ...hello,
      22,
      3,
      3,
      0,
      8,
      11,
      1,
      0x11,
      0x70,
      1,
      0x11,
      0x6d,
      0,
    );
    const app = await net.attach(1, { rx: (session) => void (session.drop(1e6) > 0 && session.write(bytes)) });
    await app.listen("tcp://0.0.0.0/443");
    const profile = net.tls(0).store.addProfile({ maxVersion: TLS_1_2 });
    expect(await refusal(SERVER, { profile })).toBe("excessive message size (TLS_HANDSHAKE)");
  });

  test("a server that closes in the middle, and one that resets", async () => {
    const app = await net.attach(1, {
      rx: (session) => void session.drop(1e6),
      accept: (session) => void session.halfClose(),
    });
    await app.listen("tcp://0.0.0.0/443");
    expect(await refusal()).toBe("unexpected eof while reading (TLS_HANDSHAKE)");
    const resets = await net.attach(1, { rx: (session) => void session.reset(), accept: () => true });
    await resets.listen("tcp://0.0.0.0/444");
    expect(await refusal("tls://[localhost]198.18.0.2/444")).toBe("connection reset by peer (TLS_HANDSHAKE)");
  });

  test("nobody listens: as over TCP", async () => {
    expect(await refusal()).toBe("refused (REFUSED)");
    expect(await net.leftovers()).toEqual([]);
  });

  test("the server that wants a certificate of the client", async () => {
    const { store } = net.tls(0);
    const own = store.addPair(store.testPair);
    const trust = net.tls(1).store.addTrust(store.testPair.certificate);
    await listen({ verify: "require", trust });
    // In TLS 1.3 the client is done before the server has looked.
    const app = await net.attach(0);
    const options = { tls: { trust: net.trustServer() } };
    await net.connect(app, SERVER, options);
    expect(net.ears[0].heard[0]).toBe("reset TLS_PROTOCOL: tlsv13 alert certificate required (TLS_PROTOCOL)");
    expect(net.ears[1].heard).toEqual([]);
    expect(reasons(1)).toEqual([["peer did not return a certificate", 1]]);
    await net.connect(app, SERVER, { tls: { ...options.tls, pair: own } });
    expect(net.ears[1].heard).toEqual(["accept"]);
    const { host } = net.stacks[1];
    const known = net.tls(1).info(host.sessions.connectionOf(net.ears[1].session.index));
    expect(known?.certificate?.length).toBeGreaterThan(200);
  });
});

describe("limits", () => {
  test("a handshake has so much time", async () => {
    net.close();
    net = new TlsStacks({ handshakeMs: 200 });
    await listen();
    // A client that stops after its first bytes, and a server that never answers.
    const app = await net.attach(0);
    const raw = await net.connect(app, "tcp://198.18.0.2/443");
    raw.write(Uint8Array.of(22, 3, 1));
    const silent = await net.attach(1, { rx: (session) => void session.drop(1e6) });
    await silent.listen("tcp://0.0.0.0/444");
    // Who leaves handshakes incomplete may be denied: a client, not the server that a client has chosen.
    for (const { host } of net.stacks) {
      expect(host.sessions.setEnabled(true, "sdl")).toBe(0);
      expect(host.sessions.apply({ kind: "auto-sdl", enable: true, threshold: 1 })).toBe(0);
    }
    const waiting = refusal("tls://[localhost]198.18.0.2/444");
    await net.pass(250);
    expect(await waiting).toBe("handshake timed out (TIMEDOUT)");
    const denied = net.stacks.map(({ host }) => host.sessions.autoSdl.counts().peersDenied);
    expect(denied).toEqual([0, 1]);
    expect(reasons(1)).toEqual([["handshake timed out", 1]]);
    expect(net.ears[0].heard[0]).toBe("disconnect");
    expect(net.tls(1).rows.used).toBe(1);
  });

  test("so many handshakes at once, and so many half-open sessions of a listener", async () => {
    net.close();
    net = new TlsStacks({ maxHandshakes: 3 });
    const server = await net.attach(1);
    await server.listen("tls://0.0.0.0/443");
    await server.listen("tls://0.0.0.0/444", { backlog: 1 });
    const app = await net.attach(0);
    for (const port of [444, 444, 443, 443, 443]) await net.connect(app, `tcp://198.18.0.2/${port}`);
    await net.pass(20);
    expect(net.tls(1).rows.used).toBe(2 + 3);
    expect(reasons(1)).toEqual([["too many handshakes under way", 1]]);
    expect(net.ears[0].heard.filter((each) => each.startsWith("reset"))).toHaveLength(2);
    await server.listeners[0].close();
    await server.listeners[0].close();
    expect(await net.leftovers()).toEqual([]);
  });
});

describe("what comes over the wire", () => {
  // What is no TLS at all is not answered in TLS.
  test.each<[string, Uint8Array, string, boolean]>([
    ["plain HTTP", text("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), "http request", false],
    ["random bytes", pattern(2000).subarray(5), "wrong version number", false],
    ["an oversized record", Uint8Array.of(22, 3, 1, 0xff, 0xff, 1), "packet length too long", true],
    ["application data first", Uint8Array.of(23, 3, 3, 0, 1, 0), "unexpected message", true],
    ["an alert", Uint8Array.of(21, 3, 1, 0, 2, 2, 40), "unexpected message", true],
    ["a client hello of nonsense", Uint8Array.of(22, 3, 1, 0, 8, 1, 0, 0, 4, 1, 2, 3, 4), "length mismatch", true],
  ])("%s on the TLS port: the end, after an alert", async (_what, bytes, reason, hasAlert) => {
    await listen();
    const raw = await net.connect(await net.attach(0), "tcp://198.18.0.2/443");
    raw.write(bytes);
    await net.pass();
    expect(reasons(1)).toEqual([[reason, 1]]);
    const answer = net.ears[0].read;
    expect([answer[0], answer.length]).toEqual(hasAlert ? [21, 7] : [undefined, 0]);
    expect(net.ears[0].heard).toEqual(["disconnect"]);
    raw.close();
    expect(await net.leftovers()).toEqual([]);
    expect(net.ears[1].heard).toEqual([]);
  });

  /** An open session, and the two sessions of TCP below it, by which the test can interfere. */
  async function below(): Promise<{ lower: number[] } & Awaited<ReturnType<TlsStacks["open"]>>> {
    const ends = await net.open();
    const lower = net.stacks.map(({ host }, i) => {
      const c = host.sessions.connectionOf([ends.client, ends.server][i].index);
      return Number(/tcp session (\d+)/.exec(host.tls?.format(c, 2) ?? "")?.[1]);
    });
    return { ...ends, lower };
  }

  /** Puts bytes into the client's stream as if its TLS had written them. */
  function inject(lower: number, bytes: Uint8Array): void {
    const { sessions, fifos, window } = net.stacks[0].host;
    const tx = window.i32[sessions.table.row(lower) + 5];
    fifos.write(tx, bytes, 0, bytes.length);
    sessions.wantTransmit(0, sessions.connectionOf(lower));
  }

  test.each<[string, Uint8Array, string, string]>([
    [
      "a record that is not right",
      Uint8Array.of(23, 3, 3, 0, 20, ...pattern(20)),
      "decryption failed or bad record mac",
      "sslv3 alert bad record mac",
    ],
    [
      "a record that is too long",
      Uint8Array.of(23, 3, 3, 0x48, 0),
      "packet length too long",
      "tlsv1 alert record overflow",
    ],
    [
      "an alert in the clear",
      Uint8Array.of(21, 3, 3, 0, 2, 2, 40),
      "bad record type",
      "sslv3 alert unexpected message",
    ],
    [
      "a client hello in the clear",
      Uint8Array.of(22, 3, 1, 0, 4, 1, 0, 0, 0),
      "bad record type",
      "sslv3 alert unexpected message",
    ],
  ])("%s in the middle of data resets the session, with an alert", async (_what, bytes, mine, theirs) => {
    const { client, lower } = await below();
    client.write(text("before"));
    await net.pass();
    inject(lower[0], bytes);
    await net.pass();
    expect(net.ears[1].read.toString()).toBe("before");
    expect(net.ears[1].heard[1]).toContain(`reset TLS_PROTOCOL: ${mine}`);
    expect(net.ears[0].heard[0]).toContain(`reset TLS_PROTOCOL: ${theirs}`);
    expect(await net.leftovers()).toEqual([]);
  });

  test("half a record, and then the end, is a truncation", async () => {
    const { lower } = await below();
    inject(lower[0], Uint8Array.of(23, 3, 3, 0, 200, ...pattern(50)));
    net.stacks[0].host.sessions.halfClose(lower[0]);
    await net.pass();
    expect(net.ears[1].heard[1]).toBe("reset TLS_TRUNCATED: tls stream ended without close_notify (TLS_TRUNCATED)");
    expect(net.ears[1].read).toHaveLength(0);
  });

  test("random bytes at any moment end the one session, and leave nothing", async () => {
    const server = await net.attach(1);
    await server.listen("tls://0.0.0.0/443");
    const app = await net.attach(0);
    const random = new SeededRandom(5);
    const trust = net.trustServer();
    const { host } = net.stacks[0];
    for (let round = 0; round < 60; round++) {
      const connecting = app.connect(SERVER, { tls: { trust } });
      connecting.catch(() => {});
      const turns = random.nextBelow(12);
      for (let i = 0; i < turns; i++) for (const { engine } of net.stacks) engine.turn();
      // The session of TCP below is the newest that has a fifo to write to.
      const lower = [...host.sessions.table].filter((s) => host.sessions.isWritable(s)).at(-1);
      const bytes = Uint8Array.from({ length: 1 + random.nextBelow(300) }, () => random.nextBelow(256));
      // Half of them look like a record.
      if (round % 2 === 0) bytes.set([20 + random.nextBelow(5), 3, 3, 0, random.nextBelow(100)].slice(0, bytes.length));
      if (lower !== undefined) inject(lower, bytes);
      await net.pass(3);
      for (const { sessions } of net.ears) for (const session of sessions.splice(0)) session.reset();
      void connecting.then(
        (session) => session.reset(),
        () => {},
      );
      await net.pass(3);
    }
    // Of those who never finished their handshake the time is over.
    for (let i = 0; i < 11; i++) {
      net.clock.advanceUs(1_000_000);
      await net.pass(1);
    }
    expect(await net.leftovers()).toEqual([]);
    expect(reasons(1).length).toBeGreaterThan(2);
  });

  test("the end of TCP's stream without close_notify is a truncation, told after what came before", async () => {
    net.ears[1].isReading = false;
    const { client, server, lower } = await below();
    client.write(text("all that"));
    await net.pass();
    net.stacks[0].host.sessions.halfClose(lower[0]);
    await net.pass();
    expect(net.ears[1].heard).toEqual(["accept"]);
    net.ears[1].take(server);
    await net.pass();
    expect(net.ears[1].read.toString()).toBe("all that");
    expect(net.ears[1].heard[1]).toBe("reset TLS_TRUNCATED: tls stream ended without close_notify (TLS_TRUNCATED)");
    expect(reasons(1)).toEqual([["unexpected eof while reading", 1]]);
  });
});

describe("what applications ask for", () => {
  test.each<[string, TlsOptions, string]>([
    ["an unknown certificate", { pair: 7 }, "cert key pair not found (NOCRYPTOCKP)"],
    ["unknown trust", { trust: 7 }, "cert key pair not found (NOCRYPTOCKP)"],
    ["an unknown profile", { profile: 7 }, "cert key pair not found (NOCRYPTOCKP)"],
    ["no index", { pair: -1 }, "tls: pair is no index (INVALID)"],
    [
      "no name",
      { alpn: [""] },
      "tls: alpn is no list of names of 1 to 255 characters, 255 with a byte for each (INVALID)",
    ],
  ])("%s is refused, and nothing is left", async (_what, tls, error) => {
    const app = await net.attach(1);
    await expect(app.listen("tls://0.0.0.0/443", { tls })).rejects.toThrow(error);
    expect(await refusal(SERVER, tls)).toBe(error);
    expect(await net.leftovers()).toEqual([]);
  });

  test("broken texts are refused with the reason", () => {
    const { store } = net.tls(0);
    const { certificate, key } = store.testPair;
    expect(() => store.addPair({ certificate: certificate.subarray(1), key })).toThrow("certificate: no start line");
    expect(() => store.addPair({ certificate, key: certificate })).toThrow("key: ");
    expect(() => store.addTrust(new Uint8Array(0))).toThrow("trust: certificates: nothing in it (INVALID)");
    expect(() => store.addProfile({ ciphers: "NONSENSE" })).toThrow("profile: ciphers: no cipher match (INVALID)");
    expect(() => store.delPair(0)).toThrow("certificate 0: there is none (NOCRYPTOCKP)");
    expect(() => store.delTrust(5)).toThrow("trust 5: there is none (NOCRYPTOCKP)");
  });

  test("a port is TCP's: who has it has it for both", async () => {
    await listen();
    const app = await net.attach(1);
    await expect(app.listen("tcp://0.0.0.0/443")).rejects.toThrow("ALREADY_LISTENING");
    await app.listen("tcp://0.0.0.0/80");
    await expect(app.listen("tls://0.0.0.0/80")).rejects.toThrow("ALREADY_LISTENING");
    const { uri, session } = await app.listen("tls://0.0.0.0/0");
    expect([uri, session.local?.port]).toEqual(["tls://0.0.0.0/0", expect.any(Number)]);
  });

  test("of what the store has no room for the engine keeps nothing", () => {
    const { engine } = net.tls(1).store;
    const made = { pairs: 0, stores: 0 };
    const store = new CryptoStore({ ...engine, addPair: () => made.pairs++, addStore: () => made.stores++ });
    const { testPair } = store;
    for (let i = 0; i < 4096; i++) {
      expect([store.addPair(testPair), store.addTrust(testPair.certificate)]).toEqual([i + 1, i + 1]);
    }
    for (let i = 0; i < 2; i++) {
      expect(() => store.addPair(testPair)).toThrow("certificate: more than 4096 (INVALID)");
      expect(() => store.addTrust(testPair.certificate)).toThrow("trust: more than 4096 (INVALID)");
    }
    expect(made).toEqual({ pairs: 4096, stores: 4096 });
  });

  test("TLS attaches under another name when an application has its own", async () => {
    await net.servers[1].attach({ name: "tls-0" }, {});
    await listen();
    expect(await refusal()).toBe("connected");
    const names = net.stacks[1].host.sessions.applications
      .all()
      .map(({ index, name }) => [name, net.tls(1).owns(index)]);
    expect(names).toEqual([
      ["tls-0", false],
      ["app0", false],
      ["tls-0.1", true],
    ]);
  });

  test("a certificate is changed while it is in use", async () => {
    const { store } = net.tls(1);
    const old = store.addPair(store.engine.makePair("localhost"));
    const server = await listen({ pair: old });
    expect(await refusal(SERVER, { verify: "none" })).toBe("connected");
    store.delPair(old);
    // The listener keeps it; a new one does not get it.
    expect(await refusal(SERVER, { verify: "none" })).toBe("connected");
    await expect(server.listen("tls://0.0.0.0/444", { tls: { pair: old } })).rejects.toThrow("NOCRYPTOCKP");
    const next = store.addPair(store.testPair);
    expect(next).toBe(old);
    await server.listen("tls://0.0.0.0/444", { tls: { pair: next } });
    expect(await refusal("tls://[localhost]198.18.0.2/444")).toBe("connected");
  });
});
