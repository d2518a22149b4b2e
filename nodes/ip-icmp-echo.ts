import { CONSUMED, type Frame } from "../src/graph/frame.js";
import { type NodeForm, type NodeRuntime, nodeErrors, type Process } from "../src/graph/node.js";
import {
  F_IP6,
  F_L2_MULTICAST,
  F_L3_MULTICAST,
  F_LOCAL_ORIGIN,
  F_TRACED,
  M_DATA,
  M_ERROR,
  M_FLAGS,
  M_L3,
  M_L4,
  M_LEN,
  M_RX_IF,
  M_TAIL,
  M_TX_IF,
} from "../src/graph/packet-pool.js";
import { ICMP_TRACE } from "../src/ip/ip-trace.js";
import { checksumUpdate32 } from "../src/wire/checksum.js";
import { ICMP4_ID, ICMP4_SEQ, icmp4MakeEchoReply } from "../src/wire/icmp4.js";
import { ICMP6_CHECKSUM, ICMP6_HEADER_LEN, icmp6MakeEchoReply } from "../src/wire/icmp6.js";
import {
  IP4_DST,
  IP4_HEADER_LEN,
  IP4_SRC,
  IP4_TOS,
  IP4_TTL,
  ip4Emit,
  PROTOCOL_ICMP4,
  PROTOCOL_ICMP6,
} from "../src/wire/ip4.js";
import {
  IP6_DST,
  IP6_HEADER_LEN,
  IP6_HOP_LIMIT,
  IP6_SRC,
  ip6Emit,
  ip6EmitAddress,
  ip6TrafficClass,
} from "../src/wire/ip6.js";
import type { Host } from "./host.js";

const requestErrors4 = nodeErrors({
  replies_sent: ["info", "echo replies sent"],
  multicast: ["info", "echo request to a broadcast or multicast address"],
});
const E4 = requestErrors4.index;
const requestErrors6 = nodeErrors({
  replies_sent: ["info", "echo replies sent"],
  no_source_address: ["warn", "no address to answer a multicast echo from"],
});
const E6 = requestErrors6.index;
const NEXT_DROP = 0;
const NEXT_LOOKUP = 1;
/** The reply keeps the request's class of service, not what congestion it met. */
const DSCP = 0xfc;

/**
 * ip4-icmp-echo-request: turns requests into their replies in place (RFC 1122 3.2.2.6): same data, identifier and
 * sequence number, from the address that was asked, without options. Broadcasts are not answered.
 */
export const ip4IcmpEchoRequest: NodeForm<Host> = {
  name: "ip4-icmp-echo-request",
  next: ["drop", "ip4-lookup"],
  errors: requestErrors4.list,
  trace: ICMP_TRACE,
  process: (host) => {
    const { i32, dv } = host.window;
    const { meta } = host.pool;
    const { settings, ident } = host.ip;

    return (frame: Frame, node: NodeRuntime) => {
      const { buffers, next, count } = frame;
      let sent = 0;
      for (let i = 0; i < count; i++) {
        const m = meta + (buffers[i] << 4);
        const flags = i32[m + M_FLAGS];
        if ((flags & (F_L2_MULTICAST | F_L3_MULTICAST)) !== 0) {
          i32[m + M_ERROR] = node.errorBase + E4.multicast;
          next[i] = NEXT_DROP;
          continue;
        }
        const l4 = i32[m + M_DATA];
        const old = i32[m + M_L3];
        const tos = dv.getUint8(old + IP4_TOS) & DSCP;
        const peer = dv.getInt32(old + IP4_SRC);
        const own = dv.getInt32(old + IP4_DST);
        // Options stay behind: the reply's header goes directly in front of the message.
        const ip = l4 - IP4_HEADER_LEN;
        const bytes = IP4_HEADER_LEN + i32[m + M_LEN] + (i32[m + M_TAIL] & 0xffffff);
        const id = ident.next4(own, peer, PROTOCOL_ICMP4);
        ip4Emit(dv, ip, tos, bytes, id, 0, settings.hopLimit, PROTOCOL_ICMP4, own, peer);
        icmp4MakeEchoReply(dv, l4);
        i32[m + M_DATA] = i32[m + M_L3] = ip;
        i32[m + M_LEN] += IP4_HEADER_LEN;
        i32[m + M_L4] = l4;
        i32[m + M_FLAGS] = (flags & F_TRACED) | F_LOCAL_ORIGIN;
        i32[m + M_TX_IF] = i32[m + M_RX_IF];
        i32[m + M_RX_IF] = -1;
        next[i] = NEXT_LOOKUP;
        sent++;
      }
      if (sent > 0) node.count(E4.replies_sent, sent);
    };
  },
};

