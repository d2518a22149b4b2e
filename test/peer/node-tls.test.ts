import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createStack, type LiveStack } from "../../src/index.js";
import type { TlsConnectOptions } from "../../src/node/tls/index.js";
import type { TlsServer, TlsServerOptions } from "../../src/node/tls/tls-server.js";
import type { TLSSocket } from "../../src/node/tls/tls-socket.js";
import { lacks } from "../needs.js";
import { Netns } from "../support/netns.js";
import { mustRun, type Program } from "../support/program.js";
import { KERNEL4, KERNEL6, STACK4, STACK6, tapInterface } from "../support/weft.js";
import { Authority } from "../transport/tls/authority.js";

const SCRIPT = join(import.meta.dirname, "node-tls.mjs");
const BODY = Buffer.alloc(5_000_001, "weft");
const BODY_SAID = `${BODY.length} ${createHash("sha256").update(BODY).digest("hex")}`;

/** What the script says of a connection. */
type Facts = Record<string, unknown>;

/** Certificates of which each has something wrong, or nothing; whom the client trusts; and the code that both name it by. */
const CASES = [
  { what: "a good certificate", name: "good.test", servername: "good.test", isTrusted: true, code: undefined },
  {
    what: "a certificate of another host",
    name: "good.test",
    servername: "other.test",
    isTrusted: true,
    code: "ERR_TLS_CERT_ALTNAME_INVALID",
  },
  {
    what: "an expired certificate",
    name: "old.test",
    servername: "old.test",
    isTrusted: true,
    code: "CERT_HAS_EXPIRED",
  },
  {
    what: "an unknown authority",
    name: "good.test",
    servername: "good.test",
    isTrusted: false,
    code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  },
  {
    what: "nobody's certificate",
    name: "self.test",
    servername: "self.test",
    isTrusted: false,
    code: "DEPTH_ZERO_SELF_SIGNED_CERT",
  },
] as const;

