import type { CleanupPhase } from "../session/application.js";
import type { SessionError } from "../session/session-errors.js";
import type { SessionStats } from "../session/session-stats.js";
import type { SubscribedEvent } from "../session/subscribed-event.js";
import type { SessionIndex } from "../transport/transport.js";
import type { Listener } from "./listener.js";
import type { Session, SessionAddress } from "./session.js";

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
  /**
   * Makes the application an event collector, which is told of sessions that ended. In another process it is its first worker
   * that hears, if `attach: { evtCollectors }` allows it; else attaching rejects with NOSUPPORT.
   */
  sessionStats?(stats: SessionStats): void;
  /** The session's rx fifo is to grow to `bytes`: return another size for it, or nothing. It gets no more than `maxFifoBytes`. */
  fifoTuning?(session: Session, bytes: number): number | void;
  /** Unread bytes have passed `fifoHighMark`, or (false) gone down to `fifoLowMark` since. The latter comes within the call that reads. */
  fifoMark?(session: Session, isAbove: boolean): void;
  /**
   * Says the certificate of a handshake, by its index: of listeners with `tls: { pair: "ask" }`, by the name that the client wants
   * ("": it named none). What is no index of a certificate that the application may use, or a rejection, ends the handshake; an
   * answer that comes after its end is for nobody.
   */
  certificate?(serverName: string, listener: Listener): number | Promise<number>;
  /**
   * A handshake of TLS at a listener failed: no session comes of it. `error.reason` says why; the remote end is missing if its
   * connection has gone already. Only in the stack's process.
   */
  handshakeFailed?(listener: Listener, error: SessionError, remote: SessionAddress | undefined): void;
  /** Of a session of another worker that this one has subscribed to: something came in, there is room again, or it goes. */
  subscribed?(session: Pick<Session, "handle">, event: SubscribedEvent): void;
  /** A message from another worker of the application, or from this one, by the number of who sent it. */
  rpc?(data: Uint8Array, from: number): void;
  /** In another process: the stack has gone. Its sessions were reset; the worker tries to attach again by itself. */
  lost?(error: SessionError): void;
  /** In another process: the worker is attached again, and listens where it did. */
  reattached?(): void;
  /** The worker is attached no more: deleted, or detached with its application, maybe by the stack. Its sessions are gone. */
  detached?(): void;
}
