import { SESSION_E_UNKNOWN, SessionError, type SessionErrorValue } from "../session/session-errors.js";
import type { SessionIndex } from "../transport/transport.js";

/** Why a session was reset: UNKNOWN is a reset by the peer, which VPP's table has no name for. `reason`: what the transport knows beyond it. */
export function resetError(s: SessionIndex, value: SessionErrorValue, reason?: string): SessionError {
  const where = `session ${s}`;
  if (value !== SESSION_E_UNKNOWN) return new SessionError(value, where, reason);
  return new SessionError(value, where, "connection reset by peer", "ECONNRESET");
}
