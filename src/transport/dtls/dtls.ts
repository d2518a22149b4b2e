import type { FifoTable } from "../../mem/fifo-table.js";
import {
  SESSION_E_REFUSED,
  SESSION_E_TLS_HANDSHAKE,
  SESSION_E_TLS_PROTOCOL,
  SESSION_E_UNKNOWN,
  sessionErrorEntry,
} from "../../session/session-errors.js";
import type { LocalAddresses } from "../../session/local-addresses.js";
import type { SessionLayer } from "../../session/session-layer.js";
import { S_CONNECTION, S_RX_FIFO, S_TX_FIFO } from "../../session/session-table.js";
import type { TlsConfig } from "../tls/config.js";
import {
  TLS_ENGINE,
  TLS_HANDSHAKE,
  TLS_LISTEN,
  TLS_LOWER,
  TLS_OPEN,
  TLS_OPENER,
  TLSF_APP_CLOSED,
  TLSF_END_WANTED,
  TLSF_PEER_ENDED,
  TLSF_SERVER,
} from "../tls/connection.js";
import type { CryptoStore } from "../tls/crypto-store.js";
import { CryptoTransport } from "../tls/crypto-transport.js";
import {
  TLS_IN_CLOSE,
  TLS_IN_TIMEOUT,
  TLS_OUT_ASKS,
  TLS_OUT_END_SENT,
  TLS_OUT_FAILED,
  TLS_OUT_OPEN,
  TLS_OUT_PEER_ENDED,
  TLS_OUT_TIMER,
  TLS_OUT_TOO_LONG,
  type TlsEngine,
  type TlsPeer,
} from "../tls/engine.js";
import { KeyPeriod } from "../tls/key-period.js";
import {
  C_FIB,
  C_FLAGS,
  C_RX_FIFO,
  C_SESSION,
  C_STATE,
  C_TX_FIFO,
  type ConnectionIndex,
  type Endpoint,
  type SessionIndex,
  TRANSPORT_DTLS,
  TRANSPORT_UDP,
} from "../transport.js";
import type { UdpTransport } from "../udp/udp.js";
import { DtlsConnections } from "./connection.js";
import { DTLS_MTU_BYTES, DtlsDatagrams } from "./datagrams.js";
import { HelloPeer } from "./hello.js";
import { DtlsRetransmission } from "./retransmission.js";

/** Datagrams of a connection, or first ones of a listener, in a row; then others get their turn. */
const MAX_DATAGRAMS = 64;
/** How long a secret makes cookies, and is taken for as long again. */
const COOKIE_MS = 60_000;

/** What the transport is built upon. `store` and `engine`: those of TLS. */
export interface DtlsParts {
  readonly sessions: SessionLayer;
  readonly udp: UdpTransport;
  readonly addresses: LocalAddresses;
  readonly engine: TlsEngine;
  readonly store: CryptoStore;
  readonly config: TlsConfig;
  /** Hands out the secrets of handshakes, if somebody wants them. */
  readonly handOutKeys: () => void;
}

/**
 * DTLS 1.2 (RFC 6347), over UDP. A listener takes first datagrams through a session of UDP without peers, and keeps nothing of
 * who has not shown by a cookie that it is there; then the peer has a session of UDP of its own. Datagrams keep their
 * boundaries; what is broken, forged, late twice or has no room is lost, as over UDP.
 */
export class DtlsTransport extends CryptoTransport {
  protected readonly attributesBelow = {};
  readonly #fifos: FifoTable;
  readonly #udp: UdpTransport;
  readonly #addresses: LocalAddresses;
  readonly #handOutKeys: () => void;
  readonly #datagrams: DtlsDatagrams;
  readonly #hello: HelloPeer;
  /** The peer of a first datagram, as the engine wants it. */
  readonly #who: { readonly name: Uint8Array; readonly mtu: number };
  readonly #retransmission: DtlsRetransmission;
  readonly #cookies: KeyPeriod;

