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
  const isPureAck = data === 0 && (flags & (SYN | FIN | RST)) === 0;
  return optionsFault(frame, at + 20, at + headerBytes, (flags & SYN) !== 0, isPureAck);
}

function wordAt(frame: Uint8Array, at: number): number {
  return (frame[at] << 24) | (frame[at + 1] << 16) | (frame[at + 2] << 8) | frame[at + 3];
}

/** SACK blocks lie above the ACK and apart from each other; the first may instead report a duplicate (RFC 2883 4). */
function blocksFault(frame: Uint8Array, from: number, end: number, ack: number): string {
  const blocks: { start: number; end: number }[] = [];
  for (let at = from; at < end; at += 8) {
    // As distances from the ACK.
    blocks.push({ start: (wordAt(frame, at) - ack) | 0, end: (wordAt(frame, at + 4) - ack) | 0 });
  }
  if (blocks.some((block) => block.end <= block.start)) return "empty SACK block";
  const [first, second] = blocks;
  const isInSecond = second !== undefined && first.start >= second.start && first.end <= second.end;
  const held = first.end <= 0 || isInSecond ? blocks.slice(1) : blocks;
  held.sort((a, b) => a.start - b.start);
  for (let i = 0; i < held.length; i++) {
    if (held[i].start <= (i === 0 ? 0 : held[i - 1].end)) return "SACK blocks that touch, or the ACK";
  }
  return "";
}

/** Lengths of the options that the host may send. */
const LENGTHS: ReadonlyMap<number, readonly number[]> = new Map([
  [2, [4]],
  [3, [3]],
  [4, [2]],
  [5, [10, 18, 26, 34]],
  [8, [10]],
]);

function optionsFault(frame: Uint8Array, from: number, end: number, isSyn: boolean, isPureAck: boolean): string {
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
    if (!(LENGTHS.get(kind) ?? []).includes(length) || at + length > end)
      return `tcp option ${kind} of ${length} bytes`;
    if ((kind === 2 || kind === 3 || kind === 4) && !isSyn) return `tcp option ${kind} without SYN`;
    if (kind === 5 && (isSyn || !isPureAck)) return "SACK blocks beside SYN, FIN, RST or data";
    if (kind === 5) {
      const fault = blocksFault(frame, at + 2, at + length, wordAt(frame, from - 12));
      if (fault !== "") return fault;
    }
    if (kind === 3 && frame[at + 2] > 14) return "window scale";
    if (kind === 2) hasMss = true;
    at += length;
  }
  while (at < end) if (frame[at++] !== 0) return "tcp options behind their end";
  return isSyn && !hasMss ? "SYN without MSS" : "";
}
