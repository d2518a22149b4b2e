import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

/** Longest that a process may take to end after it was asked to, milliseconds. */
const END_MS = 5000;

const running = new Set<ChildProcess>();

// Whatever ends this program ends what it started.
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(1));

/** A process that says `ready` on a line and runs until it is ended. */
export class Service {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Starts a program; rejects when it ends before it is ready, or is not within ten seconds. */
  static async start(command: readonly string[]): Promise<Service> {
    const [program, ...args] = command;
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    running.add(child);
    child.once("exit", () => running.delete(child));
    const service = new Service(child);
    await new Promise<void>((resolve, reject) => {
      let text = "";
      const timer = setTimeout(() => fail("not ready after ten seconds"), 10_000);
      const fail = (why: string): void => {
        clearTimeout(timer);
        child.kill("SIGKILL");
        reject(new Error(`${command.join(" ")}: ${why}`));
      };
      child.stdout?.on("data", (data: Buffer) => {
        text += data.toString();
        if (!/^ready$/m.test(text)) return;
        clearTimeout(timer);
        resolve();
      });
      child.once("error", (error) => fail(error.message));
      child.once("exit", (code, signal) => fail(`ended with ${code ?? signal}`));
    });
    return service;
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Ends the process, gently at first. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    const timer = setTimeout(() => child.kill("SIGKILL"), END_MS);
    child.kill("SIGTERM");
    await ended;
    clearTimeout(timer);
  }
}

/** Runs a program to its end, at most `timeoutMs`; its standard output. Rejects when it fails. */
export async function runToEnd(command: readonly string[], timeoutMs: number): Promise<string> {
  const [program, ...args] = command;
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  running.add(child);
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  let text = "";
  child.stdout.on("data", (data: Buffer) => (text += data.toString()));
  const [code, signal]: [number | null, string | null] = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (...how) => resolve(how));
  });
  clearTimeout(timer);
  running.delete(child);
  if (code !== 0) throw new Error(`${command.join(" ")}: ended with ${code ?? signal}`);
  return text;
}
