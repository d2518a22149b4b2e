import type { MessageName, SessionFields } from "../../src/app/messages/message-table.js";
import { encodeSocketMessage, parseSocketMessage } from "../../src/app/messages/socket-messages.js";
import { NO_WORKER_FIELDS, type SocketMessageOf, type WorkerFields } from "../../src/app/messages/socket-table.js";
import { loadAddon } from "../../src/host/addon.js";
import { NativeWindow } from "../../src/host/native-window.js";
import { SeqpacketListener } from "../../src/host/seqpacket-listener.js";
import type { SeqpacketSocket } from "../../src/host/unix-socket.js";
import { createWakePipe } from "../../src/host/wake-pipe.js";
import { DGRAM_HEADER_BYTES } from "../../src/mem/fifo-datagram.js";
import { FifoMirrors } from "../../src/mem/fifo-mirror.js";
import { MIRROR_BYTES } from "../../src/mem/fifo-mirror-layout.js";
import { FifoTable } from "../../src/mem/fifo-table.js";
import { formatMessageQueue, messageQueueBytes } from "../../src/mem/message-queue-layout.js";
import { PageRanges } from "../../src/mem/page-ranges.js";
import type { MemoryWindow } from "../../src/mem/window.js";
import { makeHandle } from "../../src/session/session-handle.js";
import { type Endpoint, TRANSPORT_TCP, TRANSPORT_UDP } from "../../src/transport/transport.js";
import type { FakeParts, FakeSegment, FakeSession, FakeSessionOptions, FakeSpeaker } from "./fake-parts.js";
import { FakeWorker } from "./fake-worker.js";

const PAGE = 4096;
const WINDOW_BYTES = 256 << 20;
const AREA_BYTES = 96 << 20;
const OWN_BYTES = 64 << 10;
const MAX_MIRRORS = 128;

/** How the stack is to be. */
export interface FakeOptions {
  readonly segmentBytes?: number;
  readonly ringBytes?: number;
  readonly rxFifoBytes?: number;
  readonly txFifoBytes?: number;
  /** Requests whose answers are left to the test. */
  readonly unanswered?: readonly MessageName[];
  /** Answers a request for a worker itself; true: it did. */
  readonly onRequest?: (socket: SeqpacketSocket, packet: Uint8Array) => boolean;
}

const local: Endpoint = { family: 4, address: Int32Array.of(0xc6120002 | 0, 0, 0, 0), port: 80 };
const remote: Endpoint = { family: 4, address: Int32Array.of(0xc6120001 | 0, 0, 0, 0), port: 40_000 };

/**
 * A stack of real parts, but without a network: fifos, mirrors, queues, sockets. It takes what clients ask; what its sessions
 * are sent they send back.
 */
export class FakeStack implements FakeParts {
  readonly window: MemoryWindow;
  readonly fifos: FifoTable;
  readonly mirrors: FifoMirrors;
  readonly workers: FakeWorker[] = [];
  readonly sessions = new Map<number, FakeSession>();
  /** Listeners of streams by port. */
  readonly listeners = new Map<number, FakeSession>();
  readonly attaches: SocketMessageOf<"ATTACH">[] = [];
  /** Room for the header of a datagram. */
  readonly scratch: number;
  readonly #options: Required<Omit<FakeOptions, "onRequest" | "unanswered">> & FakeOptions;
  readonly #native = new NativeWindow({ bytes: WINDOW_BYTES, hugePages: false });
  readonly #area: number;
  readonly #areaRanges = new PageRanges(OWN_BYTES, AREA_BYTES);
  readonly #controlRanges: PageRanges;
  readonly #listener: SeqpacketListener;
  readonly #sockets = new Set<SeqpacketSocket>();
  #lastSegment = 100;
  #lastSession = 0;
  #isClosed = false;

