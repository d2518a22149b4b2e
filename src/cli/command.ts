import type { Host } from "../../nodes/host.js";
import type { Words } from "./words.js";

/** What commands work on. */
export interface CliContext {
  readonly host: Host;
  /** Asks for a turn of the engine soon. */
  wake(): void;
  /** Waits. Default: the system's time. */
  sleep?(ms: number): Promise<void>;
}

/** A command while it runs. */
export interface CommandRun {
  readonly host: Host;
  wake(): void;
  sleep(ms: number): Promise<void>;
  /** Aborted when nobody waits for the answer any more, or the stack closes. */
  readonly signal: AbortSignal;
  /** All commands, for help. */
  readonly commands: readonly Command[];
}

/** One command of the debug CLI. */
export interface Command {
  /** Its words, as `show interface`. */
  readonly name: string;
  /** What may follow, as `[addr]`. */
  readonly usage: string;
  /** One line that says what it does. */
  readonly help: string;
  /** The answer, without a newline at its end. Throws CliError for what is wrong with the words. */
  run(words: Words, run: CommandRun): string | Promise<string>;
}
