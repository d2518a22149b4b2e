import { ALL_NODES, type Between, datagram, OUR4, OUR6, packet, peer4, peer6, pick, type Words } from "./frames.js";
import { N_ADDRESS } from "../../src/ip/neighbour-rows.js";
import { C_FLAGS, C_LCL, C_PORTS, C_RMT, C_STATE, CF_IP6 } from "../../src/transport/transport.js";
import { UDP_CLOSING, UDP_OPENED } from "../../src/transport/udp/connection.js";
import type { FuzzHost } from "./fuzz-host.js";
import { repairChecksums } from "./repair.js";

/** Destinations that are routed somewhere, with the second word and the low bits left to chance. */
const ROUTED4 = [
  0xc6120200, 0xc6120200, 0xc6130000, 0xc6130100, 0xc6130200, 0xc6130300, 0xb000000, 0xe0000000, 0xf0000000, 0x7f000000,
  0xc6336400, 0xcb007100, 0xc6130a00, 0xc6130b00, 0xc6130c00, 0xc6130d00, 0,
];
const ROUTED6 = [131072, 131072, 7798784, 5308416, 5373952, 655360, 720896, 786432, 851968, 0xdead0000, 196608];

/** Sources: a neighbour, the host itself, a broadcast address of the other link, nowhere, behind a drop. */
function source4(host: FuzzHost): number {
  const { random } = host;
  const odd = [OUR4[0], 0xc61202ff | 0, 0x0b000001, 0xc6130305 | 0, 0, 0xe0000001 | 0, 0x7f000001];
  return random.nextBelow(8) === 0 ? pick(random, odd) : peer4(random)[0];
}

function source6(host: FuzzHost): Words {
  const { random } = host;
  const odd = [
    OUR6[0],
    [0x20010db8, 0xdead0000 | 0, 0, 1],
    [0, 0, 0, 0],
    ALL_NODES,
    [0, 0, 0, 1],
    [0xfe800000 | 0, 0, 0, 9],
  ];
  return random.nextBelow(8) === 0 ? pick(random, odd) : peer6(random);
}

/** A packet to be routed to the other link, to nowhere, or to a neighbour that does not answer. */
export function transit(host: FuzzHost): Uint8Array[] {
  const { random } = host;
  const isIp6 = random.nextBelow(2) === 0;
  const low = random.nextBelow(256);
  const to = isIp6 ? [0x20010db8, pick(random, ROUTED6) | 0, 0, low] : [pick(random, ROUTED4) | low | 0];
  if (isIp6 && random.nextBelow(10) === 0) to[0] = pick(random, [0xfe800000 | 0, 0xff020000 | 0, 0xff050000 | 0]);
  const from: Words = isIp6 ? source6(host) : [source4(host)];
  const isOther = random.nextBelow(5) === 0;
  const bytes = isOther ? 1400 : pick(random, [0, 100, 1390, 1452]);
  const frame = datagram(random, isIp6, from, to, pick(random, [7, 9, 53]), bytes);
  frame[isIp6 ? 21 : 22] = pick(random, [0, 1, 2, 64, 64]);
  // Generic routing encapsulation: not a transport that is known.
  if (isOther) frame[isIp6 ? 20 : 23] = 47;
  if (!isIp6 && !isOther && random.nextBelow(2) === 0) frame[20] = 0x40;
  if (random.nextBelow(10) === 0) frame.set(isIp6 ? [0x33, 0x33, 0, 0, 0, 1] : [255, 255, 255, 255, 255, 255], 0);
  return [frame];
}

/** Packets for one unresolved next hop, one after the other. */
export function crowd(host: FuzzHost): Uint8Array[] {
  const { random } = host;
  const isIp6 = random.nextBelow(2) === 0;
  const hop = pick(random, [0x0a, 0x0b, 0x0c, 0x0d]);
  const to = isIp6 ? [0x20010db8, hop << 16, 0, 1] : [0xc6130001 | (hop << 8) | 0];
  const from = isIp6 ? peer6(random) : peer4(random);
  return Array.from({ length: 12 }, () => datagram(random, isIp6, from, to, 9, 40));
}

/** A sweep over the addresses of a link, whose new neighbours make those give way to whom the last packets go. */
export function sweep(host: FuzzHost): Uint8Array[] {
  const { random } = host;
  const { rows } = host.stack.host.neighbours;
  const isIp6 = random.nextBelow(2) === 0;
  const from = isIp6 ? peer6(random) : peer4(random);
  const to: Words[] = Array.from({ length: 12 }, () =>
    isIp6 ? [0x20010db8, 0x00020000, 0, 3 + random.nextBelow(250)] : [(0xc6120203 + random.nextBelow(250)) | 0],
  );
  let row = rows.oldest(isIp6 ? 6 : 4, false);
  for (let n = 0; row >= 0 && n < 8; n++, row = rows.younger(row)) {
    const old = row;
    to.push(Array.from({ length: 4 }, (_, i) => rows.get(old, N_ADDRESS + i)));
  }
  return to.map((address) => datagram(random, isIp6, from, address, 9, 20));
}

