import type { Interface } from "../../src/device/interface.js";
import { parseAddress } from "../../src/ip/address.js";
import { MemoryWindow } from "../../src/mem/window.js";
import { SeededRandom } from "../../src/random/seeded.js";
import { Stack } from "../../src/stack.js";
import type { Clock } from "../../src/time/clock.js";
import { checksumFinish } from "../../src/wire/checksum.js";
import { BatchDevice } from "./batch-device.js";
import { MANUAL_HOOKS } from "./quiet-hooks.js";

/** Bytes of a frame. */
export const FRAME_BYTES = 64;
const ROUTES = 10_000;
const NEXT_HOPS = 16;
const FLOWS = 4096;
const IN_MAC = new Uint8Array([2, 0, 0, 0, 0, 1]);
const OUT_MAC = new Uint8Array([2, 0, 0, 0, 0, 2]);

/** A router in memory, and what it is to forward. */
export interface Forwarding {
  readonly stack: Stack;
  readonly inDevice: BatchDevice;
  readonly outDevice: BatchDevice;
  readonly rx: Interface;
  readonly tx: Interface;
  /** Window offset of the next frame to forward. */
  readonly nextFrame: () => number;
}

/** A router with 10,000 routes over 16 neighbours, and 4096 UDP frames to random destinations behind them. */
export function makeForwarding(clock: Clock, routes = ROUTES): Forwarding {
  const random = new SeededRandom(1);
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
  const inDevice = new BatchDevice({ mac: IN_MAC, frameBytes: FRAME_BYTES, vector: 256 });
  const outDevice = new BatchDevice({ mac: OUT_MAC, frameBytes: FRAME_BYTES, vector: 256 });
  const rx = stack.addInterface("in0", inDevice, { addresses: ["198.18.0.1/24"] });
  const tx = stack.addInterface("out0", outDevice, { addresses: ["198.19.0.1/24"] });
  for (let i = 0; i < NEXT_HOPS; i++) {
    stack.host.neighbours.setStatic(tx.index, parseAddress(`198.19.0.${10 + i}`), new Uint8Array([2, 0, 0, 0, 1, i]));
  }
  const prefixes = addRoutes(stack, random, routes);
  const frames = window.reserve("frames", FLOWS * FRAME_BYTES);
  for (let i = 0; i < FLOWS; i++) {
    const destination = prefixes[random.nextBelow(prefixes.length)] | (1 + random.nextBelow(200));
    writeFrame(window, frames + i * FRAME_BYTES, 0xc612_0000 | (10 + random.nextBelow(200)), destination);
  }
  let flow = 0;
  return {
    stack,
    inDevice,
    outDevice,
    rx,
    tx,
    nextFrame() {
      flow = (flow + 1) & (FLOWS - 1);
      return frames + flow * FRAME_BYTES;
    },
  };
}

/** Prefixes of 16 to 24 bits under 10/8. */
function addRoutes(stack: Stack, random: SeededRandom, count: number): number[] {
  const prefixes: number[] = [];
  for (let i = 0; i < count; i++) {
    const length = 16 + random.nextBelow(9);
    const prefix = (0x0a00_0000 | random.nextBelow(1 << 24)) & (-1 << (32 - length));
    const text = `${prefix >>> 24}.${(prefix >>> 16) & 255}.${(prefix >>> 8) & 255}.${prefix & 255}/${length}`;
    const via = `198.19.0.${10 + random.nextBelow(NEXT_HOPS)}`;
    stack.apply({ kind: "route", table: 0, prefix: text, add: true, paths: [{ via }] });
    prefixes.push(prefix);
  }
  return prefixes;
}

function writeFrame(window: MemoryWindow, at: number, source: number, destination: number): void {
  const { u8, dv } = window;
  u8.set(IN_MAC, at);
  u8.set([2, 0, 0, 0, 9, 9], at + 6);
  dv.setUint16(at + 12, 0x0800);
  const ip = at + 14;
  dv.setInt32(ip, (0x4500 << 16) | (FRAME_BYTES - 14));
  dv.setInt32(ip + 4, 0);
  dv.setInt32(ip + 8, 0x4011_0000);
  dv.setInt32(ip + 12, source);
  dv.setInt32(ip + 16, destination);
  let sum = 0;
  for (let i = 0; i < 20; i += 2) sum += dv.getUint16(ip + i);
  dv.setUint16(ip + 10, checksumFinish(sum));
}
