import type { ApplicationOptions } from "../session/application.js";
import { SESSION_E_INVALID, SESSION_E_NOAPP, SessionError } from "../session/session-errors.js";
import type { SessionLayer } from "../session/session-layer.js";
import { AppWorker, type ConnectOptions, type ListenOptions } from "./app-worker.js";
import type { AppCallbacks, Listener } from "./callbacks.js";
import type { AppContext } from "./context.js";
import type { Session } from "./session.js";
import { SessionObjects } from "./session-objects.js";

/** Callbacks are wrapped before the session layer sees them, so they are looked at here. */
function checkCallbacks(callbacks: unknown, what: string): void {
  if (typeof callbacks === "object" && callbacks !== null) return;
  throw new SessionError(SESSION_E_INVALID, what, "no callbacks");
}

/**
 * An attached application. What it does itself its default worker does; more workers can be added. Control calls are
 * asynchronous and reject with {@link SessionError}.
 */
export class App {
  readonly name: string;
  readonly #objects: SessionObjects;
  readonly #index: number;
  #workers: AppWorker[] = [];

  /** Made by {@link AppServer.attach}; throws SessionError. */
  constructor(server: AppServer, options: ApplicationOptions, callbacks: AppCallbacks) {
    const what = `attach ${JSON.stringify(options?.name)}`;
    checkCallbacks(callbacks, what);
    this.#objects = server.objects;
    this.name = options?.name ?? "";
    const worker = new AppWorker(this.#objects, callbacks);
    this.#index = this.#sessions.attach(options, worker.coreCallbacks());
    if (this.#index < 0) throw new SessionError(this.#index, what);
    worker.bind(this.#index, 0);
    this.#workers.push(worker);
  }

  get #sessions(): SessionLayer {
    return this.#objects.context.sessions;
  }

  /** VPP's application index. */
  get index(): number {
    return this.#index;
  }

  /** The workers that are attached, the default one first. */
  get workers(): AppWorker[] {
    return this.#workers.filter(({ isAttached }) => isAttached);
  }

  /** The listeners that are open, of all workers. */
  get listeners(): Listener[] {
    return this.workers.flatMap(({ listeners }) => listeners);
  }

  /** Adds a worker with callbacks of its own. Rejects with NOAPP, INVALID, ALLOC. */
  async addWorker(callbacks: AppCallbacks): Promise<AppWorker> {
    this.#default(`add worker to ${this.name}`);
    checkCallbacks(callbacks, `add worker to ${this.name}`);
    const worker = new AppWorker(this.#objects, callbacks);
    const number = this.#sessions.addWorker(this.#index, worker.coreCallbacks());
    if (number < 0) throw new SessionError(number, `add worker to ${this.name}`);
    worker.bind(this.#index, number);
    this.#workers = [...this.workers, worker];
    return worker;
  }

  /** Listens, by the default worker: see {@link AppWorker.listen}. */
  async listen(uri: string, options: ListenOptions = {}): Promise<Listener> {
    return this.#default(`listen ${uri}`).listen(uri, options);
  }

  /** Connects, by the default worker: see {@link AppWorker.connect}. */
  async connect(uri: string, options: ConnectOptions = {}): Promise<Session> {
    return this.#default(`connect ${uri}`).connect(uri, options);
  }

  /** Closes listeners and sessions; the application hears no more of them. */
  async detach(): Promise<void> {
    this.#default(`detach ${this.name}`);
    this.#sessions.detach(this.#index);
  }

  #default(what: string): AppWorker {
    const [worker] = this.workers;
    if (worker === undefined) throw new SessionError(SESSION_E_NOAPP, what);
    return worker;
  }
}

/** Attaches applications of this process to a stack (VPP: builtin applications), and knows their session objects. */
export class AppServer {
  readonly objects: SessionObjects;

  /** Reserves what the applications share. Throws RangeError when the window is full. */
  constructor(sessions: SessionLayer) {
    this.objects = new SessionObjects(sessions);
  }

  /** What all session objects share. */
  get context(): AppContext {
    return this.objects.context;
  }

  /** Attaches an application. Rejects with INVALID, INVALID_NS, WRONG_NS_SECRET, APP_ATTACHED, NOSUPPORT (disabled), ALLOC. */
  async attach(options: ApplicationOptions, callbacks: AppCallbacks): Promise<App> {
    return new App(this, options, callbacks);
  }
}
