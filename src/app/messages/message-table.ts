import { MAX_RPC_BYTES } from "../app-worker.js";
import type { Field, FieldValues } from "./fields.js";
import { IO_RX, IO_RX_DEQUEUED, IO_TX, IO_TX_ROOM } from "./io-events.js";

// The messages between the stack and an application in another process, by VPP's names (session_evt_type_t without
// SESSION_CTRL_EVT_): from this table come the types, the encoder, the decoder and README.md. Numbers up to 38 are VPP's;
// 2 to 7 VPP keeps to itself. Layouts are our own. What changes here changes MESSAGES_VERSION.

/** Version of both tables of messages, of the queue and of the socket; both sides must have the same. */
export const MESSAGES_VERSION = 6;

/** Smallest ring of a queue that takes the longest message, bytes. */
export const MIN_MESSAGE_RING_BYTES = 32 * 1024;

/** Who sends a message. */
export type Direction = "to-app" | "to-stack" | "both";

/** One message. */
export interface MessageForm {
  readonly number: number;
  readonly direction: Direction;
  /**
   * What the second word of the record is: `context`, the number that a request and its reply have in common; `session`, the
   * session's index; `none`: 0.
   */
  readonly argument: "context" | "session" | "none";
  readonly fields: readonly Field[];
  readonly doc: string;
}

/** One event of the data path. */
export type IoEventForm = Pick<MessageForm, "number" | "direction" | "doc">;

/** What a session is to who gets it. */
export const SESSION_FIELDS = [
  { name: "handle", kind: "handle", doc: "its name for good; the index is part of it" },
  { name: "proto", kind: "u32", doc: "transport, by VPP's number; 2: cut-through" },
  { name: "local", kind: "maybeEndpoint", doc: "local end" },
  { name: "remote", kind: "maybeEndpoint", doc: "remote end; of a listener: none" },
  { name: "rxMirror", kind: "u32", doc: "mirror of the rx fifo, offset in the control segment; 0: none" },
  { name: "txMirror", kind: "u32", doc: "mirror of the tx fifo, likewise" },
  { name: "rxFifoBytes", kind: "u32", doc: "most unread bytes" },
  { name: "txFifoBytes", kind: "u32", doc: "most unsent bytes" },
  { name: "rxSegment", kind: "handle", doc: "segment with the rx fifo's chunks" },
  { name: "txSegment", kind: "handle", doc: "segment with the tx fifo's chunks" },
] as const satisfies readonly Field[];

/** What is told of a session to who gets it. */
export type SessionFields = FieldValues<typeof SESSION_FIELDS>;

/** The session of a reply that says that there is none. */
export const NO_SESSION_FIELDS: SessionFields = {
  handle: 0,
  proto: 0,
  local: undefined,
  remote: undefined,
  rxMirror: 0,
  txMirror: 0,
  rxFifoBytes: 0,
  txFifoBytes: 0,
  rxSegment: 0,
  txSegment: 0,
};

const RETVAL = { name: "retval", kind: "i32", doc: "0 or a negative session error" } as const satisfies Field;
const HANDLE = { name: "handle", kind: "handle", doc: "the session" } as const satisfies Field;
const TOKEN = { name: "token", kind: "handle", doc: "names the flow" } as const satisfies Field;
const WORKER = {
  name: "worker",
  kind: "u32",
  doc: "a worker of the application, by its number",
} as const satisfies Field;
const URI = { name: "uri", kind: "text", max: 320, doc: "`proto://address/port`" } as const satisfies Field;
const EXT_CONFIG = {
  name: "extConfig",
  kind: "bytes",
  max: 512,
  doc: "extended configuration, parts with kind and length; empty: none",
} as const satisfies Field;

const LISTEN_FIELDS = [
  { name: "backlog", kind: "u32", doc: "half-open connections at most; 0: as configured" },
  { name: "connected", kind: "flag", doc: "datagrams: a session per peer" },
  { name: "proxy", kind: "flag", doc: "every port of the address" },
  EXT_CONFIG,
] as const satisfies readonly Field[];

const CONNECT_FIELDS = [
  { name: "attributes", kind: "attributes", doc: "set before the first segment" },
  EXT_CONFIG,
] as const satisfies readonly Field[];

