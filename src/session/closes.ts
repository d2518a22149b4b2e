import type { SessionIndex } from "../transport/transport.js";
import type { AppListeners } from "./app-listeners.js";
import { EV_CLEANUP_SESSION, EV_CLEANUP_TRANSPORT, EV_CONNECTED } from "./event-queue.js";
import type { SessionCore } from "./session-core.js";
import {
  SESSION_E_NOSESSION,
  SESSION_E_NOSUPPORT,
  SESSION_E_REFUSED,
  type SessionErrorValue,
} from "./session-errors.js";
import {
  S_CONNECTION,
  S_ERROR,
  S_FLAGS,
  S_PROTO,
  S_STATE,
  S_TX_FIFO,
  SESSION_APP_CLOSED,
  SESSION_CLOSED,
  SESSION_CLOSING,
  SESSION_CONNECTING,
  SESSION_LISTENING,
  SESSION_TRANSPORT_CLOSED,
  SESSION_TRANSPORT_DELETED,
  SF_APP_CLOSED,
  SF_DATAGRAM,
  SF_HALF_CLOSED,
  SF_RESET,
} from "./session-table.js";

/** Ends sessions on behalf of their applications: close, half-close, reset (VPP: session_close, _half_close, _reset). */
export class SessionCloses {
  readonly #core: SessionCore;
  readonly #listeners: AppListeners;

  constructor(core: SessionCore, listeners: AppListeners) {
    this.#core = core;
    this.#listeners = listeners;
  }

  /** Closes both directions; what is written already is still sent. 0 also when it was closed before; NOSESSION. */
  close(s: SessionIndex): SessionErrorValue {
    const core = this.#core;
    if (!core.table.isUsed(s)) return SESSION_E_NOSESSION;
    const { i32 } = core;
    const r = core.table.row(s);
    const state = i32[r + S_STATE];
    if ((i32[r + S_FLAGS] & SF_APP_CLOSED) !== 0) return 0;
    if (state === SESSION_LISTENING) return this.#listeners.end(s);
    i32[r + S_FLAGS] |= SF_APP_CLOSED;
    const transport = core.transports[i32[r + S_PROTO]];
    if (state === SESSION_CONNECTING) {
      this.#abandonConnect(s, r);
    } else if (state === SESSION_TRANSPORT_DELETED) {
      core.raise(s, EV_CLEANUP_SESSION);
    } else if (state === SESSION_TRANSPORT_CLOSED) {
      i32[r + S_STATE] = SESSION_CLOSED;
      core.raise(s, EV_CLEANUP_TRANSPORT | EV_CLEANUP_SESSION);
    } else {
      i32[r + S_STATE] = SESSION_CLOSING;
      transport?.close(i32[r + S_CONNECTION]);
      if (i32[r + S_STATE] === SESSION_CLOSING) i32[r + S_STATE] = SESSION_APP_CLOSED;
    }
    return 0;
  }

  #abandonConnect(s: SessionIndex, r: number): void {
    const core = this.#core;
    const { i32 } = core;
    const c = i32[r + S_CONNECTION];
    i32[r + S_STATE] = SESSION_TRANSPORT_DELETED;
    i32[r + S_ERROR] = SESSION_E_REFUSED;
    i32[r + S_CONNECTION] = -1;
    if (c >= 0) core.transports[i32[r + S_PROTO]]?.close(c);
    core.raise(s, EV_CONNECTED);
  }

  /** Ends a session at once, by a reset; unread and unsent data is gone. 0, or NOSESSION. */
  terminate(s: SessionIndex): SessionErrorValue {
    const core = this.#core;
    if (!core.table.isUsed(s)) return SESSION_E_NOSESSION;
    const { i32 } = core;
    const r = core.table.row(s);
    const state = i32[r + S_STATE];
    if (state === SESSION_LISTENING || state === SESSION_CONNECTING || state >= SESSION_TRANSPORT_CLOSED) {
      return this.close(s);
    }
    core.ended(s, 0);
    i32[r + S_FLAGS] |= SF_APP_CLOSED | SF_RESET;
    i32[r + S_STATE] = SESSION_CLOSED;
    core.transports[i32[r + S_PROTO]]?.reset(i32[r + S_CONNECTION]);
    core.discard(r);
    core.raise(s, EV_CLEANUP_TRANSPORT | EV_CLEANUP_SESSION);
    return 0;
  }

  /** Ends the writing direction: FIN after what is written. NOSESSION, or NOSUPPORT for datagrams. */
  halfClose(s: SessionIndex): SessionErrorValue {
    const core = this.#core;
    if (!this.isWritable(s)) return SESSION_E_NOSESSION;
    const { i32 } = core;
    const r = core.table.row(s);
    if ((i32[r + S_FLAGS] & SF_DATAGRAM) !== 0) return SESSION_E_NOSUPPORT;
    i32[r + S_FLAGS] |= SF_HALF_CLOSED;
    core.transports[i32[r + S_PROTO]]?.halfClose(i32[r + S_CONNECTION]);
    return 0;
  }

  /** Whether the application may still write. */
  isWritable(s: SessionIndex): boolean {
    const { table, i32 } = this.#core;
    if (!table.isUsed(s)) return false;
    const r = table.row(s);
    const state = i32[r + S_STATE];
    return (
      (i32[r + S_FLAGS] & (SF_APP_CLOSED | SF_HALF_CLOSED | SF_RESET)) === 0 &&
      i32[r + S_TX_FIFO] !== 0 &&
      state !== SESSION_CONNECTING &&
      state < SESSION_CLOSING
    );
  }
}
