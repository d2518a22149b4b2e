import type { Interface } from "../src/device/interface.js";
import type { Frame } from "../src/graph/frame.js";
import { NO_TRACE, type NodeForm, type NodeRuntime, nodeErrors } from "../src/graph/node.js";
import {
  F_L2_MULTICAST,
  F_LOCAL_ORIGIN,
  F_TRACED,
  M_DATA,
  M_ERROR,
  M_FLAGS,
  M_GSO,
  M_LEN,
  M_RX_IF,
  M_TX_IF,
} from "../src/graph/packet-pool.js";
import { N_STATE, NB_FAILED, NB_INCOMPLETE, NB_PROBE } from "../src/ip/neighbour-rows.js";
import { isOnLink4, ownsAddress4 } from "../src/ip/on-link.js";
import {
  ARP_LEN,
  ARP_REPLY,
  ARP_REQUEST,
  arpEmit,
  arpOpcode,
  arpSenderHi,
  arpSenderIp,
  arpSenderLo,
  arpTargetHi,
  arpTargetIp,
  arpTargetLo,
} from "../src/wire/arp.js";
import { ETH_HEADER_LEN, ETHERTYPE_ARP, ethEmit } from "../src/wire/ethernet.js";
import type { Host } from "./host.js";

const errors = nodeErrors({
  replies_sent: ["info", "ARP replies sent"],
  replies_received: ["info", "ARP replies received"],
  unsolicited_reply: ["info", "ARP reply from an unknown neighbour"],
  gratuitous_arp: ["info", "ARP announcement"],
  l3_dst_address_not_local: ["info", "IP4 destination address not local to subnet"],
  l3_src_address_not_local: ["error", "IP4 source address not local to subnet"],
  l3_src_address_is_local: ["error", "IP4 source address matches local interface"],
  reflected: ["error", "our own ARP message came back"],
  interface_not_ip_enabled: ["error", "interface is not IP enabled"],
});
const E = errors.index;

const next = ["drop", "interface-output", "ip4-rewrite"] as const;
const NEXT_DROP = 0;
const NEXT_OUTPUT = 1;
const NEXT_REWRITE = 2;
/** What the verdict on a message is when it is answered, not dropped under a counter. */
const ANSWER = -1;
const DEFEND = -2;
/** RFC 5227 2.4: DEFEND_INTERVAL, ten seconds in ticks. */
const DEFEND_TICKS = 100_000;

/**
 * arp-reply: answers requests for our addresses, and learns: a new neighbour only from a request to us, which will want an
 * answer (RFC 826); known ones from all messages. Our own address in another's mouth is counted, and defended by an
 * announcement at most every ten seconds (RFC 5227 2.4).
 */
