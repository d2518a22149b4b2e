import {
  C_FLAGS,
  CF_IP6,
  CF_TX_QUEUED,
  type ConnectionIndex,
  type SessionIndex,
  type Transport,
  type TransportUpcalls,
} from "../transport/transport.js";
import type { AppListeners } from "./app-listeners.js";
import type { AutoSdl } from "./auto-sdl.js";
import {
  EV_ACCEPTED,
  EV_CLEANUP_SESSION,
  EV_CLEANUP_TRANSPORT,
  EV_CONNECTED,
  EV_DISCONNECT,
  EV_RESET,
  EV_RX,
  EV_SOFT_ERROR,
  EV_TRANSPORT_CLOSED,
  EV_TX,
  EV_URGENT,
} from "./event-queue.js";
import type { SessionCore } from "./session-core.js";
import {
  SESSION_E_ALLOC,
  SESSION_E_NOAPP,
  SESSION_E_NOLISTEN,
  SESSION_E_NOSESSION,
  SESSION_E_REFUSED,
} from "./session-errors.js";
import {
  S_BACKLOG,
  S_CONNECTION,
  S_ERROR,
  S_EVENTS,
  S_FLAGS,
  S_GENERATION,
  S_HALF_OPENS,
  S_LISTENER,
  S_STATE,
  S_TX_FIFO,
  S_WORKER,
  SESSION_ACCEPTING,
  SESSION_CLOSED,
  SESSION_CONNECTING,
  SESSION_LISTENING,
  SESSION_READY,
  SESSION_TRANSPORT_CLOSED,
  SESSION_TRANSPORT_CLOSING,
  SESSION_TRANSPORT_DELETED,
  SF_APP_CLOSED,
  SF_END_NOTIFIED,
  SF_ON_INTERFACE,
  SF_RESET,
  SF_SHARED_FIFOS,
  SF_SOFT_ERROR,
  SF_SOFT_ERROR_SHIFT,
  SF_WANT_TX,
} from "./session-table.js";
import { TX_CONTROL, TX_NEW, type TransmitList, type TransmitQueue } from "./transmit-queue.js";

/** What transports report, as states and events of session rows. Applications hear of it in session-input. */
export class SessionUpcalls implements TransportUpcalls {
  readonly #core: SessionCore;
  readonly #listeners: AppListeners;
  readonly #transmitQueue: TransmitQueue;
  readonly #autoSdl: AutoSdl;
  readonly #i32: Int32Array;

  constructor(core: SessionCore, listeners: AppListeners, transmitQueue: TransmitQueue, autoSdl: AutoSdl) {
    this.#core = core;
    this.#listeners = listeners;
    this.#transmitQueue = transmitQueue;
    this.#autoSdl = autoSdl;
    this.#i32 = core.i32;
  }

  mayAccept(listener: SessionIndex, isProven = false): boolean {
    const i32 = this.#i32;
    const { table, errorCounts } = this.#core;
    const r = table.row(listener);
    if (!table.isUsed(listener) || i32[r + S_STATE] !== SESSION_LISTENING) {
      errorCounts[-SESSION_E_NOLISTEN]++;
      return false;
    }
    if (table.available === 0) {
      errorCounts[-SESSION_E_ALLOC]++;
      return false;
    }
    // A listener without any backlog takes nobody.
    const backlog = i32[r + S_BACKLOG];
    if (isProven ? backlog === 0 : i32[r + S_HALF_OPENS] >= backlog) {
      errorCounts[-SESSION_E_REFUSED]++;
      return false;
    }
    i32[r + S_HALF_OPENS]++;
    return true;
  }

