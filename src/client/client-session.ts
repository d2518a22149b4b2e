import { IO_RX_DEQUEUED, IO_TX } from "../app/messages/io-events.js";
import type { SessionFields } from "../app/messages/message-table.js";
import {
  addressOf,
  type Answer,
  sendAddresses,
  type SendOptions,
  type Session,
  type SessionAddress,
  type SessionStatistics,
} from "../app/session.js";
import type { IpAddress } from "../ip/address.js";
import { DGRAM_DATA_LENGTH } from "../mem/fifo-datagram.js";
import type { RemoteRxFifo, RemoteTxFifo } from "../mem/fifo-remote.js";
import { readRemoteDatagram, remoteDatagramBytes, writeRemoteDatagram } from "../mem/fifo-remote-datagram.js";
import { DatagramBatch } from "../session/datagram-batch.js";
import {
  type DatagramInfo,
  isDscp,
  readDatagramHeader,
  SESSION_DSCP,
  writeDatagramHeader,
} from "../session/datagram-header.js";
import {
  SESSION_E_INVALID,
  SESSION_E_NOSESSION,
  SESSION_E_NOSUPPORT,
  type SessionErrorValue,
} from "../session/session-errors.js";
import { handleIndex, type SessionHandle } from "../session/session-handle.js";
import { isDatagramLength, type PeekCallback } from "../session/session-io.js";
import type { TlsInfo } from "../transport/tls/engine.js";
import {
  type ConnectionAttribute,
  type Endpoint,
  type SessionIndex,
  TRANSPORT_DTLS,
  TRANSPORT_UDP,
} from "../transport/transport.js";
import type { ClientIo } from "./client-io.js";

/** As a length: to the end of the array. */
const ALL = 0x7fff_ffff;
/** Pieces that {@link ClientSession.peek} shows at most. */
const MAX_PIECES = 16;

function isBytes(value: Uint8Array | undefined): boolean {
  return value?.BYTES_PER_ELEMENT === 1;
}

function lengthOf(src: Uint8Array | undefined): number {
  return src?.length ?? 0;
}

/** A session of an application in its own process: bytes go through fifos in shared memory, all else by messages. */
export class ClientSession implements Session {
  data: unknown = undefined;
  readonly isListener: boolean;
  readonly #io: ClientIo;
  /** One of the fifos is spoilt: by who has it in common with us, or by this process itself. */
  readonly #spoilt: (session: ClientSession) => void;
  readonly #proto: number;
  readonly #isDatagram: boolean;
  /** The datagram that was put last is in the fifo: one of no bytes, too. */
  #isTaken = false;
  readonly #tlsInfo: TlsInfo | undefined;
  readonly #local: Endpoint | undefined;
  readonly #remote: Endpoint | undefined;
  #index: SessionIndex;
  #handle: SessionHandle;
  #state: string;
  readonly #rx: RemoteRxFifo | undefined;
  readonly #tx: RemoteTxFifo | undefined;
  #isReadable: boolean;
  #isWritable: boolean;
  #isKnown = true;
  /** Where the peer's urgent data ends. */
  #urgentEnd: number | undefined;
  /** Ended by the application or by a reset: of what comes in it hears no more. */
  #isClosed = false;

  /** Throws RangeError when the fields cannot be. */
  constructor(
    io: ClientIo,
    fields: SessionFields,
    isListener: boolean,
    spoilt: (session: ClientSession) => void,
    tlsInfo?: TlsInfo,
  ) {
    this.#io = io;
    this.#tlsInfo = tlsInfo;
    this.#spoilt = spoilt;
    this.isListener = isListener;
    this.#handle = fields.handle;
    this.#index = handleIndex(fields.handle);
    this.#proto = fields.proto;
    this.#isDatagram = fields.proto === TRANSPORT_UDP || fields.proto === TRANSPORT_DTLS;
    this.#local = fields.local;
    this.#remote = fields.remote;
    this.#state = isListener ? "listening" : "ready";
    this.#rx = io.memory.rx(fields.rxMirror, fields.rxSegment);
    this.#tx = io.memory.tx(fields.txMirror, fields.txSegment);
    this.#isReadable = this.#rx !== undefined;
    this.#isWritable = this.#tx !== undefined;
  }

  get index(): SessionIndex {
    return this.#index;
  }

  get handle(): SessionHandle {
    return this.#index < 0 ? -1 : this.#handle;
  }

  get state(): string {
    return this.#state;
  }

  get local(): SessionAddress | undefined {
    return this.#index < 0 || this.#local === undefined ? undefined : addressOf(this.#local);
  }

  get remote(): SessionAddress | undefined {
    return this.#index < 0 || this.#remote === undefined ? undefined : addressOf(this.#remote);
  }

  // ---- Reading ----

