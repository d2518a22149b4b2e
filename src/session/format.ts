import {
  S_CONNECTION,
  S_FLAGS,
  S_LISTENER,
  S_PROTO,
  S_RX_FIFO,
  S_STATE,
  S_TX_FIFO,
  S_WORKER,
  SESSION_STATE_NAMES,
} from "./session-table.js";
import { SESSION_ERRORS } from "./session-errors.js";
import { formatHandle } from "./session-handle.js";
import type { SessionLayer } from "./session-layer.js";
import type { SessionIndex } from "../transport/transport.js";

/** One session as `show session verbose` lists it: connection, state, unread and unsent bytes; more with `verbose` 2. */
export function formatSession(layer: SessionLayer, s: SessionIndex, verbose: number): string {
  const { table, fifos } = layer;
  const { i32 } = layer.window;
  const r = table.row(s);
  const transport = layer.transports[i32[r + S_PROTO]];
  const c = i32[r + S_CONNECTION];
  const connection = c < 0 || transport === undefined ? `[${transport?.name ?? "?"}] -` : transport.format(c, verbose);
  const [first, ...rest] = connection.split("\n");
  const unread = i32[r + S_RX_FIFO] === 0 ? 0 : fifos.maxDequeue(i32[r + S_RX_FIFO]);
  const unsent = i32[r + S_TX_FIFO] === 0 ? 0 : fifos.maxDequeue(i32[r + S_TX_FIFO]);
  const id = `[${formatHandle(table.handle(s))}]`;
  const state = SESSION_STATE_NAMES[i32[r + S_STATE]];
  const line = `${id.padEnd(12)}${first.padEnd(58)} ${state.padEnd(18)} rx-f ${unread} tx-f ${unsent}`;
  if (verbose < 2) return line;
  const app = layer.applications.workerAt(i32[r + S_WORKER])?.app;
  const listener = i32[r + S_LISTENER];
  const detail = ` app ${app?.name ?? "-"} listener ${listener < 0 ? "-" : listener} flags 0x${i32[r + S_FLAGS].toString(16)}`;
  return [line, detail, ...rest].join("\n");
}

/** `show session [verbose [N]]`: the number of sessions, and with `verbose` above 0 each of them. */
export function formatSessions(layer: SessionLayer, verbose: number): string {
  if (verbose === 0) return `Thread 0: ${layer.table.used} sessions`;
  const lines = [...layer.table].map((s) => formatSession(layer, s, verbose));
  return [...lines, `Thread 0: active sessions ${layer.table.used}`].join("\n");
}

/** `show session stats`: how often each session error was given as an answer. */
export function formatSessionStats(layer: SessionLayer): string {
  const lines = SESSION_ERRORS.flatMap(({ name, text }, i) => {
    const count = layer.errorCounts[i];
    return count > 0 ? [` ${count} ${text} (${name})`] : [];
  });
  return [`source port tries, most: ${layer.sourcePorts.maxTries}`, ...lines].join("\n");
}

/** `show session lookup`: entries of the tables. */
export function formatLookup(layer: SessionLayer): string {
  const { established4, established6, halfOpen4, halfOpen6, listeners } = layer.lookup.counts();
  return [
    `ip4: established ${established4} half-open ${halfOpen4}`,
    `ip6: established ${established6} half-open ${halfOpen6}`,
    `listeners: ${listeners}`,
  ].join("\n");
}

/** `show app`: the applications with their sessions. */
export function formatApplications(layer: SessionLayer): string {
  const rows = layer.applications
    .all()
    .map(({ index, name, namespace, sessionCount, isAttached }) =>
      [
        String(index).padEnd(8),
        name.padEnd(32),
        namespace.id.padEnd(16),
        `${sessionCount}${isAttached ? "" : " detached"}`,
      ].join(""),
    );
  return [`${"Index".padEnd(8)}${"Name".padEnd(32)}${"Namespace".padEnd(16)}Sessions`, ...rows].join("\n");
}
