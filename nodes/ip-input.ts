import { isUnicastSource4, isUnspecified6, isV4Mapped6 } from "../src/ip/address.js";
import { ADJ_INDEX_LOCAL } from "../src/ip/adjacency.js";
import { requestIcmpError } from "../src/ip/icmp-request.js";
import { IP4_TRACE, IP6_TRACE } from "../src/ip/ip-trace.js";
import type { Frame } from "../src/graph/frame.js";
import { type NodeForm, type NodeRuntime, nodeErrors } from "../src/graph/node.js";
import {
  F_IP6,
  F_L3_MULTICAST,
  M_ADJ,
  M_DATA,
  M_ERROR,
  M_FIB,
  M_FLAGS,
  M_L3,
  M_LEN,
  M_RX_IF,
  M_TAIL,
} from "../src/graph/packet-pool.js";
import { ICMP4_PARAMETER_PROBLEM } from "../src/wire/icmp4.js";
import {
  IP4_DST,
  IP4_HEADER_LEN,
  IP4_OPTION_LOOSE_ROUTE,
  IP4_OPTION_STRICT_ROUTE,
  IP4_SRC,
  ip4HeaderSum,
  ip4OptionLen,
  ip4OptionsFault,
} from "../src/wire/ip4.js";
import { IP6_DST, IP6_HEADER_LEN, IP6_SRC } from "../src/wire/ip6.js";
import type { Host } from "./host.js";

const errors4 = nodeErrors({
  too_short: ["error", "ip4 length < 20 bytes"],
  version: ["error", "ip4 version != 4"],
  bad_header_length: ["error", "ip4 header length < 20 bytes or > packet length"],
  bad_length: ["error", "ip4 total length < header length or > l2 length"],
  bad_checksum: ["error", "bad ip4 checksum"],
  bad_options: ["error", "ip4 options malformed"],
  source_route: ["warn", "ip4 source route option"],
  bad_source: ["warn", "ip4 source address is none of a host's"],
  martian: ["warn", "ip4 loopback address on the wire"],
});
const E4 = errors4.index;

const next4 = ["drop", "ip4-lookup", "ip4-local", "ip4-icmp-error"] as const;
const next6 = ["drop", "ip6-lookup", "ip6-local"] as const;
const NEXT_DROP = 0;
const NEXT_LOOKUP = 1;
const NEXT_LOCAL = 2;
const NEXT_ICMP_ERROR = 3;

/** Options are well formed, and none is a source route, which is not followed (RFC 1122 3.3.5): an error, or -1. */
function checkOptions4(u8: Uint8Array, ip: number, headerEnd: number): number {
  let at = ip + IP4_HEADER_LEN;
  for (;;) {
    const n = ip4OptionLen(u8, at, headerEnd);
    if (n === 0) return -1;
    if (n < 0) return E4.bad_options;
    if (u8[at] === IP4_OPTION_LOOSE_ROUTE || u8[at] === IP4_OPTION_STRICT_ROUTE) return E4.source_route;
    at += n;
  }
}

