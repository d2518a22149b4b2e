import type { Host } from "../../../nodes/host.js";
import { tryParseAddress } from "../../ip/address.js";
import { SESSION_STATE_NAMES } from "../../session/session-table.js";
import type { Endpoint, SessionIndex } from "../../transport/transport.js";
import { CliError, type Words } from "../words.js";
import { isListener, ownerOf, protoName, stateName } from "./session-view.js";

/** Sessions that a listing shows unless told otherwise. */
const DEFAULT_MAX = 1000;
/** Words of VPP's that say nothing here. */
const NOT_SUPPORTED = ["transport", "events", "elog", "tree", "force-print"];

/** An address, and a port unless any will do. */
interface EndMatch {
  readonly words: Int32Array;
  readonly family: 4 | 6;
  readonly port: number | undefined;
}

/** What `show session` was asked for. */
export interface SessionFilter {
  verbose: number;
  isJson: boolean;
  /** List the protocols, the states, or the engine that decides on flows, instead of sessions. */
  listing: "sessions" | "protos" | "states" | "rt-backend";
  proto: string | undefined;
  state: string | undefined;
  onlyListeners: boolean;
  app: number | undefined;
  /** Session by index. */
  index: number | undefined;
  min: number;
  /** Index of the last session, included. */
  last: number;
  local: EndMatch | undefined;
  remote: EndMatch | undefined;
  either: EndMatch | undefined;
  max: number;
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

/** `10.0.0.1`, `10.0.0.1:80`, `2001:db8::1`, `[2001:db8::1]:80`. */
function takeEnd(words: Words, what: string): EndMatch {
  const text = words.take(what);
  const withPort = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  const address = tryParseAddress(withPort === null ? text : (withPort[1] ?? withPort[2]));
  const port = withPort?.[3] === undefined ? undefined : Number(withPort[3]);
  if (address === undefined || (port ?? 0) > 65_535) throw new CliError(`${what}: not ADDRESS[:PORT]: "${text}"`);
  return { words: address.words, family: address.family, port };
}

/** Takes the words of `show session`. Throws CliError that names the one at fault. */
export function takeSessionFilter(words: Words, host: Host): SessionFilter {
  const filter: SessionFilter = {
    verbose: 0,
    isJson: false,
    listing: "sessions",
    proto: undefined,
    state: undefined,
    onlyListeners: false,
    app: undefined,
    index: undefined,
    min: 0,
    last: host.sessions.table.capacity - 1,
    local: undefined,
    remote: undefined,
    either: undefined,
    max: DEFAULT_MAX,
  };
  while (words.left > 0) takeOne(words, host, filter);
  return filter;
}

function takeOne(words: Words, host: Host, filter: SessionFilter): void {
  const { last } = filter;
  if (words.accept("verbose")) filter.verbose = /^\d+$/.test(words.next) ? words.integer("verbose", 0, 2) : 1;
  else if (words.accept("--json")) filter.isJson = true;
  else if (words.accept("protos")) filter.listing = "protos";
  else if (words.accept("states")) filter.listing = "states";
  else if (words.accept("rt-backend")) filter.listing = "rt-backend";
  else if (words.accept("proto")) filter.proto = takeProto(words, host);
  else if (words.accept("listeners")) {
    filter.onlyListeners = true;
    filter.proto = takeProto(words, host);
  } else if (words.accept("state")) {
    filter.state = words.take("state");
    if (!SESSION_STATE_NAMES.includes(filter.state)) {
      throw new CliError(`no state "${filter.state}" (${SESSION_STATE_NAMES.join(", ")})`);
    }
  } else if (words.accept("app")) filter.app = words.integer("app", 0, 0x7fff_ffff);
  else if (words.accept("thread")) takeThread(words);
  else if (words.accept("index")) filter.index = words.integer("index", 0, last);
  else if (words.accept("range")) {
    filter.min = words.integer("range", 0, last);
    if (/^\d+$/.test(words.next)) filter.last = words.integer("range", filter.min, last);
  } else if (words.accept("lcl")) filter.local = takeEnd(words, "lcl");
  else if (words.accept("rmt")) filter.remote = takeEnd(words, "rmt");
  else if (words.accept("ep")) filter.either = takeEnd(words, "ep");
  else if (words.accept("max")) filter.max = words.integer("max", 1, 1_000_000);
  else if (/^0:\d{1,8}(\.\d{1,7})?$/.test(words.next)) filter.index = takeSessionId(words, host);
  else if (NOT_SUPPORTED.includes(words.next)) throw new CliError(`not supported: "${words.next}"`);
  else throw new CliError(`unknown argument "${words.next}"`);
}

/** Takes a session by `thread:index` or, to be sure that it is the same, `thread:index.generation`. */
function takeSessionId(words: Words, host: Host): SessionIndex {
  const text = words.take("session");
  const [, index, generation] = /^0:(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
  const { table } = host.sessions;
  const s = Number(index);
  if (!table.isUsed(s) || (generation !== undefined && table.generation(s) !== Number(generation))) {
    throw new CliError(`no session ${text}`);
  }
  return s;
}

function matchesEnd(wanted: EndMatch | undefined, ...ends: readonly (Endpoint | undefined)[]): boolean {
  if (wanted === undefined) return true;
  return ends.some(
    (end) =>
      end?.family === wanted.family &&
      (wanted.port === undefined || end.port === wanted.port) &&
      end.address.every((word, i) => word === wanted.words[i]),
  );
}

/** The sessions that were asked for, by index. */
export function matchingSessions(host: Host, filter: SessionFilter): SessionIndex[] {
  const { proto, state, app, index, min, last, onlyListeners, local, remote, either } = filter;
  return [...host.sessions.table].filter((s) => {
    if (s < min || s > last || (index !== undefined && s !== index)) return false;
    if (proto !== undefined && protoName(host, s) !== proto) return false;
    if (state !== undefined && stateName(host, s) !== state) return false;
    if (onlyListeners && !isListener(host, s)) return false;
    if (app !== undefined && ownerOf(host, s).app?.index !== app) return false;
    if (local === undefined && remote === undefined && either === undefined) return true;
    const near = host.sessions.localEndpoint(s);
    const far = host.sessions.remoteEndpoint(s);
    return matchesEnd(local, near) && matchesEnd(remote, far) && matchesEnd(either, near, far);
  });
}
