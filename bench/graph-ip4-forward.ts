// What does forwarding a 64-byte packet cost, from device to device, all in memory: as a graph, and as a fused loop?
import { SystemClock } from "../src/host/system-clock.js";
import { makeForwarding } from "./support/forwarding.js";
import { fusedIp4Forward } from "./support/fused-ip4-forward.js";
import { measurePairs } from "./support/pairs.js";
import { protect } from "./support/protect.js";
import { printRatio, printValue } from "./support/report.js";

const BATCH = 256;
/** Packets of one measurement. */
const PACKETS = 100 * BATCH;
const WARM_UP = 16;
const PAIRS = 60;

protect();
const clock = new SystemClock();
const { stack, inDevice, outDevice, rx, tx, nextFrame } = makeForwarding(clock);

/** Nanoseconds per packet when `poll` is called until all packets have gone through, `vector` at a time. */
function measure(poll: () => number, vector: number): number {
  inDevice.vector = vector;
  const sent = outDevice.txPackets;
  let us = 0;
  for (let done = 0; done < PACKETS; done += BATCH) {
    inDevice.prepare(BATCH, nextFrame);
    const startUs = clock.nowUs();
    for (let i = 0; i < BATCH; i += vector) poll();
    us += clock.nowUs() - startUs;
  }
  const out = outDevice.txPackets - sent;
  if (out !== PACKETS) throw new Error(`${out} of ${PACKETS} came out: ${JSON.stringify(stack.engine.errors())}`);
  return (us * 1000) / PACKETS;
}

const poll = fusedIp4Forward(stack.host, clock, rx, tx);
for (const [name, vector] of [
  ["graph-ip4-forward", BATCH],
  ["graph-ip4-forward-v1", 1],
] as const) {
  const graph = (): number => measure(() => stack.engine.turn(), vector);
  const fused = (): number => measure(poll, vector);
  for (let i = 0; i < WARM_UP; i++) {
    graph();
    fused();
  }
  const { least } = await measurePairs(PAIRS, graph, fused);
  printValue(name, least.ours, "ns/packet");
  printValue(`${name}-fused`, least.peer, "ns/packet");
  printRatio(name, "fused", least.ours / least.peer);
}
stack.close();
