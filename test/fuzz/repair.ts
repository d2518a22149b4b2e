const TCP = 6;
const UDP = 17;
const ICMP4 = 1;
const ICMP6 = 58;

/** The one's complement sum of bytes [from, to), as of 16-bit words from `from` on, added to `start`; folded. */
export function sumOf(bytes: Uint8Array, from: number, to: number, start = 0): number {
  let sum = start;
  const even = from + ((to - from) & ~1);
  for (let i = from; i < even; i += 2) sum += (bytes[i] << 8) | bytes[i + 1];
  if (even < to) sum += bytes[even] << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

/** Where a protocol has its checksum, -1 when it has none that is known here. */
export function checksumAt(protocol: number, isIp6: boolean): number {
  if (protocol === TCP) return 16;
  if (protocol === UDP) return 6;
  return protocol === (isIp6 ? ICMP6 : ICMP4) ? 2 : -1;
}

/** The sum of the pseudo header of an Ethernet frame whose transport part is `bytes` long; ICMP over IPv4 has none. */
export function pseudoSum(frame: Uint8Array, isIp6: boolean, protocol: number, bytes: number): number {
  if (protocol === ICMP4) return 0;
  const start = protocol + (bytes & 0xffff) + (bytes >>> 16);
  return isIp6 ? sumOf(frame, 22, 54, start) : sumOf(frame, 26, 34, start);
}

function put(frame: Uint8Array, at: number, value: number): void {
  frame[at] = value >>> 8;
  frame[at + 1] = value & 0xff;
}

/** Makes the checksums of an Ethernet frame right again, so that nodes behind the first that looks see what was damaged. */
export function repairChecksums(frame: Uint8Array): void {
  if (frame.length < 34) return;
  const type = (frame[12] << 8) | frame[13];
  if (type === 0x0800 && frame[14] >> 4 === 4) repair4(frame);
  else if (type === 0x86dd && frame.length >= 54) repair6(frame);
}

function repair4(frame: Uint8Array): void {
  const headerBytes = Math.min((frame[14] & 15) * 4, frame.length - 14);
  if (headerBytes < 20) return;
  put(frame, 24, 0);
  put(frame, 24, ~sumOf(frame, 14, 14 + headerBytes) & 0xffff);
  const isLaterFragment = (((frame[20] << 8) | frame[21]) & 0x3fff) !== 0;
  if (isLaterFragment) return;
  const end = Math.min(14 + ((frame[16] << 8) | frame[17]), frame.length);
  repairTransport(frame, false, frame[23], 14 + headerBytes, end);
}

function repair6(frame: Uint8Array): void {
  const end = Math.min(54 + ((frame[18] << 8) | frame[19]), frame.length);
  let protocol = frame[20];
  let at = 54;
  for (let i = 0; i < 8 && at + 8 <= end; i++) {
    if (protocol === 44) {
      if ((((frame[at + 2] << 8) | frame[at + 3]) & 0xfff9) !== 0) return;
      protocol = frame[at];
      at += 8;
    } else if (protocol === 0 || protocol === 43 || protocol === 60) {
      protocol = frame[at];
      at += (frame[at + 1] + 1) * 8;
    } else break;
  }
  repairTransport(frame, true, protocol, at, end);
}

function repairTransport(frame: Uint8Array, isIp6: boolean, protocol: number, at: number, end: number): void {
  const field = checksumAt(protocol, isIp6);
  if (field < 0 || at + field + 2 > end) return;
  // UDP says itself how long it is.
  const bytes = protocol === UDP ? Math.min(end - at, Math.max(8, (frame[at + 4] << 8) | frame[at + 5])) : end - at;
  put(frame, at + field, 0);
  const sum = ~sumOf(frame, at, at + bytes, pseudoSum(frame, isIp6, protocol, bytes)) & 0xffff;
  put(frame, at + field, protocol === UDP && sum === 0 ? 0xffff : sum);
}
