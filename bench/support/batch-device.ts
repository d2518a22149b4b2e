import type { Device, Offloads } from "../../src/device/device.js";
import { M_DATA, M_FLAGS, M_LEN, type PacketPool } from "../../src/graph/packet-pool.js";

/** How a {@link BatchDevice} is made. */
export interface BatchDeviceOptions {
  readonly mac: Uint8Array;
  /** Bytes of each frame; all are alike. */
  readonly frameBytes: number;
  /** Frames that one poll gives at most. */
  readonly vector: number;
  /** Offloads and the flags of received packets; default none. */
  readonly offloads?: Offloads;
  readonly flags?: number;
}

const NO_OFFLOADS: Offloads = { checksum: false, tso: false, uso: false };

/**
 * A device in memory whose frames are made before the clock runs: {@link prepare} fills buffers, polls then only hand
 * them over, `vector` at a time. What is sent is counted and forgotten.
 */
export class BatchDevice implements Device {
  readonly kind = "batch";
  readonly mac: Uint8Array;
  readonly mtu = 1500;
  readonly offloads: Offloads;
  /** Frames that one poll gives at most; may be changed. */
  vector: number;
  txPackets = 0;
  /** Called with what is sent, before it is forgotten. */
  onTx: ((buffers: Int32Array, count: number) => void) | undefined = undefined;
  /** Called when a poll begins. */
  onRx: (() => void) | undefined = undefined;
  readonly #frameBytes: number;
  readonly #flags: number;
  readonly #ready = new Int32Array(1024);
  #first = 0;
  #end = 0;
  #pool: PacketPool | undefined = undefined;

  constructor(options: BatchDeviceOptions) {
    this.mac = options.mac;
    this.offloads = options.offloads ?? NO_OFFLOADS;
    this.vector = options.vector;
    this.#frameBytes = options.frameBytes;
    this.#flags = options.flags ?? 0;
  }

  attach(pool: PacketPool): void {
    this.#pool = pool;
  }

  /** Makes `count` frames ready, each a copy of what lies at the window offset that `templateOf` gives. */
  prepare(count: number, templateOf: (i: number) => number, frameBytes = this.#frameBytes): void {
    const pool = this.#pool as PacketPool;
    const { u8, i32 } = pool.window;
    this.#first = 0;
    this.#end = count;
    for (let i = 0; i < count; i++) {
      const b = pool.alloc();
      if (b < 0) throw new Error("the pool is too small for the batch");
      const m = pool.meta + (b << 4);
      const from = templateOf(i);
      u8.copyWithin(i32[m + M_DATA], from, from + frameBytes);
      i32[m + M_LEN] = frameBytes;
      i32[m + M_FLAGS] = this.#flags;
      this.#ready[i] = b;
    }
  }

  rx(buffers: Int32Array, max: number): number {
    this.onRx?.();
    const left = this.#end - this.#first;
    const room = max < this.vector ? max : this.vector;
    const n = left < room ? left : room;
    for (let i = 0; i < n; i++) buffers[i] = this.#ready[this.#first + i];
    this.#first += n;
    return n;
  }

  tx(buffers: Int32Array, count: number): number {
    this.onTx?.(buffers, count);
    this.txPackets += count;
    return count;
  }

  close(): void {
    this.#end = this.#first = 0;
  }
}
