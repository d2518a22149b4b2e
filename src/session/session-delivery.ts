import type { SessionIndex } from "../transport/transport.js";
import type { Applications } from "./applications.js";
import type { ApplicationCallbacks } from "./application.js";
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
  type EventQueue,
} from "./event-queue.js";
import type { SessionHandle } from "./session-handle.js";
import {
  S_ERROR,
  S_EVENTS,
  S_FLAGS,
  S_LISTENER,
  S_STATE,
  S_WORKER,
  SESSION_ACCEPTING,
  SESSION_READY,
  type SessionTable,
  SF_APP_CLOSED,
  SF_KNOWN,
  SF_SOFT_ERROR,
  SF_SOFT_ERROR_SHIFT,
  SF_SUBSCRIBED,
  SF_TUNED,
  SF_WANT_TX,
} from "./session-table.js";
import type { SubscribedEvent } from "./subscribed-event.js";

/** Sessions whose events are told in one turn; the others wait for the next. */
const MAX_SESSIONS_PER_TURN = 1024;
/** Events of one session told in a row: callbacks may cause further ones. */
const MAX_EVENTS_IN_A_ROW = 16;

/** What delivery asks of the session layer. */
export interface SessionOwner {
  /** Closes a session on behalf of its application. */
  close(s: SessionIndex): number;
  /** Resets a session on behalf of its application. */
  terminate(s: SessionIndex): number;
  /** The application takes an accepted session, or refuses it. */
  answer(s: SessionIndex, isTaken: boolean): number;
  /** Tells the transport that the application took an accepted session, or ended before it was asked. */
  answered(s: SessionIndex, isTaken: boolean): void;
  /** Something came in for a session with SF_TUNED: its application may want to hear how full its fifo is. */
  tuneReceived(s: SessionIndex): void;
  /** Workers that have subscribed to a session with SF_SUBSCRIBED hear of it. */
  tellSubscribers(s: SessionIndex, event: SubscribedEvent): void;
  /** Frees a session that both ends are done with. */
  release(s: SessionIndex): void;
  /** A callback threw. */
  reportError(error: unknown, session: SessionHandle): void;
}

/** Tells applications what happened to their sessions: the work of session-input. */
export class SessionDelivery {
  readonly #i32: Int32Array;
  readonly #table: SessionTable;
  readonly #queue: EventQueue;
  readonly #applications: Applications;
  readonly #owner: SessionOwner;
  /** What a detached worker hears. */
  readonly #silence: ApplicationCallbacks = {};

  constructor(
    i32: Int32Array,
    table: SessionTable,
    queue: EventQueue,
    applications: Applications,
    owner: SessionOwner,
  ) {
    this.#i32 = i32;
    this.#table = table;
    this.#queue = queue;
    this.#applications = applications;
    this.#owner = owner;
  }

  /** Tells what is due, sessions in the order in which they had something, at most 1024. Returns how many. */
  run(): number {
    const count = Math.min(this.#queue.length, MAX_SESSIONS_PER_TURN);
    for (let i = 0; i < count; i++) this.#deliverSession(this.#queue.shift());
    return count;
  }

  #deliverSession(s: SessionIndex): void {
    const i32 = this.#i32;
    const at = this.#table.row(s) + S_EVENTS;
    for (let i = 0; i < MAX_EVENTS_IN_A_ROW; i++) {
      const events = i32[at];
      if (events === 0) return;
      const event = events & -events;
      i32[at] = events & ~event;
      const worker = this.#applications.workerAt(i32[this.#table.row(s) + S_WORKER]);
      const callbacks = worker?.isAttached === true ? worker.callbacks : this.#silence;
      try {
        this.#deliver(s, event, callbacks);
      } catch (error) {
        this.#owner.reportError(error, this.#table.handle(s));
        this.#owner.terminate(s);
      }
      if ((event & (EV_RX | EV_TX)) !== 0 && (i32[at - S_EVENTS + S_FLAGS] & SF_SUBSCRIBED) !== 0) {
        this.#owner.tellSubscribers(s, event === EV_RX ? "rx" : "tx");
      }
      if (event === EV_CLEANUP_SESSION || !this.#table.isUsed(s)) {
        if (this.#table.isUsed(s)) this.#owner.release(s);
        return;
      }
    }
    this.#queue.raise(s, 0);
  }

  #deliver(s: SessionIndex, event: number, callbacks: ApplicationCallbacks): void {
    const i32 = this.#i32;
    const r = this.#table.row(s);
    const isAppClosed = (i32[r + S_FLAGS] & SF_APP_CLOSED) !== 0;
    const isKnown = (i32[r + S_FLAGS] & SF_KNOWN) !== 0;
    switch (event) {
      case EV_CONNECTED:
        this.#connected(s, r, callbacks);
        break;
      case EV_ACCEPTED:
        if (isAppClosed) {
          this.#owner.answered(s, false);
          break;
        }
        i32[r + S_FLAGS] |= SF_KNOWN;
        if (i32[r + S_STATE] === SESSION_ACCEPTING) i32[r + S_STATE] = SESSION_READY;
        this.#accept(s, r, callbacks);
        break;
      case EV_RX:
        if (isAppClosed) break;
        if ((i32[r + S_FLAGS] & SF_TUNED) !== 0) this.#owner.tuneReceived(s);
        if ((i32[r + S_FLAGS] & SF_APP_CLOSED) === 0) callbacks.rx?.(s);
        break;
      case EV_TX:
        if (isAppClosed) break;
        i32[r + S_FLAGS] &= ~SF_WANT_TX;
        callbacks.tx?.(s);
        break;
      case EV_URGENT:
        if (!isAppClosed) callbacks.urgent?.(s);
        break;
      case EV_SOFT_ERROR:
        if (!isAppClosed) callbacks.softError?.(s, (i32[r + S_FLAGS] & SF_SOFT_ERROR) >>> SF_SOFT_ERROR_SHIFT);
        break;
      case EV_DISCONNECT:
        if (isAppClosed) break;
        if (callbacks.disconnect === undefined) this.#owner.close(s);
        else callbacks.disconnect(s);
        break;
      case EV_RESET:
        if (isAppClosed) break;
        callbacks.reset?.(s, i32[r + S_ERROR]);
        this.#owner.close(s);
        break;
      case EV_TRANSPORT_CLOSED:
        if (isKnown) callbacks.transportClosed?.(s);
        break;
      case EV_CLEANUP_TRANSPORT:
        if (isKnown) callbacks.cleanup?.(s, "transport");
        break;
      case EV_CLEANUP_SESSION:
        if (isKnown) callbacks.cleanup?.(s, "session");
        break;
      default:
    }
  }

  #accept(s: SessionIndex, r: number, callbacks: ApplicationCallbacks): void {
    const answer = callbacks.accept === undefined ? false : callbacks.accept(s, this.#i32[r + S_LISTENER]);
    if (answer !== "later") this.#owner.answer(s, answer !== false);
  }

  #connected(s: SessionIndex, r: number, callbacks: ApplicationCallbacks): void {
    const i32 = this.#i32;
    const isAppClosed = (i32[r + S_FLAGS] & SF_APP_CLOSED) !== 0;
    const error = i32[r + S_ERROR];
    try {
      if (!isAppClosed) {
        if (error === 0) i32[r + S_FLAGS] |= SF_KNOWN;
        callbacks.connected?.(s, error);
      }
    } finally {
      try {
        callbacks.halfOpenCleanup?.(s);
      } finally {
        if (error !== 0) this.#owner.release(s);
      }
    }
  }
}
