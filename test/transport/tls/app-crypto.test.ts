import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { AppCallbacks } from "../../../src/app/callbacks.js";
import type { Listener } from "../../../src/app/listener.js";
import { AppServer } from "../../../src/app/attach.js";
import type { App } from "../../../src/app/app.js";
import type { CertificateRequest } from "../../../src/session/certificate-request.js";
import { cryptoExtConfig, type TlsOptions } from "../../../src/transport/tls/crypto-config.js";
import { TRANSPORT_TLS } from "../../../src/transport/transport.js";
import type { CryptoStore } from "../../../src/transport/tls/crypto-store.js";
import { MAX_APP_THINGS, STACK_OWNER } from "../../../src/transport/tls/crypto-things.js";
import { TLS_1_3 } from "../../../src/transport/tls/engine.js";
import { Pair } from "../../cli/pair.js";
import { lacks } from "../../needs.js";
import { Authority } from "./authority.js";
import { TlsStacks } from "./two-stacks.js";

// VPP's cases of app_crypto (test_app_crypto): pairs added, deleted and default, CA trust with its revocation list, profiles.

let net: TlsStacks;
let store: CryptoStore;
beforeEach(() => {
  net = new TlsStacks();
  store = net.tls(1).store;
});
afterEach(() => net.close());

const SERVER = "tls://[localhost]198.18.0.2/443";
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** How a client that trusts what the server's stack has made fares. */
async function connects(tls: TlsOptions = {}, uri = SERVER): Promise<string> {
  return net.refusal(await net.attach(0), uri, { tls: { verify: "none", ...tls } });
}

/** Wrong indices, of which none is one. */
const NO_INDEX: unknown[] = [-1, 4096, 1.5, Number.NaN, "1", undefined, null, Symbol("index"), {}];

