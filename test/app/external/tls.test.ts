import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { wire } from "../../../src/device/wire-device.js";
import { NativeWindow } from "../../../src/host/native-window.js";
import { encodeSocketMessage } from "../../../src/app/messages/socket-messages.js";
import { type CryptoRequest, type CryptoRequestName, SOCKET_MESSAGES } from "../../../src/app/messages/socket-table.js";
import { SESSION_ERRORS } from "../../../src/session/session-errors.js";
import { cryptoExtConfig, type TlsOptions } from "../../../src/transport/tls/crypto-config.js";
import type { CryptoStore } from "../../../src/transport/tls/crypto-store.js";
import { ocspResponse } from "../../native/ocsp-response.mjs";
import { valuesOf } from "../messages/message-arbitraries.js";
import { ExternalStack, type FakeClient } from "./fake-client.js";

// TLS for a process that attaches, message by message.

const URI = "tls://[a.test]10.0.0.2/443";
const NO_BYTES = new Uint8Array(0);
const nameOf = (value: number): string => SESSION_ERRORS[-value].name;
const chunk = (tls: TlsOptions, hostname = ""): Uint8Array => cryptoExtConfig(tls, hostname) as Uint8Array;

let host: ExternalStack;
let far: ExternalStack;
let client: FakeClient;
let store: CryptoStore;

function storeOf({ stack }: ExternalStack): CryptoStore {
  if (stack.host.tls === undefined) throw new Error("no TLS");
  return stack.host.tls.store;
}

beforeEach(() => {
  const ends = wire();
  const native = (): NativeWindow => new NativeWindow({ bytes: 128 << 20, hugePages: false });
  host = new ExternalStack(ends[0], "10.0.0.1", native());
  far = new ExternalStack(ends[1], "10.0.0.2", native());
  client = host.attach({ name: "outside" });
  store = storeOf(host);
});
afterEach(() => {
  host.stack.close();
  far.stack.close();
});

/** Lets both stacks and this client work. */
async function settle(...clients: FakeClient[]): Promise<void> {
  for (let i = 0; i < 12; i++) {
    for (const each of clients) each.run();
    host.settle();
    far.settle();
    await Promise.resolve();
  }
}

/** Adds a certificate for a client. */
function addPair(by = client): { name: string; index: number; text: string } {
  const { certificate: cert, key } = store.testPair;
  const request = { type: "CERT_KEY_ADD_DEL", context: 1, isAdd: true, index: 0, cert, key } as const;
  const { retval, index, text } = host.apps.cryptoRequest(by.attached.worker, request);
  return { name: nameOf(retval), index, text };
}

function listen(extConfig: Uint8Array, port = 443, by = client): string {
  const uri = `tls://0.0.0.0/${port}`;
  by.ask({ type: "LISTEN_URI", uri, backlog: 0, connected: false, proxy: false, extConfig });
  return nameOf(by.last("BOUND").retval);
}

test("it connects and listens with the defaults", () => {
  client.connect(URI);
  expect(client.listen("tls://0.0.0.0/443")).toBeGreaterThan(0);
  expect(host.stack.host.tls?.rows.used).toBe(2);
  expect(host.errors).toEqual([]);
});

