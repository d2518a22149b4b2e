import { colors } from "./colors.js";
import type { Host } from "../../../nodes/host.js";

const TTY_PERIOD_MS = 500;
const PLAIN_PERIOD_MS = 10_000;

/** Counters of a stack at one moment. */
interface Sample {
  readonly timeMs: number;
  readonly rxPackets: number;
  readonly rxBytes: number;
  readonly txPackets: number;
  readonly txBytes: number;
}

function sampleOf(host: Host, timeMs: number): Sample {
  const sample = { timeMs, rxPackets: 0, rxBytes: 0, txPackets: 0, txBytes: 0 };
  for (const { counters } of host.interfaces.all()) {
    sample.rxPackets += counters.rxPackets;
    sample.rxBytes += counters.rxBytes;
    sample.txPackets += counters.txPackets;
    sample.txBytes += counters.txBytes;
  }
  return sample;
}

function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

function rate(bytesPerSecond: number): string {
  const bits = bytesPerSecond * 8;
  if (bits >= 1e9) return `${(bits / 1e9).toFixed(2)} Gbit/s`;
  if (bits >= 1e6) return `${(bits / 1e6).toFixed(1)} Mbit/s`;
  return `${(bits / 1e3).toFixed(1)} kbit/s`;
}

/** The lines of a moment, compared with the one before. */
export function liveLines(host: Host, before: Sample, now: Sample): string[] {
  const seconds = Math.max((now.timeMs - before.timeMs) / 1000, 0.001);
  const { sessions, pool, fifos } = host;
  const direction = (name: string, packets: number, bytes: number, bytesBefore: number): string =>
    `${name} ${count(packets)} packets, ${count(bytes)} bytes, ${rate((bytes - bytesBefore) / seconds)}`;
  const { bytesInUse } = fifos.stats();
  const buffers = pool.smallCount - pool.freeSmall + pool.largeCount - pool.freeLarge;
  return [
    direction("in ", now.rxPackets, now.rxBytes, before.rxBytes),
    direction("out", now.txPackets, now.txBytes, before.txBytes),
    `sessions ${count(sessions.table.used)}, fifo bytes ${count(bytesInUse)}, packet buffers ${count(buffers)}`,
  ];
}

/** Shows a stack's counters until `signal`: a few lines that renew themselves at a terminal, else a line now and then. */
export class LiveCounters {
  readonly #host: Host;
  readonly #timer: NodeJS.Timeout;
  readonly #isTerminal: boolean;
  #before: Sample;
  #shown = 0;

  constructor(host: Host) {
    this.#host = host;
    this.#isTerminal = process.stdout.isTTY;
    this.#before = sampleOf(host, performance.now());
    this.#timer = setInterval(() => this.#show(), this.#isTerminal ? TTY_PERIOD_MS : PLAIN_PERIOD_MS);
  }

  #show(): void {
    const now = sampleOf(this.#host, performance.now());
    const lines = liveLines(this.#host, this.#before, now);
    const isQuiet = now.rxPackets === this.#before.rxPackets && now.txPackets === this.#before.txPackets;
    this.#before = now;
    if (this.#isTerminal) {
      const up = this.#shown === 0 ? "" : `\x1b[${this.#shown}A`;
      process.stdout.write(`${up}${lines.map((line) => `\x1b[2K${colors.dim(line)}\n`).join("")}`);
      this.#shown = lines.length;
    } else if (!isQuiet) process.stdout.write(`${lines.join("; ")}\n`);
  }

  /** Shows no more. */
  close(): void {
    clearInterval(this.#timer);
  }
}
