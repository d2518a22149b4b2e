import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { lacks, PYTHON } from "../needs.js";
import type { Program } from "../support/program.js";
import { STACK4 } from "../support/weft.js";
import { AttachHost, type Census } from "./host.js";

// Clients that come and go with checksummed transfers, and one that wants to harm the stack: seconds in npm test, and
// WEFT_SOAK_SECONDS of them, with eight clients, for the real soak. WEFT_SOAK_SEED chooses the harmful one's lives.

const SECONDS = Number(process.env["WEFT_SOAK_SECONDS"] ?? "6");
const SEED = Number(process.env["WEFT_SOAK_SEED"] ?? "1");
const IS_LONG = SECONDS >= 300;
/** A transfer that has not ended by then never will. */
const TRANSFER_MS = 60_000;
/** As long as no transfer may end at all. */
const STALL_MS = 25_000;

/** Flat memory. */
const MOST_GROWTH = 1.1;

const SCOPE = ["local", "global"];
const ECHO = `tcp://${STACK4}/1000`;
const SOURCE = `tcp://${STACK4}/1001`;
/** Who the harmful one talks to. */
const VICTIM = `tcp://${STACK4}/1002`;
const DATAGRAMS = `udp://${STACK4}/1003`;
const BYTES = 3_000_000;

/** Resident memory of a process, KiB. */
function residentKib(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]);
}

/**
 * The least of the last quarter in comparison with that of the second, when code is compiled and pools are warm. The least: memory goes
 * up and down with what a harmful process still holds, until it ends, and with garbage.
 */
function growth(kib: readonly number[]): number {
  const quarter = Math.floor(kib.length / 4);
  const least = (from: number): number => Math.min(...kib.slice(from, from + quarter));
  return least(kib.length - quarter) / least(quarter);
}

/** What was done, and what was seen meanwhile. */
class Load {
  readonly host: AttachHost;
  readonly endMs: number;
  readonly failures: string[] = [];
  readonly samples: { readonly kib: number; readonly census: Census }[] = [];
  transfers = 0;
  #lastEndMs = Date.now();
  lives = 0;
  killed = 0;

  constructor(host: AttachHost, seconds: number) {
    this.host = host;
    this.endMs = Date.now() + seconds * 1000;
  }

  get isOver(): boolean {
    return Date.now() >= this.endMs || this.failures.length > 0;
  }

  get counts() {
    const { transfers, lives, killed } = this;
    return { transfers, lives, killed };
  }

  /** One after the other; each must say what it should. */
  async transfer(start: () => Program, wanted: RegExp): Promise<void> {
    while (!this.isOver) {
      const program = start();
      const timer = setTimeout(() => void program.stop("SIGKILL"), TRANSFER_MS);
      const { stdout, stderr } = await program.finished;
      clearTimeout(timer);
      this.#lastEndMs = Date.now();
      if (wanted.test(stdout)) this.transfers++;
      else this.failures.push(`${stdout.slice(-500)}${stderr.slice(-500)}`);
    }
  }

  /** One after the other, each killed in the middle of a transfer. */
  async kill(start: () => Program): Promise<void> {
    while (!this.isOver) {
      const program = start();
      try {
        await program.waitFor(/^connected/m, TRANSFER_MS);
      } catch (error) {
        this.failures.push(String(error));
      }
      await sleep((this.killed * 37) % 100);
      await program.stop("SIGKILL");
      this.killed++;
    }
  }

  /** The harmful one, again whenever it has died. */
  async harm(): Promise<void> {
    for (let seed = SEED; !this.isOver; seed++) {
      const args = [`${this.host.directory}/attach`, VICTIM, String(seed), "200", PYTHON];
      const program = this.host.client("fuzz-client.mjs", ...args);
      const timer = setTimeout(() => void program.stop("SIGKILL"), Math.max(this.endMs - Date.now(), 1));
      const { stdout } = await program.finished;
      clearTimeout(timer);
      this.lives += stdout.match(/Life$/gm)?.length ?? 0;
    }
  }

