import { afterEach, beforeEach, expect, test } from "vitest";
import { Cli } from "../../src/cli/cli.js";
import { TLS_1_3 } from "../../src/transport/tls/engine.js";
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
  ]);
  const server = await net.attach(1);
  await server.listen("tls://0.0.0.0/443");
  const raw = await net.connect(await net.attach(0), "tcp://198.18.0.2/443");
  expect((await lines("show tls"))[2]).toMatch(/ 1$/);
  raw.write(new TextEncoder().encode("GET / HTTP/1.1\r\n"));
  await net.pass();
  expect((await lines("show tls")).slice(3)).toEqual(["", "Count  Failure", "    1  http request"]);
});

test("show app certificate: the test certificate once it was wanted, and those that were added", async () => {
  const { store } = net.tls(1);
  expect(await lines("show app certificate")).toEqual(["Index  Owner  Subject  Valid to  SHA-256"]);
  store.addPair(store.engine.makePair("a.test"));
  store.addPair(store.testPair, (await net.attach(1)).index);
  const shown = await lines("show app certificate");
  expect(shown.slice(1).map((line) => line.trim().split(/ {2,}/).slice(0, 3))).toEqual([
    ["0", "stack", "CN=localhost"],
    ["1", "stack", "CN=a.test"],
    ["2", "app0[0]", "CN=localhost"],
  ]);
  expect(shown[1]).toMatch(/ \d{4} GMT {2}[0-9a-f]{64}$/);
  store.delPair(1);
  expect(await lines("show app certificate")).toHaveLength(3);
});

test("show app tls-profile", async () => {
  net.tls(1).store.addProfile({ minVersion: TLS_1_3, groups: "X25519" });
  expect((await lines("show app tls-profile")).map((line) => line.trim().split(/ {2,}/))).toEqual([
    ["Index", "Owner", "Min", "Max", "Cipher list", "Ciphersuites", "Groups"],
    ["0", "stack", "1.2", "1.3", "-", "-", "-"],
    ["1", "stack", "1.3", "1.3", "-", "-", "X25519"],
  ]);
});

test("a stack without an engine has none of it", async () => {
  const pair = new Pair();
  expect(await pair.cli.run("show tls")).toEqual({
    ok: false,
    text: "show tls: this stack has no TLS: its interfaces are wires only",
  });
});