export const arpReply: NodeForm<Host> = {
  name: "arp-reply",
  next,
  errors: errors.list,
  trace: NO_TRACE,
  process: (host) => {
    const { i32, dv } = host.window;
    const { pool, interfaces, neighbours, engine } = host;
    const { meta } = pool;
    const { rows } = neighbours;
    const { addresses } = host.ip.fib;
    const defended = new Int32Array(interfaces.capacity).fill((engine.tick - DEFEND_TICKS) | 0);

    function releaseHeld(row: number, node: NodeRuntime): void {
      const state = row < 0 ? NB_INCOMPLETE : rows.get(row, N_STATE);
      if (state === NB_INCOMPLETE || state === NB_FAILED) return;
      for (let b = neighbours.take(row); b >= 0; b = neighbours.take(row)) node.push(NEXT_REWRITE, b);
    }

    function onRequest(arp: number, iface: Interface, isOurs: boolean, node: NodeRuntime): number {
      const sender = arpSenderIp(dv, arp);
      const hi = arpSenderHi(dv, arp);
      const lo = arpSenderLo(dv, arp);
      releaseHeld(neighbours.learn(iface.index, 4, sender, 0, 0, 0, hi, lo, isOurs), node);
      if (isOurs) return ANSWER;
      return sender === arpTargetIp(dv, arp) ? E.gratuitous_arp : E.l3_dst_address_not_local;
    }

    function onReply(arp: number, iface: Interface, isToUs: boolean, node: NodeRuntime): number {
      const sender = arpSenderIp(dv, arp);
      const row = rows.find(iface.index, 4, sender, 0, 0, 0);
      if (row < 0) return sender === arpTargetIp(dv, arp) ? E.gratuitous_arp : E.unsolicited_reply;
      const state = rows.get(row, N_STATE);
      const solicited = isToUs && (state === NB_INCOMPLETE || state === NB_PROBE);
      neighbours.advertise(row, arpSenderHi(dv, arp), arpSenderLo(dv, arp), solicited, true);
      releaseHeld(row, node);
      return solicited ? E.replies_received : E.gratuitous_arp;
    }

    /** Takes the message in; ANSWER, DEFEND, or the counter to drop it under. */
    function judge(m: number, iface: Interface, node: NodeRuntime): number {
      const arp = i32[m + M_DATA];
      const { index } = iface;
      const sender = arpSenderIp(dv, arp);
      const target = arpTargetIp(dv, arp);
      const isRequest = arpOpcode(dv, arp) === ARP_REQUEST;
      if (addresses.of(index, 4).length === 0) return E.interface_not_ip_enabled;
      const high = iface.macHigh;
      const low = iface.macLow;
      if (ownsAddress4(addresses, index, sender)) {
        const isSelf = arpSenderHi(dv, arp) === high >>> 16 && arpSenderLo(dv, arp) === ((high << 16) | low);
        return isSelf ? E.reflected : DEFEND;
      }
      const isOurs = ownsAddress4(addresses, index, target);
      // RFC 5227 2.1.1: a probe has no sender address, and is answered but not learned from.
      if (sender === 0) return isOurs && isRequest ? ANSWER : E.l3_dst_address_not_local;
      if (!isOnLink4(addresses, index, sender)) return E.l3_src_address_not_local;
      if (isRequest) return onRequest(arp, iface, isOurs, node);
      const isToUs =
        isOurs &&
        (i32[m + M_FLAGS] & F_L2_MULTICAST) === 0 &&
        arpTargetHi(dv, arp) === high >>> 16 &&
        arpTargetLo(dv, arp) === ((high << 16) | low);
      return onReply(arp, iface, isToUs, node);
    }

    /** Turns the message in its buffer into one of ours. */
    function write(m: number, iface: Interface, opcode: number, ip: number, hi: number, lo: number, to: number): void {
      const arp = i32[m + M_DATA];
      const ourHi = iface.macHigh >>> 16;
      const ourLo = (iface.macHigh << 16) | iface.macLow;
      const isReply = opcode === ARP_REPLY;
      arpEmit(dv, arp, opcode, ourHi, ourLo, ip, isReply ? hi : 0, isReply ? lo : 0, to);
      ethEmit(dv, arp - ETH_HEADER_LEN, hi, lo, ourHi, ourLo, ETHERTYPE_ARP);
      i32[m + M_DATA] = arp - ETH_HEADER_LEN;
      i32[m + M_LEN] = ETH_HEADER_LEN + ARP_LEN;
      i32[m + M_FLAGS] = (i32[m + M_FLAGS] & F_TRACED) | F_LOCAL_ORIGIN;
      i32[m + M_GSO] = 0;
      i32[m + M_TX_IF] = iface.index;
    }

    /** Announces our address, which another station claims, unless that was done just now. */
    function defend(m: number, iface: Interface): boolean {
      const elapsed = (engine.tick - defended[iface.index]) | 0;
      if (elapsed >= 0 && elapsed < DEFEND_TICKS) return false;
      defended[iface.index] = engine.tick;
      const ours = arpSenderIp(dv, i32[m + M_DATA]);
      write(m, iface, ARP_REQUEST, ours, 0xffff, -1, ours);
      return true;
    }

    return (frame: Frame, node: NodeRuntime) => {
      const { buffers, next: nexts, count } = frame;
      const { errorBase } = node;
      for (let i = 0; i < count; i++) {
        const m = meta + (buffers[i] << 4);
        const arp = i32[m + M_DATA];
        const iface = interfaces.at(i32[m + M_RX_IF]);
        let verdict = iface === undefined ? E.interface_not_ip_enabled : judge(m, iface, node);
        nexts[i] = NEXT_OUTPUT;
        if (iface !== undefined && verdict === ANSWER) {
          const ours = arpTargetIp(dv, arp);
          write(m, iface, ARP_REPLY, ours, arpSenderHi(dv, arp), arpSenderLo(dv, arp), arpSenderIp(dv, arp));
          node.count(E.replies_sent, 1);
        } else if (iface !== undefined && verdict === DEFEND && defend(m, iface)) {
          node.count(E.l3_src_address_is_local, 1);
        } else {
          if (verdict === DEFEND) verdict = E.l3_src_address_is_local;
          i32[m + M_ERROR] = errorBase + verdict;
          nexts[i] = NEXT_DROP;
        }
      }
    };
  },
};
