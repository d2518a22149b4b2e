import type { Device } from "../../src/device/device.js";
import {
  F_CHECKSUM_PARTIAL,
  F_L4_CHECKSUM_OK,
  F_LOCAL_ORIGIN,
  FRAME_OFFSET,
  M_DATA,
  M_FLAGS,
  M_GSO,
  M_L4,
  M_LEN,
  M_SLOT,
  M_TAIL,
  type PacketPool,
} from "../../src/graph/packet-pool.js";
import { applyVnetHeader } from "../../src/host/vnet.js";
import { VNET_NEEDS_CSUM } from "../../src/host/mailbox.js";

/** What a virtio-net header says of a frame whose checksum is left to others. */
export interface Unfinished {
  readonly csumStart: number;
  readonly csumOffset: number;
  readonly gsoType: number;
  readonly gsoSize: number;
}

/** A frame that is to be received. */
export interface Arrival {
  readonly frame: Uint8Array;
  /** The device says that the transport checksum is right. */
  readonly vouch?: boolean;
  readonly unfinished?: Unfinished | undefined;
}

/** A frame that was sent, and what its device was told of it. */
export interface Sent {
  readonly frame: Uint8Array;
  /** Made by the host itself, not forwarded. */
  readonly isOwn: boolean;
  /** Offset of the transport header whose checksum is left to the device; -1: it is whole. */
  readonly partialAt: number;
  readonly gso: number;
}

/** What a device can do. */
export interface FuzzDeviceOptions {
  readonly hasOffloads: boolean;
  readonly mtu?: number;
  /** Receives into slots of a ring of its own, so that frames arrive when the pool is empty. */
  readonly ringSlots?: number;
}

const RING_SLOT_BYTES = 4096;
const POISON = 0xdb;

/** A device that receives what the test queues and shows what is sent. */
export class FuzzDevice implements Device {
  readonly kind = "fuzz";
  readonly mac: Uint8Array;
  readonly mtu: number;
  readonly offloads: Device["offloads"];
  /** Frames to be received, oldest first. */
  queue: Arrival[] = [];
  /** Hears of each frame that is sent. */
  onSent: (sent: Sent) => void = () => {};
  /** Called when a burst has been received, before the graph sees it. */
  onReceived: () => void = () => {};
  /** Take half of what is sent only. */
  isBusy = false;
  readonly #ringSlots: number;
  readonly #free: number[] = [];
  #first = 0;
  #ring = 0;
  #pool: PacketPool | undefined;

  constructor(mac: Uint8Array, { hasOffloads, mtu = 1500, ringSlots = 0 }: FuzzDeviceOptions) {
    this.mac = mac;
    this.mtu = mtu;
    this.offloads = { checksum: hasOffloads, tso: hasOffloads, uso: hasOffloads };
    this.#ringSlots = ringSlots;
  }

  attach(pool: PacketPool): void {
    this.#pool = pool;
    if (this.#ringSlots === 0) return;
    this.#ring = pool.window.reserve("fuzz ring", this.#ringSlots * RING_SLOT_BYTES);
    this.#first = pool.addRing(this.#ring, RING_SLOT_BYTES, this.#ringSlots, (slot) => {
      const at = this.#ring + slot * RING_SLOT_BYTES;
      pool.window.u8.fill(POISON, at, at + RING_SLOT_BYTES);
      this.#free.push(slot);
    });
    for (let slot = 0; slot < this.#ringSlots; slot++) this.#free.push(slot);
  }

  rx(buffers: Int32Array, max: number): number {
    const pool = this.#pool as PacketPool;
    const { u8, i32 } = pool.window;
    let n = 0;
    let taken = 0;
    while (n < max && taken < this.queue.length) {
      const { frame, vouch, unfinished } = this.queue[taken++];
      const b = this.#take(pool, frame.length);
      // Lost for lack of a buffer, as on a real device.
      if (b < 0) break;
      const m = pool.meta + (b << 4);
      u8.set(frame, i32[m + M_DATA]);
      i32[m + M_LEN] = frame.length;
      if (vouch === true) i32[m + M_FLAGS] |= F_L4_CHECKSUM_OK;
      if (unfinished !== undefined && !this.#leave(pool, b, unfinished)) {
        pool.free(b);
        continue;
      }
      buffers[n++] = b;
    }
    this.queue = taken === this.queue.length ? [] : this.queue.slice(taken);
    if (n > 0) this.onReceived();
    return n;
  }

  #take(pool: PacketPool, bytes: number): number {
    const slot = bytes > RING_SLOT_BYTES - FRAME_OFFSET ? undefined : this.#free.pop();
    if (slot === undefined) return pool.allocFor(bytes);
    const b = this.#first + slot;
    pool.takeRing(b, this.#ring + slot * RING_SLOT_BYTES + FRAME_OFFSET, bytes);
    return b;
  }

  #leave(pool: PacketPool, b: number, { csumStart, csumOffset, gsoType, gsoSize }: Unfinished): boolean {
    return applyVnetHeader(pool, b, VNET_NEEDS_CSUM, gsoType, gsoSize, csumStart, csumOffset);
  }

  tx(buffers: Int32Array, count: number): number {
    const pool = this.#pool as PacketPool;
    const { i32 } = pool.window;
    const sent = this.isBusy ? count >> 1 : count;
    for (let i = 0; i < sent; i++) {
      const m = pool.meta + (buffers[i] << 4);
      const flags = i32[m + M_FLAGS];
      this.onSent({
        frame: bytesOf(pool, buffers[i]),
        isOwn: (flags & F_LOCAL_ORIGIN) !== 0,
        partialAt: (flags & F_CHECKSUM_PARTIAL) !== 0 ? i32[m + M_L4] - i32[m + M_DATA] : -1,
        gso: i32[m + M_GSO],
      });
    }
    return sent;
  }

  close(): void {}
}

/** The bytes of a packet, head and tails. */
function bytesOf(pool: PacketPool, b: number): Uint8Array {
  const { u8, i32 } = pool.window;
  const m = pool.meta + (b << 4);
  const head = u8.subarray(i32[m + M_DATA], i32[m + M_DATA] + i32[m + M_LEN]);
  const tails = i32[m + M_TAIL] >>> 24;
  if (tails === 0) return head.slice();
  const bytes = new Uint8Array(pool.length(b));
  bytes.set(head);
  let at = head.length;
  const spans = i32[m + M_SLOT] >> 2;
  for (let i = 0; i < tails; i++) {
    const offset = i32[spans + i * 2];
    const length = i32[spans + i * 2 + 1];
    bytes.set(u8.subarray(offset, offset + length), at);
    at += length;
  }
  return bytes;
}
