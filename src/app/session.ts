import { formatAddress, type IpAddress, tryParseAddress } from "../ip/address.js";
import type { SessionHandle } from "../session/session-handle.js";
import type { DatagramBatch } from "../session/datagram-batch.js";
import type { DatagramInfo } from "../session/datagram-header.js";
import type { PeekCallback } from "../session/session-io.js";
import type { TlsInfo } from "../transport/tls/engine.js";
import type { ConnectionAttribute, Endpoint, SessionIndex } from "../transport/transport.js";

/** One end of a session as applications see it. */
export interface SessionAddress {
  readonly address: string;
  readonly port: number;
  readonly family: 4 | 6;
}

/** An endpoint with its address as text. */
export function addressOf({ family, address, port }: Endpoint): SessionAddress {
  return { address: formatAddress({ family, words: address }), port, family };
}

/** Where a datagram is to go, and from where, as words; undefined when one is no address, or they are of two families. */
export function sendAddresses(
  address: string | IpAddress,
  from: string | IpAddress | undefined,
): { readonly to: Int32Array; readonly source: Int32Array | undefined } | undefined {
  const to = typeof address === "string" ? tryParseAddress(address) : address;
  const source = typeof from === "string" ? tryParseAddress(from) : from;
  if (to === undefined || (from !== undefined && source?.family !== to.family)) return undefined;
  return { to: to.words, source: source?.words };
}

/** What is there at once in the stack's process, and promised in another one: `await` takes both. Never rejects. */
export type Answer<T> = T | Promise<T>;

/** What the transport counts and knows of a connection. */
export type SessionStatistics = Readonly<Record<string, number>>;

/** How to send one datagram of a listener. */
export interface SendOptions {
  /** Its DSCP, 0 to 63; default: the session's. */
  readonly dscp?: number;
  /**
   * Where from: an address of the host, or, of a table with an interface in spoofing mode, any host's. What is neither is as
   * if it was not given: as bound, or as routing chooses.
   */
  readonly from?: string | IpAddress;
}

/**
 * A session in an application's hands: reading and writing are immediate, and return a count or a negative session error
 * (write after close: NOSESSION). It is a name for a row: when the session has gone (cleanup), every call says so.
 */
export interface Session {
  /** The application's own. */
  data: unknown;
  /** The session's row; -1 once it has gone. */
  readonly index: SessionIndex;
  /** The session's name for good; -1 once it has gone. */
  readonly handle: SessionHandle;
  /** VPP's name of the state; `gone` once it has gone. */
  readonly state: string;
  /** The local end; undefined once the transport has gone. */
  readonly local: SessionAddress | undefined;
  /** The remote end; undefined once the transport has gone. */
  readonly remote: SessionAddress | undefined;
  /** Bytes that can be read now (datagram sessions: headers counted). */
  readonly readableBytes: number;
  /** Bytes that can be written now. */
  readonly writableBytes: number;
  /** Bytes written that have not been sent, or for TCP not been acknowledged. */
  readonly queuedBytes: number;

  /** Reads up to `len` bytes to `dst[at...]`; 0 when there are none. */
  read(dst: Uint8Array, at?: number, len?: number): number;
  /** Writes up to `len` bytes of `src[from...]`; after fewer, `tx` tells of room. */
  write(src: Uint8Array, from?: number, len?: number): number;
  /** Writes as {@link write}, as urgent data: the peer is told where it ends. It stays in the stream, in order. */
  writeUrgent(src: Uint8Array, from?: number, len?: number): number;
  /** Lends unread bytes where they lie, piece by piece; the callback returns how many it is done with. */
  peek(callback: PeekCallback): number;
  /** Drops up to `n` unread bytes. */
  drop(n: number): number;

  /** An attribute of the connection, or a negative session error. A listener's is that of connections to come. */
  attribute(name: ConnectionAttribute): Answer<number>;
  /** Sets an attribute of the connection. 0 or a negative session error: INVALID for a value out of range. */
  setAttribute(name: ConnectionAttribute, value: number): Answer<number>;
  /** Counters and variables of the connection, for TCP by the names of RFC 4898; undefined once it has gone. */
  statistics(): Answer<SessionStatistics | undefined>;
  /** Of tls://: version, cipher, protocol, the peer's certificate; undefined for others. In another process one of 6 KiB at most, and no OCSP response. */
  tlsInfo(): TlsInfo | undefined;

  /** Whose the datagram was that was read last by any session of the application's process: read it before the next. */
  readonly datagram: DatagramInfo;
  /** Reads one datagram, cut to `len` bytes; -1 when there is none. {@link datagram} tells who sent it. */
  readDatagram(dst: Uint8Array, at?: number, len?: number): number;
  /**
   * Writes one datagram to the peer of a connected session; 0 when there is no room. Here and in what follows `dscp` (0 to 63)
   * is that of this datagram alone; -1: the session's.
   */
  writeDatagram(src: Uint8Array, from?: number, len?: number, dscp?: number): number;
  /** Answers the datagram that was read last, from the address it came to. */
  reply(src: Uint8Array, from?: number, len?: number, dscp?: number): number;
  /** Writes one datagram of a listener to any address; undefined when an address is none. */
  sendTo(src: Uint8Array, address: string | IpAddress, port: number, options?: SendOptions): number | undefined;
  /** Reads datagrams into a batch, as many as there are and it takes. Returns how many, or a negative session error. */
  readDatagrams(batch: DatagramBatch): number;
  /**
   * Writes the datagrams of a batch from number `from` (0) on: a listener's go to the `remote` of each, from its `local`.
   * Returns how many were taken, fewer when there is no room (tx follows); a negative session error when the first one
   * cannot be sent.
   */
  writeDatagrams(batch: DatagramBatch, from?: number): number;

  /** Ends the writing direction, after what is written. 0 or a negative session error. */
  halfClose(): number;
  /** Closes both directions, after what is written; unread data makes it a reset. 0 or a negative session error. */
  close(): number;
  /** Ends the session at once. 0 or a negative session error. */
  reset(): number;
}
