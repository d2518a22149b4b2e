import type { FifoTable } from "../../mem/fifo-table.js";
import { SESSION_E_TLS_PROTOCOL, SESSION_E_TLS_TRUNCATED } from "../../session/session-errors.js";
import type { SessionLayer } from "../../session/session-layer.js";
import { S_TX_FIFO } from "../../session/session-table.js";
import { C_FLAGS, C_RX_FIFO, C_SESSION, type ConnectionIndex, type SessionIndex, TRANSPORT_TLS } from "../transport.js";
import {
  TLS_ENGINE,
  TLS_LOWER,
  TLS_SENT_UP_TO,
  type TlsConnections,
  TLSF_APP_CLOSED,
  TLSF_END_SENT,
  TLSF_END_WANTED,
  TLSF_LINGERS,
  TLSF_LOWER_CLOSED,
  TLSF_PEER_ENDED,
  TLSF_TRUNCATED,
} from "./connection.js";
import { TlsDeadlines } from "./deadlines.js";
import { TLS_OUT_END_SENT, TLS_OUT_FAILED, TLS_OUT_PEER_ENDED, TLS_OUT_TRUNCATED, type TlsEngine } from "./engine.js";
import type { TlsFailures } from "./failures.js";
import type { TlsLower } from "./lower.js";

/**
 * How long a peer may take to end its stream after the application has closed, as TCP stays in FIN-WAIT-2; and, before
 * that, how long it may take nothing of what there is to send, as TCP bears a closed window then.
 */
const LINGER_TICKS = 300_000;

/** What the endings of connections are built upon. */
export interface EndingParts {
  readonly sessions: SessionLayer;
  readonly rows: TlsConnections;
  readonly engine: TlsEngine;
  readonly lower: TlsLower;
  readonly failures: TlsFailures;
  /** Frees a connection's row, after its sessions were told. */
  readonly forget: (c: ConnectionIndex) => void;
  /** Ends both connections at once. */
  readonly reset: (c: ConnectionIndex) => void;
}

/**
 * How open connections end. A half-close is close_notify and TCP's FIN after it; an end without close_notify is a
 * truncation, of which the application hears when it has read what came before.
 */
export class TlsEndings {
  /** The time, in ticks of 100 us. */
  tick = 0;
  readonly #i32: Int32Array;
  readonly #fifos: FifoTable;
  readonly #sessions: SessionLayer;
  readonly #rows: TlsConnections;
  readonly #engine: TlsEngine;
  readonly #lower: TlsLower;
  readonly #failures: TlsFailures;
  readonly #forget: (c: ConnectionIndex) => void;
  readonly #reset: (c: ConnectionIndex) => void;
  readonly #lingering: TlsDeadlines;

  constructor({ sessions, rows, engine, lower, failures, forget, reset }: EndingParts) {
    this.#i32 = sessions.window.i32;
    this.#fifos = sessions.fifos;
    this.#sessions = sessions;
    this.#rows = rows;
    this.#engine = engine;
    this.#lower = lower;
    this.#failures = failures;
    this.#forget = forget;
    this.#reset = reset;
    this.#lingering = new TlsDeadlines(this.#i32, rows, LINGER_TICKS);
  }

  /** After a step of an open connection. Returns whether it is still there. */
  wentOn(c: ConnectionIndex, bits: number): boolean {
    const i32 = this.#i32;
    const r = this.#rows.row(c);
    const before = i32[r + C_FLAGS];
    const isAppClosed = (before & TLSF_APP_CLOSED) !== 0;
    if ((bits & TLS_OUT_FAILED) !== 0) {
      this.#fail(c, (bits & TLS_OUT_TRUNCATED) !== 0);
      return false;
    }
    if ((bits & TLS_OUT_PEER_ENDED) !== 0 && (before & TLSF_PEER_ENDED) === 0) {
      i32[r + C_FLAGS] |= TLSF_PEER_ENDED;
      this.#sessions.closing(i32[r + C_SESSION]);
    }
    // As TCP answers data to one who has closed.
    if (isAppClosed && this.#fifos.maxDequeue(i32[r + C_RX_FIFO]) > 0) {
      this.#reset(c);
      return false;
    }
    // Without a connection below, nothing will be sent any more.
    if (isAppClosed && this.#sessions.connectionOf(i32[r + TLS_LOWER]) < 0) {
      this.#closeLower(c);
      this.#forget(c);
      return false;
    }
    if ((bits & TLS_OUT_END_SENT) !== 0) this.#endSent(c);
    return true;
  }

