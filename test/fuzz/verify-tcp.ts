const FIN = 1;
const SYN = 2;
const RST = 4;
const ACK = 16;

/** What is wrong with a TCP segment that the host sent, whose checksum is right; "" when nothing is. */
export function tcpFault(frame: Uint8Array, at: number, gso: number, mtu: number): string {
  const headerBytes = (frame[at + 12] >> 4) * 4;
  if (headerBytes < 20 || at + headerBytes > frame.length) return "tcp data offset";
  if ((frame[at + 12] & 15) !== 0) return "tcp reserved bits";
  const flags = frame[at + 13];
  if ((flags & 0xe0) !== 0) return `tcp flags ${flags}`;
  const data = frame.length - at - headerBytes;
  if ((flags & SYN) !== 0 && (flags & (FIN | RST)) !== 0) return "SYN with FIN or RST";
  if ((flags & RST) !== 0 && ((flags & FIN) !== 0 || data > 0)) return "RST with FIN or data";
  if ((flags & (SYN | RST)) === 0 && (flags & ACK) === 0) return "no ACK";
  if ((flags & SYN) !== 0 && data > 0) return "SYN with data";
  if ((flags & ACK) === 0 && (frame[at + 8] | frame[at + 9] | frame[at + 10] | frame[at + 11]) !== 0) {
    return "acknowledgement number without ACK";
  }
  if ((frame[at + 18] | frame[at + 19]) !== 0) return "urgent pointer";
  if (gso !== 0) {
    const size = gso & 0xffff;
    if (size === 0 || at - 14 + headerBytes + size > mtu) return `superframe in pieces of ${size}`;
    if (data <= size) return "superframe of one piece";
  }
  return optionsFault(frame, at + 20, at + headerBytes, (flags & SYN) !== 0);
}

function optionsFault(frame: Uint8Array, from: number, end: number, isSyn: boolean): string {
  let at = from;
  let hasMss = false;
  while (at < end) {
    const kind = frame[at];
    if (kind === 0) break;
    if (kind === 1) {
      at++;
      continue;
    }
    const length = at + 1 < end ? frame[at + 1] : 0;
    const expected = kind === 2 ? 4 : kind === 3 ? 3 : kind === 8 ? 10 : -1;
    if (length !== expected || at + length > end) return `tcp option ${kind} of ${length} bytes`;
    if ((kind === 2 || kind === 3) && !isSyn) return `tcp option ${kind} without SYN`;
    if (kind === 3 && frame[at + 2] > 14) return "window scale";
    if (kind === 2) hasMss = true;
    at += length;
  }
  while (at < end) if (frame[at++] !== 0) return "tcp options behind their end";
  return isSyn && !hasMss ? "SYN without MSS" : "";
}