describe.skipIf(lacks("netns", "tun", "ip", "openssl"))("stack.tls with Node's own tls", () => {
  const authority = new Authority();
  let netns: Netns;
  let stack: LiveStack;
  let port = 4500;

  beforeAll(async () => {
    await authority.open();
    await authority.issue("good.test");
    await authority.issue("client.test");
    await authority.issue("old.test", true);
    const { key, cert } = files("self.test");
    const subject = ["-subj", "/CN=self.test", "-addext", "subjectAltName=DNS:self.test"];
    const made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert];
    await mustRun("openssl", ["req", "-x509", ...made, ...subject]);
    netns = await Netns.create();
    stack = await createStack({
      interfaces: [tapInterface(netns.name)],
    });
  });
  afterAll(async () => {
    await stack.close();
    await netns.remove();
    authority.close();
  });

  /** Where a name's key and certificate are. */
  function files(name: string): { key: string; cert: string } {
    return { key: authority.path(`${name}.key`), cert: authority.path(`${name}.crt`) };
  }

  function texts(name: string): { key: Buffer; cert: Buffer } {
    const { key, cert } = files(name);
    return { key: readFileSync(key), cert: readFileSync(cert) };
  }

  async function nodeServer(options: Facts): Promise<{ program: Program; port: number }> {
    port++;
    const program = netns.start(process.execPath, SCRIPT, "server", JSON.stringify({ port, ...options }));
    await program.waitFor(/^listening$/m);
    return { program, port };
  }

  /** What a server of Node's has said so far. */
  function factsOf({ stdout }: Program): Facts[] {
    return stdout.split("\n").flatMap((line) => (line.startsWith("{") ? [JSON.parse(line) as Facts] : []));
  }

  async function nodeClient(options: Facts): Promise<Facts> {
    const args = [SCRIPT, "client", JSON.stringify({ host: STACK4, port, ...options })];
    return JSON.parse(await netns.must(process.execPath, args, 20_000)) as Facts;
  }

  /** The same server, of the stack. */
  async function stackServer(options: TlsServerOptions): Promise<TlsServer> {
    const server = stack.tls.createServer({ allowHalfOpen: true, ...options }, (socket) => {
      const hash = createHash("sha256");
      let got = 0;
      socket.on("error", () => {});
      socket.on("data", (data: Buffer) => {
        got += data.length;
        hash.update(data);
      });
      socket.on("end", () => socket.end(`${got} ${hash.digest("hex")}`));
    });
    server.listen(++port);
    await once(server, "listening");
    return server;
  }

  /** The same client, of the stack. */
  async function stackClient(options: TlsConnectOptions, body = Buffer.alloc(0)): Promise<[Facts, TLSSocket]> {
    const socket = stack.tls.connect({ host: KERNEL4, port, allowHalfOpen: true, ...options });
    const facts: Facts = {};
    let said = "";
    socket.on("secureConnect", () => socket.end(body));
    socket.on("data", (data: Buffer) => (said += data.toString()));
    socket.on("error", ({ code }: NodeJS.ErrnoException) => (facts["code"] = code));
    await new Promise((resolve) => socket.on("close", resolve));
    return [{ ...facts, said }, socket];
  }

  const trusted = (isTrusted: boolean): { ca?: Buffer } =>
    isTrusted ? { ca: Buffer.from(authority.certificate) } : {};
  const trustedFile = (isTrusted: boolean): { ca?: string } => (isTrusted ? { ca: authority.path("ca.crt") } : {});

  describe.each(CASES)("$what", ({ name, servername, isTrusted, code }) => {
    it("Node's client says so of the stack's server, and the stack's of Node's", async () => {
      await stackServer(texts(name));
      const theirs = await nodeClient({ servername, ...trustedFile(isTrusted) });
      const told = await nodeClient({ servername, ...trustedFile(isTrusted), rejectUnauthorized: false });
      const { program } = await nodeServer(files(name));
      const [ours] = await stackClient({ servername, ...trusted(isTrusted) });
      const [, socket] = await stackClient({ servername, ...trusted(isTrusted), rejectUnauthorized: false });
      await program.stop();
      expect([theirs["code"], ours["code"]]).toEqual([code, code]);
      const judged = [told["authorized"], told["authorizationError"]];
      expect(judged).toEqual([code === undefined, code ?? null]);
      expect([socket.authorized, socket.authorizationError]).toEqual(judged);
    });
  });

  describe.each([
    { family: "IPv4", kernel: KERNEL4, host: STACK4 },
    { family: "IPv6", kernel: KERNEL6, host: STACK6 },
  ])("over $family", ({ kernel, host }) => {
    it.each(["TLSv1.2", "TLSv1.3"])("a body, its end and an answer after that, %s", async (version) => {
      const how = { servername: "good.test", minVersion: version, maxVersion: version, ALPNProtocols: ["a", "b"] };
      await stackServer({ ...texts("good.test"), ALPNProtocols: ["b"] });
      const theirs = await nodeClient({ host, ...how, ...trustedFile(true), bytes: BODY.length });
      const { program } = await nodeServer({ ...files("good.test"), ALPNProtocols: ["b"] });
      const [ours, socket] = await stackClient({ host: kernel, ...how, ...trusted(true) }, BODY);
      await expect.poll(() => factsOf(program), { timeout: 10_000 }).toHaveLength(1);
      const [seen] = factsOf(program);
      await program.stop();
      expect([theirs["said"], ours["said"]]).toEqual([BODY_SAID, BODY_SAID]);
      const { alpnProtocol, authorized } = socket;
      expect(theirs).toMatchObject({ alpn: "b", authorized: true, protocol: version, subject: "good.test" });
      expect([alpnProtocol, authorized, socket.getProtocol()]).toEqual(["b", true, version]);
      expect(socket.getPeerCertificate()?.subject.CN).toBe("good.test");
      expect(seen).toMatchObject({ alpn: "b", servername: "good.test", protocol: version, cipher: socket.getCipher() });
    });
  });

  it("a client's certificate, and none where one has to be", async () => {
    const how = { servername: "good.test" };
    const errors: unknown[] = [];
    const server = await stackServer({ ...texts("good.test"), ...trusted(true), requestCert: true });
    server.on("tlsClientError", ({ code }: NodeJS.ErrnoException) => errors.push(code));
    const subjects: unknown[] = [];
    server.on("secureConnection", (socket: TLSSocket) => {
      subjects.push([socket.authorized, socket.getPeerCertificate()?.subject.CN]);
    });
    const good = await nodeClient({ ...how, ...trustedFile(true), ...files("client.test") });
    const bad = await nodeClient({ ...how, ...trustedFile(true) });
    expect([good["code"], good["said"], bad["code"]]).toEqual([
      undefined,
      `0 ${createHash("sha256").digest("hex")}`,
      "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED",
    ]);
    expect(subjects).toEqual([[true, "client.test"]]);
    await expect.poll(() => errors).toEqual(["ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE"]);
    const { program } = await nodeServer({ ...files("good.test"), ...trustedFile(true), requestCert: true });
    const [ours] = await stackClient({ ...how, ...trusted(true), ...texts("client.test") });
    expect(ours["code"]).toBeUndefined();
    await expect
      .poll(() => factsOf(program), { timeout: 10_000 })
      .toMatchObject([{ authorized: true, subject: "client.test" }]);
    await program.stop();
  });

  it("sessions are resumed by Node's server", async () => {
    const { program } = await nodeServer(files("good.test"));
    for (const isReused of [false, true]) {
      const [, socket] = await stackClient({ servername: "good.test", ...trusted(true) });
      expect([socket.isSessionReused(), socket.authorized]).toEqual([isReused, true]);
    }
    await expect.poll(() => factsOf(program).map((each) => each["reused"]), { timeout: 10_000 }).toEqual([false, true]);
    await program.stop();
  });

  it("who destroys a connection in the middle ends it for the other, too", async () => {
    const { program } = await nodeServer({ ...files("good.test"), dies: true });
    const [ours] = await stackClient({ servername: "good.test", ...trusted(true) }, BODY);
    expect(ours["code"]).toBe("ECONNRESET");
    await program.stop();
    const other = await nodeServer({ ...files("good.test"), greets: true });
    const socket = stack.tls.connect({ host: KERNEL4, port, servername: "good.test", ...trusted(true) });
    await once(socket, "data");
    socket.resetAndDestroy();
    await expect.poll(() => factsOf(other.program), { timeout: 10_000 }).toMatchObject([{ code: "ECONNRESET" }]);
    await other.program.stop();
  });
});
