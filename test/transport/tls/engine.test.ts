import { X509Certificate } from "node:crypto";
import { afterEach, describe, expect, test } from "vitest";
import {
  TLS_1_2,
  TLS_1_3,
  TLS_IN_CLOSE,
  TLS_IN_END,
  TLS_MAX_RECORD_BYTES,
  TLS_OUT_ASKS,
  TLS_OUT_BLOCKED,
  TLS_OUT_END_SENT,
  TLS_OUT_FAILED,
  TLS_OUT_OPEN,
  TLS_OUT_PEER_ENDED,
  TLS_OUT_PENDING,
  TLS_OUT_TRUNCATED,
  TLS_VERIFY_NONE,
  TLS_VERIFY_REQUIRE,
  type TlsContextSettings,
} from "../../../src/transport/tls/engine.js";
import { EnginePair, must } from "./engine-pair.js";

const NONE = new Uint8Array(0);
const pairs: EnginePair[] = [];

function make(...settings: ConstructorParameters<typeof EnginePair>): EnginePair {
  const pair = new EnginePair(...settings);
  pairs.push(pair);
  return pair;
}

afterEach(() => {
  for (const pair of pairs.splice(0)) pair.close();
});

const pattern = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** Bodies of the records of a stream, by type and length. */
function records(stream: Uint8Array): [type: number, length: number][] {
  const found: [number, number][] = [];
  for (let at = 0; at + 5 <= stream.length; ) {
    const length = (stream[at + 3] << 8) | stream[at + 4];
    found.push([stream[at], length]);
    at += 5 + length;
  }
  return found;
}

describe("the handshake", () => {
  test.each([
    [TLS_1_3, "TLSv1.3", /^TLS_AES_|^TLS_CHACHA20_/],
    [TLS_1_2, "TLSv1.2", /^ECDHE-ECDSA-(AES\d+-GCM|CHACHA20)/],
  ])("version %i", (maxVersion, version, cipher) => {
    const { client, server } = make({ maxVersion }).open();
    for (const end of [client, server]) {
      const info = end.engine.info(end.connection);
      expect(info.version).toBe(version);
      expect(info.cipher).toMatch(cipher);
    }
    expect(server.engine.info(server.connection).serverName).toBe("weft.test");
    const { certificate = NONE } = client.engine.info(client.connection);
    expect(new X509Certificate(certificate).subject).toBe("CN=weft.test");
    expect(server.engine.info(server.connection).certificate).toBeUndefined();
  });

  test("older versions, CBC and RSA key exchange are not spoken", () => {
    expect(() => make({ maxVersion: 0x0302 })).toThrow("maxVersion");
    const cbc = make({ maxVersion: TLS_1_2, ciphers: "ECDHE-ECDSA-AES128-SHA256" });
    expect(cbc.settle()[1] & TLS_OUT_FAILED).toBe(TLS_OUT_FAILED);
    expect(cbc.server.reason).toBe("no shared cipher");
    expect(cbc.client.reason).toBe("sslv3 alert handshake failure");
  });

  test("settings that OpenSSL does not know are refused", () => {
    const { engine } = make();
    expect(engine.addContext({ server: false, ciphers: "NONSENSE" })).toBe("ciphers: no cipher match");
    expect(engine.addContext({ server: false, suites: "NONSENSE" })).toBe("suites: no cipher match");
    expect(engine.addContext({ server: false, groups: "NONSENSE" })).toContain("groups: ");
    expect(engine.addContext({ server: false, minVersion: TLS_1_3, maxVersion: TLS_1_2 })).toBe("version: not usable");
    expect(engine.addContext({ server: false, pair: 77 })).toBe("pair: not usable");
    expect(engine.addContext({ server: false, store: 77 })).toBe("store: not usable");
    expect(() => engine.addContext({ server: false, alpn: Uint8Array.of(9, 1) })).toThrow("alpn: lengths do not fit");
  });

  test.each<[string, Partial<TlsContextSettings>, string, string, string]>([
    ["a wrong name", {}, "other.test", "certificate verify failed: hostname mismatch", "sslv3 alert bad certificate"],
    [
      "nobody trusted",
      { store: -1 },
      "weft.test",
      "certificate verify failed: self-signed certificate",
      "tlsv1 alert unknown ca",
    ],
  ])("%s: each end has its reason", (_what, settings, hostname, mine, theirs) => {
    const { client, server } = make(settings, {}, hostname);
    for (let i = 0; i < 8; i++) {
      client.step();
      server.step();
    }
    expect(client.reason).toBe(mine);
    expect(server.reason).toBe(theirs);
  });

  test("a client that does not verify takes any certificate", () => {
    const { client } = make({ store: -1, verify: TLS_VERIFY_NONE }, {}, "other.test").open();
    expect(client.reason).toBe("");
  });

  test("certificates of clients: required, given, absent", () => {
    const absent = make({}, { verify: TLS_VERIFY_REQUIRE });
    absent.settle();
    expect(absent.server.reason).toBe("peer did not return a certificate");
    const given = make({ pair: 0 }, { verify: TLS_VERIFY_REQUIRE }).open();
    const { certificate = NONE } = given.engine.info(given.server.connection);
    expect(new X509Certificate(certificate).subject).toBe("CN=weft.test");
  });

  test("ALPN: the server's order counts; nothing in common is refused", () => {
    const h = (names: string[]): Uint8Array =>
      text(names.map((name) => String.fromCharCode(name.length) + name).join(""));
    const both = make({ alpn: h(["h2", "http/1.1"]) }, { alpn: h(["http/1.1", "h2"]) }).open();
    for (const end of [both.client, both.server]) expect(end.engine.info(end.connection).alpn).toBe("http/1.1");
    const none = make({ alpn: h(["h2"]) }, { alpn: h(["http/1.1"]) });
    none.settle();
    expect(none.client.reason).toBe("tlsv1 alert no application protocol");
  });

  test("the certificate is asked for by name, and the handshake goes on when it is there", () => {
    const { engine, client, server } = make({}, { pair: -1, asks: true });
    client.step();
    expect(server.step()).toBe(TLS_OUT_ASKS);
    expect(server.step()).toBe(TLS_OUT_ASKS);
    expect(engine.info(server.connection).serverName).toBe("weft.test");
    const late = must(engine.addContext({ server: true, pair: 0 }));
    engine.answer(server.connection, late);
    engine.removeContext(late);
    for (let i = 0; i < 8; i++) {
      client.step();
      server.step();
    }
    expect(client.step() & TLS_OUT_OPEN).toBe(TLS_OUT_OPEN);
    const refused = make({}, { pair: -1, asks: true });
    refused.settle();
    refused.engine.answer(refused.server.connection, -1);
    refused.settle();
    expect(refused.server.reason).toBe("no suitable signature algorithm");
  });
});

