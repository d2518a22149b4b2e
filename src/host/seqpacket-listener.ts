import { lstatSync, type Stats, unlinkSync } from "node:fs";
import { constants } from "node:os";
import { type AddonWatch, type ConnectedFd, loadAddon, WATCH_READABLE } from "./addon.js";
import { SeqpacketSocket } from "./unix-socket.js";

/** Connections taken in one turn of the event loop. */
const ACCEPTS_AT_ONCE = 16;
/** How long nothing is accepted when descriptors or memory have run out, ms. */
const PAUSE_MS = 100;

const { EAGAIN, ECONNABORTED } = constants.errno;

/** How to listen. */
export interface SeqpacketListenerOptions {
  /** A path of at most 107 bytes, or "@name" for an abstract name, which has no permissions: anybody may connect. */
  readonly path: string;
  /** Permissions of the socket file: who may connect. Default 0o600. */
  readonly mode?: number;
  /** Sets the socket's handlers, or closes it. Its peer cannot pass descriptors. */
  readonly onConnection: (socket: SeqpacketSocket) => void;
}

/** Listens on a unix SOCK_SEQPACKET socket. Keeps the process alive until `unref` or `close`. */
export class SeqpacketListener {
  readonly path: string;
  /** Connections that could not be taken: descriptors or memory had run out. */
  failures = 0;
  readonly #addon = loadAddon();
  readonly #fd: number;
  readonly #watch: AddonWatch;
  readonly #file: Stats | undefined;
  readonly #onConnection: (socket: SeqpacketSocket) => void;
  #pause: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** Throws an Error with `code`: EADDRINUSE when somebody listens there, EACCES, ENOENT, … */
  constructor({ path, mode = 0o600, onConnection }: SeqpacketListenerOptions) {
    this.path = path;
    this.#onConnection = onConnection;
    this.#fd = this.#addon.listenSeqpacket(path, mode);
    this.#file = this.#stat();
    this.#watch = this.#addon.watch(this.#fd, () => this.#accept());
  }

  #stat(): Stats | undefined {
    return this.path.startsWith("@") ? undefined : lstatSync(this.path, { throwIfNoEntry: false });
  }

  #accept(): void {
    for (let i = 0; i < ACCEPTS_AT_ONCE && !this.#isClosed; i++) {
      const accepted = this.#addon.acceptSeqpacket(this.#fd);
      if (accepted === -EAGAIN) return;
      if (accepted === -ECONNABORTED) continue;
      const socket = typeof accepted === "number" ? undefined : this.#socketOf(accepted);
      if (socket === undefined) return this.#rest();
      this.#onConnection(socket);
    }
  }

  #socketOf(accepted: ConnectedFd): SeqpacketSocket | undefined {
    try {
      return new SeqpacketSocket(accepted, false);
    } catch {
      return undefined;
    }
  }

  /** Who waits keeps the socket readable: without a pause the event loop would spin until descriptors are there again. */
  #rest(): void {
    this.failures++;
    this.#watch.events(0);
    this.#pause = setTimeout(() => this.#watch.events(WATCH_READABLE), PAUSE_MS);
  }

  /** Stops listening and removes its socket file, if it is still there; connections stay. Again = nothing. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#pause);
    this.#watch.close();
    // First the file: once the socket is closed a successor may take the path for its own.
    this.#removeFile();
    this.#addon.closeFd(this.#fd);
  }

  #removeFile(): void {
    const now = this.#stat();
    if (now === undefined || now.ino !== this.#file?.ino || now.dev !== this.#file.dev) return;
    try {
      unlinkSync(this.path);
    } catch {
      // It stays as a stale one, which the next listener replaces.
    }
  }

  /** Lets the process end although this listens. */
  unref(): void {
    if (!this.#isClosed) this.#watch.unref();
  }
}
