import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lacks } from "../needs.js";
import { FAMILIES, TapStack } from "../support/weft.js";

describe.skipIf(lacks("netns", "tun", "ip", "curl"))("curl", () => {
  let host: TapStack;
  beforeAll(async () => {
    host = await TapStack.start();
  });
  afterAll(() => host.end());

  it.each(FAMILIES)("fetches the page over $family", async ({ url }) => {
    const answer = await host.netns.must("curl", ["-gsS", "-i", "--max-time", "10", `${url}/`]);
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(answer).toMatch(/\r\ncontent-type: text\/html/i);
    expect(answer).toContain("</html>");
  });

  it.each(FAMILIES)("gets as many pattern bytes as it asks for over $family", async ({ url }) => {
    const body = await host.netns.must("curl", ["-gsS", "--max-time", "10", `${url}/bytes/100000`]);
    expect(Buffer.from(body, "latin1").equals(Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251)))).toBe(
      true,
    );
  });

  it("is told 404 about what is not there, and keeps the connection for the next request", async () => {
    const args = ["-sS", "--max-time", "10", "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\n"];
    const [{ url }] = FAMILIES;
    const out = await host.netns.must("curl", [...args, `${url}/nothing/here`, "-o", "/dev/null", `${url}/`]);
    expect(out).toBe("404 1\n200 0\n");
  });

  it("is refused at once on a closed port", async () => {
    const { status } = await host.netns.run("curl", ["-sS", "--max-time", "5", `${FAMILIES[0].url}:7002/`]);
    expect(status).toBe(7);
  });
});
