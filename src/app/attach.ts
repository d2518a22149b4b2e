import type { ApplicationCallbacks, ApplicationOptions, CleanupPhase } from "../session/application.js";
import {
  SESSION_E_NOAPP,
  SESSION_E_NOSUPPORT,
  SESSION_E_REFUSED,
  SESSION_E_UNKNOWN,
  SessionError,
  type SessionErrorValue,
} from "../session/session-errors.js";
import type { ListenOptions } from "../session/app-listener.js";
import type { SessionLayer } from "../session/session-layer.js";
import { softErrorOf } from "../session/soft-error.js";
import { parseUri, type SessionUri } from "../session/uri.js";
import type { ConnectionAttributes, Endpoint, SessionIndex, Transport } from "../transport/transport.js";
import { AppContext } from "./context.js";
import { Session, type SessionAddress } from "./session.js";

/** What an application hears, by VPP's names. All are optional; each is called between vectors of packets. */
export interface AppCallbacks {
  /** A listener accepted a session. Return false to refuse it. */
  accept?(session: Session, listener: Listener): boolean | void;
  /** An active open ended: with a session, or with an error. Before the promise of connect settles. */
  connected?(session: Session | undefined, error: SessionError | undefined): void;
  /** The peer sends no more. Without this callback the session is closed. */
  disconnect?(session: Session): void;
  /** The connection was reset; `error` says why. */
  reset?(session: Session, error: SessionError): void;
  /** All is sent and acknowledged, and both ends are closed. */
  transportClosed?(session: Session): void;
  /** The transport's part, and then the session itself, is about to be freed. */
  cleanup?(session: Session, phase: CleanupPhase): void;
  /** The half-open part of an active open has gone. */
  halfOpenCleanup?(index: SessionIndex): void;
  /** The session moved to another engine. */
  migrate?(session: Session): void;
  /** A listener was made. */
  listened?(listener: Listener): void;
  /** A listener is about to be freed. */
  unlistened?(listener: Listener): void;
  /** Something came in. */
  rx?(session: Session): void;
  /** Urgent data was announced, or its end moved on: `urgentBytes` says how far it is. Before rx. */
  urgent?(session: Session): void;
  /** Something befell the connection that does not end it: an ICMP error, or retransmissions without an answer. */
  softError?(session: Session, error: SessionError): void;
  /** There is room again. */
  tx?(session: Session): void;
  /** A fifo segment was added. */
  addSegment?(segment: number): void;
  /** A fifo segment is about to go. */
  delSegment?(segment: number): void;
  /** Asks how large a fifo may grow. */
  fifoTuning?(session: Session): void;
}

/** A listener. */
export class Listener {
  /** The listener's own session: what datagrams are read from and sent by. */
  readonly session: Session;
  readonly uri: string;
  readonly #app: App;

  /** Made by {@link App.listen}. */
  constructor(app: App, uri: string, session: Session) {
    this.#app = app;
    this.uri = uri;
    this.session = session;
  }

  /** Where it listens; undefined once closed. */
  get local(): SessionAddress | undefined {
    return this.session.local;
  }

  /** Stops listening. Accepted sessions live on. Rejects with NOLISTEN when it was closed before. */
  async close(): Promise<void> {
    this.#app.unlisten(this);
  }
}

interface Pending {
  readonly uri: string;
  readonly resolve: (session: Session) => void;
  readonly reject: (error: SessionError) => void;
}

/** How to connect. */
export interface ConnectOptions {
  /** Where from, as a URI of the same protocol; address or port may be 0. */
  readonly from?: string;
  /** Attributes of the connection from its first segment on. A value out of range: INVALID. */
  readonly attributes?: ConnectionAttributes;
}

/** An attached application. Control calls are asynchronous and reject with {@link SessionError}. */
export class App {
  readonly name: string;
  readonly #server: AppServer;
  readonly #callbacks: AppCallbacks;
  readonly #index: number;
  readonly #pending = new Map<SessionIndex, Pending>();
  readonly #listeners = new Map<SessionIndex, Listener>();
  #isAttached = true;

  /** Made by {@link AppServer.attach}; throws SessionError. */
  constructor(server: AppServer, options: ApplicationOptions, callbacks: AppCallbacks) {
    this.#server = server;
    this.#callbacks = callbacks;
    this.name = options.name;
    this.#index = this.#sessions.attach(options, this.#coreCallbacks());
    if (this.#index < 0) throw new SessionError(this.#index, `attach ${JSON.stringify(options.name)}`);
  }

  get #sessions(): SessionLayer {
    return this.#server.context.sessions;
  }

  /** VPP's application index. */
  get index(): number {
    return this.#index;
  }

