import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CliClient } from "../../src/cli/socket-client.js";
import { Netns } from "../support/netns.js";
import { Program } from "../support/program.js";
import { type Configuration, RunningStack, STACK4, tapInterface } from "../support/weft.js";

// The tests of this folder mirror no room: they start `weft run` and applications in processes of their own
// (programs/app.mjs), with the kernel's sockets at the other end of a TAP (programs/kernel.mjs).

const PROGRAMS = join(import.meta.dirname, "programs");

/** What an application in another process may cost a stack: all of it comes back. */
export interface Census {
  readonly sessions: number;
  readonly fifos: number;
  readonly chunks: number;
  readonly capacityBytes: number;
  readonly apps: number;
  readonly fds: number;
}

/** Waits until something is so. Throws when it does not come to be. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`never: ${what}`);
    await sleep(10);
  }
}

/** Number of a line `name: value` of a listing. */
function numberIn(text: string, name: string): number {
  const found = new RegExp(`^${name}:? +(\\d+)`, "m").exec(text);
  if (found === null) throw new Error(`no ${name} in\n${text}`);
  return Number(found[1]);
}

/** A stack, its directory, and the namespace with the kernel's end of its TAP. */
export class AttachHost {
  readonly directory: string;
  readonly netns: Netns;
  readonly #config: Configuration;
  readonly #programs = new Set<Program>();
  #clients = 0;
  #stack: RunningStack | undefined;
  #cli: CliClient | undefined;

  private constructor(directory: string, netns: Netns, config: Configuration) {
    this.directory = directory;
    this.netns = netns;
    this.#config = config;
  }

  /** Starts a stack without applications of its own; `more` adds to its configuration. */
  static async start(more: (netns: string) => Configuration = () => ({})): Promise<AttachHost> {
    const netns = await Netns.create();
    const directory = mkdtempSync(join(tmpdir(), "weft-attach-"));
    const config = {
      interfaces: [tapInterface(netns.name)],
      tcp: { timeWaitMs: 50 },
      limits: { fifoBytes: 64 << 20 },
      cli: { socket: join(directory, "cli.sock") },
      ...more(netns.name),
    };
    const host = new AttachHost(directory, netns, config);
    try {
      await host.startStack();
    } catch (error) {
      await netns.remove();
      throw error;
    }
    return host;
  }

  /** The stack's process. */
  get stack(): RunningStack {
    if (this.#stack === undefined) throw new Error("no stack runs");
    return this.#stack;
  }

  /** Starts the stack, as configured, where there is none. */
  async startStack(): Promise<void> {
    this.#stack = await RunningStack.start(this.#config);
    this.#cli = await CliClient.open(join(this.directory, "cli.sock"));
  }

  /** Kills the stack. */
  async killStack(): Promise<void> {
    this.#cli?.close();
    const { stack } = this;
    this.#stack = undefined;
    await stack.end("SIGKILL");
  }

  /** What a command of the debug CLI answers. */
  async cli(line: string): Promise<string> {
    const answer = await this.#cli?.run(line);
    if (answer?.ok !== true) throw new Error(`${line}: ${answer?.text}`);
    return answer.text;
  }

  #start(program: Program): Program {
    this.#programs.add(program);
    void program.finished.then(() => this.#programs.delete(program));
    return program;
  }

  /** Starts a program of ours that is a client of the stack. */
  client(name: string, ...args: readonly string[]): Program {
    return this.#start(new Program(process.execPath, [join(PROGRAMS, name), ...args]));
  }

  /** Starts programs/app.mjs as a server, and waits until it listens. */
  async serve(options: Configuration): Promise<Program> {
    const program = this.client(
      "app.mjs",
      "serve",
      JSON.stringify({ directory: join(this.directory, "attach"), ...options }),
    );
    await program.waitFor(/^ready/m);
    return program;
  }

  /** Starts programs/app.mjs as a client. */
  connect(options: Configuration): Program {
    // Two applications of one name cannot be attached at a time.
    const common = { directory: join(this.directory, "attach"), name: `client${this.#clients++}` };
    return this.client("app.mjs", "connect", JSON.stringify({ ...common, ...options }));
  }

  /** Starts programs/kernel.mjs as a client of the stack. */
  kernel(port: number, mode: string, bytes: number, count = 1, address = STACK4): Program {
    const args = ["connect", port, address, mode, bytes, count].map(String);
    return this.#start(this.netns.start(process.execPath, join(PROGRAMS, "kernel.mjs"), ...args));
  }

  /** Starts programs/kernel.mjs as a server. */
  async kernelServer(port: number, mode: string, bytes: number, address: string): Promise<Program> {
    const args = ["serve", port, address, mode, bytes].map(String);
    const program = this.#start(this.netns.start(process.execPath, join(PROGRAMS, "kernel.mjs"), ...args));
    await program.waitFor(/^ready/m);
    return program;
  }

  /** What the stack holds now. */
  async census(): Promise<Census> {
    const memory = await this.cli("show segment-manager");
    const apps: unknown = JSON.parse(await this.cli("show app --json"));
    return {
      sessions: Number.parseInt(await this.cli("show session"), 10),
      fifos: numberIn(memory, "fifos"),
      chunks: numberIn(memory, "chunks in use"),
      capacityBytes: numberIn(memory, "capacity bytes"),
      apps: Array.isArray(apps) ? apps.length : -1,
      fds: readdirSync(`/proc/${this.stack.program.pid}/fd`).length,
    };
  }

  /** Waits until the stack holds what it held then. */
  async back(to: Census): Promise<void> {
    let now = await this.census();
    try {
      await until("", async () => JSON.stringify((now = await this.census())) === JSON.stringify(to));
    } catch {
      throw new Error(`the stack holds ${JSON.stringify(now)}, not ${JSON.stringify(to)}`);
    }
  }

  /** Ends what the test has started, and is still there. */
  async endPrograms(): Promise<void> {
    for (const program of this.#programs) await program.stop("SIGKILL");
  }

  /** Ends everything; the stack must end well. */
  async end(): Promise<void> {
    await this.endPrograms();
    this.#cli?.close();
    try {
      await this.#stack?.endWell();
    } finally {
      await this.netns.remove();
      rmSync(this.directory, { recursive: true, force: true });
    }
  }
}

/** A number of a process's first thread in /proc/PID/status. */
export function statusOf(pid: number, name: string): number {
  return numberIn(readFileSync(`/proc/${pid}/task/${pid}/status`, "latin1").replaceAll("\t", " "), name);
}
