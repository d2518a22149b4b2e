import type { Timed } from "../../graph/engine.js";
import type { SegmentIndex } from "../../mem/fifo-layout.js";
import { FifoMirrors } from "../../mem/fifo-mirror.js";
import type { Offset } from "../../mem/flavor.js";
import type { ClientView } from "../../session/client-view.js";
import { isRingBytes } from "../../mem/message-queue-layout.js";
import type { Random } from "../../random/random.js";
import type { ApplicationOptions } from "../../session/application.js";
import {
  SESSION_E_ALLOC,
  SESSION_E_INVALID,
  SESSION_E_NOAPP,
  SESSION_E_SEG_CREATE,
  type SessionErrorValue,
} from "../../session/session-errors.js";
import type { SessionLayer } from "../../session/session-layer.js";
import { MIN_MESSAGE_RING_BYTES } from "../messages/message-table.js";
import type { CryptoRequest } from "../messages/socket-table.js";
import { answerCrypto, type CryptoReply } from "./client-crypto.js";
import { ClientRequests } from "./client-requests.js";
import {
  type ClientSegment,
  ClientSegments,
  ClientSegmentTable,
  type SharedMemory,
  type SharedMemoryHost,
} from "./client-segments.js";
import type { ClientRights } from "./client-rights.js";
import { type ControlLayout, controlLayout, ControlSegment } from "./control-segment.js";
import { type ClientLink, ExternalWorker } from "./external-worker.js";

/** Bounds of what clients may ask for. */
export interface ExternalLimits extends ClientRights {
  /** Client workers at most. */
  readonly maxWorkers: number;
  /** Sessions of one worker at most: two mirrors of 128 bytes each. */
  readonly maxSessions: number;
}

/** What a fifo begins with: the room that a writer is lent at first. */
const FIRST_CHUNK_BYTES = 4096;

/** How a client worker is to be. */
export interface WorkerRequest {
  /** Ring of each queue, bytes, a power of two. */
  readonly ringBytes: number;
  /** Sessions for which there are to be mirrors. */
  readonly maxSessions: number;
  /** Sessions for whose first chunks memory is taken at once. */
  readonly preallocatedFifoPairs: number;
  /** When the client dies, what it has written is still sent; otherwise its sessions are reset. */
  readonly closesOnDeath: boolean;
}

/** A client worker that was attached, and what its process is to get. */
export interface AttachedWorker {
  readonly worker: ExternalWorker;
  readonly layout: ControlLayout;
  readonly control: SharedMemory;
  readonly segment: ClientSegment;
  /** Proves to be of the application: drawn at random. */
  readonly appHandle: number;
}

interface Attached extends AttachedWorker {
  readonly request: WorkerRequest;
  readonly controlFrom: number;
  /** Every segment of the worker's own. */
  readonly segments: ClientSegments;
}

/** An application whose first worker came from another process. */
interface ExternalApp {
  readonly index: number;
  readonly handle: number;
}

/**
 * The applications of other processes (VPP's external applications). The host brings their requests to attach and the
 * memory; here they become workers of the session layer, whose queues are looked at once in every turn.
 */
export class ExternalApps implements Timed {
  readonly #sessions: SessionLayer;
  readonly #mirrors: FifoMirrors;
  readonly #segments: ClientSegmentTable;
  readonly #requests: ClientRequests;
  readonly #host: SharedMemoryHost;
  readonly #random: Random;
  readonly #limits: ExternalLimits;
  readonly #apps: ExternalApp[] = [];
  #workers: Attached[] = [];
  #hasMore = false;

  constructor(sessions: SessionLayer, host: SharedMemoryHost, random: Random, limits: ExternalLimits) {
    this.#sessions = sessions;
    this.#host = host;
    this.#random = random;
    this.#limits = limits;
    this.#mirrors = new FifoMirrors(sessions.window, sessions.fifos);
    this.#segments = new ClientSegmentTable(sessions.fifos, this.#mirrors, host);
    this.#requests = new ClientRequests(sessions, this.#mirrors, (app, number) => this.#find(app, number), limits);
    sessions.delivered = () => this.flush();
    sessions.clients = () => this.#views();
  }

