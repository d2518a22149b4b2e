import { decodeMessage } from "../../src/app/messages/decode.js";
import { encodeMessage } from "../../src/app/messages/encode.js";
import { IO_RX, IO_RX_DEQUEUED, IO_TX, IO_TX_ROOM } from "../../src/app/messages/io-events.js";
import {
  type Message,
  type MessageName,
  type MessageOf,
  type MessageTowards,
  NO_SESSION_FIELDS,
} from "../../src/app/messages/message-table.js";
import type { WorkerFields } from "../../src/app/messages/socket-table.js";
import type { SeqpacketSocket } from "../../src/host/unix-socket.js";
import type { WakeReader, WakeWriter } from "../../src/host/wake-pipe.js";
import { DGRAM_HEADER_BYTES, peekDatagram, readDatagram, writeDatagram } from "../../src/mem/fifo-datagram.js";
import { MIRROR_BROKEN } from "../../src/mem/fifo-mirror.js";
import { MIRROR_BYTES } from "../../src/mem/fifo-mirror-layout.js";
import { MessageConsumer, MessageProducer } from "../../src/mem/message-queue.js";
import { SESSION_E_MQ_MSG_ALLOC, SESSION_E_UNKNOWN } from "../../src/session/session-errors.js";
import { parseUri } from "../../src/session/uri.js";
import { TRANSPORT_UDP } from "../../src/transport/transport.js";
import type { FakeParts, FakeSegment, FakeSession, FakeSessionOptions, FakeSpeaker } from "./fake-parts.js";

type Heard = MessageTowards<"to-stack">;

/** The fake stack's side of one worker. */
export class FakeWorker implements FakeSpeaker {
  /** What the client has said, but for events. */
  readonly heard: Heard[] = [];
  /** Events that it has said, by their numbers. */
  readonly events: number[] = [];
  /** Both, by name or number. */
  readonly order: string[] = [];
  readonly segment: FakeSegment;
  /** Window offset of the control segment. */
  readonly control: number;
  readonly socket: SeqpacketSocket;
  /** Requests whose answers are left to the test. */
  readonly unanswered = new Set<MessageName>();
  /** It takes nothing from the queue. */
  isPaused = false;
  /** Sessions whose fifos the client has spoilt. */
  readonly broken: number[] = [];
  isOpen = true;
  readonly #stack: FakeParts;
  readonly #producer: MessageProducer;
  readonly #consumer: MessageConsumer;
  readonly #reader: WakeReader;
  readonly #writer: WakeWriter;
  readonly #freeMirrors: number[] = [];
  readonly #waiting: (Message | { readonly event: number; readonly index: number })[] = [];
  readonly #buffer = new Uint8Array(65_536);

  constructor(
    stack: FakeParts,
    socket: SeqpacketSocket,
    fields: WorkerFields,
    control: number,
    segment: FakeSegment,
    reader: WakeReader,
    writer: WakeWriter,
  ) {
    this.#stack = stack;
    this.socket = socket;
    this.control = control;
    this.segment = segment;
    this.#reader = reader;
    this.#writer = writer;
    this.#producer = new MessageProducer(stack.window, control + fields.toAppQueue, fields.toAppQueueBytes);
    this.#consumer = new MessageConsumer(stack.window, control + fields.toStackQueue, fields.toStackQueueBytes);
    for (let i = 0; i + 1 < fields.maxMirrors; i += 2) this.#freeMirrors.push(fields.mirrors + i * MIRROR_BYTES);
    this.#consumer.arm();
    reader.watch(() => this.turn());
  }

  /** Mirrors that no session has, in pairs. */
  get freeMirrors(): number {
    return this.#freeMirrors.length;
  }

  /** A pair of mirrors. */
  takeMirrors(): number {
    const mirrors = this.#freeMirrors.shift();
    if (mirrors === undefined) throw new Error("fake stack: no mirrors left");
    return mirrors;
  }

  /** Gives the fifos and mirrors of a session back. */
  free(session: FakeSession): void {
    this.#stack.sessions.delete(session.index);
    if (session.rx === 0) return;
    const { mirrors, fifos } = this.#stack;
    for (const [f, mirror] of [
      [session.rx, session.fields.rxMirror],
      [session.tx, session.fields.txMirror],
    ] as const) {
      mirrors.close(f, this.control + mirror);
      fifos.freeFifo(f);
    }
    this.#freeMirrors.push(session.mirrors);
  }

  // ---- To the client ----

