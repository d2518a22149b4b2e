import { EXIT_FAILED, EXIT_OK } from "./failure.js";
import { CliClient } from "../socket-client.js";
import { defaultSocketPath } from "../socket-path.js";

/** The options of `weft cli`. */
export interface ClientOptions {
  readonly socket?: string;
}

/** `weft cli`: one command, or a prompt. */
export async function client(words: readonly string[], options: ClientOptions): Promise<number> {
  const connection = await CliClient.open(options.socket ?? defaultSocketPath());
  try {
    if (words.length === 0) return await (await import("./prompt.js")).prompt(connection);
    const { ok, text } = await connection.run(words.join(" "));
    if (text !== "") (ok ? process.stdout : process.stderr).write(ok ? `${text}\n` : `weft: ${text}\n`);
    return ok ? EXIT_OK : EXIT_FAILED;
  } finally {
    connection.close();
  }
}
