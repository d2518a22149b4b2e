import { SESSION_E_INVALID, SESSION_E_NOSUPPORT } from "../../session/session-errors.js";
import { type CommonAttribute, commonAttribute, isCommonAttribute, setCommonAttribute } from "../common-attributes.js";
import {
  C_FLAGS,
  C_IP_FIELDS,
  C_STATE,
  CF_NO_CHECKSUM_OFFLOAD,
  type ConnectionAttribute,
  type ConnectionAttributes,
  type ConnectionIndex,
  TCP_CC_CUBIC,
} from "../transport.js";
import {
  CC_MASK,
  ESTABLISHED,
  MAX_PACE_SHIFT,
  PROBES_MASK,
  RF_NO_PACING,
  SYN_RCVD,
  T_KEEPALIVE_MS,
  T_MAX_PACE,
  T_MSS,
  T_RECOVERY,
  T_SND_MSS,
  T_USER_TIMEOUT_MS,
  TF_NO_DELAY,
  TF_NO_GSO,
  TF_NO_SOFT_ERRORS,
} from "./connection.js";
import type { TcpCore } from "./core.js";
import { updateKeepalive } from "./keepalive.js";
import { LEAST_OWN_MSS, optionBytes } from "./segment-out.js";
import { urgentBytes } from "./urgent.js";

/** Hop limit of new connections. */
const DEFAULT_HOP_LIMIT = 64;
/** Longest time that a timer can run, milliseconds: 24 hours. */
const MAX_MS = 86_400_000;
/** Largest MSS of an IPv4 packet: 65,535 bytes less both headers. */
const MOST_MSS = 65_495;
/** Largest bound of the pace: the bits that its row has for it. */
const MAX_KBPS = 0xff_ffff;
/** What connections take from their listener: of the flags, of T_RECOVERY. */
const INHERITED_FLAGS = TF_NO_DELAY | TF_NO_SOFT_ERRORS | TF_NO_GSO | CF_NO_CHECKSUM_OFFLOAD;
const INHERITED_CHOICES = CC_MASK | RF_NO_PACING;

/** Attributes of TCP's own that can be set, with their least and largest value. */
const RANGES: Readonly<
  Record<Exclude<ConnectionAttribute, CommonAttribute | "urgentBytes">, readonly [least: number, most: number]>
> = {
  noDelay: [0, 1],
  keepalive: [0, 1],
  keepaliveMs: [0, MAX_MS],
  userTimeoutMs: [0, MAX_MS],
  gso: [0, 1],
  mss: [LEAST_OWN_MSS, MOST_MSS],
  congestion: [0, TCP_CC_CUBIC],
  pacing: [0, 1],
  maxPacingKBps: [0, MAX_KBPS],
  softErrors: [0, 1],
};

/** A listener or an active open begins: its attributes are the defaults. */
export function initAttributes(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  i32[r + C_IP_FIELDS] = DEFAULT_HOP_LIMIT << 8;
  i32[r + T_KEEPALIVE_MS] = -core.config.keepaliveMs;
  if (core.config.noDelay) i32[r + C_FLAGS] |= TF_NO_DELAY;
  if (!core.config.pacing) i32[r + T_RECOVERY] |= RF_NO_PACING;
  core.congestion.choose(r);
}

/** A passive open begins on row `r`: its attributes are those of the listener on row `l`. */
export function inheritAttributes(core: TcpCore, r: number, l: number): void {
  const { i32 } = core.window;
  i32[r + C_IP_FIELDS] = i32[l + C_IP_FIELDS];
  i32[r + T_KEEPALIVE_MS] = i32[l + T_KEEPALIVE_MS];
  i32[r + T_USER_TIMEOUT_MS] = i32[l + T_USER_TIMEOUT_MS];
  i32[r + T_MSS] = i32[l + T_MSS];
  i32[r + T_MAX_PACE] = i32[l + T_MAX_PACE];
  i32[r + T_RECOVERY] |= i32[l + T_RECOVERY] & INHERITED_CHOICES;
  i32[r + C_FLAGS] |= i32[l + C_FLAGS] & INHERITED_FLAGS;
}

