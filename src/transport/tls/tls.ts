import type { FifoTable } from "../../mem/fifo-table.js";
import {
  SESSION_E_REFUSED,
  SESSION_E_TLS_HANDSHAKE,
  SESSION_E_TLS_TRUNCATED,
  SESSION_E_UNKNOWN,
  sessionErrorEntry,
} from "../../session/session-errors.js";
import type { SessionLayer } from "../../session/session-layer.js";
import {
  C_FLAGS,
  C_RX_FIFO,
  C_SESSION,
  C_STATE,
  type ConnectionIndex,
  type SessionIndex,
  TRANSPORT_TCP,
  TRANSPORT_TLS,
} from "../transport.js";
import type { TlsConfig } from "./config.js";
import {
  TLS_CONNECTING,
  TLS_ENGINE,
  TLS_HANDSHAKE,
  TLS_LISTEN,
  TLS_OPEN,
  TLS_OPENER,
  TlsConnections,
  TLSF_APP_CLOSED,
  TLSF_FIN,
  TLSF_LINGERS,
  TLSF_LOWER_CLOSED,
  TLSF_PEER_ENDED,
  TLSF_RX_WAITS,
  TLSF_TRUNCATED,
} from "./connection.js";
import { CryptoStore } from "./crypto-store.js";
import { CryptoTransport } from "./crypto-transport.js";
import { TlsEndings } from "./endings.js";
import { TLS_OUT_ASKS, TLS_OUT_FAILED, TLS_OUT_OPEN, type TlsEngine } from "./engine.js";
import { KeyPeriod } from "./key-period.js";
import { TlsRecords } from "./records.js";

/** Steps of a connection in a row; then others get their turn. */
const MAX_STEPS = 2;
/** Room for clear text at which a connection whose application had read nothing goes on. */
const ROOM_BYTES = 16_384;

/** What the transport is built upon. */
export interface TlsParts {
  readonly sessions: SessionLayer;
  readonly engine: TlsEngine;
  readonly config: TlsConfig;
}

/**
 * TLS, over TCP. A connection has two pairs of fifos: those of its session of TCP hold records, those of the application's
 * session clear text, and a step of the engine moves as much as fits from one to the other. So a reader who is slow fills the
 * first, and the window of TCP closes.
 *
 * A half-close is close_notify and TCP's FIN after it; an end without close_notify is a truncation, of which the
 * application hears when it has read what came before.
 */
export class TlsTransport extends CryptoTransport {
  /** The last flight of a handshake, and the first record, are not to wait for acknowledgements. */
  protected readonly attributesBelow = { noDelay: 1 };
  readonly #fifos: FifoTable;
  readonly #records: TlsRecords;
  readonly #ticketKeys: KeyPeriod;
  readonly #endings: TlsEndings;
  #onKeys: ((lines: string) => void) | undefined;

