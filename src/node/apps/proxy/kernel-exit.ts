import type { InboundFlow } from "../../../app/flow-hook.js";
import type { Session, SessionAddress } from "../../../app/session.js";
import type { FlowDecision } from "../../../session/flow-record.js";
import { MAX_CONNECTIONS } from "../app-host.js";
import type { AnswerFlow, Exit } from "./exit.js";
import { flowKey } from "./flow-key.js";
import type { KernelSocket, SocketEvents } from "./kernel-socket.js";
import { KernelSplice } from "./kernel-splice.js";
import { PendingFlow } from "./pending-flow.js";
import { SendBuffers } from "./send-buffers.js";

/** Begins a connection to a destination; `events` hears `connected` when its bytes would get there. */
export type Dial = (to: SessionAddress, events: SocketEvents) => KernelSocket;

/** A flow that is no session yet. */
interface Pending {
  readonly flow: PendingFlow;
  readonly socket: KernelSocket;
}

/** Leads streams out by sockets of the kernel: a flow is accepted when its socket is connected, and refused when it is not. */
export class KernelExit implements Exit {
  readonly #dial: Dial;
  readonly #answer: AnswerFlow;
  readonly #buffers = new SendBuffers();
  readonly #pending = new Map<string, Pending>();
  /** All that are there, those of pending flows too. */
  readonly #sockets = new Set<KernelSocket>();

  constructor(dial: Dial, answer: AnswerFlow) {
    this.#dial = dial;
    this.#answer = answer;
  }

  decide(flow: InboundFlow): FlowDecision | "later" {
    const answer = (decision: FlowDecision): void => this.#answer(flow.token, decision);
    const key = flowKey(flow);
    const known = this.#pending.get(key)?.flow;
    if (known !== undefined) {
      // The hook's time was over before the socket was connected, and the peer has sent its SYN again.
      known.answer = answer;
      return known.isConnected ? "accept" : "later";
    }
    if (this.#sockets.size >= MAX_CONNECTIONS) return "reset";
    const pending = new PendingFlow(
      answer,
      () => {
        this.#pending.delete(key);
        this.#sockets.delete(socket);
      },
      () => socket.reset(),
    );
    const socket = this.#dial(flow.local, pending);
    this.#pending.set(key, { flow: pending, socket });
    this.#sockets.add(socket);
    return "later";
  }

  accept(session: Session): boolean {
    const key = flowKey(session);
    const pending = this.#pending.get(key);
    if (pending?.flow.isConnected !== true) return false;
    const { flow, socket } = pending;
    flow.claimed();
    this.#pending.delete(key);
    void session.setAttribute("noDelay", 1);
    void session.setAttribute("keepalive", 1);
    new KernelSplice(session, socket, this.#buffers, () => this.#sockets.delete(socket)).start();
    return true;
  }

  close(): void {
    for (const socket of this.#sockets) socket.reset();
  }
}
