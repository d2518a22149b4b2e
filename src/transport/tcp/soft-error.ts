import { C_FLAGS, C_SESSION, SOFT_NO_ANSWER } from "../transport.js";
import { T_BACKOFF, TF_NO_SOFT_ERRORS } from "./connection.js";
import type { TcpCore } from "./core.js";

/** R1: timeouts in a row after which lower and upper layer are told (RFC 9293 3.8.3, SHLD-10: at least three). */
export const R1_TIMEOUTS = 3;

/** Tells the application of something that does not end the connection, unless it does not want to hear (SHLD-20). */
export function softError(core: TcpCore, r: number, kind: number): void {
  const { i32 } = core.window;
  if ((i32[r + C_FLAGS] & TF_NO_SOFT_ERRORS) === 0) core.upcalls.softError(i32[r + C_SESSION], kind);
}

/** A timeout was counted. At R1 the next hop is doubted (MUST-20) and the application is told (SHLD-9). */
export function checkR1(core: TcpCore, r: number): void {
  if (core.window.i32[r + T_BACKOFF] !== R1_TIMEOUTS) return;
  core.doubtPath(r);
  softError(core, r, SOFT_NO_ANSWER);
}
