import type { Device } from "../../src/device/device.js";
import { F_L4_CHECKSUM_OK, M_DATA, M_FLAGS, M_LEN, type PacketPool } from "../../src/graph/packet-pool.js";

/** A device that receives what the test queues and keeps the last frames that were sent. */
export class FuzzDevice implements Device {
  readonly kind = "fuzz";
  readonly mac: Uint8Array;
  readonly mtu = 1500;
  readonly offloads: Device["offloads"];
  /** Frames to be received, and whether the device vouches for their transport checksum. */
  readonly queue: { readonly frame: Uint8Array; readonly vouch: boolean }[] = [];
  /** Frames sent since it was cleared, at most 64. */
  readonly sent: Uint8Array[] = [];
  /** Frames that the stack has sent in all. */
  sentCount = 0;
  /** Take none of what is sent. */
  isBusy = false;
  #pool: PacketPool | undefined;

  constructor(mac: Uint8Array, hasOffloads: boolean) {
    this.mac = mac;
    this.offloads = { checksum: hasOffloads, tso: hasOffloads, uso: hasOffloads };
  }

  attach(pool: PacketPool): void {
    this.#pool = pool;
  }

  rx(buffers: Int32Array, max: number): number {
    const pool = this.#pool as PacketPool;
    const { u8, i32 } = pool.window;
    let n = 0;
    while (n < max) {
      const next = this.queue.pop();
      if (next === undefined) break;
      const b = pool.allocFor(next.frame.length);
      if (b < 0) break; // Lost for lack of a buffer, as on a real device.
      const m = pool.meta + (b << 4);
      u8.set(next.frame, i32[m + M_DATA]);
      i32[m + M_LEN] = next.frame.length;
      if (next.vouch) i32[m + M_FLAGS] |= F_L4_CHECKSUM_OK;
      buffers[n++] = b;
    }
    return n;
  }

  tx(buffers: Int32Array, count: number): number {
    const pool = this.#pool as PacketPool;
    const { u8, i32 } = pool.window;
    if (this.isBusy) return count >> 1;
    for (let i = 0; i < count; i++) {
      const m = pool.meta + (buffers[i] << 4);
      this.sentCount++;
      if (this.sent.length < 64) this.sent.push(u8.slice(i32[m + M_DATA], i32[m + M_DATA] + i32[m + M_LEN]));
    }
    return count;
  }

  close(): void {}
}
