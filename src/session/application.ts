import type { SessionIndex } from "../transport/transport.js";
import type { SubscribedEvent } from "./subscribed-event.js";
import type { CertificateRequest } from "./certificate-request.js";
import type { HandshakeFailure } from "./handshake-failure.js";
import type { AppNamespace } from "./app-namespace.js";
import type { FifoTuningOptions } from "./fifo-tuning-options.js";
import type { SegmentManager, SegmentOptions } from "./segment-manager.js";
import type { SessionErrorValue } from "./session-errors.js";
import type { SessionStats } from "./session-stats.js";

/** Which end of a session goes: first the transport's, then the session itself. */
export type CleanupPhase = "transport" | "session";

/**
 * What an application hears, by VPP's names; all are optional. Each is called from session-input, between vectors, and
 * for one session each but rx and tx at most once. A callback that throws resets its session.
 */
export interface ApplicationCallbacks {
  /**
   * A listener accepted a session. Returning false refuses it: it is reset, and nothing more is heard of it. `later`:
   * SessionLayer.answer follows; meanwhile the session lives, but who connects by cut-through waits.
   */
  accept?(session: SessionIndex, listener: SessionIndex): boolean | "later" | void;
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
  /** Of the default worker: makes the application an event collector, which is told of sessions that ended. */
  sessionStats?(stats: SessionStats): void;
  /** Whether the worker cannot be told more now: records of sessions wait. */
  isCongested?(): boolean;
  /** The session's rx fifo is to grow to `bytes`: returns another size for it, or nothing. It gets no more than `maxFifoBytes`. */
  fifoTuning?(session: SessionIndex, bytes: number): number | void;
  /** Unread bytes have passed `fifoHighMark`, or (false) gone down to `fifoLowMark` since. The latter comes within the call that reads. */
  fifoMark?(session: SessionIndex, isAbove: boolean): void;
  /** A handshake at one of its listeners waits for a certificate. */
  certificate?(request: CertificateRequest): void;
  /** A handshake at one of its listeners failed. */
  handshakeFailed?(failure: HandshakeFailure): void;
  /** Another worker's session, which this one has subscribed to. */
  subscribed?(session: SessionIndex, event: SubscribedEvent): void;
  /** The worker is no longer attached: it was deleted, or its application was detached, maybe with its namespace. `gone`: its sessions. */
  detached?(gone: readonly SessionIndex[]): void;
}

/** Where an application's listeners can be reached from, and where it connects to. */
export type AppScope = "global" | "local";

/** What an application asks for when it attaches. README.md says of each of VPP's options what became of it. */
export interface ApplicationOptions extends SegmentOptions, FifoTuningOptions {
  /** 1 to 64 characters; one application of a stack has it. */
  readonly name: string;
  /** Default: the default namespace. */
  readonly namespace?: string;
  /** The namespace's secret. */
  readonly secret?: string | number;
  /** `global`: the tables that packets are looked up in; `local`: its namespace's own, for cut-through. Default: global. */
  readonly scope?: readonly AppScope[];
  /** Sizes of a session's fifos, bytes, 1 to 64 MiB. */
  readonly rxFifoBytes?: number;
  readonly txFifoBytes?: number;
  /** Event collectors are told of its sessions. Default: only with the setting `collectAll`. */
  readonly evtCollector?: boolean;
}

/**
 * A worker of an application (VPP app_worker_t): what owns sessions and hears of them. An application has one from the
 * start, its default worker, number 0. A worker that was deleted stays until its last session is gone.
 */
export interface AppWorker {
  /** Among the workers of all applications: what session rows name. */
  readonly index: number;
  readonly app: Application;
  /** Its number within the application (VPP wrk_map_index). */
  readonly number: number;
  readonly callbacks: ApplicationCallbacks;
  /** Where its sessions' fifos get their memory. */
  readonly segments: SegmentManager;
  isAttached: boolean;
  /** First session + 1, 0 without one; the others follow through their rows. */
  firstSession: number;
  sessionCount: number;
}

/** An attached application (VPP application_t). */
export interface Application {
  readonly index: number;
  readonly name: string;
  readonly namespace: AppNamespace;
  readonly hasGlobalScope: boolean;
  readonly hasLocalScope: boolean;
  readonly rxFifoBytes: number;
  readonly txFifoBytes: number;
  /** What rx fifos may grow to: `rxFifoBytes` when they do not. */
  readonly maxFifoBytes: number;
  /** Marks of rx fifos, percent; 0: none. */
  readonly fifoHighMark: number;
  readonly fifoLowMark: number;
  readonly segmentOptions: SegmentOptions;
  /** By number: the worker map. The default worker is number 0. */
  readonly workers: (AppWorker | undefined)[];
  isAttached: boolean;
  /** Event collectors are told of its sessions, those of these listeners; of none: of all. Undefined: as `collectAll` says. */
  collected: ReadonlySet<SessionIndex> | undefined;
  /** Sessions and listeners of all workers. */
  sessionCount: number;
}
