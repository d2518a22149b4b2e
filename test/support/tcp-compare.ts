import { patchWord, type TcpFrame, timestampsAt } from "../../src/sim/tcp-frame.js";
import type { Decoded } from "./decode.js";

/** A segment one of the hosts under comparison sent. */
export interface Segment {
  /** Which stretch of the peer's frames it follows. */
  readonly slot: number;
  readonly bytes: Uint8Array;
  readonly decoded: Decoded;
  readonly tcp: TcpFrame;
}

const FIN = 1;
const SYN = 2;
const RST = 4;
const ACK = 16;
const MSS = 2;
const WSCALE = 3;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Fields of every segment that must be alike: those of the IP header, and the checksum. */
function headerOf({ decoded: { kind, fields } }: Segment): string {
  return JSON.stringify({ kind, ...fields });
}

function optionValue(segment: Segment, kind: number, bytes: number): number {
  const option = segment.tcp.options.find((one) => one.kind === kind);
  if (option === undefined) return -1;
  const value = hex(segment.bytes.subarray(option.at + 2, option.at + 2 + bytes));
  return Number.parseInt(value, 16);
}

/** Segments by connection. */
export function byConnection(segments: readonly Segment[]): Map<string, Segment[]> {
  const found = new Map<string, Segment[]>();
  for (const segment of segments) {
    const key = `${segment.tcp.source} > ${segment.tcp.destination}`;
    found.set(key, [...(found.get(key) ?? []), segment]);
  }
  return found;
}

/** The initial sequence number of a host's segments of one connection; 0 when it never sent a SYN. */
function issOf(segments: readonly Segment[]): number {
  return segments.find(({ tcp }) => (tcp.flags & SYN) !== 0)?.tcp.seq ?? 0;
}

/**
 * What a host said in one slot, in words that do not depend on how it was cut into segments: two pure ACKs in a row are
 * the last of them, adjacent data is one piece, a FIN on data is a FIN after it, a reset of a connection that there was
 * may carry an ACK or not ({@link checkRules} looks at it). A window, a timestamp and an initial
 * sequence number are the host's own; the options' kinds, and the MSS, are compared.
 */
function wordsOf(segments: readonly Segment[], iss: number, peerIss: number): string[] {
  const words: string[] = [];
  let data = "";
  let dataAt = 0;
  let ack: number | undefined;
  const flush = () => {
    if (data !== "") words.push(`data ${dataAt} ${data}`);
    data = "";
  };
  for (const segment of segments) {
    const { flags, seq, dataAt: at, dataLen } = segment.tcp;
    const relative = iss === 0 ? seq >>> 0 : (seq - iss) | 0;
    const acked = (flags & ACK) === 0 ? "none" : (segment.tcp.ack - peerIss) | 0;
    if ((flags & RST) !== 0 && iss !== 0) {
      flush();
      words.push(`RST ${relative}`);
      continue;
    }
    if ((flags & (SYN | RST)) !== 0) {
      flush();
      const kinds = segment.tcp.options.map(({ kind }) => kind).sort((a, b) => a - b);
      const name = `${(flags & SYN) === 0 ? "" : "SYN"}${(flags & RST) === 0 ? "" : "RST"}`;
      words.push(
        `${name} flags ${flags} seq ${relative} ack ${acked} options ${kinds.join()} mss ${optionValue(segment, MSS, 2)}`,
      );
      continue;
    }
    if (typeof acked === "number") ack = acked;
    if (dataLen > 0) {
      if (data === "" || dataAt + data.length / 2 !== relative) {
        flush();
        dataAt = relative;
      }
      data += hex(segment.bytes.subarray(at, at + dataLen));
    }
    if ((flags & FIN) !== 0) {
      flush();
      words.push(`FIN ${relative + dataLen}`);
    }
  }
  flush();
  if (ack !== undefined) words.push(`ACK ${ack}`);
  return words;
}

