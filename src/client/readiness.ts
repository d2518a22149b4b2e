import type { AppCallbacks } from "../app/callbacks.js";
import type { Listener } from "../app/listener.js";
import type { Session } from "../app/session.js";
import type { SessionError } from "../session/session-errors.js";

/** What happened to a session since it was last asked; as edges, so read and write until there is nothing and no room. */
export interface SessionEvents {
  readonly session: Session;
  /** The listener that accepted it. */
  accepted: Listener | undefined;
  /** Something came in. */
  isReadable: boolean;
  /** There is room again after a write that was cut short. */
  isWritable: boolean;
  /** The peer sends no more. */
  isDisconnected: boolean;
  /** The connection was reset; why. */
  error: SessionError | undefined;
  /** It has gone. */
  isGone: boolean;
}

/**
 * For programs without callbacks: takes every session that is accepted, and notes what happens. Bounded by the sessions that
 * there are, but for those that went unseen.
 */
export class Readiness {
  #events = new Map<Session, SessionEvents>();
  #wake: (() => void) | undefined;

  /** The callbacks that note it. */
  readonly callbacks: AppCallbacks = {
    accept: (session, listener) => {
      this.#of(session).accepted = listener;
      return true;
    },
    rx: (session) => void (this.#of(session).isReadable = true),
    tx: (session) => void (this.#of(session).isWritable = true),
    disconnect: (session) => void (this.#of(session).isDisconnected = true),
    reset: (session, error) => void (this.#of(session).error = error),
    cleanup: (session, phase) => {
      if (phase !== "session") return;
      // Of a session that the program has never heard of, it need not hear any more.
      if (this.#events.get(session)?.accepted === undefined) this.#of(session).isGone = true;
      else this.#events.delete(session);
    },
    detached: () => this.#wake?.(),
  };

  #of(session: Session): SessionEvents {
    let events = this.#events.get(session);
    if (events === undefined) {
      events = {
        session,
        accepted: undefined,
        isReadable: false,
        isWritable: false,
        isDisconnected: false,
        error: undefined,
        isGone: false,
      };
      this.#events.set(session, events);
    }
    this.#wake?.();
    return events;
  }

  /**
   * What happened since the last call, in order of what happened first to each session. When that is nothing, waits for it:
   * `timeoutMs` at most, and then there is none; undefined waits on. A call ends the wait of one before it.
   */
  async wait(timeoutMs?: number): Promise<readonly SessionEvents[]> {
    this.#wake?.();
    if (this.#events.size === 0) await this.#change(timeoutMs);
    const events = [...this.#events.values()];
    this.#events.clear();
    return events;
  }

  #change(timeoutMs: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const timer = timeoutMs === undefined ? undefined : setTimeout(() => this.#wake?.(), timeoutMs);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
    });
  }
}
