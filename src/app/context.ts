import { SessionIo } from "../session/session-io.js";
import type { SessionLayer } from "../session/session-layer.js";

/** What all applications of a stack share: one reference in each session object instead of three. */
export class AppContext {
  readonly sessions: SessionLayer;
  readonly io: SessionIo;

  constructor(sessions: SessionLayer) {
    this.sessions = sessions;
    this.io = new SessionIo(sessions);
  }
}
