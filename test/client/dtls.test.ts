import { expect, test } from "vitest";
import type { App } from "../../src/app/app.js";
import type { AppCallbacks } from "../../src/app/callbacks.js";
import type { Session } from "../../src/app/session.js";
import { SESSION_E_INVALID } from "../../src/session/session-errors.js";
import { realStacks } from "./real-stacks.js";
import { until } from "./support.js";

// dtls:// of applications in other processes.

const it = realStacks(true);

/** Says what it gets in capitals, and keeps it. */
function shouts(read: string[]): AppCallbacks {
  const into = Buffer.alloc(20_000);
  return {
    accept: () => true,
    rx: (session) => {
      for (let n = session.readDatagram(into); n >= 0; n = session.readDatagram(into)) {
        const text = into.toString("latin1", 0, n);
        read.push(text);
        if (text !== text.toUpperCase()) session.writeDatagram(Buffer.from(text.toUpperCase()));
      }
    },
    disconnect: (session) => session.close(),
  };
}

test.each(["its server", "its client"])("%s is in another process", async (which) => {
  const reads: [string[], string[]] = [[], []];
  const outside: App = await it.attach(shouts(reads[0]));
  const inside: App = await it.far.attach({ name: "inside" }, shouts(reads[1]));
  const [server, client, address] =
    which === "its server" ? [outside, inside, "198.18.0.1"] : [inside, outside, "198.18.0.2"];
  await server.listen(`dtls://${address}/5684`, { tls: { alpn: ["coap"] } });
  const session: Session = await client.connect(`dtls://[localhost]${address}/5684`, {
    tls: { verify: "none", alpn: ["coap"] },
  });
  expect(session.tlsInfo()).toMatchObject({ version: "DTLSv1.2", alpn: "coap" });
  for (const text of ["one", "two", "x".repeat(1000)])
    expect(session.writeDatagram(Buffer.from(text))).toBe(text.length);
  for (const length of [0, 16_385]) expect(session.writeDatagram(Buffer.alloc(length))).toBe(SESSION_E_INVALID);
  const [theirs, ours] = which === "its server" ? [reads[0], reads[1]] : [reads[1], reads[0]];
  await until(() => ours.length === 3);
  expect(theirs).toEqual(["one", "two", "x".repeat(1000)]);
  expect(ours).toEqual(["ONE", "TWO", "X".repeat(1000)]);
  session.close();
  expect(it.errors).toEqual([]);
});

test("a server's certificate that nobody trusts is refused, and the reason comes to the other process", async () => {
  const inside = await it.far.attach({ name: "inside" }, {});
  await inside.listen("dtls://198.18.0.2/5684");
  const outside = await it.attach({});
  await expect(outside.connect("dtls://[localhost]198.18.0.2/5684")).rejects.toThrow("TLS_HANDSHAKE");
});
