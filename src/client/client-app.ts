import type { App } from "../app/app.js";
import type { ConnectOptions, ListenOptions } from "../app/app-worker.js";
import type { AppCallbacks } from "../app/callbacks.js";
import type { FlowHookHandle, OnFlow } from "../app/flow-hook.js";
import {
  SESSION_E_INVALID,
  SESSION_E_NOAPP,
  SESSION_E_NOSUPPORT,
  SESSION_E_OWNER,
  SESSION_E_WRONG_NS_SECRET,
  SessionError,
} from "../session/session-errors.js";
import type { TlsProfile } from "../transport/tls/crypto-store.js";
import type { TlsPairText } from "../transport/tls/engine.js";
import { ClientCrypto } from "./client-crypto.js";
import type { ClientListener } from "./client-listener.js";
import { ClientMemory } from "./client-memory.js";
import { attachRequest, type ClientOptions, socketOf } from "./client-options.js";
import type { ClientSession } from "./client-session.js";
import { ClientWorker, type WorkerOwner } from "./client-worker.js";
import { discard, requestWorker, type WorkerRequest } from "./handshake.js";
import { Readiness, type SessionEvents } from "./readiness.js";

/** How long to wait before it tries to attach again, at first and at most; each time twice as long. */
const RETRY_FIRST_MS = 10;
const RETRY_MOST_MS = 2000;
/** Refusals that another try would not change. */
const FINAL: ReadonlySet<number> = new Set([
  SESSION_E_INVALID,
  SESSION_E_NOSUPPORT,
  SESSION_E_OWNER,
  SESSION_E_WRONG_NS_SECRET,
]);

/** Callbacks are looked at before the stack hears of anything. */
function checkCallbacks(callbacks: unknown, what: string): void {
  if (typeof callbacks === "object" && callbacks !== null) return;
  throw new SessionError(SESSION_E_INVALID, what, "no callbacks");
}

function jittered(ms: number): number {
  return ms * (0.5 + Math.random() / 2);
}

/** An attached application in its own process. When the stack has gone it attaches again by itself, as soon as it can. */
export class ClientApp implements App {
  readonly name: string;
  readonly #options: ClientOptions;
  readonly #memory: ClientMemory;
  readonly #crypto: ClientCrypto;
  readonly #readiness: Readiness | undefined;
  readonly #owner: WorkerOwner;
  /** Those that are attached, or are to be again. */
  #workers: ClientWorker[] = [];
  readonly #timers = new Map<ClientWorker, NodeJS.Timeout>();
  /** Attaching again goes worker by worker: the first attaches the application. */
  #rejoining: Promise<void> = Promise.resolve();
  #index = -1;
  #isReferenced = true;

