import { M_CONN, M_DATA, M_L3, M_LEN } from "../graph/packet-pool.js";

/**
 * Asks ip4-icmp-error or ip6-icmp-error, to which the packet is then sent, for an error about it: writes the request to
 * M_CONN as `type << 24 | code << 16 | info` (`info`: MTU or pointer, 16 bits) and goes back to the IP header at M_L3.
 * `m` is the packet's metadata word index.
 */
export function requestIcmpError(i32: Int32Array, m: number, type: number, code: number, info: number): void {
  const back = i32[m + M_DATA] - i32[m + M_L3];
  i32[m + M_DATA] -= back;
  i32[m + M_LEN] += back;
  i32[m + M_CONN] = (type << 24) | (code << 16) | (info & 0xffff);
}
