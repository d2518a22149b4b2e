import { setTimeout as delay } from "node:timers/promises";
import { SessionError, sessionErrorEntry } from "../session/session-errors.js";
import type { CliContext, Command } from "./command.js";
import { COMMANDS } from "./commands/all.js";
import { completions, findCommand } from "./find-command.js";
import { MethodError } from "./methods/method-error.js";
import { answerRequest } from "./methods/request.js";
import { answerLine, isRequest, type MethodAnswer, noStack } from "./methods/request-form.js";
import type { CliAnswer } from "./socket-frame.js";
import { CliError, Words } from "./words.js";

/** Longest command line, characters. */
export const MAX_COMMAND_LENGTH = 4096;

/** What a command says of a method's error: what the tables refuse stands alone, session errors with their names. */
function commandText(command: string, { message, errno, cause }: MethodError): string {
  if (cause instanceof RangeError) return message;
  return `${command}: ${cause instanceof SessionError ? `${message} (${sessionErrorEntry(errno).name})` : message}`;
}

/** The CLI of one stack: commands for people, and methods for programs. */
export class Cli {
  readonly #context: CliContext;
  readonly #commands: readonly Command[] = COMMANDS;
  readonly #closing = new AbortController();

  constructor(context: CliContext) {
    this.#context = context;
  }

  /**
   * Runs one line: a command, or a request of methods/request.ts. Never rejects: whatever goes wrong is the answer. `signal`
   * ends a command that takes its time.
   */
  async run(line: string, signal?: AbortSignal): Promise<CliAnswer> {
    if (typeof line === "string" && isRequest(line)) return answerLine(this.#request(line));
    try {
      return { ok: true, text: await this.#run(line, signal) };
    } catch (error) {
      // RangeErrors are what the control plane says of a wrong argument.
      if (error instanceof CliError || error instanceof RangeError) return { ok: false, text: error.message };
      return { ok: false, text: `failed: ${error instanceof Error ? error.message : String(error)}` };
    }
  }

  #request(line: string): MethodAnswer {
    if (this.#closing.signal.aborted) return noStack("the stack is closed");
    const { host } = this.#context;
    host.engine.refreshClock();
    const answer = answerRequest({ host }, line);
    this.#context.wake();
    return answer;
  }

  async #run(line: string, signal: AbortSignal | undefined): Promise<string> {
    if (this.#closing.signal.aborted) throw new CliError("the stack is closed");
    if (typeof line !== "string") throw new CliError("a command is a text");
    if (line.length > MAX_COMMAND_LENGTH) throw new CliError(`more than ${MAX_COMMAND_LENGTH} characters`);
    const words = line.split(/\s+/).filter((word) => word !== "");
    if (words.length === 0 || words[0].startsWith("#")) return "";
    const { host } = this.#context;
    const { command, rest } = findCommand(this.#commands, words);
    const args = new Words(rest);
    const ends = signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal]);
    host.engine.refreshClock();
    try {
      return await command.run(args, {
        host,
        wake: () => this.#context.wake(),
        sleep: (ms) => this.#sleep(ms, ends),
        signal: ends,
        commands: this.#commands,
      });
    } catch (error) {
      if (error instanceof MethodError) throw new CliError(commandText(command.name, error));
      if (!(error instanceof CliError)) throw error;
      throw new CliError(`${command.name}: ${error.message}`);
    } finally {
      if (!this.#closing.signal.aborted) this.#context.wake();
    }
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (this.#context.sleep !== undefined) return this.#context.sleep(ms);
    try {
      await delay(ms, undefined, { signal, ref: false });
    } catch {
      // Aborted: the command looks at its signal.
    }
  }

  /** What may follow a line that is being typed: whole last words. */
  complete(line: string): string[] {
    return completions(this.#commands, line);
  }

  /** Ends commands under way, and refuses new ones. */
  close(): void {
    this.#closing.abort();
  }
}
