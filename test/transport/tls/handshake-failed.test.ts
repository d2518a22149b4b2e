import { afterEach, beforeEach, expect, test } from "vitest";
import type { AppCallbacks } from "../../../src/app/callbacks.js";
import { TlsStacks } from "./two-stacks.js";

let net: TlsStacks;
let failed: string[];
beforeEach(() => {
  net = new TlsStacks({ handshakeMs: 1000 });
  failed = [];
});
afterEach(() => net.close());

const callbacks: Partial<AppCallbacks> = {
  handshakeFailed: ({ uri }, { sessionError, reason }, remote) => {
    failed.push(`${uri} ${remote?.address ?? "gone"} ${sessionError} ${reason}`);
  },
};

test("the listener's application hears why, and whose handshake it was", async () => {
  await (await net.attach(1, callbacks)).listen("tls://0.0.0.0/443");
  const client = await net.attach(0);
  await net.refusal(client, "tls://[localhost]198.18.0.2/443");
  const plain = await net.connect(client, "tcp://198.18.0.2/443");
  plain.write(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
  await net.pass(20);
  await net.connect(client, "tcp://198.18.0.2/443");
  await net.pass(1100);
  const where = "tls://0.0.0.0/443 198.18.0.1";
  expect(failed).toEqual([
    `${where} TLS_HANDSHAKE tlsv1 alert unknown ca`,
    `${where} TLS_HANDSHAKE http request`,
    `${where} TIMEDOUT handshake timed out`,
  ]);
});

test("what it throws is reported, and handshakes go on", async () => {
  const handshakeFailed = (): void => {
    throw new Error("mine");
  };
  await (await net.attach(1, { handshakeFailed })).listen("tls://0.0.0.0/443");
  const client = await net.attach(0);
  await net.refusal(client, "tls://[localhost]198.18.0.2/443");
  expect(net.errors).toEqual([expect.objectContaining({ message: "mine" })]);
  const uri = "tls://[localhost]198.18.0.2/443";
  expect(await net.refusal(client, uri, { tls: { trust: net.trustServer() } })).toBe("connected");
});

test("an application that does not want to know, or is gone, is told nothing", async () => {
  const app = await net.attach(1, callbacks);
  const listener = await app.listen("tls://0.0.0.0/443");
  const client = await net.attach(0);
  await net.connect(client, "tcp://198.18.0.2/443");
  await listener.close();
  await net.pass(1100);
  expect(failed).toEqual([]);
});
