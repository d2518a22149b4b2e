import { DGRAM_DATA_LENGTH, DGRAM_HEADER_BYTES, readDatagram, writeDatagram } from "../mem/fifo-datagram.js";
import type { FifoTable } from "../mem/fifo-table.js";
import type { Offset } from "../mem/flavor.js";
import type { MemoryWindow } from "../mem/window.js";
import { type SessionIndex, TRANSPORT_DTLS } from "../transport/transport.js";
import { DatagramBatch } from "./datagram-batch.js";
import {
  type DatagramInfo,
  isDscp,
  noDatagram,
  readDatagramHeader,
  SESSION_DSCP,
  writeDatagramHeader,
} from "./datagram-header.js";
import { SESSION_E_INVALID, SESSION_E_NOIP, SESSION_E_NOSESSION, SESSION_E_NOSUPPORT } from "./session-errors.js";
import type { SessionLayer } from "./session-layer.js";
import {
  S_CONNECTION,
  S_FLAGS,
  S_PROTO,
  S_RX_FIFO,
  S_STATE,
  S_TX_FIFO,
  SESSION_LISTENING,
  type SessionTable,
  SF_APP_CLOSED,
  SF_DATAGRAM,
  SF_IP6,
  SF_ON_INTERFACE,
  SF_TUNED,
} from "./session-table.js";

/** Most bytes of a datagram over IPv4: 65535 less the headers. */
export const MAX_DATAGRAM4_BYTES = 65507;
/** Most bytes of a datagram over IPv6: the payload length counts the UDP header (RFC 8200 3). */
export const MAX_DATAGRAM6_BYTES = 65527;
/** Longest datagram over DTLS: that of a record (RFC 6347 4.1), in which there is at least a byte. */
const MAX_DTLS_BYTES = 16_384;

/** Whether a session of a transport may send a datagram of so many bytes. */
export function isDatagramLength(len: number, isIp6: boolean, proto: number): boolean {
  if (proto === TRANSPORT_DTLS) return len > 0 && len <= MAX_DTLS_BYTES;
  return len >= 0 && len <= (isIp6 ? MAX_DATAGRAM6_BYTES : MAX_DATAGRAM4_BYTES);
}
/** Spans that {@link SessionIo.peek} shows at most. */
const MAX_SPANS = 16;

/** Whether something is an array of bytes, of whatever realm. */
function isBytes(value: Uint8Array | undefined): boolean {
  return value?.BYTES_PER_ELEMENT === 1;
}

/** Looks at lent bytes [offset, offset + length) of the window; returns how many it is done with. Must not keep them. */
export type PeekCallback = (u8: Uint8Array, offset: number, length: number) => number;

/**
 * Reading and writing sessions: what applications do between callbacks. Nothing here allocates or throws; a negative
 * result is a session error.
 */
export class SessionIo {
  /** Of the datagram read last. */
  readonly datagram = noDatagram();
  readonly #layer: SessionLayer;
  readonly #window: MemoryWindow;
  readonly #fifos: FifoTable;
  readonly #table: SessionTable;
  readonly #header: Offset;
  readonly #spans = new Int32Array(2 * MAX_SPANS);
  /** The datagram that was written last is in its fifo: one of no bytes, too. */
  #isTaken = false;

  /** Reserves a line of scratch. Throws RangeError when the window is full. */
  constructor(layer: SessionLayer) {
    this.#layer = layer;
    this.#window = layer.window;
    this.#fifos = layer.fifos;
    this.#table = layer.table;
    this.#header = layer.window.reserve("datagram header", DGRAM_HEADER_BYTES);
  }

  /** The rx fifo while the application may read, else 0. */
  #rx(s: SessionIndex): number {
    if (!this.#table.isUsed(s)) return 0;
    const { i32 } = this.#window;
    const r = this.#table.row(s);
    return (i32[r + S_FLAGS] & SF_APP_CLOSED) !== 0 ? 0 : i32[r + S_RX_FIFO];
  }

