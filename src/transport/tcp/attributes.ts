import { SESSION_E_INVALID, SESSION_E_NOSUPPORT } from "../../session/session-errors.js";
import {
  C_FLAGS,
  C_IP_FIELDS,
  C_STATE,
  type ConnectionAttribute,
  type ConnectionAttributes,
  type ConnectionIndex,
} from "../transport.js";
import { type IpAttribute, ipAttribute, setIpAttribute } from "../ip-fields.js";
import { ESTABLISHED, T_KEEPALIVE_MS, T_USER_TIMEOUT_MS, TF_NO_DELAY, TF_NO_SOFT_ERRORS } from "./connection.js";
import type { TcpCore } from "./core.js";
import { updateKeepalive } from "./keepalive.js";
import { urgentBytes } from "./urgent.js";

/** Hop limit of new connections. */
const DEFAULT_HOP_LIMIT = 64;
/** Longest time that a timer can run, milliseconds: 24 hours. */
const MAX_MS = 86_400_000;
/** Flags that connections take from their listener. */
const INHERITED_FLAGS = TF_NO_DELAY | TF_NO_SOFT_ERRORS;

/** Attributes that can be set, with their least and largest value. */
const RANGES: Readonly<
  Record<Exclude<ConnectionAttribute, IpAttribute | "urgentBytes">, readonly [least: number, most: number]>
> = {
  noDelay: [0, 1],
  keepalive: [0, 1],
  keepaliveMs: [0, MAX_MS],
  userTimeoutMs: [0, MAX_MS],
  softErrors: [0, 1],
};

/** A listener or an active open begins: its attributes are the defaults. */
export function initAttributes(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  i32[r + C_IP_FIELDS] = DEFAULT_HOP_LIMIT << 8;
  i32[r + T_KEEPALIVE_MS] = -core.config.keepaliveMs;
  if (core.config.noDelay) i32[r + C_FLAGS] |= TF_NO_DELAY;
}

/** A passive open begins on row `r`: its attributes are those of the listener on row `l`. */
export function inheritAttributes(core: TcpCore, r: number, l: number): void {
  const { i32 } = core.window;
  i32[r + C_IP_FIELDS] = i32[l + C_IP_FIELDS];
  i32[r + T_KEEPALIVE_MS] = i32[l + T_KEEPALIVE_MS];
  i32[r + T_USER_TIMEOUT_MS] = i32[l + T_USER_TIMEOUT_MS];
  i32[r + C_FLAGS] |= i32[l + C_FLAGS] & INHERITED_FLAGS;
}

/** An attribute of a connection or listener. */
export function attribute(core: TcpCore, r: number, name: ConnectionAttribute): number {
  const { i32 } = core.window;
  const flags = i32[r + C_FLAGS];
  switch (name) {
    case "noDelay":
      return (flags & TF_NO_DELAY) !== 0 ? 1 : 0;
    case "keepalive":
      return i32[r + T_KEEPALIVE_MS] > 0 ? 1 : 0;
    case "keepaliveMs":
      return Math.abs(i32[r + T_KEEPALIVE_MS]);
    case "userTimeoutMs":
      return i32[r + T_USER_TIMEOUT_MS] || core.config.userTimeoutMs;
    case "dscp":
    case "hopLimit":
      return ipAttribute(i32, r, name);
    case "softErrors":
      return (flags & TF_NO_SOFT_ERRORS) !== 0 ? 0 : 1;
    case "urgentBytes":
      return urgentBytes(core, r);
    default:
      return SESSION_E_NOSUPPORT;
  }
}

/** Sets an attribute: 0, NOSUPPORT, or INVALID for a value out of range. */
export function setAttribute(
  core: TcpCore,
  c: ConnectionIndex,
  r: number,
  name: ConnectionAttribute,
  value: number,
): number {
  if (name === "dscp" || name === "hopLimit") return setIpAttribute(core.window.i32, r, name, value);
  if (name === "urgentBytes" || !Object.hasOwn(RANGES, name)) return SESSION_E_NOSUPPORT;
  const [least, most] = RANGES[name];
  if (!Number.isInteger(value) || value < least || value > most) return SESSION_E_INVALID;
  const { i32 } = core.window;
  switch (name) {
    case "noDelay":
      setFlag(core, r, TF_NO_DELAY, value === 1);
      if (i32[r + C_STATE] >= ESTABLISHED) core.wantTransmit(c); // What was held back may go.
      break;
    case "keepalive":
      i32[r + T_KEEPALIVE_MS] = Math.abs(i32[r + T_KEEPALIVE_MS]) * (value === 1 ? 1 : -1);
      updateKeepalive(core, c, r);
      break;
    case "keepaliveMs":
      i32[r + T_KEEPALIVE_MS] = (value || core.config.keepaliveMs) * (i32[r + T_KEEPALIVE_MS] > 0 ? 1 : -1);
      updateKeepalive(core, c, r);
      break;
    case "userTimeoutMs":
      i32[r + T_USER_TIMEOUT_MS] = value;
      break;
    case "softErrors":
      setFlag(core, r, TF_NO_SOFT_ERRORS, value === 0);
      break;
    default:
  }
  return 0;
}

/** Sets all that are named. Returns 0, or the error of the first that cannot be set. */
export function setAttributes(
  core: TcpCore,
  c: ConnectionIndex,
  r: number,
  attributes: ConnectionAttributes | undefined,
): number {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    const error = setAttribute(core, c, r, name as ConnectionAttribute, value);
    if (error < 0) return error;
  }
  return 0;
}

function setFlag(core: TcpCore, r: number, flag: number, isSet: boolean): void {
  if (isSet) core.window.i32[r + C_FLAGS] |= flag;
  else core.window.i32[r + C_FLAGS] &= ~flag;
}
