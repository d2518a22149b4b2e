import { TLS_MAX_OCSP_BYTES } from "../../transport/tls/engine.js";
import type { Field, FieldValues } from "./fields.js";

// The messages of the unix socket through which a process attaches, as in message-table.ts. Descriptors come with a message
// (SCM_RIGHTS), in the order that its text says.

/** One message of the socket. */
export interface SocketMessageForm {
  readonly number: number;
  readonly direction: "to-app" | "to-stack";
  readonly fields: readonly Field[];
  /** The descriptors that come with it. */
  readonly descriptors: readonly string[];
  readonly doc: string;
}

const CONTEXT = {
  name: "context",
  kind: "u32",
  doc: "a number that a request and its reply have in common",
} as const satisfies Field;
const RETVAL = { name: "retval", kind: "i32", doc: "0 or a negative session error" } as const satisfies Field;
/** Longest text that says what was wrong. */
export const MAX_REASON_BYTES = 512;
const TEXT = { name: "text", kind: "text", max: MAX_REASON_BYTES, doc: "what was wrong" } as const satisfies Field;
const INDEX = { name: "index", kind: "u32", doc: "its index" } as const satisfies Field;
/** Longest PEM text of a certificate, key or list that comes by a message; longer ones are for who runs the stack. */
export const MAX_PEM_MESSAGE_BYTES = 65_536;
const IS_ADD = { name: "isAdd", kind: "flag", doc: "adds; otherwise deletes" } as const satisfies Field;

const CRL = {
  name: "crl",
  kind: "bytes",
  max: MAX_PEM_MESSAGE_BYTES,
  doc: "lists of revoked certificates, PEM; empty: none",
} as const satisfies Field;

/** What a worker finds in the memory that it is given; all of it 0 in a refusal. */
export const WORKER_FIELDS = [
  { name: "worker", kind: "u32", doc: "the worker's number" },
  { name: "appHandle", kind: "handle", doc: "what proves to be of the application, for more workers" },
  { name: "controlBytes", kind: "u32", doc: "size of the control segment" },
  { name: "toAppQueue", kind: "u32", doc: "queue to the application, offset in it" },
  { name: "toAppQueueBytes", kind: "u32", doc: "size of that queue" },
  { name: "toStackQueue", kind: "u32", doc: "queue to the stack, offset in it" },
  { name: "toStackQueueBytes", kind: "u32", doc: "size of that queue" },
  { name: "mirrors", kind: "u32", doc: "fifo mirrors, offset in it" },
  { name: "maxMirrors", kind: "u32", doc: "how many there is room for" },
  { name: "segment", kind: "handle", doc: "handle of the first fifo segment" },
  { name: "segmentBytes", kind: "u32", doc: "size of it" },
] as const satisfies readonly Field[];

/** What a worker is told of its memory. */
export type WorkerFields = FieldValues<typeof WORKER_FIELDS>;

/** The memory of a worker that there is not. */
export const NO_WORKER_FIELDS: WorkerFields = {
  worker: 0,
  appHandle: 0,
  controlBytes: 0,
  toAppQueue: 0,
  toAppQueueBytes: 0,
  toStackQueue: 0,
  toStackQueueBytes: 0,
  mirrors: 0,
  maxMirrors: 0,
  segment: 0,
  segmentBytes: 0,
};

const WORKER_DESCRIPTORS = [
  "control segment",
  "first fifo segment",
  "eventfd that the stack signals",
  "eventfd that the application signals",
] as const;

