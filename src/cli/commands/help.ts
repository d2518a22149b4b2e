import { columns } from "../columns.js";
import type { Command } from "../command.js";
import { CliError } from "../words.js";

/** The help command. */
export const HELP_COMMANDS: readonly Command[] = [
  {
    name: "help",
    usage: "[COMMAND]",
    help: "commands, or those that begin with these words",
    run(words, { commands }) {
      const wanted: string[] = [];
      while (words.left > 0) wanted.push(words.take("command"));
      const start = wanted.join(" ");
      const found = commands.filter(({ name }) => name === start || name.startsWith(start));
      if (found.length === 0) throw new CliError(`no command begins with "${start}"`);
      const rows = found
        .map(({ name, usage, help }) => [`${name} ${usage}`.trim(), help])
        .sort(([a], [b]) => (a < b ? -1 : 1));
      if (found.length === 1) return `${rows[0][0]}\n  ${rows[0][1]}`;
      return columns(["Command", ""], rows);
    },
  },
];