  /** Reserves the rows. Throws RangeError when the window is full. */
  constructor(parts: DtlsParts) {
    const { sessions, engine, config } = parts;
    const rows = new DtlsConnections(sessions.window, config.maxConnections);
    super({ ...parts, name: "dtls", proto: TRANSPORT_DTLS, below: TRANSPORT_UDP, isDatagram: true, rows });
    this.#fifos = sessions.fifos;
    this.#udp = parts.udp;
    this.#addresses = parts.addresses;
    this.#handOutKeys = parts.handOutKeys;
    this.#datagrams = new DtlsDatagrams(sessions.window, sessions.fifos, engine);
    this.#hello = new HelloPeer(sessions.window, this.#datagrams.header);
    this.#who = { name: this.#hello.name, mtu: DTLS_MTU_BYTES };
    this.#retransmission = new DtlsRetransmission(this.i32, rows);
    this.#cookies = new KeyPeriod(() => engine.changeCookieSecret(), COOKIE_MS);
  }

  // ---- Opening ----

  protected override peerOf(hostname: string, remote: Endpoint): TlsPeer {
    return { ...super.peerOf(hostname, remote), mtu: DTLS_MTU_BYTES };
  }

  protected begin(c: ConnectionIndex): void {
    this.#step(c, 0);
  }

  /** Those of peers that have shown that they are there have a connection already. */
  protected acceptBelow(s: SessionIndex): boolean {
    return this.lower.owner(s) >= 0;
  }

  // ---- Datagrams ----

  protected rxBelow(s: SessionIndex): void {
    const c = this.lower.owner(s);
    if (c >= 0 && this.transmit(c)) this.sessions.wantTransmit(TRANSPORT_DTLS, c);
  }

  transmit(c: ConnectionIndex): boolean {
    const r = this.rows.row(c);
    return this.i32[r + C_STATE] === TLS_LISTEN ? this.#greet(c, this.i32[r + TLS_LOWER]) : this.#pump(c);
  }

  /** Takes first datagrams of peers. Returns true when there are more. */
  #greet(listener: ConnectionIndex, s: SessionIndex): boolean {
    const { sessions, engine } = this;
    const context = this.listeners.get(listener);
    if (context === undefined || !sessions.table.isUsed(s)) return false;
    const l = sessions.table.row(s);
    const rx = this.i32[l + S_RX_FIFO];
    this.#cookies.look(this.tick);
    for (let i = 0; i < MAX_DATAGRAMS; i++) {
      this.#datagrams.begin(0);
      if (!this.#datagrams.show(rx, false)) return false;
      this.#hello.read();
      const connection = engine.listen(context, this.#who);
      const c = connection < 0 ? -1 : this.#accept(listener, s, connection);
      // The datagram is the first of the connection, too.
      if (c >= 0) this.#exchange(c, 0, rx);
      else {
        this.#datagrams.drop(rx, false);
        if (this.#datagrams.send(this.i32[l + S_TX_FIFO]) > 0) {
          sessions.wantTransmit(TRANSPORT_UDP, this.i32[l + S_CONNECTION]);
        }
      }
    }
    return this.#fifos.maxDequeue(rx) > 0;
  }

  /** A peer has shown that it is there. Returns its connection, -1: there is no room for it. */
  #accept(listener: ConnectionIndex, s: SessionIndex, connection: number): ConnectionIndex {
    const { i32 } = this;
    const { local, remote } = this.#hello;
    const l = this.rows.row(listener);
    const session = i32[l + C_SESSION];
    const mayBegin = this.#isOwn(i32[l + C_FIB], local) && this.mayBegin(session, true);
    const c = mayBegin ? this.allocFor(listener, local, remote) : -1;
    const below = c < 0 ? -1 : this.#udp.accept(s, i32[l + C_FIB], local, remote);
    if (below < 0) {
      if (c >= 0) this.rows.free(c);
      if (mayBegin) this.sessions.halfOpenEnded(session);
      this.engine.close(connection);
      return -1;
    }
    this.began(c, listener, i32[this.#udp.rows.row(below) + C_SESSION], connection);
    return c;
  }

  /** Groups and broadcast addresses are no address to answer from (RFC 1122 4.1.3.5). */
  #isOwn(fib: number, { family, address }: Endpoint): boolean {
    return this.#addresses.isLocal(fib, family, address) || this.#addresses.maySpoof(fib, family, -1, address);
  }

  /** Takes datagrams of both directions. Returns true when there are more. */
  #pump(c: ConnectionIndex): boolean {
    const { i32 } = this;
    const r = this.rows.row(c);
    for (let i = 0; i < MAX_DATAGRAMS; i++) {
      const state = i32[r + C_STATE];
      if (state !== TLS_HANDSHAKE && state !== TLS_OPEN) return false;
      const rx = i32[this.sessions.table.row(i32[r + TLS_LOWER]) + S_RX_FIFO];
      const isIn = rx !== 0 && this.#fifos.maxDequeue(rx) > 0;
      const isOut = state === TLS_OPEN && this.#fifos.maxDequeue(i32[r + C_TX_FIFO]) > 0;
      const isEnd = state === TLS_OPEN && !isOut && (i32[r + C_FLAGS] & TLSF_END_WANTED) !== 0;
      const isAnswered = (i32[r + C_FLAGS] & TLSF_SERVER) !== 0 && state === TLS_HANDSHAKE;
      if (!isIn && !isOut && !isEnd && !isAnswered) return false;
      if (!this.#step(c, isEnd ? TLS_IN_CLOSE : 0)) return false;
      if (isAnswered && !isIn) return false;
    }
    return true;
  }

  /** One step with the first datagrams of the fifos, if there are any. Returns whether the connection is still there. */
  #step(c: ConnectionIndex, flags: number): boolean {
    const rx = this.i32[this.sessions.table.row(this.i32[this.rows.row(c) + TLS_LOWER]) + S_RX_FIFO];
    this.#datagrams.begin(flags);
    return this.#exchange(c, flags, this.#datagrams.show(rx, false) ? rx : 0);
  }

