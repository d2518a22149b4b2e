import type { AppCrypto } from "./app-crypto.js";
import type { AppWorker, ConnectOptions, ListenOptions } from "./app-worker.js";
import type { AppCallbacks } from "./callbacks.js";
import type { Listener } from "./listener.js";
import type { Session } from "./session.js";

/**
 * An attached application. What it does itself its default worker does; more workers can be added. Control calls are
 * asynchronous and reject with a SessionError.
 */
export interface App extends AppCrypto {
  readonly name: string;
  /** VPP's application index. */
  readonly index: number;
  /** The workers that are attached, the default one first. */
  readonly workers: readonly AppWorker[];
  /** The listeners that are open, of all workers. */
  readonly listeners: readonly Listener[];
  /** Adds a worker with callbacks of its own. Rejects with NOAPP, INVALID, ALLOC. */
  addWorker(callbacks: AppCallbacks): Promise<AppWorker>;
  /** Listens, by the default worker: see {@link AppWorker.listen}. */
  listen(uri: string, options?: ListenOptions): Promise<Listener>;
  /** Connects, by the default worker: see {@link AppWorker.connect}. */
  connect(uri: string, options?: ConnectOptions): Promise<Session>;
  /** Closes listeners and sessions; the application hears no more of them. */
  detach(): Promise<void>;
}