  /** Says a message, or keeps it until there is room. */
  say(message: Message): void {
    this.#waiting.push(message);
    this.#flush();
  }

  /** Says an event of a session. */
  event(event: number, { index }: Pick<FakeSession, "index">): void {
    this.#waiting.push({ event, index });
    this.#flush();
  }

  /** Puts a record that may be none. */
  raw(type: number, argument: number, words: readonly number[] = []): void {
    const at = this.#producer.begin(type, argument, words.length * 4);
    this.#stack.window.i32.set(words, at >> 2);
    this.#producer.end();
    if (this.#producer.publish()) this.#writer.signal();
  }

  #flush(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const isPut = "event" in next ? this.#producer.put(next.event, next.index) : this.#encode(next);
      if (isPut) this.#waiting.shift();
      else if (this.#producer.wantRoom()) break;
    }
    if (this.#producer.publish()) this.#writer.signal();
  }

  #encode(message: Message): boolean {
    const error = encodeMessage(this.#stack.window, this.#producer, message);
    if (error < 0 && error !== SESSION_E_MQ_MSG_ALLOC) throw new Error(`fake stack: ${message.type} cannot be`);
    return error === 0;
  }

  /** Lets a listener accept a session. */
  accept(listener: number, options: FakeSessionOptions = {}): FakeSession {
    const session = this.#stack.makeSession(this, options);
    this.say({ type: "ACCEPTED", session: session.index, listener, ...session.fields });
    return session;
  }

  /** Sends bytes to a session's application: as many as its rx fifo takes. */
  feed(session: FakeSession, bytes: Uint8Array): number {
    const n = this.#stack.fifos.write(session.rx, bytes, 0, bytes.length);
    this.#published(session, this.#stack.mirrors.publishRx(session.rx));
    return n;
  }

  /** Sends a datagram to a session's application. */
  feedDatagram(session: FakeSession, bytes: Uint8Array): void {
    const { fifos, window, scratch, mirrors } = this.#stack;
    writeDatagram(fifos, window, session.rx, scratch, bytes, 0, bytes.length);
    this.#published(session, mirrors.publishRx(session.rx));
  }

  /** Ends a session as a stack does: the client is to let go of it. */
  cleanup({ index }: FakeSession): void {
    this.say({ type: "CLEANUP", session: index, phase: 0 });
    this.say({ type: "CLEANUP", session: index, phase: 1 });
  }

  // ---- From the client ----

  /** Takes what the client has said. */
  turn(): void {
    while (this.isOpen && !this.isPaused) {
      while (this.#consumer.next()) this.#take();
      if (this.#consumer.isBroken) throw new Error("fake stack: the client has spoilt the queue");
      if (this.#consumer.release()) this.#writer.signal();
      this.#flush();
      if (this.#consumer.arm()) return;
    }
  }

  #take(): void {
    const { type, argument } = this.#consumer;
    if (type === IO_TX || type === IO_RX_DEQUEUED) {
      this.events.push(type);
      this.order.push(`event ${type}`);
      const session = this.#stack.sessions.get(argument);
      if (session !== undefined) this.#moved(session, type);
      return;
    }
    const message = decodeMessage(this.#stack.window, this.#consumer, "to-stack");
    if (message === undefined) throw new Error(`fake stack: record of type ${type}`);
    this.heard.push(message);
    this.order.push(message.type);
    if (!this.unanswered.has(message.type)) this.#answer(message);
  }

  #moved(session: FakeSession, type: number): void {
    const { mirrors } = this.#stack;
    if (type === IO_RX_DEQUEUED) {
      if (mirrors.acceptHead(session.rx) === MIRROR_BROKEN) this.broken.push(session.index);
      if (session.peer !== undefined) this.work(session.peer);
    } else this.#noticed(session, mirrors.acceptTail(session.tx));
    this.work(session);
  }

  #noticed(session: FakeSession, notice: number): void {
    if (notice === MIRROR_BROKEN) this.broken.push(session.index);
    else if (notice === 1) session.worker.event(IO_TX_ROOM, session);
  }

  #published(session: FakeSession, event: number): void {
    if (event === MIRROR_BROKEN) this.broken.push(session.index);
    else if (event === 1) session.worker.event(IO_RX, session);
  }

  /** Does with what a session was sent what its mode says. */
  work(session: FakeSession): void {
    const { fifos, mirrors } = this.#stack;
    if (session.mode === "keep") return;
    if (session.mode === "sink") fifos.drop(session.tx, fifos.maxDequeue(session.tx));
    else if (session.fields.proto === TRANSPORT_UDP) this.#echoDatagrams(session);
    else this.#echo(session);
    this.#noticed(session, mirrors.publishTx(session.tx));
  }

  #echo(session: FakeSession): void {
    const { fifos, mirrors } = this.#stack;
    for (;;) {
      const to = session.peer ?? session;
      const n = fifos.read(session.tx, this.#buffer, 0, fifos.maxEnqueue(to.rx));
      if (n <= 0) return;
      if (fifos.write(to.rx, this.#buffer, 0, n) !== n) throw new Error("fake stack: no memory");
      this.#published(to, mirrors.publishRx(to.rx));
    }
  }

  #echoDatagrams(session: FakeSession): void {
    const { fifos, window, mirrors, scratch } = this.#stack;
    for (;;) {
      const length = peekDatagram(fifos, window, session.tx, scratch);
      if (length < 0 || fifos.maxEnqueue(session.rx) < length + DGRAM_HEADER_BYTES) break;
      readDatagram(fifos, window, session.tx, scratch, this.#buffer, 0, length);
      writeDatagram(fifos, window, session.rx, scratch, this.#buffer, 0, length);
    }
    this.#published(session, mirrors.publishRx(session.rx));
  }

  #answer(message: Heard): void {
    switch (message.type) {
      case "LISTEN_URI": {
        const { protocol, endpoint } = parseUri(message.uri);
        const isDatagram = protocol === "udp" && !message.connected;
        const session = this.#stack.makeSession(this, { isDatagram, hasFifos: isDatagram });
        const { fields } = session;
        if (!isDatagram) this.#stack.listeners.set(endpoint.port, session);
        const local = { ...endpoint, port: endpoint.port === 0 ? 49_152 : endpoint.port };
        this.say({ type: "BOUND", context: message.context, retval: 0, ...fields, local, remote: undefined });
        break;
      }
      case "CONNECT_URI": {
        const session = this.#stack.makeSession(this, { isDatagram: message.uri.startsWith("udp") });
        this.say({ type: "CONNECTED", context: message.context, retval: 0, ...session.fields });
        const listener = this.#stack.listenerAt(parseUri(message.uri).endpoint.port);
        if (listener === undefined) break;
        session.peer = listener.worker.accept(listener.handle);
        session.peer.peer = session;
        break;
      }
      case "SHUTDOWN":
      case "DISCONNECT":
      case "TERMINATE":
        this.#ended(message);
        break;
      case "UNLISTEN":
        this.say({ type: "UNLISTEN_REPLY", context: message.context, retval: 0, handle: message.handle });
        break;
      case "APP_DETACH":
        this.say({ type: "DETACHED", context: message.context });
        break;
      case "CLEANUP_REPLY": {
        const session = this.#stack.byHandle(message.handle);
        if (session !== undefined) session.worker.free(session);
        break;
      }
      default:
    }
  }

  /** One of two sessions that are connected to each other ends its side. */
  #ended({ type, handle }: MessageOf<"SHUTDOWN" | "DISCONNECT" | "TERMINATE">): void {
    const session = this.#stack.byHandle(handle);
    const peer = session?.peer;
    if (session === undefined || peer === undefined) return;
    if (type === "TERMINATE") peer.worker.say({ type: "RESET", session: peer.index, error: SESSION_E_UNKNOWN });
    else {
      this.#noticed(session, this.#stack.mirrors.acceptTail(session.tx));
      this.work(session);
      if (!session.hasEnded) peer.worker.say({ type: "DISCONNECTED", session: peer.index });
    }
    session.hasEnded = true;
    session.isClosed ||= type !== "SHUTDOWN";
    peer.isClosed ||= type === "TERMINATE";
    if (!session.isClosed || !peer.isClosed) return;
    for (const each of [session, peer]) each.worker.cleanup(each);
  }

  /** Messages of one kind that the client has said. */
  said<N extends Heard["type"]>(type: N): MessageOf<N>[] {
    return this.heard.filter((message): message is Heard & MessageOf<N> => message.type === type);
  }

  /** Refuses a request. */
  refuse(type: "BOUND" | "CONNECTED", context: number, retval: number): void {
    this.say({ type, context, retval, ...NO_SESSION_FIELDS });
  }

  /** It is gone, without a word. */
  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#reader.close();
    this.#writer.close();
  }
}
