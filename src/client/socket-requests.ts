import { encodeSocketMessage } from "../app/messages/socket-messages.js";
import type { CryptoRequest, SocketMessageOf } from "../app/messages/socket-table.js";
import type { SeqpacketSocket } from "../host/unix-socket.js";
import { SESSION_E_INVALID, SESSION_E_MQ_MSG_ALLOC, SESSION_E_NOAPP, SessionError } from "../session/session-errors.js";

/** A request before it has its context. */
export type SocketRequest = CryptoRequest extends infer R ? (R extends unknown ? Omit<R, "context"> : never) : never;

type Reply = SocketMessageOf<"CERT_KEY_ADD_DEL_REPLY"> | SocketMessageOf<"CRYPTO_REPLY">;

interface Pending {
  readonly what: string;
  readonly resolve: (index: number) => void;
  readonly reject: (error: SessionError) => void;
}

/** What a worker has asked by its socket, and the stack has not answered. */
export class SocketRequests {
  readonly #socket: SeqpacketSocket;
  readonly #pending = new Map<number, Pending>();
  #last = 0;

  constructor(socket: SeqpacketSocket) {
    this.#socket = socket;
  }

  /** Resolves to the index that the stack answers with; rejects with its refusal, INVALID, MQ_MSG_ALLOC (too much waits), NOAPP. */
  ask(request: SocketRequest, what: string): Promise<number> {
    const context = (this.#last = (this.#last + 1) >>> 0);
    return new Promise((resolve, reject) => {
      if (!this.#send({ ...request, context }, what)) {
        throw new SessionError(this.#socket.isClosed ? SESSION_E_NOAPP : SESSION_E_MQ_MSG_ALLOC, what);
      }
      this.#pending.set(context, { what, resolve, reject });
    });
  }

  #send(request: CryptoRequest, what: string): boolean {
    let bytes: Uint8Array;
    try {
      bytes = encodeSocketMessage(request);
    } catch (error) {
      throw new SessionError(SESSION_E_INVALID, what, error instanceof Error ? error.message : undefined);
    }
    return this.#socket.send(bytes);
  }

  /** Settles the request that this answers. False: there is none. */
  answer({ context, retval, text, index }: Reply): boolean {
    const pending = this.#pending.get(context);
    this.#pending.delete(context);
    if (retval < 0) pending?.reject(new SessionError(retval, pending.what, text === "" ? undefined : text));
    else pending?.resolve(index);
    return pending !== undefined;
  }

  /** There is nobody any more who could answer. */
  failAll(): void {
    for (const { what, reject } of this.#pending.values()) reject(new SessionError(SESSION_E_NOAPP, what));
    this.#pending.clear();
  }
}
