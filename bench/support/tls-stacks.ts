import { wire, type WireDevice } from "../../src/device/wire-device.js";
import { NativeWindow } from "../../src/host/native-window.js";
import { opensslEngine } from "../../src/host/openssl-engine.js";
import { SeededRandom } from "../../src/random/seeded.js";
import { Stack } from "../../src/stack.js";
import type { Clock } from "../../src/time/clock.js";
import type { TlsConfig } from "../../src/transport/tls/config.js";
import { MANUAL_HOOKS } from "./quiet-hooks.js";

/** Where the second of {@link tlsStacks} is. */
export const TLS_SERVER = "198.18.0.2";

/** How large such stacks are. */
export interface TlsSizes {
  /** Connections at a time. */
  readonly connections: number;
  /** Bytes of each window, which then has small pages. */
  readonly windowBytes?: readonly [near: number, far: number];
}

/** Two stacks with TLS on a wire of so many bytes, 198.18.0.1 and {@link TLS_SERVER}, driven by their engines' turns. */
export function tlsStacks(
  clock: Clock,
  wireBytes: number,
  config: Partial<TlsConfig>,
  { connections, windowBytes }: TlsSizes = { connections: 16 },
): [near: Stack, far: Stack] {
  const windows = [0, 1].map((i) => new NativeWindow(windowBytes && { bytes: windowBytes[i], hugePages: false }));
  const [a, b] = wire({ bytes: wireBytes });
  return [
    makeStack(clock, windows[0], a, "198.18.0.1/24", config, connections),
    makeStack(clock, windows[1], b, `${TLS_SERVER}/24`, config, connections),
  ];
}

function makeStack(
  clock: Clock,
  native: NativeWindow,
  device: WireDevice,
  address: string,
  config: Partial<TlsConfig>,
  connections: number,
): Stack {
  const stack = new Stack({
    window: native.window,
    clock,
    random: new SeededRandom(1),
    hooks: MANUAL_HOOKS,
    limits: { smallPackets: 2048, largePackets: 128, ringPackets: 0, fifoBytes: 64 << 20 },
    session: { maxSessions: 4 * connections, maxListeners: 16 },
    tcp: { maxConnections: 4 * connections },
    tls: { engine: opensslEngine(native), config: { maxConnections: connections, ...config } },
  });
  stack.addInterface("wire0", device, { addresses: [address] });
  return stack;
}
