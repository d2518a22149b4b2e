import { IP4_DST, IP4_PROTOCOL, IP4_SRC, PROTOCOL_TCP, PROTOCOL_UDP, ip4IsFragment } from "../wire/ip4.js";
import { IP6_DST, IP6_HEADER_LEN, IP6_NEXT_HEADER, IP6_SRC } from "../wire/ip6.js";

function mix(a: number, b: number): number {
  const h = Math.imul(a ^ b, 0x9e3779b1 | 0);
  return h ^ (h >>> 15);
}

function finish(h: number): number {
  const a = Math.imul(h ^ (h >>> 16), 0x85ebca6b | 0);
  const b = Math.imul(a ^ (a >>> 13), 0xc2b2ae35 | 0);
  return b ^ (b >>> 16);
}

/**
 * A hash, int32, over source, destination, protocol and, for TCP and UDP, ports of the IPv4 packet at `off`, `len` bytes
 * of which are in the head. All fragments of a datagram hash alike: without ports.
 */
export function flowHash4(dv: DataView, off: number, len: number): number {
  const protocol = dv.getUint8(off + IP4_PROTOCOL);
  const h = mix(mix(dv.getInt32(off + IP4_SRC), protocol), dv.getInt32(off + IP4_DST));
  const l4 = (dv.getUint8(off) & 15) << 2;
  const hasPorts = (protocol === PROTOCOL_TCP || protocol === PROTOCOL_UDP) && len >= l4 + 4 && !ip4IsFragment(dv, off);
  return finish(hasPorts ? mix(h, dv.getInt32(off + l4)) : h);
}

/**
 * As {@link flowHash4} for the IPv6 packet at `off`. Ports are read when they follow the fixed header; behind extension
 * headers (fragments among them) the addresses and the next header have to do.
 */
export function flowHash6(dv: DataView, off: number, len: number): number {
  const protocol = dv.getUint8(off + IP6_NEXT_HEADER);
  let h = protocol;
  for (let at = off + IP6_SRC; at < off + IP6_DST + 16; at += 4) h = mix(h, dv.getInt32(at));
  const hasPorts = (protocol === PROTOCOL_TCP || protocol === PROTOCOL_UDP) && len >= IP6_HEADER_LEN + 4;
  return finish(hasPorts ? mix(h, dv.getInt32(off + IP6_HEADER_LEN)) : h);
}
