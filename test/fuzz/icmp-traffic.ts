import { N_ADDRESS, N_FAMILY, N_IF, N_STATE, NB_FREE, NB_INCOMPLETE } from "../../src/ip/neighbour-rows.js";
import { T_SND_UNA } from "../../src/transport/tcp/connection.js";
import { C_FLAGS, C_LCL, C_PORTS, C_RMT, CF_IP6 } from "../../src/transport/transport.js";
import {
  ALL_NODES,
  ECHO_ID,
  type Between,
  OUR4,
  OUR6,
  OUR_MAC,
  packet,
  PEER_MAC,
  peer4,
  peer6,
  pick,
  type Words,
} from "./frames.js";
import type { FuzzHost } from "./fuzz-host.js";
import { someRow } from "./tcp-traffic.js";

const PLAIN: Between = { bytes: new Uint8Array(0) };
/** An atomic fragment (RFC 6946) of an ICMPv6 message. */
const ATOMIC: Between = { bytes: Uint8Array.of(58, 0, 0, 0, 0, 0, 0, 1), first: 44 };
/** Destination options with one that must be known, whoever is spoken to. */
const MUST_KNOW: Between = { bytes: Uint8Array.of(58, 0, 0x80, 4, 0, 0, 0, 0), first: 60 };

/** An ICMP error that quotes a packet of one of our connections. */
export function icmpError(host: FuzzHost): Uint8Array[] {
  const { random } = host;
  const { i32 } = host.stack.host.window;
  const r = someRow(host);
  if (r < 0) return [];
  const isIp6 = (i32[r + C_FLAGS] & CF_IP6) !== 0;
  const lcl = i32.slice(r + C_LCL, r + C_LCL + 4);
  const rmt = i32.slice(r + C_RMT, r + C_RMT + 4);
  const quoteBytes = (isIp6 ? 40 : 20) + 8;
  const [frame, at] = packet(isIp6, rmt, lcl, isIp6 ? 58 : 1, 8 + quoteBytes);
  const [quoted, inner] = packet(isIp6, lcl, rmt, 6, 8);
  const quoteDv = new DataView(quoted.buffer);
  quoteDv.setInt32(inner, i32[r + C_PORTS]);
  quoteDv.setInt32(inner + 4, (i32[r + T_SND_UNA] + random.nextBelow(3) * 100) | 0);
  if (isIp6) {
    // Here and there the quote is of a later fragment, or names a header that it does not reach.
    if (random.nextBelow(8) === 0) quoted[20] = pick(random, [44, 60]);
    quoted[57] = 8;
  } else if (random.nextBelow(8) === 0) quoted[21] = 8;
  frame.set(quoted.subarray(14), at + 8);
  const dv = new DataView(frame.buffer);
  dv.setUint8(at, isIp6 ? 1 + random.nextBelow(4) : pick(random, [3, 3, 3, 11, 12, 4]));
  dv.setUint8(at + 1, random.nextBelow(8));
  dv.setInt32(at + 4, pick(random, [0, 576, 1280, 1400, 70000]));
  return [frame];
}

/** Echo requests and replies, also to groups and broadcast addresses, short or long. */
export function echo(host: FuzzHost): Uint8Array[] {
  const { random } = host;
  const isIp6 = random.nextBelow(2) === 0;
  const isGroup = random.nextBelow(4) === 0;
  const to4 = isGroup ? pick(random, [0xe0000001 | 0, 0xc61201ff | 0, -1]) : pick(random, OUR4);
  const to: Words = isIp6 ? (isGroup ? ALL_NODES : pick(random, OUR6)) : [to4];
  const bytes = pick(random, [0, 1, 56, 56, 1400, 8000]);
  const between = isIp6 && isGroup && random.nextBelow(4) === 0 ? MUST_KNOW : PLAIN;
  const [frame, at] = packet(isIp6, isIp6 ? peer6(random) : peer4(random), to, isIp6 ? 58 : 1, 8 + bytes, between);
  frame[at] = isIp6 ? pick(random, [128, 128, 129]) : pick(random, [8, 8, 0]);
  frame.set([0, pick(random, [ECHO_ID, ECHO_ID, 1]), 0, random.nextBelow(256)], at + 4);
  return [frame];
}

/** Every type of ICMP there is. */
export function anyIcmp(host: FuzzHost): Uint8Array[] {
  const { random } = host;
  const isIp6 = random.nextBelow(2) === 0;
  const to = isIp6 ? pick(random, [...OUR6, ALL_NODES]) : [pick(random, [...OUR4, 0xe0000001 | 0])];
  const bytes = pick(random, [4, 8, 16, 40, 100]);
  const [frame, at] = packet(isIp6, isIp6 ? peer6(random) : peer4(random), to, isIp6 ? 58 : 1, bytes);
  frame[at] = isIp6
    ? pick(random, [130, 131, 132, 133, 134, 137, 143, 144, random.nextBelow(256)])
    : pick(random, [4, 5, 9, 10, 13, 15, 17, random.nextBelow(256)]);
  if (isIp6) frame[21] = 255;
  return [frame];
}

