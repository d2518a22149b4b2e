import { encodeSocketMessage, parseSocketMessage, socketErrorReply } from "../app/messages/socket-messages.js";
import {
  type CryptoRequest,
  NO_WORKER_FIELDS,
  type SocketMessage,
  type WorkerFields,
} from "../app/messages/socket-table.js";
import type { AttachedWorker, ExternalApps, WorkerRequest } from "../app/external/external-apps.js";
import type { ClientSegment } from "../app/external/client-segments.js";
import type { ClientLink } from "../app/external/external-worker.js";
import type { ApplicationOptions, AppScope } from "../session/application.js";
import {
  SESSION_E_APP_ATTACHED,
  SESSION_E_INVALID,
  SESSION_E_INVALID_NS,
  SESSION_E_NOAPP,
  SESSION_E_REFUSED,
  sessionErrorEntry,
} from "../session/session-errors.js";
import type { MemfdHost } from "./shared-memory.js";
import { TokenBucket } from "./token-bucket.js";
import type { SeqpacketSocket } from "./unix-socket.js";
import { createWakePipe, type WakeReader, type WakeWriter } from "./wake-pipe.js";

/** A client that has connected attaches within this time, or is let go of. */
const ATTACH_WITHIN_MS = 5000;

/** Requests to the crypto store of one client, in a second and at once: room to add and delete all that it may have. */
const MAX_CRYPTO_REQUESTS = 500;

/** Sizes that clients get who name none, and what they can have at most. */
export interface AttachDefaults {
  readonly segmentBytes: number;
  readonly addSegmentBytes: number;
  readonly maxMemoryBytes: number;
  readonly ringBytes: number;
  readonly maxSessions: number;
  readonly maxWorkersPerApp: number;
}

/** What connections are served by. */
export interface AttachService {
  readonly apps: ExternalApps;
  readonly memory: MemfdHost;
  readonly defaults: AttachDefaults;
  /** Whether one more attempt to attach may be made now. */
  mayTry(): boolean;
  /** A clock that does not go back. */
  nowUs(): number;
  /** The stack must take a turn: a client has asked for something. */
  wake(): void;
  /** One line about a client for whoever runs the stack, unless there were too many just now. */
  complain(line: string): void;
  /** The connection has ended. */
  closed(connection: AttachConnection): void;
}

type Attach = Extract<SocketMessage, { type: "ATTACH" }>;
type WorkerAddDel = Extract<SocketMessage, { type: "WORKER_ADD_DEL" }>;

/** A process at an attach socket: at first only a connection, then a client worker, whose life is the connection's. */
export class AttachConnection implements ClientLink {
  readonly #service: AttachService;
  readonly #socket: SeqpacketSocket;
  readonly #namespace: string;
  readonly #timer: NodeJS.Timeout;
  readonly #cryptoRequests = new TokenBucket(MAX_CRYPTO_REQUESTS);
  #attached: AttachedWorker | undefined;
  #writer: WakeWriter | undefined;
  #reader: WakeReader | undefined;
  #isEnding = false;

  /** @param namespace whose socket it came to */
  constructor(service: AttachService, socket: SeqpacketSocket, namespace: string) {
    this.#service = service;
    this.#socket = socket;
    this.#namespace = namespace;
    this.#timer = setTimeout(() => this.#refuseAll("did not attach in time"), ATTACH_WITHIN_MS);
    socket.onMessage = (bytes) => this.#receive(bytes);
    socket.onClose = () => this.#closed();
  }

  // ---- ClientLink ----

  get peer(): { readonly pid: number; readonly uid: number } {
    const { pid, uid } = this.#socket.peer;
    return { pid, uid };
  }

  wake(): void {
    this.#writer?.signal();
  }

  sendSegment(segment: ClientSegment): void {
    const { handle, memory } = segment;
    const message = encodeSocketMessage({ type: "SEND_FDS", segment: handle, segmentBytes: memory.bytes });
    if (!this.#socket.send(message, [this.#service.memory.fdOf(memory)])) this.end("does not take descriptors");
  }

  end(reason: string): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    if (reason !== "detached") this.#log(reason);
    // Not now: who says so may be in the middle of something with this worker.
    setImmediate(() => this.close());
  }

