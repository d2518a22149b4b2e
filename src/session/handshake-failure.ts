import type { Endpoint, SessionIndex } from "../transport/transport.js";
import type { SessionErrorValue } from "./session-errors.js";

/** A handshake of a listener's peer that came to nothing. */
export interface HandshakeFailure {
  readonly listener: SessionIndex;
  /** Undefined: its connection has gone already. */
  readonly remote: Endpoint | undefined;
  readonly error: SessionErrorValue;
  /** In the words of who does the handshake. */
  readonly reason: string;
}
