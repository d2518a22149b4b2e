import {
  SESSION_E_INVALID,
  SESSION_E_UNKNOWN,
  SessionError,
  sessionErrorEntry,
  type SessionErrorValue,
} from "../../session/session-errors.js";

/** Why a method was not done, as JSON. */
export interface MethodFailure {
  /** Node's code, e.g. `EINVAL`. */
  readonly code: string;
  /** VPP's name of the session error, e.g. `INVALID`. */
  readonly name: string;
  readonly text: string;
  /** The argument at fault, e.g. `paths[0].via`; absent when it is none of them. */
  readonly argument?: string;
}

/** Thrown by a method that is not done: nothing has changed. */
export class MethodError extends Error {
  readonly errno: SessionErrorValue;
  readonly argument: string | undefined;

  /** `cause`: the refusal of the tables that it stands for. */
  constructor(errno: SessionErrorValue, argument: string | undefined, text: string, cause?: unknown) {
    super(text, cause === undefined ? undefined : { cause });
    this.name = "MethodError";
    this.errno = errno;
    this.argument = argument;
  }
}

/** What is thrown as JSON: arguments that the tables refuse are RangeErrors and SessionErrors. */
export function failureOf(error: unknown): MethodFailure {
  if (error instanceof MethodError) {
    const { name, code } = sessionErrorEntry(error.errno);
    const { message: text, argument } = error;
    return { code, name, text, ...(argument === undefined ? {} : { argument }) };
  }
  if (error instanceof SessionError) {
    return { code: error.code, name: error.sessionError, text: error.message };
  }
  const { name, code } = sessionErrorEntry(error instanceof RangeError ? SESSION_E_INVALID : SESSION_E_UNKNOWN);
  return { code, name, text: error instanceof Error ? error.message : String(error) };
}

/** Runs a change; what the tables refuse is blamed on that argument. */
export function blame<T>(argument: string, change: () => T): T {
  try {
    return change();
  } catch (error) {
    if (error instanceof RangeError) throw new MethodError(SESSION_E_INVALID, argument, error.message, error);
    throw error;
  }
}
