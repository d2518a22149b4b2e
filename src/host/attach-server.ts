import { mkdirSync } from "node:fs";
import { ExternalApps } from "../app/external/external-apps.js";
import type { Random } from "../random/random.js";
import type { SessionLayer } from "../session/session-layer.js";
import type { AttachConfig } from "./attach-config.js";
import { AttachConnection, type AttachDefaults, type AttachService } from "./attach-connection.js";
import { attachPath } from "./attach-path.js";
import type { NativeWindow } from "./native-window.js";
import { SeqpacketListener } from "./seqpacket-listener.js";
import { MemfdHost } from "./shared-memory.js";
import { SystemClock } from "./system-clock.js";
import { TokenBucket } from "./token-bucket.js";
import type { SeqpacketSocket } from "./unix-socket.js";

/** Connections that have not attached yet, at most. */
const MAX_STRANGERS = 32;

/** Sizes for clients that name none; a session's fifos begin with a chunk of 4 KiB. */
const DEFAULTS: Omit<AttachDefaults, "maxMemoryBytes"> = {
  segmentBytes: 16 << 20,
  addSegmentBytes: 16 << 20,
  ringBytes: 64 << 10,
  maxSessions: 4096,
  maxWorkersPerApp: 64,
};

/** The attach sockets of a stack: one for each of its namespaces, as they come and go (VPP's app sockets). */
export class AttachServer implements AttachService {
  readonly apps: ExternalApps;
  readonly memory: MemfdHost;
  readonly defaults: AttachDefaults;
  readonly #sessions: SessionLayer;
  readonly #config: AttachConfig;
  readonly #clock = new SystemClock();
  readonly #attempts: TokenBucket;
  /** Lines about clients that are let go of: not the attempts, which are for those that may attach. */
  readonly #complaints: TokenBucket;
  readonly #wake: () => void;
  readonly #log: (line: string) => void;
  readonly #listeners = new Map<string, SeqpacketListener>();
  readonly #connections = new Set<AttachConnection>();
  #isClosed = false;

  /** Opens the sockets. Throws an Error with `code`, naming the path: EADDRINUSE when another stack has it, EACCES, …. */
  constructor(
    sessions: SessionLayer,
    native: NativeWindow,
    random: Random,
    config: AttachConfig,
    hooks: { readonly wake: () => void; readonly log: (line: string) => void },
  ) {
    this.#sessions = sessions;
    this.#config = config;
    const { segmentBytes, addSegmentBytes } = DEFAULTS;
    const { maxMemoryBytes } = config;
    this.defaults = {
      ...DEFAULTS,
      maxMemoryBytes,
      segmentBytes: Math.min(segmentBytes, maxMemoryBytes),
      addSegmentBytes: Math.min(addSegmentBytes, maxMemoryBytes),
    };
    this.#wake = hooks.wake;
    this.#log = hooks.log;
    this.#attempts = new TokenBucket(config.attemptsPerSecond);
    this.#complaints = new TokenBucket(config.attemptsPerSecond);
    this.memory = new MemfdHost(native);
    const { maxWorkers, maxSessions, flowHooks, evtCollectors } = config;
    this.apps = new ExternalApps(sessions, this.memory, random, { maxWorkers, maxSessions, flowHooks, evtCollectors });
    if (!config.directory.startsWith("@")) mkdirSync(config.directory, { recursive: true, mode: 0o755 });
    try {
      this.#update();
    } catch (error) {
      this.close();
      throw error;
    }
    sessions.namespacesChanged = () => this.#namespacesChanged();
  }

  /** Where the socket of a namespace is. */
  pathOf(namespace: string): string {
    return attachPath(namespace, this.#config.directory);
  }

  #namespacesChanged(): void {
    try {
      this.#update();
    } catch (error) {
      this.#write(`attach: ${String(error)}`);
    }
  }

  #update(): void {
    const ids = this.#sessions.namespaces.all().map(({ id }) => id);
    for (const [id, listener] of this.#listeners) {
      if (ids.includes(id)) continue;
      listener.close();
      this.#listeners.delete(id);
    }
    for (const id of ids) if (!this.#listeners.has(id)) this.#listeners.set(id, this.#listen(id));
  }

  #listen(id: string): SeqpacketListener {
    const { mode } = this.#config;
    return new SeqpacketListener({
      path: this.pathOf(id),
      mode,
      onConnection: (socket) => this.#connected(socket, id),
    });
  }

  #connected(socket: SeqpacketSocket, namespace: string): void {
    const { uid, gid, pid } = socket.peer;
    const { uids, gids } = this.#config;
    const isAllowed = uid === 0 || uid === process.getuid?.() || uids.includes(uid) || gids.includes(gid);
    const strangers = this.#connections.size - this.apps.workers.length;
    if (!isAllowed || strangers >= MAX_STRANGERS) {
      const why = isAllowed ? "too many connections" : "not allowed";
      this.complain(`attach: process ${pid} of user ${uid} at namespace "${namespace}": ${why}`);
      socket.close();
      return;
    }
    this.#connections.add(new AttachConnection(this, socket, namespace));
  }

  mayTry(): boolean {
    return this.#attempts.take(this.#clock.nowUs());
  }

  nowUs(): number {
    return this.#clock.nowUs();
  }

  wake(): void {
    this.#wake();
  }

  complain(line: string): void {
    if (this.#complaints.take(this.#clock.nowUs())) this.#write(line);
  }

  #write(line: string): void {
    if (!this.#isClosed) this.#log(line);
  }

  closed(connection: AttachConnection): void {
    this.#connections.delete(connection);
  }

  /** Ends all connections, with their workers, and the sockets. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#sessions.namespacesChanged = () => undefined;
    for (const listener of this.#listeners.values()) listener.close();
    this.#listeners.clear();
    for (const connection of this.#connections) connection.close();
  }
}
