import type { Device, Offloads } from "../../../src/device/device.js";
import { M_DATA, M_FLAGS, M_GSO, M_L4, M_LEN, type PacketPool } from "../../../src/graph/packet-pool.js";
import type { Random } from "../../../src/random/random.js";

/** How often what happens to frames, in percent. */
export interface Faults {
  readonly lose: number;
  readonly duplicate: number;
  /** Held back for some polls while others overtake. */
  readonly delay: number;
}

/** Most polls that a frame is held back for. */
const MAX_HELD_POLLS = 6;

/** A device whose received frames get lost, doubled and out of order, by a seeded die. */
export class LossyDevice implements Device {
  readonly kind = "lossy";
  readonly mac: Uint8Array;
  readonly mtu: number;
  readonly offloads: Offloads;
  /** Off: frames pass as they are. */
  faults: Faults;
  /** Frames lost, doubled, and held back. */
  readonly counts = { lost: 0, doubled: 0, held: 0 };
  readonly #inner: Device;
  readonly #random: Random;
  readonly #held: { b: number; polls: number }[] = [];
  readonly #burst = new Int32Array(64);
  #pool: PacketPool | undefined;

  constructor(inner: Device, random: Random, faults: Faults) {
    this.#inner = inner;
    this.#random = random;
    this.faults = faults;
    this.mac = inner.mac;
    this.mtu = inner.mtu;
    this.offloads = inner.offloads;
  }

  /** Frames that are held back. */
  get held(): number {
    return this.#held.length;
  }

  attach(pool: PacketPool): void {
    this.#pool = pool;
    this.#inner.attach(pool);
  }

  rx(buffers: Int32Array, max: number): number {
    const pool = this.#pool as PacketPool;
    const n = this.#inner.rx(this.#burst, Math.min(this.#burst.length, max >> 1));
    let out = 0;
    for (let i = 0; i < this.#held.length && out < max; ) {
      if (--this.#held[i].polls > 0) i++;
      else buffers[out++] = this.#held.splice(i, 1)[0].b;
    }
    for (let i = 0; i < n; i++) {
      const b = this.#burst[i];
      const die = this.#random.nextBelow(100);
      const { lose, duplicate, delay } = this.faults;
      if (die < lose) {
        this.counts.lost++;
        pool.free(b);
        continue;
      }
      const copy = die < lose + duplicate ? this.#copy(pool, b) : -1;
      if (copy >= 0) {
        this.counts.doubled++;
        this.#hold(copy);
      }
      // No room in the burst: it waits, too.
      if ((die >= 100 - delay && this.#held.length < 32) || out === max) this.#hold(b);
      else buffers[out++] = b;
    }
    return out;
  }

  #hold(b: number): void {
    this.counts.held++;
    this.#held.push({ b, polls: 1 + this.#random.nextBelow(MAX_HELD_POLLS) });
  }

  #copy(pool: PacketPool, b: number): number {
    const { i32, u8 } = pool.window;
    const from = pool.meta + (b << 4);
    const copy = pool.allocFor(i32[from + M_LEN]);
    if (copy < 0) return -1;
    const to = pool.meta + (copy << 4);
    u8.copyWithin(i32[to + M_DATA], i32[from + M_DATA], i32[from + M_DATA] + i32[from + M_LEN]);
    for (const field of [M_LEN, M_FLAGS, M_GSO]) i32[to + field] = i32[from + field];
    i32[to + M_L4] = i32[from + M_L4] - i32[from + M_DATA] + i32[to + M_DATA];
    return copy;
  }

  tx(buffers: Int32Array, count: number): number {
    return this.#inner.tx(buffers, count);
  }

  close(): void {
    this.#inner.close();
  }
}
