import type { Interface } from "../src/device/interface.js";
import type { Frame } from "../src/graph/frame.js";
import { type NodeForm, type NodeRuntime, nodeErrors, type TraceForm } from "../src/graph/node.js";
import {
  F_IP6,
  F_LOCAL_ORIGIN,
  F_TRACED,
  M_DATA,
  M_ERROR,
  M_FLAGS,
  M_GSO,
  M_L3,
  M_LEN,
  M_RX_IF,
  M_TX_IF,
} from "../src/graph/packet-pool.js";
import { formatIp6 } from "../src/ip/address.js";
import { N_STATE, NB_FAILED, NB_INCOMPLETE } from "../src/ip/neighbour-rows.js";
import { isOnLink6, ownsAddress6 } from "../src/ip/on-link.js";
import { ETH_HEADER_LEN, ETHERTYPE_IP6, ethEmit, ethSrcHi, ethSrcLo, macIsGroup } from "../src/wire/ethernet.js";
import { icmp6EmitChecksum } from "../src/wire/icmp6.js";
import { PROTOCOL_ICMP6 } from "../src/wire/ip4.js";
import {
  IP6_DST,
  IP6_HEADER_LEN,
  IP6_SRC,
  ip6Emit,
  ip6EmitAddress,
  ip6IsUnspecified,
  ip6Src,
} from "../src/wire/ip6.js";
import {
  ND_BAD_HOP_LIMIT,
  ND_FLAG_OVERRIDE,
  ND_FLAG_ROUTER,
  ND_FLAG_SOLICITED,
  ND_NEIGHBOR_LEN,
  ND_OK,
  ndCheck,
  ndEmitAdvertisement,
  ndTarget,
} from "../src/wire/nd.js";
import {
  ND_HAS_SOURCE_LINK,
  ND_LINK_OPTION_LEN,
  ND_OPT_PRESENT,
  ND_OPT_SOURCE_HI,
  ND_OPT_SOURCE_LO,
  ND_OPT_WORDS,
  ND_OPTION_TARGET_LINK,
  ndEmitLink,
} from "../src/wire/nd-options.js";
import type { Host } from "./host.js";

/** Counters of what ndCheck refuses, in the order of its results from ND_BAD_HOP_LIMIT on. */
export const ndInvalid = {
  bad_hop_limit: ["error", "hop limit is not 255"],
  bad_code: ["error", "ICMP code is not 0"],
  too_short: ["error", "message too short"],
  bad_option: ["error", "option of length 0, or past the end"],
  bad_source: ["error", "source address does not suit the message"],
  bad_destination: ["error", "destination address does not suit the message"],
  bad_target: ["error", "target address is a group's"],
} as const;

/** Shows a neighbor solicitation's or advertisement's target. */
export const ndTrace: TraceForm = {
  bytes: ND_NEIGHBOR_LEN,
  format: (dv, length) =>
    length < ND_NEIGHBOR_LEN
      ? "truncated"
      : `target ${formatIp6(ndTarget(dv, 0, 0), ndTarget(dv, 0, 1), ndTarget(dv, 0, 2), ndTarget(dv, 0, 3))}`,
};

const errors = nodeErrors({
  ...ndInvalid,
  unknown_target: ["info", "neighbor solicitations for unknown targets"],
  source_is_local: ["error", "source address is our own"],
  source_not_on_link: ["error", "neighbor solicitation source not on-link"],
  bad_link_address: ["error", "source link-layer address is a group's, or zero"],
  advertisements_sent: ["info", "neighbor advertisements sent"],
});
const E = errors.index;

const next = ["drop", "interface-output", "ip6-rewrite"] as const;
const NEXT_DROP = 0;
const NEXT_OUTPUT = 1;
const NEXT_REWRITE = 2;
const ANSWER = -1;
const ADVERTISEMENT_LEN = ND_NEIGHBOR_LEN + ND_LINK_OPTION_LEN;

