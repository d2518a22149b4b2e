import { decodeMessage } from "../app/messages/decode.js";
import { IO_RX, IO_TX_ROOM } from "../app/messages/io-events.js";
import type { MessageTowards } from "../app/messages/message-table.js";
import { parseSocketMessage } from "../app/messages/socket-messages.js";
import { Spin, SPIN_US } from "../host/spin.js";
import { SystemClock } from "../host/system-clock.js";
import { WakeReader, WakeWriter } from "../host/wake-pipe.js";
import type { MessageConsumer } from "../mem/message-queue.js";
import { SESSION_E_NOAPP, type SessionErrorValue } from "../session/session-errors.js";
import type { SessionIndex } from "../transport/transport.js";
import type { ClientMemory } from "./client-memory.js";
import { type Attached, closeFds } from "./handshake.js";
import { OutgoingMessages } from "./outgoing.js";
import { SocketRequests } from "./socket-requests.js";
import { WorkerMemory } from "./worker-memory.js";

/** Records taken before others have their turn. */
const RECORDS_AT_ONCE = 256;
/** How long a message may wait for the descriptor of a segment that it names. */
const DESCRIPTOR_TIMEOUT_MS = 5000;

/** What a worker hears of its link. None may throw. */
export interface LinkListener {
  /** Something came in for a session. */
  received(s: SessionIndex): void;
  /** There is room for a session's writer, who asked. */
  hasRoom(s: SessionIndex): void;
  /** A control message, whose segments are mapped. What it throws ends the link: the message cannot be. */
  told(message: MessageTowards<"to-app">): void;
  /** The end, once: the stack has gone, or said what cannot be. Nothing is mapped any more. */
  ended(reason: string): void;
}

/** Segments that a message names. */
function segmentsOf(message: MessageTowards<"to-app">): readonly number[] {
  if (message.type === "APP_ADD_SEGMENT") return [message.segment];
  if (!("rxSegment" in message)) return [];
  const { rxMirror, txMirror, rxSegment, txSegment } = message;
  return [...(rxMirror === 0 ? [] : [rxSegment]), ...(txMirror === 0 ? [] : [txSegment])];
}

/**
 * A worker's way to the stack: queues, wake pipes and the socket. Records are taken on the event loop; before it sleeps it
 * polls for a moment, as long as that pays. Keeps the process alive until `unref` or the end.
 */
export class WorkerLink {
  readonly memory: WorkerMemory;
  /** What is asked by the socket. */
  readonly requests: SocketRequests;
  readonly #listener: LinkListener;
  readonly #socket: Attached["socket"];
  readonly #consumer: MessageConsumer;
  readonly #outgoing: OutgoingMessages;
  readonly #reader: WakeReader;
  readonly #writer: WakeWriter;
  readonly #clock = new SystemClock();
  readonly #polling = new Spin();
  readonly #poll = (): void => this.#look();
  /** A message that names a segment whose descriptor has not come: this and all later ones wait. */
  #stalled: MessageTowards<"to-app"> | undefined;
  #stallTimer: NodeJS.Timeout | undefined;
  #isPumping = false;
  #isScheduled = false;
  #isOpen = true;

  /** Owns socket and descriptors. Throws when what the stack gave cannot be; then the socket alone is left open. */
  constructor(memory: ClientMemory, attached: Attached, listener: LinkListener) {
    const { socket, reply, controlFd, segmentFd, waitFd, signalFd } = attached;
    this.#listener = listener;
    this.#socket = socket;
    this.requests = new SocketRequests(socket);
    this.#reader = new WakeReader(waitFd);
    this.#writer = new WakeWriter(signalFd);
    try {
      this.memory = new WorkerMemory(memory, reply, controlFd, segmentFd);
    } catch (error) {
      this.#reader.close();
      this.#writer.close();
      throw error;
    }
    this.#consumer = this.memory.consumer;
    this.#outgoing = new OutgoingMessages(this.memory.window, this.memory.producer);
    socket.onMessage = (packet, fds) => this.#packet(packet, fds);
    socket.onClose = (reason) => this.#gone(reason);
    this.#reader.watch(() => this.#woken());
    this.#schedule();
  }

  /** Lets the process end although this is open. */
  unref(): void {
    this.#reader.unref();
    this.#socket.unref();
  }

  // ---- To the stack ----

