import { afterEach, beforeEach, expect, test } from "vitest";
import { tlsInfo } from "../../../src/app/tls-info.js";
import type { TlsProfile } from "../../../src/transport/tls/crypto-store.js";
import { TLS_1_2, TLS_1_3 } from "../../../src/transport/tls/engine.js";
import { TlsStacks } from "./two-stacks.js";

// VPP's tls_profile cases (test_tls_profile): versions, cipher lists, ciphersuites and groups, of either end.

let net: TlsStacks;
beforeEach(() => {
  net = new TlsStacks();
});
afterEach(() => net.close());

/** What a server and a client with these profiles agree on, or why they do not. */
async function agree(server: TlsProfile, client: TlsProfile): Promise<string> {
  const [listening, connecting] = [await net.attach(1), await net.attach(0)];
  await listening.listen("tls://0.0.0.0/443", { tls: { profile: await listening.addTlsProfile(server) } });
  const tls = { trust: net.trustServer(), profile: await connecting.addTlsProfile(client) };
  const result = await net.refusal(connecting, "tls://[localhost]198.18.0.2/443", { tls });
  if (result !== "connected") return result;
  const { version, cipher } = tlsInfo(net.stacks[1].host.sessions, net.ears[1].session.index) ?? {};
  return `${version} ${cipher}`;
}

test.each<[string, TlsProfile, TlsProfile, RegExp]>([
  ["the defaults", {}, {}, /^TLSv1\.3 TLS_/],
  ["TLS 1.2 at most, by the server", { maxVersion: TLS_1_2 }, {}, /^TLSv1\.2 ECDHE-/],
  ["TLS 1.2 at most, by the client", {}, { maxVersion: TLS_1_2 }, /^TLSv1\.2 ECDHE-/],
  ["TLS 1.3 at least", { minVersion: TLS_1_3 }, {}, /^TLSv1\.3/],
  ["no version in common", { minVersion: TLS_1_3 }, { maxVersion: TLS_1_2 }, /protocol version \(TLS_HANDSHAKE\)$/],
  [
    "a cipher list",
    { maxVersion: TLS_1_2, ciphers: "ECDHE-ECDSA-AES256-GCM-SHA384" },
    {},
    /^TLSv1\.2 ECDHE-ECDSA-AES256-GCM-SHA384$/,
  ],
  [
    "the server's order of ciphers counts",
    { maxVersion: TLS_1_2, ciphers: "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256" },
    { ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305" },
    /^TLSv1\.2 ECDHE-ECDSA-CHACHA20-POLY1305$/,
  ],
  [
    "no cipher in common",
    { maxVersion: TLS_1_2, ciphers: "ECDHE-ECDSA-AES256-GCM-SHA384" },
    { maxVersion: TLS_1_2, ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256" },
    /^sslv3 alert handshake failure \(TLS_HANDSHAKE\)$/,
  ],
  [
    "a cipher list does not touch the suites of 1.3",
    { ciphers: "ECDHE-ECDSA-AES256-GCM-SHA384" },
    { suites: "TLS_AES_128_GCM_SHA256" },
    /^TLSv1\.3 TLS_AES_128_GCM_SHA256$/,
  ],
  ["ciphersuites", { suites: "TLS_CHACHA20_POLY1305_SHA256" }, {}, /^TLSv1\.3 TLS_CHACHA20_POLY1305_SHA256$/],
  [
    "no ciphersuite in common",
    { minVersion: TLS_1_3, suites: "TLS_CHACHA20_POLY1305_SHA256" },
    { minVersion: TLS_1_3, suites: "TLS_AES_128_GCM_SHA256" },
    /^sslv3 alert handshake failure \(TLS_HANDSHAKE\)$/,
  ],
  ["a group", { groups: "P-384" }, { groups: "X25519:P-384" }, /^TLSv1\.3/],
  [
    "no group in common",
    { groups: "P-384" },
    { groups: "X25519" },
    /^sslv3 alert handshake failure \(TLS_HANDSHAKE\)$/,
  ],
])("%s", async (_what, server, client, expected) => {
  expect(await agree(server, client)).toMatch(expected);
});

test.each<[string, unknown, string]>([
  ["no profile", undefined, "profile: none (INVALID)"],
  ["an unknown version", { minVersion: 0x0302 }, "profile: minVersion: no version (INVALID)"],
  ["a version as text", { maxVersion: "1.3" }, "profile: maxVersion: no version (INVALID)"],
  [
    "versions the wrong way round",
    { minVersion: TLS_1_3, maxVersion: TLS_1_2 },
    "profile: version: not usable (INVALID)",
  ],
  ["an unknown cipher", { ciphers: "NONSENSE" }, "profile: ciphers: no cipher match (INVALID)"],
  ["an unknown suite", { suites: "NONSENSE" }, "INVALID"],
  ["an unknown group", { groups: "NONSENSE" }, "INVALID"],
  ["no text", { groups: 7 }, "profile: groups: no text of 1 to 511 characters (INVALID)"],
  ["an empty text", { ciphers: "" }, "profile: ciphers: no text of 1 to 511 characters (INVALID)"],
  ["a long text", { ciphers: "A".repeat(512) }, "profile: ciphers: no text of 1 to 511 characters (INVALID)"],
])("%s is refused", async (_what, profile, error) => {
  const app = await net.attach(1);
  await expect(app.addTlsProfile(profile as TlsProfile)).rejects.toThrow(error);
  expect(net.tls(1).store.profiles()).toHaveLength(1);
});
