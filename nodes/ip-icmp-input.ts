import type { Frame } from "../src/graph/frame.js";
import { type NodeForm, type NodeRuntime, nodeErrors } from "../src/graph/node.js";
import {
  type BufferIndex,
  F_CHECKSUM_PARTIAL,
  F_L4_CHECKSUM_OK,
  F_REASSEMBLED,
  M_DATA,
  M_ERROR,
  M_FLAGS,
  M_L3,
  M_LEN,
  M_TAIL,
  type PacketPool,
} from "../src/graph/packet-pool.js";
import { ICMP_TRACE } from "../src/ip/ip-trace.js";
import { sumPacket } from "../src/ip/l4-checksum.js";
import { checksumFinish, checksumPseudo6 } from "../src/wire/checksum.js";
import {
  ICMP4_CHECKSUM,
  ICMP4_ECHO_REPLY,
  ICMP4_ECHO_REQUEST,
  ICMP4_HEADER_LEN,
  ICMP4_PARAMETER_PROBLEM,
  ICMP4_REDIRECT,
  ICMP4_SOURCE_QUENCH,
  ICMP4_TIME_EXCEEDED,
  ICMP4_UNREACHABLE,
} from "../src/wire/icmp4.js";
import {
  ICMP6_ECHO_REPLY,
  ICMP6_ECHO_REQUEST,
  ICMP6_HEADER_LEN,
  ICMP6_MLD2_REPORT,
  ICMP6_MLD_QUERY,
  ICMP6_NEIGHBOR_ADVERTISEMENT,
  ICMP6_NEIGHBOR_SOLICITATION,
  ICMP6_PACKET_TOO_BIG,
  ICMP6_PARAMETER_PROBLEM,
  ICMP6_REDIRECT,
  ICMP6_ROUTER_ADVERTISEMENT,
  ICMP6_ROUTER_SOLICITATION,
  ICMP6_TIME_EXCEEDED,
  ICMP6_UNREACHABLE,
} from "../src/wire/icmp6.js";
import { PROTOCOL_ICMP6 } from "../src/wire/ip4.js";
import type { Host } from "./host.js";

const errors4 = nodeErrors({
  too_short: ["error", "icmp message < 8 bytes"],
  bad_checksum: ["error", "bad icmp checksum"],
  unknown_type: ["info", "unknown type"],
  redirect_ignored: ["info", "redirects, which are not followed"],
  source_quench_ignored: ["info", "source quenches, which are obsolete"],
});
const E4 = errors4.index;
const next4 = ["drop", "ip4-icmp-echo-request", "ip4-icmp-echo-reply", "ip4-icmp-error-input"] as const;

const errors6 = nodeErrors({
  too_short: ["error", "icmp6 message < 8 bytes"],
  bad_checksum: ["error", "bad icmp6 checksum"],
  unknown_type: ["info", "unknown type"],
  fragmented_nd: ["warn", "neighbor discovery in fragments"],
  router_solicitation_ignored: ["info", "router solicitations, which are for routers"],
  router_advertisement_ignored: ["info", "router advertisements, which are not followed"],
  redirect_ignored: ["info", "redirects, which are not followed"],
  mld_ignored: ["info", "multicast listener discovery"],
});
const E6 = errors6.index;
const next6 = [
  "drop",
  "ip6-icmp-echo-request",
  "ip6-icmp-echo-reply",
  "ip6-icmp-error-input",
  "icmp6-neighbor-solicitation",
  "icmp6-neighbor-advertisement",
] as const;
const NEXT_DROP = 0;
const NEXT_ECHO_REQUEST = 1;
const NEXT_ECHO_REPLY = 2;
const NEXT_ERROR_INPUT = 3;
const NEXT_SOLICITATION = 4;
const NEXT_ADVERTISEMENT = 5;

/** Next index by type, or -1 - error for types that end here. */
function typeTable4(): Int32Array {
  const table = new Int32Array(256).fill(-1 - E4.unknown_type);
  table[ICMP4_ECHO_REQUEST] = NEXT_ECHO_REQUEST;
  table[ICMP4_ECHO_REPLY] = NEXT_ECHO_REPLY;
  for (const type of [ICMP4_UNREACHABLE, ICMP4_TIME_EXCEEDED, ICMP4_PARAMETER_PROBLEM]) table[type] = NEXT_ERROR_INPUT;
  table[ICMP4_REDIRECT] = -1 - E4.redirect_ignored;
  table[ICMP4_SOURCE_QUENCH] = -1 - E4.source_quench_ignored;
  return table;
}

