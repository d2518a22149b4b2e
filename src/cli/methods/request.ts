import { quoteValue } from "../../host/config-error.js";
import { SESSION_E_ALLOC, SESSION_E_INVALID, SESSION_E_NOSUPPORT } from "../../session/session-errors.js";
import { MAX_ANSWER_BYTES, MAX_REQUEST_BYTES } from "../socket-frame.js";
import { dispatch } from "./dispatch.js";
import type { MethodRun } from "./handler.js";
import { failureOf, MethodError, type MethodFailure } from "./method-error.js";
import { METHODS_VERSION } from "./method-table.js";

// A request is one line: {"version":1,"method":"route.del","params":{"prefix":"10.0.0.0/8"}}; params may be absent. Its answer
// is {"version":1,"result":…} or {"version":1,"error":{"code","name","text","argument"}}.

/** The answer to a request, as JSON. */
export type MethodAnswer =
  | { readonly version: number; readonly result: unknown }
  | { readonly version: number; readonly error: MethodFailure };

/** The answer as one line of JSON, of a length that clients take. */
export function answerLine(answer: MethodAnswer): string {
  const text = JSON.stringify(answer);
  if (text.length <= MAX_ANSWER_BYTES) return text;
  return JSON.stringify(refusal(new MethodError(SESSION_E_ALLOC, undefined, "the answer is too long")));
}

/** Whether a line is a request: no text command begins so. */
export function isRequest(line: string): boolean {
  return line.trimStart().startsWith("{");
}

/** The line that asks for a method. */
export function requestLine(method: string, params: unknown): string {
  return JSON.stringify({ version: METHODS_VERSION, method, params });
}

/** A refusal as JSON. */
export function refusal(error: unknown): MethodAnswer {
  return { version: METHODS_VERSION, error: failureOf(error) };
}

function parse(line: string): Readonly<Record<string, unknown>> {
  if (line.length > MAX_REQUEST_BYTES) {
    throw new MethodError(SESSION_E_INVALID, undefined, `a request has at most ${MAX_REQUEST_BYTES} bytes`);
  }
  try {
    // What begins with a brace and can be parsed is an object.
    return JSON.parse(line) as Readonly<Record<string, unknown>>;
  } catch {
    throw new MethodError(SESSION_E_INVALID, undefined, "not JSON");
  }
}

/** Answers a request. Never throws: whatever goes wrong is the answer. */
export function answerRequest(run: MethodRun, line: string): MethodAnswer {
  try {
    const { version, method, params = {}, ...rest } = parse(line);
    if (version !== METHODS_VERSION) {
      const text = `version ${quoteValue(version)}: this stack speaks version ${METHODS_VERSION}`;
      throw new MethodError(SESSION_E_NOSUPPORT, "version", text);
    }
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined) throw new MethodError(SESSION_E_INVALID, unknown.slice(0, 64), "unknown key");
    return { version: METHODS_VERSION, result: dispatch(run, method, params) };
  } catch (error) {
    return refusal(error);
  }
}
