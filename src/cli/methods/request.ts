import { quoteValue } from "../../host/config-error.js";
import { SESSION_E_INVALID, SESSION_E_NOSUPPORT } from "../../session/session-errors.js";
import { MAX_REQUEST_BYTES } from "../socket-frame.js";
import { dispatch } from "./dispatch.js";
import type { MethodRun } from "./handler.js";
import { MethodError } from "./method-error.js";
import { METHODS_VERSION } from "./method-table.js";
import { type MethodAnswer, refusal } from "./request-form.js";

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
