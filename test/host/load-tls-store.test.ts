import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ConfigError } from "../../src/host/config-error.js";
import { appTlsOptions, loadTlsStore } from "../../src/host/load-tls-store.js";
import { NativeWindow } from "../../src/host/native-window.js";
import { opensslEngine } from "../../src/host/openssl-engine.js";
import type { TlsStoreConfig } from "../../src/host/tls-config.js";
import { createStack } from "../../src/index.js";
import { wire } from "../../src/device/wire-device.js";
import { CryptoStore } from "../../src/transport/tls/crypto-store.js";
import { TLS_1_3 } from "../../src/transport/tls/engine.js";

let native: NativeWindow;
let store: CryptoStore;
let directory: string;
beforeEach(() => {
  native = new NativeWindow({ bytes: 8 << 20, hugePages: false });
  store = new CryptoStore(opensslEngine(native));
  directory = mkdtempSync(join(tmpdir(), "weft-store-"));
});
afterEach(() => {
  native.native.close();
  rmSync(directory, { recursive: true, force: true });
});

function file(name: string, content: Uint8Array | string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

function pair(name: string): { name: string; certificate: string; key: string } {
  const { certificate, key } = store.engine.makePair(`${name}.test`);
  return { name, certificate: file(`${name}.crt`, certificate), key: file(`${name}.key`, key) };
}

describe("the crypto store of a configuration", () => {
  test("is loaded from files, and applications name what is in it", () => {
    const site = pair("site");
    loadTlsStore(store, {
      certificates: [pair("other"), site],
      trust: [{ name: "ours", certificates: site.certificate }],
      profiles: [{ name: "modern", minVersion: "1.3", groups: "X25519" }],
    });
    expect(store.certificates().map(({ index, owner, name }) => [index, owner, name])).toEqual([
      [1, -1, "other"],
      [2, -1, "site"],
    ]);
    expect(store.profiles()[1]).toMatchObject({ name: "modern", profile: { minVersion: TLS_1_3, groups: "X25519" } });
    const names = { certificate: "site", trust: "ours", profile: "modern", verify: "require", alpn: ["h2"] } as const;
    expect(appTlsOptions(store, names)).toEqual({ pair: 2, trust: 1, profile: 1, verify: "require", alpn: ["h2"] });
    expect(appTlsOptions(store, {})).toEqual({});
    expect(appTlsOptions(store, undefined)).toBeUndefined();
  });

  test("what is wrong names the key", () => {
    const site = pair("site");
    const other = pair("other");
    const crl = file("none.crl", "no list");
    const long = file("long", "x".repeat(65_537));
    const wrong: [line: string, config: TlsStoreConfig][] = [
      ["tls.certificates[1].key: key values mismatch", { certificates: [site, { ...other, key: site.key }] }],
      ["tls.certificates[0].key: unsupported", { certificates: [{ ...site, key: crl }] }],
      [`tls.certificates[0].key: "${long}": longer than 65536 bytes`, { certificates: [{ ...site, key: long }] }],
      ["tls.trust[0].certificates: nothing in it", { trust: [{ name: "ours", certificates: crl }] }],
      ["tls.trust[0].crl: nothing in it", { trust: [{ name: "ours", certificates: site.certificate, crl }] }],
      ["tls.profiles[0]: version: not usable", { profiles: [{ name: "a", minVersion: "1.3", maxVersion: "1.2" }] }],
    ];
    for (const [line, config] of wrong) {
      expect(() => loadTlsStore(new CryptoStore(store.engine), config)).toThrow(new ConfigError(...split(line)));
    }
  });

  test("a stack of wires only has no TLS", async () => {
    const config = { profiles: [{ name: "modern" }] };
    const line = "tls.profiles: no TLS on a stack whose interfaces are wires only";
    expect(() => loadTlsStore(undefined, config)).toThrow(line);
    expect(() => loadTlsStore(undefined, {})).not.toThrow();
    const interfaces = [{ name: "w0", kind: "wire", device: wire()[0], addresses: ["198.18.0.1/24"] }] as const;
    await expect(createStack({ interfaces, tls: config })).rejects.toThrow(line);
  });
});

function split(line: string): [where: string, what: string] {
  const at = line.indexOf(": ");
  return [line.slice(0, at), line.slice(at + 2)];
}

describe("an application of a configuration", () => {
  test("serves http on tls:// with what it names", async () => {
    const own = pair("site");
    const limits = { smallPackets: 4096, largePackets: 256, fifoBytes: 64 << 20, appSegmentBytes: 64 << 20 };
    const ends = wire();
    const stacks = await Promise.all(
      ends.map((device, i) =>
        createStack({
          interfaces: [{ name: "w0", kind: "wire", device, addresses: [`198.18.0.${i + 1}/24`] }],
          // With this there is TLS.
          attach: { directory: join(directory, `attach${i}`) },
          limits,
          ...(i === 0
            ? {
                tls: { certificates: [own], profiles: [{ name: "old", maxVersion: "1.2" }] },
                apps: [{ kind: "http", listen: ["tls://0.0.0.0/443"], tls: { certificate: "site", profile: "old" } }],
              }
            : {}),
        }),
      ),
    );
    try {
      const client = await stacks[1].attach({ name: "client" }, {});
      const text = stacks[0].cryptoStore?.certificates().find(({ name }) => name === "site")?.certificate;
      const trust = await client.addTrust(text ?? new Uint8Array(0));
      const session = await client.connect("tls://[site.test]198.18.0.1/443", { tls: { trust, alpn: ["http/1.1"] } });
      expect(session.tlsInfo()).toMatchObject({ version: "TLSv1.2", alpn: "http/1.1" });
      expect(await stacks[0].cli("show app certificate")).toContain("stack  site  CN=site.test");
    } finally {
      for (const stack of stacks) await stack.close();
    }
  });
});
