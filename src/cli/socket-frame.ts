// The CLI socket's protocol: a request is a line of text; its answer is a line `ok BYTES` or `error BYTES`, then that
// many bytes of text. Requests of one connection are answered in order. A client that ends its side has gone: what it asked
// for is ended too.

/** Longest request, bytes. */
export const MAX_REQUEST_BYTES = 8192;
/** Longest answer that a client takes, bytes. */
export const MAX_ANSWER_BYTES = 256 << 20;

const LF = 10;

/** What a line was answered with. */
export interface CliAnswer {
  /** False when the command was wrong, or failed: the text says why. */
  readonly ok: boolean;
  /** Lines, without a newline at the end. */
  readonly text: string;
}

/** An answer as bytes. */
export function encodeAnswer({ ok, text }: CliAnswer): Buffer {
  const body = Buffer.from(text, "utf8");
  return Buffer.concat([Buffer.from(`${ok ? "ok" : "error"} ${body.length}\n`), body]);
}

/** Cuts a stream of bytes into lines. */
export class LineReader {
  #rest: Buffer = Buffer.alloc(0);
  readonly #limit: number;

  /** `limit`: longest line, bytes. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Adds bytes. False when a line is too long. */
  push(bytes: Buffer): boolean {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const end = this.#rest.indexOf(LF);
    return (end < 0 ? this.#rest.length : end) <= this.#limit;
  }

  /** The next whole line, undefined when there is none yet. */
  next(): string | undefined {
    const end = this.#rest.indexOf(LF);
    if (end < 0) return undefined;
    const line = this.#rest.toString("utf8", 0, end);
    this.#rest = this.#rest.subarray(end + 1);
    return line;
  }

  /** The next `bytes` bytes, undefined when they are not all there yet. */
  take(bytes: number): string | undefined {
    if (this.#rest.length < bytes) return undefined;
    const text = this.#rest.toString("utf8", 0, bytes);
    this.#rest = this.#rest.subarray(bytes);
    return text;
  }
}
