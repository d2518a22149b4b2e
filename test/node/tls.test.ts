import { once } from "node:events";
import { createSecureContext } from "node:tls";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { TlsConnectOptions } from "../../src/node/tls/index.js";
import type { TlsServer, TlsServerOptions } from "../../src/node/tls/tls-server.js";
import type { TLSSocket } from "../../src/node/tls/tls-socket.js";
import { lacks } from "../needs.js";
import { Authority } from "../transport/tls/authority.js";
import { eventually, stackPair, type StackPair } from "./stack-pair.js";

const HOST = "198.18.0.2";
const PORT = 4430;

describe.skipIf(lacks("openssl"))("stack.tls", () => {
  const authority = new Authority();
  let own: { key: Buffer; cert: Buffer };
  let other: typeof own;
  let expired: typeof own;
  let ca: Buffer;
  let pair: StackPair;

  async function issue(name: string, isExpired = false): Promise<typeof own> {
    const { certificate, key } = await authority.issue(name, isExpired);
    return { key: Buffer.from(key), cert: Buffer.from(certificate) };
  }

  beforeAll(async () => {
    await authority.open();
    ca = Buffer.from(authority.certificate);
    own = await issue("b.test");
    other = await issue("other.test");
    expired = await issue("old.test", true);
  });
  afterAll(() => authority.close());
  beforeEach(() => {
    pair = stackPair({ tls: true });
  });
  afterEach(() => pair.close());

  async function listen(
    options: TlsServerOptions = {},
    onConnection: (socket: TLSSocket) => void = (socket) => socket.on("error", () => {}).pipe(socket),
  ): Promise<TlsServer> {
    const server = pair.b.tls.createServer({ ...own, ...options }, onConnection);
    server.listen(PORT);
    await once(server, "listening");
    return server;
  }

  function dial(options: TlsConnectOptions = {}): TLSSocket {
    return pair.a.tls.connect({ host: HOST, port: PORT, servername: "b.test", ca, ...options });
  }

  async function connected(options: TlsConnectOptions = {}): Promise<TLSSocket> {
    const socket = dial(options);
    await once(socket, "secureConnect");
    return socket;
  }

  async function failure(options: TlsConnectOptions): Promise<NodeJS.ErrnoException> {
    const socket = dial(options);
    const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
    if (!socket.closed) await once(socket, "close");
    return error;
  }

  async function text(socket: TLSSocket): Promise<string> {
    return Buffer.concat((await socket.toArray()) as Buffer[]).toString();
  }

  test("connects, tells all about it, and talks both ways", async () => {
    const accepted: TLSSocket[] = [];
    const server = await listen({ ALPNProtocols: ["b", "a"] }, (socket) => {
      accepted.push(socket);
      socket.on("data", (data: Buffer) => socket.end(`you said ${data.toString()}`));
    });
    expect(server.address()).toEqual({ address: "::", family: "IPv6", port: PORT });
    const socket = dial({ ALPNProtocols: ["a", "b"] });
    const events: string[] = [];
    for (const event of ["connect", "ready", "secureConnect", "end", "close"]) {
      socket.on(event, () => events.push(event));
    }
    expect([socket.encrypted, socket.connecting, socket.authorized]).toEqual([true, true, false]);
    expect([socket.alpnProtocol, socket.getProtocol(), socket.getPeerCertificate()]).toEqual([null, null, null]);
    socket.write("hello");
    expect(await text(socket)).toBe("you said hello");
    if (!socket.closed) await once(socket, "close");
    expect(events).toEqual(["connect", "ready", "secureConnect", "end", "close"]);
    expect(socket).toMatchObject({
      authorized: true,
      authorizationError: null,
      alpnProtocol: "b",
      servername: "b.test",
    });
    expect(socket.getProtocol()).toBe("TLSv1.3");
    expect(socket.getCipher()).toMatchObject({ name: expect.stringMatching(/^TLS_/), version: "TLSv1.3" });
    const certificate = socket.getPeerCertificate(true);
    expect(certificate).toMatchObject({ subject: { CN: "b.test" }, subjectaltname: "DNS:b.test" });
    expect(certificate?.issuerCertificate.subject.CN).toBe("authority");
    expect(certificate?.issuerCertificate.issuerCertificate).toBe(certificate?.issuerCertificate);
    expect(socket.getPeerX509Certificate()?.checkHost("b.test")).toBe("b.test");
    const [peer] = accepted;
    expect(peer).toMatchObject({
      authorized: false,
      authorizationError: null,
      alpnProtocol: "b",
      servername: "b.test",
    });
    expect([peer.remoteAddress, peer.getPeerCertificate(), peer.getPeerX509Certificate()]).toEqual([
      "198.18.0.1",
      {},
      undefined,
    ]);
    server.close();
    await once(server, "close");
    await eventually(() => pair.b.sessionCount === 0, "sessions of the server are freed");
  });

  test("the ways to call connect: URI, port and host, over IPv6, without a name", async () => {
    await listen({}, (socket) => socket.end(`${String(socket.servername)} ${socket.remoteFamily}`));
    const { tls } = pair.a;
    expect(await text(tls.connect(`tls://[b.test]${HOST}/${PORT}`, { ca }))).toBe("b.test IPv4");
    expect(await text(tls.connect(PORT, "2001:db8:18::2", { ca, servername: "b.test" }))).toBe("b.test IPv6");
    const called = new Promise<void>((resolve) => {
      const options = { ca, checkServerIdentity: () => undefined };
      void text(tls.connect(PORT, HOST, options, resolve)).then((said) => expect(said).toBe("false IPv4"));
    });
    await called;
    const lookup: TlsConnectOptions["lookup"] = (_name, _options, callback) => callback(null, HOST, 4);
    expect(await text(tls.connect({ port: PORT, host: "b.test", lookup, ca }))).toBe("b.test IPv4");
    expect(() => tls.connect(`tcp://${HOST}/${PORT}`)).toThrow("tls speaks tls");
    expect(() => tls.connect({})).toThrow('"options.port"');
  });

  test.each([
    ["a name that is not in the certificate", { servername: "wrong.test" }, "ERR_TLS_CERT_ALTNAME_INVALID"],
    ["an address that is not in the certificate", { servername: "" }, "ERR_TLS_CERT_ALTNAME_INVALID"],
    ["an authority that is not known", { ca: undefined }, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
  ])("%s ends it, or is told of", async (_what, options, code) => {
    const accepted: TLSSocket[] = [];
    await listen({}, (socket) => accepted.push(socket.on("error", () => {})));
    const error = await failure(options);
    expect(error.code).toBe(code);
    await eventually(() => accepted[0]?.closed, "the server's end goes, too");
    const socket = await connected({ ...options, rejectUnauthorized: false });
    expect([socket.authorized, socket.authorizationError]).toEqual([false, code]);
    socket.destroy();
    await eventually(() => pair.a.sessionCount === 0, "nothing is left");
  });

  test("an expired certificate, and one that nobody issued", async () => {
    await listen(expired);
    expect(await failure({ servername: "old.test" })).toMatchObject({
      code: "CERT_HAS_EXPIRED",
      message: "certificate has expired",
    });
    const { certificate, key } = pair.b.cryptoStore.testPair;
    const self = pair.b.tls.createServer({ cert: Buffer.from(certificate), key: Buffer.from(key) }).listen(PORT + 1);
    await once(self, "listening");
    const error = await failure({ servername: "localhost", port: PORT + 1 });
    expect(error.code).toBe("DEPTH_ZERO_SELF_SIGNED_CERT");
  });

  test("sessions are resumed, and judged anew", async () => {
    const accepted: TLSSocket[] = [];
    await listen({}, (socket) => {
      accepted.push(socket.on("error", () => {}));
      socket.end("hello");
    });
    for (let i = 0; i < 2; i++) {
      const socket = dial();
      expect(await text(socket)).toBe("hello");
      expect([socket.isSessionReused(), socket.authorized]).toEqual([i > 0, true]);
      expect(socket.getPeerCertificate()?.subject.CN).toBe("b.test");
    }
    expect(accepted.map((socket) => socket.isSessionReused())).toEqual([false, true]);
    const refused = await failure({ checkServerIdentity: () => Object.assign(new Error("no"), { code: "NO" }) });
    expect(refused.code).toBe("NO");
    // Of somebody who is not its issuer, twice: what is wrong is remembered with the session.
    for (let i = 0; i < 2; i++) {
      const socket = dial({ ca: other.cert, rejectUnauthorized: false });
      expect(await text(socket)).toBe("hello");
      expect([socket.isSessionReused(), socket.authorizationError]).toEqual([i > 0, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"]);
    }
  });

  test("an identity check of the client's own", async () => {
    await listen();
    const names: unknown[] = [];
    const refused = await failure({
      checkServerIdentity: (name, { subject }) => {
        names.push(name, subject.CN);
        return Object.assign(new Error("not mine"), { code: "MINE" });
      },
    });
    expect([refused.code, names]).toEqual(["MINE", ["b.test", "b.test"]]);
  });

  test("client certificates: required, and only asked for", async () => {
    const accepted: TLSSocket[] = [];
    const errors: NodeJS.ErrnoException[] = [];
    const server = await listen({ ca, requestCert: true }, (socket) => accepted.push(socket.on("error", () => {})));
    server.on("tlsClientError", (error: NodeJS.ErrnoException, socket: TLSSocket) => {
      expect([socket.remoteAddress, socket.destroyed]).toEqual(["198.18.0.1", true]);
      errors.push(error);
    });
    const good = await connected(other);
    await eventually(() => accepted.length === 1, "accepted");
    expect([accepted[0].authorized, accepted[0].getPeerCertificate()?.subject.CN]).toEqual([true, "other.test"]);
    good.destroy();
    const without = dial();
    const [alert] = (await once(without, "error")) as [NodeJS.ErrnoException];
    expect(alert.code).toBe("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED");
    await eventually(() => errors.length === 1, "the server hears of it");
    expect(errors[0].code).toBe("ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE");
    expect(accepted).toHaveLength(1);

    const asking = pair.b.tls.createServer({ ...own, ca, requestCert: true, rejectUnauthorized: false });
    asking.listen(PORT + 1);
    await once(asking, "listening");
    const told: unknown[] = [];
    asking.on("secureConnection", (socket: TLSSocket) => {
      told.push([socket.authorized, socket.authorizationError]);
      socket.end();
    });
    for (const identity of [{}, expired, other]) await text(dial({ ...identity, port: PORT + 1 }));
    expect(told).toEqual([
      [false, "UNABLE_TO_GET_ISSUER_CERT"],
      [false, "CERT_HAS_EXPIRED"],
      [true, null],
    ]);
  });

  test("certificates by name: addContext, SNICallback, setSecureContext", async () => {
    const server = await listen();
    server.addContext("*.test", own);
    server.addContext("OTHER.test", pair.b.tls.createSecureContext(other));
    const shown = async (options: TlsConnectOptions): Promise<unknown> => {
      const socket = await connected({ rejectUnauthorized: false, ...options });
      socket.destroy();
      return socket.getPeerCertificate()?.subject.CN;
    };
    expect(await shown({ servername: "other.test" })).toBe("other.test");
    expect(await shown({ servername: "any.test" })).toBe("b.test");
    server.setSecureContext(expired);
    expect(await shown({ servername: "a.b.example" })).toBe("old.test");
    expect(await shown({ servername: "" })).toBe("old.test");

    const asked: string[] = [];
    const choosing = pair.b.tls.createServer({
      ...own,
      SNICallback: (name, callback) => {
        asked.push(name);
        if (name === "bad.test") callback(new Error("no such name"));
        else if (name === "odd.test") callback(null, createSecureContext(own) as never);
        else setTimeout(callback, 1, null, name === "other.test" ? pair.b.tls.createSecureContext(other) : undefined);
      },
    });
    const errors: NodeJS.ErrnoException[] = [];
    choosing.on("tlsClientError", (error: NodeJS.ErrnoException) => errors.push(error));
    choosing.listen(PORT + 1);
    await once(choosing, "listening");
    expect(await shown({ servername: "other.test", port: PORT + 1 })).toBe("other.test");
    expect(await shown({ servername: "x.test", port: PORT + 1 })).toBe("b.test");
    const error = await failure({ servername: "bad.test", port: PORT + 1 });
    expect(error.code).toMatch(/^ERR_SSL_/);
    await failure({ servername: "odd.test", port: PORT + 1 });
    expect(asked).toEqual(["other.test", "x.test", "bad.test", "odd.test"]);
    // What it said, and what became of the handshake.
    await eventually(() => errors.length === 4, "the server hears of it");
    expect(errors.map(({ code, message }) => code ?? message)).toEqual([
      "no such name",
      expect.stringMatching(/^ERR_SSL_/),
      "ERR_TLS_INVALID_CONTEXT",
      expect.stringMatching(/^ERR_SSL_/),
    ]);
  });

  test("versions, suites and groups", async () => {
    await listen({ maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256" });
    const socket = await connected({ ecdhCurve: "P-256" });
    expect(socket.getProtocol()).toBe("TLSv1.2");
    expect(socket.getCipher()).toEqual({
      name: "ECDHE-ECDSA-AES256-GCM-SHA384",
      standardName: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
      version: "TLSv1.2",
    });
    socket.destroy();
    expect((await failure({ minVersion: "TLSv1.3" })).code).toBe("ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
    expect((await failure({ ciphers: "TLS_AES_128_GCM_SHA256" })).code).toMatch(/PROTOCOL_VERSION/);
    expect((await failure({ ciphers: "NONSENSE" })).message).toMatch(/ciphers/);
    expect(() => pair.b.tls.createServer(own).listen("tcp://0.0.0.0:1")).toThrow("tls speaks tls");
    expect(() => dial({ minVersion: "TLSv1.1" })).toThrow("not a valid minimum TLS protocol version");
    expect((await failure({ ALPNProtocols: ["x"], maxVersion: "TLSv1.2", ecdhCurve: "X448" })).code).toMatch(
      /^ERR_SSL_/,
    );
  });

  test("texts that are wrong throw where they are given, options that are not there are named", () => {
    const { tls } = pair.b;
    const thrown = (make: () => unknown): unknown => {
      try {
        return make();
      } catch (error) {
        return (error as NodeJS.ErrnoException).code;
      }
    };
    expect(thrown(() => tls.createServer({ ...own, key: other.key }))).toBe("ERR_OSSL_X509_KEY_VALUES_MISMATCH");
    expect(thrown(() => tls.createServer({ ...own, cert: "none" }))).toBe("ERR_OSSL_PEM_NO_START_LINE");
    expect(thrown(() => tls.createServer({ cert: own.cert }))).toBe("ERR_INVALID_ARG_VALUE");
    expect(thrown(() => tls.createServer({ ...own, ALPNProtocols: Buffer.from([5, 1]) }))).toBe(
      "ERR_INVALID_ARG_VALUE",
    );
    for (const option of [
      { pfx: own.cert },
      { pskCallback: () => null },
      { session: own.key },
      { ticketKeys: own.key },
    ]) {
      expect(thrown(() => tls.createServer({ ...own, ...option }))).toBe("ERR_WEFT_TLS_UNSUPPORTED");
      expect(thrown(() => tls.connect({ port: 1, ...option }))).toBe("ERR_WEFT_TLS_UNSUPPORTED");
    }
    const socket = new tls.TLSSocket();
    expect(socket instanceof pair.a.tls.TLSSocket).toBe(true);
    for (const name of ["renegotiate", "setSession", "exportKeyingMaterial", "setMaxSendFragment"] as const) {
      expect(thrown(() => socket[name]())).toBe("ERR_WEFT_TLS_UNSUPPORTED");
    }
    expect([socket.getSession(), socket.getTLSTicket()]).toEqual([undefined, undefined]);
  });

  test("errors have somebody to hear them, or are none", async () => {
    const server = await listen();
    // A port that is taken, and one where nobody is.
    const second = pair.b.tls.createServer(own).listen(PORT);
    expect((await once(second, "error"))[0]).toMatchObject({ code: "EADDRINUSE", syscall: "listen" });
    expect(await failure({ port: 9 })).toMatchObject({ code: "ECONNREFUSED", port: 9 });
    // A text that only the stack reads.
    const broken = pair.b.tls.createServer({ ...own, ca: "nothing" }).listen(PORT + 1);
    expect(((await once(broken, "error")) as [Error])[0].message).toMatch(/trust/);
    // Who speaks no TLS: nobody listens for tlsClientError, and nothing is thrown.
    const plain = pair.a.net.connect(PORT, HOST);
    plain.on("error", () => {});
    plain.end("GET / HTTP/1.1\r\n\r\n");
    plain.resume();
    await once(plain, "close");
    const errors: NodeJS.ErrnoException[] = [];
    server.on("tlsClientError", (error: NodeJS.ErrnoException) => errors.push(error));
    const gone = pair.a.net.connect(PORT, HOST);
    await once(gone, "connect");
    gone.resetAndDestroy();
    await eventually(() => errors.length === 1, "a client that goes in the middle");
    expect(errors[0].code).toBe("ECONNRESET");
    expect((await connected()).authorized).toBe(true);
    expect([pair.a.errors, pair.b.errors]).toEqual([[], []]);
  });

  test("half-close: the other direction goes on", async () => {
    await listen({ allowHalfOpen: true }, (socket) => {
      let got = "";
      socket.on("data", (data: Buffer) => (got += data.toString()));
      socket.on("end", () => {
        socket.write("after ");
        setTimeout(() => socket.end(got), 5);
      });
    });
    const socket = dial({ allowHalfOpen: true });
    socket.end("your end");
    expect(await text(socket)).toBe("after your end");
  });

  test("destroy, in the middle of connecting, of talking, by a reset, and with the stack", async () => {
    const accepted: TLSSocket[] = [];
    const errors: unknown[] = [];
    await listen({}, (socket) =>
      accepted.push(socket.resume().on("error", ({ code }: NodeJS.ErrnoException) => errors.push(code))),
    );
    const early = dial();
    early.destroy();
    await once(early, "close");
    const talking = await connected();
    await eventually(() => accepted.length > 0, "accepted");
    talking.write(Buffer.alloc(4 << 20), () => {});
    talking.destroy();
    const reset = await connected();
    reset.resetAndDestroy();
    await eventually(() => pair.a.sessionCount === 0, "nothing is left of the client's");
    await eventually(() => accepted.every(({ closed }) => closed), "nor of the server's");
    expect(errors).toContain("ECONNRESET");
    const last = await connected();
    const closed = once(last, "close");
    await pair.a.tls.close();
    await closed;
    await pair.b.tls.close();
    await eventually(() => pair.b.sessionCount === 0, "no session is left");
  });

  test("equal certificates are shared, and taken away when many others have come", async () => {
    const server = await listen({}, (socket) => socket.end());
    const count = (): number => pair.a.cryptoStore.trust().length;
    for (let i = 0; i < 3; i++) await text(dial());
    expect(count()).toBe(1);
    for (let i = 0; i < 20; i++) await text(dial({ ca: [ca, `# ${i}\n`] }));
    await eventually(() => count() === 16, "those that nobody needs");
    expect(pair.b.cryptoStore.certificates()).toHaveLength(1);
    server.close();
    await pair.a.tls.close();
    expect(count()).toBe(0);
  });
});
