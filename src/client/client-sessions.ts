import type { AppCallbacks } from "../app/callbacks.js";
import type { MessageOf, SessionFields } from "../app/messages/message-table.js";
import { resetError } from "../app/reset-error.js";
import { SESSION_E_UNKNOWN, SessionError } from "../session/session-errors.js";
import { handleIndex, type SessionHandle } from "../session/session-handle.js";
import { softErrorOf } from "../session/soft-error.js";
import type { TlsInfo } from "../transport/tls/engine.js";
import type { SessionIndex } from "../transport/transport.js";
import type { ClientIo } from "./client-io.js";
import type { ClientListener } from "./client-listener.js";
import { ClientSession } from "./client-session.js";
import { tlsInfoOf } from "./tls-info.js";

type SessionMessageName =
  | "DISCONNECTED"
  | "RESET"
  | "TRANSPORT_CLOSED"
  | "CLEANUP"
  | "URGENT"
  | "SOFT_ERROR"
  | "MIGRATED"
  | "REQ_WORKER_UPDATE";

/** What is told of one session. */
export type SessionMessage = { [N in SessionMessageName]: MessageOf<N> }[SessionMessageName];

/** The sessions of one worker: passes on to its callbacks what the stack tells of them, as the session layer does in process. */
export class ClientSessions {
  readonly #callbacks: AppCallbacks;
  readonly #reportError: (error: unknown) => void;
  readonly #sessions = new Map<SessionIndex, ClientSession>();
  /** Of the session that the next message gives. */
  #info: { readonly handle: SessionHandle; readonly info: TlsInfo } | undefined;

  constructor(callbacks: AppCallbacks, reportError: (error: unknown) => void) {
    this.#callbacks = callbacks;
    this.#reportError = reportError;
  }

  /** What was agreed on with the peer of a session that is about to be given. */
  tlsInfo(message: MessageOf<"TLS_INFO">): void {
    this.#info = { handle: message.handle, info: tlsInfoOf(message) };
  }

  /** How many there are. */
  get count(): number {
    return this.#sessions.size;
  }

  /** The session of that handle. */
  byHandle(handle: SessionHandle): ClientSession | undefined {
    const session = this.#sessions.get(handleIndex(handle));
    return session?.handle === handle ? session : undefined;
  }

