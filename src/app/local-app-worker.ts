import type { ApplicationCallbacks } from "../session/application.js";
import type { CertificateRequest } from "../session/certificate-request.js";
import type { HandshakeFailure } from "../session/handshake-failure.js";
import {
  SESSION_E_INVALID,
  SESSION_E_INVALID_APPWRK,
  SESSION_E_NOAPP,
  SESSION_E_NOSUPPORT,
  SESSION_E_REFUSED,
  SessionError,
  type SessionErrorValue,
} from "../session/session-errors.js";
import type { SessionLayer } from "../session/session-layer.js";
import { softErrorOf } from "../session/soft-error.js";
import { parseUri, type SessionUri } from "../session/uri.js";
import { cryptoExtConfig, type TlsOptions } from "../transport/tls/crypto-config.js";
import {
  type Endpoint,
  type SessionIndex,
  type Transport,
  TRANSPORT_DTLS,
  TRANSPORT_TLS,
} from "../transport/transport.js";
import { type AppWorker, type ConnectOptions, type ListenOptions, MAX_RPC_BYTES } from "./app-worker.js";
import type { AppCallbacks } from "./callbacks.js";
import { LocalListener } from "./local-listener.js";
import type { LocalSession } from "./local-session.js";
import { resetError } from "./reset-error.js";
import { addressOf, type Session } from "./session.js";
import type { SessionObjects } from "./session-objects.js";

interface Pending {
  readonly uri: string;
  readonly resolve: (session: LocalSession) => void;
  readonly reject: (error: SessionError) => void;
}

/** A worker of an application in the stack's process. */
export class LocalAppWorker implements AppWorker {
  readonly #objects: SessionObjects;
  readonly #callbacks: AppCallbacks;
  readonly #siblings: () => readonly LocalAppWorker[];
  readonly #pending = new Map<SessionIndex, Pending>();
  readonly #listeners = new Map<SessionIndex, LocalListener>();
  #app = -1;
  #number = -1;
  #isAttached = false;

