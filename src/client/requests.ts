import type { MessageName, MessageOf } from "../app/messages/message-table.js";
import { SESSION_E_NOAPP, type SessionErrorValue } from "../session/session-errors.js";

/** Replies to requests, which repeat their context. */
export type ReplyName = {
  [N in MessageName]: N extends `${string}REPLY` | "BOUND" | "CONNECTED" | "DETACHED"
    ? MessageOf<N> extends { readonly context: number }
      ? N
      : never
    : never;
}[MessageName];

/** Any of them. */
export type Reply = { [N in ReplyName]: MessageOf<N> }[ReplyName];

/** Hears what becomes of a request: the reply, or with an error, the stack's or another, none. */
export type Settle<N extends ReplyName> = (reply: MessageOf<N> | undefined, error: SessionErrorValue) => void;

interface Pending {
  readonly replyName: ReplyName;
  readonly settle: (reply: Reply | undefined, error: SessionErrorValue) => void;
}

/** Requests that the stack has not answered. */
export class Requests {
  readonly #pending = new Map<number, Pending>();
  #last = 0;

  /** Notes a request and returns its context. */
  add<N extends ReplyName>(replyName: N, settle: Settle<N>): number {
    // 0 is the context of what the stack says without having been asked.
    do this.#last = (this.#last + 1) >>> 0;
    while (this.#last === 0 || this.#pending.has(this.#last));
    const take = (reply: Reply | undefined, error: SessionErrorValue): void =>
      settle(reply !== undefined && isOf(reply, replyName) ? reply : undefined, error);
    this.#pending.set(this.#last, { replyName, settle: take });
    return this.#last;
  }

  /** Settles the request that this answers. Throws RangeError when there is none. */
  answer(reply: Reply): void {
    const pending = this.#pending.get(reply.context);
    if (pending?.replyName !== reply.type) throw new RangeError(`nobody asked with context ${reply.context}`);
    this.#pending.delete(reply.context);
    const error = "retval" in reply && reply.retval < 0 ? reply.retval : 0;
    pending.settle(error < 0 ? undefined : reply, error);
  }

  /** Settles a request without a reply, if it still waits. */
  fail(context: number, error: SessionErrorValue): void {
    const pending = this.#pending.get(context);
    this.#pending.delete(context);
    pending?.settle(undefined, error);
  }

  /** Settles all without a reply: there is nobody any more who could. */
  failAll(): void {
    for (const context of this.#pending.keys()) this.fail(context, SESSION_E_NOAPP);
  }
}

function isOf<N extends ReplyName>(reply: Reply, name: N): reply is MessageOf<N> & Reply {
  return reply.type === name;
}
