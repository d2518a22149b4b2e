import { expect, it } from "vitest";
import { FAMILIES, ScriptedStack } from "./scripted-stack.js";

it.each(FAMILIES)("a host talks to itself over IPv%i: superframes reach the other end whole", (family) => {
  const heard = new Uint8Array(100_000);
  let at = 0;
  const host = new ScriptedStack({
    family,
    offloads: { checksum: true, tso: true, uso: true },
    app: {
      rx: (session) => {
        at += Math.max(0, session.read(heard, at));
      },
    },
  });
  host.listen(80);
  void host.app.connect(family === 4 ? "tcp://198.18.0.2/80" : "tcp://[2001:db8::2]:80");
  host.settle();
  const [client] = host.sessions;
  const data = Uint8Array.from({ length: 50_000 }, (_, i) => (i * 7 + (i >> 8)) & 255);
  expect(client.write(data)).toBe(data.length);
  host.settle();
  expect(at).toBe(data.length);
  expect(heard.subarray(0, at)).toEqual(data);
  expect(host.count("output", "pkts_sent")).toBeLessThan(40);
});

it("segments to itself are lost and come again when no buffer is free", () => {
  let at = 0;
  const host = new ScriptedStack({
    app: {
      rx: (session) => {
        at += Math.max(0, session.read(new Uint8Array(4096)));
      },
    },
  });
  host.listen(80);
  void host.app.connect("tcp://198.18.0.2/80");
  host.settle();
  // One buffer for the segment, none for its copy.
  const { pool } = host.stack.host;
  const held: number[] = [];
  while (pool.freeSmall > 1) held.push(pool.alloc());
  while (pool.freeLarge > 0) held.push(pool.allocLarge());
  host.sessions[0].write(new Uint8Array(1000));
  host.settle();
  expect(at).toBe(0);
  expect(host.count("input", "no_buffer")).toBeGreaterThan(0);
  for (const b of held) pool.free(b);
  host.pass(2000);
  expect(at).toBe(1000);
});
