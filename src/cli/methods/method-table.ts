import { RT_BACKENDS } from "../../session/rt-backend.js";
import { MAX_TAG_LENGTH } from "../../session/rule-record.js";
import { MAX_AUTO_SDL_THRESHOLD, MAX_AUTO_SDL_TIMEOUT_S, SDL_ACTIONS } from "../../session/sdl-record.js";
import { SESSION_STATE_NAMES } from "../../session/session-table.js";
import { TLS_VERSION_WORDS } from "../../transport/tls/versions.js";
import {
  APP,
  AUTO_SDL,
  AUTO_SDL_PEER,
  BUFFER_STATISTICS,
  COLLECTORS,
  COUNTERS,
  CRYPTO,
  CRYPTO_ADDED,
  ERROR_STATISTICS,
  FLOW_HOOKS,
  INTERFACE,
  NAMESPACE,
  NEIGHBOUR,
  NOTHING,
  ROUTE,
  RUNTIME_STATISTICS,
  SDL_ENTRY,
  SEGMENT_STATISTICS,
  SESSION,
  SESSION_COUNT,
  TABLE,
  TCP_STATISTICS,
  VERSION,
} from "./results.js";
import {
  type Field,
  field,
  type FieldValues,
  int,
  list,
  name,
  object,
  optional,
  type Shape,
  text,
  type ValueOf,
  word,
} from "./shape.js";

// The methods of the control socket. This table makes the types, the checks and the dispatcher, and the page README.md.

/** Version of the methods; a request of another one is refused. */
export const METHODS_VERSION = 1;

/** One method. */
export interface MethodForm {
  readonly params: readonly Field[];
  readonly result: Shape;
  /** Whether it changes something. */
  readonly changes: boolean;
  readonly doc: string;
}

const MAX_INDEX = 0x7fff_ffff;
/** Verdicts that a route may have in place of paths. */
export const VERDICTS = ["drop", "unreachable", "local", "punt"] as const;

/** Most paths of a route in one request. */
const MAX_PATHS = 64;
/** Most sessions in an answer; `first` asks for those behind them. */
const MAX_LISTED = 10_000;
/** Most entries of the source deny list in one request, and in an answer. */
const MAX_SDL_ENTRIES = 128;
/** Most entries, or peers, in an answer. */
export const MAX_SDL_LISTED = 1_000_000;

const INTERFACE_NAME = { kind: "interface" } as const satisfies Shape;
const ADDRESS = { kind: "address" } as const satisfies Shape;
const PREFIX = { kind: "prefix" } as const satisfies Shape;
const END = { kind: "end" } as const satisfies Shape;
const FLAG = { kind: "flag" } as const satisfies Shape;
const MAC = { kind: "mac" } as const satisfies Shape;
const SESSION_NAME = { kind: "session" } as const satisfies Shape;

const ON = field("interface", INTERFACE_NAME, "interface");
const FAMILY = optional("family", { kind: "family" }, "both when absent");
const TABLE_0 = optional("table", int(0, MAX_INDEX), "table; 0 when absent");
const NAMESPACE_ID = field("id", name(64), "id");

const SESSION_FILTER = [
  optional("proto", name(16), "of this transport"),
  optional("state", word(SESSION_STATE_NAMES), "in this state"),
  optional("role", word(["server", "client"]), "listeners, or what was connected from here"),
  optional("app", int(0, MAX_INDEX), "of the application of this index"),
  optional("first", int(0, MAX_INDEX), "of this index or above"),
  optional("last", int(0, MAX_INDEX), "of this index or below"),
  optional("local", END, "with this local end"),
  optional("remote", END, "with this remote end"),
  optional("either", END, "with this end on either side"),
] as const;

const NAMESPACE_OR_DEFAULT = optional("namespace", name(64), "in its tables; the default one when absent");
const TAG = optional("tag", text(MAX_TAG_LENGTH), "one entry of a table has it");
const IN_TABLES_OF = optional("namespace", name(64), "only in its tables");

