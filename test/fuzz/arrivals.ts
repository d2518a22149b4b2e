import type { SeededRandom } from "../../src/random/seeded.js";
import type { Arrival, Unfinished } from "./fuzz-device.js";
import { packet, peer4, peer6, pick, type Words } from "./frames.js";
import type { FuzzHost } from "./fuzz-host.js";
import { checksumAt, pseudoSum } from "./repair.js";
import { someRow } from "./tcp-traffic.js";
import { T_RCV_NXT, T_SND_NXT } from "../../src/transport/tcp/connection.js";
import { C_FLAGS, C_LCL, C_PORTS, C_RMT, CF_IP6 } from "../../src/transport/transport.js";

const GSO_TCP4 = 1;
const GSO_TCP6 = 4;
const GSO_UDP = 5;

/** How a device hands a frame over: with its checksum known to be right or not, or left unfinished. */
export function arrivalOf(random: SeededRandom, frame: Uint8Array): Arrival {
  const protocol = frame[12] === 0x86 ? frame[20] : frame[23];
  // Devices know the checksums of TCP and UDP, and leave them unfinished; some do so with what they should not.
  const isKnown = protocol === 6 || protocol === 17;
  const isSuperframe = frame.length > 1700;
  if (!isSuperframe && random.nextBelow(protocol === 47 ? 3 : 12) > 0) {
    return { frame, vouch: isKnown && random.nextBelow(4) > 0 };
  }
  const unfinished = random.nextBelow(8) > 0 ? unfinish(random, frame) : undefined;
  if (unfinished !== undefined) return { frame, unfinished };
  const gsoType = pick(random, [0, 0, GSO_TCP4, GSO_TCP6, GSO_UDP, 7]);
  const csumStart = random.nextBelow(90);
  return {
    frame,
    unfinished: { csumStart, csumOffset: pick(random, [2, 6, 16]), gsoType, gsoSize: random.nextBelow(1500) },
  };
}

/** Leaves the transport checksum of a sound frame to its receiver, as senders with offloads do. */
function unfinish(random: SeededRandom, frame: Uint8Array): Unfinished | undefined {
  const isIp6 = frame[12] === 0x86;
  const at = isIp6 ? 54 : 14 + (frame[14] & 15) * 4;
  const protocol = isIp6 ? frame[20] : frame[23];
  const field = checksumAt(protocol, isIp6);
  if (field < 0 || at + 20 > frame.length || (protocol !== 6 && protocol !== 17)) return undefined;
  const sum = pseudoSum(frame, isIp6, protocol, frame.length - at);
  frame[at + field] = sum >> 8;
  frame[at + field + 1] = sum & 255;
  const gsoSize = pick(random, [500, 536, 1000, 1200]);
  const headers = at + (protocol === 6 ? (frame[at + 12] >> 4) * 4 : 8);
  const isLong = frame.length - headers > gsoSize;
  const gsoType = protocol === 17 ? GSO_UDP : isIp6 ? GSO_TCP6 : GSO_TCP4;
  return { csumStart: at, csumOffset: field, gsoType: isLong ? gsoType : 0, gsoSize: isLong ? gsoSize : 0 };
}

/** Superframes: for a connection, or to be routed to the link whose device cuts none. */
export function superframe(host: FuzzHost): Uint8Array[] {
  const { random } = host;
  const { i32 } = host.stack.host.window;
  const bytes = pick(random, [2000, 5000, 12000]);
  const r = random.nextBelow(2) === 0 ? someRow(host) : -1;
  const isIp6 = r >= 0 ? (i32[r + C_FLAGS] & CF_IP6) !== 0 : random.nextBelow(2) === 0;
  const far: Words = isIp6 ? [0x20010db8, 0x00020000, 0, 9] : [0xc6120209 | 0];
  const from: Words = r >= 0 ? i32.slice(r + C_RMT, r + C_RMT + 4) : isIp6 ? peer6(random) : peer4(random);
  const to: Words = r >= 0 ? i32.slice(r + C_LCL, r + C_LCL + 4) : far;
  const isUdp = r < 0 && random.nextBelow(3) === 0;
  const [frame, at] = packet(isIp6, from, to, isUdp ? 17 : 6, (isUdp ? 8 : 20) + bytes);
  const dv = new DataView(frame.buffer);
  if (!isIp6 && random.nextBelow(2) === 0) frame[20] = 0x40;
  if (isUdp) {
    dv.setInt32(at, (5000 << 16) | 53);
    dv.setUint16(at + 4, 8 + bytes);
    return [frame];
  }
  const ports = r >= 0 ? i32[r + C_PORTS] : (80 << 16) | 5000;
  dv.setInt32(at, (ports << 16) | (ports >>> 16));
  if (r >= 0) {
    dv.setInt32(at + 4, i32[r + T_RCV_NXT]);
    dv.setInt32(at + 8, i32[r + T_SND_NXT]);
  }
  dv.setUint16(at + 12, (5 << 12) | 0x10);
  dv.setUint16(at + 14, 65535);
  return [frame];
}
