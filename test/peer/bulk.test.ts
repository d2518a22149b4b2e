import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lacks, PYTHON } from "../needs.js";
import { patternDigest } from "../support/pattern-digest.js";
import { FAMILIES, TapStack } from "../support/weft.js";

/** 256 MiB, not a multiple of the pattern's 251 bytes. WEFT_BULK_MIB makes it another size: acceptance runs 1024. */
const BYTES = Number(process.env["WEFT_BULK_MIB"] ?? "256") << 20;
const TIMEOUT_MS = 50_000 + BYTES / 10_000;

/** Sends the pattern as the body of a POST and prints the answer. */
const UPLOAD = `
import http.client, sys
host, total = sys.argv[1], int(sys.argv[2])
block = bytes(i % 251 for i in range(251 * 1024))
def body():
    left = total
    while left > 0:
        yield block[:left]
        left -= min(left, len(block))
c = http.client.HTTPConnection(host, timeout=60)
c.request("POST", "/sha256", body=body(), headers={"Content-Length": str(total)})
r = c.getresponse()
print(r.status, r.read().decode().strip())
`;

describe.skipIf(lacks("netns", "tun", "ip", "curl", "python3"))(`a body of ${BYTES >> 20} MiB`, () => {
  let host: TapStack;
  const digest = patternDigest(BYTES);
  beforeAll(async () => {
    host = await TapStack.start();
  });
  afterAll(() => host.end());

  it.each(FAMILIES)("comes down whole over $family", { timeout: TIMEOUT_MS }, async ({ url }) => {
    const fetch = `curl -gsSf '${url}/bytes/${BYTES}' | sha256sum`;
    expect(await host.netns.must("bash", ["-o", "pipefail", "-c", fetch], TIMEOUT_MS)).toBe(`${digest}  -\n`);
  });

  it.each(FAMILIES)("goes up whole over $family", { timeout: TIMEOUT_MS }, async ({ literal }) => {
    expect(await host.netns.must(PYTHON, ["-c", UPLOAD, literal, String(BYTES)], TIMEOUT_MS)).toBe(`200 ${digest}\n`);
  });
});
