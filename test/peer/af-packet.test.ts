import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lacks } from "../needs.js";
import { Netns, vethPair } from "../support/netns.js";
import { ALL_APPS, FAMILIES, KERNEL4, KERNEL6, RunningStack, STACK4, STACK6 } from "../support/weft.js";

describe.skipIf(lacks("netns", "ip", "curl", "ping", "ethtool")).each([
  { offloads: true, name: "with offloads" },
  { offloads: false, name: "without offloads" },
])("an af-packet interface on a veth $name", ({ offloads }) => {
  let client: Netns;
  let server: Netns;
  let stack: RunningStack;
  beforeAll(async () => {
    client = await Netns.create();
    server = await Netns.create();
    await vethPair(client, "v0", server, "v1", offloads);
    await client.ip(`addr add ${KERNEL4}/24 dev v0`);
    await client.ip(`addr add ${KERNEL6}/64 dev v0 nodad`);
    const addresses = [`${STACK4}/24`, `${STACK6}/64`];
    const own = { name: "v1", kind: "af-packet", netns: server.name, addresses };
    stack = await RunningStack.start({
      interfaces: [{ ...own, offloads: { checksum: offloads, gso: offloads } }],
      apps: ALL_APPS,
    });
  });
  afterAll(async () => {
    await stack.endWell();
    await client.remove();
    await server.remove();
  });

  it.each(FAMILIES)("serves curl over $family", async ({ url }) => {
    expect(await client.must("curl", ["-gsSf", "--max-time", "10", `${url}/`])).toContain("</html>");
    const body = await client.must("curl", ["-gsSf", "--max-time", "20", `${url}/bytes/3000000`]);
    const pattern = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => i % 251));
    expect(Buffer.from(body, "latin1").equals(pattern)).toBe(true);
  });

  it.each(FAMILIES)("takes an upload over $family", async ({ url }) => {
    const upload = `head -c 3000000 /dev/zero | curl -gsSf --max-time 20 --data-binary @- '${url}/sha256'`;
    const digest = createHash("sha256").update(Buffer.alloc(3_000_000)).digest("hex");
    expect((await client.must("bash", ["-c", upload])).trim()).toBe(digest);
  });

  it.each(FAMILIES)("answers ping over $family", async ({ address }) => {
    const out = await client.must("ping", ["-q", "-c", "20", "-i", "0.02", "-s", "3000", address]);
    expect(out).toContain("20 received");
  });
});
