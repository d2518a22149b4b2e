import { lookup as dnsLookup } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { Duplex } from "node:stream";
import type { Session, SessionAddress } from "../../app/session.js";
import type { TlsInfo } from "../../transport/tls/engine.js";
import type { ConnectionAttribute } from "../../transport/transport.js";
import type { SessionErrorValue } from "../../session/session-errors.js";
import { type ConnectArguments, normalizeConnect, type Target } from "./arguments.js";
import { publishClient } from "./channels.js";
import { asNetError, netError } from "./net-error.js";
import { linkOf, type SessionEvents } from "./session-link.js";

/** Bytes that a socket buffers in each direction beyond the session's fifos, before it asks to wait. */
const HIGH_WATER_MARK_BYTES = 64 * 1024;
/** Largest piece that one read hands on. */
const READ_BYTES = 64 * 1024;
/** Pieces shorter than this come from Node's buffer pool. */
const POOLED_BELOW_BYTES = 4096;

/** Opens a session; rejects with a SessionError. */
export type Dial = (address: string, target: Target) => Promise<Session>;

/** How to make a {@link Socket}. */
export interface SocketOptions {
  /** Stay open for writing after the peer ended. Default false. */
  readonly allowHalfOpen?: boolean;
  /** Aborting it destroys the socket. */
  readonly signal?: AbortSignal;
}

/** What the socket is in the middle of writing. */
interface PendingWrite {
  readonly chunks: readonly { readonly chunk: Uint8Array }[];
  readonly callback: (error?: Error | null) => void;
  /** Next chunk, and the bytes of it that the session took. */
  next: number;
  offset: number;
}

/**
 * A session of TCP or TLS, shaped like Node's net.Socket. A write is done when the tx fifo took it; what is not read
 * stays in the rx fifo, so that TCP's window closes. Sockets do not keep the process alive, the stack does.
 */
export class Socket extends Duplex implements SessionEvents {
  /** A connection attempt is under way. */
  connecting = false;
  /** Bytes received so far. */
  bytesRead = 0;
  /** Idle time after which `timeout` is emitted, milliseconds; 0 or undefined: never. */
  timeout: number | undefined = undefined;
  readonly #dial: Dial | undefined;
  #session: Session | undefined = undefined;
  #local: SessionAddress | undefined = undefined;
  #remote: SessionAddress | undefined = undefined;
  #bytesTaken = 0;
  #wantsData = false;
  #ended = false;
  #resetOnClose = false;
  /** What was set before there was a session. */
  readonly #attributes = new Map<ConnectionAttribute, number>();
  #pending: PendingWrite | undefined = undefined;
  #timer: NodeJS.Timeout | undefined = undefined;

