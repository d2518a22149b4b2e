import { T_RCV_NXT, T_SND_MAX, T_SND_UNA, T_TS_RECENT, TF_TIMESTAMPS } from "../../src/transport/tcp/connection.js";
import { C_FLAGS, C_LCL, C_PORTS, C_RMT, C_STATE, CF_IP6 } from "../../src/transport/transport.js";
import type { FuzzHost } from "./fuzz-host.js";

const OUR_MAC = [2, 0, 0, 0, 0, 2];
const PEER_MAC = [2, 0, 0, 0, 0, 9];

/** An Ethernet and IP header for `bytes` of `protocol` from our peer to us: addresses in words, first on the wire first. */
function packet(
  isIp6: boolean,
  from: Int32Array,
  to: Int32Array,
  protocol: number,
  bytes: number,
): [Uint8Array, number] {
  const at = 14 + (isIp6 ? 40 : 20);
  const frame = new Uint8Array(at + bytes);
  const dv = new DataView(frame.buffer);
  frame.set(OUR_MAC, 0);
  frame.set(PEER_MAC, 6);
  dv.setUint16(12, isIp6 ? 0x86dd : 0x0800);
  if (isIp6) {
    dv.setInt32(14, 0x60000000);
    dv.setInt32(18, (bytes << 16) | (protocol << 8) | 64);
  } else {
    dv.setInt32(14, 0x45000000 | (20 + bytes));
    dv.setInt32(22, (64 << 24) | (protocol << 16));
  }
  const words = isIp6 ? 4 : 1;
  for (let w = 0; w < words; w++) {
    dv.setInt32((isIp6 ? 22 : 26) + w * 4, from[w]);
    dv.setInt32((isIp6 ? 38 : 30) + w * 4, to[w]);
  }
  return [frame, at];
}

/** A segment for a connection that exists, with numbers near the expected ones; undefined when there is none. */
export function liveSegment(host: FuzzHost): Uint8Array | undefined {
  const { random } = host;
  const { core } = host.stack.host.tcp;
  const { i32 } = host.stack.host.window;
  const connections = [...core.connections];
  if (connections.length === 0) return undefined;
  const r = core.connections.row(connections[random.nextBelow(connections.length)]);
  if (i32[r + C_STATE] < 2) return undefined;
  const isIp6 = (i32[r + C_FLAGS] & CF_IP6) !== 0;
  const hasTimestamps = (i32[r + C_FLAGS] & TF_TIMESTAMPS) !== 0 && random.nextBelow(50) > 0;
  const length = random.nextBelow(3) === 0 ? 0 : random.nextBelow(1400);
  const headerLen = hasTimestamps ? 32 : 20;
  const [frame, at] = packet(
    isIp6,
    i32.slice(r + C_RMT, r + C_RMT + 4),
    i32.slice(r + C_LCL, r + C_LCL + 4),
    6,
    headerLen + length,
  );
  const dv = new DataView(frame.buffer);
  const ports = i32[r + C_PORTS];
  dv.setInt32(at, (ports << 16) | (ports >>> 16));
  const offset = [0, 0, 0, 0, 1, -1, 100, -100, 1400, 40000, -70000][random.nextBelow(11)];
  dv.setInt32(at + 4, (i32[r + T_RCV_NXT] + offset) | 0);
  const span = (i32[r + T_SND_MAX] - i32[r + T_SND_UNA]) | 0;
  const acked = [0, span, random.nextBelow(span + 1), span + 1, -1, -200000][random.nextBelow(6)];
  dv.setInt32(at + 8, (i32[r + T_SND_UNA] + acked) | 0);
  const flags = [0x10, 0x10, 0x10, 0x18, 0x18, 0x11, 0x30, 0x14, 0x04, 0x02, 0x12, 0x01, 0x00, 0x3f][
    random.nextBelow(14)
  ];
  dv.setUint16(at + 12, ((headerLen / 4) << 12) | flags);
  dv.setUint16(at + 14, [0, 1, 500, 65535, 65535][random.nextBelow(5)]);
  if (hasTimestamps) {
    dv.setInt32(at + 20, 0x0101080a);
    dv.setInt32(at + 24, (i32[r + T_TS_RECENT] + [0, 1, 1, 5, -5][random.nextBelow(5)]) | 0);
    dv.setInt32(at + 28, host.stack.engine.nowMs);
  }
  return frame;
}

