import type { SessionLayer } from "../session/session-layer.js";
import type { SessionIndex } from "../transport/transport.js";
import { AppContext } from "./context.js";
import { LocalSession } from "./local-session.js";

/** The session objects of all applications of this process. */
export class SessionObjects {
  readonly context: AppContext;
  /** By session index: an array, so that a session costs no more than its object and a slot. */
  readonly #objects: (LocalSession | undefined)[] = [];

  /** Reserves what the applications share. Throws RangeError when the window is full. */
  constructor(sessions: SessionLayer) {
    this.context = new AppContext(sessions);
  }

  /** Objects that name a session. */
  get count(): number {
    return this.#objects.filter((each) => each !== undefined).length;
  }

  /** The object of a session, made now. */
  adopt(s: SessionIndex): LocalSession {
    while (this.#objects.length <= s) this.#objects.push(undefined);
    this.#objects[s]?.invalidate();
    const session = new LocalSession(this.context, s);
    this.#objects[s] = session;
    return session;
  }

  /** The object of a session. */
  at(s: SessionIndex): LocalSession {
    return this.#objects[s] ?? this.adopt(s);
  }

  /** A session has gone: its object names nothing any more. */
  forget(s: SessionIndex): void {
    this.#objects[s]?.invalidate();
    this.#objects[s] = undefined;
  }
}
