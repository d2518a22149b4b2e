import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lacks } from "../needs.js";
import { Netns, netnsExists } from "../support/netns.js";
import { mustRun, Program } from "../support/program.js";
import { STACK4, WEFT } from "../support/weft.js";

const NETNS = "weft-demo";
const READY = /^weft: ready$/m;

let directory: string;

function demo(more: NodeJS.ProcessEnv = {}): Program {
  return new Program(process.execPath, [WEFT, "demo"], {
    env: { ...process.env, XDG_RUNTIME_DIR: directory, ...more },
  });
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "weft-demo-"));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe("the demo", () => {
  it.skipIf(lacks("netns", "tun", "ip", "curl"))(
    "fetches its page through the kernel and removes all it made",
    async () => {
      const program = demo();
      await program.waitFor(READY, 30_000);
      expect(program.stdout).toMatch(/GET http:\/\/198\.18\.0\.2\/ +200, \d+ bytes in [\d.]+ ms {2}\((?:curl|node)\)/);
      expect(program.stdout).toMatch(/GET http:\/\/\[2001:db8:18::2\]\/ +200, \d+ bytes/);
      expect(program.stdout).toContain(`ip netns exec ${NETNS} ping ${STACK4}`);
      const https = await Netns.of(NETNS).must("curl", ["-sS", "--insecure", "--http2", `https://${STACK4}/`]);
      expect(https).toContain("</html>");
      const socket = join(directory, "weft", "cli.sock");
      expect(await mustRun(process.execPath, [WEFT, "cli", "--socket", socket, "show", "app"])).toContain("iperf3");
      const second = demo();
      const { status, stderr } = await second.finished;
      expect([status, stderr]).toEqual([1, `weft: demo: ${socket}: in use by another stack\n`]);
      expect(netnsExists(NETNS)).toBe(true);
      expect(await program.stop("SIGINT")).toMatchObject({ status: 0, stderr: "" });
      expect([netnsExists(NETNS), readdirSync(join(directory, "weft"))]).toEqual([false, []]);
    },
  );

  it.skipIf(lacks("netns", "tun", "ip"))("cleans up after one that was killed, not after one that runs", async () => {
    const killed = demo();
    await killed.waitFor(READY, 30_000);
    await killed.stop("SIGKILL");
    expect([netnsExists(NETNS), existsSync(join(directory, "weft", "cli.sock"))]).toEqual([true, true]);
    const program = demo();
    await program.waitFor(READY, 30_000);
    // Another user's demo, with a socket of its own.
    const other = demo({ XDG_RUNTIME_DIR: join(directory, "other") });
    const { status, stderr } = await other.finished;
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^weft: demo: .*tap0.*\n$/)]);
    expect(netnsExists(NETNS)).toBe(true);
    expect((await program.stop("SIGTERM")).status).toBe(0);
    expect(netnsExists(NETNS)).toBe(false);
  });

  it.each([{ WEFT_NO_NETNS: "1" }, { WEFT_NO_TUN: "1" }])("runs on a wire where it must: %j", async (refusal) => {
    const program = demo(refusal);
    await program.waitFor(READY, 30_000);
    expect(program.stdout).toMatch(/^weft: no TAP \(.*\): two stacks on a wire in memory instead$/m);
    expect(program.stdout).toMatch(/GET http:\/\/198\.18\.0\.2\/ +200, \d+ bytes/);
    expect(await program.stop("SIGINT")).toMatchObject({ status: 0, stderr: "" });
  });
});
