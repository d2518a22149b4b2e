import { CONSUMED, type Frame } from "../src/graph/frame.js";
import { type NodeForm, type NodeRuntime, nodeErrors } from "../src/graph/node.js";
import {
  type BufferIndex,
  F_IP6,
  F_L2_MULTICAST,
  F_L3_MULTICAST,
  F_LOCAL_ORIGIN,
  M_CONN,
  M_DATA,
  M_ERROR,
  M_FIB,
  M_FLAGS,
  M_L3,
  M_L4,
  M_LEN,
  M_RX_IF,
  M_TX_IF,
} from "../src/graph/packet-pool.js";
import { A_TYPE, ADJ_BROADCAST, ADJ_LOCAL } from "../src/ip/adjacency.js";
import { isLinkLocal6, isMulticast6, isUnicastSource4, isUnspecified6 } from "../src/ip/address.js";
import { IP4_TRACE, IP6_TRACE } from "../src/ip/ip-trace.js";
import { L_BUCKETS } from "../src/ip/load-balance.js";
import { ETH_HEADER_LEN } from "../src/wire/ethernet.js";
import {
  ICMP4_ECHO_REPLY,
  ICMP4_ECHO_REQUEST,
  ICMP4_FRAGMENTATION_NEEDED,
  ICMP4_HEADER_LEN,
  ICMP4_PARAMETER_PROBLEM,
  ICMP4_TIME_EXCEEDED,
  ICMP4_UNREACHABLE,
  icmp4Emit,
  icmp4EmitChecksum,
} from "../src/wire/icmp4.js";
import {
  ICMP6_HEADER_LEN,
  ICMP6_PACKET_TOO_BIG,
  ICMP6_PARAMETER_PROBLEM,
  ICMP6_REDIRECT,
  ICMP6_TIME_EXCEEDED,
  ICMP6_UNKNOWN_OPTION,
  ICMP6_UNREACHABLE,
  icmp6Emit,
  icmp6EmitChecksum,
  icmp6IsError,
} from "../src/wire/icmp6.js";
import {
  IP4_DST,
  IP4_FRAGMENT,
  IP4_HEADER_LEN,
  IP4_PROTOCOL,
  IP4_SRC,
  ip4Emit,
  PROTOCOL_ICMP4,
  PROTOCOL_ICMP6,
} from "../src/wire/ip4.js";
import { IP6_DST, IP6_HEADER_LEN, IP6_NEXT_HEADER, IP6_SRC, ip6Emit, ip6EmitAddress } from "../src/wire/ip6.js";
import { IP6_FRAGMENT, IP6_FRAGMENT_LEN, ip6IsExtension } from "../src/wire/ip6-ext.js";
import type { Host } from "./host.js";

const COMMON_ERRORS = {
  unreachable_sent: ["info", "destination unreachable sent"],
  too_big_sent: ["info", "fragmentation needed or packet too big sent"],
  time_exceeded_sent: ["info", "time exceeded sent"],
  parameter_problem_sent: ["info", "parameter problem sent"],
  about_icmp_error: ["info", "not sent: about an icmp error"],
  about_multicast: ["info", "not sent: about a broadcast or multicast"],
  about_source: ["info", "not sent: source names no single host"],
  rate_limited: ["info", "not sent: rate limit"],
  no_source_address: ["warn", "not sent: no address to send from"],
  no_buffer: ["error", "not sent: no packet buffer left"],
} as const;
// The common ones have the same numbers in both.
const errors4 = nodeErrors({
  ...COMMON_ERRORS,
  about_fragment: ["info", "not sent: about a fragment that is not the first"],
});
const errors6 = nodeErrors(COMMON_ERRORS);
const E = errors4.index;
const NEXT_DROP = 0;
const NEXT_LOOKUP = 1;

/** RFC 1812 4.3.2.3: an error fits 576 bytes. */
const MAX_ERROR4_BYTES = 576;
/** RFC 4443 2.4(c): an error fits the least MTU. */
const MAX_ERROR6_BYTES = 1280;
/** Internetwork control, as routers and Linux mark errors (RFC 1812 4.3.2.5). */
const TOS = 0xc0;
/** Extension headers looked through for an ICMP error below them. */
const MAX_EXTENSIONS = 8;

