import type { PacketPool } from "../graph/packet-pool.js";
import type { Device, Offloads } from "./device.js";

/** A device that receives nothing and discards what it is given: the end of a benchmark's path. */
export class NullDevice implements Device {
  readonly kind = "null";
  readonly mac: Uint8Array;
  readonly mtu: number;
  readonly offloads: Offloads;
  /** Packets taken. */
  packets = 0;
  /** Their bytes, heads and tails. */
  bytes = 0;
  #pool: PacketPool | undefined = undefined;

  /** `offloads` default to all. */
  constructor(mac: Uint8Array, mtu = 1500, offloads: Offloads = { checksum: true, tso: true, uso: true }) {
    this.mac = mac;
    this.mtu = mtu;
    this.offloads = offloads;
  }

  attach(pool: PacketPool): void {
    this.#pool = pool;
  }

  rx(): number {
    return 0;
  }

  tx(buffers: Int32Array, count: number): number {
    const pool = this.#pool;
    if (pool === undefined) return 0;
    for (let i = 0; i < count; i++) this.bytes += pool.length(buffers[i]);
    this.packets += count;
    return count;
  }

  close(): void {
    this.#pool = undefined;
  }
}
