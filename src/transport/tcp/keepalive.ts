import { SESSION_E_TIMEDOUT } from "../../session/session-errors.js";
import { TCP_FLAG_ACK } from "../../wire/tcp.js";
import { C_FLAGS, C_SESSION, C_STATE, type ConnectionIndex } from "../transport.js";
import {
  ESTABLISHED,
  FIN_WAIT_2,
  T_HEARD_MS,
  T_KEEPALIVE_MS,
  T_SND_MAX,
  T_SND_UNA,
  TF_APP_CLOSED,
  TF_KEEPALIVE,
  TF_PROBING,
  TIME_WAIT,
} from "./connection.js";
import { type TcpCore, TIMER_WAIT } from "./core.js";
import { controlSegment, sendReset } from "./segment-out.js";

/** Whether TIMER_WAIT is keepalive's in the present state: it is where no state has to end by itself. */
export function keepsAlive(core: TcpCore, r: number): boolean {
  const { i32 } = core.window;
  const state = i32[r + C_STATE];
  if (state === FIN_WAIT_2) return (i32[r + C_FLAGS] & TF_APP_CLOSED) === 0;
  return state >= ESTABLISHED && state < TIME_WAIT;
}

/** A segment of the peer arrived: idle time begins anew. For connections with TF_KEEPALIVE. */
export function heard(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  i32[r + T_HEARD_MS] = core.engine.nowMs;
  i32[r + C_FLAGS] &= ~TF_PROBING;
}

/** Keepalive was switched on, or its time changed, or the connection is established: idle time counts from now. */
export function startKeepalive(core: TcpCore, c: ConnectionIndex, r: number): void {
  if (!keepsAlive(core, r)) return; // Its beginning will call again.
  heard(core, r);
  core.startTimer(c, TIMER_WAIT, idleMs(core, r));
}

/** Keepalive was switched off. */
export function stopKeepalive(core: TcpCore, c: ConnectionIndex, r: number): void {
  if (keepsAlive(core, r)) core.stopTimer(c, TIMER_WAIT);
}

/** Idle time before the first probe, milliseconds. */
function idleMs(core: TcpCore, r: number): number {
  return core.window.i32[r + T_KEEPALIVE_MS] || core.config.keepaliveMs;
}

/**
 * TIMER_WAIT expired in a state of {@link keepsAlive}. A probe is an old sequence number without data, which the peer
 * must acknowledge; only after several without an answer is the connection given up (RFC 9293 3.8.4, MUST-29).
 */
export function keepaliveExpired(core: TcpCore, c: ConnectionIndex, r: number): void {
  const { i32 } = core.window;
  if ((i32[r + C_FLAGS] & TF_KEEPALIVE) === 0) return;
  // MUST-26: what is outstanding asks for an answer by itself, and R2 judges it.
  if (i32[r + T_SND_MAX] !== i32[r + T_SND_UNA] || core.queued(r) > 0) {
    core.startTimer(c, TIMER_WAIT, idleMs(core, r));
    return;
  }
  if ((i32[r + C_FLAGS] & TF_PROBING) === 0) {
    const leftMs = idleMs(core, r) - ((core.engine.nowMs - i32[r + T_HEARD_MS]) | 0);
    if (leftMs > 0) {
      core.startTimer(c, TIMER_WAIT, leftMs);
      return;
    }
    i32[r + C_FLAGS] |= TF_PROBING;
    i32[r + T_HEARD_MS] = 0;
  }
  if (i32[r + T_HEARD_MS] >= core.config.keepaliveProbes) {
    sendReset(core, c, r);
    if (i32[r + C_SESSION] >= 0) core.upcalls.reset(i32[r + C_SESSION], SESSION_E_TIMEDOUT);
    core.remove(c);
    return;
  }
  i32[r + T_HEARD_MS]++;
  const b = controlSegment(core, c, r, (i32[r + T_SND_MAX] - 1) | 0, TCP_FLAG_ACK);
  if (b >= 0) core.output(r, b);
  core.startTimer(c, TIMER_WAIT, core.config.keepaliveIntervalMs);
}