  #dequeued(s: SessionIndex): void {
    const { i32 } = this.#window;
    const r = this.#table.row(s);
    if ((i32[r + S_FLAGS] & SF_TUNED) !== 0) this.#layer.tuneRead(s);
    const c = i32[r + S_CONNECTION];
    if (c >= 0) this.#layer.transports[i32[r + S_PROTO]]?.rxDequeued(c);
  }

  #wantTransmit(s: SessionIndex): void {
    const { i32 } = this.#window;
    const r = this.#table.row(s);
    this.#layer.wantTransmit(i32[r + S_PROTO], i32[r + S_CONNECTION]);
  }

  /** Bytes that can be read now; of datagram sessions with their headers. */
  readableBytes(s: SessionIndex): number {
    const rx = this.#rx(s);
    return rx === 0 ? 0 : this.#fifos.maxDequeue(rx);
  }

  /** Bytes that can be written now as far as the fifo's size goes. */
  writableBytes(s: SessionIndex): number {
    if (!this.#layer.isWritable(s)) return 0;
    return this.#fifos.maxEnqueue(this.#window.i32[this.#table.row(s) + S_TX_FIFO]);
  }

  /** Bytes written that are not sent, or of TCP not acknowledged. */
  queuedBytes(s: SessionIndex): number {
    if (!this.#table.isUsed(s)) return 0;
    const tx = this.#window.i32[this.#table.row(s) + S_TX_FIFO];
    return tx === 0 ? 0 : this.#fifos.maxDequeue(tx);
  }

  /** Reads up to `len` bytes to `dst[at...]`; 0 when there are none, NOSESSION after close, INVALID for no array. */
  read(s: SessionIndex, dst: Uint8Array, at: number, len: number): number {
    const rx = this.#rx(s);
    if (rx === 0) return SESSION_E_NOSESSION;
    if (!isBytes(dst)) return SESSION_E_INVALID;
    const n = this.#fifos.read(rx, dst, at, len);
    if (n > 0) this.#dequeued(s);
    return n;
  }

  /** Writes up to `len` bytes; fewer when the fifo fills up (tx follows), NOSESSION after halfClose, close or the end. */
  write(s: SessionIndex, src: Uint8Array, from: number, len: number): number {
    if (!this.#layer.isWritable(s)) return SESSION_E_NOSESSION;
    if (!isBytes(src)) return SESSION_E_INVALID;
    const there = src.length - from;
    const all = len < there ? len : there;
    const n = this.#fifos.write(this.#window.i32[this.#table.row(s) + S_TX_FIFO], src, from, all);
    if (n > 0) this.#wantTransmit(s);
    if (n < all) this.#layer.wantTx(s);
    return n;
  }

  /** Writes as {@link write}; what is queued then is urgent, up to its end (RFC 9293 3.8.5). NOSUPPORT for datagrams. */
  writeUrgent(s: SessionIndex, src: Uint8Array, from: number, len: number): number {
    if (!this.#layer.isWritable(s)) return SESSION_E_NOSESSION;
    const { i32 } = this.#window;
    const r = this.#table.row(s);
    const transport = this.#layer.transports[i32[r + S_PROTO]];
    if (transport === undefined || transport.isDatagram) return SESSION_E_NOSUPPORT;
    const n = this.write(s, src, from, len);
    if (n > 0) transport.markUrgent(i32[r + S_CONNECTION]);
    return n;
  }

  /**
   * Lends the unread bytes where they lie, piece by piece, until the callback is done with less than a whole piece.
   * Returns how many bytes were consumed; they are dropped.
   */
  peek(s: SessionIndex, callback: PeekCallback): number {
    const rx = this.#rx(s);
    if (rx === 0) return SESSION_E_NOSESSION;
    if (typeof callback !== "function") return SESSION_E_INVALID;
    const { u8 } = this.#window;
    const spans = this.#spans;
    const count = this.#fifos.spans(rx, 0, this.#fifos.maxDequeue(rx), spans, MAX_SPANS);
    let consumed = 0;
    for (let i = 0; i < count; i++) {
      const length = spans[2 * i + 1];
      const n = callback(u8, spans[2 * i], length);
      if (n > 0) consumed += n < length ? n : length;
      if (!(n >= length)) break;
    }
    return consumed > 0 ? this.drop(s, consumed) : 0;
  }

  /** Drops up to `n` unread bytes. Returns how many. */
  drop(s: SessionIndex, n: number): number {
    const rx = this.#rx(s);
    if (rx === 0) return SESSION_E_NOSESSION;
    const dropped = this.#fifos.drop(rx, n);
    if (dropped > 0) this.#dequeued(s);
    return dropped;
  }

  // ---- Datagrams ----

  /**
   * Reads the first datagram to `dst[at...]`, at most `len` bytes: the rest of it is lost. {@link datagram} says whose it
   * is. Returns its bytes, -1 when there is none, NOSESSION after close.
   */
  readDatagram(s: SessionIndex, dst: Uint8Array, at: number, len: number): number {
    const rx = this.#rx(s);
    if (rx === 0) return SESSION_E_NOSESSION;
    if (!isBytes(dst)) return SESSION_E_INVALID;
    const n = this.#take(rx, dst, at, len, this.datagram);
    if (n >= 0) this.#dequeued(s);
    return n;
  }

  /** Reads datagrams into a batch, as many as there are and it takes. Returns how many, NOSESSION after close. */
  readDatagrams(s: SessionIndex, batch: DatagramBatch): number {
    const rx = this.#rx(s);
    if (rx === 0) return SESSION_E_NOSESSION;
    if (!(batch instanceof DatagramBatch)) return SESSION_E_INVALID;
    const count = batch.fill((dst, at, len, info) => this.#take(rx, dst, at, len, info));
    if (count > 0) this.#dequeued(s);
    return count;
  }

  #take(rx: number, dst: Uint8Array, at: number, len: number, info: DatagramInfo): number {
    const header = this.#header;
    const n = readDatagram(this.#fifos, this.#window, rx, header, dst, at, len);
    if (n < 0) return -1;
    const { dv, i32 } = this.#window;
    readDatagramHeader(dv, header, info);
    info.length = i32[(header + DGRAM_DATA_LENGTH) >> 2];
    return n;
  }

  /**
   * Writes one datagram, all of it or nothing. A listener's goes to `remote` (big-endian words) and `remotePort`, from
   * `local` when given, else from its own address or the one that routing chooses; a connected session's goes to its peer.
   * Returns `len`; 0 when there is no room (tx follows); INVALID when it is too large, has no destination, or no such DSCP;
   * NOIP when the namespace's interface has no address; NOSESSION.
   */
  writeDatagram(
    s: SessionIndex,
    src: Uint8Array,
    from: number,
    len: number,
    dscp = SESSION_DSCP,
    remote?: Int32Array,
    remotePort = 0,
    local?: Int32Array,
  ): number {
    if (!this.#layer.isWritable(s)) return SESSION_E_NOSESSION;
    if (!isBytes(src)) return SESSION_E_INVALID;
    const n = this.#put(s, src, from, len, dscp, remote, remotePort, local);
    if (n >= 0 && this.#isTaken) this.#wantTransmit(s);
    return n;
  }

  /**
   * Writes the datagrams of a batch from number `from` on, each as {@link writeDatagram}. Returns how many were taken; fewer
   * when there is no room (tx follows), or one cannot be sent. When that is the first one, its error.
   */
  writeDatagrams(s: SessionIndex, batch: DatagramBatch, from: number): number {
    if (!this.#layer.isWritable(s)) return SESSION_E_NOSESSION;
    if (!(batch instanceof DatagramBatch)) return SESSION_E_INVALID;
    const count = batch.drain(from, (src, at, len, dscp, { remote, remotePort, local }) => {
      const n = this.#put(s, src, at, len, dscp, remote, remotePort, local);
      return n < 0 ? n : Number(this.#isTaken);
    });
    if (count > 0) this.#wantTransmit(s);
    return count;
  }

  #put(
    s: SessionIndex,
    src: Uint8Array,
    from: number,
    len: number,
    dscp: number,
    remote: Int32Array | undefined,
    remotePort: number,
    local: Int32Array | undefined,
  ): number {
    const { i32, dv } = this.#window;
    const r = this.#table.row(s);
    const flags = i32[r + S_FLAGS];
    const isIp6 = (flags & SF_IP6) !== 0;
    const isListener = i32[r + S_STATE] === SESSION_LISTENING;
    this.#isTaken = false;
    if ((flags & SF_DATAGRAM) === 0 || !isDatagramLength(len, isIp6, i32[r + S_PROTO])) return SESSION_E_INVALID;
    if (isListener && (remote === undefined || !(remotePort > 0 && remotePort <= 65535))) return SESSION_E_INVALID;
    if (!isDscp(dscp)) return SESSION_E_INVALID;
    const header = this.#header;
    // A connected session's addresses are its connection's.
    if (!isListener) writeDatagramHeader(dv, header, isIp6, undefined, 0, undefined, dscp);
    else {
      let source = local;
      if ((flags & SF_ON_INTERFACE) !== 0 && remote !== undefined) {
        source = this.#layer.listeners.sourceOn(s, remote, local);
        if (source === undefined) return SESSION_E_NOIP;
      }
      writeDatagramHeader(dv, header, isIp6, remote, remotePort, source, dscp);
    }
    const tx = i32[r + S_TX_FIFO];
    if (len + DGRAM_HEADER_BYTES > this.#fifos.capBytes(tx) || !(from >= 0 && from + len <= src.length)) {
      return SESSION_E_INVALID;
    }
    this.#isTaken = writeDatagram(this.#fifos, this.#window, tx, header, src, from, len);
    if (this.#isTaken) return len;
    this.#layer.wantTx(s);
    return 0;
  }
}
