import { sessionErrorEntry } from "../../session/session-errors.js";
import { CliError } from "../words.js";

/** Throws CliError for a session error, with its name. */
export function checkResult(result: number): void {
  if (result >= 0) return;
  const { name, text } = sessionErrorEntry(result);
  throw new CliError(`${text} (${name})`);
}
