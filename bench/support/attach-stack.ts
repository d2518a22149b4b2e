import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ClientCounters, MethodResult } from "../../src/client/index.js";
import { createStack, type InterfaceConfig, type LiveStack, type StackConfig, wire } from "../../src/index.js";
import type { ClientMode } from "./attach-client.js";
import { compile } from "./kernel.js";
import { onCpu } from "./protect.js";

/** An interface with nobody at the other end: there has to be one. */
const NOWHERE: InterfaceConfig = { name: "wire0", kind: "wire", device: wire()[0], addresses: ["198.18.0.1/24"] };

/** As in the other benchmarks of streams. */
const RX_FIFO_BYTES = 512 * 1024;
/** How often it is looked whether counters agree, and how long in between, milliseconds. */
const AGREE_TRIES = 100;
const AGREE_PAUSE_MS = 20;

function sumOf(all: readonly ClientCounters[]): ClientCounters {
  const sum = (key: keyof ClientCounters): number => all.reduce((total, each) => total + each[key], 0);
  return { sessions: sum("sessions"), readBytes: sum("readBytes"), writtenBytes: sum("writtenBytes") };
}

/** A stack in this process, applications of other processes attached to it, and their stand-ins over unix sockets. */
export class AttachStack {
  readonly stack: LiveStack;
  readonly #directory: string;
  readonly #children: ChildProcess[] = [];
  readonly #clients: AttachClient[] = [];

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
  async client(mode: ClientMode, uri: string, cpu: number, rxFifoBytes = RX_FIFO_BYTES): Promise<AttachClient> {
    const program = join(import.meta.dirname, "attach-client.js");
    const child = fork(program, [mode, uri, String(cpu), this.#directory, String(rxFifoBytes)], {
      stdio: "inherit",
    });
    const client = await this.#started(child);
    this.#clients.push(client);
    return client;
  }

  /**
   * What the stack has counted of its clients must be what they have counted themselves, and its listings must agree: sessions
   * and bytes. Between measurements, when nothing is under way any more; throws when they never come to agree.
   */
  async checkCounters(): Promise<void> {
    let [wanted, seen] = ["", ""];
    for (let i = 0; i < AGREE_TRIES; i++) {
      const own: ClientCounters[] = [];
      for (const client of this.#clients) own.push(await client.counters());
      wanted = JSON.stringify(sumOf(own));
      seen = JSON.stringify(await this.#counted());
      if (wanted === seen) return;
      await sleep(AGREE_PAUSE_MS);
    }
    throw new Error(`the clients have counted ${wanted}, the stack ${seen}`);
  }

  /** The same sums from `show app`, with the sessions of `show session`; `show segment-manager` must agree with itself. */
  async #counted(): Promise<ClientCounters> {
    const apps: MethodResult<"app.list"> = JSON.parse(await this.stack.cli("show app --json"));
    const sessions: MethodResult<"session.list"> = JSON.parse(await this.stack.cli("show session --json"));
    const memory: MethodResult<"statistics.segments"> = JSON.parse(await this.stack.cli("show segment-manager --json"));
    const clients = apps.filter(({ clients: each }) => each.length > 0);
    const names = new Set(clients.map(({ name }) => name));
    // A listener of both scopes has a session in each.
    const keys = sessions
      .filter(({ app }) => app !== null && names.has(app))
      .map(({ session, state, app, local }) => (state === "listening" ? `${app} ${local}` : session));
    const segments = memory.managers.flatMap((each) => each.segments);
    for (const key of ["fifos", "bytesInUse", "capacityBytes"] as const) {
      const sum = segments.reduce((total, each) => total + each[key], 0);
      if (sum !== memory[key]) throw new Error(`show segment-manager: ${key} ${memory[key]}, of all segments ${sum}`);
    }
    const { readBytes, writtenBytes } = sumOf(clients.flatMap((each) => each.clients));
    return { sessions: new Set(keys).size, readBytes, writtenBytes };
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
    this.#clients.length = 0;
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

  /** What its worker has counted. */
  async counters(): Promise<ClientCounters> {
    const answer = this.answer();
    this.#child.send("counters");
    const { sessions, readBytes, writtenBytes }: Readonly<Record<string, unknown>> = { ...Object(await answer) };
    return { sessions: Number(sessions), readBytes: Number(readBytes), writtenBytes: Number(writtenBytes) };
  }

  /** Has it measure; its figure. */
  async measure(amount: number): Promise<number> {
    const answer = this.answer();
    this.#child.send(amount);
    return Number(await answer);
  }
}
