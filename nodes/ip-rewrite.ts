import type { Frame } from "../src/graph/frame.js";
import { type NodeForm, type NodeRuntime, nodeErrors } from "../src/graph/node.js";
import {
  F_LOCAL_ORIGIN,
  GSO_UDP,
  M_ADJ,
  M_DATA,
  M_FLAGS,
  M_GSO,
  M_L3,
  M_LEN,
  M_TAIL,
  M_TX_IF,
} from "../src/graph/packet-pool.js";
import { A_IF, A_MTU, A_REWRITE, A_REWRITE_LEN, A_TYPE, ADJ_MULTICAST } from "../src/ip/adjacency.js";
import { isLinkLocal6 } from "../src/ip/address.js";
import { requestIcmpError } from "../src/ip/icmp-request.js";
import { ipTraceWithAdjacency } from "../src/ip/ip-trace.js";
import {
  ICMP4_FRAGMENTATION_NEEDED,
  ICMP4_TIME_EXCEEDED,
  ICMP4_TTL_EXCEEDED,
  ICMP4_UNREACHABLE,
} from "../src/wire/icmp4.js";
import {
  ICMP6_HOP_LIMIT_EXCEEDED,
  ICMP6_PACKET_TOO_BIG,
  ICMP6_TIME_EXCEEDED,
  ICMP6_UNREACHABLE,
} from "../src/wire/icmp6.js";
import { IP4_DF, IP4_DST, IP4_FRAGMENT } from "../src/wire/ip4.js";
import { IP6_DST, IP6_HEADER_LEN, IP6_HOP_LIMIT, IP6_SRC } from "../src/wire/ip6.js";
import { UDP_HEADER_LEN } from "../src/wire/udp.js";
import type { Host } from "./host.js";

const errors4 = nodeErrors({
  time_expired: ["info", "ip4 ttl <= 1"],
  mtu_exceeded: ["info", "ip4 packet > mtu and DF set"],
});
const E4 = errors4.index;
const errors6 = nodeErrors({
  time_expired: ["info", "ip6 hop limit <= 1"],
  mtu_exceeded: ["info", "ip6 packet > mtu"],
  beyond_scope: ["info", "ip6 link-local source cannot be forwarded"],
});
const E6 = errors6.index;

const next4 = ["interface-output", "ip4-icmp-error", "ip4-frag"] as const;
const next6 = ["interface-output", "ip6-icmp-error", "ip6-frag"] as const;
const NEXT_OUTPUT = 0;
const NEXT_ICMP_ERROR = 1;
const NEXT_FRAG = 2;

/** RFC 4443 3.1: beyond the scope of the source address. */
const ICMP6_BEYOND_SCOPE = 2;

/** Bytes of the largest packet that a superframe with this gso word and its network header of `l3Bytes` is cut into. */
function largestSegment(dv: DataView, l4: number, gso: number, l3Bytes: number): number {
  const l4Bytes = gso >>> 16 === GSO_UDP ? UDP_HEADER_LEN : (dv.getUint8(l4 + 12) >>> 4) << 2;
  return l3Bytes + l4Bytes + (gso & 0xffff);
}

/**
 * Puts the adjacency's rewrite in front of the packet whose IP header is at `ip`, and returns its length. Where the
 * header is 4-aligned it goes by words, over up to 6 bytes of headroom in front of it.
 */
function putRewrite(u8: Uint8Array, i32: Int32Array, a: number, ip: number): number {
  const length = i32[(a + A_REWRITE_LEN) | 0];
  if ((ip & 3) === 0 && length <= 16) {
    const to = ((ip >> 2) - 4) | 0;
    i32[to] = i32[(a + A_REWRITE + 1) | 0];
    i32[(to + 1) | 0] = i32[(a + A_REWRITE + 2) | 0];
    i32[(to + 2) | 0] = i32[(a + A_REWRITE + 3) | 0];
    i32[(to + 3) | 0] = i32[(a + A_REWRITE + 4) | 0];
  } else {
    const end = (a + A_REWRITE + 5) << 2;
    u8.copyWithin(ip - length, end - length, end);
  }
  return length;
}

