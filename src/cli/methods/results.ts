import { FLOW_VERDICTS } from "../../session/flow-record.js";
import { SDL_ACTIONS } from "../../session/sdl-record.js";
import { MEMORY_PRESSURES } from "../../session/segment-manager.js";
import { SESSION_STATE_NAMES } from "../../session/session-table.js";
import { TLS_VERSION_WORDS } from "../../transport/tls/versions.js";
import { field, int, list, maybe, object, optional, type Shape, text, word } from "./shape.js";

// What methods answer with: the same as the CLI's commands print with --json.

const COUNT = int();
const NUMBER = { kind: "number" } as const satisfies Shape;
const FLAG = { kind: "flag" } as const satisfies Shape;
const COUNTS = { kind: "counts" } as const satisfies Shape;
const ADDRESS = { kind: "address" } as const satisfies Shape;
const PREFIX = { kind: "prefix" } as const satisfies Shape;
const INDEX = int(0, 0x7fff_ffff);

/** Nothing: the method is done. */
export const NOTHING = { kind: "nothing" } as const satisfies Shape;

/** One interface. */
export const INTERFACE = object(
  field("name", text(), "its name"),
  field("index", INDEX, "its index"),
  field("state", word(["up", "down"]), "whether it takes and sends packets"),
  field("mtu", COUNT, "largest IP packet, bytes"),
  field("kind", text(), "what device it is"),
  field("mac", text(), "hardware address"),
  field("addresses", list(PREFIX), "IP addresses with their prefix lengths"),
  field("table", INDEX, "table that packets from it are looked up in"),
  field("promiscuous", FLAG, "whether it takes frames and packets for any destination"),
  field("spoofing", FLAG, "whether sessions may have addresses as their own that no interface has"),
  field("counters", COUNTS, "packets and bytes, and what was lost"),
);

/** One route. */
export const ROUTE = object(
  field("table", maybe(INDEX), "table; null: of link scope, an interface's own"),
  field("prefix", PREFIX, "destinations"),
  field("source", word(["interface", "route", "neighbour", "default"]), "who put it there"),
  field(
    "paths",
    list(
      object(
        field("type", text(), "adjacency: arp, rewrite, glean, local, drop, …"),
        field("via", maybe(ADDRESS), "next hop"),
        field("interface", maybe(text()), "interface"),
        field("weight", COUNT, "its share"),
      ),
    ),
    "ways to them",
  ),
);

/** One table. */
export const TABLE = object(
  field("table", INDEX, "its number"),
  field("routes4", COUNT, "IPv4 routes in it"),
  field("routes6", COUNT, "IPv6 routes in it"),
);

/** One neighbour. */
export const NEIGHBOUR = object(
  field("address", ADDRESS, "its address"),
  field("mac", maybe(text()), "hardware address; null while unknown"),
  field("interface", text(), "interface that it is behind"),
  field(
    "state",
    word(["free", "incomplete", "reachable", "stale", "delay", "probe", "failed", "static"]),
    "RFC 4861's states, failed, or static",
  ),
  field("isRouter", FLAG, "it said that it is a router"),
  field("ageMs", NUMBER, "since the state began, or was confirmed"),
  field("queued", COUNT, "packets that wait for it"),
);

const SESSION_FIELDS = [
  field("session", text(), "`engine:index.generation`"),
  field("proto", text(), "transport"),
  field("state", text(), `${SESSION_STATE_NAMES.join(", ")}`),
  field("app", maybe(text()), "application that it belongs to"),
  field("worker", int(-1), "the application's worker; -1: none"),
  field("local", maybe(text()), "`address:port`"),
  field("remote", maybe(text()), "`address:port`; of a listener: null"),
  field("rxBytes", maybe(COUNT), "bytes that the application did not read yet; null without a fifo"),
  field("txBytes", maybe(COUNT), "bytes written that are not sent or not acknowledged; null without a fifo"),
  optional("transport", text(), "the connection as its transport shows it (verbose)"),
  optional("workers", list(INDEX), "workers that accept, of a listener (verbose)"),
] as const;

/** One session. */
export const SESSION = object(...SESSION_FIELDS);

/** How many sessions there are. */
export const SESSION_COUNT = object(
  field("sessions", COUNT, "sessions that match"),
  field("capacity", COUNT, "sessions that there can be"),
  field(
    "states",
    list(
      object(
        field("proto", text(), "transport"),
        field("state", text(), "state"),
        field("sessions", COUNT, "sessions of that transport in that state"),
      ),
    ),
    "by transport and state",
  ),
);

/** A worker of an application in another process. */
const CLIENT = object(
  field("worker", INDEX, "number of the worker"),
  field("pid", COUNT, "process that attached"),
  field("uid", COUNT, "its user"),
  field("sessions", COUNT, "sessions and listeners that it has, and has not forgotten"),
  field("readBytes", NUMBER, "bytes that it has read, headers of datagrams included"),
  field("writtenBytes", NUMBER, "bytes that it has written, headers of datagrams included"),
  field("waitingMessages", COUNT, "messages that wait because its queue is full"),
  field("congestedMessages", COUNT, "messages that ever had to"),
  field("brokenSessions", COUNT, "sessions that were reset because it claimed what cannot be"),
);

