import { constants } from "node:os";
import { SessionError } from "../../session/session-errors.js";

/** Where a failed call was going or coming from. */
export interface NetErrorPlace {
  readonly address?: string;
  readonly port?: number;
}

/** An error as Node's net makes them: `connect ECONNREFUSED 198.18.0.1:80`. */
export interface NetError extends Error {
  /** Node's code, e.g. `ECONNREFUSED`. */
  readonly code: string;
  /** The system's number for it, negated; 0 when the system has none. */
  readonly errno: number;
  /** What was tried: `connect`, `listen`, `read`, `write`. */
  readonly syscall: string;
  readonly address?: string;
  readonly port?: number;
  /** VPP's name of the session error behind it. */
  readonly sessionError?: string;
}

function errnoOf(code: string): number {
  const numbers: Readonly<Record<string, number>> = constants.errno;
  return -(numbers[code] ?? 0);
}

/** Makes a {@link NetError} of a code. */
export function netError(syscall: string, code: string, place: NetErrorPlace = {}, sessionError?: string): NetError {
  const { address, port } = place;
  const where = address === undefined ? "" : port === undefined ? ` ${address}` : ` ${formatPlace(address, port)}`;
  const error = new Error(`${syscall} ${code}${where}`);
  return Object.assign(error, {
    code,
    errno: errnoOf(code),
    syscall,
    ...(address === undefined ? {} : { address }),
    ...(port === undefined ? {} : { port }),
    ...(sessionError === undefined ? {} : { sessionError }),
  });
}

function formatPlace(address: string, port: number): string {
  return `${address}:${port}`;
}

/** What a failed control call of the stack looks like to users of net. Errors of other kinds stay as they are. */
export function asNetError(syscall: string, cause: unknown, place: NetErrorPlace = {}): Error {
  if (cause instanceof SessionError) return netError(syscall, cause.code, place, cause.sessionError);
  return cause instanceof Error ? cause : new Error(`${syscall}: ${String(cause)}`);
}

/** A TypeError or RangeError with one of Node's ERR_ codes, for arguments that are wrong. */
export function argumentError(code: string, message: string): Error & { readonly code: string } {
  const error = code === "ERR_INVALID_ARG_TYPE" ? new TypeError(message) : new RangeError(message);
  return Object.assign(error, { code });
}
