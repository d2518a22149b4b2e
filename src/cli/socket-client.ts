import { connect, type Socket } from "node:net";
import { type CliAnswer, LineReader, MAX_ANSWER_BYTES } from "./socket-frame.js";

interface Waiting {
  resolve(answer: CliAnswer): void;
  reject(error: Error): void;
}

/** A connection to the CLI socket of a running stack. */
export class CliClient {
  readonly #socket: Socket;
  readonly #lines = new LineReader(MAX_ANSWER_BYTES);
  readonly #waiting: Waiting[] = [];
  #head: { ok: boolean; bytes: number } | undefined = undefined;
  #error: Error | undefined = undefined;

  private constructor(socket: Socket, path: string) {
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => this.#take(bytes));
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error(`${path}: the stack has gone`)));
  }

  /** Connects. Rejects with one clear message when no stack listens there. */
  static async open(path: string): Promise<CliClient> {
    const socket = connect(path);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", (error) => {
        const code = "code" in error ? String(error.code) : error.message;
        const isGone = code === "ENOENT" || code === "ECONNREFUSED";
        reject(new Error(isGone ? `${path}: no stack listens there` : `${path}: ${code}`));
      });
    });
    return new CliClient(socket, path);
  }

  /** Sends a line and waits for its answer. Rejects when the stack goes. */
  run(line: string): Promise<CliAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#error !== undefined) reject(this.#error);
      else {
        this.#waiting.push({ resolve, reject });
        this.#socket.write(`${line.replaceAll(/[\r\n]+/g, " ")}\n`);
      }
    });
  }

  /** Closes the connection. */
  close(): void {
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    if (!this.#lines.push(bytes)) this.#fail(new Error("an answer is too long"));
    for (;;) {
      if (this.#head === undefined) {
        const line = this.#lines.next();
        if (line === undefined) return;
        const match = /^(ok|error) (\d{1,9})$/.exec(line);
        if (match === null) {
          this.#fail(new Error("not an answer of a stack"));
          return;
        }
        this.#head = { ok: match[1] === "ok", bytes: Number(match[2]) };
      }
      const text = this.#lines.take(this.#head.bytes);
      if (text === undefined) return;
      const { ok } = this.#head;
      this.#head = undefined;
      this.#waiting.shift()?.resolve({ ok, text });
    }
  }

  #fail(error: Error): void {
    this.#error ??= error;
    this.#socket.destroy();
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#error);
  }
}
