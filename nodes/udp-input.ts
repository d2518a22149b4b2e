import { CONSUMED, FRAME_SIZE, type Frame } from "../src/graph/frame.js";
import { type NodeForm, type NodeRuntime, nodeErrors } from "../src/graph/node.js";
import {
  type BufferIndex,
  F_L2_MULTICAST,
  F_L3_MULTICAST,
  M_DATA,
  M_ERROR,
  M_FIB,
  M_FLAGS,
  M_L3,
  M_LEN,
  M_TAIL,
} from "../src/graph/packet-pool.js";
import { requestIcmpError } from "../src/ip/icmp-request.js";
import { FLOW_KEPT, FLOW_WAITS } from "../src/session/flow-hooks.js";
import { FLOW_DROP, FLOW_PASS } from "../src/session/rt-backend.js";
import { UDP_CLOSING } from "../src/transport/udp/connection.js";
import { C_RX_FIFO, C_SESSION, C_STATE, TRANSPORT_UDP } from "../src/transport/transport.js";
import { ICMP4_PORT_UNREACHABLE, ICMP4_UNREACHABLE } from "../src/wire/icmp4.js";
import { ICMP6_PORT_UNREACHABLE, ICMP6_UNREACHABLE } from "../src/wire/icmp6.js";
import { IP4_DST, IP4_SRC } from "../src/wire/ip4.js";
import { IP6_DST, IP6_SRC } from "../src/wire/ip6.js";
import { UDP_CHECKSUM, UDP_HEADER_LEN, UDP_OK, udpCheck, udpDstPort, udpLength, udpSrcPort } from "../src/wire/udp.js";
import type { Host } from "./host.js";

const COMMON_ERRORS = {
  bad_length: ["error", "udp length error"],
  no_listener: ["info", "no listener for dst port: icmp port unreachable"],
  filtered: ["info", "filtered by a session rule or flow hook"],
  undecided: ["info", "datagram too many of a flow that a hook is to decide"],
  no_group_listener: ["info", "no listener for a broadcast or multicast datagram"],
  fifo_full: ["warn", "fifo full: datagram lost"],
  not_ready: ["warn", "session is closing"],
  create_session: ["error", "no session for a new peer of a listener"],
} as const;
// The common ones have the same numbers in both.
const errors4 = nodeErrors(COMMON_ERRORS);
const errors6 = nodeErrors({ ...COMMON_ERRORS, no_checksum: ["error", "udp over ip6 without checksum"] });
const E = errors6.index;

const NEXT_DROP = 0;
const NEXT_ICMP_ERROR = 1;
/** No session wants the packet. */
const NO_SESSION = -1;
/** A listener wants it, but no session can be made. */
const NOT_ACCEPTED = -2;
/** A rule or a hook drops it. */
const FILTERED = -3;
/** It waits for a hook's decision. */
const KEPT = -4;
/** It is one too many of a flow that waits. */
const UNDECIDED = -5;

