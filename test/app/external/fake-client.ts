import { type AttachedWorker, ExternalApps, type WorkerRequest } from "../../../src/app/external/external-apps.js";
import type { SharedMemory, SharedMemoryHost } from "../../../src/app/external/client-segments.js";
import type { ClientSegment } from "../../../src/app/external/client-segments.js";
import type { ClientLink } from "../../../src/app/external/external-worker.js";
import { decodeMessage } from "../../../src/app/messages/decode.js";
import { encodeMessage } from "../../../src/app/messages/encode.js";
import { IO_RX, IO_RX_DEQUEUED, IO_TX, IO_TX_ROOM } from "../../../src/app/messages/io-events.js";
import type { MessageTowards, SessionFields } from "../../../src/app/messages/message-table.js";
import { wire } from "../../../src/device/wire-device.js";
import type { NativeWindow } from "../../../src/host/native-window.js";
import { opensslEngine } from "../../../src/host/openssl-engine.js";
import { RemoteRxFifo, RemoteSegment, RemoteTxFifo } from "../../../src/mem/fifo-remote.js";
import { MessageConsumer, MessageProducer } from "../../../src/mem/message-queue.js";
import { MemoryWindow } from "../../../src/mem/window.js";
import { SeededRandom } from "../../../src/random/seeded.js";
import type { ApplicationOptions } from "../../../src/session/application.js";
import { handleIndex } from "../../../src/session/session-handle.js";
import { SMALL_LIMITS, Stack } from "../../../src/stack.js";
import { ManualClock } from "../../../src/time/manual-clock.js";

const KIB = 1024;

/** "Shared memory" of a client that lives in the same window: the bytes are where they are. */
class SameWindow implements SharedMemoryHost {
  readonly #window: MemoryWindow;
  readonly places = new Map<SharedMemory, number>();

  constructor(window: MemoryWindow) {
    this.#window = window;
  }

  map(_name: string, offset: number, bytes: number): SharedMemory {
    const memory = { bytes };
    this.#window.u8.fill(0, offset, offset + bytes);
    this.places.set(memory, offset);
    return memory;
  }

  /** Bytes that were taken at once. */
  touched = 0;

  touch(_offset: number, bytes: number): void {
    this.touched += bytes;
  }

  unmap(memory: SharedMemory): void {
    this.places.delete(memory);
  }
}

/** One stack whose applications live in other processes, as far as it can tell. */
export class ExternalStack {
  readonly clock = new ManualClock(1_000_000);
  readonly stack: Stack;
  readonly apps: ExternalApps;
  readonly memory: SameWindow;
  readonly errors: unknown[] = [];
  readonly #before: unknown;

  /** With a native window there is TLS. */
  constructor(device = wire()[0], address = "10.0.0.1", native: NativeWindow | undefined = undefined) {
    this.stack = new Stack({
      window: native?.window ?? MemoryWindow.plain(64 << 20),
      ...(native === undefined ? {} : { tls: { engine: opensslEngine(native), config: { maxConnections: 16 } } }),
      clock: this.clock,
      random: new SeededRandom(7),
      hooks: { wake: () => {}, reportError: (error) => this.errors.push(error) },
      limits: { ...SMALL_LIMITS, appSegmentBytes: 16 << 20 },
      session: { maxSessions: 256 },
      tcp: { maxConnections: 64, timeWaitMs: 100 },
      udp: { maxConnections: 64 },
    });
    this.stack.addInterface("wire0", device, { addresses: [`${address}/24`] });
    const { sessions, window } = this.stack.host;
    this.memory = new SameWindow(window);
    this.apps = new ExternalApps(sessions, this.memory, new SeededRandom(9), {
      maxWorkers: 8,
      maxSessions: 64,
      flowHooks: ["default"],
      evtCollectors: ["default"],
    });
    this.stack.engine.addTimed(this.apps);
    this.#before = this.pools();
  }

