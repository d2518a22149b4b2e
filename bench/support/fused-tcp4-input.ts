import type { Host } from "../../nodes/host.js";
import type { Interface } from "../../src/device/interface.js";
import { FRAME_SIZE } from "../../src/graph/frame.js";
import { F_CHECKSUM_PARTIAL, F_L4_CHECKSUM_OK, M_DATA, M_FLAGS, M_LEN } from "../../src/graph/packet-pool.js";
import { A_TYPE, ADJ_BROADCAST, ADJ_DROP, ADJ_LOCAL } from "../../src/ip/adjacency.js";
import { L_BUCKETS } from "../../src/ip/load-balance.js";
import { MTRIE_VALUE_SHIFT } from "../../src/ip/mtrie.js";
import {
  ESTABLISHED,
  T_RCV_EDGE,
  T_RCV_NXT,
  T_SCALES,
  T_SND_UNA,
  T_SND_WND,
  TF_APP_CLOSED,
  TF_OOO,
} from "../../src/transport/tcp/connection.js";
import { acknowledgeText, noteHeard } from "../../src/transport/tcp/delayed-ack.js";
import { C_FLAGS, C_RX_FIFO, C_SESSION, C_STATE, TRANSPORT_TCP } from "../../src/transport/transport.js";
import type { Clock } from "../../src/time/clock.js";

const ETHERTYPE_IP4 = 0x0800;
const PROTOCOL_TCP = 6;
const HEADERS = 14 + 20 + 20;

/**
 * The way of an in-order TCP segment into its fifo as one hand-written loop, packet after packet, over the same tables as
 * the graph: the same checks of frame, header, source and segment, the same keyed hash and connection table, the same
 * fifo, and the same notes for the application and for the acknowledgement. Anything but the next segment of an
 * established connection without options it counts and drops. Returns the segments that got through.
 */
export function fusedTcp4Input(host: Host, clock: Clock, rx: Interface): () => number {
  const { i32, dv } = host.window;
  const { pool, lookup, fifos, sessions } = host;
  const { meta } = pool;
  const { tables } = host.ip.fib4;
  const adjBase = host.ip.adjacencies.base;
  const lbBase = host.ip.loadBalances.base;
  const { core } = host.tcp;
  const { base, stride } = core.connections;
  const burst = new Int32Array(FRAME_SIZE);
  let nowUs = 0;

  /** Type of the adjacency behind an address. */
  function typeOf(fib: number, address: number): number {
    let shift = i32[tables + (fib << 1) + 1];
    let slot = i32[i32[tables + (fib << 1)] + (address >>> shift)];
    while ((slot & 1) === 0) {
      shift -= 8;
      slot = i32[(slot >>> 1) + ((address >>> shift) & 255)];
    }
    const lb = lbBase + ((slot >>> MTRIE_VALUE_SHIFT) << 2);
    return i32[adjBase + (i32[i32[lb + L_BUCKETS]] << 4) + A_TYPE];
  }

  /** Takes one packet as far as its fifo; false when it is none of those. */
  function take(b: number, fib: number, macHigh: number, macLow: number): boolean {
    const m = meta + (b << 4);
    const data = i32[m + M_DATA];
    const len = i32[m + M_LEN];
    if (
      len < HEADERS ||
      dv.getInt32(data) !== macHigh ||
      dv.getUint16(data + 4) !== macLow ||
      dv.getUint16(data + 12) !== ETHERTYPE_IP4
    ) {
      return false;
    }
    const ip = data + 14;
    const w0 = dv.getInt32(ip);
    const w1 = dv.getInt32(ip + 4);
    const w2 = dv.getInt32(ip + 8);
    const src = dv.getInt32(ip + 12);
    const dst = dv.getInt32(ip + 16);
    let sum =
      (w0 & 0xffff) +
      (w0 >>> 16) +
      (w1 & 0xffff) +
      (w1 >>> 16) +
      (w2 & 0xffff) +
      (w2 >>> 16) +
      (src & 0xffff) +
      (src >>> 16) +
      (dst & 0xffff) +
      (dst >>> 16);
    sum = (sum & 0xffff) + (sum >>> 16);
    sum = (sum & 0xffff) + (sum >>> 16);
    const total = w0 & 0xffff;
    const top = src >>> 24;
    if (
      w0 >>> 24 !== 0x45 ||
      sum !== 0xffff ||
      total < 40 ||
      total > len - 14 ||
      top >= 224 ||
      top === 127 ||
      top === 0 ||
      dst >>> 24 === 127 ||
      (w1 & 0x3fff) !== 0 ||
      ((w2 >>> 16) & 0xff) !== PROTOCOL_TCP ||
      (i32[m + M_FLAGS] & (F_L4_CHECKSUM_OK | F_CHECKSUM_PARTIAL)) === 0
    ) {
      return false;
    }
    if (typeOf(fib, dst) !== ADJ_LOCAL) return false;
    const from = typeOf(fib, src);
    if (from === ADJ_LOCAL || from === ADJ_DROP || from === ADJ_BROADCAST) return false;
    const at = ip + 20;
    const ports = (dv.getUint16(at + 2) << 16) | dv.getUint16(at);
    const word = dv.getInt32(at + 12);
    if ((word & ~(8 << 16)) >>> 16 !== 0x5010) return false;
    const c = lookup.established4(fib, TRANSPORT_TCP, dst, src, ports, lookup.hash4(dst, src, ports));
    if (c < 0) return false;
    const r = base + c * stride;
    const rcvNxt = i32[r + T_RCV_NXT];
    const bytes = total - 40;
    if (
      i32[r + C_STATE] !== ESTABLISHED ||
      dv.getInt32(at + 4) !== rcvNxt ||
      bytes <= 0 ||
      bytes > ((i32[r + T_RCV_EDGE] - rcvNxt) | 0) ||
      dv.getInt32(at + 8) !== i32[r + T_SND_UNA] ||
      (word & 0xffff) << (i32[r + T_SCALES] >> 8) !== i32[r + T_SND_WND] ||
      (i32[r + C_FLAGS] & (TF_APP_CLOSED | TF_OOO)) !== 0
    ) {
      return false;
    }
    const moved = fifos.enqueue(i32[r + C_RX_FIFO], at + 20, bytes);
    i32[r + T_RCV_NXT] = (rcvNxt + moved) | 0;
    sessions.received(i32[r + C_SESSION]);
    noteHeard(core, r);
    acknowledgeText(core, c, r, bytes);
    return true;
  }

  return () => {
    nowUs = clock.nowUs();
    const n = rx.device.rx(burst, FRAME_SIZE);
    const { macHigh, macLow, fib4 } = rx;
    let taken = 0;
    let bytes = 0;
    for (let i = 0; i < n; i++) {
      const b = burst[i];
      bytes = (bytes + i32[meta + (b << 4) + M_LEN]) | 0;
      if (take(b, fib4, macHigh, macLow)) taken++;
    }
    pool.freeAll(burst, n);
    rx.counters.rxPackets += n;
    rx.counters.rxBytes += bytes;
    return nowUs >= 0 ? taken : 0;
  };
}