  /** Made by `net.connect` and by servers; `dial` is missing in sockets that cannot connect. */
  constructor(options: SocketOptions = {}, dial?: Dial) {
    super({
      allowHalfOpen: options.allowHalfOpen ?? false,
      autoDestroy: true,
      // As net.Socket: `close` comes with an argument, from #closed.
      emitClose: false,
      highWaterMark: HIGH_WATER_MARK_BYTES,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    this.#dial = dial;
  }

  // ---- Connecting ----

  /** Connects: (options), (port, host), (uri), each with a callback for `connect`. */
  connect(...args: ConnectArguments): this {
    const { options, callback } = normalizeConnect(args);
    if (this.#dial === undefined || this.#session !== undefined) throw netError("connect", "EISCONN");
    if (this.connecting) throw netError("connect", "EALREADY");
    if (callback !== undefined) this.once("connect", callback);
    if (options.timeout !== undefined) this.setTimeout(options.timeout);
    if (options.noDelay === true) this.setNoDelay();
    if (options.keepAlive === true) this.setKeepAlive(true, options.keepAliveInitialDelay);
    this.connecting = true;
    publishClient(this);
    this.#resolve(options);
    return this;
  }

  #resolve(target: Target): void {
    const host = target.host ?? "localhost";
    if (isIP(host) !== 0) {
      // Whoever called connect must be able to add listeners before anything happens.
      process.nextTick(() => void this.#open(target, host));
      return;
    }
    const look: LookupFunction = target.lookup ?? dnsLookup;
    look(host, { family: target.family ?? 0 }, (error, found, family) => {
      if (this.destroyed) return;
      const address = typeof found === "string" ? found : (found?.[0]?.address ?? "");
      this.emit("lookup", error, address, family, host);
      if (error !== null) this.destroy(error);
      else void this.#open(target, address);
    });
  }

  async #open(target: Target, address: string): Promise<void> {
    if (this.destroyed || this.#dial === undefined) return;
    try {
      const session = await this.#dial(address, target);
      if (this.destroyed) {
        if (this.#resetOnClose) session.reset();
        else session.close();
        return;
      }
      this.connecting = false;
      this.#take(session);
      this.opened();
      this.#start(session);
    } catch (error) {
      this.connecting = false;
      this.destroy(asNetError("connect", error, { address, port: target.port }));
    }
  }

  /** Tells that it is connected. */
  protected opened(): void {
    this.emit("connect");
    this.emit("ready");
  }

  /** Takes over a session that a server accepted, and reads ahead unless it is to be paused. For the server. */
  adopt(session: Session, isPaused: boolean): void {
    this.#take(session);
    if (isPaused) this.pause();
    else this.#start(session);
  }

  /** Tells where a connection came from that never became a session. For servers. */
  cameFrom(remote: SessionAddress): void {
    this.#remote = remote;
  }

  #take(session: Session): void {
    this.#session = session;
    this.#local = session.local;
    this.#remote = session.remote;
    linkOf(session).owner = this;
    for (const [name, value] of this.#attributes) void session.setAttribute(name, value);
    this.onRoom();
  }

  /** Reads ahead, so that the end is seen even if nobody reads; then acts on what happened before. */
  #start(session: Session): void {
    const { ended, error } = linkOf(session);
    if (this.destroyed) return;
    if (error !== undefined) this.onReset(error);
    else {
      if (ended || session.index < 0) this.#ended = true;
      if (!this.isPaused()) this.read(0);
      if (this.#wantsData || this.#ended) this.#drain();
    }
  }

  // ---- What the session tells ----

  /** Bytes came in. */
  onData(): void {
    this.#active();
    if (this.#wantsData) this.#drain();
  }

  /** There is room in the tx fifo. */
  onRoom(): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    this.#advance(pending);
  }

  /** The peer sends no more. */
  onPeerEnd(): void {
    this.#ended = true;
    this.#active();
    if (this.#wantsData) this.#drain();
  }

  /** The connection broke. */
  onReset(error: Error): void {
    this.#session = undefined;
    this.destroy(asNetError(this.#pending === undefined ? "read" : "write", error));
  }

  /** The session has gone. */
  onGone(): void {
    this.#session = undefined;
    this.destroy();
  }

  // ---- Reading ----

  override _read(): void {
    this.#wantsData = true;
    if (this.#session !== undefined) this.#drain();
  }

  /** Hands on what there is until nobody wants more. */
  #drain(): void {
    const session = this.#session;
    while (this.#wantsData && session !== undefined && session === this.#session) {
      const readable = session.readableBytes;
      if (readable === 0) break;
      const length = readable < READ_BYTES ? readable : READ_BYTES;
      const buffer = length < POOLED_BELOW_BYTES ? Buffer.allocUnsafe(length) : Buffer.allocUnsafeSlow(length);
      const n = session.read(buffer);
      if (n <= 0) break;
      this.bytesRead += n;
      this.#wantsData = this.push(n === length ? buffer : buffer.subarray(0, n));
    }
    if (this.#ended && session !== undefined && session.readableBytes === 0) {
      this.#ended = false;
      this.push(null);
      // Nobody may ever read, but the end has to be seen (as net.Socket does).
      if (this.readableLength === 0) this.read(0);
    }
  }

  // ---- Writing ----

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#advance({ chunks: [{ chunk }], callback, next: 0, offset: 0 });
  }

  override _writev(chunks: { chunk: Uint8Array }[], callback: (error?: Error | null) => void): void {
    this.#advance({ chunks, callback, next: 0, offset: 0 });
  }

  /** Writes as much as the tx fifo takes; the rest waits for {@link onRoom}. */
  #advance(pending: PendingWrite): void {
    const session = this.#session;
    if (session === undefined) {
      if (this.connecting) this.#pending = pending;
      else pending.callback(netError("write", "EPIPE"));
      return;
    }
    this.#active();
    const { chunks } = pending;
    while (pending.next < chunks.length) {
      const { chunk } = chunks[pending.next];
      const n = session.write(chunk, pending.offset);
      if (n < 0) {
        pending.callback(writeError(n));
        return;
      }
      this.#bytesTaken += n;
      pending.offset += n;
      if (pending.offset < chunk.length) {
        this.#pending = pending;
        return;
      }
      pending.next++;
      pending.offset = 0;
    }
    pending.callback();
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.connecting) {
      this.once("connect", () => this._final(callback));
      return;
    }
    this.#session?.halfClose();
    callback();
  }

  // ---- Ending ----

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.connecting = false;
    this.#clearTimer();
    const session = this.#session;
    const pending = this.#pending;
    this.#session = undefined;
    this.#pending = undefined;
    pending?.callback(error ?? netError("write", "ECANCELED"));
    if (session !== undefined) {
      linkOf(session).owner = undefined;
      if (this.#resetOnClose) session.reset();
      else session.close();
    }
    callback(error);
    process.nextTick(() => this.emit("close", error !== null));
  }

  /** Destroys the socket when all that was written has been taken. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", () => this.destroy());
  }

  /** Ends the connection by a reset. */
  resetAndDestroy(): this {
    this.#resetOnClose = true;
    if (this.#session === undefined && !this.connecting) {
      const closed = Object.assign(new Error("Socket is closed"), { code: "ERR_SOCKET_CLOSED" });
      return this.destroy(closed);
    }
    return this.destroy();
  }

  // ---- Timeout ----

  /** Emits `timeout` after so many idle milliseconds; 0 turns it off. */
  setTimeout(ms: number, callback?: () => void): this {
    if (this.destroyed) return this;
    this.timeout = ms;
    this.#clearTimer();
    if (ms > 0) {
      this.#timer = setTimeout(() => this.emit("timeout"), ms).unref();
      if (callback !== undefined) this.once("timeout", callback);
    } else if (callback !== undefined) this.removeListener("timeout", callback);
    return this;
  }

  #active(): void {
    this.#timer?.refresh();
  }

  #clearTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  // ---- What net.Socket has besides ----

  /** Small segments leave at once (true) or wait while data is unacknowledged: the Nagle algorithm. */
  setNoDelay(noDelay = true): this {
    this.#setAttribute("noDelay", noDelay ? 1 : 0);
    return this;
  }

  /** Switches keepalive probes, the first after `initialDelay` idle milliseconds (0: as it was; two hours at first). */
  setKeepAlive(enable = false, initialDelay = 0): this {
    const ms = Math.trunc(initialDelay);
    if (ms > 0) this.#setAttribute("keepaliveMs", ms);
    this.#setAttribute("keepalive", enable ? 1 : 0);
    return this;
  }

  /** Sets an attribute of the session, or of the one to come. One out of range changes nothing, as in net.Socket. */
  #setAttribute(name: ConnectionAttribute, value: number): void {
    if (this.#session === undefined) this.#attributes.set(name, value);
    else void this.#session.setAttribute(name, value);
  }

  /** Sockets never hold the process: the stack does. */
  ref(): this {
    return this;
  }

  /** See {@link ref}. */
  unref(): this {
    return this;
  }

  /** Of tls://: what was agreed on with the peer; undefined while there is no connection. */
  tlsInfo(): TlsInfo | undefined {
    return this.#session?.tlsInfo();
  }

  /** Where it is bound: `{}` while it is not. */
  address(): { port?: number; family?: string; address?: string } {
    const local = this.#local;
    if (local === undefined) return {};
    return { address: local.address, family: familyName(local), port: local.port };
  }

  get remoteAddress(): string | undefined {
    return this.#remote?.address;
  }

  get remotePort(): number | undefined {
    return this.#remote?.port;
  }

  get remoteFamily(): string | undefined {
    return this.#remote === undefined ? undefined : familyName(this.#remote);
  }

  get localAddress(): string | undefined {
    return this.#local?.address;
  }

  get localPort(): number | undefined {
    return this.#local?.port;
  }

  get localFamily(): string | undefined {
    return this.#local === undefined ? undefined : familyName(this.#local);
  }

  /** Bytes written by the user, also those that wait. */
  get bytesWritten(): number {
    return this.#bytesTaken + this.writableLength - this.#takenOfPending();
  }

  /** Bytes that were written but not taken by the session. */
  get bufferSize(): number {
    return this.writableLength;
  }

  #takenOfPending(): number {
    const pending = this.#pending;
    if (pending === undefined) return 0;
    let taken = pending.offset;
    for (let i = 0; i < pending.next; i++) taken += pending.chunks[i].chunk.length;
    return taken;
  }

  /** Not connected and not connecting. */
  get pending(): boolean {
    return this.#session === undefined || this.connecting;
  }

  /** `opening`, `open`, `readOnly`, `writeOnly` or `closed`. */
  get readyState(): string {
    if (this.connecting) return "opening";
    if (this.readable) return this.writable ? "open" : "readOnly";
    return this.writable ? "writeOnly" : "closed";
  }
}

function familyName({ family }: SessionAddress): string {
  return family === 6 ? "IPv6" : "IPv4";
}

function writeError(value: SessionErrorValue): Error {
  // Node sees EPIPE when it writes to a connection whose writing side has gone, whatever took it away.
  return netError("write", value === 0 ? "EIO" : "EPIPE");
}
