import type { SeededRandom } from "../../src/random/seeded.js";

/** The words of an address, first on the wire first; IPv4 has one. */
export type Words = ArrayLike<number>;

/** Hardware addresses: the host's on its first link, and the peer's that mostly speaks there. */
export const OUR_MAC = Uint8Array.of(2, 0, 0, 0, 0, 2);
export const SECOND_MAC = Uint8Array.of(2, 0, 0, 0, 1, 2);
export const THIRD_MAC = Uint8Array.of(2, 0, 0, 0, 2, 2);
export const PEER_MAC = Uint8Array.of(2, 0, 0, 0, 0, 9);

/** The host's addresses: global, of both links, and link-local. */
export const OUR4: readonly number[] = [0xc6120102 | 0, 0xc6120202 | 0];
export const OUR6: readonly (readonly number[])[] = [
  [0x20010db8, 0x00010000, 0, 2],
  [0x20010db8, 0x00020000, 0, 2],
  [0xfe800000 | 0, 0, 0xff, 0xfe000002 | 0],
  [0xfe800000 | 0, 0, 0xff, 0xfe000102 | 0],
];
/** ff02::1. */
export const ALL_NODES: readonly number[] = [0xff020000 | 0, 0, 0, 1];

/** Identifier of echo replies that somebody in the host waits for. */
export const ECHO_ID = 0x77;

/** One of a list. */
export function pick<T>(random: SeededRandom, list: readonly T[]): T {
  return list[random.nextBelow(list.length)];
}

/** A neighbour's address on one of the links; the one that always answers more often than others. */
export function peer4(random: SeededRandom): number[] {
  return [pick(random, [0xc6120100, 0xc6120100, 0xc6120200]) | pick(random, [9, 9, 3 + random.nextBelow(250)])];
}

/** The twin: global, now and then link-local. */
export function peer6(random: SeededRandom): number[] {
  const low = pick(random, [9, 9, 3 + random.nextBelow(250)]);
  if (random.nextBelow(8) === 0) return [0xfe800000 | 0, 0, 0, low];
  return [0x20010db8, pick(random, [0x00010000, 0x00010000, 0x00020000]), 0, low];
}

/** A frame to be filled in, and where its transport header goes. */
export type Started = [frame: Uint8Array, at: number];

/** Bytes between the fixed IP header and the transport header: options, or extension headers and the first one's kind. */
export interface Between {
  readonly bytes: Uint8Array;
  /** IPv6: the next header that the fixed header names. */
  readonly first?: number;
}

const NOTHING: Between = { bytes: new Uint8Array(0) };

/** An Ethernet and IP header for `bytes` of `protocol`. The IPv4 options are a multiple of 4 bytes, at most 40. */
export function packet(
  isIp6: boolean,
  from: Words,
  to: Words,
  protocol: number,
  bytes: number,
  between = NOTHING,
): Started {
  const extra = between.bytes.length;
  const at = 14 + (isIp6 ? 40 : 20) + extra;
  const frame = new Uint8Array(at + bytes);
  const dv = new DataView(frame.buffer);
  frame.set(OUR_MAC, 0);
  frame.set(PEER_MAC, 6);
  dv.setUint16(12, isIp6 ? 0x86dd : 0x0800);
  if (isIp6) {
    dv.setInt32(14, 0x60000000);
    dv.setInt32(18, ((extra + bytes) << 16) | ((between.first ?? protocol) << 8) | 64);
  } else {
    dv.setInt32(14, 0x40000000 | ((20 + extra) << 22) | (20 + extra + bytes));
    dv.setInt32(22, (64 << 24) | (protocol << 16));
  }
  const words = isIp6 ? 4 : 1;
  for (let w = 0; w < words; w++) {
    dv.setInt32((isIp6 ? 22 : 26) + w * 4, from[w]);
    dv.setInt32((isIp6 ? 38 : 30) + w * 4, to[w]);
  }
  frame.set(between.bytes, at - extra);
  return [frame, at];
}

/** A UDP datagram with random payload. */
export function datagram(
  random: SeededRandom,
  isIp6: boolean,
  from: Words,
  to: Words,
  port: number,
  bytes: number,
  between = NOTHING,
): Uint8Array {
  const [frame, at] = packet(isIp6, from, to, 17, 8 + bytes, between);
  const dv = new DataView(frame.buffer);
  dv.setInt32(at, ((1024 + random.nextBelow(8)) << 16) | port);
  dv.setUint16(at + 4, 8 + bytes);
  for (let i = 0; i < bytes && i < 64; i++) frame[at + 8 + i] = random.nextBelow(256);
  return frame;
}
