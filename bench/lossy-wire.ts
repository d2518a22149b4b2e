// How fast does the stack send and receive one TCP stream through a cable that delays and loses frames, beside the kernel in its
// place? What arrives is checked by its SHA-256.
//
// node dist/bench/lossy-wire.js [--mib N] [--loss PERCENT,...] [--delay MS] [--mbps N] [--runs N] [--seed N]
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { bulkHash, type Received } from "./support/bulk-bytes.js";
import { bulkStack } from "./support/bulk-stack.js";
import { Kernel, PORT } from "./support/kernel.js";
import { A_ADDRESS, type LossyLink, makeLossyLink } from "./support/lossy-link.js";
import { OUR_CPU, PEER_CPU, protect } from "./support/protect.js";
import { median, printRatio, printValue } from "./support/report.js";

const { values } = parseArgs({
  options: {
    mib: { type: "string", default: "32" },
    loss: { type: "string", default: "0,0.1,1" },
    delay: { type: "string", default: "10" },
    mbps: { type: "string", default: "300" },
    runs: { type: "string", default: "3" },
    seed: { type: "string", default: "1" },
  },
});

const BYTES = Number(values.mib) * 1024 * 1024;
const RUNS = Number(values.runs);
const KERNEL_END = join(dirname(fileURLToPath(import.meta.url)), "support", "bulk-kernel.js");

/** `up`: from the stack, or from the kernel in its stead. */
type Direction = "up" | "down";
type End = "weft" | "kernel";

const kernel = new Kernel();
let links = 0;

/** Starts the kernel's end of a transfer. */
function kernelEnd(namespace: string, cpu: number, role: "listen" | "connect", direction: string) {
  const args = [KERNEL_END, role, direction, A_ADDRESS, PORT, BYTES].map(String);
  return kernel.start(namespace, cpu, [process.execPath, ...args]);
}

/** What a receiver found, by the last line that it wrote. */
function parseReceived(text: string): Received {
  const [bytes = "", sha256 = "", ms = ""] = text.trim().split("\n").at(-1)?.split(" ") ?? [];
  return { bytes: Number(bytes), sha256, ms: Number(ms) };
}

/** One transfer: which end sends to or receives from the kernel, through which cable. */
interface Transfer {
  readonly end: End;
  readonly direction: Direction;
  readonly seed: number;
  readonly link: LossyLink;
}

/** Moves all bytes; Mbit/s. Throws when something else arrives. */
async function run({ end, direction, link }: Transfer): Promise<number> {
  const [here, there] = direction === "up" ? (["send", "receive"] as const) : (["receive", "send"] as const);
  let received: Received;
  if (end === "weft") {
    const addresses = [`${A_ADDRESS}/24`];
    const offloads = { checksum: false, gso: false };
    const ours = { name: "eth0", kind: "af-packet", netns: link.a, addresses, offloads } as const;
    const server = await bulkStack(ours, here, BYTES);
    const client = await kernelEnd(link.b, PEER_CPU, "connect", there);
    received = direction === "up" ? parseReceived(await client.ended) : await server.received;
    await client.ended;
    await server.stack.close();
  } else {
    const server = await kernelEnd(link.a, OUR_CPU, "listen", here);
    const client = await kernelEnd(link.b, PEER_CPU, "connect", there);
    received = parseReceived(await (direction === "up" ? client : server).ended);
    await Promise.all([client.ended, server.ended]);
  }
  await link.end();
  if (received.bytes !== BYTES || received.sha256 !== hash) {
    throw new Error(
      `${end} ${direction}: ${received.bytes} bytes with SHA-256 ${received.sha256} arrived, not ${hash}`,
    );
  }
  return (received.bytes * 8) / (received.ms * 1000);
}

/** Cables for one transfer of each kind with each seed. All are there before the first starts: making them takes the stack's time. */
async function prepare(percent: number, seeds: readonly number[]): Promise<Transfer[]> {
  const transfers: Transfer[] = [];
  for (const seed of seeds) {
    const cable = { loss: percent / 100, delayMs: Number(values.delay), mbps: Number(values.mbps), seed };
    for (const direction of ["up", "down"] as const) {
      for (const end of seed % 2 === 0 ? (["weft", "kernel"] as const) : (["kernel", "weft"] as const)) {
        const link = await makeLossyLink(kernel, `${links++}`, end, cable);
        transfers.push({ end, direction, seed, link });
      }
    }
  }
  return transfers;
}

/** Mbit/s of each transfer, by its name. They go at the same time where loss keeps them slow, else in turn. */
async function measure(percent: number, seeds: readonly number[]): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const transfers = await prepare(percent, seeds);
  const one = async (transfer: Transfer): Promise<void> => {
    const { end, direction, seed } = transfer;
    const mbps = await run(transfer);
    found.set(`${end} ${direction} ${seed}`, mbps);
    console.error(`lossy-wire: ${percent}%, seed ${seed}: ${end} ${direction} ${mbps.toFixed(2)} Mbit/s`);
  };
  if (percent === 0) for (const transfer of transfers) await one(transfer);
  else await Promise.all(transfers.map(one));
  return found;
}

/** Prints the medians of one direction. */
function print(
  percent: number,
  direction: Direction,
  found: ReadonlyMap<string, number>,
  seeds: readonly number[],
): void {
  const ours = seeds.map((seed) => found.get(`weft ${direction} ${seed}`) ?? 0);
  const peer = seeds.map((seed) => found.get(`kernel ${direction} ${seed}`) ?? 0);
  const name = `lossy-wire-${direction}-${percent}%`;
  printValue(name, median(ours), "Mbit/s");
  printValue(`${name}-kernel`, median(peer), "Mbit/s");
  printRatio(name, "kernel", median(ours.map((mbps, i) => mbps / peer[i])));
}

protect();
const hash = bulkHash(BYTES);
const seeds = Array.from({ length: RUNS }, (_, i) => Number(values.seed) + i);
try {
  for (const percent of values.loss.split(",").map(Number)) {
    const found = await measure(percent, seeds);
    for (const direction of ["up", "down"] as const) print(percent, direction, found, seeds);
  }
} finally {
  await kernel.close();
}
