import { type FifoMirrors, MIRROR_BROKEN } from "../../mem/fifo-mirror.js";
import { sessionAttribute, sessionStatistics, setSessionAttribute } from "../../session/attributes.js";
import {
  SESSION_E_INVALID,
  SESSION_E_INVALID_APPWRK,
  SESSION_E_NOSESSION,
  SESSION_E_NOSUPPORT,
  SESSION_E_OWNER,
  SessionError,
} from "../../session/session-errors.js";
import type { SessionHandle } from "../../session/session-handle.js";
import type { SessionLayer } from "../../session/session-layer.js";
import { S_CONNECTION, S_PROTO, S_WORKER } from "../../session/session-table.js";
import { parseUri, type SessionUri } from "../../session/uri.js";
import { cryptoExtConfig } from "../../transport/tls/crypto-config.js";
import type { Endpoint, SessionIndex } from "../../transport/transport.js";
import { decodeMessage } from "../messages/decode.js";
import { IO_RX_DEQUEUED, IO_TX, IO_TX_ROOM } from "../messages/io-events.js";
import { type MessageOf, type MessageTowards, NO_SESSION_FIELDS } from "../messages/message-table.js";
import { ClientCollectors } from "./client-collectors.js";
import { ClientFlowHooks } from "./client-flow-hook.js";
import type { ClientRights } from "./client-rights.js";
import type { ExternalSession } from "./external-session.js";
import type { ExternalWorker } from "./external-worker.js";

/** Messages taken in one turn from one client: the others want their turn. */
const MAX_MESSAGES_PER_TURN = 1024;

/** Messages from other workers that wait for one that does not listen, with all others that wait. */
const MAX_WAITING_RPCS = 1024;

type Request = MessageTowards<"to-stack">;
type ConnectMessage = MessageOf<"CONNECT"> | MessageOf<"CONNECT_URI">;
type ListenMessage = MessageOf<"LISTEN"> | MessageOf<"LISTEN_URI">;

/** Finds the other workers of an application: whom messages and sessions go to. */
export type FindWorker = (app: number, number: number) => ExternalWorker | undefined;

/**
 * What client workers ask for: takes messages from their queues and does them. A message that is none, or a queue that
 * cannot be, ends the worker; a request with wrong values is answered by an error.
 */
export class ClientRequests {
  readonly #sessions: SessionLayer;
  readonly #mirrors: FifoMirrors;
  readonly #findWorker: FindWorker;
  readonly #flowHooks: ClientFlowHooks;
  readonly #collectors: ClientCollectors;

  constructor(sessions: SessionLayer, mirrors: FifoMirrors, findWorker: FindWorker, rights: ClientRights) {
    this.#sessions = sessions;
    this.#mirrors = mirrors;
    this.#findWorker = findWorker;
    this.#flowHooks = new ClientFlowHooks(sessions, rights.flowHooks);
    this.#collectors = new ClientCollectors(sessions, rights.evtCollectors);
  }

  /** Does what a worker has asked for since the last call. Returns how many messages it took. */
  poll(worker: ExternalWorker): number {
    const { toStack } = worker.control;
    let count = 0;
    // What asks for answers waits while there is no room for them.
    while (count < MAX_MESSAGES_PER_TURN && worker.outbox.waiting === 0 && worker.isAttached && toStack.next()) {
      count++;
      if (toStack.type === IO_TX) this.#written(worker, worker.sessions.get(toStack.argument));
      else if (toStack.type === IO_RX_DEQUEUED) this.#dequeued(worker, worker.sessions.get(toStack.argument));
      else {
        const message = decodeMessage(this.#sessions.window, toStack, "to-stack");
        if (message === undefined) {
          worker.link.end("a message that is none");
          return count;
        }
        this.#do(worker, message);
      }
    }
    if (count > 0 && toStack.release()) worker.link.wake();
    if (toStack.isBroken || worker.control.toApp.isBroken) worker.link.end("a queue that cannot be");
    return count;
  }

  // ---- Bytes ----

  /** The client has written. */
  #written(worker: ExternalWorker, session: ExternalSession | undefined): void {
    if (session === undefined || session.tx === 0) return;
    const result = this.#mirrors.acceptTail(session.tx);
    if (result === MIRROR_BROKEN) {
      worker.refuse(session);
      return;
    }
    worker.writtenBytes += this.#mirrors.taken;
    if (result > 0) worker.outbox.sendEvent(IO_TX_ROOM, session.index);
    else worker.waitForRoom(session);
    const { i32 } = this.#sessions.window;
    const r = this.#sessions.table.row(session.index);
    if (this.#sessions.isWritable(session.index)) {
      this.#sessions.wantTransmit(i32[r + S_PROTO], i32[r + S_CONNECTION]);
    }
  }