  /** What all pools hold now. */
  pools(): Record<string, unknown> {
    const { sessions, fifos, lookup } = this.stack.host;
    return {
      sessions: sessions.table.used,
      fifos: fifos.stats().activeFifos,
      fifoBytes: fifos.inUse(),
      segments: fifos.stats().segments,
      freePages: fifos.pages.freeBytes,
      lookup: { ...lookup.counts() },
      applications: sessions.applications.all().length,
      managers: sessions.segments.all.length,
      shared: this.memory.places.size,
      workers: this.apps.workers.length,
    };
  }

  /** What the pools held at the start. */
  get before(): unknown {
    return this.#before;
  }

  /** Turns until nothing moves. */
  settle(): void {
    for (let i = 0; i < 200; i++) if (this.stack.engine.turn() === 0 && this.stack.engine.nextExpiry() !== 0) return;
  }

  /** Time passes. */
  pass(ms: number): void {
    for (let i = 0; i < ms; i += 10) {
      this.clock.advanceUs(10_000);
      this.settle();
    }
  }

  /** Attaches a client; throws when it is refused. */
  attach(options: ApplicationOptions, request: Partial<WorkerRequest> = {}) {
    return new FakeClient(this, (link) =>
      this.apps.attach(
        { segmentBytes: 256 * KIB, addSegmentBytes: 256 * KIB, maxFifoMemoryBytes: 1024 * KIB, ...options },
        { ringBytes: 32 * KIB, maxSessions: 32, preallocatedFifoPairs: 0, closesOnDeath: false, ...request },
        link,
      ),
    );
  }
}

/** A session in the client's hands. */
export interface FakeSession extends SessionFields {
  readonly rx: RemoteRxFifo | undefined;
  readonly tx: RemoteTxFifo | undefined;
}

/** A client written out by hand: it sends what a test tells it to, and notes what it hears. */
export class FakeClient implements ClientLink {
  readonly attached: AttachedWorker;
  readonly toStack: MessageProducer;
  readonly fromStack: MessageConsumer;
  readonly heard: string[] = [];
  readonly messages: MessageTowards<"to-app">[] = [];
  readonly sessions = new Map<number, FakeSession>();
  readonly segments = new Map<number, RemoteSegment>();
  readonly peer = { pid: 4711, uid: 1000 };
  endReason: string | undefined;
  wakes = 0;
  /** Answers at once, as a well-behaved client does. */
  isPolite = true;
  readonly #host: ExternalStack;
  readonly #base: number;
  #context = 0;

