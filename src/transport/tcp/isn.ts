import { isnHashWords } from "../../random/isn-hash.js";
import { C_PORTS, C_RMT } from "../transport.js";
import type { TcpCore } from "./core.js";

/** Words from C_PORTS to the end of C_RMT: ports, local and remote address. */
const TUPLE_WORDS = C_RMT + 4 - C_PORTS;

/** Initial sequence number of row `r`: a clock that ticks every 4 us plus a keyed hash of the tuple (RFC 6528 3). */
export function initialSequence(core: TcpCore, r: number): number {
  const clock = Math.floor(core.engine.nowUs / 4) | 0;
  return (clock + isnHashWords(core.isnKey, core.window.i32, r + C_PORTS, TUPLE_WORDS)) | 0;
}
