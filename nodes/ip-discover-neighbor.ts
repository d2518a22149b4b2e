import { CONSUMED, type Frame } from "../src/graph/frame.js";
import { NO_TRACE, type NodeForm, type NodeRuntime, nodeErrors, type Process } from "../src/graph/node.js";
import { M_ADJ, M_DATA, M_ERROR } from "../src/graph/packet-pool.js";
import { A_IF, A_NEIGHBOUR } from "../src/ip/adjacency.js";
import { USE_FORWARD, USE_SOLICIT } from "../src/ip/neighbour.js";
import { N_ADJ } from "../src/ip/neighbour-rows.js";
import { makeSolicitation, SOLICIT_NO_SOURCE } from "../src/ip/solicitation.js";
import { IP4_DST } from "../src/wire/ip4.js";
import { IP6_DST } from "../src/wire/ip6.js";
import type { Host } from "./host.js";

const errors = nodeErrors({
  requests_sent: ["info", "solicitations sent"],
  no_source_address: ["warn", "no address to solicit from"],
  no_buffers: ["error", "no buffer for a solicitation"],
  no_neighbor: ["error", "neighbour table is full, or the neighbour was forgotten meanwhile"],
  queue_replaced: ["info", "waiting packet gave way to a newer one"],
  queue_full: ["error", "no room for a waiting packet"],
});
const E = errors.index;

/** Counters of the nodes that hold packets for neighbours. */
export const discoverErrors = errors.list;
const NEXT_DROP = 0;
const NEXT_OUTPUT = 1;
const NEXT_REWRITE = 2;

/** Where the nodes that hold packets for neighbours send things. */
export function discoverNext(isIp4: boolean): readonly string[] {
  return ["drop", "interface-output", isIp4 ? "ip4-rewrite" : "ip6-rewrite"];
}

/**
 * Sends packets on whose neighbour is known and holds the others while it is solicited. The neighbour is the one behind
 * the packet's adjacency, or for a glean adjacency the packet's destination itself.
 */
export function discoverProcess(host: Host, isIp4: boolean, isGlean: boolean): Process {
  const { i32, dv } = host.window;
  const { pool, interfaces, neighbours } = host;
  const { meta } = pool;
  const adjBase = host.ip.adjacencies.base;
  const { rows } = neighbours;
  const parts = { pool, interfaces, addresses: host.ip.fib.addresses, rows };

  function destination(m: number): number {
    const ifIndex = i32[adjBase + (i32[m + M_ADJ] << 4) + A_IF];
    const ip = i32[m + M_DATA];
    if (isIp4) return neighbours.lookup(ifIndex, 4, dv.getInt32(ip + IP4_DST), 0, 0, 0);
    const at = ip + IP6_DST;
    const w0 = dv.getInt32(at);
    return neighbours.lookup(ifIndex, 6, w0, dv.getInt32(at + 4), dv.getInt32(at + 8), dv.getInt32(at + 12));
  }

  function solicit(row: number, node: NodeRuntime): void {
    const b = makeSolicitation(parts, row);
    if (b >= 0) {
      node.count(E.requests_sent, 1);
      node.push(NEXT_OUTPUT, b);
    } else node.count(b === SOLICIT_NO_SOURCE ? E.no_source_address : E.no_buffers, 1);
  }

  /** Where packet `b` goes instead of into the queue. */
  function hold(row: number, b: number, m: number, node: NodeRuntime): number {
    const out = neighbours.hold(row, b);
    if (out === b) {
      i32[m + M_ERROR] = node.errorBase + E.queue_full;
      return NEXT_DROP;
    }
    if (out >= 0) {
      i32[meta + (out << 4) + M_ERROR] = node.errorBase + E.queue_replaced;
      node.push(NEXT_DROP, out);
    }
    return CONSUMED;
  }

  return (frame: Frame, node: NodeRuntime) => {
    const { buffers, next, count } = frame;
    for (let i = 0; i < count; i++) {
      const b = buffers[i];
      const m = meta + (b << 4);
      const row = isGlean ? destination(m) : i32[adjBase + (i32[m + M_ADJ] << 4) + A_NEIGHBOUR];
      if (row < 0) {
        i32[m + M_ERROR] = node.errorBase + E.no_neighbor;
        next[i] = NEXT_DROP;
        continue;
      }
      i32[m + M_ADJ] = rows.get(row, N_ADJ);
      const use = neighbours.use(row);
      if (use === USE_FORWARD) next[i] = NEXT_REWRITE;
      else {
        if (use === USE_SOLICIT) solicit(row, node);
        next[i] = hold(row, b, m, node);
      }
    }
  };
}

/** ip4-arp: packets whose adjacency has no rewrite, because the neighbour is not resolved or its entry is stale. */
export const ip4Arp: NodeForm<Host> = {
  name: "ip4-arp",
  next: discoverNext(true),
  errors: discoverErrors,
  trace: NO_TRACE,
  process: (host) => discoverProcess(host, true, false),
};

/** ip6-discover-neighbor: the twin of ip4-arp. */
export const ip6DiscoverNeighbor: NodeForm<Host> = {
  name: "ip6-discover-neighbor",
  next: discoverNext(false),
  errors: discoverErrors,
  trace: NO_TRACE,
  process: (host) => discoverProcess(host, false, false),
};
