// How long is the way of one byte there and back, on one processor and between two, beside the kernel over a veth?
import type { LiveStack } from "../src/index.js";
import { Kernel } from "./support/kernel.js";
import { measurePairs } from "./support/pairs.js";
import { OUR_CPU, PEER_CPU, protect } from "./support/protect.js";
import { printRatio, printValue } from "./support/report.js";
import { makeLink } from "./support/stream.js";
import { serveTcp } from "./support/tcp-stack.js";

const WARM_UP = 2;
const PAIRS = 5;
const ROUND_TRIPS = 10_000;

protect();
const kernel = new Kernel();
let stack: LiveStack | undefined;
try {
  const { client, server, config } = makeLink(kernel, "tap");
  stack = await serveTcp(config, "pong");
  await kernel.serve(server, OUR_CPU, "pong");
  for (const [name, cpu] of [
    ["tap-rtt-1cpu", OUR_CPU],
    ["tap-rtt-2cpu", PEER_CPU],
  ] as const) {
    const us = async (address: string): Promise<number> =>
      (await kernel.measure(client, cpu, "ping", address, ROUND_TRIPS)) / 1000;
    for (let i = 0; i < WARM_UP; i++) await us("198.18.0.2");
    const { ours, peer, ratio } = await measurePairs(
      PAIRS,
      () => us("198.18.0.2"),
      () => us("198.18.1.2"),
    );
    printValue(name, ours, "us");
    printValue(`${name}-kernel`, peer, "us");
    printRatio(name, "kernel", ratio);
  }
} finally {
  await stack?.close();
  await kernel.close();
}
