import type { Frame } from "../src/graph/frame.js";
import { type NodeForm, type NodeRuntime, nodeErrors } from "../src/graph/node.js";
import { M_DATA, M_ERROR, M_L3, M_LEN, M_RX_IF } from "../src/graph/packet-pool.js";
import { ownsAddress6 } from "../src/ip/on-link.js";
import { macIsGroup } from "../src/wire/ethernet.js";
import {
  ND_BAD_HOP_LIMIT,
  ND_FLAG_OVERRIDE,
  ND_FLAG_ROUTER,
  ND_FLAG_SOLICITED,
  ND_OK,
  ndCheck,
  ndFlags,
  ndTarget,
} from "../src/wire/nd.js";
import {
  ND_HAS_TARGET_LINK,
  ND_OPT_PRESENT,
  ND_OPT_TARGET_HI,
  ND_OPT_TARGET_LO,
  ND_OPT_WORDS,
} from "../src/wire/nd-options.js";
import type { Host } from "./host.js";
import { ndInvalid, ndTrace } from "./icmp6-neighbor-solicitation.js";

const errors = nodeErrors({
  ...ndInvalid,
  advertisements_received: ["info", "neighbor advertisements received"],
  unknown_neighbor: ["info", "advertisement of a neighbour that was not asked for"],
  address_conflict: ["error", "another station advertises our address"],
  no_link_address: ["error", "answer without a target link-layer address"],
  bad_link_address: ["error", "target link-layer address is a group's, or zero"],
});
const E = errors.index;

const next = ["drop", "ip6-rewrite"] as const;
const NEXT_DROP = 0;
const NEXT_REWRITE = 1;

/** icmp6-neighbor-advertisement: updates neighbours that are known already (RFC 4861 7.2.5), and frees what waited. */
export const icmp6NeighborAdvertisement: NodeForm<Host> = {
  name: "icmp6-neighbor-advertisement",
  next,
  errors: errors.list,
  trace: ndTrace,
  process: (host) => {
    const { u8, i32, dv } = host.window;
    const { neighbours } = host;
    const { meta } = host.pool;
    const { rows } = neighbours;
    const { addresses } = host.ip.fib;
    const options = new Int32Array(ND_OPT_WORDS);

    /** Takes the message in; returns the counter to drop it under. */
    function judge(m: number, node: NodeRuntime): number {
      const nd = i32[m + M_DATA];
      const ifIndex = i32[m + M_RX_IF];
      const status = ndCheck(dv, u8, i32[m + M_L3], nd, i32[m + M_LEN], options);
      if (status !== ND_OK) return status - ND_BAD_HOP_LIMIT;
      const t0 = ndTarget(dv, nd, 0);
      const t1 = ndTarget(dv, nd, 1);
      const t2 = ndTarget(dv, nd, 2);
      const t3 = ndTarget(dv, nd, 3);
      if (ownsAddress6(addresses, ifIndex, t0, t1, t2, t3)) return E.address_conflict;
      const row = rows.find(ifIndex, 6, t0, t1, t2, t3);
      if (row < 0) return E.unknown_neighbor;
      const named = (options[ND_OPT_PRESENT] & ND_HAS_TARGET_LINK) !== 0;
      const hi = named ? options[ND_OPT_TARGET_HI] : -1;
      const lo = named ? options[ND_OPT_TARGET_LO] : 0;
      if (named && (macIsGroup(hi) || (hi | lo) === 0)) return E.bad_link_address;
      const flags = ndFlags(dv, nd);
      neighbours.setRouter(row, (flags & ND_FLAG_ROUTER) !== 0);
      const solicited = (flags & ND_FLAG_SOLICITED) !== 0;
      if (!neighbours.advertise(row, hi, lo, solicited, (flags & ND_FLAG_OVERRIDE) !== 0)) return E.no_link_address;
      for (let b = neighbours.take(row); b >= 0; b = neighbours.take(row)) node.push(NEXT_REWRITE, b);
      return E.advertisements_received;
    }

    return (frame: Frame, node: NodeRuntime) => {
      const { buffers, next: nexts, count } = frame;
      for (let i = 0; i < count; i++) {
        const m = meta + (buffers[i] << 4);
        i32[m + M_ERROR] = node.errorBase + judge(m, node);
        nexts[i] = NEXT_DROP;
      }
    };
  },
};
