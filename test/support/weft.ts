import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { InterfaceConfig } from "../../src/index.js";
import { Netns } from "./netns.js";
import { type Finished, mustRun, Program, runProgram } from "./program.js";

/** The built command. */
export const WEFT = join(import.meta.dirname, "..", "..", "dist", "src", "cli", "weft.js");

/** The addresses the stack under test has, and those of the kernel's end of its TAP. */
export const STACK4 = "198.18.0.2";
export const STACK6 = "2001:db8:18::2";
export const KERNEL4 = "198.18.0.1";
export const KERNEL6 = "2001:db8:18::1";

/** Both families, for tests that run on each. */
export const FAMILIES = [
  { family: "IPv4", address: STACK4, url: `http://${STACK4}`, literal: STACK4, flag: "-4" },
  { family: "IPv6", address: STACK6, url: `http://[${STACK6}]`, literal: `[${STACK6}]`, flag: "-6" },
] as const;

/** A configuration as the command reads it; the stack checks it, so its type is open here. */
export type Configuration = Record<string, unknown>;

/** Runs the command to its end. */
export function weft(...args: readonly string[]): Promise<Finished> {
  return runProgram(process.execPath, [WEFT, ...args]);
}

/** A TAP interface for a configuration: `tap0` in `netns`, with the addresses above. */
export function tapInterface(netns: string, more: Partial<InterfaceConfig> = {}): InterfaceConfig {
  return {
    name: "tap0",
    kind: "tap",
    netns,
    addresses: [`${STACK4}/24`, `${STACK6}/64`],
    host: { addresses: [`${KERNEL4}/24`, `${KERNEL6}/64`] },
    ...more,
  };
}

/** The demo applications at their own ports. */
export const ALL_APPS = ["echo", "discard", "chargen", "http", "iperf3", "check"].map((kind) => ({ kind }));

/** A running `weft run`. */
export class RunningStack {
  readonly program: Program;
  readonly #directory: string;

  private constructor(program: Program, directory: string) {
    this.program = program;
    this.#directory = directory;
  }

  /** Starts a stack, its process in `netns` or in this one's namespace, and waits until it is ready. */
  static async start(config: Configuration, netns?: Netns): Promise<RunningStack> {
    const directory = mkdtempSync(join(tmpdir(), "weft-test-"));
    const file = join(directory, "weft.json");
    writeFileSync(file, JSON.stringify({ cli: { socket: join(directory, "cli.sock") }, ...config }));
    const command = [WEFT, "run", "--config", file];
    const program =
      netns === undefined ? new Program(process.execPath, command) : netns.start(process.execPath, ...command);
    const stack = new RunningStack(program, directory);
    try {
      await stack.program.waitFor(/^weft: ready$/m, 30_000);
    } catch (error) {
      await stack.end("SIGKILL");
      throw error;
    }
    return stack;
  }

  /** Runs a command that must succeed on its CLI socket; its text. */
  cli(line: string): Promise<string> {
    const socket = join(this.#directory, "cli.sock");
    return mustRun(process.execPath, [WEFT, "cli", "--socket", socket, ...line.split(" ")]);
  }

  /** Ends it with a signal, and waits. */
  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<Finished> {
    const finished = await this.program.stop(signal);
    rmSync(this.#directory, { recursive: true, force: true });
    return finished;
  }

  /** Ends it with SIGTERM; throws with what it wrote when its exit status is not 0. */
  async endWell(): Promise<void> {
    const { status, signal, stderr } = await this.end();
    if (status !== 0) throw new Error(`weft run ended with ${status ?? signal}:\n${stderr}`);
  }
}

/** A stack with all demo applications on a TAP whose kernel end is in a namespace of its own. */
export class TapStack {
  readonly netns: Netns;
  readonly stack: RunningStack;

  private constructor(netns: Netns, stack: RunningStack) {
    this.netns = netns;
    this.stack = stack;
  }

  /** Starts it; `tap` and `more` add to the interface's configuration and to the stack's. */
  static async start(tap: Configuration = {}, more: Configuration = {}): Promise<TapStack> {
    const netns = await Netns.create();
    try {
      const stack = await RunningStack.start({ interfaces: [tapInterface(netns.name, tap)], apps: ALL_APPS, ...more });
      return new TapStack(netns, stack);
    } catch (error) {
      await netns.remove();
      throw error;
    }
  }

  /** Ends the stack, which must end well, and removes the namespace. */
  async end(): Promise<void> {
    try {
      await this.stack.endWell();
    } finally {
      await this.netns.remove();
    }
  }
}
