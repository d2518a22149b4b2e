import type { Frame } from "../src/graph/frame.js";
import type { NodeForm } from "../src/graph/node.js";
import { M_CONN } from "../src/graph/packet-pool.js";
import { C_IP_FIELDS } from "../src/transport/transport.js";
import { IP4_HEADER_LEN } from "../src/wire/ip4.js";
import { IP6_HEADER_LEN } from "../src/wire/ip6.js";
import { UDP_HEADER_LEN, udpDstPort, udpLength, udpSrcPort } from "../src/wire/udp.js";
import type { Host } from "./host.js";

/**
 * udp4-output and udp6-output: datagrams of sessions, their headers complete, on their way to IP's lookup or to where the
 * attribute nextNode of the connection (M_CONN) says.
 */
function udpOutput(isIp4: boolean): NodeForm<Host> {
  const at = isIp4 ? IP4_HEADER_LEN : IP6_HEADER_LEN;
  return {
    name: isIp4 ? "udp4-output" : "udp6-output",
    next: [isIp4 ? "ip4-lookup" : "ip6-lookup"],
    errors: [],
    trace: {
      bytes: at + UDP_HEADER_LEN,
      format: (dv, length) =>
        length < at + UDP_HEADER_LEN
          ? "udp: truncated"
          : `udp: ${udpSrcPort(dv, at)} -> ${udpDstPort(dv, at)} length ${udpLength(dv, at)}`,
    },
    process: ({ window: { i32 }, pool: { meta }, udp }) => {
      const { base, stride } = udp.rows;
      return (frame: Frame) => {
        const { buffers, next, count } = frame;
        // A row that was freed after its last datagram is not another's yet.
        for (let i = 0; i < count; i++) {
          next[i] = i32[base + i32[meta + (buffers[i] << 4) + M_CONN] * stride + C_IP_FIELDS] >>> 16;
        }
      };
    },
  };
}

/** udp4-output. */
export const udp4Output: NodeForm<Host> = udpOutput(true);
/** udp6-output. */
export const udp6Output: NodeForm<Host> = udpOutput(false);
