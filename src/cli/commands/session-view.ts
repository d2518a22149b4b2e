import type { Host } from "../../../nodes/host.js";
import type { Application } from "../../session/application.js";
import {
  S_CONNECTION,
  S_PROTO,
  S_RX_FIFO,
  S_STATE,
  S_TX_FIFO,
  S_WORKER,
  SESSION_LISTENING,
  SESSION_STATE_NAMES,
} from "../../session/session-table.js";
import { sessionErrorEntry } from "../../session/session-errors.js";
import { formatHandle } from "../../session/session-handle.js";
import { formatEndpoint } from "../../session/uri.js";
import type { SessionIndex } from "../../transport/transport.js";
import { CliError } from "../words.js";

/** Throws CliError for a session error, with its name. */
export function checkResult(result: number): void {
  if (result >= 0) return;
  const { name, text } = sessionErrorEntry(result);
  throw new CliError(`${text} (${name})`);
}

/** A word of a session's row. */
export function sessionField(host: Host, s: SessionIndex, at: number): number {
  return host.window.i32[host.sessions.table.row(s) + at];
}

/** Name of a session's transport. */
export function protoName(host: Host, s: SessionIndex): string {
  return host.transports[sessionField(host, s, S_PROTO)]?.name ?? "?";
}

/** VPP's name of a session's state. */
export function stateName(host: Host, s: SessionIndex): string {
  return SESSION_STATE_NAMES[sessionField(host, s, S_STATE)] ?? "?";
}

/** Whether it is a listener. */
export function isListener(host: Host, s: SessionIndex): boolean {
  return sessionField(host, s, S_STATE) === SESSION_LISTENING;
}

/** The application of a session, and the number of the worker within. */
export function ownerOf(host: Host, s: SessionIndex): { app: Application | undefined; worker: number } {
  const worker = host.sessions.applications.workerAt(sessionField(host, s, S_WORKER));
  return { app: worker?.app, worker: worker?.number ?? -1 };
}

/** `[tcp] 198.18.0.2:80->198.18.0.1:40000`, as VPP writes connections. */
export function formatConnectionName(host: Host, s: SessionIndex): string {
  const local = host.sessions.localEndpoint(s);
  const remote = host.sessions.remoteEndpoint(s);
  const name = `[${protoName(host, s)}]`;
  if (local === undefined) return `${name} -`;
  return `${name} ${formatEndpoint(local)}->${isListener(host, s) || remote === undefined ? "*" : formatEndpoint(remote)}`;
}

/** Bytes in the fifo that the row names at `at`; undefined without one. */
export function fifoBytes(host: Host, s: SessionIndex, at: number): number | undefined {
  const fifo = sessionField(host, s, at);
  return fifo === 0 ? undefined : host.fifos.maxDequeue(fifo);
}

/** The transport's state of a session's connection, several lines with `verbose` 2. */
export function transportText(host: Host, s: SessionIndex, verbose: number): string {
  const c = sessionField(host, s, S_CONNECTION);
  return c < 0 ? "-" : (host.transports[sessionField(host, s, S_PROTO)]?.format(c, verbose) ?? "-");
}

/** A session for machines: what `--json` prints. */
export function sessionRecord(host: Host, s: SessionIndex): Readonly<Record<string, unknown>> {
  const { sessions } = host;
  const local = sessions.localEndpoint(s);
  const remote = isListener(host, s) ? undefined : sessions.remoteEndpoint(s);
  const { app, worker } = ownerOf(host, s);
  return {
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
}
