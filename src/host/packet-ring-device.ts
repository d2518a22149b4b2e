import { release } from "node:os";
import type { Offloads } from "../device/device.js";
import { type BufferIndex, M_LEN, M_DATA, type PacketPool, SMALL_FRAME_BYTES } from "../graph/packet-pool.js";
import type { PacketRing } from "./addon.js";
import type { NativeWindow } from "./native-window.js";
import type { PollableDevice } from "./poller.js";
import { applyVnetHeader, VnetSender } from "./vnet.js";

const PAGE_BYTES = 4096;
const BLOCK_BYTES = 1032192;
const FRAME_BYTES = 73728;
/** Where a ring frame's packet slot begins: behind tpacket2_hdr (32 bytes) and sockaddr_ll (20). */
const SLOT_AT = 64;
const VNET_HEADER_BYTES = 10;

// struct tpacket2_hdr, host order (linux/if_packet.h), in words and bytes.
const W_STATUS = 0;
const W_LEN = 1;
const W_SNAPLEN = 2;
const AT_MAC = 12;
const AT_VLAN_TCI = 24;
const AT_VLAN_TPID = 26;
const STATUS_USER = 1;
const STATUS_VLAN_VALID = 0x10;
const STATUS_VLAN_TPID_VALID = 0x40;
const ETHERTYPE_VLAN = 0x8100;

/** How to make a {@link PacketRingDevice}. */
export interface PacketRingDeviceOptions {
  /** Name of the kernel interface to use, which must exist. */
  readonly name: string;
  /** Its named network namespace. Default: the one of this process. */
  readonly netns?: string;
  /** Blocks of the receive ring, each of 14 frames and about 1 MiB, 1 to 256. Default 16. */
  readonly blocks?: number;
  /** Our hardware address. Default: the interface's. */
  readonly mac?: Uint8Array;
  /** Take superframes and unfinished checksums for sending. Default true. */
  readonly offload?: boolean;
}

/**
 * A packet socket on a kernel interface (a veth, a real one): frames are received in a ring inside the window, without
 * a system call, and sent in bursts. Small frames are copied out of the ring at once; large ones are lent in place while
 * the pool has ring slots and at most half of the ring is lent, else copied.
 */
export class PacketRingDevice implements PollableDevice {
  readonly kind = "af-packet";
  readonly mac: Uint8Array;
  readonly mtu: number;
  readonly offloads: Offloads;
  readonly fd: number;
  /** Frames of the ring: the slots that a pool needs (`ring` option) for large frames not to be copied. */
  readonly frames: number;
  /** Frames that were cut short, or contradicted their virtio-net header. */
  rxSkipped = 0;
  /** Times that no buffer was free for a frame; it stays in the ring. */
  rxNoBuffer = 0;
  /** How sending went. */
  readonly sender: VnetSender;
  readonly #host: NativeWindow;
  readonly #ring: PacketRing;
  /** Per frame: 1 while it is lent to the graph. */
  readonly #lent: Uint8Array;
  #lentCount = 0;
  #head = 0;
  #firstBuffer: BufferIndex = -1;
  #pool: PacketPool | undefined = undefined;
  #isOpen = true;

  /** Opens the socket; throws with one clear message (`code` EPERM, ENODEV, ENOMEM, …) when it is refused. */
  constructor(host: NativeWindow, options: PacketRingDeviceOptions) {
    const { name, netns, blocks = 16, offload = true } = options;
    if (!Number.isInteger(blocks) || blocks < 1 || blocks > 256) throw new RangeError(`${name}: blocks not in 1..256`);
    const bytes = blocks * BLOCK_BYTES;
    const offset = host.window.reserve(`packet ring ${name}`, bytes, PAGE_BYTES);
    const shape = { name, offset, bytes, blockBytes: BLOCK_BYTES, frameBytes: FRAME_BYTES };
    const ring = host.native.openPacketRing(netns === undefined ? shape : { ...shape, netns });
    this.#host = host;
    this.#ring = ring;
    this.fd = ring.fd;
    this.frames = ring.frames;
    this.#lent = new Uint8Array(ring.frames);
    this.sender = new VnetSender(host, ring.fd);
    this.mac = options.mac ?? ring.mac;
    this.mtu = ring.mtu;
    this.offloads = { checksum: offload, tso: offload, uso: offload && kernelCutsUdp() };
  }

