import { isUnicastSource4, isUnspecified6, isV4Mapped6 } from "../src/ip/address.js";
import { requestIcmpError } from "../src/ip/icmp-request.js";
import { IP4_TRACE, IP6_TRACE } from "../src/ip/ip-trace.js";
import type { Frame } from "../src/graph/frame.js";
import { type NodeForm, type NodeRuntime, nodeErrors } from "../src/graph/node.js";
import {
  F_IP6,
  F_L3_MULTICAST,
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
  IP4_TOTAL_LEN,
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

    /** What is wrong with a header, options included: an error, or -1. */
    function checkHeader(ip: number, len: number, tails: number): number {
      if (len < IP4_HEADER_LEN) return E4.too_short;
      const w0 = dv.getInt32(ip);
      const headerLen = (w0 >>> 22) & 60;
      const total = w0 & 0xffff;
      if (w0 >>> 28 !== 4) return E4.version;
      if (headerLen < IP4_HEADER_LEN || headerLen > len) return E4.bad_header_length;
      if (total < headerLen || total > len + tails || (tails !== 0 && total !== len + tails)) return E4.bad_length;
      return ip4HeaderSum(dv, ip) === 0 ? -1 : E4.bad_checksum;
    }

    function checkAddresses(src: number, dst: number): number {
      if (src >>> 24 === 127 || dst >>> 24 === 127) return E4.martian;
      // RFC 1122 3.2.1.3: 0.0.0.0 only while a host learns its own address.
      return isUnicastSource4(src) || (src === 0 && dst === -1) ? -1 : E4.bad_source;
    }

    /** The whole truth about a packet that is not as usual: where it goes. */
    function judge(m: number, out: number, node: NodeRuntime): number {
      const ip = i32[m + M_DATA];
      const tails = i32[m + M_TAIL] & 0xffffff;
      let error = checkHeader(ip, i32[m + M_LEN], tails);
      if (error < 0) {
        const dst = dv.getInt32(ip + IP4_DST);
        const headerLen = (u8[ip] & 15) << 2;
        if (tails === 0) i32[m + M_LEN] = dv.getUint16(ip + IP4_TOTAL_LEN);
        if (dst >>> 28 >= 14) i32[m + M_FLAGS] |= F_L3_MULTICAST;
        error = checkAddresses(dv.getInt32(ip + IP4_SRC), dst);
        if (error < 0 && headerLen !== IP4_HEADER_LEN) error = checkOptions4(u8, ip, ip + headerLen);
      }
      if (error < 0) return out;
      if (error === E4.bad_options) {
        node.count(error, 1);
        i32[m + M_L3] = ip;
        requestIcmpError(i32, m, ICMP4_PARAMETER_PROBLEM, 0, ip4OptionsFault(u8, ip));
        return NEXT_ICMP_ERROR;
      }
      i32[m + M_ERROR] = node.errorBase + error;
      return NEXT_DROP;
    }

    return (frame: Frame, node: NodeRuntime) => {
      const { buffers, next: nexts, count } = frame;
      let ifIndex = -1;
      let fib = 0;
      let out = NEXT_LOOKUP;
      for (let i = 0; i < count; i++) {
        const m = (meta + (buffers[i] << 4)) | 0;
        if (i32[(m + M_RX_IF) | 0] !== ifIndex) {
          ifIndex = i32[(m + M_RX_IF) | 0];
          const iface = interfaces.at(ifIndex);
          fib = iface === undefined ? 0 : iface.fib4;
          out = iface !== undefined && iface.promiscuous ? NEXT_LOCAL : arc.next(slots, ifIndex, -1);
        }
        const ip = i32[(m + M_DATA) | 0];
        const len = i32[(m + M_LEN) | 0];
        i32[(m + M_FIB) | 0] = fib;
        // The usual packet: aligned, no options, no tails, from a unicast address to one.
        if ((ip & 3) === 0 && len >= IP4_HEADER_LEN && u8[ip] === 0x45) {
          const total = dv.getUint16((ip + IP4_TOTAL_LEN) | 0);
          const from = u8[(ip + IP4_SRC) | 0];
          const to = u8[(ip + IP4_DST) | 0];
          const w = ip >> 2;
          const w0 = i32[w];
          const w1 = i32[(w + 1) | 0];
          const w2 = i32[(w + 2) | 0];
          const w3 = i32[(w + 3) | 0];
          const w4 = i32[(w + 4) | 0];
          // RFC 1071 2(B): the sum in the machine's byte order is 0xffff when the one in network order is.
          let sum = ((w0 & 0xffff) + (w0 >>> 16) + (w1 & 0xffff) + (w1 >>> 16) + (w2 & 0xffff) + (w2 >>> 16)) | 0;
          sum = (sum + (w3 & 0xffff) + (w3 >>> 16) + (w4 & 0xffff) + (w4 >>> 16)) | 0;
          sum = ((sum & 0xffff) + (sum >>> 16)) | 0;
          sum = ((sum & 0xffff) + (sum >>> 16)) | 0;
          const isUnicast = from < 224 && from !== 0 && from !== 127 && to < 224 && to !== 127;
          if (sum === 0xffff && isUnicast && total <= len && total >= IP4_HEADER_LEN && i32[(m + M_TAIL) | 0] === 0) {
            i32[(m + M_LEN) | 0] = total;
            nexts[i] = out;
            continue;
          }
        }
        nexts[i] = judge(m, out, node);
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
        const m = (meta + (buffers[i] << 4)) | 0;
        if (i32[(m + M_RX_IF) | 0] !== ifIndex) {
          ifIndex = i32[(m + M_RX_IF) | 0];
          const iface = interfaces.at(ifIndex);
          fib = iface === undefined ? 0 : iface.fib6;
          out = iface !== undefined && iface.promiscuous ? NEXT_LOCAL : arc.next(slots, ifIndex, -1);
        }
        const ip = i32[(m + M_DATA) | 0];
        const len = i32[(m + M_LEN) | 0];
        let error = -1;
        if (len < IP6_HEADER_LEN) error = E6.too_short;
        else {
          const tails = i32[(m + M_TAIL) | 0] & 0xffffff;
          const total = dv.getUint16(ip + 4) + IP6_HEADER_LEN;
          const s0 = dv.getInt32(ip + IP6_SRC);
          const d0 = dv.getInt32((ip + IP6_DST) | 0);
          if (dv.getUint8(ip) >>> 4 !== 6) error = E6.version;
          else if (total > len + tails || (tails !== 0 && total !== len + tails)) error = E6.bad_length;
          else if (s0 === 0 || d0 === 0 || s0 >>> 24 === 0xff || d0 >>> 24 === 0xff) error = checkAddresses(ip, s0, d0);
          if (error < 0) {
            if (tails === 0) i32[(m + M_LEN) | 0] = total;
            i32[(m + M_FIB) | 0] = fib;
            i32[(m + M_FLAGS) | 0] |= d0 >>> 24 === 0xff ? F_IP6 | F_L3_MULTICAST : F_IP6;
            nexts[i] = out;
            continue;
          }
        }
        i32[(m + M_ERROR) | 0] = errorBase + error;
        nexts[i] = NEXT_DROP;
      }
    };
  },
};
