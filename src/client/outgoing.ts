import { encodeMessage } from "../app/messages/encode.js";
import type { MessageTowards } from "../app/messages/message-table.js";
import type { MessageProducer } from "../mem/message-queue.js";
import type { MemoryWindow } from "../mem/window.js";
import { SESSION_E_MQ_MSG_ALLOC, type SessionErrorValue } from "../session/session-errors.js";
import type { SessionIndex } from "../transport/transport.js";

/** Messages that wait for room, from which on further requests are refused. */
const WAITING_MAX = 1024;

/** An event of a session, or a message. */
type Outgoing = { readonly type: number; readonly argument: SessionIndex } | MessageTowards<"to-stack">;

/**
 * What a worker says to the stack, in order. What the queue has no room for waits here: events, of which a session has at
 * most one of each kind, what must be said of a session, and a limited number of requests.
 */
export class OutgoingMessages {
  readonly #window: MemoryWindow;
  readonly #producer: MessageProducer;
  readonly #waiting: Outgoing[] = [];
  #held: Outgoing[] | undefined;

  constructor(window: MemoryWindow, producer: MessageProducer) {
    this.#window = window;
    this.#producer = producer;
  }

  /** The queue is spoilt. */
  get isBroken(): boolean {
    return this.#producer.isBroken;
  }

  /** Says an event of a session. */
  event(type: number, s: SessionIndex): void {
    if (this.#held !== undefined) this.#held.push({ type, argument: s });
    else if (this.#waiting.length > 0 || !this.#producer.put(type, s)) this.#waiting.push({ type, argument: s });
  }

  /** Says what must be said of a session. Returns 0, or INVALID when a value is none of its field's kind. */
  message(message: MessageTowards<"to-stack">): SessionErrorValue {
    if (this.#held === undefined && this.#waiting.length === 0) {
      const error = encodeMessage(this.#window, this.#producer, message);
      if (error !== SESSION_E_MQ_MSG_ALLOC) return error;
    }
    (this.#held ?? this.#waiting).push(message);
    return 0;
  }

  /** Says a request: as {@link message}, or MQ_MSG_ALLOC when too much waits already. */
  request(message: MessageTowards<"to-stack">): SessionErrorValue {
    if (this.#waiting.length >= WAITING_MAX) return SESSION_E_MQ_MSG_ALLOC;
    return this.message(message);
  }

  /** Keeps back what is said from now on. */
  hold(): void {
    this.#held = [];
  }

  /** Says this one, and then what was kept back. */
  release(first: MessageTowards<"to-stack">): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    this.message(first);
    for (const each of held) this.#say(each);
  }

  #say(outgoing: Outgoing): void {
    if (typeof outgoing.type === "number") this.event(outgoing.type, outgoing.argument);
    else this.message(outgoing);
  }

  /** Puts what waits, as far as there is room, and asks for a signal when there is more. */
  flush(): void {
    const waiting = this.#waiting;
    while (waiting.length > 0) {
      let n = 0;
      while (n < waiting.length && this.#put(waiting[n])) n++;
      waiting.splice(0, n);
      if (waiting.length > 0 && this.#producer.wantRoom()) return;
    }
  }

  #put(outgoing: Outgoing): boolean {
    if (typeof outgoing.type === "number") return this.#producer.put(outgoing.type, outgoing.argument);
    return encodeMessage(this.#window, this.#producer, outgoing) !== SESSION_E_MQ_MSG_ALLOC;
  }

  /** Shows the stack what was said. True: it sleeps, and is to be woken. */
  publish(): boolean {
    return this.#producer.publish();
  }
}