/** icmp6-neighbor-solicitation: answers solicitations for our addresses and learns who asks (RFC 4861 7.2.3, 7.2.4). */
export const icmp6NeighborSolicitation: NodeForm<Host> = {
  name: "icmp6-neighbor-solicitation",
  next,
  errors: errors.list,
  trace: ndTrace,
  process: (host) => {
    const { u8, i32, dv } = host.window;
    const { pool, interfaces, neighbours } = host;
    const { meta } = pool;
    const { rows } = neighbours;
    const { settings } = host.ip;
    const { addresses } = host.ip.fib;
    const options = new Int32Array(ND_OPT_WORDS);

    function learn(ip: number, ifIndex: number, hi: number, lo: number, node: NodeRuntime): void {
      const w0 = ip6Src(dv, ip, 0);
      const row = neighbours.learn(
        ifIndex,
        6,
        w0,
        ip6Src(dv, ip, 1),
        ip6Src(dv, ip, 2),
        ip6Src(dv, ip, 3),
        hi,
        lo,
        true,
      );
      const state = row < 0 ? NB_INCOMPLETE : rows.get(row, N_STATE);
      if (state === NB_INCOMPLETE || state === NB_FAILED) return;
      for (let b = neighbours.take(row); b >= 0; b = neighbours.take(row)) node.push(NEXT_REWRITE, b);
    }

    /** Takes the message in; ANSWER, or the counter to drop it under. */
    function judge(m: number, ifIndex: number, node: NodeRuntime): number {
      const nd = i32[m + M_DATA];
      const ip = i32[m + M_L3];
      const status = ndCheck(dv, u8, ip, nd, i32[m + M_LEN], options);
      if (status !== ND_OK) return status - ND_BAD_HOP_LIMIT;
      const t0 = ndTarget(dv, nd, 0);
      const t1 = ndTarget(dv, nd, 1);
      if (!ownsAddress6(addresses, ifIndex, t0, t1, ndTarget(dv, nd, 2), ndTarget(dv, nd, 3))) return E.unknown_target;
      // RFC 4862 5.4.3: somebody wants our address. He learns that it is taken, and we learn nothing.
      if (ip6IsUnspecified(dv, ip + IP6_SRC)) return ANSWER;
      const s0 = ip6Src(dv, ip, 0);
      const s1 = ip6Src(dv, ip, 1);
      const s2 = ip6Src(dv, ip, 2);
      const s3 = ip6Src(dv, ip, 3);
      if (ownsAddress6(addresses, ifIndex, s0, s1, s2, s3)) return E.source_is_local;
      if (!isOnLink6(addresses, ifIndex, s0, s1, s2, s3)) return E.source_not_on_link;
      if ((options[ND_OPT_PRESENT] & ND_HAS_SOURCE_LINK) === 0) {
        options[ND_OPT_SOURCE_HI] = ethSrcHi(dv, ip - ETH_HEADER_LEN);
        options[ND_OPT_SOURCE_LO] = ethSrcLo(dv, ip - ETH_HEADER_LEN);
        return ANSWER;
      }
      const hi = options[ND_OPT_SOURCE_HI];
      const lo = options[ND_OPT_SOURCE_LO];
      if (macIsGroup(hi) || (hi | lo) === 0) return E.bad_link_address;
      learn(ip, ifIndex, hi, lo, node);
      return ANSWER;
    }

    /** Turns the solicitation in its buffer into our advertisement. */
    function answer(m: number, iface: Interface): void {
      const nd = i32[m + M_DATA];
      const from = i32[m + M_L3];
      const t0 = ndTarget(dv, nd, 0);
      const t1 = ndTarget(dv, nd, 1);
      const t2 = ndTarget(dv, nd, 2);
      const t3 = ndTarget(dv, nd, 3);
      const anonymous = ip6IsUnspecified(dv, from + IP6_SRC);
      const ourHi = iface.macHigh >>> 16;
      const ourLo = (iface.macHigh << 16) | iface.macLow;
      // The IP header moves up to the message when extension headers lay between.
      const ip = nd - IP6_HEADER_LEN;
      const eth = ip - ETH_HEADER_LEN;
      // RFC 4861 7.2.4: to all nodes, unsolicited, when nobody can be named.
      if (anonymous) ip6EmitAddress(dv, ip + IP6_DST, 0xff02_0000 | 0, 0, 0, 1);
      else u8.copyWithin(ip + IP6_DST, from + IP6_SRC, from + IP6_DST);
      const dstHi = anonymous ? 0x3333 : options[ND_OPT_SOURCE_HI];
      const dstLo = anonymous ? 1 : options[ND_OPT_SOURCE_LO];
      ethEmit(dv, eth, dstHi, dstLo, ourHi, ourLo, ETHERTYPE_IP6);
      ip6Emit(dv, ip, 0, 0, ADVERTISEMENT_LEN, PROTOCOL_ICMP6, 255);
      ip6EmitAddress(dv, ip + IP6_SRC, t0, t1, t2, t3);
      const router = settings.forward6 ? ND_FLAG_ROUTER : 0;
      ndEmitAdvertisement(dv, nd, router | ND_FLAG_OVERRIDE | (anonymous ? 0 : ND_FLAG_SOLICITED), t0, t1, t2, t3);
      ndEmitLink(dv, nd + ND_NEIGHBOR_LEN, ND_OPTION_TARGET_LINK, ourHi, ourLo);
      icmp6EmitChecksum(dv, u8, i32, ip, nd, ADVERTISEMENT_LEN);
      i32[m + M_DATA] = eth;
      i32[m + M_L3] = ip;
      i32[m + M_LEN] = ETH_HEADER_LEN + IP6_HEADER_LEN + ADVERTISEMENT_LEN;
      i32[m + M_FLAGS] = (i32[m + M_FLAGS] & F_TRACED) | F_LOCAL_ORIGIN | F_IP6;
      i32[m + M_GSO] = 0;
      i32[m + M_TX_IF] = iface.index;
    }

    return (frame: Frame, node: NodeRuntime) => {
      const { buffers, next: nexts, count } = frame;
      for (let i = 0; i < count; i++) {
        const m = meta + (buffers[i] << 4);
        const iface = interfaces.at(i32[m + M_RX_IF]);
        const verdict = iface === undefined ? E.unknown_target : judge(m, iface.index, node);
        if (iface !== undefined && verdict === ANSWER) {
          answer(m, iface);
          node.count(E.advertisements_sent, 1);
          nexts[i] = NEXT_OUTPUT;
        } else {
          i32[m + M_ERROR] = node.errorBase + verdict;
          nexts[i] = NEXT_DROP;
        }
      }
    };
  },
};
