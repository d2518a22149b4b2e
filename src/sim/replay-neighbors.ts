import { checksumAdd, checksumFinish, checksumPseudo6 } from "../wire/checksum.js";
import {
  ARP_OK,
  ARP_OPCODE,
  ARP_REPLY,
  ARP_REQUEST,
  ARP_SENDER_IP,
  ARP_SENDER_MAC,
  ARP_TARGET_IP,
  ARP_TARGET_MAC,
  arpCheck,
  arpOpcode,
} from "../wire/arp.js";
import { ETH_HEADER_LEN, ETH_SRC, ETH_TYPE, ETHERTYPE_ARP, ETHERTYPE_IP6 } from "../wire/ethernet.js";
import {
  ICMP6_CHECKSUM,
  ICMP6_NEIGHBOR_ADVERTISEMENT,
  ICMP6_NEIGHBOR_SOLICITATION,
  ICMP6_TYPE,
} from "../wire/icmp6.js";
import { IP4_SRC, PROTOCOL_ICMP6 } from "../wire/ip4.js";
import {
  IP6_DST,
  IP6_HEADER_LEN,
  IP6_HOP_LIMIT,
  IP6_NEXT_HEADER,
  IP6_PAYLOAD_LEN,
  IP6_SRC,
  ip6EmitAddress,
  ip6IsUnspecified,
} from "../wire/ip6.js";
import { ND_FLAG_OVERRIDE, ND_FLAG_SOLICITED, ND_NEIGHBOR_LEN, ND_TARGET } from "../wire/nd.js";
import { addressKey, frameView, ipOfFrame } from "./tcp-frame.js";

/** Type of the target link-layer address option (RFC 4861 4.6.1). */
const TARGET_LINK_OPTION = 2;
const ADVERTISEMENT_LEN = ETH_HEADER_LEN + IP6_HEADER_LEN + ND_NEIGHBOR_LEN + 8;

/**
 * Answers a stack's ARP requests and neighbour solicitations for the hosts of a capture, which may hold no answer of
 * theirs, or one at a time when the recorded host asked and the stack does not.
 */
export class ReplayNeighbors {
  /** Hardware address of each IP address that sent something in the capture. */
  readonly #macs = new Map<string, Uint8Array>();

  /** Takes note of who sends a frame of the capture. */
  learn(frame: Uint8Array): void {
    const ip = ipOfFrame(frame);
    if (ip === undefined) return;
    const key = ip.isIp6 ? addressKey(frame, ip.at + IP6_SRC, 16) : addressKey(frame, ip.at + IP4_SRC, 4);
    this.#macs.set(key, frame.slice(ETH_SRC, ETH_SRC + 6));
  }

  /** The answer to a frame of the stack; undefined when it asks nothing, or for someone unknown. */
  answer(frame: Uint8Array): Uint8Array | undefined {
    const dv = frameView(frame);
    if (isArpRequest(frame, dv)) return this.#answerArp(frame, dv);
    const ipAt = solicitationAt(frame);
    return ipAt < 0 ? undefined : this.#answerSolicitation(frame, dv, ipAt);
  }

