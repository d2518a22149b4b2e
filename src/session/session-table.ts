import type { MemoryWindow } from "../mem/window.js";
import type { SessionIndex } from "../transport/transport.js";
import {
  GENERATIONS,
  handleEngine,
  handleGeneration,
  handleIndex,
  makeHandle,
  MAX_SESSIONS,
  type SessionHandle,
} from "./session-handle.js";

// States in VPP's order: comparisons by order are meant.
/** Made, nobody was told. */
export const SESSION_CREATED = 0;
/** A listener. */
export const SESSION_LISTENING = 1;
/** An active open is under way. */
export const SESSION_CONNECTING = 2;
/** A passive open is complete; the application was not told yet. */
export const SESSION_ACCEPTING = 3;
/** Data flows both ways. */
export const SESSION_READY = 4;
/** As ready, for transports that open in steps. */
export const SESSION_OPENED = 5;
/** The peer sends no more; the application may read the rest, and still write. */
export const SESSION_TRANSPORT_CLOSING = 6;
/** The application closed; the transport is being told. */
export const SESSION_CLOSING = 7;
/** The application closed; the transport sends the rest. */
export const SESSION_APP_CLOSED = 8;
/** The transport is done (or was reset), the application not yet. */
export const SESSION_TRANSPORT_CLOSED = 9;
/** Both are done; the transport still has its row. */
export const SESSION_CLOSED = 10;
/** The transport's row is gone. */
export const SESSION_TRANSPORT_DELETED = 11;

/** VPP's names of the states, by number. */
export const SESSION_STATE_NAMES: readonly string[] = [
  "created",
  "listening",
  "connecting",
  "accepting",
  "ready",
  "opened",
  "transport-closing",
  "closing",
  "app-closed",
  "transport-closed",
  "closed",
  "transport-deleted",
];

// A row: one cache line of 16 words.
/** One of the SESSION_ states; -1 marks a free row. */
export const S_STATE = 0;
/** The SF_ flags. */
export const S_FLAGS = 1;
/** Events that the application was not told yet: EV_ bits. */
export const S_EVENTS = 2;
/** Connection of the transport, -1 while there is none. */
export const S_CONNECTION = 3;
/** Window offset of the rx fifo, 0 without one. */
export const S_RX_FIFO = 4;
/** Window offset of the tx fifo, 0 without one. */
export const S_TX_FIFO = 5;
/** Application worker that owns the session, by its index. */
export const S_WORKER = 6;
/** Transport protocol. */
export const S_PROTO = 7;
/** Listener of an accepted session, -1 of others. */
export const S_LISTENER = 8;
/** The negative session error that ended the connection, or the active open. */
export const S_ERROR = 9;
/** Next session that has events + 1, 0 at the end; of a free row: next free row. */
export const S_NEXT_EVENT = 10;
/** Next session of the same worker + 1, 0 at the end. */
export const S_WORKER_NEXT = 11;
/** Previous session of the same worker + 1, 0 at the start. */
export const S_WORKER_PREVIOUS = 12;
/** How often the row was taken, modulo 2^20. */
export const S_GENERATION = 13;
/** Of a listener: half-open connections. */
export const S_HALF_OPENS = 14;
/** Of a listener: half-open connections it may have. */
export const S_BACKLOG = 15;
/** Of a session with SF_SHARED_FIFOS: the one that has the same fifos crosswise + 1, 0 once that has gone. */
export const S_FIFO_PEER = S_HALF_OPENS;
/** Of others: when it got its fifos, milliseconds modulo 2^32 on the session layer's clock. */
export const S_START_MS = S_BACKLOG;
/** A row has 16 words: row s starts at word `base + (s << SESSION_ROW_SHIFT)`. */
export const SESSION_ROW_SHIFT = 4;

