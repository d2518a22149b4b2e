import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createStack, type InterfaceConfig, type LiveStack, type StackConfig, wire } from "../../src/index.js";
import type { ClientMode } from "./attach-client.js";
import { compile } from "./kernel.js";
import { onCpu } from "./protect.js";

/** An interface with nobody at the other end: there has to be one. */
const NOWHERE: InterfaceConfig = { name: "wire0", kind: "wire", device: wire()[0], addresses: ["198.18.0.1/24"] };

/** A stack in this process, applications of other processes attached to it, and their stand-ins over unix sockets. */
export class AttachStack {
  readonly stack: LiveStack;
  readonly #directory: string;
  readonly #children: ChildProcess[] = [];

  private constructor(stack: LiveStack, directory: string) {
    this.stack = stack;
    this.#directory = directory;
    process.once("exit", () => this.#children.forEach((child) => child.kill("SIGKILL")));
  }

  /** Makes a stack that clients can attach to. */
  static async open(config: Partial<StackConfig> = {}): Promise<AttachStack> {
    const directory = mkdtempSync(join(tmpdir(), "weft-bench-"));
    return new AttachStack(await createStack({ interfaces: [NOWHERE], ...config, attach: { directory } }), directory);
  }

  /** A path for a unix socket. */
  path(name: string): string {
    return join(this.#directory, name);
  }

  /** Starts a client on a processor. Resolves when it listens or is connected. */
  async client(mode: ClientMode, uri: string, cpu: number): Promise<AttachClient> {
    const program = join(import.meta.dirname, "attach-client.js");
    const child = fork(program, [mode, uri, String(cpu), this.#directory], { stdio: "inherit" });
    return this.#started(child);
  }

  /** Starts `unix-client.js`: the same over a unix socket of Node's. */
  async unix(mode: "pong" | "ping" | "sink" | "source", name: string, cpu: number): Promise<AttachClient> {
    const program = join(import.meta.dirname, "unix-client.js");
    return this.#started(fork(program, [mode, this.path(name), String(cpu)], { stdio: "inherit" }));
  }

  async #started(child: ChildProcess): Promise<AttachClient> {
    this.#children.push(child);
    const client = new AttachClient(child);
    await client.answer();
    return client;
  }

  /** Starts a server of `peer.c` at a unix socket. */
  async kernelServer(mode: string, name: string, cpu: number): Promise<void> {
    const [program = "", ...args] = onCpu(cpu, [compile("peer"), mode, this.path(name)]);
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    this.#children.push(child);
    await once(child.stdout, "data");
  }

  /** Runs a client of `peer.c` at a unix socket; its figure. */
  async kernelClient(mode: string, name: string, cpu: number, amount: number): Promise<number> {
    const [program = "", ...args] = onCpu(cpu, [compile("peer"), mode, "unix", this.path(name), String(amount)]);
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (part: string) => (text += part));
    const [code] = await once(child, "close");
    if (code !== 0) throw new Error(`peer ${mode} failed`);
    return Number(text);
  }

  /** Ends the other processes. */
  async endClients(): Promise<void> {
    for (const child of this.#children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, "exit");
      child.kill();
      await ended;
    }
  }

  /** Ends everything. */
  async close(): Promise<void> {
    await this.endClients();
    await this.stack.close();
    rmSync(this.#directory, { recursive: true });
  }
}

/** An application in a process of its own. */
export class AttachClient {
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** What it says next. Rejects when it ends before. */
  answer(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const ended = (): void => reject(new Error("a client ended"));
      this.#child.once("exit", ended);
      this.#child.once("message", (answer) => {
        this.#child.off("exit", ended);
        resolve(answer);
      });
    });
  }

  /** Has it measure; its figure. */
  async measure(amount: number): Promise<number> {
    const answer = this.answer();
    this.#child.send(amount);
    return Number(await answer);
  }
}