  #answerArp(frame: Uint8Array, dv: DataView): Uint8Array | undefined {
    const at = ETH_HEADER_LEN;
    const mac = this.#macs.get(addressKey(frame, at + ARP_TARGET_IP, 4));
    // A sender of 0.0.0.0 only probes whether the address is taken (RFC 5227 2.1).
    if (mac === undefined || dv.getInt32(at + ARP_SENDER_IP) === 0) return undefined;
    const reply = frame.slice();
    frameView(reply).setUint16(at + ARP_OPCODE, ARP_REPLY);
    reply.copyWithin(0, ETH_SRC, ETH_SRC + 6);
    reply.set(mac, ETH_SRC);
    reply.set(mac, at + ARP_SENDER_MAC);
    reply.set(frame.subarray(at + ARP_TARGET_IP, at + ARP_TARGET_IP + 4), at + ARP_SENDER_IP);
    reply.set(frame.subarray(at + ARP_SENDER_MAC, at + ARP_SENDER_MAC + 10), at + ARP_TARGET_MAC);
    return reply;
  }

  #answerSolicitation(frame: Uint8Array, dv: DataView, ipAt: number): Uint8Array | undefined {
    const targetAt = ipAt + IP6_HEADER_LEN + ND_TARGET;
    const mac = this.#macs.get(addressKey(frame, targetAt, 16));
    if (mac === undefined || ip6IsUnspecified(dv, ipAt + IP6_SRC)) return undefined;
    // A whole number of words, for the checksum.
    const words = new Int32Array((ADVERTISEMENT_LEN + 3) >> 2);
    const reply = new Uint8Array(words.buffer);
    const view = new DataView(words.buffer);
    const at = ETH_HEADER_LEN + IP6_HEADER_LEN;
    reply.set(frame.subarray(ETH_SRC, ETH_SRC + 6), 0);
    reply.set(mac, ETH_SRC);
    view.setUint16(ETH_TYPE, ETHERTYPE_IP6);
    reply[ETH_HEADER_LEN] = 0x60;
    view.setUint16(ETH_HEADER_LEN + IP6_PAYLOAD_LEN, ND_NEIGHBOR_LEN + 8);
    reply[ETH_HEADER_LEN + IP6_NEXT_HEADER] = PROTOCOL_ICMP6;
    reply[ETH_HEADER_LEN + IP6_HOP_LIMIT] = 255;
    copyAddress(view, ETH_HEADER_LEN + IP6_SRC, dv, targetAt);
    copyAddress(view, ETH_HEADER_LEN + IP6_DST, dv, ipAt + IP6_SRC);
    reply[at + ICMP6_TYPE] = ICMP6_NEIGHBOR_ADVERTISEMENT;
    reply[at + 4] = ND_FLAG_SOLICITED | ND_FLAG_OVERRIDE;
    copyAddress(view, at + ND_TARGET, dv, targetAt);
    reply[at + ND_NEIGHBOR_LEN] = TARGET_LINK_OPTION;
    reply[at + ND_NEIGHBOR_LEN + 1] = 1;
    reply.set(mac, at + ND_NEIGHBOR_LEN + 2);
    const pseudo = checksumPseudo6(view, ETH_HEADER_LEN, PROTOCOL_ICMP6, ND_NEIGHBOR_LEN + 8);
    const sum = checksumAdd(reply, words, at, ND_NEIGHBOR_LEN + 8, pseudo);
    view.setUint16(at + ICMP6_CHECKSUM, checksumFinish(sum));
    return reply.subarray(0, ADVERTISEMENT_LEN);
  }
}

function isArpRequest(frame: Uint8Array, dv: DataView): boolean {
  const at = ETH_HEADER_LEN;
  if (frame.length < at || dv.getUint16(ETH_TYPE) !== ETHERTYPE_ARP) return false;
  return arpCheck(dv, at, frame.length - at) === ARP_OK && arpOpcode(dv, at) === ARP_REQUEST;
}

/** Offset of the IP header of a neighbour solicitation, -1 for any other frame. */
function solicitationAt(frame: Uint8Array): number {
  const ip = ipOfFrame(frame);
  if (ip === undefined || !ip.isIp6 || ip.at !== ETH_HEADER_LEN) return -1;
  const at = ip.at + IP6_HEADER_LEN;
  const isWhole = frame[ip.at + IP6_NEXT_HEADER] === PROTOCOL_ICMP6 && frame.length >= at + ND_NEIGHBOR_LEN;
  return isWhole && frame[at + ICMP6_TYPE] === ICMP6_NEIGHBOR_SOLICITATION ? ip.at : -1;
}

/** Whether a frame is an ARP request or a neighbour solicitation. */
export function isNeighborQuestion(frame: Uint8Array): boolean {
  return isArpRequest(frame, frameView(frame)) || solicitationAt(frame) >= 0;
}

function copyAddress(to: DataView, toAt: number, from: DataView, at: number): void {
  const word = (i: number) => from.getInt32(at + 4 * i);
  ip6EmitAddress(to, toAt, word(0), word(1), word(2), word(3));
}