/** One application. */
export const APP = object(
  field("index", INDEX, "its index"),
  field("name", text(), "its name"),
  field("namespace", text(), "its namespace's id"),
  field("scope", list(word(["global", "local"])), "where it can be reached, and connects to"),
  field("isAttached", FLAG, "false: it is gone, sessions are left"),
  field("workers", list(INDEX), "numbers of its workers"),
  field("clients", list(CLIENT), "those of them that are in other processes"),
  field("rxFifoBytes", COUNT, "most unread bytes of a session"),
  field("txFifoBytes", COUNT, "most unsent bytes of a session"),
  field("sessionCount", COUNT, "sessions and listeners"),
  field("sessions", list(SESSION), "some of them, at most 10000 in an answer; session.list has all"),
);

/** Event collectors. */
export const COLLECTORS = object(
  field("collectAll", FLAG, "whether they are told of the sessions of all applications"),
  field(
    "collectors",
    list(
      object(
        field("app", INDEX, "index of the application that collects"),
        field("name", text(), "its name"),
        field("collected", COUNT, "sessions that it was told of"),
        field("dropped", COUNT, "sessions that found no room in its queue"),
        field("queued", COUNT, "sessions that wait in it"),
      ),
    ),
    "who collects",
  ),
  field(
    "apps",
    list(
      object(
        field("app", INDEX, "index of the application"),
        field("name", text(), "its name"),
        field("listeners", list(INDEX), "only what came by these listening sessions; none: all"),
      ),
    ),
    "whose sessions are collected",
  ),
);

const OWNER = [
  field("index", INDEX, "its index"),
  field("app", maybe(INDEX), "index of the application that has it; null: the stack, it is everybody's to use"),
  field("name", text(), "what operators call it; empty: it has no name"),
] as const;

/** Version of TLS, or the default. */
const TLS_VERSION = maybe(word(TLS_VERSION_WORDS));

/** The crypto store; keys are not in it. */
export const CRYPTO = object(
  field(
    "certificates",
    list(
      object(
        ...OWNER,
        field("subject", text(), "whose it is"),
        field("validTo", text(), "its end"),
        field("sha256", text(), "fingerprint"),
        field("ocsp", FLAG, "whether an OCSP response is stapled to it"),
      ),
    ),
    "certificates with keys; 0, the test certificate, once it was wanted",
  ),
  field(
    "trust",
    list(
      object(
        ...OWNER,
        field("certificates", COUNT, "how many are trusted"),
        field("crls", COUNT, "lists of revoked ones"),
      ),
    ),
    "lists of trusted certificates; not 0, Node's root certificates",
  ),
  field(
    "profiles",
    list(
      object(
        ...OWNER,
        field("minVersion", TLS_VERSION, "least version; null: the default"),
        field("maxVersion", TLS_VERSION, "last version; null: the default"),
        field("ciphers", maybe(text()), "suites of TLS 1.2; null: the default"),
        field("suites", maybe(text()), "suites of TLS 1.3; null: the default"),
        field("groups", maybe(text()), "groups of the key exchange; null: the default"),
      ),
    ),
    "TLS profiles; 0, the defaults",
  ),
);

/** What was added to the crypto store. */
export const CRYPTO_ADDED = object(field("index", INDEX, "its index"));

/** Flow hooks. */
export const FLOW_HOOKS = object(
  field("flowDefault", word(FLOW_VERDICTS), "what becomes of a flow about which its hook says nothing"),
  field("flowDecisionMs", COUNT, "how long a hook may take"),
  field("undecided", COUNT, "flows that wait for a decision"),
  field("decided", COUNT, "flows whose decision is remembered"),
  field(
    "hooks",
    list(
      object(
        field("namespace", text(), "its namespace's id"),
        field("asked", COUNT, "flows that it was asked about"),
        field("accepted", COUNT, "those that went on to listeners"),
        field("reset", COUNT, "those that were refused"),
        field("dropped", COUNT, "those that had no answer"),
        field("redirected", COUNT, "those that an application was to take"),
        field("timedOut", COUNT, "those without an answer in time, decided by default"),
        field("failed", COUNT, "those decided by default because the hook threw, said nothing sensible, or went"),
        field("overLimit", COUNT, "flows decided by default without asking: too many waited"),
      ),
    ),
    "the hooks that are set",
  ),
);

/** One application namespace. */
export const NAMESPACE = object(
  field("index", INDEX, "its index"),
  field("secret", word(["yes", "no"]), "whether who attaches must know one"),
  field("interface", maybe(text()), "interface to which it is bound"),
  field("ip4-table", maybe(INDEX), "table of IPv4; null: it has no IPv4"),
  field("ip6-table", maybe(INDEX), "table of IPv6; null: it has no IPv6"),
  field("apps", COUNT, "attached applications"),
  field("id", text(), "its id"),
);

