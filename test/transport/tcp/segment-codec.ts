/** Addresses and ports of a segment that a test builds. */
export interface Tuple {
  readonly family: 4 | 6;
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** Header fields of a segment with absolute sequence numbers. */
export interface WireSegment {
  readonly flags: string;
  readonly seq: number;
  readonly ack: number;
  readonly window: number;
  readonly urgent: number;
  /** Option bytes; padded with end-of-list to a multiple of 4. */
  readonly options: readonly number[];
  readonly data: Uint8Array;
}

/** What a stack put on the wire. */
export interface ParsedSegment extends WireSegment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly dscp: number;
  readonly hopLimit: number;
  readonly dontFragment: boolean;
  readonly ipBytes: number;
  /** The IP packet. */
  readonly packet: Uint8Array;
}

/** Hardware addresses of the stack under test and of the peer. */
export const STACK_MAC = Uint8Array.of(2, 0, 0, 0, 0, 0x10);
export const PEER_MAC = Uint8Array.of(2, 0, 0, 0, 0, 0x99);

const LETTERS = "FSRPAUEC";

/** Bits of flags written as letters. */
export function flagBits(flags: string): number {
  return flags.split("").reduce((bits, letter) => bits | (1 << LETTERS.indexOf(letter)), 0);
}

/** Letters of flag bits, in the order of the bits: FSRPAUEC. */
export function flagLetters(bits: number): string {
  return LETTERS.split("")
    .filter((_, i) => (bits & (1 << i)) !== 0)
    .join("");
}

/** Bytes of an address in text form. */
export function addressBytes(text: string): number[] {
  if (!text.includes(":")) return text.split(".").map(Number);
  const [left, right = []] = text.split("::").map((part) => part.split(":").filter((word) => word !== ""));
  const zeros = new Array<string>(8 - left.length - right.length).fill("0");
  return [...left, ...zeros, ...right].flatMap((word) => {
    const value = Number.parseInt(word, 16);
    return [value >> 8, value & 255];
  });
}

/** The one's complement sum of bytes (RFC 1071), plainly. */
export function internetSum(bytes: ArrayLike<number>, start = 0): number {
  let sum = start;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i] << 8) | (i + 1 < bytes.length ? bytes[i + 1] : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return sum;
}

function be16(value: number): number[] {
  return [(value >> 8) & 255, value & 255];
}

/** The bytes of a word, highest first. */
export function be32(value: number): number[] {
  return [...be16(value >>> 16), ...be16(value)];
}

/** An Ethernet frame with the IP packet `protocol`, checksum field of `payload` at `checksumAt` filled in. */
export function ipFrame(
  { family, source, destination }: Pick<Tuple, "family" | "source" | "destination">,
  protocol: number,
  payload: Uint8Array,
  checksumAt: number,
): Uint8Array {
  const from = addressBytes(source);
  const to = addressBytes(destination);
  const hasPseudo = !(family === 4 && protocol === 1);
  const pseudo = hasPseudo ? internetSum([...from, ...to, ...be32(payload.length), 0, 0, 0, protocol]) : 0;
  const sum = ~internetSum(payload, pseudo) & 0xffff;
  payload[checksumAt] = sum >> 8;
  payload[checksumAt + 1] = sum & 255;
  const header =
    family === 4
      ? [0x45, 0, ...be16(payload.length + 20), 0, 0, 0x40, 0, 64, protocol, 0, 0, ...from, ...to]
      : [0x60, 0, 0, 0, ...be16(payload.length), protocol, protocol === 58 ? 255 : 64, ...from, ...to];
  if (family === 4) {
    const check = ~internetSum(header) & 0xffff;
    header[10] = check >> 8;
    header[11] = check & 255;
  }
  const frame = new Uint8Array(14 + header.length + payload.length);
  frame.set(STACK_MAC, 0);
  frame.set(PEER_MAC, 6);
  frame.set(family === 4 ? [8, 0] : [0x86, 0xdd], 12);
  frame.set(header, 14);
  frame.set(payload, 14 + header.length);
  return frame;
}

/** The frame of a segment, checksums right. */
export function segmentFrame(tuple: Tuple, segment: WireSegment): Uint8Array {
  const options = [...segment.options];
  while (options.length % 4 !== 0) options.push(0);
  const headerLen = 20 + options.length;
  const payload = new Uint8Array(headerLen + segment.data.length);
  payload.set([...be16(tuple.sourcePort), ...be16(tuple.destinationPort), ...be32(segment.seq), ...be32(segment.ack)]);
  payload.set([headerLen << 2, flagBits(segment.flags), ...be16(segment.window), 0, 0, ...be16(segment.urgent)], 12);
  payload.set(options, 20);
  payload.set(segment.data, headerLen);
  return ipFrame(tuple, 6, payload, 16);
}