/** Datagrams to the host's own ports, among them one where nobody reads. */
export function udp(host: FuzzHost): Uint8Array[] {
  const { random } = host;
  const isIp6 = random.nextBelow(2) === 0;
  const isGroup = random.nextBelow(8) === 0;
  const to4 = isGroup ? pick(random, [0xe0000001 | 0, -1, 0xc61201ff | 0, 0xc61202ff | 0]) : pick(random, OUR4);
  const to: Words = isIp6 ? (isGroup ? ALL_NODES : pick(random, OUR6)) : [to4];
  const from = isIp6 ? peer6(random) : peer4(random);
  const port = pick(random, [7, 7, 9, 9, 9, 5001, 5001, 4, 5353]);
  const count = port === 5001 ? 24 : 1 + random.nextBelow(3);
  const first = datagram(random, isIp6, from, to, port, pick(random, [0, 1, 100, 1400]));
  if (random.nextBelow(12) === 0) first[isIp6 ? 59 : 39] ^= pick(random, [1, 4, 64]);
  // From port 0: there is no answer.
  if (random.nextBelow(12) === 0) first.fill(0, isIp6 ? 54 : 34, isIp6 ? 56 : 36);
  return Array.from({ length: count }, () => first.slice());
}

/** Datagrams from the far end of a UDP session, with any luck of one that is just being closed. */
export function udpSession(host: FuzzHost): Uint8Array[] {
  const { random } = host;
  const { rows } = host.stack.host.udp;
  const { i32 } = host.stack.host.window;
  const start = random.nextBelow(rows.capacity);
  let found = -1;
  for (let n = 0; n < rows.capacity; n++) {
    const r = rows.row((start + n) % rows.capacity);
    if (i32[r + C_STATE] === UDP_CLOSING || (found < 0 && i32[r + C_STATE] === UDP_OPENED)) found = r;
    if (i32[r + C_STATE] === UDP_CLOSING) break;
  }
  if (found < 0) return [];
  const isIp6 = (i32[found + C_FLAGS] & CF_IP6) !== 0;
  const rmt = i32.slice(found + C_RMT, found + C_RMT + 4);
  const lcl = i32.slice(found + C_LCL, found + C_LCL + 4);
  const frame = datagram(random, isIp6, rmt, lcl, 0, 20);
  const ports = i32[found + C_PORTS];
  new DataView(frame.buffer).setInt32(isIp6 ? 54 : 34, (ports << 16) | (ports >>> 16));
  return [frame];
}