  constructor(path: string, options: FakeOptions = {}) {
    this.#options = { segmentBytes: 1 << 20, ringBytes: 32 << 10, rxFifoBytes: 65536, txFifoBytes: 65536, ...options };
    this.window = this.#native.window;
    this.#area = this.window.reserve("area", AREA_BYTES, PAGE);
    const controls: number = this.window.reserve("controls", 64 << 20, PAGE);
    this.#controlRanges = new PageRanges(controls, controls + (64 << 20));
    this.scratch = this.window.reserve("scratch", DGRAM_HEADER_BYTES);
    const sizes = { maxFifos: 512, ownBytes: OWN_BYTES, maxSegments: 64 };
    this.fifos = new FifoTable(this.window, this.#area, AREA_BYTES, sizes);
    this.mirrors = new FifoMirrors(this.window, this.fifos);
    this.#listener = new SeqpacketListener({ path, onConnection: (socket) => this.#connected(socket) });
  }

  /** The listener at a port whose client is still there. */
  listenerAt(port: number): FakeSession | undefined {
    const listener = this.listeners.get(port);
    return listener?.worker.isOpen === true ? listener : undefined;
  }

  /** The session of that handle. */
  byHandle(handle: number): FakeSession | undefined {
    return [...this.sessions.values()].find((session) => session.handle === handle);
  }

  /** The worker that was made last. */
  get worker(): FakeWorker {
    const worker = this.workers.at(-1);
    if (worker === undefined) throw new Error("fake stack: nobody has attached");
    return worker;
  }

  #connected(socket: SeqpacketSocket): void {
    this.#sockets.add(socket);
    let worker: FakeWorker | undefined;
    socket.onClose = () => {
      this.#sockets.delete(socket);
      worker?.close();
    };
    socket.onMessage = (packet) => {
      if (this.#options.onRequest?.(socket, packet) === true) return;
      const message = parseSocketMessage(packet);
      if ("error" in message) throw new Error(message.text);
      if (message.type === "ATTACH") this.attaches.push(message);
      else if (message.type !== "WORKER_ADD_DEL") throw new Error(`fake stack: ${message.type}`);
      worker = this.#addWorker(socket, message.type === "ATTACH");
    };
  }

  /** Makes a worker, and gives its memory to who asked. */
  #addWorker(socket: SeqpacketSocket, isFirst: boolean): FakeWorker {
    const { ringBytes, rxFifoBytes, txFifoBytes } = this.#options;
    const queueBytes = messageQueueBytes(ringBytes);
    const second = Math.ceil(queueBytes / 64) * 64;
    const mirrors = 2 * second;
    const controlBytes = Math.ceil((mirrors + MAX_MIRRORS * MIRROR_BYTES) / PAGE) * PAGE;
    const { fd: controlFd, offset: control } = this.#memfd("control", controlBytes, this.#controlRanges, 0);
    for (const at of [0, second]) formatMessageQueue(this.window, control + at, queueBytes);
    const segment = this.makeSegment();
    const toApp = createWakePipe();
    const toStack = createWakePipe();
    const fields: WorkerFields = {
      worker: this.workers.filter(({ isOpen }) => isOpen).length,
      appHandle: 4711,
      controlBytes,
      toAppQueue: 0,
      toAppQueueBytes: queueBytes,
      toStackQueue: second,
      toStackQueueBytes: queueBytes,
      mirrors,
      maxMirrors: MAX_MIRRORS,
      segment: segment.handle,
      segmentBytes: segment.bytes,
    };
    const worker = new FakeWorker(this, socket, fields, control, segment, toStack.reader, toApp.writer);
    for (const type of this.#options.unanswered ?? []) worker.unanswered.add(type);
    const common = { context: 0, retval: 0, text: "", ...fields };
    const reply = isFirst
      ? encodeSocketMessage({ type: "ATTACH_REPLY", appIndex: 7, rxFifoBytes, txFifoBytes, maxWorkers: 8, ...common })
      : encodeSocketMessage({ type: "WORKER_ADD_DEL_REPLY", isAdd: true, ...common });
    socket.send(reply, [controlFd, segment.fd, toApp.reader.fd, toStack.writer.fd]);
    loadAddon().closeFd(controlFd);
    loadAddon().closeFd(segment.fd);
    toApp.reader.close();
    toStack.writer.close();
    this.workers.push(worker);
    return worker;
  }

  /** A segment of fifos; its descriptor is the caller's. */
  makeSegment(bytes = this.#options.segmentBytes): FakeSegment {
    const { fd, offset } = this.#memfd("segment", bytes, this.#areaRanges, this.#area);
    return {
      fd,
      handle: ++this.#lastSegment,
      bytes,
      base: this.#area + offset,
      index: this.mirrors.addSegment(offset, bytes),
    };
  }

  /** Maps a new memfd; `offset` is where, as the ranges count. */
  #memfd(name: string, bytes: number, ranges: PageRanges, base: number): { fd: number; offset: number } {
    const fd = loadAddon().createMemfd(name, bytes);
    const offset = ranges.take(bytes);
    this.#native.native.mapMemfd(fd, base + offset, bytes);
    return { fd, offset };
  }

  /** A session with fifos in a worker's mirrors, which nobody was told of. */
  makeSession(worker: FakeSpeaker, options: FakeSessionOptions = {}): FakeSession {
    const { segment = worker.segment, isDatagram = false, hasFifos = true } = options;
    const index = ++this.#lastSession;
    const handle = makeHandle(0, 5, index);
    const { rxFifoBytes, txFifoBytes } = this.#options;
    const mirrors = hasFifos ? worker.takeMirrors() : 0;
    const rx = hasFifos ? this.fifos.allocFifo(rxFifoBytes, segment.index) : 0;
    const tx = hasFifos ? this.fifos.allocFifo(txFifoBytes, segment.index) : 0;
    if (hasFifos) {
      this.mirrors.openRx(rx, worker.control + mirrors);
      this.mirrors.openTx(tx, worker.control + mirrors + MIRROR_BYTES);
    }
    const fields: SessionFields = {
      handle,
      proto: isDatagram ? TRANSPORT_UDP : TRANSPORT_TCP,
      local,
      remote,
      rxMirror: mirrors,
      txMirror: hasFifos ? mirrors + MIRROR_BYTES : 0,
      rxFifoBytes,
      txFifoBytes,
      rxSegment: hasFifos ? segment.handle : 0,
      txSegment: hasFifos ? segment.handle : 0,
    };
    const life = { peer: undefined, hasEnded: false, isClosed: false };
    const session: FakeSession = { handle, index, fields, rx, tx, mirrors, mode: "echo", worker, ...life };
    this.sessions.set(index, session);
    return session;
  }

  /** Ends everything at once, as if the process had been killed. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#listener.close();
    for (const socket of this.#sockets) socket.close();
    for (const worker of this.workers) worker.close();
    this.window.close();
  }
}

/** A refusal of an attach. */
export function attachRefusal(retval: number, text: string): Uint8Array {
  return encodeSocketMessage({
    type: "ATTACH_REPLY",
    context: 0,
    retval,
    text,
    appIndex: 0,
    ...NO_WORKER_FIELDS,
    rxFifoBytes: 0,
    txFifoBytes: 0,
    maxWorkers: 0,
  });
}
