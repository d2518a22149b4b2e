// What VPP's tests of TLS look at, by their names there: test_tls, test_vcl, and the hoststack suite's alpn.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { App } from "../../../src/app/app.js";
import { TLS_1_2, TLS_1_3 } from "../../../src/transport/tls/engine.js";
import { pattern, TlsStacks } from "./two-stacks.js";

const ENDS = {
  ip4: ["tls://0.0.0.0/443", "tls://[localhost]198.18.0.2/443"],
  ip6: ["tls://::/443", "tls://[localhost]2001:db8::2/443"],
} as const;
const FAMILIES = ["ip4", "ip6"] as const;
const VERSIONS = [
  ["1.2", TLS_1_2],
  ["1.3", TLS_1_3],
] as const;

let net: TlsStacks;
beforeEach(() => {
  net = new TlsStacks();
});
afterEach(() => net.close());

describe("transfer, and TLS uni-dir: 2 MB in fifos of 4 KiB, each byte looked at", () => {
  test.each(FAMILIES.flatMap((family) => VERSIONS.map((version) => [family, ...version] as const)))(
    "%s, TLS %s",
    async (family, _name, version) => {
      const [listen, connect] = ENDS[family];
      const data = pattern(2 << 20);
      let got = 0;
      let wrongAt = -1;
      const into = Buffer.alloc(4096);
      const server = await net.attach(
        1,
        {
          rx: (session) => {
            for (let n = session.read(into); n > 0; n = session.read(into)) {
              if (!into.subarray(0, n).equals(data.subarray(got, got + n)) && wrongAt < 0) wrongAt = got;
              got += n;
            }
          },
          disconnect: (session) => session.close(),
        },
        4096,
      );
      await server.listen(listen, { tls: { profile: net.tls(1).store.addProfile({ maxVersion: version }) } });
      let sent = 0;
      const client = await net.attach(
        0,
        {
          tx: (session) => {
            for (let n = 1; n > 0 && sent < data.length; sent += Math.max(0, n)) n = session.write(data, sent);
            if (sent === data.length) session.halfClose();
          },
        },
        4096,
      );
      const session = await net.connect(client, connect, { tls: { trust: net.trustServer() } });
      expect(session.tlsInfo()?.version).toBe(version === TLS_1_2 ? "TLSv1.2" : "TLSv1.3");
      sent = session.write(data);
      for (let i = 0; i < 2000 && !net.ears[0].heard.includes("disconnect"); i++) await net.pass(1);
      expect([got, wrongAt]).toEqual([data.length, -1]);
      session.close();
      expect(await net.leftovers()).toEqual([]);
    },
  );
});

/** Lists of the client and the server, and what they agree on: nothing, or a name. */
const ALPN: [client: string[], server: string[], result: string | undefined][] = [
  [[], [], undefined],
  [["http/1.1"], [], undefined],
  [[], ["http/1.1"], undefined],
  [["http/1.1"], ["http/1.1"], "http/1.1"],
  [["h2", "http/1.1"], ["http/1.1"], "http/1.1"],
  [["http/1.1"], ["h2", "http/1.1"], "http/1.1"],
  [["h2", "http/1.1"], ["h2", "http/1.1"], "h2"],
  // The server's order counts (RFC 7301 3.2).
  [["http/1.1", "h2"], ["h2", "http/1.1"], "h2"],
  [["h2", "http/1.1"], ["http/1.1", "h2"], "http/1.1"],
];
/** Lists with nothing in common. */
const ALPN_REFUSED: [client: string[], server: string[]][] = [
  [["h2"], ["http/1.1"]],
  [
    ["h2", "h3"],
    ["http/1.1", "http/1.0"],
  ],
];

describe.each(VERSIONS)("alpn matrix, TLS %s", (_name, version) => {
  async function listen(alpn: string[]): Promise<App> {
    const server = await net.attach(1);
    const profile = net.tls(1).store.addProfile({ maxVersion: version });
    await server.listen("tls://0.0.0.0/443", { tls: { alpn, profile } });
    return net.attach(0);
  }

  test.each(ALPN)("client %j, server %j: %s", async (offered, supported, result) => {
    const client = await listen(supported);
    const tls = { alpn: offered, trust: net.trustServer() };
    const session = await net.connect(client, "tls://[localhost]198.18.0.2/443", { tls });
    expect([session.tlsInfo()?.alpn, net.ears[1].session.tlsInfo()?.alpn]).toEqual([result, result]);
    session.close();
    await net.pass();
    net.ears[1].session.close();
    expect(await net.leftovers()).toEqual([]);
  });

  test.each(ALPN_REFUSED)("client %j, server %j: refused", async (offered, supported) => {
    const client = await listen(supported);
    const tls = { alpn: offered, trust: net.trustServer() };
    const refusal = await net.refusal(client, "tls://[localhost]198.18.0.2/443", { tls });
    expect(refusal).toBe("tlsv1 alert no application protocol (TLS_HANDSHAKE)");
    expect(net.ears[1].heard).toEqual([]);
    expect(await net.leftovers()).toEqual([]);
  });
});