  /** The object of a session, made now. Throws RangeError when its fields cannot be. */
  adopt(io: ClientIo, fields: SessionFields, isListener = false): ClientSession {
    const info = this.#info?.handle === fields.handle ? this.#info.info : undefined;
    this.#info = undefined;
    const session = new ClientSession(io, fields, isListener, (each) => this.#spoilt(each), info);
    this.#sessions.get(session.index)?.forget("gone");
    this.#sessions.set(session.index, session);
    return session;
  }

  /**
   * The memory of a session is not what it should be: its peer by cut-through has written what it should not, perhaps. It
   * would wait for ever, so it is reset; its application hears of it, though not within the call that has found it.
   */
  #spoilt(session: ClientSession): void {
    queueMicrotask(() => {
      if (!session.isOpen) return;
      const { index } = session;
      session.reset();
      const error = new SessionError(
        SESSION_E_UNKNOWN,
        `session ${index}`,
        "its shared memory is spoilt",
        "ECONNRESET",
      );
      if (session.isKnown) this.guard(session, () => this.#callbacks.reset?.(session, error));
    });
  }

  /** A session has gone. */
  forget(session: ClientSession): void {
    const s = handleIndex(session.wireHandle);
    if (this.#sessions.get(s) === session) this.#sessions.delete(s);
    session.forget("gone");
  }

  /** All have gone, without a word. */
  forgetAll(): void {
    for (const session of this.#sessions.values()) session.forget("gone");
    this.#sessions.clear();
  }

  /** The stack has gone, and all sessions with it. */
  lost(error: (s: SessionIndex) => SessionError): void {
    const all = [...this.#sessions].map(([s, session]) => ({ s, session, wasOpen: session.isOpen }));
    this.#sessions.clear();
    // First all: a callback may look at any of them.
    for (const { session } of all) session.forget("detached");
    for (const { s, session, wasOpen } of all) {
      if (!session.isKnown || session.isListener) continue;
      if (wasOpen) this.guard(session, () => this.#callbacks.reset?.(session, error(s)));
      this.guard(session, () => this.#callbacks.cleanup?.(session, "session"));
    }
  }

  /** Calls a callback; one that throws has its session reset, and is reported. */
  guard(session: ClientSession | undefined, call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#threw(session, error);
    }
  }

  #threw(session: ClientSession | undefined, error: unknown): void {
    try {
      this.#reportError(error);
    } finally {
      session?.reset();
    }
  }

  // ---- The data path ----

  /** Something came in for a session. */
  received(s: SessionIndex): void {
    const session = this.#sessions.get(s);
    if (session === undefined || !session.received()) return;
    try {
      this.#callbacks.rx?.(session);
    } catch (error) {
      this.#threw(session, error);
    }
  }

  /** There is room for a session's writer. */
  hasRoom(s: SessionIndex): void {
    const session = this.#sessions.get(s);
    if (session === undefined || !session.isWritable) return;
    try {
      this.#callbacks.tx?.(session);
    } catch (error) {
      this.#threw(session, error);
    }
  }

  // ---- Control ----

  /** A listener accepted a session. Returns whether the application takes it: what it says of it must come after the reply. */
  accepted(io: ClientIo, message: MessageOf<"ACCEPTED">, listener: ClientListener | undefined): boolean {
    const session = this.adopt(io, message);
    let isTaken = false;
    this.guard(undefined, () => {
      if (this.#callbacks.accept === undefined || listener === undefined) return;
      isTaken = this.#callbacks.accept(session, listener) !== false;
    });
    // It stays, unknown to the application, until the stack has cleaned it up.
    if (!isTaken) session.refuse();
    return isTaken;
  }

  /** Something befell a session. */
  told(io: ClientIo, message: SessionMessage): void {
    const session = this.#sessions.get(message.session);
    if (session === undefined) return;
    const callbacks = this.#callbacks;
    switch (message.type) {
      case "DISCONNECTED":
        if (session.disconnected()) {
          this.guard(session, () => {
            if (callbacks.disconnect === undefined) session.close();
            else callbacks.disconnect(session);
          });
        }
        io.say({ type: "DISCONNECTED_REPLY", handle: session.wireHandle, retval: 0 });
        break;
      case "RESET":
        if (session.wasReset()) {
          this.guard(session, () => callbacks.reset?.(session, resetError(message.session, message.error)));
        }
        io.say({ type: "RESET_REPLY", handle: session.wireHandle, retval: 0 });
        break;
      case "TRANSPORT_CLOSED":
        session.transportClosed();
        if (session.isKnown) this.guard(session, () => callbacks.transportClosed?.(session));
        break;
      case "CLEANUP":
        this.#cleanup(io, session, message.phase);
        break;
      case "URGENT":
        if (session.urgent(message.end)) this.guard(session, () => callbacks.urgent?.(session));
        break;
      case "SOFT_ERROR":
        if (session.isOpen) {
          const error = softErrorOf(message.kind, `session ${message.session}`);
          this.guard(session, () => callbacks.softError?.(session, error));
        }
        break;
      case "MIGRATED":
        this.#sessions.delete(session.index);
        session.moved(message.newHandle);
        this.#sessions.set(session.index, session);
        this.guard(session, () => callbacks.migrate?.(session));
        break;
      case "REQ_WORKER_UPDATE":
        // By the same message as the one who wants it the owner lets go of it.
        this.forget(session);
        io.say({ type: "WORKER_UPDATE", context: 0, handle: session.wireHandle, worker: message.worker });
        break;
    }
  }

  #cleanup(io: ClientIo, session: ClientSession, phase: number): void {
    if (phase === 0) session.transportDeleted();
    if (session.isKnown) {
      this.guard(session, () => this.#callbacks.cleanup?.(session, phase === 0 ? "transport" : "session"));
    }
    if (phase === 0) return;
    this.forget(session);
    // Its mirrors may be another's from now on.
    io.say({ type: "CLEANUP_REPLY", handle: session.wireHandle });
  }
}
