import type { FuzzDevice, Sent } from "./fuzz-device.js";
import { OUR4, OUR6 } from "./frames.js";
import { checksumAt, pseudoSum, sumOf } from "./repair.js";
import { tcpFault } from "./verify-tcp.js";

const MAX_FAULTS = 20;
/** So many equal poison bytes in a row are no accident: mutation fills fewer. */
const POISON_RUN = 24;
const POISON = 0xdb;

const ICMP4_SENT = new Set([0, 3, 8, 11, 12]);
const ICMP6_SENT = new Set([1, 2, 3, 4, 128, 129, 135, 136]);

/** Fragments of one datagram of the host that have been sent. */
interface Pieces {
  readonly frame: Uint8Array;
  readonly payload: Uint8Array;
  have: number;
  total: number;
}

/**
 * Looks at every frame that the host sends: lengths, checksums, addresses, options, all as the RFCs have them. Of what
 * is forwarded only the IP header is the host's business.
 */
export class SentVerifier {
  /** What was wrong, at most 20. */
  readonly faults: string[] = [];
  /** Frames seen: all, and those that the host made. */
  frames = 0;
  own = 0;
  /** Sum over what is sent, in order: equal runs have equal ones. */
  digest = 0;
  /** Datagrams of the host put together again from its fragments. */
  reassembled = 0;
  /** Packets for any address were taken once: answers may come from any. */
  speaksForOthers = false;
  readonly #pieces = new Map<string, Pieces>();

  /** Watches a device. */
  watch(device: FuzzDevice, then: (frame: Uint8Array) => void): void {
    device.onSent = (sent) => {
      this.frames++;
      if (sent.isOwn) this.own++;
      this.digest = (Math.imul(this.digest, 31) + sumOf(sent.frame, 0, sent.frame.length)) | 0;
      const fault = this.#faultOf(device, sent);
      if (fault !== "" && this.faults.length < MAX_FAULTS) {
        this.faults.push(`${fault}: ${Buffer.from(sent.frame.subarray(0, 160)).toString("hex")}`);
      }
      then(sent.frame);
    };
  }

