import type { FifoOffset, SegmentIndex } from "../../mem/fifo-layout.js";
import { type FifoMirrors, LARGEST_DATAGRAM_BYTES, MIRROR_BROKEN } from "../../mem/fifo-mirror.js";
import type { MirrorOffset } from "../../mem/fifo-mirror-layout.js";
import type { ApplicationCallbacks, CleanupPhase } from "../../session/application.js";
import { sessionAttribute } from "../../session/attributes.js";
import type { CertificateRequest } from "../../session/certificate-request.js";
import type { ActiveFlowHook } from "../../session/flow-hooks.js";
import type { SessionErrorValue } from "../../session/session-errors.js";
import type { SessionHandle } from "../../session/session-handle.js";
import type { SessionLayer } from "../../session/session-layer.js";
import type { SessionStats } from "../../session/session-stats.js";
import {
  S_CONNECTION,
  S_FLAGS,
  S_PROTO,
  S_RX_FIFO,
  S_STATE,
  S_TX_FIFO,
  S_WORKER,
  SESSION_LISTENING,
  SF_WANT_TX,
} from "../../session/session-table.js";
import { SUBSCRIBED_EVENTS, type SubscribedEvent } from "../../session/subscribed-event.js";
import type { SessionIndex } from "../../transport/transport.js";
import { IO_RX, IO_TX_ROOM } from "../messages/io-events.js";
import { MAX_TLS_INFO_DER, NO_SESSION_FIELDS, type SessionFields } from "../messages/message-table.js";
import { tlsInfo } from "../tls-info.js";
import type { ClientSegment, ClientSegmentTable, SegmentOwner } from "./client-segments.js";
import type { ControlSegment } from "./control-segment.js";
import type { ExternalSession } from "./external-session.js";
import { Outbox } from "./outbox.js";

/** Messages that wait for a client from which on it is asked for no more certificates. */
const MAX_WAITING_ASKS = 1024;
/** Longest name of a server or protocol (RFC 6066 3, RFC 7301 3.1). */
const MAX_NAME = 255;

/** Certificates one after the other, none when they are too long for a message. */
function joined(certificates: readonly Uint8Array[]): Uint8Array {
  const length = certificates.reduce((sum, each) => sum + each.length, 0);
  const all = new Uint8Array(length > MAX_TLS_INFO_DER ? 0 : length);
  let at = 0;
  for (const each of all.length === 0 ? [] : certificates) {
    all.set(each, at);
    at += each.length;
  }
  return all;
}

/** What the host does for a client worker. */
export interface ClientLink {
  /** Wakes the client. */
  wake(): void;
  /** Sends a segment's descriptor, before messages speak of it. */
  sendSegment(segment: ClientSegment): void;
  /** Who it is. */
  readonly peer: { readonly pid: number; readonly uid: number };
  /** The client broke the rules, or its worker is no longer attached: lets go of it. */
  end(reason: string): void;
}

/** What all client workers share. */
export interface ExternalParts {
  readonly sessions: SessionLayer;
  readonly mirrors: FifoMirrors;
  readonly segments: ClientSegmentTable;
  /** Takes back memory of a segment that clients have read and not told of. */
  reclaim(segment: SegmentIndex): void;
}

/**
 * An application worker in another process, as the session layer hears of it: callbacks become messages on its queue, and
 * fifos are published to its mirrors. What it asks for is done by {@link ClientRequests}.
 */
