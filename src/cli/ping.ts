import type { Host } from "../../nodes/host.js";
import { F_IP6, F_LOCAL_ORIGIN, M_DATA, M_FIB, M_FLAGS, M_LEN, M_TX_IF } from "../graph/packet-pool.js";
import type { IpAddress } from "../ip/address.js";
import { ICMP4_ECHO_REQUEST, ICMP4_HEADER_LEN, icmp4Emit, icmp4EmitChecksum } from "../wire/icmp4.js";
import { ICMP6_ECHO_REQUEST, icmp6Emit, icmp6EmitChecksum } from "../wire/icmp6.js";
import { IP4_HEADER_LEN, ip4Emit, PROTOCOL_ICMP4, PROTOCOL_ICMP6 } from "../wire/ip4.js";
import { IP6_DST, IP6_HEADER_LEN, IP6_SRC, ip6Emit, ip6EmitAddress } from "../wire/ip6.js";

/** Most data bytes of an echo request, so that the packet fits 65,535 bytes. */
export const MAX_ECHO_BYTES = 65_507;

/** An echo request to send. */
export interface EchoRequest {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** FIB index of the destination's family. */
  readonly fib: number;
  /** Interface for destinations of link scope, -1: the default one. */
  readonly ifIndex: number;
  /** 0 to 65535 each. */
  readonly id: number;
  readonly seq: number;
  /** Data bytes, 0 to {@link MAX_ECHO_BYTES}. */
  readonly bytes: number;
}

/** Puts an echo request on its way to the lookup node. False when no packet buffer is free. */
export function sendEcho(host: Host, request: EchoRequest): boolean {
  const { pool, engine } = host;
  const { u8, i32, dv } = host.window;
  const { source, destination, fib, ifIndex, id, seq, bytes } = request;
  const isIp6 = destination.family === 6;
  const header = isIp6 ? IP6_HEADER_LEN : IP4_HEADER_LEN;
  const length = header + ICMP4_HEADER_LEN + bytes;
  const b = pool.allocFor(length);
  if (b < 0) return false;
  const m = pool.meta + (b << 4);
  const ip = i32[m + M_DATA];
  const icmp = ip + header;
  // A pattern that shows bytes out of place.
  for (let i = 0; i < bytes; i++) u8[icmp + ICMP4_HEADER_LEN + i] = i;
  const rest = (id << 16) | seq;
  const { hopLimit } = host.ip.settings;
  if (isIp6) {
    ip6Emit(dv, ip, 0, 0, length - header, PROTOCOL_ICMP6, hopLimit);
    emitWords(dv, ip + IP6_SRC, source.words);
    emitWords(dv, ip + IP6_DST, destination.words);
    icmp6Emit(dv, icmp, ICMP6_ECHO_REQUEST, 0, rest);
    icmp6EmitChecksum(dv, u8, i32, ip, icmp, length - header);
  } else {
    const [src, dst] = [source.words[0], destination.words[0]];
    const ident = host.ip.ident.next4(src, dst, PROTOCOL_ICMP4);
    ip4Emit(dv, ip, 0, length, ident, 0, hopLimit, PROTOCOL_ICMP4, src, dst);
    icmp4Emit(dv, icmp, ICMP4_ECHO_REQUEST, 0, rest);
    icmp4EmitChecksum(dv, u8, i32, icmp, length - header);
  }
  i32[m + M_LEN] = length;
  i32[m + M_FIB] = fib;
  i32[m + M_TX_IF] = ifIndex;
  i32[m + M_FLAGS] = F_LOCAL_ORIGIN | (isIp6 ? F_IP6 : 0);
  engine.inject(isIp6 ? "ip6-lookup" : "ip4-lookup", b);
  return true;
}

function emitWords(dv: DataView, at: number, [w0, w1, w2, w3]: Int32Array): void {
  ip6EmitAddress(dv, at, w0, w1, w2, w3);
}
