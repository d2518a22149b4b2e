import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { App } from "../../src/index.js";
import { lacks } from "../needs.js";
import { KERNEL4 } from "../support/weft.js";
import { TLS_FAMILIES, TlsPeerStack } from "./tls-stack.js";

const VERSIONS = [
  ["1.2", "-tls1_2", 4441],
  ["1.3", "-tls1_3", 4442],
] as const;

describe.skipIf(lacks("netns", "tun", "ip", "openssl"))("sessions are resumed", () => {
  let host: TlsPeerStack;
  let client: App;
  beforeAll(async () => {
    host = await TlsPeerStack.start();
    client = await host.stack.attach({ name: "client" }, { disconnect: (session) => session.close() });
  });
  afterAll(() => host.end());

  describe.each(TLS_FAMILIES)("over $family", ({ connect, family }) => {
    it.each(VERSIONS)("openssl s_client with the session that we gave it, TLS %s", async (version, flag) => {
      const saved = join(host.directory, `session-${family}-${version}.pem`);
      const request = String.raw`(printf 'GET / HTTP/1.1\r\nhost: localhost\r\n\r\n'; sleep 0.5)`;
      const visit = async (how: string): Promise<string> => {
        const options = `-connect ${connect} -CAfile ${host.trusted} -verify_return_error ${flag} ${how}`;
        const command = `${request} | openssl s_client ${options} -ign_eof | head -c 3000`;
        return (await host.netns.run("sh", ["-c", command])).stdout;
      };
      const before = host.stack.host.tls?.completed.resumed ?? 0;
      expect(await visit(`-sess_out ${saved}`)).toMatch(/^New, TLSv/m);
      expect(await visit(`-sess_in ${saved}`)).toMatch(/^Reused, TLSv/m);
      expect(host.stack.host.tls?.completed.resumed).toBe(before + 1);
    });
  });

  it.each(VERSIONS)("what openssl s_server gave us, TLS %s", async (version, flag, port) => {
    const { certificate, key } = host.store.engine.makePair("peer.test");
    const files = ["crt", "key"].map((name) => join(host.directory, `server-${version}.${name}`));
    writeFileSync(files[0], certificate);
    writeFileSync(files[1], key);
    const args = ["-accept", String(port), "-cert", files[0], "-key", files[1], "-rev", flag];
    const program = host.netns.start("openssl", "s_server", ...args);
    await program.waitFor(/ACCEPT/, 10_000);
    const trust = host.store.addTrust(certificate);
    const resumed: (boolean | undefined)[] = [];
    for (let i = 0; i < 3; i++) {
      const session = await client.connect(`tls://[peer.test]${KERNEL4}/${port}`, { tls: { trust } });
      session.write(Buffer.from("hello there\n"));
      await expect.poll(() => session.readableBytes).toBe(12);
      resumed.push(session.tlsInfo()?.resumed);
      session.close();
    }
    expect(resumed).toEqual([false, true, true]);
    await program.stop();
  });
});
