import { CONSUMED, type Frame } from "../src/graph/frame.js";
import { type NodeForm, type NodeRuntime, nodeErrors, type Process } from "../src/graph/node.js";
import { M_DATA, M_ERROR, M_FIB, M_LEN } from "../src/graph/packet-pool.js";
import { ICMP_TOO_BIG, icmpKind4, icmpKind6 } from "../src/ip/icmp-error-sink.js";
import { ICMP_TRACE } from "../src/ip/ip-trace.js";
import { ICMP4_HEADER_LEN, ICMP4_OK, icmp4CheckQuote, icmp4Mtu } from "../src/wire/icmp4.js";
import { ICMP6_OK, icmp6CheckQuote, icmp6Mtu } from "../src/wire/icmp6.js";
import { IP4_FRAGMENT, IP4_PROTOCOL } from "../src/wire/ip4.js";
import { IP6_HEADER_LEN, IP6_NEXT_HEADER } from "../src/wire/ip6.js";
import { IP6_FRAGMENT, IP6_FRAGMENT_LEN, ip6IsExtension } from "../src/wire/ip6-ext.js";
import type { Host } from "./host.js";

const errors = nodeErrors({
  delivered: ["info", "errors that a transport took"],
  bad_quote: ["error", "quoted packet is cut short or none"],
  later_fragment: ["info", "quotes a fragment that is not the first"],
  no_transport: ["info", "quotes a protocol without transport"],
  no_connection: ["info", "quotes a packet of no connection"],
});
const E = errors.index;
const NEXT_DROP = 0;
const MAX_EXTENSIONS = 8;
const MIN_L4_BYTES = 8;
const MAX_MTU = 0xffff;

/**
 * Maps an ICMP error to the transport whose packet it quotes (VPP transport-icmp-dest-unreachable). What the quote says
 * is checked for its bounds only; whether it was ever sent is for the transport to find out.
 */
function errorInput(host: Host, isIp4: boolean): Process {
  const { u8, i32, dv } = host.window;
  const { pool } = host;
  const { icmpErrors } = host.ip;
  // Of the quoted packet: protocol, and where its transport header is.
  let protocol = 0;
  let l4 = 0;

  /** Finds the quoted transport header in [ip, end): an error, or -1. */
  function openQuote(at: number, len: number): number {
    const ip = at + ICMP4_HEADER_LEN;
    const end = at + len;
    if (isIp4) {
      if (icmp4CheckQuote(dv, at, len) !== ICMP4_OK) return E.bad_quote;
      if ((dv.getUint16(ip + IP4_FRAGMENT) & 0x1fff) !== 0) return E.later_fragment;
      protocol = u8[ip + IP4_PROTOCOL];
      l4 = ip + ((u8[ip] & 15) << 2);
      return -1;
    }
    if (icmp6CheckQuote(dv, at, len) !== ICMP6_OK) return E.bad_quote;
    protocol = u8[ip + IP6_NEXT_HEADER];
    l4 = ip + IP6_HEADER_LEN;
    for (let i = 0; i < MAX_EXTENSIONS && ip6IsExtension(protocol); i++) {
      if (l4 + 8 > end) return E.bad_quote;
      if (protocol === IP6_FRAGMENT && (dv.getUint16(l4 + 2) & 0xfff8) !== 0) return E.later_fragment;
      const length = protocol === IP6_FRAGMENT ? IP6_FRAGMENT_LEN : (u8[l4 + 1] + 1) << 3;
      protocol = u8[l4];
      l4 += length;
    }
    return l4 + MIN_L4_BYTES > end ? E.bad_quote : -1;
  }

  /** Tells the transport: an error, or -1. */
  function deliver(m: number): number {
    const at = i32[m + M_DATA];
    const len = i32[m + M_LEN];
    const error = openQuote(at, len);
    if (error >= 0) return error;
    const sink = icmpErrors.at(protocol);
    if (sink === undefined) return E.no_transport;
    const kind = isIp4 ? icmpKind4(u8[at], u8[at + 1]) : icmpKind6(u8[at], u8[at + 1]);
    let mtu = 0;
    if (kind === ICMP_TOO_BIG) {
      mtu = isIp4 ? icmp4Mtu(dv, at) : icmp6Mtu(dv, at);
      if (mtu < 0 || mtu > MAX_MTU) mtu = MAX_MTU;
    }
    const ip = at + ICMP4_HEADER_LEN;
    const found = sink.icmpError(isIp4 ? 4 : 6, kind, i32[m + M_FIB], ip, l4, at + len - l4, mtu);
    return found ? -1 : E.no_connection;
  }

  return (frame: Frame, node: NodeRuntime) => {
    const { buffers, next, count } = frame;
    for (let i = 0; i < count; i++) {
      const m = pool.meta + (buffers[i] << 4);
      const error = deliver(m);
      if (error >= 0) {
        i32[m + M_ERROR] = node.errorBase + error;
        next[i] = NEXT_DROP;
        continue;
      }
      node.count(E.delivered, 1);
      pool.free(buffers[i]);
      next[i] = CONSUMED;
    }
  };
}

/** ip4-icmp-error-input: errors about packets of this host. */
export const ip4IcmpErrorInput: NodeForm<Host> = {
  name: "ip4-icmp-error-input",
  next: ["drop"],
  errors: errors.list,
  trace: ICMP_TRACE,
  process: (host) => errorInput(host, true),
};

/** ip6-icmp-error-input: the twin. */
export const ip6IcmpErrorInput: NodeForm<Host> = {
  name: "ip6-icmp-error-input",
  next: ["drop"],
  errors: errors.list,
  trace: ICMP_TRACE,
  process: (host) => errorInput(host, false),
};