  /** The listeners that are open. */
  get listeners(): Listener[] {
    return [...this.#listeners.values()];
  }

  /** Listens; port 0 takes a free one. Rejects with INVALID, NOSUPPORT, NOIP, ALREADY_LISTENING, …. */
  async listen(uri: string, options: ListenOptions = {}): Promise<Listener> {
    const { transport, endpoint } = this.#resolve("listen", uri);
    const s = this.#sessions.listen(this.#index, transport.proto, endpoint, options);
    if (s < 0) throw new SessionError(s, `listen ${uri}`);
    const listener = new Listener(this, uri, this.#server.adopt(s));
    this.#listeners.set(s, listener);
    this.#callbacks.listened?.(listener);
    return listener;
  }

  /** Connects. Rejects with NOROUTE, REFUSED, TIMEDOUT, NOPORT, …. */
  async connect(uri: string, options: ConnectOptions = {}): Promise<Session> {
    const { transport, endpoint } = this.#resolve("connect", uri);
    const from = options.from === undefined ? undefined : this.#resolve("connect", options.from).endpoint;
    return new Promise((resolve, reject) => {
      const s = this.#sessions.connect(this.#index, transport.proto, endpoint, {
        local: from,
        attributes: options.attributes,
      });
      if (s < 0) reject(new SessionError(s, `connect ${uri}`));
      else this.#pending.set(s, { uri, resolve, reject });
    });
  }

  /** Closes listeners and sessions; the application hears no more of them. */
  async detach(): Promise<void> {
    if (!this.#isAttached) throw new SessionError(SESSION_E_NOAPP, `detach ${this.name}`);
    this.#isAttached = false;
    const { applications } = this.#sessions;
    const core = applications.at(this.#index);
    const sessions = core === undefined ? [] : applications.sessionsOf(core);
    this.#sessions.detach(this.#index);
    for (const s of sessions) this.#server.forget(s);
    this.#listeners.clear();
    for (const [s, { uri, reject }] of this.#pending) {
      this.#pending.delete(s);
      reject(new SessionError(SESSION_E_NOAPP, `connect ${uri}`));
    }
  }

  /** For {@link Listener.close}; throws SessionError. */
  unlisten(listener: Listener): void {
    const s = listener.session.index;
    const error = this.#sessions.unlisten(this.#index, s);
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
  #coreCallbacks(): ApplicationCallbacks {
    const server = this.#server;
    const callbacks = this.#callbacks;
    return {
      accept: (s, l) => {
        const listener = this.#listeners.get(l);
        if (callbacks.accept === undefined || listener === undefined) return false;
        const session = server.adopt(s);
        if (callbacks.accept(session, listener) !== false) return true;
        server.forget(s);
        return false;
      },
      connected: (s, error) => this.#connected(s, error),
      disconnect: (s) => {
        const session = server.at(s);
        if (callbacks.disconnect === undefined) session.close();
        else callbacks.disconnect(session);
      },
      reset: (s, error) => callbacks.reset?.(server.at(s), resetError(s, error)),
      transportClosed: (s) => callbacks.transportClosed?.(server.at(s)),
      cleanup: (s, phase) => {
        try {
          callbacks.cleanup?.(server.at(s), phase);
        } finally {
          if (phase === "session") server.forget(s);
        }
      },
      halfOpenCleanup: (s) => {
        this.#settle(s, SESSION_E_REFUSED);
        callbacks.halfOpenCleanup?.(s);
      },
      migrate: (s) => callbacks.migrate?.(server.at(s)),
      unlistened: (s) => {
        const listener = this.#listeners.get(s);
        this.#listeners.delete(s);
        server.forget(s);
        if (listener !== undefined) callbacks.unlistened?.(listener);
      },
      rx: (s) => callbacks.rx?.(server.at(s)),
      urgent: (s) => callbacks.urgent?.(server.at(s)),
      softError: (s, kind) => callbacks.softError?.(server.at(s), softErrorOf(kind, `session ${s}`)),
      tx: (s) => callbacks.tx?.(server.at(s)),
      addSegment: (segment) => callbacks.addSegment?.(segment),
      delSegment: (segment) => callbacks.delSegment?.(segment),
      fifoTuning: (s) => callbacks.fifoTuning?.(server.at(s)),
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
    const session = this.#server.adopt(s);
    this.#pending.delete(s);
    pending?.resolve(session);
    this.#callbacks.connected?.(session, undefined);
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

/** Attaches applications of this process to a stack (VPP: builtin applications), and knows their session objects. */
export class AppServer {
  readonly context: AppContext;
  /** By session index: an array, so that a session costs no more than its object and a slot. */
  readonly #objects: (Session | undefined)[] = [];

  /** Reserves what the applications share. Throws RangeError when the window is full. */
  constructor(sessions: SessionLayer) {
    this.context = new AppContext(sessions);
  }

  /** Attaches an application. Rejects with INVALID, INVALID_NS, WRONG_NS_SECRET, SCOPE, APP_ATTACHED, ALLOC. */
  async attach(options: ApplicationOptions, callbacks: AppCallbacks): Promise<App> {
    return new App(this, options, callbacks);
  }

  /** The object of a session, made now. */
  adopt(s: SessionIndex): Session {
    while (this.#objects.length <= s) this.#objects.push(undefined);
    this.#objects[s]?.invalidate();
    const session = new Session(this.context, s);
    this.#objects[s] = session;
    return session;
  }

  /** The object of a session. */
  at(s: SessionIndex): Session {
    return this.#objects[s] ?? this.adopt(s);
  }

  /** A session has gone: its object names nothing any more. */
  forget(s: SessionIndex): void {
    this.#objects[s]?.invalidate();
    this.#objects[s] = undefined;
  }
}
