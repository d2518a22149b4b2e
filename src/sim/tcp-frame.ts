import { checksumFold, checksumSwap, checksumUpdate16, checksumUpdate32, checksumWord } from "../wire/checksum.js";
import { ETH_OK, ETHERTYPE_IP4, ETHERTYPE_IP6, ethCheck, ethHeaderLen, ethType } from "../wire/ethernet.js";
import {
  IP4_DST,
  IP4_OK,
  IP4_SRC,
  ip4CheckHeader,
  ip4HeaderLen,
  ip4IsFragment,
  ip4Protocol,
  ip4TotalLen,
  PROTOCOL_TCP,
} from "../wire/ip4.js";
import {
  IP6_EXT_FRAGMENT_AT,
  IP6_EXT_L4,
  IP6_EXT_OK,
  IP6_EXT_PROTOCOL,
  IP6_EXT_WORDS,
  ip6ExtWalk,
  ip6IsFragment,
} from "../wire/ip6-ext.js";
import { IP6_DST, IP6_OK, IP6_SRC, ip6Check, ip6TotalLen } from "../wire/ip6.js";
import {
  TCP_CHECKSUM,
  TCP_FLAG_FIN,
  TCP_FLAG_SYN,
  TCP_OK,
  tcpAck,
  tcpCheck,
  tcpDstPort,
  tcpFlags,
  tcpHeaderLen,
  tcpSeq,
  tcpSrcPort,
  tcpWindow,
} from "../wire/tcp.js";
import { TCP_OPTION_END, TCP_OPTION_NOP, TCP_OPTION_SACK, TCP_OPTION_TIMESTAMPS } from "../wire/tcp-options.js";

/** An option of a segment: its kind, and where its first byte is in the frame. */
export interface TcpOption {
  readonly kind: number;
  readonly at: number;
  readonly length: number;
}

/** Where a TCP segment lies in an Ethernet frame, and what its header says. For tools, not for the packet path. */
export interface TcpFrame {
  readonly isIp6: boolean;
  /** Offset of the IP header. */
  readonly ipAt: number;
  /** Offset of the TCP header. */
  readonly at: number;
  /** Source and destination as "address bytes/port", for keys. */
  readonly source: string;
  readonly destination: string;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  /** As in the header, not scaled. */
  readonly window: number;
  readonly dataAt: number;
  readonly dataLen: number;
  readonly options: readonly TcpOption[];
}

/** A view of a frame's bytes for the codecs of src/wire. */
export function frameView(frame: Uint8Array): DataView {
  return new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
}

/** Offset and kind of the IP packet in an Ethernet frame; undefined when there is none whose header is whole. */
export function ipOfFrame(frame: Uint8Array): { at: number; isIp6: boolean } | undefined {
  const dv = frameView(frame);
  if (ethCheck(dv, 0, frame.length) !== ETH_OK) return undefined;
  const at = ethHeaderLen(dv, 0);
  const type = ethType(dv, 0, at);
  if (type === ETHERTYPE_IP4 && ip4CheckHeader(dv, at, frame.length - at) === IP4_OK) return { at, isIp6: false };
  if (type === ETHERTYPE_IP6 && ip6Check(dv, at, frame.length - at) === IP6_OK) return { at, isIp6: true };
  return undefined;
}

/** The segment in an Ethernet frame; undefined for fragments, for anything else and for headers that are not whole. */
export function tcpOfFrame(frame: Uint8Array): TcpFrame | undefined {
  const ip = ipOfFrame(frame);
  if (ip === undefined) return undefined;
  const dv = frameView(frame);
  const { at: ipAt, isIp6 } = ip;
  const at = isIp6 ? tcpAt6(dv, frame, ipAt) : tcpAt4(dv, ipAt);
  const end = ipAt + (isIp6 ? ip6TotalLen(dv, ipAt) : ip4TotalLen(dv, ipAt));
  if (at < 0 || tcpCheck(dv, at, end - at) !== TCP_OK) return undefined;
  const dataAt = at + tcpHeaderLen(dv, at);
  const sourceAt = ipAt + (isIp6 ? IP6_SRC : IP4_SRC);
  const destinationAt = ipAt + (isIp6 ? IP6_DST : IP4_DST);
  const addressLen = isIp6 ? 16 : 4;
  return {
    isIp6,
    ipAt,
    at,
    source: `${addressKey(frame, sourceAt, addressLen)}/${tcpSrcPort(dv, at)}`,
    destination: `${addressKey(frame, destinationAt, addressLen)}/${tcpDstPort(dv, at)}`,
    seq: tcpSeq(dv, at),
    ack: tcpAck(dv, at),
    flags: tcpFlags(dv, at),
    window: tcpWindow(dv, at),
    dataAt,
    dataLen: end - dataAt,
    options: optionsOf(frame, at + 20, dataAt),
  };
}