/** Longest certificate of a peer that TLS_INFO has, and most of its issuers, bytes. */
export const MAX_TLS_INFO_DER = 6144;

/** `decision` of FLOW_ANSWER: an application; below it the FLOW_VERDICTS by number, above it the default. */
export const FLOW_ANSWER_APPLICATION = 3;

/** Events of the data path, which carry nothing but the session's index: see io-events.ts. */
export const IO_EVENTS = {
  IO_RX: { number: IO_RX, direction: "to-app", doc: "something came into the rx fifo" },
  IO_TX: { number: IO_TX, direction: "to-stack", doc: "something was put into the tx fifo" },
  IO_TX_ROOM: { number: IO_TX_ROOM, direction: "to-app", doc: "room in the tx fifo, which was asked for" },
  IO_RX_DEQUEUED: { number: IO_RX_DEQUEUED, direction: "to-stack", doc: "room in the rx fifo, which was asked for" },
} as const satisfies Readonly<Record<string, IoEventForm>>;

/** The messages. */
export const MESSAGES = {
  LISTEN: {
    number: 24,
    direction: "to-stack",
    argument: "context",
    fields: [
      { name: "proto", kind: "u32", doc: "transport, by VPP's number" },
      { name: "local", kind: "endpoint", doc: "where; port 0: any" },
      ...LISTEN_FIELDS,
    ],
    doc: "listens; BOUND answers",
  },
  LISTEN_URI: {
    number: 25,
    direction: "to-stack",
    argument: "context",
    fields: [URI, ...LISTEN_FIELDS],
    doc: "listens; BOUND answers",
  },
  BOUND: {
    number: 9,
    direction: "to-app",
    argument: "context",
    fields: [RETVAL, ...SESSION_FIELDS],
    doc: "a listener was made, or not; mirrors are those of a listener of datagrams",
  },
  UNLISTEN: { number: 26, direction: "to-stack", argument: "context", fields: [HANDLE], doc: "ends a listener" },
  UNLISTEN_REPLY: {
    number: 10,
    direction: "to-app",
    argument: "context",
    fields: [RETVAL, HANDLE],
    doc: "a listener is about to be freed, or is none; context 0: by the stack",
  },
  CONNECT: {
    number: 22,
    direction: "to-stack",
    argument: "context",
    fields: [
      { name: "proto", kind: "u32", doc: "transport, by VPP's number" },
      { name: "remote", kind: "endpoint", doc: "where to" },
      { name: "local", kind: "maybeEndpoint", doc: "where from; none, or address or port 0: chosen" },
      ...CONNECT_FIELDS,
    ],
    doc: "starts an active open; CONNECTED answers",
  },
  CONNECT_URI: {
    number: 23,
    direction: "to-stack",
    argument: "context",
    fields: [
      URI,
      { name: "from", kind: "text", max: 320, doc: "where from, as a URI; empty: chosen" },
      ...CONNECT_FIELDS,
    ],
    doc: "starts an active open; CONNECTED answers",
  },
  CONNECT_STREAM: {
    number: 37,
    direction: "to-stack",
    argument: "context",
    fields: [{ name: "parent", kind: "handle", doc: "the connection" }, EXT_CONFIG],
    doc: "opens a stream within a connection; CONNECTED answers (NOSUPPORT without such a transport)",
  },
  CONNECTED: {
    number: 13,
    direction: "to-app",
    argument: "context",
    fields: [RETVAL, ...SESSION_FIELDS],
    doc: "an active open ended",
  },
  HALF_CLEANUP: {
    number: 36,
    direction: "to-app",
    argument: "session",
    fields: [{ name: "context", kind: "u32", doc: "of the connect" }],
    doc: "the half-open part of an active open has gone",
  },
  ACCEPTED: {
    number: 11,
    direction: "to-app",
    argument: "session",
    fields: [{ name: "listener", kind: "handle", doc: "who accepted it" }, ...SESSION_FIELDS],
    doc: "a listener accepted a session; ACCEPTED_REPLY answers",
  },
  ACCEPTED_REPLY: {
    number: 12,
    direction: "to-stack",
    argument: "none",
    fields: [HANDLE, RETVAL],
    doc: "takes the session, or refuses it",
  },
  DISCONNECTED: {
    number: 14,
    direction: "to-app",
    argument: "session",
    fields: [],
    doc: "the peer sends no more; DISCONNECTED_REPLY answers",
  },
  DISCONNECTED_REPLY: {
    number: 15,
    direction: "to-stack",
    argument: "none",
    fields: [HANDLE, RETVAL],
    doc: "the application was told of the peer's end",
  },
  RESET: {
    number: 8,
    direction: "to-app",
    argument: "session",
    fields: [{ name: "error", kind: "i32", doc: "the session error behind it; UNKNOWN: the peer" }],
    doc: "the connection was reset; RESET_REPLY answers",
  },
  RESET_REPLY: {
    number: 16,
    direction: "to-stack",
    argument: "none",
    fields: [HANDLE, RETVAL],
    doc: "the application was told of the reset",
  },
  TRANSPORT_CLOSED: {
    number: 35,
    direction: "to-app",
    argument: "session",
    fields: [],
    doc: "all is sent and acknowledged, both ends are closed",
  },
  CLEANUP: {
    number: 31,
    direction: "to-app",
    argument: "session",
    fields: [{ name: "phase", kind: "u32", doc: "0: the transport's part goes, 1: the session itself" }],
    doc: "a part of the session goes; CLEANUP_REPLY answers phase 1",
  },
  CLEANUP_REPLY: {
    number: 47,
    direction: "to-stack",
    argument: "none",
    fields: [HANDLE],
    doc: "the application has forgotten the session: its mirrors may be another's",
  },
  SHUTDOWN: {
    number: 20,
    direction: "to-stack",
    argument: "none",
    fields: [HANDLE],
    doc: "ends the writing direction",
  },
  DISCONNECT: { number: 21, direction: "to-stack", argument: "none", fields: [HANDLE], doc: "closes both directions" },
  TERMINATE: {
    number: 38,
    direction: "to-stack",
    argument: "none",
    fields: [HANDLE],
    doc: "ends the session by a reset",
  },
  URGENT: {
    number: 42,
    direction: "to-app",
    argument: "session",
    fields: [{ name: "end", kind: "i32", doc: "position of the rx fifo where it ends" }],
    doc: "urgent data was announced, or its end moved on",
  },
  TX_URGENT: {
    number: 44,
    direction: "to-stack",
    argument: "none",
    fields: [HANDLE, { name: "end", kind: "i32", doc: "position of the tx fifo where it ends" }],
    doc: "what was written up to there is urgent",
  },
  SOFT_ERROR: {
    number: 43,
    direction: "to-app",
    argument: "session",
    fields: [{ name: "kind", kind: "u32", doc: "of src/session/soft-error.ts" }],
    doc: "something befell the connection that does not end it",
  },
  MIGRATED: {
    number: 30,
    direction: "to-app",
    argument: "session",
    fields: [{ name: "newHandle", kind: "handle", doc: "its name from now on" }],
    doc: "the session moved to another engine",
  },
  WORKER_UPDATE: {
    number: 18,
    direction: "to-stack",
    argument: "context",
    fields: [HANDLE, WORKER],
    doc: "asks for a session, for this worker; WORKER_UPDATE_REPLY answers. Or lets go of it, for the worker that wants it",
  },
  REQ_WORKER_UPDATE: {
    number: 17,
    direction: "to-app",
    argument: "session",
    fields: [WORKER],
    doc: "another worker, that one, wants the session; WORKER_UPDATE answers",
  },
  WORKER_UPDATE_REPLY: {
    number: 19,
    direction: "to-app",
    argument: "context",
    fields: [RETVAL, ...SESSION_FIELDS],
    doc: "the session is this worker's, or not",
  },
  APP_WRK_RPC: {
    number: 32,
    direction: "both",
    argument: "none",
    fields: [
      { name: "worker", kind: "u32", doc: "to the stack: to whom; to the application: from whom" },
      { name: "data", kind: "bytes", max: MAX_RPC_BYTES, doc: "the application's own" },
    ],
    doc: "a message from worker to worker",
  },
  TRANSPORT_ATTR: {
    number: 33,
    direction: "to-stack",
    argument: "context",
    fields: [
      HANDLE,
      { name: "attribute", kind: "attribute", doc: "which" },
      { name: "isSet", kind: "flag", doc: "sets it to `value`; otherwise reads it" },
      { name: "value", kind: "i32", doc: "to set" },
    ],
    doc: "reads or sets an attribute; TRANSPORT_ATTR_REPLY answers",
  },
  TRANSPORT_ATTR_REPLY: {
    number: 34,
    direction: "to-app",
    argument: "context",
    fields: [RETVAL, { name: "value", kind: "i32", doc: "that was read" }],
    doc: "an attribute",
  },
  STATISTICS: {
    number: 45,
    direction: "to-stack",
    argument: "context",
    fields: [HANDLE],
    doc: "asks for the connection's counters and variables; STATISTICS_REPLY answers",
  },
  STATISTICS_REPLY: {
    number: 46,
    direction: "to-app",
    argument: "context",
    fields: [RETVAL, { name: "json", kind: "text", max: 8192, doc: "an object of numbers by name" }],
    doc: "statistics",
  },
  APP_ADD_SEGMENT: {
    number: 28,
    direction: "to-app",
    argument: "none",
    fields: [
      { name: "segment", kind: "handle", doc: "its handle; SEND_FDS brought its descriptor before" },
      { name: "segmentBytes", kind: "u32", doc: "its size" },
    ],
    doc: "a fifo segment was added",
  },
  APP_DEL_SEGMENT: {
    number: 29,
    direction: "to-app",
    argument: "none",
    fields: [{ name: "segment", kind: "handle", doc: "its handle" }],
    doc: "a fifo segment is in use no more",
  },
  FLOW_HOOK: {
    number: 48,
    direction: "to-stack",
    argument: "context",
    fields: [{ name: "isOn", kind: "flag", doc: "from now on, or no more" }],
    doc: "the worker decides on the new flows of its namespace; FLOW_HOOK_REPLY answers",
  },
  FLOW_HOOK_REPLY: {
    number: 49,
    direction: "to-app",
    argument: "context",
    fields: [RETVAL],
    doc: "the worker is asked from now on, or is not",
  },
  FLOW: {
    number: 50,
    direction: "to-app",
    argument: "none",
    fields: [
      TOKEN,
      { name: "proto", kind: "u32", doc: "transport, by VPP's number" },
      { name: "local", kind: "endpoint", doc: "where it goes" },
      { name: "remote", kind: "endpoint", doc: "whose it is" },
      { name: "interface", kind: "text", max: 256, doc: "interface that it came in on; empty: the stack sent it" },
      { name: "namespace", kind: "text", max: 256, doc: "id of the namespace" },
      { name: "application", kind: "text", max: 256, doc: "name of who would take it; empty: nobody would" },
    ],
    doc: "a new flow; FLOW_ANSWER decides on it",
  },
  FLOW_ANSWER: {
    number: 51,
    direction: "to-stack",
    argument: "context",
    fields: [
      TOKEN,
      { name: "decision", kind: "u32", doc: "0 accept, 1 reset, 2 drop, 3 an application, others: the default" },
      { name: "application", kind: "text", max: 256, doc: "which; empty: see index" },
      { name: "index", kind: "u32", doc: "the application by its index" },
    ],
    doc: "a decision on a flow; FLOW_ANSWER_REPLY answers",
  },
  FLOW_ANSWER_REPLY: {
    number: 52,
    direction: "to-app",
    argument: "context",
    fields: [RETVAL],
    doc: "the decision was taken; or not: NOSESSION, it came too late",
  },
  SUBSCRIBE: {
    number: 53,
    direction: "to-stack",
    argument: "context",
    fields: [HANDLE, { name: "isOn", kind: "flag", doc: "from now on, or no more" }],
    doc: "the worker hears of another worker's session; SUBSCRIBE_REPLY answers",
  },
  SUBSCRIBE_REPLY: {
    number: 54,
    direction: "to-app",
    argument: "context",
    fields: [RETVAL],
    doc: "the worker hears of the session, or not",
  },
  SUBSCRIBED: {
    number: 55,
    direction: "to-app",
    argument: "none",
    fields: [HANDLE, { name: "what", kind: "u32", doc: "0 rx, 1 tx, 2: the session goes" }],
    doc: "something happened to a session of another worker",
  },
  EVT_COLLECTOR: {
    number: 56,
    direction: "to-stack",
    argument: "context",
    fields: [],
    doc: "the worker wants to hear of sessions that ended; EVT_COLLECTOR_REPLY answers",
  },
  EVT_COLLECTOR_REPLY: {
    number: 57,
    direction: "to-app",
    argument: "context",
    fields: [RETVAL],
    doc: "the worker hears of them, until it ends, or does not",
  },
  SESSION_STATS: {
    number: 58,
    direction: "to-app",
    argument: "none",
    fields: [
      {
        name: "json",
        kind: "text",
        max: 8192,
        doc: "what is known of it: SessionStats of src/session/session-stats.ts",
      },
    ],
    doc: "a session has ended",
  },
  TLS_INFO: {
    number: 59,
    direction: "to-app",
    argument: "none",
    fields: [
      HANDLE,
      { name: "version", kind: "text", max: 64, doc: "as `TLSv1.3`" },
      { name: "cipher", kind: "text", max: 128, doc: "suite, by OpenSSL's name" },
      { name: "standardCipher", kind: "text", max: 128, doc: "the same by that of the standards" },
      { name: "alpn", kind: "text", max: 512, doc: "application protocol; empty: none" },
      { name: "serverName", kind: "text", max: 1024, doc: "as the client said it (SNI); empty: none" },
      {
        name: "certificate",
        kind: "bytes",
        max: MAX_TLS_INFO_DER,
        doc: "the peer's, DER; empty: none, or it is longer",
      },
      {
        name: "issuers",
        kind: "bytes",
        max: MAX_TLS_INFO_DER,
        doc: "those of its issuers, one after the other; empty: it was not verified, or they are longer",
      },
      { name: "resumed", kind: "flag", doc: "whether the handshake was short" },
      { name: "verifyError", kind: "text", max: 64, doc: "what is wrong with the certificate; empty: nothing" },
      { name: "verifyReason", kind: "text", max: 512, doc: "the same in OpenSSL's words" },
    ],
    doc: "what was agreed on with the peer of a session of TLS; before the message that gives the session",
  },
  APP_CRYPTO_ASYNC: {
    number: 60,
    direction: "to-app",
    argument: "none",
    fields: [
      { name: "token", kind: "handle", doc: "names the handshake" },
      { name: "listener", kind: "handle", doc: "where it is" },
      { name: "serverName", kind: "text", max: 1024, doc: "as the client said it (SNI); empty: none" },
    ],
    doc: "a handshake waits for a certificate; APP_CRYPTO_ASYNC_REPLY says it",
  },
  APP_CRYPTO_ASYNC_REPLY: {
    number: 61,
    direction: "to-stack",
    argument: "none",
    fields: [
      { name: "token", kind: "handle", doc: "names the handshake" },
      { name: "pair", kind: "i32", doc: "index of the certificate; negative: there is none" },
    ],
    doc: "the certificate of a handshake; too late: it is for nobody",
  },
  APP_DETACH: {
    number: 27,
    direction: "to-stack",
    argument: "context",
    fields: [],
    doc: "ends the worker; DETACHED answers",
  },
  DETACHED: {
    number: 41,
    direction: "to-app",
    argument: "context",
    fields: [],
    doc: "the worker is attached no more, its sessions are gone; context 0: by the stack",
  },
} as const satisfies Readonly<Record<string, MessageForm>>;

type Table = typeof MESSAGES;

/** Name of a message. */
export type MessageName = keyof Table;

/** A message as an object. */
export type MessageOf<N extends MessageName> = { readonly type: N } & {
  readonly [A in Table[N]["argument"] as A extends "none" ? never : A]: number;
} & FieldValues<Table[N]["fields"]>;

/** Messages that may go there. */
export type MessageTowards<D extends Direction> = {
  [N in MessageName]: Table[N]["direction"] extends D | "both" ? MessageOf<N> : never;
}[MessageName];

/** Any message. */
export type Message = { [N in MessageName]: MessageOf<N> }[MessageName];