  /** Something has to end now and then; if not, what the stack holds says why. */
  async #lookForStall(): Promise<void> {
    if (Date.now() - this.#lastEndMs < STALL_MS) return;
    const held = [await this.host.cli("show session verbose 2"), await this.host.cli("show app --json")];
    this.failures.push(`no transfer ended for ${STALL_MS} ms\n${held.join("\n")}`);
  }

  /** Asks the stack now and then: that it answers is the point. */
  async watch(everyMs: number): Promise<void> {
    while (!this.isOver) {
      try {
        this.samples.push({ kib: residentKib(this.host.stack.program.pid), census: await this.host.census() });
        await this.#lookForStall();
      } catch (error) {
        this.failures.push(`the stack: ${String(error)}\n${this.host.stack.program.stderr.slice(-2000)}`);
      }
      if (IS_LONG) console.log(JSON.stringify({ ...this.samples.at(-1), ...this.counts }));
      await sleep(everyMs);
    }
  }
}

describe.skipIf(lacks("netns", "tun", "ip", "python3"))("a client that wants to harm the stack", () => {
  test(
    "harms no transfer of others; the stack answers, and holds nothing in the end",
    async () => {
      const host = await AttachHost.start(() => ({
        attach: { attemptsPerSecond: 10_000 },
        // Eleven applications with 16 MiB each, pairs of them with as much again, and what the harmful one asks for.
        limits: { fifoBytes: 64 << 20, appSegmentBytes: 768 << 20 },
      }));
      try {
        const before = await host.census();
        await host.serve({ name: "echo", mode: "echo", uris: [ECHO], scope: SCOPE });
        await host.serve({ name: "source", mode: "source", bytes: BYTES, uris: [SOURCE], scope: SCOPE });
        await host.serve({ name: "victim", mode: "echo", uris: [VICTIM], scope: SCOPE });
        await host.serve({ name: "datagrams", mode: "udp-echo", uris: [DATAGRAMS], scope: SCOPE });
        const load = new Load(host, SECONDS);
        const whole = (count: number) => new RegExp(`^(?:connected.*\\nended after ${BYTES}\\n){${count}}$`);
        const done = (bytes: number, count: number) => new RegExp(`(?:^done ${bytes}\\n[^]*){${count}}^over$`, "m");
        const { connect, kernel } = { connect: host.connect.bind(host), kernel: host.kernel.bind(host) };
        const more = [
          () => load.transfer(() => kernel(1001, "fetch", 0, 5), whole(5)),
          () => load.transfer(() => connect({ scope: SCOPE, uri: ECHO, bytes: 300_000 }), done(300_000, 1)),
          () => load.transfer(() => connect({ uri: DATAGRAMS, mode: "udp", count: 2000 }), done(2000, 1)),
          () => load.transfer(() => connect({ uri: SOURCE, mode: "fetch", bytes: BYTES }), done(BYTES, 1)),
          () => load.kill(() => connect({ uri: SOURCE, mode: "fetch", bytes: BYTES })),
        ];
        await Promise.all([
          load.harm(),
          load.watch(IS_LONG ? 10_000 : 500),
          load.transfer(() => kernel(1000, "echo", BYTES, 3), whole(3)),
          load.transfer(() => connect({ scope: SCOPE, uri: ECHO, bytes: 1_000_000, sessions: 4 }), done(1_000_000, 4)),
          load.transfer(
            () => connect({ scope: SCOPE, uri: SOURCE, mode: "fetch", bytes: BYTES, sessions: 2 }),
            done(BYTES, 2),
          ),
          load.kill(() => connect({ scope: SCOPE, uri: ECHO, bytes: 1e9 })),
          ...(IS_LONG ? more.map((start) => start()) : []),
        ]);
        console.log(JSON.stringify({ ...load.counts, kib: load.samples.map(({ kib }) => kib) }));
        expect(load.failures).toEqual([]);
        expect(Math.min(load.transfers, load.lives, load.killed)).toBeGreaterThan(0);
        const grown = IS_LONG ? growth(load.samples.map(({ kib }) => kib)) : 1;
        expect(grown).toBeLessThan(MOST_GROWTH);
        await host.endPrograms();
        await host.back(before);
      } finally {
        await host.end();
      }
    },
    SECONDS * 1000 + 2 * TRANSFER_MS,
  );
});
