import type { Host } from "../../nodes/host.js";
import type { Interface } from "../../src/device/interface.js";
import { FRAME_SIZE } from "../../src/graph/frame.js";
import { F_L2_MULTICAST, M_DATA, M_FLAGS, M_LEN, M_TX_IF } from "../../src/graph/packet-pool.js";
import { A_IF, A_MTU, A_REWRITE, A_REWRITE_LEN, A_TYPE, ADJ_REWRITE } from "../../src/ip/adjacency.js";
import { L_BUCKETS, L_MASK } from "../../src/ip/load-balance.js";
import { MTRIE_VALUE_SHIFT } from "../../src/ip/mtrie.js";
import type { Clock } from "../../src/time/clock.js";

const ETHERTYPE_IP4 = 0x0800;

/**
 * IPv4 forwarding as one hand-written loop over the same buffers, tables and devices as the graph: the same checks of
 * the frame and the header, the same lookup, time to live, checksum and rewrite, the same interface counters. What it
 * does not do is what makes a graph: frames, next indices, per-node counters, feature arcs, traces, options, errors by
 * name, and anything beside plain IPv4 unicast, which it counts and drops. Returns the packets of one poll.
 */
export function fusedIp4Forward(host: Host, clock: Clock, rx: Interface, tx: Interface): () => number {
  const { u8, i32, dv } = host.window;
  const { pool } = host;
  const { meta } = pool;
  const { tables } = host.ip.fib4;
  const adjBase = host.ip.adjacencies.base;
  const lbBase = host.ip.loadBalances.base;
  const burst = new Int32Array(FRAME_SIZE);
  const out = new Int32Array(FRAME_SIZE);
  let nowUs = 0;
  let dropped = 0;

  return () => {
    nowUs = clock.nowUs();
    const n = rx.device.rx(burst, FRAME_SIZE);
    const { macHigh, macLow, fib4: fib } = rx;
    const root = i32[tables + (fib << 1)];
    const rootShift = i32[tables + (fib << 1) + 1];
    let sent = 0;
    let rxBytes = 0;
    let txBytes = 0;
    for (let i = 0; i < n; i++) {
      const b = burst[i];
      const m = meta + (b << 4);
      const data = i32[m + M_DATA];
      const len = i32[m + M_LEN];
      rxBytes = (rxBytes + len) | 0;
      // Ethernet: whole, for this station, IPv4.
      if (
        len < 34 ||
        dv.getInt32(data) !== macHigh ||
        dv.getUint16(data + 4) !== macLow ||
        dv.getUint16(data + 12) !== ETHERTYPE_IP4
      ) {
        dropped++;
        pool.free(b);
        continue;
      }
      // IPv4: version and header length, checksum, total length, addresses.
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
        total < 20 ||
        total > len - 14 ||
        top >= 224 ||
        top === 127 ||
        top === 0 ||
        dst >>> 24 === 127 ||
        dst >>> 28 >= 14 ||
        w2 >>> 24 <= 1 ||
        (i32[m + M_FLAGS] & F_L2_MULTICAST) !== 0
      ) {
        dropped++;
        pool.free(b);
        continue;
      }
      // Longest match, path, adjacency.
      let shift = rootShift;
      let slot = i32[root + (dst >>> shift)];
      while ((slot & 1) === 0) {
        shift -= 8;
        slot = i32[(slot >>> 1) + ((dst >>> shift) & 255)];
      }
      const lb = lbBase + ((slot >>> MTRIE_VALUE_SHIFT) << 2);
      const a = adjBase + (i32[i32[lb + L_BUCKETS]] << 4);
      const length = i32[a + A_REWRITE_LEN];
      if (
        i32[lb + L_MASK] !== 0 ||
        i32[a + A_TYPE] !== ADJ_REWRITE ||
        total > i32[a + A_MTU] ||
        length > 16 ||
        i32[a + A_IF] !== tx.index ||
        !tx.up
      ) {
        dropped++;
        pool.free(b);
        continue;
      }
      // Time to live and its checksum (RFC 1624), link-layer header.
      const check = (w2 & 0xffff) + 0x100;
      dv.setInt32(ip + 8, ((w2 - 0x0100_0000) & 0xffff_0000) | ((check + (check >= 0xffff ? 1 : 0)) & 0xffff));
      if ((ip & 3) === 0) {
        const to = (ip >> 2) - 4;
        i32[to] = i32[a + A_REWRITE + 1];
        i32[to + 1] = i32[a + A_REWRITE + 2];
        i32[to + 2] = i32[a + A_REWRITE + 3];
        i32[to + 3] = i32[a + A_REWRITE + 4];
      } else {
        const end = (a + A_REWRITE + 5) << 2;
        u8.copyWithin(ip - length, end - length, end);
      }
      i32[m + M_DATA] = ip - length;
      i32[m + M_LEN] = total + length;
      i32[m + M_TX_IF] = tx.index;
      txBytes = (txBytes + total + length) | 0;
      out[sent++] = b;
    }
    const taken = tx.device.tx(out, sent);
    pool.freeAll(out, sent);
    rx.counters.rxPackets += n;
    rx.counters.rxBytes += rxBytes;
    tx.counters.txPackets += taken;
    tx.counters.txBytes += txBytes;
    tx.counters.txDrops += sent - taken + dropped;
    dropped = 0;
    return nowUs >= 0 ? n : 0;
  };
}