describe("data", () => {
  test.each([40, 100, 1460, 20_000])("goes both ways, in spans of %i bytes", (spanBytes) => {
    const { client, server } = make().open();
    client.spanBytes = server.spanBytes = spanBytes;
    const up = pattern(100_000);
    const down = pattern(70_001);
    client.clearIn.put(up);
    server.clearIn.put(down);
    // Two records of a small span fit into the room of a step.
    for (let i = 0; i < 200_000 / spanBytes + 40; i++) {
      client.step();
      server.step();
    }
    expect(Buffer.compare(server.clearOut.take(), up)).toBe(0);
    expect(Buffer.compare(client.clearOut.take(), down)).toBe(0);
  });

  test("records are as long as they may be", () => {
    const { client } = make().open();
    client.clearIn.put(pattern(40_000));
    client.step();
    expect(records(client.cipherOut.take())).toEqual([
      [23, TLS_MAX_RECORD_BYTES + 17],
      [23, TLS_MAX_RECORD_BYTES + 17],
      [23, 40_000 - 2 * TLS_MAX_RECORD_BYTES + 17],
    ]);
    client.recordBytes = 1000;
    client.clearIn.put(pattern(2500));
    client.step();
    expect(records(client.cipherOut.take())).toEqual([
      [23, 1017],
      [23, 1017],
      [23, 517],
    ]);
  });

  test("room for ciphertext runs out between records, and they are not begun", () => {
    const { client, server } = make().open();
    client.clearIn.put(pattern(40_000));
    client.cipherRoom = 20_000;
    expect(client.step()).toBe(TLS_OUT_OPEN | TLS_OUT_BLOCKED);
    expect(client.clearIn.bytes.length).toBe(40_000 - TLS_MAX_RECORD_BYTES);
    client.cipherRoom = 100;
    expect(client.step()).toBe(TLS_OUT_OPEN | TLS_OUT_BLOCKED);
    client.cipherRoom = 200_000;
    expect(client.step()).toBe(TLS_OUT_OPEN);
    server.step();
    expect(Buffer.compare(server.clearOut.take(), pattern(40_000))).toBe(0);
  });

  test("a handshake through little room comes about", () => {
    const { client, server } = make();
    client.cipherRoom = server.cipherRoom = 50;
    for (let i = 0; i < 200; i++) {
      client.step();
      server.step();
    }
    expect(client.step() & server.step() & TLS_OUT_OPEN).toBe(TLS_OUT_OPEN);
  });

  test("clear text without room waits, and is told of", () => {
    const { client, server } = make().open();
    client.clearIn.put(pattern(1000));
    client.step();
    server.clearRoom = 400;
    expect(server.step()).toBe(TLS_OUT_OPEN | TLS_OUT_PENDING);
    expect(server.clearOut.bytes.length).toBe(400);
    expect(server.step() | server.step()).toBe(TLS_OUT_OPEN | TLS_OUT_PENDING);
    expect(Buffer.compare(server.clearOut.take(), pattern(1000))).toBe(0);
  });
});