/** The messages of the socket. */
export const SOCKET_MESSAGES = {
  ATTACH: {
    number: 1,
    direction: "to-stack",
    fields: [
      CONTEXT,
      { name: "name", kind: "text", max: 256, doc: "the application's name" },
      { name: "namespace", kind: "text", max: 256, doc: "empty: the default one" },
      { name: "secret", kind: "text", max: 1024, doc: "the namespace's; a number in decimal" },
      { name: "globalScope", kind: "flag", doc: "the tables of packets; neither scope: this one" },
      { name: "localScope", kind: "flag", doc: "the namespace's table, for cut-through" },
      { name: "rxFifoBytes", kind: "u32", doc: "most unread bytes of a session; 0: as configured" },
      { name: "txFifoBytes", kind: "u32", doc: "most unsent bytes of a session; 0: as configured" },
      { name: "segmentBytes", kind: "u32", doc: "size of the first fifo segment; 0: as configured" },
      { name: "addSegmentBytes", kind: "u32", doc: "size of those added later; 0: none is added" },
      { name: "maxFifoMemoryBytes", kind: "u32", doc: "of all segments together; 0: as configured" },
      { name: "highWatermark", kind: "u32", doc: "percent of the memory in use that is pressure; 0: as configured" },
      { name: "lowWatermark", kind: "u32", doc: "percent of the memory in use that ends it; 0: as configured" },
      { name: "preallocatedFifoPairs", kind: "u32", doc: "sessions for which memory is kept ready" },
      { name: "eventQueueBytes", kind: "u32", doc: "ring of each queue, a power of two; 0: as configured" },
      { name: "maxSessions", kind: "u32", doc: "sessions for which there are to be mirrors; 0: as configured" },
      {
        name: "closesOnDeath",
        kind: "flag",
        doc: "what was written is still sent when the application dies; otherwise: reset",
      },
    ],
    descriptors: [],
    doc: "attaches an application; ATTACH_REPLY answers",
  },
  ATTACH_REPLY: {
    number: 2,
    direction: "to-app",
    fields: [
      CONTEXT,
      RETVAL,
      TEXT,
      { name: "appIndex", kind: "u32", doc: "the application's index" },
      ...WORKER_FIELDS,
      { name: "rxFifoBytes", kind: "u32", doc: "most unread bytes of a session" },
      { name: "txFifoBytes", kind: "u32", doc: "most unsent bytes of a session" },
      { name: "maxWorkers", kind: "u32", doc: "workers that an application may have" },
    ],
    descriptors: WORKER_DESCRIPTORS,
    doc: "attached, with a first worker; or why not, without descriptors",
  },
  WORKER_ADD_DEL: {
    number: 3,
    direction: "to-stack",
    fields: [
      CONTEXT,
      IS_ADD,
      { name: "appHandle", kind: "handle", doc: "of the reply to the application's attach" },
      { name: "worker", kind: "u32", doc: "the one to delete" },
    ],
    descriptors: [],
    doc: "adds a worker, which has this socket; or deletes one; WORKER_ADD_DEL_REPLY answers",
  },
  WORKER_ADD_DEL_REPLY: {
    number: 4,
    direction: "to-app",
    fields: [CONTEXT, RETVAL, TEXT, IS_ADD, ...WORKER_FIELDS],
    descriptors: WORKER_DESCRIPTORS,
    doc: "the worker is there, or was deleted (without descriptors); or why not",
  },
  SEND_FDS: {
    number: 5,
    direction: "to-app",
    fields: [
      { name: "segment", kind: "handle", doc: "handle of the segment" },
      { name: "segmentBytes", kind: "u32", doc: "size of it" },
    ],
    descriptors: ["fifo segment"],
    doc: "the descriptor that APP_ADD_SEGMENT is about",
  },
  CERT_KEY_ADD_DEL: {
    number: 6,
    direction: "to-stack",
    fields: [
      CONTEXT,
      IS_ADD,
      { name: "index", kind: "u32", doc: "the pair to delete" },
      { name: "cert", kind: "bytes", max: MAX_PEM_MESSAGE_BYTES, doc: "the certificate, its chain after it, PEM" },
      { name: "key", kind: "bytes", max: MAX_PEM_MESSAGE_BYTES, doc: "its private key, PEM" },
    ],
    descriptors: [],
    doc: "adds a pair of certificate and key, or deletes one; CERT_KEY_ADD_DEL_REPLY answers",
  },
  CERT_KEY_ADD_DEL_REPLY: {
    number: 7,
    direction: "to-app",
    fields: [CONTEXT, RETVAL, TEXT, INDEX],
    descriptors: [],
    doc: "a pair is there, or gone; or why not",
  },
  TRUST_ADD_DEL: {
    number: 9,
    direction: "to-stack",
    fields: [
      CONTEXT,
      IS_ADD,
      { name: "index", kind: "u32", doc: "the list to delete" },
      { name: "certificates", kind: "bytes", max: MAX_PEM_MESSAGE_BYTES, doc: "trusted certificates, PEM" },
      CRL,
    ],
    descriptors: [],
    doc: "adds a list of trusted certificates, or deletes one; CRYPTO_REPLY answers",
  },
  CRL_UPDATE: {
    number: 10,
    direction: "to-stack",
    fields: [CONTEXT, { name: "index", kind: "u32", doc: "the list of trusted certificates" }, CRL],
    descriptors: [],
    doc: "other lists of revoked certificates in place of those it has; CRYPTO_REPLY answers",
  },
  TLS_PROFILE_ADD_DEL: {
    number: 11,
    direction: "to-stack",
    fields: [
      CONTEXT,
      IS_ADD,
      { name: "index", kind: "u32", doc: "the profile to delete" },
      { name: "minVersion", kind: "u32", doc: "least version, by its number on the wire; 0: the default" },
      { name: "maxVersion", kind: "u32", doc: "last version, likewise" },
      { name: "ciphers", kind: "text", max: 512, doc: "suites of TLS 1.2; empty: the default" },
      { name: "suites", kind: "text", max: 512, doc: "suites of TLS 1.3, likewise" },
      { name: "groups", kind: "text", max: 512, doc: "groups of the key exchange, likewise" },
    ],
    descriptors: [],
    doc: "adds a TLS profile, or deletes one; CRYPTO_REPLY answers",
  },
  CRYPTO_REPLY: {
    number: 12,
    direction: "to-app",
    fields: [CONTEXT, RETVAL, TEXT, INDEX],
    descriptors: [],
    doc: "trust, a profile or a response is there, changed or gone; or why not",
  },
  OCSP_UPDATE: {
    number: 13,
    direction: "to-stack",
    fields: [
      CONTEXT,
      { name: "index", kind: "u32", doc: "the pair" },
      { name: "response", kind: "bytes", max: TLS_MAX_OCSP_BYTES, doc: "OCSP response, DER; empty: none any more" },
    ],
    descriptors: [],
    doc: "what is stapled to a certificate; CRYPTO_REPLY answers",
  },
  ERROR: {
    number: 8,
    direction: "to-app",
    fields: [
      RETVAL,
      { name: "version", kind: "u32", doc: "the stack's" },
      { name: "peerVersion", kind: "u32", doc: "that of the message" },
      TEXT,
    ],
    descriptors: [],
    doc: "a message was refused whose context is not known. It keeps its form, and is read whatever its version is",
  },
} as const satisfies Readonly<Record<string, SocketMessageForm>>;

type Table = typeof SOCKET_MESSAGES;

/** Name of a message of the socket. */
export type SocketMessageName = keyof Table;

/** A message of the socket as an object. */
export type SocketMessageOf<N extends SocketMessageName> = { readonly type: N } & FieldValues<Table[N]["fields"]>;

/** Any message of the socket. */
export type SocketMessage = { [N in SocketMessageName]: SocketMessageOf<N> }[SocketMessageName];

/** What an application asks for that has to do with the crypto store. */
export type CryptoRequestName =
  | "CERT_KEY_ADD_DEL"
  | "OCSP_UPDATE"
  | "TRUST_ADD_DEL"
  | "CRL_UPDATE"
  | "TLS_PROFILE_ADD_DEL";

/** Any of these requests. */
export type CryptoRequest = { [N in CryptoRequestName]: SocketMessageOf<N> }[CryptoRequestName];
