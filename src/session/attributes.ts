import type { ConnectionAttribute, SessionIndex, Transport } from "../transport/transport.js";
import { SESSION_E_NOSESSION } from "./session-errors.js";
import type { SessionLayer } from "./session-layer.js";
import { S_PROTO } from "./session-table.js";

/** The transport of a session that has a connection. */
function transportOf(layer: SessionLayer, s: SessionIndex): Transport | undefined {
  if (!layer.table.isUsed(s) || layer.connectionOf(s) < 0) return undefined;
  return layer.transports[layer.window.i32[layer.table.row(s) + S_PROTO]];
}

/** An attribute of a session's connection or of a listener; NOSESSION without a connection, NOSUPPORT. */
export function sessionAttribute(layer: SessionLayer, s: SessionIndex, name: ConnectionAttribute): number {
  return transportOf(layer, s)?.attribute(layer.connectionOf(s), name) ?? SESSION_E_NOSESSION;
}

/** Sets an attribute. Returns 0; NOSESSION without a connection, NOSUPPORT, INVALID for a value out of range. */
export function setSessionAttribute(
  layer: SessionLayer,
  s: SessionIndex,
  name: ConnectionAttribute,
  value: number,
): number {
  return layer.counted(transportOf(layer, s)?.setAttribute(layer.connectionOf(s), name, value) ?? SESSION_E_NOSESSION);
}

/** Statistics of a session's connection, for TCP by the names of RFC 4898; undefined without a connection. */
export function sessionStatistics(layer: SessionLayer, s: SessionIndex): Readonly<Record<string, number>> | undefined {
  return transportOf(layer, s)?.statistics(layer.connectionOf(s));
}
