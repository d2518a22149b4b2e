import { CONSUMED, FRAME_SIZE, type Frame } from "../src/graph/frame.js";
import { type NodeForm, type NodeRuntime } from "../src/graph/node.js";
import {
  type BufferIndex,
  F_L2_MULTICAST,
  F_L3_MULTICAST,
  M_CONN,
  M_DATA,
  M_ERROR,
  M_FIB,
  M_FLAGS,
  M_L3,
  M_LEN,
  M_TAIL,
} from "../src/graph/packet-pool.js";
import { FLOW_KEPT, FLOW_WAITS } from "../src/session/flow-hooks.js";
import { FLOW_DROP, FLOW_PASS } from "../src/session/rt-backend.js";
import { ESTABLISHED, SYN_SENT } from "../src/transport/tcp/connection.js";
import { tcpNodeErrors } from "../src/transport/tcp/errors.js";
import { C_STATE, TRANSPORT_TCP } from "../src/transport/transport.js";
import { IP4_DST, IP4_SRC } from "../src/wire/ip4.js";
import { IP6_DST, IP6_SRC } from "../src/wire/ip6.js";
import {
  TCP_FLAG_ACK,
  TCP_FLAG_RST,
  TCP_FLAG_SYN,
  TCP_HEADER_LEN,
  TCP_OK,
  tcpCheck,
  tcpFlags,
} from "../src/wire/tcp.js";
import type { Host } from "./host.js";
import { tcpTrace } from "../src/transport/tcp/trace.js";

const errors = tcpNodeErrors(
  "length",
  "bad_source",
  "filtered",
  "undecided",
  "no_listener",
  "lookup_drops",
  "no_buffer",
);
const E = errors.index;

/** Least vector for which touch passes pay. */
const TOUCH_FROM = 8;

const NEXT_DROP = 0;
const NEXT_LISTEN = 1;
const NEXT_RCV_PROCESS = 2;
const NEXT_SYN_SENT = 3;
const NEXT_ESTABLISHED = 4;
const NEXT_RESET = 5;

/** Whether an IPv4 source may take part in a connection: not 0/8, multicast, reserved or broadcast (RFC 9293 MUST-63). */
function isGoodSource4(source: number): boolean {
  const top = source >>> 24;
  return top !== 0 && top < 224;
}

/** Whether an IPv6 source may: not multicast, not unspecified. */
function isGoodSource6(w0: number, w1: number, w2: number, w3: number): boolean {
  return w0 >>> 24 !== 0xff && (w0 | w1 | w2 | w3) !== 0;
}

