import type { AppCallbacks } from "../../app/callbacks.js";
import type { Listener } from "../../app/listener.js";
import type { Session } from "../../app/session.js";

/** Who hears of a session. */
export interface SessionEvents {
  /** Bytes came in. */
  onData(): void;
  /** There is room in the tx fifo. */
  onRoom(): void;
  /** The peer sends no more. */
  onPeerEnd(): void;
  /** The connection broke. */
  onReset(error: Error): void;
  /** The session has gone. */
  onGone(): void;
}

/**
 * Ties a session to its socket. A session that was connected has events before the promise of its connection lets
 * anyone know of it: they are kept here.
 */
export class SessionLink {
  owner: SessionEvents | undefined = undefined;
  ended = false;
  error: Error | undefined = undefined;
}

/** The link of a session, made when there is none. */
export function linkOf(session: Session): SessionLink {
  const { data } = session;
  if (data instanceof SessionLink) return data;
  const link = new SessionLink();
  session.data = link;
  return link;
}

/** Callbacks that tell each session's link; `onAccept` takes new sessions, false refuses one. */
export function linkCallbacks(onAccept: (session: Session, listener: Listener) => boolean): AppCallbacks {
  return {
    accept: onAccept,
    rx: (session) => linkOf(session).owner?.onData(),
    tx: (session) => linkOf(session).owner?.onRoom(),
    disconnect: (session) => {
      const link = linkOf(session);
      link.ended = true;
      link.owner?.onPeerEnd();
    },
    reset: (session, error) => {
      const link = linkOf(session);
      link.error = error;
      link.owner?.onReset(error);
    },
    cleanup: (session, phase) => {
      if (phase === "session") linkOf(session).owner?.onGone();
    },
  };
}