/** One entry of the source deny list. */
export const SDL_ENTRY = object(
  field("table", maybe(INDEX), "table"),
  field("namespaces", list(text()), "namespaces of that table, by id"),
  field("remote", PREFIX, "peers"),
  field("action", word(SDL_ACTIONS), "what becomes of them"),
  field("tag", maybe(text()), "its tag"),
  field("automatic", FLAG, "auto-sdl put it there"),
);

/** Whether auto-sdl is on, by what it judges, and what it knows. */
export const AUTO_SDL = object(
  field("on", FLAG, "whether peers are watched"),
  field("threshold", COUNT, "incomplete handshakes by which a peer is denied"),
  field("removeTimeoutS", COUNT, "how long it is denied, and its count kept"),
  field("counts", COUNTS, "peers by state, and what there was no room for"),
);

/** One peer that auto-sdl knows. */
export const AUTO_SDL_PEER = object(
  field("table", maybe(INDEX), "table"),
  field("address", ADDRESS, "its address"),
  field("denied", FLAG, "whether it is in the source deny list"),
  field("count", COUNT, "handshakes that it left incomplete"),
  field("ageMs", NUMBER, "since it was first counted, or denied"),
);

const COUNTER_FIELDS = [
  field("symbol", text(), "name of the counter"),
  field("text", text(), "what it counts"),
  field("count", COUNT, "how often"),
] as const;

/** Statistics of TCP. */
export const TCP_STATISTICS = object(
  field("states", COUNTS, "connections by state; states without any are left out"),
  field("sums", COUNTS, "of connections' statistics, by the names of RFC 4898"),
  field("counters", list(object(...COUNTER_FIELDS)), "of all TCP nodes, those that are not 0"),
);

/** Memory of the session fifos. */
export const SEGMENT_STATISTICS = object(
  field("capacityBytes", COUNT, "memory for fifos"),
  field("bytesInUse", COUNT, "of it in use"),
  field("highWaterBytes", COUNT, "most that ever was"),
  field("chunksInUse", COUNT, "chunks in use"),
  field("fifos", COUNT, "fifos"),
  field("maxFifos", COUNT, "fifos that there can be"),
  field("fifosRefused", COUNT, "fifos that found no row"),
  field("chunksRefused", COUNT, "chunks that found no memory"),
  field("shortEnqueues", COUNT, "enqueues cut short for want of memory"),
  field("oooIntervals", COUNT, "out-of-order intervals"),
  field("oooRefused", COUNT, "out-of-order segments refused by a limit"),
  field("freeChunks", list(COUNT), "free chunks of each class, smallest first"),
  field(
    "managers",
    list(
      object(
        field("workers", list(text()), "whose: `application worker`; two of a cut-through segment; none: all others"),
        field("pressure", word(MEMORY_PRESSURES), "how short its memory is"),
        field("isShared", FLAG, "whether other processes have its segments"),
        field(
          "segments",
          list(
            object(
              field("segment", INDEX, "its number"),
              field("capacityBytes", COUNT, "memory for fifos"),
              field("bytesInUse", COUNT, "of it in use"),
              field("fifos", COUNT, "fifos in it"),
            ),
          ),
          "its segments",
        ),
      ),
    ),
    "segment managers, the one of the stack's own segment first",
  ),
);

/** Packet buffers. */
export const BUFFER_STATISTICS = object(
  field(
    "pools",
    list(
      object(
        field("pool", text(), "small or large"),
        field("frameBytes", COUNT, "room of a buffer"),
        field("total", COUNT, "buffers"),
        field("free", COUNT, "free ones"),
        field("used", COUNT, "used ones"),
      ),
    ),
    "by size",
  ),
  field("ringSlots", COUNT, "slots of device rings"),
  field("exhausted", COUNT, "allocations that found no buffer"),
  field("doubleFrees", COUNT, "buffers freed twice: errors of the stack"),
);

/** The engine and its nodes. */
export const RUNTIME_STATISTICS = object(
  field("timeUs", NUMBER, "the engine's clock"),
  field("turns", COUNT, "turns so far"),
  field("cutTurns", COUNT, "of them cut short because a packet circled"),
  field(
    "nodes",
    list(
      object(
        field("name", text(), "node"),
        field("kind", word(["internal", "input", "sched"]), "what runs it"),
        field("calls", COUNT, "calls"),
        field("vectors", COUNT, "calls with packets"),
        field("packets", COUNT, "packets"),
        field("timedNs", NUMBER, "time in the calls that were timed"),
        field("timedPackets", COUNT, "packets of these"),
      ),
    ),
    "nodes that had packets",
  ),
);

/** Event counters of nodes. */
export const ERROR_STATISTICS = list(
  object(
    field("node", text(), "node"),
    field("severity", word(["info", "warn", "error"]), "how bad it is"),
    ...COUNTER_FIELDS,
  ),
);

/** Numbers by name. */
export const COUNTERS = COUNTS;

/** What runs. */
export const VERSION = object(
  field("version", text(), "the program's"),
  field("methods", COUNT, "version of these methods"),
);
