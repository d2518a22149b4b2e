import type { MessageOf, MessageTowards } from "../app/messages/message-table.js";
import { RemoteDatagramHeader } from "../mem/fifo-remote-datagram.js";
import type { MemoryWindow } from "../mem/window.js";
import { noDatagram } from "../session/datagram-header.js";
import { SESSION_E_UNKNOWN, SessionError, type SessionErrorValue } from "../session/session-errors.js";
import type { SessionIndex } from "../transport/transport.js";
import type { ReplyName, Requests, Settle } from "./requests.js";
import type { WorkerLink } from "./worker-link.js";
import type { WorkerMemory } from "./worker-memory.js";

/** A request before it has its context. */
export type RequestOf<M extends MessageTowards<"to-stack"> = MessageTowards<"to-stack">> = M extends {
  readonly context: number;
}
  ? Omit<M, "context">
  : never;

/** What all sessions of one worker share, as long as its link lasts. */
export class ClientIo {
  readonly window: MemoryWindow;
  readonly memory: WorkerMemory;
  /** Of the datagram read last. */
  readonly datagram = noDatagram();
  /** Bytes that sessions have read and written, headers of datagrams included. */
  readBytes = 0;
  writtenBytes = 0;
  /** Room for the header of the datagram that is read or written. */
  readonly header = new RemoteDatagramHeader();
  readonly #link: WorkerLink;
  readonly #requests: Requests;

  constructor(link: WorkerLink, requests: Requests) {
    this.memory = link.memory;
    this.window = link.memory.window;
    this.#link = link;
    this.#requests = requests;
  }

  /** Says an event of a session. */
  event(type: number, s: SessionIndex): void {
    this.#link.event(type, s);
  }

  /** Says what must be said of a session. */
  say(message: MessageTowards<"to-stack">): SessionErrorValue {
    return this.#link.say(message);
  }

  /** Asks the stack. Returns the context of the request, or what {@link Settle} has heard already: INVALID, MQ_MSG_ALLOC. */
  ask<N extends ReplyName>(request: RequestOf, replyName: N, settle: Settle<N>): number {
    const context = this.#requests.add(replyName, settle);
    const error = this.#link.ask({ ...request, context });
    if (error < 0) this.#requests.fail(context, error);
    return error < 0 ? error : context;
  }

  /**
   * Asks the stack; resolves to what `read` makes of the reply, within the turn that brings it. Rejects with the session error
   * that the stack replies, or for which there is no reply; `failed` hears it, too.
   */
  answer<N extends ReplyName, T>(
    request: RequestOf,
    replyName: N,
    what: string,
    read: (reply: MessageOf<N>) => T,
    failed: (error: SessionError) => void = () => undefined,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      this.ask(request, replyName, (reply, value) => {
        if (reply === undefined) {
          const error = new SessionError(value, what);
          reject(error);
          failed(error);
          return;
        }
        try {
          resolve(read(reply));
        } catch (error) {
          reject(new SessionError(SESSION_E_UNKNOWN, what, String(error)));
          throw error;
        }
      });
    });
  }

  /** Asks the stack for a value, which `read` makes of the reply, or of the error without one. Never rejects. */
  value<N extends ReplyName, T>(
    request: RequestOf,
    replyName: N,
    read: (reply: MessageOf<N> | undefined, error: SessionErrorValue) => T,
  ): Promise<T> {
    return new Promise((resolve) => {
      this.ask(request, replyName, (reply, error) => resolve(read(reply, error)));
    });
  }
}
