import { checksumAdd, checksumPseudo4, checksumPseudo6 } from "../../src/wire/checksum.js";

/** The family and protocol of a test packet, and its bytes. */
export interface Sample {
  readonly isIp6: boolean;
  readonly isTcp: boolean;
  /** Bytes of TCP options, a multiple of 4. */
  readonly optionBytes: number;
  readonly payload: Uint8Array;
  /** TCP flags. */
  readonly flags: number;
  readonly seq: number;
  readonly id: number;
}

/** Offset of the transport header in the frames of {@link makeFrame}. */
export function l4At(isIp6: boolean): number {
  return 14 + (isIp6 ? 40 : 20);
}

/** Bytes of all headers in the frames of {@link makeFrame}. */
export function headerBytes({ isIp6, isTcp, optionBytes }: Sample): number {
  return l4At(isIp6) + (isTcp ? 20 + optionBytes : 8);
}

/** An Ethernet frame whose transport checksum is partial: the folded sum of its pseudo header. */
export function makeFrame(sample: Sample): Uint8Array {
  const { isIp6, isTcp, optionBytes, payload, flags, seq, id } = sample;
  const headers = headerBytes(sample);
  const l4 = l4At(isIp6);
  const frame = new Uint8Array(headers + payload.length);
  const dv = new DataView(frame.buffer);
  for (let i = 0; i < 12; i++) frame[i] = 0x20 + i;
  dv.setUint16(12, isIp6 ? 0x86dd : 0x0800);
  if (isIp6) {
    dv.setInt32(14, 0x6000_0000);
    dv.setUint16(18, frame.length - 54);
    frame[20] = isTcp ? 6 : 17;
    frame[21] = 64;
    for (let i = 22; i < 54; i++) frame[i] = i * 7;
  } else {
    frame[14] = 0x45;
    dv.setUint16(16, frame.length - 14);
    dv.setUint16(18, id);
    dv.setUint16(20, 0x4000);
    frame[22] = 64;
    frame[23] = isTcp ? 6 : 17;
    for (let i = 26; i < 34; i++) frame[i] = i * 9;
  }
  dv.setUint16(l4, 4321);
  dv.setUint16(l4 + 2, 80);
  if (isTcp) {
    dv.setInt32(l4 + 4, seq);
    frame[l4 + 12] = ((20 + optionBytes) / 4) << 4;
    frame[l4 + 13] = flags;
    frame.fill(1, l4 + 20, l4 + 20 + optionBytes);
  } else dv.setUint16(l4 + 4, frame.length - l4);
  frame.set(payload, headers);
  dv.setUint16(l4 + (isTcp ? 16 : 6), pseudo(dv, isIp6, isTcp, frame.length - l4));
  return frame;
}

function pseudo(dv: DataView, isIp6: boolean, isTcp: boolean, bytes: number): number {
  return isIp6 ? checksumPseudo6(dv, 14, isTcp ? 6 : 17, bytes) : checksumPseudo4(dv, 14, isTcp ? 6 : 17, bytes);
}

/** Whether the transport checksum of a finished frame is right, and, for IPv4, the header's. */
export function checksumsHold(frame: Uint8Array): boolean {
  const copy = new Uint8Array((frame.length + 3) & ~3);
  copy.set(frame);
  const dv = new DataView(copy.buffer);
  const i32 = new Int32Array(copy.buffer);
  const isIp6 = dv.getUint16(12) === 0x86dd;
  const l4 = l4At(isIp6);
  const isTcp = copy[isIp6 ? 20 : 23] === 6;
  const bytes = frame.length - l4;
  const whole = checksumAdd(copy, i32, l4, bytes, pseudo(dv, isIp6, isTcp, bytes)) === 0xffff;
  return whole && (isIp6 || checksumAdd(copy, i32, 14, 20, 0) === 0xffff);
}
