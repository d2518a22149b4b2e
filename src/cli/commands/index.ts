import { Cli } from "../cli.js";
import type { CliContext } from "../command.js";

/** Runs one line of the debug CLI on a stack; whatever goes wrong is the answer too. */
export async function runCommand(stack: CliContext, line: string): Promise<string> {
  const { text } = await new Cli(stack).run(line);
  return text;
}
