import type { ApplicationCallbacks } from "../session/application.js";
import type { ListenOptions as CoreListenOptions } from "../session/app-listener.js";
import {
  SESSION_E_NOAPP,
  SESSION_E_NOSUPPORT,
  SESSION_E_REFUSED,
  SESSION_E_UNKNOWN,
  SessionError,
  type SessionErrorValue,
} from "../session/session-errors.js";
import type { SessionLayer } from "../session/session-layer.js";
import { softErrorOf } from "../session/soft-error.js";
import { parseUri, type SessionUri } from "../session/uri.js";
import type { ConnectionAttributes, Endpoint, SessionIndex, Transport } from "../transport/transport.js";
import { type AppCallbacks, Listener } from "./callbacks.js";
import type { Session } from "./session.js";
import type { SessionObjects } from "./session-objects.js";

interface Pending {
  readonly uri: string;
  readonly resolve: (session: Session) => void;
  readonly reject: (error: SessionError) => void;
}

/** How to listen. */
export type ListenOptions = Omit<CoreListenOptions, "worker">;

/** How to connect. */
export interface ConnectOptions {
  /** Where from, as a URI of the same protocol; address or port may be 0. */
  readonly from?: string;
  /** Attributes of the connection from its first segment on. A value out of range: INVALID; none of the transport's: NOSUPPORT. */
  readonly attributes?: ConnectionAttributes;
}

/**
 * A worker of an application: what listens, connects, and owns sessions. Several workers may listen on one address; what
 * is accepted goes to them in turn. Control calls are asynchronous and reject with {@link SessionError}.
 */
export class AppWorker {
  readonly #objects: SessionObjects;
  readonly #callbacks: AppCallbacks;
  readonly #pending = new Map<SessionIndex, Pending>();
  readonly #listeners = new Map<SessionIndex, Listener>();
  #app = -1;
  #number = -1;
  #isAttached = false;

  /** Made by {@link AppServer.attach} and {@link App.addWorker}. */
  constructor(objects: SessionObjects, callbacks: AppCallbacks) {
    this.#objects = objects;
    this.#callbacks = callbacks;
  }

  /** The session layer took it as worker `number` of application `app`. */
  bind(app: number, number: number): void {
    this.#app = app;
    this.#number = number;
    this.#isAttached = true;
  }

