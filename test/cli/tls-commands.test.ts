import { afterEach, beforeEach, expect, test } from "vitest";
import { Cli } from "../../src/cli/cli.js";
import { TlsStacks } from "../transport/tls/two-stacks.js";
import { Pair } from "./pair.js";

let net: TlsStacks;
let cli: Cli;
beforeEach(() => {
  net = new TlsStacks();
  cli = new Cli({ host: net.stacks[1].host, wake: () => {} });
});
afterEach(() => net.close());

const lines = async (command: string): Promise<string[]> =>
  (await cli.run(command)).text.split("\n").map((each) => each.trimEnd());

test("show tls: what there is, and what went wrong", async () => {
  expect((await lines("show tls")).map((line) => line.replace(/ {2,}/g, "  "))).toEqual([
    "engine  openssl",
    "connections, listeners counted  0",
    "handshakes under way  0",
    "handshakes completed  0",
    "sessions resumed  0",
    "DTLS connections, listeners counted  0",
    "DTLS handshakes under way  0",
    "DTLS datagrams without room  0",
  ]);
  const server = await net.attach(1);
  await server.listen("tls://0.0.0.0/443");
  const raw = await net.connect(await net.attach(0), "tcp://198.18.0.2/443");
  expect((await lines("show tls"))[2]).toMatch(/ 1$/);
  raw.write(new TextEncoder().encode("GET / HTTP/1.1\r\n"));
  await net.pass();
  expect((await lines("show tls")).slice(8)).toEqual(["", "Count  Failure", "    1  http request"]);
});

test("a stack without an engine has none of it", async () => {
  const pair = new Pair();
  expect(await pair.cli.run("show tls")).toEqual({
    ok: false,
    text: "show tls: this stack has no TLS: its interfaces are wires only",
  });
});
