import { sessionAttribute, sessionStatistics, setSessionAttribute } from "../session/attributes.js";
import type { SessionHandle } from "../session/session-handle.js";
import { SESSION_E_NOSESSION } from "../session/session-errors.js";
import type { DatagramInfo, PeekCallback } from "../session/session-io.js";
import { SESSION_STATE_NAMES, S_STATE } from "../session/session-table.js";
import { type IpAddress, formatAddress, tryParseAddress } from "../ip/address.js";
import type { ConnectionAttribute, Endpoint, SessionIndex } from "../transport/transport.js";
import type { AppContext } from "./context.js";

/** One end of a session as applications see it. */
export interface SessionAddress {
  readonly address: string;
  readonly port: number;
  readonly family: 4 | 6;
}

/** As a length: to the end of the array. */
const ALL = 0x7fff_ffff;

/** Bytes of an array that may be none, which is refused later. */
function lengthOf(src: Uint8Array | undefined): number {
  return src?.length ?? 0;
}

/** An endpoint with its address as text. */
export function addressOf({ family, address, port }: Endpoint): SessionAddress {
  return { address: formatAddress({ family, words: address }), port, family };
}

/**
 * A session in an application's hands: reading and writing are immediate, and return a count or a negative session error
 * (write after close: NOSESSION). It is a name for a row: when the session has gone (cleanup), every call says so.
 */
export class Session {
  /** The application's own. */
  data: unknown = undefined;
  readonly #context: AppContext;
  #index: SessionIndex;

  /** Made by accept, connect and listen. */
  constructor(context: AppContext, index: SessionIndex) {
    this.#context = context;
    this.#index = index;
  }

  /** The session's row; -1 once it has gone. */
  get index(): SessionIndex {
    return this.#index;
  }

  /** Forgets the row, which is about to be another's. */
  invalidate(): void {
    this.#index = -1;
  }

  /** The session's name for good; -1 once it has gone. */
  get handle(): SessionHandle {
    const { table } = this.#context.sessions;
    return table.isUsed(this.#index) ? table.handle(this.#index) : -1;
  }

  /** VPP's name of the state; `gone` once it has gone. */
  get state(): string {
    const { table, window } = this.#context.sessions;
    if (!table.isUsed(this.#index)) return "gone";
    return SESSION_STATE_NAMES[window.i32[table.row(this.#index) + S_STATE]];
  }

  /** The local end; undefined once the transport has gone. */
  get local(): SessionAddress | undefined {
    const endpoint = this.#context.sessions.localEndpoint(this.#index);
    return endpoint === undefined ? undefined : addressOf(endpoint);
  }

  /** The remote end; undefined once the transport has gone. */
  get remote(): SessionAddress | undefined {
    const endpoint = this.#context.sessions.remoteEndpoint(this.#index);
    return endpoint === undefined ? undefined : addressOf(endpoint);
  }

  /** Bytes that can be read now (datagram sessions: headers counted). */
  get readableBytes(): number {
    return this.#context.io.readableBytes(this.#index);
  }

  /** Bytes that can be written now. */
  get writableBytes(): number {
    return this.#context.io.writableBytes(this.#index);
  }

  /** Bytes written that have not been sent, or for TCP not been acknowledged. */
  get queuedBytes(): number {
    return this.#context.io.queuedBytes(this.#index);
  }

  /** Reads up to `len` bytes to `dst[at...]`; 0 when there are none. */
  read(dst: Uint8Array, at = 0, len = ALL): number {
    return this.#context.io.read(this.#index, dst, at, len);
  }

  /** Writes up to `len` bytes of `src[from...]`; after fewer, `tx` tells of room. */
  write(src: Uint8Array, from = 0, len = ALL): number {
    return this.#context.io.write(this.#index, src, from, len);
  }

  /** Writes as {@link write}, as urgent data: the peer is told where it ends. It stays in the stream, in order. */
  writeUrgent(src: Uint8Array, from = 0, len = ALL): number {
    return this.#context.io.writeUrgent(this.#index, src, from, len);
  }

  /** An attribute of the connection, or a negative session error. A listener's is that of connections to come. */
  attribute(name: ConnectionAttribute): number {
    return sessionAttribute(this.#context.sessions, this.#index, name);
  }

  /** Sets an attribute of the connection. 0 or a negative session error: INVALID for a value out of range. */
  setAttribute(name: ConnectionAttribute, value: number): number {
    return setSessionAttribute(this.#context.sessions, this.#index, name, value);
  }

  /** Counters and variables of the connection, for TCP by the names of RFC 4898; undefined once it has gone. */
  statistics(): Readonly<Record<string, number>> | undefined {
    return sessionStatistics(this.#context.sessions, this.#index);
  }

  /** Lends unread bytes where they lie, piece by piece; the callback returns how many it is done with. */
  peek(callback: PeekCallback): number {
    return this.#context.io.peek(this.#index, callback);
  }

  /** Drops up to `n` unread bytes. */
  drop(n: number): number {
    return this.#context.io.drop(this.#index, n);
  }

  /** Whose the datagram was that was read last by any session of the stack: read it before the next. */
  get datagram(): DatagramInfo {
    return this.#context.io.datagram;
  }

  /** Reads one datagram, cut to `len` bytes; -1 when there is none. {@link datagram} tells who sent it. */
  readDatagram(dst: Uint8Array, at = 0, len = ALL): number {
    return this.#context.io.readDatagram(this.#index, dst, at, len);
  }

  /** Writes one datagram to the peer of a connected session; 0 when there is no room. */
  writeDatagram(src: Uint8Array, from = 0, len = lengthOf(src) - from): number {
    return this.#context.io.writeDatagram(this.#index, src, from, len);
  }

  /** Answers the datagram that was read last, from the address it came to. */
  reply(src: Uint8Array, from = 0, len = lengthOf(src) - from): number {
    const { remote, remotePort, local } = this.#context.io.datagram;
    return this.#context.io.writeDatagram(this.#index, src, from, len, remote, remotePort, local);
  }

  /** Writes one datagram of a listener to any address; undefined when `address` is none. */
  sendTo(src: Uint8Array, address: string | IpAddress, port: number): number | undefined {
    const to = typeof address === "string" ? tryParseAddress(address) : address;
    return to === undefined
      ? undefined
      : this.#context.io.writeDatagram(this.#index, src, 0, lengthOf(src), to.words, port);
  }

  /** Ends the writing direction, after what is written. 0 or a negative session error. */
  halfClose(): number {
    return this.#index < 0 ? SESSION_E_NOSESSION : this.#context.sessions.halfClose(this.#index);
  }

  /** Closes both directions, after what is written; unread data makes it a reset. 0 or a negative session error. */
  close(): number {
    return this.#index < 0 ? SESSION_E_NOSESSION : this.#context.sessions.close(this.#index);
  }

  /** Ends the session at once. 0 or a negative session error. */
  reset(): number {
    return this.#index < 0 ? SESSION_E_NOSESSION : this.#context.sessions.terminate(this.#index);
  }
}