  get #sessions(): SessionLayer {
    return this.#objects.context.sessions;
  }

  /** Its number within the application; the default worker is 0. */
  get number(): number {
    return this.#number;
  }

  /** False once it was deleted, or its application detached. */
  get isAttached(): boolean {
    return this.#isAttached;
  }

  /** The listeners that are open. */
  get listeners(): Listener[] {
    return [...this.#listeners.values()];
  }

  /** Listens; port 0 takes a free one. Rejects with INVALID, NOSUPPORT, NOIP, ALREADY_LISTENING, …. */
  async listen(uri: string, options: ListenOptions = {}): Promise<Listener> {
    const { transport, endpoint } = this.#resolve("listen", uri);
    const s = this.#sessions.listen(this.#app, transport.proto, endpoint, { ...options, worker: this.#number });
    if (s < 0) throw new SessionError(s, `listen ${uri}`);
    const isShared = (this.#sessions.listeners.of(s)?.sessions.filter((each) => each === s).length ?? 0) > 1;
    const listener = new Listener(this, uri, isShared ? this.#objects.at(s) : this.#objects.adopt(s));
    this.#listeners.set(s, listener);
    this.#callbacks.listened?.(listener);
    return listener;
  }

  /** Connects. Rejects with NOROUTE, REFUSED, TIMEDOUT, NOPORT, …. */
  async connect(uri: string, options: ConnectOptions = {}): Promise<Session> {
    const { transport, endpoint } = this.#resolve("connect", uri);
    const local = options.from === undefined ? undefined : this.#resolve("connect", options.from).endpoint;
    const { attributes } = options;
    const worker = this.#number;
    return new Promise((resolve, reject) => {
      const s = this.#sessions.connect(this.#app, transport.proto, endpoint, { local, attributes, worker });
      if (s < 0) reject(new SessionError(s, `connect ${uri}`));
      else this.#pending.set(s, { uri, resolve, reject });
    });
  }

  /** Takes a session over from another worker of the application: from now on this one hears of it. */
  async take(session: Session): Promise<void> {
    const s = session?.index ?? -1;
    const error = this.#sessions.moveSession(this.#app, s, this.#number);
    if (error < 0) throw new SessionError(error, `take session ${s}`);
  }

  /** Ends the worker: its listeners and sessions are closed, it hears no more. With the last one the application ends. */
  async delete(): Promise<void> {
    const error = this.#isAttached ? this.#sessions.delWorker(this.#app, this.#number) : SESSION_E_NOAPP;
    if (error < 0) throw new SessionError(error, `delete worker ${this.#number}`);
  }

  unlisten(listener: Listener): void {
    const error = this.#sessions.unlisten(this.#app, listener.session.index, this.#number);
    if (error < 0) throw new SessionError(error, `unlisten ${listener.uri}`);
  }

  #resolve(what: string, uri: string): { transport: Transport; endpoint: Endpoint } {
    if (!this.#isAttached) throw new SessionError(SESSION_E_NOAPP, `${what} ${uri}`);
    const { protocol, endpoint }: SessionUri = parseUri(uri);
    const transport = this.#sessions.transportByName(protocol);
    if (transport === undefined) {
      throw new SessionError(SESSION_E_NOSUPPORT, `${what} ${uri}`, `no transport ${protocol}`);
    }
    return { transport, endpoint };
  }

  /** The core's callbacks by row, as the application's by object. */
  coreCallbacks(): ApplicationCallbacks {
    const objects = this.#objects;
    const callbacks = this.#callbacks;
    return {
      accept: (s, l) => {
        const listener = this.#listeners.get(l);
        if (callbacks.accept === undefined || listener === undefined) return false;
        const session = objects.adopt(s);
        if (callbacks.accept(session, listener) !== false) return true;
        objects.forget(s);
        return false;
      },
      connected: (s, error) => this.#connected(s, error),
      disconnect: (s) => {
        const session = objects.at(s);
        if (callbacks.disconnect === undefined) session.close();
        else callbacks.disconnect(session);
      },
      reset: (s, error) => callbacks.reset?.(objects.at(s), resetError(s, error)),
      transportClosed: (s) => callbacks.transportClosed?.(objects.at(s)),
      cleanup: (s, phase) => {
        try {
          callbacks.cleanup?.(objects.at(s), phase);
        } finally {
          if (phase === "session") objects.forget(s);
        }
      },
      halfOpenCleanup: (s) => {
        this.#settle(s, SESSION_E_REFUSED);
        callbacks.halfOpenCleanup?.(s);
      },
      migrate: (s) => callbacks.migrate?.(objects.at(s)),
      unlistened: (s) => {
        const listener = this.#listeners.get(s);
        this.#listeners.delete(s);
        // Other workers may still listen by the same session.
        if (this.#sessions.listeners.of(s) === undefined) objects.forget(s);
        if (listener !== undefined) callbacks.unlistened?.(listener);
      },
      rx: (s) => callbacks.rx?.(objects.at(s)),
      urgent: (s) => callbacks.urgent?.(objects.at(s)),
      softError: (s, kind) => callbacks.softError?.(objects.at(s), softErrorOf(kind, `session ${s}`)),
      tx: (s) => callbacks.tx?.(objects.at(s)),
      addSegment: (segment) => callbacks.addSegment?.(segment),
      delSegment: (segment) => callbacks.delSegment?.(segment),
      fifoTuning: (s) => callbacks.fifoTuning?.(objects.at(s)),
      detached: (gone) => this.#detached(gone),
    };
  }

  #connected(s: SessionIndex, value: SessionErrorValue): void {
    const pending = this.#pending.get(s);
    if (value < 0) {
      const error = new SessionError(value, `connect ${pending?.uri ?? ""}`);
      this.#pending.delete(s);
      pending?.reject(error);
      this.#callbacks.connected?.(undefined, error);
      return;
    }
    const session = this.#objects.adopt(s);
    this.#pending.delete(s);
    pending?.resolve(session);
    this.#callbacks.connected?.(session, undefined);
  }

  #detached(gone: readonly SessionIndex[]): void {
    this.#isAttached = false;
    for (const s of gone) this.#objects.forget(s);
    this.#listeners.clear();
    for (const [s, { uri, reject }] of this.#pending) {
      this.#pending.delete(s);
      reject(new SessionError(SESSION_E_NOAPP, `connect ${uri}`));
    }
    this.#callbacks.detached?.();
  }

  /** A half-open session went without having been connected. */
  #settle(s: SessionIndex, value: SessionErrorValue): void {
    const pending = this.#pending.get(s);
    if (pending === undefined) return;
    this.#pending.delete(s);
    pending.reject(new SessionError(value, `connect ${pending.uri}`));
  }
}

/** Why a session was reset: UNKNOWN is a reset by the peer, which VPP's table has no name for. */
function resetError(s: SessionIndex, value: SessionErrorValue): SessionError {
  const where = `session ${s}`;
  if (value !== SESSION_E_UNKNOWN) return new SessionError(value, where);
  return new SessionError(value, where, "connection reset by peer", "ECONNRESET");
}
