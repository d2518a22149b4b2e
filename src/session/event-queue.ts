import type { SessionIndex } from "../transport/transport.js";
import { S_EVENTS, S_FLAGS, S_NEXT_EVENT, type SessionTable, SF_QUEUED } from "./session-table.js";

// What an application is to be told of a session, in the order in which it is told.
/** An active open ended. */
export const EV_CONNECTED = 1;
/** A passive open is complete. */
export const EV_ACCEPTED = 2;
/** Urgent data is on its way. */
export const EV_URGENT = 4;
/** There is something to read. */
export const EV_RX = 8;
/** There is room to write. */
export const EV_TX = 16;
/** Something befell the connection that does not end it. */
export const EV_SOFT_ERROR = 32;
/** The peer sends no more. */
export const EV_DISCONNECT = 64;
/** The connection was reset. */
export const EV_RESET = 128;
/** The transport is done. */
export const EV_TRANSPORT_CLOSED = 256;
/** The transport's row is gone. */
export const EV_CLEANUP_TRANSPORT = 512;
/** Both ends are done: the session goes. */
export const EV_CLEANUP_SESSION = 1024;

/**
 * Sessions whose application has to be told something, oldest first: a list through their rows, each session once. So it
 * needs no memory of its own and cannot overflow; what is to be told are the bits of S_EVENTS.
 */
export class EventQueue {
  readonly #i32: Int32Array;
  readonly #table: SessionTable;
  #head = 0;
  #tail = 0;
  #length = 0;

  constructor(i32: Int32Array, table: SessionTable) {
    this.#i32 = i32;
    this.#table = table;
  }

  /** Sessions in the list. */
  get length(): number {
    return this.#length;
  }

  /** Adds events to a session. Returns true when the list was empty. */
  raise(s: SessionIndex, events: number): boolean {
    const i32 = this.#i32;
    const r = this.#table.row(s);
    i32[r + S_EVENTS] |= events;
    if ((i32[r + S_FLAGS] & SF_QUEUED) !== 0) return false;
    i32[r + S_FLAGS] |= SF_QUEUED;
    i32[r + S_NEXT_EVENT] = 0;
    if (this.#tail > 0) i32[this.#table.row(this.#tail - 1) + S_NEXT_EVENT] = s + 1;
    else this.#head = s + 1;
    this.#tail = s + 1;
    return this.#length++ === 0;
  }

  /** Takes the oldest session out, -1 when there is none. */
  shift(): SessionIndex {
    const s = this.#head - 1;
    if (s < 0) return -1;
    const r = this.#table.row(s);
    this.#head = this.#i32[r + S_NEXT_EVENT];
    if (this.#head === 0) this.#tail = 0;
    this.#i32[r + S_FLAGS] &= ~SF_QUEUED;
    this.#length--;
    return s;
  }
}