/** An error buffer for packet `m`, `bytes` long, sent by this host; -1 when none is left. */
function makeError(host: Host, m: number, bytes: number, flags: number): BufferIndex {
  const { pool } = host;
  const { i32 } = host.window;
  const b = pool.allocFor(ETH_HEADER_LEN + bytes);
  if (b < 0) return -1;
  const n = pool.meta + (b << 4);
  i32[n + M_DATA] += ETH_HEADER_LEN;
  i32[n + M_L3] = i32[n + M_DATA];
  i32[n + M_LEN] = bytes;
  i32[n + M_FLAGS] = F_LOCAL_ORIGIN | flags;
  i32[n + M_FIB] = i32[m + M_FIB];
  return b;
}

/** Whether the packet came in on an interface whose packets are all for this host, whatever their destination. */
function takesAll({ window, interfaces }: Host, m: number): boolean {
  return interfaces.at(window.i32[m + M_RX_IF])?.promiscuous === true;
}

/** One frame of packets to answer; `answer` gives the error's buffer, or -1 - counter when there is to be none. */
function answerAll(
  host: Host,
  frame: Frame,
  node: NodeRuntime,
  sentOf: (type: number, code: number) => number,
  answer: (m: number) => number,
): void {
  const { i32 } = host.window;
  const { pool } = host;
  const { buffers, next, count } = frame;
  for (let i = 0; i < count; i++) {
    const m = pool.meta + (buffers[i] << 4);
    const request = i32[m + M_CONN];
    const b = answer(m);
    if (b < 0) {
      i32[m + M_ERROR] = node.errorBase - 1 - b;
      next[i] = NEXT_DROP;
      continue;
    }
    node.count(sentOf(request >>> 24, (request >>> 16) & 0xff), 1);
    node.push(NEXT_LOOKUP, b);
    pool.free(buffers[i]);
    next[i] = CONSUMED;
  }
}

function sentOf4(type: number, code: number): number {
  if (type === ICMP4_UNREACHABLE) return code === ICMP4_FRAGMENTATION_NEEDED ? E.too_big_sent : E.unreachable_sent;
  return type === ICMP4_TIME_EXCEEDED ? E.time_exceeded_sent : E.parameter_problem_sent;
}

function sentOf6(type: number): number {
  if (type === ICMP6_UNREACHABLE) return E.unreachable_sent;
  if (type === ICMP6_PACKET_TOO_BIG) return E.too_big_sent;
  return type === ICMP6_TIME_EXCEEDED ? E.time_exceeded_sent : E.parameter_problem_sent;
}

/**
 * ip4-icmp-error: answers packets that could not be handled with the ICMP error that M_CONN asks for (see
 * requestIcmpError), unless RFC 1122 3.2.2 forbids it or the rate limit is reached. M_DATA is at the IP header. An
 * error about a packet of this host goes to this host, whose transport hears of it like of any other.
 */
