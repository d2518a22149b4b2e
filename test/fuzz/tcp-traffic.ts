import {
  ESTABLISHED,
  SYN_RCVD,
  SYN_SENT,
  T_RCV_EDGE,
  T_RCV_NXT,
  T_SND_NXT,
  T_SND_UNA,
  T_TS_RECENT,
  TF_TIMESTAMPS,
  TIME_WAIT,
} from "../../src/transport/tcp/connection.js";
import { C_FLAGS, C_LCL, C_PORTS, C_RMT, C_STATE, CF_IP6 } from "../../src/transport/transport.js";
import { ALL_NODES, OUR4, OUR6, packet, peer4, peer6, pick } from "./frames.js";
import type { FuzzHost } from "./fuzz-host.js";

const FIN = 1;
const SYN = 2;
const RST = 4;
const PSH = 8;
const ACK = 16;
const URG = 32;

/** Ports that applications listen on, and one where nobody does. */
const PORTS = [7, 7, 19, 21, 7001, 7002];

interface SegmentParts {
  readonly flags: number;
  /** From the next number that the host expects. */
  readonly seq?: number;
  /** From the oldest number that the host has in flight. */
  readonly ack?: number;
  readonly data?: number;
  readonly window?: number;
  /** Timestamp, from the latest that the host knows; undefined: none although negotiated. */
  readonly ts?: number | undefined;
}

/** Word index of the row of a connection, of one in a state of `states` when it is given; -1 when there is none. */
export function someRow(host: FuzzHost, states?: readonly number[]): number {
  const { connections } = host.stack.host.tcp.core;
  const { i32 } = host.stack.host.window;
  const start = host.random.nextBelow(connections.capacity);
  for (let n = 0; n < connections.capacity; n++) {
    const r = connections.row((start + n) % connections.capacity);
    const state = i32[r + C_STATE];
    if (states === undefined ? state >= SYN_SENT : states.includes(state)) return r;
  }
  return -1;
}

/** A segment from the far end of the connection of row `r`. */
function segment(host: FuzzHost, r: number, parts: SegmentParts): Uint8Array {
  const { i32 } = host.stack.host.window;
  const { flags, seq = 0, ack = 0, data = 0, window = 65535 } = parts;
  const isIp6 = (i32[r + C_FLAGS] & CF_IP6) !== 0;
  const ts = "ts" in parts ? parts.ts : (i32[r + C_FLAGS] & TF_TIMESTAMPS) !== 0 ? 1 : undefined;
  const headerBytes = ts === undefined ? 20 : 32;
  const rmt = i32.slice(r + C_RMT, r + C_RMT + 4);
  const lcl = i32.slice(r + C_LCL, r + C_LCL + 4);
  const [frame, at] = packet(isIp6, rmt, lcl, 6, headerBytes + data);
  const dv = new DataView(frame.buffer);
  const ports = i32[r + C_PORTS];
  dv.setInt32(at, (ports << 16) | (ports >>> 16));
  dv.setInt32(at + 4, (i32[r + T_RCV_NXT] + seq) | 0);
  dv.setInt32(at + 8, (i32[r + T_SND_UNA] + ack) | 0);
  dv.setUint16(at + 12, ((headerBytes / 4) << 12) | flags);
  dv.setUint16(at + 14, window);
  if (ts !== undefined) {
    dv.setInt32(at + 20, 0x0101080a);
    dv.setInt32(at + 24, (i32[r + T_TS_RECENT] + ts) | 0);
    dv.setInt32(at + 28, host.stack.engine.nowMs);
  }
  return frame;
}

/** Bytes and FIN that the host has in flight. */
function inFlight(host: FuzzHost, r: number): number {
  const { i32 } = host.stack.host.window;
  return (i32[r + T_SND_NXT] - i32[r + T_SND_UNA]) | 0;
}

/** A segment for a connection that exists, with numbers near the expected ones. */
export function liveSegment(host: FuzzHost): Uint8Array[] {
  const { random } = host;
  const r = someRow(host);
  if (r < 0) return [];
  const span = inFlight(host, r);
  const hasTimestamps = (host.stack.host.window.i32[r + C_FLAGS] & TF_TIMESTAMPS) !== 0;
  return [
    segment(host, r, {
      flags: pick(random, [
        ACK,
        ACK,
        ACK | PSH,
        ACK | PSH,
        ACK | FIN,
        ACK | URG,
        ACK | RST,
        RST,
        SYN,
        SYN | ACK,
        FIN,
        0,
        0x3f,
      ]),
      seq: pick(random, [0, 0, 0, 0, 1, -1, 100, -100, 1400, 40000, -70000]),
      ack: pick(random, [0, span, random.nextBelow(Math.max(span, 0) + 1), span + 1, -1, -200000]),
      data: random.nextBelow(3) === 0 ? 0 : random.nextBelow(1400),
      window: pick(random, [0, 1, 500, 65535, 65535]),
      ts: hasTimestamps && random.nextBelow(50) > 0 ? pick(random, [0, 1, 1, 5, -5]) : undefined,
    }),
  ];
}