/** The sum over an IPv4 header without options, folded: 0xffff when its checksum is right. */
function headerSum(w0: number, w1: number, w2: number, src: number, dst: number): number {
  const sum =
    (w0 & 0xffff) +
    (w0 >>> 16) +
    (w1 & 0xffff) +
    (w1 >>> 16) +
    (w2 & 0xffff) +
    (w2 >>> 16) +
    (src & 0xffff) +
    (src >>> 16) +
    (dst & 0xffff) +
    (dst >>> 16);
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

/**
 * ip4-input: checks the header (RFC 1122 3.2.1), cuts off link padding, drops what no host may send, and takes the packet
 * to the FIB of its interface. The time to live is not looked at: that is for those who forward (RFC 1122 3.2.1.7).
 */
export const ip4Input: NodeForm<Host> = {
  name: "ip4-input",
  next: next4,
  errors: errors4.list,
  trace: IP4_TRACE,
  process: (host) => {
    const { u8, i32, dv } = host.window;
    const { meta } = host.pool;
    const { interfaces } = host;
    const arc = host.engine.arc("ip4-unicast");
    const slots = arc.slotsOf("ip4-input");

    /** What is wrong with a header that is not the usual 20 bytes: an error, or -1. Sets no field. */
    function checkUnusual(ip: number, len: number, w0: number): number {
      const headerLen = (w0 >>> 22) & 60;
      if (w0 >>> 28 !== 4) return E4.version;
      if (headerLen < IP4_HEADER_LEN || headerLen > len) return E4.bad_header_length;
      if ((w0 & 0xffff) < headerLen) return E4.bad_length;
      if (ip4HeaderSum(dv, ip) !== 0) return E4.bad_checksum;
      return checkOptions4(u8, ip, ip + headerLen);
    }

    return (frame: Frame, node: NodeRuntime) => {
      const { buffers, next: nexts, count } = frame;
      const { errorBase } = node;
      let ifIndex = -1;
      let fib = 0;
      let out = NEXT_LOOKUP;
      for (let i = 0; i < count; i++) {
        const m = meta + (buffers[i] << 4);
        if (i32[m + M_RX_IF] !== ifIndex) {
          ifIndex = i32[m + M_RX_IF];
          const iface = interfaces.at(ifIndex);
          fib = iface === undefined ? 0 : iface.fib4;
          out = iface !== undefined && iface.promiscuous ? NEXT_LOCAL : arc.next(slots, ifIndex, -1);
        }
        const ip = i32[m + M_DATA];
        const len = i32[m + M_LEN];
        i32[m + M_L3] = ip;
        i32[m + M_FIB] = fib;
        i32[m + M_ADJ] = ADJ_INDEX_LOCAL;
        if (len < IP4_HEADER_LEN) {
          i32[m + M_ERROR] = errorBase + E4.too_short;
          nexts[i] = NEXT_DROP;
          continue;
        }
        const w0 = dv.getInt32(ip);
        const total = w0 & 0xffff;
        const src = dv.getInt32(ip + IP4_SRC);
        const dst = dv.getInt32(ip + IP4_DST);
        const tails = i32[m + M_TAIL] & 0xffffff;
        let error = -1;
        if (w0 >>> 24 !== 0x45) error = checkUnusual(ip, len, w0);
        else if (headerSum(w0, dv.getInt32(ip + 4), dv.getInt32(ip + 8), src, dst) !== 0xffff) error = E4.bad_checksum;
        if (error < 0) {
          if (total < IP4_HEADER_LEN || total > len + tails || (tails !== 0 && total !== len + tails)) {
            error = E4.bad_length;
          } else if (!isUnicastSource4(src)) {
            // RFC 1122 3.2.1.3: 0.0.0.0 only while a host learns its own address.
            if (src >>> 24 === 127) error = E4.martian;
            else if (src !== 0 || dst !== -1) error = E4.bad_source;
          } else if (dst >>> 24 === 127) error = E4.martian;
        }
        if (error < 0) {
          if (tails === 0) i32[m + M_LEN] = total;
          if (dst >>> 28 >= 14) i32[m + M_FLAGS] |= F_L3_MULTICAST;
          nexts[i] = out;
        } else if (error === E4.bad_options) {
          node.count(error, 1);
          requestIcmpError(i32, m, ICMP4_PARAMETER_PROBLEM, 0, ip4OptionsFault(u8, ip));
          if (dst >>> 28 >= 14) i32[m + M_FLAGS] |= F_L3_MULTICAST;
          nexts[i] = NEXT_ICMP_ERROR;
        } else {
          i32[m + M_ERROR] = errorBase + error;
          nexts[i] = NEXT_DROP;
        }
      }
    };
  },
};

const errors6 = nodeErrors({
  too_short: ["error", "ip6 length < 40 bytes"],
  version: ["error", "ip6 version != 6"],
  bad_length: ["error", "ip6 payload length > l2 length"],
  bad_source: ["warn", "ip6 source address is none of a host's"],
  bad_destination: ["warn", "ip6 destination address belongs on no wire"],
});
const E6 = errors6.index;

/**
 * ip6-input: checks the fixed header (RFC 8200 3), cuts off link padding, drops addresses that belong on no wire (RFC
 * 4291 2.5), and takes the packet to the FIB of its interface. Extension headers are for ip6-local.
 */
export const ip6Input: NodeForm<Host> = {
  name: "ip6-input",
  next: next6,
  errors: errors6.list,
  trace: IP6_TRACE,
  process: (host) => {
    const { i32, dv } = host.window;
    const { meta } = host.pool;
    const { interfaces } = host;
    const arc = host.engine.arc("ip6-unicast");
    const slots = arc.slotsOf("ip6-input");

    /** Addresses that start with zeros, groups as source, groups of less than link scope: an error, or -1. */
    function checkAddresses(ip: number, s0: number, d0: number): number {
      if (s0 >>> 24 === 0xff) return E6.bad_source;
      if (s0 === 0) {
        const [s1, s2, s3] = [dv.getInt32(ip + 12), dv.getInt32(ip + 16), dv.getInt32(ip + 20)];
        // :: is for duplicate address detection, which goes to a group (RFC 4291 2.5.2); ::1 and mapped for no wire.
        if (isUnspecified6(s0, s1, s2, s3)) {
          if (d0 >>> 24 !== 0xff) return E6.bad_source;
        } else if (s1 === 0 && (isV4Mapped6(s0, s1, s2) || s2 === 0)) return E6.bad_source;
      }
      if (d0 === 0) {
        const [d1, d2] = [dv.getInt32(ip + 28), dv.getInt32(ip + 32)];
        if (d1 === 0 && (isV4Mapped6(d0, d1, d2) || d2 === 0)) return E6.bad_destination;
      }
      return d0 >>> 24 === 0xff && ((d0 >>> 16) & 15) < 2 ? E6.bad_destination : -1;
    }

    return (frame: Frame, node: NodeRuntime) => {
      const { buffers, next: nexts, count } = frame;
      const { errorBase } = node;
      let ifIndex = -1;
      let fib = 0;
      let out = NEXT_LOOKUP;
      for (let i = 0; i < count; i++) {
        const m = meta + (buffers[i] << 4);
        if (i32[m + M_RX_IF] !== ifIndex) {
          ifIndex = i32[m + M_RX_IF];
          const iface = interfaces.at(ifIndex);
          fib = iface === undefined ? 0 : iface.fib6;
          out = iface !== undefined && iface.promiscuous ? NEXT_LOCAL : arc.next(slots, ifIndex, -1);
        }
        const ip = i32[m + M_DATA];
        const len = i32[m + M_LEN];
        let error = -1;
        if (len < IP6_HEADER_LEN) error = E6.too_short;
        else {
          const tails = i32[m + M_TAIL] & 0xffffff;
          const total = dv.getUint16(ip + 4) + IP6_HEADER_LEN;
          const s0 = dv.getInt32(ip + IP6_SRC);
          const d0 = dv.getInt32(ip + IP6_DST);
          if (dv.getUint8(ip) >>> 4 !== 6) error = E6.version;
          else if (total > len + tails || (tails !== 0 && total !== len + tails)) error = E6.bad_length;
          else if (s0 === 0 || d0 === 0 || s0 >>> 24 === 0xff || d0 >>> 24 === 0xff) error = checkAddresses(ip, s0, d0);
          if (error < 0) {
            if (tails === 0) i32[m + M_LEN] = total;
            i32[m + M_L3] = ip;
            i32[m + M_FIB] = fib;
            i32[m + M_ADJ] = ADJ_INDEX_LOCAL;
            i32[m + M_FLAGS] |= d0 >>> 24 === 0xff ? F_IP6 | F_L3_MULTICAST : F_IP6;
            nexts[i] = out;
            continue;
          }
        }
        i32[m + M_ERROR] = errorBase + error;
        nexts[i] = NEXT_DROP;
      }
    };
  },
};
