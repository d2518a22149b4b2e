import {
  type BufferIndex,
  F_CHECKSUM_PARTIAL,
  M_DATA,
  M_FLAGS,
  M_L4,
  M_LEN,
  M_SLOT,
  M_TAIL,
  type PacketPool,
} from "../graph/packet-pool.js";
import { checksumAdd, checksumAddOdd, checksumFinish } from "../wire/checksum.js";
import { PROTOCOL_ICMP4, PROTOCOL_ICMP6, PROTOCOL_TCP, PROTOCOL_UDP } from "../wire/ip4.js";
import { udpFinish } from "../wire/udp.js";

/**
 * The one's complement sum of `bytes` of packet `b` from window offset `from` in its head on, over head and tails, plus
 * `sum`; folded, not complemented. The packet has that many bytes.
 */
export function sumPacket(pool: PacketPool, b: BufferIndex, from: number, bytes: number, sum: number): number {
  const { u8, i32 } = pool.window;
  const m = pool.meta + (b << 4);
  const inHead = Math.min(bytes, i32[m + M_DATA] + i32[m + M_LEN] - from);
  let total = checksumAdd(u8, i32, from, inHead, sum);
  let summed = inHead;
  if (summed === bytes) return total;
  const spans = i32[m + M_SLOT] >> 2;
  for (let i = 0, count = i32[m + M_TAIL] >>> 24; i < count && summed < bytes; i++) {
    const at = i32[spans + (i << 1)];
    const n = Math.min(i32[spans + (i << 1) + 1], bytes - summed);
    total = (summed & 1) === 0 ? checksumAdd(u8, i32, at, n, total) : checksumAddOdd(u8, i32, at, n, total);
    summed += n;
  }
  return total;
}

/** Where a protocol has its checksum field, bytes from its header; -1 when it has none that is known here. */
export function checksumOffsetOf(protocol: number): number {
  switch (protocol) {
    case PROTOCOL_TCP:
      return 16;
    case PROTOCOL_UDP:
      return 6;
    case PROTOCOL_ICMP4:
    case PROTOCOL_ICMP6:
      return 2;
    default:
      return -1;
  }
}

/**
 * Completes the partial checksum of an IP packet (F_CHECKSUM_PARTIAL; M_L4 at the header of `protocol`, in the head),
 * as before it is cut into fragments. False, with nothing changed, when no such field is there.
 */
export function completePartial(pool: PacketPool, b: BufferIndex, protocol: number): boolean {
  const { i32, dv } = pool.window;
  const m = pool.meta + (b << 4);
  const l4 = i32[m + M_L4];
  const field = checksumOffsetOf(protocol);
  const headEnd = i32[m + M_DATA] + i32[m + M_LEN];
  if (field < 0 || l4 < i32[m + M_DATA] || l4 + field + 2 > headEnd) return false;
  const sum = sumPacket(pool, b, l4, headEnd - l4 + (i32[m + M_TAIL] & 0xffffff), 0);
  dv.setUint16(l4 + field, protocol === PROTOCOL_UDP ? udpFinish(sum) : checksumFinish(sum));
  i32[m + M_FLAGS] &= ~F_CHECKSUM_PARTIAL;
  return true;
}
