import { CONSUMED, FRAME_SIZE, type Frame } from "../src/graph/frame.js";
import { type NodeForm, type NodeRuntime } from "../src/graph/node.js";
import { M_CONN, M_DATA, M_LEN } from "../src/graph/packet-pool.js";
import { segmentArrives } from "../src/transport/tcp/arrive.js";
import { ESTABLISHED, T_RCV_NXT } from "../src/transport/tcp/connection.js";
import { tcpNodeErrors } from "../src/transport/tcp/errors.js";
import { NOT_PREDICTED, PREDICTED, predicted } from "../src/transport/tcp/predict.js";
import { tcpTrace } from "../src/transport/tcp/trace.js";
import { C_RX_FIFO, C_SESSION, C_STATE, TRANSPORT_TCP } from "../src/transport/transport.js";
import { SESSION_ROW_SHIFT } from "../src/session/session-table.js";
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
  "no_buffer",
);

/** Least vector for which touch passes pay. */
const TOUCH_FROM = 8;

/** tcp4-established and tcp6-established: segments of connections in ESTABLISHED (RFC 9293 3.10.7.4). */
function tcpEstablished(isIp4: boolean): NodeForm<Host> {
  const family = isIp4 ? "tcp4" : "tcp6";
  return {
    name: `${family}-established`,
    next: [`${family}-rcv-process`],
    errors: errors.list,
    trace: tcpTrace,
    process: (host) => {
      const { pool, fifos, sessions } = host;
      const { core } = host.tcp;
      const { connections, events, segment } = core;
      const rxFifos = new Int32Array(FRAME_SIZE);
      const touched = new Int32Array(1);

      /**
       * Touch passes, so that misses overlap: of each connection the second line of its row, which tcp-input has not read,
       * its session, its fifo, and its place among those that want to send.
       */
      function touchAll(buffers: Int32Array, count: number): number {
        const { i32 } = host.window;
        const { meta } = pool;
        const { base, stride } = connections;
        const { table, transmitQueue } = sessions;
        const { base: sessionBase } = table;
        let touch = 0;
        for (let i = 0; i < count; i++) {
          const c = i32[meta + (buffers[i] << 4) + M_CONN];
          const r = base + c * stride;
          rxFifos[i] = i32[r + C_RX_FIFO];
          touch ^= i32[r + T_RCV_NXT] ^ i32[sessionBase + (i32[r + C_SESSION] << SESSION_ROW_SHIFT)];
          touch ^= transmitQueue.touch(TRANSPORT_TCP, c);
        }
        return touch ^ fifos.touchTails(rxFifos, count);
      }

      return (frame: Frame, node: NodeRuntime) => {
        const { i32, dv, u8 } = host.window;
        const { meta } = pool;
        const { base, stride } = connections;
        const { buffers, next, count } = frame;
        if (count >= TOUCH_FROM) touched[0] = touchAll(buffers, count);
        let enqueued = 0;
        for (let i = 0; i < count; i++) {
          const b = buffers[i];
          const m = meta + (b << 4);
          const c = i32[m + M_CONN];
          const r = base + c * stride;
          // An earlier segment of this vector may have moved the connection on.
          if (i32[r + C_STATE] !== ESTABLISHED) {
            next[i] = 0;
            continue;
          }
          const outcome = predicted(core, c, r, i32[m + M_DATA], i32[m + M_LEN]);
          if (outcome === PREDICTED) enqueued++;
          else if (outcome === NOT_PREDICTED) {
            segment.read(dv, u8, i32[m + M_DATA], i32[m + M_LEN]);
            segmentArrives(core, c, r, segment);
          }
          pool.free(b);
          next[i] = CONSUMED;
        }
        if (enqueued > 0) node.count(errors.index.enqueued, enqueued);
        events.commit(node, errors.map);
      };
    },
  };
}

/** tcp4-established. */
export const tcp4Established: NodeForm<Host> = tcpEstablished(true);
/** tcp6-established. */
export const tcp6Established: NodeForm<Host> = tcpEstablished(false);