  /** Ends the connection and what was attached by it. */
  close(): void {
    this.#socket.close();
  }

  // ---- Messages ----

  #log(what: string): void {
    const { uid, pid } = this.#socket.peer;
    this.#service.complain(`attach: process ${pid} of user ${uid} at namespace "${this.#namespace}": ${what}`);
  }

  #refuseAll(what: string): void {
    this.#log(what);
    this.close();
  }

  #receive(bytes: Uint8Array): void {
    const message = parseSocketMessage(bytes);
    if ("error" in message) {
      this.#socket.send(encodeSocketMessage(socketErrorReply(message)));
      this.end(message.text);
      return;
    }
    switch (message.type) {
      case "ATTACH":
        this.#attach(message);
        break;
      case "WORKER_ADD_DEL":
        this.#workerAddDel(message);
        break;
      case "CERT_KEY_ADD_DEL":
      case "TRUST_ADD_DEL":
      case "OCSP_UPDATE":
      case "CRL_UPDATE":
      case "TLS_PROFILE_ADD_DEL":
        this.#crypto(message);
        break;
      default:
        this.#refuseAll(`sent ${message.type}`);
    }
  }

  /** To read a certificate takes a while, so there may be so many in a second; who has not attached is let go of. */
  #crypto(message: CryptoRequest): void {
    const worker = this.#attached?.worker;
    if (worker !== undefined && !this.#cryptoRequests.take(this.#service.nowUs())) {
      this.#refuseAll("asks too much of the crypto store");
      return;
    }
    this.#socket.send(encodeSocketMessage(this.#service.apps.cryptoRequest(worker, message)));
    if (worker === undefined) this.end("asks of the crypto store before it has attached");
  }

  /** A retval, if it may not even try. */
  #mayAttach(): number {
    if (this.#attached !== undefined) return SESSION_E_APP_ATTACHED;
    return this.#service.mayTry() ? 0 : SESSION_E_REFUSED;
  }

  #attach(message: Attach): void {
    const { context, name, namespace } = message;
    let result: AttachedWorker | number = this.#mayAttach();
    // The socket is the namespace's: another is reached by its own.
    if (result === 0 && namespace !== "" && namespace !== this.#namespace) result = SESSION_E_INVALID_NS;
    if (result === 0)
      result = this.#try(() => this.#service.apps.attach(this.#options(message), this.#request(message), this));
    const { rxFifoBytes, txFifoBytes } = message;
    const { maxWorkersPerApp: maxWorkers } = this.#service.defaults;
    if (typeof result === "number") {
      const text = this.#refusal(`attach ${JSON.stringify(name)}`, result);
      const none = { appIndex: 0, ...NO_WORKER_FIELDS, rxFifoBytes: 0, txFifoBytes: 0, maxWorkers: 0 };
      this.#socket.send(encodeSocketMessage({ type: "ATTACH_REPLY", context, retval: result, text, ...none }));
      return;
    }
    const fields = { appIndex: result.worker.app, ...this.#fieldsOf(result), rxFifoBytes, txFifoBytes, maxWorkers };
    this.#adopt(result, encodeSocketMessage({ type: "ATTACH_REPLY", context, retval: 0, text: "", ...fields }));
  }

  #workerAddDel(message: WorkerAddDel): void {
    const { context, isAdd, appHandle } = message;
    let result: AttachedWorker | number;
    if (!isAdd) result = this.#attached === undefined ? SESSION_E_NOAPP : 0;
    else {
      result = this.#mayAttach();
      const { ringBytes, maxSessions } = this.#service.defaults;
      const request = { ringBytes, maxSessions, preallocatedFifoPairs: 0, closesOnDeath: false };
      if (result === 0) result = this.#try(() => this.#service.apps.addWorker(appHandle, request, this));
    }
    if (typeof result === "number") {
      const text = result < 0 ? this.#refusal(isAdd ? "add worker" : "delete worker", result) : "";
      const reply = {
        type: "WORKER_ADD_DEL_REPLY",
        context,
        retval: result,
        text,
        isAdd,
        ...NO_WORKER_FIELDS,
      } as const;
      this.#socket.send(encodeSocketMessage(reply));
      if (!isAdd && result === 0) this.end("detached");
      return;
    }
    const reply = {
      type: "WORKER_ADD_DEL_REPLY",
      context,
      retval: 0,
      text: "",
      isAdd,
      ...this.#fieldsOf(result),
    } as const;
    this.#adopt(result, encodeSocketMessage(reply));
  }

  #try(attach: () => AttachedWorker | number): AttachedWorker | number {
    try {
      return attach();
    } catch (error) {
      // Options of a kind that no check has foreseen: the client's own fault, never ours to end by.
      this.#log(String(error));
      return SESSION_E_INVALID;
    }
  }

  #refusal(what: string, error: number): string {
    const { name, text } = sessionErrorEntry(error);
    this.#log(`${what}: ${name}`);
    return `${what}: ${error === SESSION_E_REFUSED ? "too many attempts, try again in a second" : text}`;
  }

  #options(message: Attach): ApplicationOptions {
    const { defaults } = this.#service;
    const { name, secret, globalScope, localScope, rxFifoBytes, txFifoBytes, highWatermark, lowWatermark } = message;
    const scope: AppScope[] = [];
    if (globalScope) scope.push("global");
    if (localScope) scope.push("local");
    const segmentBytes = message.segmentBytes || defaults.segmentBytes;
    const addSegmentBytes = message.addSegmentBytes || defaults.addSegmentBytes;
    // A first segment that is larger than this is refused.
    const maxFifoMemoryBytes = Math.min(message.maxFifoMemoryBytes || defaults.maxMemoryBytes, defaults.maxMemoryBytes);
    return {
      name,
      namespace: this.#namespace,
      secret,
      ...(scope.length > 0 ? { scope } : {}),
      ...(rxFifoBytes > 0 ? { rxFifoBytes } : {}),
      ...(txFifoBytes > 0 ? { txFifoBytes } : {}),
      segmentBytes,
      addSegmentBytes,
      maxFifoMemoryBytes,
      ...(highWatermark > 0 ? { highWatermark } : {}),
      ...(lowWatermark > 0 ? { lowWatermark } : {}),
    };
  }

  #request({ eventQueueBytes, maxSessions, preallocatedFifoPairs, closesOnDeath }: Attach): WorkerRequest {
    const { defaults } = this.#service;
    return {
      ringBytes: eventQueueBytes || defaults.ringBytes,
      maxSessions: maxSessions || defaults.maxSessions,
      preallocatedFifoPairs,
      closesOnDeath,
    };
  }

  #fieldsOf({ worker, layout, segment, appHandle }: AttachedWorker): WorkerFields {
    return {
      worker: worker.number,
      appHandle,
      ...layout,
      segment: segment.handle,
      segmentBytes: segment.memory.bytes,
    };
  }

  /** The worker is there: its process gets memory and wake pipes, of which we keep only our ends. */
  #adopt(attached: AttachedWorker, reply: Uint8Array): void {
    clearTimeout(this.#timer);
    this.#attached = attached;
    const { memory } = this.#service;
    const [toClient, toStack] = [createWakePipe(), createWakePipe()];
    this.#writer = toClient.writer;
    this.#reader = toStack.reader;
    this.#reader.watch(() => this.#service.wake());
    const fds = [
      memory.fdOf(attached.control),
      memory.fdOf(attached.segment.memory),
      toClient.reader.fd,
      toStack.writer.fd,
    ];
    const isSent = this.#socket.send(reply, fds);
    toClient.reader.close();
    toStack.writer.close();
    if (!isSent) this.end("does not take descriptors");
    // A turn, so that the stack asks for a wake-up by this client before it sleeps.
    this.#service.wake();
  }

  #closed(): void {
    clearTimeout(this.#timer);
    this.#isEnding = true;
    if (this.#attached !== undefined) this.#service.apps.end(this.#attached.worker);
    this.#reader?.close();
    this.#writer?.close();
    this.#service.closed(this);
    this.#service.wake();
  }
}