/** ip6-icmp-echo-request: the twin. A group's request is answered, from an address of the interface (RFC 4443 4.2). */
export const ip6IcmpEchoRequest: NodeForm<Host> = {
  name: "ip6-icmp-echo-request",
  next: ["drop", "ip6-lookup"],
  errors: requestErrors6.list,
  trace: ICMP_TRACE,
  process: (host) => {
    const { u8, i32, dv } = host.window;
    const { meta } = host.pool;
    const { settings, fib } = host.ip;

    /** Puts a unicast address in place of the group at `at`, the checksum's share of it included; false: there is none. */
    function replaceGroup(m: number, ip: number, l4: number): boolean {
      const src = ip + IP6_SRC;
      const words = fib.addresses.source6(
        i32[m + M_RX_IF] >= 0 ? i32[m + M_RX_IF] : fib.defaultInterface[6],
        dv.getInt32(src),
        dv.getInt32(src + 4),
        dv.getInt32(src + 8),
        dv.getInt32(src + 12),
      );
      if (words === undefined) return false;
      const dst = ip + IP6_DST;
      let sum = dv.getUint16(l4 + ICMP6_CHECKSUM);
      for (let i = 0; i < 4; i++) sum = checksumUpdate32(sum, dv.getInt32(dst + (i << 2)), words[i]);
      dv.setUint16(l4 + ICMP6_CHECKSUM, sum);
      ip6EmitAddress(dv, dst, words[0], words[1], words[2], words[3]);
      return true;
    }

    return (frame: Frame, node: NodeRuntime) => {
      const { buffers, next, count } = frame;
      let sent = 0;
      for (let i = 0; i < count; i++) {
        const m = meta + (buffers[i] << 4);
        const flags = i32[m + M_FLAGS];
        const l4 = i32[m + M_DATA];
        const old = i32[m + M_L3];
        if (u8[old + IP6_DST] === 0xff && !replaceGroup(m, old, l4)) {
          i32[m + M_ERROR] = node.errorBase + E6.no_source_address;
          next[i] = NEXT_DROP;
          continue;
        }
        // Extension headers stay behind. The addresses are read before the new header covers the old one.
        const ip = l4 - IP6_HEADER_LEN;
        const [s0, s1, s2, s3] = [
          dv.getInt32(old + 8),
          dv.getInt32(old + 12),
          dv.getInt32(old + 16),
          dv.getInt32(old + 20),
        ];
        const [d0, d1, d2, d3] = [
          dv.getInt32(old + 24),
          dv.getInt32(old + 28),
          dv.getInt32(old + 32),
          dv.getInt32(old + 36),
        ];
        const trafficClass = ip6TrafficClass(dv, old) & DSCP;
        const bytes = i32[m + M_LEN] + (i32[m + M_TAIL] & 0xffffff);
        ip6Emit(dv, ip, trafficClass, 0, bytes, PROTOCOL_ICMP6, settings.hopLimit);
        ip6EmitAddress(dv, ip + IP6_SRC, d0, d1, d2, d3);
        ip6EmitAddress(dv, ip + IP6_DST, s0, s1, s2, s3);
        icmp6MakeEchoReply(dv, l4);
        i32[m + M_DATA] = i32[m + M_L3] = ip;
        i32[m + M_LEN] += IP6_HEADER_LEN;
        i32[m + M_L4] = l4;
        i32[m + M_FLAGS] = (flags & F_TRACED) | F_LOCAL_ORIGIN | F_IP6;
        i32[m + M_TX_IF] = i32[m + M_RX_IF];
        i32[m + M_RX_IF] = -1;
        next[i] = NEXT_LOOKUP;
        sent++;
      }
      if (sent > 0) node.count(E6.replies_sent, sent);
    };
  },
};

const replyErrors = nodeErrors({
  replies_received: ["info", "echo replies that somebody waited for"],
  unknown_id: ["info", "echo replies that nobody waited for"],
});
const R = replyErrors.index;

/** Both families: tells whoever waits for the reply, by its identifier. Identifier and number are at the same place. */
function echoReply(host: Host, isIp4: boolean): Process {
  const { i32, u8, dv } = host.window;
  const { pool, engine } = host;
  const { echo } = host.ip;
  return (frame: Frame, node: NodeRuntime) => {
    const { buffers, next, count } = frame;
    for (let i = 0; i < count; i++) {
      const m = pool.meta + (buffers[i] << 4);
      const l4 = i32[m + M_DATA];
      const listener = echo.at(dv.getUint16(l4 + ICMP4_ID));
      if (listener === undefined) {
        i32[m + M_ERROR] = node.errorBase + R.unknown_id;
        next[i] = NEXT_DROP;
        continue;
      }
      const ip = i32[m + M_L3];
      const source = new Int32Array(4);
      if (isIp4) source[0] = dv.getInt32(ip + IP4_SRC);
      else for (let w = 0; w < 4; w++) source[w] = dv.getInt32(ip + IP6_SRC + (w << 2));
      listener({
        family: isIp4 ? 4 : 6,
        source,
        seq: dv.getUint16(l4 + ICMP4_SEQ),
        dataBytes: i32[m + M_LEN] + (i32[m + M_TAIL] & 0xffffff) - ICMP6_HEADER_LEN,
        hopLimit: u8[ip + (isIp4 ? IP4_TTL : IP6_HOP_LIMIT)],
        nowUs: engine.nowUs,
      });
      node.count(R.replies_received, 1);
      pool.free(buffers[i]);
      next[i] = CONSUMED;
    }
  };
}

/** ip4-icmp-echo-reply: replies to this host's own pings. */
export const ip4IcmpEchoReply: NodeForm<Host> = {
  name: "ip4-icmp-echo-reply",
  next: ["drop"],
  errors: replyErrors.list,
  trace: ICMP_TRACE,
  process: (host) => echoReply(host, true),
};

/** ip6-icmp-echo-reply: the twin. */
export const ip6IcmpEchoReply: NodeForm<Host> = {
  name: "ip6-icmp-echo-reply",
  next: ["drop"],
  errors: replyErrors.list,
  trace: ICMP_TRACE,
  process: (host) => echoReply(host, false),
};
