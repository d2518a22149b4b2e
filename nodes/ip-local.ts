import type { Frame } from "../src/graph/frame.js";
import { type NodeForm, type NodeRuntime, nodeErrors, type Process } from "../src/graph/node.js";
import {
  F_CHECKSUM_PARTIAL,
  F_L2_MULTICAST,
  F_L3_MULTICAST,
  F_L4_CHECKSUM_OK,
  F_LOCAL_ORIGIN,
  F_REASSEMBLED,
  M_CONN,
  M_DATA,
  M_ERROR,
  M_FIB,
  M_FLAGS,
  M_L3,
  M_L4,
  M_LEN,
  M_PROTO,
  M_RX_IF,
  M_TAIL,
} from "../src/graph/packet-pool.js";
import { A_IF, A_TYPE, ADJ_BROADCAST, ADJ_DROP, ADJ_LOCAL } from "../src/ip/adjacency.js";
import { isLinkLocal6, isUnspecified6 } from "../src/ip/address.js";
import { requestIcmpError } from "../src/ip/icmp-request.js";
import { IP4_TRACE, IP6_TRACE } from "../src/ip/ip-trace.js";
import { sumPacket } from "../src/ip/l4-checksum.js";
import { L_BUCKETS } from "../src/ip/load-balance.js";
import { checksumPseudo4, checksumPseudo6 } from "../src/wire/checksum.js";
import { ICMP4_PROTOCOL_UNREACHABLE, ICMP4_UNREACHABLE } from "../src/wire/icmp4.js";
import { ICMP6_PARAMETER_PROBLEM, ICMP6_UNKNOWN_NEXT_HEADER } from "../src/wire/icmp6.js";
import {
  IP4_FRAGMENT,
  IP4_PROTOCOL,
  IP4_SRC,
  PROTOCOL_ICMP4,
  PROTOCOL_ICMP6,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
} from "../src/wire/ip4.js";
import { IP6_HEADER_LEN, IP6_NEXT_HEADER, IP6_SRC, ip6PayloadLen } from "../src/wire/ip6.js";
import {
  IP6_EXT_BAD_OPTION,
  IP6_EXT_FRAGMENT_AT,
  IP6_EXT_FRAGMENT_NAMED_AT,
  IP6_EXT_L4,
  IP6_EXT_OK,
  IP6_EXT_OPTION_DROP,
  IP6_EXT_POINTER,
  IP6_EXT_PROTOCOL,
  IP6_EXT_PROTOCOL_NAMED_AT,
  IP6_EXT_TOO_MANY,
  IP6_EXT_WORDS,
  IP6_FRAGMENT_LEN,
  IP6_NO_NEXT_HEADER,
  ip6ExtProblemCode,
  ip6ExtWalk,
  ip6IsFragment,
} from "../src/wire/ip6-ext.js";
import { UDP_CHECKSUM, UDP_HEADER_LEN, UDP_LENGTH } from "../src/wire/udp.js";
import type { Host } from "./host.js";

const COMMON_ERRORS = {
  spoofed_local_packets: ["warn", "own address as source of a received packet"],
  bad_source: ["warn", "source is a broadcast address, or routed to nowhere"],
  unknown_protocol: ["info", "unknown protocol"],
  tcp_checksum: ["error", "bad tcp checksum"],
  udp_checksum: ["error", "bad udp checksum"],
  udp_length: ["error", "inconsistent udp/ip lengths"],
} as const;
// The common ones have the same numbers in both.
const errors4 = nodeErrors({
  ...COMMON_ERRORS,
  l2_multicast: ["warn", "unicast packet in a link-layer broadcast"],
});
const errors6 = nodeErrors({
  ...COMMON_ERRORS,
  udp_zero_checksum: ["error", "udp over ip6 without checksum"],
  truncated: ["error", "extension header cut short"],
  ext_too_many: ["warn", "too many extension headers"],
  ext_option: ["warn", "option that is malformed, or asks to be dropped"],
  ext_problem: ["warn", "extension header that draws a parameter problem"],
  no_next_header: ["info", "nothing follows the headers"],
  no_buffer: ["error", "no packet buffer left"],
});
const E = { ...errors4.index, ...errors6.index };

const next4 = [
  "drop",
  "ip4-icmp-error",
  "ip4-local-full-reassembly",
  "tcp4-input",
  "udp4-input",
  "ip4-icmp-input",
] as const;
const next6 = [
  "drop",
  "ip6-icmp-error",
  "ip6-local-full-reassembly",
  "tcp6-input",
  "udp6-input",
  "ip6-icmp-input",
] as const;
const NEXT_DROP = 0;
const NEXT_ICMP_ERROR = 1;
const NEXT_REASSEMBLY = 2;
const NEXT_TCP = 3;
const NEXT_UDP = 4;
const NEXT_ICMP = 5;

