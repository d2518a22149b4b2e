import {
  DGRAM_DATA_OFFSET,
  DGRAM_HAS_TRAFFIC_CLASS,
  DGRAM_HEADER_BYTES,
  DGRAM_INTERFACE,
  DGRAM_LOCAL_PORT,
  DGRAM_NO_INTERFACE,
  DGRAM_TRAFFIC_CLASS,
  dropDatagram,
  enqueueDatagram,
  peekDatagram,
} from "../../mem/fifo-datagram.js";
import type { FifoOffset } from "../../mem/fifo-layout.js";
import type { FifoTable } from "../../mem/fifo-table.js";
import type { Offset } from "../../mem/flavor.js";
import type { MemoryWindow } from "../../mem/window.js";
import { SESSION_DSCP, writeDatagramHeader } from "../../session/datagram-header.js";
import {
  TLS_CLEAR_LENGTHS,
  TLS_COUNTS,
  TLS_FLAGS,
  TLS_MAX_SPANS,
  TLS_OUT_LENGTHS,
  TLS_RECORD_BYTES,
  TLS_SPANS,
  type TlsEngine,
} from "../tls/engine.js";
import { C_FLAGS, C_LCL, C_PORTS, C_RMT, CF_IP6 } from "../transport.js";

/** Room for what a step writes, of each kind: as many datagrams as it can name, of what an Ethernet takes. */
const ROOM_BYTES = 128 * 1024;
/** Bytes of handshake datagrams at most: what every path of IPv6 takes whole, without its headers. */
export const DTLS_MTU_BYTES = 1232;

const DIRECTION_WORDS = 2 * TLS_MAX_SPANS;

/** Takes datagrams out of fifos for a step of the engine, and puts those that come of it into others. */
export class DtlsDatagrams {
  /** Of the datagram of ciphertext that was taken last: it tells its addresses. */
  readonly header: Offset;
  /** Datagrams that found no room in a fifo. */
  lost = 0;
  readonly #window: MemoryWindow;
  readonly #fifos: FifoTable;
  readonly #engine: TlsEngine;
  readonly #clearHeader: Offset;
  readonly #cipherRoom: Offset;
  readonly #clearRoom: Offset;
  /** A pair for a header, and that of a datagram. */
  readonly #spans = new Int32Array(4);
  readonly #local = new Int32Array(4);
  readonly #remote = new Int32Array(4);

  /** Reserves room for a step. Throws RangeError when the window is full. */
  constructor(window: MemoryWindow, fifos: FifoTable, engine: TlsEngine) {
    this.#window = window;
    this.#fifos = fifos;
    this.#engine = engine;
    this.header = window.reserve("dtls header", 2 * 64);
    this.#clearHeader = this.header + 64;
    this.#cipherRoom = window.reserve("dtls step", 2 * ROOM_BYTES);
    this.#clearRoom = this.#cipherRoom + ROOM_BYTES;
  }

  /** The next step is of no datagrams so far. */
  begin(flags: number): void {
    const { i32 } = this.#window;
    const { area } = this.#engine;
    i32[area + TLS_FLAGS] = flags;
    i32[area + TLS_RECORD_BYTES] = 0;
    i32[area + TLS_COUNTS] = i32[area + TLS_COUNTS + 2] = 0;
    this.#room(1, this.#cipherRoom);
    this.#room(3, this.#clearRoom);
  }

  #room(direction: number, offset: Offset): void {
    const { i32 } = this.#window;
    const { area } = this.#engine;
    i32[area + TLS_COUNTS + direction] = 1;
    i32[area + TLS_SPANS + direction * DIRECTION_WORDS] = offset;
    i32[area + TLS_SPANS + direction * DIRECTION_WORDS + 1] = ROOM_BYTES;
  }

  /** The next step takes the first datagram of a fifo, of ciphertext or clear text. Returns whether there is one. */
  show(fifo: FifoOffset, isClear: boolean): boolean {
    const { i32 } = this.#window;
    const header = isClear ? this.#clearHeader : this.header;
    const direction = isClear ? 2 : 0;
    if (fifo === 0 || this.#fifos.maxDequeue(fifo) === 0) return false;
    const bytes = peekDatagram(this.#fifos, this.#window, fifo, header);
    if (bytes < 0) return false;
    const at = this.#engine.area + TLS_SPANS + direction * DIRECTION_WORDS;
    const from = DGRAM_HEADER_BYTES + i32[(header + DGRAM_DATA_OFFSET) >> 2];
    const count = bytes === 0 ? 0 : this.#fifos.spans(fifo, from, bytes, i32, TLS_MAX_SPANS, at);
    let named = 0;
    for (let i = 0; i < count; i++) named += i32[at + 2 * i + 1];
    // In too many pieces: half a datagram is none.
    if (named !== bytes) this.lost++;
    i32[this.#engine.area + TLS_COUNTS + direction] = named === bytes ? count : 0;
    return true;
  }

  /** Drops the datagram that was shown. */
  drop(fifo: FifoOffset, isClear: boolean): void {
    dropDatagram(this.#fifos, this.#window, fifo, isClear ? this.#clearHeader : this.header);
  }

  /** Without a datagram that came, the header is that of the connection on row `r`. */
  address(r: number): void {
    const { dv, i32, u8 } = this.#window;
    const { header } = this;
    const isIp6 = (i32[r + C_FLAGS] & CF_IP6) !== 0;
    for (let i = 0; i < 4; i++) {
      this.#local[i] = i32[r + C_LCL + i];
      this.#remote[i] = i32[r + C_RMT + i];
    }
    const ports = i32[r + C_PORTS];
    writeDatagramHeader(dv, header, isIp6, this.#remote, ports & 0xffff, this.#local, SESSION_DSCP);
    dv.setUint16(header + DGRAM_LOCAL_PORT, ports >>> 16);
    u8[header + DGRAM_TRAFFIC_CLASS] = 0;
    dv.setUint16(header + DGRAM_INTERFACE, DGRAM_NO_INTERFACE);
  }

  /** Puts what the step wrote into a fifo of UDP, under the header of what came: to where that came from. Returns how many. */
  send(fifo: FifoOffset): number {
    this.#window.u8[this.header + DGRAM_HAS_TRAFFIC_CLASS] = 0;
    return this.#put(fifo, this.#cipherRoom, TLS_OUT_LENGTHS);
  }

  /** Puts the clear text of the step into the application's fifo, under the same header. Returns how many. */
  deliver(fifo: FifoOffset): number {
    return this.#put(fifo, this.#clearRoom, TLS_CLEAR_LENGTHS);
  }

  #put(fifo: FifoOffset, room: Offset, list: number): number {
    const { i32 } = this.#window;
    const at = this.#engine.area + list;
    let offset = room;
    let put = 0;
    for (let i = 1; i <= i32[at]; i++) {
      const bytes = i32[at + i];
      this.#spans[2] = offset;
      this.#spans[3] = bytes;
      if (fifo !== 0 && enqueueDatagram(this.#fifos, this.#window, fifo, this.header, this.#spans, 2, 1)) put++;
      else this.lost++;
      offset += bytes;
    }
    return put;
  }
}
