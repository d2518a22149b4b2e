import type { Host } from "../../../nodes/host.js";
import { addressBits, formatAddress, formatPrefix, parseAddress, parsePrefix } from "../../ip/address.js";
import type { AppNamespace } from "../../session/app-namespace.js";
import type { AutoSdlView } from "../../session/auto-sdl.js";
import { fibOfFamily } from "../../session/namespace-address.js";
import type { SdlRecord } from "../../session/sdl-record.js";
import {
  SESSION_E_INVALID,
  SESSION_E_INVALID_NS,
  SESSION_E_IPINUSE,
  SESSION_E_NOROUTE,
  SESSION_E_NOSUPPORT,
  sessionErrorEntry,
} from "../../session/session-errors.js";
import type { SdlView } from "../../session/session-sdl.js";
import { type HandlersOf, type MethodRun, tableOfFib } from "./handler.js";
import { MethodError } from "./method-error.js";
import type { MethodParams, MethodResult } from "./method-table.js";

/** What a listing has unless told otherwise. */
const DEFAULT_MAX = 1000;

type Entry = MethodParams<"sdl.add">["entries"][number] | MethodParams<"sdl.del">["entries"][number];

/** What a session error means of an entry, where the table's text does not say it. */
function textOf(errno: number, isAdd: boolean, { remote = "0.0.0.0/0" }: Entry): string {
  if (errno === SESSION_E_NOSUPPORT) return "the source deny list is off: session enable rt-backend sdl";
  if (errno === SESSION_E_NOROUTE && !isAdd) return "no such entry";
  if (errno === SESSION_E_IPINUSE) return parsePrefix(remote).length === 0 ? "everything" : "there is such an entry";
  if (errno === SESSION_E_INVALID && isAdd) return "another entry has that tag";
  return sessionErrorEntry(errno).text;
}

/** Changes the list entry by entry; the first that cannot be is the last. */
function change({ host }: MethodRun, entries: readonly Entry[], isAdd: boolean, namespace: string | undefined): null {
  for (const [i, entry] of entries.entries()) {
    const where = namespace === undefined ? {} : { namespace };
    const record = { kind: "sdl", add: isAdd, ...where, ...entry } as SdlRecord;
    const errno = host.sessions.apply(record);
    if (errno >= 0) continue;
    const argument = errno === SESSION_E_INVALID_NS ? "namespace" : `entries[${i}]`;
    throw new MethodError(errno, argument, textOf(errno, isAdd, entry));
  }
  return null;
}

/** The namespace of that id; undefined when none is named. */
function namespaceNamed(host: Host, id: string | undefined): AppNamespace | undefined {
  if (id === undefined) return undefined;
  const found = host.sessions.namespaces.find(id);
  if (found === undefined)
    throw new MethodError(SESSION_E_INVALID_NS, "namespace", `no namespace ${JSON.stringify(id)}`);
  return found;
}

/** The FIBs of one family: a namespace's, or those of all of them. */
function fibsOf(host: Host, namespace: AppNamespace | undefined, family: 4 | 6): number[] {
  const chosen = namespace === undefined ? host.sessions.namespaces.all() : [namespace];
  return [...new Set(chosen.map((each) => fibOfFamily(each, family)))].filter((fib) => fib >= 0);
}

/** At most `max` of what a generator makes. */
function first<T>(all: Iterable<T>, max: number): T[] {
  const taken: T[] = [];
  for (const each of all) {
    if (taken.length === max) break;
    taken.push(each);
  }
  return taken;
}

function viewEntry(host: Host, { family, fib, prefix, action, tag }: SdlView): MethodResult<"sdl.list">[number] {
  const { sessions } = host;
  const { address, length } = prefix;
  const peer = length === addressBits(family) ? sessions.autoSdl.find(fib, address) : undefined;
  return {
    table: tableOfFib(host, family, fib),
    namespaces: sessions.namespaces.all().flatMap((each) => (fibOfFamily(each, family) === fib ? [each.id] : [])),
    remote: formatPrefix(prefix),
    action,
    tag: tag ?? null,
    automatic: peer?.isDenied === true,
  };
}

function viewPeer(host: Host, peer: AutoSdlView): MethodResult<"auto-sdl.list">[number] {
  const { fib, address, isDenied, count, ageMs } = peer;
  const { family } = address;
  return { table: tableOfFib(host, family, fib), address: formatAddress(address), denied: isDenied, count, ageMs };
}

/** Methods about the source deny list. */
export const SDL_HANDLERS: HandlersOf<"sdl"> = {
  "sdl.list"({ host }, { namespace: id, address: text, max = DEFAULT_MAX }) {
    const { sdl } = host.sessions;
    const namespace = namespaceNamed(host, id);
    if (text === undefined) return first(sdl.list(namespace), max).map((each) => viewEntry(host, each));
    const address = parseAddress(text);
    const entries = fibsOf(host, namespace, address.family).flatMap((fib) => sdl.deciding(fib, address) ?? []);
    return first(entries, max).map((each) => viewEntry(host, each));
  },
  "sdl.add": (run, { namespace, entries }) => change(run, entries, true, namespace),
  "sdl.del": (run, { namespace, entries }) => change(run, entries, false, namespace),
};

function setAuto({ host }: MethodRun, record: SdlRecord): null {
  const errno = host.sessions.apply(record);
  if (errno < 0) throw new MethodError(errno, undefined, textOf(errno, true, {}));
  return null;
}

/** Methods about automatic entries of the source deny list. */
export const AUTO_SDL_HANDLERS: HandlersOf<"auto-sdl"> = {
  "auto-sdl.enable": (run, { threshold, removeTimeoutS }) =>
    setAuto(run, {
      kind: "auto-sdl",
      enable: true,
      ...(threshold === undefined ? {} : { threshold }),
      ...(removeTimeoutS === undefined ? {} : { removeTimeoutS }),
    }),
  "auto-sdl.disable": (run) => setAuto(run, { kind: "auto-sdl", enable: false }),
  "auto-sdl.get"({ host }) {
    const { autoSdl } = host.sessions;
    const { isOn, threshold, removeTimeoutS } = autoSdl.settings;
    return { on: isOn, threshold, removeTimeoutS, counts: autoSdl.counts() };
  },
  "auto-sdl.list"({ host }, { namespace: id, address: text, max = DEFAULT_MAX }) {
    const { autoSdl } = host.sessions;
    const namespace = namespaceNamed(host, id);
    if (text === undefined) return first(autoSdl.list(namespace), max).map((each) => viewPeer(host, each));
    const address = parseAddress(text);
    const peers = fibsOf(host, namespace, address.family).flatMap((fib) => autoSdl.find(fib, address) ?? []);
    return first(peers, max).map((each) => viewPeer(host, each));
  },
};
