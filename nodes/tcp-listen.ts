import { CONSUMED, type Frame } from "../src/graph/frame.js";
import { type NodeForm, type NodeRuntime } from "../src/graph/node.js";
import { M_CONN, M_DATA, M_L3, M_LEN } from "../src/graph/packet-pool.js";
import { CLOSED, TUPLE_WORDS } from "../src/transport/tcp/connection.js";
import { TCP_ERROR, tcpNodeErrors } from "../src/transport/tcp/errors.js";
import { answerByCookie, openByCookie, passiveOpen } from "../src/transport/tcp/open.js";
import { tcpTrace } from "../src/transport/tcp/trace.js";
import {
  C_FIB,
  C_FLAGS,
  C_LCL,
  C_PORTS,
  C_RMT,
  C_SESSION,
  C_STATE,
  CF_IP6,
  TRANSPORT_TCP,
} from "../src/transport/transport.js";
import { IP4_DST, IP4_SRC } from "../src/wire/ip4.js";
import { IP6_DST, IP6_SRC } from "../src/wire/ip6.js";
import { TCP_FLAG_ACK, TCP_FLAG_RST, TCP_FLAG_SYN, tcpDstPort, tcpSrcPort } from "../src/wire/tcp.js";
import type { Host } from "./host.js";

const errors = tcpNodeErrors(
  "lookup_drops",
  "dispatch",
  "syns_rcvd",
  "backlog_full",
  "syn_cookies_sent",
  "syn_cookies_rcvd",
  "syn_cookies_failed",
  "create_session_fail",
  "no_buffer",
  "ack_invalid",
);

const NEXT_RESET = 0;
const NEXT_RCV_PROCESS = 1;

