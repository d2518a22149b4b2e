import type { MethodFailure } from "../cli/methods/method-error.js";
import type { MethodName, MethodParams, MethodResult } from "../cli/methods/method-table.js";
import { requestLine } from "../cli/methods/request-form.js";
import { CliClient } from "../cli/socket-client.js";
import { defaultSocketPath } from "../cli/socket-path.js";
import {
  SESSION_E_INVALID,
  SESSION_E_REFUSED,
  SESSION_E_TIMEDOUT,
  SESSION_E_UNKNOWN,
  SESSION_ERRORS,
  SessionError,
} from "../session/session-errors.js";

/** How to reach a stack. */
export interface ManageOptions {
  /** The control socket's path. Default: that of a stack that names none. */
  readonly socket?: string;
  /** How long a call may take. Default 5000. */
  readonly timeoutMs?: number;
}

/** Why a call was not done: a session error with the argument at fault. */
export class ManageError extends SessionError {
  /** E.g. `paths[0].via`; undefined when it is none of them. */
  readonly argument: string | undefined;

  /** `method`: what was called. */
  constructor(method: string, { code, name, text, argument }: MethodFailure) {
    const number = SESSION_ERRORS.findIndex((each) => each.name === name);
    const detail = argument === undefined ? text : `${argument}: ${text}`;
    super(number < 0 ? SESSION_E_UNKNOWN : -number, method, detail, code);
    this.name = "ManageError";
    this.argument = argument;
  }
}

/** The parameters of a call; they may be left out when none of them must be there. */
type CallArguments<M extends MethodName> =
  Record<never, never> extends MethodParams<M> ? [params?: MethodParams<M>] : [params: MethodParams<M>];

/** A stack to be managed, over its control socket. Made by {@link manage}. */
export class Management {
  readonly #client: CliClient;
  readonly #path: string;
  readonly #timeoutMs: number;

  /** Over a connection that stands. */
  constructor(client: CliClient, path: string, timeoutMs: number) {
    this.#client = client;
    this.#path = path;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Calls a method (src/cli/methods/README.md lists them). Calls are done in order. Rejects with {@link ManageError} when
   * it is not done; with SessionError TIMEDOUT when no answer comes in time, which closes the connection, since it cannot be
   * known what was done; with SessionError UNKNOWN, code ECONNRESET, when the stack goes, or `close` was called.
   */
  async call<M extends MethodName>(method: M, ...[params]: CallArguments<M>): Promise<MethodResult<M>> {
    const answer = readAnswer<M>(await this.#run(method, requestLine(method, params ?? {})));
    if (answer === undefined)
      throw new SessionError(SESSION_E_INVALID, method, `${this.#path}: not an answer of a stack`);
    if ("error" in answer) throw new ManageError(method, answer.error);
    return answer.result;
  }

  /** Closes the connection. Calls that wait reject. Can be called twice. */
  close(): void {
    this.#client.close();
  }

  async #run(method: string, line: string): Promise<string> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new SessionError(SESSION_E_TIMEDOUT, method, `no answer in ${this.#timeoutMs} ms`));
        this.#client.close();
      }, this.#timeoutMs);
    });
    try {
      return (await Promise.race([this.#client.run(line), late])).text;
    } catch (error) {
      if (error instanceof SessionError) throw error;
      const text = error instanceof Error ? error.message : String(error);
      throw new SessionError(SESSION_E_UNKNOWN, method, text, "ECONNRESET");
    } finally {
      clearTimeout(timer);
    }
  }
}

/** An answer to a request; undefined when it is none: something else answers there. */
function readAnswer<M extends MethodName>(
  text: string,
): { readonly result: MethodResult<M> } | { readonly error: MethodFailure } | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof answer !== "object" || answer === null) return undefined;
  if ("result" in answer) return answer as { readonly result: MethodResult<M> };
  const error: unknown = Reflect.get(answer, "error");
  return typeof error === "object" && error !== null ? { error: error as MethodFailure } : undefined;
}

/** Longest time that a timer takes, ms. */
const MAX_TIMEOUT_MS = 0x7fff_ffff;

/** Connects to the control socket of a running stack. Rejects with SessionError REFUSED when none listens there. */
export async function manage({ socket, timeoutMs = 5000 }: ManageOptions = {}): Promise<Management> {
  const path = socket ?? defaultSocketPath();
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > MAX_TIMEOUT_MS) {
    throw new SessionError(SESSION_E_INVALID, "manage", `timeoutMs: not a whole number from 1 to ${MAX_TIMEOUT_MS}`);
  }
  try {
    return new Management(await CliClient.open(path), path, timeoutMs);
  } catch (error) {
    const text = error instanceof Error ? error.message.slice(path.length + 2) : String(error);
    throw new SessionError(SESSION_E_REFUSED, `manage ${path}`, text);
  }
}
