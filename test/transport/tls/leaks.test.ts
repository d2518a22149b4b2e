import { afterAll, expect, test } from "vitest";
import { NativeWindow } from "../../../src/host/native-window.js";
import { opensslEngine } from "../../../src/host/openssl-engine.js";
import { TLS_OUT_FAILED } from "../../../src/transport/tls/engine.js";
import { End, must, Pipe } from "./engine-pair.js";

const native = new NativeWindow({ bytes: 8 << 20, hugePages: false });
const engine = opensslEngine(native);
afterAll(() => native.window.close());

const { certificate, key } = engine.makePair("weft.test");
const context = must(engine.addContext({ server: true, pair: must(engine.addPair(certificate, key)) }));
const client = must(
  engine.addContext({ server: false, store: must(engine.addStore(certificate, new Uint8Array(0))), verify: 2 }),
);
const pipes = ["up", "down"].map((name) => new Pipe(native.window, name));
const clear = new Pipe(native.window, "clear");

function end(made: number, isServer: boolean): End {
  const [up, down] = pipes;
  const [from, to] = isServer ? [up, down] : [down, up];
  return new End(engine, native.window, made, from, to, clear);
}

/** Handshakes that fail at their first bytes, and with `isLate` at the certificate. */
function fail(count: number, isLate: boolean): void {
  const hello = new TextEncoder().encode("GET / HTTP/1.1\r\n");
  for (let i = 0; i < count; i++) {
    const server = end(engine.open(context, {}), true);
    const opener = isLate ? end(engine.open(client, { hostname: "other.test" }), false) : undefined;
    if (opener === undefined) pipes[0].put(hello);
    for (let round = 0; round < 2; round++) {
      opener?.step();
      const bits = server.step();
      if (round === 1 && (bits & TLS_OUT_FAILED) === 0) throw new Error("the handshake did not fail");
    }
    for (const each of [server, opener]) if (each !== undefined) engine.close(each.connection);
    for (const pipe of pipes) pipe.take();
  }
}

test("10,000 failed handshakes leave nothing", { timeout: 60_000 }, () => {
  fail(1000, false);
  fail(200, true);
  const before = process.memoryUsage.rss();
  fail(9000, false);
  fail(1000, true);
  // One SSL that was forgotten each time would be more than 100 MiB.
  expect(process.memoryUsage.rss() - before).toBeLessThan(24 << 20);
});