export const ip4IcmpError: NodeForm<Host> = {
  name: "ip4-icmp-error",
  next: ["drop", "ip4-lookup"],
  errors: errors4.list,
  trace: IP4_TRACE,
  process: (host) => {
    const { u8, i32, dv } = host.window;
    const { engine } = host;
    const { fib, fib4, icmpLimiter, settings, ident } = host.ip;
    const adjBase = host.ip.adjacencies.base;
    const lbBase = host.ip.loadBalances.base;

    function typeOf(table: number, address: number): number {
      const lb = lbBase + (fib4.lookup(table, address) << 2);
      return i32[adjBase + (i32[i32[lb + L_BUCKETS]] << 4) + A_TYPE];
    }

    /** Why there must be no error about the packet, -1 when there may be one. */
    function forbidden(m: number, ip: number): number {
      const src = dv.getInt32(ip + IP4_SRC);
      const dst = dv.getInt32(ip + IP4_DST);
      if ((i32[m + M_FLAGS] & (F_L2_MULTICAST | F_L3_MULTICAST)) !== 0 || dst >>> 28 >= 14) return E.about_multicast;
      if ((dv.getUint16(ip + IP4_FRAGMENT) & 0x1fff) !== 0) return E.about_fragment;
      if (!isUnicastSource4(src) || typeOf(i32[m + M_FIB], src) === ADJ_BROADCAST) return E.about_source;
      const l4 = ip + ((dv.getUint8(ip) & 15) << 2);
      if (dv.getUint8(ip + IP4_PROTOCOL) === PROTOCOL_ICMP4 && l4 < ip + i32[m + M_LEN]) {
        // Queries are known by their types: an unknown one may be an error.
        const type = u8[l4];
        const isQuery = type === ICMP4_ECHO_REQUEST || type === ICMP4_ECHO_REPLY || (type >= 13 && type <= 18);
        if (!isQuery) return E.about_icmp_error;
      }
      const isOwn = (i32[m + M_FLAGS] & F_LOCAL_ORIGIN) !== 0;
      return isOwn || icmpLimiter.allow(engine.nowMs) ? -1 : E.rate_limited;
    }

    /** The address that was spoken to when it is ours, else one of the interface the packet came in on. */
    function sourceFor(m: number, ip: number): number {
      const src = dv.getInt32(ip + IP4_SRC);
      const dst = dv.getInt32(ip + IP4_DST);
      if ((i32[m + M_FLAGS] & F_LOCAL_ORIGIN) !== 0) return src;
      if (typeOf(i32[m + M_FIB], dst) === ADJ_LOCAL || takesAll(host, m)) return dst;
      const own = fib.addresses.source4(i32[m + M_RX_IF], src);
      return own !== 0 ? own : fib.addresses.source4(fib.defaultInterface[4], src);
    }

    function answer(m: number): number {
      const ip = i32[m + M_DATA];
      const error = forbidden(m, ip);
      if (error >= 0) return -1 - error;
      const source = sourceFor(m, ip);
      if (source === 0) return -1 - E.no_source_address;
      const quoted = Math.min(i32[m + M_LEN], MAX_ERROR4_BYTES - IP4_HEADER_LEN - ICMP4_HEADER_LEN);
      const bytes = IP4_HEADER_LEN + ICMP4_HEADER_LEN + quoted;
      const b = makeError(host, m, bytes, 0);
      if (b < 0) return -1 - E.no_buffer;
      const n = host.pool.meta + (b << 4);
      const request = i32[m + M_CONN];
      const type = request >>> 24;
      const info = request & 0xffff;
      const to = i32[n + M_DATA];
      const l4 = to + IP4_HEADER_LEN;
      const peer = dv.getInt32(ip + IP4_SRC);
      const id = ident.next4(source, peer, PROTOCOL_ICMP4);
      ip4Emit(dv, to, TOS, bytes, id, 0, settings.hopLimit, PROTOCOL_ICMP4, source, peer);
      icmp4Emit(dv, l4, type, (request >>> 16) & 0xff, type === ICMP4_PARAMETER_PROBLEM ? info << 24 : info);
      u8.copyWithin(l4 + ICMP4_HEADER_LEN, ip, ip + quoted);
      icmp4EmitChecksum(dv, u8, i32, l4, ICMP4_HEADER_LEN + quoted);
      i32[n + M_L4] = l4;
      return b;
    }

    return (frame: Frame, node: NodeRuntime) => answerAll(host, frame, node, sentOf4, answer);
  },
};

