import { isLinkLocal6 } from "../src/ip/address.js";
import {
  A_IF,
  A_TYPE,
  ADJ_ARP,
  ADJ_BROADCAST,
  ADJ_GLEAN,
  ADJ_INDEX_DROP,
  ADJ_LOCAL,
  ADJ_MULTICAST,
  ADJ_PUNT,
  ADJ_REWRITE,
  ADJ_UNREACHABLE,
} from "../src/ip/adjacency.js";
import { flowHash4, flowHash6 } from "../src/ip/flow-hash.js";
import { requestIcmpError } from "../src/ip/icmp-request.js";
import { ipTraceWithAdjacency } from "../src/ip/ip-trace.js";
import { L_BUCKETS, L_MASK, L_SINGLE } from "../src/ip/load-balance.js";
import { MTRIE_VALUE_SHIFT } from "../src/ip/mtrie.js";
import type { Frame } from "../src/graph/frame.js";
import { type NodeForm, type NodeRuntime, nodeErrors } from "../src/graph/node.js";
import {
  F_L2_MULTICAST,
  F_L3_MULTICAST,
  F_LOCAL_ORIGIN,
  M_ADJ,
  M_DATA,
  M_ERROR,
  M_FIB,
  M_FLAGS,
  M_L3,
  M_LEN,
  M_RX_IF,
  M_TX_IF,
} from "../src/graph/packet-pool.js";
import { ICMP4_NET_UNREACHABLE, ICMP4_UNREACHABLE } from "../src/wire/icmp4.js";
import { ICMP6_NO_ROUTE, ICMP6_UNREACHABLE } from "../src/wire/icmp6.js";
import { IP4_DST } from "../src/wire/ip4.js";
import { IP6_DST } from "../src/wire/ip6.js";
import type { Host } from "./host.js";

const COMMON_ERRORS = {
  blackhole: ["info", "route says drop"],
  not_forwarded: ["info", "packet for another host, forwarding is off"],
  l2_multicast: ["info", "packet for another host in a link-layer broadcast"],
  no_route: ["warn", "no route to destination"],
  no_group: ["info", "multicast group not joined"],
  no_interface: ["warn", "link scope destination and no interface for it"],
} as const;
// The common ones have the same numbers in both.
const errors4 = nodeErrors({
  ...COMMON_ERRORS,
  broadcast: ["info", "broadcast of a subnet elsewhere, or sent by this host"],
});
const errors6 = nodeErrors(COMMON_ERRORS);
const E = errors4.index;

const next4 = ["drop", "punt", "ip4-local", "ip4-arp", "ip4-glean", "ip4-rewrite", "ip4-icmp-error"] as const;
const next6 = [
  "drop",
  "punt",
  "ip6-local",
  "ip6-discover-neighbor",
  "ip6-glean",
  "ip6-rewrite",
  "ip6-icmp-error",
] as const;
const NEXT_DROP = 0;
const NEXT_PUNT = 1;
const NEXT_LOCAL = 2;
const NEXT_ARP = 3;
const NEXT_GLEAN = 4;
const NEXT_REWRITE = 5;
const NEXT_ICMP_ERROR = 6;
/** Not a next index: the packet is local when it came in on the adjacency's interface. */
const NEXT_BROADCAST = 7;

// Where packets go is a table: kind of packet << 4 | type of adjacency.
/** Sent by this host. */
const KIND_ORIGIN = 0;
/** Received, and this host does not forward (it). */
const KIND_HOST = 1;
/** Received, and this host forwards. */
const KIND_ROUTER = 2;

/** The table of next indices. */
function nextTable(): Int32Array {
  const table = new Int32Array(48).fill(NEXT_DROP);
  for (let kind = KIND_ORIGIN; kind <= KIND_ROUTER; kind++) {
    const row = kind << 4;
    table[row + ADJ_PUNT] = NEXT_PUNT;
    table[row + ADJ_LOCAL] = NEXT_LOCAL;
    if (kind !== KIND_ORIGIN) table[row + ADJ_BROADCAST] = NEXT_BROADCAST;
    if (kind === KIND_HOST) continue;
    table[row + ADJ_ARP] = NEXT_ARP;
    table[row + ADJ_GLEAN] = NEXT_GLEAN;
    table[row + ADJ_REWRITE] = NEXT_REWRITE;
    table[row + ADJ_UNREACHABLE] = NEXT_ICMP_ERROR;
  }
  table[(KIND_ORIGIN << 4) + ADJ_MULTICAST] = NEXT_REWRITE;
  return table;
}

