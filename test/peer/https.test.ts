import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createStack, type LiveStack } from "../../src/index.js";
import { lacks } from "../needs.js";
import { Netns } from "../support/netns.js";
import { patternDigest } from "../support/pattern-digest.js";
import { STACK4, STACK6, tapInterface } from "../support/weft.js";

/** 64 MiB, not a multiple of the pattern's 251 bytes. WEFT_BULK_MIB makes it another size: acceptance runs 1024. */
const BYTES = Number(process.env["WEFT_BULK_MIB"] ?? "64") << 20;
const TIMEOUT_MS = 50_000 + BYTES / 5000;

const CASES = [
  { family: "IPv4", address: STACK4 },
  { family: "IPv6", address: `[${STACK6}]` },
].flatMap(({ family, address }) => ["1.1", "2"].map((version) => ({ family, address, version })));

describe.skipIf(lacks("netns", "tun", "ip", "curl", "bash", "sha256sum"))("https, with curl", () => {
  const directory = mkdtempSync(join(tmpdir(), "weft-https-"));
  const trusted = join(directory, "stack.pem");
  let netns: Netns;
  let stack: LiveStack;

  beforeAll(async () => {
    netns = await Netns.create();
    stack = await createStack({
      interfaces: [tapInterface(netns.name)],
      apps: [{ kind: "http", listen: ["tls://0.0.0.0/443", "tls://::/443"] }],
    });
    if (stack.cryptoStore === undefined) throw new Error("no TLS");
    writeFileSync(trusted, stack.cryptoStore.testPair.certificate);
  });
  afterAll(async () => {
    await stack.close();
    await netns.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  /** What curl is called with, but for the URLs. */
  function curl(address: string, version: string, ...more: readonly string[]): string[] {
    const trust = ["--cacert", trusted, "--resolve", `localhost:443:${address}`];
    return ["curl", "-sSf", `--http${version}`, "--max-time", String(TIMEOUT_MS / 1000), ...trust, ...more];
  }

  /** A shell command line, whose output it returns. */
  function bash(...words: readonly string[]): Promise<string> {
    return netns.must("bash", ["-o", "pipefail", "-c", words.join(" ")], TIMEOUT_MS);
  }

  /** Nothing but listeners, and nothing in fifos. */
  async function expectNothingLeft(): Promise<void> {
    const { sessions, fifos } = stack.host;
    const left = (): number => [...sessions.table].filter((s) => sessions.listeners.of(s) === undefined).length;
    await expect.poll(left, { timeout: 10_000 }).toBe(0);
    expect(fifos.inUse()).toBe(0);
  }

  describe.each(CASES)("HTTP/$version over $family", ({ address, version }) => {
    it("the page, in the version that was agreed on", async () => {
      const [command, ...args] = curl(address, version, "-w", "\n%{http_version} %{ssl_verify_result}");
      const said = await netns.must(command, [...args, "https://localhost/"]);
      expect(said).toMatch(new RegExp(`</html>\\s+${version} 0$`));
      expect(said).toContain(address === STACK4 ? STACK4 : STACK6);
    });

    it(`${BYTES >> 20} MiB come down whole`, { timeout: TIMEOUT_MS }, async () => {
      const said = await bash(...curl(address, version), `https://localhost/bytes/${BYTES}`, "| sha256sum");
      expect(said).toBe(`${patternDigest(BYTES)}  -\n`);
    });

    it("8 MiB go up whole", { timeout: TIMEOUT_MS }, async () => {
      const file = join(directory, "up");
      writeFileSync(file, Buffer.from(Uint8Array.from({ length: 8 << 20 }, (_, i) => (i * 7 + (i >> 8)) & 0xff)));
      const digest = createHash("sha256").update(readFileSync(file)).digest("hex");
      const said = await bash(...curl(address, version, "--data-binary", `@${file}`), "https://localhost/sha256");
      expect(said).toBe(`${digest}\n`);
    });

    it("a client that goes in the middle leaves nothing", { timeout: TIMEOUT_MS }, async () => {
      const url = `https://localhost/bytes/${2 ** 30}`;
      expect(await bash("(", ...curl(address, version), url, "|| true ) 2>&1 | head -c 3000000 | wc -c")).toMatch(
        /^3000000$/m,
      );
      await expectNothingLeft();
    });
  });

  it("fifty streams of one connection at a time", { timeout: TIMEOUT_MS }, async () => {
    const args = [
      "-Z",
      "--parallel-max",
      "50",
      "-o",
      join(directory, "part-#1"),
      "-w",
      "%{http_version}_%{num_connects}\\n",
    ];
    const [command, ...rest] = curl(STACK4, "2", ...args);
    const said = await netns.must(command, [...rest, "https://localhost/bytes/[1000001-1000050]"], TIMEOUT_MS);
    const lines = said.trim().split("\n");
    expect(lines).toHaveLength(50);
    expect(lines.filter((line) => line === "2_1")).toHaveLength(1);
    expect(lines.filter((line) => line === "2_0")).toHaveLength(49);
    for (let bytes = 1_000_001; bytes <= 1_000_050; bytes++) {
      const digest = createHash("sha256")
        .update(readFileSync(join(directory, `part-${bytes}`)))
        .digest("hex");
      expect(digest).toBe(patternDigest(bytes));
    }
    await expectNothingLeft();
  });
});
