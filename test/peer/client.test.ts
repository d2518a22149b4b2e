import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lacks } from "../needs.js";
import { Netns } from "../support/netns.js";
import { Program } from "../support/program.js";
import { RunningStack, STACK4, tapInterface } from "../support/weft.js";

const ROOT = join(import.meta.dirname, "..", "..");
const URL = `http://${STACK4}:8080`;

/** The program of the README's section "In another process". */
const README_PROGRAM = /## In another process.*?```js\n(.*?)```/s.exec(
  readFileSync(join(ROOT, "README.md"), "utf8"),
)?.[1];

/** Serves `/bytes/N` and `/sha256` at that port, from a process of its own. */
const server = (name: string, port: number): string => `
import { remoteStack, startApp } from "weft/client";
await startApp(remoteStack({ name: "${name}" }), { kind: "http", listen: ["tcp://${STACK4}:${port}"] });
console.log("ready");
`;

/** An application whose sessions another process takes. */
const OWNER = `
import { attach } from "weft/client";
const app = await attach({ name: "owner" }, {
  accept: () => true,
  rx: (session) => void app.workers[0].rpc(1, new TextEncoder().encode(String(session.handle))),
});
await app.listen("tcp://${STACK4}:8080");
console.log("handle " + app.appHandle);
`;
const TAKER = `
import { attachWorker } from "weft/client";
const answer = (session) => {
  session.drop(session.readableBytes);
  session.write(new TextEncoder().encode("HTTP/1.0 200 OK\\r\\n\\r\\ntaken by " + worker.number + "\\n"));
  session.close();
};
const worker = await attachWorker({ appHandle: Number(process.env.APP_HANDLE) }, {
  rx: answer,
  rpc: async (data) => void (await worker.take({ handle: Number(new TextDecoder().decode(data)) })),
});
console.log("ready");
`;

/** The same code in a thread of its process. */
function threadOf(code: string): string {
  const body = code.replace(/import (\{.*?\}) from ("[^"]*");/, "const $1 = await import($2);");
  return `import { Worker } from "node:worker_threads";
new Worker(${JSON.stringify(`(async () => {${body}})();`)}, { eval: true });`;
}

describe.skipIf(lacks("netns", "tun", "ip", "curl"))("programs in processes of their own", () => {
  let netns: Netns;
  let stack: RunningStack;
  let directory: string;
  let programs: Program[];

  const startStack = async (): Promise<void> => {
    const attach = { directory: join(directory, "weft", "attach") };
    stack = await RunningStack.start({ interfaces: [tapInterface(netns.name)], attach });
  };
  const start = (code: string, env: NodeJS.ProcessEnv = {}): Program => {
    const options = { cwd: ROOT, env: { ...process.env, XDG_RUNTIME_DIR: directory, ...env } };
    const program = new Program(process.execPath, ["--input-type=module", "-e", code], options);
    programs.push(program);
    return program;
  };
  const curl = (...args: string[]): ReturnType<Netns["run"]> =>
    netns.run("curl", [
      "-sS",
      "--max-time",
      "20",
      "--retry",
      "40",
      "--retry-all-errors",
      "--retry-delay",
      "0",
      ...args,
    ]);
  const serve = async (name: string, port: number): Promise<Program> => {
    const program = start(server(name, port));
    await program.waitFor(/ready/);
    return program;
  };

  beforeEach(async () => {
    programs = [];
    directory = mkdtempSync(join(tmpdir(), "weft-test-"));
    netns = await Netns.create();
    await startStack();
  });
  afterEach(async () => {
    for (const program of programs) await program.stop("SIGKILL");
    await stack.endWell();
    await netns.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  it("the README's program serves curl, survives the stack, and is survived by it", async () => {
    const first = start(README_PROGRAM ?? "");
    expect((await curl(URL)).stdout).toBe("hello from another process\n");
    await first.stop("SIGKILL");
    expect((await netns.run("curl", ["-sS", "--max-time", "5", URL])).status).toBe(7);
    const second = start(README_PROGRAM ?? "");
    expect((await curl(URL)).stdout).toBe("hello from another process\n");
    await stack.end("SIGKILL");
    await netns.ip("link del tap0").catch(() => undefined);
    await startStack();
    expect((await curl(URL)).stdout).toBe("hello from another process\n");
    expect([second.isOver, second.stderr]).toEqual([false, ""]);
  });

  it("a server that is killed in the middle of a transfer takes nothing with it: memory, nor the transfers of others", async () => {
    const bytes = 32 << 20;
    const digest = createHash("sha256");
    const pattern = Buffer.from(Array.from({ length: 251 }, (_, i) => i));
    for (let left = bytes; left > 0; left -= 251) digest.update(left < 251 ? pattern.subarray(0, left) : pattern);
    const wanted = digest.digest("hex");
    await serve("steady", 8081);
    for (let i = 0; i < 3; i++) {
      const victim = await serve("victim", 8082);
      const broken = netns.start("curl", "-sS", "-o", "/dev/null", `http://${STACK4}:8082/bytes/1000000000`);
      const steady = netns.run("sh", ["-c", `curl -sS http://${STACK4}:8081/bytes/${bytes} | sha256sum`]);
      await new Promise((resolve) => setTimeout(resolve, 150));
      await victim.stop("SIGKILL");
      expect((await broken.finished).status).not.toBe(0);
      expect((await steady).stdout).toBe(`${wanted}  -\n`);
    }
    const apps = await stack.cli("show app");
    expect([apps.includes("net@steady"), apps.includes("net@victim")]).toEqual([true, false]);
  });

  it.each([
    ["process", TAKER],
    ["thread", threadOf(TAKER)],
  ])("a session goes to a worker in another %s, which answers", async (_, code) => {
    const owner = start(OWNER);
    await owner.waitFor(/handle \d+/);
    const taker = start(code, { APP_HANDLE: /handle (\d+)/.exec(owner.stdout)?.[1] });
    await taker.waitFor(/ready/);
    expect((await curl(URL)).stdout).toBe("taken by 1\n");
  });
});
