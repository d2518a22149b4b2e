import { NullDevice } from "../device/null-device.js";
import { MemoryWindow } from "../mem/window.js";
import { SeededRandom } from "../random/seeded.js";
import { Stack } from "../stack.js";
import type { Clock } from "../time/clock.js";
import { type HostSize, sizeOf } from "./host-options.js";

/** Window in which a stack is made once to see what it takes, besides its fifos and packets. */
const GENEROUS_BYTES = 64 << 20;
const SMALL_SLOT_BYTES = 4096;
const LARGE_SLOT_BYTES = 128 << 10;
/** For what is reserved later: the applications' part, plies of routes in further networks, one doubling of the IPv6 table. */
const SPARE_BYTES = 24 << 10;

/** Finds out how large the window of a host must be: makes a stack of each size once, and remembers. */
export class WindowSizes {
  readonly #known = new Map<string, number>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Bytes for a host with these settings and interfaces with so many addresses. */
  bytesFor(size: HostSize, addresses: readonly (readonly string[])[]): number {
    const key = JSON.stringify([size, addresses.map((each) => each.length)]);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const bytes = this.#measure(size, addresses);
    this.#known.set(key, bytes);
    return bytes;
  }

  #measure(size: HostSize, addresses: readonly (readonly string[])[]): number {
    const { limits = {} } = size;
    const { smallPackets = 0, largePackets = 0, fifoBytes = 0 } = limits;
    const bytes = GENEROUS_BYTES + fifoBytes + smallPackets * SMALL_SLOT_BYTES + largePackets * LARGE_SLOT_BYTES;
    const window = MemoryWindow.plain(Math.min(bytes, 0x8000_0000));
    const hooks = { wake: () => {}, reportError: () => {} };
    const stack = new Stack({ window, clock: this.#clock, random: new SeededRandom(1), hooks, ...sizeOf(size) });
    for (const [i, each] of addresses.entries()) {
      stack.addInterface(`eth${i}`, new NullDevice(Uint8Array.of(2, 0, 0, 0, 0, i + 1)), { addresses: each });
    }
    const used = window.u8.length - window.freeBytes;
    stack.close();
    return Math.ceil((used + SPARE_BYTES) / SMALL_SLOT_BYTES) * SMALL_SLOT_BYTES;
  }
}
