import type { Frame } from "../src/graph/frame.js";
import { type NodeForm, type NodeRuntime, nodeErrors } from "../src/graph/node.js";
import { F_L2_MULTICAST, M_DATA, M_ERROR, M_FLAGS, M_L3, M_LEN, M_RX_IF } from "../src/graph/packet-pool.js";
import {
  ETH_HEADER_LEN,
  ETH_TAG_LEN,
  ETH_TYPE,
  ETHERTYPE_ARP,
  ETHERTYPE_IP4,
  ETHERTYPE_IP6,
  ETHERTYPE_MIN,
  ETHERTYPE_QINQ,
  ETHERTYPE_VLAN,
  ethVlanId,
} from "../src/wire/ethernet.js";
import { formatMac } from "../src/device/format-mac.js";
import type { Host } from "./host.js";

const errors = nodeErrors({
  too_short: ["error", "frame < 14 bytes"],
  l3_mac_mismatch: ["info", "frame for another station"],
  unwanted_multicast: ["info", "multicast group not listened to"],
  tag_truncated: ["error", "802.1Q tag not followed by a type"],
  unknown_vlan: ["info", "unknown vlan"],
  dot1ad: ["info", "802.1ad tag"],
  bad_llc_length: ["error", "llc length > packet length"],
  llc: ["info", "802.3 frame: no llc protocol is known"],
  unknown_type: ["info", "unknown ethernet type"],
});
const E = errors.index;

const next = ["drop", "ip4-input", "ip6-input", "arp-input"] as const;
const NEXT_DROP = 0;
const NEXT_IP4 = 1;
const NEXT_IP6 = 2;
const NEXT_ARP = 3;

/** Answers of {@link strip}: not an error, and not a tag that is stripped. */
const STRIPPED = -1;

/**
 * Takes off the 802.1Q tag that [data, data + len) has when it only carries a priority (VLAN 0). The addresses move up
 * behind it, so that the network header again has 14 bytes of Ethernet directly in front. STRIPPED, or an error.
 */
function strip(dv: DataView, u8: Uint8Array, data: number, len: number): number {
  if (len < ETH_HEADER_LEN + ETH_TAG_LEN) return E.tag_truncated;
  if (ethVlanId(dv.getUint16(data + ETH_HEADER_LEN)) !== 0) return E.unknown_vlan;
  u8.copyWithin(data + ETH_TAG_LEN, data, data + ETH_TYPE);
  return STRIPPED;
}

/** Why a frame of this type (and not IP or ARP) is dropped; `rest` bytes follow its header. */
function refusal(type: number, rest: number): number {
  if (type === ETHERTYPE_VLAN) return E.unknown_vlan;
  if (type === ETHERTYPE_QINQ) return E.dot1ad;
  if (type >= ETHERTYPE_MIN) return E.unknown_type;
  return type > rest ? E.bad_llc_length : E.llc;
}

/**
 * ethernet-input: takes frames for this station (own address, broadcast, IP multicast; all of them on a promiscuous
 * interface) off their Ethernet header and tells them apart by type.
 */
export const ethernetInput: NodeForm<Host> = {
  name: "ethernet-input",
  next,
  errors: errors.list,
  trace: {
    bytes: 18,
    format: (dv, length) => {
      if (length < ETH_HEADER_LEN) return "truncated";
      const type = dv.getUint16(ETH_TYPE).toString(16).padStart(4, "0");
      return `${formatMac(dv, 6)} -> ${formatMac(dv, 0)} type 0x${type}`;
    },
  },
  process: (host) => {
    const { u8, i32, dv } = host.window;
    const { meta } = host.pool;
    const { interfaces } = host;

    return (frame: Frame, node: NodeRuntime) => {
      const { buffers, next: nexts, count } = frame;
      const { errorBase } = node;
      let ifIndex = -1;
      let macHigh = 0;
      let macLow = 0;
      let promiscuous = false;
      for (let i = 0; i < count; i++) {
        const m = meta + (buffers[i] << 4);
        let data = i32[m + M_DATA];
        let len = i32[m + M_LEN];
        if (i32[m + M_RX_IF] !== ifIndex) {
          ifIndex = i32[m + M_RX_IF];
          const iface = interfaces.at(ifIndex);
          macHigh = iface === undefined ? 0 : iface.macHigh;
          macLow = iface === undefined ? 0 : iface.macLow;
          promiscuous = iface !== undefined && iface.promiscuous;
        }
        let error = -1;
        let to = NEXT_DROP;
        if (len < ETH_HEADER_LEN) error = E.too_short;
        else {
          const high = dv.getInt32(data);
          const low = dv.getUint16(data + 4);
          if (high !== macHigh || low !== macLow) {
            if ((high & 0x0100_0000) !== 0) {
              i32[m + M_FLAGS] |= F_L2_MULTICAST;
              // 33:33:* (RFC 2464), 01:00:5e:0* (RFC 1112), broadcast.
              const known =
                high >>> 16 === 0x3333 || (high & 0xffff_ff80) === 0x0100_5e00 || (high === -1 && low === 0xffff);
              if (!known && !promiscuous) error = E.unwanted_multicast;
            } else if (!promiscuous) error = E.l3_mac_mismatch;
          }
          let type = dv.getUint16(data + ETH_TYPE);
          if (error < 0 && type === ETHERTYPE_VLAN) {
            error = strip(dv, u8, data, len);
            if (error < 0) {
              data += ETH_TAG_LEN;
              len -= ETH_TAG_LEN;
              type = dv.getUint16(data + ETH_TYPE);
            }
          }
          if (error < 0) {
            if (type === ETHERTYPE_IP4) to = NEXT_IP4;
            else if (type === ETHERTYPE_IP6) to = NEXT_IP6;
            else if (type === ETHERTYPE_ARP) to = NEXT_ARP;
            else error = refusal(type, len - ETH_HEADER_LEN);
          }
        }
        if (error < 0) {
          data += ETH_HEADER_LEN;
          i32[m + M_DATA] = data;
          i32[m + M_L3] = data;
          i32[m + M_LEN] = len - ETH_HEADER_LEN;
        } else i32[m + M_ERROR] = errorBase + error;
        nexts[i] = to;
      }
    };
  },
};
