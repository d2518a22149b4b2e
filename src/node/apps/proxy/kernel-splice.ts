import type { Session } from "../../../app/session.js";
import type { KernelSocket, SocketEvents } from "./kernel-socket.js";
import type { Relay } from "./relay.js";
import type { SendBuffers } from "./send-buffers.js";

/**
 * A session of the stack and a socket of the kernel as one stream. Each direction is held by who does not read: bytes stay in
 * the rx fifo while the socket has not taken the last ones, and the socket is not read while the tx fifo is full.
 */
export class KernelSplice implements Relay, SocketEvents {
  readonly #session: Session;
  readonly #socket: KernelSocket;
  readonly #buffers: SendBuffers;
  readonly #onClosed: () => void;
  /** What the socket has not taken yet. */
  #lent: Uint8Array | undefined;
  /** What came from the socket and found no room in the fifo. */
  #rest: Uint8Array | undefined;
  /** The session's peer sends no more. */
  #sessionEnded = false;
  /** Nothing more is written to the session, and to the socket. */
  #sessionShut = false;
  #socketShut = false;
  #isClosed = false;

  /** `onClosed` hears when the socket has gone. */
  constructor(session: Session, socket: KernelSocket, buffers: SendBuffers, onClosed: () => void) {
    this.#session = session;
    this.#socket = socket;
    this.#buffers = buffers;
    this.#onClosed = onClosed;
  }

  /** Begins to move bytes. */
  start(): void {
    this.#session.data = this;
    this.#socket.events = this;
    this.#socket.resume();
  }

  // ---- The session ----

  readable(): void {
    while (this.#lent === undefined && this.#session.readableBytes > 0) {
      const buffer = this.#buffers.take();
      const n = this.#session.read(buffer);
      if (n > 0 && !this.#socket.write(buffer.subarray(0, n))) this.#lent = buffer;
      else this.#buffers.give(buffer);
      if (n <= 0) break;
    }
    this.#shutSocket();
  }

  writable(): void {
    const rest = this.#rest;
    if (rest === undefined) return;
    this.#rest = undefined;
    if (this.received(rest)) this.#socket.resume();
  }

  ended(): void {
    this.#sessionEnded = true;
    this.readable();
  }

  wasReset(): void {
    this.#abort();
  }

  gone(): void {
    if (!this.#isOver) this.#abort();
  }

  // ---- The socket ----

  connected(): void {
    // It was.
  }

  received(bytes: Uint8Array): boolean {
    const written = this.#session.write(bytes);
    if (written === bytes.length) return true;
    if (written < 0) this.#abort();
    else this.#rest = bytes.slice(written);
    return false;
  }

  drained(): void {
    if (this.#lent !== undefined) this.#buffers.give(this.#lent);
    this.#lent = undefined;
    this.readable();
  }

  finished(): void {
    // Nothing waits for room: the end is not read before what came before it is written.
    this.#sessionShut = true;
    this.#session.halfClose();
    if (this.#socketShut) this.#session.close();
  }

  closed(hasFailed: boolean): void {
    this.#isClosed = true;
    if (hasFailed || !this.#isOver) this.#session.reset();
    this.#onClosed();
  }

  // ---- Ends ----

  /** Both directions have ended, and all was moved. */
  get #isOver(): boolean {
    return this.#sessionShut && this.#socketShut;
  }

  #shutSocket(): void {
    if (!this.#sessionEnded || this.#socketShut || this.#session.readableBytes > 0) return;
    this.#socketShut = true;
    this.#socket.end();
    if (this.#sessionShut) this.#session.close();
  }

  #abort(): void {
    if (!this.#isClosed) this.#socket.reset();
  }
}