/** tcp4-listen and tcp6-listen: RFC 9293 3.10.7.2, a segment arrives at a listener. */
function tcpListen(isIp4: boolean): NodeForm<Host> {
  const family = isIp4 ? "tcp4" : "tcp6";
  return {
    name: `${family}-listen`,
    next: [`${family}-reset`, `${family}-rcv-process`],
    errors: errors.list,
    trace: tcpTrace,
    process: (host) => {
      const { pool, lookup } = host;
      const { core } = host.tcp;
      const { connections, events, segment } = core;

      const tuple = new Int32Array(TUPLE_WORDS);

      /** Writes a packet's tuple to TUPLE_WORDS words, as a connection's row has it. */
      function readTuple(m: number, words: Int32Array, from: number): void {
        const { i32, dv } = host.window;
        const ip = i32[m + M_L3];
        const at = i32[m + M_DATA];
        words[from] = (tcpDstPort(dv, at) << 16) | tcpSrcPort(dv, at);
        const addressWords = isIp4 ? 1 : 4;
        for (let w = 0; w < addressWords; w++) {
          words[from + C_LCL - C_PORTS + w] = dv.getInt32(ip + (isIp4 ? IP4_DST : IP6_DST) + w * 4);
          words[from + C_RMT - C_PORTS + w] = dv.getInt32(ip + (isIp4 ? IP4_SRC : IP6_SRC) + w * 4);
        }
      }

      /** A new connection's row with the packet's tuple, findable; -1 when there is no room. */
      function newConnection(m: number, fib: number): number {
        const { i32 } = host.window;
        const c = connections.alloc();
        if (c < 0) return -1;
        const r = connections.row(c);
        readTuple(m, i32, r + C_PORTS);
        i32[r + C_FIB] = fib;
        if (!isIp4) i32[r + C_FLAGS] |= CF_IP6;
        if (lookup.addEstablished(TRANSPORT_TCP, c)) return c;
        connections.free(c);
        return -1;
      }

      /** A SYN for listener `listener`. */
      function open(m: number, listener: number): void {
        const { i32 } = host.window;
        const l = connections.row(listener);
        events.count(TCP_ERROR.syns_rcvd);
        const session = i32[l + C_SESSION];
        if (!core.upcalls.mayAccept(session)) {
          answer(m, listener, session);
          return;
        }
        const c = newConnection(m, i32[l + C_FIB]);
        if (c >= 0) {
          passiveOpen(core, c, listener, segment);
          return;
        }
        events.count(TCP_ERROR.create_session_fail);
        core.upcalls.halfOpenEnded(session);
      }

      /** A SYN for which there is no room: answered by a cookie if a proven connection would find some. */
      function answer(m: number, listener: number, session: number): void {
        const isTaken = core.config.synCookies && core.upcalls.mayAccept(session, true);
        if (isTaken) core.upcalls.halfOpenEnded(session);
        const c = isTaken ? newConnection(m, host.window.i32[connections.row(listener) + C_FIB]) : -1;
        if (c < 0) {
          events.count(TCP_ERROR.backlog_full);
          return;
        }
        events.count(TCP_ERROR.syn_cookies_sent);
        answerByCookie(core, c, listener, segment);
      }

      /** An ACK for listener `listener`: whether a cookie has opened the connection that it names, which M_CONN says then. */
      function isCookie(m: number, listener: number): boolean {
        const { i32 } = host.window;
        const l = connections.row(listener);
        if (!core.synCookies.mayBeBack(core.engine.nowMs) || i32[l + C_STATE] === CLOSED) return false;
        // What comes in one vector with the ACK that opened the connection.
        const opened = connectionOf(m, i32[l + C_FIB]);
        if (opened >= 0) {
          i32[m + M_CONN] = opened;
          return true;
        }
        // Before anything is taken: any ACK may come here.
        readTuple(m, tuple, 0);
        const syn = core.synCookies.find(tuple, segment, core.engine.nowMs);
        if (syn === undefined) {
          events.count(TCP_ERROR.syn_cookies_failed);
          return false;
        }
        const session = i32[l + C_SESSION];
        if (core.upcalls.mayAccept(session, true)) {
          const c = newConnection(m, i32[l + C_FIB]);
          if (c >= 0) {
            core.synCookies.spend(segment);
            openByCookie(core, c, listener, syn, segment);
            events.count(TCP_ERROR.syn_cookies_rcvd);
            i32[m + M_CONN] = c;
            return true;
          }
          core.upcalls.halfOpenEnded(session);
        }
        events.count(TCP_ERROR.create_session_fail);
        return false;
      }

      return (frame: Frame, node: NodeRuntime) => {
        const { i32, dv, u8 } = host.window;
        const { meta } = pool;
        const { buffers, next, count } = frame;
        for (let i = 0; i < count; i++) {
          const m = meta + (buffers[i] << 4);
          const listener = i32[m + M_CONN];
          segment.read(dv, u8, i32[m + M_DATA], i32[m + M_LEN]);
          next[i] = CONSUMED;
          // First RST, second ACK, third SYN, fourth anything else.
          if ((segment.flags & TCP_FLAG_RST) !== 0) events.count(TCP_ERROR.lookup_drops);
          else if ((segment.flags & TCP_FLAG_ACK) !== 0) {
            if ((segment.flags & TCP_FLAG_SYN) === 0 && isCookie(m, listener)) {
              next[i] = NEXT_RCV_PROCESS;
              continue;
            }
            events.count(TCP_ERROR.ack_invalid);
            next[i] = NEXT_RESET;
            continue;
          } else if ((segment.flags & TCP_FLAG_SYN) === 0 || i32[connections.row(listener) + C_STATE] === CLOSED) {
            events.count(TCP_ERROR.dispatch);
          } else if (connectionOf(m, i32[connections.row(listener) + C_FIB]) < 0) open(m, listener);
          pool.free(buffers[i]);
        }
        events.commit(node, errors.map);
      };

      /** The connection that a segment before this one in its vector has made, -1 without one. */
      function connectionOf(m: number, fib: number): number {
        const { i32, dv } = host.window;
        const ip = i32[m + M_L3];
        const ports = (tcpDstPort(dv, i32[m + M_DATA]) << 16) | tcpSrcPort(dv, i32[m + M_DATA]);
        const lclAt = ip + (isIp4 ? IP4_DST : IP6_DST);
        const rmtAt = ip + (isIp4 ? IP4_SRC : IP6_SRC);
        return lookup.connectionAt(!isIp4, fib, TRANSPORT_TCP, lclAt, rmtAt, ports);
      }
    },
  };
}

/** tcp4-listen. */
export const tcp4Listen: NodeForm<Host> = tcpListen(true);
/** tcp6-listen. */
export const tcp6Listen: NodeForm<Host> = tcpListen(false);
