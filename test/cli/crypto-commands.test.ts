import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Cli } from "../../src/cli/cli.js";
import { requestLine } from "../../src/cli/methods/request-form.js";
import { TLS_1_3 } from "../../src/transport/tls/engine.js";
import type { CryptoStore } from "../../src/transport/tls/crypto-store.js";
import { lacks } from "../needs.js";
import { ocspResponse } from "../native/ocsp-response.mjs";
import { mustRun } from "../support/program.js";
import { Authority } from "../transport/tls/authority.js";
import { TlsStacks } from "../transport/tls/two-stacks.js";
import { Pair } from "./pair.js";

let net: TlsStacks;
let cli: Cli;
let store: CryptoStore;
let directory: string;
beforeEach(() => {
  net = new TlsStacks();
  cli = new Cli({ host: net.stacks[1].host, wake: () => {} });
  store = net.tls(1).store;
  directory = mkdtempSync(join(tmpdir(), "weft-crypto-"));
});
afterEach(() => {
  net.close();
  rmSync(directory, { recursive: true, force: true });
});

function file(name: string, content: Uint8Array | string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

/** Files with a certificate and its key. */
function pairFiles(name = "localhost"): { certificate: string; key: string } {
  const { certificate, key } = store.engine.makePair(name);
  return { certificate: file(`${name}.crt`, certificate), key: file(`${name}.key`, key) };
}

/** The answer to a command that is done. */
async function ok(command: string): Promise<string> {
  const answer = await cli.run(command);
  expect(answer).toEqual({ ok: true, text: answer.text });
  return answer.text;
}

/** Why a command is not done. */
async function refusal(command: string): Promise<string> {
  const answer = await cli.run(command);
  expect(answer).toEqual({ ok: false, text: answer.text });
  return answer.text.replaceAll(directory, "DIR");
}

/** The cells of a table. */
const cells = async (command: string): Promise<string[][]> =>
  (await ok(command)).split("\n").map((line) => line.trim().split(/ {2,}/));

describe("certificates", () => {
  test("for all, and for an application, by name or index", async () => {
    const app = await net.attach(1);
    const { certificate, key } = pairFiles("a.test");
    const files = `certificate ${certificate} key ${key}`;
    expect(await ok(`app crypto add certificate name site ${files}`)).toBe("certificate 1");
    expect(await ok(`app crypto add certificate app ${app.name} ${files}`)).toBe("certificate 2");
    expect(await ok(`app crypto add certificate app ${app.index} ${files}`)).toBe("certificate 3");
    expect((await cells("show app certificate")).map((row) => row.slice(0, 4))).toEqual([
      ["Index", "Owner", "Name", "Subject"],
      ["1", "stack", "site", "CN=a.test"],
      ["2", "app0[0]", "-", "CN=a.test"],
      ["3", "app0[0]", "-", "CN=a.test"],
    ]);
    expect(await ok("show app certificate")).toMatch(/ \d{4} GMT {2}no {4}[0-9a-f]{64}$/m);
    expect(await cells("show app certificate app app0")).toHaveLength(3);
    // The application uses what was added for it.
    await app.listen("tls://0.0.0.0/443", { tls: { pair: 3 } });
    expect(await ok("app crypto del certificate site")).toBe("");
    expect(await ok("app crypto del certificate app app0 2")).toBe("");
    expect(await refusal("app crypto del certificate 3")).toContain("certificate 3: application 0's");
    expect(await refusal("app crypto del certificate app app0 2")).toContain("certificate 2: there is none");
    expect(await refusal("app crypto del certificate site")).toContain('no certificate named "site"');
    await app.detach();
    expect(await cells("show app certificate")).toHaveLength(1);
  });

  test("a key is nowhere in what is shown or refused", async () => {
    const { certificate, key } = pairFiles();
    const secret = "MIIsecretsecretsecret";
    const broken = file("broken.key", `-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----\n`);
    await ok(`app crypto add certificate certificate ${certificate} key ${key}`);
    const said = [
      await refusal(`app crypto add certificate certificate ${certificate} key ${broken}`),
      await refusal(`app crypto add certificate certificate ${broken} key ${broken}`),
      await ok("show app certificate --json"),
    ].join("\n");
    expect(said).not.toContain(secret);
    expect(said).not.toContain("PRIVATE");
  });

  test("what is wrong with files is said by name", async () => {
    const { certificate, key } = pairFiles();
    const other = pairFiles("other.test");
    const add = (certificateFile: string, keyFile: string): Promise<string> =>
      refusal(`app crypto add certificate certificate ${certificateFile} key ${keyFile}`);
    const long = file("long", "x".repeat(65_537));
    mkdirSync(join(directory, "sub"));
    await mustRun("mkfifo", [join(directory, "pipe")]);
    expect(await add(join(directory, "none"), key)).toContain('"DIR/none": cannot be read (ENOENT)');
    expect(await add(certificate, long)).toContain('"DIR/long": longer than 65536 bytes');
    expect(await add(join(directory, "sub"), key)).toContain('"DIR/sub": not a file');
    expect(await add(join(directory, "pipe"), key)).toContain('"DIR/pipe": not a file');
    expect(await add("/dev/zero", key)).toContain('"/dev/zero": not a file');
    expect(await add("a.crt", key)).toContain("certificate: not an absolute path");
    expect(await add(file("empty", ""), key)).toContain("certificate: no start line");
    expect(await add(certificate, other.key)).toContain("key");
    expect(await refusal(`app crypto add certificate certificate ${certificate}`)).toContain("key is missing");
    expect(await refusal(`app crypto add certificate crl ${certificate}`)).toContain('unknown argument "crl"');
    expect(await refusal("app crypto add pair")).toContain(
      'kind: not one of certificate, trust, crl, ocsp, tls-profile: "pair"',
    );
    expect(await refusal("app crypto add certificate app nobody")).toContain('no app "nobody"');
    expect(await refusal(`app crypto add certificate app 7 certificate ${certificate} key ${key}`)).toContain(
      "no app 7",
    );
    const named = (name: string): string =>
      `app crypto add certificate name ${name} certificate ${certificate} key ${key}`;
    expect(await refusal(named("17"))).toContain("not a name");
    await ok(named("twice"));
    expect(await refusal(named("twice"))).toContain('there is one named "twice"');
  });
});

test("an OCSP response for a certificate, by its name or index", async () => {
  const { certificate, key } = pairFiles("a.test");
  const app = await net.attach(1);
  await ok(`app crypto add certificate name site certificate ${certificate} key ${key}`);
  await ok(`app crypto add certificate app app0 certificate ${certificate} key ${key}`);
  const response = file("ocsp.der", ocspResponse(readFileSync(certificate)));
  const stapled = async (): Promise<(string | undefined)[]> =>
    (await cells("show app certificate")).slice(1).map((row) => row.at(-2));
  expect(await stapled()).toEqual(["no", "no"]);
  expect(await ok(`app crypto add ocsp pair site ocsp ${response}`)).toBe("");
  expect(await stapled()).toEqual(["yes", "no"]);
  expect(await ok(`app crypto add ocsp app app0 pair 2 ocsp ${response}`)).toBe("");
  expect(await stapled()).toEqual(["yes", "yes"]);
  expect(await refusal(`app crypto add ocsp pair 2 ocsp ${response}`)).toContain("certificate 2: application 0's");
  expect(await refusal(`app crypto add ocsp pair other ocsp ${response}`)).toContain('no certificate named "other"');
  expect(await refusal(`app crypto add ocsp pair site ocsp ${certificate}`)).toContain("not a response in DER");
  expect(await refusal(`app crypto add ocsp pair site ocsp ${file("e", "")}`)).toContain("ocsp: nothing in it");
  const long = file("long", "x".repeat(16_381));
  expect(await refusal(`app crypto add ocsp pair site ocsp ${long}`)).toContain("longer than 16380 bytes");
  expect(await refusal(`app crypto add ocsp name x pair site ocsp ${response}`)).toContain("name: not of kind ocsp");
  expect(await refusal(`app crypto add ocsp ocsp ${response}`)).toContain("pair is missing");
  expect(await refusal("app crypto add ocsp pair site")).toContain("ocsp is missing");
  await app.detach();
});

describe.skipIf(lacks("openssl"))("trust", () => {
  let authority: Authority;
  beforeEach(async () => {
    authority = await new Authority().open();
  });
  afterEach(() => authority.close());

  test("with its revocation lists, which are replaced", async () => {
    await authority.issue("a.test");
    const lists = [file("before.crl", await authority.crl())];
    await authority.revoke("a.test");
    lists.push(file("after.crl", await authority.crl()));
    const certificates = authority.path("ca.crt");
    expect(await ok(`app crypto add trust name ours certificates ${certificates}`)).toBe("trust 1");
    const app = await net.attach(1);
    expect(await ok(`app crypto add trust app app0 certificates ${certificates} crl ${lists[0]}`)).toBe("trust 2");
    const header = ["Index", "Owner", "Name", "Certificates", "CRLs"];
    const rows = [
      ["1", "stack", "ours", "1", "0"],
      ["2", "app0[0]", "-", "1", "1"],
    ];
    expect(await cells("show app trust")).toEqual([header, ...rows]);
    expect(await ok(`app crypto add crl trust ours crl ${lists[1]}`)).toBe("");
    expect(await ok(`app crypto add crl app app0 trust 2 crl ${lists[1]}`)).toBe("");
    expect(store.trust().map(({ crl }) => Buffer.from(crl).equals(Buffer.from(store.trust()[0].crl)))).toEqual([
      true,
      true,
    ]);
    expect(await cells("show app trust app app0")).toEqual([header, rows[1]]);
    expect(await refusal(`app crypto add crl trust 2 crl ${lists[0]}`)).toContain("trust 2: application 0's");
    expect(await refusal(`app crypto add crl trust ours crl ${certificates}`)).toContain("crl: nothing in it");
    expect(await refusal(`app crypto add crl trust others crl ${lists[0]}`)).toContain('no trust named "others"');
    expect(await refusal(`app crypto add crl name x trust ours crl ${lists[0]}`)).toContain("name: not of kind crl");
    expect(await refusal(`app crypto add crl crl ${lists[0]}`)).toContain("trust is missing");
    expect(await refusal("app crypto add crl trust ours")).toContain("crl is missing");
    await ok("app crypto del trust ours");
    await app.detach();
    expect(store.trust()).toEqual([]);
  });
});

describe("TLS profiles", () => {
  test("by VPP's words", async () => {
    await net.attach(1);
    const profile = "cipher-list ECDHE-ECDSA-AES128-GCM-SHA256 ciphersuites TLS_AES_128_GCM_SHA256 groups X25519:P-256";
    expect(await ok(`app crypto add tls-profile app app0 ${profile} min-version 1.2 max-version 1.3`)).toBe(
      "tls-profile 1",
    );
    expect(await ok("app crypto add tls-profile name modern min-version 1.3")).toBe("tls-profile 2");
    expect(store.profiles()[2]).toMatchObject({ name: "modern", profile: { minVersion: TLS_1_3 } });
    const rows = [
      ["0", "stack", "-", "-", "-", "-", "-", "-"],
      ["1", "app0[0]", "-", "1.2", "1.3", "ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256", "X25519:P-256"],
      ["2", "stack", "modern", "1.3", "-", "-", "-", "-"],
    ];
    const header = ["Index", "Owner", "Name", "Min", "Max", "Cipher list", "Ciphersuites", "Groups"];
    expect(await cells("show app tls-profile")).toEqual([header, ...rows]);
    expect(await cells("show app tls-profile app 0")).toEqual([header, rows[1]]);
    expect(await ok("app crypto del tls-profile app app0 1")).toBe("");
    expect(await refusal("app crypto del tls-profile 0")).toContain("profile 0: there is none");
    expect(await refusal("app crypto add tls-profile min-version 1.1")).toContain('min-version: not 1.2 or 1.3: "1.1"');
    expect(await refusal("app crypto add tls-profile cipher-list NONSENSE")).toContain("ciphers: no cipher match");
    expect(await refusal("app crypto add tls-profile min-version 1.3 max-version 1.2")).toContain(
      "version: not usable",
    );
    expect(await refusal("app crypto add tls-profile groups")).toContain("groups is missing");
  });
});

describe("methods", () => {
  test("answer in JSON, with the argument at fault", async () => {
    const { certificate, key } = pairFiles("a.test");
    const call = async (method: string, params: object): Promise<unknown> => {
      const { text } = await cli.run(requestLine(method, params));
      const { result, error } = JSON.parse(text) as { result?: unknown; error?: { argument?: string; name: string } };
      return error === undefined ? result : [error.argument, error.name];
    };
    expect(await call("crypto.add", { kind: "certificate", certificate, key })).toEqual({ index: 1 });
    expect(await call("crypto.list", {})).toEqual({
      certificates: [
        {
          index: 1,
          app: null,
          name: "",
          subject: "CN=a.test",
          validTo: expect.any(String),
          sha256: expect.any(String),
          ocsp: false,
        },
      ],
      trust: [],
      profiles: [
        {
          index: 0,
          app: null,
          name: "",
          minVersion: null,
          maxVersion: null,
          ciphers: null,
          suites: null,
          groups: null,
        },
      ],
    });
    expect(await call("crypto.add", { kind: "certificate", certificate, key, groups: "P-256" })).toEqual([
      "groups",
      "INVALID",
    ]);
    expect(await call("crypto.add", { kind: "certificate", certificate })).toEqual(["key", "INVALID"]);
    expect(await call("crypto.add", { kind: "trust", certificates: key })).toEqual(["certificates", "INVALID"]);
    expect(await call("crypto.del", { kind: "trust", which: "1" })).toEqual(["which", "NOCRYPTOCKP"]);
    expect(await call("crypto.del", { kind: "certificate", which: "1", app: 9 })).toEqual(["app", "NOAPP"]);
    expect(await call("crypto.del", { kind: "certificate", which: "1" })).toBeNull();
  });

  test("a stack without TLS has none of it", async () => {
    const pair = new Pair();
    const none = "this stack has no TLS: its interfaces are wires only";
    expect((await pair.cli.run("app crypto add tls-profile")).text).toContain(none);
    expect((await pair.cli.run("show app trust")).text).toContain(none);
  });
});