  /** Reserves the rows. Throws RangeError when the window is full. */
  constructor(parts: TlsParts) {
    const { sessions, engine, config } = parts;
    super({
      ...parts,
      name: "tls",
      proto: TRANSPORT_TLS,
      below: TRANSPORT_TCP,
      isDatagram: false,
      store: new CryptoStore(engine, Math.floor(config.ticketKeyMs / 1000)),
      rows: new TlsConnections(sessions.window, "tls connections", config.maxConnections),
    });
    this.#fifos = sessions.fifos;
    this.#ticketKeys = new KeyPeriod(() => engine.changeTicketKeys(), config.ticketKeyMs);
    sessions.appEnded = (app) => this.store.removeAllOf(app);
    this.#records = new TlsRecords(sessions, sessions, engine, config);
    const { rows, failures, lower } = this;
    this.#endings = new TlsEndings({
      sessions,
      rows,
      engine,
      lower,
      failures,
      forget: (c) => this.forget(c),
      reset: (c) => this.reset(c),
    });
  }

  /** Hands out the secrets of all handshakes to come, as lines of the NSS key log format, by which a capture can be decrypted. */
  logKeys(onKeys: (lines: string) => void): void {
    this.#onKeys = onKeys;
    this.engine.logKeys(true);
  }

  /** Hands out what the engine has of them; of DTLS, too. */
  handOutKeys(): void {
    if (this.#onKeys === undefined) return;
    const lines = this.engine.takeKeys();
    if (lines !== "") this.#onKeys(lines);
  }

  // ---- Opening ----

  protected acceptBelow(s: SessionIndex, lowerListener: SessionIndex): boolean {
    const { sessions } = this;
    const listener = this.lower.owner(lowerListener);
    const context = this.listeners.get(listener);
    const local = sessions.localEndpoint(s);
    const remote = sessions.remoteEndpoint(s);
    if (context === undefined || local === undefined || remote === undefined) return false;
    const session = this.i32[this.rows.row(listener) + C_SESSION];
    if (!this.mayBegin(session, false)) return false;
    const c = this.allocFor(listener, local, remote);
    this.#ticketKeys.look(this.tick);
    const connection = c < 0 ? -1 : this.engine.open(context, {});
    if (connection < 0) {
      if (c >= 0) this.rows.free(c);
      sessions.halfOpenEnded(session);
      this.failures.count("no memory");
      return false;
    }
    this.began(c, listener, s, connection);
    return true;
  }

  protected begin(c: ConnectionIndex): void {
    this.#run(c);
  }

  // ---- Records ----

  transmit(c: ConnectionIndex): boolean {
    return this.#pump(c);
  }

  protected rxBelow(s: SessionIndex): void {
    this.#run(this.lower.owner(s));
  }

  protected override txBelow(s: SessionIndex): void {
    const c = this.lower.owner(s);
    if (c >= 0) this.#records.unblock(this.rows.row(c));
    this.#run(c);
  }

  /** Lets a connection do what it can now, and the rest in session-queue. */
  #run(c: ConnectionIndex): void {
    if (c >= 0 && this.#pump(c)) this.sessions.wantTransmit(TRANSPORT_TLS, c);
  }

  /** Steps until nothing moves. Returns true when there is more to do at once. */
  #pump(c: ConnectionIndex): boolean {
    const { i32 } = this;
    const r = this.rows.row(c);
    for (let i = 0; i < MAX_STEPS; i++) {
      const state = i32[r + C_STATE];
      if ((state !== TLS_HANDSHAKE && state !== TLS_OPEN) || (i32[r + C_FLAGS] & TLSF_LOWER_CLOSED) !== 0) return false;
      if ((i32[r + C_FLAGS] & TLSF_TRUNCATED) !== 0) {
        this.#endings.cut(c);
        return false;
      }
      if (state === TLS_OPEN && this.#records.isIdle(r)) return false;
      const bits = this.#records.step(r, this.tick);
      if (state === TLS_HANDSHAKE) {
        if (!this.#shook(c, bits)) return false;
      } else if (!this.#endings.wentOn(c, bits) || !this.#records.hasMoved) return false;
    }
    return true;
  }

  /** After a step of the handshake. Returns whether another one may do something. */
  #shook(c: ConnectionIndex, bits: number): boolean {
    this.handOutKeys();
    const r = this.rows.row(c);
    if ((bits & TLS_OUT_FAILED) !== 0) {
      this.failHandshake(c, SESSION_E_TLS_HANDSHAKE, this.engine.reason(this.i32[r + TLS_ENGINE]));
      return false;
    }
    if ((bits & TLS_OUT_ASKS) !== 0) this.asks.ask(c);
    if ((bits & TLS_OUT_OPEN) !== 0) return this.opened(c, bits);
    // A flight is longer than what a step takes, and maybe nothing comes after it.
    return this.#records.hasMoved && (this.i32[r + C_FLAGS] & TLSF_RX_WAITS) !== 0;
  }

  rxDequeued(c: ConnectionIndex): void {
    const r = this.rows.row(c);
    if ((this.i32[r + C_FLAGS] & (TLSF_RX_WAITS | TLSF_TRUNCATED)) === 0) return;
    const rx = this.i32[r + C_RX_FIFO];
    // Not crumb by crumb.
    const room = this.#fifos.maxEnqueue(rx);
    if (room >= ROOM_BYTES || room >= this.#fifos.capBytes(rx) >> 1) this.sessions.wantTransmit(TRANSPORT_TLS, c);
  }

  // ---- Ending ----

  halfClose(c: ConnectionIndex): void {
    this.#endings.halfClose(c);
  }

  close(c: ConnectionIndex): void {
    // An active open that was given up.
    if (this.i32[this.rows.row(c) + C_STATE] === TLS_OPEN) this.#endings.close(c);
    else this.reset(c);
  }

  protected override endedBelow(s: SessionIndex): void {
    const c = this.lower.owner(s);
    if (c < 0) return;
    this.i32[this.rows.row(c) + C_FLAGS] |= TLSF_FIN;
    this.#run(c);
  }

  protected resetBelow(s: SessionIndex, error: number): void {
    const c = this.lower.owner(s);
    if (c < 0) return;
    const r = this.rows.row(c);
    if (this.i32[r + C_STATE] === TLS_HANDSHAKE) {
      const { text } = sessionErrorEntry(error);
      const reason = error === SESSION_E_UNKNOWN ? "connection reset by peer" : text;
      this.failHandshake(c, SESSION_E_TLS_HANDSHAKE, reason);
      return;
    }
    this.sessions.reset(this.i32[r + C_SESSION], error);
    this.forget(c);
  }

  protected override closedBelow(s: SessionIndex): void {
    this.#endings.lowerClosed(s);
  }

  protected goneBelow(s: SessionIndex, isReadable: boolean): void {
    const { i32, sessions } = this;
    const c = this.lower.owner(s);
    if (c < 0) return;
    const r = this.rows.row(c);
    const state = i32[r + C_STATE];
    if (state === TLS_LISTEN) {
      this.lower.unbind(s);
      return;
    }
    if (state === TLS_HANDSHAKE) {
      this.failHandshake(c, SESSION_E_TLS_HANDSHAKE, "connection lost");
      return;
    }
    if (state === TLS_CONNECTING) {
      sessions.connected(TRANSPORT_TLS, c, i32[r + TLS_OPENER], SESSION_E_REFUSED);
      this.forget(c);
      return;
    }
    const flags = i32[r + C_FLAGS];
    const ends = TLSF_LOWER_CLOSED | TLSF_APP_CLOSED;
    // What is unread of it still comes.
    if (isReadable && (flags & TLSF_RX_WAITS) !== 0 && (flags & ends) === 0) return;
    // Without close_notify nobody may take it for the end of the stream.
    if ((flags & (ends | TLSF_PEER_ENDED)) === 0) sessions.reset(i32[r + C_SESSION], SESSION_E_TLS_TRUNCATED);
    this.end(c);
  }

  protected override stopWaiting(c: ConnectionIndex): void {
    if ((this.i32[this.rows.row(c) + C_FLAGS] & TLSF_LINGERS) !== 0) this.#endings.stopLingering(c);
    else super.stopWaiting(c);
  }

  // ---- Time ----

  override setNow(tick: number): void {
    this.tick = this.#endings.tick = tick;
  }

  override expire(tick: number): void {
    super.expire(tick);
    this.#endings.expire(tick);
  }

  protected nextOwnExpiry(tick: number): number {
    return this.#endings.nextExpiry(tick);
  }
}
