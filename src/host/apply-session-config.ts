import { SESSION_E_INVALID, SessionError, sessionErrorEntry } from "../session/session-errors.js";
import type { Stack } from "../stack.js";
import { ConfigError, quoteValue } from "./config-error.js";
import type { ResolvedConfig } from "./config-types.js";

/**
 * Makes the namespaces and the session rules of a configuration; before applications attach. Throws {@link ConfigError},
 * which names the rule, or SessionError for a namespace.
 */
export function applySessionConfig(
  stack: Stack,
  { namespaces, rules }: Pick<ResolvedConfig, "namespaces" | "rules">,
): void {
  for (const each of namespaces) stack.apply({ kind: "namespace", add: true, ...each });
  for (const [i, each] of rules.entries()) {
    try {
      stack.apply({ kind: "rule", add: true, ...each });
    } catch (error) {
      if (!(error instanceof SessionError)) throw error;
      // Single values are right already.
      if (error.errno === SESSION_E_INVALID) {
        throw new ConfigError(`rules[${i}].tag`, `another rule of its table has it: ${quoteValue(each.tag)}`);
      }
      const { text, name } = sessionErrorEntry(error.errno);
      throw new ConfigError(`rules[${i}]`, `${text} (${name})`);
    }
  }
}
