import { M_DATA, M_LEN, type PacketPool } from "../graph/packet-pool.js";
import type { Device, Offloads } from "./device.js";

/** What a generator sends into its stack. */
export interface GeneratorOptions {
  readonly mac: Uint8Array;
  /** Ethernet frames, received round robin, each copied into a fresh buffer. */
  readonly frames: readonly Uint8Array[];
  /** Most frames per poll. Default 256. */
  readonly burst?: number;
  /** Bytes. Default 1500. */
  readonly mtu?: number;
}

const NO_OFFLOADS: Offloads = { checksum: false, tso: false, uso: false };

/**
 * Receives copies of given frames as long as there is {@link credit}, and discards what it is given to send: the packet
 * generator of tests and benchmarks.
 */
export class GeneratorDevice implements Device {
  readonly kind = "generator";
  readonly mac: Uint8Array;
  readonly mtu: number;
  readonly offloads = NO_OFFLOADS;
  /** Frames that may still be received. */
  credit = 0;
  /** Packets that were sent through this device. */
  txPackets = 0;
  readonly #frames: readonly Uint8Array[];
  readonly #burst: number;
  readonly #at: Int32Array;
  #pool: PacketPool | undefined = undefined;
  #next = 0;

  /** Throws RangeError without frames. */
  constructor(options: GeneratorOptions) {
    if (options.frames.length === 0) throw new RangeError("a generator needs at least one frame");
    this.mac = options.mac;
    this.mtu = options.mtu ?? 1500;
    this.#frames = options.frames;
    this.#burst = options.burst ?? 256;
    this.#at = new Int32Array(options.frames.length);
  }

  attach(pool: PacketPool): void {
    this.#pool = pool;
    const { window } = pool;
    for (const [i, frame] of this.#frames.entries()) {
      this.#at[i] = window.reserve("generator frame", frame.length);
      window.u8.set(frame, this.#at[i]);
    }
  }

  rx(buffers: Int32Array, max: number): number {
    const pool = this.#pool;
    if (pool === undefined) return 0;
    const { u8, i32 } = pool.window;
    const limit = Math.min(max, this.#burst, this.credit);
    let n = 0;
    while (n < limit) {
      const bytes = this.#frames[this.#next].length;
      const b = pool.allocFor(bytes);
      if (b < 0) break;
      const m = pool.meta + (b << 4);
      const from = this.#at[this.#next];
      u8.copyWithin(i32[m + M_DATA], from, from + bytes);
      i32[m + M_LEN] = bytes;
      this.#next = this.#next + 1 === this.#frames.length ? 0 : this.#next + 1;
      buffers[n++] = b;
    }
    this.credit -= n;
    return n;
  }

  tx(_buffers: Int32Array, count: number): number {
    this.txPackets += count;
    return count;
  }

  close(): void {
    this.credit = 0;
  }
}
