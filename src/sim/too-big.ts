import { ETH_DST, ETH_SRC, ETHERTYPE_IP4, ETHERTYPE_IP6, ETH_HEADER_LEN, ethEmit } from "../wire/ethernet.js";
import { ICMP4_HEADER_LEN, ICMP4_UNREACHABLE, icmp4Emit, icmp4EmitChecksum, icmp4IsError } from "../wire/icmp4.js";
import { ICMP6_HEADER_LEN, ICMP6_PACKET_TOO_BIG, icmp6Emit, icmp6EmitChecksum, icmp6IsError } from "../wire/icmp6.js";
import { IP4_DST, IP4_HEADER_LEN, IP4_SRC, ip4Emit, PROTOCOL_ICMP4, PROTOCOL_ICMP6 } from "../wire/ip4.js";
import { IP6_DST, IP6_HEADER_LEN, IP6_SRC, ip6Emit } from "../wire/ip6.js";
import type { DecodedPacket } from "./decoded-packet.js";
import type { FramePool, SimFrame } from "./sim-frame.js";

/** RFC 792, RFC 1191 4: destination unreachable, fragmentation needed and DF set. */
const FRAGMENTATION_NEEDED = 4;
/** RFC 1812 4.3.2.3: an ICMP error is no longer than 576 bytes. */
const MAX_ERROR4_BYTES = 576;
/** RFC 4443 2.4(c): nor than the least MTU of IPv6. */
const MAX_ERROR6_BYTES = 1280;
/** RFC 1812 5.3.1: what routers set. */
const TTL = 64;
/** RFC 1812 4.3.2.5: precedence of ICMP errors, internetwork control. */
const TOS = 0xc0;
/** Hardware address of the routers in links: no host has it. */
const ROUTER_MAC_HI = 0x0257;
const ROUTER_MAC_LO = 0xffff_0001 | 0;

/**
 * What a router with a smaller next hop says to the sender of a packet: fragmentation needed (RFC 1191 4) or packet too
 * big (RFC 4443 3.2), with the next hop's MTU. Undefined when none may be sent (RFC 1122 3.2.2, RFC 4443 2.4(e)): for
 * errors, later fragments, groups, and IPv4 packets that may be cut.
 */
export function tooBigAnswer(pool: FramePool, packet: DecodedPacket, mtu: number): SimFrame | undefined {
  const { bytes, family, ipAt } = packet;
  if (family === 0 || packet.l4At < 0 || !packet.dontFragment || (bytes[ETH_DST] & 1) !== 0) return undefined;
  if (isIcmpError(packet) || isGroup(packet)) return undefined;
  const isIp6 = family === 6;
  const headers = isIp6 ? IP6_HEADER_LEN + ICMP6_HEADER_LEN : IP4_HEADER_LEN + ICMP4_HEADER_LEN;
  const quoted = Math.min(packet.ipLength, (isIp6 ? MAX_ERROR6_BYTES : MAX_ERROR4_BYTES) - headers);
  const frame = pool.take(ETH_HEADER_LEN + headers + quoted);
  const { dv } = frame;
  const from = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = isIp6 ? ETHERTYPE_IP6 : ETHERTYPE_IP4;
  ethEmit(dv, 0, from.getUint16(ETH_SRC), from.getInt32(ETH_SRC + 2), ROUTER_MAC_HI, ROUTER_MAC_LO, type);
  frame.bytes.set(bytes.subarray(ipAt, ipAt + quoted), ETH_HEADER_LEN + headers);
  if (isIp6) emit6(frame, from, ipAt, quoted, mtu);
  else emit4(frame, from, ipAt, quoted, mtu);
  return frame;
}

function isIcmpError({ bytes, protocol, l4At }: DecodedPacket): boolean {
  if (protocol === PROTOCOL_ICMP4) return icmp4IsError(bytes[l4At]);
  return protocol === PROTOCOL_ICMP6 && icmp6IsError(bytes[l4At]);
}

function isGroup({ bytes, family, ipAt }: DecodedPacket): boolean {
  return family === 4 ? bytes[ipAt + IP4_DST] >= 224 : bytes[ipAt + IP6_DST] === 0xff;
}

function emit4(frame: SimFrame, from: DataView, ipAt: number, quoted: number, mtu: number): void {
  const { dv, bytes } = frame;
  const i32 = new Int32Array(bytes.buffer);
  const at = ETH_HEADER_LEN + IP4_HEADER_LEN;
  const sender = from.getInt32(ipAt + IP4_SRC);
  const router = routerAddress(from.getInt32(ipAt + IP4_DST), sender);
  const total = IP4_HEADER_LEN + ICMP4_HEADER_LEN + quoted;
  ip4Emit(dv, ETH_HEADER_LEN, TOS, total, 0, 0, TTL, PROTOCOL_ICMP4, router, sender);
  icmp4Emit(dv, at, ICMP4_UNREACHABLE, FRAGMENTATION_NEEDED, mtu);
  icmp4EmitChecksum(dv, bytes, i32, at, ICMP4_HEADER_LEN + quoted);
}

function emit6(frame: SimFrame, from: DataView, ipAt: number, quoted: number, mtu: number): void {
  const { dv, bytes } = frame;
  const i32 = new Int32Array(bytes.buffer);
  const at = ETH_HEADER_LEN + IP6_HEADER_LEN;
  ip6Emit(dv, ETH_HEADER_LEN, 0, 0, ICMP6_HEADER_LEN + quoted, PROTOCOL_ICMP6, TTL);
  for (let i = 0; i < 16; i += 4) {
    dv.setInt32(ETH_HEADER_LEN + IP6_SRC + i, from.getInt32(ipAt + IP6_DST + i));
    dv.setInt32(ETH_HEADER_LEN + IP6_DST + i, from.getInt32(ipAt + IP6_SRC + i));
  }
  const last = ETH_HEADER_LEN + IP6_SRC + 12;
  dv.setInt32(last, routerAddress(dv.getInt32(last), from.getInt32(ipAt + IP6_SRC + 12)));
  icmp6Emit(dv, at, ICMP6_PACKET_TOO_BIG, 0, mtu);
  icmp6EmitChecksum(dv, bytes, i32, ETH_HEADER_LEN, at, ICMP6_HEADER_LEN + quoted);
}

/**
 * The router's address, by its last word: near the destination, as the router before a narrow last hop has one there, so
 * that the sender has a route to it and believes it. Neither of the two hosts'.
 */
function routerAddress(destination: number, sender: number): number {
  const high = (destination & 0xffff_ff00) | 254;
  return high === destination || high === sender ? high - 1 : high;
}