/** The table of errors of packets that are dropped. */
function errorTable(): Int32Array {
  const table = new Int32Array(48).fill(E.blackhole);
  for (let kind = KIND_ORIGIN; kind <= KIND_ROUTER; kind++) table[(kind << 4) + ADJ_BROADCAST] = E.broadcast;
  for (const type of [ADJ_ARP, ADJ_GLEAN, ADJ_REWRITE, ADJ_UNREACHABLE])
    table[(KIND_HOST << 4) + type] = E.not_forwarded;
  return table;
}

/**
 * ip4-lookup: longest match of the destination in the FIB of M_FIB, path by flow hash where there are several, and the
 * adjacency's type says where to. Received packets go on to other hosts only when forwarding is on.
 */
export const ip4Lookup: NodeForm<Host> = {
  name: "ip4-lookup",
  next: next4,
  errors: errors4.list,
  trace: ipTraceWithAdjacency(true),
  process: (host) => {
    const { i32, dv } = host.window;
    const { meta } = host.pool;
    const { tables } = host.ip.fib4;
    const { settings, fib } = host.ip;
    const adjBase = host.ip.adjacencies.base;
    const lbBase = host.ip.loadBalances.base;
    const nextOf = nextTable();
    const errorOf = errorTable();

    /** The adjacency for groups and 255.255.255.255 when this host sends: of the interface named, or the default one. */
    function groupAdjacency(m: number): number {
      const ifIndex = i32[m + M_TX_IF] >= 0 ? i32[m + M_TX_IF] : fib.defaultInterface[4];
      return ifIndex >= 0 ? fib.multicast4[ifIndex] : -1;
    }

    return (frame: Frame, node: NodeRuntime) => {
      const { buffers, next: nexts, count } = frame;
      const { errorBase } = node;
      const received = settings.forward4 ? KIND_ROUTER : KIND_HOST;
      // The table that was looked in last.
      let table = -1;
      let root = 0;
      let rootShift = 0;
      for (let i = 0; i < count; i++) {
        const m = (meta + (buffers[i] << 4)) | 0;
        const ip = i32[(m + M_DATA) | 0];
        const flags = i32[(m + M_FLAGS) | 0];
        const dst = dv.getInt32((ip + IP4_DST) | 0);
        if (i32[(m + M_FIB) | 0] !== table) {
          table = i32[(m + M_FIB) | 0];
          root = i32[tables + (table << 1)];
          rootShift = i32[tables + (table << 1) + 1];
        }
        let shift = rootShift;
        let slot = i32[(root + (dst >>> shift)) | 0];
        while ((slot & 1) === 0) {
          shift = (shift - 8) | 0;
          slot = i32[((slot >>> 1) + ((dst >>> shift) & 255)) | 0];
        }
        const lb = (lbBase + ((slot >>> MTRIE_VALUE_SHIFT) << 2)) | 0;
        const mask = i32[(lb + L_MASK) | 0];
        let adj = i32[(lb + L_SINGLE) | 0];
        if (mask !== 0) adj = i32[i32[(lb + L_BUCKETS) | 0] + (mask & flowHash4(dv, ip, i32[(m + M_LEN) | 0]))];
        let kind = received;
        if ((flags & F_LOCAL_ORIGIN) !== 0) {
          kind = KIND_ORIGIN;
          if (dst >>> 28 === 14 || dst === -1) {
            adj = groupAdjacency(m);
            if (adj < 0) {
              i32[(m + M_ERROR) | 0] = errorBase + E.no_interface;
              nexts[i] = NEXT_DROP;
              continue;
            }
          }
        } else if ((flags & F_L2_MULTICAST) !== 0) kind = KIND_HOST;
        i32[(m + M_ADJ) | 0] = adj;
        const a = (adjBase + (adj << 4)) | 0;
        const type = i32[(a + A_TYPE) | 0];
        let to = nextOf[(kind << 4) | type];
        if (to === NEXT_BROADCAST) {
          to = NEXT_DROP;
          if (i32[(a + A_IF) | 0] === i32[(m + M_RX_IF) | 0]) {
            to = NEXT_LOCAL;
            i32[(m + M_FLAGS) | 0] = flags | F_L3_MULTICAST;
          }
        }
        if (to === NEXT_DROP) {
          let error = errorOf[(kind << 4) | type];
          if (dst >>> 28 === 14) error = E.no_group;
          else if (kind !== received && error === E.not_forwarded && received === KIND_ROUTER) error = E.l2_multicast;
          i32[(m + M_ERROR) | 0] = errorBase + error;
        } else if (to === NEXT_ICMP_ERROR) {
          node.count(E.no_route, 1);
          i32[(m + M_L3) | 0] = ip;
          requestIcmpError(i32, m, ICMP4_UNREACHABLE, ICMP4_NET_UNREACHABLE, 0);
        }
        nexts[i] = to;
      }
    };
  },
};

