import { existsSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "./machine.js";
import { runToEnd, Service } from "./processes.js";

/** Where a process of the peer program runs. */
export interface PeerPlace {
  readonly netns: string;
  readonly cpu: number;
}

/** What the kernel's server does with a connection. */
export type PeerService = "discard" | "chargen" | "echo";

/** How long one measurement of a flow takes, milliseconds: warming up, measuring. */
const WARM_MS = 400;
const MEASURE_MS = 1500;
/** Round trips before the measured ones, and those. */
const WARM_PINGS = 2000;
const PINGS = 10_000;

let built: Promise<string> | undefined;

/** Path of the peer program, compiled when its source is newer. */
export function peerProgram(): Promise<string> {
  built ??= compile();
  return built;
}

async function compile(): Promise<string> {
  const source = join(packageRoot(), "bench", "support", "peer.c");
  const directory = join(packageRoot(), "dist", "bench", "support");
  const program = join(directory, "weft-bench-peer");
  if (existsSync(program) && statSync(program).mtimeMs > statSync(source).mtimeMs) return program;
  mkdirSync(directory, { recursive: true });
  await runToEnd([process.env["CC"] ?? "cc", "-O2", "-o", program, source], 60_000);
  return program;
}

async function peer(place: PeerPlace, ...args: readonly (string | number)[]): Promise<string[]> {
  return [await peerProgram(), "-c", `${place.cpu}`, "-n", place.netns, ...args.map(String)];
}

/** Starts a server on the kernel's stack. */
export async function serveFromKernel(
  place: PeerPlace,
  address: string,
  port: number,
  service: PeerService,
): Promise<Service> {
  return Service.start(await peer(place, "serve", address, port, service));
}

/** Gbit/s of one flow from (`send`) or to (`receive`) the kernel's stack. */
export async function measureFlow(
  place: PeerPlace,
  direction: "send" | "receive",
  address: string,
  port: number,
): Promise<number> {
  const command = await peer(place, direction, address, port, WARM_MS, MEASURE_MS);
  const [bytes, nanoseconds] = (await runToEnd(command, WARM_MS + MEASURE_MS + 20_000)).split(" ").map(Number);
  return (bytes * 8) / nanoseconds;
}

/** Round trips of one byte: the median and the 99th percentile, microseconds. */
export async function measureRoundTrips(
  place: PeerPlace,
  address: string,
  port: number,
): Promise<{ p50Us: number; p99Us: number }> {
  const command = await peer(place, "ping", address, port, WARM_PINGS, PINGS);
  const [p50, p99] = (await runToEnd(command, 30_000)).split(" ").map(Number);
  return { p50Us: p50 / 1000, p99Us: p99 / 1000 };
}
