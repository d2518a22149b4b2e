import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lacks, PYTHON } from "../needs.js";
import { Netns } from "../support/netns.js";
import type { Program } from "../support/program.js";
import { RunningStack } from "../support/weft.js";

const BYTES = 64 << 20;

/** Serves pattern bytes to the first who connects, on any address. */
const SERVER = `
import socket, sys
s = socket.create_server(("::", 5000), family=socket.AF_INET6, dualstack_ipv6=True)
block = bytes(i % 251 for i in range(251 * 4096))
print("listening", flush=True)
while True:
    c, _ = s.accept()
    left = int(c.makefile("rb").readline())
    while left > 0:
        c.sendall(block[:left])
        left -= min(left, len(block))
    c.close()
`;

const CLIENT = `
import hashlib, socket, sys
s = socket.create_connection((sys.argv[1], 5000), timeout=20)
s.sendall(sys.argv[2].encode() + b"\\n")
h = hashlib.sha256()
while data := s.recv(1 << 20):
    h.update(data)
print(h.hexdigest())
`;

const SIDES = [
  { family: "IPv4", far: "198.18.5.1", near: "198.18.4.2" },
  { family: "IPv6", far: "2001:db8:5::1", near: "2001:db8:4::2" },
] as const;

describe.skipIf(lacks("netns", "tun", "ip", "ping", "python3"))("a stack that forwards between two namespaces", () => {
  let left: Netns;
  let right: Netns;
  let stack: RunningStack;
  let server: Program;
  beforeAll(async () => {
    left = await Netns.create();
    right = await Netns.create();
    const side = (name: string, netns: Netns, net: number, mtu: number) => ({
      name,
      kind: "tap",
      netns: netns.name,
      mtu,
      addresses: [`198.18.${net}.2/24`, `2001:db8:${net}::2/64`],
      host: {
        addresses: [`198.18.${net}.1/24`, `2001:db8:${net}::1/64`],
        routes: [
          { prefix: "198.18.0.0/16", via: `198.18.${net}.2` },
          { prefix: "2001:db8::/32", via: `2001:db8:${net}::2` },
        ],
      },
    });
    stack = await RunningStack.start({
      ip: { forward4: true, forward6: true },
      interfaces: [side("left0", left, 4, 1500), side("right0", right, 5, 1400)],
    });
    server = right.start(PYTHON, "-c", SERVER);
    await server.waitFor(/listening/);
  });
  afterAll(async () => {
    await server.stop("SIGKILL");
    await stack.endWell();
    await left.remove();
    await right.remove();
  });

  it.each(SIDES)("carries a kernel's TCP transfer whole over $family", async ({ far }) => {
    const hash = createHash("sha256");
    const block = Buffer.from(Array.from({ length: 251 * 4096 }, (_, i) => i % 251));
    for (let rest = BYTES; rest > 0; rest -= block.length) hash.update(block.subarray(0, Math.min(rest, block.length)));
    const got = await left.must(PYTHON, ["-c", CLIENT, far, String(BYTES)], 50_000);
    expect(got.trim()).toBe(hash.digest("hex"));
  });

  it.each(SIDES)("says where a packet's time to live ran out over $family", async ({ far, near }) => {
    const { stdout } = await left.run("ping", ["-n", "-c", "1", "-t", "1", "-W", "2", far]);
    expect(stdout).toMatch(
      new RegExp(`From ${near.replaceAll(".", "\\.")}.*Time (?:to live exceeded|exceeded: Hop limit)`),
    );
  });

  it.each(SIDES)("says when a packet is too big for the next link over $family", async ({ far, near }) => {
    const { stdout, stderr } = await left.run("ping", ["-n", "-c", "1", "-M", "do", "-s", "1440", "-W", "2", far]);
    expect(stdout + stderr).toMatch(new RegExp(`From ${near.replaceAll(".", "\\.")}.*(?:mtu = 1400|mtu=1400)`));
  });

  it("fragments what may be fragmented", async () => {
    const out = await left.must("ping", ["-q", "-c", "5", "-i", "0.05", "-M", "dont", "-s", "1450", SIDES[0].far]);
    expect(out).toContain("5 received");
  });

  it.each(SIDES)("says that there is no way to a network it does not know over $family", async ({ far }) => {
    const unknown = far.replace(/5/, "77");
    const { stdout } = await left.run("ping", ["-n", "-c", "1", "-W", "2", unknown]);
    expect(stdout).toMatch(
      /Destination Net Unreachable|Destination unreachable: No route|Destination Host Unreachable/,
    );
  });
});
