import type { Flavor, Offset } from "../mem/flavor.js";
import type { MemoryWindow } from "../mem/window.js";

/** Names one packet buffer of a {@link PacketPool}; -1 means none. */
export type BufferIndex = Flavor<"BufferIndex">;

// One 64-byte metadata line per buffer: 16 words at `i32[pool.meta + (b << 4) + FIELD]`.
/** Absolute window offset of the packet's current first byte (VPP `current_data`). */
export const M_DATA = 0;
/** Bytes of the contiguous head from `M_DATA` on (VPP `current_length`); tails are extra. */
export const M_LEN = 1;
/** The F_ flags below. */
export const M_FLAGS = 2;
/** Interface the packet came in on (VPP `sw_if_index[VLIB_RX]`), -1 when made here. */
export const M_RX_IF = 3;
/** Interface the packet leaves by (VPP `sw_if_index[VLIB_TX]`), -1 while unknown. */
export const M_TX_IF = 4;
/** Absolute window offset of the IP header, once known. */
export const M_L3 = 5;
/** Absolute window offset of the transport header, once known; where a partial checksum starts. */
export const M_L4 = 6;
/** 0, or for a superframe `gsoSize | GSO_type << 16`: payload bytes per segment and how to cut. */
export const M_GSO = 7;
/** Adjacency chosen by the lookup node. */
export const M_ADJ = 8;
/** FIB index (of the packet's family) to look up in. */
export const M_FIB = 9;
/** Transport connection, between the transport's nodes. */
export const M_CONN = 10;
/** Engine-wide error counter that `drop` will count (node.errorBase + error). */
export const M_ERROR = 11;
/** Upper-layer protocol number, once the IP headers were walked. */
export const M_PROTO = 12;
/** Tail spans: count << 24 | their total bytes. The spans themselves are (offset, bytes) pairs at the slot's start. */
export const M_TAIL = 13;
/** References held; the slot is free at 0. */
export const M_REFS = 14;
/** Absolute window offset of the slot. Constant. */
export const M_SLOT = 15;

/** The packet is being traced. */
export const F_TRACED = 1;
/** The transport checksum is known to be right (verified by the device, or by us). */
export const F_L4_CHECKSUM_OK = 2;
/**
 * The transport checksum field holds only the pseudo-header sum: the device, or software in front of it, completes it
 * over [M_L4, end). On receive it implies F_L4_CHECKSUM_OK.
 */
export const F_CHECKSUM_PARTIAL = 4;
/** Made by this host: not counted as forwarded, TTL is not decremented (VPP LOCALLY_ORIGINATED). */
export const F_LOCAL_ORIGIN = 8;
/** Arrived in a link-layer broadcast or multicast frame: no ICMP error may answer it (RFC 1122 3.2.2). */
export const F_L2_MULTICAST = 16;
/** Arrived for an IP broadcast or multicast address. */
export const F_L3_MULTICAST = 32;
/** Put together from fragments. */
export const F_REASSEMBLED = 64;
/** An IPv6 packet (otherwise IPv4), set by the ip input nodes and by whoever makes a packet. */
export const F_IP6 = 128;
/** With F_CHECKSUM_PARTIAL: software completes the checksum, and cuts the superframe, even if the device could. */
export const F_NO_CHECKSUM_OFFLOAD = 256;

/** Superframe kind in M_GSO bits 16 and up (the numbers are virtio's): TCP over IPv4. */
export const GSO_TCP4 = 1;
/** TCP over IPv6. */
export const GSO_TCP6 = 4;
/** UDP datagrams of equal size. */
export const GSO_UDP = 5;