const SOURCE_RANGE = [
  field("first", ADDRESS, "address"),
  optional("last", ADDRESS, "end of the range; first when absent"),
  TABLE_0,
] as const;

const COLLECTED = [
  field("app", int(0, MAX_INDEX), "index of the application"),
  optional("listener", int(0, MAX_INDEX), "index of its listening session; absent: all sessions"),
] as const;

const PATH = text(4096);
const CRYPTO_APP = optional("app", int(0, MAX_INDEX), "index of the application that has it; absent: the stack");

/** A method that reads. */
function reads<const P extends readonly Field[], R extends Shape>(
  params: P,
  result: R,
  doc: string,
): { readonly params: P; readonly result: R; readonly changes: false; readonly doc: string } {
  return { params, result, changes: false, doc };
}

/** A method that changes something, and says nothing. */
function changes<const P extends readonly Field[]>(
  params: P,
  doc: string,
): { readonly params: P; readonly result: typeof NOTHING; readonly changes: true; readonly doc: string } {
  return { params, result: NOTHING, changes: true, doc };
}

/** The methods. */
export const METHODS = {
  "stack.version": reads([], VERSION, "what runs"),

  "interface.list": reads([optional("interface", INTERFACE_NAME, "only this one")], list(INTERFACE), "interfaces"),
  "interface.state": changes(
    [ON, field("state", word(["up", "down"]), "the new state")],
    "lets an interface take and send packets, or not",
  ),
  "interface.mtu": changes(
    [ON, field("mtu", int(68, 65_535), "bytes, at most the device's; 1280 at least with IPv6")],
    "changes the largest IP packet that is sent",
  ),
  "interface.table": changes(
    [ON, field("table", int(0, MAX_INDEX), "table")],
    "looks packets from an interface without addresses up in another table",
  ),
  "interface.mode": changes(
    [
      ON,
      optional("promiscuous", FLAG, "takes frames and packets for any destination; as it is when absent"),
      optional("spoofing", FLAG, "lets sessions have addresses that no interface has; as it is when absent"),
    ],
    "lets an interface answer for others: open sessions stay as they are",
  ),
  "interface.address.add": changes([ON, field("prefix", PREFIX, "`address/length`")], "gives an interface an address"),
  "interface.address.del": changes([ON, field("prefix", PREFIX, "`address/length`")], "takes an address away"),

  "table.list": reads([], list(TABLE), "tables, each of both families"),
  "table.add": changes([field("table", int(1, MAX_INDEX), "its number")], "makes a table"),
  "table.del": changes([field("table", int(1, MAX_INDEX), "its number")], "removes a table that nothing uses"),

  "route.list": reads(
    [
      FAMILY,
      optional("table", int(0, MAX_INDEX), "only of this table"),
      optional("address", ADDRESS, "only the route that it takes, in each table"),
    ],
    list(ROUTE),
    "routes; those of link scope only when neither table nor address is given",
  ),
  "route.add": changes(
    [
      field("prefix", PREFIX, "destinations"),
      optional(
        "paths",
        list(
          object(
            optional("via", ADDRESS, "next hop; absent: destinations are neighbours on the interface"),
            optional("interface", INTERFACE_NAME, "absent: the one whose subnet covers the next hop"),
            optional("weight", int(1, 255), "its share; 1 when absent"),
          ),
          MAX_PATHS,
        ),
        "ways to them",
      ),
      optional("verdict", word(VERDICTS), "in place of paths"),
      TABLE_0,
    ],
    "adds a route, or replaces it",
  ),
  "route.del": changes([field("prefix", PREFIX, "destinations"), TABLE_0], "removes a route that route.add made"),

  "neighbour.list": reads(
    [FAMILY, optional("interface", INTERFACE_NAME, "only behind this one")],
    list(NEIGHBOUR),
    "neighbours",
  ),
  "neighbour.set": changes(
    [ON, field("address", ADDRESS, "its address"), field("mac", MAC, "its hardware address")],
    "configures a neighbour, for good",
  ),
  "neighbour.del": changes([ON, field("address", ADDRESS, "its address")], "forgets a neighbour"),

  "namespace.list": reads([optional("id", name(64), "only this one")], list(NAMESPACE), "application namespaces"),
  "namespace.add": changes(
    [
      NAMESPACE_ID,
      optional("secret", { kind: "secret" }, "who attaches must know it"),
      optional("interface", INTERFACE_NAME, "its addresses are the namespace's, and its tables"),
      optional("table4", int(0, MAX_INDEX), "without interface: table of IPv4"),
      optional("table6", int(0, MAX_INDEX), "without interface: table of IPv6; neither: 0 and 0"),
    ],
    "adds an application namespace, or changes it for who comes later",
  ),
  "namespace.del": changes([NAMESPACE_ID], "deletes a namespace: its applications are detached"),

  "app.list": reads([], list(APP), "applications"),
  "app.get": reads([field("app", int(0, MAX_INDEX), "its index")], APP, "an application"),

  "collector.list": reads([], COLLECTORS, "event collectors, and the applications that they are told of"),
  "collector.add": changes(
    COLLECTED,
    "collectors are told of the sessions of an application, or of one of its listeners",
  ),
  "collector.del": changes(COLLECTED, "collectors are told of them no more"),

  "crypto.list": reads(
    [optional("app", int(0, MAX_INDEX), "only of the application of this index; absent: of all, and the stack's")],
    CRYPTO,
    "certificates, trust and TLS profiles, without keys",
  ),
  "crypto.add": {
    params: [
      field(
        "kind",
        word(["certificate", "trust", "crl", "ocsp", "tls-profile"]),
        "what; crl replaces the lists of a trust, ocsp the response that is stapled to a certificate",
      ),
      CRYPTO_APP,
      optional("name", name(64), "what to call it; one of a kind has it"),
      optional("certificate", PATH, "certificate: file, PEM, at most 64 KiB, its chain after it"),
      optional("key", PATH, "certificate: file with its key, likewise"),
      optional("certificates", PATH, "trust: file with the trusted certificates, PEM, at most 16 MiB"),
      optional("crl", PATH, "trust, crl: file with lists of revoked ones, likewise"),
      optional("trust", name(64), "crl: the trust, by index or name"),
      optional("ocsp", PATH, "ocsp: file with the response, DER, at most 16,380 bytes"),
      optional("pair", name(64), "ocsp: the certificate, by index or name"),
      optional("minVersion", word(TLS_VERSION_WORDS), "tls-profile: least version"),
      optional("maxVersion", word(TLS_VERSION_WORDS), "tls-profile: last version"),
      optional("ciphers", text(511), "tls-profile: suites of TLS 1.2, in OpenSSL's words"),
      optional("suites", text(511), "tls-profile: suites of TLS 1.3"),
      optional("groups", text(511), "tls-profile: groups of the key exchange, best first"),
    ],
    result: CRYPTO_ADDED,
    changes: true,
    doc: "adds to the crypto store; files are read by the stack, by absolute path",
  },
  "crypto.del": changes(
    [
      field("kind", word(["certificate", "trust", "tls-profile"]), "what"),
      CRYPTO_APP,
      field("which", name(64), "by index or name"),
    ],
    "takes something out of the crypto store; listeners and connections keep what they have",
  ),

  "session.enable": changes(
    [optional("rtBackend", word(RT_BACKENDS), "engine that decides on flows; it stays until session.disable")],
    "lets applications attach",
  ),
  "session.disable": changes(
    [],
    "detaches every application, lets none attach, and forgets the session rules and the source deny list",
  ),
  "session.list": reads(
    [
      ...SESSION_FILTER,
      optional("max", int(1, MAX_LISTED), "sessions at most; 1000 when absent"),
      optional("verbose", int(0, 2), "1: with transport and workers; 2: with all variables of the transport"),
    ],
    list(SESSION),
    "sessions, by index",
  ),
  "session.count": reads(SESSION_FILTER, SESSION_COUNT, "how many sessions there are"),
  "session.get": reads([field("session", SESSION_NAME, "session")], SESSION, "a session, as verbose 2 shows it"),
  "session.clear": changes([field("session", SESSION_NAME, "session")], "ends a session at once, by a reset"),

  "flow.list": reads([], FLOW_HOOKS, "hooks that decide on new flows"),

  "sdl.list": reads(
    [
      IN_TABLES_OF,
      optional("address", ADDRESS, "only the entry that decides on this peer, in each table"),
      optional("max", int(1, MAX_SDL_LISTED), "entries at most; 1000 when absent"),
    ],
    list(SDL_ENTRY),
    "entries of the source deny list, by table; what drops before what is allowed, by address",
  ),
  "sdl.add": changes(
    [
      NAMESPACE_OR_DEFAULT,
      field(
        "entries",
        list(
          object(
            field("remote", PREFIX, "peers; not everything"),
            optional("action", word(SDL_ACTIONS), "drop when absent"),
            TAG,
          ),
          MAX_SDL_ENTRIES,
        ),
        "entries",
      ),
    ],
    "adds entries to the source deny list, in turn: those before one that cannot be added are there",
  ),
  "sdl.del": changes(
    [
      NAMESPACE_OR_DEFAULT,
      field(
        "entries",
        list(
          object(optional("remote", PREFIX, "exactly these peers"), optional("tag", TAG.shape, "in place of remote")),
          MAX_SDL_ENTRIES,
        ),
        "entries",
      ),
    ],
    "deletes entries, in turn: those before one that is not there are gone",
  ),

  "auto-sdl.enable": changes(
    [
      optional("threshold", int(1, MAX_AUTO_SDL_THRESHOLD), "incomplete handshakes by which a peer is denied"),
      optional("removeTimeoutS", int(1, MAX_AUTO_SDL_TIMEOUT_S), "how long it is denied, and its count kept"),
    ],
    "lets peers that never complete handshakes get into the source deny list; what is absent, as configured",
  ),
  "auto-sdl.disable": changes([], "stops that, and deletes the entries of such peers"),
  "auto-sdl.get": reads([], AUTO_SDL, "whether it is on, and what it knows"),
  "auto-sdl.list": reads(
    [
      IN_TABLES_OF,
      optional("address", ADDRESS, "only this peer, in each table"),
      optional("max", int(1, MAX_SDL_LISTED), "peers at most; 1000 when absent"),
    ],
    list(AUTO_SDL_PEER),
    "peers that auto-sdl knows, those that are denied first",
  ),

  "source-address.add": changes(
    SOURCE_RANGE,
    "gives addresses that active opens come from in turn, when they name none",
  ),
  "source-address.del": changes(SOURCE_RANGE, "takes such addresses away"),

  "statistics.sessions": reads([], COUNTERS, "how often each session error was answered"),
  "statistics.lookup": reads([], COUNTERS, "entries of the lookup tables"),
  "statistics.tcp": reads([], TCP_STATISTICS, "connections by state, sums of their statistics, counters of TCP nodes"),
  "statistics.segments": reads([], SEGMENT_STATISTICS, "memory of the session fifos"),
  "statistics.buffers": reads([], BUFFER_STATISTICS, "packet buffers"),
  "statistics.runtime": reads(
    [optional("all", { kind: "flag" }, "nodes without packets too")],
    RUNTIME_STATISTICS,
    "calls, packets and time of nodes",
  ),
  "statistics.errors": reads([], ERROR_STATISTICS, "event counters of nodes that are not 0"),
} as const satisfies Readonly<Record<string, MethodForm>>;

/** The table of methods. */
export type Methods = typeof METHODS;

/** Name of a method. */
export type MethodName = keyof Methods;

/** The parameters of a method. */
export type MethodParams<M extends MethodName> = FieldValues<Methods[M]["params"]>;

/** What a method answers with. */
export type MethodResult<M extends MethodName> = ValueOf<Methods[M]["result"]>;

/** Whether something that came from outside is a method's name. */
export function isMethodName(value: unknown): value is MethodName {
  return typeof value === "string" && Object.hasOwn(METHODS, value);
}
