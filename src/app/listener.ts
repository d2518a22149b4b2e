import type { Session, SessionAddress } from "./session.js";

/** A listener of one worker. */
export interface Listener {
  /** The listener's own session: what datagrams are read from and sent by. */
  readonly session: Session;
  readonly uri: string;
  /** Where it listens; undefined once closed. */
  readonly local: SessionAddress | undefined;
  /** Stops listening. Accepted sessions live on. Rejects with NOLISTEN when it was closed before. */
  close(): Promise<void>;
}
