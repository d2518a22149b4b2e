import type { Host } from "../../../nodes/host.js";
import { parseEnd } from "../methods/end.js";
import type { MethodParams } from "../methods/method-table.js";
import { sessionByName } from "../methods/session-view.js";
import { SESSION_STATE_NAMES } from "../../session/session-table.js";
import type { SessionIndex } from "../../transport/transport.js";
import { CliError, type Words } from "../words.js";

/** Words of VPP's that say nothing here. */
const NOT_SUPPORTED = ["elog", "tree"];
/** More sessions than there can be. */
const ALL = 1 << 24;

/** Without `readonly`: a filter while its words are taken. */
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What `show session` was asked for. */
export interface SessionFilter {
  verbose: 0 | 1 | 2;
  isJson: boolean;
  /** What is listed instead of sessions: the transports, what waits, or the engine that decides on flows, among others. */
  listing: "sessions" | "protos" | "states" | "transport" | "events" | "rt-backend";
  /** A session was named: it is shown with all variables. */
  isOne: boolean;
  max: number | undefined;
  /** Which sessions. */
  readonly which: Mutable<MethodParams<"session.count">>;
}

/** Takes an engine's number: there is one, 0. */
export function takeThread(words: Words): void {
  const thread = words.integer("thread", 0, 0x7fff_ffff);
  if (thread !== 0) throw new CliError(`no thread ${thread}`);
}

function takeProto(words: Words, host: Host): string {
  const proto = words.take("proto");
  if (host.sessions.transportByName(proto) === undefined) throw new CliError(`no transport "${proto}"`);
  return proto;
}

function takeEnd(words: Words, what: string): string {
  const text = words.take(what);
  if (parseEnd(text) === undefined) throw new CliError(`${what}: not ADDRESS[:PORT]: "${text}"`);
  return text;
}

/** Takes the words of `show session`. Throws CliError that names the one at fault. */
export function takeSessionFilter(words: Words, host: Host): SessionFilter {
  const filter: SessionFilter = {
    verbose: 0,
    isJson: false,
    listing: "sessions",
    isOne: false,
    max: undefined,
    which: {},
  };
  while (words.left > 0) takeOne(words, host, filter);
  return filter;
}

function takeOne(words: Words, host: Host, filter: SessionFilter): void {
  const { which } = filter;
  const highest = host.sessions.table.capacity - 1;
  if (words.accept("verbose")) filter.verbose = takeVerbose(words);
  else if (words.accept("--json")) filter.isJson = true;
  else if (words.accept("protos")) filter.listing = "protos";
  else if (words.accept("states")) filter.listing = "states";
  else if (words.accept("transport")) filter.listing = "transport";
  else if (words.accept("events")) filter.listing = "events";
  else if (words.accept("force-print")) filter.max = ALL;
  else if (words.accept("rt-backend")) filter.listing = "rt-backend";
  else if (words.accept("proto")) which.proto = takeProto(words, host);
  else if (words.accept("listeners")) {
    which.role = "server";
    which.proto = takeProto(words, host);
  } else if (words.accept("state")) {
    which.state = words.take("state");
    if (!SESSION_STATE_NAMES.includes(which.state)) {
      throw new CliError(`no state "${which.state}" (${SESSION_STATE_NAMES.join(", ")})`);
    }
  } else if (words.accept("app")) which.app = words.integer("app", 0, 0x7fff_ffff);
  else if (words.accept("thread")) takeThread(words);
  else if (words.accept("index")) only(filter, words.integer("index", 0, highest));
  else if (words.accept("range")) {
    which.first = words.integer("range", 0, highest);
    if (/^\d+$/.test(words.next)) which.last = words.integer("range", which.first, highest);
  } else if (words.accept("lcl")) which.local = takeEnd(words, "lcl");
  else if (words.accept("rmt")) which.remote = takeEnd(words, "rmt");
  else if (words.accept("ep")) which.either = takeEnd(words, "ep");
  else if (words.accept("max")) filter.max = words.integer("max", 1, 1_000_000);
  else if (/^0:\d{1,8}(\.\d{1,7})?$/.test(words.next)) only(filter, takeSessionId(words, host));
  else if (NOT_SUPPORTED.includes(words.next)) throw new CliError(`not supported: "${words.next}"`);
  else throw new CliError(`unknown argument "${words.next}"`);
}

function takeVerbose(words: Words): 0 | 1 | 2 {
  if (!/^\d+$/.test(words.next)) return 1;
  const verbose = words.integer("verbose", 0, 2);
  return verbose === 0 ? 0 : verbose === 1 ? 1 : 2;
}

function only(filter: SessionFilter, s: SessionIndex): void {
  filter.isOne = true;
  filter.which.first = s;
  filter.which.last = s;
}

/** Takes a session by `thread:index` or, to be sure that it is the same, `thread:index.generation`. */
function takeSessionId(words: Words, host: Host): SessionIndex {
  const text = words.take("session");
  const s = sessionByName(host, text);
  if (s === undefined) throw new CliError(`no session ${text}`);
  return s;
}