  /** The client has read, of which it was asked to tell. */
  #dequeued(worker: ExternalWorker, session: ExternalSession | undefined): void {
    if (session === undefined || session.rx === 0) return;
    if (this.#mirrors.acceptHead(session.rx) === MIRROR_BROKEN) worker.refuse(session);
    else if (this.#mirrors.taken > 0) worker.dequeued(session.index);
  }

  /** Takes over what a client has read and written, as far as it has shown it: it is gone, or somebody wants to know. */
  takeOver(worker: ExternalWorker): void {
    for (const session of worker.sessions.values()) {
      this.#dequeued(worker, session);
      this.#written(worker, session);
    }
  }

  // ---- Requests ----

  #do(worker: ExternalWorker, message: Request): void {
    switch (message.type) {
      case "LISTEN":
      case "LISTEN_URI":
        this.#listen(worker, message);
        break;
      case "UNLISTEN":
        this.#unlisten(worker, message);
        break;
      case "CONNECT":
      case "CONNECT_URI":
        this.#connect(worker, message);
        break;
      case "CONNECT_STREAM":
        worker.outbox.send({
          type: "CONNECTED",
          context: message.context,
          retval: SESSION_E_NOSUPPORT,
          ...NO_SESSION_FIELDS,
        });
        break;
      case "ACCEPTED_REPLY":
        this.#answer(worker, message);
        break;
      case "CLEANUP_REPLY": {
        const session = worker.gone(message.handle);
        if (session !== undefined) worker.forget(session);
        break;
      }
      case "SHUTDOWN":
      case "DISCONNECT":
      case "TERMINATE":
        this.#end(worker, message);
        break;
      case "TX_URGENT":
        this.#urgent(worker, message);
        break;
      case "WORKER_UPDATE":
        this.#take(worker, message);
        break;
      case "APP_WRK_RPC": {
        const to = this.#findWorker(worker.app, message.worker)?.outbox;
        // One that does not listen is told no more of them.
        if (to !== undefined && to.waiting < MAX_WAITING_RPCS) to.send({ ...message, worker: worker.number });
        break;
      }
      case "TRANSPORT_ATTR":
        this.#attribute(worker, message);
        break;
      case "STATISTICS":
        this.#statistics(worker, message);
        break;
      case "EVT_COLLECTOR":
        this.#collectors.add(worker, message);
        break;
      case "SUBSCRIBE": {
        const s = this.#sessions.table.find(message.handle);
        const retval = this.#sessions.subscribe(worker.app, s, worker.number, message.isOn);
        worker.outbox.send({ type: "SUBSCRIBE_REPLY", context: message.context, retval });
        break;
      }
      case "FLOW_HOOK":
        this.#flowHooks.set(worker, message);
        break;
      case "FLOW_ANSWER":
        this.#flowHooks.answer(worker, message);
        break;
      case "APP_CRYPTO_ASYNC_REPLY":
        worker.answerCertificate(message.token, message.pair);
        break;
      case "APP_DETACH":
        // What it has written before is still sent, as by an application of this process.
        this.takeOver(worker);
        worker.detachContext = message.context;
        this.#sessions.delWorker(worker.app, worker.number);
        break;
      default:
      // DISCONNECTED_REPLY and RESET_REPLY: nobody waits for them.
    }
  }

