import { type ChildProcess, spawn } from "node:child_process";

/** Programs that still run: ended with the test process, by their own ids. */
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** How a program ended, and what it wrote. */
export interface Finished {
  /** Exit status; 128 + nothing known when a signal ended it: see {@link Finished.signal}. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running program whose output is kept. It never outlives the test process. */
export class Program {
  /** What it has written so far. */
  stdout = "";
  stderr = "";
  /** Settles when it has ended and its output is complete. */
  readonly finished: Promise<Finished>;
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #watchers = new Set<() => void>();
  #isOver = false;

  constructor(program: string, args: readonly string[], options: { env?: NodeJS.ProcessEnv; cwd?: string } = {}) {
    this.#name = [program, ...args].join(" ");
    this.#child = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    running.add(this.#child);
    const collect = (into: "stdout" | "stderr") => (chunk: Buffer) => {
      this[into] += chunk.toString("latin1");
      this.#notify();
    };
    this.#child.stdout?.on("data", collect("stdout"));
    this.#child.stderr?.on("data", collect("stderr"));
    this.finished = new Promise((resolve) => {
      const done = (status: number | null, signal: NodeJS.Signals | null, more = "") => {
        running.delete(this.#child);
        this.#isOver = true;
        this.stderr += more;
        this.#notify();
        resolve({ status, signal, stdout: this.stdout, stderr: this.stderr });
      };
      this.#child.on("error", (error) => done(null, null, `${error.message}\n`));
      this.#child.on("close", (status, signal) => done(status, signal));
    });
  }

  /** Its process id; -1 when it could not be started. */
  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Whether it has ended. */
  get isOver(): boolean {
    return this.#isOver;
  }

  #notify(): void {
    for (const watcher of this.#watchers) watcher();
  }

  /** Waits until its standard output or error matches. Throws, with what it wrote, when it ends or time runs out first. */
  waitFor(wanted: RegExp, timeoutMs = 15_000): Promise<void> {
    return this.#waitUntil(() => wanted.test(this.stdout) || wanted.test(this.stderr), String(wanted), timeoutMs);
  }

  /** Waits until so many lines of its standard output are `line`, or begin with it; throws as {@link waitFor}. */
  waitForLines(line: string, count: number, timeoutMs = 15_000): Promise<void> {
    const isThere = () => this.stdout.split("\n").filter((each) => each.startsWith(line)).length >= count;
    return this.#waitUntil(isThere, `${count} of "${line}"`, timeoutMs);
  }

  async #waitUntil(isThere: () => boolean, what: string, timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, timeoutMs);
      const look = () => {
        if (isThere() || this.#isOver) done();
      };
      const watchers = this.#watchers;
      function done(): void {
        clearTimeout(timer);
        watchers.delete(look);
        resolve();
      }
      watchers.add(look);
      look();
    });
    if (!isThere()) {
      throw new Error(`${this.#name}: no ${what} in its output:\n${this.stdout}${this.stderr}`);
    }
  }

  /** Sends a signal and waits for its end; a program that ignores it for `timeoutMs` is killed, and that is an error. */
  async stop(signal: NodeJS.Signals = "SIGTERM", timeoutMs = 10_000): Promise<Finished> {
    let isStubborn = false;
    const timer = setTimeout(() => {
      isStubborn = true;
      this.#child.kill("SIGKILL");
    }, timeoutMs);
    if (!this.#isOver) this.#child.kill(signal);
    const finished = await this.finished;
    clearTimeout(timer);
    if (isStubborn) throw new Error(`${this.#name} did not end on ${signal}:\n${this.stdout}${this.stderr}`);
    return finished;
  }
}

/** Runs a program to its end. */
export function runProgram(program: string, args: readonly string[], timeoutMs = 60_000): Promise<Finished> {
  const started = new Program(program, args);
  const timer = setTimeout(() => void started.stop("SIGKILL"), timeoutMs);
  return started.finished.finally(() => clearTimeout(timer));
}

/** Runs a program that must succeed; its standard output. Throws with what it wrote to standard error. */
export async function mustRun(program: string, args: readonly string[], timeoutMs?: number): Promise<string> {
  const { status, signal, stdout, stderr } = await runProgram(program, args, timeoutMs);
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: exit ${status ?? signal}\n${stdout}${stderr}`);
  return stdout;
}
