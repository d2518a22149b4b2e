import { type TcpFrame, tcpOfFrame } from "../../src/sim/tcp-frame.js";

/** A frame's fields by name: what two hosts' frames are compared by. Addresses and payloads are hexadecimal. */
export type Fields = Record<string, string | number | boolean>;

/** A frame as comparisons see it. */
export interface Decoded {
  /** "arp", "icmp4", "udp6", "tcp4", "fragment4", "ip6/253", "ethernet/88b5", ... */
  readonly kind: string;
  readonly fields: Fields;
  /** The segment, when it is one. */
  readonly tcp: TcpFrame | undefined;
}

/** Shorter frames hold no IPv4 header, no ARP packet. */
const LEAST_BYTES = 34;
const LEAST_IP6_BYTES = 54;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** One's complement sum of bytes. */
function sum(bytes: Uint8Array, start = 0): number {
  let total = start;
  for (let i = 0; i < bytes.length; i++) total += (i & 1) === 0 ? bytes[i] << 8 : bytes[i];
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

/** A slow, independent look at a frame: it shares no code with the stack but the TCP part. */
export function decode(frame: Uint8Array): Decoded {
  if (frame.length < LEAST_BYTES) return { kind: "short", fields: { bytes: hex(frame) }, tcp: undefined };
  const dv = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const ethernet = { dst: hex(frame.subarray(0, 6)), src: hex(frame.subarray(6, 12)) };
  const type = dv.getUint16(12);
  if (type === 0x806) return { kind: "arp", fields: { ...ethernet, ...arpFields(frame) }, tcp: undefined };
  if (type === 0x800) return decode4(frame, dv, ethernet);
  if (type === 0x86dd && frame.length >= LEAST_IP6_BYTES) return decode6(frame, dv, ethernet);
  return {
    kind: `ethernet/${type.toString(16)}`,
    fields: { ...ethernet, payload: hex(frame.subarray(14)) },
    tcp: undefined,
  };
}

function arpFields(frame: Uint8Array): Fields {
  return {
    header: hex(frame.subarray(14, 20)),
    opcode: frame[21],
    senderMac: hex(frame.subarray(22, 28)),
    senderIp: hex(frame.subarray(28, 32)),
    targetMac: hex(frame.subarray(32, 38)),
    targetIp: hex(frame.subarray(38, 42)),
  };
}

function decode4(frame: Uint8Array, dv: DataView, ethernet: Fields): Decoded {
  const headerLen = (frame[14] & 15) * 4;
  const end = 14 + dv.getUint16(16);
  const fragment = dv.getUint16(20);
  const protocol = frame[23];
  // The identification is the sender's own, and the header checksum follows from it: only its being right counts.
  const fields: Fields = {
    ...ethernet,
    source: hex(frame.subarray(26, 30)),
    destination: hex(frame.subarray(30, 34)),
    tos: frame[15],
    dontFragment: (fragment & 0x4000) !== 0,
    ttl: frame[22],
    protocol,
    options: hex(frame.subarray(34, 14 + headerLen)),
    headerSumIsRight: sum(frame.subarray(14, 14 + headerLen)) === 0xffff,
    isWhole: end <= frame.length,
  };
  const payload = frame.subarray(14 + headerLen, end);
  if ((fragment & 0x3fff) !== 0) {
    const cut = { more: (fragment & 0x2000) !== 0, offset: (fragment & 0x1fff) * 8, payload: hex(payload) };
    return { kind: "fragment4", fields: { ...fields, ...cut }, tcp: undefined };
  }
  const pseudo = sum(frame.subarray(26, 34), protocol + payload.length);
  return decodeUpper(frame, payload, 4, protocol, protocol === 1 ? 0 : pseudo, fields);
}

function decode6(frame: Uint8Array, dv: DataView, ethernet: Fields): Decoded {
  const end = 54 + dv.getUint16(18);
  let protocol = frame[20];
  let at = 54;
  // The flow label is the sender's own.
  const fields: Fields = {
    ...ethernet,
    source: hex(frame.subarray(22, 38)),
    destination: hex(frame.subarray(38, 54)),
    trafficClass: (dv.getUint16(14) >> 4) & 255,
    hopLimit: frame[21],
    isWhole: end <= frame.length,
  };
  if (protocol === 44) {
    const fragment = dv.getUint16(at + 2);
    if ((fragment & 0xfff9) !== 0) {
      const cut = { next: frame[at], more: (fragment & 1) !== 0, offset: fragment & 0xfff8 };
      return {
        kind: "fragment6",
        fields: { ...fields, ...cut, payload: hex(frame.subarray(at + 8, end)) },
        tcp: undefined,
      };
    }
    protocol = frame[at];
    at += 8;
  }
  const payload = frame.subarray(at, end);
  const pseudo = sum(frame.subarray(22, 54), protocol + payload.length);
  return decodeUpper(frame, payload, 6, protocol, pseudo, { ...fields, protocol });
}

function decodeUpper(
  frame: Uint8Array,
  payload: Uint8Array,
  family: 4 | 6,
  protocol: number,
  pseudo: number,
  fields: Fields,
): Decoded {
  const checksumIsRight = sum(payload, pseudo) === 0xffff;
  if (protocol === 6) return { kind: `tcp${family}`, fields: { ...fields, checksumIsRight }, tcp: tcpOfFrame(frame) };
  if (protocol === 17) {
    const udp = {
      ports: hex(payload.subarray(0, 4)),
      length: hex(payload.subarray(4, 6)),
      data: hex(payload.subarray(8)),
    };
    const hasNone = payload[6] === 0 && payload[7] === 0;
    return {
      kind: `udp${family}`,
      fields: { ...fields, ...udp, checksumIsRight: checksumIsRight && !hasNone },
      tcp: undefined,
    };
  }
  if (protocol === 1 || protocol === 58) {
    return {
      kind: `icmp${family}`,
      fields: { ...fields, checksumIsRight, ...icmpFields(payload, family) },
      tcp: undefined,
    };
  }
  return { kind: `ip${family}/${protocol}`, fields: { ...fields, payload: hex(payload) }, tcp: undefined };
}

/**
 * Errors quote the packet at fault: RFC 1122 3.2.2 wants its header and eight bytes, RFC 1812 4.3.2.3 up to 576, so for
 * IPv4 only the former is compared.
 */
function icmpFields(payload: Uint8Array, family: 4 | 6): Fields {
  const type = payload[0];
  const isError = family === 6 ? type < 128 : [3, 4, 5, 11, 12].includes(type);
  const body = payload.subarray(8);
  const quoted = isError && family === 4 ? body.subarray(0, (body[0] & 15) * 4 + 8) : body;
  return { type, code: payload[1], word: hex(payload.subarray(4, 8)), body: hex(quoted) };
}