/**
 * ip4-rewrite: counts a forwarded packet's time to live down, refuses or fragments what is too large for the link, and
 * puts the link-layer header of the adjacency in front.
 */
export const ip4Rewrite: NodeForm<Host> = {
  name: "ip4-rewrite",
  next: next4,
  errors: errors4.list,
  trace: ipTraceWithAdjacency(true),
  process: (host) => {
    const { u8, i32, dv } = host.window;
    const { meta } = host.pool;
    const adjBase = host.ip.adjacencies.base;
    const arc = host.engine.arc("ip4-output");
    const slots = arc.slotsOf("ip4-rewrite");

    /** Where a packet longer than the MTU goes, which may be out after all: a superframe is cut by the device. */
    function tooLong(m: number, ip: number, mtu: number, node: NodeRuntime): number {
      const gso = i32[m + M_GSO];
      const headerLen = (dv.getUint8(ip) & 15) << 2;
      if (gso !== 0 && largestSegment(dv, ip + headerLen, gso, headerLen) <= mtu) return NEXT_OUTPUT;
      // Superframes are not fragmented: they come from senders that do path MTU discovery.
      if (gso === 0 && (dv.getUint16(ip + IP4_FRAGMENT) & IP4_DF) === 0) return NEXT_FRAG;
      node.count(E4.mtu_exceeded, 1);
      i32[m + M_L3] = ip;
      requestIcmpError(i32, m, ICMP4_UNREACHABLE, ICMP4_FRAGMENTATION_NEEDED, mtu);
      return NEXT_ICMP_ERROR;
    }

    /** RFC 1112 6.4: the group's low 23 bits; the limited broadcast goes to all. */
    function putGroupMac(ip: number, frame: number): void {
      const dst = dv.getInt32(ip + IP4_DST);
      dv.setInt32(frame, dst === -1 ? -1 : 0x0100_5e00 | ((dst >>> 16) & 0x7f));
      dv.setUint16(frame + 4, dst & 0xffff);
    }

    return (frame: Frame, node: NodeRuntime) => {
      const { buffers, next: nexts, count } = frame;
      let lastTx = -1;
      let out = NEXT_OUTPUT;
      for (let i = 0; i < count; i++) {
        const m = (meta + (buffers[i] << 4)) | 0;
        const ip = i32[(m + M_DATA) | 0];
        const a = (adjBase + (i32[(m + M_ADJ) | 0] << 4)) | 0;
        const len = i32[(m + M_LEN) | 0];
        const isForwarded = (i32[(m + M_FLAGS) | 0] & F_LOCAL_ORIGIN) === 0;
        const w2 = dv.getInt32((ip + 8) | 0);
        if (isForwarded && w2 >>> 24 <= 1) {
          node.count(E4.time_expired, 1);
          i32[(m + M_L3) | 0] = ip;
          requestIcmpError(i32, m, ICMP4_TIME_EXCEEDED, ICMP4_TTL_EXCEEDED, 0);
          nexts[i] = NEXT_ICMP_ERROR;
          continue;
        }
        if (len + (i32[(m + M_TAIL) | 0] & 0xffffff) > i32[(a + A_MTU) | 0]) {
          const to = tooLong(m, ip, i32[(a + A_MTU) | 0], node);
          if (to !== NEXT_OUTPUT) {
            nexts[i] = to;
            continue;
          }
        }
        const length = putRewrite(u8, i32, a, ip);
        if (isForwarded) {
          // RFC 1624: one less in the high byte of a word is 0x100 more in the checksum.
          const sum = (w2 & 0xffff) + 0x100;
          dv.setInt32((ip + 8) | 0, ((w2 - 0x0100_0000) & 0xffff_0000) | ((sum + (sum >= 0xffff ? 1 : 0)) & 0xffff));
        } else if (i32[(a + A_TYPE) | 0] === ADJ_MULTICAST) putGroupMac(ip, ip - length);
        const tx = i32[(a + A_IF) | 0];
        if (tx !== lastTx) {
          lastTx = tx;
          out = arc.next(slots, tx, -1);
        }
        i32[(m + M_DATA) | 0] = (ip - length) | 0;
        i32[(m + M_LEN) | 0] = (len + length) | 0;
        i32[(m + M_TX_IF) | 0] = tx;
        nexts[i] = out;
      }
    };
  },
};