  /** Says an event of a session. */
  event(type: number, s: SessionIndex): void {
    if (!this.#isOpen) return;
    this.#outgoing.event(type, s);
    if (!this.#isPumping) this.#publish();
  }

  /** Says what must be said of a session. Returns 0, INVALID, or NOAPP after the end. */
  say(message: MessageTowards<"to-stack">): SessionErrorValue {
    if (!this.#isOpen) return SESSION_E_NOAPP;
    const error = this.#outgoing.message(message);
    if (!this.#isPumping) this.#publish();
    return error;
  }

  /** Says a request. Returns as {@link say}, or MQ_MSG_ALLOC when too many wait. */
  ask(message: MessageTowards<"to-stack">): SessionErrorValue {
    if (!this.#isOpen) return SESSION_E_NOAPP;
    const error = this.#outgoing.request(message);
    if (!this.#isPumping) this.#publish();
    return error;
  }

  /** Keeps back what is said until {@link release}; only within {@link LinkListener.told}. */
  hold(): void {
    this.#outgoing.hold();
  }

  /** Says this, and then what was kept back. */
  release(first: MessageTowards<"to-stack">): void {
    this.#outgoing.release(first);
  }

  #publish(): void {
    this.#outgoing.flush();
    if (this.#outgoing.publish()) this.#writer.signal();
  }

  // ---- From the stack ----

  #woken(): void {
    if (!this.#isScheduled) this.#look();
  }

  #schedule(): void {
    if (this.#isScheduled || !this.#isOpen) return;
    this.#isScheduled = true;
    setImmediate(this.#poll);
  }

  /** Takes what is there. What callbacks have left to ticks and promises runs before the next look, or the sleep. */
  #look(): void {
    this.#isScheduled = false;
    if (!this.#isOpen) return;
    const isBusy = this.#pump();
    if (!this.#isOpen || this.#stalled !== undefined) return;
    if (this.#polling.isWorthIt && (isBusy || this.#spin())) this.#schedule();
    else if (this.#isOpen && !this.#consumer.arm()) this.#schedule();
    else this.#polling.slept();
  }

  #spin(): boolean {
    this.#polling.begin();
    const untilUs = this.#clock.nowUs() + SPIN_US;
    do {
      if (this.#pump()) {
        this.#polling.succeeded();
        return true;
      }
    } while (this.#isOpen && this.#clock.nowUs() < untilUs);
    this.#polling.failed();
    return false;
  }

  /** Takes records; true when there was one. */
  #pump(): boolean {
    const consumer = this.#consumer;
    let taken = 0;
    this.#isPumping = true;
    if (this.#stalled !== undefined && this.#resume(this.#stalled)) taken++;
    while (this.#isOpen && this.#stalled === undefined && taken < RECORDS_AT_ONCE && consumer.next()) {
      taken++;
      this.#take(consumer.type, consumer.argument);
    }
    this.#isPumping = false;
    if (!this.#isOpen) return true;
    if (consumer.isBroken || this.#outgoing.isBroken) {
      this.end("a queue is spoilt");
      return true;
    }
    if (consumer.release()) this.#writer.signal();
    this.#publish();
    return taken > 0;
  }

  #take(type: number, argument: number): void {
    if (type === IO_RX) this.#listener.received(argument);
    else if (type === IO_TX_ROOM) this.#listener.hasRoom(argument);
    else {
      const message = decodeMessage(this.memory.window, this.#consumer, "to-app");
      if (message === undefined) this.end(`a record of type ${type} is no message`);
      else if (this.#isMapped(message)) this.#tell(message);
      else {
        this.#stalled = message;
        const end = (): void => this.end(`no descriptor came for a segment of ${message.type}`);
        this.#stallTimer = setTimeout(end, DESCRIPTOR_TIMEOUT_MS);
      }
    }
  }

  #isMapped(message: MessageTowards<"to-app">): boolean {
    return segmentsOf(message).every((handle) => this.memory.segments.has(handle));
  }

  #resume(message: MessageTowards<"to-app">): boolean {
    if (!this.#isMapped(message)) return false;
    this.#stalled = undefined;
    clearTimeout(this.#stallTimer);
    this.#tell(message);
    return true;
  }

  #tell(message: MessageTowards<"to-app">): void {
    try {
      this.#listener.told(message);
    } catch (error) {
      this.end(`${message.type} that cannot be: ${String(error)}`);
    }
  }

  /** A packet of the socket: the descriptor of a segment, an answer, or why the stack has had enough. */
  #packet(packet: Uint8Array, fds: readonly number[]): void {
    const message = parseSocketMessage(packet);
    const isAnswer =
      "type" in message && (message.type === "CERT_KEY_ADD_DEL_REPLY" || message.type === "CRYPTO_REPLY");
    if (isAnswer && fds.length === 0 && this.requests.answer(message)) return;
    if ("error" in message || message.type !== "SEND_FDS" || fds.length !== 1) {
      closeFds(fds);
      const why = "text" in message ? message.text : `${message.type} with ${fds.length} descriptors`;
      return this.end(`the socket brought ${why}`);
    }
    try {
      this.memory.segments.add(message.segment, fds[0], message.segmentBytes);
    } catch (error) {
      return this.end(`a segment cannot be mapped: ${String(error)}`);
    }
    this.#schedule();
  }

  // ---- The end ----

  /** The stack has gone: what it said before is still heard. */
  #gone(reason: string): void {
    while (this.#isOpen && this.#stalled === undefined && this.#pump());
    this.end(`the stack has gone: ${reason}`);
  }

  /** Ends it and says so. Again = nothing. */
  end(reason: string): void {
    if (!this.#isOpen) return;
    this.close();
    this.#listener.ended(reason);
  }

  /** Ends it: everything is unmapped and closed, and nothing more is heard. Again = nothing. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    clearTimeout(this.#stallTimer);
    this.requests.failAll();
    this.#reader.close();
    this.#writer.close();
    this.#socket.close();
    this.memory.close();
  }
}