  /** `siblings`: the attached workers of its application. */
  constructor(objects: SessionObjects, callbacks: AppCallbacks, siblings: () => readonly LocalAppWorker[]) {
    this.#objects = objects;
    this.#callbacks = callbacks;
    this.#siblings = siblings;
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

  get number(): number {
    return this.#number;
  }

  get isAttached(): boolean {
    return this.#isAttached;
  }

  get listeners(): LocalListener[] {
    return [...this.#listeners.values()];
  }

  async listen(uri: string, options: ListenOptions = {}): Promise<LocalListener> {
    const { tls, ...rest } = options;
    const { transport, endpoint, extConfig } = this.#resolve("listen", uri, tls);
    const s = this.#sessions.listen(this.#app, transport.proto, endpoint, { ...rest, extConfig, worker: this.#number });
    if (s < 0) throw new SessionError(s, `listen ${uri}`);
    const isShared = (this.#sessions.listeners.of(s)?.sessions.filter((each) => each === s).length ?? 0) > 1;
    const listener = new LocalListener(this, uri, isShared ? this.#objects.at(s) : this.#objects.adopt(s));
    this.#listeners.set(s, listener);
    try {
      this.#callbacks.listened?.(listener);
    } catch (error) {
      // As of any callback: it is reported, and the call has its result.
      this.#sessions.reportError(error, listener.session.handle);
    }
    return listener;
  }

  async connect(uri: string, options: ConnectOptions = {}): Promise<LocalSession> {
    const { transport, endpoint, extConfig } = this.#resolve("connect", uri, options.tls);
    const local = options.from === undefined ? undefined : this.#resolve("connect", options.from).endpoint;
    const { attributes } = options;
    const worker = this.#number;
    return new Promise((resolve, reject) => {
      const s = this.#sessions.connect(this.#app, transport.proto, endpoint, {
        local,
        attributes,
        extConfig,
        worker,
      });
      if (s < 0) reject(new SessionError(s, `connect ${uri}`));
      else this.#pending.set(s, { uri, resolve, reject });
    });
  }

  async take(session: Pick<Session, "handle">): Promise<LocalSession> {
    const s = this.#sessions.table.find(session?.handle ?? -1);
    const error = this.#sessions.moveSession(this.#app, s, this.#number);
    if (error < 0) throw new SessionError(error, `take session ${s}`);
    return this.#objects.at(s);
  }

  async subscribe(session: Pick<Session, "handle">): Promise<void> {
    this.#subscribe(session, true);
  }

  async unsubscribe(session: Pick<Session, "handle">): Promise<void> {
    this.#subscribe(session, false);
  }

  #subscribe(session: Pick<Session, "handle">, isOn: boolean): void {
    const s = this.#sessions.table.find(session?.handle ?? -1);
    const error = this.#sessions.subscribe(this.#app, s, this.#number, isOn);
    if (error < 0) throw new SessionError(error, `${isOn ? "subscribe to" : "unsubscribe from"} session ${s}`);
  }

  async rpc(worker: number, data: Uint8Array): Promise<void> {
    const what = `rpc to worker ${worker}`;
    if (!this.#isAttached) throw new SessionError(SESSION_E_NOAPP, what);
    if (data?.BYTES_PER_ELEMENT !== 1 || data.length > MAX_RPC_BYTES) throw new SessionError(SESSION_E_INVALID, what);
    const to = this.#siblings().find(({ number }) => number === worker);
    if (to === undefined) throw new SessionError(SESSION_E_INVALID_APPWRK, what);
    const copy = data.slice();
    // Not within the call: who hears it may send one back.
    await Promise.resolve();
    if (to.isAttached) to.#heard(copy, this.#number);
  }

  #heard(data: Uint8Array, from: number): void {
    try {
      this.#callbacks.rpc?.(data, from);
    } catch (error) {
      this.#sessions.reportError(error, -1);
    }
  }

  async delete(): Promise<void> {
    const error = this.#isAttached ? this.#sessions.delWorker(this.#app, this.#number) : SESSION_E_NOAPP;
    if (error < 0) throw new SessionError(error, `delete worker ${this.#number}`);
  }

  unlisten(listener: LocalListener): void {
    const error = this.#sessions.unlisten(this.#app, listener.session.index, this.#number);
    if (error < 0) throw new SessionError(error, `unlisten ${listener.uri}`);
  }

  #resolve(
    what: string,
    uri: string,
    tls: TlsOptions = {},
  ): { transport: Transport; endpoint: Endpoint; extConfig: Uint8Array | undefined } {
    if (!this.#isAttached) throw new SessionError(SESSION_E_NOAPP, `${what} ${uri}`);
    const { protocol, endpoint, hostname }: SessionUri = parseUri(uri);
    const transport = this.#sessions.transportByName(protocol);
    if (transport === undefined) {
      throw new SessionError(SESSION_E_NOSUPPORT, `${what} ${uri}`, `no transport ${protocol}`);
    }
    if (transport.proto !== TRANSPORT_TLS && transport.proto !== TRANSPORT_DTLS)
      return { transport, endpoint, extConfig: undefined };
    const extConfig = cryptoExtConfig(tls, hostname);
    if (typeof extConfig === "string") throw new SessionError(SESSION_E_INVALID, `${what} ${uri}`, extConfig);
    return { transport, endpoint, extConfig };
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
      reset: (s, error) => callbacks.reset?.(objects.at(s), resetError(s, error, this.#sessions.reasonOf(s))),
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
      ...(callbacks.sessionStats === undefined ? {} : { sessionStats: (stats) => callbacks.sessionStats?.(stats) }),
      fifoTuning: (s, bytes) => callbacks.fifoTuning?.(objects.at(s), bytes),
      fifoMark: (s, isAbove) => callbacks.fifoMark?.(objects.at(s), isAbove),
      subscribed: (s, event) => callbacks.subscribed?.({ handle: this.#sessions.table.handle(s) }, event),
      detached: (gone) => this.#detached(gone),
      ...(callbacks.handshakeFailed === undefined
        ? {}
        : { handshakeFailed: (failure) => this.#handshakeFailed(failure) }),
      ...(callbacks.certificate === undefined ? {} : { certificate: (request) => this.#certificate(request) }),
    };
  }

  #connected(s: SessionIndex, value: SessionErrorValue): void {
    const pending = this.#pending.get(s);
    if (value < 0) {
      const error = new SessionError(value, `connect ${pending?.uri ?? ""}`, this.#sessions.reasonOf(s));
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

  #handshakeFailed({ listener: s, error, reason, remote }: HandshakeFailure): void {
    const listener = this.#listeners.get(s);
    if (listener === undefined) return;
    const cause = new SessionError(error, `accept ${listener.uri}`, reason);
    this.#callbacks.handshakeFailed?.(listener, cause, remote && addressOf(remote));
  }

  #certificate(request: CertificateRequest): void {
    const listener = this.#listeners.get(request.listener);
    const ask = async (): Promise<unknown> => listener && this.#callbacks.certificate?.(request.serverName, listener);
    void ask().then(
      (pair) => request.answer(pair),
      () => request.answer(undefined),
    );
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
