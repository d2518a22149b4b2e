import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { onCpu } from "./protect.js";

/** Ports of the peer programs. */
export const PORT = 5001;

function sourceOf(name: string): string {
  for (let at = dirname(fileURLToPath(import.meta.url)); at !== dirname(at); at = dirname(at)) {
    const path = join(at, "bench", "support", `${name}.c`);
    if (existsSync(path)) return path;
  }
  throw new Error(`bench/support/${name}.c is missing`);
}

/** Ends the program, which is no failure, where there can be no namespaces and devices. */
function leaveOutWithoutDevices(): void {
  const { WEFT_NO_NETNS, WEFT_NO_TUN } = process.env;
  if (WEFT_NO_NETNS === undefined && WEFT_NO_TUN === undefined) return;
  console.error(`bench: left out: no ${WEFT_NO_NETNS === undefined ? "/dev/net/tun" : "network namespaces"} here`);
  process.exit(0);
}

/** Compiles `bench/support/NAME.c` unless this version of it was compiled before; the program's path. Throws without a compiler. */
export function compile(name: string): string {
  const source = sourceOf(name);
  const hash = createHash("sha256").update(readFileSync(source)).digest("hex").slice(0, 16);
  const directory = join(dirname(source), "..", "..", "dist", "bench", "support");
  const program = join(directory, `${name}-${hash}`);
  if (existsSync(program)) return program;
  mkdirSync(directory, { recursive: true });
  const half = `${program}.${process.pid}`;
  const done = spawnSync("cc", ["-O2", "-o", half, source], { stdio: "inherit" });
  if (done.status !== 0) throw new Error(`cannot compile ${source}: is there a C compiler?`);
  renameSync(half, program);
  return program;
}

function must(command: readonly string[]): void {
  const [program = "", ...args] = command;
  const done = spawnSync(program, args, { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${command.join(" ")}: ${done.stderr || done.error?.message}`);
}

/** A program started by {@link Kernel.start}. */
export interface KernelProgram {
  /** What it has written, once it has ended. */
  readonly ended: Promise<string>;
  /** Asks it to end. */
  end(): void;
}

/**
 * Network namespaces, veths between them, and kernel programs in them. Gone after {@link close}, or when this program is
 * ended from outside.
 */
export class Kernel {
  readonly #peer: string;
  readonly #namespaces: string[] = [];
  readonly #programs: ChildProcess[] = [];

  constructor() {
    leaveOutWithoutDevices();
    this.#peer = compile("peer");
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));
    process.on("exit", () => this.#removeNamespaces());
  }

  /** Makes a namespace, whose name it returns. */
  namespace(suffix: string): string {
    const name = `wb${process.pid}-${suffix}`;
    must(["ip", "netns", "add", name]);
    this.#namespaces.push(name);
    this.run(name, ["ip", "link", "set", "lo", "up"]);
    return name;
  }

  /** Runs a command with the network of a namespace. Throws when it fails. */
  run(namespace: string, command: readonly string[]): void {
    must(["nsenter", `--net=/run/netns/${namespace}`, ...command]);
  }

  /** Joins two namespaces by a veth; each end is `[namespace, interface, address/length or none]`. */
  veth(a: readonly [string, string, string?], b: readonly [string, string, string?]): void {
    this.run(a[0], ["ip", "link", "add", a[1], "type", "veth", "peer", "name", b[1], "netns", b[0]]);
    for (const [namespace, name, address] of [a, b]) {
      if (address !== undefined) this.run(namespace, ["ip", "address", "add", address, "dev", name]);
      this.run(namespace, ["ip", "link", "set", name, "up"]);
    }
  }

  #command(namespace: string, cpu: number, command: readonly string[]): [string, string[]] {
    return ["nsenter", [`--net=/run/netns/${namespace}`, ...onCpu(cpu, command)]];
  }

  /**
   * Starts a program in a namespace and on a processor. Resolves when it has said that it is ready; {@link stop} ends it.
   * Its standard input ends with this program.
   */
  async start(namespace: string, cpu: number, command: readonly string[]): Promise<KernelProgram> {
    const [program, args] = this.#command(namespace, cpu, command);
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#programs.push(child);
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (part: string) => (text += part));
    const ended = new Promise<string>((resolve) => child.once("close", () => resolve(text)));
    await new Promise((resolve, reject) => {
      child.stdout.once("data", resolve);
      child.once("close", () => reject(new Error(`${command.join(" ")} ended`)));
    });
    return { ended, end: () => child.kill() };
  }

  /** Starts a server, `sink`, `source` or `pong`, in a namespace. Resolves when it listens. */
  async serve(namespace: string, cpu: number, mode: string, port = PORT): Promise<void> {
    await this.start(namespace, cpu, [this.#peer, mode, String(port)]);
  }

  /** Runs a client, `send`, `receive` or `ping`, against `address`; its figure. */
  async measure(
    namespace: string,
    cpu: number,
    mode: string,
    address: string,
    amount: number,
    port = PORT,
  ): Promise<number> {
    const [program, args] = this.#command(namespace, cpu, [this.#peer, mode, address, String(port), String(amount)]);
    const client = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    client.stdout.setEncoding("utf8").on("data", (part: string) => (text += part));
    const code = await new Promise((resolve) => client.once("close", resolve));
    if (code !== 0) throw new Error(`peer ${mode} ${address} failed`);
    return Number(text);
  }

  /** Ends the programs. */
  async stop(): Promise<void> {
    for (const program of this.#programs.splice(0)) {
      if (program.exitCode !== null || program.signalCode !== null) continue;
      const ended = new Promise((resolve) => program.once("close", resolve));
      program.kill();
      await ended;
    }
  }

  /** Ends the programs and removes the namespaces. */
  async close(): Promise<void> {
    await this.stop();
    this.#removeNamespaces();
  }

  #removeNamespaces(): void {
    for (const name of this.#namespaces.splice(0)) spawnSync("ip", ["netns", "delete", name]);
  }
}
