import type { BatchDevice } from "./batch-device.js";
import { M_DATA } from "../../src/graph/packet-pool.js";
import type { Stack } from "../../src/stack.js";
import { checksumFinish } from "../../src/wire/checksum.js";
import { TCP_FLAG_ACK, TCP_FLAG_FIN, TCP_FLAG_PSH, TCP_FLAG_SYN } from "../../src/wire/tcp.js";

/** Bytes of a segment's frame: Ethernet, IPv4 and TCP without options, and 10 bytes of payload. */
export const SEGMENT_FRAME_BYTES = 64;
/** Bytes of its payload. */
export const PAYLOAD_BYTES = 10;
const CONTROL_FRAME_BYTES = 54;
const FLOWS_PER_CLIENT = 16;
const FIRST_PORT = 1024;

/**
 * Many clients of one listening stack, as templates of their next segments: flow i comes from 10.0.0.0 + i / 16, and
 * speaks plain TCP without options.
 */
export class TcpFlows {
  readonly count: number;
  readonly #stack: Stack;
  readonly #device: BatchDevice;
  readonly #first: number;
  readonly #templates: number;
  readonly #peerNext: Int32Array;
  /** Sequence numbers that the flows took from the stack, SYNs and FINs counted. */
  #taken = 0;

  private constructor(stack: Stack, device: BatchDevice, count: number, first: number) {
    this.count = count;
    this.#stack = stack;
    this.#device = device;
    this.#first = first;
    this.#templates = stack.host.window.reserve("flows", count * SEGMENT_FRAME_BYTES);
    this.#peerNext = new Int32Array(count);
  }

  /** Flows `first` and up to `address`:`port`, where somebody listens, through `device`; not open yet. */
  static prepare(stack: Stack, device: BatchDevice, count: number, address: number, port: number, first = 0): TcpFlows {
    const flows = new TcpFlows(stack, device, count, first);
    for (let i = 0; i < count; i++) flows.#write(i, address, port);
    return flows;
  }

  /** Opens all connections. */
  open(): void {
    this.#exchange(0, TCP_FLAG_SYN, -1);
    for (let i = 0; i < this.count; i++) this.#set(i, SEGMENT_FRAME_BYTES, TCP_FLAG_ACK | TCP_FLAG_PSH, -PAYLOAD_BYTES);
  }

  /**
   * Each flow that was opened sends one byte, and acknowledges what the stack answers at once. Returns the bytes of all
   * answers.
   */
  sendByte(): number {
    const before = this.#taken;
    this.#exchange(1, TCP_FLAG_ACK | TCP_FLAG_PSH, 0);
    return this.#taken - before;
  }

  /** Each flow that has sent its byte closes, and acknowledges the stack's FIN. Returns the FINs that came. */
  close(): number {
    const before = this.#taken;
    this.#exchange(0, TCP_FLAG_ACK | TCP_FLAG_FIN, 1);
    return this.#taken - before;
  }

  /** Window offset of flow `i`'s next segment; the one after it follows in sequence. */
  next(i: number): number {
    const { dv } = this.#stack.host.window;
    const at = this.#templates + i * SEGMENT_FRAME_BYTES;
    const seq = at + 34 + 4;
    dv.setInt32(seq, (dv.getInt32(seq) + PAYLOAD_BYTES) | 0);
    return at;
  }

  #write(i: number, address: number, port: number): void {
    const { u8, dv } = this.#stack.host.window;
    const at = this.#templates + i * SEGMENT_FRAME_BYTES;
    u8.set(this.#device.mac, at);
    u8.set([2, 0, 0, 0, 9, 9], at + 6);
    dv.setUint16(at + 12, 0x0800);
    const ip = at + 14;
    dv.setInt32(ip + 8, 0x4006_0000);
    dv.setInt32(ip + 12, 0x0a00_0000 + Math.floor((this.#first + i) / FLOWS_PER_CLIENT));
    dv.setInt32(ip + 16, address);
    dv.setUint16(ip + 20, FIRST_PORT + ((this.#first + i) % FLOWS_PER_CLIENT));
    dv.setUint16(ip + 22, port);
    dv.setUint16(ip + 34, 0xffff);
  }

  /**
   * Makes flow i's template a frame of `bytes` with `flags` that acknowledges what the peer sent. The first byte of data has
   * sequence number 0: the SYN -1, and the template of data that is moved on once before it is sent -10.
   */
  #set(i: number, bytes: number, flags: number, seq: number): void {
    const { dv } = this.#stack.host.window;
    const ip = this.#templates + i * SEGMENT_FRAME_BYTES + 14;
    dv.setInt32(ip, (0x4500 << 16) | (bytes - 14));
    dv.setUint16(ip + 10, 0);
    let sum = 0;
    for (let at = ip; at < ip + 20; at += 2) sum += dv.getUint16(at);
    dv.setUint16(ip + 10, checksumFinish(sum));
    dv.setInt32(ip + 24, seq);
    dv.setInt32(ip + 28, (flags & TCP_FLAG_ACK) === 0 ? 0 : this.#peerNext[i]);
    dv.setUint16(ip + 32, (5 << 12) | flags);
  }

  /** Every flow sends `flags` with `payload` bytes from `seq` on, and an ACK of what comes back; 256 flows at a time. */
  #exchange(payload: number, flags: number, seq: number): void {
    const isCounted = (flags & (TCP_FLAG_SYN | TCP_FLAG_FIN)) !== 0;
    this.#device.onTx = (buffers, n) => this.#learn(buffers, n);
    for (let first = 0; first < this.count; first += 256) {
      this.#send(first, CONTROL_FRAME_BYTES + payload, flags, seq);
      this.#send(first, CONTROL_FRAME_BYTES, TCP_FLAG_ACK, seq + payload + (isCounted ? 1 : 0));
    }
    this.#device.onTx = undefined;
  }

  /** Flows `first` and up send a segment each, and the stack does what it can at once. */
  #send(first: number, bytes: number, flags: number, seq: number): void {
    const n = Math.min(256, this.count - first);
    for (let i = first; i < first + n; i++) this.#set(i, bytes, flags, seq);
    this.#device.prepare(n, (i) => this.#templates + (first + i) * SEGMENT_FRAME_BYTES, bytes);
    while (this.#stack.engine.turn() > 0);
  }

  /** Takes what is next of each flow from the segments that the stack sends. */
  #learn(buffers: Int32Array, count: number): void {
    const { dv, i32 } = this.#stack.host.window;
    const { meta } = this.#stack.host.pool;
    for (let k = 0; k < count; k++) {
      const ip = i32[meta + (buffers[k] << 4) + M_DATA] + 14;
      if (dv.getUint8(ip + 9) !== 6) continue;
      const flags = dv.getUint8(ip + 33);
      const isSyn = (flags & TCP_FLAG_SYN) !== 0;
      const payload = dv.getUint16(ip + 2) - 20 - (dv.getUint8(ip + 32) >> 4) * 4;
      const taken = payload + (isSyn ? 1 : 0) + ((flags & TCP_FLAG_FIN) === 0 ? 0 : 1);
      const client = dv.getInt32(ip + 16) - 0x0a00_0000;
      const i = client * FLOWS_PER_CLIENT + dv.getUint16(ip + 22) - FIRST_PORT - this.#first;
      const seq = dv.getInt32(ip + 24);
      if (taken === 0 || (!isSyn && seq !== this.#peerNext[i])) continue;
      this.#peerNext[i] = (seq + taken) | 0;
      this.#taken += taken;
    }
  }
}
