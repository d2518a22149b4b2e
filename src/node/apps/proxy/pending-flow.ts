import type { FlowDecision } from "../../../session/flow-record.js";
import type { SocketEvents } from "./kernel-socket.js";

/** How long a socket may take to connect, and then the flow's peer to complete its handshake. */
const PENDING_MS = 60_000;

/** A new flow whose first packet waits until a socket to its destination is connected. */
export class PendingFlow implements SocketEvents {
  /** Decides on the flow. */
  answer: (decision: FlowDecision) => void;
  isConnected = false;
  readonly #onClosed: () => void;
  readonly #timer: NodeJS.Timeout;

  /** `onClosed` hears when the socket has gone, `onTimeout` when it should go. */
  constructor(answer: (decision: FlowDecision) => void, onClosed: () => void, onTimeout: () => void) {
    this.answer = answer;
    this.#onClosed = onClosed;
    this.#timer = setTimeout(onTimeout, PENDING_MS).unref();
  }

  /** The flow has become a session, which has the socket from now on. */
  claimed(): void {
    clearTimeout(this.#timer);
  }

  connected(): void {
    this.isConnected = true;
    this.answer("accept");
  }

  received(): boolean {
    // It is paused.
    return false;
  }

  drained(): void {
    // Nothing was written.
  }

  finished(): void {
    // Whoever claims it reads that.
  }

  closed(): void {
    clearTimeout(this.#timer);
    this.answer("reset");
    this.#onClosed();
  }
}
