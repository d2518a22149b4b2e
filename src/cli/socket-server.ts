import { once } from "node:events";
import { chmodSync, lstatSync, mkdirSync, type Stats, unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import type { CliAnswer } from "./cli.js";
import { encodeAnswer, LineReader, MAX_REQUEST_BYTES } from "./socket-frame.js";
import { MAX_SOCKET_PATH } from "./socket-path.js";

/** Clients at a time. */
const MAX_CLIENTS = 32;
/** Owner only. */
const SOCKET_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/** Answers a request. `signal` is aborted when the client goes. Never rejects. */
export type Answerer = (line: string, signal: AbortSignal) => Promise<CliAnswer>;

/** The CLI socket of one stack. */
export class CliSocket {
  readonly path: string;
  /** Who answers; before a stack is there its clients are told to wait. */
  answer: Answerer = async () => ({ ok: false, text: "the stack is starting" });
  readonly #server: Server;
  readonly #clients = new Set<Socket>();

  private constructor(path: string) {
    this.path = path;
    this.#server = createServer((client) => this.#serve(client));
    this.#server.maxConnections = MAX_CLIENTS;
  }

  /**
   * Makes the socket, for its owner alone. One that nobody listens on any more is replaced. Rejects with one clear
   * message when another stack has it, or it cannot be made.
   */
  static async open(path: string): Promise<CliSocket> {
    if (Buffer.byteLength(path) > MAX_SOCKET_PATH) throw new Error(`${path}: longer than ${MAX_SOCKET_PATH} bytes`);
    try {
      mkdirSync(dirname(path), { recursive: true, mode: DIRECTORY_MODE });
    } catch (error) {
      throw new Error(`${dirname(path)}: cannot be made (${codeOf(error)})`, { cause: error });
    }
    await removeStale(path);
    const socket = new CliSocket(path);
    await socket.#listen();
    return socket;
  }

  async #listen(): Promise<void> {
    // The mode is there from the start: nobody else can connect before chmod.
    const mask = process.umask(0o777 & ~SOCKET_MODE);
    try {
      const listening = once(this.#server, "listening");
      this.#server.listen(this.path);
      process.umask(mask);
      await listening;
      chmodSync(this.path, SOCKET_MODE);
    } catch (error) {
      const code = codeOf(error);
      throw new Error(`${this.path}: ${code === "EADDRINUSE" ? "in use" : `cannot be made (${code})`}`, {
        cause: error,
      });
    } finally {
      process.umask(mask);
    }
  }

  #serve(client: Socket): void {
    const gone = new AbortController();
    const lines = new LineReader(MAX_REQUEST_BYTES);
    let isBusy = false;
    this.#clients.add(client);
    client.on("close", () => {
      this.#clients.delete(client);
      gone.abort();
    });
    client.on("error", () => client.destroy());
    const work = async (): Promise<void> => {
      if (isBusy) return;
      isBusy = true;
      // What comes meanwhile waits in the kernel: a client cannot fill our memory.
      client.pause();
      for (let line = lines.next(); line !== undefined && !gone.signal.aborted; line = lines.next()) {
        const answer = await this.answer(line, gone.signal);
        if (!client.writable) break;
        if (!client.write(encodeAnswer(answer))) await Promise.race([once(client, "drain"), once(client, "close")]);
      }
      isBusy = false;
      client.resume();
    };
    client.on("data", (bytes: Buffer) => {
      if (lines.push(bytes)) {
        work().catch(() => client.destroy());
        return;
      }
      client.pause();
      const text = `a request has at most ${MAX_REQUEST_BYTES} bytes`;
      client.end(encodeAnswer({ ok: false, text }), () => client.destroy());
    });
  }

  /** Closes the socket and its connections, and removes it from the file system. Can be called twice. */
  async close(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    if (!this.#server.listening) return;
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

/** Removes a socket whose listener is gone. Rejects when somebody answers, or it is no socket. */
async function removeStale(path: string): Promise<void> {
  let stat: Stats | undefined;
  try {
    stat = lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw new Error(`${path}: cannot be made (${codeOf(error)})`, { cause: error });
  }
  if (stat === undefined) return;
  if (!stat.isSocket()) throw new Error(`${path}: exists and is no socket`);
  const probe = connect(path);
  const isAlive = await new Promise<boolean>((resolve) => {
    probe.on("connect", () => resolve(true));
    probe.on("error", (error) => resolve(codeOf(error) !== "ECONNREFUSED" && codeOf(error) !== "ENOENT"));
  });
  probe.destroy();
  if (isAlive) throw new Error(`${path}: in use by another stack`);
  unlinkSync(path);
}