/** Reads a frame; undefined when it holds no TCP. Throws when it is malformed or a checksum is wrong. */
export function parseSegment(frame: Uint8Array, checksumIsPartial: boolean): ParsedSegment | undefined {
  const dv = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const family = dv.getUint16(12) === 0x0800 ? 4 : dv.getUint16(12) === 0x86dd ? 6 : 0;
  if (family === 0 || frame[family === 4 ? 23 : 20] !== 6) return undefined;
  const ipHeaderLen = family === 4 ? 20 : 40;
  const ipBytes = family === 4 ? dv.getUint16(16) : dv.getUint16(18) + 40;
  if (family === 4 && internetSum(frame.subarray(14, 34)) !== 0xffff) throw new Error("bad IPv4 header checksum");
  if (ipBytes !== frame.length - 14) throw new Error(`IP length ${ipBytes} in a frame of ${frame.length}`);
  const tcp = frame.subarray(14 + ipHeaderLen);
  const addresses = family === 4 ? frame.subarray(26, 34) : frame.subarray(22, 54);
  const pseudo = internetSum([...addresses, ...be32(tcp.length), 0, 0, 0, 6]);
  if (!checksumIsPartial && internetSum(tcp, pseudo) !== 0xffff) throw new Error("bad TCP checksum");
  const at = 14 + ipHeaderLen;
  const headerLen = (frame[at + 12] >> 4) * 4;
  return {
    sourcePort: dv.getUint16(at),
    destinationPort: dv.getUint16(at + 2),
    seq: dv.getInt32(at + 4),
    ack: dv.getInt32(at + 8),
    flags: flagLetters(dv.getUint16(at + 12) & 0xff),
    window: dv.getUint16(at + 14),
    urgent: dv.getUint16(at + 18),
    options: [...frame.subarray(at + 20, at + headerLen)],
    data: frame.slice(at + headerLen),
    dscp: family === 4 ? frame[15] >> 2 : ((frame[14] & 15) << 2) | (frame[15] >> 6),
    hopLimit: frame[family === 4 ? 22 : 21],
    dontFragment: family === 6 || (frame[20] & 0x40) !== 0,
    ipBytes,
    packet: frame.slice(14),
  };
}

/**
 * The frame of an ICMP error about `packet`, which the tuple's destination sent. `word` is the second of the header: the
 * MTU of a "too big".
 */
export function icmpErrorFrame(tuple: Tuple, type: number, code: number, packet: Uint8Array, word = 0): Uint8Array {
  const quoted = packet.subarray(0, (tuple.family === 4 ? 20 : 40) + 8);
  return ipFrame(tuple, tuple.family === 4 ? 1 : 58, Uint8Array.of(type, code, 0, 0, ...be32(word), ...quoted), 2);
}

/** Options by kind: their bytes after kind and length. */
export function optionsByKind(options: readonly number[]): Map<number, readonly number[]> {
  const found = new Map<number, readonly number[]>();
  for (let at = 0; at < options.length && options[at] !== 0; ) {
    if (options[at] === 1) {
      at++;
      continue;
    }
    found.set(options[at], options.slice(at + 2, at + options[at + 1]));
    at += options[at + 1];
  }
  return found;
}

/** Answers an ARP request or a neighbour solicitation for any address but the stack's own; undefined for other frames. */
export function neighbourAnswer(frame: Uint8Array, own: readonly string[]): Uint8Array | undefined {
  const isOwn = (bytes: Uint8Array): boolean => own.some((text) => addressBytes(text).join() === bytes.join());
  const type = (frame[12] << 8) | frame[13];
  if (type === 0x0806 && frame[21] === 1) {
    const target = frame.subarray(38, 42);
    if (isOwn(target)) return undefined;
    const reply = new Uint8Array(42);
    reply.set([...STACK_MAC, ...PEER_MAC, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2, ...PEER_MAC, ...target]);
    reply.set(frame.subarray(22, 32), 32);
    return reply;
  }
  if (type !== 0x86dd || frame[20] !== 58 || frame[54] !== 135) return undefined;
  const target = frame.slice(62, 78);
  if (isOwn(target)) return undefined;
  const text = (bytes: Uint8Array): string =>
    Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] << 8) | bytes[2 * i + 1]).toString(16)).join(":");
  const advert = Uint8Array.of(136, 0, 0, 0, 0x60, 0, 0, 0, ...target, 2, 1, ...PEER_MAC);
  const addresses = { family: 6, source: text(target), destination: text(frame.subarray(22, 38)) } as const;
  return ipFrame(addresses, 58, advert, 2);
}
