import type { AppCallbacks } from "../../../app/callbacks.js";
import type { Session } from "../../../app/session.js";

/** What ties an accepted session to where it goes on: the `data` of both sessions, or of the one. */
export interface Relay {
  /** Something came in on the session. */
  readable(session: Session): void;
  /** There is room again in the session. */
  writable(session: Session): void;
  /** The session's peer sends no more. */
  ended(session: Session): void;
  /** The session was reset. */
  wasReset(session: Session): void;
  /** The session is about to be freed. */
  gone(session: Session): void;
}

function relayOf({ data }: Session): Relay | undefined {
  return data as Relay | undefined;
}

/** Hands what an application hears of its sessions to what ties them. */
export const RELAY_CALLBACKS: AppCallbacks = {
  rx: (session) => relayOf(session)?.readable(session),
  tx: (session) => relayOf(session)?.writable(session),
  disconnect: (session) => relayOf(session)?.ended(session),
  reset: (session) => relayOf(session)?.wasReset(session),
  cleanup(session, phase) {
    if (phase === "session") relayOf(session)?.gone(session);
  },
};

/** Of a session that is connected and not tied to another yet: what befell it. */
export class Untied implements Relay {
  hasEnded = false;
  isOver = false;

  readable(): void {
    // It stays in the fifo.
  }

  writable(): void {
    // Nothing was written.
  }

  ended(): void {
    this.hasEnded = true;
  }

  wasReset(): void {
    this.isOver = true;
  }

  gone(): void {
    this.isOver = true;
  }
}
