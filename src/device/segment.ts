import {
  type BufferIndex,
  F_CHECKSUM_PARTIAL,
  F_TRACED,
  GSO_UDP,
  M_DATA,
  M_FLAGS,
  M_GSO,
  M_L3,
  M_L4,
  M_LEN,
  M_PROTO,
  M_SLOT,
  M_TAIL,
  type PacketPool,
} from "../graph/packet-pool.js";
import { checksumAdd, checksumFinish, checksumPseudo4, checksumPseudo6 } from "../wire/checksum.js";
import { IP4_CHECKSUM, IP4_ID, IP4_TOTAL_LEN, ip4EmitChecksum, PROTOCOL_TCP, PROTOCOL_UDP } from "../wire/ip4.js";
import { IP6_HEADER_LEN, IP6_PAYLOAD_LEN } from "../wire/ip6.js";
import {
  TCP_CHECKSUM,
  TCP_FLAG_CWR,
  TCP_FLAG_FIN,
  TCP_FLAG_PSH,
  TCP_OFFSET_FLAGS,
  TCP_OK,
  TCP_SEQ,
  tcpCheck,
  tcpHeaderLen,
} from "../wire/tcp.js";
import { UDP_CHECKSUM, UDP_HEADER_LEN, UDP_LENGTH, udpFinish } from "../wire/udp.js";
import { isIp6Frame, networkOffset, transportProtocol } from "./frame-layout.js";

/** Most segments that one superframe is cut into. */
export const MAX_SEGMENTS = 2048;
const TCP_FLAGS_AT = TCP_OFFSET_FLAGS + 1;

/**
 * Cuts a superframe (M_GSO) into frames of at most gsoSize payload bytes each, as a device would. Every segment is a
 * fully formed packet in a slot of its own: IP lengths and IPv4 identification, TCP sequence number, FIN and PSH on the
 * last and CWR on the first only (RFC 3168 6.1.2), UDP length, checksums. One cutter serves one engine.
 */
export class Segmenter {
  readonly #pool: PacketPool;
  #b = 0;
  #headerBytes = 0;
  #l3 = 0;
  #l4 = 0;
  #isIp6 = false;
  #isTcp = false;
  #complete = false;
  #noChecksum = false;
  #size = 0;
  #left = 0;
  #done = 0;
  // The piece of the payload that comes next: span -1 is the rest of the head.
  #span = 0;
  #at = 0;
  #spanLeft = 0;
  #index = 0;

  constructor(pool: PacketPool) {
    this.#pool = pool;
  }