/** A SYN for a listener, from a random port. */
export function syn(host: FuzzHost): Uint8Array {
  const { random } = host;
  const isIp6 = random.nextBelow(3) === 0;
  const to = isIp6 ? Int32Array.of(0x20010db8, 0x00010000, 0, 2) : Int32Array.of(0xc6120102 | 0);
  const from = isIp6 ? Int32Array.of(0x20010db8, 0x00010000, 0, 9) : Int32Array.of(0xc6120109 | 0);
  const [frame, at] = packet(isIp6, from, to, 6, 32);
  const dv = new DataView(frame.buffer);
  dv.setInt32(at, ((1024 + random.nextBelow(60000)) << 16) | [7, 7001, 7002][random.nextBelow(3)]);
  dv.setInt32(at + 4, random.nextInt32());
  dv.setUint16(at + 12, (8 << 12) | [0x02, 0x02, 0x02, 0x10, 0x04, 0x00][random.nextBelow(6)]);
  dv.setUint16(at + 14, 65535);
  frame.set([8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 3, 7], at + 20);
  return frame;
}

/** An ICMP error that quotes a packet of one of our connections. */
export function icmpError(host: FuzzHost): Uint8Array | undefined {
  const { random } = host;
  const { core } = host.stack.host.tcp;
  const { i32 } = host.stack.host.window;
  const connections = [...core.connections].filter((c) => i32[core.connections.row(c) + C_STATE] >= 2);
  if (connections.length === 0) return undefined;
  const r = core.connections.row(connections[random.nextBelow(connections.length)]);
  const isIp6 = (i32[r + C_FLAGS] & CF_IP6) !== 0;
  const lcl = i32.slice(r + C_LCL, r + C_LCL + 4);
  const rmt = i32.slice(r + C_RMT, r + C_RMT + 4);
  const quoteBytes = (isIp6 ? 40 : 20) + 8;
  const [frame, at] = packet(isIp6, rmt, lcl, isIp6 ? 58 : 1, 8 + quoteBytes);
  const [quoted, inner] = packet(isIp6, lcl, rmt, 6, 8);
  const quoteDv = new DataView(quoted.buffer);
  quoteDv.setInt32(inner, i32[r + C_PORTS]);
  quoteDv.setInt32(inner + 4, (i32[r + T_SND_UNA] + random.nextBelow(3) * 100) | 0);
  frame.set(quoted.subarray(14), at + 8);
  const dv = new DataView(frame.buffer);
  dv.setUint8(at, isIp6 ? 1 + random.nextBelow(4) : [3, 3, 3, 11, 12, 4][random.nextBelow(6)]);
  dv.setUint8(at + 1, random.nextBelow(8));
  dv.setInt32(at + 4, [0, 576, 1280, 1400, 70000][random.nextBelow(5)]);
  return frame;
}

/** A packet to be routed to the other link, to nowhere, or to a neighbour that does not answer. */
export function transit(host: FuzzHost): Uint8Array {
  const { random } = host;
  const isIp6 = random.nextBelow(3) === 0;
  const low = random.nextBelow(200);
  const to = isIp6
    ? Int32Array.of(0x20010db8, [0x00020000, 0x00020000, 0x00770000][random.nextBelow(3)], 0, low)
    : Int32Array.of(
        [0xc6120200, 0xc6130000, 0xc6130100, 0xc6130200, 0x0b000000, 0xe0000000, 0xf0000000, 0x7f000000][
          random.nextBelow(8)
        ] | low,
      );
  const from = isIp6 ? Int32Array.of(0x20010db8, 0x00010000, 0, 9) : Int32Array.of(0xc6120109 | 0);
  const [frame, at] = packet(isIp6, from, to, 17, [8, 100, 1400, 1460][random.nextBelow(4)]);
  const dv = new DataView(frame.buffer);
  dv.setUint16(at + 4, frame.length - at);
  if (isIp6) dv.setUint8(21, [0, 1, 2, 64][random.nextBelow(4)]);
  else {
    dv.setUint8(22, [0, 1, 2, 64][random.nextBelow(4)]);
    if (random.nextBelow(2) === 0) dv.setUint16(20, 0x4000);
  }
  return frame;
}