/** ip6-icmp-error: the twin, by RFC 4443 2.4. */
export const ip6IcmpError: NodeForm<Host> = {
  name: "ip6-icmp-error",
  next: ["drop", "ip6-lookup"],
  errors: errors6.list,
  trace: IP6_TRACE,
  process: (host) => {
    const { u8, i32, dv } = host.window;
    const { engine } = host;
    const { fib, fib6, icmpLimiter, settings } = host.ip;
    const adjBase = host.ip.adjacencies.base;
    const lbBase = host.ip.loadBalances.base;

    /** Whether the packet, whose head ends at `end`, is an ICMPv6 error or redirect. */
    function isIcmpError(ip: number, end: number): boolean {
      let protocol = u8[ip + IP6_NEXT_HEADER];
      let at = ip + IP6_HEADER_LEN;
      for (let i = 0; i < MAX_EXTENSIONS && ip6IsExtension(protocol) && at + 8 <= end; i++) {
        // What a later fragment holds cannot be known.
        if (protocol === IP6_FRAGMENT && (dv.getUint16(at + 2) & 0xfff8) !== 0) return false;
        const length = protocol === IP6_FRAGMENT ? IP6_FRAGMENT_LEN : (u8[at + 1] + 1) << 3;
        protocol = u8[at];
        at += length;
      }
      return protocol === PROTOCOL_ICMP6 && at < end && (icmp6IsError(u8[at]) || u8[at] === ICMP6_REDIRECT);
    }

    function forbidden(m: number, ip: number): number {
      const request = i32[m + M_CONN];
      const type = request >>> 24;
      // RFC 4443 2.4(e.3): path MTU discovery works for groups, and they hear of options they must know.
      const mayMulticast =
        type === ICMP6_PACKET_TOO_BIG ||
        (type === ICMP6_PARAMETER_PROBLEM && ((request >>> 16) & 0xff) === ICMP6_UNKNOWN_OPTION);
      const isMulticast = (i32[m + M_FLAGS] & (F_L2_MULTICAST | F_L3_MULTICAST)) !== 0;
      if (!mayMulticast && (isMulticast || u8[ip + IP6_DST] === 0xff)) return E.about_multicast;
      const w0 = dv.getInt32(ip + IP6_SRC);
      const isUnspecified = isUnspecified6(w0, dv.getInt32(ip + 12), dv.getInt32(ip + 16), dv.getInt32(ip + 20));
      if (isUnspecified || isMulticast6(w0)) return E.about_source;
      if (isIcmpError(ip, ip + i32[m + M_LEN])) return E.about_icmp_error;
      const isOwn = (i32[m + M_FLAGS] & F_LOCAL_ORIGIN) !== 0;
      return isOwn || icmpLimiter.allow(engine.nowMs) ? -1 : E.rate_limited;
    }

    /** Whether the address at `at` is this host's, as seen from the packet's interface. */
    function isLocal(m: number, at: number): boolean {
      const w0 = dv.getInt32(at);
      if (isMulticast6(w0)) return false;
      if (takesAll(host, m)) return true;
      const rx = i32[m + M_RX_IF];
      const table = isLinkLocal6(w0) ? (rx < 0 ? -1 : fib.link6[rx]) : i32[m + M_FIB];
      if (table < 0) return false;
      const lb = fib6.lookup(table, w0, dv.getInt32(at + 4), dv.getInt32(at + 8), dv.getInt32(at + 12));
      return i32[adjBase + (i32[i32[lbBase + (lb << 2) + L_BUCKETS]] << 4) + A_TYPE] === ADJ_LOCAL;
    }

    /** Writes the source address of the error about `ip` at `to`; false when there is none. */
    function putSource(m: number, ip: number, to: number): boolean {
      const own =
        (i32[m + M_FLAGS] & F_LOCAL_ORIGIN) !== 0 ? ip + IP6_SRC : isLocal(m, ip + IP6_DST) ? ip + IP6_DST : 0;
      if (own !== 0) {
        u8.copyWithin(to, own, own + 16);
        return true;
      }
      const at = ip + IP6_SRC;
      const rx = i32[m + M_RX_IF] >= 0 ? i32[m + M_RX_IF] : fib.defaultInterface[6];
      const words = fib.addresses.source6(
        rx,
        dv.getInt32(at),
        dv.getInt32(at + 4),
        dv.getInt32(at + 8),
        dv.getInt32(at + 12),
      );
      if (words === undefined) return false;
      ip6EmitAddress(dv, to, words[0], words[1], words[2], words[3]);
      return true;
    }

    function answer(m: number): number {
      const ip = i32[m + M_DATA];
      const error = forbidden(m, ip);
      if (error >= 0) return -1 - error;
      const quoted = Math.min(i32[m + M_LEN], MAX_ERROR6_BYTES - IP6_HEADER_LEN - ICMP6_HEADER_LEN);
      const bytes = IP6_HEADER_LEN + ICMP6_HEADER_LEN + quoted;
      const b = makeError(host, m, bytes, F_IP6);
      if (b < 0) return -1 - E.no_buffer;
      const n = host.pool.meta + (b << 4);
      const request = i32[m + M_CONN];
      const to = i32[n + M_DATA];
      const l4 = to + IP6_HEADER_LEN;
      if (!putSource(m, ip, to + IP6_SRC)) {
        host.pool.free(b);
        return -1 - E.no_source_address;
      }
      u8.copyWithin(to + IP6_DST, ip + IP6_SRC, ip + IP6_SRC + 16);
      ip6Emit(dv, to, 0, 0, ICMP6_HEADER_LEN + quoted, PROTOCOL_ICMP6, settings.hopLimit);
      icmp6Emit(dv, l4, request >>> 24, (request >>> 16) & 0xff, request & 0xffff);
      u8.copyWithin(l4 + ICMP6_HEADER_LEN, ip, ip + quoted);
      icmp6EmitChecksum(dv, u8, i32, to, l4, ICMP6_HEADER_LEN + quoted);
      i32[n + M_L4] = l4;
      // A link-local peer is reached by the interface it was heard on; own packets say theirs.
      const isOwn = (i32[m + M_FLAGS] & F_LOCAL_ORIGIN) !== 0;
      i32[n + M_TX_IF] = isOwn ? i32[m + M_TX_IF] : i32[m + M_RX_IF];
      return b;
    }

    return (frame: Frame, node: NodeRuntime) => answerAll(host, frame, node, sentOf6, answer);
  },
};