  /**
   * Looks at the superframe `b`, an Ethernet frame with M_L4 and M_GSO set, all headers in its head. Returns the number
   * of segments that {@link next} will make, or -1 when it cannot be cut. With `complete` the segments' checksums are
   * finished, else they are left partial for the device.
   */
  begin(b: BufferIndex, complete: boolean): number {
    const { i32, dv } = this.#pool.window;
    const m = this.#pool.meta + (b << 4);
    const data = i32[m + M_DATA];
    const end = data + i32[m + M_LEN];
    const l4 = i32[m + M_L4];
    const gso = i32[m + M_GSO];
    const size = gso & 0xffff;
    if (size === 0 || l4 < data + 34 || l4 + UDP_HEADER_LEN > end) return -1;
    const l3 = networkOffset(dv, data);
    const isIp6 = isIp6Frame(dv, l3);
    const isTcp = gso >>> 16 !== GSO_UDP;
    if (transportProtocol(dv, l3, l4, isIp6) !== (isTcp ? PROTOCOL_TCP : PROTOCOL_UDP)) return -1;
    let headerBytes = (l4 + UDP_HEADER_LEN - data) | 0;
    if (isTcp) {
      if (tcpCheck(dv, l4, end - l4) !== TCP_OK) return -1;
      headerBytes = (l4 + tcpHeaderLen(dv, l4) - data) | 0;
    }
    const payload = (this.#pool.length(b) - headerBytes) | 0;
    const count = payload === 0 ? 1 : (((payload + size - 1) | 0) / size) | 0;
    if (count > MAX_SEGMENTS) return -1;
    this.#b = b;
    this.#headerBytes = headerBytes;
    this.#l3 = (l3 - data) | 0;
    this.#l4 = (l4 - data) | 0;
    this.#isIp6 = isIp6;
    this.#isTcp = isTcp;
    this.#complete = complete;
    // RFC 768: an IPv4 datagram whose checksum is absent, not partial, stays without one.
    this.#noChecksum =
      !isTcp && !isIp6 && (i32[m + M_FLAGS] & F_CHECKSUM_PARTIAL) === 0 && dv.getUint16(l4 + UDP_CHECKSUM) === 0;
    this.#size = size;
    this.#left = payload;
    this.#done = 0;
    this.#span = -1;
    this.#at = data + headerBytes;
    this.#spanLeft = (i32[m + M_LEN] - headerBytes) | 0;
    this.#index = 0;
    return count;
  }

  /** The next segment in a fresh buffer with the superframe's metadata; -1 when the pool is exhausted. */
  next(): BufferIndex {
    const pool = this.#pool;
    const { u8, i32, dv } = pool.window;
    const header = this.#headerBytes;
    const payload = this.#left < this.#size ? this.#left : this.#size;
    const b = pool.allocFor(header + payload);
    if (b < 0) return -1;
    const from = pool.meta + (this.#b << 4);
    const m = pool.meta + (b << 4);
    const data = i32[m + M_DATA];
    u8.copyWithin(data, i32[from + M_DATA], i32[from + M_DATA] + header);
    this.#copyPayload(data + header, payload);
    for (let field = M_FLAGS; field <= M_PROTO; field++) i32[m + field] = i32[from + field];
    const flags = i32[from + M_FLAGS] & ~(F_CHECKSUM_PARTIAL | F_TRACED);
    const l3 = data + this.#l3;
    const l4 = data + this.#l4;
    i32[m + M_LEN] = header + payload;
    i32[m + M_GSO] = 0;
    i32[m + M_L3] = l3;
    i32[m + M_L4] = l4;
    const isLast = this.#left === payload;
    const l4Bytes = (data + header + payload - l4) | 0;
    if (this.#isIp6) dv.setUint16(l3 + IP6_PAYLOAD_LEN, data + header + payload - l3 - IP6_HEADER_LEN);
    else this.#fixIp4(dv, l3, data + header + payload - l3);
    if (this.#isTcp) this.#fixTcp(dv, l4, isLast);
    else dv.setUint16(l4 + UDP_LENGTH, l4Bytes);
    i32[m + M_FLAGS] = this.#complete || this.#noChecksum ? flags : flags | F_CHECKSUM_PARTIAL;
    if (!this.#noChecksum) this.#sum(u8, i32, dv, l3, l4, l4Bytes);
    this.#left = (this.#left - payload) | 0;
    this.#done = (this.#done + payload) | 0;
    this.#index++;
    return b;
  }

  #copyPayload(to: number, bytes: number): void {
    const { u8, i32 } = this.#pool.window;
    const m = this.#pool.meta + (this.#b << 4);
    const tails = i32[m + M_TAIL] >>> 24;
    const spans = i32[m + M_SLOT] >> 2;
    let at = to;
    let left = bytes;
    while (left > 0) {
      if (this.#spanLeft === 0) {
        if (++this.#span >= tails) return;
        this.#at = i32[spans + (this.#span << 1)];
        this.#spanLeft = i32[spans + (this.#span << 1) + 1];
        continue;
      }
      const part = left < this.#spanLeft ? left : this.#spanLeft;
      u8.copyWithin(at, this.#at, this.#at + part);
      at = (at + part) | 0;
      left = (left - part) | 0;
      this.#at = (this.#at + part) | 0;
      this.#spanLeft = (this.#spanLeft - part) | 0;
    }
  }

  #fixIp4(dv: DataView, l3: number, totalLen: number): void {
    dv.setUint16(l3 + IP4_TOTAL_LEN, totalLen);
    dv.setUint16(l3 + IP4_ID, (dv.getUint16(l3 + IP4_ID) + this.#index) & 0xffff);
    dv.setUint16(l3 + IP4_CHECKSUM, 0);
    ip4EmitChecksum(dv, l3);
  }

  #fixTcp(dv: DataView, l4: number, isLast: boolean): void {
    dv.setInt32(l4 + TCP_SEQ, dv.getInt32(l4 + TCP_SEQ) + this.#done);
    let flags = dv.getUint8(l4 + TCP_FLAGS_AT);
    if (!isLast) flags &= ~(TCP_FLAG_FIN | TCP_FLAG_PSH);
    if (this.#index > 0) flags &= ~TCP_FLAG_CWR;
    dv.setUint8(l4 + TCP_FLAGS_AT, flags);
  }

  #sum(u8: Uint8Array, i32: Int32Array, dv: DataView, l3: number, l4: number, bytes: number): void {
    const protocol = this.#isTcp ? PROTOCOL_TCP : PROTOCOL_UDP;
    const field = l4 + (this.#isTcp ? TCP_CHECKSUM : UDP_CHECKSUM);
    const pseudo = this.#isIp6 ? checksumPseudo6(dv, l3, protocol, bytes) : checksumPseudo4(dv, l3, protocol, bytes);
    dv.setUint16(field, pseudo);
    if (!this.#complete) return;
    dv.setUint16(field, 0);
    const sum = checksumAdd(u8, i32, l4, bytes, pseudo);
    dv.setUint16(field, this.#isTcp ? checksumFinish(sum) : udpFinish(sum));
  }
}
