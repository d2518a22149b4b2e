import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lacks } from "../needs.js";
import { Program } from "../support/program.js";
import { STACK4, TapStack } from "../support/weft.js";

const PROGRAM = join(import.meta.dirname, "attach-http.mjs");
const BIG_BYTES = 64 << 20;
const HUGE_BYTES = 1 << 30;
/** So much has been sent when the i-th one is killed: anything from nothing to more than half of it. */
const killBytes = (i: number): number => ((i * 377 + 16) % 640) * (1 << 20);
/** So that what is left then takes more than a second. */
const CURL_RATE = ["--limit-rate", "300M"];
/** Processes killed in the middle of a transfer; the long run is WEFT_KILLS=100. */
const KILLS = Number(process.env["WEFT_KILLS"] ?? 4);

describe.skipIf(lacks("netns", "tun", "ip", "curl"))("an application in another process", () => {
  const root = mkdtempSync(join(tmpdir(), "weft-attach-"));
  const directory = join(root, "attach");
  const wanted = createHash("sha256").update(Buffer.alloc(BIG_BYTES, "0123456789abcdef weft ")).digest("hex");
  let tap: TapStack;

  beforeAll(async () => {
    tap = await TapStack.start(
      {},
      { attach: { directory }, namespaces: [{ id: "blue", secret: "s3cret", table4: 0 }] },
    );
  });
  afterAll(async () => {
    await tap.end();
    rmSync(root, { recursive: true, force: true });
  });

  const start = (port: number, namespace = "default", secret = ""): Program =>
    new Program(process.execPath, [PROGRAM, directory, namespace, secret, String(port), String(BIG_BYTES)]);
  const served = async (port: number, namespace?: string, secret?: string): Promise<Program> => {
    const program = start(port, namespace, secret);
    await program.waitFor(/^listening$/m, 20_000);
    return program;
  };
  const curl = (...args: string[]) => tap.netns.start("curl", "-sS", "--max-time", "30", ...args);
  /** What the stack has, that must come back. */
  const census = async (): Promise<unknown> => {
    const [sessions, memory] = [await tap.stack.cli("show session"), await tap.stack.cli("show segment-manager")];
    const used = /(?:bytes in use|chunks in use|fifos) +\S+/g;
    const fds = readdirSync(`/proc/${tap.stack.program.pid}/fd`).length;
    return { sessions: sessions.trim().split("\n").length, memory: memory.match(used), fds };
  };
  /** Waits until the stack has what it had. */
  const settled = async (before: unknown): Promise<void> => {
    let now: unknown;
    for (let i = 0; i < 100; i++) {
      now = await census();
      if (JSON.stringify(now) === JSON.stringify(before)) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(now).toEqual(before);
  };

  it("serves node:http to curl, small and large", async () => {
    const before = await census();
    const web = await served(8080);
    const small = await curl(`http://${STACK4}:8080/`).finished;
    expect(small.stdout).toBe(`pid ${web.pid}\n`);
    const large = await tap.netns.start("sh", "-c", `curl -sS --max-time 60 http://${STACK4}:8080/big | sha256sum`)
      .finished;
    expect(large.stdout.slice(0, 64)).toBe(wanted);
    expect(await tap.stack.cli("show app")).toMatch(/net@/);
    await web.stop("SIGTERM");
    expect((await curl(`http://${STACK4}:8080/`).finished).status).toBe(7);
    await settled(before);
  });

  it(
    "that is killed in the middle of a transfer: its peer is reset, its memory comes back, another's transfer is whole",
    async () => {
      const other = await served(8081);
      const before = await census();
      for (let i = 0; i < KILLS; i++) {
        const web = await served(8080);
        const whole = tap.netns.start("sh", "-c", `curl -sS --max-time 60 http://${STACK4}:8081/big | sha256sum`);
        const broken = tap.netns.start(
          "sh",
          "-c",
          `curl -sS ${CURL_RATE.join(" ")} -o /dev/null -w '%{size_download}\n' http://${STACK4}:8080/huge/${killBytes(i)}; echo "ended $?"`,
        );
        await web.waitFor(/^under way$/m);
        await web.stop("SIGKILL");
        const { stdout } = await broken.finished;
        // 56: reset while receiving.
        expect(stdout).toMatch(/ended 56/);
        expect(Number(/^\d+/.exec(stdout)?.[0])).toBeLessThan(HUGE_BYTES);
        expect((await whole.finished).stdout.slice(0, 64)).toBe(wanted);
        await settled(before);
      }
      await other.stop("SIGTERM");
    },
    30_000 + 5000 * KILLS,
  );

  it("is refused without the namespace's secret, with one line for whoever runs the stack", async () => {
    const refused = await start(8082, "blue", "wrong").finished;
    expect(refused.stdout).toMatch(/^error EACCES /);
    expect(tap.stack.program.stderr).toMatch(
      /^weft: attach: process \d+ of user \d+ at namespace "blue": .*WRONG_NS_SECRET$/m,
    );
    const web = await served(8082, "blue", "s3cret");
    expect((await curl(`http://${STACK4}:8082/`).finished).stdout).toBe(`pid ${web.pid}\n`);
    await web.stop("SIGTERM");
  });
});
