import type { SessionIndex } from "../transport/transport.js";
import type { SessionErrorValue } from "./session-errors.js";

/** Which end of a session goes: first the transport's, then the session itself. */
export type CleanupPhase = "transport" | "session";

/**
 * What an application hears, by VPP's names; all are optional. Each is called from session-input, between vectors, and
 * for one session each but rx and tx at most once. A callback that throws resets its session.
 */
export interface ApplicationCallbacks {
  /** A listener accepted a session. Returning false refuses it: it is reset, and nothing more is heard of it. */
  accept?(session: SessionIndex, listener: SessionIndex): boolean | void;
  /** An active open ended: error 0 and the session is ready, or a negative session error and the session is gone. */
  connected?(session: SessionIndex, error: SessionErrorValue): void;
  /** The peer sends no more: read the rest, then close. Without this callback the session is closed. */
  disconnect?(session: SessionIndex): void;
  /** The connection was reset; unread data is gone. The session is closed afterwards. */
  reset?(session: SessionIndex, error: SessionErrorValue): void;
  /** All is sent and acknowledged and both ends are closed. */
  transportClosed?(session: SessionIndex): void;
  /** A part of the session is about to be freed. */
  cleanup?(session: SessionIndex, phase: CleanupPhase): void;
  /** The half-open session of an active open is gone: after connected, or because it was closed before. */
  halfOpenCleanup?(session: SessionIndex): void;
  /** The session moved to another engine. */
  migrate?(session: SessionIndex): void;
  /** A listener was made. */
  listened?(listener: SessionIndex): void;
  /** A listener is about to be freed. */
  unlistened?(listener: SessionIndex): void;
  /** Bytes or datagrams came in since the last call. */
  rx?(session: SessionIndex): void;
  /** Urgent data was announced, or its end moved on; before rx (RFC 9293 MUST-32). */
  urgent?(session: SessionIndex): void;
  /** Something befell the connection that does not end it; `kind` is of soft-error.ts. */
  softError?(session: SessionIndex, kind: number): void;
  /** There is room again after a write that was cut short. */
  tx?(session: SessionIndex): void;
  /** A fifo segment was added. */
  addSegment?(segment: number): void;
  /** A fifo segment is about to go. */
  delSegment?(segment: number): void;
  /** Asks how large a fifo may grow. */
  fifoTuning?(session: SessionIndex): void;
}

/** What an application asks for when it attaches. */
export interface ApplicationOptions {
  readonly name: string;
  /** Default: the default namespace. */
  readonly namespace?: string;
  readonly secret?: string;
  /** Default: global only. */
  readonly scope?: readonly ("global" | "local")[];
  readonly rxFifoBytes?: number;
  readonly txFifoBytes?: number;
}

/** An attached application. Its sessions form a list through their rows. */
export interface Application {
  readonly index: number;
  readonly name: string;
  readonly namespace: string;
  readonly callbacks: ApplicationCallbacks;
  readonly fib4: number;
  readonly fib6: number;
  rxFifoBytes: number;
  txFifoBytes: number;
  isAttached: boolean;
  /** First session + 1, 0 without one. */
  firstSession: number;
  sessionCount: number;
}
