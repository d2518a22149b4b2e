import { CONSUMED, type Frame } from "../src/graph/frame.js";
import { type NodeForm, type NodeRuntime } from "../src/graph/node.js";
import { M_CONN, M_DATA, M_LEN } from "../src/graph/packet-pool.js";
import { SYN_SENT } from "../src/transport/tcp/connection.js";
import { tcpNodeErrors } from "../src/transport/tcp/errors.js";
import { processSynSent, SYN_SENT_RESET } from "../src/transport/tcp/open.js";
import { tcpTrace } from "../src/transport/tcp/trace.js";
import { C_STATE } from "../src/transport/transport.js";
import type { Host } from "./host.js";

const errors = tcpNodeErrors(
  "syns_rcvd",
  "syn_acks_rcvd",
  "ack_invalid",
  "segment_invalid",
  "rst_rcvd",
  "dispatch",
  "create_session_fail",
  "rst_sent",
  "no_buffer",
);

const NEXT_RESET = 0;
const NEXT_RCV_PROCESS = 1;

/** tcp4-syn-sent and tcp6-syn-sent: RFC 9293 3.10.7.3. */
function tcpSynSent(isIp4: boolean): NodeForm<Host> {
  const family = isIp4 ? "tcp4" : "tcp6";
  return {
    name: `${family}-syn-sent`,
    next: [`${family}-reset`, `${family}-rcv-process`],
    errors: errors.list,
    trace: tcpTrace,
    process: (host) => {
      const { pool } = host;
      const { core } = host.tcp;
      const { connections, events, segment } = core;

      return (frame: Frame, node: NodeRuntime) => {
        const { i32, dv, u8 } = host.window;
        const { meta } = pool;
        const { buffers, next, count } = frame;
        for (let i = 0; i < count; i++) {
          const m = meta + (buffers[i] << 4);
          const c = i32[m + M_CONN];
          const r = connections.row(c);
          // An earlier segment of this vector may have moved the connection on.
          if (i32[r + C_STATE] !== SYN_SENT) {
            next[i] = NEXT_RCV_PROCESS;
            continue;
          }
          segment.read(dv, u8, i32[m + M_DATA], i32[m + M_LEN]);
          if (processSynSent(core, c, r, segment) === SYN_SENT_RESET) {
            next[i] = NEXT_RESET;
            continue;
          }
          pool.free(buffers[i]);
          next[i] = CONSUMED;
        }
        events.commit(node, errors.map);
      };
    },
  };
}

/** tcp4-syn-sent. */
export const tcp4SynSent: NodeForm<Host> = tcpSynSent(true);
/** tcp6-syn-sent. */
export const tcp6SynSent: NodeForm<Host> = tcpSynSent(false);
