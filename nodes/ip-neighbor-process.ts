import type { Frame } from "../src/graph/frame.js";
import { NO_TRACE, type NodeForm, type NodeRuntime, nodeErrors } from "../src/graph/node.js";
import { F_IP6, F_LOCAL_ORIGIN, M_ERROR, M_FLAGS } from "../src/graph/packet-pool.js";
import { N_STATE, NB_FAILED, NB_INCOMPLETE, NB_PROBE } from "../src/ip/neighbour-rows.js";
import { requestIcmpError } from "../src/ip/icmp-request.js";
import { makeSolicitation } from "../src/ip/solicitation.js";
import { ICMP4_HOST_UNREACHABLE, ICMP4_UNREACHABLE } from "../src/wire/icmp4.js";
import { ICMP6_ADDRESS_UNREACHABLE, ICMP6_UNREACHABLE } from "../src/wire/icmp6.js";
import type { Host } from "./host.js";

const errors = nodeErrors({
  requests_sent: ["info", "solicitations sent again, and probes"],
  not_sent: ["error", "no buffer, or no address, for a solicitation"],
  unreachable: ["error", "neighbour did not answer"],
  evicted: ["error", "neighbour made room for another"],
});
const E = errors.index;

const next = ["drop", "interface-output", "ip4-icmp-error", "ip6-icmp-error"] as const;
const NEXT_DROP = 0;
const NEXT_OUTPUT = 1;
const NEXT_ICMP4 = 2;
const NEXT_ICMP6 = 3;

/**
 * ip-neighbor-process: after timers have run, sends what neighbours wait for: further solicitations, probes, and for
 * those that did not answer the ICMP errors for forwarded packets (RFC 4861 7.2.2, RFC 1812 5.2.7.1).
 */
export const ipNeighborProcess: NodeForm<Host> = {
  name: "ip-neighbor-process",
  kind: "sched",
  next,
  errors: errors.list,
  trace: NO_TRACE,
  process: (host) => {
    const { i32 } = host.window;
    const { pool, interfaces, neighbours } = host;
    const { meta } = pool;
    const { rows } = neighbours;
    const parts = { pool, interfaces, addresses: host.ip.fib.addresses, rows };

    function solicit(row: number, node: NodeRuntime): void {
      const b = makeSolicitation(parts, row);
      node.count(b >= 0 ? E.requests_sent : E.not_sent, 1);
      if (b >= 0) node.push(NEXT_OUTPUT, b);
    }

    function fail(row: number, node: NodeRuntime): void {
      for (let b = neighbours.take(row); b >= 0; b = neighbours.take(row)) {
        const m = meta + (b << 4);
        const flags = i32[m + M_FLAGS];
        if ((flags & F_LOCAL_ORIGIN) !== 0) {
          i32[m + M_ERROR] = node.errorBase + E.unreachable;
          node.push(NEXT_DROP, b);
        } else {
          node.count(E.unreachable, 1);
          const isIp6 = (flags & F_IP6) !== 0;
          if (isIp6) requestIcmpError(i32, m, ICMP6_UNREACHABLE, ICMP6_ADDRESS_UNREACHABLE, 0);
          else requestIcmpError(i32, m, ICMP4_UNREACHABLE, ICMP4_HOST_UNREACHABLE, 0);
          node.push(isIp6 ? NEXT_ICMP6 : NEXT_ICMP4, b);
        }
      }
      neighbours.settle(row);
    }

    return (_frame: Frame, node: NodeRuntime) => {
      for (let i = 0; i < neighbours.dueCount; i++) {
        const row = neighbours.due[i];
        const state = rows.get(row, N_STATE);
        if (state === NB_INCOMPLETE || state === NB_PROBE) solicit(row, node);
        else if (state === NB_FAILED) fail(row, node);
      }
      neighbours.dueCount = 0;
      for (let b = neighbours.takeOrphan(); b >= 0; b = neighbours.takeOrphan()) {
        i32[meta + (b << 4) + M_ERROR] = node.errorBase + E.evicted;
        node.push(NEXT_DROP, b);
      }
    };
  },
};