  get readableBytes(): number {
    return this.#rx === undefined || !this.#isReadable ? 0 : this.#rx.readableBytes;
  }

  read(dst: Uint8Array, at = 0, len = ALL): number {
    const rx = this.#rx;
    if (rx === undefined || !this.#isReadable) return SESSION_E_NOSESSION;
    if (!isBytes(dst)) return SESSION_E_INVALID;
    const n = rx.read(this.#io.window, dst, at, len);
    if (n > 0 || rx.isSpoilt) this.#dequeued(rx);
    return n;
  }

  peek(callback: PeekCallback): number {
    const rx = this.#rx;
    if (rx === undefined || !this.#isReadable) return SESSION_E_NOSESSION;
    if (typeof callback !== "function") return SESSION_E_INVALID;
    const { u8 } = this.#io.window;
    let consumed = 0;
    // The callback may end the session, or the link.
    for (let i = 0; i < MAX_PIECES && this.#isReadable; i++) {
      const length = rx.lend();
      if (length === 0) break;
      const n = callback(u8, rx.offset, length);
      if (n > 0 && this.#isReadable) consumed += rx.drop(n);
      if (!(n >= length)) break;
    }
    if ((consumed > 0 || rx.isSpoilt) && this.#isReadable) this.#dequeued(rx);
    return consumed;
  }

  drop(n: number): number {
    const rx = this.#rx;
    if (rx === undefined || !this.#isReadable) return SESSION_E_NOSESSION;
    const dropped = rx.drop(n);
    if (dropped > 0 || rx.isSpoilt) this.#dequeued(rx);
    return dropped;
  }

  #dequeued(rx: RemoteRxFifo): void {
    if (rx.isSpoilt) this.#spoilt(this);
    const before = rx.movedBytes;
    const isWanted = rx.publish();
    this.#io.readBytes += rx.movedBytes - before;
    if (isWanted) this.#io.event(IO_RX_DEQUEUED, this.#index);
  }

  // ---- Writing ----

  get writableBytes(): number {
    return this.#tx === undefined || !this.#isWritable ? 0 : this.#tx.writableBytes;
  }

  get queuedBytes(): number {
    return this.#tx === undefined || this.#index < 0 ? 0 : this.#tx.queuedBytes;
  }

  write(src: Uint8Array, from = 0, len = ALL): number {
    const tx = this.#tx;
    if (tx === undefined || !this.#isWritable) return SESSION_E_NOSESSION;
    if (!isBytes(src)) return SESSION_E_INVALID;
    const there = src.length - from;
    const all = len < there ? len : there;
    const n = tx.write(this.#io.window, src, from, all);
    if (n > 0) this.#enqueued(tx);
    return n < all ? this.#writeRest(tx, src, from, n, all) : n;
  }

  /** Asks to be told of room; what came to be free before that is used at once. */
  #writeRest(tx: RemoteTxFifo, src: Uint8Array, from: number, done: number, all: number): number {
    let n = done;
    while (n < all && (tx.wantRoom(tx.capBytes >> 2) || tx.writableBytes > 0)) {
      const more = tx.write(this.#io.window, src, from + n, all - n);
      if (more === 0) break;
      n += more;
      this.#enqueued(tx);
    }
    // The wish came after what the stack has looked at, perhaps: it is to look again.
    if (n < all) this.#enqueued(tx);
    return n;
  }

  #enqueued(tx: RemoteTxFifo): void {
    if (tx.isSpoilt) this.#spoilt(this);
    const before = tx.movedBytes;
    const isFirst = tx.publish();
    this.#io.writtenBytes += tx.movedBytes - before;
    if (isFirst) this.#io.event(IO_TX, this.#index);
  }

  writeUrgent(src: Uint8Array, from = 0, len = ALL): number {
    if (this.#tx === undefined || !this.#isWritable) return SESSION_E_NOSESSION;
    if (this.#isDatagram) return SESSION_E_NOSUPPORT;
    const n = this.write(src, from, len);
    if (n > 0) this.#io.say({ type: "TX_URGENT", handle: this.#handle, end: this.#tx.end });
    return n;
  }

  // ---- Datagrams ----

  get datagram(): DatagramInfo {
    return this.#io.datagram;
  }

  readDatagram(dst: Uint8Array, at = 0, len = ALL): number {
    const rx = this.#rx;
    if (rx === undefined || !this.#isReadable) return SESSION_E_NOSESSION;
    if (!isBytes(dst)) return SESSION_E_INVALID;
    const before = rx.readableBytes;
    const n = this.#take(rx, dst, at, len, this.#io.datagram);
    if (before > 0) this.#dequeued(rx);
    return n;
  }

  readDatagrams(batch: DatagramBatch): number {
    const rx = this.#rx;
    if (rx === undefined || !this.#isReadable) return SESSION_E_NOSESSION;
    if (!(batch instanceof DatagramBatch)) return SESSION_E_INVALID;
    const before = rx.readableBytes;
    const count = batch.fill((dst, at, len, info) => this.#take(rx, dst, at, len, info));
    if (before > 0) this.#dequeued(rx);
    return count;
  }

  #take(rx: RemoteRxFifo, dst: Uint8Array, at: number, len: number, info: DatagramInfo): number {
    const { window, header } = this.#io;
    const n = readRemoteDatagram(window, rx, header, dst, at, len);
    if (n < 0) return -1;
    readDatagramHeader(header.dv, 0, info);
    info.length = header.words[DGRAM_DATA_LENGTH >> 2];
    return n;
  }

  writeDatagram(src: Uint8Array, from = 0, len = lengthOf(src) - from, dscp = SESSION_DSCP): number {
    return this.#writeDatagram(src, from, len, dscp, undefined, 0, undefined);
  }

  reply(src: Uint8Array, from = 0, len = lengthOf(src) - from, dscp = SESSION_DSCP): number {
    const { remote, remotePort, local } = this.#io.datagram;
    return this.#writeDatagram(src, from, len, dscp, remote, remotePort, local);
  }

  sendTo(src: Uint8Array, address: string | IpAddress, port: number, options: SendOptions = {}): number | undefined {
    const ends = sendAddresses(address, options.from);
    if (ends === undefined) return undefined;
    return this.#writeDatagram(src, 0, lengthOf(src), options.dscp ?? SESSION_DSCP, ends.to, port, ends.source);
  }

  writeDatagrams(batch: DatagramBatch, from = 0): number {
    const tx = this.#tx;
    if (tx === undefined || !this.#isWritable) return SESSION_E_NOSESSION;
    if (!(batch instanceof DatagramBatch)) return SESSION_E_INVALID;
    const count = batch.drain(from, (src, at, len, dscp, { remote, remotePort, local }) => {
      const n = this.#put(tx, src, at, len, dscp, remote, remotePort, local);
      return n < 0 ? n : Number(this.#isTaken);
    });
    // Without room, too: see #writeDatagram.
    if (count >= 0) this.#enqueued(tx);
    return count;
  }

  #writeDatagram(
    src: Uint8Array,
    from: number,
    len: number,
    dscp: number,
    remote: Int32Array | undefined,
    remotePort: number,
    local: Int32Array | undefined,
  ): number {
    const tx = this.#tx;
    if (tx === undefined || !this.#isWritable) return SESSION_E_NOSESSION;
    if (!isBytes(src) || !this.#isDatagram) return SESSION_E_INVALID;
    const n = this.#put(tx, src, from, len, dscp, remote, remotePort, local);
    // Without room, too: the stack lends as much when it looks; without memory for it, it tells of what there is in a while.
    if (n >= 0) this.#enqueued(tx);
    return n;
  }

  /** Puts a datagram into the tx fifo, or nothing: {@link #isTaken}. The stack hears of it by {@link #enqueued}. */
  #put(
    tx: RemoteTxFifo,
    src: Uint8Array,
    from: number,
    len: number,
    dscp: number,
    remote: Int32Array | undefined,
    remotePort: number,
    local: Int32Array | undefined,
  ): number {
    this.#isTaken = false;
    const isIp6 = (this.#local ?? this.#remote)?.family === 6;
    const bytes = remoteDatagramBytes(len);
    if (!this.#isDatagram || !isDatagramLength(len, isIp6, this.#proto)) return SESSION_E_INVALID;
    if (!(bytes <= tx.capBytes)) return SESSION_E_INVALID;
    if (!(from >= 0 && from + len <= src.length) || !isDscp(dscp)) return SESSION_E_INVALID;
    if (this.isListener && (remote === undefined || !(remotePort > 0 && remotePort <= 65535))) return SESSION_E_INVALID;
    const { window, header } = this.#io;
    // A connected session's addresses are its connection's.
    if (this.isListener) writeDatagramHeader(header.dv, 0, isIp6, remote, remotePort, local, dscp);
    else writeDatagramHeader(header.dv, 0, isIp6, undefined, 0, undefined, dscp);
    this.#isTaken =
      (tx.writableBytes >= bytes || tx.wantRoom(bytes)) && writeRemoteDatagram(window, tx, header, src, from, len);
    return this.#isTaken ? len : 0;
  }

  // ---- Attributes ----

  attribute(name: ConnectionAttribute): Answer<number> {
    if (this.#index < 0) return SESSION_E_NOSESSION;
    // How far it is changes with every read: the end is what the stack has told.
    if (name === "urgentBytes" && this.#rx !== undefined && !this.#isDatagram) {
      return this.#urgentEnd === undefined ? 0 : this.#rx.bytesUpTo(this.#urgentEnd);
    }
    return this.#io.value(
      { type: "TRANSPORT_ATTR", handle: this.#handle, attribute: name, isSet: false, value: 0 },
      "TRANSPORT_ATTR_REPLY",
      (reply, error) => reply?.value ?? error,
    );
  }

  setAttribute(name: ConnectionAttribute, value: number): Answer<number> {
    if (this.#index < 0) return SESSION_E_NOSESSION;
    return this.#io.value(
      { type: "TRANSPORT_ATTR", handle: this.#handle, attribute: name, isSet: true, value },
      "TRANSPORT_ATTR_REPLY",
      (_reply, error) => error,
    );
  }

  tlsInfo(): TlsInfo | undefined {
    return this.#index < 0 ? undefined : this.#tlsInfo;
  }

  statistics(): Answer<SessionStatistics | undefined> {
    if (this.#index < 0) return undefined;
    return this.#io.value({ type: "STATISTICS", handle: this.#handle }, "STATISTICS_REPLY", (reply) =>
      reply === undefined ? undefined : statisticsOf(reply.json),
    );
  }

  // ---- Ending ----

  halfClose(): SessionErrorValue {
    if (!this.#isWritable) return SESSION_E_NOSESSION;
    if (this.#isDatagram) return SESSION_E_NOSUPPORT;
    this.#isWritable = false;
    this.#io.say({ type: "SHUTDOWN", handle: this.#handle });
    return 0;
  }

  close(): SessionErrorValue {
    if (this.#index < 0) return SESSION_E_NOSESSION;
    if (this.isListener) this.#unlisten();
    else if (!this.#isClosed) {
      this.#state = this.#state === "transport-closed" ? "closed" : "app-closed";
      this.#end();
      this.#io.say({ type: "DISCONNECT", handle: this.#handle });
    }
    return 0;
  }

  reset(): SessionErrorValue {
    const isOver = this.isListener || ["transport-closed", "closed", "transport-deleted"].includes(this.#state);
    if (this.#index < 0 || isOver) return this.close();
    this.#state = "closed";
    this.#end();
    this.#io.say({ type: "TERMINATE", handle: this.#handle });
    return 0;
  }

  #end(): void {
    this.#isClosed = true;
    this.#isReadable = this.#isWritable = false;
  }

  /** As a listener's own close, whose reply the worker hears. */
  #unlisten(): void {
    this.#end();
    this.#io.ask({ type: "UNLISTEN", handle: this.#handle }, "UNLISTEN_REPLY", () => undefined);
  }

  // ---- What the stack tells; true: so the application is to hear it ----

  /** What the stack calls it, also when it has gone. */
  get wireHandle(): SessionHandle {
    return this.#handle;
  }

  /** The application hears of it: it was not refused. */
  get isKnown(): boolean {
    return this.#isKnown;
  }

  /** The application does not want it. */
  refuse(): void {
    this.#isKnown = false;
    this.forget("gone");
  }

  /** Something came in. */
  received(): boolean {
    this.#rx?.takeEvent();
    return this.#isReadable;
  }

  /** Whether a notice of room is for anybody. */
  get isWritable(): boolean {
    return this.#isWritable;
  }

  /** The peer's urgent data ends there. */
  urgent(end: number): boolean {
    this.#urgentEnd = end;
    return this.#isReadable;
  }

  /** Whether it is still open at this end. */
  get isOpen(): boolean {
    return !this.#isClosed;
  }

  /** The peer sends no more. */
  disconnected(): boolean {
    if (this.#state === "ready") this.#state = "transport-closing";
    return !this.#isClosed;
  }

  /** The connection was reset: the stack closes the session. */
  wasReset(): boolean {
    const wasOpen = !this.#isClosed;
    this.#state = "transport-closed";
    this.#end();
    return wasOpen;
  }

  /** Both ends are closed. */
  transportClosed(): void {
    this.#state = this.#isClosed ? "closed" : "transport-closed";
  }

  /** The transport's part has gone. */
  transportDeleted(): void {
    this.#state = "transport-deleted";
  }

  /** It has another handle from now on. */
  moved(handle: SessionHandle): void {
    this.#handle = handle;
    this.#index = handleIndex(handle);
  }

  /** It has gone, or the stack has: `state` says which. */
  forget(state: "gone" | "detached"): void {
    this.#end();
    this.#index = -1;
    this.#state = state;
  }
}

/** Numbers by name, as they came from the stack. */
function statisticsOf(json: string): SessionStatistics | undefined {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value !== "object" || value === null) return undefined;
    return Object.fromEntries(Object.entries(value).filter(([, each]) => typeof each === "number"));
  } catch {
    return undefined;
  }
}
