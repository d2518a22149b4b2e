import { constants } from "node:os";
import {
  type AddonWatch,
  type ConnectedFd,
  loadAddon,
  PASSED_FDS_MAX,
  type PeerCredentials,
  WATCH_READABLE,
  WATCH_WRITABLE,
} from "./addon.js";

/** Longest message, bytes: a certificate of 64 KiB with a key as long. The kernel takes it by its default limits (net.core.wmem_default). */
export const MESSAGE_MAX_BYTES = 132 * 1024;
/** Messages that wait for room in the kernel, at most. */
export const QUEUED_MESSAGES_MAX = 64;
/** Messages taken in one turn of the event loop: others want theirs too. */
const MESSAGES_AT_ONCE = 16;

const { EAGAIN, ECONNRESET, EPIPE } = constants.errno;

function errnoName(err: number): string {
  return Object.entries(constants.errno).find(([, value]) => value === err)?.[0] ?? `errno ${err}`;
}

/** A message of the outgoing queue, with descriptors of its own. */
interface Queued {
  readonly bytes: Uint8Array;
  readonly fds: readonly number[];
}

/**
 * A connected SOCK_SEQPACKET socket on the event loop: messages in order, each with up to 8 descriptors. A message that
 * breaks the limits closes it. Set the handlers before the event loop turns. Keeps the process alive until `unref` or close.
 */
export class SeqpacketSocket {
  /** The process at the other end. */
  readonly peer: PeerCredentials;
  /** A message and the descriptors that came with it, which are the handler's to close (Addon.closeFd). */
  onMessage: (bytes: Uint8Array, fds: readonly number[]) => void = (_bytes, fds) => this.#closeAll(fds);
  /** Once: "closed" by `close`, "end" when the other side has closed, or an errno name (EBADMSG: it broke the limits). */
  onClose: (reason: string) => void = () => undefined;
  readonly #addon = loadAddon();
  readonly #fd: number;
  readonly #watch: AddonWatch;
  readonly #bytes = new Uint8Array(MESSAGE_MAX_BYTES);
  readonly #fds: Int32Array | undefined;
  readonly #queue: Queued[] = [];
  #endReason = "end";
  #isClosed = false;
  #canSend = true;

  /**
   * Owns the descriptor from now on. Unless it `takesFds`, a message with descriptors breaks the limits. Throws, with the
   * descriptor closed, when it cannot be watched.
   */
  constructor(connected: ConnectedFd, takesFds: boolean) {
    const { fd, uid, gid, pid } = connected;
    this.peer = { uid, gid, pid };
    this.#fd = fd;
    this.#fds = takesFds ? new Int32Array(PASSED_FDS_MAX) : undefined;
    try {
      this.#watch = this.#addon.watch(fd, (bits) => this.#ready(bits));
    } catch (error) {
      this.#addon.closeFd(fd);
      throw error;
    }
  }

  /**
   * Connects to a listener; descriptors may come from it. Throws an Error with `code`: ENOENT, ECONNREFUSED (nobody
   * listens), EACCES, EAGAIN (too many wait to be accepted), …
   */
  static connect(path: string): SeqpacketSocket {
    return new SeqpacketSocket(loadAddon().connectSeqpacket(path), true);
  }

  /** Whether it is closed. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Messages that wait for room in the kernel. */
  get queued(): number {
    return this.#queue.length;
  }

  /**
   * Sends 1 to {@link MESSAGE_MAX_BYTES} bytes and up to 8 descriptors (memfds, ends of wake pipes), or queues them: both
   * may be reused at once, and stay the caller's. False when it does neither: closed, the other side gone, queue full.
   */
  send(bytes: Uint8Array, fds: readonly number[] = []): boolean {
    if (bytes.length === 0 || bytes.length > MESSAGE_MAX_BYTES) {
      throw new RangeError(`a message of ${bytes.length} bytes, not 1 to ${MESSAGE_MAX_BYTES}`);
    }
    if (this.#isClosed || !this.#canSend) return false;
    if (this.#queue.length > 0) return this.#enqueue(bytes, fds);
    const sent = this.#addon.sendMessage(this.#fd, bytes, fds);
    if (sent === -EAGAIN) return this.#enqueue(bytes, fds);
    if (sent < 0) this.#sendFailed(-sent);
    return sent > 0;
  }

  #enqueue(bytes: Uint8Array, fds: readonly number[]): boolean {
    if (this.#queue.length >= QUEUED_MESSAGES_MAX) return false;
    const copies: number[] = [];
    for (const fd of fds) {
      const copy = this.#addon.duplicateFd(fd);
      if (copy < 0) {
        this.#closeAll(copies);
        return false;
      }
      copies.push(copy);
    }
    this.#queue.push({ bytes: bytes.slice(), fds: copies });
    this.#watch.events(WATCH_READABLE | WATCH_WRITABLE);
    return true;
  }

  /** The other side has gone: what it sent before is still read, and its end is what closes. Other errors close at once. */
  #sendFailed(err: number): void {
    this.#canSend = false;
    this.#dropQueue();
    if (err === EPIPE || err === ECONNRESET) this.#watch.events(WATCH_READABLE);
    else this.#finish(errnoName(err));
  }

  #ready(bits: number): void {
    if ((bits & WATCH_WRITABLE) !== 0) this.#flush();
    if ((bits & WATCH_READABLE) !== 0) this.#receive();
  }

  #flush(): void {
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const sent = this.#addon.sendMessage(this.#fd, next.bytes, next.fds);
      if (sent === -EAGAIN) return;
      if (sent < 0) return this.#sendFailed(-sent);
      this.#queue.shift();
      this.#closeAll(next.fds);
    }
    this.#watch.events(WATCH_READABLE);
  }

  #receive(): void {
    for (let i = 0; i < MESSAGES_AT_ONCE && !this.#isClosed; i++) {
      const got = this.#addon.receiveMessage(this.#fd, this.#bytes, this.#fds);
      if (got === -EAGAIN) return;
      // It has closed without reading all of ours; what it sent before comes after this error (unix(7)).
      if (got === -ECONNRESET) this.#endReason = errnoName(ECONNRESET);
      else if (got <= 0) this.#finish(got === 0 ? this.#endReason : errnoName(-got));
      else
        this.onMessage(
          this.#bytes.slice(0, got),
          this.#fds === undefined ? [] : [...this.#fds].filter((fd) => fd >= 0),
        );
    }
  }

  #closeAll(fds: readonly number[]): void {
    for (const fd of fds) this.#addon.closeFd(fd);
  }

  #dropQueue(): void {
    for (const { fds } of this.#queue.splice(0)) this.#closeAll(fds);
  }

  #finish(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#watch.close();
    this.#addon.closeFd(this.#fd);
    this.#dropQueue();
    this.onClose(reason);
  }

  /** Closes it; what the kernel has taken still arrives, what is queued does not. Again = nothing. */
  close(): void {
    this.#finish("closed");
  }

  /** Lets the process end although this is open. */
  unref(): void {
    if (!this.#isClosed) this.#watch.unref();
  }
}
