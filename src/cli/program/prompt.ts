import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { COMMANDS } from "../commands/all.js";
import { completions } from "../find-command.js";
import type { CliClient } from "../socket-client.js";
import { EXIT_FAILED, EXIT_OK } from "./failure.js";

const HISTORY_LINES = 500;
const LEAVE = ["quit", "exit", "q"];

function historyFile(): string {
  const state = process.env["XDG_STATE_HOME"] ?? "";
  return join(state.startsWith("/") ? state : join(homedir(), ".local", "state"), "weft", "cli-history");
}

/** Newest first, as readline keeps it. */
function readHistory(): string[] {
  try {
    return readFileSync(historyFile(), "utf8").split("\n").filter(Boolean).reverse();
  } catch {
    return [];
  }
}

function writeHistory(lines: readonly string[]): void {
  try {
    mkdirSync(dirname(historyFile()), { recursive: true, mode: 0o700 });
    writeFileSync(historyFile(), `${[...lines].reverse().join("\n")}\n`, { mode: 0o600 });
  } catch {
    // A history that cannot be kept is no reason to fail.
  }
}

/**
 * Reads commands until the end of the input and prints their answers: at a terminal with a prompt, history and
 * completion; else as a script, which fails when one of its commands does.
 */
export async function prompt(connection: CliClient): Promise<number> {
  const isTerminal = process.stdin.isTTY && process.stdout.isTTY;
  const lines = createInterface({
    input: process.stdin,
    output: isTerminal ? process.stdout : undefined,
    terminal: isTerminal,
    prompt: "weft# ",
    history: isTerminal ? readHistory() : [],
    historySize: HISTORY_LINES,
    removeHistoryDuplicates: true,
    completer: (line: string) => {
      const last = /\S*$/.exec(line)?.[0] ?? "";
      return [completions(COMMANDS, line).map((word) => `${word} `), last];
    },
  });
  let failures = 0;
  let history: string[] = [];
  lines.on("history", (all: string[]) => {
    history = all;
  });
  try {
    if (isTerminal) lines.prompt();
    for await (const line of lines) {
      const command = line.trim();
      if (LEAVE.includes(command)) break;
      const { ok, text } = command === "" ? { ok: true, text: "" } : await connection.run(command);
      if (!ok) failures++;
      if (text !== "") process.stdout.write(`${text}\n`);
      if (isTerminal) lines.prompt();
    }
  } finally {
    lines.close();
    if (history.length > 0) writeHistory(history);
  }
  return isTerminal || failures === 0 ? EXIT_OK : EXIT_FAILED;
}