/** tcp4-input and tcp6-input: find the connection or listener of each segment and send it to the node of its state. */
function tcpInput(isIp4: boolean): NodeForm<Host> {
  const family = isIp4 ? "tcp4" : "tcp6";
  return {
    name: `${family}-input`,
    next: [
      "drop",
      `${family}-listen`,
      `${family}-rcv-process`,
      `${family}-syn-sent`,
      `${family}-established`,
      `${family}-reset`,
    ],
    errors: errors.list,
    trace: tcpTrace,
    process: (host) => {
      const { pool, lookup } = host;
      const { flows } = host.sessions;
      const { core } = host.tcp;
      const { connections } = core;
      const hashes = new Int32Array(FRAME_SIZE);
      const tags = new Int32Array(FRAME_SIZE);
      const touched = new Int32Array(1);

      /** Keyed hash of a packet's tuple, from our side. */
      function hashOf(dv: DataView, ip: number, at: number): number {
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

      /** Connection of a segment: established or half-open; -1 when there is none. */
      function connectionOf(dv: DataView, fib: number, ip: number, at: number, hash: number): number {
        const ports = (dv.getUint16(at + 2) << 16) | dv.getUint16(at);
        if (isIp4) {
          const lcl = dv.getInt32(ip + IP4_DST);
          const rmt = dv.getInt32(ip + IP4_SRC);
          const c = lookup.established4(fib, TRANSPORT_TCP, lcl, rmt, ports, hash);
          return c >= 0 ? c : lookup.halfOpen4(fib, TRANSPORT_TCP, lcl, rmt, ports, hash);
        }
        const d = ip + IP6_DST;
        const s = ip + IP6_SRC;
        const l0 = dv.getInt32(d);
        const l1 = dv.getInt32(d + 4);
        const l2 = dv.getInt32(d + 8);
        const l3 = dv.getInt32(d + 12);
        const r0 = dv.getInt32(s);
        const r1 = dv.getInt32(s + 4);
        const r2 = dv.getInt32(s + 8);
        const r3 = dv.getInt32(s + 12);
        const c = lookup.established6(fib, TRANSPORT_TCP, l0, l1, l2, l3, r0, r1, r2, r3, ports, hash);
        return c >= 0 ? c : lookup.halfOpen6(fib, TRANSPORT_TCP, l0, l1, l2, l3, r0, r1, r2, r3, ports, hash);
      }

      /** What a hook says of segment `b`: SYNs begin flows, and ACKs may bring back the cookie of one. */
      function hooked(b: BufferIndex, hash: number): number {
        const { i32, dv } = host.window;
        const m = pool.meta + (b << 4);
        const flags = tcpFlags(dv, i32[m + M_DATA]);
        const kind = flags & (TCP_FLAG_SYN | TCP_FLAG_ACK | TCP_FLAG_RST);
        if (kind === TCP_FLAG_SYN) return flows.judge(b, m, isIp4, TRANSPORT_TCP, hash);
        return kind === TCP_FLAG_ACK ? flows.ledTo(m, isIp4, hash) : FLOW_PASS;
      }

      /**
       * Listening session of segment `b`, which has no connection: by rule, by a hook, or by its destination; or a FLOW_
       * constant, or below 0: nobody.
       */
      function listenerOf(b: BufferIndex, fib: number, ip: number, at: number, hash: number): number {
        const { dv } = host.window;
        const port = dv.getUint16(at + 2);
        const ports = (port << 16) | dv.getUint16(at);
        if (isIp4) {
          const lcl = dv.getInt32(ip + IP4_DST);
          let ruled = lookup.decide4(fib, TRANSPORT_TCP, lcl, dv.getInt32(ip + IP4_SRC), ports);
          if (ruled === FLOW_PASS && flows.isOn) ruled = hooked(b, hash);
          return ruled === FLOW_PASS ? lookup.listener4(fib, TRANSPORT_TCP, lcl, port) : ruled;
        }
        const d = ip + IP6_DST;
        const s = ip + IP6_SRC;
        const l0 = dv.getInt32(d);
        const l1 = dv.getInt32(d + 4);
        const l2 = dv.getInt32(d + 8);
        const l3 = dv.getInt32(d + 12);
        const r0 = dv.getInt32(s);
        const r1 = dv.getInt32(s + 4);
        const r2 = dv.getInt32(s + 8);
        const r3 = dv.getInt32(s + 12);
        let ruled = lookup.decide6(fib, TRANSPORT_TCP, l0, l1, l2, l3, r0, r1, r2, r3, ports);
        if (ruled === FLOW_PASS && flows.isOn) ruled = hooked(b, hash);
        return ruled === FLOW_PASS ? lookup.listener6(fib, TRANSPORT_TCP, l0, l1, l2, l3, port) : ruled;
      }

      /**
       * A segment of this host to itself still lends its payload from the sender's fifo: gives it a slot of its own, IP
       * header included. Returns the buffer; -1, counted, when none is left.
       */
      function own(b: BufferIndex, node: NodeRuntime): BufferIndex {
        const { i32 } = host.window;
        const m = pool.meta + (b << 4);
        const headerBytes = i32[m + M_DATA] - i32[m + M_L3];
        i32[m + M_DATA] -= headerBytes;
        i32[m + M_LEN] += headerBytes;
        const whole = pool.linearize(b);
        const n = pool.meta + ((whole < 0 ? b : whole) << 4);
        i32[n + M_DATA] += headerBytes;
        i32[n + M_LEN] -= headerBytes;
        if (whole < 0) i32[m + M_ERROR] = node.errorBase + E.no_buffer;
        return whole;
      }

      /** Where segment `b`, which has no connection, goes, its listener in M_CONN; CONSUMED: nowhere yet. */
      function stray(b: BufferIndex, hash: number, node: NodeRuntime): number {
        const { i32, dv } = host.window;
        const m = pool.meta + (b << 4);
        const ip = i32[m + M_L3];
        const at = i32[m + M_DATA];
        const isReset = (tcpFlags(dv, at) & TCP_FLAG_RST) !== 0;
        const isGroup = (i32[m + M_FLAGS] & (F_L2_MULTICAST | F_L3_MULTICAST)) !== 0;
        const s = ip + IP6_SRC;
        const isGood = isIp4
          ? isGoodSource4(dv.getInt32(ip + IP4_SRC))
          : isGoodSource6(dv.getInt32(s), dv.getInt32(s + 4), dv.getInt32(s + 8), dv.getInt32(s + 12));
        if (isGroup || !isGood) {
          i32[m + M_ERROR] = node.errorBase + E.bad_source;
          return NEXT_DROP;
        }
        const session = listenerOf(b, i32[m + M_FIB], ip, at, hash);
        if (session === FLOW_KEPT) return CONSUMED;
        if (session === FLOW_DROP || session === FLOW_WAITS) {
          i32[m + M_ERROR] = node.errorBase + (session === FLOW_DROP ? E.filtered : E.undecided);
          return NEXT_DROP;
        }
        const listener = session < 0 ? undefined : core.listeners.get(session);
        if (listener !== undefined) {
          i32[m + M_CONN] = listener;
          return NEXT_LISTEN;
        }
        if (isReset) {
          i32[m + M_ERROR] = node.errorBase + E.lookup_drops;
          return NEXT_DROP;
        }
        node.count(E.no_listener, 1);
        return NEXT_RESET;
      }

      return (frame: Frame, node: NodeRuntime) => {
        const { i32, dv } = host.window;
        const { meta } = pool;
        const { buffers, next, count } = frame;
        for (let i = 0; i < count; i++) {
          const m = meta + (buffers[i] << 4);
          if (i32[m + M_LEN] < TCP_HEADER_LEN) continue;
          hashes[i] = hashOf(dv, i32[m + M_L3], i32[m + M_DATA]);
          tags[i] = lookup.tagOf(i32[m + M_FIB], hashes[i]);
        }
        if (count >= TOUCH_FROM) {
          touched[0] = isIp4
            ? lookup.touchAll4(TRANSPORT_TCP, tags, count)
            : lookup.touchAll6(TRANSPORT_TCP, tags, count);
        }
        const { base, stride } = connections;
        for (let i = 0; i < count; i++) {
          let m = meta + (buffers[i] << 4);
          if (i32[m + M_TAIL] !== 0) {
            const b = own(buffers[i], node);
            if (b < 0) {
              next[i] = NEXT_DROP;
              continue;
            }
            buffers[i] = b;
            m = meta + (b << 4);
          }
          const at = i32[m + M_DATA];
          if (tcpCheck(dv, at, i32[m + M_LEN]) !== TCP_OK) {
            i32[m + M_ERROR] = node.errorBase + E.length;
            next[i] = NEXT_DROP;
            continue;
          }
          const c = connectionOf(dv, i32[m + M_FIB], i32[m + M_L3], at, hashes[i]);
          if (c < 0) {
            next[i] = stray(buffers[i], hashes[i], node);
            continue;
          }
          i32[m + M_CONN] = c;
          const state = i32[base + c * stride + C_STATE];
          next[i] = state === ESTABLISHED ? NEXT_ESTABLISHED : state === SYN_SENT ? NEXT_SYN_SENT : NEXT_RCV_PROCESS;
        }
      };
    },
  };
}

/** tcp4-input. */
export const tcp4Input: NodeForm<Host> = tcpInput(true);
/** tcp6-input. */
export const tcp6Input: NodeForm<Host> = tcpInput(false);