/** Differences of one connection, slot by slot: for conversations with time between the peer's frames. */
export function compareSlots(
  name: string,
  ours: readonly Segment[],
  theirs: readonly Segment[],
  peerIss: number,
): string[] {
  const found: string[] = [];
  for (const slot of new Set([...theirs, ...ours].map((segment) => segment.slot))) {
    const here = (segments: readonly Segment[]) => segments.filter((segment) => segment.slot === slot);
    const [stack, kernel] = [wordsOf(here(ours), issOf(ours), peerIss), wordsOf(here(theirs), issOf(theirs), peerIss)];
    if (JSON.stringify(stack) !== JSON.stringify(kernel)) {
      found.push(`${name} slot ${slot}: stack [${stack.join("; ")}], recorded [${kernel.join("; ")}]`);
    }
  }
  return found;
}

/** The stream a host sent, its SYN, FIN and resets, and how far it acknowledged: free of timing. */
function streamOf(segments: readonly Segment[], peerIss: number): Record<string, unknown> {
  const iss = issOf(segments);
  const stream = new Map<number, number>();
  let fin = -1;
  let acked = 0;
  const resets: string[] = [];
  const syns = new Set<string>();
  const conflicts: number[] = [];
  for (const segment of segments) {
    const { tcp, bytes } = segment;
    const relative = (tcp.seq - iss) | 0;
    const words = wordsOf([segment], iss, peerIss);
    if ((tcp.flags & SYN) !== 0) syns.add(words.join());
    if ((tcp.flags & RST) !== 0) resets.push(words.join());
    else if ((tcp.flags & ACK) !== 0) acked = Math.max(acked, (tcp.ack - peerIss) | 0);
    for (let i = 0; i < tcp.dataLen; i++) {
      const byte = bytes[tcp.dataAt + i];
      if ((stream.get(relative + i) ?? byte) !== byte) conflicts.push(relative + i);
      stream.set(relative + i, byte);
    }
    if ((tcp.flags & FIN) !== 0) fin = relative + tcp.dataLen;
  }
  const places = [...stream.keys()].sort((a, b) => a - b);
  const data = hex(Uint8Array.from(places, (at) => stream.get(at) ?? 0));
  return { syns: [...syns], resets, fin, acked, from: places[0], bytes: places.length, data, conflicts };
}

/** Differences of one connection as a whole: for transfers, where two hosts cut, acknowledge and repeat in their own time. */
export function compareStreams(
  name: string,
  ours: readonly Segment[],
  theirs: readonly Segment[],
  peerIss: number,
): string[] {
  const stack = streamOf(ours, peerIss);
  const kernel = streamOf(theirs, peerIss);
  const found = Object.keys(kernel)
    .filter((key) => JSON.stringify(stack[key]) !== JSON.stringify(kernel[key]))
    .map((key) => {
      const shown = (value: unknown) => (JSON.stringify(value) ?? "nothing").slice(0, 80);
      return `${name} ${key}: stack ${shown(stack[key])}, recorded ${shown(kernel[key])}`;
    });
  const [mine, other] = [duplicateAcks(ours, peerIss), duplicateAcks(theirs, peerIss)];
  for (const [ack, count] of other) {
    // Three make the peer repeat the segment at once (RFC 5681 3.2).
    if (count >= 3 && (mine.get(ack) ?? 0) < 3)
      found.push(`${name}: ${count} duplicates of ACK ${ack} recorded, ${mine.get(ack) ?? 0} sent`);
  }
  return found;
}

/** How often each acknowledgement was repeated by a pure ACK. */
function duplicateAcks(segments: readonly Segment[], peerIss: number): Map<number, number> {
  const counts = new Map<number, number>();
  let last = -1;
  for (const { tcp } of segments) {
    if (tcp.dataLen > 0 || (tcp.flags & (SYN | FIN | RST)) !== 0) continue;
    const ack = (tcp.ack - peerIss) | 0;
    if (ack === last) counts.set(ack, (counts.get(ack) ?? 0) + 1);
    last = ack;
  }
  return counts;
}

