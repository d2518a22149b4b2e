import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { type Finished, mustRun, Program, runProgram } from "./program.js";

/** Namespaces that still exist: removed with the test process. */
const made = new Set<string>();
process.on("exit", () => {
  for (const name of made) spawnSync("ip", ["netns", "del", name], { stdio: "ignore" });
});

let count = 0;

/** A name for a namespace, 15 characters at most so that it serves for an interface too, that nobody else uses. */
export function freeName(): string {
  count++;
  return `wp${process.pid}-${count}`;
}

/** Whether a named namespace exists. */
export function netnsExists(name: string): boolean {
  return existsSync(`/run/netns/${name}`);
}

/** A network namespace with its loopback up. It never outlives the test process. */
export class Netns {
  readonly name: string;

  private constructor(name: string) {
    this.name = name;
  }

  /** Makes one. */
  static async create(): Promise<Netns> {
    const name = freeName();
    await mustRun("ip", ["netns", "add", name]);
    made.add(name);
    const netns = new Netns(name);
    await netns.ip("link set lo up");
    return netns;
  }

  /** Takes over one that somebody else made and will remove. */
  static of(name: string): Netns {
    return new Netns(name);
  }

  /** Runs `ip` on it, words separated by blanks; its output. Throws when it fails. */
  ip(words: string): Promise<string> {
    return mustRun("ip", ["-n", this.name, ...words.split(" ")]);
  }

  /** Starts a program inside. Its id is the program's own: `ip netns exec` becomes it. */
  start(program: string, ...args: readonly string[]): Program {
    return new Program("ip", ["netns", "exec", this.name, program, ...args]);
  }

  /** Runs a program inside to its end. */
  run(program: string, args: readonly string[], timeoutMs?: number): Promise<Finished> {
    return runProgram("ip", ["netns", "exec", this.name, program, ...args], timeoutMs);
  }

  /** Runs a program inside that must succeed; its standard output. */
  must(program: string, args: readonly string[], timeoutMs?: number): Promise<string> {
    return mustRun("ip", ["netns", "exec", this.name, program, ...args], timeoutMs);
  }

  /** Removes it with everything in it. */
  async remove(): Promise<void> {
    made.delete(this.name);
    await mustRun("ip", ["netns", "del", this.name]);
  }
}

/** A veth pair between two namespaces, both ends up, offloads off when frames shall be what is on the wire. */
export async function vethPair(a: Netns, aName: string, b: Netns, bName: string, hasOffloads = true): Promise<void> {
  await a.ip(`link add ${aName} type veth peer name ${bName} netns ${b.name}`);
  for (const [netns, name] of [
    [a, aName],
    [b, bName],
  ] as const) {
    if (!hasOffloads)
      await netns.must("ethtool", ["-K", name, "tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off"]);
    await netns.ip(`link set ${name} up`);
  }
}