/** The application closed its end, or never learned of the session. */
export const SF_APP_CLOSED = 1;
/** The application will write no more. */
export const SF_HALF_CLOSED = 2;
/** The connection was reset. */
export const SF_RESET = 4;
/** The application was told of the end of the stream (disconnect or reset). */
export const SF_END_NOTIFIED = 8;
/** A write found no room: the application waits for tx. */
export const SF_WANT_TX = 16;
/** The session is in the list of those with events. */
export const SF_QUEUED = 32;
/** A write found room in the fifo but no memory, and nothing is under way whose end would make room. */
export const SF_STARVED = 64;
/** The session keeps datagrams apart, each behind a header. */
export const SF_DATAGRAM = 128;
/** A datagram listener that makes a session per peer. */
export const SF_CONNECTED_MODE = 256;
/** The application knows the session: accept or connected was called. */
export const SF_KNOWN = 512;
/** Runs over IPv6. */
export const SF_IP6 = 1024;
/** A datagram listener whose flows are spread over several workers. */
export const SF_SPREAD = 2048;
/** A listener on any address of its namespace's interface: what it sends comes from one of those. */
export const SF_ON_INTERFACE = 4096;
/** The fifos are also those of the other end, an application of this stack: who goes last frees them. */
export const SF_SHARED_FIFOS = 8192;
/** Its end was noted for event collectors, if there are any. */
export const SF_COLLECTED = 16_384;
/** From this bit on: kind of the soft error that the application has to hear of, four bits. */
export const SF_SOFT_ERROR_SHIFT = 24;
/** Those bits. */
export const SF_SOFT_ERROR = 15 << SF_SOFT_ERROR_SHIFT;
/** The rx fifo is sized by need, or has marks (fifo-tuning.ts). */
export const SF_TUNED = 1 << 15;
/** Its unread bytes have passed the high mark, and were not under the low one since. */
export const SF_ABOVE_MARK = 1 << 16;
/** Other workers hear of it, too: see subscribers.ts. */
export const SF_SUBSCRIBED = 1 << 17;

/** The session rows of one engine: a pool in the window. */
export class SessionTable {
  /** Word index of row 0. */
  readonly base: number;
  readonly capacity: number;
  readonly engine: number;
  readonly #i32: Int32Array;
  #free = 0;
  #fresh = 0;
  #used = 0;

  /** Reserves `capacity` rows (at most 2^24) of 64 bytes. Throws RangeError when the window is full. */
  constructor(window: MemoryWindow, capacity: number, engine = 0) {
    if (!(capacity >= 1 && capacity <= MAX_SESSIONS)) throw new RangeError(`sessions: ${capacity} is not 1 to 2^24`);
    this.capacity = capacity;
    this.engine = engine;
    this.#i32 = window.i32;
    this.base = window.reserve("sessions", capacity << (SESSION_ROW_SHIFT + 2)) >> 2;
  }

  /** Rows in use. */
  get used(): number {
    return this.#used;
  }

  /** Rows left. */
  get available(): number {
    return this.capacity - this.#used;
  }

  /** Word index of a row. */
  row(s: SessionIndex): number {
    return (this.base + (s << SESSION_ROW_SHIFT)) | 0;
  }

  /** Takes a row, cleared, in state created; -1 when all are in use. */
  alloc(): SessionIndex {
    const i32 = this.#i32;
    let s = this.#free - 1;
    if (s >= 0) this.#free = i32[this.row(s) + S_NEXT_EVENT];
    else if (this.#fresh < this.capacity) s = this.#fresh++;
    else return -1;
    const r = this.row(s);
    const generation = (i32[r + S_GENERATION] + 1) % GENERATIONS;
    for (let i = r; i < r + (1 << SESSION_ROW_SHIFT); i++) i32[i] = 0;
    i32[r + S_GENERATION] = generation;
    i32[r + S_CONNECTION] = -1;
    i32[r + S_LISTENER] = -1;
    i32[r + S_WORKER] = -1;
    this.#used++;
    return s;
  }

  /** Gives a row back; its handles are stale from now on. */
  free(s: SessionIndex): void {
    const r = this.row(s);
    this.#i32[r + S_STATE] = -1;
    this.#i32[r + S_NEXT_EVENT] = this.#free;
    this.#free = s + 1;
    this.#used--;
  }

  /** Whether the index names a row in use. */
  isUsed(s: SessionIndex): boolean {
    return s >= 0 && s < this.#fresh && s === (s | 0) && this.#i32[this.row(s) + S_STATE] >= 0;
  }

  /** How often the row was taken, modulo 2^20. */
  generation(s: SessionIndex): number {
    return this.#i32[this.row(s) + S_GENERATION];
  }

  /** The handle of a row in use. */
  handle(s: SessionIndex): SessionHandle {
    return makeHandle(this.engine, this.#i32[this.row(s) + S_GENERATION], s);
  }

  /** The row that a handle names, -1 when it is stale or another engine's. */
  find(handle: SessionHandle): SessionIndex {
    if (!Number.isSafeInteger(handle) || handle < 0 || handleEngine(handle) !== this.engine) return -1;
    const s = handleIndex(handle);
    return this.isUsed(s) && this.#i32[this.row(s) + S_GENERATION] === handleGeneration(handle) ? s : -1;
  }

  /** Every row in use, for listings. */
  *[Symbol.iterator](): Generator<SessionIndex> {
    for (let s = 0; s < this.#fresh; s++) if (this.#i32[this.row(s) + S_STATE] >= 0) yield s;
  }
}
