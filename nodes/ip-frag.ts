import { CONSUMED, type Frame } from "../src/graph/frame.js";
import { type NodeForm, type NodeRuntime, nodeErrors } from "../src/graph/node.js";
import {
  type BufferIndex,
  F_CHECKSUM_PARTIAL,
  F_LOCAL_ORIGIN,
  F_TRACED,
  M_ADJ,
  M_DATA,
  M_ERROR,
  M_FIB,
  M_FLAGS,
  M_L3,
  M_L4,
  M_LEN,
  M_PROTO,
  M_RX_IF,
} from "../src/graph/packet-pool.js";
import { A_MTU } from "../src/ip/adjacency.js";
import { ipTraceWithAdjacency } from "../src/ip/ip-trace.js";
import { completePartial } from "../src/ip/l4-checksum.js";
import { ETH_HEADER_LEN } from "../src/wire/ethernet.js";
import {
  IP4_DST,
  IP4_FRAGMENT,
  IP4_HEADER_LEN,
  IP4_ID,
  IP4_MF,
  IP4_PROTOCOL,
  IP4_SRC,
  IP4_TOTAL_LEN,
  ip4EmitChecksum,
  ip4OptionLen,
} from "../src/wire/ip4.js";
import { IP6_DST, IP6_HEADER_LEN, IP6_NEXT_HEADER, IP6_PAYLOAD_LEN, IP6_SRC } from "../src/wire/ip6.js";
import { IP6_FRAGMENT, IP6_FRAGMENT_LEN, IP6_HOP_BY_HOP, IP6_ROUTING, ip6EmitFragment } from "../src/wire/ip6-ext.js";
import type { Host } from "./host.js";

const errors = nodeErrors({
  fragments_sent: ["info", "fragments sent"],
  bad_offload: ["error", "partial checksum without the header it names"],
  no_buffer: ["error", "no packet buffer left"],
  bad_header: ["error", "headers leave no room for data, or make no sense"],
});
const E = errors.index;
const NEXT_DROP = 0;
const NEXT_REWRITE = 1;

/** What both fragmenters share: making the packet contiguous and complete, and new buffers like it. */
function makeTools(host: Host) {
  const { i32 } = host.window;
  const { pool } = host;
  const { meta } = pool;

  /** Packet `b` without tails and with a whole checksum, maybe in another buffer; -1: an error is set on `b`. */
  function prepare(b: BufferIndex, protocol: number, errorBase: number): BufferIndex {
    const m = meta + (b << 4);
    if ((i32[m + M_FLAGS] & F_CHECKSUM_PARTIAL) !== 0 && !completePartial(pool, b, protocol)) {
      i32[m + M_ERROR] = errorBase + E.bad_offload;
      return -1;
    }
    const whole = pool.linearize(b);
    if (whole < 0) i32[m + M_ERROR] = errorBase + E.no_buffer;
    return whole;
  }

  /** A buffer for a fragment of `bytes` of the packet with metadata at `m`; -1: none left. */
  function fragmentOf(m: number, bytes: number): BufferIndex {
    const b = pool.allocFor(ETH_HEADER_LEN + bytes);
    if (b < 0) return -1;
    const n = meta + (b << 4);
    i32[n + M_DATA] += ETH_HEADER_LEN;
    i32[n + M_L3] = i32[n + M_DATA];
    i32[n + M_LEN] = bytes;
    i32[n + M_FLAGS] = i32[m + M_FLAGS] & ~F_TRACED;
    i32[n + M_RX_IF] = i32[m + M_RX_IF];
    i32[n + M_ADJ] = i32[m + M_ADJ];
    i32[n + M_FIB] = i32[m + M_FIB];
    return b;
  }

  return { prepare, fragmentOf };
}

/**
 * ip4-frag: cuts a packet into fragments for the MTU of its adjacency (RFC 791 3.2) and sends them to ip4-rewrite. What
 * is a fragment already is cut further. Only options that say so are copied behind the first fragment.
 */
