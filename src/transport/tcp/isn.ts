import { isnHashWords } from "../../random/isn-hash.js";
import { C_PORTS } from "../transport.js";
import { TUPLE_WORDS } from "./connection.js";
import type { TcpCore } from "./core.js";

/**
 * Initial sequence number of row `r`: a clock that ticks every 4 us, and skips ahead for connections that outran it, plus
 * a keyed hash of the tuple (RFC 6528 3).
 */
export function initialSequence(core: TcpCore, r: number): number {
  const clock = (Math.floor(core.engine.nowUs / 4) + core.isnSkip) | 0;
  return (clock + isnHashWords(core.isnKey, core.window.i32, r + C_PORTS, TUPLE_WORDS)) | 0;
}