describe("the end", () => {
  test.each([TLS_1_2, TLS_1_3])("close_notify after the last byte, each way for itself, version %i", (maxVersion) => {
    const { client, server } = make({ maxVersion }).open();
    client.clearIn.put(pattern(10));
    expect(client.step(TLS_IN_CLOSE)).toBe(TLS_OUT_OPEN | TLS_OUT_END_SENT);
    expect(server.step()).toBe(TLS_OUT_OPEN | TLS_OUT_PEER_ENDED);
    expect(server.clearOut.take()).toEqual(pattern(10));
    server.clearIn.put(pattern(20));
    server.step();
    expect(client.step() & TLS_OUT_FAILED).toBe(0);
    expect(client.clearOut.take()).toEqual(pattern(20));
    server.step(TLS_IN_CLOSE);
    expect(client.step()).toBe(TLS_OUT_OPEN | TLS_OUT_END_SENT | TLS_OUT_PEER_ENDED);
  });

  test("the end of the transport's stream without close_notify is a truncation", () => {
    const { client, server } = make().open();
    client.clearIn.put(pattern(10));
    client.step();
    const bits = server.step(TLS_IN_END);
    expect(bits & (TLS_OUT_FAILED | TLS_OUT_TRUNCATED)).toBe(TLS_OUT_FAILED | TLS_OUT_TRUNCATED);
    expect(server.clearOut.take()).toEqual(pattern(10));
    expect(server.reason).toBe("unexpected eof while reading");
  });

  test("with close_notify before it, it is not", () => {
    const { client, server } = make().open();
    client.step(TLS_IN_CLOSE);
    expect(server.step(TLS_IN_END)).toBe(TLS_OUT_OPEN | TLS_OUT_PEER_ENDED);
  });
});

describe("secrets", () => {
  test("are kept on request, and taken once", () => {
    const silent = make().open();
    expect(silent.engine.takeKeys()).toBe("");
    const pair = make();
    pair.engine.logKeys(true);
    pair.open();
    const lines = pair.engine.takeKeys().split("\n");
    // Both ends are of one engine, so each secret is there twice.
    expect(new Set(lines.slice(0, -1)).size).toBe((lines.length - 1) / 2);
    expect(lines[0]).toMatch(/^[A-Z_0-9]+ [0-9a-f]{64} [0-9a-f]{64,96}$/);
    expect(pair.engine.takeKeys()).toBe("");
    pair.engine.logKeys(false);
    expect(pair.engine.takeKeys()).toBe("");
  });
});

describe("credentials", () => {
  test("each defect of a text has its reason", () => {
    const { engine } = make();
    const good = engine.makePair("a.test");
    const other = engine.makePair("b.test");
    const half = good.certificate.subarray(0, 200);
    const broken = text(new TextDecoder().decode(good.certificate).replace(/M/g, "@"));
    const more = new Uint8Array([...good.certificate, ...broken]);
    expect(engine.addPair(NONE, good.key)).toBe("certificate: no start line");
    expect(engine.addPair(half, good.key)).toBe("certificate: bad end line");
    expect(engine.addPair(broken, good.key)).toBe("certificate: bad base64 decode");
    expect(engine.addPair(more, good.key)).toBe("certificate chain: bad base64 decode");
    expect(engine.addPair(good.certificate, NONE)).toContain("key: ");
    expect(engine.addPair(good.certificate, other.key)).toBe("key: key values mismatch");
    expect(engine.addPair(new Uint8Array(65_537), good.key)).toBe("certificate: longer than 65536 bytes");
    expect(engine.addPair(good.certificate, new Uint8Array(65_537))).toBe("key: longer than 65536 bytes");
    expect(engine.addStore(NONE, NONE)).toBe("certificates: nothing in it");
    expect(engine.addStore(broken, NONE)).toBe("certificates: bad base64 decode");
    expect(engine.addStore(good.certificate, good.certificate)).toBe("crl: nothing in it");
    expect(() => engine.makePair("no name")).toThrow('name: not a host name: "no name"');
  });

  test("what is removed lives on in who uses it", () => {
    const { engine, ...pair } = make();
    expect([engine.removePair(0), engine.removeStore(0), engine.removeContext(0), engine.removeContext(1)]).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect([engine.removePair(0), engine.removeStore(0), engine.removeContext(0)]).toEqual([false, false, false]);
    for (let i = 0; i < 8; i++) {
      pair.client.step();
      pair.server.step();
    }
    expect(pair.client.step() & pair.server.step() & TLS_OUT_OPEN).toBe(TLS_OUT_OPEN);
    expect(() => engine.open(1, {})).toThrow("context 1: there is none");
  });

  test("Node's root certificates are one store", () => {
    const { engine } = make();
    expect(engine.roots()).toBe(engine.roots());
    expect(engine.addContext({ server: false, store: engine.roots() })).toBeTypeOf("number");
  });
});
