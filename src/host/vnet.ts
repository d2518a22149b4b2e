import { checksumFieldAt, isIp6Frame, networkOffset, transportProtocol } from "../device/frame-layout.js";
import {
  type BufferIndex,
  F_CHECKSUM_PARTIAL,
  F_L4_CHECKSUM_OK,
  GSO_TCP4,
  GSO_TCP6,
  GSO_UDP,
  M_DATA,
  M_FLAGS,
  M_GSO,
  M_L4,
  M_LEN,
  M_SLOT,
  M_TAIL,
  type PacketPool,
} from "../graph/packet-pool.js";
import {
  BOX_COUNT,
  BOX_FD,
  BOX_TX,
  BOX_TX_ERRNO,
  BOX_TX_SKIPPED,
  BURST_FRAMES,
  TX_WORDS,
  VNET_DATA_VALID,
  VNET_GSO_ECN,
  VNET_NEEDS_CSUM,
} from "./mailbox.js";
import type { NativeWindow } from "./native-window.js";

const ETH_HEADER_LEN = 14;
const TCP_OFFSET = 12;
const TCP_FLAGS = 13;
const TCP_CWR = 0x80;
const UDP_HEADER_LEN = 8;

/**
 * Writes what a virtio-net header says of the received frame `b` (M_DATA and M_LEN set) into its metadata. False when
 * the header contradicts the frame: such a frame must be dropped.
 */
export function applyVnetHeader(
  pool: PacketPool,
  b: BufferIndex,
  flags: number,
  gsoType: number,
  gsoSize: number,
  csumStart: number,
  csumOffset: number,
): boolean {
  const { i32 } = pool.window;
  const m = pool.meta + (b << 4);
  const type = gsoType & ~VNET_GSO_ECN;
  if ((flags & VNET_NEEDS_CSUM) !== 0) {
    if (csumStart < ETH_HEADER_LEN || csumStart + csumOffset + 2 > i32[m + M_LEN]) return false;
    i32[m + M_L4] = i32[m + M_DATA] + csumStart;
    i32[m + M_FLAGS] |= F_CHECKSUM_PARTIAL | F_L4_CHECKSUM_OK;
  } else if ((flags & VNET_DATA_VALID) !== 0) {
    i32[m + M_FLAGS] |= F_L4_CHECKSUM_OK;
  }
  if (type === 0) return true;
  // A superframe without a partial checksum does not say where its transport header is.
  if ((flags & VNET_NEEDS_CSUM) === 0 || gsoSize === 0) return false;
  if (type !== GSO_TCP4 && type !== GSO_TCP6 && type !== GSO_UDP) return false;
  i32[m + M_GSO] = gsoSize | (type << 16);
  return true;
}

/** Sends packets through a descriptor that takes virtio-net headers: the kernel sums and cuts what the header asks. */
export class VnetSender {
  readonly #host: NativeWindow;
  readonly #fd: number;
  /** Packets that the kernel refused. */
  refused = 0;
  /** Packets that found the kernel's queue full. */
  full = 0;
  /** errno of the last refusal. */
  lastErrno = 0;

  constructor(host: NativeWindow, fd: number) {
    this.#host = host;
    this.#fd = fd;
  }

  /** Sends buffers[0 .. count); returns how many left. The packets' headers lie in their heads. */
  send(pool: PacketPool, buffers: Int32Array, count: number): number {
    const { i32 } = pool.window;
    const box = this.#host.mailbox >> 2;
    let sent = 0;
    for (let first = 0; first < count; ) {
      const n = count - first < BURST_FRAMES ? count - first : BURST_FRAMES;
      for (let i = 0; i < n; i++) this.#describe(pool, buffers[first + i], box + BOX_TX + i * TX_WORDS);
      i32[box + BOX_FD] = this.#fd;
      i32[box + BOX_COUNT] = n;
      const done = this.#host.native.txBurst();
      if (done < 0) {
        this.lastErrno = -done;
        this.refused += count - first;
        return sent;
      }
      const skipped = i32[box + BOX_TX_SKIPPED];
      sent += done - skipped;
      if (skipped > 0 || done < n) this.lastErrno = i32[box + BOX_TX_ERRNO];
      this.refused += skipped;
      if (done < n) {
        this.full += count - first - done;
        return sent;
      }
      first += n;
    }
    return sent;
  }

  /** Writes one packet's record at word `at` of the window. */
  #describe(pool: PacketPool, b: BufferIndex, at: number): void {
    const { i32, dv } = pool.window;
    const m = pool.meta + (b << 4);
    const data = i32[m + M_DATA];
    const gso = i32[m + M_GSO];
    let flags = 0;
    let type = 0;
    let size = 0;
    let headerBytes = 0;
    let start = 0;
    let field = 0;
    if (gso !== 0 || (i32[m + M_FLAGS] & F_CHECKSUM_PARTIAL) !== 0) {
      const l4 = i32[m + M_L4];
      const l3 = networkOffset(dv, data);
      const fieldAt = checksumFieldAt(transportProtocol(dv, l3, l4, isIp6Frame(dv, l3)));
      // What has no field to complete goes out as it is: the kernel would refuse or spoil it.
      if (fieldAt >= 0) {
        flags = VNET_NEEDS_CSUM;
        start = l4 - data;
        field = fieldAt;
        if (gso !== 0) {
          type = gso >>> 16;
          size = gso & 0xffff;
          if (type === GSO_UDP) headerBytes = start + UDP_HEADER_LEN;
          else {
            headerBytes = start + ((dv.getUint8(l4 + TCP_OFFSET) >> 4) << 2);
            if ((dv.getUint8(l4 + TCP_FLAGS) & TCP_CWR) !== 0) type |= VNET_GSO_ECN;
          }
        }
      }
    }
    i32[at] = flags;
    i32[at + 1] = type;
    i32[at + 2] = size;
    i32[at + 3] = headerBytes;
    i32[at + 4] = start;
    i32[at + 5] = field;
    i32[at + 6] = data;
    i32[at + 7] = i32[m + M_LEN];
    const tails = i32[m + M_TAIL] >>> 24;
    const spans = i32[m + M_SLOT] >> 2;
    for (let i = 0; i < 4; i++) {
      i32[at + 8 + (i << 1)] = i < tails ? i32[spans + (i << 1)] : 0;
      i32[at + 9 + (i << 1)] = i < tails ? i32[spans + (i << 1) + 1] : 0;
    }
  }
}
