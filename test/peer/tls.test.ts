import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { attach } from "../../src/client/client-app.js";
import type { App, CryptoStore, LiveStack, Session } from "../../src/index.js";
import { lacks } from "../needs.js";
import type { Netns } from "../support/netns.js";
import { mustRun, type Program } from "../support/program.js";
import { KERNEL4, STACK4 } from "../support/weft.js";
import { BODY, serveBody, TLS_FAMILIES, TlsPeerStack } from "./tls-stack.js";

describe.skipIf(lacks("netns", "tun", "ip", "curl", "openssl"))("TLS with other implementations", () => {
  let host: TlsPeerStack;
  let directory: string;
  let trusted: string;
  let keys: string;
  let netns: Netns;
  let stack: LiveStack;
  let store: CryptoStore;
  let client: App;

  beforeAll(async () => {
    host = await TlsPeerStack.start();
    ({ directory, trusted, keys, netns, stack, store } = host);
    client = await stack.attach({ name: "client" }, { disconnect: () => {} });
  });
  afterAll(() => host.end());

  describe.each(TLS_FAMILIES)("over $family", ({ connect, resolve }) => {
    it.each(["1.2", "1.3"])("curl verifies the certificate and gets every byte, TLS %s", async (version) => {
      const out = join(directory, `page-${version}`);
      const trust = ["--cacert", trusted, "--resolve", resolve];
      const how = ["-gsS", "--http1.1", "--max-time", "20", `--tlsv${version}`, "--tls-max", version];
      const what = ["-o", out, "-w", "%{http_code} %{ssl_verify_result} %{size_download}", "https://localhost/"];
      const said = await netns.must("curl", [...trust, ...how, ...what]);
      expect(said).toBe(`200 0 ${BODY.length}`);
      expect(readFileSync(out).equals(BODY)).toBe(true);
    });

    it("openssl s_client: protocol, cipher and name are as agreed", async () => {
      const args = ["-connect", connect, "-CAfile", trusted, "-verify_return_error", "-verify_hostname", "localhost"];
      const { stdout, status } = await netns.run("openssl", ["s_client", ...args, "-alpn", "h2,http/1.1"]);
      expect(status).toBe(0);
      expect(stdout).toContain("Verification: OK");
      expect(stdout).toContain("ALPN protocol: http/1.1");
      expect(stdout).toContain("TLSv1.3");
    });
  });

  it("the secrets of a handshake are in the file that was asked for, as curl has them", async () => {
    const theirs = join(directory, "curl.keys");
    const what = ["-gsS", "--http1.1", "-o", "/dev/null", "--cacert", trusted, "--resolve", TLS_FAMILIES[0].resolve];
    await netns.must("env", [`SSLKEYLOGFILE=${theirs}`, "curl", ...what, "https://localhost/"]);
    const ours = new Set(readFileSync(keys, "latin1").split("\n"));
    const wanted = readFileSync(theirs, "latin1").split("\n");
    expect(wanted.length).toBeGreaterThan(4);
    expect(wanted.filter((line) => !ours.has(line))).toEqual([]);
    expect(statSync(keys).mode & 0o777).toBe(0o600);
  });

  it("older versions get the alert for that", async () => {
    const args = ["s_client", "-connect", `${STACK4}:443`, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"];
    const { stderr } = await netns.run("openssl", args);
    expect(stderr).toContain("alert protocol version");
  });

  it("renegotiation is refused", async () => {
    const command = `(echo R; cat) | openssl s_client -connect ${STACK4}:443 -tls1_2`;
    const { stderr } = await netns.run("sh", ["-c", command]);
    expect(stderr).toContain("no renegotiation");
  });

  /** Where the key and the certificate of a name are, which has run out or not. */
  async function certificate(name: string, isExpired = false): Promise<[key: string, certificate: string]> {
    const files = [join(directory, `${name}.key`), join(directory, `${name}.crt`)] as const;
    const request = join(directory, `${name}.csr`);
    const subject = ["-newkey", "rsa:2048", "-nodes", "-keyout", files[0], "-subj", `/CN=${name}`];
    await mustRun("openssl", ["req", ...subject, "-out", request]);
    const config = join(directory, "ca.cnf");
    const ca = `new_certs_dir=${directory}\ndatabase=${directory}/index\nserial=${directory}/serial\nrand_serial=yes\nunique_subject=no\ndefault_md=sha256\npolicy=p\n`;
    writeFileSync(config, `[ca]\ndefault_ca=d\n[d]\n${ca}[p]\ncommonName=supplied\n`);
    writeFileSync(join(directory, "index"), "");
    const dates = ["-startdate", "20200101000000Z", "-enddate", isExpired ? "20200102000000Z" : "20491231000000Z"];
    const signing = ["-batch", "-selfsign", "-rand_serial", "-notext", "-config", config, "-keyfile", files[0]];
    await mustRun("openssl", ["ca", ...signing, ...dates, "-in", request, "-out", files[1]]);
    return [...files];
  }

  /** A server of OpenSSL's, and the index of its certificate among what we trust. */
  async function openssl(
    port: number,
    name: string,
    isExpired: boolean,
    ...more: string[]
  ): Promise<[Program, number]> {
    const [key, own] = await certificate(name, isExpired);
    const args = ["-accept", String(port), "-key", key, "-cert", own, "-rev", ...more];
    const program = netns.start("openssl", "s_server", ...args);
    await program.waitFor(/ACCEPT/, 10_000);
    return [program, store.addTrust(readFileSync(own))];
  }

  it.each([
    ["1.2", "-tls1_2", "TLSv1.2", "ECDHE-RSA-AES256-GCM-SHA384", 4431],
    ["1.3", "-tls1_3", "TLSv1.3", "TLS_AES_256_GCM_SHA384", 4432],
  ])("openssl s_server, TLS %s: what we send comes back reversed", async (_v, flag, version, cipher, port) => {
    const [program, trust] = await openssl(port, "peer.test", false, flag);
    const session = await client.connect(`tls://[peer.test]${KERNEL4}/${port}`, { tls: { trust } });
    expect(session.tlsInfo()).toMatchObject({ version, cipher, serverName: "peer.test" });
    session.write(Buffer.from("hello there\n"));
    const into = Buffer.alloc(64);
    await expect.poll(() => session.readableBytes).toBe(12);
    expect(into.toString("latin1", 0, session.read(into))).toBe("ereht olleh\n");
    expect(await stack.cli("show session verbose 2")).toContain(`${version} ${cipher}`);
    session.close();
    await program.stop();
  });

  it("a certificate that has expired, or is of somebody else, ends the handshake with that reason", async () => {
    const [expired, trust] = await openssl(4433, "old.test", true);
    const connect = (hostname: string): Promise<Session> =>
      client.connect(`tls://[${hostname}]${KERNEL4}/4433`, { tls: { trust } });
    await expect(connect("old.test")).rejects.toThrow(
      "certificate verify failed: certificate has expired (TLS_HANDSHAKE)",
    );
    await expired.waitFor(/alert certificate expired/, 10_000);
    await expired.stop();
    const [other, otherTrust] = await openssl(4434, "other.test", false);
    const wrong = client.connect(`tls://[mine.test]${KERNEL4}/4434`, { tls: { trust: otherTrust } });
    await expect(wrong).rejects.toThrow("certificate verify failed: hostname mismatch (TLS_HANDSHAKE)");
    await other.stop();
  });

  it("a certificate that was revoked is refused, and one whose issuer has no list, too", async () => {
    const [key, own] = await certificate("revoked.test");
    const config = ["-config", join(directory, "ca.cnf"), "-keyfile", key, "-cert", own];
    const list = (name: string): Promise<string> =>
      mustRun("openssl", ["ca", ...config, "-gencrl", "-crldays", "30", "-out", join(directory, name)]);
    await list("none.crl");
    await mustRun("openssl", ["ca", ...config, "-revoke", own]);
    await list("one.crl");
    const [, other] = await certificate("unlisted.test");
    const text = (name: string): Buffer => readFileSync(join(directory, name));
    const program = netns.start("openssl", "s_server", "-accept", "4435", "-key", key, "-cert", own, "-rev");
    await program.waitFor(/ACCEPT/, 10_000);
    const connect = async (crl: string, trusts = own): Promise<string> => {
      const trust = store.addTrust(readFileSync(trusts), text(crl));
      const session = await client.connect(`tls://[revoked.test]${KERNEL4}/4435`, { tls: { trust } });
      const { version = "" } = session.tlsInfo() ?? {};
      // The server has one client at a time.
      session.close();
      return version;
    };
    expect(await connect("none.crl")).toBe("TLSv1.3");
    await expect(connect("one.crl")).rejects.toThrow("certificate verify failed: certificate revoked (TLS_HANDSHAKE)");
    await expect(connect("none.crl", other)).rejects.toThrow("certificate verify failed");
    await program.stop();
  });

  it("an application in another process serves and connects, with the defaults and with its own", async () => {
    const outside = await attach(
      { name: "outside", directory: join(directory, "attach") },
      { accept: () => true, rx: serveBody, tx: serveBody, disconnect: (session) => void session.close() },
    );
    const listener = await outside.listen("tls://0.0.0.0/8443");
    const trust = ["--cacert", trusted, "--resolve", `localhost:8443:${STACK4}`];
    const what = ["-gsS", "--http1.1", "--max-time", "20", "-w", "%{http_code} %{size_download}", "-o", "/dev/null"];
    expect(await netns.must("curl", [...trust, ...what, "https://localhost:8443/"])).toBe(`200 ${BODY.length}`);
    const [key, own] = await certificate("outside.test");
    const pair = await outside.addCertificate({ certificate: readFileSync(own), key: readFileSync(key) });
    await outside.listen("tls://0.0.0.0/8444", { tls: { pair } });
    const verify = ["-CAfile", own, "-verify_return_error", "-verify_hostname", "outside.test"];
    const { stdout } = await netns.run("openssl", ["s_client", "-connect", `${STACK4}:8444`, ...verify]);
    expect(stdout).toContain("Verification: OK");
    const [program] = await openssl(4436, "peer.test", false);
    // Node's root certificates do not know it.
    await expect(outside.connect(`tls://[peer.test]${KERNEL4}/4436`)).rejects.toThrow("TLS_HANDSHAKE");
    await program.waitFor(/alert unknown ca/, 10_000);
    await program.stop();
    await listener.close();
    await outside.detach();
  });
});