/** udp4-input and udp6-input: put each datagram into the rx fifo of its session, or of the listener on its port. */
function udpInput(isIp4: boolean): NodeForm<Host> {
  const addressWords = isIp4 ? 1 : 4;
  const srcAt = isIp4 ? IP4_SRC : IP6_SRC;
  const dstAt = isIp4 ? IP4_DST : IP6_DST;
  const icmpType = isIp4 ? ICMP4_UNREACHABLE : ICMP6_UNREACHABLE;
  const icmpCode = isIp4 ? ICMP4_PORT_UNREACHABLE : ICMP6_PORT_UNREACHABLE;
  return {
    name: isIp4 ? "udp4-input" : "udp6-input",
    next: ["drop", isIp4 ? "ip4-icmp-error" : "ip6-icmp-error"],
    errors: (isIp4 ? errors4 : errors6).list,
    trace: {
      bytes: UDP_HEADER_LEN,
      format: (dv, length) =>
        length < UDP_HEADER_LEN
          ? "udp: truncated"
          : `udp: ${udpSrcPort(dv, 0)} -> ${udpDstPort(dv, 0)} length ${udpLength(dv, 0)}`,
    },
    process: (host) => {
      const { i32, dv } = host.window;
      const { lookup, pool, sessions, udp } = host;
      const { meta } = pool;
      const { flows } = sessions;
      const { rows, receiver } = udp;
      const hashes = new Int32Array(FRAME_SIZE);
      const touched = new Int32Array(1);

      function hashOf(ip: number, at: number): number {
        const ports = (dv.getUint16(at + 2) << 16) | dv.getUint16(at);
        if (isIp4) return lookup.hash4(dv.getInt32(ip + IP4_DST), dv.getInt32(ip + IP4_SRC), ports);
        const d = ip + IP6_DST;
        const s = ip + IP6_SRC;
        return lookup.hash6(
          dv.getInt32(d),
          dv.getInt32(d + 4),
          dv.getInt32(d + 8),
          dv.getInt32(d + 12),
          dv.getInt32(s),
          dv.getInt32(s + 4),
          dv.getInt32(s + 8),
          dv.getInt32(s + 12),
          ports,
        );
      }

      /** The connection that takes the datagram, or one of the constants above. */
      function connectionOf(b: BufferIndex, hash: number): number {
        const m = meta + (b << 4);
        const fib = i32[m + M_FIB];
        const ip = i32[m + M_L3];
        const at = i32[m + M_DATA];
        const port = dv.getUint16(at + 2);
        const ports = (port << 16) | dv.getUint16(at);
        const d = ip + dstAt;
        const s = ip + srcAt;
        const d0 = dv.getInt32(d);
        let c = -1;
        let listener = -1;
        if (isIp4) {
          const s0 = dv.getInt32(s);
          c = lookup.established4(fib, TRANSPORT_UDP, d0, s0, ports, hash);
          if (c >= 0) return c;
          listener = lookup.decide4(fib, TRANSPORT_UDP, d0, s0, ports);
          if (listener === FLOW_PASS && flows.isOn) listener = flows.judge(b, m, true, TRANSPORT_UDP, hash);
          if (listener === FLOW_PASS) listener = lookup.listener4(fib, TRANSPORT_UDP, d0, port);
        } else {
          const d1 = dv.getInt32(d + 4);
          const d2 = dv.getInt32(d + 8);
          const d3 = dv.getInt32(d + 12);
          const s0 = dv.getInt32(s);
          const s1 = dv.getInt32(s + 4);
          const s2 = dv.getInt32(s + 8);
          const s3 = dv.getInt32(s + 12);
          c = lookup.established6(fib, TRANSPORT_UDP, d0, d1, d2, d3, s0, s1, s2, s3, ports, hash);
          if (c >= 0) return c;
          listener = lookup.decide6(fib, TRANSPORT_UDP, d0, d1, d2, d3, s0, s1, s2, s3, ports);
          if (listener === FLOW_PASS && flows.isOn) listener = flows.judge(b, m, false, TRANSPORT_UDP, hash);
          if (listener === FLOW_PASS) listener = lookup.listener6(fib, TRANSPORT_UDP, d0, d1, d2, d3, port);
        }
        if (listener < 0) return refused(listener);
        c = sessions.datagramConnection(listener, hash);
        if (i32[rows.row(c) + C_RX_FIFO] !== 0) return c;
        // A session's own address is one to answer from: groups and broadcast addresses are not (RFC 1122 4.1.3.5).
        if ((i32[m + M_FLAGS] & F_L3_MULTICAST) !== 0) return NO_SESSION;
        c = accept(listener, fib, ip, at);
        if (c >= 0 && flows.isOn) flows.becameSession(m, isIp4, hash);
        return c;
      }

      /** Which of the constants stands for a flow that no listener takes. */
      function refused(flow: number): number {
        if (flow === FLOW_DROP) return FILTERED;
        if (flow === FLOW_KEPT) return KEPT;
        return flow === FLOW_WAITS ? UNDECIDED : NO_SESSION;
      }

      /** A connected-mode listener: the first datagram of a peer makes its session. Not per packet, so it may allocate. */
      function accept(listener: number, fib: number, ip: number, at: number): number {
        const local = { family: isIp4 ? 4 : 6, address: new Int32Array(4), port: dv.getUint16(at + 2) } as const;
        const remote = { family: local.family, address: new Int32Array(4), port: dv.getUint16(at) } as const;
        for (let i = 0; i < addressWords; i++) {
          local.address[i] = dv.getInt32(ip + dstAt + 4 * i);
          remote.address[i] = dv.getInt32(ip + srcAt + 4 * i);
        }
        const c = udp.accept(listener, fib, local, remote);
        return c < 0 ? NOT_ACCEPTED : c;
      }

      /** Gives a datagram to its session; returns the error to count, -1 when there is none. */
      function deliver(c: number, m: number, length: number): number {
        const r = rows.row(c);
        if (i32[r + C_STATE] === UDP_CLOSING) return E.not_ready;
        const lost = receiver.enqueue(r, m, length, isIp4);
        sessions.received(i32[r + C_SESSION]);
        return lost > 0 ? E.fifo_full : -1;
      }

      return (frame: Frame, node: NodeRuntime) => {
        const { buffers, next, count } = frame;
        const { errorBase } = node;
        // Touch pass: hashes and one word of each bucket, so that the misses overlap.
        let touch = 0;
        for (let i = 0; i < count; i++) {
          const m = meta + (buffers[i] << 4);
          if (i32[m + M_LEN] < UDP_HEADER_LEN) continue;
          const hash = hashOf(i32[m + M_L3], i32[m + M_DATA]);
          hashes[i] = hash;
          touch ^= isIp4 ? lookup.touch4(i32[m + M_FIB], hash) : lookup.touch6(i32[m + M_FIB], hash);
        }
        touched[0] = touch;
        for (let i = 0; i < count; i++) {
          const m = meta + (buffers[i] << 4);
          const at = i32[m + M_DATA];
          const total = i32[m + M_LEN] + (i32[m + M_TAIL] & 0xffffff);
          next[i] = NEXT_DROP;
          if (i32[m + M_LEN] < UDP_HEADER_LEN || udpCheck(dv, at, total) !== UDP_OK) {
            i32[m + M_ERROR] = errorBase + E.bad_length;
            continue;
          }
          if (!isIp4 && dv.getUint16(at + UDP_CHECKSUM) === 0) {
            // RFC 8200 8.1: a receiver must discard it.
            i32[m + M_ERROR] = errorBase + E.no_checksum;
            continue;
          }
          const c = connectionOf(buffers[i], hashes[i]);
          if (c >= 0) {
            const error = deliver(c, m, udpLength(dv, at));
            if (error >= 0) i32[m + M_ERROR] = errorBase + error;
            else {
              pool.free(buffers[i]);
              next[i] = CONSUMED;
            }
            continue;
          }
          if (c === KEPT) next[i] = CONSUMED;
          else if (c === NOT_ACCEPTED) i32[m + M_ERROR] = errorBase + E.create_session;
          else if (c === FILTERED) i32[m + M_ERROR] = errorBase + E.filtered;
          else if (c === UNDECIDED) i32[m + M_ERROR] = errorBase + E.undecided;
          else if ((i32[m + M_FLAGS] & (F_L2_MULTICAST | F_L3_MULTICAST)) !== 0) {
            i32[m + M_ERROR] = errorBase + E.no_group_listener;
          } else {
            node.count(E.no_listener, 1);
            requestIcmpError(i32, m, icmpType, icmpCode, 0);
            next[i] = NEXT_ICMP_ERROR;
          }
        }
      };
    },
  };
}

/** udp4-input. */
export const udp4Input: NodeForm<Host> = udpInput(true);
/** udp6-input. */
export const udp6Input: NodeForm<Host> = udpInput(false);
