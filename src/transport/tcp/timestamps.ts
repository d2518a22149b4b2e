import { isnHashWords } from "../../random/isn-hash.js";
import { C_PORTS } from "../transport.js";
import { T_TS_OFFSET, TUPLE_WORDS } from "./connection.js";
import type { TcpCore } from "./core.js";

/**
 * Chooses what a new connection adds to its clock (RFC 7323 7.1): nobody shall read the host's uptime, nor compare
 * connections. A keyed hash of the tuple: for connections of one tuple, one after the other, timestamps grow, as RFC 6191
 * and PAWS at the peer need.
 */
export function initTimestamps(core: TcpCore, r: number): void {
  core.window.i32[r + T_TS_OFFSET] = isnHashWords(core.timestampKey, core.window.i32, r + C_PORTS, TUPLE_WORDS);
}

/** Our timestamp clock as the peer of row `r` sees it, milliseconds modulo 2^32: TSval now. An echoed TSval is on it, too. */
export function tsNow(core: TcpCore, r: number): number {
  return (core.engine.nowMs + core.window.i32[r + T_TS_OFFSET]) | 0;
}