/** What a sound peer sends: data in order and ACKs of all that arrived, in a row; now and then its FIN. */
export function goodPeer(host: FuzzHost): Uint8Array[] {
  const { random } = host;
  const r = someRow(host, [SYN_RCVD, ESTABLISHED, ESTABLISHED, 5, 6, 7, 8, 9]);
  if (r < 0) return [];
  const ack = inFlight(host, r);
  const frames: Uint8Array[] = [];
  const count = 1 + random.nextBelow(3);
  const data = random.nextBelow(1400);
  for (let i = 0; i < count; i++) frames.push(segment(host, r, { flags: ACK, seq: i * data, ack, data }));
  if (random.nextBelow(6) === 0) frames.push(segment(host, r, { flags: ACK | FIN, seq: count * data, ack }));
  return frames;
}

/** A peer that fills the window to its edge, and then goes on. */
export function flood(host: FuzzHost): Uint8Array[] {
  const { i32 } = host.stack.host.window;
  const r = someRow(host, host.random.nextBelow(2) === 0 ? [ESTABLISHED] : [SYN_RCVD, 6, 7]);
  if (r < 0) return [];
  const window = (i32[r + T_RCV_EDGE] - i32[r + T_RCV_NXT]) | 0;
  const ack = inFlight(host, r);
  const frames: Uint8Array[] = [];
  for (let seq = 0; seq < window && frames.length < 60; seq += 1400) {
    frames.push(segment(host, r, { flags: ACK, seq, ack, data: Math.min(1400, window - seq) }));
  }
  for (let i = 0; i < 3; i++) frames.push(segment(host, r, { flags: ACK, seq: window, ack, data: 1 + i * 300 }));
  return frames;
}

/** A segment that ends a connection and others behind it, in one burst. */
export function endings(host: FuzzHost): Uint8Array[] {
  const { random } = host;
  const r = someRow(host, [pick(random, [SYN_SENT, SYN_RCVD, ESTABLISHED, 5, 6, 7, 8, 9, TIME_WAIT])]);
  if (r < 0) return [];
  const ack = inFlight(host, r);
  return [
    segment(host, r, { flags: pick(random, [RST, RST | ACK]), ack }),
    segment(host, r, { flags: ACK, ack, data: 200 }),
    segment(host, r, { flags: pick(random, [RST, SYN, FIN | ACK]), ack }),
  ];
}

/** What is to be challenged, resets inside the window and SYNs (RFC 5961), or ACKs outside: more than are answered. */
export function challenges(host: FuzzHost): Uint8Array[] {
  const { random } = host;
  const r = someRow(host, random.nextBelow(2) === 0 ? undefined : [ESTABLISHED]);
  if (r < 0) return [];
  const isAck = random.nextBelow(2) === 0;
  return Array.from({ length: 6 }, () =>
    segment(host, r, {
      flags: isAck ? ACK : pick(random, [RST, SYN, SYN | ACK]),
      seq: isAck ? -1 - random.nextBelow(100) : 1 + random.nextBelow(100),
      data: 0,
    }),
  );
}

/** A new SYN for a connection in TIME_WAIT (RFC 9293 3.6.1). */
export function reuse(host: FuzzHost): Uint8Array[] {
  const r = someRow(host, [TIME_WAIT]);
  if (r < 0) return [];
  const again = { flags: SYN, seq: pick(host.random, [1, 1000, 100_000, -5]), window: 1000 };
  return [segment(host, r, again), segment(host, r, again)];
}

/** Segments that a handshake cannot take, sometimes in a frame for all stations. */
export function badHandshake(host: FuzzHost): Uint8Array[] {
  const { random } = host;
  const r = someRow(host, [SYN_SENT, SYN_RCVD]);
  if (r < 0) return [];
  const frame = segment(host, r, { flags: pick(random, [ACK, SYN | ACK]), ack: pick(random, [5, -5, 1, 0]) });
  if (random.nextBelow(2) === 0) frame.set([0x33, 0x33, 0, 0, 0, 1], 0);
  return [frame];
}

/** A SYN for a listener, from a random port; rarely in a frame, or to an address, for all. */
export function syn(host: FuzzHost): Uint8Array[] {
  const { random } = host;
  const isIp6 = random.nextBelow(2) === 0;
  const isGroup = random.nextBelow(20) === 0;
  const to4 = isGroup ? pick(random, [0xe0000001 | 0, -1, 0xc61201ff | 0]) : pick(random, OUR4);
  const to = isIp6 ? (isGroup ? ALL_NODES : pick(random, OUR6)) : [to4];
  const from = isIp6 ? peer6(random) : peer4(random);
  const [frame, at] = packet(isIp6, from, to, 6, 32);
  const dv = new DataView(frame.buffer);
  dv.setInt32(at, ((1024 + random.nextBelow(60000)) << 16) | pick(random, PORTS));
  dv.setInt32(at + 4, random.nextInt32());
  dv.setUint16(at + 12, (8 << 12) | pick(random, [SYN, SYN, SYN, SYN, ACK, RST, 0]));
  dv.setUint16(at + 14, 65535);
  frame.set(pick(random, [SYN_OPTIONS, SYN_OPTIONS, PLAIN_OPTIONS]), at + 20);
  return [frame];
}

/** Timestamps and window scale. */
const SYN_OPTIONS = [8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 3, 7];
/** An MSS, and the end of the list. */
const PLAIN_OPTIONS = [2, 4, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
