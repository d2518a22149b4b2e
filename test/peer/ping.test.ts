import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lacks } from "../needs.js";
import { FAMILIES, TapStack } from "../support/weft.js";

describe.skipIf(lacks("netns", "tun", "ip", "ping"))("ping", () => {
  let host: TapStack;
  beforeAll(async () => {
    host = await TapStack.start();
  });
  afterAll(() => host.end());

  it.each(FAMILIES)("loses none of 100 over $family", async ({ address }) => {
    const out = await host.netns.must("ping", ["-q", "-c", "100", "-i", "0.01", "-W", "2", address]);
    expect(out).toContain("100 packets transmitted, 100 received, 0% packet loss");
  });

  it.each(FAMILIES)("loses none of 4000 bytes, in fragments both ways, over $family", async ({ address }) => {
    const out = await host.netns.must("ping", ["-q", "-c", "20", "-i", "0.05", "-s", "4000", "-W", "2", address]);
    expect(out).toContain("20 packets transmitted, 20 received, 0% packet loss");
  });

  it.each([
    ...[0, 1, 7, 8, 1452, 1453, 1472, 1473, 20_000, 65_000].map((size) => ({ size, ...FAMILIES[0] })),
    ...[0, 1, 7, 8, 1452, 1453, 1472, 1473, 20_000, 65_000].map((size) => ({ size, ...FAMILIES[1] })),
  ])("gets $size bytes back as it sent them over $family", async ({ address, size }) => {
    // ping compares the data itself and says "wrong data byte".
    const out = await host.netns.must("ping", ["-c", "1", "-s", String(size), "-p", "a5c3", "-W", "2", address]);
    expect(out).toContain("1 received");
    expect(out).not.toMatch(/wrong data|truncated/);
  });
});