export class ExternalWorker implements ApplicationCallbacks, SegmentOwner {
  readonly control: ControlSegment;
  readonly outbox: Outbox;
  readonly link: ClientLink;
  /** Sessions that the client knows or is asked about, by index. */
  readonly sessions = new Map<SessionIndex, ExternalSession>();
  /** Contexts of active opens under way. */
  readonly connecting = new Map<SessionIndex, number>();
  /** The application's index, and the worker's number in it. */
  app = -1;
  number = -1;
  isAttached = true;
  /** Context of the request by which the client detaches; 0: the stack detaches it. */
  detachContext = 0;
  /** The client has asked for the end of a listener, and will be answered. */
  isUnlistening = false;
  /** Only of an event collector. */
  sessionStats?: (stats: SessionStats) => void;
  /** The hook that it has set. */
  flowHook: ActiveFlowHook | undefined;
  /** Sessions that were reset because the client claimed what cannot be. */
  broken = 0;
  /** Bytes that the client has read and written, as far as it has told. */
  readBytes = 0;
  writtenBytes = 0;
  readonly #parts: ExternalParts;
  /** Those whose row has gone and whom the client has not forgotten yet. */
  readonly #forgotten = new Map<SessionHandle, ExternalSession>();
  readonly #known = new Set<ClientSegment>();
  /** Handshakes that wait for a certificate. */
  readonly #asked = new Map<number, CertificateRequest>();
  #lastToken = 0;
  #isOpen = false;
  #first: ClientSegment | undefined;

  constructor(parts: ExternalParts, control: ControlSegment, link: ClientLink) {
    this.#parts = parts;
    this.control = control;
    this.link = link;
    this.outbox = new Outbox(parts.sessions.window, control.toApp, () => link.wake());
  }

  /** The session layer took it; from now on segments are announced by message. Its first segment. */
  open(app: number, number: number): ClientSegment | undefined {
    this.app = app;
    this.number = number;
    this.#isOpen = true;
    return this.#first;
  }

  // ---- Segments ----