function typeTable6(): Int32Array {
  const table = new Int32Array(256).fill(-1 - E6.unknown_type);
  table[ICMP6_ECHO_REQUEST] = NEXT_ECHO_REQUEST;
  table[ICMP6_ECHO_REPLY] = NEXT_ECHO_REPLY;
  for (const type of [ICMP6_UNREACHABLE, ICMP6_PACKET_TOO_BIG, ICMP6_TIME_EXCEEDED, ICMP6_PARAMETER_PROBLEM]) {
    table[type] = NEXT_ERROR_INPUT;
  }
  table[ICMP6_NEIGHBOR_SOLICITATION] = NEXT_SOLICITATION;
  table[ICMP6_NEIGHBOR_ADVERTISEMENT] = NEXT_ADVERTISEMENT;
  table[ICMP6_ROUTER_SOLICITATION] = -1 - E6.router_solicitation_ignored;
  table[ICMP6_ROUTER_ADVERTISEMENT] = -1 - E6.router_advertisement_ignored;
  table[ICMP6_REDIRECT] = -1 - E6.redirect_ignored;
  for (let type = ICMP6_MLD_QUERY; type < ICMP6_ROUTER_SOLICITATION; type++) table[type] = -1 - E6.mld_ignored;
  table[ICMP6_MLD2_REPORT] = -1 - E6.mld_ignored;
  return table;
}

/**
 * Whether the checksum of the message of `bytes` at `l4` is right; `pseudo` is the sum of its pseudo header. What the
 * sender has left to its device is completed here: no device completes ICMP, should the message go out again as an echo.
 */
function checkSum(pool: PacketPool, b: BufferIndex, l4: number, bytes: number, pseudo: number): boolean {
  const { i32, dv } = pool.window;
  const m = pool.meta + (b << 4);
  const flags = i32[m + M_FLAGS];
  if ((flags & F_CHECKSUM_PARTIAL) !== 0) {
    dv.setUint16(l4 + ICMP4_CHECKSUM, 0);
    dv.setUint16(l4 + ICMP4_CHECKSUM, checksumFinish(sumPacket(pool, b, l4, bytes, pseudo)));
    i32[m + M_FLAGS] = flags & ~F_CHECKSUM_PARTIAL;
    return true;
  }
  return (flags & F_L4_CHECKSUM_OK) !== 0 || sumPacket(pool, b, l4, bytes, pseudo) === 0xffff;
}

/** ip4-icmp-input: verifies ICMP messages for this host and sends them on by type; unknown ones end here (RFC 1122 3.2.2). */
export const ip4IcmpInput: NodeForm<Host> = {
  name: "ip4-icmp-input",
  next: next4,
  errors: errors4.list,
  trace: ICMP_TRACE,
  process: (host) => {
    const { u8, i32 } = host.window;
    const { pool } = host;
    const { meta } = pool;
    const toOf = typeTable4();

    return (frame: Frame, node: NodeRuntime) => {
      const { buffers, next: nexts, count } = frame;
      for (let i = 0; i < count; i++) {
        const b = buffers[i];
        const m = meta + (b << 4);
        const l4 = i32[m + M_DATA];
        const len = i32[m + M_LEN];
        let to = toOf[u8[l4]];
        if (len < ICMP4_HEADER_LEN) to = -1 - E4.too_short;
        else if (!checkSum(pool, b, l4, len + (i32[m + M_TAIL] & 0xffffff), 0)) to = -1 - E4.bad_checksum;
        if (to < 0) {
          i32[m + M_ERROR] = node.errorBase - 1 - to;
          to = NEXT_DROP;
        }
        nexts[i] = to;
      }
    };
  },
};

/**
 * ip6-icmp-input: the twin, with the pseudo header (RFC 4443 2.3). Neighbor discovery is sent on only when it was not
 * fragmented (RFC 6980).
 */
export const ip6IcmpInput: NodeForm<Host> = {
  name: "ip6-icmp-input",
  next: next6,
  errors: errors6.list,
  trace: ICMP_TRACE,
  process: (host) => {
    const { u8, i32, dv } = host.window;
    const { pool } = host;
    const { meta } = pool;
    const toOf = typeTable6();

    return (frame: Frame, node: NodeRuntime) => {
      const { buffers, next: nexts, count } = frame;
      for (let i = 0; i < count; i++) {
        const b = buffers[i];
        const m = meta + (b << 4);
        const l4 = i32[m + M_DATA];
        const len = i32[m + M_LEN];
        const bytes = len + (i32[m + M_TAIL] & 0xffffff);
        const flags = i32[m + M_FLAGS];
        const type = u8[l4];
        let to = toOf[type];
        if (len < ICMP6_HEADER_LEN) to = -1 - E6.too_short;
        else if (!checkSum(pool, b, l4, bytes, checksumPseudo6(dv, i32[m + M_L3], PROTOCOL_ICMP6, bytes))) {
          to = -1 - E6.bad_checksum;
        }
        if (to >= NEXT_SOLICITATION && (flags & F_REASSEMBLED) !== 0) to = -1 - E6.fragmented_nd;
        if (to < 0) {
          i32[m + M_ERROR] = node.errorBase - 1 - to;
          to = NEXT_DROP;
        }
        nexts[i] = to;
      }
    };
  },
};
