import type { ListenOptions as CoreListenOptions } from "../session/app-listener.js";
import type { ConnectionAttributes } from "../transport/transport.js";
import type { Listener } from "./listener.js";
import type { Session } from "./session.js";

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
  /** Takes a session over from another worker of the application: from now on this one hears of it. */
  take(session: Session): Promise<void>;
  /** Ends the worker: its listeners and sessions are closed, it hears no more. With the last one the application ends. */
  delete(): Promise<void>;
}