export const ip4Frag: NodeForm<Host> = {
  name: "ip4-frag",
  next: ["drop", "ip4-rewrite"],
  errors: errors.list,
  trace: ipTraceWithAdjacency(true),
  process: (host) => {
    const { u8, i32, dv } = host.window;
    const { pool } = host;
    const { meta } = pool;
    const { ident } = host.ip;
    const adjBase = host.ip.adjacencies.base;
    const { prepare, fragmentOf } = makeTools(host);

    /** Writes at `to` the header of later fragments, made from the one at `ip`; returns its length. */
    function copyHeader(ip: number, headerLen: number, to: number): number {
      u8.copyWithin(to, ip, ip + IP4_HEADER_LEN);
      let length = IP4_HEADER_LEN;
      const end = ip + headerLen;
      let at = ip + IP4_HEADER_LEN;
      for (let n = ip4OptionLen(u8, at, end); n > 0; n = ip4OptionLen(u8, at, end)) {
        if ((u8[at] & 0x80) !== 0) {
          u8.copyWithin(to + length, at, at + n);
          length += n;
        }
        at += n;
      }
      while ((length & 3) !== 0) u8[to + length++] = 0;
      u8[to] = 0x40 | (length >>> 2);
      return length;
    }

    /** Cuts packet `b` and pushes the pieces: an error, or -1. */
    function cut(b: BufferIndex, node: NodeRuntime): number {
      const m = meta + (b << 4);
      const ip = i32[m + M_DATA];
      const mtu = i32[adjBase + (i32[m + M_ADJ] << 4) + A_MTU];
      const headerLen = (dv.getUint8(ip) & 15) << 2;
      const field = dv.getUint16(ip + IP4_FRAGMENT);
      const last = ip + i32[m + M_LEN];
      if (mtu < headerLen + 8 || ip + headerLen >= last) return E.bad_header;
      if ((i32[m + M_FLAGS] & F_LOCAL_ORIGIN) !== 0 && dv.getUint16(ip + IP4_ID) === 0) {
        const id = ident.next4(dv.getInt32(ip + IP4_SRC), dv.getInt32(ip + IP4_DST), dv.getUint8(ip + IP4_PROTOCOL));
        dv.setUint16(ip + IP4_ID, id);
      }
      let offset = (field & 0x1fff) << 3;
      let from = ip + headerLen;
      let sent = 0;
      while (from < last) {
        // Room is counted with the whole header: later ones are not longer.
        const bytes = Math.min(last - from, (mtu - headerLen) & ~7);
        const more = from + bytes < last ? IP4_MF : field & IP4_MF;
        const c = fragmentOf(m, headerLen + bytes);
        if (c < 0) return E.no_buffer;
        const n = meta + (c << 4);
        const to = i32[n + M_DATA];
        let length = headerLen;
        if (sent === 0) u8.copyWithin(to, ip, ip + headerLen);
        else length = copyHeader(ip, headerLen, to);
        u8.copyWithin(to + length, from, from + bytes);
        dv.setUint16(to + IP4_TOTAL_LEN, length + bytes);
        dv.setUint16(to + IP4_FRAGMENT, more | (offset >>> 3));
        ip4EmitChecksum(dv, to);
        i32[n + M_LEN] = length + bytes;
        node.push(NEXT_REWRITE, c);
        sent++;
        offset += bytes;
        from += bytes;
      }
      node.count(E.fragments_sent, sent);
      return -1;
    }

    return (frame: Frame, node: NodeRuntime) => {
      const { buffers, next, count } = frame;
      for (let i = 0; i < count; i++) {
        const protocol = dv.getUint8(i32[meta + (buffers[i] << 4) + M_DATA] + IP4_PROTOCOL);
        const b = prepare(buffers[i], protocol, node.errorBase);
        next[i] = NEXT_DROP;
        if (b < 0) continue;
        buffers[i] = b;
        const error = cut(b, node);
        if (error < 0) {
          pool.free(b);
          next[i] = CONSUMED;
        } else i32[meta + (b << 4) + M_ERROR] = node.errorBase + error;
      }
    };
  },
};

