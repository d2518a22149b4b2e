import { CONSUMED, type Frame } from "../src/graph/frame.js";
import { type NodeForm, type NodeRuntime } from "../src/graph/node.js";
import { M_CONN, M_DATA, M_LEN } from "../src/graph/packet-pool.js";
import { ARRIVED_RESET, segmentArrives } from "../src/transport/tcp/arrive.js";
import { SYN_RCVD } from "../src/transport/tcp/connection.js";
import { TCP_ERROR, tcpNodeErrors } from "../src/transport/tcp/errors.js";
import { maySupersede, outrunOld } from "../src/transport/tcp/time-wait.js";
import { tcpTrace } from "../src/transport/tcp/trace.js";
import { C_STATE } from "../src/transport/transport.js";
import type { Host } from "./host.js";

const errors = tcpNodeErrors(
  "enqueued",
  "enqueued_ooo",
  "fifo_full",
  "partially_enqueued",
  "segment_old",
  "segment_invalid",
  "spurious_syn",
  "ack_ok",
  "ack_invalid",
  "ack_dup",
  "ack_old",
  "ack_future",
  "rst_rcvd",
  "rst_challenged",
  "challenge_limited",
  "answer_limited",
  "paws",
  "no_timestamp",
  "no_ack",
  "fin_rcvd",
  "spurious_retransmit",
  "zero_rwnd",
  "connection_closed",
  "conn_accepted",
  "create_session_fail",
  "time_wait_reuse",
  "dispatch",
  "rst_sent",
  "no_buffer",
);

const NEXT_RESET = 0;
const NEXT_INPUT = 1;

/** tcp4-rcv-process and tcp6-rcv-process: RFC 9293 3.10.7.4 in the states before and after ESTABLISHED. */
function tcpRcvProcess(isIp4: boolean): NodeForm<Host> {
  const family = isIp4 ? "tcp4" : "tcp6";
  return {
    name: `${family}-rcv-process`,
    next: [`${family}-reset`, `${family}-input`],
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
          segment.read(dv, u8, i32[m + M_DATA], i32[m + M_LEN]);
          // RFC 9293 3.6.1, MAY-2.
          if (maySupersede(core, r, segment)) {
            events.count(TCP_ERROR.time_wait_reuse);
            outrunOld(core, r);
            core.remove(c);
            next[i] = NEXT_INPUT;
            continue;
          }
          // An earlier segment of this vector may have ended the connection.
          if (i32[r + C_STATE] < SYN_RCVD) {
            events.count(TCP_ERROR.dispatch);
          } else if (segmentArrives(core, c, r, segment) === ARRIVED_RESET) {
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

/** tcp4-rcv-process. */
export const tcp4RcvProcess: NodeForm<Host> = tcpRcvProcess(true);
/** tcp6-rcv-process. */
export const tcp6RcvProcess: NodeForm<Host> = tcpRcvProcess(false);