describe("certificates of an application", () => {
  test("are its own: added, used, deleted; 0 is the default", async () => {
    const app = await net.attach(1);
    const other = await net.attach(1);
    const pair = await app.addCertificate(store.testPair);
    expect(store.certificates().map(({ index, owner }) => [index, owner])).toEqual([
      [0, STACK_OWNER],
      [pair, app.index],
    ]);
    await app.listen("tls://0.0.0.0/443", { tls: { pair } });
    expect(await connects({ trust: net.trustServer(), verify: "require" })).toBe("connected");
    // Another application neither uses it nor takes it away, and does not learn that it is there.
    await expect(other.listen("tls://0.0.0.0/444", { tls: { pair } })).rejects.toThrow("NOCRYPTOCKP");
    await expect(other.delCertificate(pair)).rejects.toThrow(`certificate ${pair}: there is none (NOCRYPTOCKP)`);
    await other.listen("tls://0.0.0.0/444", { tls: { pair: 0 } });
    await app.delCertificate(pair);
    await expect(app.delCertificate(pair)).rejects.toThrow("NOCRYPTOCKP");
    await expect(app.listen("tls://0.0.0.0/445", { tls: { pair } })).rejects.toThrow("NOCRYPTOCKP");
  });

  test("the stack's are everybody's to use, and nobody's to delete", async () => {
    const pair = store.addPair(store.testPair);
    const app = await net.attach(1);
    await app.listen("tls://0.0.0.0/443", { tls: { pair } });
    await expect(app.delCertificate(pair)).rejects.toThrow(`certificate ${pair}: the stack's (OWNER)`);
    await expect(app.delCertificate(0)).rejects.toThrow("certificate 0: there is none (NOCRYPTOCKP)");
    const own = await app.addCertificate(store.testPair);
    expect(() => store.delPair(own)).toThrow(`certificate ${own}: application ${app.index}'s (OWNER)`);
    store.delPair(pair);
    expect(await connects()).toBe("connected");
  });

  test("go with it; what listens and is connected keeps them, and the next application cannot use them", async () => {
    const app = await net.attach(1);
    const [pair, trust, profile] = [
      await app.addCertificate(store.testPair),
      await app.addTrust(store.testPair.certificate),
      await app.addTlsProfile({ minVersion: TLS_1_3 }),
    ];
    await app.listen("tls://0.0.0.0/443", { tls: { pair, trust, profile } });
    expect(await connects()).toBe("connected");
    const { session } = net.ears[1];
    await app.delCertificate(pair);
    await app.delTrust(trust);
    await app.delTlsProfile(profile);
    expect(await connects()).toBe("connected");
    session.write(text("still here"));
    await net.pass();
    expect(net.ears[0].read.toString()).toBe("still here");
    const again = await app.addCertificate(store.testPair);
    expect(again).toBe(pair);
    for (const each of net.ears[0].sessions) each.reset();
    await app.detach();
    expect([store.certificates().length, store.trust().length, store.profiles().length]).toEqual([1, 0, 1]);
    await expect(app.addCertificate(store.testPair)).rejects.toThrow("NOAPP");
    await net.pass(50);
    const next = await net.attach(1);
    expect(next.index).toBe(app.index);
    await expect(next.listen("tls://0.0.0.0/443", { tls: { pair } })).rejects.toThrow("NOCRYPTOCKP");
  });

  test("a deleted worker is not the end of the application; the last one is", async () => {
    const app = await net.attach(1);
    const worker = await app.addWorker({});
    await app.addCertificate(store.testPair);
    await app.workers[0].delete();
    expect(store.certificates()).toHaveLength(2);
    await worker.delete();
    expect(store.certificates()).toHaveLength(1);
  });

  test("an index that has another thing now is not what a listener had", async () => {
    const app = await net.attach(1);
    const old = await app.addCertificate(store.engine.makePair("localhost"));
    await app.listen("tls://0.0.0.0/443", { tls: { pair: old } });
    await app.delCertificate(old);
    const other = await net.attach(1);
    expect(await other.addCertificate(store.testPair)).toBe(old);
    await other.listen("tls://0.0.0.0/444", { tls: { pair: old } });
    const trust = net.trustServer();
    expect(await connects({ trust, verify: "require" })).toContain("self-signed certificate");
    expect(await connects({ trust, verify: "require" }, "tls://[localhost]198.18.0.2/444")).toBe("connected");
  });

  test("so many of each, and no more; others have room", async () => {
    const app = await net.attach(1);
    for (let i = 0; i < MAX_APP_THINGS; i++) await app.addTlsProfile({});
    await expect(app.addTlsProfile({})).rejects.toThrow("profile: more than 64 (INVALID)");
    await app.addCertificate(store.testPair);
    await (await net.attach(1)).addTlsProfile({});
    await app.delTlsProfile(1);
    expect(await app.addTlsProfile({})).toBe(1);
  });

  test.each<[string, (app: App, value: never) => Promise<unknown>]>([
    ["delCertificate", (app, index) => app.delCertificate(index)],
    ["delTrust", (app, index) => app.delTrust(index)],
    ["updateCrl", (app, index) => app.updateCrl(index, text("no list"))],
    ["delTlsProfile", (app, index) => app.delTlsProfile(index)],
  ])("%s of what is no index is NOCRYPTOCKP", async (_name, call) => {
    const app = await net.attach(1);
    for (const index of NO_INDEX)
      await expect(call(app, index as never)).rejects.toThrow("there is none (NOCRYPTOCKP)");
  });

  test("texts that are none are refused by name, and nothing is kept of them", async () => {
    const app = await net.attach(1);
    const { certificate, key } = store.testPair;
    const broken = certificate.slice(0, 200);
    const long = new Uint8Array(65_537).fill(65);
    const none = undefined as never;
    await expect(app.addCertificate({ certificate: broken, key })).rejects.toThrow("INVALID");
    await expect(app.addCertificate({ certificate, key: store.engine.makePair("a.test").key })).rejects.toThrow(
      "INVALID",
    );
    await expect(app.addCertificate({ certificate: long, key })).rejects.toThrow("longer than 65536 bytes (INVALID)");
    await expect(app.addCertificate(none)).rejects.toThrow("certificate: no bytes (INVALID)");
    await expect(app.addTrust(none)).rejects.toThrow("trust: no bytes (INVALID)");
    await expect(app.addTrust(text("nothing"))).rejects.toThrow("INVALID");
    await expect(app.addTrust(certificate, text("no list"))).rejects.toThrow("crl: nothing in it (INVALID)");
    const trust = await app.addTrust(certificate);
    await expect(app.updateCrl(trust, text("no list"))).rejects.toThrow("crl: nothing in it (INVALID)");
    await expect(app.updateCrl(trust, text(""))).rejects.toThrow("crl: nothing in it (INVALID)");
    await expect(app.addTrust(new Uint8Array(16 << 20))).rejects.toThrow("trust: more than 16 MiB (INVALID)");
    await app.delTrust(trust);
    expect([store.certificates().length, store.trust().length]).toEqual([1, 0]);
  });

  test("a stack without TLS has no store: NOCRYPTOENG", async () => {
    const app = await new AppServer(new Pair().a.host.sessions).attach({ name: "plain" }, {});
    await expect(app.addTlsProfile({})).rejects.toThrow("no TLS on this stack (NOCRYPTOENG)");
  });
});

