import type { Frame } from "../src/graph/frame.js";
import { type NodeForm, type NodeRuntime } from "../src/graph/node.js";
import { M_CONN, M_DATA, M_L3, M_L4, M_LEN, M_TAIL } from "../src/graph/packet-pool.js";
import { tcpNodeErrors } from "../src/transport/tcp/errors.js";
import { tcpTrace } from "../src/transport/tcp/trace.js";
import { C_IP_FIELDS, C_LCL, C_RMT } from "../src/transport/transport.js";
import { checksumPseudo4, checksumPseudo6 } from "../src/wire/checksum.js";
import { IP4_DF, IP4_HEADER_LEN, ip4Emit, PROTOCOL_TCP } from "../src/wire/ip4.js";
import { IP6_DST, IP6_HEADER_LEN, IP6_SRC, ip6Emit, ip6EmitAddress } from "../src/wire/ip6.js";
import { TCP_CHECKSUM } from "../src/wire/tcp.js";
import type { Host } from "./host.js";

const errors = tcpNodeErrors("pkts_sent", "rst_sent", "no_buffer");

/**
 * tcp4-output and tcp6-output: put the IP header in front of a segment of a connection (M_CONN names its row). IP's lookup
 * comes next, or what the connection's attribute nextNode says: that node finds the connection in M_CONN, too.
 */
function tcpOutput(isIp4: boolean): NodeForm<Host> {
  const ipHeaderLen = isIp4 ? IP4_HEADER_LEN : IP6_HEADER_LEN;
  return {
    name: isIp4 ? "tcp4-output" : "tcp6-output",
    next: [isIp4 ? "ip4-lookup" : "ip6-lookup"],
    errors: errors.list,
    trace: tcpTrace,
    process: (host) => {
      const { pool } = host;
      const { connections, events } = host.tcp.core;

      return (frame: Frame, node: NodeRuntime) => {
        const { i32, dv } = host.window;
        const { meta } = pool;
        const { base, stride } = connections;
        const { buffers, next, count } = frame;
        for (let i = 0; i < count; i++) {
          const m = meta + (buffers[i] << 4);
          const r = base + i32[m + M_CONN] * stride;
          const l4 = i32[m + M_L4];
          const ip = l4 - ipHeaderLen;
          const bytes = i32[m + M_LEN] + (i32[m + M_TAIL] & 0xffffff);
          const fields = i32[r + C_IP_FIELDS];
          const hops = (fields >>> 8) & 0xff;
          if (isIp4) {
            const total = bytes + IP4_HEADER_LEN;
            // An identification of 0: with DF the datagram is atomic (RFC 6864 4.1).
            ip4Emit(dv, ip, fields & 0xff, total, 0, IP4_DF, hops, PROTOCOL_TCP, i32[r + C_LCL], i32[r + C_RMT]);
            dv.setUint16(l4 + TCP_CHECKSUM, checksumPseudo4(dv, ip, PROTOCOL_TCP, bytes));
          } else {
            const l = r + C_LCL;
            const d = r + C_RMT;
            ip6Emit(dv, ip, fields & 0xff, 0, bytes, PROTOCOL_TCP, hops);
            ip6EmitAddress(dv, ip + IP6_SRC, i32[l], i32[l + 1], i32[l + 2], i32[l + 3]);
            ip6EmitAddress(dv, ip + IP6_DST, i32[d], i32[d + 1], i32[d + 2], i32[d + 3]);
            dv.setUint16(l4 + TCP_CHECKSUM, checksumPseudo6(dv, ip, PROTOCOL_TCP, bytes));
          }
          i32[m + M_DATA] = i32[m + M_L3] = ip;
          i32[m + M_LEN] += ipHeaderLen;
          next[i] = fields >>> 16;
        }
        node.count(errors.index.pkts_sent, count);
        events.commit(node, errors.map);
      };
    },
  };
}

/** tcp4-output. */
export const tcp4Output: NodeForm<Host> = tcpOutput(true);
/** tcp6-output. */
export const tcp6Output: NodeForm<Host> = tcpOutput(false);