/** An attribute of a connection or listener. */
export function attribute(core: TcpCore, r: number, name: ConnectionAttribute): number {
  const { i32 } = core.window;
  const flags = i32[r + C_FLAGS];
  if (isCommonAttribute(name)) return commonAttribute(i32, r, name);
  switch (name) {
    case "noDelay":
      return (flags & TF_NO_DELAY) !== 0 ? 1 : 0;
    case "keepalive":
      return i32[r + T_KEEPALIVE_MS] > 0 ? 1 : 0;
    case "keepaliveMs":
      return Math.abs(i32[r + T_KEEPALIVE_MS]);
    case "userTimeoutMs":
      return i32[r + T_USER_TIMEOUT_MS] || core.config.userTimeoutMs;
    case "gso":
      return (flags & TF_NO_GSO) !== 0 ? 0 : 1;
    case "mss":
      return hasPeer(core, r) ? i32[r + T_SND_MSS] : i32[r + T_MSS] >>> 16;
    case "congestion":
      return core.congestion.chosen(r);
    case "pacing":
      return (i32[r + T_RECOVERY] & RF_NO_PACING) !== 0 ? 0 : 1;
    case "maxPacingKBps":
      return i32[r + T_MAX_PACE] >>> MAX_PACE_SHIFT;
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
  const { i32 } = core.window;
  if (isCommonAttribute(name)) return setCommonAttribute(i32, r, name, value, core.outputNexts(r).length);
  if (name === "urgentBytes" || !Object.hasOwn(RANGES, name)) return SESSION_E_NOSUPPORT;
  const [least, most] = RANGES[name];
  const isNone = name === "mss" && value === 0;
  if (!Number.isInteger(value) || (value < least && !isNone) || value > most) return SESSION_E_INVALID;
  switch (name) {
    case "noDelay":
      setBit(core, r + C_FLAGS, TF_NO_DELAY, value === 1);
      resume(core, c, r);
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
    case "gso":
      setBit(core, r + C_FLAGS, TF_NO_GSO, value === 0);
      break;
    case "mss":
      boundMss(core, r, value);
      break;
    case "congestion":
      chooseCongestion(core, r, value);
      break;
    case "pacing":
      setBit(core, r + T_RECOVERY, RF_NO_PACING, value === 0);
      resume(core, c, r);
      break;
    case "maxPacingKBps":
      i32[r + T_MAX_PACE] = (i32[r + T_MAX_PACE] & PROBES_MASK) | (value << MAX_PACE_SHIFT);
      resume(core, c, r);
      break;
    case "softErrors":
      setBit(core, r + C_FLAGS, TF_NO_SOFT_ERRORS, value === 0);
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

/** The peer's SYN has come: the MSS to send with is known. */
function hasPeer(core: TcpCore, r: number): boolean {
  return core.window.i32[r + C_STATE] >= SYN_RCVD;
}

/** What was announced to a peer stays, but we need not send as much as it takes. */
function boundMss(core: TcpCore, r: number, bytes: number): void {
  const { i32 } = core.window;
  i32[r + T_MSS] = (i32[r + T_MSS] & 0xffff) | (bytes << 16);
  if (bytes === 0 || !hasPeer(core, r)) return;
  i32[r + T_SND_MSS] = Math.min(i32[r + T_SND_MSS], bytes - optionBytes(core, r));
}

/** A connection that is open goes on with its window as it is. */
function chooseCongestion(core: TcpCore, r: number, algorithm: number): void {
  if (core.congestion.chosen(r) === algorithm) return;
  core.congestion.choose(r, algorithm);
  if (core.window.i32[r + C_STATE] >= ESTABLISHED) core.congestion.adopt(r);
}

/** What was held back may go. */
function resume(core: TcpCore, c: ConnectionIndex, r: number): void {
  if (core.window.i32[r + C_STATE] >= ESTABLISHED) core.wantTransmit(c);
}

function setBit(core: TcpCore, word: number, bit: number, isSet: boolean): void {
  if (isSet) core.window.i32[word] |= bit;
  else core.window.i32[word] &= ~bit;
}
