import {
  type BufferIndex,
  F_CHECKSUM_PARTIAL,
  M_DATA,
  M_FLAGS,
  M_L4,
  M_LEN,
  type PacketPool,
} from "../../src/graph/packet-pool.js";
import { checksum, checksumPseudo4 } from "../../src/wire/checksum.js";

/** Ethernet, IPv4 and TCP without options. */
export const TCP_HEADERS_LEN = 54;

/** The frame of `b`, head only. */
export function frameOf(pool: PacketPool, b: BufferIndex): Uint8Array {
  const { i32, u8 } = pool.window;
  const m = pool.meta + (b << 4);
  return u8.slice(i32[m + M_DATA], i32[m + M_DATA] + i32[m + M_LEN]);
}

/** A buffer that holds `frame`. */
export function bufferOf(pool: PacketPool, frame: Uint8Array): BufferIndex {
  const b = pool.allocFor(frame.length);
  const m = pool.meta + (b << 4);
  pool.window.u8.set(frame, pool.window.i32[m + M_DATA]);
  pool.window.i32[m + M_LEN] = frame.length;
  return b;
}

/** What {@link headers} puts together. */
export interface Headers {
  readonly to: Uint8Array;
  readonly from: Uint8Array;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly protocol: 6 | 17;
  readonly payloadBytes: number;
}

/**
 * A buffer with Ethernet, IPv4 and TCP or UDP headers (ports 1000 to 2000) for a payload to follow, its checksum left
 * partial.
 */
export function headers(pool: PacketPool, options: Headers): BufferIndex {
  const { to, from, source, destination, protocol, payloadBytes } = options;
  const l4Bytes = protocol === 6 ? 20 : 8;
  const b = bufferOf(pool, new Uint8Array(34 + l4Bytes));
  const { u8, i32, dv } = pool.window;
  const m = pool.meta + (b << 4);
  const data = i32[m + M_DATA];
  const l3 = data + 14;
  const l4 = l3 + 20;
  u8.set(to, data);
  u8.set(from, data + 6);
  dv.setUint16(data + 12, 0x0800);
  dv.setUint8(l3, 0x45);
  dv.setUint16(l3 + 2, 20 + l4Bytes + payloadBytes);
  dv.setUint8(l3 + 8, 64);
  dv.setUint8(l3 + 9, protocol);
  u8.set(source, l3 + 12);
  u8.set(destination, l3 + 16);
  dv.setUint16(l3 + 10, checksum(u8, i32, l3, 20));
  dv.setUint16(l4, 1000);
  dv.setUint16(l4 + 2, 2000);
  if (protocol === 6) {
    dv.setUint8(l4 + 12, 0x50);
    dv.setUint8(l4 + 13, 0x10);
    dv.setUint16(l4 + 16, checksumPseudo4(dv, l3, 6, l4Bytes + payloadBytes));
  } else {
    dv.setUint16(l4 + 4, l4Bytes + payloadBytes);
    dv.setUint16(l4 + 6, checksumPseudo4(dv, l3, 17, l4Bytes + payloadBytes));
  }
  i32[m + M_FLAGS] |= F_CHECKSUM_PARTIAL;
  i32[m + M_L4] = l4;
  return b;
}
