import { isnHashWords } from "../../random/isn-hash.js";
import { C_PORTS } from "../transport.js";
import { T_TS_OFFSET, TUPLE_WORDS } from "./connection.js";
import type { TcpCore } from "./core.js";

/**
 * Chooses what a new connection adds to its clock (RFC 7323 7.1): nobody shall read the host's uptime, nor compare
 * connections. A keyed hash of the tuple: for connections of one tuple, one after the other, timestamps grow, as RFC 6191
 * and PAWS at the peer need.
 */
export function initTimestampOffset(core: TcpCore, r: number): void {
  core.window.i32[r + T_TS_OFFSET] = isnHashWords(core.timestampKey, core.window.i32, r + C_PORTS, TUPLE_WORDS);
}
