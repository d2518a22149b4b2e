import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EXT_CONFIG_CRYPTO, EXT_CONFIG_HTTP, ExtConfig } from "../../../src/session/ext-config.js";
import { SESSION_E_INVALID } from "../../../src/session/session-errors.js";
import { cryptoExtConfig, PAIR_ASK, parseCryptoConfig } from "../../../src/transport/tls/crypto-config.js";

const NOTHING = { pair: -1, trust: -1, profile: -1, verify: -1, alpn: new Uint8Array(0), ocsp: false, hostname: "" };

function chunkOf(part: Uint8Array, kind = EXT_CONFIG_CRYPTO): Uint8Array {
  const config = new ExtConfig();
  config.add(kind, part);
  return config.bytes;
}

describe("what an application says of a TLS endpoint", () => {
  test("comes back as it was said", () => {
    const options = {
      pair: 3,
      trust: 70_000,
      profile: 0,
      verify: "request",
      alpn: ["h2", "http/1.1"],
      ocsp: true,
    } as const;
    const chunk = cryptoExtConfig(options, "a.test");
    expect(chunk).toBeInstanceOf(Uint8Array);
    expect(parseCryptoConfig(chunk as Uint8Array)).toEqual({
      pair: 3,
      trust: 70_000,
      profile: 0,
      verify: 1,
      alpn: new TextEncoder().encode("\u0002h2\u0008http/1.1"),
      ocsp: true,
      hostname: "a.test",
    });
    expect(parseCryptoConfig(cryptoExtConfig({ pair: "ask" }) as Uint8Array)).toEqual({ ...NOTHING, pair: PAIR_ASK });
  });

  test("nothing said: no chunk, an empty one, one of another kind", () => {
    for (const chunk of [undefined, new Uint8Array(0), chunkOf(Uint8Array.of(1), EXT_CONFIG_HTTP)]) {
      expect(parseCryptoConfig(chunk)).toEqual(NOTHING);
    }
  });

  test.each([
    [{ pair: 1.5 }, "", "pair is no index"],
    [{ trust: 2 ** 31 }, "", "trust is no index"],
    [{ profile: Number.NaN }, "", "profile is no index"],
    [{ verify: "maybe" }, "", "verify is not none, request, require, report"],
    [{ verify: "toString" }, "", "verify is not none, request, require, report"],
    [{ alpn: "h2" }, "", "alpn is no list"],
    [{ ocsp: 1 }, "", "ocsp is not true or false"],
    [{ alpn: [7] }, "", "alpn is no list"],
    [{ alpn: ["é"] }, "", "alpn is no list"],
    [{ alpn: ["x".repeat(200), "y".repeat(60)] }, "", "alpn is no list"],
    [{}, "x".repeat(254), "no such hostname"],
    [{}, "a\u0000b", "no such hostname"],
    [{ alpn: ["x".repeat(254)] }, "y".repeat(250), "too long together"],
  ])("%j %s is refused: %s", (options, hostname, wrong) => {
    expect(Reflect.apply(cryptoExtConfig, undefined, [options, hostname])).toContain(wrong);
  });
});

describe("a chunk from another process", () => {
  test("that is cut anywhere, or longer, is INVALID", () => {
    const part = (cryptoExtConfig({ pair: 1, alpn: ["h2"] }, "a.test") as Uint8Array).slice(4);
    expect(parseCryptoConfig(chunkOf(part))).toMatchObject({ pair: 1, hostname: "a.test" });
    for (let n = 0; n < part.length; n++) {
      expect(parseCryptoConfig(chunkOf(part.subarray(0, n)))).toBe(SESSION_E_INVALID);
    }
    expect(parseCryptoConfig(chunkOf(Uint8Array.of(...part, 0)))).toBe(SESSION_E_INVALID);
    // Of verify, of ocsp, of the length of a protocol's name, of the hostname.
    for (const [at, value] of [
      [12, 4],
      [13, 2],
      [15, 3],
      [15, 0],
      [20, 0],
      [20, 200],
    ]) {
      const odd = part.slice();
      odd[at] = value;
      expect(parseCryptoConfig(chunkOf(odd)), `${at}`).toBe(SESSION_E_INVALID);
    }
  });

  test("of any bytes is read or refused, and nothing is thrown", () => {
    const isSound = fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, isPart) => {
      const config = parseCryptoConfig(isPart ? chunkOf(bytes) : bytes);
      if (typeof config === "number") return config < 0;
      return config.hostname.length + config.alpn.length <= bytes.length;
    });
    expect(fc.check(isSound).failed).toBe(false);
  });
});