  segmentAdded(segment: ClientSegment): void {
    if (this.#known.has(segment)) return;
    this.#known.add(segment);
    if (!this.#isOpen) {
      this.#first ??= segment;
      return;
    }
    this.link.sendSegment(segment);
    this.outbox.send({
      type: "APP_ADD_SEGMENT",
      segment: segment.handle,
      segmentBytes: segment.memory.bytes,
    });
  }

  segmentDeleted(segment: ClientSegment): void {
    if (!this.#known.delete(segment) || !this.isAttached) return;
    this.outbox.send({ type: "APP_DEL_SEGMENT", segment: segment.handle });
  }

  // ---- Sessions ----

  /** Gives the client a session: its fifos get mirrors. Undefined when there are none left. */
  adopt(s: SessionIndex): ExternalSession | undefined {
    const { sessions, mirrors, segments } = this.#parts;
    const { i32 } = sessions.window;
    const r = sessions.table.row(s);
    const [rx, tx] = [i32[r + S_RX_FIFO], i32[r + S_TX_FIFO]];
    const rxMirror = rx === 0 ? 0 : this.control.takeMirror();
    const txMirror = tx === 0 ? 0 : this.control.takeMirror();
    if ((rx !== 0 && rxMirror === 0) || (tx !== 0 && txMirror === 0)) {
      for (const mirror of [rxMirror, txMirror]) if (mirror !== 0) this.control.giveMirror(mirror);
      return undefined;
    }
    const handle = sessions.table.handle(s);
    const session = { index: s, handle, rx, tx, rxMirror, txMirror, isAsked: false, isStarved: false, isGone: false };
    this.sessions.set(s, session);
    for (const f of [rx, tx]) {
      const segment = f === 0 ? undefined : segments.at(sessions.fifos.segmentOf(f));
      if (segment !== undefined) this.segmentAdded(segment);
    }
    if (rx !== 0) mirrors.openRx(rx, rxMirror);
    // A listener for datagrams answers with any of them at once; the others ask for room when they need it.
    const isListener = i32[r + S_STATE] === SESSION_LISTENING;
    if (tx !== 0) mirrors.openTx(tx, txMirror, isListener ? LARGEST_DATAGRAM_BYTES : undefined);
    // The client hears of room by its own wish, which is looked at whenever something was sent.
    i32[r + S_FLAGS] |= SF_WANT_TX;
    return session;
  }

  /** The client has forgotten a session, or is gone: nobody writes to its mirrors any more. */
  forget(session: ExternalSession): void {
    const { sessions, mirrors } = this.#parts;
    if (this.sessions.get(session.index) === session) this.sessions.delete(session.index);
    this.#forgotten.delete(session.handle);
    const letGo = (f: FifoOffset, mirror: MirrorOffset): void => {
      if (f === 0) return;
      this.control.giveMirror(mirror);
      if (mirrors.close(f, mirror)) sessions.segments.freeFifo(f);
    };
    letGo(session.rx, session.rxMirror);
    letGo(session.tx, session.txMirror);
  }

  /** The session that the client says it has forgotten; undefined when it was not asked to. */
  gone(handle: SessionHandle): ExternalSession | undefined {
    return this.#forgotten.get(handle);
  }

  /** What the client is told of a session. */
  fieldsOf(session: ExternalSession): SessionFields {
    const { sessions, segments } = this.#parts;
    const { fifos, table, window } = sessions;
    const at = (mirror: MirrorOffset): number => (mirror === 0 ? 0 : mirror - this.control.base);
    const segmentOf = (f: FifoOffset): number => (f === 0 ? 0 : (segments.at(fifos.segmentOf(f))?.handle ?? 0));
    const { index, handle, rx, tx, rxMirror, txMirror } = session;
    return {
      handle,
      proto: window.i32[table.row(index) + S_PROTO],
      local: sessions.localEndpoint(index),
      remote: sessions.remoteEndpoint(index),
      rxMirror: at(rxMirror),
      txMirror: at(txMirror),
      rxFifoBytes: rx === 0 ? 0 : fifos.capBytes(rx),
      txFifoBytes: tx === 0 ? 0 : fifos.capBytes(tx),
      rxSegment: segmentOf(rx),
      txSegment: segmentOf(tx),
    };
  }

  /** Events that came before the client knew the session. */
  announce(session: ExternalSession): void {
    if (session.rx !== 0 && this.#parts.sessions.fifos.maxDequeue(session.rx) > 0) {
      this.outbox.sendEvent(IO_RX, session.index);
    }
  }

  /** The client claimed what cannot be: its session is reset, nothing else. */
  refuse(session: ExternalSession): void {
    this.broken++;
    if (!session.isGone) this.#parts.sessions.terminate(session.index);
  }

  /** Tells the transport that the client has taken bytes: as many as the mirrors have just taken over. */
  dequeued(s: SessionIndex): void {
    const { sessions, mirrors } = this.#parts;
    this.readBytes += mirrors.taken;
    const { i32 } = sessions.window;
    const r = sessions.table.row(s);
    const c = i32[r + S_CONNECTION];
    if (c >= 0) sessions.transports[i32[r + S_PROTO]]?.rxDequeued(c);
  }

  /** Whether the worker has the session still: the table's row says whose it is. */
  owns(s: SessionIndex): boolean {
    const { sessions } = this.#parts;
    if (!sessions.table.isUsed(s)) return false;
    const worker = sessions.applications.workerAt(sessions.window.i32[sessions.table.row(s) + S_WORKER]);
    return worker?.callbacks === this;
  }

  // ---- ApplicationCallbacks ----

  certificate(request: CertificateRequest): void {
    // One that does not listen would be asked for ever more.
    if (!this.isAttached || this.outbox.waiting >= MAX_WAITING_ASKS) {
      request.answer(undefined);
      return;
    }
    const token = ++this.#lastToken;
    this.#asked.set(token, request);
    request.cancelled = () => void this.#asked.delete(token);
    const listener = this.#parts.sessions.table.handle(request.listener);
    const serverName = request.serverName.slice(0, MAX_NAME);
    this.outbox.send({ type: "APP_CRYPTO_ASYNC", token, listener, serverName });
  }

  /** The certificate of a handshake that the client was asked about. */
  answerCertificate(token: number, pair: number): void {
    const request = this.#asked.get(token);
    this.#asked.delete(token);
    request?.answer(pair);
  }

  /** Tells what was agreed on with the peer of a session of TLS, before the message that gives the session. */
  tellTls({ index, handle }: ExternalSession): void {
    const info = tlsInfo(this.#parts.sessions, index);
    if (info === undefined) return;
    const { version, cipher = "", standardCipher = "", alpn = "", serverName = "", resumed } = info;
    const { certificate = new Uint8Array(0), issuers = [], verifyError = "", verifyReason = "" } = info;
    this.outbox.send({
      type: "TLS_INFO",
      handle,
      version,
      cipher,
      standardCipher,
      alpn: alpn.slice(0, MAX_NAME),
      serverName: serverName.slice(0, MAX_NAME),
      certificate: certificate.length > MAX_TLS_INFO_DER ? new Uint8Array(0) : certificate,
      issuers: joined(issuers),
      resumed,
      verifyError,
      verifyReason,
    });
  }

  accept(s: SessionIndex, listener: SessionIndex): boolean | "later" {
    const session = this.adopt(s);
    if (session === undefined) return false;
    session.isAsked = true;
    const handle = this.#parts.sessions.table.handle(listener);
    this.tellTls(session);
    this.outbox.send({ type: "ACCEPTED", session: s, listener: handle, ...this.fieldsOf(session) });
    this.announce(session);
    return "later";
  }

  connected(s: SessionIndex, error: SessionErrorValue): void {
    const context = this.connecting.get(s);
    if (context === undefined) return;
    if (error < 0) {
      this.outbox.send({ type: "CONNECTED", context, retval: error, ...NO_SESSION_FIELDS });
      return;
    }
    const session = this.adopt(s);
    if (session === undefined) {
      this.broken++;
      this.#parts.sessions.terminate(s);
      return;
    }
    this.tellTls(session);
    this.outbox.send({ type: "CONNECTED", context, retval: 0, ...this.fieldsOf(session) });
    this.announce(session);
  }

  halfOpenCleanup(s: SessionIndex): void {
    const context = this.connecting.get(s);
    if (context === undefined) return;
    this.connecting.delete(s);
    this.outbox.send({ type: "HALF_CLEANUP", session: s, context });
  }

  rx(s: SessionIndex): void {
    const session = this.sessions.get(s);
    if (session === undefined || session.rx === 0) return;
    const { mirrors } = this.#parts;
    const result = mirrors.publishRx(session.rx);
    if (result === MIRROR_BROKEN) {
      this.refuse(session);
      return;
    }
    if (mirrors.taken > 0) this.dequeued(s);
    if (result > 0) this.outbox.sendEvent(IO_RX, s);
  }

  tx(s: SessionIndex): void {
    const session = this.sessions.get(s);
    if (session === undefined || session.tx === 0) return;
    const { sessions, mirrors } = this.#parts;
    sessions.window.i32[sessions.table.row(s) + S_FLAGS] |= SF_WANT_TX;
    // A while has passed: there may be memory that clients have read and not told of; else it has to do with what there is.
    if (session.isStarved) this.#parts.reclaim(sessions.fifos.segmentOf(session.tx));
    const isRoom = mirrors.publishTx(session.tx) > 0 || (session.isStarved && mirrors.takeWish(session.tx) > 0);
    session.isStarved = false;
    if (isRoom) this.outbox.sendEvent(IO_TX_ROOM, s);
    else this.waitForRoom(session);
  }

  /** If the client waits for room and nothing is under way that would make some, it is tried again in a while. */
  waitForRoom(session: ExternalSession): void {
    const { sessions, mirrors } = this.#parts;
    if (session.isStarved || sessions.fifos.maxDequeue(session.tx) > 0 || !mirrors.lacksRoom(session.tx)) return;
    session.isStarved = true;
    sessions.wantTx(session.index);
  }

  /** Takes back what the client has read of fifos in that segment and has not told of: one of its writers has no memory. */
  reclaim(segment: SegmentIndex): void {
    const { mirrors, segments, sessions } = this.#parts;
    const known = segments.at(segment);
    if (known === undefined || !this.#known.has(known)) return;
    for (const session of this.sessions.values()) {
      if (session.rx === 0 || sessions.fifos.segmentOf(session.rx) !== segment) continue;
      if (mirrors.acceptHead(session.rx) === MIRROR_BROKEN) this.refuse(session);
      else if (mirrors.taken > 0) this.dequeued(session.index);
    }
  }

  urgent(s: SessionIndex): void {
    const { sessions } = this.#parts;
    const session = this.sessions.get(s);
    if (session === undefined || session.rx === 0) return;
    const end = (sessions.fifos.head(session.rx) + sessionAttribute(sessions, s, "urgentBytes")) | 0;
    this.outbox.sendLast({ type: "URGENT", session: s, end });
  }

  softError(s: SessionIndex, kind: number): void {
    if (this.sessions.has(s)) this.outbox.sendLast({ type: "SOFT_ERROR", session: s, kind });
  }

  isCongested(): boolean {
    return this.outbox.waiting > 0;
  }

  subscribed(s: SessionIndex, event: SubscribedEvent): void {
    const handle = this.#parts.sessions.table.handle(s);
    this.outbox.sendLast({ type: "SUBSCRIBED", handle, what: SUBSCRIBED_EVENTS.indexOf(event) });
  }

  disconnect(s: SessionIndex): void {
    if (this.sessions.has(s)) this.outbox.send({ type: "DISCONNECTED", session: s });
  }

  reset(s: SessionIndex, error: SessionErrorValue): void {
    if (this.sessions.has(s)) this.outbox.send({ type: "RESET", session: s, error });
  }

  transportClosed(s: SessionIndex): void {
    if (this.sessions.has(s)) this.outbox.send({ type: "TRANSPORT_CLOSED", session: s });
  }

  cleanup(s: SessionIndex, phase: CleanupPhase): void {
    const session = this.sessions.get(s);
    if (session === undefined) return;
    this.outbox.send({ type: "CLEANUP", session: s, phase: phase === "session" ? 1 : 0 });
    if (phase !== "session") return;
    session.isGone = true;
    this.sessions.delete(s);
    this.#forgotten.set(session.handle, session);
  }

  unlistened(s: SessionIndex): void {
    const session = this.sessions.get(s);
    if (session === undefined) return;
    // Not when the connection has ended: the client keeps its listeners for when it attaches again.
    if (!this.isUnlistening && this.isAttached) {
      this.outbox.send({ type: "UNLISTEN_REPLY", context: 0, retval: 0, handle: session.handle });
    }
    session.isGone = true;
    this.sessions.delete(s);
    // Only a listener for datagrams has something that the client may still write to.
    if (session.rx !== 0) this.#forgotten.set(session.handle, session);
  }

  /** It decides on flows no more: what is undecided is decided by default. */
  dropFlowHook(): void {
    if (this.flowHook !== undefined) this.#parts.sessions.flows.remove(this.flowHook);
    this.flowHook = undefined;
  }

  detached(): void {
    this.dropFlowHook();
    // Its connection has ended, and that says it: by this message it would hear that it is not to come back.
    if (!this.isAttached) return;
    this.isAttached = false;
    this.outbox.send({ type: "DETACHED", context: this.detachContext });
    this.outbox.flush();
    this.link.end("detached");
  }

  /** The client is gone: nothing that it had is in use any more. */
  release(): void {
    this.isAttached = false;
    this.dropFlowHook();
    for (const session of [...this.sessions.values(), ...this.#forgotten.values()]) this.forget(session);
    this.connecting.clear();
    for (const request of this.#asked.values()) request.answer(undefined);
    this.#asked.clear();
  }
}