/** ip6-rewrite: the twin of ip4-rewrite. Only this host's own packets are fragmented (RFC 8200 5). */
export const ip6Rewrite: NodeForm<Host> = {
  name: "ip6-rewrite",
  next: next6,
  errors: errors6.list,
  trace: ipTraceWithAdjacency(false),
  process: (host) => {
    const { u8, i32, dv } = host.window;
    const { meta } = host.pool;
    const adjBase = host.ip.adjacencies.base;
    const arc = host.engine.arc("ip6-output");
    const slots = arc.slotsOf("ip6-rewrite");

    function tooLong(m: number, ip: number, mtu: number, isForwarded: boolean, node: NodeRuntime): number {
      const gso = i32[m + M_GSO];
      if (gso !== 0 && largestSegment(dv, ip + IP6_HEADER_LEN, gso, IP6_HEADER_LEN) <= mtu) return NEXT_OUTPUT;
      if (gso === 0 && !isForwarded) return NEXT_FRAG;
      node.count(E6.mtu_exceeded, 1);
      i32[m + M_L3] = ip;
      requestIcmpError(i32, m, ICMP6_PACKET_TOO_BIG, 0, mtu);
      return NEXT_ICMP_ERROR;
    }

    return (frame: Frame, node: NodeRuntime) => {
      const { buffers, next: nexts, count } = frame;
      let lastTx = -1;
      let out = NEXT_OUTPUT;
      for (let i = 0; i < count; i++) {
        const m = (meta + (buffers[i] << 4)) | 0;
        const ip = i32[(m + M_DATA) | 0];
        const a = (adjBase + (i32[(m + M_ADJ) | 0] << 4)) | 0;
        const len = i32[(m + M_LEN) | 0];
        const isForwarded = (i32[(m + M_FLAGS) | 0] & F_LOCAL_ORIGIN) === 0;
        const hopLimit = u8[ip + IP6_HOP_LIMIT];
        if (isForwarded && (hopLimit <= 1 || isLinkLocal6(dv.getInt32(ip + IP6_SRC)))) {
          const expired = hopLimit <= 1;
          i32[(m + M_L3) | 0] = ip;
          node.count(expired ? E6.time_expired : E6.beyond_scope, 1);
          if (expired) requestIcmpError(i32, m, ICMP6_TIME_EXCEEDED, ICMP6_HOP_LIMIT_EXCEEDED, 0);
          else requestIcmpError(i32, m, ICMP6_UNREACHABLE, ICMP6_BEYOND_SCOPE, 0);
          nexts[i] = NEXT_ICMP_ERROR;
          continue;
        }
        if (len + (i32[(m + M_TAIL) | 0] & 0xffffff) > i32[(a + A_MTU) | 0]) {
          const to = tooLong(m, ip, i32[(a + A_MTU) | 0], isForwarded, node);
          if (to !== NEXT_OUTPUT) {
            nexts[i] = to;
            continue;
          }
        }
        const length = putRewrite(u8, i32, a, ip);
        if (isForwarded) u8[ip + IP6_HOP_LIMIT] = hopLimit - 1;
        else if (i32[(a + A_TYPE) | 0] === ADJ_MULTICAST) {
          // RFC 2464 7: 33:33 and the group's last four bytes.
          dv.setUint16(ip - length, 0x3333);
          dv.setInt32(ip - length + 2, dv.getInt32(ip + IP6_DST + 12));
        }
        const tx = i32[(a + A_IF) | 0];
        if (tx !== lastTx) {
          lastTx = tx;
          out = arc.next(slots, tx, -1);
        }
        i32[(m + M_DATA) | 0] = (ip - length) | 0;
        i32[(m + M_LEN) | 0] = (len + length) | 0;
        i32[(m + M_TX_IF) | 0] = tx;
        nexts[i] = out;
      }
    };
  },
};