describe("the certificate of a handshake is asked for (VPP: app_crypto_async)", () => {
  /** Questions to the server's application, and how to answer each. */
  const asked: { name: string; listener: Listener; give: (pair: unknown) => void; refuse: () => void }[] = [];
  beforeEach(() => void asked.splice(0));
  const certificate = (name: string, listener: Listener): Promise<number> =>
    new Promise((resolve, reject) => {
      asked.push({ name, listener, give: (pair) => resolve(pair as number), refuse: () => reject(new Error("no")) });
    });

  /** A client that asks for a name; the last question is its. */
  async function asks(name = "localhost"): Promise<{ result: Promise<string> }> {
    const result = connects({ trust: net.trustServer(), verify: "require" }, `tls://[${name}]198.18.0.2/443`);
    await net.pass(10);
    return { result };
  }

  test("by name, and answered later by an index of the application's own", async () => {
    const app = await net.attach(1, { certificate });
    const listener = await app.listen("tls://0.0.0.0/443", { tls: { pair: "ask" } });
    const pair = await app.addCertificate(store.testPair);
    const { result } = await asks();
    expect(asked.map((each) => [each.name, each.listener])).toEqual([["localhost", listener]]);
    expect(net.ears[1].heard).toEqual([]);
    asked[0].give(pair);
    asked[0].give(0);
    expect(await result).toBe("connected");
    expect(net.ears[1].heard).toEqual(["accept"]);
  });

  test("at once, without a promise", async () => {
    const app = await net.attach(1, { certificate: () => 0 });
    await app.listen("tls://0.0.0.0/443", { tls: { pair: "ask" } });
    expect(await (await asks()).result).toBe("connected");
  });

  const foreign = (): number => store.addPair(store.testPair, 77);
  test.each<[string, () => unknown]>([
    ["no such index", () => 9],
    ["another application's", foreign],
    ["a negative number", () => -1],
    ["the number of what is asked", () => -2],
    ["a fraction", () => 0.5],
    ["NaN", () => Number.NaN],
    ["infinity", () => Infinity],
    ["a text", () => "0"],
    ["a symbol", () => Symbol("pair")],
    ["nothing", () => undefined],
    ["null", () => null],
    ["a list", () => [0]],
    ["a function", () => () => 0],
    ["a big integer", () => 0n],
  ])("%s is a refusal", async (_what, wrong) => {
    const app = await net.attach(1, { certificate });
    await app.listen("tls://0.0.0.0/443", { tls: { pair: "ask" } });
    const { result } = await asks();
    asked[0].give(wrong());
    expect(await result).toBe("sslv3 alert handshake failure (TLS_HANDSHAKE)");
    expect([...net.tls(1).failures.all()]).toEqual([["no suitable signature algorithm", 1]]);
    expect(await net.leftovers()).toEqual([]);
  });

  test.each<[string, Partial<AppCallbacks>]>([
    ["a rejection", { certificate: async () => Promise.reject(new Error("no")) }],
    [
      "an error",
      {
        certificate: () => {
          throw new Error("no");
        },
      },
    ],
    ["no callback", {}],
  ])("%s is a refusal", async (_what, more) => {
    const app = await net.attach(1, more);
    await app.listen("tls://0.0.0.0/443", { tls: { pair: "ask" } });
    expect(await (await asks()).result).toBe("sslv3 alert handshake failure (TLS_HANDSHAKE)");
    expect(await net.leftovers()).toEqual([]);
  });

  test("cancelled: the client goes, the time is over, the listener closes; an answer then is for nobody", async () => {
    const cancelled: string[] = [];
    const core = { certificate: (request: CertificateRequest) => void requests.push(request), accept: () => true };
    const requests: CertificateRequest[] = [];
    const { sessions } = net.stacks[1].host;
    const index = sessions.attach({ name: "core" }, core);
    const local = { family: 4, address: new Int32Array(4), port: 443 } as const;
    const listener = sessions.listen(index, TRANSPORT_TLS, local, {
      extConfig: cryptoExtConfig({ pair: "ask" }) as Uint8Array,
    });
    const next = async (): ReturnType<typeof asks> => {
      const asking = await asks();
      const request = requests.at(-1);
      if (request !== undefined) request.cancelled = () => cancelled.push(request.serverName);
      return asking;
    };
    const client = await net.attach(0);
    client.connect(SERVER, { tls: { verify: "none" } }).catch(() => {});
    await net.pass(10);
    requests[0].cancelled = () => cancelled.push("client");
    await client.detach();
    await net.pass(10);
    expect([cancelled, net.tls(1).handshakes]).toEqual([["client"], 0]);
    const late = await next();
    net.clock.advanceUs(30_000_000);
    await net.pass(10);
    expect([cancelled.length, net.tls(1).handshakes]).toEqual([2, 0]);
    const closed = await next();
    expect(sessions.unlisten(index, listener)).toBe(0);
    await net.pass(10);
    expect([cancelled.length, net.tls(1).handshakes]).toEqual([3, 0]);
    expect([await late.result, await closed.result]).not.toContain("connected");
    for (const request of requests) request.answer(0);
    expect(await net.leftovers()).toEqual([]);
  });

  test("a worker that listens and says certificates is asked, not one that does not", async () => {
    const app = await net.attach(1);
    const worker = await app.addWorker({ ...net.ears[1].callbacks(), certificate });
    await app.listen("tls://0.0.0.0/443", { tls: { pair: "ask" } });
    expect(await (await asks()).result).toContain("handshake failure");
    await worker.listen("tls://0.0.0.0/443", { tls: { pair: "ask" } });
    const { result } = await asks();
    asked[0].give(0);
    expect(await result).toBe("connected");
  });

  test("a trust that was taken away is still the listener's", async () => {
    const app = await net.attach(1, { certificate });
    const trust = await app.addTrust(net.tls(0).store.testPair.certificate);
    await app.listen("tls://0.0.0.0/443", { tls: { pair: "ask", trust, verify: "require" } });
    await app.delTrust(trust);
    expect(await app.addTrust(store.testPair.certificate)).toBe(trust);
    const result = connects({ pair: 0 });
    await net.pass(10);
    asked[0].give(0);
    expect(await result).toBe("connected");
    expect(net.ears[1].heard).toEqual(["accept"]);
  });
});

