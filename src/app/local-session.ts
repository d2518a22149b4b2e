import { sessionAttribute, sessionStatistics, setSessionAttribute } from "../session/attributes.js";
import type { SessionHandle } from "../session/session-handle.js";
import { SESSION_E_NOSESSION } from "../session/session-errors.js";
import type { DatagramBatch } from "../session/datagram-batch.js";
import { type DatagramInfo, SESSION_DSCP } from "../session/datagram-header.js";
import type { PeekCallback } from "../session/session-io.js";
import { SESSION_STATE_NAMES, S_STATE } from "../session/session-table.js";
import type { IpAddress } from "../ip/address.js";
import type { TlsInfo } from "../transport/tls/engine.js";
import type { ConnectionAttribute, SessionIndex } from "../transport/transport.js";
import type { AppContext } from "./context.js";
import {
  addressOf,
  sendAddresses,
  type SendOptions,
  type Session,
  type SessionAddress,
  type SessionStatistics,
} from "./session.js";
import { tlsInfo } from "./tls-info.js";

/** As a length: to the end of the array. */
const ALL = 0x7fff_ffff;

/** Bytes of an array that may be none, which is refused later. */
function lengthOf(src: Uint8Array | undefined): number {
  return src?.length ?? 0;
}

/** A session of an application in the stack's process. */
export class LocalSession implements Session {
  data: unknown = undefined;
  readonly #context: AppContext;
  #index: SessionIndex;

  /** Made by accept, connect and listen. */
  constructor(context: AppContext, index: SessionIndex) {
    this.#context = context;
    this.#index = index;
  }

  get index(): SessionIndex {
    return this.#index;
  }

  /** Forgets the row, which is about to be another's. */
  invalidate(): void {
    this.#index = -1;
  }

  get handle(): SessionHandle {
    const { table } = this.#context.sessions;
    return table.isUsed(this.#index) ? table.handle(this.#index) : -1;
  }

  get state(): string {
    const { table, window } = this.#context.sessions;
    if (!table.isUsed(this.#index)) return "gone";
    return SESSION_STATE_NAMES[window.i32[table.row(this.#index) + S_STATE]];
  }

  get local(): SessionAddress | undefined {
    const endpoint = this.#context.sessions.localEndpoint(this.#index);
    return endpoint === undefined ? undefined : addressOf(endpoint);
  }

  get remote(): SessionAddress | undefined {
    const endpoint = this.#context.sessions.remoteEndpoint(this.#index);
    return endpoint === undefined ? undefined : addressOf(endpoint);
  }

  get readableBytes(): number {
    return this.#context.io.readableBytes(this.#index);
  }

  get writableBytes(): number {
    return this.#context.io.writableBytes(this.#index);
  }

  get queuedBytes(): number {
    return this.#context.io.queuedBytes(this.#index);
  }

  read(dst: Uint8Array, at = 0, len = ALL): number {
    return this.#context.io.read(this.#index, dst, at, len);
  }

  write(src: Uint8Array, from = 0, len = ALL): number {
    return this.#context.io.write(this.#index, src, from, len);
  }

  writeUrgent(src: Uint8Array, from = 0, len = ALL): number {
    return this.#context.io.writeUrgent(this.#index, src, from, len);
  }

  attribute(name: ConnectionAttribute): number {
    return sessionAttribute(this.#context.sessions, this.#index, name);
  }

  setAttribute(name: ConnectionAttribute, value: number): number {
    return setSessionAttribute(this.#context.sessions, this.#index, name, value);
  }

  statistics(): SessionStatistics | undefined {
    return sessionStatistics(this.#context.sessions, this.#index);
  }

  tlsInfo(): TlsInfo | undefined {
    return tlsInfo(this.#context.sessions, this.#index);
  }

  peek(callback: PeekCallback): number {
    return this.#context.io.peek(this.#index, callback);
  }

  drop(n: number): number {
    return this.#context.io.drop(this.#index, n);
  }

  get datagram(): DatagramInfo {
    return this.#context.io.datagram;
  }

  readDatagram(dst: Uint8Array, at = 0, len = ALL): number {
    return this.#context.io.readDatagram(this.#index, dst, at, len);
  }

  writeDatagram(src: Uint8Array, from = 0, len = lengthOf(src) - from, dscp = SESSION_DSCP): number {
    return this.#context.io.writeDatagram(this.#index, src, from, len, dscp);
  }

  reply(src: Uint8Array, from = 0, len = lengthOf(src) - from, dscp = SESSION_DSCP): number {
    const { remote, remotePort, local } = this.#context.io.datagram;
    return this.#context.io.writeDatagram(this.#index, src, from, len, dscp, remote, remotePort, local);
  }

  sendTo(src: Uint8Array, address: string | IpAddress, port: number, options: SendOptions = {}): number | undefined {
    const ends = sendAddresses(address, options.from);
    if (ends === undefined) return undefined;
    const { dscp = SESSION_DSCP } = options;
    return this.#context.io.writeDatagram(this.#index, src, 0, lengthOf(src), dscp, ends.to, port, ends.source);
  }

  readDatagrams(batch: DatagramBatch): number {
    return this.#context.io.readDatagrams(this.#index, batch);
  }

  writeDatagrams(batch: DatagramBatch, from = 0): number {
    return this.#context.io.writeDatagrams(this.#index, batch, from);
  }

  halfClose(): number {
    return this.#index < 0 ? SESSION_E_NOSESSION : this.#context.sessions.halfClose(this.#index);
  }

  close(): number {
    return this.#index < 0 ? SESSION_E_NOSESSION : this.#context.sessions.close(this.#index);
  }

  reset(): number {
    return this.#index < 0 ? SESSION_E_NOSESSION : this.#context.sessions.terminate(this.#index);
  }
}