  /** Made by {@link attach}. */
  constructor(options: ClientOptions, readiness: Readiness | undefined) {
    const { name, onError = (error: unknown) => console.error(error), reattach = true } = options;
    this.name = name;
    this.#options = options;
    this.#readiness = readiness;
    this.#memory = new ClientMemory();
    this.#crypto = new ClientCrypto(async (request, what) => this.#default(what).askSocket(request, what));
    this.#owner = {
      crypto: this.#crypto,
      reportError: onError,
      lost: (worker) => {
        if (reattach) this.#rejoinLater(worker, RETRY_FIRST_MS);
        return reattach;
      },
      detached: (worker) => this.#forget(worker),
    };
  }

  get index(): number {
    return this.#index;
  }

  /** What proves to be of the application: for {@link attachWorker} in other threads and processes. -1: not attached now. */
  get appHandle(): number {
    return this.#workers.find(({ isAttached }) => isAttached)?.appHandle ?? -1;
  }

  /** Those that are to be attached again counted. */
  get workers(): ClientWorker[] {
    return [...this.#workers];
  }

  get listeners(): ClientListener[] {
    return this.#workers.flatMap(({ listeners }) => listeners);
  }

  async addWorker(callbacks: AppCallbacks): Promise<ClientWorker> {
    const what = `add worker to ${this.name}`;
    this.#default(what);
    return this.add(callbacks, what);
  }

  /** Adds a worker: the first attaches the application. For {@link attach}. */
  async add(callbacks: AppCallbacks, what: string): Promise<ClientWorker> {
    checkCallbacks(callbacks, what);
    const worker = new ClientWorker(this.#owner, callbacks);
    if (!this.#isReferenced) worker.unref();
    this.#workers.push(worker);
    try {
      await this.#join(worker);
    } catch (error) {
      this.#forget(worker);
      throw error;
    }
    if (callbacks.sessionStats === undefined || worker.number !== 0) return worker;
    try {
      await worker.collect();
    } catch (error) {
      await worker.delete();
      throw error;
    }
    return worker;
  }

  async listen(uri: string, options: ListenOptions = {}): Promise<ClientListener> {
    return this.#default(`listen ${uri}`).listen(uri, options);
  }

  /** Decides on new flows, by the default worker: see {@link ClientWorker.onFlow}. */
  async onFlow(onFlow: OnFlow): Promise<FlowHookHandle> {
    return this.#default("flow hook").onFlow(onFlow);
  }

  async connect(uri: string, options: ConnectOptions = {}): Promise<ClientSession> {
    return this.#default(`connect ${uri}`).connect(uri, options);
  }

  /**
   * For an application without callbacks: what happened to its sessions since the last call, waiting for it `timeoutMs` at most
   * (undefined: as long as it takes). Sessions that listeners accept are in it. Rejects with NOSUPPORT when there are callbacks.
   */
  async waitForEvents(timeoutMs?: number): Promise<readonly SessionEvents[]> {
    const what = `wait for events of ${this.name}`;
    if (this.#readiness === undefined) throw new SessionError(SESSION_E_NOSUPPORT, what, "it has callbacks");
    const hasEnded = this.#workers.length === 0;
    const events = await this.#readiness.wait(hasEnded ? 0 : timeoutMs);
    if (hasEnded && events.length === 0) throw new SessionError(SESSION_E_NOAPP, what);
    return events;
  }

  addCertificate(pair: TlsPairText): Promise<number> {
    return this.#crypto.addCertificate(pair);
  }

  setOcsp(certificate: number, response: Uint8Array): Promise<void> {
    return this.#crypto.setOcsp(certificate, response);
  }

  delCertificate(index: number): Promise<void> {
    return this.#crypto.delCertificate(index);
  }

  addTrust(certificates: Uint8Array, crl?: Uint8Array): Promise<number> {
    return this.#crypto.addTrust(certificates, crl);
  }

  updateCrl(trust: number, crl: Uint8Array): Promise<void> {
    return this.#crypto.updateCrl(trust, crl);
  }

  delTrust(index: number): Promise<void> {
    return this.#crypto.delTrust(index);
  }

  addTlsProfile(profile: TlsProfile): Promise<number> {
    return this.#crypto.addTlsProfile(profile);
  }

  delTlsProfile(index: number): Promise<void> {
    return this.#crypto.delTlsProfile(index);
  }

  async detach(): Promise<void> {
    if (this.#workers.length === 0) throw new SessionError(SESSION_E_NOAPP, `detach ${this.name}`);
    await Promise.all(this.workers.map((worker) => worker.delete()));
  }

  /** Lets the process end although it is attached, or tries to be again. */
  unref(): void {
    this.#isReferenced = false;
    for (const worker of this.#workers) worker.unref();
    for (const timer of this.#timers.values()) timer.unref();
  }

  #default(what: string): ClientWorker {
    const worker = this.#workers.find(({ isAttached }) => isAttached);
    if (worker === undefined) throw new SessionError(SESSION_E_NOAPP, what);
    return worker;
  }

  // ---- Attaching, and again ----

  /** Attaches a worker: as one more of an application that is attached, or with the application. */
  async #join(worker: ClientWorker): Promise<void> {
    const { appHandle } = this;
    const isFirst = appHandle < 0;
    const what = isFirst ? `attach ${JSON.stringify(this.name)}` : `add worker to ${this.name}`;
    const request: WorkerRequest = isFirst
      ? attachRequest(this.#options)
      : { type: "WORKER_ADD_DEL", context: 0, isAdd: true, appHandle, worker: 0 };
    await requestWorker(socketOf(this.#options), request, what, this.#isReferenced, (attached) => {
      if (!this.#workers.includes(worker)) {
        discard(attached);
        throw new SessionError(SESSION_E_NOAPP, what);
      }
      worker.open(this.#memory, attached);
      if (attached.reply.type === "ATTACH_REPLY") this.#index = attached.reply.appIndex;
    });
  }

  #rejoinLater(worker: ClientWorker, delayMs: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(worker);
      this.#rejoining = this.#rejoining.then(() => this.#rejoin(worker, delayMs));
    }, jittered(delayMs));
    if (!this.#isReferenced) timer.unref();
    this.#timers.set(worker, timer);
  }

  async #rejoin(worker: ClientWorker, delayMs: number): Promise<void> {
    const isNew = this.appHandle < 0;
    try {
      if (this.#workers.includes(worker)) await this.#join(worker);
    } catch (error) {
      if (!this.#workers.includes(worker)) return;
      if (error instanceof SessionError && FINAL.has(error.errno)) {
        this.#owner.reportError(error);
        worker.giveUp();
      } else this.#rejoinLater(worker, Math.min(2 * delayMs, RETRY_MOST_MS));
      return;
    }
    // Before it listens with what it has there.
    if (isNew) await this.#crypto.restore((error) => this.#owner.reportError(error));
    // The next worker need not wait for its listeners.
    void worker.reopened();
  }

  #forget(worker: ClientWorker): void {
    clearTimeout(this.#timers.get(worker));
    this.#timers.delete(worker);
    this.#workers = this.#workers.filter((each) => each !== worker);
    if (this.#workers.length === 0) this.#memory.close();
  }
}

/**
 * Attaches an application of this process to a stack in another one. Without callbacks it is asked by
 * {@link ClientApp.waitForEvents}. Rejects with the stack's refusal as {@link AppServer.attach} does, or the system's: ENOENT or
 * ECONNREFUSED (no stack is there), EACCES.
 */
export async function attach(options: ClientOptions, callbacks?: AppCallbacks): Promise<ClientApp> {
  const what = `attach ${JSON.stringify(options?.name)}`;
  if (typeof options !== "object" || options === null) throw new SessionError(SESSION_E_INVALID, what, "no options");
  const readiness = callbacks === undefined ? new Readiness() : undefined;
  const app = new ClientApp(options, readiness);
  await app.add(callbacks ?? readiness?.callbacks ?? {}, what);
  return app;
}

/** Where an application is, for {@link attachWorker}. */
export interface WorkerOptions extends Pick<ClientOptions, "socket" | "directory" | "namespace" | "onError"> {
  /** {@link ClientApp.appHandle}, as the application's process has it. */
  readonly appHandle: number;
}

/**
 * Adds a worker to an application that another thread or process has attached. It does not attach again by itself: with
 * another stack the application has another handle. Rejects with NOAPP, ALLOC, or as {@link attach} by the system.
 */
export async function attachWorker(options: WorkerOptions, callbacks: AppCallbacks): Promise<ClientWorker> {
  const what = "attach worker";
  checkCallbacks(callbacks, what);
  const { appHandle, onError = (error: unknown) => console.error(error) } = options;
  const memory = new ClientMemory();
  const owner = { reportError: onError, lost: () => false, detached: () => memory.close(), crypto: undefined };
  const worker = new ClientWorker(owner, callbacks);
  const request: WorkerRequest = { type: "WORKER_ADD_DEL", context: 0, isAdd: true, appHandle, worker: 0 };
  try {
    await requestWorker(socketOf(options), request, what, true, (attached) => worker.open(memory, attached));
  } catch (error) {
    memory.close();
    throw error;
  }
  return worker;
}
