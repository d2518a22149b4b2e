import { SESSION_E_INVALID, SessionError, sessionErrorEntry } from "../session/session-errors.js";
import type { SessionRecord } from "../session/session-record.js";
import type { Stack } from "../stack.js";
import { ConfigError, quoteValue } from "./config-error.js";
import type { ResolvedConfig } from "./config-types.js";

/**
 * Makes the namespaces, the session rules and the source deny list of a configuration; before applications attach. Throws
 * {@link ConfigError}, which names the rule or entry, or SessionError for a namespace.
 */
export function applySessionConfig(
  stack: Stack,
  { namespaces, rules, sdl }: Pick<ResolvedConfig, "namespaces" | "rules" | "sdl">,
): void {
  for (const each of namespaces) stack.apply({ kind: "namespace", add: true, ...each });
  for (const [i, each] of rules.entries()) applyOne(stack, { kind: "rule", add: true, ...each }, `rules[${i}]`, "rule");
  for (const [i, each] of sdl.entries()) applyOne(stack, { kind: "sdl", add: true, ...each }, `sdl[${i}]`, "entry");
}

function applyOne(
  stack: Stack,
  record: Extract<SessionRecord, { kind: "rule" | "sdl" }>,
  where: string,
  what: string,
): void {
  try {
    stack.apply(record);
  } catch (error) {
    if (!(error instanceof SessionError)) throw error;
    // Single values are right already.
    if (error.errno === SESSION_E_INVALID) {
      throw new ConfigError(`${where}.tag`, `another ${what} of its table has it: ${quoteValue(record.tag)}`);
    }
    const { text, name } = sessionErrorEntry(error.errno);
    throw new ConfigError(where, `${text} (${name})`);
  }
}
