import type { Host } from "../../../nodes/host.js";
import { SESSION_E_NOSESSION, SESSION_E_NOSUPPORT, sessionErrorEntry } from "../../session/session-errors.js";
import { formatHandle } from "../../session/session-handle.js";
import { S_LISTENER, S_RX_FIFO, S_TX_FIFO } from "../../session/session-table.js";
import { formatEndpoint } from "../../session/uri.js";
import type { SessionIndex } from "../../transport/transport.js";
import { matchesEnd, parseEnd } from "./end.js";
import type { HandlersOf } from "./handler.js";
import { MethodError } from "./method-error.js";
import type { MethodParams, MethodResult } from "./method-table.js";
import {
  fifoBytes,
  isListener,
  ownerOf,
  protoName,
  sessionByName,
  sessionField,
  stateName,
  transportText,
} from "./session-view.js";

/** Sessions that a listing has unless told otherwise. */
const DEFAULT_MAX = 1000;

/** A session as results have it; `verbose` as session.list says. */
export function viewSession(host: Host, s: SessionIndex, verbose = 0): MethodResult<"session.get"> {
  const { sessions } = host;
  const local = sessions.localEndpoint(s);
  const remote = isListener(host, s) ? undefined : sessions.remoteEndpoint(s);
  const { app, worker } = ownerOf(host, s);
  const view = {
    session: formatHandle(sessions.table.handle(s)),
    proto: protoName(host, s),
    state: stateName(host, s),
    app: app?.name ?? null,
    worker,
    local: local === undefined ? null : formatEndpoint(local),
    remote: remote === undefined ? null : formatEndpoint(remote),
    rxBytes: fifoBytes(host, s, S_RX_FIFO) ?? null,
    txBytes: fifoBytes(host, s, S_TX_FIFO) ?? null,
  };
  if (verbose === 0) return view;
  const text = transportText(host, s, verbose);
  const workers = sessions.listeners.of(s)?.sessions.flatMap((each, number) => (each >= 0 ? [number] : [])) ?? [];
  return { ...view, transport: verbose === 1 ? text.split("\n")[0] : text, workers };
}

function hasRole(host: Host, s: SessionIndex, role: "server" | "client"): boolean {
  if (role === "server") return isListener(host, s);
  return !isListener(host, s) && sessionField(host, s, S_LISTENER) < 0;
}

/** The sessions that a filter lets through, by index. */
function matching(host: Host, filter: MethodParams<"session.count">): SessionIndex[] {
  const { proto, state, role, app, first = 0, last = Number.POSITIVE_INFINITY } = filter;
  if (proto !== undefined && host.sessions.transportByName(proto) === undefined) {
    throw new MethodError(SESSION_E_NOSUPPORT, "proto", `no transport ${JSON.stringify(proto)}`);
  }
  const [local, remote, either] = [filter.local, filter.remote, filter.either].map((text) =>
    text === undefined ? undefined : parseEnd(text),
  );
  return [...host.sessions.table].filter((s) => {
    if (s < first || s > last) return false;
    if (proto !== undefined && protoName(host, s) !== proto) return false;
    if (state !== undefined && stateName(host, s) !== state) return false;
    if (role !== undefined && !hasRole(host, s, role)) return false;
    if (app !== undefined && ownerOf(host, s).app?.index !== app) return false;
    if (local === undefined && remote === undefined && either === undefined) return true;
    const near = host.sessions.localEndpoint(s);
    const far = host.sessions.remoteEndpoint(s);
    return matchesEnd(local, near) && matchesEnd(remote, far) && matchesEnd(either, near, far);
  });
}

/** The session of that name. */
function sessionNamed(host: Host, name: string): SessionIndex {
  const s = sessionByName(host, name);
  if (s === undefined) throw new MethodError(SESSION_E_NOSESSION, "session", `no session ${name}`);
  return s;
}

/** Methods about sessions. */
export const SESSION_HANDLERS: HandlersOf<"session"> = {
  "session.enable"({ host: { sessions } }, { rtBackend }) {
    const error = sessions.setEnabled(true, rtBackend);
    if (error === 0) return null;
    const isOther = error === SESSION_E_NOSUPPORT;
    const text = isOther ? `rt-backend ${sessions.rtBackend} is on` : sessionErrorEntry(error).text;
    throw new MethodError(error, "rtBackend", text);
  },
  "session.disable"({ host }) {
    host.sessions.setEnabled(false);
    return null;
  },
  "session.list": ({ host }, { max = DEFAULT_MAX, verbose = 0, ...filter }) =>
    matching(host, filter)
      .slice(0, max)
      .map((s) => viewSession(host, s, verbose)),
  "session.count"({ host }, filter) {
    const sessions = matching(host, filter);
    const counts = new Map<string, number>();
    for (const s of sessions) {
      const key = `${protoName(host, s)} ${stateName(host, s)}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    const states = [...counts]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, count]) => {
        const [proto, state] = key.split(" ");
        return { proto, state, sessions: count };
      });
    return { sessions: sessions.length, capacity: host.sessions.table.capacity, states };
  },
  "session.get": ({ host }, { session }) => viewSession(host, sessionNamed(host, session), 2),
  "session.clear"({ host }, { session }) {
    host.sessions.terminate(sessionNamed(host, session));
    return null;
  },
};