describe("certificates", () => {
  test("it uses and deletes its own, and the stack's only uses", () => {
    const stacks = store.addPair(store.testPair);
    const { name, index } = addPair();
    expect([name, index]).toEqual(["NONE", stacks + 1]);
    expect(listen(chunk({ pair: index }))).toBe("NONE");
    expect(listen(chunk({ pair: stacks }), 444)).toBe("NONE");
    const del = (which: number) => {
      const nothing = { cert: NO_BYTES, key: NO_BYTES };
      const request = { type: "CERT_KEY_ADD_DEL", context: 7, isAdd: false, index: which, ...nothing } as const;
      return host.apps.cryptoRequest(client.attached.worker, request);
    };
    expect(del(stacks)).toMatchObject({ context: 7, retval: -5, text: `certificate ${stacks}: the stack's` });
    expect(del(index)).toMatchObject({ type: "CERT_KEY_ADD_DEL_REPLY", retval: 0, index });
    expect(nameOf(del(index).retval)).toBe("NOCRYPTOCKP");
  });

  test("another's is not there for it: neither to listen, to connect, nor to delete", () => {
    const other = host.attach({ name: "other" });
    const { index } = addPair(other);
    expect(listen(chunk({ pair: index }))).toBe("NOCRYPTOCKP");
    client.ask({
      type: "CONNECT_URI",
      uri: URI,
      from: "",
      attributes: {},
      extConfig: chunk({ pair: index }, "a.test"),
    });
    expect(nameOf(client.last("CONNECTED").retval)).toBe("NOCRYPTOCKP");
    const request = { type: "TRUST_ADD_DEL", context: 1, isAdd: false, certificates: NO_BYTES, crl: NO_BYTES } as const;
    expect(nameOf(host.apps.cryptoRequest(client.attached.worker, { ...request, index }).retval)).toBe("NOCRYPTOCKP");
    expect(listen(chunk({ pair: index }), 443, other)).toBe("NONE");
  });

  test("a chunk that is broken is INVALID, and nothing is left", () => {
    const good = chunk({ pair: 0, alpn: ["h2"] }, "a.test");
    for (const extConfig of [
      Uint8Array.of(0, 1, 0, 3, 1, 2, 3),
      good.subarray(0, good.length - 1),
      good.subarray(0, 9),
    ]) {
      expect(listen(extConfig)).toBe("INVALID");
      client.ask({ type: "CONNECT_URI", uri: URI, from: "", attributes: {}, extConfig });
      expect(nameOf(client.last("CONNECTED").retval)).toBe("INVALID");
    }
    expect(host.stack.host.tls?.rows.used).toBe(0);
    expect(host.errors).toEqual([]);
  });

  test("all of its things go with it, and those of others stay", () => {
    const other = host.attach({ name: "other" });
    addPair(other);
    for (let i = 0; i < 5; i++) addPair();
    expect(store.certificates()).toHaveLength(7);
    client.die();
    expect(store.certificates().map(({ owner }) => owner)).toEqual([-1, other.attached.worker.app]);
  });

  test("who has not attached, or has gone, has none: NOAPP", () => {
    const request = { type: "CRL_UPDATE", context: 1, index: 1, crl: NO_BYTES } as const;
    expect(nameOf(host.apps.cryptoRequest(undefined, request).retval)).toBe("NOAPP");
    client.die();
    expect(nameOf(host.apps.cryptoRequest(client.attached.worker, request).retval)).toBe("NOAPP");
  });

  test("a stack without TLS: NOCRYPTOENG", () => {
    const plain = new ExternalStack();
    const { worker } = plain.attach({ name: "outside" }).attached;
    const request = { type: "CRL_UPDATE", context: 1, index: 1, crl: NO_BYTES } as const;
    expect(nameOf(plain.apps.cryptoRequest(worker, request).retval)).toBe("NOCRYPTOENG");
  });

  test("whatever a client asks for there is an answer that can be sent, and nothing is thrown", () => {
    const names: CryptoRequestName[] = [
      "CERT_KEY_ADD_DEL",
      "OCSP_UPDATE",
      "TRUST_ADD_DEL",
      "CRL_UPDATE",
      "TLS_PROFILE_ADD_DEL",
    ];
    const { certificate, key } = store.testPair;
    const texts = fc.constantFrom(certificate, key, certificate.subarray(9), key.slice(0, 99), NO_BYTES);
    const requests = names.map((type) => valuesOf(SOCKET_MESSAGES[type].fields).map((values) => ({ type, ...values })));
    // Some that come near.
    const near = fc.record({
      index: fc.nat(3),
      cert: texts,
      key: texts,
      certificates: texts,
      crl: texts,
      response: fc.constantFrom(ocspResponse(certificate), certificate.subarray(9), NO_BYTES),
      ciphers: fc.constantFrom("", "ALL", "NONSENSE", "\u0000", "x".repeat(512)),
      suites: fc.constantFrom("", "TLS_AES_128_GCM_SHA256", ":"),
      groups: fc.constantFrom("", "X25519", "é"),
      minVersion: fc.constantFrom(0, 0x0303, 0x0304, 1),
      maxVersion: fc.constantFrom(0, 0x0303, 0x0304, 0xffff_ffff),
    });
    let done = 0;
    const isSound = fc.property(fc.oneof(...requests), near, fc.boolean(), (request, values, isNear) => {
      const fields: readonly { readonly name: string }[] = SOCKET_MESSAGES[request.type].fields;
      const known = Object.entries(values).filter(([name]) => fields.some((each) => each.name === name));
      const asked = { ...request, ...(isNear ? Object.fromEntries(known) : {}) } as CryptoRequest;
      const reply = host.apps.cryptoRequest(client.attached.worker, asked);
      if (reply.retval === 0) done++;
      expect(encodeSocketMessage(reply).length).toBeLessThan(1024);
      expect(reply.context).toBe(asked.context);
      expect(["NONE", "INVALID", "NOCRYPTOCKP"]).toContain(nameOf(reply.retval));
    });
    fc.assert(isSound, { numRuns: 2000, seed: 11 });
    expect(done).toBeGreaterThan(15);
    client.die();
    expect([store.certificates().length, store.trust().length, store.profiles().length]).toEqual([1, 0, 1]);
  });
});

