import { afterEach, beforeEach, expect, test } from "vitest";
import { wire } from "../../../src/device/wire-device.js";
import { NativeWindow } from "../../../src/host/native-window.js";
import { SESSION_ERRORS } from "../../../src/session/session-errors.js";
import { cryptoExtConfig } from "../../../src/transport/tls/crypto-config.js";
import { ExternalStack, type FakeClient } from "./fake-client.js";

// TLS for a process that attaches, message by message.

const URI = "tls://[a.test]10.0.0.2/443";

let host: ExternalStack;
let client: FakeClient;
beforeEach(() => {
  host = new ExternalStack(wire()[0], "10.0.0.1", new NativeWindow({ bytes: 128 << 20, hugePages: false }));
  client = host.attach({ name: "outside" });
});
afterEach(() => host.stack.close());

test("it connects and listens with the defaults", () => {
  client.connect(URI);
  expect(client.listen("tls://0.0.0.0/443")).toBeGreaterThan(0);
  expect(host.stack.host.tls?.rows.used).toBe(2);
  expect(host.errors).toEqual([]);
});

test("it may not name certificates, which are others', nor send a chunk that is broken", () => {
  host.stack.host.tls?.store.addPair(host.stack.host.tls.store.testPair);
  for (const extConfig of [cryptoExtConfig({ pair: 1 }) as Uint8Array, Uint8Array.of(0, 1, 0, 3, 1, 2, 3)]) {
    client.ask({ type: "CONNECT_URI", uri: URI, from: "", attributes: {}, extConfig });
    expect(SESSION_ERRORS[-client.last("CONNECTED").retval].name).toBe("NOSUPPORT");
  }
  expect(host.stack.host.tls?.rows.used).toBe(0);
  expect(host.errors).toEqual([]);
});
