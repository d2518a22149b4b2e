import { randomFillSync } from "node:crypto";
import type { Offloads } from "../device/device.js";
import { LARGE_FRAME_BYTES, M_DATA, M_LEN, type PacketPool, SMALL_FRAME_BYTES } from "../graph/packet-pool.js";
import { type AddressBytes, type KernelRoute, type Tap, TUN_F } from "./addon.js";
import {
  BOX_COUNT,
  BOX_FD,
  BOX_LARGE_BYTES,
  BOX_LARGE_COUNT,
  BOX_LARGE_SLOTS,
  BOX_RX,
  BOX_RX_SKIPPED,
  BOX_SMALL_BYTES,
  BOX_SMALL_COUNT,
  BOX_SMALL_SLOTS,
  BURST_FRAMES,
  RX_WORDS,
} from "./mailbox.js";
import type { NativeWindow } from "./native-window.js";
import type { PollableDevice } from "./poller.js";
import { applyVnetHeader, VnetSender } from "./vnet.js";

/** Slots kept at hand for the next burst: few, so that the memory in use stays in the processor's cache. */
const SMALL_AT_HAND = 64;
const LARGE_AT_HAND = 4;
/** Small slots offered when the last poll found nothing. */
const SMALL_AT_FIRST = 8;
/**
 * Superframes taken by one `rx`: with more, their payload would leave the cache before it is copied, and the peer would
 * wait longer for the first acknowledgement.
 */
const LARGE_PER_RX = 4;

/** What the kernel's end of a TAP gets. */
export interface HostEnd {
  readonly addresses?: readonly AddressBytes[];
  readonly routes?: readonly KernelRoute[];
  /** Hardware address; the kernel picks one by default. */
  readonly mac?: Uint8Array;
}

/** How to make a {@link TapDevice}. */
export interface TapDeviceOptions {
  /** Name of the kernel's end, 1 to 15 characters. */
  readonly name: string;
  /** Named network namespace of the kernel's end; made when missing. Default: the one of this process. */
  readonly netns?: string;
  /** Largest IP packet, bytes, 68 to 65521. Default 1500. */
  readonly mtu?: number;
  /** Our hardware address. Default: a random, locally administered one. */
  readonly mac?: Uint8Array;
  readonly host?: HostEnd;
  /** Partial checksums both ways. Default true. */
  readonly checksum?: boolean;
  /** Superframes both ways; needs `checksum`. Default true. */
  readonly gso?: boolean;
  /** Join a TAP that exists, and leave its kernel end as it is. Default false. */
  readonly attach?: boolean;
}

/** A random unicast hardware address outside any maker's range. */
export function randomMac(): Uint8Array {
  const mac = randomFillSync(new Uint8Array(6));
  mac[0] = (mac[0] & 0xfc) | 0x02;
  return mac;
}

/**
 * A TAP device: an Ethernet cable to a kernel interface, with superframes and unfinished checksums in both directions.
 * Holds up to 68 free buffers of the pool for its next burst until it is closed.
 */
export class TapDevice implements PollableDevice {
  readonly kind = "tap";
  readonly mac: Uint8Array;
  readonly mtu: number;
  readonly offloads: Offloads;
  readonly fd: number;
  /** Hardware address of the kernel's end. */
  readonly hostMac: Uint8Array;
  /** Frames that were empty, did not fit a slot, or contradicted their virtio-net header. */
  rxSkipped = 0;
  /** errno of the last failed receive: EBADFD (77) when the device was removed under us. */
  rxErrno = 0;
  /** How sending went. */
  readonly sender: VnetSender;
  readonly #host: NativeWindow;
  readonly #madeNetns: string | undefined;
  readonly #small = new Int32Array(SMALL_AT_HAND);
  readonly #large = new Int32Array(LARGE_AT_HAND);
  #smallCount = 0;
  /** Small slots to offer first: a poll that finds nothing should cost little. */
  #smallFirst = SMALL_AT_FIRST;
  #largeCount = 0;
  #pool: PacketPool | undefined = undefined;
  #isOpen = true;