  #faultOf(device: FuzzDevice, sent: Sent): string {
    const { frame } = sent;
    if (frame.length < 14) return "no Ethernet header";
    if (isPoisoned(frame)) return "freed memory";
    if (sent.gso === 0 && frame.length > device.mtu + 14) return `longer than the MTU: ${frame.length}`;
    for (let i = 0; i < 6; i++) if (frame[6 + i] !== device.mac[i]) return "hardware address of another station";
    const type = (frame[12] << 8) | frame[13];
    if (type === 0x0806) return arpFault(frame, device);
    if (type === 0x0800) return this.#ip4(sent, device);
    return type === 0x86dd ? this.#ip6(sent, device) : `type ${type}`;
  }

  #ip4(sent: Sent, device: FuzzDevice): string {
    const { frame } = sent;
    const headerBytes = (frame[14] & 15) * 4;
    if (frame[14] >> 4 !== 4 || headerBytes < 20 || frame.length < 14 + headerBytes) return "ip4 header";
    if (((frame[16] << 8) | frame[17]) !== frame.length - 14) return "ip4 total length";
    if (sumOf(frame, 14, 14 + headerBytes) !== 0xffff) return "ip4 checksum";
    if (frame[22] === 0) return "ttl 0";
    if ((frame[20] & 0x80) !== 0 && sent.isOwn) return "ip4 reserved bit";
    const isGroup = frame[30] >= 224 || frame[33] === 255;
    if ((frame[0] & 1) !== 0 && !isGroup) return "unicast ip4 packet in a link-layer group";
    if (!sent.isOwn) return "";
    if (headerBytes !== 20) return "ip4 options of our own";
    if (!this.speaksForOthers && !OUR4.includes((frame[26] << 24) | (frame[27] << 16) | (frame[28] << 8) | frame[29]))
      return "ip4 source";
    if (frame[22] !== 64) return "ttl";
    const fragment = (frame[20] << 8) | frame[21];
    if ((fragment & 0x3fff) === 0) return transportFault(sent, device, false, frame[23], 34);
    const id = `4 ${frame.subarray(18, 20).join()} ${frame.subarray(26, 34).join()} ${frame[23]}`;
    return this.#piece(id, frame, frame[23], 34, (fragment & 0x1fff) * 8, (fragment & 0x2000) !== 0, false, device);
  }

  #ip6(sent: Sent, device: FuzzDevice): string {
    const { frame } = sent;
    if (frame.length < 54 || frame[14] >> 4 !== 6) return "ip6 header";
    if (((frame[18] << 8) | frame[19]) !== frame.length - 54) return "ip6 payload length";
    if (frame[21] === 0) return "hop limit 0";
    if ((frame[0] & 1) !== 0 && frame[38] !== 0xff) return "unicast ip6 packet in a link-layer group";
    if (!sent.isOwn) return "";
    if (!this.speaksForOthers && !OUR6.some((own) => isAddress(frame, 22, own))) return "ip6 source";
    const isNd = frame[20] === 58 && frame[54] >= 133 && frame[54] <= 137;
    if (frame[21] !== (isNd ? 255 : 64)) return "hop limit";
    if (frame[20] !== 44) return transportFault(sent, device, true, frame[20], 54);
    if (frame.length < 63) return "ip6 fragment without data";
    if (frame[55] !== 0 || (frame[57] & 6) !== 0) return "reserved bits of a fragment header";
    const field = (frame[56] << 8) | frame[57];
    const id = `6 ${frame.subarray(58, 62).join()} ${frame.subarray(22, 54).join()}`;
    return this.#piece(id, frame, frame[54], 62, field & 0xfff8, (field & 1) !== 0, true, device);
  }

  /** Puts fragments of the host together; the whole is judged as if it had been sent so. */
  #piece(
    id: string,
    frame: Uint8Array,
    protocol: number,
    at: number,
    offset: number,
    more: boolean,
    isIp6: boolean,
    device: FuzzDevice,
  ): string {
    const bytes = frame.length - at;
    if (bytes === 0 || (more && (bytes & 7) !== 0)) return "length of a fragment";
    if (offset + bytes > 65535) return "fragment beyond 65535 bytes";
    // What a busy device did not take leaves gaps for ever.
    if (this.#pieces.size > 64) this.#pieces.clear();
    let pieces = this.#pieces.get(id);
    if (pieces === undefined || offset === 0) {
      pieces = { frame: frame.slice(0, isIp6 ? 54 : 34), payload: new Uint8Array(65535), have: 0, total: -1 };
      this.#pieces.set(id, pieces);
    }
    pieces.payload.set(frame.subarray(at), offset);
    pieces.have += bytes;
    if (!more) pieces.total = offset + bytes;
    if (pieces.have !== pieces.total) return "";
    this.#pieces.delete(id);
    this.reassembled++;
    const header = pieces.frame;
    const whole = new Uint8Array(header.length + pieces.total);
    whole.set(header);
    whole.set(pieces.payload.subarray(0, pieces.total), header.length);
    const sent: Sent = { frame: whole, isOwn: true, partialAt: -1, gso: 0 };
    const fault = transportFault(sent, device, isIp6, protocol, header.length);
    return fault === "" ? "" : `reassembled: ${fault}`;
  }
}

function isPoisoned(frame: Uint8Array): boolean {
  for (let i = POISON_RUN - 1; i < frame.length; i += POISON_RUN) {
    if (frame[i] !== POISON) continue;
    let from = i;
    let to = i;
    while (from > 0 && frame[from - 1] === POISON) from--;
    while (to + 1 < frame.length && frame[to + 1] === POISON) to++;
    if (to - from + 1 >= POISON_RUN) return true;
  }
  return false;
}

