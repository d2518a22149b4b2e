import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { App } from "../../src/index.js";
import { lacks } from "../needs.js";
import { KERNEL4 } from "../support/weft.js";
import { Authority } from "../transport/tls/authority.js";
import { TLS_FAMILIES, TlsPeerStack } from "./tls-stack.js";

const PORT = 8443;
const VERSIONS = [
  ["1.2", "-tls1_2", 4451],
  ["1.3", "-tls1_3", 4452],
] as const;

describe.skipIf(lacks("netns", "tun", "ip", "openssl"))("OCSP stapling", () => {
  let host: TlsPeerStack;
  let authority: Authority;
  let app: App;
  let pair: number;
  beforeAll(async () => {
    [host, authority] = await Promise.all([TlsPeerStack.start(), new Authority().open()]);
    app = await host.stack.attach({ name: "stapling" }, { accept: () => true });
    pair = await app.addCertificate(await authority.issue("stapled.test"));
    for (const { stack } of TLS_FAMILIES) await app.listen(`tls://${stack}/${PORT}`, { tls: { pair } });
  });
  afterAll(async () => {
    authority.close();
    await host.end();
  });

  describe.each(TLS_FAMILIES)("over $family", ({ connect }) => {
    it.each(VERSIONS)("openssl s_client -status, TLS %s", async (_version, flag) => {
      const peer = ["-connect", connect.replace(/443$/, String(PORT)), "-servername", "stapled.test"];
      const trust = ["-CAfile", authority.path("ca.crt"), "-verify_return_error", flag, "-status"];
      const said = async (): Promise<string> =>
        (await host.netns.run("openssl", ["s_client", ...peer, ...trust])).stdout;
      await app.setOcsp(pair, new Uint8Array(0));
      expect(await said()).toContain("OCSP response: no response sent");
      await app.setOcsp(pair, await authority.ocsp("stapled.test"));
      const text = await said();
      expect(text).toContain("OCSP Response Status: successful (0x0)");
      expect(text).toContain("Cert Status: good");
      expect(text).toContain("Verify return code: 0 (ok)");
    });
  });

  it.each(VERSIONS)("what openssl s_server staples is what we are told, TLS %s", async (version, flag, port) => {
    const name = `peer-${version}.test`;
    await authority.issue(name);
    const response = await authority.ocsp(name);
    const own = ["-cert", authority.path(`${name}.crt`), "-key", authority.path(`${name}.key`)];
    const staple = ["-status_file", authority.path(`${name}.ocsp`), "-rev", flag];
    const program = host.netns.start("openssl", "s_server", "-accept", String(port), ...own, ...staple);
    await program.waitFor(/ACCEPT/, 10_000);
    const trust = await app.addTrust(authority.certificate);
    const session = await app.connect(`tls://[${name}]${KERNEL4}/${port}`, { tls: { trust, ocsp: true } });
    expect(session.tlsInfo()?.ocsp).toEqual(response);
    session.close();
    await program.stop();
  });
});
