import type { Device, Offloads } from "../device/device.js";
import { M_DATA, M_LEN, M_SLOT, M_TAIL, type PacketPool } from "../graph/packet-pool.js";

const NO_OFFLOADS: Offloads = { checksum: false, tso: false, uso: false };

/**
 * A device whose network is a caller's function: frames come from {@link ReplayDevice.deliver} and go, as copies, to
 * `onSend`. It has no offloads, so what it is given is what would be on the wire.
 */
export class ReplayDevice implements Device {
  readonly kind = "pcap";
  readonly mac: Uint8Array;
  readonly mtu: number;
  readonly offloads = NO_OFFLOADS;
  /** Frames that found no free buffer. */
  lost = 0;
  readonly #onSend: (frame: Uint8Array) => void;
  #pool: PacketPool | undefined = undefined;
  #queue: Uint8Array[] = [];
  #taken = 0;

  constructor(mac: Uint8Array, mtu: number, onSend: (frame: Uint8Array) => void) {
    this.mac = mac;
    this.mtu = mtu;
    this.#onSend = onSend;
  }

  attach(pool: PacketPool): void {
    this.#pool = pool;
  }

  /** Puts a frame where the next poll finds it. */
  deliver(frame: Uint8Array): void {
    this.#queue.push(frame);
  }

  /** Frames that wait for a poll. */
  get waiting(): number {
    return this.#queue.length - this.#taken;
  }

  rx(buffers: Int32Array, max: number): number {
    const pool = this.#pool;
    if (pool === undefined) return 0;
    const { u8, i32 } = pool.window;
    let count = 0;
    while (count < max && this.#taken < this.#queue.length) {
      const frame = this.#queue[this.#taken++];
      const b = pool.allocFor(frame.length);
      if (b < 0) {
        this.lost++;
        continue;
      }
      const m = pool.meta + (b << 4);
      u8.set(frame, i32[m + M_DATA]);
      i32[m + M_LEN] = frame.length;
      buffers[count++] = b;
    }
    if (this.#taken === this.#queue.length) {
      this.#queue = [];
      this.#taken = 0;
    }
    return count;
  }

  tx(buffers: Int32Array, count: number): number {
    const pool = this.#pool;
    if (pool === undefined) return 0;
    for (let i = 0; i < count; i++) this.#onSend(copyOf(pool, buffers[i]));
    return count;
  }

  close(): void {
    this.#queue = [];
    this.#taken = 0;
  }
}

/** The bytes of a packet: its head and its tails. */
function copyOf(pool: PacketPool, b: number): Uint8Array {
  const { u8, i32 } = pool.window;
  const m = pool.meta + (b << 4);
  const frame = new Uint8Array(pool.length(b));
  frame.set(u8.subarray(i32[m + M_DATA], i32[m + M_DATA] + i32[m + M_LEN]));
  let at = i32[m + M_LEN];
  const spans = i32[m + M_SLOT] >> 2;
  for (let i = 0, tails = i32[m + M_TAIL] >>> 24; i < tails; i++) {
    const offset = i32[spans + (i << 1)];
    const bytes = i32[spans + (i << 1) + 1];
    frame.set(u8.subarray(offset, offset + bytes), at);
    at += bytes;
  }
  return frame;
}
