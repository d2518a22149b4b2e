import { CONSUMED, type Frame } from "../src/graph/frame.js";
import { type NodeForm, type NodeRuntime } from "../src/graph/node.js";
import {
  type BufferIndex,
  F_CHECKSUM_PARTIAL,
  F_IP6,
  F_L2_MULTICAST,
  F_L3_MULTICAST,
  F_LOCAL_ORIGIN,
  FRAME_OFFSET,
  M_DATA,
  M_FIB,
  M_FLAGS,
  M_L3,
  M_L4,
  M_LEN,
  M_SLOT,
} from "../src/graph/packet-pool.js";
import { tcpNodeErrors } from "../src/transport/tcp/errors.js";
import { tcpTrace } from "../src/transport/tcp/trace.js";
import { checksumPseudo4, checksumPseudo6 } from "../src/wire/checksum.js";
import { IP4_DF, IP4_HEADER_LEN, ip4Dst, ip4Emit, ip4Src, PROTOCOL_TCP } from "../src/wire/ip4.js";
import { IP6_DST, IP6_HEADER_LEN, IP6_SRC, ip6Emit } from "../src/wire/ip6.js";
import {
  TCP_CHECKSUM,
  TCP_FLAG_ACK,
  TCP_FLAG_RST,
  TCP_HEADER_LEN,
  tcpAck,
  tcpDstPort,
  tcpEmitHeader,
  tcpFlags,
  tcpHeaderLen,
  tcpSegmentLen,
  tcpSeq,
  tcpSrcPort,
} from "../src/wire/tcp.js";
import type { Host } from "./host.js";

const errors = tcpNodeErrors("rst_sent", "lookup_drops", "no_buffer");
const E = errors.index;

/** Room for Ethernet with a tag in front of the IP header. */
const LINK_ROOM = 14;
const HOP_LIMIT = 64;

/** tcp4-reset and tcp6-reset: answer a segment that has no connection (RFC 9293 3.10.7.1) by a reset. */
function tcpReset(isIp4: boolean): NodeForm<Host> {
  const family = isIp4 ? "tcp4" : "tcp6";
  const ipHeaderLen = isIp4 ? IP4_HEADER_LEN : IP6_HEADER_LEN;
  return {
    name: `${family}-reset`,
    next: [isIp4 ? "ip4-lookup" : "ip6-lookup"],
    errors: errors.list,
    trace: tcpTrace,
    process: (host) => {
      const { pool } = host;

      /** Writes the reset that answers the packet of metadata line `m` into `b`. */
      function write(m: number, b: BufferIndex): void {
        const { i32, dv, u8 } = host.window;
        const n = pool.meta + (b << 4);
        const ip = i32[m + M_L3];
        const at = i32[m + M_DATA];
        const out = i32[n + M_SLOT] + FRAME_OFFSET + LINK_ROOM;
        const to = out + ipHeaderLen;
        const flags = tcpFlags(dv, at);
        const hasAck = (flags & TCP_FLAG_ACK) !== 0;
        const end = (tcpSeq(dv, at) + tcpSegmentLen(flags, i32[m + M_LEN] - tcpHeaderLen(dv, at))) | 0;
        if (isIp4) {
          const total = IP4_HEADER_LEN + TCP_HEADER_LEN;
          ip4Emit(dv, out, 0, total, 0, IP4_DF, HOP_LIMIT, PROTOCOL_TCP, ip4Dst(dv, ip), ip4Src(dv, ip));
        } else {
          ip6Emit(dv, out, 0, 0, TCP_HEADER_LEN, PROTOCOL_TCP, HOP_LIMIT);
          u8.copyWithin(out + IP6_SRC, ip + IP6_DST, ip + IP6_DST + 16);
          u8.copyWithin(out + IP6_DST, ip + IP6_SRC, ip + IP6_SRC + 16);
        }
        const seq = hasAck ? tcpAck(dv, at) : 0;
        const ack = hasAck ? 0 : end;
        const bits = hasAck ? TCP_FLAG_RST : TCP_FLAG_RST | TCP_FLAG_ACK;
        tcpEmitHeader(dv, to, tcpDstPort(dv, at), tcpSrcPort(dv, at), seq, ack, TCP_HEADER_LEN, bits, 0);
        const sum = isIp4
          ? checksumPseudo4(dv, out, PROTOCOL_TCP, TCP_HEADER_LEN)
          : checksumPseudo6(dv, out, PROTOCOL_TCP, TCP_HEADER_LEN);
        dv.setUint16(to + TCP_CHECKSUM, sum);
        i32[n + M_DATA] = i32[n + M_L3] = out;
        i32[n + M_L4] = to;
        i32[n + M_LEN] = ipHeaderLen + TCP_HEADER_LEN;
        i32[n + M_FIB] = i32[m + M_FIB];
        i32[n + M_FLAGS] = F_LOCAL_ORIGIN | F_CHECKSUM_PARTIAL | (isIp4 ? 0 : F_IP6);
      }

      return (frame: Frame, node: NodeRuntime) => {
        const { i32, dv } = host.window;
        const { meta } = pool;
        const { buffers, next, count } = frame;
        for (let i = 0; i < count; i++) {
          const m = meta + (buffers[i] << 4);
          next[i] = CONSUMED;
          // Never a reset for a reset, nor towards a group (RFC 9293 3.10.7.1, MUST-57).
          const isGroup = (i32[m + M_FLAGS] & (F_L2_MULTICAST | F_L3_MULTICAST)) !== 0;
          if (isGroup || (tcpFlags(dv, i32[m + M_DATA]) & TCP_FLAG_RST) !== 0) node.count(E.lookup_drops, 1);
          else {
            const b = pool.alloc();
            if (b < 0) node.count(E.no_buffer, 1);
            else {
              write(m, b);
              node.count(E.rst_sent, 1);
              node.push(0, b);
            }
          }
          pool.free(buffers[i]);
        }
      };
    },
  };
}

/** tcp4-reset. */
export const tcp4Reset: NodeForm<Host> = tcpReset(true);
/** tcp6-reset. */
export const tcp6Reset: NodeForm<Host> = tcpReset(false);