/**
 * ip6-lookup: as ip4-lookup. Link-local destinations and groups belong to a link: they are looked up in the link table of
 * the interface that the packet came in on, or is to leave by, and never forwarded (RFC 4291 2.5.6).
 */
export const ip6Lookup: NodeForm<Host> = {
  name: "ip6-lookup",
  next: next6,
  errors: errors6.list,
  trace: ipTraceWithAdjacency(false),
  process: (host) => {
    const { i32, dv } = host.window;
    const { meta } = host.pool;
    const { settings, fib, fib6 } = host.ip;
    const adjBase = host.ip.adjacencies.base;
    const lbBase = host.ip.loadBalances.base;
    const nextOf = nextTable();
    const errorOf = errorTable();

    /** The interface of a destination of link scope, -1 when there is none. */
    function linkOf(m: number, isOrigin: boolean): number {
      if (!isOrigin) return i32[m + M_RX_IF];
      return i32[m + M_TX_IF] >= 0 ? i32[m + M_TX_IF] : fib.defaultInterface[6];
    }

    return (frame: Frame, node: NodeRuntime) => {
      const { buffers, next: nexts, count } = frame;
      const { errorBase } = node;
      const received = settings.forward6 ? KIND_ROUTER : KIND_HOST;
      for (let i = 0; i < count; i++) {
        const m = (meta + (buffers[i] << 4)) | 0;
        const ip = i32[(m + M_DATA) | 0];
        const flags = i32[(m + M_FLAGS) | 0];
        const w0 = dv.getInt32((ip + IP6_DST) | 0);
        const isGroup = w0 >>> 24 === 0xff;
        let table = i32[(m + M_FIB) | 0];
        let kind = received;
        if ((flags & F_LOCAL_ORIGIN) !== 0) {
          kind = KIND_ORIGIN;
        } else if ((flags & F_L2_MULTICAST) !== 0) kind = KIND_HOST;
        let link = -1;
        if (isGroup || isLinkLocal6(w0)) {
          link = linkOf(m, kind === KIND_ORIGIN);
          table = link < 0 ? -1 : fib.link6[link];
          if (table < 0) {
            i32[(m + M_ERROR) | 0] = errorBase + E.no_interface;
            nexts[i] = NEXT_DROP;
            continue;
          }
          if (kind === KIND_ROUTER) kind = KIND_HOST;
        }
        let adj = ADJ_INDEX_DROP;
        if (isGroup && kind === KIND_ORIGIN) adj = fib.multicast6[link];
        else {
          const found = fib6.lookup(
            table,
            w0,
            dv.getInt32(ip + IP6_DST + 4),
            dv.getInt32(ip + IP6_DST + 8),
            dv.getInt32(ip + IP6_DST + 12),
          );
          const lb = (lbBase + (found << 2)) | 0;
          const mask = i32[(lb + L_MASK) | 0];
          adj = i32[(lb + L_SINGLE) | 0];
          if (mask !== 0) adj = i32[i32[(lb + L_BUCKETS) | 0] + (mask & flowHash6(dv, ip, i32[(m + M_LEN) | 0]))];
        }
        i32[(m + M_ADJ) | 0] = adj;
        const type = i32[adjBase + (adj << 4) + A_TYPE];
        const to = nextOf[(kind << 4) | type];
        if (to === NEXT_DROP) {
          let error = errorOf[(kind << 4) | type];
          if (isGroup) error = E.no_group;
          else if (link < 0 && error === E.not_forwarded && received === KIND_ROUTER) error = E.l2_multicast;
          i32[(m + M_ERROR) | 0] = errorBase + error;
        } else if (to === NEXT_ICMP_ERROR) {
          node.count(E.no_route, 1);
          i32[(m + M_L3) | 0] = ip;
          requestIcmpError(i32, m, ICMP6_UNREACHABLE, ICMP6_NO_ROUTE, 0);
        }
        nexts[i] = to;
      }
    };
  },
};
