import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { lacks } from "../needs.js";
import { freeName, Netns, netnsExists } from "../support/netns.js";
import { mustRun, Program } from "../support/program.js";
import { ALL_APPS, KERNEL4, RunningStack, STACK4, tapInterface, WEFT } from "../support/weft.js";

/** Ids of the children of a process. */
function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean).map(Number),
  );
}

describe.skipIf(lacks("netns", "tun", "ip"))("a stack that ends", () => {
  it.each(["SIGINT", "SIGTERM"] as const)(
    "on %s leaves no namespace, no TAP, no process and no socket",
    async (signal) => {
      const name = freeName();
      const directory = mkdtempSync(join(tmpdir(), "weft-cleanup-"));
      const socket = join(directory, "cli.sock");
      const stack = await RunningStack.start({ interfaces: [tapInterface(name)], apps: ALL_APPS, cli: { socket } });
      expect([netnsExists(name), existsSync(socket)]).toEqual([true, true]);
      expect(await Netns.of(name).ip("-br link")).toContain("tap0");
      const children = childrenOf(stack.program.pid);

      const started = Date.now();
      const { status, stderr } = await stack.end(signal);
      expect([status, stderr]).toEqual([0, ""]);
      expect(Date.now() - started).toBeLessThan(5000);
      expect([netnsExists(name), existsSync(socket)]).toEqual([false, false]);
      expect(children.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
      rmSync(directory, { recursive: true });
    },
  );

  it("leaves a namespace that was there before, without its TAP", async () => {
    const netns = await Netns.create();
    const stack = await RunningStack.start({ interfaces: [tapInterface(netns.name)], apps: ALL_APPS });
    const { status } = await stack.end("SIGINT");
    expect(status).toBe(0);
    expect(netnsExists(netns.name)).toBe(true);
    expect(await netns.ip("-br link")).not.toContain("tap0");
    await netns.remove();
  });

  it.skipIf(lacks("curl"))("closes its connections: a client in the middle of a download is told", async () => {
    const netns = await Netns.create();
    const stack = await RunningStack.start({ interfaces: [tapInterface(netns.name)], apps: ALL_APPS });
    const client = netns.start(
      "curl",
      "-sS",
      "--limit-rate",
      "100K",
      "-o",
      "/dev/null",
      `http://${STACK4}/bytes/100000000`,
    );
    await netns.must("bash", [
      "-c",
      `for i in {1..50}; do ss -Htn state established dst ${STACK4} | grep -q . && exit 0; sleep 0.1; done; exit 1`,
    ]);
    await stack.end("SIGINT");
    const { status, stderr } = await client.stop("SIGTERM", 20_000);
    expect([status === 0, stderr]).toEqual([false, expect.stringMatching(/^(?:curl: \((?:18|56)\).*\n)?$/)]);
    await netns.remove();
  });

  it("is started by arguments alone, too", async () => {
    const name = freeName();
    const args = [
      "run",
      "--tap",
      "tap9",
      "--netns",
      name,
      "--address",
      `${STACK4}/24`,
      "--host-address",
      `${KERNEL4}/24`,
    ];
    const program = new Program(process.execPath, [WEFT, ...args, "--app", "echo", "--app", "http=tcp://0.0.0.0/8080"]);
    await program.waitFor(/^weft: ready$/m, 30_000);
    const netns = Netns.of(name);
    expect(await netns.ip("-br addr")).toMatch(/tap9 .*198\.18\.0\.1\/24/);
    const page = await netns.run("curl", ["-sS", "-o", "/dev/null", "-w", "%{http_code}", `http://${STACK4}:8080/`]);
    expect(page.stdout).toBe("200");
    expect((await program.stop("SIGINT")).status).toBe(0);
    expect(await mustRun("ip", ["netns", "list"])).not.toContain(name);
  });
});
