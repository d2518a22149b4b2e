import { afterEach, beforeEach, expect, test } from "vitest";
import { NativeWindow } from "../../../src/host/native-window.js";
import { opensslEngine } from "../../../src/host/openssl-engine.js";
import { S_RX_FIFO } from "../../../src/session/session-table.js";
import { TLS_1_2 } from "../../../src/transport/tls/engine.js";
import { End, must, Pipe } from "./engine-pair.js";
import { TlsStacks } from "./two-stacks.js";

let net: TlsStacks;
beforeEach(() => {
  net = new TlsStacks();
});
afterEach(() => net.close());

/** What a step takes at most. */
const STEP_BYTES = 131_072;
const HEADER_BYTES = 5;

/** Records in the clear, cut into records of one byte, as RFC 5246 6.2.1 allows. */
function crumble(records: Uint8Array): Uint8Array {
  const crumbs: number[] = [];
  for (let at = 0; at < records.length; ) {
    const [type, major, minor, high, low] = records.subarray(at, at + HEADER_BYTES);
    const end = at + HEADER_BYTES + (high << 8) + low;
    for (const byte of records.subarray(at + HEADER_BYTES, end)) crumbs.push(type, major, minor, 0, 1, byte);
    at = end;
  }
  return Uint8Array.from(crumbs);
}

/** A server of TLS 1.2 in memory, whose chain of certificates is long. */
function longServer(): { end: End; certificate: Uint8Array } {
  const native = new NativeWindow({ bytes: 4 << 20, hugePages: false });
  const engine = opensslEngine(native);
  const { certificate, key } = engine.makePair("localhost");
  const chain = Buffer.concat(Array.from({ length: 80 }, () => certificate));
  const pair = must(engine.addPair(chain, key));
  const context = must(engine.addContext({ server: true, pair, maxVersion: TLS_1_2 }));
  const [up, down] = ["up", "down"].map((name) => new Pipe(native.window, name));
  return { end: new End(engine, native.window, engine.open(context, {}), up, down), certificate };
}

test("a flight that is more than a step takes is taken to its end, though nothing comes after it", async () => {
  const { end, certificate } = longServer();
  const rx = net.ears[1];
  await (await net.attach(1)).listen("tcp://0.0.0.0/443");
  const { sessions, fifos, window } = net.stacks[0].host;
  const trust = net.tls(0).store.addTrust(certificate);
  const connecting = (await net.attach(0)).connect("tls://[localhost]198.18.0.2/443", { tls: { trust } });
  await net.pass();
  const hello = rx.read;
  end.cipherIn.put(hello);
  end.step();
  const flight = crumble(end.cipherOut.take());
  expect(flight.length).toBeGreaterThan(STEP_BYTES);
  // All of it is there before the client looks.
  const [lower] = [...sessions.table].filter((s) => sessions.isWritable(s));
  const fifo = window.i32[sessions.table.row(lower) + S_RX_FIFO];
  expect(fifos.write(fifo, flight, 0, flight.length)).toBe(flight.length);
  sessions.received(lower);
  await net.pass();
  expect(rx.read.length).toBeGreaterThan(hello.length);
  end.cipherIn.put(rx.read.subarray(hello.length));
  end.step();
  rx.session.write(end.cipherOut.take());
  await net.pass();
  const session = await connecting;
  expect(session.tlsInfo()?.version).toBe("TLSv1.2");
  session.reset();
  await net.pass();
  rx.session.close();
  end.window.close();
  await net.pass(300);
  expect(net.tls(0).rows.used).toBe(0);
});
