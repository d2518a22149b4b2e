import type { Device, Offloads } from "../../../src/device/device.js";
import {
  F_CHECKSUM_PARTIAL,
  M_DATA,
  M_FLAGS,
  M_GSO,
  M_LEN,
  M_SLOT,
  M_TAIL,
  type PacketPool,
} from "../../../src/graph/packet-pool.js";
import { STACK_MAC } from "./segment-codec.js";

/** A frame that the stack sent. */
export interface SentFrame {
  readonly bytes: Uint8Array;
  /** Segment size of a superframe, 0 of an ordinary frame. */
  readonly gso: number;
  readonly checksumIsPartial: boolean;
}

/** The device of a scripted stack: its network is the test. */
export class ScriptedDevice implements Device {
  readonly kind = "test";
  readonly mac = STACK_MAC;
  readonly mtu: number;
  readonly offloads: Offloads;
  /** Frames on their way to the stack, with M_FLAGS and M_GSO to set. */
  readonly incoming: { bytes: Uint8Array; flags: number }[] = [];
  /** Hears of each frame as it is sent; to be set before the first. */
  onSent: (frame: SentFrame) => void = () => {};
  #pool: PacketPool | undefined;

  constructor(mtu: number, offloads: Offloads) {
    this.mtu = mtu;
    this.offloads = offloads;
  }

  attach(pool: PacketPool): void {
    this.#pool = pool;
  }

  rx(buffers: Int32Array, max: number): number {
    const pool = this.#pool as PacketPool;
    const { u8, i32 } = pool.window;
    let n = 0;
    while (n < max && this.incoming.length > 0) {
      const { bytes, flags } = this.incoming[0];
      const b = pool.allocFor(bytes.length);
      if (b < 0) break;
      this.incoming.shift();
      const m = pool.meta + (b << 4);
      u8.set(bytes, i32[m + M_DATA]);
      i32[m + M_LEN] = bytes.length;
      i32[m + M_FLAGS] = flags;
      buffers[n++] = b;
    }
    return n;
  }

  tx(buffers: Int32Array, count: number): number {
    const pool = this.#pool as PacketPool;
    const { i32 } = pool.window;
    for (let i = 0; i < count; i++) {
      const m = pool.meta + (buffers[i] << 4);
      this.onSent({
        bytes: bytesOf(pool, buffers[i]),
        gso: i32[m + M_GSO],
        checksumIsPartial: (i32[m + M_FLAGS] & F_CHECKSUM_PARTIAL) !== 0,
      });
    }
    return count;
  }

  close(): void {}
}

/** The bytes of a packet, head and tails. */
function bytesOf(pool: PacketPool, b: number): Uint8Array {
  const { u8, i32 } = pool.window;
  const m = pool.meta + (b << 4);
  const bytes = new Uint8Array(pool.length(b));
  let at = i32[m + M_LEN];
  bytes.set(u8.subarray(i32[m + M_DATA], i32[m + M_DATA] + at));
  const spans = i32[m + M_SLOT] >> 2;
  for (let i = 0; i < i32[m + M_TAIL] >>> 24; i++) {
    const [offset, length] = [i32[spans + i * 2], i32[spans + i * 2 + 1]];
    bytes.set(u8.subarray(offset, offset + length), at);
    at += length;
  }
  return bytes;
}