describe.skipIf(lacks("openssl"))("CA trust of an application, with an authority", () => {
  let authority: Authority;
  beforeAll(async () => {
    authority = await new Authority().open();
  });
  afterAll(() => authority.close());

  test("its revocation list is replaced while listeners use it", async () => {
    const good = await authority.issue("good.test");
    const bad = await authority.issue("bad.test");
    const before = await authority.crl();
    await authority.revoke("bad.test");
    const after = await authority.crl();
    const server = await net.attach(1);
    const trust = await server.addTrust(authority.certificate, before);
    await server.listen("tls://0.0.0.0/443", { tls: { trust, verify: "require" } });
    const client = await net.attach(0);
    const accepted = async (own: typeof good): Promise<boolean> => {
      const pair = await client.addCertificate(own);
      const count = net.ears[1].heard.filter((each) => each === "accept").length;
      await net.refusal(client, SERVER, { tls: { pair, verify: "none" } });
      await client.delCertificate(pair);
      return net.ears[1].heard.filter((each) => each === "accept").length > count;
    };
    expect([await accepted(good), await accepted(bad)]).toEqual([true, true]);
    await server.updateCrl(trust, after);
    expect([await accepted(good), await accepted(bad)]).toEqual([true, false]);
    expect([...net.tls(1).failures.all()]).toEqual([["certificate verify failed: certificate revoked", 1]]);
    // And back: the listener has what its trust has. Of a trust that was taken away it keeps the last.
    await server.updateCrl(trust, before);
    expect(await accepted(bad)).toBe(true);
    await server.updateCrl(trust, after);
    await server.delTrust(trust);
    expect(await accepted(bad)).toBe(false);
    await expect(server.updateCrl(trust, before)).rejects.toThrow("NOCRYPTOCKP");
    // Who connects looks as well.
    const mine = await client.addTrust(authority.certificate, before);
    await server.listen("tls://0.0.0.0/444", { tls: { pair: await server.addCertificate(bad) } });
    const uri = "tls://[bad.test]198.18.0.2/444";
    expect(await net.refusal(client, uri, { tls: { trust: mine } })).toBe("connected");
    await client.updateCrl(mine, after);
    expect(await net.refusal(client, uri, { tls: { trust: mine } })).toBe(
      "certificate verify failed: certificate revoked (TLS_HANDSHAKE)",
    );
  });
});

test("of what comes and goes the engine keeps nothing", async () => {
  const app = await net.attach(1);
  const { engine } = store;
  const [firstPair, firstStore, firstContext] = [
    engine.addPair(store.testPair.certificate, store.testPair.key),
    engine.addStore(store.testPair.certificate, new Uint8Array(0)),
    engine.addContext({ server: true }),
  ];
  for (const [index, remove] of [
    [firstPair, engine.removePair],
    [firstStore, engine.removeStore],
    [firstContext, engine.removeContext],
  ] as const) {
    remove(Number(index));
  }
  for (let i = 0; i < 30; i++) {
    const tls = {
      pair: await app.addCertificate(store.testPair),
      trust: await app.addTrust(store.testPair.certificate),
      profile: await app.addTlsProfile({ minVersion: TLS_1_3 }),
    };
    const listener = await app.listen("tls://0.0.0.0/443", { tls });
    await app.delCertificate(tls.pair);
    await app.delTrust(tls.trust);
    await listener.close();
    await app.delTlsProfile(tls.profile);
  }
  // The engine gives out a free number before a new one.
  expect(engine.addPair(store.testPair.certificate, store.testPair.key)).toBe(firstPair);
  expect(engine.addStore(store.testPair.certificate, new Uint8Array(0))).toBe(firstStore);
  expect(engine.addContext({ server: true })).toBe(firstContext);
});
