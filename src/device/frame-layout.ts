import { ETH_HEADER_LEN, ETH_TAG_LEN, ETH_TYPE, ETHERTYPE_IP6, ethIsTag } from "../wire/ethernet.js";
import { IP4_PROTOCOL, PROTOCOL_TCP, PROTOCOL_UDP } from "../wire/ip4.js";
import { IP6_HEADER_LEN, IP6_NEXT_HEADER } from "../wire/ip6.js";
import { TCP_CHECKSUM } from "../wire/tcp.js";
import { UDP_CHECKSUM } from "../wire/udp.js";

/** Extension headers that a software offload is willing to walk. */
const MAX_EXTENSIONS = 8;

/** Offset of the network header of the Ethernet frame at `data`: behind the header and at most one tag. */
export function networkOffset(dv: DataView, data: number): number {
  return ethIsTag(dv.getUint16(data + ETH_TYPE)) ? data + ETH_HEADER_LEN + ETH_TAG_LEN : data + ETH_HEADER_LEN;
}

/** Whether the network header at `l3` of an Ethernet frame is IPv6. */
export function isIp6Frame(dv: DataView, l3: number): boolean {
  return dv.getUint16(l3 - 2) === ETHERTYPE_IP6;
}

/**
 * The protocol of the transport header at `l4` of a packet whose IP header is at `l3`; -1 when the headers between do
 * not lead there. For software that stands in for a device: the packet came from this stack, or from a device that
 * has looked at it.
 */
export function transportProtocol(dv: DataView, l3: number, l4: number, isIp6: boolean): number {
  if (!isIp6) return l4 === l3 + ((dv.getUint8(l3) & 15) << 2) ? dv.getUint8(l3 + IP4_PROTOCOL) : -1;
  let protocol = dv.getUint8(l3 + IP6_NEXT_HEADER);
  let at = l3 + IP6_HEADER_LEN;
  for (let i = 0; i < MAX_EXTENSIONS && at < l4; i++) {
    protocol = dv.getUint8(at);
    at += (dv.getUint8(at + 1) + 1) << 3;
  }
  return at === l4 ? protocol : -1;
}

/** Where `protocol` has its checksum field, bytes from its header; -1 when it has none that devices complete. */
export function checksumFieldAt(protocol: number): number {
  if (protocol === PROTOCOL_TCP) return TCP_CHECKSUM;
  return protocol === PROTOCOL_UDP ? UDP_CHECKSUM : -1;
}
