import type { ListenOptions as CoreListenOptions } from "../session/app-listener.js";
import type { TlsOptions } from "../transport/tls/crypto-config.js";
import type { ConnectionAttributes } from "../transport/transport.js";
import type { Listener } from "./listener.js";
import type { Session } from "./session.js";

/** Longest message from worker to worker. */
export const MAX_RPC_BYTES = 64;

/** How to listen. */
export interface ListenOptions extends Omit<CoreListenOptions, "worker" | "extConfig"> {
  /** Of tls://: certificate, trust, ALPN. */
  readonly tls?: TlsOptions;
}

/** How to connect. */
export interface ConnectOptions {
  /** Where from, as a URI of the same protocol; address or port may be 0. */
  readonly from?: string;
  /** Attributes of the connection from its first segment on. A value out of range: INVALID; none of the transport's: NOSUPPORT. */
  readonly attributes?: ConnectionAttributes;
  /** Of tls://: certificate, trust, ALPN. */
  readonly tls?: TlsOptions;
}

/**
 * A worker of an application: what listens, connects, and owns sessions. Several workers may listen on one address; what
 * is accepted goes to them in turn. Control calls are asynchronous and reject with a SessionError.
 */
export interface AppWorker {
  /** Its number within the application; the default worker is 0. */
  readonly number: number;
  /** False once it was deleted, or its application detached. */
  readonly isAttached: boolean;
  /** The listeners that are open. */
  readonly listeners: readonly Listener[];
  /** Listens; port 0 takes a free one. Rejects with INVALID, NOSUPPORT, NOIP, ALREADY_LISTENING, …. */
  listen(uri: string, options?: ListenOptions): Promise<Listener>;
  /** Connects. Rejects with NOROUTE, REFUSED, TIMEDOUT, NOPORT, …. */
  connect(uri: string, options?: ConnectOptions): Promise<Session>;
  /**
   * Takes a session over from another worker of the application, by its handle, which may come from another process: from
   * now on this worker hears of it. Resolves to the session as this worker has it.
   */
  take(session: Pick<Session, "handle">): Promise<Session>;
  /**
   * Hears of another worker's session of the application by `subscribed`, after that worker: for instance to {@link take} it
   * when something has come in. Ends when it takes it, or the session goes. Rejects with NOSESSION, OWNER (another
   * application's), INVALID (its own, a listener), ALLOC (seven workers have subscribed).
   */
  subscribe(session: Pick<Session, "handle">): Promise<void>;
  /** Hears of it no more. */
  unsubscribe(session: Pick<Session, "handle">): Promise<void>;
  /**
   * Sends a message of at most {@link MAX_RPC_BYTES} to a worker of the application, by its number, which hears it by `rpc`.
   * Rejects with INVALID, INVALID_APPWRK (known only in the stack's process).
   */
  rpc(worker: number, data: Uint8Array): Promise<void>;
  /** Ends the worker: its listeners and sessions are closed, it hears no more. With the last one the application ends. */
  delete(): Promise<void>;
}
