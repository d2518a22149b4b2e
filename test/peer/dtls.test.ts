import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { App, Session } from "../../src/index.js";
import { lacks } from "../needs.js";
import { TLS_FAMILIES, TlsPeerStack } from "./tls-stack.js";

/** Lines that come one way, each in a datagram of its own. */
const LINES = Array.from({ length: 200 }, (_, i) => `line ${i} ${"abcdefgh".repeat(i % 100)}.`);

describe.skipIf(lacks("netns", "tun", "ip", "openssl"))("DTLS with OpenSSL's client and server", () => {
  let host: TlsPeerStack;
  let client: App;
  const read: string[] = [];
  const into = Buffer.alloc(20_000);
  const readAll = (session: Session): string[] => {
    const found: string[] = [];
    for (let n = session.readDatagram(into); n >= 0; n = session.readDatagram(into)) {
      found.push(into.toString("latin1", 0, n));
    }
    return found;
  };
  beforeAll(async () => {
    host = await TlsPeerStack.start();
    const server = await host.stack.attach(
      { name: "dtls server" },
      {
        accept: () => true,
        rx: (session) => {
          for (const each of readAll(session)) {
            read.push(each);
            session.writeDatagram(Buffer.from(each.toUpperCase()));
          }
        },
      },
    );
    for (const uri of ["dtls://0.0.0.0/4433", "dtls://::/4433"]) await server.listen(uri);
    client = await host.stack.attach({ name: "dtls client" }, { disconnect: (session) => session.close() });
  });
  afterAll(() => host.end());

  describe.each(TLS_FAMILIES)("over $family", ({ stack, kernel, family }) => {
    const literal = (address: string): string => (family === "IPv6" ? `[${address}]` : address);

    it("openssl s_client: uni-dir, each datagram arrives as it was sent, and is answered", async () => {
      read.length = 0;
      const input = join(host.directory, `lines-${family}`);
      writeFileSync(input, `${LINES.join("\n")}\n`);
      // A line at a time is a datagram at a time.
      const lines = `(while read line; do echo "$line"; sleep 0.001; done < ${input}; sleep 0.5)`;
      const options = `-dtls1_2 -connect ${literal(stack)}:4433 -CAfile ${host.trusted} -verify_return_error`;
      const { stdout, status } = await host.netns.run("sh", [
        "-c",
        `${lines} | openssl s_client ${options} -quiet -no_ign_eof`,
      ]);
      expect(status).toBe(0);
      expect(read.join("")).toBe(`${LINES.join("\n")}\n`);
      expect(stdout).toBe(`${LINES.join("\n")}\n`.toUpperCase());
      expect(read.length).toBeGreaterThan(50);
    }, 30_000);

    it("openssl s_client says what was agreed on", async () => {
      const options = ["-dtls1_2", "-connect", `${literal(stack)}:4433`, "-CAfile", host.trusted];
      const { stdout } = await host.netns.run("openssl", ["s_client", ...options, "-verify_hostname", "localhost"]);
      expect(stdout).toContain("Verification: OK");
      expect(stdout).toMatch(/New, TLSv1.2, Cipher is ECDHE-ECDSA-AES256-GCM-SHA384/);
      expect(stdout).toContain("DTLSv1.2");
    });

    it("DTLS 1.0 is refused", async () => {
      const options = ["-dtls1", "-cipher", "ALL:@SECLEVEL=0", "-connect", `${literal(stack)}:4433`];
      const { stdout, stderr } = await host.netns.run("timeout", ["3", "openssl", "s_client", ...options]);
      expect(stdout).not.toContain("Cipher is ECDHE");
      expect(`${stdout}${stderr}`).toMatch(/alert protocol version|no peer certificate available/);
    });

    it.each(["", "-listen"])("openssl s_server %s: what we send comes to it", async (how) => {
      const port = family === "IPv4" ? 4451 : 4452;
      const { certificate, key } = host.store.engine.makePair("peer.test");
      const files = ["crt", "key"].map((name) => join(host.directory, `dtls.${name}`));
      writeFileSync(files[0], certificate);
      writeFileSync(files[1], key);
      const options = `-dtls1_2 -accept ${literal(kernel)}:${port} -cert ${files[0]} -key ${files[1]} ${how}`;
      // Its input must not end, or it does, too.
      const fifo = join(host.directory, `input-${port}-${how}`);
      const command = `mkfifo ${fifo} && exec openssl s_server ${options} <> ${fifo}`;
      const program = host.netns.start("sh", "-c", command);
      await program.waitFor(/ACCEPT/, 10_000);
      const trust = host.store.addTrust(certificate);
      const session = await client.connect(`dtls://[peer.test]${kernel}/${port}`, { tls: { trust } });
      expect(session.tlsInfo()).toMatchObject({ version: "DTLSv1.2", serverName: "peer.test" });
      for (let i = 0; i < 20; i++) session.writeDatagram(Buffer.from(`datagram ${i}\n`));
      await program.waitFor(/datagram 19/, 10_000);
      expect(program.stdout).toContain("datagram 0\ndatagram 1\n");
      session.close();
      await program.waitFor(/DONE|CONNECTION CLOSED|ACCEPT.*ACCEPT/s, 10_000);
      await program.stop();
    });
  });
});