/** Next indices by protocol; NEXT_ICMP_ERROR for those that nobody takes. */
function protocolTable(isIp4: boolean): Int32Array {
  const table = new Int32Array(256).fill(NEXT_ICMP_ERROR);
  table[PROTOCOL_TCP] = NEXT_TCP;
  table[PROTOCOL_UDP] = NEXT_UDP;
  table[isIp4 ? PROTOCOL_ICMP4 : PROTOCOL_ICMP6] = NEXT_ICMP;
  return table;
}

/** What ip4-local and ip6-local have in common: where a source leads, and whether a transport checksum is right. */
function makeChecks(host: Host, isIp4: boolean) {
  const { i32, dv } = host.window;
  const { pool } = host;
  const adjBase = host.ip.adjacencies.base;
  const lbBase = host.ip.loadBalances.base;

  /** Type of the adjacency behind load balance `lb`; a broadcast address of another interface is as good as none. */
  function errorOf(lb: number, rxIf: number): number {
    const row = adjBase + (i32[i32[lbBase + (lb << 2) + L_BUCKETS]] << 4);
    const type = i32[row + A_TYPE];
    if (type === ADJ_LOCAL) return E.spoofed_local_packets;
    if (type === ADJ_DROP) return E.bad_source;
    return type === ADJ_BROADCAST && i32[row + A_IF] === rxIf ? E.bad_source : -1;
  }

  /** -1 when the checksum of TCP or UDP in `bytes` at `l4` is right, else an error. */
  function checkL4(b: number, ip: number, l4: number, bytes: number, protocol: number, flags: number): number {
    const known = (flags & (F_L4_CHECKSUM_OK | F_CHECKSUM_PARTIAL)) !== 0;
    if (protocol === PROTOCOL_TCP) {
      if (known) return -1;
      const pseudo = isIp4 ? checksumPseudo4(dv, ip, protocol, bytes) : checksumPseudo6(dv, ip, protocol, bytes);
      return sumPacket(pool, b, l4, bytes, pseudo) === 0xffff ? -1 : E.tcp_checksum;
    }
    if (bytes < UDP_HEADER_LEN) return E.udp_length;
    const length = dv.getUint16(l4 + UDP_LENGTH);
    if (length < UDP_HEADER_LEN || length > bytes) return E.udp_length;
    if (known) return -1;
    // RFC 768: none was computed. Not an option in IPv6 (RFC 8200 8.1).
    if (dv.getUint16(l4 + UDP_CHECKSUM) === 0) return isIp4 ? -1 : E.udp_zero_checksum;
    const pseudo = isIp4 ? checksumPseudo4(dv, ip, protocol, length) : checksumPseudo6(dv, ip, protocol, length);
    return sumPacket(pool, b, l4, length, pseudo) === 0xffff ? -1 : E.udp_checksum;
  }

  return { errorOf, checkL4 };
}

/**
 * ip4-local: packets for this host. Refuses sources that cannot be (RFC 1122 3.2.1.3), sends fragments to reassembly,
 * verifies the checksums of TCP and UDP, and hands the packet, from its transport header on, to its protocol.
 */
