import { SESSION_E_ALLOC, SESSION_E_UNKNOWN } from "../../session/session-errors.js";
import { MAX_ANSWER_BYTES } from "../socket-frame.js";
import { failureOf, MethodError, type MethodFailure } from "./method-error.js";
import { METHODS_VERSION } from "./method-table.js";

// A request is one line: {"version":1,"method":"route.del","params":{"prefix":"10.0.0.0/8"}}; params may be absent. Its answer
// is {"version":1,"result":…} or {"version":1,"error":{"code","name","text","argument"}}.

/** The answer to a request, as JSON. */
export type MethodAnswer =
  | { readonly version: number; readonly result: unknown }
  | { readonly version: number; readonly error: MethodFailure };

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

/** A refusal of a stack that is not there yet, or not any more. */
export function noStack(text: string): MethodAnswer {
  return refusal(new MethodError(SESSION_E_UNKNOWN, undefined, text));
}

/** Undefined: longer than a text can be. */
function jsonOf(answer: MethodAnswer): string | undefined {
  try {
    return JSON.stringify(answer);
  } catch {
    return undefined;
  }
}

/** The answer as one line of JSON, of a length that clients take. */
export function answerLine(answer: MethodAnswer): { readonly ok: boolean; readonly text: string } {
  const text = jsonOf(answer);
  if (text !== undefined && text.length <= MAX_ANSWER_BYTES) return { ok: "result" in answer, text };
  return answerLine(refusal(new MethodError(SESSION_E_ALLOC, undefined, "the answer is too long")));
}