  halfOpenEnded(listener: SessionIndex): void {
    const { table } = this.#core;
    if (!table.isUsed(listener)) return;
    const at = table.row(listener) + S_HALF_OPENS;
    if (this.#i32[at] > 0 && this.#i32[at - S_HALF_OPENS + S_STATE] === SESSION_LISTENING) this.#i32[at]--;
  }

  handshakeTimedOut(proto: number, c: ConnectionIndex): void {
    this.#autoSdl.track(this.#core.connectionRow(proto, c));
  }

  accepted(proto: number, c: ConnectionIndex, listener: SessionIndex, client = -1): number {
    const i32 = this.#i32;
    const core = this.#core;
    this.halfOpenEnded(listener);
    const l = core.table.row(listener);
    if (!core.table.isUsed(listener) || i32[l + S_STATE] !== SESSION_LISTENING) return core.fail(SESSION_E_NOLISTEN);
    const worker = this.#listeners.acceptingWorker(listener);
    if (worker === undefined) return core.fail(SESSION_E_NOAPP);
    const transport = core.transports[proto] as Transport;
    const isIp6 = (i32[core.connectionRow(proto, c) + C_FLAGS] & CF_IP6) !== 0;
    const s = core.newSession(worker, transport, isIp6);
    if (s < 0) return core.fail(s);
    const peer = client < 0 ? undefined : core.applications.workerAt(i32[core.table.row(client) + S_WORKER]);
    const error = core.giveFifos(worker, s, proto, c, peer);
    if (error < 0) {
      core.release(s);
      return core.fail(error);
    }
    const r = core.table.row(s);
    i32[r + S_LISTENER] = this.#listeners.of(listener)?.sessions[worker.number] ?? listener;
    i32[r + S_STATE] = SESSION_ACCEPTING;
    core.raise(s, EV_ACCEPTED);
    return 0;
  }

  connected(
    proto: number,
    c: ConnectionIndex,
    context: number,
    error: number,
    peer = -1,
    reason: string | undefined = undefined,
  ): number {
    const i32 = this.#i32;
    const core = this.#core;
    const s = context & 0xff_ffff;
    const r = core.table.row(s);
    const isOurs =
      core.table.isUsed(s) &&
      i32[r + S_STATE] === SESSION_CONNECTING &&
      (i32[r + S_GENERATION] & 0xff) === context >>> 24;
    if (!isOurs) return SESSION_E_NOSESSION;
    const worker = core.applications.workerAt(i32[r + S_WORKER]);
    let result = error;
    if (result === 0) {
      if (worker?.isAttached !== true) result = SESSION_E_NOAPP;
      else if (peer >= 0) core.shareFifos(s, proto, c, peer);
      else result = core.giveFifos(worker, s, proto, c);
    }
    if (result < 0) {
      if (reason !== undefined) core.reasons.set(s, reason);
      core.fail(result);
      i32[r + S_ERROR] = result;
      i32[r + S_CONNECTION] = -1;
      i32[r + S_STATE] = SESSION_TRANSPORT_DELETED;
    } else i32[r + S_STATE] = SESSION_READY;
    core.raise(s, EV_CONNECTED);
    return error < 0 ? 0 : result;
  }

  isOnInterface(s: SessionIndex): boolean {
    return s >= 0 && (this.#i32[this.#core.table.row(s) + S_FLAGS] & SF_ON_INTERFACE) !== 0;
  }

  sourceOn(s: SessionIndex, remote: Int32Array, asked?: Int32Array): Int32Array | undefined {
    return this.#listeners.sourceOn(s, remote, asked);
  }

  received(s: SessionIndex): void {
    if (s < 0) return;
    const r = this.#core.table.row(s);
    if ((this.#i32[r + S_EVENTS] & EV_RX) === 0) this.#core.raise(s, EV_RX);
  }

  urgent(s: SessionIndex): void {
    if (s >= 0) this.#core.raise(s, EV_URGENT);
  }

  softError(s: SessionIndex, kind: number): void {
    if (s < 0) return;
    const at = this.#core.table.row(s) + S_FLAGS;
    this.#i32[at] = (this.#i32[at] & ~SF_SOFT_ERROR) | (kind << SF_SOFT_ERROR_SHIFT);
    this.#core.raise(s, EV_SOFT_ERROR);
  }

  acknowledged(s: SessionIndex): void {
    if (s < 0) return;
    const i32 = this.#i32;
    const { fifos, table } = this.#core;
    const r = table.row(s);
    if ((i32[r + S_FLAGS] & SF_WANT_TX) === 0 || (i32[r + S_EVENTS] & EV_TX) !== 0) return;
    const tx = i32[r + S_TX_FIFO];
    // A quarter of the fifo at once, so that a writer does not fill it up crumb by crumb.
    if (fifos.maxEnqueue(tx) >= fifos.capBytes(tx) >> 2) this.#core.raise(s, EV_TX);
  }

  closing(s: SessionIndex): void {
    if (s < 0) return;
    const i32 = this.#i32;
    const r = this.#core.table.row(s);
    if (i32[r + S_STATE] < SESSION_TRANSPORT_CLOSING) i32[r + S_STATE] = SESSION_TRANSPORT_CLOSING;
    this.#endOfStream(s, r);
  }

  #endOfStream(s: SessionIndex, r: number): void {
    const i32 = this.#i32;
    if ((i32[r + S_FLAGS] & (SF_END_NOTIFIED | SF_APP_CLOSED)) !== 0) return;
    i32[r + S_FLAGS] |= SF_END_NOTIFIED;
    this.#core.raise(s, EV_DISCONNECT);
  }

  reset(s: SessionIndex, error: number, reason?: string): void {
    const i32 = this.#i32;
    const core = this.#core;
    if (s < 0) return;
    const r = core.table.row(s);
    if ((i32[r + S_FLAGS] & SF_RESET) !== 0 || i32[r + S_STATE] === SESSION_TRANSPORT_DELETED) return;
    core.ended(s, error);
    if (reason !== undefined) core.reasons.set(s, reason);
    i32[r + S_FLAGS] |= SF_RESET | SF_END_NOTIFIED;
    i32[r + S_ERROR] = error;
    core.errorCounts[-error]++;
    core.discard(r);
    const isUntold = (i32[r + S_EVENTS] & EV_ACCEPTED) !== 0;
    i32[r + S_EVENTS] &= ~(EV_ACCEPTED | EV_URGENT | EV_RX | EV_TX | EV_SOFT_ERROR | EV_DISCONNECT);
    // An application that was never told of a session need not be told of its end.
    if (isUntold) i32[r + S_FLAGS] |= SF_APP_CLOSED;
    if ((i32[r + S_FLAGS] & SF_APP_CLOSED) !== 0) {
      i32[r + S_STATE] = SESSION_CLOSED;
      core.raise(s, EV_CLEANUP_TRANSPORT | EV_CLEANUP_SESSION);
    } else {
      i32[r + S_STATE] = SESSION_TRANSPORT_CLOSED;
      core.raise(s, EV_RESET);
    }
  }

  closed(s: SessionIndex): void {
    if (s < 0) return;
    const i32 = this.#i32;
    const core = this.#core;
    const r = core.table.row(s);
    const state = i32[r + S_STATE];
    if (state >= SESSION_TRANSPORT_CLOSED) return;
    core.ended(s, 0);
    if ((i32[r + S_FLAGS] & SF_APP_CLOSED) !== 0) {
      i32[r + S_STATE] = SESSION_CLOSED;
      core.raise(s, EV_TRANSPORT_CLOSED | EV_CLEANUP_TRANSPORT | EV_CLEANUP_SESSION);
      return;
    }
    i32[r + S_STATE] = SESSION_TRANSPORT_CLOSED;
    this.#endOfStream(s, r);
    core.raise(s, EV_TRANSPORT_CLOSED);
  }

  deleted(s: SessionIndex): void {
    if (s < 0) return;
    const i32 = this.#i32;
    const core = this.#core;
    const r = core.table.row(s);
    if (i32[r + S_STATE] === SESSION_TRANSPORT_DELETED) return;
    core.ended(s, 0);
    const wasClosed = i32[r + S_STATE] === SESSION_CLOSED;
    i32[r + S_STATE] = SESSION_TRANSPORT_DELETED;
    i32[r + S_CONNECTION] = -1;
    // Of a shared fifo the other end reads the rest.
    if (i32[r + S_TX_FIFO] !== 0 && (i32[r + S_FLAGS] & SF_SHARED_FIFOS) === 0) {
      core.fifos.dropAll(i32[r + S_TX_FIFO]);
    }
    if ((i32[r + S_FLAGS] & SF_APP_CLOSED) !== 0) {
      if (!wasClosed) core.raise(s, EV_CLEANUP_TRANSPORT | EV_CLEANUP_SESSION);
      return;
    }
    this.#endOfStream(s, r);
    core.raise(s, EV_CLEANUP_TRANSPORT);
  }

  wantTransmit(proto: number, c: ConnectionIndex): void {
    this.#queue(TX_NEW, proto, c);
  }

  wantControl(proto: number, c: ConnectionIndex): void {
    this.#queue(TX_CONTROL, proto, c);
  }

  #queue(list: TransmitList, proto: number, c: ConnectionIndex): void {
    const at = this.#core.connectionRow(proto, c) + C_FLAGS;
    this.#i32[at] |= CF_TX_QUEUED;
    if (this.#transmitQueue.push(list, proto, c)) this.#core.wake();
  }
}