export const ip4Local: NodeForm<Host> = {
  name: "ip4-local",
  next: next4,
  errors: errors4.list,
  trace: IP4_TRACE,
  process: (host) => {
    const { i32, dv } = host.window;
    const { meta } = host.pool;
    const { fib4 } = host.ip;
    const arc = host.engine.arc("ip4-local");
    const slots = arc.slotsOf("ip4-local");
    const toOf = protocolTable(true);
    const { errorOf, checkL4 } = makeChecks(host, true);

    return (frame: Frame, node: NodeRuntime) => {
      const { buffers, next: nexts, count } = frame;
      const { errorBase } = node;
      // The source looked up last: packets of a flow come in rows.
      let lastSrc = 0;
      let lastFib = -1;
      let lastRx = -1;
      let lastError = -1;
      for (let i = 0; i < count; i++) {
        const b = buffers[i];
        const m = meta + (b << 4);
        const ip = i32[m + M_DATA];
        const flags = i32[m + M_FLAGS];
        const rx = i32[m + M_RX_IF];
        let error = -1;
        if ((flags & F_LOCAL_ORIGIN) === 0) {
          const src = dv.getInt32(ip + IP4_SRC);
          // RFC 1122 3.3.6.
          if ((flags & (F_L2_MULTICAST | F_L3_MULTICAST)) === F_L2_MULTICAST) error = E.l2_multicast;
          else if (src !== 0) {
            if (src !== lastSrc || i32[m + M_FIB] !== lastFib || rx !== lastRx) {
              lastSrc = src;
              lastFib = i32[m + M_FIB];
              lastRx = rx;
              lastError = errorOf(fib4.lookup(lastFib, src), rx);
            }
            error = lastError;
          }
        }
        if (error < 0 && (dv.getUint16(ip + IP4_FRAGMENT) & 0x3fff) !== 0) {
          nexts[i] = NEXT_REASSEMBLY;
          continue;
        }
        const headerLen = (dv.getUint8(ip) & 15) << 2;
        const l4 = ip + headerLen;
        const protocol = dv.getUint8(ip + IP4_PROTOCOL);
        const bytes = i32[m + M_LEN] - headerLen;
        const to = toOf[protocol];
        i32[m + M_L3] = ip;
        i32[m + M_L4] = l4;
        i32[m + M_PROTO] = protocol;
        if (error < 0 && (to === NEXT_TCP || to === NEXT_UDP)) {
          error = checkL4(b, ip, l4, bytes + (i32[m + M_TAIL] & 0xffffff), protocol, flags);
        }
        if (error >= 0) {
          i32[m + M_ERROR] = errorBase + error;
          nexts[i] = NEXT_DROP;
        } else if (to === NEXT_ICMP_ERROR) {
          node.count(E.unknown_protocol, 1);
          requestIcmpError(i32, m, ICMP4_UNREACHABLE, ICMP4_PROTOCOL_UNREACHABLE, 0);
          nexts[i] = NEXT_ICMP_ERROR;
        } else {
          i32[m + M_DATA] = l4;
          i32[m + M_LEN] = bytes;
          nexts[i] = rx < 0 || arc.mask[rx] === 0 ? to : arc.next(slots, rx, -1);
        }
      }
    };
  },
};

/**
 * ip6-local: packets for this host. As ip4-local, after a bounded walk over the extension headers (RFC 8200 4), whose
 * complaints become parameter problems. An atomic fragment is a whole packet (RFC 6946).
 */
