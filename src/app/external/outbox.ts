import type { MessageProducer } from "../../mem/message-queue.js";
import type { MemoryWindow } from "../../mem/window.js";
import { SESSION_E_MQ_MSG_ALLOC } from "../../session/session-errors.js";
import type { SessionIndex } from "../../transport/transport.js";
import { encodeMessage } from "../messages/encode.js";
import type { MessageTowards } from "../messages/message-table.js";

/** An event of the data path that waits. */
interface WaitingEvent {
  readonly io: number;
  readonly session: SessionIndex;
}

/** Of what may happen to a session again and again only the last is told. */
type Repeatable = Extract<MessageTowards<"to-app">, { readonly type: "URGENT" | "SOFT_ERROR" | "SUBSCRIBED" }>;

/** What one of the same kind has in common with it. */
function keyOf(message: Repeatable): string {
  return message.type === "SUBSCRIBED"
    ? `${message.type} ${message.handle} ${message.what}`
    : `${message.type} ${message.session}`;
}

/** The last of its kind, which waits. */
interface WaitingLast {
  last: Repeatable;
}

/**
 * Messages to a client worker. When its queue is full they wait here, in order, until it has taken some. What can wait is
 * bounded by its sessions and the requests that it made: of a session's data no more than one event is under way, and its
 * requests are not read while something waits.
 */
export class Outbox {
  /** Messages that had to wait, since the start. */
  congested = 0;
  readonly #window: MemoryWindow;
  readonly #producer: MessageProducer;
  readonly #wake: () => void;
  #waiting: (MessageTowards<"to-app"> | WaitingEvent | WaitingLast)[] = [];
  readonly #lasts = new Map<string, WaitingLast>();
  #isDirty = false;

  constructor(window: MemoryWindow, producer: MessageProducer, wake: () => void) {
    this.#window = window;
    this.#producer = producer;
    this.#wake = wake;
  }

  /** Messages that wait for room. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Sends a message, or lets it wait for room. */
  send(message: MessageTowards<"to-app">): void {
    if (this.#waiting.length > 0 || !this.#put(message)) this.#wait(message);
  }

  /** Sends a message of which only the last counts: one of its kind that waits is replaced. */
  sendLast(message: Repeatable): void {
    if (this.#waiting.length === 0 && this.#put(message)) return;
    const key = keyOf(message);
    const waits = this.#lasts.get(key);
    if (waits !== undefined) {
      waits.last = message;
      return;
    }
    const waiting = { last: message };
    this.#lasts.set(key, waiting);
    this.#wait(waiting);
  }

  /** Sends an event of the data path, or lets it wait. */
  sendEvent(io: number, session: SessionIndex): void {
    if (this.#waiting.length === 0 && this.#producer.put(io, session)) this.#isDirty = true;
    else this.#wait({ io, session });
  }

  #wait(message: MessageTowards<"to-app"> | WaitingEvent | WaitingLast): void {
    this.congested++;
    this.#waiting.push(message);
  }

  #put(message: MessageTowards<"to-app"> | WaitingEvent | WaitingLast): boolean {
    if ("last" in message) {
      if (!this.#put(message.last)) return false;
      this.#lasts.delete(keyOf(message.last));
      return true;
    }
    if ("io" in message) {
      if (!this.#producer.put(message.io, message.session)) return false;
    } else if (encodeMessage(this.#window, this.#producer, message) === SESSION_E_MQ_MSG_ALLOC) return false;
    this.#isDirty = true;
    return true;
  }

  /** Shows the client what was sent since the last call, and wakes it when it sleeps: once in a turn. */
  flush(): void {
    if (this.#waiting.length > 0) this.#drain();
    if (!this.#isDirty) return;
    this.#isDirty = false;
    if (this.#producer.publish()) this.#wake();
  }

  #drain(): void {
    do {
      let done = 0;
      while (done < this.#waiting.length && this.#put(this.#waiting[done])) done++;
      if (done > 0) this.#waiting = this.#waiting.slice(done);
      // The client wakes us when it has made room; if it has by now, once more.
    } while (this.#waiting.length > 0 && !this.#producer.isBroken && !this.#producer.wantRoom());
  }
}
