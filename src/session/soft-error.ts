import { SOFT_NO_ANSWER } from "../transport/transport.js";
import {
  SESSION_E_FILTERED,
  SESSION_E_INVALID,
  SESSION_E_NOROUTE,
  SESSION_E_REFUSED,
  SESSION_E_TIMEDOUT,
  SessionError,
  type SessionErrorValue,
} from "./session-errors.js";

/** By kind, in the order of icmp-error-sink.ts and then SOFT_NO_ANSWER; codes as in Linux. */
const SOFT_ERRORS: readonly (readonly [value: SessionErrorValue, code: string, text: string])[] = [
  [SESSION_E_NOROUTE, "ENETUNREACH", "network unreachable"],
  [SESSION_E_NOROUTE, "EHOSTUNREACH", "host unreachable"],
  [SESSION_E_REFUSED, "ENOPROTOOPT", "protocol unreachable"],
  [SESSION_E_REFUSED, "ECONNREFUSED", "port unreachable"],
  [SESSION_E_INVALID, "EMSGSIZE", "packet too big"],
  [SESSION_E_FILTERED, "EACCES", "communication prohibited"],
  [SESSION_E_NOROUTE, "EHOSTUNREACH", "time exceeded on the way"],
  [SESSION_E_INVALID, "EPROTO", "parameter problem"],
  [SESSION_E_TIMEDOUT, "ETIMEDOUT", "retransmissions are not answered"],
];

/** What befell a connection without ending it, as applications see it. `kind`: an ICMP_ kind, or SOFT_NO_ANSWER. */
export function softErrorOf(kind: number, where: string): SessionError {
  const [value, code, text] = SOFT_ERRORS[kind] ?? SOFT_ERRORS[SOFT_NO_ANSWER];
  return new SessionError(value, where, text, code);
}
