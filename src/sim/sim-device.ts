import type { Device, Offloads } from "../device/device.js";
import { M_DATA, M_LEN, M_SLOT, M_TAIL, type PacketPool } from "../graph/packet-pool.js";
import type { LinkDirection } from "./link-direction.js";
import type { Network } from "./network.js";
import type { SimFrame } from "./sim-frame.js";

const NO_OFFLOADS: Offloads = { checksum: false, tso: false, uso: false };

/** A host's end of a link. It has no offloads, so a frame is what would be on a wire. */
export class SimDevice implements Device {
  readonly kind = "sim";
  readonly mac: Uint8Array;
  readonly mtu: number;
  readonly offloads = NO_OFFLOADS;
  /** Frames that the host had no buffer for. */
  lost = 0;
  readonly #network: Network;
  readonly #out: LinkDirection;
  #pool: PacketPool | undefined = undefined;
  #waiting: SimFrame[] = [];
  #taken = 0;

  constructor(mac: Uint8Array, mtu: number, network: Network, out: LinkDirection) {
    this.mac = mac;
    this.mtu = mtu;
    this.#network = network;
    this.#out = out;
  }

  attach(pool: PacketPool): void {
    this.#pool = pool;
  }

  /** Puts a frame where the next poll finds it; takes it over. */
  deliver(frame: SimFrame): void {
    this.#waiting.push(frame);
  }

  /** Frames that wait for a poll. */
  get waiting(): number {
    return this.#waiting.length - this.#taken;
  }

  rx(buffers: Int32Array, max: number): number {
    const pool = this.#pool;
    if (pool === undefined) return 0;
    let count = 0;
    while (count < max && this.#taken < this.#waiting.length) {
      const frame = this.#waiting[this.#taken];
      const b = pool.allocFor(frame.length);
      // With nothing taken no buffer will come back by waiting: the frame is lost, as from a full ring.
      if (b < 0 && count > 0) break;
      if (b < 0) this.lost++;
      else {
        const { u8, i32 } = pool.window;
        const m = pool.meta + (b << 4);
        u8.set(
          frame.length === frame.bytes.length ? frame.bytes : frame.bytes.subarray(0, frame.length),
          i32[m + M_DATA],
        );
        i32[m + M_LEN] = frame.length;
        buffers[count++] = b;
      }
      this.#taken++;
      this.#network.pool.give(frame);
    }
    if (this.#taken === this.#waiting.length) {
      this.#waiting.length = 0;
      this.#taken = 0;
    }
    return count;
  }

  tx(buffers: Int32Array, count: number): number {
    const pool = this.#pool;
    if (pool === undefined) return 0;
    for (let i = 0; i < count; i++) this.#out.offer(this.#copy(pool, buffers[i]));
    return count;
  }

  /** A frame with the bytes of a packet, its head and its tails. */
  #copy(pool: PacketPool, b: number): SimFrame {
    const { u8, i32 } = pool.window;
    const m = pool.meta + (b << 4);
    const frame = this.#network.pool.take(pool.length(b));
    const { bytes } = frame;
    let at = i32[m + M_LEN];
    bytes.set(u8.subarray(i32[m + M_DATA], i32[m + M_DATA] + at));
    const spans = i32[m + M_SLOT] >> 2;
    for (let i = 0, tails = i32[m + M_TAIL] >>> 24; i < tails; i++) {
      const offset = i32[spans + (i << 1)];
      const length = i32[spans + (i << 1) + 1];
      bytes.set(u8.subarray(offset, offset + length), at);
      at += length;
    }
    return frame;
  }

  close(): void {
    for (let i = this.#taken; i < this.#waiting.length; i++) this.#network.pool.give(this.#waiting[i]);
    this.#waiting = [];
    this.#taken = 0;
  }
}