/** Address of a neighbour that the host knows, with any luck one that it asks for just now. */
function knownNeighbour(host: FuzzHost): number[] {
  const { rows } = host.stack.host.neighbours;
  const start = host.random.nextBelow(rows.capacity);
  // Half of the time one that is asked for just now.
  const isUrgent = host.random.nextBelow(2) === 0;
  for (let n = 0; n < rows.capacity; n++) {
    const row = (start + n) % rows.capacity;
    const state = rows.get(row, N_STATE);
    if (isUrgent ? state !== NB_INCOMPLETE : state === NB_FREE) continue;
    if (rows.get(row, N_FAMILY) !== 6 || rows.get(row, N_IF) > 1) continue;
    return Array.from({ length: 4 }, (_, i) => rows.get(row, N_ADDRESS + i));
  }
  return peer6(host.random);
}

/** Neighbor solicitations and advertisements, mostly sound, with every fault that RFC 4861 7.1 names. */
export function neighbourDiscovery(host: FuzzHost): Uint8Array[] {
  const { random } = host;
  const isAsking = random.nextBelow(2) === 0;
  const rarely = (list: readonly Words[], usual: Words): Words =>
    random.nextBelow(6) === 0 ? pick(random, list) : usual;
  const own = pick(random, OUR6);
  const target = rarely([ALL_NODES, peer6(random), own], isAsking ? own : knownNeighbour(host));
  const off = [0x20010db8, 0x00990000, 0, 1];
  const from = rarely([[0, 0, 0, 0], own, off], peer6(random));
  const node = [0xff020000 | 0, 0, 1, 0xff000000 | (own[3] & 0xffffff)];
  const isAnonymous = from[0] === 0;
  const to = rarely([own, node, ALL_NODES], isAsking ? (isAnonymous && random.nextBelow(2) === 0 ? own : node) : own);
  const option = pick(random, [
    [isAsking ? 1 : 2, 1, ...PEER_MAC],
    [isAsking ? 1 : 2, 1, ...PEER_MAC],
    [],
    [1, 0, 0, 0, 0, 0, 0, 0],
    [isAsking ? 1 : 2, 1, 1, 0, 0, 0, 0, 9],
    [isAsking ? 1 : 2, 1, 0, 0, 0, 0, 0, 0],
    [14, 2, 0, 0, 0, 0, 0, 0],
    [isAsking ? 1 : 2, 1, 2, 0, 0, 0, 0, 3 + random.nextBelow(200)],
  ]);
  const between = random.nextBelow(20) === 0 ? pick(random, [ATOMIC, MUST_KNOW]) : PLAIN;
  const isShort = random.nextBelow(30) === 0;
  const [frame, at] = packet(true, from, to, 58, isShort ? 16 : 24 + option.length, between);
  const dv = new DataView(frame.buffer);
  frame[21] = random.nextBelow(30) === 0 ? 254 : 255;
  frame[at] = isAsking ? 135 : 136;
  if (random.nextBelow(30) === 0) frame[at + 1] = 1;
  if (!isAsking) frame[at + 4] = pick(random, [0, 0x20, 0x40, 0x60, 0xe0]);
  if (isShort) return [frame];
  for (let w = 0; w < 4; w++) dv.setInt32(at + 8 + w * 4, target[w]);
  frame.set(option, at + 24);
  return [frame];
}

/** ARP messages of many neighbours. */
export function arp(host: FuzzHost): Uint8Array[] {
  const { random } = host;
  const frame = new Uint8Array(pick(random, [42, 60]));
  const dv = new DataView(frame.buffer);
  const isRequest = random.nextBelow(2) === 0;
  const mac = [2, 0, 0, 0, 0, pick(random, [9, 3 + random.nextBelow(250), 2])];
  if (random.nextBelow(20) === 0) mac[0] = 3;
  frame.set(isRequest ? [255, 255, 255, 255, 255, 255] : OUR_MAC, 0);
  frame.set(mac, 6);
  frame.set([8, 6, 0, 1, 8, 0, 6, 4, 0, isRequest ? 1 : 2, ...mac], 12);
  dv.setInt32(28, mac[5] === 2 ? OUR4[0] : pick(random, [...peer4(random), ...peer4(random), OUR4[0], 0]));
  if (!isRequest) frame.set(OUR_MAC, 32);
  dv.setInt32(38, pick(random, [...OUR4, ...OUR4, peer4(random)[0]]));
  return [frame];
}