function tcpAt4(dv: DataView, ipAt: number): number {
  return ip4Protocol(dv, ipAt) === PROTOCOL_TCP && !ip4IsFragment(dv, ipAt) ? ipAt + ip4HeaderLen(dv, ipAt) : -1;
}

function tcpAt6(dv: DataView, frame: Uint8Array, ipAt: number): number {
  const walked = new Int32Array(IP6_EXT_WORDS);
  if (ip6ExtWalk(dv, frame, ipAt, walked) !== IP6_EXT_OK) return -1;
  const fragmentAt = walked[IP6_EXT_FRAGMENT_AT];
  if (fragmentAt !== 0 && ip6IsFragment(dv, fragmentAt)) return -1;
  return walked[IP6_EXT_PROTOCOL] === PROTOCOL_TCP ? walked[IP6_EXT_L4] : -1;
}

/** An address as text for keys: its bytes in decimal with dots. */
export function addressKey(frame: Uint8Array, at: number, length: number): string {
  return frame.subarray(at, at + length).join(".");
}

/** The options in [at, end) up to the first that is malformed. */
function optionsOf(frame: Uint8Array, at: number, end: number): TcpOption[] {
  const found: TcpOption[] = [];
  while (at < end) {
    const kind = frame[at];
    if (kind === TCP_OPTION_END) break;
    const length = kind === TCP_OPTION_NOP ? 1 : at + 1 < end ? frame[at + 1] : 0;
    if (length === 0 || (length === 1 && kind !== TCP_OPTION_NOP) || at + length > end) break;
    if (kind !== TCP_OPTION_NOP) found.push({ kind, at, length });
    at += length;
  }
  return found;
}

/** Sequence space of a segment: its data, a SYN and a FIN. */
export function sequenceLen({ flags, dataLen }: TcpFrame): number {
  return dataLen + ((flags & TCP_FLAG_SYN) === 0 ? 0 : 1) + ((flags & TCP_FLAG_FIN) === 0 ? 0 : 1);
}

/** Offset of the timestamps option's two values, -1 when the segment has none. */
export function timestampsAt(segment: TcpFrame): number {
  const option = segment.options.find(({ kind, length }) => kind === TCP_OPTION_TIMESTAMPS && length === 10);
  return option === undefined ? -1 : option.at + 2;
}

/** Offsets of the edges of the segment's SACK blocks. */
export function sackEdgesAt(segment: TcpFrame): number[] {
  const option = segment.options.find(({ kind }) => kind === TCP_OPTION_SACK);
  if (option === undefined) return [];
  return Array.from({ length: (option.length - 2) >> 2 }, (_, i) => option.at + 2 + 4 * i);
}

/** Changes a 32-bit field of the segment at `at` and its checksum with it: one that was wrong stays as wrong. */
export function patchWord(frame: Uint8Array, segment: TcpFrame, at: number, word: number): void {
  const dv = frameView(frame);
  const field = dv.getUint16(segment.at + TCP_CHECKSUM);
  const before = dv.getInt32(at);
  dv.setInt32(at, word);
  // A word at an odd place is its own sum with the bytes swapped (RFC 1071 2(B)).
  const after =
    ((at - segment.at) & 1) === 0
      ? checksumUpdate32(field, before, word)
      : checksumUpdate16(field, swapped(before), swapped(word));
  dv.setUint16(segment.at + TCP_CHECKSUM, after);
}

function swapped(word: number): number {
  return checksumSwap(checksumFold(checksumWord(word)));
}
