import {
  type BufferIndex,
  F_CHECKSUM_PARTIAL,
  M_DATA,
  M_FLAGS,
  M_L4,
  M_LEN,
  M_SLOT,
  M_TAIL,
} from "../graph/packet-pool.js";
import type { PacketPool } from "../graph/packet-pool.js";
import { checksumAdd, checksumAddOdd, checksumFinish } from "../wire/checksum.js";
import { PROTOCOL_UDP } from "../wire/ip4.js";
import { udpFinish } from "../wire/udp.js";
import { checksumFieldAt, isIp6Frame, networkOffset, transportProtocol } from "./frame-layout.js";

/**
 * Completes the partial transport checksum of an Ethernet frame (F_CHECKSUM_PARTIAL: the field holds the sum of the
 * pseudo header) over [M_L4, end), head and tails, and clears the flag. For devices that do not do it themselves.
 * False, with nothing changed, when no TCP or UDP header is at M_L4.
 */
export function completeChecksum(pool: PacketPool, b: BufferIndex): boolean {
  const { u8, i32, dv } = pool.window;
  const m = pool.meta + (b << 4);
  const data = i32[m + M_DATA];
  const l4 = i32[m + M_L4];
  const end = data + i32[m + M_LEN];
  if (l4 < data + 14 || l4 + 8 > end) return false;
  const l3 = networkOffset(dv, data);
  const protocol = transportProtocol(dv, l3, l4, isIp6Frame(dv, l3));
  const fieldAt = checksumFieldAt(protocol);
  if (fieldAt < 0 || l4 + fieldAt + 2 > end) return false;
  let sum = checksumAdd(u8, i32, l4, end - l4, 0);
  let summed = end - l4;
  const spans = i32[m + M_SLOT] >> 2;
  for (let i = 0, count = i32[m + M_TAIL] >>> 24; i < count; i++) {
    const offset = i32[spans + (i << 1)];
    const bytes = i32[spans + (i << 1) + 1];
    sum = (summed & 1) === 0 ? checksumAdd(u8, i32, offset, bytes, sum) : checksumAddOdd(u8, i32, offset, bytes, sum);
    summed = (summed + bytes) | 0;
  }
  dv.setUint16(l4 + fieldAt, protocol === PROTOCOL_UDP ? udpFinish(sum) : checksumFinish(sum));
  i32[m + M_FLAGS] &= ~F_CHECKSUM_PARTIAL;
  return true;
}
