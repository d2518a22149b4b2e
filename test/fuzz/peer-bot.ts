import type { FuzzHost } from "./fuzz-host.js";
import { repairChecksums } from "./repair.js";

const BOT_MAC = [2, 0, 0, 0, 0, 9];
/** Neighbours whose address ends in so much or more never answer. */
const SILENT_FROM = 200;

/** The answer of an ordinary neighbour to one frame of the host: ARP and ND replies, SYN-ACKs, echo replies. */
export function answer(host: FuzzHost, frame: Uint8Array): Uint8Array | undefined {
  if (frame.length < 42) return undefined;
  const dv = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const type = dv.getUint16(12);
  if (type === 0x0806) return arpReply(frame, dv);
  const isIp6 = type === 0x86dd;
  const at = isIp6 ? 54 : 34;
  const protocol = isIp6 ? frame[20] : frame[23];
  if (isIp6 && protocol === 58 && frame[54] === 135) return frame[77] >= SILENT_FROM ? undefined : advertisement(frame);
  if (protocol === 6 && frame.length >= at + 20 && (frame[at + 13] & 0x12) === 2) return synAck(host, frame, at, isIp6);
  return undefined;
}

function reply(frame: Uint8Array, addressesAt: number, addressBytes: number): Uint8Array {
  const out = frame.slice();
  out.set(frame.subarray(6, 12), 0);
  out.set(BOT_MAC, 6);
  out.set(frame.subarray(addressesAt, addressesAt + addressBytes), addressesAt + addressBytes);
  out.set(frame.subarray(addressesAt + addressBytes, addressesAt + 2 * addressBytes), addressesAt);
  return out;
}

function arpReply(frame: Uint8Array, dv: DataView): Uint8Array | undefined {
  if (dv.getUint16(20) !== 1 || frame[41] >= SILENT_FROM) return undefined;
  const out = frame.slice();
  out.set(frame.subarray(6, 12), 0);
  out.set(BOT_MAC, 6);
  out[21] = 2;
  out.set(BOT_MAC, 22);
  out.set(frame.subarray(38, 42), 28);
  out.set(frame.subarray(22, 28), 32);
  out.set(frame.subarray(28, 32), 38);
  return out;
}

function advertisement(frame: Uint8Array): Uint8Array {
  const out = new Uint8Array(86);
  out.set(frame.subarray(0, 54));
  out.set(frame.subarray(6, 12), 0);
  out.set(BOT_MAC, 6);
  out.set([0, 32], 18);
  out.set(frame.subarray(62, 78), 22);
  out.set(frame.subarray(22, 38), 38);
  out.set([136, 0, 0, 0, 0x60, 0, 0, 0], 54);
  out.set(frame.subarray(62, 78), 62);
  out.set([2, 1, ...BOT_MAC], 78);
  repairChecksums(out);
  return out;
}

/** A SYN-ACK, sometimes a SYN of the peer's own (simultaneous open) or a refusal. */
function synAck(host: FuzzHost, frame: Uint8Array, at: number, isIp6: boolean): Uint8Array {
  const out = reply(frame, isIp6 ? 22 : 26, isIp6 ? 16 : 4);
  const dv = new DataView(out.buffer);
  const ports = dv.getInt32(at);
  const seq = dv.getInt32(at + 4);
  dv.setInt32(at, (ports << 16) | (ports >>> 16));
  dv.setInt32(at + 4, host.random.nextInt32());
  dv.setInt32(at + 8, (seq + (host.random.nextBelow(8) === 0 ? 5 : 1)) | 0);
  out[at + 13] = [0x12, 0x12, 0x12, 0x02, 0x14, 0x04, 0x10][host.random.nextBelow(7)];
  return out;
}