describe("sessions", () => {
  /** Far connects to the client's listener. */
  async function connect(peer: FakeClient, tls: TlsOptions = {}): Promise<void> {
    const extConfig = chunk({ verify: "none", ...tls }, "a.test");
    const uri = "tls://[a.test]10.0.0.1/443";
    peer.ask({ type: "CONNECT_URI", uri, from: "", attributes: {}, extConfig });
    await settle(client, peer);
  }

  test("it is told what was agreed on, before it gets the session", async () => {
    const peer = far.attach({ name: "peer" });
    expect(listen(chunk({ alpn: ["h2"] }))).toBe("NONE");
    await connect(peer, { alpn: ["h2"] });
    expect(client.heard.slice(-2)).toEqual(["TLS_INFO", "ACCEPTED"]);
    const { handle } = client.last("ACCEPTED");
    const agreed = { version: "TLSv1.3", cipher: expect.stringMatching(/^TLS_/), alpn: "h2", serverName: "a.test" };
    expect(client.last("TLS_INFO")).toMatchObject({ handle, ...agreed, certificate: NO_BYTES });
    const { certificate } = peer.last("TLS_INFO");
    expect(peer.last("TLS_INFO")).toMatchObject({ handle: peer.last("CONNECTED").handle, alpn: "h2" });
    expect(certificate.length).toBeGreaterThan(200);
  });

  test("it is asked for certificates, and answers by one of its own", async () => {
    const peer = far.attach({ name: "peer" });
    const { index } = addPair();
    listen(chunk({ pair: "ask" }));
    await connect(peer);
    const { token, listener, serverName } = client.last("APP_CRYPTO_ASYNC");
    expect([listener, serverName]).toEqual([client.last("BOUND").handle, "a.test"]);
    expect(client.last("ACCEPTED")).toBeUndefined();
    // Of what it was not asked about nobody hears.
    client.send({ type: "APP_CRYPTO_ASYNC_REPLY", token: token + 1, pair: index });
    client.send({ type: "APP_CRYPTO_ASYNC_REPLY", token, pair: index });
    client.send({ type: "APP_CRYPTO_ASYNC_REPLY", token, pair: -1 });
    await settle(client, peer);
    expect(nameOf(peer.last("CONNECTED").retval)).toBe("NONE");
    expect(client.last("ACCEPTED").handle).toBeGreaterThan(0);
    expect(host.errors).toEqual([]);
  });

  test.each([-1, 9, 0x7fff_ffff, -0x8000_0000])("%i is a refusal", async (pair) => {
    const peer = far.attach({ name: "peer" });
    listen(chunk({ pair: "ask" }));
    await connect(peer);
    client.send({ type: "APP_CRYPTO_ASYNC_REPLY", token: client.last("APP_CRYPTO_ASYNC").token, pair });
    await settle(client, peer);
    expect(nameOf(peer.last("CONNECTED").retval)).toBe("TLS_HANDSHAKE");
  });

  test("it goes while it is asked, or the time is over: the handshake ends, and the answer is for nobody", async () => {
    const peer = far.attach({ name: "peer" });
    listen(chunk({ pair: "ask" }));
    await connect(peer);
    host.clock.advanceUs(30_000_000);
    await settle(client, peer);
    expect(nameOf(peer.last("CONNECTED").retval)).toBe("TLS_HANDSHAKE");
    client.send({ type: "APP_CRYPTO_ASYNC_REPLY", token: client.last("APP_CRYPTO_ASYNC").token, pair: 0 });
    await connect(peer);
    client.die();
    await settle(peer);
    expect(host.stack.host.tls?.handshakes).toBe(0);
    expect(host.errors).toEqual([]);
  });

  test("one that does not listen is asked for so many, then its handshakes fail at once", async () => {
    listen(chunk({ pair: "ask" }));
    const { worker } = client.attached;
    for (let i = 0; worker.outbox.waiting < 1024; i++) worker.outbox.send({ type: "APP_DEL_SEGMENT", segment: i });
    const answers: unknown[] = [];
    const listener = worker.sessions.keys().next().value ?? -1;
    const request = {
      listener,
      serverName: "",
      answer: (pair: unknown) => void answers.push(pair),
      cancelled: undefined,
    };
    worker.certificate(request);
    expect([answers, request.cancelled]).toEqual([[undefined], undefined]);
  });
});
