import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { codeOf, removeStale } from "../host/stale-socket.js";
import { answerLine, isRequest, noStack } from "./methods/request-form.js";
import { RequestPace } from "./request-pace.js";
import { type CliAnswer, encodeAnswer, LineReader, MAX_REQUEST_BYTES } from "./socket-frame.js";
import { MAX_SOCKET_PATH } from "./socket-path.js";

/** Clients at a time. */
const MAX_CLIENTS = 32;
/** Requests a second, of all clients; the others wait, and their clients with them. */
const REQUESTS_PER_SECOND = 2000;
const REQUESTS_AT_ONCE = 200;
/** How long a client may leave an answer in the socket before it is closed, ms. */
const STALLED_MS = 30_000;
/** Owner only. */
const SOCKET_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/**
 * Who may connect. Node does not tell a server of streams who its peer is, so it is the file that says: its mode and
 * group, and the directories above it.
 */
export interface SocketPermissions {
  /** Permissions of the socket: read and write for owner, group, others. Default 0o600. */
  readonly mode?: number;
  /** Group of the socket, by number. Default: the process's. */
  readonly group?: number;
}

/** Answers a request. `signal` is aborted when the client goes. Never rejects. */
export type Answerer = (line: string, signal: AbortSignal) => Promise<CliAnswer>;

/** The CLI socket of one stack. */
export class CliSocket {
  readonly path: string;
  /** Who answers; before a stack is there its clients are told to wait. */
  answer: Answerer = async (line) => {
    const text = "the stack is starting";
    return isRequest(line) ? answerLine(noStack(text)) : { ok: false, text };
  };
  readonly #server: Server;
  readonly #pace = new RequestPace(REQUESTS_PER_SECOND, REQUESTS_AT_ONCE);
  readonly #clients = new Set<Socket>();

  private constructor(path: string) {
    this.path = path;
    this.#server = createServer((client) => this.#serve(client));
    this.#server.maxConnections = MAX_CLIENTS;
  }

  /**
   * Makes the socket, for its owner alone unless `permissions` say else; a directory that it makes lets the same users
   * through. One that nobody listens on any more is replaced. Rejects with one clear message when another stack has it, or
   * it cannot be made.
   */
  static async open(path: string, permissions: SocketPermissions = {}): Promise<CliSocket> {
    const { mode = SOCKET_MODE, group } = permissions;
    if (Buffer.byteLength(path) > MAX_SOCKET_PATH) throw new Error(`${path}: longer than ${MAX_SOCKET_PATH} bytes`);
    try {
      const made = mkdirSync(dirname(path), { recursive: true, mode: DIRECTORY_MODE });
      if (made !== undefined && mode !== SOCKET_MODE) openDirectories(made, dirname(path), mode, group);
    } catch (error) {
      throw new Error(`${dirname(path)}: cannot be made (${codeOf(error)})`, { cause: error });
    }
    await removeStale(path);
    const socket = new CliSocket(path);
    await socket.#listen(mode, group);
    return socket;
  }

  async #listen(mode: number, group: number | undefined): Promise<void> {
    // The owner's alone from the start: nobody else can connect before group and mode are right.
    const mask = process.umask(0o777 & ~SOCKET_MODE);
    try {
      const listening = once(this.#server, "listening");
      this.#server.listen(this.path);
      process.umask(mask);
      await listening;
      setGroup(this.path, group);
      chmodSync(this.path, mode);
    } catch (error) {
      this.#server.close();
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
        const waitMs = this.#pace.waitMs(performance.now());
        if (waitMs > 0) await delay(waitMs, undefined, { ref: false });
        if (!client.writable) break;
        const answer = await this.answer(line, gone.signal);
        if (!client.writable) break;
        if (!client.write(encodeAnswer(answer))) await drained(client);
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

/** Waits until a client took its answer; one that takes none of it for long is closed. */
function drained(client: Socket): Promise<void> {
  return new Promise((resolve) => {
    const giveUp = (): void => {
      client.destroy();
    };
    const done = (): void => {
      client.setTimeout(0, giveUp);
      client.off("drain", done);
      client.off("close", done);
      resolve();
    };
    client.setTimeout(STALLED_MS, giveUp);
    client.on("drain", done);
    client.on("close", done);
  });
}

function setGroup(path: string, group: number | undefined): void {
  if (group !== undefined) chownSync(path, -1, group);
}

/** Lets those who may use a socket of this mode pass through the directories that were made for it. */
function openDirectories(first: string, last: string, mode: number, group: number | undefined): void {
  const passes = ((mode & 0o060) === 0 ? 0 : 0o010) | ((mode & 0o006) === 0 ? 0 : 0o001);
  for (let path = last; path.length >= first.length; path = dirname(path)) {
    setGroup(path, group);
    chmodSync(path, DIRECTORY_MODE | passes);
  }
}