  /** The session of that handle that this client has; undefined when it has none. */
  #session(worker: ExternalWorker, handle: SessionHandle): ExternalSession | undefined {
    const s = this.#sessions.table.find(handle);
    const session = s < 0 ? undefined : worker.sessions.get(s);
    return session?.handle === handle ? session : undefined;
  }

  /** Transport and endpoint of a URI or of fields; a negative session error. */
  #where(
    message: { readonly uri: string } | { readonly proto: number; readonly endpoint: Endpoint },
  ): { readonly proto: number; readonly endpoint: Endpoint; readonly extConfig?: Uint8Array } | number {
    if (!("uri" in message)) return message;
    try {
      const { protocol, endpoint, hostname }: SessionUri = parseUri(message.uri);
      const transport = this.#sessions.transportByName(protocol);
      if (transport === undefined) return this.#sessions.counted(SESSION_E_NOSUPPORT);
      const extConfig = hostname === undefined ? "" : cryptoExtConfig({}, hostname);
      return { proto: transport.proto, endpoint, ...(typeof extConfig === "string" ? {} : { extConfig }) };
    } catch (error) {
      return this.#sessions.counted(error instanceof SessionError ? error.errno : SESSION_E_INVALID);
    }
  }

  #listen(worker: ExternalWorker, message: ListenMessage): void {
    const { context, backlog, connected, proxy, extConfig } = message;
    const where = this.#where(
      message.type === "LISTEN_URI" ? message : { proto: message.proto, endpoint: message.local },
    );
    let retval = typeof where === "number" ? where : 0;
    if (typeof where !== "number") {
      const chunk = extConfig.length > 0 ? extConfig : where.extConfig;
      const options = {
        connected,
        proxy,
        worker: worker.number,
        extConfig: chunk,
        ...(backlog > 0 ? { backlog } : {}),
      };
      retval = this.#sessions.listen(worker.app, where.proto, where.endpoint, options);
    }
    const session = retval < 0 ? undefined : worker.adopt(retval);
    if (session === undefined) {
      if (retval >= 0) this.#sessions.unlisten(worker.app, retval, worker.number);
      const error = retval < 0 ? retval : SESSION_E_INVALID;
      worker.outbox.send({ type: "BOUND", context, retval: error, ...NO_SESSION_FIELDS });
    } else worker.outbox.send({ type: "BOUND", context, retval: 0, ...worker.fieldsOf(session) });
  }

  #unlisten(worker: ExternalWorker, { context, handle }: MessageOf<"UNLISTEN">): void {
    const session = this.#session(worker, handle);
    worker.isUnlistening = true;
    const retval =
      session === undefined
        ? this.#sessions.counted(SESSION_E_NOSESSION)
        : this.#sessions.unlisten(worker.app, session.index, worker.number);
    worker.isUnlistening = false;
    worker.outbox.send({ type: "UNLISTEN_REPLY", context, retval, handle });
  }

  #connect(worker: ExternalWorker, message: ConnectMessage): void {
    const { context, attributes, extConfig } = message;
    const where = this.#where(
      message.type === "CONNECT_URI" ? message : { proto: message.proto, endpoint: message.remote },
    );
    let local = message.type === "CONNECT" ? message.local : undefined;
    let retval = typeof where === "number" ? where : 0;
    if (message.type === "CONNECT_URI" && message.from !== "") {
      const from = this.#where({ uri: message.from });
      if (typeof from === "number") retval = from;
      else local = from.endpoint;
    }
    if (retval === 0 && typeof where !== "number") {
      const chunk = extConfig.length > 0 ? extConfig : where.extConfig;
      const options = { local, attributes, worker: worker.number, extConfig: chunk };
      retval = this.#sessions.connect(worker.app, where.proto, where.endpoint, options);
    }
    if (retval < 0) worker.outbox.send({ type: "CONNECTED", context, retval, ...NO_SESSION_FIELDS });
    else worker.connecting.set(retval, context);
  }

  #answer(worker: ExternalWorker, { handle, retval }: MessageOf<"ACCEPTED_REPLY">): void {
    const session = this.#session(worker, handle);
    if (session?.isAsked !== true) return;
    session.isAsked = false;
    this.#sessions.answer(session.index, retval === 0);
    if (retval === 0) return;
    // Of one that it refused the client hears no more, and has nothing to forget.
    worker.forget(session);
  }

  #end(worker: ExternalWorker, { type, handle }: MessageOf<"SHUTDOWN" | "DISCONNECT" | "TERMINATE">): void {
    const session = this.#session(worker, handle);
    if (session === undefined) return;
    const s: SessionIndex = session.index;
    if (type === "TERMINATE") {
      this.#sessions.terminate(s);
      return;
    }
    // What it wrote and read before counts.
    this.#dequeued(worker, session);
    this.#written(worker, session);
    if (type === "SHUTDOWN") this.#sessions.halfClose(s);
    else this.#sessions.close(s);
  }

  #urgent(worker: ExternalWorker, { handle }: MessageOf<"TX_URGENT">): void {
    const session = this.#session(worker, handle);
    if (session === undefined || session.tx === 0) return;
    this.#written(worker, session);
    const { i32 } = this.#sessions.window;
    const r = this.#sessions.table.row(session.index);
    if (this.#sessions.isWritable(session.index)) {
      this.#sessions.transports[i32[r + S_PROTO]]?.markUrgent(i32[r + S_CONNECTION]);
    }
  }

  #attribute(worker: ExternalWorker, message: MessageOf<"TRANSPORT_ATTR">): void {
    const { context, handle, attribute, isSet, value } = message;
    const s = this.#session(worker, handle)?.index ?? -1;
    const result = isSet
      ? setSessionAttribute(this.#sessions, s, attribute, value)
      : sessionAttribute(this.#sessions, s, attribute);
    const isError = result < 0;
    worker.outbox.send({
      type: "TRANSPORT_ATTR_REPLY",
      context,
      retval: isError ? result : 0,
      value: isError ? 0 : result,
    });
  }

  #statistics(worker: ExternalWorker, { context, handle }: MessageOf<"STATISTICS">): void {
    const s = this.#session(worker, handle)?.index ?? -1;
    const statistics = sessionStatistics(this.#sessions, s);
    worker.outbox.send({
      type: "STATISTICS_REPLY",
      context,
      retval: statistics === undefined ? SESSION_E_NOSESSION : 0,
      json: JSON.stringify(statistics ?? {}),
    });
  }

  // ---- Sessions from worker to worker ----

  /**
   * A worker wants a session (VPP's WORKER_UPDATE): the one that has it is asked to let go of it, by REQ_WORKER_UPDATE, and
   * does so by the same message.
   */
  #take(worker: ExternalWorker, { context, handle, worker: number }: MessageOf<"WORKER_UPDATE">): void {
    const own = this.#session(worker, handle);
    if (own !== undefined && own.wantedBy?.worker === number) {
      this.#give(worker, own, own.wantedBy);
      return;
    }
    const retval = this.#sessions.counted(
      number === worker.number ? this.#ask(worker, context, handle) : SESSION_E_INVALID_APPWRK,
    );
    if (retval < 0) worker.outbox.send({ type: "WORKER_UPDATE_REPLY", context, retval, ...NO_SESSION_FIELDS });
  }

  #ask(worker: ExternalWorker, context: number, handle: SessionHandle): number {
    const s = this.#sessions.table.find(handle);
    if (s < 0) return SESSION_E_NOSESSION;
    const owner = this.#sessions.applications.workerAt(
      this.#sessions.window.i32[this.#sessions.table.row(s) + S_WORKER],
    );
    const from = owner?.app.index === worker.app ? this.#findWorker(worker.app, owner.number) : undefined;
    const session = from?.sessions.get(s);
    if (from === undefined || session === undefined || session.rx === 0) return SESSION_E_OWNER;
    if (from === worker || session.wantedBy !== undefined) return SESSION_E_INVALID;
    session.wantedBy = { worker: worker.number, context };
    from.outbox.send({ type: "REQ_WORKER_UPDATE", session: s, worker: worker.number });
    return 0;
  }

  #give(
    from: ExternalWorker,
    session: ExternalSession,
    wanted: { readonly worker: number; readonly context: number },
  ): void {
    const to = this.#findWorker(from.app, wanted.worker);
    const { context } = wanted;
    session.wantedBy = undefined;
    this.#dequeued(from, session);
    this.#written(from, session);
    if (to === undefined || session.isGone) return;
    from.forget(session);
    const retval = this.#sessions.moveSession(from.app, session.index, to.number);
    const adopted = retval < 0 ? undefined : to.adopt(session.index);
    if (adopted === undefined) {
      this.#sessions.terminate(session.index);
      to.outbox.send({ type: "WORKER_UPDATE_REPLY", context, retval: SESSION_E_NOSESSION, ...NO_SESSION_FIELDS });
      return;
    }
    to.tellTls(adopted);
    to.outbox.send({ type: "WORKER_UPDATE_REPLY", context, retval: 0, ...to.fieldsOf(adopted) });
    to.announce(adopted);
  }
}
