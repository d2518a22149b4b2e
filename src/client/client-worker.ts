import { type AppWorker, type ConnectOptions, type ListenOptions, MAX_RPC_BYTES } from "../app/app-worker.js";
import type { AppCallbacks } from "../app/callbacks.js";
import type { FlowHookHandle, OnFlow } from "../app/flow-hook.js";
import type { MessageOf, MessageTowards } from "../app/messages/message-table.js";
import type { Session } from "../app/session.js";
import {
  SESSION_E_INVALID,
  SESSION_E_NOAPP,
  SESSION_E_NOLISTEN,
  SESSION_E_OWNER,
  SESSION_E_REFUSED,
  SESSION_E_UNKNOWN,
  SessionError,
} from "../session/session-errors.js";
import type { SessionHandle } from "../session/session-handle.js";
import { SUBSCRIBED_EVENTS } from "../session/subscribed-event.js";
import { parseUri } from "../session/uri.js";
import { cryptoExtConfig, isIndex, type TlsOptions } from "../transport/tls/crypto-config.js";
import type { SessionIndex } from "../transport/transport.js";
import type { ClientCrypto } from "./client-crypto.js";
import { ClientFlowHook, type FlowHookOwner } from "./client-flow-hook.js";
import { ClientIo } from "./client-io.js";
import { ClientListener } from "./client-listener.js";
import type { ClientMemory } from "./client-memory.js";
import type { ClientSession } from "./client-session.js";
import { ClientSessions } from "./client-sessions.js";
import type { Attached } from "./handshake.js";
import { Requests } from "./requests.js";
import type { SocketRequest } from "./socket-requests.js";
import { statsOf } from "./session-stats.js";
import { type LinkListener, WorkerLink } from "./worker-link.js";

/** How long the stack may take to end a worker. */
const DETACH_TIMEOUT_MS = 5000;

/** Who has made a worker. */
export interface WorkerOwner {
  /** A callback threw. */
  reportError(error: unknown): void;
  /** The stack has gone. True: the worker will be attached again. */
  lost(worker: ClientWorker): boolean;
  /** The worker is attached no more. */
  detached(worker: ClientWorker): void;
  /** What the application has added to the crypto store; undefined: another process knows that. */
  readonly crypto: ClientCrypto | undefined;
}

/** What a worker has done. */
export interface ClientCounters {
  /** Sessions that it has, listeners' own counted. */
  readonly sessions: number;
  /** Bytes that it has read and written, headers of datagrams included. */
  readonly readBytes: number;
  readonly writtenBytes: number;
}

/** A worker of an application in its own process. */
export class ClientWorker implements AppWorker {
  readonly #owner: WorkerOwner;
  readonly #callbacks: AppCallbacks;
  readonly #sessions: ClientSessions;
  readonly #listeners = new Map<SessionHandle, ClientListener>();
  /** Listeners of a stack that has gone. */
  readonly #orphans = new Set<ClientListener>();
  readonly #requests = new Requests();
  readonly #flowHookOwner: FlowHookOwner;
  #flowHook: ClientFlowHook | undefined;
  readonly #listener: LinkListener;
  #link: WorkerLink | undefined;
  #io: ClientIo | undefined;
  #number = -1;
  #appHandle = -1;
  #isReferenced = true;
  /** The stack has gone; the worker is to be attached again. */
  #isLost = false;
  /** It was asked to end, or has: it hears nothing more. */
  #isEnding = false;

