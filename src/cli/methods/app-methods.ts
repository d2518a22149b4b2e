import type { Host } from "../../../nodes/host.js";
import { formatAddress, type IpAddress, parseAddress } from "../../ip/address.js";
import type { Application, AppScope } from "../../session/application.js";
import type { AppNamespace } from "../../session/app-namespace.js";
import type { ClientView } from "../../session/client-view.js";
import {
  SESSION_E_INVALID,
  SESSION_E_INVALID_NS,
  SESSION_E_NOAPP,
  SESSION_E_NOINTF,
  SESSION_E_NOROUTE,
  SessionError,
  sessionErrorEntry,
} from "../../session/session-errors.js";
import type { SessionRecord } from "../../session/session-record.js";
import { applyRecord } from "../../stack.js";
import { type HandlersOf, type MethodRun, tableOfFib } from "./handler.js";
import { blame, MethodError } from "./method-error.js";
import type { MethodParams, MethodResult } from "./method-table.js";
import { viewSession } from "./session-methods.js";

/** Sessions that are listed with applications, in one answer. */
const MAX_SESSIONS_LISTED = 10_000;

function viewClient(client: ClientView): MethodResult<"app.get">["clients"][number] {
  const { worker, pid, uid, sessions, readBytes, writtenBytes } = client;
  const { waitingMessages, congestedMessages, brokenSessions } = client;
  return {
    worker,
    pid,
    uid,
    sessions,
    readBytes,
    writtenBytes,
    waitingMessages,
    congestedMessages,
    brokenSessions,
  };
}

function viewApp(
  host: Host,
  app: Application,
  clients: readonly ClientView[],
  maxSessions: number,
): MethodResult<"app.get"> {
  const scopes: readonly (readonly [AppScope, boolean])[] = [
    ["global", app.hasGlobalScope],
    ["local", app.hasLocalScope],
  ];
  const sessions = host.sessions.applications.sessionsOf(app).slice(0, maxSessions);
  return {
    index: app.index,
    name: app.name,
    namespace: app.namespace.id,
    scope: scopes.flatMap(([scope, isIn]) => (isIn ? [scope] : [])),
    isAttached: app.isAttached,
    workers: app.workers.flatMap((worker) => (worker === undefined ? [] : [worker.number])),
    clients: clients.filter((each) => each.app === app.index).map(viewClient),
    rxFifoBytes: app.rxFifoBytes,
    txFifoBytes: app.txFifoBytes,
    sessionCount: app.sessionCount,
    sessions: sessions.map((s) => viewSession(host, s)),
  };
}

/** Methods about applications. */
export const APP_HANDLERS: HandlersOf<"app"> = {
  "app.list"({ host }) {
    let room = MAX_SESSIONS_LISTED;
    const clients = host.sessions.clients();
    return host.sessions.applications.all().map((app) => {
      const view = viewApp(host, app, clients, room);
      room -= view.sessions.length;
      return view;
    });
  },
  "app.get"({ host }, { app: index }) {
    const app = host.sessions.applications.at(index);
    if (app === undefined) throw new MethodError(SESSION_E_NOAPP, "app", `no app ${index}`);
    return viewApp(host, app, host.sessions.clients(), MAX_SESSIONS_LISTED);
  },
};

function viewNamespace(host: Host, each: AppNamespace): MethodResult<"namespace.list">[number] {
  const { index, id, secret, ifIndex, fib4, fib6 } = each;
  return {
    index,
    secret: secret === "" ? "no" : "yes",
    interface: host.interfaces.at(ifIndex)?.name ?? null,
    "ip4-table": tableOfFib(host, 4, fib4),
    "ip6-table": tableOfFib(host, 6, fib6),
    apps: host.sessions.applications.all().filter((app) => app.isAttached && app.namespace === each).length,
    id,
  };
}

/** Applies a record of the session layer; `argumentOf` says which argument its refusal is about. */
function applySession(host: Host, record: SessionRecord, argumentOf: (errno: number) => string | undefined): void {
  try {
    applyRecord(host, record);
  } catch (error) {
    if (!(error instanceof SessionError)) throw error;
    const { errno } = error;
    throw new MethodError(errno, argumentOf(errno), sessionErrorEntry(errno).text, error);
  }
}

/** Methods about application namespaces. */
export const NAMESPACE_HANDLERS: HandlersOf<"namespace"> = {
  "namespace.list"({ host }, { id }) {
    const all = host.sessions.namespaces.all();
    const chosen = id === undefined ? all : all.filter((each) => each.id === id);
    if (id !== undefined && chosen.length === 0) {
      throw new MethodError(SESSION_E_INVALID_NS, "id", `no namespace ${JSON.stringify(id)}`);
    }
    return chosen.map((each) => viewNamespace(host, each));
  },
  "namespace.add"({ host }, { id, secret, interface: name, table4, table6 }) {
    const record: SessionRecord = {
      kind: "namespace",
      add: true,
      id,
      ...(secret === undefined ? {} : { secret }),
      ...(name === undefined ? {} : { interface: name }),
      ...(table4 === undefined ? {} : { table4 }),
      ...(table6 === undefined ? {} : { table6 }),
    };
    applySession(host, record, (errno) => {
      if (errno === SESSION_E_NOINTF) return "interface";
      if (errno !== SESSION_E_NOROUTE) return errno === SESSION_E_INVALID ? "id" : undefined;
      return table4 !== undefined && host.ip.fib.indexOf(4, table4) < 0 ? "table4" : "table6";
    });
    return null;
  },
  "namespace.del"({ host }, { id }) {
    applySession(host, { kind: "namespace", add: false, id }, () => "id");
    return null;
  },
};

function setSourceAddresses(
  { host }: MethodRun,
  { first: firstText, last: lastText = firstText, table = 0 }: MethodParams<"source-address.add">,
  add: boolean,
): null {
  const first = blame("first", () => parseAddress(firstText));
  const last = blame("last", () => parseAddress(lastText));
  if (last.family !== first.family) {
    throw new MethodError(SESSION_E_INVALID, "last", "the two addresses are of different families");
  }
  const { family } = first;
  const words = (address: IpAddress): number[] => [...address.words];
  const record = { kind: "source-addresses", add, family, first: words(first), last: words(last), table } as const;
  applySession(host, record, (errno) => {
    if (errno === SESSION_E_NOROUTE) return "table";
    // A single address that is wrong is the first one; what makes a range of two wrong is its end.
    return errno === SESSION_E_INVALID && formatAddress(first) !== formatAddress(last) ? "last" : "first";
  });
  return null;
}

/** Methods about the addresses that active opens come from. */
export const SOURCE_ADDRESS_HANDLERS: HandlersOf<"source-address"> = {
  "source-address.add": (run, params) => setSourceAddresses(run, params, true),
  "source-address.del": (run, params) => setSourceAddresses(run, params, false),
};