export const ip6Local: NodeForm<Host> = {
  name: "ip6-local",
  next: next6,
  errors: errors6.list,
  trace: IP6_TRACE,
  process: (host) => {
    const { u8, i32, dv } = host.window;
    const { pool } = host;
    const { meta } = pool;
    const { fib6, fib } = host.ip;
    const arc = host.engine.arc("ip6-local");
    const slots = arc.slotsOf("ip6-local");
    const toOf = protocolTable(false);
    const { errorOf, checkL4 } = makeChecks(host, false);
    const found = new Int32Array(IP6_EXT_WORDS);

    // The source looked up last, and what came of it: packets of a flow come in rows.
    const last = new Int32Array(4);
    let lastTable = -1;
    let lastError = -1;

    function checkSource(m: number, ip: number): number {
      const at = ip + IP6_SRC;
      const w0 = dv.getInt32(at);
      const w1 = dv.getInt32(at + 4);
      const w2 = dv.getInt32(at + 8);
      const w3 = dv.getInt32(at + 12);
      const rx = i32[m + M_RX_IF];
      const isLink = isLinkLocal6(w0);
      const table = isLink ? (rx < 0 ? -1 : fib.link6[rx]) : i32[m + M_FIB];
      if (table === lastTable && w3 === last[3] && w2 === last[2] && w1 === last[1] && w0 === last[0]) return lastError;
      if (table < 0 || isUnspecified6(w0, w1, w2, w3)) return -1;
      const error = errorOf(fib6.lookup(table, w0, w1, w2, w3), rx);
      last[0] = w0;
      last[1] = w1;
      last[2] = w2;
      last[3] = w3;
      lastTable = table;
      // In a link table everything that is not known leads to nowhere.
      lastError = error === E.bad_source && isLink ? -1 : error;
      return lastError;
    }

    /** Follows the extension headers: -1 with `found` filled, or where a packet goes that stops here. */
    function walk(m: number, ip: number, node: NodeRuntime): number {
      const status = ip6ExtWalk(dv, u8, ip, found);
      if (status === IP6_EXT_OK) {
        const at = found[IP6_EXT_FRAGMENT_AT];
        if (at === 0) return -1;
        i32[m + M_FLAGS] |= F_REASSEMBLED;
        if (!ip6IsFragment(dv, at)) return -1;
        i32[m + M_L4] = at + IP6_FRAGMENT_LEN;
        i32[m + M_PROTO] = u8[at];
        i32[m + M_CONN] = found[IP6_EXT_FRAGMENT_NAMED_AT] - ip;
        return NEXT_REASSEMBLY;
      }
      const code = ip6ExtProblemCode(status);
      if (code >= 0) {
        node.count(E.ext_problem, 1);
        requestIcmpError(i32, m, ICMP6_PARAMETER_PROBLEM, code, found[IP6_EXT_POINTER]);
        return NEXT_ICMP_ERROR;
      }
      let error: number = E.truncated;
      if (status === IP6_EXT_TOO_MANY) error = E.ext_too_many;
      else if (status === IP6_EXT_BAD_OPTION || status === IP6_EXT_OPTION_DROP) error = E.ext_option;
      i32[m + M_ERROR] = node.errorBase + error;
      return NEXT_DROP;
    }

    return (frame: Frame, node: NodeRuntime) => {
      const { buffers, next: nexts, count } = frame;
      const { errorBase } = node;
      // Tables change between frames only.
      lastTable = -1;
      for (let i = 0; i < count; i++) {
        let b = buffers[i];
        let m = meta + (b << 4);
        let ip = i32[m + M_DATA];
        i32[m + M_L3] = ip;
        const flags = i32[m + M_FLAGS];
        const rx = i32[m + M_RX_IF];
        let error = (flags & F_LOCAL_ORIGIN) !== 0 ? -1 : checkSource(m, ip);
        let protocol = dv.getUint8(ip + IP6_NEXT_HEADER);
        let l4 = ip + IP6_HEADER_LEN;
        let namedAt = IP6_NEXT_HEADER;
        let to = toOf[protocol];
        if (error < 0 && to === NEXT_ICMP_ERROR) {
          if (i32[m + M_TAIL] !== 0) {
            b = pool.linearize(b);
            if (b < 0) {
              i32[m + M_ERROR] = errorBase + E.no_buffer;
              nexts[i] = NEXT_DROP;
              continue;
            }
            buffers[i] = b;
            m = meta + (b << 4);
            ip = i32[m + M_DATA];
          }
          const end = walk(m, ip, node);
          if (end >= 0) {
            nexts[i] = end;
            continue;
          }
          protocol = found[IP6_EXT_PROTOCOL];
          l4 = found[IP6_EXT_L4];
          namedAt = found[IP6_EXT_PROTOCOL_NAMED_AT];
          to = toOf[protocol];
          if (protocol === IP6_NO_NEXT_HEADER) error = E.no_next_header;
        }
        const headerBytes = l4 - ip;
        i32[m + M_L4] = l4;
        i32[m + M_PROTO] = protocol;
        if (error < 0 && (to === NEXT_TCP || to === NEXT_UDP)) {
          error = checkL4(b, ip, l4, ip6PayloadLen(dv, ip) + IP6_HEADER_LEN - headerBytes, protocol, flags);
        }
        if (error >= 0) {
          i32[m + M_ERROR] = errorBase + error;
          nexts[i] = NEXT_DROP;
        } else if (to === NEXT_ICMP_ERROR) {
          node.count(E.unknown_protocol, 1);
          requestIcmpError(i32, m, ICMP6_PARAMETER_PROBLEM, ICMP6_UNKNOWN_NEXT_HEADER, namedAt);
          nexts[i] = NEXT_ICMP_ERROR;
        } else {
          i32[m + M_DATA] = l4;
          i32[m + M_LEN] -= headerBytes;
          nexts[i] = rx < 0 || arc.mask[rx] === 0 ? to : arc.next(slots, rx, -1);
        }
      }
    };
  },
};

/** The end of the arcs ip4-local and ip6-local: packets that went by a feature go to their protocol. */
function endOfArc(host: Host, isIp4: boolean): Process {
  const { i32 } = host.window;
  const { meta } = host.pool;
  const toOf = protocolTable(isIp4);
  return (frame: Frame) => {
    for (let i = 0; i < frame.count; i++) frame.next[i] = toOf[i32[meta + (frame.buffers[i] << 4) + M_PROTO]];
  };
}

/** ip4-local-end-of-arc: see above. */
export const ip4LocalEndOfArc: NodeForm<Host> = {
  name: "ip4-local-end-of-arc",
  next: next4,
  errors: [],
  trace: { bytes: 0, format: (_dv, _length, meta) => `protocol ${meta[M_PROTO]}` },
  process: (host) => endOfArc(host, true),
};

/** ip6-local-end-of-arc: see above. */
export const ip6LocalEndOfArc: NodeForm<Host> = {
  name: "ip6-local-end-of-arc",
  next: next6,
  errors: [],
  trace: { bytes: 0, format: (_dv, _length, meta) => `protocol ${meta[M_PROTO]}` },
  process: (host) => endOfArc(host, false),
};
