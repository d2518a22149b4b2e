import type { Host } from "../../../nodes/host.js";
import type { Application } from "../../session/application.js";
import {
  S_CONNECTION,
  S_PROTO,
  S_STATE,
  S_WORKER,
  SESSION_LISTENING,
  SESSION_STATE_NAMES,
} from "../../session/session-table.js";
import type { SessionIndex } from "../../transport/transport.js";

/** A session by name: `engine:index`, `engine:index.generation` to be sure that it is the same, or its index alone. */
export const SESSION_ID = /^(?:0:)?(\d{1,8})(?:\.(\d{1,7}))?$/;

/** The session of that name; undefined when there is none. */
export function sessionByName(host: Host, name: string): SessionIndex | undefined {
  const [, index, generation] = SESSION_ID.exec(name) ?? [];
  const { table } = host.sessions;
  const s = Number(index);
  if (!table.isUsed(s) || (generation !== undefined && table.generation(s) !== Number(generation))) return undefined;
  return s;
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
