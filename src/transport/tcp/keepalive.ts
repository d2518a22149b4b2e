import { SESSION_E_TIMEDOUT } from "../../session/session-errors.js";
import { TCP_FLAG_ACK } from "../../wire/tcp.js";
import { C_FLAGS, C_SESSION, C_STATE, type ConnectionIndex } from "../transport.js";
import {
  ESTABLISHED,
  FIN_WAIT_2,
  PROBES_MASK,
  T_HEARD_MS,
  T_KEEPALIVE_MS,
  T_PROBES,
  T_SND_NXT,
  T_SND_UNA,
  T_TS_RECENT_MS,
  TF_APP_CLOSED,
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

/** Keepalive was switched on or off, or its time changed, or the connection is established. */
export function updateKeepalive(core: TcpCore, c: ConnectionIndex, r: number): void {
  if (!keepsAlive(core, r)) return; // Its beginning will call again.
  const { i32 } = core.window;
  i32[r + T_PROBES] &= ~PROBES_MASK;
  if (i32[r + T_KEEPALIVE_MS] > 0) core.startTimer(c, TIMER_WAIT, Math.max(0, leftMs(core, r)));
  else core.stopTimer(c, TIMER_WAIT);
}

/** Idle time that lacks until the first probe, milliseconds: idle is who was not heard (RFC 9293 3.8.4). */
function leftMs(core: TcpCore, r: number): number {
  const { i32 } = core.window;
  return i32[r + T_KEEPALIVE_MS] - ((core.engine.nowMs - i32[r + T_TS_RECENT_MS]) | 0);
}

/**
 * TIMER_WAIT expired in a state of {@link keepsAlive}. A probe is an old sequence number without data, which the peer
 * must acknowledge; only after several without an answer is the connection given up (RFC 9293 3.8.4, MUST-29).
 */
export function keepaliveExpired(core: TcpCore, c: ConnectionIndex, r: number): void {
  const { i32 } = core.window;
  const idleMs = i32[r + T_KEEPALIVE_MS];
  if (idleMs <= 0) return;
  // MUST-26: what is outstanding asks for an answer by itself, and R2 judges it.
  if (i32[r + T_SND_NXT] !== i32[r + T_SND_UNA] || core.queued(r) > 0) {
    core.startTimer(c, TIMER_WAIT, idleMs);
    return;
  }
  if (i32[r + T_TS_RECENT_MS] !== i32[r + T_HEARD_MS]) {
    i32[r + T_HEARD_MS] = i32[r + T_TS_RECENT_MS];
    i32[r + T_PROBES] &= ~PROBES_MASK;
  }
  const probes = i32[r + T_PROBES] & PROBES_MASK;
  if (probes === 0 && leftMs(core, r) > 0) {
    core.startTimer(c, TIMER_WAIT, leftMs(core, r));
    return;
  }
  if (probes >= core.config.keepaliveProbes) {
    sendReset(core, c, r);
    if (i32[r + C_SESSION] >= 0) core.upcalls.reset(i32[r + C_SESSION], SESSION_E_TIMEDOUT);
    core.remove(c);
    return;
  }
  i32[r + T_PROBES]++;
  const b = controlSegment(core, c, r, (i32[r + T_SND_NXT] - 1) | 0, TCP_FLAG_ACK);
  if (b >= 0) core.output(r, b);
  core.startTimer(c, TIMER_WAIT, core.config.keepaliveIntervalMs);
}
