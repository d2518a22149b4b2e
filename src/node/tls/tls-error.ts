import { SessionError } from "../../session/session-errors.js";

/** An error with a code, as Node's tls has them. */
export type CodedError = Error & { readonly code: string };

/** Makes one; `more` are further properties. */
export function codedError(code: string, message: string, more: Readonly<Record<string, unknown>> = {}): CodedError {
  return Object.assign(new Error(message), { code, ...more });
}

/** What there is in node:tls and not here. */
export function unsupported(what: string): CodedError {
  return codedError("ERR_WEFT_TLS_UNSUPPORTED", `${what} is not supported by this stack's tls`);
}

/** What is wrong with a text that only the stack reads. Other errors stay as they are. */
export function contextError(cause: unknown): unknown {
  const isText = cause instanceof SessionError && cause.sessionError === "INVALID";
  return isText ? codedError("ERR_INVALID_ARG_VALUE", cause.message, { sessionError: cause.sessionError }) : cause;
}

/** A connection that went before its handshake was done, in the transport's words. */
const LOST = ["connection lost", "connection reset by peer", "unexpected end", "unexpected eof while reading"];

/**
 * What a failed handshake, or a record or alert that broke the connection, looks like to users of node:tls: `ERR_SSL_…` with
 * OpenSSL's reason, ECONNRESET, or ERR_TLS_HANDSHAKE_TIMEOUT. Other errors stay as they are.
 */
export function tlsError(cause: Error): Error {
  if (!(cause instanceof SessionError)) return cause;
  const { sessionError, reason } = cause;
  if (sessionError === "TIMEDOUT" && reason === "handshake timed out") {
    return codedError("ERR_TLS_HANDSHAKE_TIMEOUT", "TLS handshake timeout", { sessionError });
  }
  if (sessionError !== "TLS_HANDSHAKE" && sessionError !== "TLS_PROTOCOL") return cause;
  if (LOST.includes(reason)) {
    const message = "Network socket disconnected before secure TLS connection was established";
    return codedError("ECONNRESET", message, { sessionError });
  }
  const code = `ERR_SSL_${reason.toUpperCase().replace(/[^A-Z0-9]+/g, "_")}`;
  return codedError(code, reason, { library: "SSL routines", reason, sessionError });
}