  attach(pool: PacketPool): void {
    this.#pool = pool;
    try {
      this.#firstBuffer = pool.addRing(this.#ring.offset + SLOT_AT, FRAME_BYTES, this.frames, (slot) =>
        this.#giveBack(slot),
      );
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#firstBuffer = -1; // The pool has no room for the ring: every frame is copied.
    }
  }

  rx(buffers: Int32Array, max: number): number {
    const pool = this.#pool;
    if (pool === undefined || !this.#isOpen) return 0;
    const { i32, dv } = pool.window;
    let n = 0;
    while (n < max && this.#lent[this.#head] === 0) {
      const frame = this.#ring.offset + this.#head * FRAME_BYTES;
      // The kernel publishes the frame by its status word.
      const status = Atomics.load(i32, frame >> 2);
      if ((status & STATUS_USER) === 0) break;
      const bytes = i32[(frame >> 2) + W_SNAPLEN];
      const mac = dv.getUint16(frame + AT_MAC, true);
      if (bytes !== i32[(frame >> 2) + W_LEN] || bytes < 14 || mac < SLOT_AT + 32 || mac + bytes > FRAME_BYTES) {
        this.rxSkipped++;
        this.#giveBack(this.#head);
        this.#advance();
        continue;
      }
      const b = this.#take(pool, frame, mac, bytes, status);
      if (b < 0) break;
      this.#advance();
      if (this.#describe(pool, b, frame, mac, (status & STATUS_VLAN_VALID) !== 0 ? 4 : 0)) buffers[n++] = b;
      else {
        this.rxSkipped++;
        pool.free(b);
      }
      if (b < this.#firstBuffer || this.#firstBuffer < 0) this.#giveBack((frame - this.#ring.offset) / FRAME_BYTES);
    }
    return n;
  }

  /** A buffer with the frame's bytes: the ring slot itself when the frame is large and may be lent, else a copy. */
  #take(pool: PacketPool, frame: number, mac: number, frameBytes: number, status: number): BufferIndex {
    const { u8, i32 } = pool.window;
    let data = frame + mac;
    let bytes = frameBytes;
    const isTagged = (status & STATUS_VLAN_VALID) !== 0;
    const mayLend = this.#firstBuffer >= 0 && this.#lentCount < this.frames >> 1;
    if (bytes > SMALL_FRAME_BYTES && mayLend && !isTagged) {
      const b = this.#firstBuffer + this.#head;
      this.#lent[this.#head] = 1;
      this.#lentCount++;
      pool.takeRing(b, data, bytes);
      return b;
    }
    const b = pool.allocFor(isTagged ? bytes + 4 : bytes);
    if (b < 0) {
      this.rxNoBuffer++;
      return -1;
    }
    let to = i32[pool.meta + (b << 4) + M_DATA];
    if (isTagged) {
      // The kernel took the tag out of the frame; it goes back behind the addresses.
      u8.copyWithin(to, data, data + 12);
      this.#writeTag(pool.window.dv, to + 12, frame, status);
      to += 16;
      data += 12;
      bytes -= 12;
    }
    u8.copyWithin(to, data, data + bytes);
    i32[pool.meta + (b << 4) + M_LEN] = isTagged ? bytes + 16 : bytes;
    return b;
  }

  #writeTag(dv: DataView, at: number, frame: number, status: number): void {
    const hasType = (status & STATUS_VLAN_TPID_VALID) !== 0;
    dv.setUint16(at, hasType ? dv.getUint16(frame + AT_VLAN_TPID, true) : ETHERTYPE_VLAN);
    dv.setUint16(at + 2, dv.getUint16(frame + AT_VLAN_TCI, true));
  }

  #describe(pool: PacketPool, b: BufferIndex, frame: number, mac: number, shift: number): boolean {
    const { dv } = pool.window;
    const header = frame + mac - VNET_HEADER_BYTES;
    const flags = dv.getUint8(header);
    const gsoType = dv.getUint8(header + 1);
    const gsoSize = dv.getUint16(header + 4, true);
    const csumStart = dv.getUint16(header + 6, true) + shift;
    return applyVnetHeader(pool, b, flags, gsoType, gsoSize, csumStart, dv.getUint16(header + 8, true));
  }

  #advance(): void {
    this.#head = this.#head + 1 === this.frames ? 0 : this.#head + 1;
  }

  /** Returns ring frame `slot` to the kernel. */
  #giveBack(slot: number): void {
    if (!this.#isOpen) return;
    if (this.#lent[slot] === 1) {
      this.#lent[slot] = 0;
      this.#lentCount--;
    }
    Atomics.store(this.#host.window.i32, (this.#ring.offset + slot * FRAME_BYTES + (W_STATUS << 2)) >> 2, 0);
  }

  tx(buffers: Int32Array, count: number): number {
    const pool = this.#pool;
    return pool === undefined || !this.#isOpen ? 0 : this.sender.send(pool, buffers, count);
  }

  /** Closes the socket. The ring's part of the window reads as zero from then on. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#host.native.closePacketRing(this.fd);
  }
}

/** Linux 6.2 and later take UDP superframes from packet sockets. */
function kernelCutsUdp(): boolean {
  const [major = 0, minor = 0] = release()
    .split(".")
    .map((part) => Number.parseInt(part, 10));
  return major > 6 || (major === 6 && minor >= 2);
}