  /** The workers that are attached. */
  get workers(): readonly ExternalWorker[] {
    return this.#workers.map(({ worker }) => worker);
  }

  /** What operators are shown: clients that have read or written tell of it only when somebody needs to know. */
  #views(): readonly ClientView[] {
    for (const { worker } of this.#workers) this.#requests.takeOver(worker);
    this.flush();
    return this.#workers.map(({ worker }) => ({
      app: worker.app,
      worker: worker.number,
      ...worker.link.peer,
      sessions: worker.sessions.size,
      readBytes: worker.readBytes,
      writtenBytes: worker.writtenBytes,
      waitingMessages: worker.outbox.waiting,
      congestedMessages: worker.outbox.congested,
      brokenSessions: worker.broken,
    }));
  }

  #find(app: number, number: number): ExternalWorker | undefined {
    return this.#workers.find(({ worker }) => worker.app === app && worker.number === number)?.worker;
  }

  // ---- Attaching ----

  /** Attaches an application with its first worker. Returns it, or a negative session error and leaves nothing. */
  attach(options: ApplicationOptions, request: WorkerRequest, link: ClientLink): AttachedWorker | SessionErrorValue {
    return this.#add(request, link, (worker, segments) => {
      const index = this.#sessions.attach(options, worker, segments);
      if (index < 0) return index;
      const handle = this.#drawHandle();
      this.#apps.push({ index, handle });
      return { index, handle, number: 0 };
    });
  }

  /** Adds a worker to the application of that handle. Returns it, or NOAPP and others. */
  addWorker(appHandle: number, request: WorkerRequest, link: ClientLink): AttachedWorker | SessionErrorValue {
    const app = this.#appOf(appHandle);
    if (app === undefined) return this.#sessions.counted(SESSION_E_NOAPP);
    return this.#add(request, link, (worker, segments) => {
      const number = this.#sessions.addWorker(app.index, worker, segments);
      return number < 0 ? number : { index: app.index, handle: app.handle, number };
    });
  }

  /** The application of that handle, while it is attached. */
  #appOf(handle: number): ExternalApp | undefined {
    return this.#apps.find((app) => app.handle === handle);
  }

  #drawHandle(): number {
    return (this.#random.nextInt32() >>> 0) * 0x20_0000 + this.#random.nextBelow(0x20_0000);
  }

  #add(
    request: WorkerRequest,
    link: ClientLink,
    join: (
      worker: ExternalWorker,
      segments: ClientSegments,
    ) => SessionErrorValue | { readonly index: number; readonly handle: number; readonly number: number },
  ): AttachedWorker | SessionErrorValue {
    if (this.#workers.length >= this.#limits.maxWorkers) return this.#sessions.counted(SESSION_E_ALLOC);
    // Smaller rings would not take every message.
    if (!isRingBytes(request.ringBytes) || request.ringBytes < MIN_MESSAGE_RING_BYTES) {
      return this.#sessions.counted(SESSION_E_INVALID);
    }
    const maxSessions = Math.min(request.maxSessions, this.#limits.maxSessions);
    const layout = controlLayout(request.ringBytes, maxSessions);
    const { fifos, window } = this.#sessions;
    const controlFrom = fifos.pages.take(layout.controlBytes);
    if (controlFrom < 0) return this.#sessions.counted(SESSION_E_SEG_CREATE);
    const at: Offset = fifos.base + controlFrom;
    const control = this.#host.map("weft-control", at, layout.controlBytes);
    if (control === undefined) {
      fifos.pages.give(controlFrom, layout.controlBytes);
      return this.#sessions.counted(SESSION_E_SEG_CREATE);
    }
    const reclaim = (segment: SegmentIndex): void => this.#workers.forEach((each) => each.worker.reclaim(segment));
    const parts = { sessions: this.#sessions, mirrors: this.#mirrors, segments: this.#segments, reclaim };
    const worker = new ExternalWorker(parts, new ControlSegment(window, at, layout), link);
    const segments = new ClientSegments(this.#segments, [worker]);
    const joined = join(worker, segments);
    const first = typeof joined === "number" ? undefined : worker.open(joined.index, joined.number);
    if (typeof joined === "number" || first === undefined) {
      this.#host.unmap(control, at);
      fifos.pages.give(controlFrom, layout.controlBytes);
      return typeof joined === "number" ? joined : this.#sessions.counted(SESSION_E_SEG_CREATE);
    }
    const appHandle = joined.handle;
    const attached = { worker, layout, control, segment: first, appHandle, request, controlFrom, segments };
    this.#workers.push(attached);
    const ready = request.preallocatedFifoPairs * 2 * FIRST_CHUNK_BYTES;
    if (ready > 0) this.#segments.touch(first, ready);
    return attached;
  }

  /**
   * The client of a worker is gone, or is to be: its sessions are closed or reset as it asked for when it attached, and all
   * memory that it had comes back as soon as the last of them has ended.
   */
  end(worker: ExternalWorker): void {
    const attached = this.#workers.find((each) => each.worker === worker);
    if (attached === undefined) return;
    this.#workers = this.#workers.filter((each) => each !== attached);
    const wasAttached = worker.isAttached;
    worker.isAttached = false;
    if (wasAttached) {
      if (attached.request.closesOnDeath) this.#requests.takeOver(worker);
      else for (const { index, isGone } of worker.sessions.values()) if (!isGone) this.#reset(worker, index);
      this.#sessions.delWorker(worker.app, worker.number);
    }
    worker.release();
    this.#host.unmap(attached.control, worker.control.base);
    this.#sessions.fifos.pages.give(attached.controlFrom, attached.layout.controlBytes);
    if (this.#sessions.applications.attached(worker.app) !== undefined) return;
    const at = this.#apps.findIndex(({ index }) => index === worker.app);
    if (at >= 0 && !this.#workers.some((each) => each.worker.app === worker.app)) this.#apps.splice(at, 1);
  }

  #reset(worker: ExternalWorker, index: number): void {
    if (worker.owns(index)) this.#sessions.terminate(index);
  }

  /** Does what a client asks of the crypto store; `worker`: of whom it is, undefined: it has not attached. */
  cryptoRequest(worker: ExternalWorker | undefined, request: CryptoRequest): CryptoReply {
    return answerCrypto(this.#sessions, worker?.isAttached === true ? worker.app : -1, request);
  }

  /** The segment of that number, as clients know it. */
  segment(segment: SegmentIndex): ClientSegment | undefined {
    return this.#segments.at(segment);
  }

  // ---- Turns ----

  /** Takes what clients ask for; returns how many messages. Called once in every turn. */
  poll(): number {
    let count = 0;
    this.#hasMore = false;
    for (const { worker } of this.#workers) {
      // It may have made room for what waits; only then is it listened to again.
      if (worker.outbox.waiting > 0) worker.outbox.flush();
      const taken = this.#requests.poll(worker);
      count += taken;
      if (taken > 0) this.#hasMore = true;
    }
    if (count > 0) this.flush();
    return count;
  }

  /** Shows clients what was sent to them, and wakes those that sleep. */
  flush(): void {
    for (const { worker } of this.#workers) worker.outbox.flush();
  }

  /**
   * The stack is about to sleep: clients are to wake it. Returns false when one has asked for something meanwhile: then it
   * must not.
   */
  arm(): boolean {
    let maySleep = true;
    for (const { worker } of this.#workers) {
      // One for whom answers wait is not listened to: it wakes us when it has made room for them.
      if (worker.outbox.waiting === 0 && !worker.control.toStack.arm()) maySleep = false;
    }
    return maySleep;
  }

  expire(): void {
    if (this.#workers.length > 0) this.poll();
  }

  setNow(): void {
    // Nothing here depends on the time.
  }

  nextExpiry(): number {
    return this.#hasMore ? 0 : -1;
  }
}
