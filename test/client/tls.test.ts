import { once } from "node:events";
import { expect, test } from "vitest";
import { remoteStack, type RemoteStack } from "../../src/client/client-stack.js";
import type { TlsConnectOptions } from "../../src/node/tls/index.js";
import type { TLSSocket } from "../../src/node/tls/tls-socket.js";
import { lacks } from "../needs.js";
import { Authority } from "../transport/tls/authority.js";
import { realStacks } from "./real-stacks.js";
import { until } from "./support.js";

// stack.tls of a process that attaches.

const it = realStacks(true);

function remote(): RemoteStack {
  return remoteStack({ directory: it.directory, onError: (error) => void it.errors.push(error), name: "web" });
}

test.skipIf(lacks("openssl"))(
  "it serves with certificates by name, and connects, as in the stack's process",
  async () => {
    const authority = await new Authority().open();
    const ca = Buffer.from(authority.certificate);
    const issue = async (name: string): Promise<{ cert: Buffer; key: Buffer }> => {
      const { certificate, key } = await authority.issue(name);
      return { cert: Buffer.from(certificate), key: Buffer.from(key) };
    };
    const [own, other] = [await issue("own.test"), await issue("other.test")];
    authority.close();
    const stack = remote();
    const ends = [
      { name: "a client there", server: stack.tls, client: it.far.tls, host: "198.18.0.1" },
      { name: "a server there", server: it.far.tls, client: stack.tls, host: "198.18.0.2" },
    ];
    for (const { name, server: at, client, host } of ends) {
      const told: unknown[] = [];
      const server = at.createServer({ ...own, ca, requestCert: true, ALPNProtocols: ["x"] }, (socket) => {
        told.push([socket.authorized, socket.getPeerCertificate()?.subject.CN, socket.servername, socket.alpnProtocol]);
        // Clients that do not like its certificate reset.
        socket.on("error", () => {}).on("data", (data: Buffer) => socket.end(data));
      });
      server.addContext("other.test", other);
      server.listen(443);
      await once(server, "listening");
      const connect = (servername: string, more: TlsConnectOptions = {}): TLSSocket =>
        client.connect({ host, port: 443, servername, ca, ...other, ALPNProtocols: ["x"], ...more });
      for (const servername of ["own.test", "other.test"]) {
        const socket = connect(servername);
        socket.write("hello");
        const said = Buffer.concat((await socket.toArray()) as Buffer[]).toString();
        const shown = socket.getPeerCertificate(true);
        expect([name, said, socket.authorized, shown?.subject.CN]).toEqual([name, "hello", true, servername]);
        expect(shown?.issuerCertificate.subject.CN).toBe("authority");
      }
      expect(told).toEqual(["own.test", "other.test"].map((asked) => [true, "other.test", asked, "x"]));
      const failures = [
        ["wrong.test", {}, "ERR_TLS_CERT_ALTNAME_INVALID"],
        ["own.test", { ca: undefined }, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
      ] as const;
      for (const [servername, more, code] of failures) {
        expect((await once(connect(servername, more), "error"))[0]).toMatchObject({ code });
      }
      server.close();
    }
    await stack.tls.close();
    await it.far.tls.close();
    await until(() => !it.near.host.sessions.applications.all().some((app) => app.name === "tls@web"));
    expect(it.errors).toEqual([]);
  },
);
