import type { Frame } from "../src/graph/frame.js";
import { type NodeForm, type NodeRuntime, nodeErrors } from "../src/graph/node.js";
import { M_DATA, M_ERROR, M_L3, M_LEN } from "../src/graph/packet-pool.js";
import { formatIp4 } from "../src/ip/address.js";
import { formatMac } from "../src/device/format-mac.js";
import {
  ARP_BAD_HARDWARE,
  ARP_BAD_OPCODE,
  ARP_BAD_PROTOCOL,
  ARP_LEN,
  ARP_OK,
  ARP_REQUEST,
  ARP_SENDER_MAC,
  arpCheck,
  arpOpcode,
  arpSenderHi,
  arpSenderIp,
  arpSenderLo,
  arpTargetIp,
} from "../src/wire/arp.js";
import { ETH_HEADER_LEN, ethSrcHi, ethSrcLo, macIsGroup } from "../src/wire/ethernet.js";
import type { Host } from "./host.js";

const errors = nodeErrors({
  too_short: ["error", "ARP message < 28 bytes"],
  l2_type_not_ethernet: ["error", "L2 type not ethernet"],
  l3_type_not_ip4: ["error", "L3 type not IP4"],
  opcode_not_request: ["error", "ARP opcode neither request nor reply"],
  sender_not_unicast: ["error", "ARP sender hw addr is a group's, or zero"],
  l2_address_mismatch: ["error", "ARP hw addr does not match L2 frame src addr"],
});
const E = errors.index;

const next = ["drop", "arp-reply"] as const;
const NEXT_DROP = 0;
const NEXT_REPLY = 1;

/** Why the message is refused, -1 when it is sound: a request or reply for IPv4, sent by whom it says. */
function refusal(dv: DataView, arp: number, len: number, ethernet: number): number {
  const status = arpCheck(dv, arp, len);
  if (status === ARP_BAD_HARDWARE) return E.l2_type_not_ethernet;
  if (status === ARP_BAD_PROTOCOL) return E.l3_type_not_ip4;
  if (status === ARP_BAD_OPCODE) return E.opcode_not_request;
  if (status !== ARP_OK) return E.too_short;
  const hi = arpSenderHi(dv, arp);
  const lo = arpSenderLo(dv, arp);
  if (macIsGroup(hi) || (hi | lo) === 0) return E.sender_not_unicast;
  return hi === ethSrcHi(dv, ethernet) && lo === ethSrcLo(dv, ethernet) ? -1 : E.l2_address_mismatch;
}

/** arp-input: checks ARP messages (RFC 826). */
export const arpInput: NodeForm<Host> = {
  name: "arp-input",
  next,
  errors: errors.list,
  trace: {
    bytes: ARP_LEN,
    format: (dv, length) => {
      if (length < ARP_LEN) return "truncated";
      const who = `${formatMac(dv, ARP_SENDER_MAC)}/${formatIp4(arpSenderIp(dv, 0))}`;
      return `${arpOpcode(dv, 0) === ARP_REQUEST ? "request" : "reply"} ${who} -> ${formatIp4(arpTargetIp(dv, 0))}`;
    },
  },
  process: (host) => {
    const { i32, dv } = host.window;
    const { meta } = host.pool;

    return (frame: Frame, node: NodeRuntime) => {
      const { buffers, next: nexts, count } = frame;
      for (let i = 0; i < count; i++) {
        const m = meta + (buffers[i] << 4);
        const error = refusal(dv, i32[m + M_DATA], i32[m + M_LEN], i32[m + M_L3] - ETH_HEADER_LEN);
        nexts[i] = error < 0 ? NEXT_REPLY : NEXT_DROP;
        if (error >= 0) i32[m + M_ERROR] = node.errorBase + error;
      }
    };
  },
};
