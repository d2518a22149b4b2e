import { createWriteStream, type WriteStream } from "node:fs";
import type { App } from "../../app/app.js";
import type { Session } from "../../app/session.js";
import { formatHandle } from "../../session/session-handle.js";
import type { SessionStats } from "../../session/session-stats.js";
import type { AttachPoint } from "../attach-point.js";

/** Bytes of lines that wait for the file, or the session; lines beyond them are dropped, and counted. */
export const MAX_WAITING_BYTES = 4 << 20;
/** Pause before another attempt to connect. */
const RECONNECT_MS = 1000;

/** Takes lines. False: there is no room for one. */
interface Sink {
  write(line: Uint8Array): boolean;
  close(): Promise<void>;
}

/** A running collector. */
export interface EvtCollectorHandle {
  /** Lines written. */
  readonly written: number;
  /** Sessions of which no line could be written. */
  readonly lost: number;
  /** Leaves the stack; resolves when what was written is in the file. Can be called twice. */
  close(): Promise<void>;
}

/** A record as one line of JSON. */
export function jsonLine(stats: SessionStats, timeMs: number): string {
  const { session, startMs, endMs, error = null, ...rest } = stats;
  const time = new Date(timeMs).toISOString();
  return `${JSON.stringify({ time, session: formatHandle(session), durationMs: endMs - startMs, error, ...rest })}\n`;
}

/** Appends to a file that only its owner may read. Rejects with the system's error. */
async function openFile(path: string): Promise<Sink> {
  const stream = createWriteStream(path, { flags: "a", mode: 0o600 });
  await new Promise((resolve, reject) => stream.once("open", resolve).once("error", reject));
  // A full disk: lines are lost from then on.
  stream.on("error", () => undefined);
  return {
    write(line) {
      if (!stream.writable || stream.writableLength + line.length > MAX_WAITING_BYTES) return false;
      stream.write(line);
      return true;
    },
    close: () => ended(stream),
  };
}

function ended(stream: WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.closed || stream.destroyed) resolve();
    else stream.once("close", resolve).end();
  });
}

/** Writes to a session of the collector's own, as VPP's does; when it ends, to another one. */
class SessionSink implements Sink {
  readonly #app: App;
  readonly #uri: string;
  #session: Session | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(app: App, uri: string) {
    this.#app = app;
    this.#uri = uri;
  }

  /** Connects, again and again while it cannot: what it is to tell goes on without whom it tells. */
  connect(): void {
    this.#app.connect(this.#uri).then(
      (session) => {
        if (this.#isClosed) session.close();
        else this.#session = session;
      },
      () => this.lost(),
    );
  }

  /** Its session has ended. */
  lost(): void {
    this.#session = undefined;
    if (this.#isClosed || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.connect();
    }, RECONNECT_MS).unref();
  }

  write(line: Uint8Array): boolean {
    const session = this.#session;
    if (session === undefined || session.writableBytes < line.length) return false;
    if (session.write(line) === line.length) return true;
    // No memory for all of it: who reads could not go on behind half a line.
    session.reset();
    this.lost();
    return false;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#session?.close();
  }
}

/**
 * Attaches an event collector that writes a line of JSON for each session: to a file, by its absolute path, or to a URI,
 * to which it connects as soon as it can. Rejects, with nothing left attached, when the file cannot be opened.
 */
export async function startEvtCollector(stack: AttachPoint, to: string): Promise<EvtCollectorHandle> {
  let sink: Sink | undefined;
  let written = 0;
  let lost = 0;
  let isClosed = false;
  const encoder = new TextEncoder();
  const endOfSession = (): void => {
    if (sink instanceof SessionSink) sink.lost();
  };
  const app = await stack.attach(
    { name: "evt-collector", txFifoBytes: MAX_WAITING_BYTES },
    {
      sessionStats(stats) {
        if (sink?.write(encoder.encode(jsonLine(stats, Date.now()))) === true) written++;
        else lost++;
      },
      // Whatever the other end says is not read.
      rx: (session) => void session.peek((_u8, _offset, length) => length),
      disconnect(session) {
        session.close();
        endOfSession();
      },
      reset: endOfSession,
    },
  );
  const close = async (): Promise<void> => {
    if (isClosed) return;
    isClosed = true;
    await sink?.close();
    // The stack may have detached it already.
    if (app.workers.length > 0) await app.detach();
  };
  try {
    if (to.startsWith("/")) sink = await openFile(to);
    else {
      const session = new SessionSink(app, to);
      session.connect();
      sink = session;
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    get written() {
      return written;
    },
    get lost() {
      return lost;
    },
    close,
  };
}