  /** The step itself. `rx`: the fifo whose first datagram was shown, 0: none. Returns whether the connection is still there. */
  #exchange(c: ConnectionIndex, flags: number, rx: number): boolean {
    const { sessions, engine } = this;
    const { i32 } = this;
    const r = this.rows.row(c);
    const l = sessions.table.row(i32[r + TLS_LOWER]);
    const tx = i32[r + C_STATE] === TLS_OPEN ? i32[r + C_TX_FIFO] : 0;
    const isOut = this.#datagrams.show(tx, true);
    const bits = engine.stepDatagram(i32[r + TLS_ENGINE]);
    if (isOut) {
      this.#datagrams.drop(tx, true);
      sessions.acknowledged(i32[r + C_SESSION]);
    }
    if (rx === 0) this.#datagrams.address(r);
    else this.#datagrams.drop(rx, false);
    const isAttached = i32[l + S_CONNECTION] >= 0;
    const sent = this.#datagrams.send(isAttached ? i32[l + S_TX_FIFO] : 0);
    if (sent > 0) sessions.wantTransmit(TRANSPORT_UDP, i32[l + S_CONNECTION]);
    this.#handOutKeys();
    if ((bits & TLS_OUT_TOO_LONG) !== 0) this.failures.count("datagram that is empty, or longer than 16384 bytes");
    this.#time(c, (bits & TLS_OUT_TIMER) !== 0, sent > 0, (flags & TLS_IN_TIMEOUT) !== 0);
    return i32[r + C_STATE] === TLS_HANDSHAKE ? this.#shook(c, bits) : this.#wentOn(c, bits);
  }

  #time(c: ConnectionIndex, isWanted: boolean, isNew: boolean, isAgain: boolean): void {
    if (!isWanted) this.#retransmission.stop(c);
    else if (isAgain) this.#retransmission.again(c, this.tick);
    else if (isNew || !this.#retransmission.isWaiting(c)) this.#retransmission.start(c, this.tick);
  }

  #shook(c: ConnectionIndex, bits: number): boolean {
    if ((bits & TLS_OUT_FAILED) !== 0) {
      const reason = this.engine.reason(this.i32[this.rows.row(c) + TLS_ENGINE]);
      this.failHandshake(c, SESSION_E_TLS_HANDSHAKE, reason);
      return false;
    }
    if ((bits & TLS_OUT_ASKS) !== 0) this.asks.ask(c);
    if ((bits & TLS_OUT_OPEN) === 0) return true;
    return this.opened(c, bits) && this.#wentOn(c, bits);
  }

  #wentOn(c: ConnectionIndex, bits: number): boolean {
    const { sessions, engine } = this;
    const { i32 } = this;
    const r = this.rows.row(c);
    const isClosed = (i32[r + C_FLAGS] & TLSF_APP_CLOSED) !== 0;
    const got = this.#datagrams.deliver(isClosed ? 0 : i32[r + C_RX_FIFO]);
    if (got > 0) sessions.received(i32[r + C_SESSION]);
    if ((bits & TLS_OUT_FAILED) !== 0) {
      const reason = engine.reason(i32[r + TLS_ENGINE]);
      this.failures.count(reason);
      sessions.reset(i32[r + C_SESSION], SESSION_E_TLS_PROTOCOL, reason);
      this.end(c);
      return false;
    }
    if ((bits & TLS_OUT_PEER_ENDED) !== 0 && (i32[r + C_FLAGS] & TLSF_PEER_ENDED) === 0) {
      i32[r + C_FLAGS] |= TLSF_PEER_ENDED;
      sessions.closing(i32[r + C_SESSION]);
    }
    if (!isClosed || (bits & TLS_OUT_END_SENT) === 0) return true;
    this.end(c);
    return false;
  }

  /** Datagrams have no window. */
  rxDequeued(): void {}

  // ---- Ending ----

  /** Datagrams have no end of stream: nothing to do. */
  halfClose(): void {}

  close(c: ConnectionIndex): void {
    const r = this.rows.row(c);
    if (this.i32[r + C_STATE] !== TLS_OPEN) {
      this.reset(c);
      return;
    }
    this.i32[r + C_FLAGS] |= TLSF_END_WANTED | TLSF_APP_CLOSED;
    this.sessions.wantControl(TRANSPORT_DTLS, c);
  }

  protected resetBelow(s: SessionIndex, error: number): void {
    this.#ended(s, error);
  }

  protected goneBelow(s: SessionIndex): void {
    this.#ended(s, SESSION_E_UNKNOWN);
  }

  /** Nobody is there, or the session of UDP was ended by somebody else. */
  #ended(s: SessionIndex, error: number): void {
    const { i32, sessions } = this;
    const c = this.lower.owner(s);
    if (c < 0) return;
    const r = this.rows.row(c);
    const state = i32[r + C_STATE];
    if (state === TLS_LISTEN) this.lower.unbind(s);
    else if (state === TLS_HANDSHAKE) this.failHandshake(c, error, sessionErrorEntry(error).text);
    else {
      if (state === TLS_OPEN) sessions.reset(i32[r + C_SESSION], error);
      else sessions.connected(TRANSPORT_DTLS, c, i32[r + TLS_OPENER], SESSION_E_REFUSED);
      this.end(c);
    }
  }

  protected override stopWaiting(c: ConnectionIndex): void {
    super.stopWaiting(c);
    this.#retransmission.stop(c);
  }

  // ---- Time ----

  override expire(tick: number): void {
    super.expire(tick);
    for (let c = this.#retransmission.overdue(tick); c >= 0; c = this.#retransmission.overdue(tick)) {
      this.#datagrams.begin(TLS_IN_TIMEOUT);
      this.#exchange(c, TLS_IN_TIMEOUT, 0);
    }
  }

  protected nextOwnExpiry(tick: number): number {
    return this.#retransmission.nextExpiry(tick);
  }

  /** Datagrams that found no room in a fifo. */
  get lost(): number {
    return this.#datagrams.lost;
  }
}
