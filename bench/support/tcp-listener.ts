import { F_L4_CHECKSUM_OK } from "../../src/graph/packet-pool.js";
import { parseAddress } from "../../src/ip/address.js";
import type { MemoryWindow } from "../../src/mem/window.js";
import { SeededRandom } from "../../src/random/seeded.js";
import { Stack } from "../../src/stack.js";
import type { Clock } from "../../src/time/clock.js";
import type { Interface } from "../../src/device/interface.js";
import { BatchDevice } from "./batch-device.js";
import { MANUAL_HOOKS } from "./quiet-hooks.js";
import { SEGMENT_FRAME_BYTES } from "./tcp-flows.js";

/** Where the stack is: 198.18.0.2. */
export const LISTENER_ADDRESS = 0xc612_0002 | 0;
/** The port that is listened on. */
export const LISTENER_PORT = 7001;

/** A stack on a device in memory, which vouches for checksums as a TAP does; clients are in 10/8 behind it. */
export function makeListenerStack(
  window: MemoryWindow,
  clock: Clock,
  sessions: number,
  fifoBytes: number,
): { stack: Stack; device: BatchDevice; iface: Interface } {
  const stack = new Stack({
    window,
    clock,
    random: new SeededRandom(1),
    hooks: MANUAL_HOOKS,
    limits: { smallPackets: 2048, largePackets: 8, ringPackets: 0, fifoBytes },
    session: { maxSessions: sessions + 64, maxListeners: 16, backlog: sessions },
    tcp: { maxConnections: sessions + 64 },
  });
  const device = new BatchDevice({
    mac: new Uint8Array([2, 0, 0, 0, 0, 1]),
    frameBytes: SEGMENT_FRAME_BYTES,
    vector: 256,
    flags: F_L4_CHECKSUM_OK,
    offloads: { checksum: true, tso: true, uso: true },
  });
  const iface = stack.addInterface("eth0", device, { addresses: ["198.18.0.2/24"] });
  stack.host.neighbours.setStatic(iface.index, parseAddress("198.18.0.1"), new Uint8Array([2, 0, 0, 0, 9, 9]));
  stack.apply({ kind: "route", table: 0, prefix: "10.0.0.0/8", add: true, paths: [{ via: "198.18.0.1" }] });
  return { stack, device, iface };
}
