import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { lacks } from "../needs.js";
import { Netns } from "../support/netns.js";
import { Program } from "../support/program.js";
import { RunningStack, STACK4, tapInterface } from "../support/weft.js";

const PROGRAM = join(import.meta.dirname, "attach-http.mjs");
const BIG_BYTES = 64 << 20;
/** Stacks killed in the middle of a transfer; the long run is WEFT_KILLS=100. */
const KILLS = Number(process.env["WEFT_KILLS"] ?? 3);
/** So much has been sent when the i-th one is killed: anything from nothing to more than half of it. */
const killBytes = (i: number): number => ((i * 377 + 16) % 640) * (1 << 20);
/** So that what is left then takes more than a second. */
const CURL_RATE = ["--limit-rate", "300M"];
/** A client hears of it at once: longer than a busy machine needs, shorter than any timer that could tell it. */
const LEARN_MS = 5000;
const URL = `http://${STACK4}:8080`;

it.skipIf(lacks("netns", "tun", "ip", "curl"))(
  "a stack killed in the middle of a transfer of 1 GiB: its client learns it, attaches to the next one, and serves",
  async () => {
    const root = mkdtempSync(join(tmpdir(), "weft-attach-"));
    const directory = join(root, "attach");
    const netns = await Netns.create();
    const startStack = () => RunningStack.start({ interfaces: [tapInterface(netns.name)], attach: { directory } });
    const wanted = createHash("sha256").update(Buffer.alloc(BIG_BYTES, "0123456789abcdef weft ")).digest("hex");
    const fetchBig = `curl -sS --max-time 30 --retry 200 --retry-all-errors --retry-delay 0 ${URL}/big | sha256sum`;
    let stack = await startStack();
    const web = new Program(process.execPath, [PROGRAM, directory, "default", "", "8080", String(BIG_BYTES)]);
    const lost = (): number => web.stdout.match(/^lost ECONNABORTED$/gm)?.length ?? 0;
    // What comes after a failure must not hide it.
    let hasPassed = false;
    try {
      await web.waitFor(/^listening$/m, 20_000);
      for (let i = 0; i < KILLS; i++) {
        const broken = netns.start("curl", "-sS", ...CURL_RATE, "-o", "/dev/null", `${URL}/huge/${killBytes(i)}`);
        await web.waitForLines("under way", i + 1);
        expect([broken.isOver, lost()]).toEqual([false, i]);
        await stack.end("SIGKILL");
        await web.waitForLines("lost ECONNABORTED", i + 1, LEARN_MS);
        await broken.stop("SIGKILL");
        await netns.ip("link del tap0").catch(() => undefined);
        stack = await startStack();
        expect((await netns.run("sh", ["-c", fetchBig])).stdout.slice(0, 64)).toBe(wanted);
        expect([web.isOver, web.stderr]).toEqual([false, ""]);
      }
      hasPassed = true;
    } finally {
      await web.stop("SIGTERM");
      await (hasPassed ? stack.endWell() : stack.end("SIGKILL"));
      await netns.remove();
      rmSync(root, { recursive: true, force: true });
    }
  },
  30_000 + 30_000 * KILLS,
);
