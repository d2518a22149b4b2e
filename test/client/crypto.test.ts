import { X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import type { AppCallbacks } from "../../src/app/callbacks.js";
import type { Session } from "../../src/app/session.js";
import type { CryptoStore } from "../../src/transport/tls/crypto-store.js";
import { TLS_1_2, TLS_1_3 } from "../../src/transport/tls/engine.js";
import { SESSION_E_NOAPP } from "../../src/session/session-errors.js";
import { SeqpacketSocket } from "../../src/host/unix-socket.js";
import { encodeSocketMessage, parseSocketMessage } from "../../src/app/messages/socket-messages.js";
import { hear } from "../host/sockets.js";
import type { LiveStack } from "../../src/node/live-stack.js";
import { lacks } from "../needs.js";
import { ocspResponse } from "../native/ocsp-response.mjs";
import { Authority } from "../transport/tls/authority.js";
import { realStacks } from "./real-stacks.js";
import { until } from "./support.js";

// Certificates, trust and profiles of an application in another process.

const it = realStacks(true);
const NOTHING = new Uint8Array(0);
const URI = "tls://[localhost]198.18.0.1/443";

function storeOf({ cryptoStore }: LiveStack): CryptoStore {
  if (cryptoStore === undefined) throw new Error("no TLS");
  return cryptoStore;
}

/** A server's callbacks, which note its sessions. */
const accepting = (sessions: Session[]): AppCallbacks => ({ accept: (session) => void sessions.push(session) });

test("it serves with a certificate of its own, and both ends know what was agreed on", async () => {
  const sessions: Session[] = [];
  const app = await it.attach(accepting(sessions));
  const own = storeOf(it.far).engine.makePair("localhost");
  const [pair, profile] = [await app.addCertificate(own), await app.addTlsProfile({ maxVersion: TLS_1_2 })];
  await app.listen("tls://0.0.0.0:443", { tls: { pair, profile, alpn: ["h2"] } });
  const peer = await it.far.attach({ name: "peer" }, {});
  const trust = await peer.addTrust(own.certificate);
  const session = await peer.connect(URI, { tls: { trust, alpn: ["h2"] } });
  expect(session.tlsInfo()).toMatchObject({ version: "TLSv1.2", alpn: "h2" });
  await until(() => sessions.length === 1);
  const { cipher, standardCipher } = session.tlsInfo() ?? {};
  const agreed = { version: "TLSv1.2", cipher, standardCipher, alpn: "h2", serverName: "localhost", resumed: false };
  expect(sessions[0].tlsInfo()).toEqual(agreed);
  sessions[0].reset();
  await until(() => sessions[0].state === "gone");
  expect(sessions[0].tlsInfo()).toBeUndefined();
  expect(it.errors).toEqual([]);
});

test("it connects with trust and a certificate of its own, which the server verifies", async () => {
  const sessions: Session[] = [];
  const server = await it.far.attach({ name: "server" }, accepting(sessions));
  const mine = storeOf(it.far).engine.makePair("client.test");
  const clients = await server.addTrust(mine.certificate);
  await server.listen("tls://0.0.0.0:443", { tls: { trust: clients, verify: "require" } });
  const app = await it.attach();
  const uri = "tls://[localhost]198.18.0.2/443";
  await expect(app.connect(uri)).rejects.toMatchObject({ sessionError: "TLS_HANDSHAKE" });
  const trust = await app.addTrust(storeOf(it.far).testPair.certificate);
  const pair = await app.addCertificate(mine);
  const session = await app.connect(uri, { tls: { trust, pair } });
  await until(() => sessions.length === 1);
  expect(session.tlsInfo()?.certificate?.length).toBeGreaterThan(200);
  expect(sessions[0].tlsInfo()?.certificate?.length).toBeGreaterThan(200);
});

test.skipIf(lacks("openssl"))(
  "it is told of the peer's issuers, and of what is wrong with its certificate",
  async () => {
    const authority = await new Authority().open();
    const own = await authority.issue("secure.test");
    const app = await it.attach();
    const server = await it.far.attach({ name: "server" }, { accept: () => true });
    await server.listen("tls://0.0.0.0:443", { tls: { pair: await server.addCertificate(own) } });
    const trust = await app.addTrust(authority.certificate);
    const uri = "tls://[secure.test]198.18.0.2/443";
    const { certificate, issuers } = (await app.connect(uri, { tls: { trust } })).tlsInfo() ?? {};
    const der = (text: Uint8Array): Buffer => new X509Certificate(text).raw;
    expect([certificate, ...(issuers ?? [])].map((each) => Buffer.from(each ?? []))).toEqual([
      der(own.certificate),
      der(authority.certificate),
    ]);
    const reported = await app.connect(uri, { tls: { verify: "report" } });
    expect(reported.tlsInfo()).toMatchObject({ verifyError: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" });
    authority.close();
  },
);

test("the certificate of a handshake is asked of it", async () => {
  const names: string[] = [];
  const sessions: Session[] = [];
  const pairs = new Map<string, number>();
  const app = await it.attach({
    ...accepting(sessions),
    certificate: async (name, listener) => {
      names.push(`${name} ${listener.uri}`);
      return pairs.get(name) ?? (Symbol("none") as never);
    },
  });
  pairs.set("localhost", await app.addCertificate(storeOf(it.near).testPair));
  await app.listen("tls://0.0.0.0:443", { tls: { pair: "ask" } });
  const peer = await it.far.attach({ name: "peer" }, {});
  const trust = await peer.addTrust(storeOf(it.near).testPair.certificate);
  await peer.connect(URI, { tls: { trust } });
  await expect(peer.connect("tls://[b.test]198.18.0.1/443", { tls: { trust } })).rejects.toThrow("handshake failure");
  expect(names).toEqual(["localhost tls://0.0.0.0:443", "b.test tls://0.0.0.0:443"]);
  expect(it.errors).toEqual([]);
});

test("what is refused has a name: limits, broken texts, foreign indices, and none of it ends the connection", async () => {
  const [app, other] = [await it.attach(), await it.attach()];
  const { certificate, key } = storeOf(it.near).testPair;
  const long = new Uint8Array(65_537);
  const none = undefined as never;
  await expect(app.addCertificate({ certificate: long, key })).rejects.toThrow("longer than 65536 bytes (INVALID)");
  await expect(app.addTrust(certificate, long)).rejects.toThrow("longer than 65536 bytes (INVALID)");
  await expect(app.addCertificate({ certificate: key, key })).rejects.toThrow("certificate: no start line (INVALID)");
  await expect(app.addCertificate({ certificate, key: certificate })).rejects.toMatchObject({ code: "EINVAL" });
  await expect(app.addCertificate(none)).rejects.toThrow("certificate: no bytes (INVALID)");
  await expect(app.addTlsProfile(none)).rejects.toThrow("INVALID");
  await expect(app.addTlsProfile({ ciphers: "" })).rejects.toThrow("INVALID");
  await expect(app.addTlsProfile({ ciphers: "NONSENSE" })).rejects.toThrow("ciphers: no cipher match (INVALID)");
  await expect(app.addTlsProfile({ minVersion: "1.3" as never })).rejects.toThrow("INVALID");
  // As long as they may be.
  const padded = (text: Uint8Array): Uint8Array => Uint8Array.from({ length: 65_536 }, (_, i) => text[i] ?? 10);
  const pair = await app.addCertificate({ certificate: padded(certificate), key: padded(key) });
  const trust = await app.addTrust(padded(certificate));
  await expect(other.delCertificate(pair)).rejects.toThrow(`certificate ${pair}: there is none (NOCRYPTOCKP)`);
  await expect(other.updateCrl(trust, certificate)).rejects.toThrow("NOCRYPTOCKP");
  await expect(other.listen("tls://0.0.0.0:443", { tls: { pair } })).rejects.toMatchObject({
    sessionError: "NOCRYPTOCKP",
  });
  await expect(app.updateCrl(trust, certificate)).rejects.toThrow("crl: nothing in it (INVALID)");
  await expect(app.setOcsp(pair, certificate)).rejects.toThrow("ocsp: not a response in DER (INVALID)");
  await expect(app.setOcsp(pair, long)).rejects.toThrow("ocsp: longer than 16380 bytes (INVALID)");
  await expect(app.setOcsp(pair, none)).rejects.toThrow("certificate: ocsp: no bytes (INVALID)");
  await expect(other.setOcsp(pair, ocspResponse(certificate))).rejects.toThrow("NOCRYPTOCKP");
  for (const index of [-1, 1.5, Number.NaN, "1", Symbol("index"), undefined]) {
    await expect(app.delTrust(index as never)).rejects.toThrow("there is none (NOCRYPTOCKP)");
  }
  await expect(app.listen("tls://0.0.0.0:443", { tls: { pair: -1 } })).rejects.toThrow("pair is no index (INVALID)");
  await app.listen("tls://0.0.0.0:443", { tls: { pair, trust } });
  await app.delCertificate(pair);
  await app.delTrust(trust);
  await expect(app.delTrust(trust)).rejects.toThrow("NOCRYPTOCKP");
  expect(storeOf(it.near).certificates()).toHaveLength(1);
});

test("an OCSP response for its certificate, which it changes and takes away while it listens", async () => {
  const app = await it.attach(accepting([]));
  const own = storeOf(it.near).engine.makePair("localhost");
  const pair = await app.addCertificate(own);
  await app.listen("tls://0.0.0.0:443", { tls: { pair } });
  const peer = await it.far.attach({ name: "peer" }, {});
  const tls = { trust: await peer.addTrust(own.certificate), ocsp: true };
  const responses = [NOTHING, ocspResponse(own.certificate), ocspResponse(own.certificate, { padding: 99 }), NOTHING];
  for (const response of responses) {
    await app.setOcsp(pair, response);
    // A session that is resumed has none.
    const profile = await peer.addTlsProfile({});
    const { ocsp } = (await peer.connect(URI, { tls: { ...tls, profile } })).tlsInfo() ?? {};
    expect(ocsp ?? NOTHING).toEqual(response);
  }
  expect(it.errors).toEqual([]);
});

test("who asks before it has attached is told so, and let go of", async () => {
  const request = { type: "CRL_UPDATE", context: 1, index: 1, crl: new Uint8Array() } as const;
  const stranger = hear(SeqpacketSocket.connect(`${it.directory}/default`));
  const replies: unknown[] = [];
  stranger.socket.onMessage = (bytes) => replies.push(parseSocketMessage(bytes));
  stranger.socket.send(encodeSocketMessage(request));
  await until(() => stranger.closes.length === 1);
  expect(replies).toMatchObject([{ type: "CRYPTO_REPLY", context: 1, retval: SESSION_E_NOAPP }]);
});

test("its things go when it detaches", async () => {
  const store = storeOf(it.near);
  const app = await it.attach();
  await app.addCertificate(store.testPair);
  await app.addTrust(store.testPair.certificate);
  await app.addTlsProfile({ minVersion: TLS_1_3 });
  await app.detach();
  await expect(app.addCertificate(store.testPair)).rejects.toMatchObject({ sessionError: "NOAPP" });
  await until(() => store.certificates().length === 1);
  expect([store.trust().length, store.profiles().length]).toEqual([0, 1]);
});

test("the stack comes back: the application has its things again, by the same indices, and listens with them", async () => {
  const sessions: Session[] = [];
  let attached = 0;
  const app = await it.attach({ ...accepting(sessions), reattached: () => void attached++ });
  const own = storeOf(it.near).engine.makePair("localhost");
  const gone = await app.addCertificate(own);
  const pair = await app.addCertificate(own);
  await app.delCertificate(gone);
  const response = ocspResponse(own.certificate);
  await app.setOcsp(pair, response);
  const profile = await app.addTlsProfile({ maxVersion: TLS_1_2 });
  await app.listen("tls://0.0.0.0:443", { tls: { pair, profile } });
  await it.restart();
  await until(() => attached === 1);
  // What was index 2 is index 1 there.
  expect(
    storeOf(it.near)
      .certificates()
      .map(({ index }) => index),
  ).toEqual([1]);
  const peer = await it.far.attach({ name: "peer" }, {});
  const trust = await peer.addTrust(own.certificate);
  const session = await peer.connect(URI, { tls: { trust, ocsp: true } });
  expect(session.tlsInfo()).toMatchObject({ version: "TLSv1.2", ocsp: response });
  // Another one does not take the number that the application knows it by.
  const next = await app.addCertificate(own);
  expect(next).not.toBe(pair);
  await app.delCertificate(pair);
  expect(
    storeOf(it.near)
      .certificates()
      .map(({ index }) => index),
  ).toEqual([2]);
  await app.delCertificate(next);
  expect(it.errors).toEqual([]);
});