  /** close_notify is on its way: TCP's stream ends after it, and all of TCP when the peer's has ended, too. */
  #endSent(c: ConnectionIndex): void {
    const i32 = this.#i32;
    const r = this.#rows.row(c);
    const flags = i32[r + C_FLAGS];
    if ((flags & TLSF_PEER_ENDED) !== 0) {
      this.#closeLower(c);
      i32[r + C_FLAGS] |= TLSF_END_SENT;
      return;
    }
    if ((flags & TLSF_END_SENT) !== 0) return;
    this.#sessions.halfClose(i32[r + TLS_LOWER]);
    i32[r + C_FLAGS] |= TLSF_END_SENT;
    if ((flags & TLSF_LINGERS) !== 0) this.#linger(c);
  }

  /** The application has closed: the peer's time begins, or begins anew. */
  #linger(c: ConnectionIndex): void {
    const i32 = this.#i32;
    const r = this.#rows.row(c);
    if ((i32[r + C_FLAGS] & TLSF_LINGERS) !== 0) this.#lingering.remove(c);
    i32[r + C_FLAGS] |= TLSF_LINGERS;
    i32[r + TLS_SENT_UP_TO] = this.#sentUpTo(r);
    this.#lingering.add(c, this.tick);
  }

  #sentUpTo(r: number): number {
    const tx = this.#i32[this.#sessions.table.row(this.#i32[r + TLS_LOWER]) + S_TX_FIFO];
    return tx === 0 ? 0 : this.#fifos.head(tx);
  }

  #closeLower(c: ConnectionIndex): void {
    const r = this.#rows.row(c);
    this.#i32[r + C_FLAGS] |= TLSF_LOWER_CLOSED;
    this.#lower.close(this.#i32[r + TLS_LOWER]);
  }

  #fail(c: ConnectionIndex, isTruncated: boolean): void {
    const i32 = this.#i32;
    const r = this.#rows.row(c);
    if (isTruncated && (i32[r + C_FLAGS] & TLSF_LINGERS) !== 0 && (i32[r + C_FLAGS] & TLSF_END_SENT) !== 0) {
      // Its close_notify would have come too late for anybody to miss it.
      this.#closeLower(c);
      return;
    }
    const reason = this.#engine.reason(i32[r + TLS_ENGINE]);
    this.#failures.count(reason);
    if (isTruncated) {
      i32[r + C_FLAGS] |= TLSF_TRUNCATED;
      this.cut(c);
      return;
    }
    this.#sessions.reset(i32[r + C_SESSION], SESSION_E_TLS_PROTOCOL, reason);
    this.#closeLower(c);
    this.#forget(c);
  }

  /** The stream was cut: ends the session when what came before is read. */
  cut(c: ConnectionIndex): void {
    const i32 = this.#i32;
    const r = this.#rows.row(c);
    const isRead = this.#fifos.maxDequeue(i32[r + C_RX_FIFO]) === 0;
    if (!isRead && (i32[r + C_FLAGS] & TLSF_APP_CLOSED) === 0) return;
    this.#sessions.reset(i32[r + C_SESSION], SESSION_E_TLS_TRUNCATED);
    this.#closeLower(c);
    this.#forget(c);
  }

  /** close_notify after the last byte. */
  halfClose(c: ConnectionIndex): void {
    this.#i32[this.#rows.row(c) + C_FLAGS] |= TLSF_END_WANTED;
    this.#sessions.wantControl(TRANSPORT_TLS, c);
  }

  /** The application neither writes nor reads any more. */
  close(c: ConnectionIndex): void {
    const i32 = this.#i32;
    const r = this.#rows.row(c);
    // RFC 9293 3.6.1, SHLD-3, as for TCP: who closes with unread data resets.
    if (this.#fifos.maxDequeue(i32[r + C_RX_FIFO]) > 0) {
      this.#reset(c);
      return;
    }
    i32[r + C_FLAGS] |= TLSF_END_WANTED | TLSF_APP_CLOSED;
    this.#linger(c);
    this.#sessions.wantControl(TRANSPORT_TLS, c);
  }

  /** TCP has sent all and got all, and both ends are closed. */
  lowerClosed(s: SessionIndex): void {
    const c = this.#lower.owner(s);
    if (c < 0) return;
    const r = this.#rows.row(c);
    if ((this.#i32[r + C_FLAGS] & TLSF_LOWER_CLOSED) === 0) return;
    this.#sessions.closed(this.#i32[r + C_SESSION]);
    this.#forget(c);
  }

  // ---- Time ----

  /** Ends those whose peers have had their time. */
  expire(tick: number): void {
    this.tick = tick;
    for (let c = this.#lingering.overdue(tick); c >= 0; c = this.#lingering.overdue(tick)) this.#lingeredOn(c);
  }

  /** The peer's time is over: unless there is more to send, of which it takes some. */
  #lingeredOn(c: ConnectionIndex): void {
    const r = this.#rows.row(c);
    if ((this.#i32[r + C_FLAGS] & TLSF_END_SENT) !== 0) {
      this.#closeLower(c);
      this.#forget(c);
    } else if (this.#i32[r + TLS_SENT_UP_TO] !== this.#sentUpTo(r)) this.#linger(c);
    else this.#reset(c);
  }

  /** Ticks until there is something to do for {@link expire}; -1: nothing. */
  nextExpiry(tick: number): number {
    return this.#lingering.nextExpiry(tick);
  }

  /** A connection goes: nobody waits for its peer any more. */
  stopLingering(c: ConnectionIndex): void {
    this.#lingering.remove(c);
  }
}
