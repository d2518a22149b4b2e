import type { InterfaceTable } from "../device/interface.js";
import {
  type BufferIndex,
  F_IP6,
  F_LOCAL_ORIGIN,
  M_DATA,
  M_FLAGS,
  M_L3,
  M_LEN,
  M_TX_IF,
  type PacketPool,
} from "../graph/packet-pool.js";
import { ARP_REQUEST, arpEmit } from "../wire/arp.js";
import { ETH_HEADER_LEN, ETHERTYPE_ARP, ETHERTYPE_IP6, ethEmit } from "../wire/ethernet.js";
import { icmp6EmitChecksum } from "../wire/icmp6.js";
import { PROTOCOL_ICMP6 } from "../wire/ip4.js";
import { IP6_DST, IP6_HEADER_LEN, IP6_SRC, ip6Emit, ip6EmitAddress } from "../wire/ip6.js";
import { ND_NEIGHBOR_LEN, ndEmitSolicitation } from "../wire/nd.js";
import { ND_LINK_OPTION_LEN, ND_OPTION_SOURCE_LINK, ndEmitLink } from "../wire/nd-options.js";
import type { InterfaceAddresses } from "./interface-address.js";
import {
  N_ADDRESS,
  N_FAMILY,
  N_IF,
  N_MAC_HI,
  N_MAC_LO,
  N_STATE,
  NB_PROBE,
  type NeighbourIndex,
  type NeighbourRows,
} from "./neighbour-rows.js";

/** {@link makeSolicitation}: the pool is exhausted. */
export const SOLICIT_NO_BUFFER = -1;
/** {@link makeSolicitation}: the interface has no address of the family, or is gone. */
export const SOLICIT_NO_SOURCE = -2;

/** What a solicitation is made from. */
export interface SolicitationParts {
  readonly pool: PacketPool;
  readonly interfaces: InterfaceTable;
  readonly addresses: InterfaceAddresses;
  readonly rows: NeighbourRows;
}

/**
 * An Ethernet frame for interface-output that asks for the neighbour: an ARP request, or a neighbor solicitation with our
 * link-layer address (RFC 4861 7.2.2); to the neighbour itself while it is being probed, else to all or to its
 * solicited-node group. A fresh buffer, or SOLICIT_NO_BUFFER or SOLICIT_NO_SOURCE.
 */
export function makeSolicitation(parts: SolicitationParts, row: NeighbourIndex): BufferIndex {
  const { pool, rows } = parts;
  const { dv, i32 } = pool.window;
  const iface = parts.interfaces.at(rows.get(row, N_IF));
  if (iface === undefined) return SOLICIT_NO_SOURCE;
  const isIp4 = rows.get(row, N_FAMILY) === 4;
  const w0 = rows.get(row, N_ADDRESS);
  const w1 = rows.get(row, N_ADDRESS + 1);
  const w2 = rows.get(row, N_ADDRESS + 2);
  const w3 = rows.get(row, N_ADDRESS + 3);
  const source4 = isIp4 ? parts.addresses.source4(iface.index, w0) : 0;
  const source6 = isIp4 ? undefined : parts.addresses.source6(iface.index, w0, w1, w2, w3);
  if (source4 === 0 && source6 === undefined) return SOLICIT_NO_SOURCE;
  const b = pool.alloc();
  if (b < 0) return SOLICIT_NO_BUFFER;
  const unicast = rows.get(row, N_STATE) === NB_PROBE;
  const ourHi = iface.macHigh >>> 16;
  const ourLo = (iface.macHigh << 16) | iface.macLow;
  const groupHi = isIp4 ? 0xffff : 0x3333;
  const groupLo = isIp4 ? -1 : 0xff00_0000 | (w3 & 0xff_ffff);
  const m = pool.meta + (b << 4);
  const data = i32[m + M_DATA];
  const l3 = data + ETH_HEADER_LEN;
  const dstHi = unicast ? rows.get(row, N_MAC_HI) : groupHi;
  const dstLo = unicast ? rows.get(row, N_MAC_LO) : groupLo;
  ethEmit(dv, data, dstHi, dstLo, ourHi, ourLo, isIp4 ? ETHERTYPE_ARP : ETHERTYPE_IP6);
  let bytes = 0;
  if (source6 === undefined) bytes = arpEmit(dv, l3, ARP_REQUEST, ourHi, ourLo, source4, 0, 0, w0);
  else {
    bytes = IP6_HEADER_LEN + ND_NEIGHBOR_LEN + ND_LINK_OPTION_LEN;
    const icmp = l3 + IP6_HEADER_LEN;
    ip6Emit(dv, l3, 0, 0, bytes - IP6_HEADER_LEN, PROTOCOL_ICMP6, 255);
    ip6EmitAddress(dv, l3 + IP6_SRC, source6[0], source6[1], source6[2], source6[3]);
    if (unicast) ip6EmitAddress(dv, l3 + IP6_DST, w0, w1, w2, w3);
    else ip6EmitAddress(dv, l3 + IP6_DST, 0xff02_0000 | 0, 0, 1, groupLo);
    ndEmitSolicitation(dv, icmp, w0, w1, w2, w3);
    ndEmitLink(dv, icmp + ND_NEIGHBOR_LEN, ND_OPTION_SOURCE_LINK, ourHi, ourLo);
    icmp6EmitChecksum(dv, pool.window.u8, i32, l3, icmp, bytes - IP6_HEADER_LEN);
  }
  i32[m + M_LEN] = ETH_HEADER_LEN + bytes;
  i32[m + M_L3] = l3;
  i32[m + M_TX_IF] = iface.index;
  i32[m + M_FLAGS] = isIp4 ? F_LOCAL_ORIGIN : F_LOCAL_ORIGIN | F_IP6;
  return b;
}
