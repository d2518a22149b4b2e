import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { TlsInfo } from "../../../src/transport/tls/engine.js";
import { lacks } from "../../needs.js";
import { Authority } from "./authority.js";
import { TlsStacks } from "./two-stacks.js";

let net: TlsStacks;
beforeEach(() => {
  net = new TlsStacks();
});
afterEach(() => net.close());

const SERVER = "tls://[any.test]198.18.0.2/443";

/** What a client that only wants to be told is told. */
async function told(trust: number): Promise<TlsInfo> {
  const session = await net.connect(await net.attach(0), SERVER, { tls: { verify: "report", trust } });
  return session.tlsInfo() ?? { version: "none", resumed: false };
}

test("a client is told what is wrong with a certificate, and connected; names are left to it", async () => {
  await (await net.attach(1)).listen("tls://0.0.0.0/443");
  const info = await told(0);
  expect(info).toMatchObject({ verifyError: "DEPTH_ZERO_SELF_SIGNED_CERT", verifyReason: "self-signed certificate" });
  expect(info.certificate?.length).toBeGreaterThan(100);
  const { verifyError, verifyReason, serverName, standardCipher } = await told(net.trustServer());
  expect([verifyError, verifyReason, serverName]).toEqual([undefined, undefined, "any.test"]);
  expect(standardCipher).toMatch(/^TLS_/);
});

test("a server is told of clients without a certificate, and accepts them", async () => {
  await (await net.attach(1)).listen("tls://0.0.0.0/443", { tls: { verify: "report" } });
  await net.connect(await net.attach(0), SERVER, { tls: { verify: "none" } });
  expect(net.ears[1].session.tlsInfo()?.verifyError).toBe("UNABLE_TO_GET_ISSUER_CERT");
});

test("who asks for nothing is told nothing", async () => {
  await (await net.attach(1)).listen("tls://0.0.0.0/443");
  const session = await net.connect(await net.attach(0), SERVER, { tls: { verify: "none" } });
  for (const each of [session, net.ears[1].session]) {
    expect([each.tlsInfo()?.verifyError, each.tlsInfo()?.issuers]).toEqual([undefined, undefined]);
  }
});

describe.skipIf(lacks("openssl"))("with an authority", () => {
  const authority = new Authority();
  beforeAll(() => authority.open());
  afterAll(() => authority.close());

  test.each([
    ["an expired one", true, true, "CERT_HAS_EXPIRED"],
    ["one of an unknown authority", false, false, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
    ["a good one", false, true, undefined],
  ])("%s", async (name, isExpired, isTrusted, verifyError) => {
    const pair = net.tls(1).store.addPair(await authority.issue(`${name.replaceAll(" ", "-")}.test`, isExpired));
    await (await net.attach(1)).listen("tls://0.0.0.0/443", { tls: { pair } });
    const info = await told(isTrusted ? net.tls(0).store.addTrust(authority.certificate) : 0);
    expect(info.verifyError).toBe(verifyError);
    expect(info.issuers?.length).toBe(isTrusted ? 1 : undefined);
  });
});