  constructor(host: ExternalStack, attach: (link: ClientLink) => AttachedWorker | number) {
    this.#host = host;
    const attached = attach(this);
    if (typeof attached === "number") throw new Error(`refused: ${attached}`);
    this.attached = attached;
    const { layout, control, segment } = attached;
    const { window } = host.stack.host;
    this.#base = host.memory.places.get(control) ?? 0;
    this.fromStack = new MessageConsumer(window, this.#base + layout.toAppQueue, layout.toAppQueueBytes);
    this.toStack = new MessageProducer(window, this.#base + layout.toStackQueue, layout.toStackQueueBytes);
    this.sendSegment(segment);
  }

  wake(): void {
    this.wakes++;
  }

  sendSegment(segment: ClientSegment): void {
    const at = this.#host.memory.places.get(segment.memory) ?? 0;
    const { window } = this.#host.stack.host;
    this.segments.set(segment.handle, new RemoteSegment(window, at, segment.memory.bytes));
  }

  end(reason: string): void {
    this.endReason ??= reason;
  }

  /** The process dies, or its connection ends. */
  die(): void {
    this.#host.apps.end(this.attached.worker);
    this.#host.settle();
  }

  /** Sends a message; returns its context. */
  send(message: { readonly type: string } & Record<string, unknown>): number {
    const context = ++this.#context;
    const { window } = this.#host.stack.host;
    const result = encodeMessage(window, this.toStack, { context, ...message } as never);
    if (result < 0) throw new Error(`not sent: ${result}`);
    this.toStack.publish();
    return context;
  }

  /** Sends a message, and lets the stack do it and this client hear of it. */
  ask(message: { readonly type: string } & Record<string, unknown>): number {
    const context = this.send(message);
    this.run();
    return context;
  }

  /** Sends an event of a session. */
  event(io: number, handle: number): void {
    this.toStack.put(io, handleIndex(handle));
    this.toStack.publish();
  }

  /** Lets the stack work and hears what it says. */
  run(): void {
    for (let i = 0; i < 20; i++) {
      this.#host.settle();
      if (!this.hear()) return;
    }
  }

  /** Takes messages from the queue. Returns whether there were any. */
  hear(): boolean {
    let isAny = false;
    const { window } = this.#host.stack.host;
    while (this.fromStack.next()) {
      isAny = true;
      const { type, argument } = this.fromStack;
      if (type === IO_RX || type === IO_TX_ROOM) {
        this.heard.push(type === IO_RX ? "rx" : "tx");
        continue;
      }
      const message = decodeMessage(window, this.fromStack, "to-app");
      if (message === undefined) throw new Error(`no message: ${type} ${argument}`);
      this.messages.push(message);
      this.heard.push(message.type);
      this.#take(message);
    }
    if (isAny) this.fromStack.release();
    return isAny;
  }

  #take(message: MessageTowards<"to-app">): void {
    if (!("rxMirror" in message) || ("retval" in message && message.retval < 0)) {
      if (message.type === "CLEANUP" && message.phase === 1 && this.isPolite) {
        for (const [handle] of this.sessions) {
          if (handleIndex(handle) !== message.session) continue;
          this.sessions.delete(handle);
          this.send({ type: "CLEANUP_REPLY", handle });
        }
      }
      return;
    }
    const { window } = this.#host.stack.host;
    const end = (segment: number): RemoteSegment => this.segments.get(segment) as RemoteSegment;
    const { rxMirror, txMirror, rxSegment, txSegment, handle } = message;
    this.sessions.set(handle, {
      ...message,
      rx: rxMirror === 0 ? undefined : new RemoteRxFifo(window, this.#base + rxMirror, end(rxSegment)),
      tx: txMirror === 0 ? undefined : new RemoteTxFifo(window, this.#base + txMirror, end(txSegment)),
    });
    if (message.type === "ACCEPTED" && this.isPolite) this.send({ type: "ACCEPTED_REPLY", handle, retval: 0 });
  }

  /** The last message of that kind. */
  last<N extends MessageTowards<"to-app">["type"]>(type: N) {
    return this.messages.findLast((message) => message.type === type) as Extract<
      MessageTowards<"to-app">,
      { readonly type: N }
    >;
  }

  /** Writes bytes as far as there is room, and tells the stack. */
  write(handle: number, bytes: Uint8Array, from = 0): number {
    const session = this.sessions.get(handle);
    const n = session?.tx?.write(this.#host.stack.host.window, bytes, from, bytes.length - from) ?? 0;
    if (n > 0 && session?.tx?.publish() === true) this.event(IO_TX, handle);
    return n;
  }

  /** Reads what there is, and tells the stack if it wants to know. */
  read(handle: number, most = 1 << 20): Uint8Array {
    const session = this.sessions.get(handle);
    const into = new Uint8Array(most);
    session?.rx?.takeEvent();
    const n = session?.rx?.read(this.#host.stack.host.window, into, 0, most) ?? 0;
    if (n > 0 && session?.rx?.publish() === true) this.event(IO_RX_DEQUEUED, handle);
    return into.subarray(0, n);
  }

  /** Listens on a URI; returns the listener's handle. */
  listen(uri: string): number {
    this.ask({ type: "LISTEN_URI", uri, backlog: 0, connected: false, proxy: false, extConfig: new Uint8Array(0) });
    return this.last("BOUND").handle;
  }

  /** Starts to connect to a URI. */
  connect(uri: string): number {
    return this.ask({ type: "CONNECT_URI", uri, from: "", attributes: {}, extConfig: new Uint8Array(0) });
  }
}

/** Bytes that tell where they are. */
export const pattern = (from: number, length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => Math.imul(from + i, 0x9e3779b1) >>> 24);