/** Bytes kept free before a frame, for tail spans (first 32) and for headers that are put in front. */
export const HEADROOM_BYTES = 192;
/** A frame starts here in its slot: 2 past the headroom, so that the IP header after Ethernet is 4-byte aligned. */
export const FRAME_OFFSET = HEADROOM_BYTES + 2;
/** Tail spans a packet can have. */
export const MAX_TAILS = 4;
const SMALL_SLOT_BYTES = 2048;
const LARGE_SLOT_BYTES = 65536 + 512;
/** Longest frame that fits a small slot, bytes. */
export const SMALL_FRAME_BYTES = SMALL_SLOT_BYTES - FRAME_OFFSET;
/** Longest frame that fits a large slot, bytes. */
export const LARGE_FRAME_BYTES = LARGE_SLOT_BYTES - FRAME_OFFSET;
const POISON = 0xdb;

/** How many buffers a pool has, and whether freed ones are overwritten. */
export interface PoolOptions {
  /** 2 KiB slots. */
  readonly small: number;
  /** 64 KiB slots, for superframes, reassembly and oversized frames. */
  readonly large: number;
  /** Slots that belong to device rings, for {@link PacketPool.addRing}. Default 0. */
  readonly ring?: number;
  /** Fill freed slots with 0xdb, so that a use after free shows. Default false. */
  readonly poison?: boolean;
}

/** Takes a ring slot back: `slot` counts from 0 within the ring. */
export type RingRelease = (slot: number) => void;

/**
 * The engine's packet buffers. A packet is a contiguous head in one slot plus at most four tail spans elsewhere in the
 * window; tails are lent and valid only until interface-tx of the same dispatch.
 *
 *     slot: | tails 32 | headroom 160 | 2 | frame ...                | spare |
 *                                         ^ M_DATA, M_LEN bytes
 *
 * Slots are recycled last-in first-out, so a quiet stack works in a few cache-hot slots.
 */
export class PacketPool {
  readonly window: MemoryWindow;
  /** Word index of buffer 0's metadata line. */
  readonly meta: number;
  /** Buffers in all. */
  readonly capacity: number;
  /** Number of buffers with a small slot: the indices below it. */
  readonly smallCount: number;
  readonly #largeEnd: number;
  readonly #poison: boolean;
  readonly #small: Int32Array;
  readonly #large: Int32Array;
  #smallTop: number;
  #largeTop: number;
  readonly #rings: { first: number; end: number; release: RingRelease }[] = [];
  #ringNext: number;
  /** Allocations that found no slot. */
  exhausted = 0;
  /** Releases of a buffer that was free already: a bug, counted and ignored. */
  doubleFrees = 0;

