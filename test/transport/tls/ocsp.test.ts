import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { App } from "../../../src/app/app.js";
import { NativeWindow } from "../../../src/host/native-window.js";
import { opensslEngine } from "../../../src/host/openssl-engine.js";
import { SeededRandom } from "../../../src/random/seeded.js";
import type { TlsOptions } from "../../../src/transport/tls/crypto-config.js";
import { TLS_1_2, TLS_1_3, type TlsPairText } from "../../../src/transport/tls/engine.js";
import { ocspResponse } from "../../native/ocsp-response.mjs";
import { End, must, Pipe } from "./engine-pair.js";
import { pattern, TlsStacks } from "./two-stacks.js";

const NONE = new Uint8Array(0);
/** Of a response. */
const MAX_BYTES = 16_380;
const TOMORROW = new Date(Date.now() + 86_400_000);

/** Another text in the middle of bytes. */
function replaced(bytes: Uint8Array, from: string, to: string): Uint8Array {
  const text = Buffer.from(bytes).toString("latin1");
  if (!text.includes(from)) throw new Error(`no ${from}`);
  return Uint8Array.from(Buffer.from(text.replace(from, to), "latin1"));
}

describe("the OCSP response of a certificate", () => {
  let net: TlsStacks;
  let server: App;
  let client: App;
  let own: TlsPairText;
  let pair: number;
  let trust: number;
  /** `ticketKeyMs` 0: no session is resumed. */
  async function begin(ticketKeyMs = 0): Promise<void> {
    net = new TlsStacks({ ticketKeyMs });
    client = await net.attach(0);
    server = await net.attach(1, { certificate: async () => pair });
    own = net.tls(1).store.engine.makePair("localhost");
    pair = await server.addCertificate(own);
    trust = await client.addTrust(own.certificate);
  }
  beforeEach(() => begin());
  afterEach(() => net.close());

  /** What the client gets with the certificate. */
  async function stapled(options: TlsOptions = {}): Promise<Uint8Array | undefined> {
    const tls = { trust, ocsp: true, ...options };
    const session = await net.connect(client, "tls://[localhost]198.18.0.2/443", { tls });
    const { ocsp } = session.tlsInfo() ?? {};
    expect(net.ears[1].session.tlsInfo()?.ocsp).toBeUndefined();
    session.write(pattern(1));
    net.ears[1].session.write(pattern(1));
    await net.pass();
    session.close();
    net.ears[1].session.close();
    await net.pass();
    return ocsp;
  }

  describe.each([
    ["1.2", TLS_1_2],
    ["1.3", TLS_1_3],
  ])("TLS %s", (_name, maxVersion) => {
    test("goes with it to who asks, and changes under a listener", async () => {
      const profile = await client.addTlsProfile({ maxVersion });
      await server.listen("tls://0.0.0.0/443", { tls: { pair } });
      expect(await stapled({ profile })).toBeUndefined();
      const first = ocspResponse(own.certificate);
      await server.setOcsp(pair, first);
      expect(await stapled({ profile })).toEqual(first);
      expect(await stapled({ profile, ocsp: false })).toBeUndefined();
      // The longest one.
      const make = (padding: number): Uint8Array => ocspResponse(own.certificate, { next: TOMORROW, padding });
      const second = make(MAX_BYTES - make(1000).length + 1000);
      expect(second).toHaveLength(MAX_BYTES);
      await server.setOcsp(pair, second);
      expect(await stapled({ profile })).toEqual(second);
      await server.setOcsp(pair, NONE);
      expect(await stapled({ profile })).toBeUndefined();
    });

    test("goes with a certificate that was asked for by name", async () => {
      const profile = await client.addTlsProfile({ maxVersion });
      await server.listen("tls://0.0.0.0/443", { tls: { pair: "ask" } });
      const response = ocspResponse(own.certificate);
      await server.setOcsp(pair, response);
      expect(await stapled({ profile })).toEqual(response);
    });

    test("does not come to who resumes a session: there is no certificate", async () => {
      net.close();
      await begin(60_000);
      const profile = await client.addTlsProfile({ maxVersion });
      await server.setOcsp(pair, ocspResponse(own.certificate));
      await server.listen("tls://0.0.0.0/443", { tls: { pair } });
      expect([await stapled({ profile }), await stapled({ profile })]).toEqual([expect.any(Uint8Array), undefined]);
      expect(net.tls(0).completed.resumed).toBe(1);
    });
  });

  test("stays with a certificate that was taken away", async () => {
    const response = ocspResponse(own.certificate);
    await server.setOcsp(pair, response);
    await server.listen("tls://0.0.0.0/443", { tls: { pair } });
    await server.delCertificate(pair);
    expect(await stapled()).toEqual(response);
    await expect(server.setOcsp(pair, response)).rejects.toThrow("NOCRYPTOCKP");
  });

  test("a certificate of a client's has none for the server", async () => {
    const mine = await client.addCertificate(own);
    await client.setOcsp(mine, ocspResponse(own.certificate));
    await server.listen("tls://0.0.0.0/443", {
      tls: { pair, verify: "require", trust: await server.addTrust(own.certificate) },
    });
    expect(await stapled({ pair: mine })).toBeUndefined();
    expect(net.ears[1].heard[0]).toBe("accept");
  });

  test.each<[string, (own: Uint8Array) => Uint8Array, string]>([
    ["nonsense", () => pattern(100), "ocsp: not a response in DER"],
    ["half a response", (own) => ocspResponse(own).subarray(0, 60), "ocsp: not a response in DER"],
    ["a response and a byte", (own) => Buffer.concat([ocspResponse(own), pattern(1)]), "ocsp: not a response in DER"],
    ["try later", (own) => ocspResponse(own, { status: 3 }), "ocsp: a response without success"],
    ["one that has run out", (own) => ocspResponse(own, { next: new Date(1000) }), "ocsp: has run out"],
    [
      "one that runs out in month 13",
      (own) => replaced(ocspResponse(own, { next: new Date(Date.UTC(2049, 0, 1)) }), "20490101", "20491301"),
      "ocsp: a next update that is no time",
    ],
    ["one that is too long", (own) => ocspResponse(own, { padding: 16_300 }), "ocsp: longer than 16380 bytes"],
    [
      "one of another certificate",
      () => ocspResponse(net.tls(0).store.testPair.certificate),
      "ocsp: of another certificate",
    ],
  ])("%s is INVALID, and what was there stays", async (_what, make, why) => {
    const response = ocspResponse(own.certificate);
    await server.setOcsp(pair, response);
    await expect(server.setOcsp(pair, make(own.certificate))).rejects.toThrow(`certificate: ${why} (INVALID)`);
    await server.listen("tls://0.0.0.0/443", { tls: { pair } });
    expect(await stapled()).toEqual(response);
  });

  test("is its owner's to set: NOCRYPTOCKP, OWNER; what is no bytes is INVALID", async () => {
    const response = ocspResponse(own.certificate);
    const other = await net.attach(1);
    await expect(other.setOcsp(pair, response)).rejects.toThrow("NOCRYPTOCKP");
    await expect(server.setOcsp(0, response)).rejects.toThrow("NOCRYPTOCKP");
    const shared = net.tls(1).store.addPair(own);
    await expect(server.setOcsp(shared, response)).rejects.toThrow("OWNER");
    const untyped = Reflect.apply(server.setOcsp, server, [pair, "response"]) as Promise<void>;
    await expect(untyped).rejects.toThrow("certificate: ocsp: no bytes (INVALID)");
  });
});

