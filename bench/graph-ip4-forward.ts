// What does forwarding a 64-byte packet cost, from device to device, all in memory: as a graph, and as a fused loop?
import { parseAddress } from "../src/ip/address.js";
import { MemoryWindow } from "../src/mem/window.js";
import { SeededRandom } from "../src/random/seeded.js";
import { Stack } from "../src/stack.js";
import { SystemClock } from "../src/host/system-clock.js";
import { checksumFinish } from "../src/wire/checksum.js";
import { BatchDevice } from "./support/batch-device.js";
import { fusedIp4Forward } from "./support/fused-ip4-forward.js";
import { measurePairs } from "./support/pairs.js";
import { MANUAL_HOOKS } from "./support/quiet-hooks.js";
import { printRatio, printValue } from "./support/report.js";

const FRAME_BYTES = 64;
const ROUTES = 10_000;
const NEXT_HOPS = 16;
const FLOWS = 4096;
const BATCH = 256;
/** Packets of one measurement. */
const PACKETS = 400 * BATCH;
const PAIRS = 15;
const IN_MAC = new Uint8Array([2, 0, 0, 0, 0, 1]);
const OUT_MAC = new Uint8Array([2, 0, 0, 0, 0, 2]);

const random = new SeededRandom(1);
const clock = new SystemClock();
const window = MemoryWindow.plain(64 << 20);
const stack = new Stack({
  window,
  clock,
  random,
  hooks: MANUAL_HOOKS,
  limits: { smallPackets: 1024, largePackets: 8, ringPackets: 0, fifoBytes: 1 << 20 },
  session: { maxSessions: 64, maxListeners: 16 },
  tcp: { maxConnections: 64 },
  ip: { forward4: true },
});
const inDevice = new BatchDevice({ mac: IN_MAC, frameBytes: FRAME_BYTES, vector: BATCH });
const outDevice = new BatchDevice({ mac: OUT_MAC, frameBytes: FRAME_BYTES, vector: BATCH });
const rx = stack.addInterface("in0", inDevice, { addresses: ["198.18.0.1/24"] });
const tx = stack.addInterface("out0", outDevice, { addresses: ["198.19.0.1/24"] });

for (let i = 0; i < NEXT_HOPS; i++) {
  stack.host.neighbours.setStatic(tx.index, parseAddress(`198.19.0.${10 + i}`), new Uint8Array([2, 0, 0, 0, 1, i]));
}
/** Prefixes of 16 to 24 bits under 10/8, and where packets to them go. */
const prefixes: number[] = [];
for (let i = 0; i < ROUTES; i++) {
  const length = 16 + random.nextBelow(9);
  const prefix = (0x0a00_0000 | random.nextBelow(1 << 24)) & (-1 << (32 - length));
  const text = `${prefix >>> 24}.${(prefix >>> 16) & 255}.${(prefix >>> 8) & 255}.${prefix & 255}/${length}`;
  const via = `198.19.0.${10 + random.nextBelow(NEXT_HOPS)}`;
  stack.apply({ kind: "route", table: 0, prefix: text, add: true, paths: [{ via }] });
  prefixes.push(prefix);
}

/** A UDP frame to a random destination behind the routes. */
function writeFrame(at: number): void {
  const { u8, dv } = window;
  const dst = prefixes[random.nextBelow(ROUTES)] | (1 + random.nextBelow(200));
  u8.set(IN_MAC, at);
  u8.set([2, 0, 0, 0, 9, 9], at + 6);
  dv.setUint16(at + 12, 0x0800);
  const ip = at + 14;
  dv.setInt32(ip, (0x4500 << 16) | (FRAME_BYTES - 14));
  dv.setInt32(ip + 4, 0);
  dv.setInt32(ip + 8, 0x4011_0000);
  dv.setInt32(ip + 12, 0xc612_0000 | (10 + random.nextBelow(200)));
  dv.setInt32(ip + 16, dst);
  let sum = 0;
  for (let i = 0; i < 20; i += 2) sum += dv.getUint16(ip + i);
  dv.setUint16(ip + 10, checksumFinish(sum));
}

const frames = window.reserve("frames", FLOWS * FRAME_BYTES);
for (let i = 0; i < FLOWS; i++) writeFrame(frames + i * FRAME_BYTES);
let flow = 0;
function nextFrame(): number {
  flow = (flow + 1) & (FLOWS - 1);
  return frames + flow * FRAME_BYTES;
}

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
  if (outDevice.txPackets - sent !== PACKETS) {
    throw new Error(
      `${outDevice.txPackets - sent} of ${PACKETS} packets came out: ${JSON.stringify(stack.engine.errors())}`,
    );
  }
  return (us * 1000) / PACKETS;
}

const fused = fusedIp4Forward(stack.host, clock, rx, tx);
const turn = (): number => stack.engine.turn();
for (const [name, vector] of [
  ["graph-ip4-forward", BATCH],
  ["graph-ip4-forward-v1", 1],
] as const) {
  for (let i = 0; i < 3; i++) {
    measure(turn, vector);
    measure(fused, vector);
  }
  const { ours, peer, ratio } = await measurePairs(
    PAIRS,
    () => measure(turn, vector),
    () => measure(fused, vector),
  );
  printValue(name, ours, "ns/packet");
  printValue(`${name}-fused`, peer, "ns/packet");
  printRatio(name, "fused", ratio);
}
stack.close();