  constructor(window: MemoryWindow, options: PoolOptions) {
    const { small, large, ring = 0, poison = false } = options;
    this.window = window;
    this.capacity = small + large + ring;
    this.smallCount = small;
    this.#largeEnd = this.#ringNext = small + large;
    this.#poison = poison;
    this.meta = window.reserve("packet metadata", this.capacity * 64) >> 2;
    this.#small = new Int32Array(small);
    this.#large = new Int32Array(large);
    this.#smallTop = this.#fill(
      this.#small,
      0,
      window.reserve("small packets", small * SMALL_SLOT_BYTES),
      SMALL_SLOT_BYTES,
    );
    const largeBase = window.reserve("large packets", large * LARGE_SLOT_BYTES);
    this.#largeTop = this.#fill(this.#large, small, largeBase, LARGE_SLOT_BYTES);
  }

  #fill(stack: Int32Array, first: number, base: Offset, slotBytes: number): number {
    const count = stack.length;
    for (let i = 0; i < count; i++) {
      stack[count - 1 - i] = first + i;
      this.window.i32[this.meta + ((first + i) << 4) + M_SLOT] = base + i * slotBytes;
    }
    return count;
  }

  /** Free small slots. */
  get freeSmall(): number {
    return this.#smallTop;
  }

  /** Free large slots. */
  get freeLarge(): number {
    return this.#largeTop;
  }

  /** Large slots in all. */
  get largeCount(): number {
    return this.#largeEnd - this.smallCount;
  }

  /** A buffer with a small slot and one reference, empty, its data at FRAME_OFFSET; -1 when none is left. */
  alloc(): BufferIndex {
    if (this.#smallTop === 0) {
      this.exhausted++;
      return -1;
    }
    const b = this.#small[--this.#smallTop];
    this.#reset(b);
    return b;
  }

  /** As {@link alloc}, with a large slot. */
  allocLarge(): BufferIndex {
    if (this.#largeTop === 0) {
      this.exhausted++;
      return -1;
    }
    const b = this.#large[--this.#largeTop];
    this.#reset(b);
    return b;
  }

  /** As {@link alloc}, with the smallest slot that holds a frame of `frameBytes`; -1 also when no slot is that large. */
  allocFor(frameBytes: number): BufferIndex {
    if (frameBytes <= SMALL_FRAME_BYTES && this.#smallTop > 0) return this.alloc();
    if (frameBytes <= LARGE_FRAME_BYTES) return this.allocLarge();
    this.exhausted++;
    return -1;
  }

  #reset(b: BufferIndex): void {
    const { i32 } = this.window;
    const m = this.meta + (b << 4);
    i32[m + M_DATA] = i32[m + M_SLOT] + FRAME_OFFSET;
    i32[m + M_LEN] = 0;
    i32[m + M_FLAGS] = 0;
    i32[m + M_RX_IF] = -1;
    i32[m + M_TX_IF] = -1;
    i32[m + M_GSO] = 0;
    i32[m + M_ERROR] = 0;
    i32[m + M_TAIL] = 0;
    i32[m + M_REFS] = 1;
  }

  /** Adds a reference: {@link free} must be called once more. */
  retain(b: BufferIndex): void {
    this.window.i32[this.meta + (b << 4) + M_REFS]++;
  }

  /** Drops a reference; with the last one the slot is free again. */
  free(b: BufferIndex): void {
    const { i32, u8 } = this.window;
    const m = this.meta + (b << 4);
    const refs = i32[m + M_REFS] - 1;
    if (refs !== 0) {
      if (refs > 0) i32[m + M_REFS] = refs;
      else this.doubleFrees++;
      return;
    }
    i32[m + M_REFS] = 0;
    if (b < this.smallCount) {
      if (this.#poison) u8.fill(POISON, i32[m + M_SLOT], i32[m + M_SLOT] + SMALL_SLOT_BYTES);
      this.#small[this.#smallTop++] = b;
    } else if (b < this.#largeEnd) {
      if (this.#poison) u8.fill(POISON, i32[m + M_SLOT], i32[m + M_SLOT] + LARGE_SLOT_BYTES);
      this.#large[this.#largeTop++] = b;
    } else this.#releaseRing(b);
  }

  /** {@link free} for buffers[0 .. count): the end of the way for most packets, so its common case is spelt out. */
  freeAll(buffers: Int32Array, count: number): void {
    const { i32 } = this.window;
    const { meta, smallCount } = this;
    const small = this.#small;
    const poison = this.#poison;
    let top = this.#smallTop;
    for (let i = 0; i < count; i++) {
      const b = buffers[i];
      const refs = meta + (b << 4) + M_REFS;
      if (b < smallCount && i32[refs] === 1 && !poison) {
        i32[refs] = 0;
        small[top++] = b;
      } else {
        this.#smallTop = top;
        this.free(b);
        top = this.#smallTop;
      }
    }
    this.#smallTop = top;
  }

  /**
   * Names `count` slots of `slotBytes` at `base` (mapped there by a device) as buffers; returns the first index. The
   * device itself fills their metadata by {@link takeRing}. Throws RangeError past the pool's `ring` option.
   */
  addRing(base: Offset, slotBytes: number, count: number, release: RingRelease): BufferIndex {
    const first = this.#ringNext;
    if (first + count > this.capacity) throw new RangeError(`packet pool: no room for a ring of ${count} slots`);
    this.#ringNext += count;
    for (let i = 0; i < count; i++) this.window.i32[this.meta + ((first + i) << 4) + M_SLOT] = base + i * slotBytes;
    this.#rings.push({ first, end: first + count, release });
    return first;
  }

  /** Takes the ring buffer `b`, whose frame is `bytes` long at window offset `data`, with one reference. */
  takeRing(b: BufferIndex, data: Offset, bytes: number): void {
    this.#reset(b);
    const m = this.meta + (b << 4);
    this.window.i32[m + M_DATA] = data;
    this.window.i32[m + M_LEN] = bytes;
  }

  #releaseRing(b: BufferIndex): void {
    for (let i = 0; i < this.#rings.length; i++) {
      const ring = this.#rings[i];
      if (b >= ring.first && b < ring.end) ring.release(b - ring.first);
    }
  }

  /** Appends a tail span of `bytes` at window offset `offset`. False when the packet has four already. */
  addTail(b: BufferIndex, offset: Offset, bytes: number): boolean {
    const { i32 } = this.window;
    const m = this.meta + (b << 4);
    const tail = i32[m + M_TAIL];
    const count = tail >>> 24;
    if (count === MAX_TAILS) return false;
    const at = (i32[m + M_SLOT] >> 2) + (count << 1);
    i32[at] = offset;
    i32[at + 1] = bytes;
    i32[m + M_TAIL] = tail + (1 << 24) + bytes;
    return true;
  }

  /** Bytes of the whole packet, head and tails. */
  length(b: BufferIndex): number {
    const m = this.meta + (b << 4);
    return this.window.i32[m + M_LEN] + (this.window.i32[m + M_TAIL] & 0xffffff);
  }

  /** Copies the whole packet, head and tails, to window offset `to`, which must have room; returns its length. */
  gather(b: BufferIndex, to: Offset): number {
    const { i32, u8 } = this.window;
    const m = this.meta + (b << 4);
    const head = i32[m + M_LEN];
    const data = i32[m + M_DATA];
    u8.copyWithin(to, data, data + head);
    let at = to + head;
    const count = i32[m + M_TAIL] >>> 24;
    const spans = i32[m + M_SLOT] >> 2;
    for (let i = 0; i < count; i++) {
      const offset = i32[spans + (i << 1)];
      const bytes = i32[spans + (i << 1) + 1];
      u8.copyWithin(at, offset, offset + bytes);
      at += bytes;
    }
    return at - to;
  }

  /**
   * Gives the packet's bytes a slot of their own: the only way to keep a packet with tails past its dispatch, or to
   * alter a tail. Returns the buffer that now holds them (another one when the small slot is too small: the old one is
   * freed), or -1, with `b` untouched, when no slot is left.
   */
  linearize(b: BufferIndex): BufferIndex {
    const { i32 } = this.window;
    const m = this.meta + (b << 4);
    if (i32[m + M_TAIL] === 0) return b;
    const c = this.allocFor(this.length(b));
    if (c < 0) return -1;
    const n = this.meta + (c << 4);
    const delta = i32[n + M_DATA] - i32[m + M_DATA];
    const bytes = this.gather(b, i32[n + M_DATA]);
    for (let field = M_FLAGS; field <= M_PROTO; field++) i32[n + field] = i32[m + field]!;
    i32[n + M_LEN] = bytes;
    i32[n + M_L3] = i32[m + M_L3] + delta;
    i32[n + M_L4] = i32[m + M_L4] + delta;
    this.free(b);
    return c;
  }

  /** Buffers in use, by index: for leak checks. Not for the hot path. */
  inUse(): BufferIndex[] {
    const used: BufferIndex[] = [];
    for (let b = 0; b < this.capacity; b++) if (this.window.i32[this.meta + (b << 4) + M_REFS] !== 0) used.push(b);
    return used;
  }
}