  /**
   * Opens the device and sets its kernel end up. Throws with one clear message (`code` EPERM, EBUSY, ENOENT, …) and
   * leaves nothing behind when anything is refused.
   */
  constructor(host: NativeWindow, options: TapDeviceOptions) {
    const { name, netns, mtu = 1500, mac = randomMac(), checksum = true, gso = true, attach = false } = options;
    const where = netns === undefined ? { name } : { name, netns };
    const tap = host.addon.openTap({ ...where, checksum, segmentation: gso, attach });
    this.#host = host;
    this.#madeNetns = tap.createdNetns ? netns : undefined;
    this.fd = tap.fd;
    this.sender = new VnetSender(host, tap.fd);
    this.mac = mac;
    this.mtu = mtu;
    this.offloads = offloadsOf(tap, checksum, gso);
    try {
      if (!attach) host.addon.configureInterface({ ...where, mtu, ...options.host });
      this.hostMac = host.addon.interfaceInfo(where).mac;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  attach(pool: PacketPool): void {
    this.#pool = pool;
  }

  rx(buffers: Int32Array, max: number): number {
    const pool = this.#pool;
    if (pool === undefined || !this.#isOpen) return 0;
    const { i32 } = pool.window;
    const box = this.#host.mailbox >> 2;
    let n = 0;
    let large = 0;
    let offer = this.#smallFirst;
    while (n < max && large < LARGE_PER_RX) {
      const smallOffered = this.#offerSmall(pool, box, max - n < offer ? max - n : offer);
      const largeOffered = this.#offerLarge(pool, box);
      if (smallOffered + largeOffered === 0) break;
      i32[box + BOX_FD] = this.fd;
      i32[box + BOX_COUNT] = max - n < BURST_FRAMES ? max - n : BURST_FRAMES;
      const got = this.#host.native.rxBurst();
      if (got < 0) {
        this.rxErrno = -got;
        break;
      }
      this.rxSkipped += i32[box + BOX_RX_SKIPPED];
      let smallUsed = 0;
      let largeUsed = 0;
      for (let i = 0; i < got; i++) {
        const at = box + BOX_RX + i * RX_WORDS;
        const isLarge = i32[at + 2] !== 0;
        const b = isLarge
          ? this.#large[this.#largeCount - 1 - largeUsed++]
          : this.#small[this.#smallCount - 1 - smallUsed++];
        i32[pool.meta + (b << 4) + M_LEN] = i32[at + 1];
        if (applyVnetHeader(pool, b, i32[at + 3], i32[at + 4], i32[at + 5], i32[at + 6], i32[at + 7])) buffers[n++] = b;
        else {
          pool.free(b);
          this.rxSkipped++;
        }
      }
      this.#smallCount -= smallUsed;
      this.#largeCount -= largeUsed;
      large += largeUsed;
      offer = SMALL_AT_HAND;
      // The burst ended before it had to: nothing is waiting any more.
      if (smallUsed < smallOffered && largeUsed < largeOffered) break;
      if (got === 0) break;
    }
    this.#smallFirst = n < SMALL_AT_FIRST ? SMALL_AT_FIRST : SMALL_AT_HAND;
    return n;
  }

  /** Fills up the small slots at hand and names up to `max` of them in the mailbox, last in first. Returns how many. */
  #offerSmall(pool: PacketPool, box: number, max: number): number {
    const { i32 } = pool.window;
    while (this.#smallCount < SMALL_AT_HAND && pool.freeSmall > 0) this.#small[this.#smallCount++] = pool.alloc();
    const count = this.#smallCount < max ? this.#smallCount : max;
    for (let i = 0; i < count; i++) {
      const b = this.#small[this.#smallCount - 1 - i];
      i32[box + BOX_SMALL_SLOTS + i] = i32[pool.meta + (b << 4) + M_DATA];
    }
    i32[box + BOX_SMALL_COUNT] = count;
    i32[box + BOX_SMALL_BYTES] = SMALL_FRAME_BYTES;
    return count;
  }

  #offerLarge(pool: PacketPool, box: number): number {
    const { i32 } = pool.window;
    while (this.#largeCount < LARGE_AT_HAND && pool.freeLarge > 0) this.#large[this.#largeCount++] = pool.allocLarge();
    const count = this.#largeCount;
    for (let i = 0; i < count; i++) {
      const b = this.#large[count - 1 - i];
      i32[box + BOX_LARGE_SLOTS + i] = i32[pool.meta + (b << 4) + M_DATA];
    }
    i32[box + BOX_LARGE_COUNT] = count;
    i32[box + BOX_LARGE_BYTES] = LARGE_FRAME_BYTES;
    return count;
  }

  tx(buffers: Int32Array, count: number): number {
    const pool = this.#pool;
    return pool === undefined || !this.#isOpen ? 0 : this.sender.send(pool, buffers, count);
  }

  /** Removes the device, and the namespace when it was made for it. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    while (this.#smallCount > 0) this.#pool?.free(this.#small[--this.#smallCount]);
    while (this.#largeCount > 0) this.#pool?.free(this.#large[--this.#largeCount]);
    this.#host.addon.closeFd(this.fd);
    if (this.#madeNetns !== undefined) this.#host.addon.deleteNetns(this.#madeNetns);
  }
}

function offloadsOf(tap: Tap, checksum: boolean, gso: boolean): Offloads {
  const tso = checksum && gso;
  return { checksum, tso, uso: tso && (tap.offloads & TUN_F.uso4) !== 0 };
}