/** IPv4 options of every kind, and malformed ones. */
export function options(host: FuzzHost): Uint8Array[] {
  const { random } = host;
  const list = pick(random, [
    [131, 7, 4, 1, 2, 3, 4, 0],
    [137, 7, 4, 1, 2, 3, 4, 0],
    [7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [1, 1, 1, 0],
    [68, 8, 5, 0, 0, 0, 0, 0],
    [148, 4, 0, 0],
    [68, 1, 0, 0],
    [7, 40, 4, 0],
    [130, 11, ...Array<number>(10).fill(0)],
    [255, 8, 0, 0, 0, 0, 0, 0],
    Array<number>(40).fill(1),
    [...Array<number>(36).fill(1), 148, 4, 0, 0],
  ]);
  const to = pick(random, [pick(random, OUR4), 0xc6120200 | random.nextBelow(256) | 0]);
  const bytes = pick(random, [0, 50, 1380]);
  return [datagram(random, false, [source4(host)], [to], 7, bytes, { bytes: Uint8Array.from(list) })];
}

const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const AUTHENTICATION = 51;
const DESTINATION = 60;

/** A chain of extension headers, most of them sound, sometimes too many. */
export function extensions(host: FuzzHost): Uint8Array[] {
  const { random } = host;
  const count = pick(random, [1, 2, 3, 12, 20]);
  const kinds = Array.from({ length: count }, () =>
    random.nextBelow(8) === 0
      ? pick(random, [HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION])
      : pick(random, [DESTINATION, DESTINATION, DESTINATION, ROUTING]),
  );
  if (random.nextBelow(4) === 0) kinds[0] = HOP_BY_HOP;
  const bytes: number[] = [];
  for (let i = 0; i < count; i++) {
    const next = i + 1 < count ? kinds[i + 1] : pick(random, [17, 17, 17, 58, 59, 200]);
    const body =
      kinds[i] === DESTINATION || kinds[i] === HOP_BY_HOP ? padding(random.nextBelow(12)) : [0, 0, 0, 0, 0, 0];
    bytes.push(next, 0, ...body);
  }
  const between: Between = { bytes: Uint8Array.from(bytes), first: kinds[0] };
  const to = pick(random, [...OUR6, ALL_NODES]);
  return [datagram(random, true, source6(host), to, pick(random, [7, 4]), 40, between)];
}

/** Six bytes of options: mostly padding. */
function padding(chance: number): number[] {
  if (chance === 0) return [0x40, 4, 0, 0, 0, 0];
  if (chance === 1) return [0x80, 4, 0, 0, 0, 0];
  if (chance === 2) return [0xc0, 4, 0, 0, 0, 0];
  return chance === 3 ? [1, 9, 0, 0, 0, 0] : [1, 4, 0, 0, 0, 0];
}

/** A datagram for the host in fragments: in order or not, sound or with one of the faults that reassembly knows. */
export function fragments(host: FuzzHost): Uint8Array[] {
  const { random } = host;
  const isIp6 = random.nextBelow(2) === 0;
  const from = isIp6 ? peer6(random) : peer4(random);
  const to = isIp6 ? pick(random, OUR6) : [pick(random, OUR4)];
  const whole = wholeDatagram(host, isIp6, from, to);
  const step = pick(random, [64, 512, 1024, 1024]);
  const id = random.nextInt32();
  const pieces: Uint8Array[] = [];
  const piece = (offset: number, bytes: Uint8Array, more: boolean): void => {
    pieces.push(fragment(isIp6, from, to, isIp6 ? whole[20] : whole[23], offset, bytes, more, id));
  };
  const payload = whole.subarray(isIp6 ? 54 : 34);
  for (let at = 0; at < payload.length; at += step) {
    piece(at, payload.slice(at, at + step), at + step < payload.length);
  }
  switch (random.nextBelow(8)) {
    case 0:
      piece(8, payload.slice(8, 40), true); // Overlap.
      break;
    case 1:
      piece(8 * random.nextBelow(20), payload.slice(0, 16), false); // Another end.
      break;
    case 2:
      piece(65528, payload.slice(0, 64), true); // Too long.
      break;
    case 3:
      piece(16, payload.slice(0, 13), true); // Not a multiple of 8.
      break;
    case 4:
      piece(payload.length & ~7, new Uint8Array(0), random.nextBelow(2) === 0); // Without data.
      break;
    default:
  }
  if (random.nextBelow(3) === 0) pieces.push(pick(random, pieces).slice());
  if (random.nextBelow(2) === 0) shuffle(host, pieces);
  // A lost fragment: the datagram waits for its timeout.
  if (random.nextBelow(4) === 0) pieces.pop();
  if (random.nextBelow(6) === 0) pieces.shift();
  return pieces;
}

function wholeDatagram(host: FuzzHost, isIp6: boolean, from: Words, to: Words): Uint8Array {
  const { random } = host;
  const bytes = pick(random, [20, 100, 1500, 3000, 4000]);
  if (random.nextBelow(3) > 0) {
    const made = datagram(random, isIp6, from, to, pick(random, [7, 9, 4]), bytes);
    repairChecksums(made);
    return made;
  }
  const [frame, at] = packet(isIp6, from, to, isIp6 ? 58 : 1, 8 + bytes);
  frame[at] = isIp6 ? pick(random, [128, 135]) : 8;
  repairChecksums(frame);
  return frame;
}

function fragment(
  isIp6: boolean,
  from: Words,
  to: Words,
  protocol: number,
  offset: number,
  bytes: Uint8Array,
  more: boolean,
  id: number,
): Uint8Array {
  if (isIp6) {
    const header = Uint8Array.of(
      protocol,
      0,
      offset >> 8,
      (offset & 0xf8) | (more ? 1 : 0),
      id >> 24,
      id >> 16,
      id >> 8,
      id,
    );
    const [frame, at] = packet(true, from, to, protocol, bytes.length, { bytes: header, first: FRAGMENT });
    frame.set(bytes, at);
    return frame;
  }
  const [frame, at] = packet(false, from, to, protocol, bytes.length);
  const dv = new DataView(frame.buffer);
  dv.setUint16(18, id);
  dv.setUint16(20, (more ? 0x2000 : 0) | (offset >> 3));
  frame.set(bytes, at);
  return frame;
}

function shuffle(host: FuzzHost, list: Uint8Array[]): void {
  for (let i = list.length - 1; i > 0; i--) {
    const j = host.random.nextBelow(i + 1);
    [list[i], list[j]] = [list[j], list[i]];
  }
}

/** Frames with 802.1Q and 802.1ad tags: of priority only, of a VLAN, cut behind the tag. */
export function tagged(host: FuzzHost): Uint8Array[] {
  const { random } = host;
  const [plain] = random.nextBelow(2) === 0 ? udp(host) : transit(host);
  const kind = pick(random, [
    [0x81, 0x00],
    [0x81, 0x00],
    [0x88, 0xa8],
  ]);
  const vlan = pick(random, [0, 0, 0x20, 0x2f]);
  const frame = new Uint8Array(plain.length + 4);
  frame.set(plain.subarray(0, 12));
  frame.set([...kind, vlan, pick(random, [0, 0, 7])], 12);
  frame.set(plain.subarray(12), 16);
  return [random.nextBelow(4) === 0 ? frame.slice(0, 14 + random.nextBelow(4)) : frame];
}
