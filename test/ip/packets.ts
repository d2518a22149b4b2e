import { parseAddress } from "../../src/ip/address.js";

/** Bytes of a number, big endian. */
export function be(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => Math.floor(value / 256 ** (bytes - 1 - i)) & 255);
}

/** The one's complement sum of the bytes, the textbook way. */
export function sum16(bytes: readonly number[], start = 0): number {
  let sum = start;
  for (let i = 0; i < bytes.length; i += 2) sum += bytes[i] * 256 + (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 65536);
  return sum;
}

/** An address's bytes: 4 or 16. */
export function addressBytes(text: string): number[] {
  const { family, words } = parseAddress(text);
  return [...words.subarray(0, family === 4 ? 1 : 4)].flatMap((word) => be(word >>> 0, 4));
}

/** Fields of an IPv4 packet; what is left out is usual and right. */
export interface Ip4Fields {
  readonly src: string;
  readonly dst: string;
  readonly protocol?: number;
  readonly ttl?: number;
  readonly tos?: number;
  readonly id?: number;
  /** Flags and offset as they stand in the header. */
  readonly fragment?: number;
  readonly options?: readonly number[];
  readonly totalLen?: number;
  readonly version?: number;
  readonly ihl?: number;
  readonly checksum?: number;
}

/** An IPv4 packet. */
export function ip4(fields: Ip4Fields, payload: readonly number[] = []): Uint8Array {
  const { src, dst, protocol = 17, ttl = 64, tos = 0, id = 0x1234, fragment = 0, options = [], version = 4 } = fields;
  const ihl = fields.ihl ?? 5 + options.length / 4;
  const header = [
    version * 16 + ihl,
    tos,
    ...be(fields.totalLen ?? 20 + options.length + payload.length, 2),
    ...be(id, 2),
    ...be(fragment, 2),
    ttl,
    protocol,
    0,
    0,
    ...addressBytes(src),
    ...addressBytes(dst),
    ...options,
  ];
  const sum = fields.checksum ?? ~sum16(header) & 0xffff;
  header.splice(10, 2, ...be(sum, 2));
  return Uint8Array.from([...header, ...payload]);
}

/** Fields of an IPv6 packet. */
export interface Ip6Fields {
  readonly src: string;
  readonly dst: string;
  readonly nextHeader?: number;
  readonly hopLimit?: number;
  readonly trafficClass?: number;
  readonly payloadLen?: number;
  readonly version?: number;
}

/** An IPv6 packet. */
export function ip6(fields: Ip6Fields, payload: readonly number[] = []): Uint8Array {
  const { src, dst, nextHeader = 17, hopLimit = 64, trafficClass = 0, version = 6 } = fields;
  return Uint8Array.from([
    version * 16 + (trafficClass >>> 4),
    (trafficClass & 15) << 4,
    0,
    0,
    ...be(fields.payloadLen ?? payload.length, 2),
    nextHeader,
    hopLimit,
    ...addressBytes(src),
    ...addressBytes(dst),
    ...payload,
  ]);
}

/** The pseudo header's sum. */
export function pseudo(src: string, dst: string, protocol: number, length: number): number {
  return sum16([...addressBytes(src), ...addressBytes(dst), ...be(length, 4), ...be(protocol, 4)]);
}

/** A UDP datagram with its checksum. */
export function udp(src: string, dst: string, srcPort: number, dstPort: number, data: readonly number[]): number[] {
  const length = 8 + data.length;
  const datagram = [...be(srcPort, 2), ...be(dstPort, 2), ...be(length, 2), 0, 0, ...data];
  const sum = ~sum16(datagram, pseudo(src, dst, 17, length)) & 0xffff;
  datagram.splice(6, 2, ...be(sum === 0 ? 0xffff : sum, 2));
  return datagram;
}

/** A TCP segment without options, with its checksum. */
export function tcp(
  src: string,
  dst: string,
  srcPort: number,
  dstPort: number,
  data: readonly number[] = [],
): number[] {
  const segment = [
    ...be(srcPort, 2),
    ...be(dstPort, 2),
    ...be(1000, 4),
    ...be(2000, 4),
    0x50,
    0x10,
    1,
    0,
    0,
    0,
    0,
    0,
    ...data,
  ];
  const sum = ~sum16(segment, pseudo(src, dst, 6, segment.length)) & 0xffff;
  segment.splice(16, 2, ...be(sum, 2));
  return segment;
}

/** An ICMPv4 message with its checksum; `rest` are the bytes from the fifth on. */
export function icmp4(type: number, code: number, rest: readonly number[]): number[] {
  const message = [type, code, 0, 0, ...rest];
  message.splice(2, 2, ...be(~sum16(message) & 0xffff, 2));
  return message;
}

/** An ICMPv6 message with its checksum. */
export function icmp6(src: string, dst: string, type: number, code: number, rest: readonly number[]): number[] {
  const message = [type, code, 0, 0, ...rest];
  message.splice(2, 2, ...be(~sum16(message, pseudo(src, dst, 58, message.length)) & 0xffff, 2));
  return message;
}

/** An Ethernet frame to 02:00:00:00:00:10, the first interface of a test. */
export function frame(packet: Uint8Array, dst: readonly number[] = [2, 0, 0, 0, 0, 0x10]): Uint8Array {
  return Uint8Array.from([
    ...dst,
    2,
    0,
    0,
    0,
    0,
    0x99,
    packet[0] >>> 4 === 6 ? 0x86 : 8,
    packet[0] >>> 4 === 6 ? 0xdd : 0,
    ...packet,
  ]);
}

/** Bytes 0, 1, 2, … */
export function pattern(length: number, start = 0): number[] {
  return Array.from({ length }, (_, i) => (start + i) % 251);
}