test("a response that has run out is not stapled any more", () => {
  const native = new NativeWindow({ bytes: 8 << 20, hugePages: false });
  let nowS = 1_767_225_600;
  const engine = opensslEngine(native, { random: new SeededRandom(1), nowS: () => nowS });
  const { certificate, key } = engine.makePair("localhost");
  const pair = must(engine.addPair(certificate, key));
  const [client, server] = [
    { server: false, ocsp: true },
    { server: true, pair },
  ].map((each) => must(engine.addContext(each)));
  const [up, down] = ["up", "down"].map((name) => new Pipe(native.window, name));
  const response = ocspResponse(certificate, { next: new Date(1000 * (nowS + 3600)) });
  expect(engine.setOcsp(pair, response)).toBeUndefined();
  const stapled = (): Uint8Array | undefined => {
    const ends = [
      new End(engine, native.window, engine.open(client, {}), down, up),
      new End(engine, native.window, engine.open(server, {}), up, down),
    ];
    for (let i = 0; i < 4; i++) for (const end of ends) end.step();
    const { certificate: theirs, ocsp } = engine.info(ends[0].connection);
    expect(theirs).toBeDefined();
    for (const end of ends) engine.close(end.connection);
    up.take();
    down.take();
    return ocsp;
  };
  nowS += 3600;
  expect(stapled()).toEqual(response);
  nowS += 1;
  expect(stapled()).toBeUndefined();
  native.window.close();
});