function isAddress(frame: Uint8Array, at: number, words: readonly number[]): boolean {
  for (let w = 0; w < 4; w++) {
    const i = at + w * 4;
    const word = (frame[i] << 24) | (frame[i + 1] << 16) | (frame[i + 2] << 8) | frame[i + 3];
    if (word !== words[w]) return false;
  }
  return true;
}

function arpFault(frame: Uint8Array, device: FuzzDevice): string {
  if (frame.length !== 42) return `arp of ${frame.length} bytes`;
  const fixed = [0, 1, 8, 0, 6, 4, 0];
  if (fixed.some((byte, i) => frame[14 + i] !== byte) || (frame[21] !== 1 && frame[21] !== 2)) return "arp header";
  for (let i = 0; i < 6; i++) if (frame[22 + i] !== device.mac[i]) return "arp sender";
  if (!OUR4.includes((frame[28] << 24) | (frame[29] << 16) | (frame[30] << 8) | frame[31])) return "arp sender address";
  if (frame[21] === 2 && (frame[0] & 1) !== 0) return "arp reply to a group";
  return "";
}

/** What is wrong with the transport part at `at` of a packet of the host's own; "" when nothing is. */
function transportFault(sent: Sent, device: FuzzDevice, isIp6: boolean, protocol: number, at: number): string {
  const { frame, partialAt, gso } = sent;
  const bytes = frame.length - at;
  const field = checksumAt(protocol, isIp6);
  if (field < 0 || bytes < 8) return `protocol ${protocol} of ${bytes} bytes`;
  const pseudo = pseudoSum(frame, isIp6, protocol, bytes);
  if (partialAt >= 0) {
    if (!device.offloads.checksum) return "unfinished checksum on a device that finishes none";
    if (protocol !== 6 && protocol !== 17) return `unfinished checksum of protocol ${protocol}`;
    if (partialAt !== at) return `unfinished checksum at ${partialAt}`;
    if (((frame[at + field] << 8) | frame[at + field + 1]) !== pseudo) return "sum of the pseudo header";
  } else if (sumOf(frame, at, frame.length, pseudo) !== 0xffff) return `checksum of protocol ${protocol}`;
  if (gso !== 0 && !(protocol === 6 ? device.offloads.tso : device.offloads.uso)) return "superframe";
  if (protocol === 6) return tcpFault(frame, at, gso, device.mtu);
  if (protocol === 17) {
    if (((frame[at + 4] << 8) | frame[at + 5]) !== bytes) return "udp length";
    return frame[at + 6] === 0 && frame[at + 7] === 0 ? "udp without checksum" : "";
  }
  return icmpFault(frame, at, isIp6, device);
}

function icmpFault(frame: Uint8Array, at: number, isIp6: boolean, device: FuzzDevice): string {
  const type = frame[at];
  if (!(isIp6 ? ICMP6_SENT : ICMP4_SENT).has(type)) return `icmp type ${type}`;
  const isError = isIp6 ? type < 128 : type !== 0 && type !== 8;
  if (isError) {
    if (frame.length - 14 > (isIp6 ? 1280 : 576)) return "icmp error too long";
    if (frame[at + 8] >> 4 !== (isIp6 ? 6 : 4) || frame.length - at - 8 < (isIp6 ? 40 : 20)) return "icmp quote";
    return (isIp6 ? frame[38] === 0xff : frame[30] >= 224) ? "icmp error to a group" : "";
  }
  // A reply has the code of its request, which nobody looks at.
  if (!isIp6 || type < 135) return "";
  if (frame.length !== at + 32 || frame[at + 1] !== 0) return "nd length";
  if (frame[at + 8] === 0xff) return "nd target is a group";
  if (frame[at + 24] !== (type === 135 ? 1 : 2) || frame[at + 25] !== 1) return "nd option";
  for (let i = 0; i < 6; i++) if (frame[at + 26 + i] !== device.mac[i]) return "nd link-layer address";
  return "";
}