/**
 * ip6-frag: cuts a packet of this host into fragments (RFC 8200 4.5) and sends them to ip6-rewrite. The part that each
 * fragment carries is the fixed header with hop-by-hop options and routing header, if any.
 */
export const ip6Frag: NodeForm<Host> = {
  name: "ip6-frag",
  next: ["drop", "ip6-rewrite"],
  errors: errors.list,
  trace: ipTraceWithAdjacency(false),
  process: (host) => {
    const { u8, i32, dv } = host.window;
    const { pool } = host;
    const { meta } = pool;
    const { ident } = host.ip;
    const adjBase = host.ip.adjacencies.base;
    const { prepare, fragmentOf } = makeTools(host);

    function cut(b: BufferIndex, node: NodeRuntime): number {
      const m = meta + (b << 4);
      const ip = i32[m + M_DATA];
      const mtu = i32[adjBase + (i32[m + M_ADJ] << 4) + A_MTU];
      const last = ip + i32[m + M_LEN];
      let namedAt = ip + IP6_NEXT_HEADER;
      let from = ip + IP6_HEADER_LEN;
      // This host's own headers: well formed, at most one of each.
      for (let i = 0; i < 2 && from + 8 <= last; i++) {
        if (u8[namedAt] !== IP6_HOP_BY_HOP && u8[namedAt] !== IP6_ROUTING) break;
        namedAt = from;
        from += (u8[from + 1] + 1) << 3;
      }
      const headerLen = from - ip;
      const room = (mtu - headerLen - IP6_FRAGMENT_LEN) & ~7;
      if (room < 8 || from >= last) return E.bad_header;
      const protocol = u8[namedAt];
      const id = ident.next6(dv, ip + IP6_SRC, ip + IP6_DST);
      let offset = 0;
      let sent = 0;
      while (from < last) {
        const bytes = Math.min(last - from, room);
        const c = fragmentOf(m, headerLen + IP6_FRAGMENT_LEN + bytes);
        if (c < 0) return E.no_buffer;
        const to = i32[meta + (c << 4) + M_DATA];
        u8.copyWithin(to, ip, ip + headerLen);
        u8[to + namedAt - ip] = IP6_FRAGMENT;
        dv.setUint16(to + IP6_PAYLOAD_LEN, headerLen - IP6_HEADER_LEN + IP6_FRAGMENT_LEN + bytes);
        ip6EmitFragment(dv, to + headerLen, protocol, offset, from + bytes < last, id);
        u8.copyWithin(to + headerLen + IP6_FRAGMENT_LEN, from, from + bytes);
        node.push(NEXT_REWRITE, c);
        sent++;
        offset += bytes;
        from += bytes;
      }
      node.count(E.fragments_sent, sent);
      return -1;
    }

    return (frame: Frame, node: NodeRuntime) => {
      const { buffers, next, count } = frame;
      for (let i = 0; i < count; i++) {
        const m = meta + (buffers[i] << 4);
        // The transport header is directly behind the fixed one unless the sender says otherwise.
        const isPlain = i32[m + M_L4] === i32[m + M_DATA] + IP6_HEADER_LEN;
        const protocol = isPlain ? u8[i32[m + M_DATA] + IP6_NEXT_HEADER] : i32[m + M_PROTO];
        const b = prepare(buffers[i], protocol, node.errorBase);
        next[i] = NEXT_DROP;
        if (b < 0) continue;
        buffers[i] = b;
        const error = cut(b, node);
        if (error < 0) {
          pool.free(b);
          next[i] = CONSUMED;
        } else i32[meta + (b << 4) + M_ERROR] = node.errorBase + error;
      }
    };
  },
};