  /** {@link open} attaches it. */
  constructor(owner: WorkerOwner, callbacks: AppCallbacks) {
    this.#owner = owner;
    this.#callbacks = callbacks;
    this.#sessions = new ClientSessions(callbacks, (error) => owner.reportError(error));
    const ioOf = (): ClientIo | undefined => this.#io;
    this.#flowHookOwner = {
      get io() {
        return ioOf();
      },
      reportError: (error) => owner.reportError(error),
      closed: (hook) => {
        if (this.#flowHook === hook) this.#flowHook = undefined;
      },
    };
    this.#listener = {
      received: (s) => this.#sessions.received(s),
      hasRoom: (s) => this.#sessions.hasRoom(s),
      told: (message) => this.#told(message),
      ended: (reason) => this.#lost(reason),
    };
  }

  get number(): number {
    return this.#number;
  }

  /** What proves to be of the application, for workers in other threads and processes. */
  get appHandle(): number {
    return this.#appHandle;
  }

  get isAttached(): boolean {
    return this.#link !== undefined && !this.#isEnding;
  }

  get listeners(): ClientListener[] {
    return [...this.#listeners.values(), ...this.#orphans];
  }

  /** What it has done since it attached last; `show app` has the same of it. */
  get counters(): ClientCounters {
    const { readBytes = 0, writtenBytes = 0 } = this.#io ?? {};
    return { sessions: this.#sessions.count, readBytes, writtenBytes };
  }

  /** Lets the process end although it is attached. */
  unref(): void {
    this.#isReferenced = false;
    this.#link?.unref();
  }

  // ---- What the application asks ----

  async listen(uri: string, options: ListenOptions = {}): Promise<ClientListener> {
    const what = `listen ${uri}`;
    const io = this.#attached(what);
    parseUri(uri);
    return this.#listen(io, uri, options, what, (session) => {
      const listener = new ClientListener(this, uri, options, session);
      this.#listeners.set(session.handle, listener);
      return listener;
    });
  }

  /** Listens; `make` is called within the stack's reply, so that nothing is accepted before. */
  #listen(
    io: ClientIo,
    uri: string,
    { backlog = 0, connected = false, proxy = false, tls }: ListenOptions,
    what: string,
    make: (session: ClientSession) => ClientListener,
  ): Promise<ClientListener> {
    const extConfig = this.#extConfig(uri, tls, what);
    const request = { type: "LISTEN_URI", uri, backlog, connected, proxy, extConfig } as const;
    return io.answer(request, "BOUND", what, (reply) => {
      const listener = make(this.#sessions.adopt(io, reply, true));
      this.#sessions.guard(undefined, () => this.#callbacks.listened?.(listener));
      return listener;
    });
  }

  async connect(uri: string, options: ConnectOptions = {}): Promise<ClientSession> {
    const what = `connect ${uri}`;
    const io = this.#attached(what);
    const { from = "", attributes = {} } = options;
    const extConfig = this.#extConfig(uri, options.tls, what);
    if (from !== "") parseUri(from);
    const request = { type: "CONNECT_URI", uri, from, attributes, extConfig } as const;
    const failed = (error: SessionError): void =>
      this.#sessions.guard(undefined, () => this.#callbacks.connected?.(undefined, error));
    return io.answer(
      request,
      "CONNECTED",
      what,
      (reply) => {
        const session = this.#sessions.adopt(io, reply);
        this.#sessions.guard(session, () => this.#callbacks.connected?.(session, undefined));
        return session;
      },
      failed,
    );
  }

  /** What an endpoint of TLS or DTLS is to be like, as the transport reads it; of others nothing. */
  #extConfig(uri: string, tls: TlsOptions = {}, what: string): Uint8Array {
    const { protocol, hostname } = parseUri(uri);
    if (protocol !== "tls" && protocol !== "dtls") return new Uint8Array(0);
    const extConfig = cryptoExtConfig(this.#owner.crypto?.translate(tls) ?? tls, hostname);
    if (typeof extConfig === "string") throw new SessionError(SESSION_E_INVALID, what, extConfig);
    return extConfig;
  }

  /** Asks the stack by the socket. */
  askSocket(request: SocketRequest, what: string): Promise<number> {
    this.#attached(what);
    return this.#link?.requests.ask(request, what) ?? Promise.reject(new SessionError(SESSION_E_NOAPP, what));
  }

  async take(session: Pick<Session, "handle">): Promise<ClientSession> {
    const handle = session?.handle ?? -1;
    const what = `take session ${handle}`;
    const io = this.#attached(what);
    const own = this.#sessions.byHandle(handle);
    if (own !== undefined && !own.isListener) return own;
    const request = { type: "WORKER_UPDATE", handle, worker: this.#number } as const;
    return io.answer(request, "WORKER_UPDATE_REPLY", what, (reply) => this.#sessions.adopt(io, reply));
  }

  async subscribe(session: Pick<Session, "handle">): Promise<void> {
    await this.#subscribe(session, true);
  }

  async unsubscribe(session: Pick<Session, "handle">): Promise<void> {
    await this.#subscribe(session, false);
  }

  async #subscribe(session: Pick<Session, "handle">, isOn: boolean): Promise<void> {
    const handle = session?.handle ?? -1;
    const what = `${isOn ? "subscribe to" : "unsubscribe from"} session ${handle}`;
    const io = this.#attached(what);
    await io.answer({ type: "SUBSCRIBE", handle, isOn }, "SUBSCRIBE_REPLY", what, () => undefined);
  }

  async rpc(worker: number, data: Uint8Array): Promise<void> {
    const what = `rpc to worker ${worker}`;
    this.#attached(what);
    if (data?.BYTES_PER_ELEMENT !== 1 || data.length > MAX_RPC_BYTES) throw new SessionError(SESSION_E_INVALID, what);
    const error = this.#link?.ask({ type: "APP_WRK_RPC", worker, data: data.slice() }) ?? SESSION_E_NOAPP;
    if (error < 0) throw new SessionError(error, what);
  }

  /**
   * Decides on the new flows of the application's namespace, also after the worker has attached again. Rejects with OWNER (the
   * namespace has a hook), NOSUPPORT (the stack's configuration does not allow it), INVALID, NOAPP.
   */
  async onFlow(onFlow: OnFlow): Promise<FlowHookHandle> {
    const what = "flow hook";
    this.#attached(what);
    if (typeof onFlow !== "function") throw new SessionError(SESSION_E_INVALID, what, "no function");
    if (this.#flowHook !== undefined) throw new SessionError(SESSION_E_OWNER, what);
    const hook = new ClientFlowHook(this.#flowHookOwner, onFlow);
    this.#flowHook = hook;
    try {
      await hook.open(what);
    } catch (error) {
      this.#flowHookOwner.closed(hook);
      throw error;
    }
    return hook;
  }

  /** Hears of sessions that ended, by `sessionStats`, from now on: NOSUPPORT if the stack's configuration does not allow it. */
  async collect(): Promise<void> {
    const what = "event collector";
    await this.#attached(what).answer({ type: "EVT_COLLECTOR" }, "EVT_COLLECTOR_REPLY", what, () => undefined);
  }

  async #recollect(): Promise<void> {
    if (this.#callbacks.sessionStats === undefined || this.#number !== 0) return;
    try {
      await this.collect();
    } catch (error) {
      this.#sessions.guard(undefined, () => this.#owner.reportError(error));
    }
  }

  async delete(): Promise<void> {
    const io = this.#io;
    if (this.#isEnding || (io === undefined && !this.#isLost)) {
      throw new SessionError(SESSION_E_NOAPP, `delete worker ${this.#number}`);
    }
    this.#isEnding = true;
    this.#sessions.forgetAll();
    if (io !== undefined) await this.#askToEnd(io);
    this.#end();
  }

  async #askToEnd(io: ClientIo): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, DETACH_TIMEOUT_MS);
      io.ask({ type: "APP_DETACH" }, "DETACHED", () => resolve());
    });
    clearTimeout(timer);
  }

  /** Ends a listener. Rejects with NOLISTEN when it was closed before. */
  async unlisten(listener: ClientListener): Promise<void> {
    const what = `unlisten ${listener.uri}`;
    if (this.#orphans.delete(listener)) {
      this.#sessions.guard(undefined, () => this.#callbacks.unlistened?.(listener));
      return;
    }
    const { handle } = listener.session;
    const io = this.#attached(what);
    if (this.#listeners.get(handle) !== listener) throw new SessionError(SESSION_E_NOLISTEN, what);
    await io.answer({ type: "UNLISTEN", handle }, "UNLISTEN_REPLY", what, () => undefined);
  }

  #attached(what: string): ClientIo {
    if (this.#io === undefined || this.#isEnding) throw new SessionError(SESSION_E_NOAPP, what);
    return this.#io;
  }

  // ---- What the stack tells ----

  #told(message: MessageTowards<"to-app">): void {
    const io = this.#io;
    const link = this.#link;
    if (io === undefined || link === undefined) return;
    switch (message.type) {
      case "ACCEPTED":
        this.#accepted(io, link, message);
        break;
      case "DISCONNECTED":
      case "RESET":
      case "TRANSPORT_CLOSED":
      case "CLEANUP":
      case "URGENT":
      case "SOFT_ERROR":
      case "MIGRATED":
      case "REQ_WORKER_UPDATE":
        this.#sessions.told(io, message);
        break;
      case "HALF_CLEANUP":
        this.#requests.fail(message.context, SESSION_E_REFUSED);
        this.#sessions.guard(undefined, () => this.#callbacks.halfOpenCleanup?.(message.session));
        break;
      case "UNLISTEN_REPLY":
        this.#unlistened(io, message);
        break;
      case "APP_WRK_RPC":
        this.#sessions.guard(undefined, () => this.#callbacks.rpc?.(message.data, message.worker));
        break;
      case "TLS_INFO":
        this.#sessions.tlsInfo(message);
        break;
      case "APP_CRYPTO_ASYNC":
        void this.#certificate(io, message);
        break;
      case "FLOW":
        this.#flowHook?.told(message);
        break;
      case "SESSION_STATS": {
        const stats = statsOf(message.json);
        if (stats !== undefined) this.#sessions.guard(undefined, () => this.#callbacks.sessionStats?.(stats));
        break;
      }
      case "SUBSCRIBED": {
        const { handle } = message;
        const event = SUBSCRIBED_EVENTS[message.what] ?? "gone";
        this.#sessions.guard(undefined, () => this.#callbacks.subscribed?.({ handle }, event));
        break;
      }
      case "APP_ADD_SEGMENT":
        this.#sessions.guard(undefined, () => this.#callbacks.addSegment?.(message.segment));
        break;
      case "APP_DEL_SEGMENT":
        this.#sessions.guard(undefined, () => this.#callbacks.delSegment?.(message.segment));
        io.memory.segments.delete(message.segment);
        break;
      case "DETACHED":
        if (message.context === 0) this.#detachedByStack();
        else this.#requests.answer(message);
        break;
      case "BOUND":
      case "CONNECTED":
      case "WORKER_UPDATE_REPLY":
      case "TRANSPORT_ATTR_REPLY":
      case "STATISTICS_REPLY":
      case "SUBSCRIBE_REPLY":
      case "EVT_COLLECTOR_REPLY":
      case "FLOW_HOOK_REPLY":
      case "FLOW_ANSWER_REPLY":
        this.#requests.answer(message);
        break;
    }
  }

  /** Says the certificate of a handshake: whatever the application answers, the stack has an answer. */
  async #certificate(
    io: ClientIo,
    { token, listener: handle, serverName }: MessageOf<"APP_CRYPTO_ASYNC">,
  ): Promise<void> {
    let answer: unknown;
    try {
      const listener = this.#isEnding ? undefined : this.#listeners.get(handle);
      answer = listener && (await this.#callbacks.certificate?.(serverName, listener));
    } catch {
      // A refusal.
    }
    const pair = isIndex(answer) ? (this.#owner.crypto?.pair(answer) ?? answer) : -1;
    io.say({ type: "APP_CRYPTO_ASYNC_REPLY", token, pair });
  }

  #accepted(io: ClientIo, link: WorkerLink, message: MessageOf<"ACCEPTED">): void {
    const listener = this.#isEnding ? undefined : this.#listeners.get(message.listener);
    link.hold();
    const isTaken = this.#sessions.accepted(io, message, listener);
    link.release({ type: "ACCEPTED_REPLY", handle: message.handle, retval: isTaken ? 0 : SESSION_E_REFUSED });
  }

  #unlistened(io: ClientIo, message: MessageOf<"UNLISTEN_REPLY">): void {
    const listener = this.#listeners.get(message.handle);
    if (message.retval >= 0 && listener !== undefined) {
      this.#listeners.delete(message.handle);
      this.#sessions.guard(undefined, () => this.#callbacks.unlistened?.(listener));
      this.#sessions.forget(listener.session);
      io.say({ type: "CLEANUP_REPLY", handle: message.handle });
    }
    if (message.context !== 0) this.#requests.answer(message);
  }

  // ---- Its life ----

  /** It is attached: for the first time, or again. Owns what was attached; throws when that cannot be. */
  open(memory: ClientMemory, attached: Attached): void {
    const link = new WorkerLink(memory, attached, this.#listener);
    this.#link = link;
    this.#isLost = false;
    this.#io = new ClientIo(link, this.#requests);
    this.#number = attached.reply.worker;
    this.#appHandle = attached.reply.appHandle;
    if (!this.#isReferenced) link.unref();
  }

  /** Listens where it did before the stack had gone, and decides on flows if it did. */
  async reopened(): Promise<void> {
    const listening = [...this.#orphans].map((listener) => this.#relisten(listener));
    await Promise.all([...listening, this.#rehook(), this.#recollect()]);
    if (this.isAttached) this.#sessions.guard(undefined, () => this.#callbacks.reattached?.());
  }

  async #rehook(): Promise<void> {
    const hook = this.#flowHook;
    const io = this.#io;
    try {
      await hook?.open("flow hook again");
    } catch (error) {
      // Gone again: it is still there, for the next time.
      if (hook === undefined || this.#io !== io) return;
      this.#flowHookOwner.closed(hook);
      this.#sessions.guard(undefined, () => this.#owner.reportError(error));
    }
  }

  async #relisten(listener: ClientListener): Promise<void> {
    const { boundUri: uri, options } = listener;
    const io = this.#io;
    if (io === undefined) return;
    try {
      await this.#listen(io, uri, options, `listen again ${uri}`, (session) => {
        listener.session = session;
        this.#orphans.delete(listener);
        this.#listeners.set(session.handle, listener);
        return listener;
      });
    } catch (error) {
      // Gone again: it is still an orphan, for the next time.
      if (this.#io !== io || !this.#orphans.delete(listener)) return;
      this.#sessions.guard(undefined, () => this.#owner.reportError(error));
      this.#sessions.guard(undefined, () => this.#callbacks.unlistened?.(listener));
    }
  }

  /** The link has ended, or the stack has said what cannot be. */
  #lost(reason: string): void {
    this.#link = this.#io = undefined;
    if (this.#isEnding) {
      this.#requests.failAll();
      return;
    }
    for (const listener of this.#listeners.values()) this.#orphans.add(listener);
    this.#listeners.clear();
    const error = (what: string): SessionError => new SessionError(SESSION_E_UNKNOWN, what, reason, "ECONNABORTED");
    this.#sessions.lost((s: SessionIndex) => error(`session ${s}`));
    this.#requests.failAll();
    this.#isLost = this.#owner.lost(this);
    if (this.#isLost) this.#sessions.guard(undefined, () => this.#callbacks.lost?.(error("application")));
    else this.#end();
  }

  #detachedByStack(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#sessions.forgetAll();
    this.#requests.failAll();
    this.#end();
  }

  /** It could not be attached again. */
  giveUp(): void {
    if (!this.#isEnding) this.#end();
  }

  /** Nothing is left of it. */
  #end(): void {
    this.#isEnding = true;
    this.#listeners.clear();
    this.#orphans.clear();
    this.#link?.close();
    this.#link = this.#io = undefined;
    this.#requests.failAll();
    this.#owner.detached(this);
    this.#sessions.guard(undefined, () => this.#callbacks.detached?.());
  }
}
