import type { Command } from "./command.js";
import { CliError } from "./words.js";

/** The words of a line, and of the longest command that they begin with. */
export interface FoundCommand {
  readonly command: Command;
  readonly rest: readonly string[];
}

function wordsOf(command: Command): string[] {
  return command.name.split(" ");
}

/** Next words of the commands that agree with the first `depth` words. */
function nextWords(commands: readonly Command[], depth: number): string[] {
  return [...new Set(commands.map((command) => wordsOf(command)[depth]).filter((word) => word !== undefined))];
}

function narrow(commands: readonly Command[], depth: number, word: string): Command[] {
  return commands.filter((command) => wordsOf(command)[depth] === word);
}

/**
 * Finds the command that a line's words name; each word may be shortened as long as it is clear, as in VPP. Throws
 * {@link CliError} when there is none, or more than one.
 */
export function findCommand(commands: readonly Command[], words: readonly string[]): FoundCommand {
  let left = [...commands];
  let depth = 0;
  for (; depth < words.length; depth++) {
    const known = nextWords(left, depth);
    const word = words[depth];
    const matches = known.includes(word) ? [word] : known.filter((each) => each.startsWith(word));
    if (matches.length === 0) break;
    if (matches.length > 1) {
      throw new CliError(`ambiguous: "${words.slice(0, depth + 1).join(" ")}" (${matches.join(", ")})`);
    }
    left = narrow(left, depth, matches[0]);
  }
  const command = left.find((each) => wordsOf(each).length === depth);
  if (command !== undefined && depth > 0) return { command, rest: words.slice(depth) };
  const said = words.slice(0, depth + 1).join(" ");
  const next = depth === 0 ? [] : nextWords(left, depth);
  if (next.length > 0) throw new CliError(`unknown command: "${said}" (try ${next.join(", ")})`);
  throw new CliError(`unknown command: "${said}" (try help)`);
}

/** What may follow a line that is being typed: whole last words. */
export function completions(commands: readonly Command[], line: string): string[] {
  const words = line.trimStart().split(/\s+/);
  const last = words.pop() ?? "";
  let left = [...commands];
  for (const [depth, word] of words.entries()) {
    const known = nextWords(left, depth);
    const matches = known.includes(word) ? [word] : known.filter((each) => each.startsWith(word));
    if (matches.length !== 1) return [];
    left = narrow(left, depth, matches[0]);
  }
  return nextWords(left, words.length)
    .filter((word) => word.startsWith(last))
    .sort();
}