/** Fields of the IP header, and the checksum, that differ from those of the recorded host's segments. */
export function compareHeaders(name: string, ours: readonly Segment[], theirs: readonly Segment[]): string[] {
  const known = new Set(theirs.map(headerOf));
  const unknown = new Set(ours.map(headerOf).filter((header) => !known.has(header)));
  return theirs.length === 0 ? [] : [...unknown].map((header) => `${name}: no recorded segment has ${header}`);
}

/**
 * Rules for what is a host's own and so is not compared: the right edge of its window never moves left (RFC 9293
 * 3.8.6), its first window is open, a reset acknowledges no less than the segments before it, no segment is longer than the peer's MSS allows (3.7.1), timestamps are on all
 * segments or none but resets, never decrease, and echo what the peer sent (RFC 7323 3.2, 4.3).
 */
export function checkRules(name: string, ours: readonly Segment[], peer: readonly Segment[]): string[] {
  const found: string[] = [];
  const syn = ours.find(({ tcp }) => (tcp.flags & SYN) !== 0);
  const peerSyn = peer.find(({ tcp }) => (tcp.flags & SYN) !== 0);
  if (syn === undefined || peerSyn === undefined) return found;
  const scales = [syn, peerSyn].map((segment) => optionValue(segment, WSCALE, 1));
  const shift = scales.includes(-1) ? 0 : scales[0];
  const peerMss = optionValue(peerSyn, MSS, 2);
  const mss = peerMss >= 0 ? peerMss : syn.tcp.isIp6 ? 1220 : 536;
  const stampsAt = (segment: Segment) => timestampsAt(segment.tcp);
  const word = ({ bytes }: Segment, at: number) => new DataView(bytes.buffer, bytes.byteOffset).getInt32(at);
  const peerStamps = new Set([0, ...peer.filter((one) => stampsAt(one) >= 0).map((one) => word(one, stampsAt(one)))]);
  const hasStamps = stampsAt(syn) >= 0;
  let acked: number | undefined;
  let edge: number | undefined;
  let stamp: number | undefined;
  if (syn.tcp.window === 0) found.push(`${name}: the first window is 0`);
  for (const segment of ours) {
    const { tcp } = segment;
    if ((tcp.flags & ACK) !== 0 && (tcp.flags & RST) !== 0 && acked !== undefined && ((tcp.ack - acked) | 0) < 0) {
      found.push(`${name}: a reset takes back ${(acked - tcp.ack) | 0} bytes that were acknowledged`);
    }
    if ((tcp.flags & RST) !== 0) continue;
    acked = tcp.ack;
    const right = (tcp.ack + (tcp.window << ((tcp.flags & SYN) === 0 ? shift : 0))) | 0;
    if (edge !== undefined && ((right - edge) | 0) < 0)
      found.push(`${name}: window's right edge moved ${(edge - right) | 0} left`);
    edge = right;
    const optionBytes = tcp.dataAt - tcp.at - 20;
    if (tcp.dataLen + optionBytes > mss)
      found.push(`${name}: ${tcp.dataLen} bytes and ${optionBytes} of options exceed MSS ${mss}`);
    const at = stampsAt(segment);
    if (at >= 0 !== hasStamps)
      found.push(`${name}: timestamps ${hasStamps ? "missing" : "not negotiated"} (flags ${tcp.flags})`);
    if (at < 0) continue;
    if (stamp !== undefined && ((word(segment, at) - stamp) | 0) < 0) found.push(`${name}: timestamp went back`);
    stamp = word(segment, at);
    if (!peerStamps.has(word(segment, at + 4)))
      found.push(`${name}: echoes ${word(segment, at + 4)}, which the peer never sent`);
  }
  return found;
}

/** A copy of a host's segment with other numbers, as another host would have sent it; its checksum stays right. */
export function renumbered(bytes: Uint8Array, segment: TcpFrame, seqShift: number, stampShift: number): Uint8Array {
  const copy = bytes.slice();
  const dv = new DataView(copy.buffer);
  patchWord(copy, segment, segment.at + 4, (segment.seq + seqShift) | 0);
  const at = timestampsAt(segment);
  if (at >= 0) patchWord(copy, segment, at, (dv.getInt32(at) + stampShift) | 0);
  return copy;
}
