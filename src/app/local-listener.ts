import type { Listener } from "./listener.js";
import type { LocalSession } from "./local-session.js";
import type { SessionAddress } from "./session.js";

/** Who can end a listener. */
export interface ListenerOwner {
  /** Throws SessionError. */
  unlisten(listener: LocalListener): void;
}

/** A listener of a worker in the stack's process. */
export class LocalListener implements Listener {
  readonly session: LocalSession;
  readonly uri: string;
  readonly #owner: ListenerOwner;

  /** Made by listen. */
  constructor(owner: ListenerOwner, uri: string, session: LocalSession) {
    this.#owner = owner;
    this.uri = uri;
    this.session = session;
  }

  get local(): SessionAddress | undefined {
    return this.session.local;
  }

  async close(): Promise<void> {
    this.#owner.unlisten(this);
  }
}
